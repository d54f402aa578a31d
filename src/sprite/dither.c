/* Images brought to a palette; see palette.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/bins.h"
#include "sprite/diffuse.h"
#include "sprite/mixes.h"
#include "sprite/palette.h"

enum {
    CACHE_BITS = 16,
    LARGE = 1 << 18, /* pixels from which colours that look the same share a mix (bins.h) */
    AHEAD = 16,      /* pixels whose bins are on their way while one is placed */
};

/* What becomes of a colour: `second` on places of the matrix below `places`, else `first`. */
struct mix {
    uint32_t rgb; /* of the image, | SEEN */
    uint8_t first, second, places;
};

enum { SEEN = 1 << 24 };

/* Of a bin: shared by its colours, or with a colour of the palette, whose number is then `first`:
 * each of its colours counts for itself. Of one of those: known. */
enum { SHARED, OWN, KNOWN };

struct work {
    struct mixes mixes;
    uint32_t value[PALETTE_MAX], alpha; /* colours as words of an image, without alpha; its bits */
    int count, side;                    /* places of the matrix, and of its side */
    uint8_t matrix[64];
    struct bin_mix *bins;       /* [BINS + 1] of a large image */
    int32_t *row;               /* the bins of a row */
    bool used[PALETTE_MAX + 1]; /* colours that the image has now; the last: nothing */
    struct bin_mix own[PALETTE_MAX][BIN_COLOURS];
    struct mix cache[1 << CACHE_BITS];
};

static const char *const names[] = {"none", "bayer2", "bayer4", "bayer8", "floyd"};

const char *dither_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* ---- colour by colour ---- */

/* The colour that, mixed into the first, comes nearest to what lies at u from it, or -1, and how
 * much of it. */
ALWAYS_INLINE void second_loop(const struct partners *with, int n, struct oklab u, int *second,
                               float *share)
{
    lanes8 none = {0}, least = none, part = none;
    ints8 found = (ints8){0} - 1, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < n; i++, here += 8) {
        lanes8 along = with[i].l * u.l + with[i].a * u.a + with[i].b * u.b, t, d;
        mixes_cost(&along, &with[i].inverse, &with[i].grain, &with[i].rest, &t, &d);
        ints8 less = d < least;
        least = LANES_PICK(less, d, least);
        part = LANES_PICK(less, t, part);
        found = (less & here) | (~less & found);
    }
    float lanes[8], parts[8], best_cost;
    int32_t index[8];
    memcpy(lanes, &least, sizeof lanes);
    memcpy(parts, &part, sizeof parts);
    memcpy(index, &found, sizeof index);
    for (int j = 0; j < 8; j++)
        index[j] = index[j] < 0 ? PALETTE_MAX + j : index[j]; /* a lane without one comes last */
    int best = colours_best_lane(lanes, index, &best_cost);
    *second = best < PALETTE_MAX ? best : -1;
    *share = best < PALETTE_MAX ? parts[best % 8] : 0;
}

WIDE_TWINS(second, (const struct partners *with, int n, struct oklab u, int *found, float *share),
           (with, n, u, found, share))

static const struct mix *mix_of(struct work *k, const uint8_t *p)
{
    uint32_t rgb = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] | SEEN;
    struct mix *m = &k->cache[(rgb * 2654435761u) >> (32 - CACHE_BITS)];
    if (m->rgb == rgb)
        return m;
    struct oklab c = oklab_from_srgb(p);
    int first = colours_nearest(&k->mixes.colours, c), other = -1;
    *m = (struct mix){.rgb = rgb, .first = (uint8_t)first, .second = (uint8_t)first};
    struct oklab f = k->mixes.lab[first], u = {c.l - f.l, c.a - f.a, c.b - f.b};
    float share;
    if (k->count > 1)
        second(mixes_with(&k->mixes, first), k->mixes.colours.n, u, &other, &share);
    if (other >= 0)
        m->second = (uint8_t)other, m->places = mixes_places(share, k->count);
    return m;
}

