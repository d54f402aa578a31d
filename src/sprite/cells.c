/* One pixel a cell; see cells.h. */
#include "sprite/cells.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/cells_lanes.h"

enum {
    SIDE = 16,    /* samples of a cell's side; larger cells are sampled with a stride */
    LEAST = 6553, /* a tenth of the greatest weight: samples with less are not worth looking at */
    SMALL = 3,    /* cells too small for a majority: their middle is taken */
    OPAQUE = 128, /* alpha from which a pixel is there */
};

/* What is looked at in every cell of one size: the same places with the same weights. */
struct mask {
    int width, height;
    enum cell_method method;
    int n, total;
    int x[SIDE * SIDE], y[SIDE * SIDE], weight[SIDE * SIDE];
    struct cell_batch batch;
};
_Static_assert(SIDE *SIDE <= CELL_SAMPLES, "a batch holds all samples of a cell");

/* Does the grid cut the image in whole cells? With an offset, what is left over at the borders is
 * dropped, so only one whole cell must fit. -1 and the reason otherwise. */
static int cells_check(const struct image *m, struct cell_grid g, struct err *e)
{
    if (g.cell < 1 || g.left < 0 || g.top < 0 || g.left >= g.cell || g.top >= g.cell)
        return err_set(e, "no grid: cells of %d pixels, beginning at %d, %d", g.cell, g.left,
                       g.top);
    if (g.cell > m->width - g.left || g.cell > m->height - g.top)
        return err_set(e, "a cell of %d pixels is larger than the image, %dx%d", g.cell, m->width,
                       m->height);
    if (!g.left && !g.top && (m->width % g.cell || m->height % g.cell))
        return err_set(e,
                       "cells of %d pixels do not fill %dx%d; give a size that divides both sides",
                       g.cell, m->width, m->height);
    return 0;
}

static const char *const names[] = {"centroid", "dominant", "centre", "mean"};

const char *cell_method_name(int i)
{
    return i >= 0 && i <= CELL_MEAN ? names[i] : NULL;
}

static bool by_majority(enum cell_method method)
{
    return method == CELL_CENTROID || method == CELL_DOMINANT;
}

/* Weight of place i of `cell` in one direction: a hill, low at the borders. */
static int weight_at(int i, int cell, enum cell_method method)
{
    int twice = 2 * i + 1 - cell; /* distance from the middle in half pixels */
    twice = twice < 0 ? -twice : twice;
    if (method == CELL_MEAN)
        return 1;
    if (method == CELL_CENTRE)
        return 2 * twice <= cell || twice <= 1;
    int w = 256 - (int)(240LL * twice * twice / ((int64_t)cell * cell));
    return w * w / 256;
}

/* Which places of a side are looked at: every `stride`-th of them, as far from both ends. */
struct places {
    int first, stride, count;
};

static struct places places_of(int side)
{
    int stride = (side + SIDE - 1) / SIDE, count = side / stride;
    return (struct places){(side - 1 - (count - 1) * stride) / 2, stride, count};
}

static void mask_make(struct mask *k, int width, int height, enum cell_method method)
{
    struct places across = places_of(width), down = places_of(height);
    if (width <= SMALL && height <= SMALL && by_majority(method))
        method = CELL_CENTRE;
    k->width = width, k->height = height, k->method = method;
    k->n = k->total = 0;
    for (int j = 0; j < down.count; j++)
        for (int i = 0; i < across.count; i++) {
            int x = across.first + i * across.stride, y = down.first + j * down.stride;
            int w = weight_at(x, width, method) * weight_at(y, height, method);
            if (w < (by_majority(method) ? LEAST : 1))
                continue;
            k->x[k->n] = x, k->y[k->n] = y, k->weight[k->n++] = w;
            k->total += w;
        }
    k->batch.count = k->n;
}

/* Cells of one pixel. A pixel is one word here, so that several are done at once. */
ALWAYS_INLINE void harden_row_loop(const uint8_t *from, size_t n, uint8_t *to)
{
    const uint8_t opaque[4] = {0, 0, 0, 255}, half[4] = {0, 0, 0, OPAQUE};
    uint32_t alpha, there;
    memcpy(&alpha, opaque, 4);
    memcpy(&there, half, 4);
    for (size_t i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, from + 4 * i, 4);
        v = (v | alpha) & ((v & there) ? UINT32_MAX : 0);
        memcpy(to + 4 * i, &v, 4);
    }
}

