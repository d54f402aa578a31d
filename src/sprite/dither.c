/* Images brought to a palette; see palette.h. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"
#include "sprite/palette.h"
#include "sprite/wide.h"

enum {
    CACHE_BITS = 16,
    LARGE = 1 << 18, /* pixels from which colours that look the same share a mix */
    DROP = 2,        /* so many bits a channel are dropped then */
    BINS = 1 << (24 - 3 * DROP),
};

/* How much of the squared distance of two colours their mix costs: a mix must be worth its grain.
 */
static const float GRAIN = 0.05f;

/* What becomes of a colour: `second` on places of the matrix below `places`, else `first`. */
struct mix {
    uint32_t rgb; /* of the image, | SEEN */
    uint8_t first, second, places;
};

enum { SEEN = 1 << 24 };

/* Colours of the palette, eight side by side; what is missing in the last eight is far from all. */
struct colours {
    int n; /* eights */
    lanes8 l[PALETTE_MAX / 8], a[PALETTE_MAX / 8], b[PALETTE_MAX / 8];
};

struct work {
    const struct palette *palette;
    struct oklab lab[PALETTE_MAX];
    struct colours colours;
    uint8_t own[BINS / 8]; /* bins that hold a colour of the palette */
    struct mix *bins;      /* of a large image: a mix each */
    struct mix cache[1 << CACHE_BITS];
};

static const char *const names[] = {"none", "bayer2", "bayer4", "bayer8", "floyd"};

const char *dither_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* The best of eight lanes, each the best of every eighth colour. Of two as good, the first. */
static int best_lane(const float least[8], const int32_t index[8], float *found)
{
    int best = 0;
    for (int j = 1; j < 8; j++)
        if (least[j] < least[best] || (least[j] <= least[best] && index[j] < index[best]))
            best = j;
    *found = least[best];
    return index[best];
}

ALWAYS_INLINE void find_nearest_loop(const struct colours *k, struct oklab c, int *best)
{
    lanes8 least = (lanes8){0} + FLT_MAX;
    ints8 found = {0}, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < k->n; i++, here += 8) {
        lanes8 l = c.l - k->l[i], a = c.a - k->a[i], b = c.b - k->b[i];
        lanes8 d = l * l + a * a + b * b;
        ints8 less = d < least;
        least = LANES_PICK(less, d, least);
        found = (less & here) | (~less & found);
    }
    float lanes[8], d;
    int32_t index[8];
    memcpy(lanes, &least, sizeof lanes);
    memcpy(index, &found, sizeof index);
    *best = best_lane(lanes, index, &d);
}

WIDE_TWINS(find_nearest, (const struct colours *k, struct oklab c, int *best), (k, c, best))

static int nearest(const struct work *k, struct oklab c)
{
    int best;
    find_nearest(&k->colours, c, &best);
    return best;
}

/* The colour that, mixed into p, comes nearest to c, and how much of it; the cost that it has to
 * stay below is *cost. */
ALWAYS_INLINE void second_loop(const struct colours *k, struct oklab c, struct oklab p, float *cost,
                               int *second, float *share)
{
    lanes8 none = {0}, least = none + *cost, part = none;
    ints8 found = (ints8){0} - 1, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < k->n; i++, here += 8) {
        lanes8 dl = k->l[i] - p.l, da = k->a[i] - p.a, db = k->b[i] - p.b;
        lanes8 length = dl * dl + da * da + db * db;
        lanes8 t = ((c.l - p.l) * dl + (c.a - p.a) * da + (c.b - p.b) * db) / length;
        t = LANES_PICK(t < 0, none, t);
        t = LANES_PICK(t > 0.5f, none + 0.5f, t);
        lanes8 l = c.l - (p.l + t * dl), a = c.a - (p.a + t * da), b = c.b - (p.b + t * db);
        lanes8 d = l * l + a * a + b * b + GRAIN * length * 4 * t * (1 - t);
        ints8 less = (d < least) & (length > 0);
        least = LANES_PICK(less, d, least);
        part = LANES_PICK(less, t, part);
        found = (less & here) | (~less & found);
    }
    float lanes[8], parts[8];
    int32_t index[8];
    memcpy(lanes, &least, sizeof lanes);
    memcpy(parts, &part, sizeof parts);
    memcpy(index, &found, sizeof index);
    for (int j = 0; j < 8; j++)
        index[j] = index[j] < 0 ? PALETTE_MAX + j : index[j]; /* a lane without one comes last */
    int best = best_lane(lanes, index, cost);
    *second = best < PALETTE_MAX ? best : -1;
    *share = best < PALETTE_MAX ? parts[best % 8] : 0;
}

WIDE_TWINS(second,
           (const struct colours *k, struct oklab c, struct oklab p, float *cost, int *found,
            float *share),
           (k, c, p, cost, found, share))

/* The colour that, mixed into the nearest one, comes nearest to `c`, and on how many of `count`
 * places. */
static void find_second(const struct work *k, struct oklab c, int count, struct mix *m)
{
    struct oklab p = k->lab[m->first];
    float cost = oklab_distance2(c, p), share;
    int found;
    second(&k->colours, c, p, &cost, &found, &share);
    if (found >= 0)
        m->second = (uint8_t)found, m->places = (uint8_t)ceilf(share * (float)count - 0.5f);
}