/* The Bayer matrix of 2^order a side at (x, y), 0 to 4^order - 1. */
static int bayer(int x, int y, int order)
{
    int v = 0;
    for (int bit = 0; bit < order; bit++)
        v = v << 2 | ((x ^ y) >> bit & 1) << 1 | (y >> bit & 1);
    return v;
}

static const uint8_t *matrix_row(const struct work *k, int y)
{
    return k->matrix + (y & (k->side - 1)) * k->side;
}

static void place_one(struct work *k, uint8_t *p, int x, const uint8_t *row)
{
    const struct mix *mix = mix_of(k, p);
    bool is_second = row[x & (k->side - 1)] < mix->places;
    int to = is_second ? mix->second : mix->first;
    k->used[to] = true;
    memcpy(p, k->mixes.palette->rgb[to], 3);
}

static void place_each(struct work *k, struct image *m)
{
    uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++, p += 4)
            if (p[3])
                place_one(k, p, x, matrix_row(k, y));
}

/* ---- by bins ---- */

/* Of a colour in a bin that has one of the palette's. */
static struct bin_mix own_mix(struct work *k, int number, const uint8_t *p)
{
    const uint8_t low = (1 << BIN_DROP) - 1;
    int at = (p[0] & low) << 2 * BIN_DROP | (p[1] & low) << BIN_DROP | (p[2] & low);
    struct bin_mix *m = &k->own[number][at];
    if (m->state != KNOWN) {
        const struct mix *exact = mix_of(k, p);
        *m = (struct bin_mix){exact->first, exact->second, exact->places, KNOWN};
    }
    return *m;
}

/* A row's pixels by their bins; those of large tables are asked for in time. Which of two colours
 * it is, no one could guess: no jump depends on it. label: where their numbers + 1 go instead, or
 * NULL. */
ALWAYS_INLINE void place_row(struct work *k, uint8_t *p, int width, const uint8_t *row,
                             uint8_t *label)
{
    const struct bin_mix *bins = k->bins;
    const uint32_t alpha = k->alpha, *value = k->value;
    const int32_t *bin = k->row;
    const int last = width - 1, side = k->side - 1;
    bool *used = k->used;
    bins_of(p, width, k->row);
    for (int x = 0; x < width; x++, p += 4) {
        __builtin_prefetch(&bins[bin[x + AHEAD < last ? x + AHEAD : last]]);
        struct bin_mix m = bins[bin[x]];
        if (m.state == OWN)
            m = own_mix(k, m.first, p);
        uint32_t both = (uint32_t)m.second << 8 | m.first, old;
        uint32_t is_second = row[x & side] < m.places;
        memcpy(&old, p, 4);
        uint32_t seen = old & alpha ? UINT32_MAX : 0;
        uint32_t to = both >> 8 * is_second & 255;
        if (label) {
            label[x] = (uint8_t)((to + 1) & seen);
            continue;
        }
        used[seen ? to : PALETTE_MAX] = true;
        uint32_t new = (value[to] & seen) | (old & (alpha | ~seen));
        memcpy(p, &new, 4);
    }
}

static void place_rows(struct work *k, struct image *m, struct labels *v)
{
    const uint8_t(*rgb)[3] = (const uint8_t(*)[3])k->mixes.palette->rgb;
    struct label_names names;
    labels_names_init(&names);
    for (int y = 0; y < m->height; y++) {
        uint8_t *p = m->rgba + 4 * (size_t)y * (size_t)m->width;
        if (!v) {
            place_row(k, p, m->width, matrix_row(k, y), NULL);
            continue;
        }
        place_row(k, p, m->width, matrix_row(k, y), (uint8_t *)v->at + y * v->row);
        labels_name_row(v, y, &names, rgb);
    }
}