WIDE_TWINS(harden_row, (const uint8_t *from, size_t n, uint8_t *to), (from, n, to))

/* The masks of the sizes that were met, found again by size. */
struct masks {
    enum cell_method method;
    struct mask at[4][4];
};

static struct mask *mask_of(struct masks *all, int width, int height)
{
    struct mask *k = &all->at[height & 3][width & 3];
    if (k->width != width || k->height != height) {
        cell_batch_finish(&k->batch, k->method);
        mask_make(k, width, height, all->method);
    }
    return k;
}

/* Hidden samples get the colour of the first that is seen. */
static void hide_samples(const struct mask *k, struct cell_batch *b, int lane, int first)
{
    for (int i = 0; i < k->n; i++)
        for (int c = 0; c < 3 && b->weight[i][lane] <= 0; c++)
            b->rgb[c][i][lane] = b->rgb[c][first][lane];
}

/* The cell whose corner is at (left, top), if most of it is visible: its colour goes to `out` when
 * the batch is full, or flushed. */
static void take_cell(const struct image *m, struct mask *k, int left, int top, uint8_t *out)
{
    struct cell_batch *b = &k->batch;
    int lane = b->n, seen = 0, first = -1;
    const uint8_t *corner = m->rgba + 4 * ((size_t)top * (size_t)m->width + (size_t)left);
    for (int i = 0; i < k->n; i++) {
        const uint8_t *p = corner + 4 * ((size_t)k->y[i] * (size_t)m->width + (size_t)k->x[i]);
        int w = p[3] >= OPAQUE ? k->weight[i] : 0;
        for (int c = 0; c < 3; c++)
            b->rgb[c][i][lane] = p[c];
        b->weight[i][lane] = (float)w;
        first = first < 0 && w ? i : first;
        seen += w;
    }
    if (2 * (int64_t)seen < k->total || first < 0)
        return; /* stays transparent black */
    if (seen < k->total)
        hide_samples(k, b, lane, first);
    b->out[b->n++] = out;
    out[3] = 255;
    if (b->n == CELL_LANES)
        cell_batch_finish(b, k->method);
}

static void flush(struct masks *all)
{
    for (int i = 0; i < 16; i++)
        cell_batch_finish(&all->at[i / 4][i % 4].batch, all->at[i / 4][i % 4].method);
}

struct image *cells_reduce_lines(const struct image *m, const int *x, int columns, const int *y,
                                 int rows, enum cell_method method, struct err *e)
{
    struct masks *all = calloc(1, sizeof *all);
    struct image *out = image_new(columns, rows);
    if (!all || !out) {
        free(all);
        image_free(out);
        err_set(e, "out of memory for the sprite's pixels");
        return NULL;
    }
    all->method = method;
    for (int j = 0; j < rows; j++)
        for (int i = 0; i < columns; i++) {
            size_t at = (size_t)j * (size_t)columns + (size_t)i;
            struct mask *k = mask_of(all, x[i + 1] - x[i], y[j + 1] - y[j]);
            take_cell(m, k, x[i], y[j], out->rgba + 4 * at);
        }
    flush(all);
    free(all);
    return out;
}

static struct image *hardened(const struct image *m, struct err *e)
{
    struct image *out = image_new_unset(m->width, m->height);
    if (out)
        harden_row(m->rgba, (size_t)m->width * (size_t)m->height, out->rgba);
    else
        err_set(e, "out of memory for the sprite's pixels");
    return out;
}

struct image *cells_reduce(const struct image *m, struct cell_grid g, enum cell_method method,
                           struct err *e)
{
    if (cells_check(m, g, e))
        return NULL;
    if (g.cell == 1)
        return hardened(m, e);
    int columns = (m->width - g.left) / g.cell, rows = (m->height - g.top) / g.cell;
    int *x = malloc(((size_t)columns + (size_t)rows + 2) * sizeof *x), *y = x + columns + 1;
    if (!x) {
        err_set(e, "out of memory for the sprite's pixels");
        return NULL;
    }
    for (int i = 0; i <= columns; i++)
        x[i] = g.left + i * g.cell;
    for (int i = 0; i <= rows; i++)
        y[i] = g.top + i * g.cell;
    struct image *out = cells_reduce_lines(m, x, columns, y, rows, method, e);
    free(x);
    return out;
}
