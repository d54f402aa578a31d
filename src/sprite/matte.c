/* The background made transparent; see matte.h. */
#include "sprite/matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/judge.h"
#include "sprite/oklab.h"
#include "sprite/plane.h"
#include "sprite/wide.h"

enum {
    OPAQUE = 128,
    BINS = 4096, /* of the border's colours, 4 bits a channel */
    SEARCH_STEPS = 120,
    LARGE = 1 << 16,   /* pixels that are worth a look at what is surely background, or not */
    SPECK_MIN = 3,     /* pixels of a speck that always goes */
    SPECK_SHARE = 128, /* or so much of the image: one pixel in 128 */
};

static const double BORDER_SHARE = 0.5; /* of the border that must have the background's colour */
static const double MOST = 0.97;        /* a flood over more of the image found no background */

/* Distances in Oklab with dark colours squeezed. */
static const float SEARCH = 0.12f;               /* around the border's most frequent colour */
static const float LEAST = 0.03f, GREAT = 0.08f; /* tolerance by the border's noise */
static const float NOISE = 6;                    /* times its median */
static const float SPECK = 0.16f;                /* of specks beside the background */

/* What goes, found among what has the background's colour and what is pale beside it. */
struct flood {
    const struct image *m;
    struct judge judge;
    struct plane ground, pales, gone; /* the first two lose what was looked at */
    struct runs runs, speck;
};

static struct oklab seen(const uint8_t *p)
{
    return oklab_squeeze_dark(oklab_from_srgb(p));
}

static size_t pixels(const struct image *m)
{
    return (size_t)m->width * (size_t)m->height;
}

static bool has_transparency(const struct image *m)
{
    enum { PART = 4096 };
    for (size_t from = 0, n = pixels(m); from < n; from += PART) {
        size_t end = n - from < PART ? n : from + PART;
        uint8_t hidden = 0;
        for (size_t i = from; i < end; i++)
            hidden |= m->rgba[4 * i + 3] < OPAQUE;
        if (hidden)
            return true;
    }
    return false;
}

/* ---- the border ---- */

/* Pixel i of the border: the top row, the bottom row, then left and right in turn. */
static size_t border_at(const struct image *m, int i)
{
    int w = m->width, h = m->height;
    if (i < 2 * w)
        return (size_t)(i < w ? 0 : h - 1) * (size_t)w + (size_t)(i % w);
    i -= 2 * w;
    return (size_t)(1 + i / 2) * (size_t)w + (size_t)(i % 2 ? w - 1 : 0);
}

static int border_length(const struct image *m)
{
    return m->height == 1 ? m->width : 2 * m->width + 2 * (m->height - 2);
}

static int bin_of(const uint8_t *p)
{
    return (p[0] >> 4) << 8 | (p[1] >> 4) << 4 | p[2] >> 4;
}

/* The mean of the border's fullest bin of colours. */
static struct oklab most_frequent(const struct image *m)
{
    int counts[BINS] = {0}, best = 0, length = border_length(m);
    for (int i = 0; i < length; i++) {
        int bin = bin_of(m->rgba + 4 * border_at(m, i));
        counts[bin]++;
        best = counts[bin] > counts[best] ? bin : best;
    }
    double sum[3] = {0, 0, 0};
    for (int i = 0; i < length; i++) {
        const uint8_t *p = m->rgba + 4 * border_at(m, i);
        for (int c = 0; c < 3 && bin_of(p) == best; c++)
            sum[c] += p[c];
    }
    uint8_t mean[3];
    for (int c = 0; c < 3; c++)
        mean[c] = (uint8_t)(sum[c] / counts[best] + 0.5);
    return oklab_from_srgb(mean);
}

/* Half of the border's pixels near `color` are nearer than this; *share: which part of the border
 * they all are. The median, so that a sprite that reaches the border does not count as noise. */
static float noise_around(const struct image *m, struct oklab color, double *share)
{
    int counts[SEARCH_STEPS] = {0}, length = border_length(m), n = 0, sum = 0, k = 0;
    color = oklab_squeeze_dark(color);
    for (int i = 0; i < length; i++) {
        float d = sqrtf(oklab_distance2(seen(m->rgba + 4 * border_at(m, i)), color));
        if (d < SEARCH) {
            counts[(int)(d * (SEARCH_STEPS / SEARCH))]++;
            n++;
        }
    }
    *share = (double)n / length;
    while (k < SEARCH_STEPS - 1 && 2 * (sum += counts[k]) < n)
        k++;
    return (float)k * (SEARCH / SEARCH_STEPS);
}

