/*
 * The settings, edited in place: every row of the one table (config.h) that a job has, in groups
 * that open and close, with a search. A value that was said here stands out; the others are what
 * preset and model say, and Delete goes back to that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/setting_list.h"
#include "ui/studio.h"

enum { HELP_ROWS = 2, WITH_HELP = 9, INDENT = 2 };

/* ---- lines ---- */

static int lines_now(const struct ui *ui, struct setting_line line[SETTING_LINES])
{
    const struct settings_panel *p = &ui->studio->setting;
    return setting_lines(p->open, p->searching ? editor_text(p->search) : "", line);
}

/* The line that is chosen; false when there is none. */
static bool chosen(const struct ui *ui, struct setting_line *at)
{
    struct setting_line line[SETTING_LINES];
    int n = lines_now(ui, line), row = ui->studio->setting.row;
    if (row < n)
        *at = line[row];
    return row < n;
}

/* The chosen setting, or NULL on a title. */
static const struct settings_key *chosen_key(const struct ui *ui)
{
    struct setting_line at;
    return chosen(ui, &at) ? settings_key(at.key) : NULL;
}

static bool is_said(const struct ui *ui, const struct settings_key *k)
{
    const struct settings *s = &ui->studio->said;
    return settings_has(s, k->name) && !(k->type == KEY_SEED && s->random_seed);
}

static void value_text(const struct ui *ui, const struct settings_key *k, char *out, size_t size)
{
    const struct studio *st = ui->studio;
    settings_print(settings_has(&st->said, k->name) ? &st->said : &st->effective, k->name, out,
                   size);
    if (!*out && k->type == KEY_SEED)
        snprintf(out, size, "random");
}

