/*
 * Finishing: a picture before and after, and every step that makes one of the other.
 *
 * The steps are the settings of the group "Finishing"; a thread (engine/finisher.h) finishes anew
 * when one changes, so keys never wait. "Before" is the cells as they were, the result without the
 * step under the cursor, or what that step changes. Every change can be undone. Nothing is written
 * over: what is saved is a new sprite, or a preset.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mapfile.h"
#include "engine/finishing.h"
#include "sprite/image_file.h"
#include "ui/finish_parts.h"
#include "ui/studio.h"

enum { SLOT_BEFORE = 700, SLOT_AFTER, LIST_W = 34 };

/* ---- taking ---- */

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

static void typed(struct ui *ui, const char *text, void *user)
{
    (void)user;
    finish_say(ui, finish_step(ui->finish)->name, text);
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
    finish_forget(v);
    finish_remember(ui);
}

static void show(struct ui *ui, const struct image *raw, int cell, const struct keep *keep,
                 int64_t sprite, const char *path)
{
    struct finish_view *v = ui->finish;
    struct image *copy = image_copy(raw);
    if (!copy || finisher_picture(v->finisher, raw, cell, keep)) {
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
    finish_ask(ui);
}

/* What a sprite was made with; what the studio says where it has no row. */
static int settings_of(struct ui *ui, int64_t sprite, struct settings *out, struct err *e)
{
    struct store_sprite *row = NULL;
    struct settings said = {0};
    int n = store_sprite(ui->store, sprite, &row, e), rc = 0;
    if (n < 1)
        return engine_settle(studio_settings(ui), studio_preset(ui), out, e);
    rc = settings_from_text(&said, row->settings ? row->settings : "", e);
    if (!rc)
        rc = engine_settle(&said, row->preset && *row->preset ? row->preset : NULL, out, e);
    settings_free(&said);
    store_sprites_free(row, n);
    return rc;
}

/* What stays of a sprite that was made in a part. One that was finished here before may be another
 * cutting of it. */
static struct keep *keep_of(struct ui *ui, int64_t sprite, const struct image *m,
                            const struct png_file *f)
{
    struct settings s = {0};
    struct keep *kept = NULL;
    struct err e = {""}, no_row;
    if (sprite <= 0 || png_find_text(f, "spritty-finish"))
        return NULL;
    if (settings_of(ui, sprite, &s, &no_row) == 0)
        kept = finishing_kept(&s, m, &e);
    if (*e.text)
        ui_say(ui, ROLE_WARN, "what its mask kept is not known any more: %s", e.text);
    settings_free(&s);
    return kept;
}

static bool open_file(struct ui *ui, const char *path, int64_t sprite)
{
    struct finish_view *v = ui->finish;
    struct png_file f;
    struct image m;
    struct settings s = {0};
    struct err e = {""};
    if (image_load(path, &m, &f, &e)) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return false;
    }
    /* A sprite is finished already: its pixels are its cells. */
    bool small = m.width < 128 && m.height < 128;
    settings_set(&s, "cell", small ? "none" : "auto", &e);
    begin_with(ui, &s);
    settings_free(&s);
    struct keep *keep = keep_of(ui, sprite, &m, &f);
    show(ui, &m, 0, keep, sprite, path);
    free(keep);
    png_file_free(&f);
    v->seen = ui->live.last.sprite;
    return true;
}

/* Of sessions before: the newest in the gallery that has its file. */
static void open_newest(struct ui *ui)
{
    enum { LOOKED_AT = 20 };
    struct store_sprite *list;
    int n = store_find_sprites(ui->store, "", false, 0, LOOKED_AT, &list, NULL, NULL), i = 0;
    while (i < n && !file_exists(list[i].path))
        i++;
    if (i < n)
        open_file(ui, list[i].path, list[i].id);
    if (n >= 0)
        store_sprites_free(list, n);
}

/* The last sprite, from the picture that the model made and with what stays of it. */
static void show_last(struct ui *ui)
{
    const struct live *l = &ui->live;
    struct settings s = {0};
    struct err e = {""};
    ui->finish->seen = l->last.sprite;
    const struct image *raw = l->last.raw ? l->last.raw : l->last.image;
    if (settings_of(ui, l->last.sprite, &s, &e))
        finishing_fill(&s, &e);
    begin_with(ui, &s);
    settings_free(&s);
    show(ui, raw, l->last.cell, l->last.keep, l->last.sprite, l->last.path);
}