/* The mean of the border's pixels within `tolerance` of `color`. */
static struct oklab mean_around(const struct image *m, struct oklab color, float tolerance)
{
    double l = 0, a = 0, b = 0;
    int length = border_length(m), n = 0;
    struct oklab middle = oklab_squeeze_dark(color);
    for (int i = 0; i < length; i++) {
        struct oklab c = oklab_from_srgb(m->rgba + 4 * border_at(m, i));
        if (oklab_distance2(oklab_squeeze_dark(c), middle) > tolerance * tolerance)
            continue;
        l += c.l, a += c.a, b += c.b;
        n++;
    }
    return n ? (struct oklab){(float)(l / n), (float)(a / n), (float)(b / n)} : color;
}

/* ---- the flood ---- */

static void make_planes(struct flood *f)
{
    const struct image *m = f->m;
    for (int y = 0; y < m->height; y++)
        judge_row(&f->judge, m->rgba + 4 * (size_t)y * (size_t)m->width, m->width,
                  f->ground.at + (size_t)y * f->ground.row, f->pales.at + (size_t)y * f->pales.row);
}

/* Everything of the background's colour that the border reaches. */
static void flood_border(struct flood *f)
{
    int w = f->m->width, h = f->m->height;
    plane_take(&f->ground, 0, 0, w, &f->runs);
    plane_take(&f->ground, h - 1, 0, w, &f->runs);
    for (int y = 0; y < h; y++) {
        plane_take(&f->ground, y, 0, 1, &f->runs);
        plane_take(&f->ground, y, w - 1, w, &f->runs);
    }
    plane_flood(&f->ground, &f->runs, 0, false);
}

/* Pale places beside the background go when they are small. A diagonal line is one place, so an
 * outline that is not far from the ground's colour is long, and stays. */
static void drop_speck(struct flood *f, int y, int x, size_t most)
{
    size_t size = 0;
    f->speck.n = 0;
    plane_take(&f->pales, y, x, x + 1, &f->speck);
    plane_flood(&f->pales, &f->speck, 0, true);
    for (size_t i = 0; i < f->speck.n; i++)
        size += (size_t)(f->speck.at[i].to - f->speck.at[i].from);
    for (size_t i = 0; i < f->speck.n && size <= most; i++)
        plane_set(&f->gone, f->speck.at[i]);
}

static void drop_specks(struct flood *f, size_t most)
{
    for (size_t i = 0; i < f->runs.n; i++) {
        struct run r = f->runs.at[i];
        for (int y = r.y - 1; y <= r.y + 1; y++) {
            int from = y == r.y && r.from > 0 ? r.from - 1 : r.from;
            int to = y == r.y && r.to < f->m->width ? r.to + 1 : r.to;
            if (y < 0 || y >= f->m->height)
                continue;
            for (int x; (x = plane_next(&f->pales, y, from, to)) < to;)
                drop_speck(f, y, x, most);
        }
    }
}

static size_t run_flood(struct flood *f, bool holes)
{
    size_t most = pixels(f->m) / SPECK_SHARE;
    make_planes(f);
    flood_border(f);
    for (int y = 0; holes && y < f->m->height; y++)
        plane_take(&f->ground, y, 0, f->m->width, &f->runs);
    for (size_t i = 0; i < f->runs.n; i++)
        plane_set(&f->gone, f->runs.at[i]);
    drop_specks(f, most > SPECK_MIN ? most : SPECK_MIN);
    return plane_count(&f->gone);
}

/* A pixel is one word here, so that eight are done at once. */
ALWAYS_INLINE void take_row_loop(uint8_t *p, int width, const uint64_t *gone)
{
    const ints8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
    uint8_t opaque[4] = {0, 0, 0, 255};
    int32_t alpha;
    memcpy(&alpha, opaque, 4);
    for (int x = 0; x < width; x += 8) {
        ints8 v = {0}, bits = (ints8){0} + (int32_t)(gone[x / 64] >> (x & 63) & 255);
        int n = width - x < 8 ? width - x : 8;
        uint8_t *at = p + 4 * (size_t)x;
        if (n == 8)
            memcpy(&v, at, 32);
        else
            memcpy(&v, at, 4 * (size_t)n);
        v = (v | alpha) & ((bits & bit) == 0);
        if (n == 8)
            memcpy(at, &v, 32);
        else
            memcpy(at, &v, 4 * (size_t)n);
    }
}

