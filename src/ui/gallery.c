/*
 * Gallery: what was made, newest first, as thumbnails; one of them opened shows all about itself.
 *
 * Rows come from the store a page at a time. A search is a line of text at the top; while it is
 * being typed every key that types a character is text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/dialog.h"
#include "ui/gallery_parts.h"
#include "ui/sprite_facts.h"

enum {
    SLOT = 300,
    SLOT_PLAY = 299,
    PAGE = 60,
    CELL_W = 22,
    CELL_H = 11,
    CELL_SMALL_W = 19,
    CELL_SMALL_H = 10,
    CELL_LOW_H = 7,
    NAME_ROWS = 1
};

static void load(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    struct err e = {""};
    struct store_sprite *list;
    int total;
    int first = g->at / PAGE * PAGE;
    int n = store_find_sprites(ui->store, editor_text(g->query), g->trash, first, PAGE, &list,
                               &total, &e);
    if (n < 0) {
        ui_say(ui, ROLE_BAD, "%s", e.text);
        return;
    }
    int came = g->grows ? total - g->total : 0;
    g->grows = false;
    store_sprites_free(g->sprite, g->count);
    g->sprite = list;
    g->count = n;
    g->first = first;
    g->total = total;
    g->stale = false;
    if (came > 0 && total > came) { /* newest first: they stand before it */
        g->at += came;
        if (g->at >= first + n)
            load(ui);
    } else if (g->at >= total && total > 0) {
        g->at = total - 1;
        if (g->at < first)
            load(ui);
    } else if (total == 0) {
        g->at = 0;
        g->open = false;
    }
}

/* Number i of all, loading its page if need be. */
static const struct store_sprite *sprite_at(struct ui *ui, int i)
{
    struct gallery *g = ui->gallery;
    return i >= g->first && i < g->first + g->count ? &g->sprite[i - g->first] : NULL;
}

const struct store_sprite *gallery_chosen(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    if (g->stale || g->at < g->first || g->at >= g->first + g->count)
        load(ui);
    return sprite_at(ui, g->at);
}

/* ---- the grid ---- */

static void draw_thumb(struct ui *ui, int i, struct rect r)
{
    struct gallery *g = ui->gallery;
    const struct store_sprite *s = sprite_at(ui, i);
    char words[100], rating[24];
    bool here = i == g->at;
    if (!s)
        return;
    struct rect in = draw_box(ui->screen, r, NULL, here);
    int mark = marks_at(&g->marks, s->id);
    if (mark)
        draw_printf(ui->screen, r.y, r.x + 2, r.w - 4, ROLE_ACCENT, " %d ", mark);
    struct rect picture = {in.y, in.x, in.h - NAME_ROWS, in.w};
    struct thumb t = thumb_get(ui, s->path);
    if (t.image)
        draw_image(ui->screen, picture, SLOT + (unsigned)(i - g->first), t.image, t.serial, true,
                   false);
    else if (t.broken)
        draw_text(ui->screen, in.y, in.x, in.w, ROLE_BAD, "its file is gone");
    rating_text(s->rating, rating, sizeof rating);
    one_line(sprite_words(s), words, sizeof words);
    int w = text_columns(rating, strlen(rating));
    if (here)
        draw_fill(ui->screen, (struct rect){in.y + in.h - 1, in.x, 1, in.w}, ROLE_SELECT);
    draw_on(ui->screen, in.y + in.h - 1, in.x + 1, in.w - w - 1, here ? ROLE_TEXT : ROLE_DIM,
            here ? ROLE_SELECT : ROLE_TEXT, words);
    if (w)
        draw_on(ui->screen, in.y + in.h - 1, in.x + in.w - w, w, ROLE_ACCENT,
                here ? ROLE_SELECT : ROLE_TEXT, rating);
}

