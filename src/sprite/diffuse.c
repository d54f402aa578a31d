/* Error diffusion, eight rows at once; see diffuse.h. */
#include "sprite/diffuse.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/nearest.h"
#include "sprite/oklab_lanes.h"

enum {
    BAND = DIFFUSE_BAND,
    LAG = 2,                   /* pixels that a row is behind the one above it */
    BEHIND = LAG * (BAND - 1), /* the last row behind the first */
    CUBES = 32,                /* to a unit */
    CUBES_L = 48,
    CUBES_AB = 32,
    CUBES_ALL = CUBES_L * CUBES_AB * CUBES_AB,
    IN_CUBE = 15,
    MANY = 255, /* colours in a cube: more than there is room for */
    CHUNK = 32, /* steps whose colours are converted together */
};

static const float FIRST_L = -0.25f, FIRST_AB = -0.5f; /* where the first cubes begin */

/* Oklab cut into cubes, each with the colours of the palette that may be the nearest one to a point
 * in it: mostly one to three. A cube is filled when the first point falls into it. */
struct cube {
    uint8_t n, color[IN_CUBE]; /* n: 0 before it is filled; what is not used is the first again */
};

/* A colour of the palette: l, a, b, 0. */
typedef float quad __attribute__((vector_size(16)));

struct diffusion {
    const struct palette *palette;
    struct label_names names;
    struct colours colours;
    quad cones[3][256]; /* what a byte of red, green, blue adds to oklab_convert's three cones */
    quad lab_of[PALETTE_MAX];
    uint32_t value[PALETTE_MAX], alpha; /* colours as words of an image, without alpha; its bits */
    struct cube *cubes;                 /* [CUBES_ALL] */
    int width, steps;                   /* of a band: width + BEHIND */
    /* Of the band, in the order in which it is done: at step t, lane r is pixel t - LAG * r, in the
     * band's direction, of row r. */
    lanes8 (*lab)[3];      /* [steps] */
    float (*from)[3];      /* [steps] errors from the row above the first: step t's from the end */
    float (*last)[3];      /* [1 + width + 1] errors of the last row, by x */
    uint8_t (*seen)[BAND]; /* [steps] 255 where there is a visible pixel, else 0 */
    bool back;             /* is it done from right to left? */
    /* The palette's colours, a row of the band after the other, by x, with BEHIND more at both ends
     * that no one asks for. */
    uint8_t *to; /* [BAND * line] */
    ptrdiff_t line;
};

/* ---- cubes ---- */

static void fill(struct diffusion *d, int32_t at)
{
    const float slack = 1e-4f, side = 1.0f / CUBES; /* slack: what rounding may put beside it */
    int l = at / (CUBES_AB * CUBES_AB), a = at / CUBES_AB % CUBES_AB, b = at % CUBES_AB;
    struct oklab low = {FIRST_L + (float)l * side - slack, FIRST_AB + (float)a * side - slack,
                        FIRST_AB + (float)b * side - slack};
    struct oklab high = {low.l + side + 2 * slack, low.a + side + 2 * slack,
                         low.b + side + 2 * slack};
    uint8_t color[PALETTE_MAX];
    int n = colours_in_box_exactly(&d->colours, low, high, color);
    struct cube *cube = &d->cubes[at];
    cube->n = n <= IN_CUBE ? (uint8_t)n : MANY;
    for (int i = 0; i < IN_CUBE; i++)
        cube->color[i] = color[i < n ? i : 0];
}

/* ---- a band ---- */

/* What a pixel wants is kept where the cubes are, which is far outside of sRGB: errors that no
 * colour of the palette can make good would add up for ever. */
ALWAYS_INLINE void keep_near(lanes8 c[3])
{
    static const float least[3] = {-0.2f, -0.45f, -0.45f}, most[3] = {1.2f, 0.45f, 0.45f};
    for (int k = 0; k < 3; k++) {
        lanes8 low = (lanes8){0} + least[k], high = (lanes8){0} + most[k];
        c[k] = LANES_PICK(c[k] < low, low, c[k]);
        c[k] = LANES_PICK(c[k] > high, high, c[k]);
    }
}

/* The cube of each lane's colour. */
ALWAYS_INLINE void find_cubes(const lanes8 c[3], int32_t at[BAND])
{
    ints8 l = __builtin_convertvector((c[0] - FIRST_L) * CUBES, ints8);
    ints8 a = __builtin_convertvector((c[1] - FIRST_AB) * CUBES, ints8);
    ints8 b = __builtin_convertvector((c[2] - FIRST_AB) * CUBES, ints8);
    ints8 n = (l * CUBES_AB + a) * CUBES_AB + b;
    memcpy(at, &n, sizeof n);
}

