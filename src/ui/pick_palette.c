/* The palette picker: names that ship with their colours beside them, or a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/palette.h"
#include "ui/dialog.h"
#include "ui/pick.h"
#include "ui/words.h"

enum {
    MOST = 32,   /* rows */
    NAME = 16,   /* columns */
    LIST = 30,   /* of the list */
    SWATCH = 28, /* of the colours */
    ACROSS = 8,  /* colours in a row */
    SLOT = 520
};

struct palette_picker {
    const struct settings_key *key;
    struct {
        const char *name; /* NULL: a file */
        int colors;
        struct image *image; /* a pixel a colour; NULL for none, and for a file */
    } row[MOST];
    int rows, shown[MOST];
    struct listbox list;
    struct editor *text;
    int scroll;
};

static const char *shown_name(const struct palette_picker *p, int i)
{
    const char *name = p->row[i].name;
    return !name ? "a file ..." : *name ? name : "none";
}

static void relist(struct palette_picker *p)
{
    p->list.count = p->list.row = p->list.top = 0;
    for (int i = 0; i < p->rows; i++)
        if (words_match(shown_name(p, i), editor_text(p->text)))
            p->shown[p->list.count++] = i;
}

/* ---- drawing ---- */

static void draw_row(struct ui *ui, const struct palette_picker *p, int i, struct rect at,
                     bool here)
{
    enum role bg = here ? ROLE_SELECT : ROLE_OVERLAY;
    char text[24];
    draw_fill(ui->screen, at, bg);
    draw_on(ui->screen, at.y, at.x + 1, NAME - 1, ROLE_TEXT, bg, shown_name(p, i));
    if (p->row[i].colors) {
        snprintf(text, sizeof text, "%2d colours", p->row[i].colors);
        draw_on(ui->screen, at.y, at.x + 1 + NAME, at.w - 2 - NAME, ROLE_DIM, bg, text);
    }
}

static void draw(struct ui *ui, void *own, struct rect main)
{
    static const char *const hints[] = {"Enter", "take it", "Esc", "close"};
    struct palette_picker *p = own;
    char title[80], place[24];
    setting_title(p->key, title, sizeof title);
    int list = p->rows > main.h - 8 ? main.h - 8 : p->rows < 9 ? 9 : p->rows;
    struct rect in = dialog_frame(ui, main, title, list + 4, LIST + 2 + SWATCH);
    draw_text(ui->screen, in.y, in.x, 5, ROLE_DIM, "Find");
    dialog_field(ui, p->text, (struct rect){in.y, in.x + 5, 1, in.w - 5}, &p->scroll);
    int w = in.w > LIST ? LIST : in.w;
    listbox_place(ui, &p->list, (struct rect){in.y + 2, in.x, in.h - 4, w}, in);
    for (int i = 0; i < p->list.at.h && p->list.top + i < p->list.count; i++)
        draw_row(ui, p, p->shown[p->list.top + i], (struct rect){in.y + 2 + i, in.x, 1, w},
                 p->list.top + i == p->list.row);
    if (p->list.count == 0)
        draw_text(ui->screen, in.y + 2, in.x + 1, w - 2, ROLE_DIM, "no palette has these words");
    int at = p->list.count ? p->shown[p->list.row] : -1;
    struct rect right = {in.y + 2, in.x + w + 2, in.h - 4, in.w - w - 2};
    if (at >= 0 && p->row[at].image && right.w > 0) {
        const struct image *m = p->row[at].image;
        int rows = (right.w * m->height + 2 * m->width - 1) / (2 * m->width); /* as it fills them */
        right.h = rows < right.h ? rows : right.h;
        draw_image_over(ui->screen, right, SLOT, m, (uint64_t)at + 1);
    }
    dialog_hints(ui, in, hints, 4);
    snprintf(place, sizeof place, "%d/%d", p->list.count ? p->list.row + 1 : 0, p->list.count);
    draw_right(ui->screen, in.y + in.h - 1, in.x + in.w - 12, 12, ROLE_DIM, place);
}

/* ---- keys ---- */

static void file_picked(struct ui *ui, const char *path, void *user)
{
    ui->picked(ui, ((const struct settings_key *)user)->name, path);
}

static void accept(struct ui *ui, const struct palette_picker *p)
{
    const struct settings_key *k = p->key;
    if (p->list.count == 0)
        return;
    const char *name = p->row[p->shown[p->list.row]].name;
    dialog_close(ui);
    if (name)
        ui->picked(ui, k->name, name);
    else
        pick_file(ui, k->label, FILE_PALETTE, "", file_picked, (void *)(uintptr_t)k);
}

static bool act(struct ui *ui, void *own, enum action a)
{
    struct palette_picker *p = own;
    unsigned long version = editor_version(p->text);
    ui_dirty(ui);
    if (a == ACT_ACCEPT)
        accept(ui, p);
    else if (a == ACT_BACK)
        dialog_close(ui);
    else if (!listbox_act(&p->list, a) && !editor_act(p->text, a, EDITOR_UNWRAPPED))
        return false;
    else if (editor_version(p->text) != version)
        relist(p);
    return true;
}

static void type(struct ui *ui, void *own, const struct input_event *in)
{
    struct palette_picker *p = own;
    if (in->kind != INPUT_TEXT && in->kind != INPUT_PASTE)
        return;
    editor_insert(p->text, in->text, in->len);
    relist(p);
    ui_dirty(ui);
}

static void mouse(struct ui *ui, void *own, const struct input_event *in)
{
    struct palette_picker *p = own;
    if (listbox_click(&p->list, in))
        accept(ui, p);
}

static void drop(void *own)
{
    struct palette_picker *p = own;
    for (int i = 0; i < p->rows; i++)
        image_free(p->row[i].image);
    editor_free(p->text);
    free(p);
}

static const struct dialog_ops ops = {
    .draw = draw, .act = act, .type = type, .mouse = mouse, .free = drop};

/* ---- open ---- */

/* A pixel a colour, in rows; NULL without memory. */
static struct image *swatch(const struct palette *p)
{
    struct image *m = image_new(p->n < ACROSS ? p->n : ACROSS, (p->n + ACROSS - 1) / ACROSS);
    for (int i = 0; m && i < p->n; i++) {
        uint8_t *to = m->rgba + 4 * i;
        memcpy(to, p->rgb[i], 3);
        to[3] = 255;
    }
    return m;
}

void pick_palette(struct ui *ui, const struct settings_key *k, const char *now)
{
    struct palette_picker *p = calloc(1, sizeof *p);
    struct palette *colors = malloc(sizeof *colors);
    struct err e;
    const char *name;
    int at = 0;
    if (p)
        p->key = k;
    if (p && (p->text = editor_new(false)) && colors) {
        p->row[p->rows++].name = "";
        for (int i = 0; p->rows < MOST - 1 && (name = palette_shipped_name(i)); i++) {
            at = strcmp(name, now) ? at : p->rows;
            p->row[p->rows].name = name;
            if (palette_load(name, colors, &e) == 0) {
                p->row[p->rows].colors = colors->n;
                p->row[p->rows].image = swatch(colors);
            }
            p->rows++;
        }
        at = *now && !at ? p->rows : at;
        p->rows++; /* a file */
        relist(p);
        p->list.row = at;
    } else if (p) {
        drop(p);
        p = NULL;
    }
    free(colors);
    dialog_open(ui, &ops, p);
}