static void open_last(struct ui *ui)
{
    const struct live *l = &ui->live;
    if (!l->last.image && !ui->finish->raw)
        open_newest(ui);
    if (l->last.image && ui->finish->seen != l->last.sprite)
        show_last(ui);
}

void finish_open_file(struct ui *ui, const char *path, int64_t sprite)
{
    bool last = sprite > 0 && ui->live.last.image && sprite == ui->live.last.sprite;
    if (last)
        show_last(ui);
    if (last || open_file(ui, path, sprite))
        ui_view(ui, VIEW_FINISH);
}

/* ---- drawing ---- */

static void draw_step(struct ui *ui, int i, int y, struct rect in)
{
    struct finish_view *v = ui->finish;
    const struct settings_key *k = v->step[i];
    char value[300];
    bool here = i == v->at, on = finish_is_on(v, k->name);
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
    int rows = in.h > 6 ? in.h - 3 : in.h;
    v->list = (struct rect){in.y, in.x, rows, in.w};
    v->top = list_top(v->top, v->at, rows, v->steps);
    for (int i = 0; i < rows && v->top + i < v->steps; i++)
        draw_step(ui, v->top + i, in.y + i, in);
    draw_scroll(ui->screen, in.y, r.x + r.w - 1, rows, v->top, v->steps, true);
    if (rows < in.h)
        draw_wrapped(ui->screen,
                     (struct rect){in.y + rows + 1, in.x + 1, in.h - rows - 1, in.w - 2}, ROLE_DIM,
                     finish_step(v)->help);
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
                 v->compared == WITHOUT_STEP ? "Without" : "Changed by", finish_step(v)->label);
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
        draw_centered(ui->screen, main.y + main.h / 3, main.x + 1, main.w - 2, ROLE_DIM,
                      "nothing to finish yet: make a sprite in the studio (F2)");
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
        finish_ask(ui);
}

static bool edit_act(struct ui *ui, enum action a)
{
    struct finish_view *v = ui->finish;
    char value[300], title[100];
    switch (a) {
    case ACT_FIN_LESS:
    case ACT_FIN_MORE:
        finish_walk(ui, finish_step(v), a == ACT_FIN_MORE ? 1 : -1);
        return true;
    case ACT_FIN_TOGGLE:
        finish_toggle(ui);
        return true;
    case ACT_FIN_RESET:
        finish_reset(ui);
        return true;
    case ACT_FIN_EDIT:
        settings_print(&v->said, finish_step(v)->name, value, sizeof value);
        if (finish_step(v)->pick == PICK_PALETTE &&
            setting_pick(ui, finish_step(v), value, "", finish_say))
            return true;
        snprintf(title, sizeof title, "%s: %s", finish_step(v)->label, finish_step(v)->help);
        dialog_line(ui, title, value, typed, NULL);
        return true;
    case ACT_FIN_UNDO:
    case ACT_FIN_REDO:
        finish_go_to_past(ui, v->now + (a == ACT_FIN_UNDO ? -1 : 1));
        return true;
    default:
        return false;
    }
}

static bool finish_act(struct ui *ui, enum action a)
{
    struct finish_view *v = ui->finish;
    if (!v->raw && a != ACT_BACK)
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
        finish_ask(ui);
        return true;
    case ACT_FIN_SAVE:
        finish_save(ui);
        return true;
    case ACT_FIN_PRESET:
        dialog_line(ui, "Name of the new preset", "", finish_name_said, NULL);
        return true;
    case ACT_FIN_USE:
        finish_use(ui);
        return true;
    case ACT_BACK:
        ui_view(ui, ui->view_before);
        return true;
    default:
        return false;
    }
}

static void finish_mouse(struct ui *ui, const struct input_event *in)
{
    struct finish_view *v = ui->finish;
    int row = in->y - v->list.y + v->top;
    if (!v->raw || !rect_has(v->list, in->y, in->x) || row >= v->steps)
        return;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN) {
        move_to(ui, row);
        finish_walk(ui, finish_step(v), in->what == MOUSE_WHEEL_UP ? 1 : -1);
    } else if (in->what == MOUSE_DOWN && in->button == 1) {
        bool again = row == v->at;
        move_to(ui, row);
        if (again)
            finish_toggle(ui);
    }
}

const char *finish_hint(const struct ui *ui, const char *word)
{
    return ui->finish->raw ? word : NULL;
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
    finish_forget(v);
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
