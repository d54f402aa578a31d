/*
 * The settings, edited in place. A value that was said here stands out; the others are what preset
 * and model say, shown dim, and Delete goes back to that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/studio.h"

static const struct row {
    const char *key, *label;
    double step; /* of Left and Right for numbers */
} rows[SETTING_ROWS] = {
    {"seed", "seed", 1},           {"steps", "steps", 1},   {"cfg", "cfg", 0.5},
    {"size", "size", 0},           {"batch", "batch", 1},   {"sampler", "sampler", 0},
    {"scheduler", "schedule", 0},  {"model", "model", 0},   {"device", "device", 0},
    {"precision", "precision", 0}, {"memory", "memory", 0},
};

/* Sizes that Left and Right walk through, as sides of squares. */
static const int sides[] = {64, 96, 128, 192, 256, 384, 512, 640, 768, 896, 1024, 1280, 1536};

static const struct settings_key *key_of(const struct row *r)
{
    return settings_key(settings_key_index(r->key));
}

static bool is_said(const struct ui *ui, const struct row *r)
{
    const struct settings *s = &ui->studio->said;
    return settings_has(s, r->key) && !(!strcmp(r->key, "seed") && s->random_seed);
}

static void value_text(const struct ui *ui, const struct row *r, char *out, size_t size)
{
    const struct studio *st = ui->studio;
    settings_print(settings_has(&st->said, r->key) ? &st->said : &st->effective, r->key, out, size);
    if (!*out && !strcmp(r->key, "seed"))
        snprintf(out, size, "random");
}

void settings_say(struct ui *ui, const char *key, const char *value)
{
    struct studio *st = ui->studio;
    struct err e = {""};
    if (settings_set(&st->said, key, value, &e)) {
        ui_say(ui, ROLE_BAD, "%s: %s", key, e.text);
        return;
    }
    st->unsaved = true;
    studio_settle(ui);
}

/* ---- drawing ---- */

/* What stands behind a value: what it means, or how to change it. */
static void hint(const struct ui *ui, const struct row *r, char *out, size_t size)
{
    const struct studio *st = ui->studio;
    *out = '\0';
    if (strcmp(r->key, "seed"))
        return;
    if (is_said(ui, r))
        snprintf(out, size, "locked");
    else if (st->shown_count > 0)
        snprintf(out, size, "%llu", (unsigned long long)st->shown_seed);
}

static void draw_value(struct ui *ui, const struct row *r, int y, int x, int w, bool here)
{
    char text[300], more[60];
    enum role bg = here ? ROLE_SELECT : ROLE_TEXT;
    value_text(ui, r, text, sizeof text);
    hint(ui, r, more, sizeof more);
    int used = draw_on(ui->screen, y, x, w, is_said(ui, r) ? ROLE_STRONG : ROLE_TEXT, bg, text);
    if (*more && w - used - 2 >= text_columns(more, strlen(more)))
        draw_on(ui->screen, y, x + used + 2, w - used - 2, ROLE_DIM, bg, more);
}

/* The field that is being typed into; its text is moved so that the cursor is seen. */
static void draw_typing(struct ui *ui, int y, int x, int w)
{
    struct editor *ed = ui->studio->value;
    int row, col;
    editor_cursor_at(ed, 4096, &row, &col);
    size_t skip = 0;
    int off = col >= w ? col - w + 1 : 0;
    while (off > 0 && skip < editor_len(ed) && text_columns(editor_text(ed), skip) < off)
        skip++;
    draw_fill(ui->screen, (struct rect){y, x, 1, w}, ROLE_FIELD_FOCUS);
    draw_textn(ui->screen, y, x, w, ROLE_FIELD_FOCUS, editor_text(ed) + skip,
               editor_len(ed) - skip);
    screen_cursor(ui->screen, y, x + col - off);
}

void settings_draw(struct ui *ui, struct rect r)
{
    struct studio *st = ui->studio;
    bool focus = st->focus == FOCUS_SETTINGS;
    struct rect in = draw_box(ui->screen, r, "Settings", focus);
    st->setting_top = list_top(st->setting_top, focus ? st->setting_row : 0, in.h, SETTING_ROWS);
    for (int i = 0; i < in.h && st->setting_top + i < SETTING_ROWS; i++) {
        int n = st->setting_top + i, y = in.y + i;
        bool here = focus && n == st->setting_row;
        if (here)
            draw_fill(ui->screen, (struct rect){y, in.x, 1, in.w}, ROLE_SELECT);
        draw_on(ui->screen, y, in.x + 1, 10, ROLE_DIM, here ? ROLE_SELECT : ROLE_TEXT,
                rows[n].label);
        if (here && st->editing)
            draw_typing(ui, y, in.x + 11, in.w - 11);
        else
            draw_value(ui, &rows[n], y, in.x + 11, in.w - 12, here);
    }
}

/* ---- changing ---- */

static void begin_typing(struct ui *ui, const char *text)
{
    ui->studio->editing = true;
    editor_set(ui->studio->value, text);
}

static void accept_typing(struct ui *ui)
{
    struct studio *st = ui->studio;
    const char *key = rows[st->setting_row].key;
    char value[600];
    snprintf(value, sizeof value, "%s", editor_text(st->value));
    st->editing = false;
    if (*value)
        settings_say(ui, key, value);
}

static int find_name(const char *const *list, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(list[i], name))
            return i;
    return -1;
}

