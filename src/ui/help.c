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

/* "Ctrl-R, F5" */
static void key_names(const struct key_row *k, char *out, size_t size)
{
    char first[40] = "", second[40] = "";
    int code;
    unsigned mods;
    if (key_parse(k->key, &code, &mods))
        key_name(code, mods, first, sizeof first);
    if (*k->other && key_parse(k->other, &code, &mods))
        key_name(code, mods, second, sizeof second);
    snprintf(out, size, "%s%s%s", first, *second ? ", " : "", second);
}

/* Line `row` of the page goes to (y, x) if it is to be seen. */
struct page {
    struct ui *ui;
    struct rect in;
    int line;
};

static int line_y(struct page *p)
{
    int at = p->line++ - p->ui->help->top;
    return at >= 0 && at < p->in.h ? p->in.y + at : -1;
}

static void put_context(struct page *p, unsigned context)
{
    const struct key_row *k;
    char keys[100];
    bool first = true;
    for (int i = 0; (k = keys_row(i)); i++) {
        if (!(k->contexts & context) || !*k->help)
            continue;
        if (first) {
            int y = line_y(p);
            if (y >= 0)
                draw_text(p->ui->screen, y, p->in.x + 1, p->in.w - 2, ROLE_TITLE_FOCUS,
                          context_title((enum context)context));
            first = false;
        }
        int y = line_y(p);
        if (y < 0)
            continue;
        key_names(k, keys, sizeof keys);
        draw_text(p->ui->screen, y, p->in.x + 3, 24, ROLE_KEY, keys);
        draw_text(p->ui->screen, y, p->in.x + 28, p->in.w - 29, ROLE_TEXT, k->help);
    }
    if (!first)
        line_y(p);
}

void help_draw(struct ui *ui, struct rect main)
{
    struct help *h = ui->help;
    struct page p = {.ui = ui, .in = draw_box(ui->screen, main, "Help", true)};
    for (unsigned c = CTX_GLOBAL; c <= CTX_HELP; c <<= 1)
        put_context(&p, c);
    h->rows = p.line;
    h->seen = p.in.h;
    if (h->top > 0 && h->top > h->rows - h->seen)
        h->top = h->rows > h->seen ? h->rows - h->seen : 0;
}

bool help_act(struct ui *ui, enum action a)
{
    struct help *h = ui->help;
    int most = h->rows > h->seen ? h->rows - h->seen : 0;
    switch (a) {
    case ACT_UP:
        h->top--;
        break;
    case ACT_DOWN:
        h->top++;
        break;
    case ACT_PAGE_UP:
        h->top -= h->seen;
        break;
    case ACT_PAGE_DOWN:
        h->top += h->seen;
        break;
    case ACT_FIRST:
        h->top = 0;
        break;
    case ACT_LAST:
        h->top = most;
        break;
    case ACT_BACK:
        help_close(ui);
        return true;
    default:
        return false;
    }
    h->top = h->top < 0 ? 0 : h->top > most ? most : h->top;
    ui_dirty(ui);
    return true;
}