static void draw_head(struct ui *ui, struct rect r)
{
    struct gallery *g = ui->gallery;
    char count[100], marked[32] = "";
    const char *query = editor_text(g->query);
    const char *where = g->trash ? " in the trash" : "";
    if (g->marks.count)
        snprintf(marked, sizeof marked, "%d marked, ", g->marks.count);
    if (g->total > 1)
        snprintf(count, sizeof count, "%s%d of %d sprites%s", marked, g->at + 1, g->total, where);
    else
        snprintf(count, sizeof count, "%s%d sprite%s%s", marked, g->total, g->total ? "" : "s",
                 where);
    int w = text_columns(count, strlen(count)), field = r.w - w - 14;
    draw_right(ui->screen, r.y, r.x, r.w - 1, ROLE_DIM, count);
    draw_text(ui->screen, r.y, r.x + 1, 8, ROLE_DIM, "search");
    if (field < 8)
        return;
    enum role role = g->searching ? ROLE_FIELD_FOCUS : ROLE_FIELD;
    struct rect in = {r.y, r.x + 9, 1, field - 2};
    int scroll = 0;
    draw_fill(ui->screen, (struct rect){r.y, r.x + 8, 1, field}, role);
    if (g->searching) {
        int cursor = field_draw(ui, g->query, in, &scroll);
        if (!ui->dialog && !ui->help)
            screen_cursor(ui->screen, in.y, cursor);
    } else if (*query) {
        draw_text(ui->screen, in.y, in.x, in.w, role, query);
    } else {
        draw_on(ui->screen, in.y, in.x, in.w, ROLE_DIM, role,
                "/ and words of a prompt, tags, or ***");
    }
}

/* How many thumbnails fit; the last column is the scroll bar's. Small terminals have smaller ones,
 * low ones lower still, so that there are two rows. */
static void arrange(struct gallery *g, struct rect main)
{
    struct rect r = g->grid = (struct rect){main.y + 1, main.x, main.h - 1, main.w - 1};
    bool large = r.h >= 3 * CELL_H && r.w >= 4 * CELL_W;
    int height = large ? CELL_H : r.h < 2 * CELL_SMALL_H ? CELL_LOW_H : CELL_SMALL_H;
    int width = large ? CELL_W : CELL_SMALL_W;
    g->cols = r.w / width > 0 ? r.w / width : 1;
    g->rows = r.h / height > 0 ? r.h / height : 1;
    g->cols = g->cols < PAGE ? g->cols : PAGE;
    while (g->rows * g->cols > PAGE)
        g->rows--;
}

/* Pages follow each other, so the bar goes by pages. */
static void draw_bar(struct ui *ui)
{
    const struct gallery *g = ui->gallery;
    int page = g->rows * g->cols, pages = (g->total + page - 1) / page, h = g->grid.h;
    draw_scroll(ui->screen, g->grid.y, g->grid.x + g->grid.w, h, g->at / page * h, pages * h,
                false);
}

static void draw_grid(struct ui *ui, struct rect main)
{
    struct gallery *g = ui->gallery;
    struct rect cells[PAGE];
    draw_head(ui, main);
    arrange(g, main);
    struct rect r = g->grid;
    if (g->total == 0) {
        const char *why = editor_len(g->query) > 0 ? "nothing was found; Esc ends the search"
                          : g->trash               ? "the trash is empty"
                                                   : "nothing was made yet: F2 is the studio";
        draw_centered(ui->screen, r.y + r.h / 3, r.x, r.w, ROLE_DIM, why);
        return;
    }
    int page = g->rows * g->cols, top = g->at / page * page;
    layout_grid(r, g->rows, g->cols, cells, PAGE);
    for (int i = 0; i < page && top + i < g->total; i++) {
        if (!sprite_at(ui, top + i)) { /* the grid's page crosses the store's */
            int keep = g->at;
            g->at = top + i;
            load(ui);
            g->at = keep;
        }
        draw_thumb(ui, top + i, cells[i]);
    }
    draw_bar(ui);
}

/* ---- one sprite ---- */

static void draw_open(struct ui *ui, struct rect main)
{
    struct gallery *g = ui->gallery;
    const struct store_sprite *s = gallery_chosen(ui);
    char title[80];
    if (!s)
        return;
    int facts = main.w >= 90 ? 42 : main.w / 2;
    if (g->play.on)
        play_title(&g->play, ui, title, sizeof title);
    else
        snprintf(title, sizeof title, "%d of %d%s", g->at + 1, g->total,
                 s->trashed > 0 ? "  in the trash" : "");
    struct rect box = {main.y, main.x, main.h, main.w - facts};
    struct thumb t = g->play.on ? (struct thumb){0} : thumb_get(ui, s->path);
    const struct image *m = t.image;
    if (m && ui->tiled) {
        m = tiled_get(&g->tiled, m, &t.serial);
        snprintf(title + strlen(title), sizeof title - strlen(title), "  %s", g->tiled.text);
    }
    struct rect in = draw_box(ui->screen, box, title, true);
    if (g->play.on)
        play_draw(&g->play, ui, in, SLOT_PLAY);
    else if (m)
        draw_image(ui->screen, in, SLOT, m, t.serial, true, false);
    else if (t.broken)
        draw_text(ui->screen, in.y + in.h / 2, in.x + 2, in.w - 4, ROLE_BAD, "its file is gone");
    sprite_facts(ui, s, (struct rect){main.y, main.x + main.w - facts, main.h, facts});
}

