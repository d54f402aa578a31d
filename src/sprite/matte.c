/* The background made transparent; see matte.h. */
#include "sprite/matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab_lanes.h"

enum {
    OPAQUE = 128,
    BINS = 4096, /* of the border's colours, 4 bits a channel */
    SEARCH_STEPS = 120,
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

/* What a pixel is, and what became of it. */
enum state { BACKGROUND, PALE, OTHER, GONE, IN_SPECK };

/* A flood through pixels near one colour. The map has a margin of OTHER, so that the flood need not
 * ask where the image ends. */
struct flood {
    const struct image *m;
    struct oklab color;
    float limit, pale; /* squared distances */
    size_t row;        /* of the map: the image's width and the margin */
    uint8_t *map;
    uint32_t *todo;
    size_t todo_n;
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
    for (size_t i = 0, n = pixels(m); i < n; i++)
        if (m->rgba[4 * i + 3] < OPAQUE)
            return true;
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

enum { BLOCK = 64 };

/* What each of a row's pixels is. */
ALWAYS_INLINE void judge_loop(const struct flood *f, const uint8_t *p, int width, uint8_t *out)
{
    for (int from = 0; from < width; from += BLOCK) {
        float r[BLOCK], g[BLOCK], b[BLOCK];
        int n = width - from < BLOCK ? width - from : BLOCK;
        for (int i = 0; i < BLOCK; i++) {
            const uint8_t *q = p + 4 * (i < n ? from + i : from);
            r[i] = oklab_curve[2 * q[0]], g[i] = oklab_curve[2 * q[1]];
            b[i] = oklab_curve[2 * q[2]];
        }
        for (int i = 0; i < BLOCK; i++) {
            struct oklab c = oklab_squeeze(oklab_convert(r[i], g[i], b[i]));
            float d = oklab_distance2(c, f->color);
            r[i] = (d <= f->limit ? 0.0f : 1.0f) + (d <= f->pale ? 0.0f : 1.0f);
        }
        for (int i = 0; i < n; i++)
            out[from + i] = (uint8_t)r[i];
    }
}

WIDE_TWINS(judge, (const struct flood *f, const uint8_t *p, int width, uint8_t *out),
           (f, p, width, out))

static void make_map(struct flood *f)
{
    const struct image *m = f->m;
    memset(f->map, OTHER, f->row * ((size_t)m->height + 2));
    for (int y = 0; y < m->height; y++)
        judge(f, m->rgba + 4 * (size_t)y * (size_t)m->width, m->width,
              f->map + ((size_t)y + 1) * f->row + 1);
}

static inline void mark(struct flood *f, size_t at, enum state what, enum state as)
{
    if (f->map[at] != what)
        return;
    f->map[at] = (uint8_t)as;
    f->todo[f->todo_n++] = (uint32_t)at;
}

/* The pixels that share a side with one, and, if asked for, those at its corners. */
static inline void mark_around(struct flood *f, size_t at, bool corners, enum state what,
                               enum state as)
{
    size_t above = at - f->row, below = at + f->row;
    mark(f, above, what, as);
    mark(f, at - 1, what, as);
    mark(f, at + 1, what, as);
    mark(f, below, what, as);
    if (!corners)
        return;
    mark(f, above - 1, what, as);
    mark(f, above + 1, what, as);
    mark(f, below - 1, what, as);
    mark(f, below + 1, what, as);
}

/* Spreads from todo[from] on. What was visited stays in `todo`. */
static void spread(struct flood *f, size_t from, bool corners, enum state what, enum state as)
{
    for (; from < f->todo_n; from++)
        mark_around(f, f->todo[from], corners, what, as);
}

/* Pale places beside the background go when they are small. A diagonal line is one place, so an
 * outline that is not far from the ground's colour is long, and stays. */
static void drop_specks(struct flood *f, size_t most)
{
    size_t gone = f->todo_n;
    for (size_t i = 0; i < gone; i++) {
        size_t at = f->todo[i], next[4] = {at - f->row, at - 1, at + 1, at + f->row};
        for (int n = 0; n < 4; n++) {
            f->todo_n = gone;
            mark(f, next[n], PALE, IN_SPECK);
            spread(f, gone, true, PALE, IN_SPECK);
            for (size_t k = gone; k < f->todo_n && f->todo_n - gone <= most; k++)
                f->map[f->todo[k]] = GONE;
        }
    }
    f->todo_n = gone;
}

static size_t map_at(const struct flood *f, size_t pixel)
{
    size_t w = (size_t)f->m->width;
    return (pixel / w + 1) * f->row + pixel % w + 1;
}

static size_t run_flood(struct flood *f, bool holes)
{
    size_t n = pixels(f->m), most = n / SPECK_SHARE, gone = 0;
    size_t end = f->row * ((size_t)f->m->height + 2);
    int length = border_length(f->m);
    make_map(f);
    for (int i = 0; i < length; i++)
        mark(f, map_at(f, border_at(f->m, i)), BACKGROUND, GONE);
    spread(f, 0, false, BACKGROUND, GONE);
    for (size_t i = 0; holes && i < end; i++)
        mark(f, i, BACKGROUND, GONE);
    drop_specks(f, most > SPECK_MIN ? most : SPECK_MIN);
    for (size_t i = 0; i < end; i++)
        gone += f->map[i] == GONE;
    return gone;
}

static void take_away(struct image *m, const struct flood *f)
{
    uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++, p += 4) {
            bool goes = f->map[((size_t)y + 1) * f->row + (size_t)x + 1] == GONE;
            for (int c = 0; c < 3; c++)
                p[c] = goes ? 0 : p[c];
            p[3] = goes ? 0 : 255;
        }
}

/* ---- the fringe ---- */

static const uint8_t *pixel_of(const struct flood *f, size_t at)
{
    size_t y = at / f->row - 1, x = at % f->row - 1;
    return f->m->rgba + 4 * (y * (size_t)f->m->width + x);
}

static bool is_there(const struct flood *f, size_t at)
{
    size_t x = at % f->row, y = at / f->row;
    return x > 0 && y > 0 && x < f->row - 1 && y <= (size_t)f->m->height && f->map[at] != GONE;
}

static bool is_exposed(const struct flood *f, size_t at)
{
    return f->map[at - 1] == GONE || f->map[at + 1] == GONE || f->map[at - f->row] == GONE ||
           f->map[at + f->row] == GONE;
}

/* What a decoder, or an anti-aliased brush, leaves between an outline and the ground: a pixel
 * beside nothing that is a mix of the ground and of the outline behind it, more of the ground than
 * LIGHT. A pale part of the sprite that reaches its border looks the same, but goes on behind it,
 * and an outline's pixels go on to both sides: a fringe's do neither. Differences and mixes are of
 * sRGB's bytes, in which such pixels were mixed. */
static const double LIGHT = 0.45, OFF = 0.18; /* OFF: of the outline's distance, from the line */
enum { CLEAR = 60, LIKE = 36 };               /* outline to ground; colours that look alike */

static int distance(const uint8_t *p, const uint8_t *q)
{
    int sum = 0;
    for (int c = 0; c < 3; c++)
        sum += (p[c] - q[c]) * (p[c] - q[c]);
    return (int)sqrt((double)sum);
}

/* Is p a mix of ground and n? */
static bool is_mix(const uint8_t *p, const uint8_t *n, const uint8_t *ground)
{
    double along = 0, length = 0, off = 0;
    for (int c = 0; c < 3; c++) {
        double v = n[c] - ground[c];
        along += (p[c] - ground[c]) * v, length += v * v;
    }
    if (length < CLEAR * CLEAR)
        return false;
    double t = along / length; /* how much of it is n */
    for (int c = 0; c < 3; c++) {
        double d = p[c] - ground[c] - t * (n[c] - ground[c]);
        off += d * d;
    }
    return t > 0 && t < 1 - LIGHT && off < OFF * OFF * length;
}

static bool is_fringe(const struct flood *f, const uint8_t *ground, size_t at)
{
    const size_t row = f->row, around[8] = {at - row,     at - 1,       at + 1,       at + row,
                                            at - row - 1, at - row + 1, at + row - 1, at + row + 1};
    const uint8_t *p = pixel_of(f, at);
    bool mix = false;
    int alike = 0;
    for (int i = 0; i < 8; i++) {
        if (!is_there(f, around[i]))
            continue;
        const uint8_t *n = pixel_of(f, around[i]);
        bool like = distance(p, n) < LIKE;
        alike += like;
        if (alike > 1 || (like && !is_exposed(f, around[i])))
            return false;
        mix |= is_mix(p, n, ground);
    }
    return mix;
}

/* One layer: what comes to the border by it stays. */
static size_t drop_fringe(struct flood *f, const uint8_t *ground)
{
    size_t n = 0, end = f->row * ((size_t)f->m->height + 1);
    for (size_t at = f->row + 1; at < end; at++)
        if (is_there(f, at) && is_exposed(f, at) && is_fringe(f, ground, at))
            f->todo[n++] = (uint32_t)at;
    for (size_t i = 0; i < n; i++)
        f->map[f->todo[i]] = GONE;
    return n;
}

static int cut(struct image *m, struct flood *f, const struct matte_options *o,
               struct matte_report *r, struct err *e)
{
    size_t n = pixels(m);
    f->row = (size_t)m->width + 2;
    f->map = malloc(f->row * ((size_t)m->height + 2));
    f->todo = malloc(n * sizeof *f->todo);
    if (!f->map || !f->todo)
        return err_set(e, "out of memory for the matte of %dx%d pixels", m->width, m->height);
    r->share = (double)run_flood(f, o->holes) / (double)n;
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
    struct flood f = {.m = m, .color = oklab_squeeze_dark(color)};
    f.limit = r->tolerance * r->tolerance;
    f.pale = r->tolerance < SPECK ? SPECK * SPECK : f.limit;
    int rc = cut(m, &f, o, r, e);
    free(f.map);
    free(f.todo);
    return rc;
}
