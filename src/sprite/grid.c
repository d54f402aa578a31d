/* The pixel grid of an enlarged sprite; see grid.h. */
#include "sprite/grid.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/edges.h"
#include "sprite/follow.h"
#include "sprite/wide.h"

enum {
    PER_WAVE = 4,  /* waves tried between two that differ by one length over the image */
    MULTIPLES = 6, /* of the best wave that are tried as well */
    REFINE = 12,   /* steps of the search for a wave's length */
    STRIDE = 8,    /* pixels of an axis that are summed side by side */
    BLOCK = 256,   /* waves that are turned together */
    PARTS = 4,     /* of an image whose grid wanders */
};

static const double PI = 3.14159265358979323846;
/* Least confidence: more where there are few lines, which are in step with something by chance, and
 * where lines follow the edges. */
static const double SURE = 0.3, SURE_FEW = 1.5, SURE_UNEVEN = 0.15;
static const double QUIET = 0.12, LOUD = 0.2; /* edges between uneven lines: as nothing; too many */
static const double FEW = 1;                  /* how much less a wave with few lines counts */
static const double AS_GOOD = 0.9;  /* a longer wave with so much of the best one's is taken */
static const double SHIFT = 0.35;   /* pixels that a rounder size may move the outermost lines */
static const double ASPECT = 1.5;   /* of a cell's sides, at most */
static const double FOLLOW_MIN = 3; /* smaller cells leave lines no room to wander */
static const double BETTER = 0.06;  /* share of the edges that following them must win */
static const double APART = 1.1;    /* cells are square unless two sizes fit so much better */

typedef double doubles4 __attribute__((vector_size(32)));

/* Four weights, with zeros past the end. */
ALWAYS_INLINE void take_weights(const struct axis *a, int i, doubles4 *w)
{
    typedef float floats4 __attribute__((vector_size(16)));
    floats4 single = {0};
    if (i + 4 <= a->edges.n)
        memcpy(&single, a->edges.at + i, sizeof single);
    else if (i < a->edges.n)
        memcpy(&single, a->edges.at + i, (size_t)(a->edges.n - i) * sizeof(float));
    *w = __builtin_convertvector(single, doubles4);
}

ALWAYS_INLINE void in_step_sums_loop(const struct axis *a, const double turn[2], double c[STRIDE],
                                     double s[STRIDE], double sums[2][STRIDE])
{
    const doubles4 none = {0}, dc = none + turn[0], ds = none + turn[1];
    doubles4 vc[2], vs[2], re[2] = {{0}}, im[2] = {{0}}, w;
    memcpy(vc, c, sizeof vc);
    memcpy(vs, s, sizeof vs);
    for (int i = 0; i < a->edges.n; i += STRIDE)
        for (int k = 0; k < 2; k++) {
            take_weights(a, i + 4 * k, &w);
            doubles4 next = vc[k] * dc - vs[k] * ds;
            re[k] += w * vc[k], im[k] += w * vs[k];
            vs[k] = vc[k] * ds + vs[k] * dc, vc[k] = next;
        }
    memcpy(sums[0], re, sizeof re);
    memcpy(sums[1], im, sizeof im);
}

WIDE_TWINS(in_step_sums,
           (const struct axis *a, const double turn[2], double c[STRIDE], double s[STRIDE],
            double sums[2][STRIDE]),
           (a, turn, c, s, sums))

/* How much the edges are in step with a wave of this frequency: a sum that is their total where
 * all lie on lines. *offset, if wanted: where the first line lies. */
static double in_step(const struct axis *a, double frequency, double *offset)
{
    double angle = -2 * PI * frequency, re = 0, im = 0;
    double c[STRIDE], s[STRIDE], turn[2] = {cos(STRIDE * angle), sin(STRIDE * angle)};
    double sums[2][STRIDE] = {{0}};
    for (int j = 0; j < STRIDE; j++)
        c[j] = cos(j * angle), s[j] = sin(j * angle);
    in_step_sums(a, turn, c, s, sums);
    for (int j = 0; j < STRIDE; j++)
        re += sums[0][j], im += sums[1][j];
    double place = -atan2(im, re) / (2 * PI * frequency);
    if (offset)
        *offset = place < 0 ? place + 1 / frequency : place;
    return sqrt(re * re + im * im);
}

