/*
 * The preview before anything was made: what the model draws, as far as it says so, in words that
 * can be written at once, and how to begin. Its kinds come first, then an example, then colours;
 * what has no room is left out.
 */
#include <stdio.h>
#include <string.h>

#include "ui/studio.h"

enum { WIDTH = 62, NARROW = 40, TEXT = 2000 };

static int rows_of(const char *text, int width)
{
    return draw_wrapped(NULL, (struct rect){0, 0, 100, width}, ROLE_DIM, text);
}

/* "WHAT slime, knight and 30 more", as many as fit into so many rows. Returns the rows; 0: there is
 * nothing to say, or no room. */
static int fit_list(const char *what, const struct subject_list *l, int room, int width, char *out)
{
    char names[TEXT - 100];
    for (int most = l->count; most > 0 && room > 0; most--) {
        most = subjects_join(l, most, names, sizeof names);
        snprintf(out, TEXT, "%.90s %s", what, names);
        int rows = most > 0 ? rows_of(out, width) : room + 1;
        if (rows <= room)
            return rows;
    }
    *out = '\0';
    return 0;
}

static int fit_examples(const struct subject_list *l, int room, int width, int index[])
{
    int n = 0;
    for (int i = 0; i < l->count && n < room; i++)
        if (text_columns(l->text[i], strlen(l->text[i])) <= width)
            index[n++] = i;
    return n;
}

bool welcome_draw(struct ui *ui, struct rect in)
{
    const struct studio *st = ui->studio;
    const struct subjects *s = st->subjects;
    char kinds[TEXT], colours[TEXT], what[100];
    int example[SUBJECTS_MAX], width = in.w - 4 < WIDTH ? in.w - 4 : WIDTH, rest = in.h - 1;
    bool begun = st->shown_count > 0 || ui->live.job || ui->queue.count > 0;
    if (!s || begun || width < 16 || rest < 2)
        return false;
    const char *slash = strrchr(st->subjects_of, '/');
    snprintf(what, sizeof what, "%s%.60s draws", width < NARROW ? "" : "the model ",
             slash && slash[1] ? slash + 1 : st->subjects_of);
    int k = fit_list(what, &s->kinds, rest - (s->examples.count > 0), width, kinds);
    rest -= k;
    int c = fit_list("in", &s->colours, rest - 2, width, colours);
    rest -= c;
    int gaps = 1 + (s->examples.count > 0), gap = rest > gaps + 1;
    int n = fit_examples(&s->examples, rest - gap * gaps, width, example);
    gaps = gap * (1 + (n > 0));
    int y = in.y + (in.h - (k + c + n + gaps + 1)) / 2, x = in.x + (in.w - width) / 2;
    y += draw_wrapped(ui->screen, (struct rect){y, x, k, width}, ROLE_DIM, kinds);
    if (c > 0)
        y += draw_wrapped(ui->screen, (struct rect){y, x, c, width}, ROLE_DIM, colours);
    y += gap;
    for (int i = 0; i < n; i++)
        draw_text(ui->screen, y++, x, width, ROLE_TEXT, s->examples.text[example[i]]);
    y += n > 0 ? gap : 0;
    draw_text(ui->screen, y, x, width, ROLE_DIM,
              width < NARROW ? "write, then Enter"
              : n > 0        ? "write one like these, then Enter"
                             : "write a prompt, then Enter");
    return true;
}