WIDE_TWINS(take_row, (uint8_t * p, int width, const uint64_t *gone), (p, width, gone))

static void take_away(struct image *m, const struct flood *f)
{
    for (int y = 0; y < m->height; y++)
        take_row(m->rgba + 4 * (size_t)y * (size_t)m->width, m->width,
                 f->gone.at + (size_t)y * f->gone.row);
}

/* ---- the fringe ---- */

static const uint8_t *pixel_of(const struct flood *f, int x, int y)
{
    return f->m->rgba + 4 * ((size_t)y * (size_t)f->m->width + (size_t)x);
}

/* Bits x - 1 to x + 1 of row y, which it has. */
static unsigned three_of(const struct plane *p, int x, int y)
{
    const uint64_t *row = p->at + (size_t)y * p->row + (x - 1) / 64;
    int shift = (x - 1) & 63;
    uint64_t v = row[0] >> shift;
    return (unsigned)(shift > 61 ? v | row[1] << (64 - shift) : v) & 7;
}

/* Which of the eight pixels around are there: bit 3 * row + column of 3x3. */
static unsigned there_around(const struct flood *f, int x, int y)
{
    const struct plane *gone = &f->gone;
    unsigned there = 0;
    if (x > 0 && y > 0 && x + 1 < gone->width && y + 1 < gone->height)
        return ~(three_of(gone, x, y - 1) | three_of(gone, x, y) << 3 |
                 three_of(gone, x, y + 1) << 6) &
               0x1ef;
    for (int i = 0; i < 9; i++) {
        int nx = x + i % 3 - 1, ny = y + i / 3 - 1;
        bool inside = nx >= 0 && ny >= 0 && nx < gone->width && ny < gone->height;
        there |= (unsigned)(inside && i != 4 && !plane_get(gone, nx, ny)) << i;
    }
    return there;
}

/* Those of 64 pixels that are there and beside one that is not. */
static uint64_t exposed_word(const struct plane *gone, int y, size_t i)
{
    const uint64_t *row = gone->at + (size_t)y * gone->row;
    uint64_t here = row[i], beside = here << 1 | here >> 1;
    beside |= i > 0 ? row[i - 1] >> 63 : 0;
    beside |= i + 1 < gone->row ? row[i + 1] << 63 : 0;
    beside |= y > 0 ? row[(ptrdiff_t)i - (ptrdiff_t)gone->row] : 0;
    beside |= y + 1 < gone->height ? row[i + gone->row] : 0;
    int past = 64 * (int)i + 64 - gone->width;
    return beside & ~here & (past > 0 ? ~UINT64_C(0) >> past : ~UINT64_C(0));
}

/* What a decoder, or an anti-aliased brush, leaves between an outline and the ground: a pixel
 * beside nothing that is a mix of the ground and of the outline behind it, more of the ground than
 * LIGHT. A pale part of the sprite that reaches its border looks the same, but goes on behind it,
 * and an outline's pixels go on to both sides: a fringe's do neither. Differences and mixes are of
 * sRGB's bytes, in which such pixels were mixed. */
static const double LIGHT = 0.45, OFF = 0.18; /* OFF: of the outline's distance, from the line */
enum { CLEAR = 60, LIKE = 36 };               /* outline to ground; colours that look alike */

static bool is_like(const uint8_t *p, const uint8_t *q)
{
    int sum = 0;
    for (int c = 0; c < 3; c++)
        sum += (p[c] - q[c]) * (p[c] - q[c]);
    return sum < LIKE * LIKE;
}

