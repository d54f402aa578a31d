/* Mixes of an image's colours by bins; see bins.h. */
#include "sprite/bins.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab_lanes.h"

enum { LANES = 8 };

/* What rounding may put between a bound and what it bounds. */
static const float SLACK = 2e-6f;

/* A block's bins that are met, their colours side by side. */
struct block {
    int n;
    uint32_t bin[BLOCK];
    float v[3][BLOCK]; /* l, a, b; the first one again up to a whole vector */
    int32_t first[BLOCK];
};

/* Some of them, as they lie from one first colour; the first one again up to a whole vector. */
struct group {
    int n;
    uint32_t bin[BLOCK];
    float v[3][BLOCK]; /* l, a, b */
};

/* ---- which bins there are ---- */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "red is a word's lowest byte");

/* Of each byte the four bits that say which block, then the two that say where in it. */
ALWAYS_INLINE void many_bins_loop(const uint8_t *p, int n, int32_t *bin)
{
    for (int i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, p + 4 * (size_t)i, 4);
        uint32_t block = (v & 0xf0) << 10 | (v >> 2 & 0x3c00) | (v >> 14 & 0x3c0);
        uint32_t place = (v & 0x0c) << 2 | (v >> 8 & 0x0c) | (v >> 18 & 0x03);
        bin[i] = v >> 24 ? (int32_t)(block | place) : BINS;
    }
}

WIDE_TWINS(many_bins, (const uint8_t *p, int n, int32_t *bin), (p, n, bin))

void bins_of(const uint8_t *rgba, int n, int32_t *bin)
{
    many_bins(rgba, n, bin);
}

/* A byte each, not a bit: then no pixel waits for the one before it. */
static void meet(const struct image *m, int32_t *row, uint8_t *met)
{
    for (int y = 0; y < m->height; y++) {
        bins_of(m->rgba + 4 * (size_t)y * (size_t)m->width, m->width, row);
        for (int x = 0, w = m->width; x < w; x++)
            met[row[x]] = 1;
    }
}

/* ---- the colours of a block ---- */

static uint8_t middle_of(uint32_t bin, int channel)
{
    uint32_t high = bin >> (14 - 4 * channel) & 15, low = bin >> (4 - 2 * channel) & 3;
    return (uint8_t)(high << 4 | low << 2 | 1 << (BIN_DROP - 1));
}