void settings_reset(struct ui *ui, const char *key)
{
    settings_unset(&ui->studio->said, key);
    ui->studio->unsaved = true;
    studio_settle(ui);
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

/* What stands behind a value: what it means. */
static void hint(const struct ui *ui, const struct settings_key *k, char *out, size_t size)
{
    const struct studio *st = ui->studio;
    *out = '\0';
    if (k->type != KEY_SEED)
        return;
    if (is_said(ui, k))
        snprintf(out, size, "locked");
    else if (st->shown_count > 0)
        snprintf(out, size, "%llu", (unsigned long long)st->shown_seed);
}

/* A path that is too long shows its end: the last names, or what fits of the last one. */
static void keep_end(const struct ui *ui, char *text, int w)
{
    const char *from = text, *mark = screen_utf8(ui->screen) ? "\u2026" : "~";
    size_t n = strlen(mark);
    for (const char *slash; text_columns(from, strlen(from)) > w; from = slash + 1) {
        slash = strchr(from, '/');
        if (!slash || !slash[1])
            break;
    }
    bool cut = w > 1 && text_columns(from, strlen(from)) > w;
    while (cut && (text_columns(from, strlen(from)) >= w || (size_t)(from - text) < n))
        for (from++; ((unsigned char)*from & 0xc0) == 0x80;)
            from++;
    if (from > text)
        memmove(text + (cut ? n : 0), from, strlen(from) + 1);
    if (cut)
        memcpy(text, mark, n);
}

static bool is_path(const struct settings_key *k)
{
    return k->pick != PICK_NONE && k->pick != PICK_LORAS && k->pick != PICK_STYLES;
}

static void draw_value(struct ui *ui, const struct settings_key *k, int y, int x, int w,
                       enum role bg)
{
    char text[4200], more[60];
    value_text(ui, k, text, sizeof text);
    hint(ui, k, more, sizeof more);
    enum role role = is_said(ui, k) ? ROLE_STRONG : *text ? ROLE_TEXT : ROLE_DIM;
    if (!strcmp(text, "0x0")) /* a size that is none */
        *text = '\0';
    if (is_path(k))
        keep_end(ui, text, w);
    const char *shown = *text ? text : "–";
    int used = draw_on(ui->screen, y, x, w, role, bg, shown);
    if (*more && w - used - 2 >= text_columns(more, strlen(more)))
        draw_on(ui->screen, y, x + used + 2, w - used - 2, ROLE_DIM, bg, more);
}

/* A one-line editor; its text is moved so that the cursor is seen. */
static void draw_typing(struct ui *ui, struct editor *ed, int y, int x, int w)
{
    int scroll = 0, cursor = field_draw(ui, ed, (struct rect){y, x, 1, w}, &scroll);
    if (!ui->dialog && !ui->help)
        screen_cursor(ui->screen, y, cursor);
}

/* What a closed group still tells: how many of its values were said, or which model it names. */
static void summary(const struct ui *ui, enum settings_group g, char *out, size_t size)
{
    int said = 0;
    *out = '\0';
    for (int i = 0; settings_key(i); i++) {
        const struct settings_key *k = settings_key(i);
        said += k->group == g && is_said(ui, k);
        if (k->group == g && k->pick == PICK_MODEL && !*out)
            value_text(ui, k, out, size);
    }
    if (said > 0)
        snprintf(out, size, "%d set", said);
}

/* "▾ Picture" */
static void draw_title(struct ui *ui, enum settings_group g, int y, struct rect in, enum role bg)
{
    const struct settings_panel *p = &ui->studio->setting;
    bool open = p->searching || p->open >> g & 1, utf8 = screen_utf8(ui->screen);
    const char *title = settings_group_title(g), *mark = open ? utf8 ? "▾" : "-" : utf8 ? "▸" : "+";
    char text[60] = "";
    draw_on(ui->screen, y, in.x + 1, 1, ROLE_DIM, bg, mark);
    int used = 3 + draw_on(ui->screen, y, in.x + 3, in.w - 4, ROLE_TITLE, bg, title);
    if (!open)
        summary(ui, g, text, sizeof text);
    int w = text_columns(text, strlen(text));
    if (w < in.w - used - 2)
        draw_on(ui->screen, y, in.x + in.w - 1 - w, w, ROLE_DIM, bg, text);
}

static void draw_setting(struct ui *ui, const struct settings_key *k, int y, struct rect in,
                         int label, bool here)
{
    enum role bg = here ? ROLE_SELECT : ROLE_TEXT;
    int x = in.x + 1 + INDENT + label + 1, w = in.x + in.w - 1 - x;
    draw_on(ui->screen, y, in.x + 1 + INDENT, label, is_said(ui, k) ? ROLE_TEXT : ROLE_DIM, bg,
            k->label);
    if (is_said(ui, k))
        draw_on(ui->screen, y, in.x + 1, 1, ROLE_ACCENT, bg, "•");
    if (here && ui->studio->setting.editing)
        draw_typing(ui, ui->studio->setting.value, y, x, w + 1);
    else
        draw_value(ui, k, y, x, w, bg);
}

/* Of the labels in the group, so that a long one takes nothing from other groups' values. */
static int label_columns(const struct setting_line *line, int count, enum settings_group group)
{
    int most = 8;
    for (int i = 0; i < count; i++)
        if (line[i].key >= 0 && line[i].group == group &&
            (int)strlen(settings_key(line[i].key)->label) > most)
            most = (int)strlen(settings_key(line[i].key)->label);
    return most;
}

/* Help for the chosen setting in the last rows; returns what is left of the area. */
static struct rect draw_setting_help(struct ui *ui, struct rect in)
{
    const struct settings_key *k = chosen_key(ui);
    char text[200];
    if (in.h < WITH_HELP)
        return in;
    in.h -= HELP_ROWS + 1;
    draw_hline(ui->screen, in.y + in.h, in.x, in.w, ROLE_BORDER);
    snprintf(text, sizeof text, "%s", "Enter opens and closes a group, / finds a setting");
    if (k)
        setting_help(k, text, sizeof text);
    draw_wrapped(ui->screen, (struct rect){in.y + in.h + 1, in.x + 1, HELP_ROWS, in.w - 2},
                 ROLE_DIM, text);
    return in;
}

/* The field of a search in the first row; returns what is left of the area. */
static struct rect draw_search(struct ui *ui, struct rect in)
{
    draw_text(ui->screen, in.y, in.x + 1, 5, ROLE_DIM, "find");
    draw_typing(ui, ui->studio->setting.search, in.y, in.x + 6, in.w - 7);
    in.y++, in.h--;
    return in;
}

/* Where the presets have no panel of their own, the chosen one's name stands over the settings. */
static void draw_preset_name(struct ui *ui, struct rect r)
{
    const struct studio *st = ui->studio;
    char text[90];
    if (st->at.presets.h > 0)
        return;
    snprintf(text, sizeof text, " preset %s ", *st->preset ? st->preset : "none");
    draw_right(ui->screen, r.y, r.x + 13, r.w - 15, ROLE_DIM, text);
}

void settings_draw(struct ui *ui, struct rect r)
{
    struct settings_panel *p = &ui->studio->setting;
    struct setting_line line[SETTING_LINES];
    bool focus = ui->studio->focus == FOCUS_SETTINGS;
    struct rect in = draw_box(ui->screen, r, "Settings", focus);
    int count = lines_now(ui, line);
    draw_preset_name(ui, r);
    p->row = p->row < count ? p->row : count > 0 ? count - 1 : 0;
    if (focus)
        in = draw_setting_help(ui, in);
    if (p->searching)
        in = draw_search(ui, in);
    p->list = in;
    p->top = list_top(p->top, focus ? p->row : 0, in.h, count);
    for (int i = 0; i < in.h && p->top + i < count; i++) {
        const struct setting_line *l = &line[p->top + i];
        int y = in.y + i;
        bool here = focus && p->top + i == p->row;
        if (here)
            draw_fill(ui->screen, (struct rect){y, in.x, 1, in.w}, ROLE_SELECT);
        if (l->key < 0)
            draw_title(ui, l->group, y, in, here ? ROLE_SELECT : ROLE_TEXT);
        else
            draw_setting(ui, settings_key(l->key), y, in, label_columns(line, count, l->group),
                         here);
    }
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, in.h, p->top, count, focus);
    if (count == 0)
        draw_text(ui->screen, in.y, in.x + 1, in.w - 2, ROLE_DIM, "no setting has these words");
}

