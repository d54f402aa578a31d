/* The preset picker: row 0 is none, the others are config.ini's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/paths.h"
#include "import/write_preset.h"
#include "ui/studio.h"

int presets_row(const struct ui *ui, const char *name)
{
    for (int i = 0; i < ui->config.count; i++)
        if (!strcmp(ui->config.presets[i].name, name))
            return i + 1;
    return 0;
}

/* What the shipped file has is there again at the next start, whatever the user's says. */
bool presets_own(const struct ui *ui, int row)
{
    char path[PATH_MAX];
    if (row < 1 || row > ui->config.count || !place_path(PLACE_CONFIG, "config.ini", path))
        return false;
    const char *where = ui->config.presets[row - 1].where;
    size_t n = strlen(path);
    return !strncmp(where, path, n) && where[n] == ':';
}

static const char *name_of(const struct ui *ui, int row)
{
    return row ? ui->config.presets[row - 1].name : "none";
}

static const char *about_of(const struct ui *ui, int row)
{
    const char *about = row ? ui->config.presets[row - 1].about : "the model's own settings";
    return about ? about : "";
}

/* Columns for the names of all. */
static int name_columns(const struct ui *ui, int most)
{
    int w = 4;
    for (int i = 0; i < ui->config.count; i++) {
        const char *name = ui->config.presets[i].name;
        int n = text_columns(name, strlen(name));
        w = n > w ? n : w;
    }
    return w < most ? w : most;
}

char **presets_lines(const struct ui *ui, const char *none)
{
    size_t count = (size_t)ui->config.count + 1;
    int width = name_columns(ui, 24);
    char **lines = calloc(count, sizeof *lines);
    for (size_t i = 0; lines && i < count; i++) {
        const char *name = i ? name_of(ui, (int)i) : none, *about = i ? about_of(ui, (int)i) : "";
        int pad = width - text_columns(name, strlen(name));
        if (asprintf(&lines[i], *about ? "%s%*s  %s" : "%s", name, pad > 0 ? pad : 0, "", about) <
            0) {
            lines[i] = NULL;
            presets_lines_free(ui, lines);
            return NULL;
        }
    }
    return lines;
}

void presets_lines_free(const struct ui *ui, char **lines)
{
    for (int i = 0; lines && i <= ui->config.count; i++)
        free(lines[i]);
    free(lines);
}

/* All that it sets: "steps 20, cfg 8, sampler euler_ancestral"; texts come last, in quotes. */
static void list_values(const struct ui *ui, int row, char *out, size_t size)
{
    struct settings s = {0};
    char value[400];
    size_t n = 0;
    *out = '\0';
    if (!row || config_preset(&ui->config, name_of(ui, row), &s, NULL)) {
        settings_free(&s);
        return;
    }
    for (int texts = 0; texts < 2; texts++)
        for (int i = 0; settings_key(i) && n < size; i++) {
            const struct settings_key *k = settings_key(i);
            if (!settings_has(&s, k->name) || (k->group == GROUP_NONE) != (texts == 1))
                continue;
            settings_print(&s, k->name, value, sizeof value);
            const char *quote = texts ? "\"" : "";
            n += (size_t)snprintf(out + n, size - n, "%s%s %s%s%s", n ? ", " : "",
                                  k->label ? k->label : k->name, quote, *value ? value : "none",
                                  quote);
        }
    settings_free(&s);
}

/* What a preset says, in few words: "40 steps  cfg 9", or as much of it as `columns` hold. */
static void describe(const struct ui *ui, int row, int columns, char *out, size_t size)
{
    struct settings s = {0};
    size_t n = 0;
    *out = '\0';
    if (row == 0)
        return;
    if (config_preset(&ui->config, ui->config.presets[row - 1].name, &s, NULL) == 0) {
        if (settings_has(&s, "steps"))
            n += (size_t)snprintf(out + n, size - n, "%d steps  ", s.steps);
        if (settings_has(&s, "cfg"))
            n += (size_t)snprintf(out + n, size - n, "cfg %g  ", s.cfg);
        if (settings_has(&s, "batch") && s.batch > 1)
            n += (size_t)snprintf(out + n, size - n, "%d at once  ", s.batch);
    }
    settings_free(&s);
    if (!n) {
        list_values(ui, row, out, size);
        return;
    }
    for (; n > 0; n--) { /* ends behind a word group: before two spaces */
        bool end = n > 1 && out[n - 1] == ' ' && out[n - 2] == ' ';
        if (end && text_columns(out, n - 2) <= columns)
            break;
    }
    out[n > 0 ? n - 2 : 0] = '\0';
}

/* What the chosen preset is for and what it sets, in the last rows; returns what is left of the
 * area. */
static struct rect draw_details(struct ui *ui, struct rect in, int row)
{
    enum { LEAST = 3, MOST = 6 };
    char values[1000];
    int rows = in.h / 3 < MOST ? in.h / 3 : MOST;
    if (in.h < LEAST + rows + 1 || rows < 1)
        return in;
    in.h -= rows + 1;
    draw_hline(ui->screen, in.y + in.h, in.x, in.w, ROLE_BORDER);
    struct rect at = {in.y + in.h + 1, in.x + 1, rows, in.w - 2};
    int used = draw_wrapped(ui->screen, at, ROLE_DIM, about_of(ui, row));
    list_values(ui, row, values, sizeof values);
    used = *about_of(ui, row) ? used : 0;
    at.y += used;
    at.h -= used;
    if (at.h > 0 && *values)
        draw_wrapped(ui->screen, at, ROLE_TEXT, values);
    return in;
}

