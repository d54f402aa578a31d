/* Images brought to a palette; see palette.h. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab_lanes.h"
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

/* The same for all colours of a bin. */
struct bin_mix {
    uint8_t first, second, places, state;
};

/* Of a bin: not met yet, known, or with a colour of the palette, so that each of its colours counts
 * for itself. */
enum { UNMET, KNOWN, OWN };

/* Colours of the palette, eight side by side; what is missing in the last eight is far from all. */
struct colours {
    int n; /* eights */
    lanes8 l[PALETTE_MAX / 8], a[PALETTE_MAX / 8], b[PALETTE_MAX / 8];
};

struct partners;

struct work {
    const struct palette *palette;
    struct oklab lab[PALETTE_MAX];
    struct colours colours;
    uint32_t value[PALETTE_MAX], alpha; /* colours as words of an image, without alpha; its bits */
    struct partners *partners;          /* [palette's colours][colours.n] */
    bool known[PALETTE_MAX];            /* which rows of them are */
    struct bin_mix *bins;               /* [BINS] of a large image */
    /* Of bins with a colour of the palette, whose number is `first` in `bins`: a mix for each of
     * their colours. */
    struct bin_mix own[PALETTE_MAX][1 << 3 * DROP];
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

/* Colours to mix into one of the palette, eight side by side. What of a mix depends on these two
 * alone is computed once: t of the other costs, beyond what `first` alone does,
 * t * (grain - 2 * along + t * rest), where `along` is how far the wanted colour lies that way. */
struct partners {
    lanes8 l, a, b; /* from the first colour to the other */
    lanes8 inverse; /* of the squared length; 0 for the same colour */
    lanes8 grain, rest;
};

static void find_partners(struct work *k, int first)
{
    struct partners *to = k->partners + first * k->colours.n;
    struct oklab p = k->lab[first];
    for (int i = 0; i < k->colours.n; i++) {
        const lanes8 none = {0};
        lanes8 l = k->colours.l[i] - p.l, a = k->colours.a[i] - p.a, b = k->colours.b[i] - p.b;
        lanes8 length = l * l + a * a + b * b, inverse = 1 / length;
        to[i] = (struct partners){l, a, b, LANES_PICK(length > 0, inverse, none), {0}, {0}};
        to[i].grain = 4 * GRAIN * length;
        to[i].rest = length - to[i].grain;
    }
    k->known[first] = true;
}

/* The colour that, mixed into the first, comes nearest to what lies at u from it, or -1, and how
 * much of it. */
ALWAYS_INLINE void second_loop(const struct partners *with, int n, struct oklab u, int *second,
                               float *share)
{
    lanes8 none = {0}, least = none, part = none;
    ints8 found = (ints8){0} - 1, here = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int i = 0; i < n; i++, here += 8) {
        lanes8 along = with[i].l * u.l + with[i].a * u.a + with[i].b * u.b;
        lanes8 t = along * with[i].inverse;
        t = LANES_PICK(t < 0, none, t);
        t = LANES_PICK(t > 0.5f, none + 0.5f, t);
        lanes8 d = t * (with[i].grain - (along + along) + t * with[i].rest);
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
    int best = best_lane(lanes, index, &best_cost);
    *second = best < PALETTE_MAX ? best : -1;
    *share = best < PALETTE_MAX ? parts[best % 8] : 0;
}

WIDE_TWINS(second, (const struct partners *with, int n, struct oklab u, int *found, float *share),
           (with, n, u, found, share))

/* The colour that, mixed into the first one, comes nearest to `c`: *found, on so many of `count`
 * places as are returned. */
static uint8_t find_second(struct work *k, struct oklab c, int first, int count, uint8_t *found)
{
    struct oklab p = k->lab[first], u = {c.l - p.l, c.a - p.a, c.b - p.b};
    float share;
    int other;
    if (!k->known[first])
        find_partners(k, first);
    second(k->partners + first * k->colours.n, k->colours.n, u, &other, &share);
    *found = (uint8_t)(other < 0 ? first : other);
    return (uint8_t)(other < 0 ? 0 : ceilf(share * (float)count - 0.5f));
}

static uint32_t bin_of(const uint8_t *p)
{
    return (uint32_t)(p[0] >> DROP) << 2 * (8 - DROP) | (uint32_t)(p[1] >> DROP) << (8 - DROP) |
           p[2] >> DROP;
}

/* count: places of the matrix. */
static const struct mix *mix_of(struct work *k, const uint8_t *p, int count)
{
    uint32_t rgb = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2] | SEEN;
    struct mix *m = &k->cache[(rgb * 2654435761u) >> (32 - CACHE_BITS)];
    if (m->rgb == rgb)
        return m;
    struct oklab c = oklab_from_srgb(p);
    *m = (struct mix){.rgb = rgb, .first = (uint8_t)nearest(k, c)};
    m->second = m->first;
    if (count > 1)
        m->places = find_second(k, c, m->first, count, &m->second);
    return m;
}