/* ---- changing ---- */

static void begin_typing(struct ui *ui, const char *text)
{
    ui->studio->setting.editing = true;
    editor_set(ui->studio->setting.value, text);
}

static void reset_value(struct ui *ui)
{
    const struct settings_key *k = chosen_key(ui);
    if (k)
        settings_reset(ui, k->name);
}

/* No text: as before for a number, none for a text. */
static void accept_typing(struct ui *ui)
{
    struct settings_panel *p = &ui->studio->setting;
    const struct settings_key *k = chosen_key(ui);
    p->editing = false;
    if (k && editor_len(p->value) > 0)
        settings_say(ui, k->name, editor_text(p->value));
    else if (k && k->type == KEY_TEXT)
        reset_value(ui);
}

static void step_name(struct ui *ui, const struct settings_key *k, const char *now, int by)
{
    const struct studio_names *n = studio_names_for(ui, k);
    int at = by > 0 ? -1 : 0;
    for (int i = 0; i < n->count; i++)
        if (!strcmp(n->at[i], now))
            at = i;
    if (n->count > 0)
        settings_say(ui, k->name, n->at[(at + by + n->count) % n->count]);
}

static void open_group(struct ui *ui, enum settings_group g, bool open)
{
    struct settings_panel *p = &ui->studio->setting;
    p->open = open ? p->open | 1u << g : p->open & ~(1u << g);
    ui->studio->unsaved = true;
}