static uint32_t bin_of(const uint8_t *p)
{
    return (uint32_t)(p[0] >> DROP) << 2 * (8 - DROP) | (uint32_t)(p[1] >> DROP) << (8 - DROP) |
           p[2] >> DROP;
}

/* Where the mix of p's colour is kept. *p becomes the colour that stands for it: itself, or the
 * middle of its bin. */
static struct mix *place_of(struct work *k, uint8_t p[3])
{
    uint32_t bin = bin_of(p);
    if (k->bins && !(k->own[bin / 8] >> bin % 8 & 1)) {
        for (int c = 0; c < 3; c++)
            p[c] = (uint8_t)((p[c] & ~((1 << DROP) - 1)) | 1 << (DROP - 1));
        return &k->bins[bin];
    }
    uint32_t rgb = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] | SEEN;
    return &k->cache[(rgb * 2654435761u) >> (32 - CACHE_BITS)];
}

/* count: places of the matrix. */
static const struct mix *mix_of(struct work *k, const uint8_t *p, int count)
{
    uint8_t color[3] = {p[0], p[1], p[2]};
    struct mix *m = place_of(k, color);
    uint32_t rgb = (uint32_t)color[0] << 16 | (uint32_t)color[1] << 8 | color[2] | SEEN;
    if (m->rgb == rgb)
        return m;
    struct oklab c = oklab_from_srgb(color);
    *m = (struct mix){.rgb = rgb, .first = (uint8_t)nearest(k, c)};
    m->second = m->first;
    if (count > 1)
        find_second(k, c, count, m);
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

static void ordered(struct work *k, struct image *m, int order)
{
    uint8_t matrix[64];
    int side = 1 << order, count = side * side;
    for (int i = 0; i < count; i++)
        matrix[i] = (uint8_t)bayer(i % side, i / side, order);
    uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++, p += 4) {
            if (!p[3])
                continue;
            const struct mix *mix = mix_of(k, p, count);
            bool second = matrix[(y & (side - 1)) * side + (x & (side - 1))] < mix->places;
            memcpy(p, k->palette->rgb[second ? mix->second : mix->first], 3);
        }
}

/* ---- Floyd and Steinberg (1976) ---- */

static void carry(struct oklab *to, struct oklab error, float share)
{
    to->l += share * error.l, to->a += share * error.a, to->b += share * error.b;
}

/* One row; here and below: errors that were carried to this row and the next, from index 1. */
static void diffuse_row(struct work *k, struct image *m, int y, struct oklab *here,
                        struct oklab *below)
{
    int step = y & 1 ? -1 : 1, x = y & 1 ? m->width - 1 : 0;
    for (int i = 0; i < m->width; i++, x += step) {
        uint8_t *p = m->rgba + 4 * ((size_t)y * (size_t)m->width + (size_t)x);
        if (!p[3])
            continue;
        struct oklab c = oklab_from_srgb(p), *e = here + x + 1, *b = below + x + 1;
        carry(&c, *e, 1);
        int to = nearest(k, c);
        struct oklab q = k->lab[to], error = {c.l - q.l, c.a - q.a, c.b - q.b};
        memcpy(p, k->palette->rgb[to], 3);
        carry(e + step, error, 7.0f / 16);
        carry(b - step, error, 3.0f / 16);
        carry(b, error, 5.0f / 16);
        carry(b + step, error, 1.0f / 16);
    }
}

static int diffuse(struct work *k, struct image *m, struct err *e)
{
    size_t n = (size_t)m->width + 2;
    struct oklab *errors = calloc(2 * n, sizeof *errors);
    if (!errors)
        return err_set(e, "out of memory for dithering");
    for (int y = 0; y < m->height; y++) {
        struct oklab *here = errors + (y & 1 ? n : 0), *below = errors + (y & 1 ? 0 : n);
        memset(below, 0, n * sizeof *below);
        diffuse_row(k, m, y, here, below);
    }
    free(errors);
    return 0;
}

/* ---- */

static void take_colours(struct work *k)
{
    int n = k->palette->n;
    k->colours.n = (n + 7) / 8;
    for (int i = 0; i < n; i++)
        k->lab[i] = oklab_from_srgb(k->palette->rgb[i]);
    for (int i = 0; i < n; i++) {
        uint32_t bin = bin_of(k->palette->rgb[i]);
        k->own[bin / 8] |= (uint8_t)(1 << bin % 8);
    }
    for (int i = 0; i < k->colours.n * 8; i++) {
        struct oklab c = i < n ? k->lab[i] : (struct oklab){1e6f, 0, 0};
        k->colours.l[i / 8][i % 8] = c.l;
        k->colours.a[i / 8][i % 8] = c.a;
        k->colours.b[i / 8][i % 8] = c.b;
    }
}

int palette_apply(struct image *m, const struct palette *p, enum dither dither, struct err *e)
{
    struct work *k = calloc(1, sizeof *k);
    int rc = 0;
    if (!k)
        return err_set(e, "out of memory for the palette");
    k->palette = p;
    take_colours(k);
    if ((int64_t)m->width * m->height >= LARGE && dither != DITHER_FLOYD &&
        !(k->bins = calloc(BINS, sizeof *k->bins)))
        rc = err_set(e, "out of memory for the palette");
    else if (dither == DITHER_FLOYD)
        rc = diffuse(k, m, e);
    else
        ordered(k, m, (int)dither);
    free(k->bins);
    free(k);
    return rc;
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