static int place_by_bins(struct work *k, struct image *m, struct labels *v)
{
    k->bins = calloc(BINS + 1, sizeof *k->bins);
    k->row = malloc((size_t)m->width * sizeof *k->row);
    if (!k->bins || !k->row)
        return -1;
    for (int i = 0; i < k->mixes.palette->n; i++) {
        int32_t bin;
        uint8_t rgba[4] = {0, 0, 0, 255};
        memcpy(rgba, k->mixes.palette->rgb[i], 3);
        bins_of(rgba, 1, &bin);
        k->bins[bin] = (struct bin_mix){(uint8_t)i, 0, 0, OWN};
    }
    if (bins_mix(&k->mixes, m, k->count, k->bins))
        return -1;
    place_rows(k, m, v);
    return 0;
}

/* ---- */

static bool is_large(const struct image *m)
{
    return (int64_t)m->width * m->height >= LARGE;
}

/* v: of a large image, or NULL. */
static int ordered(struct work *k, struct image *m, const struct palette *p, int order,
                   struct labels *v)
{
    const uint8_t opaque[4] = {0, 0, 0, 255};
    if (mixes_init(&k->mixes, p))
        return -1;
    memcpy(&k->alpha, opaque, 4);
    for (int i = 0; i < p->n; i++)
        memcpy(&k->value[i], p->rgb[i], 3);
    k->side = 1 << order, k->count = k->side * k->side;
    for (int i = 0; i < k->count; i++)
        k->matrix[i] = (uint8_t)bayer(i % k->side, i / k->side, order);
    if (is_large(m))
        return place_by_bins(k, m, v);
    place_each(k, m);
    return 0;
}

static int count_used(const bool *used)
{
    int n = 0;
    for (int i = 0; i < PALETTE_MAX; i++)
        n += used[i];
    return n;
}

/* v: room for labels, of an image and a palette that they are for, or NULL. */
static int apply(struct image *m, const struct palette *p, enum dither dither, int *used,
                 struct labels *v, struct err *e)
{
    struct work *k = calloc(1, sizeof *k);
    int rc = k ? 0 : err_set(e, "out of memory for the palette");
    if (k && dither == DITHER_FLOYD)
        rc = diffuse_image(m, p, k->used, v, e);
    else if (k && ordered(k, m, p, (int)dither, v))
        rc = err_set(e, "out of memory for the palette");
    if (k) {
        *used = v ? v->n - 1 : count_used(k->used);
        mixes_free(&k->mixes);
        free(k->bins);
        free(k->row);
    }
    free(k);
    return rc;
}

int palette_apply_count(struct image *m, const struct palette *p, enum dither dither, int *used,
                        struct err *e)
{
    return apply(m, p, dither, used, NULL, e);
}

int palette_apply_labels(struct image *m, const struct palette *p, enum dither dither, int *used,
                         struct labels *v, struct err *e)
{
    if (!is_large(m) || p->n > LABELS_FEW)
        return apply(m, p, dither, used, NULL, e) || labels_take(v, m, e) ? -1 : 0;
    if (labels_new(v, m->width, m->height, 1, e))
        return -1;
    if (!apply(m, p, dither, used, v, e))
        return 0;
    labels_free(v);
    return -1;
}

int palette_apply(struct image *m, const struct palette *p, enum dither dither, struct err *e)
{
    int used;
    return palette_apply_count(m, p, dither, &used, e);
}

int palette_swap(struct image *m, const struct palette *from, const struct palette *to,
                 struct err *e)
{
    if (to->n < from->n)
        return err_set(e, "the second palette has %d colours, the first %d", to->n, from->n);
    size_t n = (size_t)m->width * (size_t)m->height;
    for (uint8_t *p = m->rgba, *end = p + 4 * n; p < end; p += 4)
        for (int i = 0; p[3] && i < from->n; i++)
            if (!memcmp(p, from->rgb[i], 3)) {
                memcpy(p, to->rgb[i], 3);
                break;
            }
    return 0;
}