ALWAYS_INLINE void convert_loop(struct block *k)
{
    int n = (k->n + LANES - 1) / LANES * LANES;
    for (int i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            k->v[c][i] = oklab_curve[2 * middle_of(k->bin[i < k->n ? i : 0], c)];
    for (int i = 0; i < n; i += LANES)
        for (int j = i; j < i + LANES; j++) {
            struct oklab c = oklab_convert(k->v[0][j], k->v[1][j], k->v[2][j]);
            k->v[0][j] = c.l, k->v[1][j] = c.a, k->v[2][j] = c.b;
        }
}

WIDE_TWINS(convert, (struct block * k), (k))

/* The least and the greatest of n numbers, as far as whole vectors go. */
ALWAYS_INLINE void range_of(const float *v, int n, float *low, float *high)
{
    lanes8 least, most, next;
    memcpy(&least, v, sizeof least);
    most = least;
    for (int i = LANES; i < n; i += LANES) {
        memcpy(&next, v + i, sizeof next);
        least = LANES_PICK(next < least, next, least);
        most = LANES_PICK(next > most, next, most);
    }
    /* The halves, quarters, eighths that are left against each other. */
    next = __builtin_shufflevector(least, least, 4, 5, 6, 7, 0, 1, 2, 3);
    least = LANES_PICK(next < least, next, least);
    next = __builtin_shufflevector(least, least, 2, 3, 0, 1, 6, 7, 4, 5);
    least = LANES_PICK(next < least, next, least);
    next = __builtin_shufflevector(most, most, 4, 5, 6, 7, 0, 1, 2, 3);
    most = LANES_PICK(next > most, next, most);
    next = __builtin_shufflevector(most, most, 2, 3, 0, 1, 6, 7, 4, 5);
    most = LANES_PICK(next > most, next, most);
    *low = least[0] < least[1] ? least[0] : least[1];
    *high = most[0] > most[1] ? most[0] : most[1];
}

/* Of the colours in the list, the nearest one to each; of two as near, the first. */
ALWAYS_INLINE void nearest_loop(struct block *k, const struct oklab *lab, const uint8_t *list,
                                int n)
{
    for (int i = 0; i < (k->n + LANES - 1) / LANES; i++) {
        lanes8 least = (lanes8){0} + FLT_MAX;
        ints8 best = {0};
        lanes8 c[3];
        for (int j = 0; j < 3; j++)
            memcpy(&c[j], k->v[j] + i * LANES, sizeof c[j]);
        for (int j = 0; j < n; j++) {
            struct oklab q = lab[list[j]];
            lanes8 l = c[0] - q.l, a = c[1] - q.a, b = c[2] - q.b;
            lanes8 d = l * l + a * a + b * b;
            ints8 less = d < least;
            least = LANES_PICK(less, d, least);
            best = (less & list[j]) | (~less & best);
        }
        memcpy(k->first + i * LANES, &best, sizeof best);
    }
}

WIDE_TWINS(nearest, (struct block * k, const struct oklab *lab, const uint8_t *list, int n),
           (k, lab, list, n))

ALWAYS_INLINE void find_box_loop(const struct block *k, struct oklab *low, struct oklab *high)
{
    range_of(k->v[0], k->n, &low->l, &high->l);
    range_of(k->v[1], k->n, &low->a, &high->a);
    range_of(k->v[2], k->n, &low->b, &high->b);
}

WIDE_TWINS(find_box, (const struct block *k, struct oklab *low, struct oklab *high), (k, low, high))

static void find_first(const struct mixes *m, struct block *k)
{
    uint8_t list[PALETTE_MAX];
    struct oklab low, high;
    find_box(k, &low, &high);
    int found = colours_in_box(&m->colours, low, high, list);
    nearest(k, m->lab, list, found);
}

/* ---- the other colours ---- */

/* Those that may be worth mixing in for some colour of the group. The further along a partner the
 * colour lies, the less it costs (from where it costs nothing on), so a box's farthest and nearest
 * corners bound it. */
ALWAYS_INLINE void find_partners_loop(const struct partners *with, int n, const struct group *g,
                                      uint8_t *list, int *found)
{
    const lanes8 none = {0};
    lanes8 lowest[PALETTE_MAX / 8], least = none, share;
    float u[3], half[3], best = 0;
    for (int c = 0; c < 3; c++) {
        float low, high;
        range_of(g->v[c], g->n, &low, &high);
        u[c] = 0.5f * (low + high), half[c] = high - u[c];
    }
    for (int i = 0; i < n; i++) {
        const struct partners *w = &with[i];
        lanes8 l = LANES_PICK(w->l < 0, -w->l, w->l), a = LANES_PICK(w->a < 0, -w->a, w->a);
        lanes8 b = LANES_PICK(w->b < 0, -w->b, w->b), highest;
        lanes8 along = w->l * u[0] + w->a * u[1] + w->b * u[2];
        lanes8 reach = l * half[0] + a * half[1] + b * half[2];
        lanes8 near = along - reach, far = along + reach;
        mixes_cost(&far, &w->inverse, &w->grain, &w->rest, &share, &lowest[i]);
        mixes_cost(&near, &w->inverse, &w->grain, &w->rest, &share, &highest);
        least = LANES_PICK(highest < least, highest, least);
    }
    for (int j = 0; j < LANES; j++)
        best = least[j] < best ? least[j] : best;
    *found = 0;
    for (int i = 0; i < n; i++) {
        ints8 may = (lowest[i] < SLACK) & (lowest[i] <= best + SLACK);
        uint64_t any[4];
        memcpy(any, &may, sizeof any);
        if (!(any[0] | any[1] | any[2] | any[3]))
            continue;
        for (int j = 0; j < 8; j++)
            if (may[j])
                list[(*found)++] = (uint8_t)(8 * i + j);
    }
}

/* list: [PALETTE_MAX]. (What is missing in the last eight is far away, and costs too much.) */
WIDE_TWINS(find_partners,
           (const struct partners *with, int n, const struct group *g, uint8_t *list, int *found),
           (with, n, g, list, found))

/* The partner in the list that comes nearest to each of eight colours, or -1, and how much of it.
 */
ALWAYS_INLINE void seconds_loop(const struct partners *with, const uint8_t *list, int n,
                                const struct group *g, int at, int32_t second[LANES],
                                float share[LANES])
{
    lanes8 ul, ua, ub, none = {0}, least = none, part = none;
    ints8 found = (ints8){0} - 1;
    memcpy(&ul, g->v[0] + at, sizeof ul);
    memcpy(&ua, g->v[1] + at, sizeof ua);
    memcpy(&ub, g->v[2] + at, sizeof ub);
    for (int i = 0; i < n; i++) {
        const struct partners *w = &with[list[i] / 8];
        int k = list[i] % 8;
        lanes8 along = w->l[k] * ul + w->a[k] * ua + w->b[k] * ub, t, d;
        lanes8 inverse = none + w->inverse[k], grain = none + w->grain[k], rest = none + w->rest[k];
        mixes_cost(&along, &inverse, &grain, &rest, &t, &d);
        ints8 less = d < least;
        least = LANES_PICK(less, d, least);
        part = LANES_PICK(less, t, part);
        found = (less & list[i]) | (~less & found);
    }
    memcpy(second, &found, sizeof found);
    memcpy(share, &part, sizeof part);
}

WIDE_TWINS(seconds,
           (const struct partners *with, const uint8_t *list, int n, const struct group *g, int at,
            int32_t second[LANES], float share[LANES]),
           (with, list, n, g, at, second, share))

/* The block's bins whose first colour is that of bin `from`; they have none after it. */
static void take_group(const struct mixes *m, struct block *k, int from, struct group *g)
{
    int first = k->first[from], n = 0;
    struct oklab p = m->lab[first];
    for (int i = from; i < k->n; i++) {
        if (k->first[i] != first)
            continue;
        k->first[i] = -1;
        g->v[0][n] = k->v[0][i] - p.l, g->v[1][n] = k->v[1][i] - p.a;
        g->v[2][n] = k->v[2][i] - p.b;
        g->bin[n++] = k->bin[i];
    }
    for (int i = n; i % LANES; i++)
        for (int c = 0; c < 3; c++)
            g->v[c][i] = g->v[c][0];
    g->n = n;
}

static void mix_group(struct mixes *m, int first, const struct group *g, int count,
                      struct bin_mix *bins)
{
    const struct partners *with = mixes_with(m, first);
    uint8_t list[PALETTE_MAX];
    int n;
    find_partners(with, m->colours.n, g, list, &n);
    for (int at = 0; at < g->n; at += LANES) {
        int32_t second[LANES];
        float share[LANES];
        int end = g->n - at < LANES ? g->n - at : LANES;
        seconds(with, list, n, g, at, second, share);
        for (int i = 0; i < end; i++)
            if (second[i] >= 0) {
                bins[g->bin[at + i]].second = (uint8_t)second[i];
                bins[g->bin[at + i]].places = mixes_places(share[i], count);
            }
    }
}

/* ---- all of it ---- */

static void mix_block(struct mixes *m, struct block *k, int count, struct bin_mix *bins)
{
    struct group g;
    convert(k);
    find_first(m, k);
    for (int i = 0; i < k->n; i++)
        bins[k->bin[i]].first = bins[k->bin[i]].second = (uint8_t)k->first[i];
    for (int i = 0; i < k->n && count > 1; i++) {
        int first = k->first[i];
        if (first < 0)
            continue;
        take_group(m, k, i, &g);
        mix_group(m, first, &g, count, bins);
    }
}

static void take_block(struct block *k, uint32_t from, const uint8_t *met,
                       const struct bin_mix *bins)
{
    k->n = 0;
    for (uint32_t i = 0; i < BLOCK; i += 8) {
        uint64_t eight;
        memcpy(&eight, met + from + i, sizeof eight);
        for (; eight; eight &= eight - 1) {
            uint32_t bin = from + i + (uint32_t)__builtin_ctzll(eight) / 8;
            if (!bins[bin].state)
                k->bin[k->n++] = bin;
        }
    }
}

int bins_mix(struct mixes *m, const struct image *image, int count, struct bin_mix *bins)
{
    uint8_t *met = calloc(BINS + 1, 1);
    int32_t *row = malloc((size_t)image->width * sizeof *row);
    struct block k;
    if (met && row)
        meet(image, row, met);
    for (uint32_t from = 0; met && row && from < BINS; from += BLOCK) {
        take_block(&k, from, met, bins);
        if (k.n)
            mix_block(m, &k, count, bins);
    }
    int rc = met && row ? 0 : -1;
    free(met);
    free(row);
    return rc;
}