static void gallery_draw(struct ui *ui, struct rect main)
{
    struct gallery *g = ui->gallery;
    if (g->stale)
        load(ui);
    if (g->open)
        draw_open(ui, main);
    else
        draw_grid(ui, main);
}

/* ---- what the keys do ---- */

static void move_to(struct ui *ui, int to)
{
    struct gallery *g = ui->gallery;
    gallery_stop(g);
    if (g->total > 0)
        g->at = to < 0 ? 0 : to >= g->total ? g->total - 1 : to;
}

static bool move(struct ui *ui, enum action a)
{
    const struct gallery *g = ui->gallery;
    int row = g->open ? 1 : g->cols, page = g->open ? 10 : g->rows * g->cols;
    switch (a) {
    case ACT_GO_LEFT:
        move_to(ui, g->at - 1);
        return true;
    case ACT_GO_RIGHT:
        move_to(ui, g->at + 1);
        return true;
    case ACT_UP:
        if (g->at - row >= 0)
            move_to(ui, g->at - row);
        return true;
    case ACT_DOWN:
        if (g->at + row < g->total || g->open)
            move_to(ui, g->at + row);
        return true;
    case ACT_PAGE_UP:
        move_to(ui, g->at - page);
        return true;
    case ACT_PAGE_DOWN:
        move_to(ui, g->at + page);
        return true;
    case ACT_FIRST:
        move_to(ui, 0);
        return true;
    case ACT_LAST:
        move_to(ui, g->total - 1);
        return true;
    default:
        return false;
    }
}

static bool search_act(struct ui *ui, enum action a)
{
    struct gallery *g = ui->gallery;
    /* Under CTX_DIALOG the keys of a list are told apart from those of a text. */
    a = a == ACT_FIRST ? ACT_LINE_START : a == ACT_LAST ? ACT_LINE_END : a;
    if (a == ACT_BACK || a == ACT_ACCEPT || a == ACT_DOWN || a == ACT_LINE_DOWN) {
        g->searching = false;
        if (a == ACT_BACK)
            editor_set(g->query, "");
    } else if (!editor_act(g->query, a, EDITOR_UNWRAPPED)) {
        return false;
    }
    g->stale = true;
    return true;
}

/* The trash, or what is not in it. */
static void see_trash(struct gallery *g, bool on)
{
    g->trash = on;
    g->at = g->marks.count = 0;
    g->stale = true;
}

static void back(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    if (g->play.on)
        gallery_stop(g);
    else if (g->open)
        g->open = false;
    else if (editor_len(g->query) > 0)
        editor_set(g->query, "");
    else if (g->trash)
        see_trash(g, false);
    else
        ui_view(ui, VIEW_STUDIO);
    g->stale = true;
}

/* What needs a sprite that is chosen. */
static bool act_on_sprite(struct ui *ui, const struct store_sprite *s, enum action a)
{
    switch (a) {
    case ACT_GAL_FINISH:
        finish_open_file(ui, s->path, s->id);
        return true;
    case ACT_GAL_USE_PROMPT:
    case ACT_GAL_USE_SEED:
    case ACT_GAL_USE_ALL:
    case ACT_GAL_USE_IMAGE:
    case ACT_GAL_USE_CONTROL:
        gallery_use(ui, s, a);
        return true;
    case ACT_GAL_EXPORT:
        export_ask(ui, s->path);
        return true;
    case ACT_GAL_RATE:
        gallery_rate(ui, (s->rating + 1) % 6);
        return true;
    case ACT_GAL_OPEN:
        ui->gallery->open = true;
        return true;
    default:
        return false;
    }
}

