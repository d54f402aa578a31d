/* The help page: the table of keys, context by context. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/frame.h"
#include "ui/studio.h"

struct help {
    int top, rows, seen;
};

void help_open(struct ui *ui)
{
    if (!ui->help)
        ui->help = calloc(1, sizeof *ui->help);
    ui_dirty(ui);
}

void help_close(struct ui *ui)
{
    free(ui->help);
    ui->help = NULL;
    ui_dirty(ui);
}

enum { LINES = 400, COLUMN = 62, KEYS_WIDTH = 20 };

/* The page as lines: a context's title, or a row of the table, or (both NULL) a gap. */
struct line {
    const char *title;
    const struct key_row *row;
};

/* Rows of one context (0: those that move) under their title, and a gap. Returns the new count. */
static int put_context(struct line *lines, int n, unsigned context)
{
    const struct key_row *k;
    int first = n;
    for (int i = 0; (k = keys_row(i)); i++) {
        bool here = context ? (k->contexts & context) && !keys_moves(k) : keys_moves(k);
        if (!here || !*k->help || n + 3 > LINES)
            continue;
        if (n == first)
            lines[n++] = (struct line){.title = context ? context_title((enum context)context)
                                                        : "Lists and grids"};
        lines[n++] = (struct line){.row = k};
    }
    if (n > first)
        lines[n++] = (struct line){0};
    return n;
}

static void draw_line(struct ui *ui, const struct line *l, int y, int x, int w)
{
    char keys[100];
    if (l->title)
        draw_text(ui->screen, y, x + 1, w - 2, ROLE_TITLE_FOCUS, l->title);
    if (!l->row)
        return;
    keys_names(l->row, keys, sizeof keys);
    draw_text(ui->screen, y, x + 3, KEYS_WIDTH, ROLE_KEY, keys);
    draw_text(ui->screen, y, x + 4 + KEYS_WIDTH, w - 5 - KEYS_WIDTH, ROLE_TEXT, l->row->help);
}

/* In as many columns as there is room for, read down and then across. */
void help_draw(struct ui *ui, struct rect main)
{
    struct help *h = ui->help;
    struct line lines[LINES];
    struct rect in = draw_box(ui->screen, main, "Help", true);
    int columns = in.w / COLUMN > 1 ? in.w / COLUMN : 1, n = 0;
    for (int i = 0; keys_section(i); i++)
        n = put_context(lines, n, keys_section(i));
    n = put_context(lines, n, 0);
    h->rows = n;
    h->seen = in.h * columns;
    if (h->top > h->rows - h->seen)
        h->top = h->rows > h->seen ? h->rows - h->seen : 0;
    for (int i = 0; i < h->seen && h->top + i < n; i++)
        draw_line(ui, &lines[h->top + i], in.y + i % in.h, in.x + i / in.h * (in.w / columns),
                  in.w / columns);
}

bool help_act(struct ui *ui, enum action a)
{
    struct help *h = ui->help;
    int most = h->rows > h->seen ? h->rows - h->seen : 0;
    if (a == ACT_BACK) {
        help_close(ui);
        return true;
    }
    if (!list_step(a, h->seen, most, &h->top))
        return false;
    ui_dirty(ui);
    return true;
}
