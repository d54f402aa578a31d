/* The help page: the table of keys, context by context, those that are in force first. */
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

enum { LINES = 400, COLUMN = 62, KEYS_WIDTH = 21 };

/* The page as lines: a context's title; a row of the table with a line of what it does; more of
 * that; or a gap (all NULL). */
struct line {
    const char *title;
    const struct key_row *row;
    const char *text;
    int bytes;
};

struct page {
    struct line line[LINES];
    int n;
    int height, width; /* of a column, and of what a key does in it */
};

/* How much of a text goes onto a line: up to the last space that fits. The table is ASCII. */
static int fitting(const char *text, int width)
{
    int n = (int)strlen(text), space = n;
    if (n <= width)
        return n;
    for (space = width; space > 0 && text[space] != ' ';)
        space--;
    return space > 0 ? space : width;
}

static void put_line(struct page *p, struct line line)
{
    if (p->n < LINES)
        p->line[p->n++] = line;
}

/* A row is not split over two columns: the rest of one stays empty. */
static void put_row(struct page *p, const struct key_row *row)
{
    const char *text = row->help;
    int lines = 0, left = p->height - p->n % p->height;
    for (const char *s = text; *s; lines++) {
        s += fitting(s, p->width);
        s += *s == ' ';
    }
    for (; lines > left && lines <= p->height && left > 0; left--)
        put_line(p, (struct line){0});
    do {
        int bytes = fitting(text, p->width);
        put_line(
            p, (struct line){.row = text == row->help ? row : NULL, .text = text, .bytes = bytes});
        text += bytes;
        text += *text == ' ';
    } while (*text);
}

/* A title is no column's last line, and a gap not its first. */
static void put_title(struct page *p, const char *title)
{
    if (p->n % p->height)
        put_line(p, (struct line){0});
    if (p->n % p->height == p->height - 1)
        put_line(p, (struct line){0});
    put_line(p, (struct line){.title = title});
}

/* Rows of one context (0: those that move) under their title. */
static void put_context(struct page *p, unsigned context)
{
    const struct key_row *k;
    bool begun = false;
    for (int i = 0; (k = keys_row(i)); i++) {
        bool here = context ? (k->contexts & context) && !keys_moves(k) : keys_moves(k);
        if (!here || !*k->help)
            continue;
        if (!begun)
            put_title(p, context ? context_title((enum context)context) : "Lists and grids");
        begun = true;
        put_row(p, k);
    }
}

/* What holds everywhere, what holds where help was asked for, and the rest. */
static void put_page(struct page *p, unsigned here)
{
    unsigned section;
    put_context(p, CTX_GLOBAL);
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; (section = keys_section(i)); i++)
            if (section != CTX_GLOBAL && ((section & here) != 0) == (pass == 0))
                put_context(p, section);
    put_context(p, 0);
}

static void draw_line(struct ui *ui, const struct line *l, int y, int x, int w)
{
    char text[200];
    if (l->title)
        draw_text(ui->screen, y, x + 1, w - 2, ROLE_TITLE_FOCUS, l->title);
    if (l->row) {
        keys_names(l->row, text, sizeof text);
        draw_text(ui->screen, y, x + 3, KEYS_WIDTH, ROLE_KEY, text);
    }
    if (l->text) {
        snprintf(text, sizeof text, "%.*s", l->bytes, l->text);
        draw_text(ui->screen, y, x + 4 + KEYS_WIDTH, w - 5 - KEYS_WIDTH, ROLE_TEXT, text);
    }
}

/* In as many columns as there is room for, read down and then across. */
void help_draw(struct ui *ui, struct rect main)
{
    struct help *h = ui->help;
    struct rect in = draw_box(ui->screen, main, "Help", true);
    int columns = in.w / COLUMN > 1 ? in.w / COLUMN : 1, across = in.w / columns;
    struct page p = {.height = in.h > 1 ? in.h : 2, .width = across - 5 - KEYS_WIDTH};
    if (p.width < 8)
        p.width = 8;
    put_page(&p, ui_views[ui->view]->contexts(ui));
    h->rows = p.n;
    h->seen = in.h * columns;
    if (h->top > h->rows - h->seen)
        h->top = h->rows > h->seen ? h->rows - h->seen : 0;
    draw_scroll(ui->screen, in.y, main.x + main.w - 1, in.h, h->top / columns,
                (h->rows + columns - 1) / columns, true);
    for (int i = 0; i < h->seen && h->top + i < p.n; i++)
        draw_line(ui, &p.line[h->top + i], in.y + i % in.h, in.x + i / in.h * across, across);
}

bool help_goes_on(const struct ui *ui)
{
    return ui->help && ui->help->top + ui->help->seen < ui->help->rows;
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
