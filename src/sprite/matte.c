/* The background made transparent; see matte.h. */
#include "sprite/matte.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"

enum {
    OPAQUE = 128,
    BINS = 4096, /* of the border's colours, 4 bits a channel */
    CACHE_BITS = 12,
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

enum verdict { UNKNOWN, BACKGROUND, PALE, OTHER };
enum state { KEPT, GONE, IN_SPECK };

/* A flood through pixels near one colour. Images have few different colours, so the verdict on
 * each is remembered. */
struct flood {
    const struct image *m;
    struct oklab color;
    float limit, pale;               /* squared distances */
    uint32_t cache[1 << CACHE_BITS]; /* colour << 2 | verdict */
    uint8_t *state;                  /* one a pixel */
    uint32_t *todo;
    size_t todo_n;
};

static struct oklab seen(const uint8_t *p)
{
    return oklab_squeeze_dark(oklab_from_srgb(p));
}

static enum verdict judge(struct flood *f, size_t at)
{
    const uint8_t *p = f->m->rgba + 4 * at;
    uint32_t rgb = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    uint32_t *slot = &f->cache[(rgb * 2654435761u) >> (32 - CACHE_BITS)];
    if (*slot >> 2 != rgb || (*slot & 3) == UNKNOWN) {
        float d = oklab_distance2(seen(p), f->color);
        *slot = rgb << 2 | (uint32_t)(d <= f->limit ? BACKGROUND : d <= f->pale ? PALE : OTHER);
    }
    return *slot & 3;
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

static void mark(struct flood *f, size_t at, enum verdict what, enum state as)
{
    if (f->state[at] != KEPT || judge(f, at) != what)
        return;
    f->state[at] = (uint8_t)as;
    f->todo[f->todo_n++] = (uint32_t)at;
}

/* The pixels around: the 4 that share a side first, then, if asked for, those at the corners.
 * Returns how many the image has. */
static int neighbours(const struct image *m, size_t at, bool corners, size_t next[8])
{
    static const int8_t dx[8] = {0, -1, 1, 0, -1, 1, -1, 1}, dy[8] = {-1, 0, 0, 1, -1, -1, 1, 1};
    int x = (int)(at % (size_t)m->width), y = (int)(at / (size_t)m->width), n = 0;
    for (int i = 0; i < (corners ? 8 : 4); i++) {
        int nx = x + dx[i], ny = y + dy[i];
        if (nx >= 0 && ny >= 0 && nx < m->width && ny < m->height)
            next[n++] = (size_t)ny * (size_t)m->width + (size_t)nx;
    }
    return n;
}

/* Spreads from todo[from] on. What was visited stays in `todo`. */
static void spread(struct flood *f, size_t from, bool corners, enum verdict what, enum state as)
{
    size_t next[8];
    for (; from < f->todo_n; from++)
        for (int n = neighbours(f->m, f->todo[from], corners, next); n > 0; n--)
            mark(f, next[n - 1], what, as);
}

/* Pale places beside the background go when they are small. A diagonal line is one place, so an
 * outline that is not far from the ground's colour is long, and stays. */
static void drop_specks(struct flood *f, size_t most)
{
    size_t gone = f->todo_n, next[8];
    for (size_t i = 0; i < gone; i++)
        for (int n = neighbours(f->m, f->todo[i], false, next); n > 0; n--) {
            f->todo_n = gone;
            mark(f, next[n - 1], PALE, IN_SPECK);
            spread(f, gone, true, PALE, IN_SPECK);
            for (size_t k = gone; k < f->todo_n && f->todo_n - gone <= most; k++)
                f->state[f->todo[k]] = GONE;
        }
    f->todo_n = gone;
}

static size_t run_flood(struct flood *f, bool holes)
{
    size_t n = pixels(f->m), most = n / SPECK_SHARE, gone = 0;
    int length = border_length(f->m);
    for (int i = 0; i < length; i++)
        mark(f, border_at(f->m, i), BACKGROUND, GONE);
    spread(f, 0, false, BACKGROUND, GONE);
    for (size_t i = 0; holes && i < n; i++)
        mark(f, i, BACKGROUND, GONE);
    drop_specks(f, most > SPECK_MIN ? most : SPECK_MIN);
    for (size_t i = 0; i < n; i++)
        gone += f->state[i] == GONE;
    return gone;
}

static int cut(struct image *m, struct flood *f, bool holes, struct matte_report *r, struct err *e)
{
    size_t n = pixels(m);
    f->state = calloc(n, 1);
    f->todo = malloc(n * sizeof *f->todo);
    if (!f->state || !f->todo)
        return err_set(e, "out of memory for the matte of %dx%d pixels", m->width, m->height);
    r->share = (double)run_flood(f, holes) / (double)n;
    r->found = r->share <= MOST;
    for (size_t i = 0; r->found && i < n; i++) {
        if (f->state[i] == GONE)
            memset(m->rgba + 4 * i, 0, 4);
        else
            m->rgba[4 * i + 3] = 255;
    }
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
    struct flood *f = calloc(1, sizeof *f);
    if (!f)
        return err_set(e, "out of memory for the matte of %dx%d pixels", m->width, m->height);
    f->m = m;
    f->color = oklab_squeeze_dark(color);
    f->limit = r->tolerance * r->tolerance;
    f->pale = r->tolerance < SPECK ? SPECK * SPECK : f->limit;
    int rc = cut(m, f, o->holes, r, e);
    free(f->state);
    free(f->todo);
    free(f);
    return rc;
}