/* Where most of the edges are. */
static void measure(struct axis *a)
{
    double from = 0.01 * a->edges.total, to = 0.99 * a->edges.total, sum = 0;
    int first = 0, last = 0;
    for (int i = 0; i < a->edges.n; i++) {
        sum += (double)a->edges.at[i];
        first = sum < from ? i + 1 : first;
        last = sum < to ? i + 1 : last;
    }
    a->extent = last > first ? last - first : 0;
}

/* ---- all waves at once ---- */

struct waves {
    int n, parts;       /* the image is looked at in so many parts, each with a phase of its own */
    double first, step; /* frequencies: first + i * step */
    float *power;       /* [n] */
};

/* Waves that turn together, few enough for the fastest memory. */
struct turning {
    float re[BLOCK], im[BLOCK], c[BLOCK], s[BLOCK], dc[BLOCK], ds[BLOCK];
};

ALWAYS_INLINE void turn(struct turning *restrict t, float w)
{
    for (int i = 0; i < BLOCK; i++) {
        float next = t->c[i] * t->dc[i] - t->s[i] * t->ds[i];
        t->re[i] += w * t->c[i], t->im[i] += w * t->s[i];
        t->s[i] = t->c[i] * t->ds[i] + t->s[i] * t->dc[i], t->c[i] = next;
    }
}

/* Adds what in_step says of each wave. A pixel after the other, all waves turn by their angle:
 * that is what compilers turn into vector code. */
ALWAYS_INLINE void waves_add_loop(struct waves *k, const struct axis *a)
{
    struct turning t;
    for (int from = 0; from < k->n; from += BLOCK) {
        memset(&t, 0, sizeof t);
        for (int i = 0; i < BLOCK; i++) {
            double angle = -2 * PI * (k->first + (from + i) * k->step);
            t.dc[i] = (float)cos(angle), t.ds[i] = (float)sin(angle);
            t.c[i] = 1;
        }
        for (int part = 0, x = 0; part < k->parts; part++) {
            int end = (int)((int64_t)a->edges.n * (part + 1) / k->parts);
            memset(t.re, 0, sizeof t.re);
            memset(t.im, 0, sizeof t.im);
            for (; x < end; x++)
                turn(&t, a->edges.at[x]);
            for (int i = 0; i < BLOCK && from + i < k->n; i++)
                k->power[from + i] += sqrtf(t.re[i] * t.re[i] + t.im[i] * t.im[i]);
        }
    }
}

WIDE_TWINS(waves_add, (struct waves * k, const struct axis *a), (k, a))

/* The frequency of the best wave; 0 where there are too few edges to tell. */
static double best_wave(const struct axis *x, const struct axis *y, int parts, struct err *e)
{
    double extent = 0;
    const struct axis *both[2] = {x, y};
    for (int i = 0; i < 2; i++)
        extent = both[i] && both[i]->extent > extent ? both[i]->extent : extent;
    struct waves k = {.parts = parts, .step = 1.0 / (PER_WAVE * (extent / parts + 1))};
    k.first = parts * FOLLOW_LINES_MIN / (extent + 1);
    k.first = k.first > 1.0 / GRID_CELL_MAX ? k.first : 1.0 / GRID_CELL_MAX;
    k.n = (int)((0.5 - k.first) / k.step) + 1;
    if (k.first >= 0.5)
        return 0;
    k.power = calloc((size_t)k.n, sizeof *k.power);
    if (!k.power)
        return err_set(e, "out of memory for the grid");
    int best = 0;
    for (int i = 0; i < 2; i++)
        if (both[i])
            waves_add(&k, both[i]);
    double total = (x ? x->edges.total : 0) + (y ? y->edges.total : 0), most = -1e300;
    for (int i = 0; i < k.n; i++) {
        double lines = extent * (k.first + i * k.step) / parts;
        double p = (double)k.power[i] - total * FEW / lines;
        if (p > most)
            most = p, best = i;
    }
    free(k.power);
    return k.first + best * k.step;
}