/* ---- bins: eight at once, a lane each ---- */

enum { LANES = 8 };

/* As find_nearest, for eight colours; c: their l, a, b. */
ALWAYS_INLINE void eight_nearest_loop(const struct work *k, const float c[3][LANES],
                                      int32_t first[LANES])
{
    lanes8 cl, ca, cb, least = (lanes8){0} + FLT_MAX;
    ints8 best = {0};
    memcpy(&cl, c[0], sizeof cl);
    memcpy(&ca, c[1], sizeof ca);
    memcpy(&cb, c[2], sizeof cb);
    for (int i = 0; i < k->palette->n; i++) {
        struct oklab q = k->lab[i];
        lanes8 l = cl - q.l, a = ca - q.a, b = cb - q.b, d = l * l + a * a + b * b;
        ints8 less = d < least;
        least = LANES_PICK(less, d, least);
        best = (less & i) | (~less & best);
    }
    memcpy(first, &best, sizeof best);
}

WIDE_TWINS(eight_nearest, (const struct work *k, const float c[3][LANES], int32_t first[LANES]),
           (k, c, first))

/* As second, for eight colours that lie at u from one first colour; n: colours of the palette. */
ALWAYS_INLINE void eight_seconds_loop(const struct partners *with, int n, const float u[3][LANES],
                                      int32_t second[LANES], float share[LANES])
{
    lanes8 ul, ua, ub, none = {0}, least = none, part = none;
    ints8 found = (ints8){0} - 1;
    memcpy(&ul, u[0], sizeof ul);
    memcpy(&ua, u[1], sizeof ua);
    memcpy(&ub, u[2], sizeof ub);
    for (int i = 0; i < n; i++) {
        const struct partners *w = &with[i / 8];
        int k = i % 8;
        lanes8 along = w->l[k] * ul + w->a[k] * ua + w->b[k] * ub;
        lanes8 t = along * w->inverse[k];
        t = LANES_PICK(t < 0, none, t);
        t = LANES_PICK(t > 0.5f, none + 0.5f, t);
        lanes8 d = t * (w->grain[k] - (along + along) + t * w->rest[k]);
        ints8 less = d < least;
        least = LANES_PICK(less, d, least);
        part = LANES_PICK(less, t, part);
        found = (less & i) | (~less & found);
    }
    memcpy(second, &found, sizeof found);
    memcpy(share, &part, sizeof part);
}

WIDE_TWINS(eight_seconds,
           (const struct partners *with, int n, const float u[3][LANES], int32_t second[LANES],
            float share[LANES]),
           (with, n, u, second, share))

/* The colours in the middle of eight bins, of which n are meant: l, a, b. */
ALWAYS_INLINE void eight_middles_loop(const uint32_t *bins, int n, float c[3][LANES])
{
    const uint32_t mask = (1 << (8 - DROP)) - 1;
    for (int at = 0; at < 3; at++)
        for (int i = 0; i < LANES; i++) {
            uint32_t v = bins[i < n ? i : 0] >> (2 - at) * (8 - DROP) & mask;
            c[at][i] = oklab_curve[2 * (v << DROP | 1 << (DROP - 1))];
        }
    for (int i = 0; i < LANES; i++) {
        struct oklab v = oklab_convert(c[0][i], c[1][i], c[2][i]);
        c[0][i] = v.l, c[1][i] = v.a, c[2][i] = v.b;
    }
}

WIDE_TWINS(eight_middles, (const uint32_t *bins, int n, float c[3][LANES]), (bins, n, c))

