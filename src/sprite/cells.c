/* One pixel a cell; see cells.h. */
#include "sprite/cells.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"

enum {
    SIDE = 16,    /* samples of a cell's side; larger cells are sampled with a stride */
    LEAST = 6553, /* a tenth of the greatest weight: samples with less are not worth looking at */
    FLAT = 6,     /* a cell whose bytes differ by no more than this has one colour */
    ROUNDS = 4,   /* of k-means */
    SMALL = 3,    /* cells too small for a majority: their middle is taken */
    OPAQUE = 128, /* alpha from which a pixel is there */
};

/* Groups nearer than this (Oklab) are shades of one colour. */
static const float ONE_COLOUR = 0.04f;

/* What is looked at in every cell of one size: the same places with the same weights. */
struct mask {
    int width, height;
    enum cell_method method;
    int n, total;
    int x[SIDE * SIDE], y[SIDE * SIDE], weight[SIDE * SIDE];
};

/* The visible pixels of one cell. */
struct samples {
    int n, weight; /* weight: their sum */
    uint8_t rgb[SIDE * SIDE][3];
    int w[SIDE * SIDE];
    struct oklab lab[SIDE * SIDE];
};

int cells_check(const struct image *m, struct cell_grid g, struct err *e)
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
    *k = (struct mask){.width = width, .height = height, .method = method};
    for (int j = 0; j < down.count; j++)
        for (int i = 0; i < across.count; i++) {
            int x = across.first + i * across.stride, y = down.first + j * down.stride;
            int w = weight_at(x, width, method) * weight_at(y, height, method);
            if (w < (by_majority(method) ? LEAST : 1))
                continue;
            k->x[k->n] = x, k->y[k->n] = y, k->weight[k->n++] = w;
            k->total += w;
        }
}

static void take_samples(const struct image *m, const struct mask *k, int left, int top,
                         struct samples *s)
{
    s->n = s->weight = 0;
    for (int i = 0; i < k->n; i++) {
        size_t at = (size_t)(top + k->y[i]) * (size_t)m->width + (size_t)(left + k->x[i]);
        const uint8_t *p = m->rgba + 4 * at;
        if (p[3] < OPAQUE)
            continue;
        memcpy(s->rgb[s->n], p, 3);
        s->w[s->n++] = k->weight[i];
        s->weight += k->weight[i];
    }
}

static bool is_flat(const struct samples *s)
{
    for (int c = 0; c < 3; c++) {
        int low = 255, high = 0;
        for (int i = 0; i < s->n; i++) {
            low = s->rgb[i][c] < low ? s->rgb[i][c] : low;
            high = s->rgb[i][c] > high ? s->rgb[i][c] : high;
        }
        if (high - low > FLAT)
            return false;
    }
    return true;
}

/* Of bytes: for colours so near each other any space gives the same. */
static void mean_of_bytes(const struct samples *s, uint8_t rgb[3])
{
    for (int c = 0; c < 3; c++) {
        int64_t sum = 0;
        for (int i = 0; i < s->n; i++)
            sum += (int64_t)s->w[i] * s->rgb[i][c];
        rgb[c] = (uint8_t)((sum + s->weight / 2) / s->weight);
    }
}

struct sum {
    float l, a, b, weight;
};

static struct oklab mean_of(struct sum s)
{
    return (struct oklab){s.l / s.weight, s.a / s.weight, s.b / s.weight};
}

/* Of the samples with in[i] == 1, or of all with in == NULL. */
static struct sum add_up(const struct samples *s, const uint8_t *in)
{
    struct sum sum = {0, 0, 0, 0};
    for (int i = 0; i < s->n; i++) {
        float w = (float)(in ? s->w[i] * in[i] : s->w[i]);
        sum.l += w * s->lab[i].l, sum.a += w * s->lab[i].a, sum.b += w * s->lab[i].b;
        sum.weight += w;
    }
    return sum;
}

static struct oklab farthest_from(const struct samples *s, struct oklab from)
{
    float best = -1;
    struct oklab found = from;
    for (int i = 0; i < s->n; i++) {
        float d = oklab_distance2(s->lab[i], from);
        if (d > best)
            best = d, found = s->lab[i];
    }
    return found;
}