/* The cubes, filled if they were not. Returns the most colours in one. */
ALWAYS_INLINE int take_cubes(struct diffusion *d, const int32_t at[BAND],
                             const struct cube *cube[BAND])
{
    int most = 1;
    for (int j = 0; j < BAND; j++) {
        cube[j] = &d->cubes[at[j]];
        if (!cube[j]->n)
            fill(d, at[j]);
        most = cube[j]->n > most ? cube[j]->n : most;
    }
    return most;
}

/* Eight colours, each a lane. */
ALWAYS_INLINE void turn_quads(const quad p[BAND], lanes8 q[3])
{
    lanes8 two[4], low[2], high[2];
    for (int j = 0; j < 4; j++)
        two[j] = __builtin_shufflevector(p[j], p[j + 4], 0, 1, 2, 3, 4, 5, 6, 7);
    for (int j = 0; j < 2; j++) {
        low[j] = __builtin_shufflevector(two[2 * j], two[2 * j + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        high[j] = __builtin_shufflevector(two[2 * j], two[2 * j + 1], 2, 10, 3, 11, 6, 14, 7, 15);
    }
    q[0] = __builtin_shufflevector(low[0], low[1], 0, 1, 8, 9, 4, 5, 12, 13);
    q[1] = __builtin_shufflevector(low[0], low[1], 2, 3, 10, 11, 6, 7, 14, 15);
    q[2] = __builtin_shufflevector(high[0], high[1], 0, 1, 8, 9, 4, 5, 12, 13);
}

/* The palette's of these numbers. */
ALWAYS_INLINE void take_colors(const struct diffusion *d, const uint8_t n[BAND], lanes8 q[3])
{
    quad p[BAND];
    for (int j = 0; j < BAND; j++)
        p[j] = d->lab_of[n[j]];
    turn_quads(p, q);
}

ALWAYS_INLINE void squared(const lanes8 c[3], const lanes8 q[3], lanes8 *d)
{
    lanes8 l = c[0] - q[0], a = c[1] - q[1], b = c[2] - q[2];
    *d = l * l + a * a + b * b;
}

/* The nearest colours' numbers, and they themselves. */
ALWAYS_INLINE void eight_nearest(struct diffusion *d, const lanes8 c[3], uint8_t best[BAND],
                                 lanes8 q[3])
{
    int32_t at[BAND], number[BAND];
    const struct cube *cube[BAND];
    lanes8 least, far, other[3];
    find_cubes(c, at);
    int most = take_cubes(d, at, cube);
    for (int j = 0; j < BAND; j++)
        best[j] = cube[j]->color[0];
    take_colors(d, best, q);
    if (most == 1)
        return;
    squared(c, q, &least);
    ints8 found = {0}; /* places in the cubes */
    for (int i = 1; i < (most < MANY ? most : IN_CUBE); i++) {
        uint8_t color[BAND];
        for (int j = 0; j < BAND; j++)
            color[j] = cube[j]->color[i];
        take_colors(d, color, other);
        squared(c, other, &far);
        ints8 less = far < least;
        least = LANES_PICK(less, far, least);
        found = (less & i) | (~less & found);
        for (int k = 0; k < 3; k++)
            q[k] = LANES_PICK(less, other[k], q[k]);
    }
    memcpy(number, &found, sizeof number);
    for (int j = 0; j < BAND; j++)
        best[j] = cube[j]->color[number[j]];
    if (most < MANY)
        return;
    for (int j = 0; j < BAND; j++)
        if (cube[j]->n == MANY)
            best[j] = (uint8_t)colours_nearest(&d->colours,
                                               (struct oklab){c[0][j], c[1][j], c[2][j]});
    take_colors(d, best, q);
}

/* Is there any pixel of the eight? */
ALWAYS_INLINE bool is_any(const uint8_t seen[BAND])
{
    uint64_t all;
    memcpy(&all, seen, sizeof all);
    return all;
}

/* All bits of a lane where there is a pixel. */
ALWAYS_INLINE void widen(const uint8_t seen[BAND], ints8 *to)
{
    typedef int8_t bytes8 __attribute__((vector_size(8)));
    bytes8 bytes;
    memcpy(&bytes, seen, sizeof bytes);
    *to = __builtin_convertvector(bytes, ints8);
}

/* Lane r of each row's error goes to lane r + 1 of the next one; `first` into lane 0. */
ALWAYS_INLINE void to_row_below(lanes8 *v, float first)
{
    *v = __builtin_shufflevector(*v, *v, 0, 0, 1, 2, 3, 4, 5, 6);
    (*v)[0] = first;
}

/* Pixel i of a row in the band's direction. */
static int place(const struct diffusion *d, bool back, int i)
{
    return back ? d->width - 1 - i : i;
}

ALWAYS_INLINE void run_band_loop(struct diffusion *d)
{
    lanes8 e[4][3] = {{{0}}}; /* errors of the last steps: [1] the last one's */
    const ptrdiff_t lane = d->line + (d->back ? LAG : -LAG);
    for (int t = 0; t < d->steps; t++) {
        lanes8 c[3] = {{0}}, q[3] = {{0}};
        ints8 seen;
        bool any = is_any(d->seen[t]);
        widen(d->seen[t], &seen);
        for (int k = 0; k < 3 && any; k++) {
            lanes8 v = (1.0f / 16 * e[3][k] + 5.0f / 16 * e[2][k]) + 3.0f / 16 * e[1][k];
            to_row_below(&v, d->from[d->steps - 1 - t][k]);
            v += 7.0f / 16 * e[1][k];
            c[k] = d->lab[t][k] + v;
        }
        if (any) {
            keep_near(c);
            uint8_t best[BAND];
            eight_nearest(d, c, best, q);
            uint8_t *to = d->to + BEHIND + place(d, d->back, t);
            for (int r = 0; r < BAND; r++)
                to[r * lane] = best[r];
        }
        for (int k = 0; k < 3; k++) {
            e[3][k] = e[2][k], e[2][k] = e[1][k];
            e[1][k] = (lanes8)((ints8)(c[k] - q[k]) & seen);
            int last = t - BEHIND;
            if (last >= 0)
                d->last[1 + last][k] = e[1][k][BAND - 1];
        }
    }
}

WIDE_TWINS(run_band, (struct diffusion * d), (d))

/* ---- the image ---- */

/* A band's pixels in the order in which it is done, from step t on. */
ALWAYS_INLINE void take_steps(struct diffusion *d, const struct image *m, int y, bool back, int t,
                              int n)
{
    quad cones[CHUNK][BAND];
    const ptrdiff_t step = back ? -4 : 4;
    bool whole = t >= BEHIND && t + n <= d->width && y + BAND <= m->height;
    if (!whole) { /* some lanes have no pixel */
        memset(cones, 0, sizeof cones);
        memset(d->seen[t], 0, (size_t)n * sizeof *d->seen);
    }
    for (int r = 0; r < BAND && y + r < m->height; r++) {
        const uint8_t *row = m->rgba + 4 * (size_t)(y + r) * (size_t)d->width;
        int from = LAG * r > t ? LAG * r : t;
        int end = d->width + LAG * r < t + n ? d->width + LAG * r : t + n;
        const uint8_t *p = row + 4 * (ptrdiff_t)place(d, back, from - LAG * r);
        if (whole) { /* what comes next */
            __builtin_prefetch(p + CHUNK * step);
            __builtin_prefetch(p + (CHUNK + CHUNK / 2) * step);
        }
        for (int s = from - t; s < end - t; s++, p += step) {
            cones[s][r] = d->cones[0][p[0]] + d->cones[1][p[1]] + d->cones[2][p[2]];
            d->seen[t + s][r] = p[3] ? 255 : 0;
        }
    }
    for (int s = 0; s < n; s++) {
        lanes8 v[3];
        float lane[3][BAND];
        if (!is_any(d->seen[t + s])) /* no one asks for their colours */
            continue;
        turn_quads(cones[s], v);
        memcpy(lane, v, sizeof lane);
        for (int r = 0; r < BAND; r++) {
            struct oklab c = oklab_from_cones(lane[0][r], lane[1][r], lane[2][r]);
            lane[0][r] = c.l, lane[1][r] = c.a, lane[2][r] = c.b;
        }
        memcpy(d->lab[t + s], lane, sizeof lane);
    }
}

ALWAYS_INLINE void take_band_loop(struct diffusion *d, const struct image *m, int y, bool back)
{
    for (int t = 0; t < d->steps; t += CHUNK)
        take_steps(d, m, y, back, t, d->steps - t < CHUNK ? d->steps - t : CHUNK);
}

WIDE_TWINS(take_band, (struct diffusion * d, const struct image *m, int y, bool back),
           (d, m, y, back))

/* What the last row of the band above, which was scanned the other way, hands down. */
static void hand_down(struct diffusion *d)
{
    const float *e = d->last[0];
    float *to = d->from[BEHIND];
    /* In the order of that row: the pixel before, the one above, the one after. */
    for (int i = 0; i < 3 * d->width; i++)
        to[i] = (1.0f / 16 * e[i] + 5.0f / 16 * e[i + 3]) + 3.0f / 16 * e[i + 6];
}

static void put_band(const struct diffusion *d, struct image *m, int y, bool *used)
{
    const uint32_t *value = d->value, alpha = d->alpha;
    for (int r = 0; r < BAND && y + r < m->height; r++) {
        uint8_t *p = m->rgba + 4 * (size_t)(y + r) * (size_t)d->width;
        const uint8_t *to = d->to + r * d->line + BEHIND;
        for (int i = 0, w = d->width; i < w; i++, p += 4) {
            uint32_t old;
            memcpy(&old, p, 4);
            uint32_t seen = old & alpha ? UINT32_MAX : 0;
            uint32_t new = (value[to[i]] & seen) | (old & (alpha | ~seen));
            used[seen ? to[i] : PALETTE_MAX] = true;
            memcpy(p, &new, 4);
        }
    }
}

/* The same into labels. */
ALWAYS_INLINE void label_row_loop(const uint8_t *to, const uint8_t *rgba, int n, uint8_t *label)
{
    for (int i = 0; i < n; i++) {
        uint32_t v;
        memcpy(&v, rgba + 4 * (size_t)i, 4);
        label[i] = (uint8_t)(v >> 24 ? to[i] + 1 : 0);
    }
}

WIDE_TWINS(label_row, (const uint8_t *to, const uint8_t *rgba, int n, uint8_t *label),
           (to, rgba, n, label))

static void put_labels(struct diffusion *d, const struct image *m, int y, struct labels *v)
{
    for (int r = 0; r < BAND && y + r < v->height; r++) {
        label_row(d->to + r * d->line + BEHIND, m->rgba + 4 * (size_t)(y + r) * (size_t)d->width,
                  d->width, (uint8_t *)v->at + (y + r) * v->row);
        labels_name_row(v, y + r, &d->names, (const uint8_t(*)[3])d->palette->rgb);
    }
}

static void take_colours(struct diffusion *d, const struct palette *p)
{
    const uint8_t opaque[4] = {0, 0, 0, 255};
    memcpy(&d->alpha, opaque, 4);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) {
            const float *k = oklab_cones[c], light = oklab_curve[2 * i];
            d->cones[c][i] = (quad){k[0] * light, k[1] * light, k[2] * light, 0};
        }
    d->palette = p;
    colours_take(&d->colours, p);
    for (int i = 0; i < p->n; i++) {
        struct oklab c = oklab_from_srgb(p->rgb[i]);
        d->lab_of[i] = (quad){c.l, c.a, c.b, 0};
        memcpy(&d->value[i], p->rgb[i], 3);
    }
}

static bool make_room(struct diffusion *d, int width)
{
    size_t w = (size_t)width, steps = w + BEHIND;
    d->width = width, d->steps = (int)steps;
    d->cubes = calloc(CUBES_ALL, sizeof *d->cubes);
    d->lab = malloc(steps * sizeof *d->lab);
    d->seen = malloc(steps * sizeof *d->seen);
    d->from = calloc(steps, sizeof *d->from);
    d->last = calloc(w + 2, sizeof *d->last);
    d->line = width + 2 * BEHIND;
    d->to = calloc(BAND, (size_t)d->line);
    return d->cubes && d->lab && d->seen && d->from && d->last && d->to;
}

static void diffusion_free(struct diffusion *d)
{
    if (!d)
        return;
    free(d->cubes);
    free(d->lab);
    free(d->seen);
    free(d->from);
    free(d->last);
    free(d->to);
    free(d);
}

int diffuse_image(struct image *m, const struct palette *p, bool used[PALETTE_MAX + 1],
                  struct labels *v, struct err *e)
{
    struct diffusion *d = calloc(1, sizeof *d);
    if (!d || !make_room(d, m->width)) {
        diffusion_free(d);
        return err_set(e, "out of memory for dithering");
    }
    take_colours(d, p);
    labels_names_init(&d->names);
    for (int y = 0; y < m->height; y += BAND) {
        d->back = y / BAND % 2;
        hand_down(d);
        take_band(d, m, y, d->back);
        run_band(d);
        if (v)
            put_labels(d, m, y, v);
        else
            put_band(d, m, y, used);
    }
    diffusion_free(d);
    return 0;
}