/* Both may be NULL, but not at once. */
static double power(const struct axis *x, const struct axis *y, double fx, double fy)
{
    double sum = (x ? in_step(x, fx, NULL) : 0) + (y ? in_step(y, fy, NULL) : 0);
    double all = (x ? x->edges.total : 0) + (y ? y->edges.total : 0);
    return all > 0 ? sum / all : 0;
}

/* The top of the hill around f. */
static double climb(const struct axis *x, const struct axis *y, double f)
{
    double extent = x && y && x->extent < y->extent ? y->extent : x ? x->extent : y->extent;
    double reach = 1 / (PER_WAVE * (extent + 1)), here = power(x, y, f, f);
    for (int i = 0; i < REFINE; i++, reach *= 0.6)
        for (int side = -1; side <= 1; side += 2) {
            double g = f + side * reach, there = g > 0 ? power(x, y, g, g) : 0;
            if (there > here)
                here = there, f = g;
        }
    return f;
}

/* The best wave, or one of a multiple of its length that is as good: edges that are in step with a
 * wave are in step with its halves and thirds as well. */
static double longest_wave(const struct axis *x, const struct axis *y, double f)
{
    if (f <= 0)
        return 0;
    f = climb(x, y, f);
    double here = power(x, y, f, f);
    for (int k = MULTIPLES; k > 1; k--) {
        double g = climb(x, y, f / k);
        if (1 / g <= GRID_CELL_MAX && power(x, y, g, g) >= AS_GOOD * here)
            f = g, k = MULTIPLES + 1; /* and its multiples */
    }
    return f;
}

/* ---- lines ---- */

/* Whole pixels, where that moves no edge by much. */
static double rounder(const struct axis *a, double cell)
{
    double whole = floor(cell + 0.5), near = SHIFT * cell / (0.5 * a->extent + 1);
    return fabs(whole - cell) < near ? whole : cell;
}

/* Where lines are when the one nearest to the left border is at `first`, 0 to cell. */
static void even_lines(struct lines *l, int size)
{
    l->n = 0;
    if (l->first >= 0.5 * l->cell && l->first >= 0.5)
        l->at[l->n++] = 0;
    for (int k = 0;; k++) {
        int at = (int)floor(l->first + k * l->cell + 0.5);
        if (at > size)
            break;
        l->at[l->n++] = at;
    }
    if (size - l->at[l->n - 1] >= 0.5 * l->cell)
        l->at[l->n++] = size;
}

/* How much the edges are in step with lines that need not be even. */
static double in_step_with(const struct axis *a, const struct lines *l)
{
    double re = 0, im = 0;
    for (int i = 0; i + 1 < l->n; i++) {
        int from = l->at[i], width = l->at[i + 1] - from;
        for (int x = from; x < from + width; x++) {
            double angle = 2 * PI * (x - from) / width;
            re += (double)a->edges.at[x] * cos(angle), im += (double)a->edges.at[x] * sin(angle);
        }
    }
    return sqrt(re * re + im * im);
}

/* The lines of one direction. Even, unless following the edges finds many more of them. */
static int find_lines(const struct axis *a, double cell, struct lines *l, bool *even, struct err *e)
{
    int n = a->edges.n;
    struct lines free_lines = {.cell = cell};
    *l = (struct lines){.cell = cell};
    /* Places beyond the borders: a cell and a half at both ends. */
    l->at = malloc(((size_t)n + 4) * sizeof *l->at);
    free_lines.at = malloc(((size_t)n + 4) * sizeof *l->at);
    int rc = l->at && free_lines.at ? 0 : err_set(e, "out of memory for the grid");
    if (!rc) {
        if (a->edges.total > 0)
            in_step(a, 1 / cell, &l->first);
        even_lines(l, n);
        if (cell >= FOLLOW_MIN && a->edges.total > 0)
            rc = follow_edges(a, cell, &free_lines, e);
    }
    if (!rc && free_lines.n > 1 &&
        in_step_with(a, &free_lines) > in_step_with(a, l) + BETTER * a->edges.total) {
        int *at = l->at;
        l->at = free_lines.at, l->n = free_lines.n, l->cell = free_lines.cell;
        l->first = l->at[0] > 0 ? l->at[0] : l->at[1];
        free_lines.at = at;
        *even = false;
    }
    free(free_lines.at);
    return rc;
}