/* Less and more on a title close and open. */
static void step_value(struct ui *ui, int by)
{
    struct setting_line at;
    char now[600], text[64];
    if (!chosen(ui, &at))
        return;
    if (at.key < 0) {
        open_group(ui, at.group, by > 0);
        return;
    }
    const struct settings_key *k = settings_key(at.key);
    value_text(ui, k, now, sizeof now);
    if (studio_names_for(ui, k))
        step_name(ui, k, now, by);
    else if (setting_step(k, now, by, text, sizeof text))
        settings_say(ui, k->name, text);
}

/* Enter: opens a group, turns a flag over, offers choices, or begins to type. */
static void edit_value(struct ui *ui)
{
    struct setting_line at;
    char now[4200];
    if (!chosen(ui, &at))
        return;
    if (at.key < 0) {
        open_group(ui, at.group, !(ui->studio->setting.open >> at.group & 1));
        return;
    }
    const struct settings_key *k = settings_key(at.key);
    value_text(ui, k, now, sizeof now);
    if (k->type == KEY_FLAG)
        step_value(ui, 1);
    else if (!setting_pick(ui, k, now, "", settings_say))
        begin_typing(ui, k->type == KEY_SEED && !strcmp(now, "random") ? "" : now);
}

/* ---- keys ---- */

/* Ends the search where it led to: at the chosen setting, in its open group. */
static void end_search(struct ui *ui, bool there)
{
    struct settings_panel *p = &ui->studio->setting;
    struct setting_line at = {GROUP_PICTURE, -1}, line[SETTING_LINES];
    bool found = chosen(ui, &at) && there;
    p->searching = false;
    if (found)
        open_group(ui, at.group, true);
    int row = found ? setting_line_of(line, lines_now(ui, line), at.key) : p->before;
    p->row = row > 0 ? row : 0;
}

/* The first setting that was found: not the title over it. */
static void searched(struct ui *ui)
{
    ui->studio->setting.row = editor_len(ui->studio->setting.search) > 0;
    ui->studio->setting.top = 0;
}

static void begin_search(struct ui *ui)
{
    struct settings_panel *p = &ui->studio->setting;
    p->before = p->row;
    p->searching = true;
    editor_set(p->search, "");
    searched(ui);
}

static bool move(struct ui *ui, enum action a)
{
    struct settings_panel *p = &ui->studio->setting;
    struct setting_line line[SETTING_LINES];
    int last = lines_now(ui, line) - 1, page = p->list.h > 1 ? p->list.h - 1 : 1;
    return list_step(a, page, last, &p->row);
}

static bool search_act(struct ui *ui, enum action a)
{
    struct settings_panel *p = &ui->studio->setting;
    if (a == ACT_ACCEPT || a == ACT_BACK) {
        end_search(ui, a == ACT_ACCEPT);
        return true;
    }
    if (a == ACT_NEXT_PANEL || a == ACT_PREV_PANEL) {
        end_search(ui, true);
        return false;
    }
    if (a == ACT_FIRST || a == ACT_LAST)
        a = a == ACT_FIRST ? ACT_LINE_START : ACT_LINE_END;
    else if (move(ui, a))
        return true;
    unsigned long version = editor_version(p->search);
    bool mine = editor_act(p->search, a, EDITOR_UNWRAPPED);
    if (version != editor_version(p->search))
        searched(ui);
    return mine;
}

static bool typing_act(struct ui *ui, enum action a)
{
    struct settings_panel *p = &ui->studio->setting;
    switch (a) {
    case ACT_RUN:
        accept_typing(ui);
        return true;
    case ACT_LINE_UP:
    case ACT_LINE_DOWN:
        accept_typing(ui);
        return move(ui, a == ACT_LINE_UP ? ACT_UP : ACT_DOWN);
    case ACT_BACK:
        p->editing = false;
        return true;
    case ACT_NEXT_PANEL:
    case ACT_PREV_PANEL:
        accept_typing(ui);
        return false;
    default:
        return editor_act(p->value, a, EDITOR_UNWRAPPED);
    }
}