static void step_choice(struct ui *ui, const struct row *r, int by)
{
    const char *names[64];
    char now[300];
    int count = 0;
    const struct settings_key *k = key_of(r);
    if (k->choice)
        while (count < 64 && k->choice(count)) {
            names[count] = k->choice(count);
            count++;
        }
    else
        for (; count < 64 && count < ui->studio->models_count; count++)
            names[count] = ui->studio->models[count];
    value_text(ui, r, now, sizeof now);
    int at = find_name(names, count, now);
    if (count > 0)
        settings_say(ui, r->key, names[(at + by + count) % count]);
}

static void step_size(struct ui *ui, int by)
{
    const struct studio *st = ui->studio;
    const struct settings *s = settings_has(&st->said, "size") ? &st->said : &st->effective;
    int count = sizeof sides / sizeof *sides, at = 0;
    char text[40];
    while (at < count - 1 && sides[at] < s->width)
        at++;
    if (by < 0 && sides[at] > s->width)
        by = -1;
    at = at + by < 0 ? 0 : at + by >= count ? count - 1 : at + by;
    snprintf(text, sizeof text, "%dx%d", sides[at], sides[at]);
    settings_say(ui, "size", text);
}

static void step_number(struct ui *ui, const struct row *r, int by)
{
    const struct settings_key *k = key_of(r);
    char text[64];
    value_text(ui, r, text, sizeof text);
    if (k->type == KEY_SEED) {
        unsigned long long seed = strtoull(text, NULL, 10);
        snprintf(text, sizeof text, "%llu", seed + (unsigned long long)by);
    } else {
        double v = strtod(text, NULL) + by * r->step;
        v = v < k->min ? k->min : v > k->max ? k->max : v;
        snprintf(text, sizeof text, "%g", v);
    }
    settings_say(ui, r->key, text);
}

static void step_value(struct ui *ui, int by)
{
    const struct row *r = &rows[ui->studio->setting_row];
    const struct settings_key *k = key_of(r);
    if (k->type == KEY_SIZE)
        step_size(ui, by);
    else if (k->type == KEY_CHOICE || k->type == KEY_TEXT)
        step_choice(ui, r, by);
    else
        step_number(ui, r, by);
}

static void reset_value(struct ui *ui)
{
    settings_unset(&ui->studio->said, rows[ui->studio->setting_row].key);
    ui->studio->unsaved = true;
    studio_settle(ui);
}

static bool typing_act(struct ui *ui, enum action a)
{
    struct studio *st = ui->studio;
    switch (a) {
    case ACT_RUN:
        accept_typing(ui);
        return true;
    case ACT_LINE_UP:
    case ACT_LINE_DOWN:
        accept_typing(ui);
        return settings_act(ui, a == ACT_LINE_UP ? ACT_UP : ACT_DOWN);
    case ACT_BACK:
        st->editing = false;
        return true;
    case ACT_NEXT_PANEL:
    case ACT_PREV_PANEL:
        accept_typing(ui);
        return false;
    default:
        return editor_act(st->value, a, 4096);
    }
}

bool settings_act(struct ui *ui, enum action a)
{
    struct studio *st = ui->studio;
    char text[300];
    if (st->editing)
        return typing_act(ui, a);
    switch (a) {
    case ACT_UP:
        st->setting_row -= st->setting_row > 0;
        return true;
    case ACT_DOWN:
        st->setting_row += st->setting_row < SETTING_ROWS - 1;
        return true;
    case ACT_FIRST:
        st->setting_row = 0;
        return true;
    case ACT_LAST:
        st->setting_row = SETTING_ROWS - 1;
        return true;
    case ACT_VALUE_LESS:
        step_value(ui, -1);
        return true;
    case ACT_VALUE_MORE:
        step_value(ui, 1);
        return true;
    case ACT_VALUE_RESET:
        reset_value(ui);
        return true;
    case ACT_VALUE_EDIT:
        value_text(ui, &rows[st->setting_row], text, sizeof text);
        begin_typing(ui, strcmp(text, "random") ? text : "");
        return true;
    default:
        return false;
    }
}

/* Does typing this begin a new value? A digit for numbers, anything for texts; for a choice it goes
 * to the next one that begins so. */
static bool may_begin(struct ui *ui, const struct input_event *in)
{
    const struct row *r = &rows[ui->studio->setting_row];
    const struct settings_key *k = key_of(r);
    char now[300];
    if (k->type == KEY_TEXT)
        return true;
    if (k->type != KEY_CHOICE)
        return *in->text >= '0' && *in->text <= '9';
    value_text(ui, r, now, sizeof now);
    int count = 0, at = 0;
    for (; k->choice(count); count++)
        at = strcmp(k->choice(count), now) ? at : count;
    for (int i = 1; i <= count; i++)
        if (k->choice((at + i) % count)[0] == *in->text) {
            settings_say(ui, r->key, k->choice((at + i) % count));
            break;
        }
    return false;
}

void settings_type(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    if (!st->editing && !may_begin(ui, in))
        return;
    if (!st->editing)
        begin_typing(ui, "");
    editor_insert(st->value, in->text, in->len);
}

void settings_click(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    int row = in->y - st->at.settings.y - 1 + st->setting_top;
    bool inside = in->y > st->at.settings.y && in->y < st->at.settings.y + st->at.settings.h - 1 &&
                  row >= 0 && row < SETTING_ROWS;
    if (!inside)
        return;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN) {
        st->setting_row = row;
        step_value(ui, in->what == MOUSE_WHEEL_UP ? 1 : -1);
    } else if (in->what == MOUSE_DOWN && in->button == 1) {
        bool again = st->setting_row == row;
        st->setting_row = row;
        if (again)
            settings_act(ui, ACT_VALUE_EDIT);
    }
}