/* ---- the whole ---- */

/* Cells that are longer one way: two sizes, where they fit much better than one. */
static void part_sizes(const struct axis *x, const struct axis *y, double f, double *cell_x,
                       double *cell_y)
{
    *cell_x = *cell_y = 1 / f;
    if (x->extent <= 0 || y->extent <= 0)
        return;
    struct err e;
    double fx = longest_wave(x, NULL, best_wave(x, NULL, 1, &e));
    double fy = longest_wave(NULL, y, best_wave(y, NULL, 1, &e));
    if (fx <= 0 || fy <= 0 || fx > fy * ASPECT || fy > fx * ASPECT)
        return;
    if (power(x, y, fx, fy) >= APART * power(x, y, f, f))
        *cell_x = 1 / fx, *cell_y = 1 / fy;
}

static double sure(const struct axis *x, const struct axis *y, double cell_x, double cell_y)
{
    double across = x->extent / cell_x, down = y->extent / cell_y;
    return SURE + SURE_FEW / (across > down ? across : down);
}

/* The cells of one grid over the whole image, or of one that wanders between parts of it. 0: none
 * that is worth a look. */
static int find_cells(const struct axis *x, const struct axis *y, int parts, double *cell_x,
                      double *cell_y, struct err *e)
{
    *cell_x = *cell_y = 0;
    double f = best_wave(x, y, parts, e);
    if (f < 0)
        return -1;
    f = parts == 1 ? longest_wave(x, y, f) : f;
    if (f <= 0)
        return 0;
    part_sizes(x, y, f, cell_x, cell_y);
    if (parts == 1 && power(x, y, 1 / *cell_x, 1 / *cell_y) < sure(x, y, *cell_x, *cell_y))
        *cell_x = *cell_y = 0;
    return 0;
}

static void free_lines(struct grid *g)
{
    free(g->x);
    free(g->y);
    g->x = g->y = NULL;
}

/* Adds up the edges that are not beside any line, and their places. */
static void add_apart(const struct axis *a, const struct lines *l, double *edges, int *places)
{
    for (int i = 0; i + 1 < l->n; i++)
        for (int x = l->at[i] + 2; x + 1 < l->at[i + 1]; x++)
            *edges += (double)a->edges.at[x], *places += 1;
}

/* How many edges there are between lines, where 1 is as many as anywhere. */
static double loudness(const struct axis *x, const struct lines *lx, const struct axis *y,
                       const struct lines *ly)
{
    double all = x->edges.total + y->edges.total, edges = 0;
    int places = 0;
    add_apart(x, lx, &edges, &places);
    add_apart(y, ly, &edges, &places);
    return all > 0 && places > 0 ? edges / all * (x->edges.n + y->edges.n) / places : 1;
}

/* Also says how loud it is between them. */
static int make_lines(const struct axis *x, const struct axis *y, struct grid *g, double *loud,
                      struct err *e)
{
    struct lines lx = {0}, ly = {0};
    double all = x->edges.total + y->edges.total;
    g->even = true;
    int rc = find_lines(x, g->cell_x, &lx, &g->even, e) ||
                     find_lines(y, g->cell_y, &ly, &g->even, e)
                 ? -1
                 : 0;
    g->x = lx.at, g->y = ly.at;
    if (rc)
        return -1;
    g->columns = lx.n - 1, g->rows = ly.n - 1;
    g->left = lx.first, g->top = ly.first;
    g->cell_x = lx.cell, g->cell_y = ly.cell;
    *loud = loudness(x, &lx, y, &ly);
    g->confidence = all > 0 ? (in_step_with(x, &lx) + in_step_with(y, &ly)) / all : 0;
    return 0;
}

/* Lines that wander, being whole pixels all the same, may look like even ones of a half or a third
 * of their cell, which is too small to wander. */