/* Bins whose first colour is the same. */
static void mix_alike(struct work *k, const uint32_t *bins, int n, int count)
{
    int first = n > 0 ? k->bins[bins[0]].first : 0;
    struct oklab p = k->lab[first];
    if (n > 0 && !k->known[first])
        find_partners(k, first);
    for (int from = 0; from < n; from += LANES) {
        float u[3][LANES], share[LANES];
        int32_t second[LANES];
        int end = n - from < LANES ? n - from : LANES;
        eight_middles(bins + from, end, u);
        for (int i = 0; i < LANES; i++)
            u[0][i] -= p.l, u[1][i] -= p.a, u[2][i] -= p.b;
        eight_seconds(k->partners + first * k->colours.n, k->palette->n, u, second, share);
        for (int i = 0; i < end; i++)
            if (second[i] >= 0) {
                k->bins[bins[from + i]].second = (uint8_t)second[i];
                k->bins[bins[from + i]].places = (uint8_t)ceilf(share[i] * (float)count - 0.5f);
            }
    }
}

/* The mixes of n bins, each for the colour in its middle; sorted: room for n. */
static void mix_bins(struct work *k, const uint32_t *bins, int n, int count, uint32_t *sorted)
{
    int begin[PALETTE_MAX + 1] = {0};
    for (int from = 0; from < n; from += LANES) {
        float c[3][LANES];
        int32_t first[LANES];
        int end = n - from < LANES ? n - from : LANES;
        eight_middles(bins + from, end, c);
        eight_nearest(k, c, first);
        for (int i = 0; i < end; i++) {
            k->bins[bins[from + i]].first = k->bins[bins[from + i]].second = (uint8_t)first[i];
            begin[first[i] + 1]++;
        }
    }
    for (int i = 0; i < PALETTE_MAX; i++)
        begin[i + 1] += begin[i];
    int at[PALETTE_MAX];
    memcpy(at, begin, sizeof at);
    for (int i = 0; i < n && count > 1; i++)
        sorted[at[k->bins[bins[i]].first]++] = bins[i];
    for (int i = 0; i < PALETTE_MAX && count > 1; i++)
        mix_alike(k, sorted + begin[i], begin[i + 1] - begin[i], count);
}

/* The mixes of all bins that visible pixels have. */
static int find_bins(struct work *k, const struct image *m, int count)
{
    size_t n = (size_t)m->width * (size_t)m->height;
    uint32_t *found = malloc(2 * BINS * sizeof *found);
    int met = 0;
    if (!found)
        return -1;
    for (const uint8_t *p = m->rgba, *end = p + 4 * n; p < end; p += 4) {
        uint32_t bin = bin_of(p);
        if (k->bins[bin].state != UNMET || !p[3])
            continue;
        k->bins[bin].state = KNOWN;
        found[met++] = bin;
    }
    mix_bins(k, found, met, count, found + BINS);
    free(found);
    return 0;
}

/* Of a colour in a bin that has one of the palette's. */
static struct bin_mix own_mix(struct work *k, int number, const uint8_t *p, int count)
{
    const uint8_t low = (1 << DROP) - 1;
    int at = (p[0] & low) << 2 * DROP | (p[1] & low) << DROP | (p[2] & low);
    struct bin_mix *m = &k->own[number][at];
    if (m->state == UNMET) {
        const struct mix *exact = mix_of(k, p, count);
        *m = (struct bin_mix){exact->first, exact->second, exact->places, KNOWN};
    }
    return *m;
}

/* A row's pixels by their bins; row: the matrix' row. */
static void place_row(struct work *k, uint8_t *p, int n, int count, const uint8_t *row, int side)
{
    for (int x = 0; x < n; x++, p += 4) {
        struct bin_mix m = k->bins[bin_of(p)];
        if (m.state == OWN)
            m = own_mix(k, m.first, p, count);
        uint32_t value = k->value[row[x & (side - 1)] < m.places ? m.second : m.first], old;
        memcpy(&old, p, 4);
        value = p[3] ? value | (old & k->alpha) : old;
        memcpy(p, &value, 4);
    }
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
    for (int y = 0; y < m->height; y++) {
        const uint8_t *row = matrix + (y & (side - 1)) * side;
        if (k->bins) {
            place_row(k, p, m->width, count, row, side);
            p += 4 * (size_t)m->width;
            continue;
        }
        for (int x = 0; x < m->width; x++, p += 4) {
            if (!p[3])
                continue;
            const struct mix *mix = mix_of(k, p, count);
            bool second = row[x & (side - 1)] < mix->places;
            memcpy(p, k->palette->rgb[second ? mix->second : mix->first], 3);
        }
    }
}