static bool gallery_act(struct ui *ui, enum action a)
{
    struct gallery *g = ui->gallery;
    const struct store_sprite *s = gallery_chosen(ui);
    if (g->searching)
        return search_act(ui, a);
    if (move(ui, a) || (s && act_on_sprite(ui, s, a)))
        return true;
    switch (a) {
    case ACT_GAL_SEARCH:
        g->searching = true;
        return true;
    case ACT_GAL_MARK:
        gallery_mark(ui);
        return true;
    case ACT_GAL_MARK_ALL:
        gallery_mark_all(ui);
        return true;
    case ACT_GAL_PLAY:
        gallery_play(ui);
        return true;
    case ACT_TILED:
        ui->tiled = !ui->tiled;
        return true;
    case ACT_GAL_FASTER:
    case ACT_GAL_SLOWER:
        if (g->play.on)
            play_faster(&g->play, ui, a == ACT_GAL_FASTER ? 1 : -1);
        return true;
    case ACT_GAL_TRASH:
        gallery_stop(g);
        gallery_trash(ui);
        return true;
    case ACT_GAL_UNTRASH:
        gallery_untrash(ui);
        return true;
    case ACT_GAL_TRASHED:
        see_trash(g, !g->trash);
        return true;
    case ACT_GAL_TAG:
        gallery_ask_tags(ui);
        return true;
    case ACT_GAL_SHEET:
        gallery_write_sheet(ui);
        return true;
    case ACT_BACK:
        back(ui);
        return true;
    default:
        return false;
    }
}

static void gallery_type(struct ui *ui, const struct input_event *in)
{
    struct gallery *g = ui->gallery;
    if (g->searching) {
        editor_insert(g->query, in->text, in->len);
        g->at = 0;
        g->stale = true;
    } else if (in->kind == INPUT_TEXT && in->len == 1 && *in->text >= '0' && *in->text <= '5') {
        gallery_rate(ui, *in->text - '0');
    }
}

static void gallery_mouse(struct ui *ui, const struct input_event *in)
{
    struct gallery *g = ui->gallery;
    struct rect cells[PAGE];
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN) {
        move(ui, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
        return;
    }
    if (in->what != MOUSE_DOWN || g->open || g->rows * g->cols < 1)
        return;
    if (in->y < g->grid.y) {
        g->searching = true;
        return;
    }
    layout_grid(g->grid, g->rows, g->cols, cells, PAGE);
    int page = g->rows * g->cols, top = g->at / page * page;
    for (int i = 0; i < page && top + i < g->total; i++) {
        struct rect r = cells[i];
        if (!rect_has(r, in->y, in->x))
            continue;
        g->open = g->at == top + i;
        g->at = top + i;
    }
}

/* ---- the view ---- */

static int gallery_init(struct ui *ui, struct err *e)
{
    struct gallery *g = ui->gallery = calloc(1, sizeof *g);
    if (!g || !(g->query = editor_new(false)))
        return err_set(e, "out of memory");
    g->stale = true;
    return 0;
}

static void gallery_quit(struct ui *ui)
{
    struct gallery *g = ui->gallery;
    if (!g)
        return;
    play_stop(&g->play);
    tiled_free(&g->tiled);
    store_sprites_free(g->sprite, g->count);
    editor_free(g->query);
    free(g);
    ui->gallery = NULL;
}

static void gallery_open(struct ui *ui)
{
    ui->gallery->stale = true;
}

static unsigned gallery_contexts(const struct ui *ui)
{
    const struct gallery *g = ui->gallery;
    return g->searching ? CTX_DIALOG | CTX_TEXT : g->open ? CTX_SPRITE : CTX_GALLERY;
}

/* Without sprites there is little to do: look into the trash, or search for others. */
const char *gallery_hint(const struct ui *ui, enum action a, const char *word)
{
    const struct gallery *g = ui->gallery;
    bool searches = editor_len(g->query) > 0;
    if (a == ACT_GAL_TRASHED)
        return g->trash ? "leave the trash" : word;
    return g->total > 0 || (a == ACT_GAL_SEARCH && searches) ? word : NULL;
}

static void gallery_event(struct ui *ui, const struct event *ev)
{
    struct gallery *g = ui->gallery;
    if (ev->kind != EVENT_SPRITE)
        return;
    g->grows = g->grows || (ui->view == VIEW_GALLERY && !g->stale);
    g->stale = true;
}

const struct view_ops view_gallery = {
    .name = "Gallery",
    .init = gallery_init,
    .quit = gallery_quit,
    .open = gallery_open,
    .draw = gallery_draw,
    .contexts = gallery_contexts,
    .act = gallery_act,
    .type = gallery_type,
    .mouse = gallery_mouse,
    .event = gallery_event,
};