/* Is p a mix of ground and n? */
static bool is_mix(const uint8_t *p, const uint8_t *n, const uint8_t *ground)
{
    int along = 0, length = 0;
    for (int c = 0; c < 3; c++) {
        int v = n[c] - ground[c];
        along += (p[c] - ground[c]) * v, length += v * v;
    }
    if (length < CLEAR * CLEAR || along <= 0 || along > length)
        return false;
    double t = (double)along / length, off = 0; /* t: how much of it is n */
    if (t >= 1 - LIGHT)
        return false;
    for (int c = 0; c < 3; c++) {
        double d = p[c] - ground[c] - t * (n[c] - ground[c]);
        off += d * d;
    }
    return off < OFF * OFF * length;
}

/* Of a pixel that is exposed, as f->ground says now of all. */
static bool is_fringe(const struct flood *f, const uint8_t *ground, int x, int y)
{
    const uint8_t *p = pixel_of(f, x, y), *there[8];
    int alike = 0, n = 0;
    for (unsigned left = there_around(f, x, y); left; left &= left - 1) {
        int i = __builtin_ctz(left), nx = x + i % 3 - 1, ny = y + i / 3 - 1;
        there[n] = pixel_of(f, nx, ny);
        bool like = is_like(p, there[n++]);
        alike += like;
        if (alike > 1 || (like && !plane_get(&f->ground, nx, ny)))
            return false;
    }
    bool mix = false;
    for (int i = 0; i < n && !mix; i++)
        mix = is_mix(p, there[i], ground);
    return mix;
}

/* One layer: what comes to the border by it stays. */
static size_t drop_fringe(struct flood *f, const uint8_t *ground)
{
    struct plane *fringe = &f->pales, *exposed = &f->ground; /* both are of no more use */
    size_t n = 0, words = fringe->row * (size_t)fringe->height;
    memset(fringe->at, 0, words * sizeof *fringe->at);
    for (size_t at = 0; at < words; at++)
        exposed->at[at] = exposed_word(&f->gone, (int)(at / fringe->row), at % fringe->row);
    for (size_t at = 0; at < words; at++) {
        int y = (int)(at / fringe->row);
        size_t i = at % fringe->row;
        for (uint64_t left = exposed->at[at]; left; left &= left - 1) {
            int bit = __builtin_ctzll(left);
            if (is_fringe(f, ground, 64 * (int)i + bit, y))
                fringe->at[at] |= UINT64_C(1) << bit, n++;
        }
    }
    for (size_t at = 0; at < words; at++)
        f->gone.at[at] |= fringe->at[at];
    return n;
}

static int cut(struct image *m, struct flood *f, const struct matte_options *o,
               struct matte_report *r, struct err *e)
{
    bool good = !plane_new(&f->ground, m->width, m->height) &&
                !plane_new(&f->pales, m->width, m->height) &&
                !plane_new(&f->gone, m->width, m->height);
    if (good)
        r->share = (double)run_flood(f, o->holes) / (double)pixels(m);
    if (!good || f->runs.failed || f->speck.failed)
        return err_set(e, "out of memory for the matte of %dx%d pixels", m->width, m->height);
    r->found = r->share <= MOST;
    if (r->found && !o->keep_fringe)
        r->fringe = drop_fringe(f, r->rgb);
    if (r->found)
        take_away(m, f);
    return 0;
}

static float by_noise(float noise)
{
    float t = NOISE * noise;
    return t < LEAST ? LEAST : t > GREAT ? GREAT : t;
}

int matte_cut(struct image *m, const struct matte_options *o, struct matte_report *r, struct err *e)
{
    *r = (struct matte_report){.was_cut = has_transparency(m)};
    if (r->was_cut)
        return 0;
    struct oklab color = most_frequent(m);
    double share;
    float noise = noise_around(m, color, &share);
    if (share < BORDER_SHARE)
        return 0;
    r->tolerance = o->tolerance > 0 ? o->tolerance : by_noise(noise);
    color = mean_around(m, color, r->tolerance);
    oklab_to_srgb(color, r->rgb);
    struct flood f = {.m = m};
    float limit = r->tolerance * r->tolerance;
    judge_init(&f.judge, oklab_squeeze_dark(color), r->rgb, limit,
               r->tolerance < SPECK ? SPECK * SPECK : limit, pixels(m) >= LARGE);
    int rc = cut(m, &f, o, r, e);
    plane_free(&f.ground);
    plane_free(&f.pales);
    plane_free(&f.gone);
    runs_free(&f.runs);
    runs_free(&f.speck);
    return rc;
}
