/* Images brought to a palette; see palette.h. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"
#include "sprite/palette.h"

enum { CACHE_BITS = 13 };

/* How much of the squared distance of two colours their mix costs: a mix must be worth its grain.
 */
static const float GRAIN = 0.05f;

/* What becomes of a colour: `second` on places of the matrix below `share`, else `first`. */
struct mix {
    uint32_t rgb; /* of the image, | SEEN */
    uint8_t first, second;
    float share; /* 0 to 0.5 */
};

enum { SEEN = 1 << 24 };

struct work {
    const struct palette *palette;
    struct oklab lab[PALETTE_MAX];
    struct mix cache[1 << CACHE_BITS];
};

static const char *const names[] = {"none", "bayer2", "bayer4", "bayer8", "floyd"};

const char *dither_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

static int nearest(const struct work *k, struct oklab c)
{
    float least = FLT_MAX;
    int best = 0;
    for (int i = 0; i < k->palette->n; i++) {
        float d = oklab_distance2(c, k->lab[i]);
        if (d < least)
            least = d, best = i;
    }
    return best;
}

/* The colour that, mixed into the nearest one, comes nearest to `c`. */
static void find_second(const struct work *k, struct oklab c, struct mix *m)
{
    struct oklab p = k->lab[m->first];
    float least = oklab_distance2(c, p);
    for (int i = 0; i < k->palette->n; i++) {
        struct oklab q = k->lab[i], d = {q.l - p.l, q.a - p.a, q.b - p.b};
        float length = oklab_distance2(p, q);
        if (length <= 0)
            continue;
        float t = ((c.l - p.l) * d.l + (c.a - p.a) * d.a + (c.b - p.b) * d.b) / length;
        t = t < 0 ? 0 : t > 0.5f ? 0.5f : t;
        struct oklab mix = {p.l + t * d.l, p.a + t * d.a, p.b + t * d.b};
        float cost = oklab_distance2(c, mix) + GRAIN * length * 4 * t * (1 - t);
        if (cost < least)
            least = cost, m->second = (uint8_t)i, m->share = t;
    }
}

static const struct mix *mix_of(struct work *k, const uint8_t *p, bool two)
{
    uint32_t rgb = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] | SEEN;
    struct mix *m = &k->cache[(rgb * 2654435761u) >> (32 - CACHE_BITS)];
    if (m->rgb == rgb)
        return m;
    struct oklab c = oklab_from_srgb(p);
    *m = (struct mix){.rgb = rgb, .first = (uint8_t)nearest(k, c)};
    m->second = m->first;
    if (two)
        find_second(k, c, m);
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
    float thresholds[64];
    int side = 1 << order, count = side * side;
    for (int i = 0; i < count; i++)
        thresholds[i] = ((float)bayer(i % side, i / side, order) + 0.5f) / (float)count;
    uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++, p += 4) {
            if (!p[3])
                continue;
            const struct mix *mix = mix_of(k, p, order > 0);
            bool second = thresholds[(y & (side - 1)) * side + (x & (side - 1))] < mix->share;
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

int palette_apply(struct image *m, const struct palette *p, enum dither dither, struct err *e)
{
    struct work *k = calloc(1, sizeof *k);
    int rc = 0;
    if (!k)
        return err_set(e, "out of memory for the palette");
    k->palette = p;
    for (int i = 0; i < p->n; i++)
        k->lab[i] = oklab_from_srgb(p->rgb[i]);
    if (dither == DITHER_FLOYD)
        rc = diffuse(k, m, e);
    else
        ordered(k, m, (int)dither);
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