/* k-means with two groups, begun at the two ends of the cell's colours. */
static struct oklab heavier_half(const struct samples *s)
{
    uint8_t second[SIDE * SIDE] = {0}; /* 1: in the second group, else in the first */
    struct sum all = add_up(s, NULL), sum[2] = {{0}};
    struct oklab mean[2];
    mean[0] = farthest_from(s, mean_of(all));
    mean[1] = farthest_from(s, mean[0]);
    for (int round = 0, moved = 1; round < ROUNDS && moved; round++) {
        moved = 0;
        for (int i = 0; i < s->n; i++) {
            uint8_t to = oklab_distance2(s->lab[i], mean[1]) < oklab_distance2(s->lab[i], mean[0]);
            moved |= to ^ second[i];
            second[i] = to;
        }
        sum[1] = add_up(s, second);
        sum[0] = (struct sum){all.l - sum[1].l, all.a - sum[1].a, all.b - sum[1].b,
                              all.weight - sum[1].weight};
        for (int g = 0; g < 2; g++)
            mean[g] = sum[g].weight > 0 ? mean_of(sum[g]) : mean[g];
    }
    if (oklab_distance2(mean[0], mean[1]) < ONE_COLOUR * ONE_COLOUR)
        return mean_of(all);
    return mean[sum[1].weight > sum[0].weight];
}

/* Bytes that differ by less are one colour to `most_frequent`. */
enum { ALIKE = 16 };

static bool alike(const uint8_t *p, const uint8_t *q)
{
    for (int c = 0; c < 3; c++)
        if (p[c] - q[c] >= ALIKE || q[c] - p[c] >= ALIKE)
            return false;
    return true;
}

/* The colour that has the greatest weight of others like it, and the mean of those. Of two with the
 * same weight, the first. */
static struct oklab most_frequent(const struct samples *s)
{
    int best = -1, most = 0;
    uint8_t in[SIDE * SIDE];
    for (int i = 0; i < s->n; i++) {
        int weight = 0;
        for (int k = 0; k < s->n; k++)
            weight += alike(s->rgb[i], s->rgb[k]) ? s->w[k] : 0;
        if (weight > most)
            most = weight, best = i;
    }
    for (int k = 0; k < s->n; k++)
        in[k] = alike(s->rgb[best], s->rgb[k]);
    return mean_of(add_up(s, in));
}

static void cell_color(struct samples *s, enum cell_method method, uint8_t rgb[3])
{
    if (is_flat(s)) {
        mean_of_bytes(s, rgb);
        return;
    }
    oklab_from_srgb_many(s->rgb, s->n, s->lab);
    oklab_to_srgb(method == CELL_CENTROID   ? heavier_half(s)
                  : method == CELL_DOMINANT ? most_frequent(s)
                                            : mean_of(add_up(s, NULL)),
                  rgb);
}

/* Cells of one pixel. */
static void harden(const struct image *m, struct image *out)
{
    size_t n = (size_t)m->width * (size_t)m->height;
    for (size_t i = 0; i < n; i++) {
        if (m->rgba[4 * i + 3] < OPAQUE)
            continue;
        memcpy(out->rgba + 4 * i, m->rgba + 4 * i, 3);
        out->rgba[4 * i + 3] = 255;
    }
}

/* The masks of the sizes that were met, found again by size. */
struct masks {
    enum cell_method method;
    struct mask at[4][4];
};

static const struct mask *mask_of(struct masks *all, int width, int height)
{
    struct mask *k = &all->at[height & 3][width & 3];
    if (k->width != width || k->height != height)
        mask_make(k, width, height, all->method);
    return k;
}

static void reduce_row(const struct image *m, struct masks *all, const int *x, int columns, int top,
                       int height, uint8_t *out)
{
    struct samples s;
    for (int i = 0; i < columns; i++, out += 4) {
        const struct mask *k = mask_of(all, x[i + 1] - x[i], height);
        take_samples(m, k, x[i], top, &s);
        if (2 * (int64_t)s.weight < k->total)
            continue; /* stays transparent black */
        cell_color(&s, k->method, out);
        out[3] = 255;
    }
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
        reduce_row(m, all, x, columns, y[j], y[j + 1] - y[j],
                   out->rgba + (size_t)j * (size_t)columns * 4);
    free(all);
    return out;
}

static struct image *hardened(const struct image *m, struct err *e)
{
    struct image *out = image_new(m->width, m->height);
    if (out)
        harden(m, out);
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
