/*
 * Finishing: a picture before and after, and every step that makes one of the other.
 *
 * The steps are the settings of the group "Finishing"; a thread (engine/finisher.h) finishes anew
 * when one changes, so keys never wait. "Before" is the cells as they were, the result without the
 * step under the cursor, or what that step changes. Every change can be undone. Nothing is written
 * over: what is saved is a new sprite, or a preset.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mapfile.h"
#include "base/paths.h"
#include "engine/finisher.h"
#include "engine/finishing.h"
#include "import/write_preset.h"
#include "sprite/image_file.h"
#include "ui/studio.h"

enum { SLOT_BEFORE = 700, SLOT_AFTER, STEPS_MAX = 40, PAST_MAX = 200, LOOK_MS = 8, LIST_W = 34 };

enum compared { WITH_CELLS, WITHOUT_STEP, DIFFERENCE, COMPARISONS };

struct finish_view {
    struct finisher *finisher;
    const struct settings_key *step[STEPS_MAX];
    int steps, at, top;
    struct settings said; /* of the steps; all are said */
    char *past[PAST_MAX]; /* settings as texts: past[now] is what is seen */
    int now, last;
    enum compared compared;
    struct image *raw, *before, *after, *difference;
    uint64_t serial, asked;
    int64_t seen; /* the last sprite when the view was opened: a newer one is shown */
    struct finish_report report;
    char text[200]; /* what went wrong */
    int64_t sprite; /* the row that it comes from */
    char *path;     /* its file */
    struct rect list;
};

static const struct settings_key *key_at(const struct finish_view *v)
{
    return v->step[v->at];
}

/* ---- asking and taking ---- */

static void ask(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    if (!v->raw)
        return;
    v->asked = finisher_ask(v->finisher, &v->said,
                            v->compared == WITH_CELLS ? NULL : key_at(v)->name);
    ui->wake_ms = ui->now_ms + LOOK_MS;
}

static void drop_pictures(struct finish_view *v)
{
    image_free(v->before);
    image_free(v->after);
    image_free(v->difference);
    v->before = v->after = v->difference = NULL;
}

static void take(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    static const uint8_t mark[4] = {255, 0, 255, 255};
    struct finished got;
    if (finisher_take(v->finisher, &got)) {
        snprintf(v->text, sizeof v->text, "%s", got.text);
        if (got.after) {
            drop_pictures(v);
            v->after = got.after, v->before = got.before, v->report = got.report;
            if (v->before)
                image_difference(v->after, v->before, mark, &v->difference);
            v->serial++;
        }
    }
    if (finisher_busy(v->finisher) && (ui->wake_ms <= 0 || ui->wake_ms > ui->now_ms + LOOK_MS))
        ui->wake_ms = ui->now_ms + LOOK_MS;
}

/* ---- the past ---- */

static void remember(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    char *text = settings_to_text(&v->said);
    if (!text)
        return;
    while (v->last > v->now)
        free(v->past[v->last--]);
    if (v->last == PAST_MAX - 1) {
        free(v->past[0]);
        memmove(v->past, v->past + 1, sizeof v->past - sizeof *v->past);
        v->last--;
    }
    v->past[++v->last] = text;
    v->now = v->last;
}

static void forget(struct finish_view *v)
{
    for (int i = 0; i <= v->last; i++)
        free(v->past[i]);
    v->now = v->last = -1;
}

static void go_to_past(struct ui *ui, int to)
{
    struct finish_view *v = ui->finish;
    struct settings then = {0};
    struct err e;
    if (to < 0 || to > v->last) {
        ui_say(ui, ROLE_DIM, to < 0 ? "nothing to undo" : "nothing to do again");
        return;
    }
    if (!settings_from_text(&then, v->past[to], &e)) {
        settings_free(&v->said);
        v->said = then;
        v->now = to;
        ask(ui);
    } else {
        settings_free(&then);
    }
}

/* ---- values ---- */

static void say(struct ui *ui, const char *key, const char *value)
{
    struct finish_view *v = ui->finish;
    char old[300];
    struct err e = {""};
    settings_print(&v->said, key, old, sizeof old);
    if (!strcmp(old, value))
        return;
    if (settings_set(&v->said, key, value, &e)) {
        ui_say(ui, ROLE_BAD, "%s: %s", key, e.text);
        return;
    }
    remember(ui);
    ask(ui);
}

