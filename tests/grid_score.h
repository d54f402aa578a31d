/* How near a grid that was found is to the one that was drawn; for test_grid.c and bench_grid.c. */
#ifndef SPRITTY_TESTS_GRID_SCORE_H
#define SPRITTY_TESTS_GRID_SCORE_H

#include "grids.h"
#include "sprite/cells.h"
#include "sprite/grid.h"
#include "sprite/oklab.h"

/* Does line i between columns (or rows) of the sprite part any two colours? */
static inline bool score_has_edge(const struct image *s, bool rows, int i)
{
    int along = rows ? s->width : s->height, stride = rows ? s->width : 1;
    for (int k = 0; k < along; k++) {
        const uint8_t *p = s->rgba + 4 * (rows ? i * s->width + k : k * s->width + i);
        if (memcmp(p, p - 4 * stride, 4))
            return true;
    }
    return false;
}

/* One direction: the lines that were drawn between the outermost edges were found, and no other
 * between them. Lines are off by less than a pixel, or a quarter of a cell where they wander. */
static inline bool score_axis(const int *at, int lines, const struct image *s, bool rows,
                              const struct grid_case *g)
{
    int cells = rows ? s->height : s->width, low = 1, high = cells - 1, k = 0;
    double cell = rows ? g->cell_y : g->cell_x, first = rows ? g->top : g->left;
    double most = g->wander > 0 && cell > 4 ? 0.25 * cell : 1;
    while (low < high && !score_has_edge(s, rows, low))
        low++;
    while (low < high && !score_has_edge(s, rows, high))
        high--;
    while (k < lines && at[k] <= grid_line(cell, first, g->wander, low) - most)
        k++;
    for (int i = low; i <= high; i++, k++)
        if (k >= lines || fabs(at[k] - grid_line(cell, first, g->wander, i)) >= most)
            return false;
    return true;
}

static inline bool score_is_exact(const struct grid *f, const struct grid_case *g,
                                  const struct image *sprite)
{
    return f->found && score_axis(f->x, f->columns + 1, sprite, false, g) &&
           score_axis(f->y, f->rows + 1, sprite, true, g);
}

/* The colour of the sprite that is nearest. */
static inline int score_nearest(const uint8_t *p, uint8_t (*palette)[4], int n)
{
    int best = 0;
    float least = 1e9f;
    for (int k = 0; k < n; k++) {
        float d = oklab_distance2(oklab_from_srgb(p), oklab_from_srgb(palette[k]));
        if (d < least)
            least = d, best = k;
    }
    return best;
}

static inline int score_cell_at(const int *at, int cells, double place)
{
    for (int i = 0; i < cells; i++)
        if (at[i] <= place && place < at[i + 1])
            return i;
    return -1;
}

/* Share of the sprite's pixels whose colour did not come back, looked up at their middles. */
static inline double score_wrong_pixels(const struct image *m, const struct grid *f,
                                        const struct grid_case *g, const struct image *sprite)
{
    uint8_t palette[256][4], *index = malloc((size_t)sprite->width * (size_t)sprite->height);
    int n = image_palette(sprite, 256, palette, index), wrong = 0;
    struct err e;
    struct image *out = cells_reduce_lines(m, f->x, f->columns, f->y, f->rows, CELL_CENTROID, &e);
    for (int y = 0; y < sprite->height; y++)
        for (int x = 0; x < sprite->width; x++) {
            int fx = score_cell_at(f->x, f->columns,
                                   grid_line(g->cell_x, g->left, g->wander, x) + g->cell_x / 2);
            int fy = score_cell_at(f->y, f->rows,
                                   grid_line(g->cell_y, g->top, g->wander, y) + g->cell_y / 2);
            if (fx < 0 || fy < 0 || n < 1)
                wrong++;
            else
                wrong += score_nearest(out->rgba + 4 * (fy * out->width + fx), palette, n) !=
                         index[y * sprite->width + x];
        }
    int size = sprite->width * sprite->height;
    free(index);
    image_free(out);
    return (double)wrong / size;
}

#endif
