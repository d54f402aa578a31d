/* Small faults of pixel art; see clean.h. */
#include "sprite/clean.h"

#include <stddef.h>
#include <string.h>

#include "sprite/labels.h"
#include "sprite/oklab.h"
#include "sprite/wide.h"

enum { SAME_AROUND = 6 };

static const float NEAR = 0.03f; /* Oklab; side by side, 0.02 is the least that an eye sees */

static const char *const names[] = {"near", "lone", "double", "jagged"};

const char *clean_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* ---- colours ---- */

struct merging {
    struct labels *labels;
    struct oklab lab[LABELS_FEW + 1];
    int count[LABELS_FEW + 1], to[LABELS_FEW + 1]; /* to: the colour that it becomes */
};

/* Of two colours that look the same, the rarer one goes; the nearest pair first. */
static bool merge_nearest(struct merging *g)
{
    const struct labels *v = g->labels;
    float least = NEAR * NEAR;
    int from = -1, to = -1;
    for (int i = 1; i < v->n; i++)
        for (int j = 1; j < v->n; j++) {
            if (i == j || g->to[i] != i || g->to[j] != j || v->palette[i][3] != v->palette[j][3])
                continue;
            bool rarer = g->count[i] < g->count[j] || (g->count[i] == g->count[j] && i > j);
            float d = oklab_distance2(g->lab[i], g->lab[j]);
            if (rarer && d < least)
                least = d, from = i, to = j;
        }
    if (from < 0)
        return false;
    for (int i = 1; i < v->n; i++)
        g->to[i] = g->to[i] == from ? to : g->to[i];
    g->count[to] += g->count[from];
    return true;
}

static int merge_near(struct labels *v, int *changed, struct err *e)
{
    struct merging g = {.labels = v};
    if (v->size > 1)
        return err_set(e, "more than %d colours: reduce them before looking for near ones",
                       LABELS_FEW);
    labels_count(v, g.count);
    int pixels[LABELS_FEW + 1];
    uint8_t to[LABELS_FEW + 1] = {0};
    memcpy(pixels, g.count, sizeof pixels);
    for (int i = 1; i < v->n; i++) {
        g.lab[i] = oklab_from_srgb(v->palette[i]);
        g.to[i] = i;
    }
    bool merged = false;
    while (merge_nearest(&g))
        merged = true;
    for (int i = 1; i < v->n; i++) {
        to[i] = (uint8_t)g.to[i];
        *changed += g.to[i] != i ? pixels[i] : 0;
    }
    for (int y = 0; y < v->height && merged; y++) {
        uint8_t *row = (uint8_t *)v->at + y * v->row;
        for (int x = 0, w = v->width; x < w; x++)
            row[x] = to[row[x]];
    }
    return 0;
}

/* ---- single pixels: looked at in one copy, changed in another ---- */

#define LABEL   uint8_t
#define NAME(x) x##_few
#define MEND    mend_few_loop
#include "sprite/clean_loops.h"

WIDE_TWINS(mend_few,
           (const struct labels *from, const struct labels *to, unsigned what, int *changed),
           (from, to, what, changed))

#define LABEL   uint32_t
#define NAME(x) x##_many
#define MEND    mend_many_loop
#include "sprite/clean_loops.h"

WIDE_TWINS(mend_many,
           (const struct labels *from, const struct labels *to, unsigned what, int *changed),
           (from, to, what, changed))

static int mend(const struct labels *from, const struct labels *to, unsigned what)
{
    int changed;
    if (from->size == 1)
        mend_few(from, to, what, &changed);
    else
        mend_many(from, to, what, &changed);
    return changed;
}

static void swap(struct labels *v)
{
    uint8_t *all = v[0].all;
    void *at = v[0].at;
    v[0].all = v[1].all, v[0].at = v[1].at;
    v[1].all = all, v[1].at = at;
}

/* v: the same twice, in memory of their own. */
static void mend_pixels(struct labels v[2], unsigned what, struct clean_report *r)
{
    if (what & CLEAN_LONE) {
        r->lone = mend(&v[0], &v[1], CLEAN_LONE);
        swap(v);
    }
    if (what & CLEAN_DOUBLE) {
        r->doubled = mend(&v[0], &v[1], CLEAN_DOUBLE);
        swap(v);
    }
    if (what & CLEAN_JAGGED)
        r->jagged = mend(&v[0], &v[0], CLEAN_JAGGED);
}

int clean_labels(struct labels *v, unsigned what, struct clean_report *r, struct err *e)
{
    *r = (struct clean_report){0};
    if (what & CLEAN_NEAR && merge_near(v, &r->near, e))
        return -1;
    if (!(what & (CLEAN_LONE | CLEAN_DOUBLE | CLEAN_JAGGED)))
        return 0;
    struct labels both[2] = {*v};
    if (labels_twin(&both[1], v, e))
        return -1;
    mend_pixels(both, what, r);
    *v = both[0];
    labels_free(&both[1]);
    return 0;
}