/* What Left and Right walk through where a value is typed or open; NULL: none. */
static const char *const *ladder(const char *key)
{
    static const char *const cells[] = {"auto", "none", "2",  "3",  "4",  "5",  "6",
                                        "8",    "10",   "12", "16", "24", "32", NULL};
    static const char *const sizes[] = {"0x0",   "8x8",   "16x16", "24x24",   "32x32",
                                        "48x48", "64x64", "96x96", "128x128", NULL};
    static const char *const colors[] = {"auto", "all", "2",  "3",  "4",  "5",   "6", "8",
                                         "12",   "16",  "24", "32", "64", "256", NULL};
    static const char *const cleans[] = {"none",   "near",      "lone", "double",
                                         "jagged", "near,lone", "all",  NULL};
    static const char *const lines[] = {"auto", "000000", "ffffff", "1a1c2c", NULL};
    static const char *palettes[20] = {""};
    for (int i = 0; i < 18; i++)
        palettes[i + 1] = palette_shipped_name(i);
    return !strcmp(key, "cell")            ? cells
           : !strcmp(key, "pixels")        ? sizes
           : !strcmp(key, "canvas")        ? sizes
           : !strcmp(key, "colors")        ? colors
           : !strcmp(key, "clean")         ? cleans
           : !strcmp(key, "outline-color") ? lines
           : !strcmp(key, "palette")       ? (const char *const *)palettes
                                           : NULL;
}

static void walk(struct ui *ui, const struct settings_key *k, int by)
{
    const char *names[32];
    const char *const *list = ladder(k->name);
    char now[300], text[40];
    int n = 0, at = -1;
    settings_print(&ui->finish->said, k->name, now, sizeof now);
    if (k->type == KEY_INT || k->type == KEY_REAL) {
        double v = strtod(now, NULL) + by * (k->type == KEY_INT ? 1 : 0.01);
        v = v < k->min ? k->min : v > k->max ? k->max : v;
        snprintf(text, sizeof text, "%g", v < 1e-9 ? 0 : v);
        say(ui, k->name, text);
        return;
    }
    while (n < 32 && (list ? list[n] : k->choice ? k->choice(n) : NULL)) {
        names[n] = list ? list[n] : k->choice(n);
        at = strcmp(names[n], now) ? at : n;
        n++;
    }
    if (k->type == KEY_FLAG)
        say(ui, k->name, strcmp(now, "yes") ? "yes" : "no");
    else if (n > 0)
        say(ui, k->name, names[at < 0 ? 0 : (at + by + n) % n]);
}

/* What a step is when it is on and nobody said how. */
static const char *usual(const char *key)
{
    static const char *const rows[][2] = {
        {"cell", "auto"},      {"pixels", "32x32"},     {"background", "cut"},
        {"fringe", "cut"},     {"holes", "yes"},        {"colors", "auto"},
        {"palette", "pico-8"}, {"dither", "bayer4"},    {"clean", "all"},
        {"outline", "outer"},  {"trim", "yes"},         {"pad", "1"},
        {"canvas", "32x32"},   {"power-of-two", "yes"}, {"anchor", "feet"},
        {"tolerance", "0.05"}, {"method", "centroid"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i][0], key))
            return rows[i][1];
    return NULL;
}

static bool is_on(const struct finish_view *v, const char *key)
{
    struct settings off = {0};
    char a[300], b[300];
    struct err e;
    bool on = false;
    if (!settings_fill(&off, &v->said, &e)) {
        finisher_leave_out(&off, key);
        settings_print(&off, key, a, sizeof a);
        settings_print(&v->said, key, b, sizeof b);
        on = strcmp(a, b) != 0;
    }
    settings_free(&off);
    return on;
}

