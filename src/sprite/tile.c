/* Seams and repeated pictures; see tile.h. */
#include "sprite/tile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/cells.h"
#include "sprite/grid.h"
#include "sprite/oklab.h"

static const double HIDDEN = 0.1, ABOVE = 1.25;

/* Hidden pixels are one colour, far from all. */
static double step(const struct oklab *p, const struct oklab *q)
{
    return sqrt((double)oklab_distance2(*p, *q));
}

static struct oklab color_at(const struct image *m, int x, int y)
{
    const uint8_t *p = m->rgba + 4 * ((size_t)y * (size_t)m->width + (size_t)x);
    return p[3] < 128 ? (struct oklab){0.5f, 1, 1} : oklab_from_srgb(p);
}

/* The mean step between column i - 1 (the last for 0) and i; with `down`, between rows. */
static double line(const struct image *m, int i, bool down)
{
    int n = down ? m->height : m->width, length = down ? m->width : m->height;
    int before = i > 0 ? i - 1 : n - 1;
    double sum = 0;
    for (int k = 0; k < length; k++) {
        struct oklab p = down ? color_at(m, k, before) : color_at(m, before, k);
        struct oklab q = down ? color_at(m, k, i) : color_at(m, i, k);
        sum += step(&p, &q);
    }
    return sum / length;
}

static void measure(const struct image *m, bool down, double *score, double *hidden, bool *good)
{
    int n = down ? m->height : m->width, weaker = 0;
    double seam = line(m, 0, down), inside = 0;
    for (int i = 1; i < n; i++) {
        double here = line(m, i, down);
        inside += here;
        weaker += here >= seam;
    }
    inside = n > 1 ? inside / (n - 1) : seam;
    *hidden = n > 1 ? (double)weaker / (n - 1) : 1;
    *score = inside > 0 ? seam / inside : seam > 0 ? 1e3 : 1; /* all of one colour inside */
    *score = *score > 1e3 ? 1e3 : *score;
    *good = *hidden >= HIDDEN || *score <= ABOVE;
}

/* Pixel art in cells of several pixels, a pixel a cell; NULL for anything else, and where a cell is
 * cut by the seam. Most lines of such a picture lie within cells, where no step is: any border of
 * cells would stand out among them. */
static struct image *in_pixels(const struct image *m, int *cell)
{
    struct grid g;
    struct image *out = NULL;
    *cell = 1;
    if (grid_find(m, 0, &g, NULL))
        return NULL;
    int side = (int)lround(fmax(g.cell_x, 1));
    double off_x = fabs(remainder(g.left, side)), off_y = fabs(remainder(g.top, side));
    bool whole = side > 1 && m->width % side == 0 && m->height % side == 0;
    whole = whole && g.columns == m->width / side && g.rows == m->height / side;
    if (g.found && g.even && whole && off_x < 0.5 && off_y < 0.5 && fabs(g.cell_x - side) < 0.05 &&
        fabs(g.cell_y - side) < 0.05)
        out = cells_reduce(m, (struct cell_grid){.cell = side}, CELL_CENTROID, NULL);
    grid_free(&g);
    *cell = out ? side : 1;
    return out;
}

int tile_measure(const struct image *m, struct tile_score *s, struct err *e)
{
    if (m->width < 1 || m->height < 1)
        return err_set(e, "an empty picture has no seams");
    struct image *small = in_pixels(m, &s->cell);
    if (small)
        m = small;
    measure(m, false, &s->x, &s->hidden_x, &s->good_x);
    measure(m, true, &s->y, &s->hidden_y, &s->good_y);
    image_free(small);
    return 0;
}

struct image *tile_repeat(const struct image *m, int across, int down, struct err *e)
{
    struct image *out = NULL;
    if (across > 0 && down > 0 && across <= IMAGE_MAX_SIDE / m->width &&
        down <= IMAGE_MAX_SIDE / m->height)
        out = image_new(m->width * across, m->height * down);
    if (!out) {
        err_set(e, "no room for %dx%d pixels, %d times across and %d down", m->width, m->height,
                across, down);
        return NULL;
    }
    size_t row = (size_t)m->width * 4;
    for (int y = 0; y < out->height; y++)
        for (int x = 0; x < across; x++)
            memcpy(out->rgba + ((size_t)y * (size_t)across + (size_t)x) * row,
                   m->rgba + (size_t)(y % m->height) * row, row);
    return out;
}