bool settings_act(struct ui *ui, enum action a)
{
    struct settings_panel *p = &ui->studio->setting;
    if (p->editing)
        return typing_act(ui, a);
    if (p->searching)
        return search_act(ui, a);
    if (move(ui, a))
        return true;
    switch (a) {
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
        edit_value(ui);
        return true;
    case ACT_VALUE_FIND:
        begin_search(ui);
        return true;
    default:
        return false;
    }
}

unsigned settings_contexts(const struct ui *ui)
{
    const struct settings_panel *p = &ui->studio->setting;
    return p->editing ? CTX_TEXT : p->searching ? CTX_TEXT | CTX_DIALOG : CTX_SETTINGS;
}

/* On the title of a group, keys open and close it. */
const char *settings_hint(const struct ui *ui, enum action a, const char *word)
{
    struct setting_line at;
    bool title = chosen(ui, &at) && at.key < 0;
    switch (a) {
    case ACT_VALUE_LESS:
        return title ? "close" : word;
    case ACT_VALUE_MORE:
        return title ? "open" : word;
    case ACT_VALUE_EDIT:
    case ACT_VALUE_RESET:
        return title ? NULL : word;
    default:
        return word;
    }
}

/* Leaves a value or a search as it is. */
void settings_leave(struct ui *ui)
{
    struct settings_panel *p = &ui->studio->setting;
    p->editing = false;
    if (p->searching)
        end_search(ui, true);
}

/* ---- text and mouse ---- */

/* Does typing this begin a new value? A digit for numbers, anything for texts; for a choice it goes
 * to the next one that begins so. */
static bool may_begin(struct ui *ui, const struct input_event *in)
{
    const struct settings_key *k = chosen_key(ui);
    char now[300];
    if (!k || k->type == KEY_FLAG)
        return false;
    if (k->type == KEY_TEXT)
        return true;
    if (k->type != KEY_CHOICE)
        return *in->text >= '0' && *in->text <= '9';
    value_text(ui, k, now, sizeof now);
    int count = 0, at = 0;
    for (; k->choice(count); count++)
        at = strcmp(k->choice(count), now) ? at : count;
    for (int i = 1; i <= count; i++)
        if (k->choice((at + i) % count)[0] == *in->text) {
            settings_say(ui, k->name, k->choice((at + i) % count));
            break;
        }
    return false;
}

void settings_type(struct ui *ui, const struct input_event *in)
{
    struct settings_panel *p = &ui->studio->setting;
    if (p->searching && !p->editing) {
        editor_insert(p->search, in->text, in->len);
        searched(ui);
        return;
    }
    if (!p->editing && !may_begin(ui, in))
        return;
    if (!p->editing && setting_pick(ui, chosen_key(ui), "", in->text, settings_say))
        return;
    if (!p->editing)
        begin_typing(ui, "");
    editor_insert(p->value, in->text, in->len);
}

void settings_click(struct ui *ui, const struct input_event *in)
{
    struct settings_panel *p = &ui->studio->setting;
    struct setting_line line[SETTING_LINES];
    int row = in->y - p->list.y + p->top, count = lines_now(ui, line);
    if (!rect_has(p->list, in->y, in->x) || row < 0 || row >= count)
        return;
    bool wheel = in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN;
    bool click = in->what == MOUSE_DOWN && in->button == 1;
    if (p->editing && (wheel || click)) /* it was typed for the row that is left */
        accept_typing(ui);
    if (wheel) {
        move(ui, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
    } else if (click) {
        bool again = p->row == row || line[row].key < 0;
        p->row = row;
        if (again)
            edit_value(ui);
    }
}