/* On and off; on again as it last was. */
static void toggle(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    const char *key = key_at(v)->name;
    char value[300] = "";
    struct settings s = {0};
    struct err e;
    if (is_on(v, key)) {
        if (!settings_fill(&s, &v->said, &e))
            finisher_leave_out(&s, key);
        settings_print(&s, key, value, sizeof value);
        settings_free(&s);
        say(ui, key, value);
        return;
    }
    char now[300];
    settings_print(&v->said, key, now, sizeof now);
    for (int i = v->now; i >= 0 && !*value; i--) {
        struct settings then = {0};
        if (!settings_from_text(&then, v->past[i], &e))
            settings_print(&then, key, value, sizeof value);
        if (!strcmp(value, now))
            *value = '\0';
        settings_free(&then);
    }
    if (*value || usual(key))
        say(ui, key, *value ? value : usual(key));
    else
        ui_say(ui, ROLE_DIM, "Enter says what %s is to be", key_at(v)->label);
}

static void typed(struct ui *ui, const char *text, void *user)
{
    (void)user;
    say(ui, key_at(ui->finish)->name, text);
}

static void reset(struct ui *ui)
{
    struct settings s = {0};
    struct err e;
    char value[300];
    const char *key = key_at(ui->finish)->name;
    if (!settings_set(&s, "cell", "auto", &e) && !finishing_fill(&s, &e)) {
        settings_print(&s, key, value, sizeof value);
        say(ui, key, value);
    }
    settings_free(&s);
}

/* ---- what is finished ---- */

/* Takes what of the settings is finishing's. */
static void begin_with(struct ui *ui, const struct settings *from)
{
    struct finish_view *v = ui->finish;
    char value[300];
    struct err e;
    settings_free(&v->said);
    for (int i = 0; i < v->steps; i++) {
        settings_print(from, v->step[i]->name, value, sizeof value);
        if (settings_has(from, v->step[i]->name))
            settings_set(&v->said, v->step[i]->name, value, &e);
    }
    finishing_fill(&v->said, &e);
    forget(v);
    remember(ui);
}

static void show(struct ui *ui, const struct image *raw, int cell, int64_t sprite, const char *path)
{
    struct finish_view *v = ui->finish;
    struct image *copy = image_copy(raw);
    if (!copy || finisher_picture(v->finisher, raw, cell)) {
        image_free(copy);
        ui_say(ui, ROLE_BAD, "out of memory for the picture");
        return;
    }
    image_free(v->raw);
    v->raw = copy;
    v->sprite = sprite;
    free(v->path);
    v->path = path ? strdup(path) : NULL;
    drop_pictures(v);
    *v->text = '\0';
    ask(ui);
}