/* ---- Floyd and Steinberg (1976) ---- */

/* Oklab cut into cubes, each with the colours of the palette that may be the nearest one to a point
 * in it: mostly one to three. A cube is looked at when the first point falls into it. */
enum { CUBES = 32 /* to a unit */, CUBES_L = 48, CUBES_AB = 32, IN_CUBE = 7, MANY = 255 };

struct cube {
    uint8_t n, color[IN_CUBE]; /* n: 0 not looked at; MANY: more than there is room for */
};

static const float FIRST_L = -0.25f, FIRST_AB = -0.5f; /* where the first cubes begin */

/* Squared distances of eight colours from the cube's nearest and farthest points. */
ALWAYS_INLINE void add_axis(const lanes8 *v, float low, float high, lanes8 *nearest,
                            lanes8 *farthest)
{
    lanes8 none = {0}, below = low - *v, above = *v - high;
    lanes8 out = LANES_PICK(below > 0, below, none) + LANES_PICK(above > 0, above, none);
    lanes8 to_low = *v - low, to_high = high - *v;
    lanes8 far = LANES_PICK(to_low > to_high, to_low, to_high);
    *nearest += out * out, *farthest += far * far;
}

ALWAYS_INLINE void fill_cube_loop(const struct colours *k, const float low[3], int n,
                                  struct cube *cube)
{
    const float slack = 1e-4f, side = 1.0f / CUBES; /* slack: what rounding may put beside it */
    lanes8 nearest[PALETTE_MAX / 8], least = (lanes8){0} + FLT_MAX;
    for (int i = 0; i < k->n; i++) {
        const lanes8 *axis[3] = {&k->l[i], &k->a[i], &k->b[i]};
        lanes8 farthest = {0};
        nearest[i] = (lanes8){0};
        for (int c = 0; c < 3; c++)
            add_axis(axis[c], low[c] - slack, low[c] + side + slack, &nearest[i], &farthest);
        least = LANES_PICK(farthest < least, farthest, least);
    }
    float limit = least[0];
    for (int j = 1; j < 8; j++)
        limit = least[j] < limit ? least[j] : limit;
    int found = 0;
    for (int i = 0; i < n; i++)
        if (nearest[i / 8][i % 8] <= limit * 1.001f) {
            if (found < IN_CUBE)
                cube->color[found] = (uint8_t)i;
            found++;
        }
    cube->n = (uint8_t)(found <= IN_CUBE ? found : MANY);
}

WIDE_TWINS(fill_cube, (const struct colours *k, const float low[3], int n, struct cube *cube),
           (k, low, n, cube))

/* The same as nearest(). */
static int nearest_by_cube(struct work *k, struct cube *cubes, struct oklab c)
{
    float l = (c.l - FIRST_L) * CUBES, a = (c.a - FIRST_AB) * CUBES, b = (c.b - FIRST_AB) * CUBES;
    if (!(l >= 0 && l < CUBES_L && a >= 0 && a < CUBES_AB && b >= 0 && b < CUBES_AB))
        return nearest(k, c);
    struct cube *cube = &cubes[((int)l * CUBES_AB + (int)a) * CUBES_AB + (int)b];
    if (!cube->n)
        fill_cube(&k->colours,
                  (const float[3]){FIRST_L + (float)(int)l / CUBES,
                                   FIRST_AB + (float)(int)a / CUBES,
                                   FIRST_AB + (float)(int)b / CUBES},
                  k->palette->n, cube);
    if (cube->n == MANY)
        return nearest(k, c);
    int best = cube->color[0];
    float least = cube->n > 1 ? oklab_distance2(c, k->lab[best]) : 0;
    for (int i = 1; i < cube->n; i++) {
        float d = oklab_distance2(c, k->lab[cube->color[i]]);
        best = d < least ? cube->color[i] : best;
        least = d < least ? d : least;
    }
    return best;
}

