/* What dialogs are made of: box, field, hints, list; see dialog.h. */
#include <string.h>

#include "ui/dialog.h"
#include "ui/glyph.h"
#include "ui/list.h"

static int clamp(int v, int least, int most)
{
    return v > most ? most : v < least ? least : v;
}

struct rect dialog_frame(struct ui *ui, struct rect main, const char *title, int rows, int cols)
{
    int h = clamp(rows + 2, 3, main.h);
    int w = clamp(cols + 2 * DIALOG_MARGIN + 2, DIALOG_WIDTH, main.w - 4);
    struct rect r = {main.y + (main.h - h) / 2, main.x + (main.w - w) / 2, h, w};
    r = screen_beside_images(ui->screen, r, main);
    draw_cover(ui->screen, r);
    draw_fill(ui->screen, r, ROLE_OVERLAY);
    r = draw_box(ui->screen, r, title, true);
    r.x += DIALOG_MARGIN;
    r.w -= 2 * DIALOG_MARGIN;
    return r;
}

void dialog_hints(struct ui *ui, struct rect in, const char *const *words, int count)
{
    int x = in.x, end = in.x + in.w, y = in.y + in.h - 1;
    for (int i = 0; i + 1 < count && x < end; i += 2) {
        x += draw_text(ui->screen, y, x, end - x, ROLE_KEY, words[i]) + 1;
        x += draw_text(ui->screen, y, x, end - x, ROLE_DIM, words[i + 1]) + 2;
    }
}

int field_draw(struct ui *ui, struct editor *ed, struct rect at, int *scroll)
{
    const char *text = editor_text(ed);
    size_t len = editor_len(ed), skip = 0;
    int row, col, before = 0;
    struct glyph g;
    editor_cursor_at(ed, EDITOR_UNWRAPPED, &row, &col);
    *scroll = clamp(*scroll, col - at.w + 1, col);
    while (before < *scroll && skip < len) {
        skip += glyph_next(text + skip, len - skip, &g);
        before += g.columns;
    }
    int x = at.x + before - *scroll;
    draw_fill(ui->screen, at, ROLE_FIELD_FOCUS);
    draw_textn(ui->screen, at.y, x, at.w - (before - *scroll), ROLE_FIELD_FOCUS, text + skip,
               len - skip);
    return at.x + col - *scroll;
}

void dialog_field(struct ui *ui, struct editor *ed, struct rect at, int *scroll)
{
    screen_cursor(ui->screen, at.y, field_draw(ui, ed, at, scroll));
}

void dialog_field_for(struct ui *ui, const struct editor *ed, struct rect at, const char *what)
{
    if (editor_len(ed) == 0)
        draw_on(ui->screen, at.y, at.x + 2, at.w - 2, ROLE_DIM, ROLE_FIELD_FOCUS, what);
}

/* ---- lists of other dialogs ---- */

bool listbox_act(struct listbox *l, enum action a)
{
    return list_step(a, l->at.h > 1 ? l->at.h - 1 : 1, l->count - 1, &l->row);
}

void listbox_place(struct ui *ui, struct listbox *l, struct rect at, struct rect in)
{
    l->at = at;
    l->row = clamp(l->row, 0, l->count > 0 ? l->count - 1 : 0);
    l->top = clamp(l->top, l->row - at.h + 1, l->row);
    l->top = clamp(l->top, 0, l->count > at.h ? l->count - at.h : 0);
    draw_scroll(ui->screen, at.y, in.x + in.w + DIALOG_MARGIN, at.h, l->top, l->count, true);
}

int listbox_mouse(struct listbox *l, const struct input_event *in)
{
    int row = l->top + in->y - l->at.y;
    if (in->what == MOUSE_WHEEL_UP || in->what == MOUSE_WHEEL_DOWN)
        listbox_act(l, in->what == MOUSE_WHEEL_UP ? ACT_UP : ACT_DOWN);
    else if (in->what == MOUSE_DOWN && in->button == 1 && rect_has(l->at, in->y, in->x) &&
             row < l->count)
        return row;
    return -1;
}

bool listbox_click(struct listbox *l, const struct input_event *in)
{
    int row = listbox_mouse(l, in);
    bool again = row >= 0 && row == l->row;
    if (row >= 0)
        l->row = row;
    return again;
}