void finish_open_file(struct ui *ui, const char *path, int64_t sprite)
{
    struct finish_view *v = ui->finish;
    struct png_file f;
    struct image m;
    struct settings s = {0};
    struct err e = {""};
    if (image_load(path, &m, &f, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    /* A sprite is finished already: its pixels are its cells. */
    bool small = m.width < 128 && m.height < 128;
    settings_set(&s, "cell", small ? "none" : "auto", &e);
    begin_with(ui, &s);
    settings_free(&s);
    show(ui, &m, 0, sprite, path);
    png_file_free(&f);
    v->seen = ui->live.last.sprite;
    ui_view(ui, VIEW_FINISH);
}

/* The last sprite, from the picture that the model made. */
static void open_last(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    const struct live *l = &ui->live;
    struct settings s = {0};
    struct err e = {""};
    if (!l->last.image || v->seen == l->last.sprite)
        return;
    v->seen = l->last.sprite;
    const struct image *raw = l->last.raw ? l->last.raw : l->last.image;
    if (engine_settle(studio_settings(ui), studio_preset(ui), &s, &e))
        finishing_fill(&s, &e);
    begin_with(ui, &s);
    settings_free(&s);
    show(ui, raw, l->last.cell, l->last.sprite, l->last.path);
}

/* ---- keeping ---- */

static int save_file(struct ui *ui, char *path, size_t size, struct err *e)
{
    const struct finish_view *v = ui->finish;
    struct png_file f = {0};
    struct png_text text[5];
    static const char *const keys[] = {"parameters", "spritty", "prompt", "workflow"};
    int n = 0, number = 0;
    struct err no_file;
    char *steps = settings_to_text(&v->said);
    do
        snprintf(path, size, "%.4000s/finished-%" PRId64 "-%d.png", ui->folder, (int64_t)time(NULL),
                 number++);
    while (file_exists(path));
    if (v->path && !png_load(v->path, false, &f, &no_file))
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (png_find_text(&f, keys[i]))
                text[n++] = (struct png_text){keys[i], png_find_text(&f, keys[i])};
    if (steps)
        text[n++] = (struct png_text){"spritty-finish", steps};
    int rc = image_save(path, v->after, text, n, e);
    png_file_free(&f);
    free(steps);
    return rc;
}

/* The row of the new sprite is its source's, with what is different. */
static int save_row(struct ui *ui, char *path, struct err *e)
{
    const struct finish_view *v = ui->finish;
    struct store_sprite *from = NULL, one = {0};
    char tags[] = "finished";
    int n = v->sprite > 0 ? store_sprite(ui->store, v->sprite, &from, e) : 0;
    if (n > 0)
        one = *from;
    one.id = 0, one.path = path, one.rating = 0, one.trashed = 0;
    one.tags = tags;
    one.width = v->after->width, one.height = v->after->height;
    one.colors = image_colors(v->after);
    int rc = n < 0 ? -1 : n == 0 ? 0 : store_add_sprite(ui->store, &one, e);
    if (from)
        store_sprites_free(from, 1);
    return rc < 0 ? -1 : 0;
}

static void save(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    char path[5000];
    struct err e = {""};
    if (!v->after || finisher_busy(v->finisher)) {
        ui_say(ui, ROLE_DIM, v->after ? "a moment: it is being finished" : "nothing to save");
        return;
    }
    if (save_file(ui, path, sizeof path, &e) || save_row(ui, path, &e))
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        ui_say(ui, ROLE_GOOD, "saved as a new sprite: %s", path);
}

static void name_said(struct ui *ui, const char *name, void *user)
{
    struct finish_view *v = ui->finish;
    char path[4096], value[300];
    struct err e = {""};
    char *text = NULL;
    size_t size;
    (void)user;
    if (preset_name_check(name, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return;
    fprintf(f, "[preset %s]\n", name);
    if (*studio_preset(ui))
        fprintf(f, "base = %s\n", studio_preset(ui));
    for (int i = 0; i < v->steps; i++) {
        settings_print(&v->said, v->step[i]->name, value, sizeof value);
        fprintf(f, "%s = %s\n", v->step[i]->name, value);
    }
    fclose(f);
    if (!place_path(PLACE_CONFIG, "config.ini", path))
        err_set(&e, "there is no folder for config.ini: set HOME or XDG_CONFIG_HOME");
    else
        preset_append(path, name, text, &e);
    free(text);
    if (*e.text)
        ui_say(ui, ROLE_BAD, "%s", e.text);
    else
        ui_say(ui, ROLE_GOOD, "preset '%s' is in your config.ini", name);
    if (!*e.text) {
        struct config config = {0};
        if (!config_load(&config, &e)) {
            config_free(&ui->config);
            ui->config = config;
        }
    }
}

/* The steps become settings of the next job. */
static void use(struct ui *ui)
{
    studio_use(ui, NULL, NULL, &ui->finish->said);
    ui_view(ui, VIEW_STUDIO);
    ui_say(ui, ROLE_TEXT, "the next sprites are finished so");
}

/* ---- drawing ---- */

static void draw_step(struct ui *ui, int i, int y, struct rect in)
{
    struct finish_view *v = ui->finish;
    const struct settings_key *k = v->step[i];
    char value[300];
    bool here = i == v->at, on = is_on(v, k->name);
    enum role bg = here ? ROLE_SELECT : ROLE_TEXT;
    settings_print(&v->said, k->name, value, sizeof value);
    if (!strcmp(value, "0x0") || !*value)
        snprintf(value, sizeof value, "none");
    if (here)
        draw_fill(ui->screen, (struct rect){y, in.x, 1, in.w}, ROLE_SELECT);
    draw_on(ui->screen, y, in.x + 1, 1, on ? ROLE_GOOD : ROLE_DIM, bg,
            !screen_utf8(ui->screen) ? (on ? "*" : " ")
            : on                     ? "●"
                                     : "○");
    draw_on(ui->screen, y, in.x + 3, 11, on ? ROLE_TEXT : ROLE_DIM, bg, k->label);
    draw_on(ui->screen, y, in.x + 15, in.w - 16, on ? ROLE_STRONG : ROLE_DIM, bg, value);
}

static void draw_steps(struct ui *ui, struct rect r)
{
    struct finish_view *v = ui->finish;
    struct rect in = draw_box(ui->screen, r, "Steps", true);
    v->list = in;
    int rows = in.h > 6 ? in.h - 3 : in.h;
    v->top = list_top(v->top, v->at, rows, v->steps);
    for (int i = 0; i < rows && v->top + i < v->steps; i++)
        draw_step(ui, v->top + i, in.y + i, in);
    if (rows < in.h)
        draw_wrapped(ui->screen,
                     (struct rect){in.y + rows + 1, in.x + 1, in.h - rows - 1, in.w - 2}, ROLE_DIM,
                     key_at(v)->help);
}

/* "32x32, 12 colours, cells of 4, ground ffffff, 6 pixels mended" */
static void facts(const struct finish_view *v, char *out, size_t size)
{
    const struct finish_report *r = &v->report;
    int n = snprintf(out, size, "%dx%d  %d colours of %d", r->width, r->height, r->colors_after,
                     r->colors_before);
    if (r->cell_x > 1)
        n += snprintf(out + n, size - (size_t)n, "  cells of %.3g%s", r->cell_x,
                      r->grid_even || !r->grid_found ? "" : ", uneven");
    if (r->background)
        n += snprintf(out + n, size - (size_t)n, "  ground %02x%02x%02x", r->background_rgb[0],
                      r->background_rgb[1], r->background_rgb[2]);
    int mended = r->clean.near + r->clean.lone + r->clean.doubled + r->clean.jagged;
    if (mended)
        n += snprintf(out + n, size - (size_t)n, "  %d mended", mended);
    snprintf(out + n, size - (size_t)n, "  %.1f ms", r->ms);
}

static void draw_pictures(struct ui *ui, struct rect r)
{
    struct finish_view *v = ui->finish;
    char title[80], text[200];
    bool wide = r.w >= 2 * (r.h - 2);
    int half = wide ? r.w / 2 : (r.h - 2) / 2;
    struct rect a = wide ? (struct rect){r.y, r.x, r.h - 1, half}
                         : (struct rect){r.y, r.x, half, r.w};
    struct rect b = wide ? (struct rect){r.y, r.x + half, r.h - 1, r.w - half}
                         : (struct rect){r.y + half, r.x, r.h - 1 - half, r.w};
    if (v->compared == WITH_CELLS)
        snprintf(title, sizeof title, "Before");
    else
        snprintf(title, sizeof title, "%s  %s",
                 v->compared == WITHOUT_STEP ? "Without" : "Changed by", key_at(v)->label);
    a = draw_box(ui->screen, a, title, false);
    b = draw_box(ui->screen, b, "After", false);
    const struct image *left = v->compared == DIFFERENCE ? v->difference : v->before;
    if (left)
        draw_image(ui->screen, a, SLOT_BEFORE, left, v->serial * COMPARISONS + v->compared, true,
                   false);
    if (v->after)
        draw_image(ui->screen, b, SLOT_AFTER, v->after, v->serial, true, false);
    if (*v->text)
        draw_text(ui->screen, r.y + r.h - 1, r.x + 1, r.w - 2, ROLE_BAD, v->text);
    else if (v->after) {
        facts(v, text, sizeof text);
        draw_text(ui->screen, r.y + r.h - 1, r.x + 1, r.w - 2, ROLE_DIM, text);
    }
}

static void finish_draw(struct ui *ui, struct rect main)
{
    struct finish_view *v = ui->finish;
    take(ui);
    if (!v->raw) {
        draw_text(ui->screen, main.y + main.h / 2, main.x + 4, main.w - 8, ROLE_DIM,
                  "nothing to finish yet: make a sprite (F2), or choose one (F4) and press f");
        return;
    }
    int list = main.w >= 90 ? LIST_W : main.w / 2;
    draw_pictures(ui, (struct rect){main.y, main.x, main.h, main.w - list});
    draw_steps(ui, (struct rect){main.y, main.x + main.w - list, main.h, list});
}

/* ---- keys ---- */

static void move_to(struct ui *ui, int to)
{
    struct finish_view *v = ui->finish;
    v->at = to < 0 ? 0 : to >= v->steps ? v->steps - 1 : to;
    if (v->compared != WITH_CELLS)
        ask(ui);
}

static bool edit_act(struct ui *ui, enum action a)
{
    struct finish_view *v = ui->finish;
    char value[300], title[60];
    switch (a) {
    case ACT_FIN_LESS:
    case ACT_FIN_MORE:
        walk(ui, key_at(v), a == ACT_FIN_MORE ? 1 : -1);
        return true;
    case ACT_FIN_TOGGLE:
        toggle(ui);
        return true;
    case ACT_FIN_RESET:
        reset(ui);
        return true;
    case ACT_FIN_EDIT:
        settings_print(&v->said, key_at(v)->name, value, sizeof value);
        snprintf(title, sizeof title, "%s", key_at(v)->help);
        dialog_line(ui, title, value, typed, NULL);
        return true;
    case ACT_FIN_UNDO:
    case ACT_FIN_REDO:
        go_to_past(ui, v->now + (a == ACT_FIN_UNDO ? -1 : 1));
        return true;
    default:
        return false;
    }
}

static bool finish_act(struct ui *ui, enum action a)
{
    struct finish_view *v = ui->finish;
    if (!v->raw)
        return false;
    if (edit_act(ui, a))
        return true;
    switch (a) {
    case ACT_UP:
    case ACT_DOWN:
        move_to(ui, v->at + (a == ACT_UP ? -1 : 1));
        return true;
    case ACT_FIRST:
    case ACT_LAST:
        move_to(ui, a == ACT_FIRST ? 0 : v->steps - 1);
        return true;
    case ACT_FIN_BEFORE:
        v->compared = (enum compared)((v->compared + 1) % COMPARISONS);
        ask(ui);
        return true;
    case ACT_FIN_SAVE:
        save(ui);
        return true;
    case ACT_FIN_PRESET:
        dialog_line(ui, "Name of the new preset", "", name_said, NULL);
        return true;
    case ACT_FIN_USE:
        use(ui);
        return true;
    case ACT_BACK:
        ui_view(ui, VIEW_STUDIO);
        return true;
    default:
        return false;
    }
}

static void finish_mouse(struct ui *ui, const struct input_event *in)
{
    struct finish_view *v = ui->finish;
    int row = in->y - v->list.y + v->top;
    if (!v->raw || !rect_has(v->list, in->y, in->x) || row < 0 || row >= v->steps)
        return;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN) {
        move_to(ui, row);
        walk(ui, key_at(v), in->what == MOUSE_WHEEL_UP ? 1 : -1);
    } else if (in->what == MOUSE_DOWN && in->button == 1) {
        bool again = row == v->at;
        move_to(ui, row);
        if (again)
            toggle(ui);
    }
}

/* ---- the view ---- */

static int finish_init(struct ui *ui, struct err *e)
{
    struct finish_view *v = ui->finish = calloc(1, sizeof *v);
    const struct settings_key *k;
    if (!v)
        return err_set(e, "out of memory");
    v->now = v->last = -1;
    for (int i = 0; (k = settings_key(i)) && v->steps < STEPS_MAX; i++)
        if (finishing_key(k) && strcmp(k->name, "lock") != 0)
            v->step[v->steps++] = k;
    return (v->finisher = finisher_new(e)) ? 0 : -1;
}

static void finish_quit(struct ui *ui)
{
    struct finish_view *v = ui->finish;
    if (!v)
        return;
    finisher_free(v->finisher);
    forget(v);
    settings_free(&v->said);
    drop_pictures(v);
    image_free(v->raw);
    free(v->path);
    free(v);
    ui->finish = NULL;
}

static unsigned finish_contexts(const struct ui *ui)
{
    (void)ui;
    return CTX_FINISH;
}

static void finish_type(struct ui *ui, const struct input_event *in)
{
    (void)ui;
    (void)in;
}

const struct view_ops view_finish = {
    .name = "Finish",
    .init = finish_init,
    .quit = finish_quit,
    .open = open_last,
    .draw = finish_draw,
    .contexts = finish_contexts,
    .act = finish_act,
    .type = finish_type,
    .mouse = finish_mouse,
};