/* One row: the name, and behind it what it is for (names stand in a column), or in a narrow panel
 * what it sets. */
static void draw_row(struct ui *ui, struct rect r, int row, bool here, bool chosen, int names)
{
    enum { ABOUT = 34 }; /* columns that say something of what it is for */
    enum role bg = here ? ROLE_SELECT : ROLE_TEXT;
    char text[200];
    if (here)
        draw_fill(ui->screen, r, ROLE_SELECT);
    const char *mark = chosen ? "●" : " ";
    draw_on(ui->screen, r.y, r.x + 1, 1, ROLE_ACCENT, bg, mark);
    int used = draw_on(ui->screen, r.y, r.x + 3, names ? names : r.w - 4,
                       chosen ? ROLE_STRONG : ROLE_TEXT, bg, name_of(ui, row));
    used = names ? names : used;
    if (names && r.w - 6 - used >= ABOUT && *about_of(ui, row))
        snprintf(text, sizeof text, "%s", about_of(ui, row));
    else
        describe(ui, row, r.w - 6 - used, text, sizeof text);
    draw_on(ui->screen, r.y, r.x + 5 + used, r.w - 6 - used, ROLE_DIM, bg, text);
}

void presets_draw(struct ui *ui, struct rect r)
{
    struct studio *st = ui->studio;
    bool focus = st->focus == FOCUS_PRESETS;
    struct rect in = draw_box(ui->screen, r, "Preset", focus);
    int count = ui->config.count + 1, chosen = presets_row(ui, st->preset);
    if (focus)
        in = draw_details(ui, in, st->preset_row);
    st->preset_rows = in.h;
    st->preset_top = list_top(st->preset_top, focus ? st->preset_row : chosen, in.h, count);
    for (int i = 0; i < in.h && st->preset_top + i < count; i++) {
        int row = st->preset_top + i;
        draw_row(ui, (struct rect){in.y + i, in.x, 1, in.w}, row, focus && row == st->preset_row,
                 row == chosen, focus ? name_columns(ui, in.w / 2) : 0);
    }
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, in.h, st->preset_top, count, focus);
}

/* ---- what the keys do ---- */

static void found(struct ui *ui, int row, void *user)
{
    (void)user;
    studio_choose_preset(ui, row);
}

static void find(struct ui *ui)
{
    char **lines = presets_lines(ui, "none");
    if (lines)
        dialog_list(ui, "Which preset?", (const char *const *)lines, ui->config.count + 1,
                    ui->studio->preset_row, found, NULL);
    presets_lines_free(ui, lines);
}

static void delete_it(struct ui *ui, void *user)
{
    struct studio *st = ui->studio;
    char path[PATH_MAX], name[64];
    struct err e = {""};
    int row = st->preset_row;
    (void)user;
    snprintf(name, sizeof name, "%s", name_of(ui, row));
    if (!presets_own(ui, row) || !place_path(PLACE_CONFIG, "config.ini", path))
        return;
    if (preset_replace(path, name, "", &e) || presets_reload(ui, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    if (!strcmp(st->preset, name))
        studio_choose_preset(ui, 0);
    st->preset_row = row <= ui->config.count ? row : ui->config.count;
    ui_say(ui, ROLE_TEXT, "the preset %s is deleted", name);
}

static void ask_delete(struct ui *ui)
{
    char text[200];
    int row = ui->studio->preset_row;
    if (presets_own(ui, row)) {
        snprintf(text, sizeof text, "Delete the preset %s from your config.ini?", name_of(ui, row));
        dialog_ask(ui, text, delete_it, NULL);
    } else if (row) {
        ui_say(ui, ROLE_WARN, "%s came with spritty: only presets of your own can be deleted",
               name_of(ui, row));
    }
}

const char *presets_hint(const struct ui *ui, enum action a, const char *word)
{
    return a == ACT_PRESET_DELETE && !presets_own(ui, ui->studio->preset_row) ? NULL : word;
}

bool presets_act(struct ui *ui, enum action a)
{
    struct studio *st = ui->studio;
    if (list_step(a, 5, ui->config.count, &st->preset_row))
        return true;
    switch (a) {
    case ACT_PRESET_USE:
        studio_choose_preset(ui, st->preset_row);
        return true;
    case ACT_PRESET_FIND:
        find(ui);
        return true;
    case ACT_PRESET_DELETE:
        ask_delete(ui);
        return true;
    default:
        return false;
    }
}

void presets_click(struct ui *ui, const struct input_event *in)
{
    struct studio *st = ui->studio;
    int line = in->y - st->at.presets.y - 1, row = line + st->preset_top;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN)
        presets_act(ui, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
    else if (in->what == MOUSE_DOWN && in->button == 1 && line >= 0 && line < st->preset_rows &&
             row <= ui->config.count)
        studio_choose_preset(ui, row);
}
