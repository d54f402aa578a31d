/* Lines that wander; see follow.h. */
#include "sprite/follow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 16, /* of a large cell: lines that wander are looked for in so many, and then near */
};

static const double GIVE = 0.3;  /* share of a cell that lines may wander from one to the next */
static const double STIFF = 1;   /* how much wandering must gain, in edges of a line */
static const double BEND = 4;    /* how much a change of distance from line to line must */
static const double TURN = 0.15; /* share of a cell that it may be, and a pixel */
static const double WEAK = 0.02; /* a line with less than this share of edges tells nothing */

/* What is gained by a line at x: the edges there, and half of those beside it. */
static double gain(const struct axis *a, int x)
{
    const float *at = a->edges.at;
    double before = x > 0 ? (double)at[x - 1] : 0,
           behind = x + 1 < a->edges.n ? (double)at[x + 1] : 0;
    return (double)at[x] + 0.5 * (before + behind);
}

/* Lines up to one, by how far the last is from the one before it. */
struct track {
    float best;     /* gain of the best such lines */
    int16_t before; /* which distance the one before has; -1: there is no other line */
};

struct tracks {
    int least, step, count; /* distances: least + i * step, i below count */
    int reach;              /* by how many i they may change */
    double cell, unit;
    const struct axis *axis;
    struct track *at; /* [edges][count] */
};

static struct track *track_at(const struct tracks *k, int x, int i)
{
    return &k->at[(size_t)x * (size_t)k->count + (size_t)i];
}

/* The best lines of which the last is at x, at distance i from the one before it. */
static struct track best_track(const struct tracks *k, int x, int i)
{
    struct track best = {0, -1};
    int s = k->least + i * k->step, from = i > k->reach ? i - k->reach : 0;
    double off = (s - k->cell) / k->cell, cost = STIFF * off * off;
    for (int j = from; j <= i + k->reach && j < k->count && x >= s; j++) {
        int turn = k->step * abs(i - j) - 1; /* one pixel is rounding */
        double bend = turn > 0 ? turn / k->cell : 0;
        float sum = track_at(k, x - s, j)->best - (float)(k->unit * (cost + BEND * bend * bend));
        if (sum > best.best || best.before < 0)
            best = (struct track){sum, (int16_t)j};
    }
    best.best += (float)gain(k->axis, x);
    return best;
}

/* Fills all. Returns the best one that ends in the last cell. */
static const struct track *find_tracks(const struct tracks *k)
{
    const struct track *end = k->at;
    for (int x = 0, n = k->axis->edges.n; x < n; x++)
        for (int i = 0; i < k->count; i++) {
            struct track *here = track_at(k, x, i);
            *here = best_track(k, x, i);
            end = x + k->cell < n || here->best < end->best ? end : here;
        }
    return end;
}

/* The lines that lead there, each where the most edges are that its distance's step left out. */
static void take_track(const struct tracks *k, const struct track *end, struct lines *l)
{
    int last = (int)((end - k->at) / k->count), i = (int)((end - k->at) % k->count);
    l->n = 0;
    for (int x = last, j = i, next; x >= 0; x = next, l->n++) {
        int before = track_at(k, x, j)->before;
        next = before < 0 ? -1 : x - (k->least + j * k->step);
        j = before;
    }
    for (int x = last, n = l->n; n > 0;) {
        int before = track_at(k, x, i)->before, best = x;
        for (int y = x - k->step / 2; y <= x + k->step / 2; y++)
            if (y >= 0 && y < k->axis->edges.n && gain(k->axis, y) > gain(k->axis, best))
                best = y;
        l->at[--n] = best;
        x -= k->least + i * k->step, i = before;
    }
}

static int follow_by(const struct axis *a, double cell, struct lines *l, struct err *e)
{
    int n = a->edges.n, most = (int)floor(cell * (1 + GIVE) + 0.5);
    struct tracks k = {.least = (int)ceil(cell * (1 - GIVE)),
                       .step = cell < 2 * STEPS ? 1 : (int)(cell / STEPS),
                       .cell = cell,
                       .unit = a->edges.total / (n / cell),
                       .axis = a};
    k.count = (most - k.least) / k.step + 1;
    k.reach = (1 + (int)(TURN * cell)) / k.step;
    k.at = malloc((size_t)n * (size_t)k.count * sizeof *k.at);
    if (!k.at)
        return err_set(e, "out of memory for the grid");
    take_track(&k, find_tracks(&k), l);
    free(k.at);
    return 0;
}

/* Lines beyond the outermost edges are where the cell's size puts them. */
static void trim_ends(const struct axis *a, double cell, struct lines *l)
{
    double least = WEAK * a->edges.total / (a->edges.n / cell);
    int from = 0, to = l->n - 1;
    while (from < to && gain(a, l->at[from]) < least)
        from++;
    while (to > from && gain(a, l->at[to]) < least)
        to--;
    double first = l->at[from], last = l->at[to];
    if (to - from >= FOLLOW_LINES_MIN)
        l->cell = cell = (last - first) / (to - from);
    int before = (int)floor(first / cell + 0.5),
        behind = (int)floor((a->edges.n - last) / cell + 0.5);
    int count = to - from + 1;
    memmove(l->at + before, l->at + from, (size_t)count * sizeof *l->at);
    for (int i = 0; i < before; i++) {
        int x = (int)floor(first - (before - i) * cell + 0.5);
        l->at[i] = x < 0 ? 0 : x;
    }
    l->n = before + count;
    for (int i = 1; i <= behind; i++) {
        int x = (int)floor(last + i * cell + 0.5);
        l->at[l->n++] = x > a->edges.n ? a->edges.n : x;
    }
}

/* The mean distance of lines that are side by side, by the weaker one's edges: what lies in a gap
 * does not count. */
static double mean_distance(const struct axis *a, const struct lines *l, double cell)
{
    double sum = 0, all = 0;
    for (int i = 0; i + 1 < l->n; i++) {
        double w = gain(a, l->at[i]), v = gain(a, l->at[i + 1]);
        w = v < w ? v : w;
        sum += w * (l->at[i + 1] - l->at[i]), all += w;
    }
    return all > 0 ? sum / all : cell;
}

/* Lines that follow the edges, each about a cell from the one before it, and about as far as that
 * one is from its own. Once again where that tells what a cell is. */
int follow_edges(const struct axis *a, double cell, struct lines *l, struct err *e)
{
    if (follow_by(a, cell, l, e))
        return -1;
    cell = mean_distance(a, l, cell);
    if (follow_by(a, cell, l, e))
        return -1;
    trim_ends(a, cell, l);
    return 0;
}