static void carry(struct oklab *to, struct oklab error, float share)
{
    to->l += share * error.l, to->a += share * error.a, to->b += share * error.b;
}

/* What a row of pixels needs. */
struct diffusion {
    struct cube *cubes;
    struct oklab *errors[2]; /* [width + 2]: that were carried to this row and the next */
    struct oklab *lab;       /* [width] */
    uint8_t (*rgb)[3];       /* [width] */
};

static void diffuse_row(struct work *k, struct diffusion *d, struct image *m, int y)
{
    struct oklab *here = d->errors[y & 1], *below = d->errors[!(y & 1)];
    int step = y & 1 ? -1 : 1, x = y & 1 ? m->width - 1 : 0;
    uint8_t *row = m->rgba + 4 * (size_t)y * (size_t)m->width;
    memset(below, 0, ((size_t)m->width + 2) * sizeof *below);
    for (int i = 0; i < m->width; i++)
        memcpy(d->rgb[i], row + 4 * i, 3);
    oklab_from_srgb_many((const uint8_t(*)[3])d->rgb, m->width, d->lab);
    struct oklab ahead = {0, 0, 0}; /* what the pixel before hands on */
    for (int i = 0; i < m->width; i++, x += step) {
        uint8_t *p = row + 4 * x;
        struct oklab c = d->lab[x], from = here[x + 1], *b = below + x + 1;
        carry(&from, ahead, 1);
        ahead = (struct oklab){0, 0, 0};
        if (!p[3])
            continue;
        carry(&c, from, 1);
        int to = nearest_by_cube(k, d->cubes, c);
        struct oklab q = k->lab[to], error = {c.l - q.l, c.a - q.a, c.b - q.b};
        memcpy(p, k->palette->rgb[to], 3);
        carry(&ahead, error, 7.0f / 16);
        carry(b - step, error, 3.0f / 16);
        carry(b, error, 5.0f / 16);
        carry(b + step, error, 1.0f / 16);
    }
}

static int diffuse(struct work *k, struct image *m, struct err *e)
{
    size_t w = (size_t)m->width, n = w + 2;
    struct diffusion d = {.cubes = calloc((size_t)CUBES_L * CUBES_AB * CUBES_AB, sizeof *d.cubes)};
    struct oklab *room = calloc(2 * n + w, sizeof *room);
    d.rgb = malloc(w * sizeof *d.rgb);
    bool good = d.cubes && room && d.rgb;
    if (good)
        d.errors[0] = room, d.errors[1] = room + n, d.lab = room + 2 * n;
    for (int y = 0; y < m->height && good; y++)
        diffuse_row(k, &d, m, y);
    free(d.cubes);
    free(room);
    free(d.rgb);
    return good ? 0 : err_set(e, "out of memory for dithering");
}

/* ---- */

static void take_colours(struct work *k)
{
    int n = k->palette->n;
    k->colours.n = (n + 7) / 8;
    for (int i = 0; i < n; i++)
        k->lab[i] = oklab_from_srgb(k->palette->rgb[i]);
    const uint8_t opaque[4] = {0, 0, 0, 255};
    memcpy(&k->alpha, opaque, 4);
    for (int i = 0; i < n; i++) {
        memcpy(&k->value[i], k->palette->rgb[i], 3);
        if (k->bins)
            k->bins[bin_of(k->palette->rgb[i])] = (struct bin_mix){(uint8_t)i, 0, 0, OWN};
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
    bool large = (int64_t)m->width * m->height >= LARGE && dither != DITHER_FLOYD;
    size_t pairs = (size_t)p->n * (((size_t)p->n + 7) / 8);
    if ((large && !(k->bins = calloc(BINS, sizeof *k->bins))) ||
        !(k->partners = malloc(pairs * sizeof *k->partners)))
        rc = err_set(e, "out of memory for the palette");
    if (!rc)
        take_colours(k);
    if (!rc && dither == DITHER_FLOYD)
        rc = diffuse(k, m, e);
    else if (!rc && k->bins && find_bins(k, m, 1 << 2 * (int)dither))
        rc = err_set(e, "out of memory for the palette");
    else if (!rc)
        ordered(k, m, (int)dither);
    free(k->bins);
    free(k->partners);
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