static int try_longer(const struct axis *x, const struct axis *y, struct grid *g, double *loud,
                      struct err *e)
{
    const double cell_x = g->cell_x, cell_y = g->cell_y, least = g->confidence + BETTER;
    bool small = cell_x < FOLLOW_MIN && cell_y < FOLLOW_MIN;
    for (int k = 2; k <= MULTIPLES && small; k++) {
        struct grid h = {.cell_x = k * cell_x, .cell_y = k * cell_y, .found = true};
        double other_loud;
        int rc = make_lines(x, y, &h, &other_loud, e);
        bool square = h.cell_x < h.cell_y * ASPECT && h.cell_y < h.cell_x * ASPECT;
        bool better = !rc && !h.even && square && h.confidence > least &&
                      h.confidence > g->confidence - BETTER;
        struct grid other = better ? *g : h;
        *g = better ? h : *g, *loud = better ? other_loud : *loud;
        grid_free(&other);
        if (rc)
            return -1;
    }
    return 0;
}

/* As it is: a cell a pixel. */
static int make_pixels(const struct image *m, struct grid *g, struct err *e)
{
    free_lines(g);
    g->found = false, g->even = true;
    g->cell_x = g->cell_y = 1, g->left = g->top = 0;
    g->columns = m->width, g->rows = m->height;
    g->x = malloc(((size_t)m->width + 1) * sizeof *g->x);
    g->y = malloc(((size_t)m->height + 1) * sizeof *g->y);
    if (!g->x || !g->y)
        return err_set(e, "out of memory for the grid");
    for (int i = 0; i <= m->width; i++)
        g->x[i] = i;
    for (int i = 0; i <= m->height; i++)
        g->y[i] = i;
    return 0;
}

/* Is it a grid? Lines that follow the edges are in step with some of any picture's; those of pixel
 * art leave little between them. */
static bool is_grid(const struct axis *x, const struct axis *y, const struct grid *g, double loud)
{
    double least = sure(x, y, g->cell_x, g->cell_y);
    bool quiet = g->even || loud <= QUIET;
    return g->confidence >= least + (quiet ? 0 : SURE_UNEVEN) && (quiet || loud <= LOUD);
}

/* The lines of cells that were given or found; g->found says whether they are good. */
static int try_cells(const struct axis *x, const struct axis *y, bool given, struct grid *g,
                     struct err *e)
{
    double loud;
    if (!given)
        g->cell_x = rounder(x, g->cell_x), g->cell_y = rounder(y, g->cell_y);
    if (make_lines(x, y, g, &loud, e) || (!given && try_longer(x, y, g, &loud, e)))
        return -1;
    g->found = given || is_grid(x, y, g, loud);
    return 0;
}

static int find(const struct image *m, double cell, struct axis *x, struct axis *y, struct grid *g,
                struct err *e)
{
    const bool given = cell > 0;
    if (edges_find(m, &x->edges, &y->edges, e))
        return -1;
    measure(x);
    measure(y);
    g->cell_x = g->cell_y = cell;
    for (int parts = 1; parts <= PARTS && !g->found; parts *= 2) {
        free_lines(g);
        if (!given && find_cells(x, y, parts, &g->cell_x, &g->cell_y, e))
            return -1;
        if (g->cell_x > 0 && try_cells(x, y, given, g, e))
            return -1;
    }
    return g->found ? 0 : make_pixels(m, g, e);
}

int grid_find(const struct image *m, double cell, struct grid *g, struct err *e)
{
    struct axis x = {0}, y = {0};
    *g = (struct grid){0};
    if (cell != 0 && !(cell >= 1 && cell <= m->width && cell <= m->height))
        return err_set(e, "cells of %g pixels in an image of %dx%d", cell, m->width, m->height);
    int rc = find(m, cell, &x, &y, g, e);
    edges_free(&x.edges);
    edges_free(&y.edges);
    if (rc)
        grid_free(g);
    return rc;
}

void grid_free(struct grid *g)
{
    free_lines(g);
    *g = (struct grid){0};
}
