/* The background's colour and what is pale beside it; see judge.h. */
#include "sprite/judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab_lanes.h"

enum {
    BLOCK = 64,
    DROP = 8 - JUDGE_BITS,
    EDGES = JUDGE_SIDE + 1, /* of bins, from the first to the last */
    LANES = 40,             /* EDGES and some more, in eights */
};

enum { OTHER, GROUND, PALE, DOUBTFUL }; /* the first three are bits: GROUND 1, PALE 2 */

/* How much farther than its corners a bin's colour may be from its middle: Oklab is not straight.
 * tests/test_judge.c holds what is known of bins to each of their colours. */
static const float BEND = 1.03f, SLACK = 1e-4f;

static struct oklab seen(const uint8_t *p)
{
    return oklab_squeeze_dark(oklab_from_srgb(p));
}

/* ---- what is known of bins ---- */

/* Are all colours of which one byte is `d` from the middle, and none more, within the limit? */
static bool is_shell_in(const struct judge *k, const uint8_t middle[3], int d)
{
    for (int i = -d; i <= d; i++)
        for (int j = -d; j <= d; j++)
            for (int n = -d; n <= d; n += abs(i) == d || abs(j) == d ? 1 : 2 * d) {
                const int at[3] = {middle[0] + i, middle[1] + j, middle[2] + n};
                uint8_t rgb[3];
                for (int c = 0; c < 3; c++)
                    rgb[c] = (uint8_t)(at[c] < 0 ? 0 : at[c] > 255 ? 255 : at[c]);
                if (oklab_distance2(seen(rgb), k->color) > k->limit)
                    return false;
            }
    return true;
}

/* The largest cube of bytes around the background's colour that is known to be within the limit:
 * most of a background is. */
static void find_cube(struct judge *k, const uint8_t middle[3])
{
    enum { MOST_D = 12 };
    int d = 0;
    while (d < MOST_D && is_shell_in(k, middle, d + 1))
        d++;
    k->has_cube = oklab_distance2(seen(middle), k->color) <= k->limit;
    for (int c = 0; c < 3; c++) {
        int low = middle[c] - d, high = middle[c] + d;
        k->low[c] = (uint8_t)(low < 0 ? 0 : low);
        k->span[c] = (uint8_t)((high > 255 ? 255 : high) - k->low[c]);
    }
}

/* Squeezed colours side by side, of a red and a green each with every bin's blue. */
struct blues {
    float l[LANES], a[LANES], b[LANES];
};

/* Bytes at the edge below bin i, or in its middle. */
static inline int edge(int i)
{
    return i < JUDGE_SIDE ? i << DROP : 255;
}

static inline int middle(int i)
{
    return (i << DROP) + (1 << (DROP - 1));
}

ALWAYS_INLINE void take_blues(int red, int green, bool edges, struct blues *to)
{
    const float r = oklab_curve[2 * red], g = oklab_curve[2 * green];
    for (int i = 0; i < LANES; i++) {
        int at = i < JUDGE_SIDE ? i : JUDGE_SIDE;
        to->b[i] = oklab_curve[2 * (edges || at == JUDGE_SIDE ? edge(at) : middle(at))];
    }
    for (int i = 0; i < LANES; i++) {
        struct oklab c = oklab_squeeze(oklab_convert(r, g, to->b[i]));
        to->l[i] = c.l, to->a[i] = c.a, to->b[i] = c.b;
    }
}

/* The bins of a red and a green. at: their edges, [red][green] below and above. */
ALWAYS_INLINE void judge_bins(const struct judge *k, const struct blues *mid,
                              const struct blues *const at[2][2], uint8_t kind[JUDGE_SIDE])
{
    const struct oklab c = k->color;
    const float limit = sqrtf(k->limit), pale = sqrtf(k->pale);
    float far[JUDGE_SIDE] = {0}, near[JUDGE_SIDE];
    for (int n = 0; n < 8; n++) {
        const struct blues *e = at[n >> 2][n >> 1 & 1];
        for (int i = 0; i < JUDGE_SIDE; i++) {
            float l = e->l[i + (n & 1)] - mid->l[i], a = e->a[i + (n & 1)] - mid->a[i],
                  b = e->b[i + (n & 1)] - mid->b[i], d = l * l + a * a + b * b;
            far[i] = d > far[i] ? d : far[i];
        }
    }
    for (int i = 0; i < JUDGE_SIDE; i++) {
        float l = c.l - mid->l[i], a = c.a - mid->a[i], b = c.b - mid->b[i];
        near[i] = sqrtf(l * l + a * a + b * b), far[i] = sqrtf(far[i]) * BEND + SLACK;
    }
    for (int i = 0; i < JUDGE_SIDE; i++) {
        float least = near[i] - far[i], most = near[i] + far[i];
        int in = most <= limit ? GROUND : least > limit && most <= pale ? PALE : DOUBTFUL;
        kind[i] = (uint8_t)(least > pale ? OTHER : in);
    }
}

ALWAYS_INLINE void find_kinds_loop(struct judge *k)
{
    struct blues edges[2][EDGES], mid;
    for (int g = 0; g < EDGES; g++)
        take_blues(0, edge(g), true, &edges[0][g]);
    for (int r = 0; r < JUDGE_SIDE; r++) {
        struct blues *below = edges[r & 1], *above = edges[!(r & 1)];
        for (int g = 0; g < EDGES; g++)
            take_blues(edge(r + 1), edge(g), true, &above[g]);
        for (int g = 0; g < JUDGE_SIDE; g++) {
            const struct blues *const at[2][2] = {{&below[g], &below[g + 1]},
                                                  {&above[g], &above[g + 1]}};
            take_blues(middle(r), middle(g), false, &mid);
            judge_bins(k, &mid, at, k->kind + (r * JUDGE_SIDE + g) * JUDGE_SIDE);
        }
    }
}

WIDE_TWINS(find_kinds, (struct judge * k), (k))

void judge_init(struct judge *k, struct oklab color, const uint8_t rgb[3], float limit, float pale,
                bool many)
{
    k->color = color, k->limit = limit, k->pale = pale;
    k->has_cube = false;
    if (many) {
        find_cube(k, rgb);
        find_kinds(k);
    } else {
        memset(k->kind, DOUBTFUL, sizeof k->kind);
    }
}

/* ---- pixels ---- */

/* Are a whole block's colours surely the background's? */
ALWAYS_INLINE bool is_plain(const uint8_t low[32], const uint8_t span[32], const uint8_t *p)
{
    uint8_t off = 0;
    for (int from = 0; from < 4 * BLOCK && !off; from += 32)
        for (int i = 0; i < 32; i++)
            off |= (uint8_t)(p[from + i] - low[i]) > span[i];
    return !off;
}

/* Bit n of eight bytes, the lowest byte's first. */
static inline uint64_t bits_of(uint64_t eight, int n)
{
    return ((eight >> n & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080)) >> 56;
}

/* What is known of a block's pixels; both bits where nothing is. */
ALWAYS_INLINE void take_known(const struct judge *k, const uint8_t *p, int n, uint64_t *ground,
                              uint64_t *pales)
{
    uint32_t bin[BLOCK];
    if (n < BLOCK)
        memset(bin, 0, sizeof bin);
    for (int i = 0; i < n; i++)
        bin[i] = (uint32_t)p[4 * i] | (uint32_t)p[4 * i + 1] << 8 | (uint32_t)p[4 * i + 2] << 16;
    for (int i = 0; i < BLOCK; i++) {
        uint32_t v = bin[i];
        bin[i] = (v >> DROP & (JUDGE_SIDE - 1)) << 2 * JUDGE_BITS |
                 (v >> (8 + DROP) & (JUDGE_SIDE - 1)) << JUDGE_BITS | v >> (16 + DROP);
    }
    *ground = *pales = 0;
    for (int i = 0; i < BLOCK; i += 8) {
        uint64_t eight = 0;
        for (int j = 0; j < 8; j++)
            eight |= (uint64_t)k->kind[bin[i + j]] << 8 * j;
        *ground |= bits_of(eight, 0) << i;
        *pales |= bits_of(eight, 1) << i;
    }
    uint64_t past = n < BLOCK ? ~UINT64_C(0) << n : 0;
    *ground &= ~past, *pales &= ~past;
}

/* Pixels of which nothing was known keep the bit that is right, or none. */
ALWAYS_INLINE void convert_doubtful(const struct judge *k, const uint8_t *p, uint64_t *ground,
                                    uint64_t *pales)
{
    float r[BLOCK], g[BLOCK], b[BLOCK];
    uint8_t list[BLOCK];
    int count = 0;
    for (uint64_t left = *ground & *pales; left; left &= left - 1)
        list[count++] = (uint8_t)__builtin_ctzll(left);
    int whole = (count + 7) & ~7;
    for (int i = 0; i < whole; i++) {
        const uint8_t *at = p + 4 * list[i < count ? i : 0];
        r[i] = oklab_curve[2 * at[0]], g[i] = oklab_curve[2 * at[1]];
        b[i] = oklab_curve[2 * at[2]];
    }
    for (int i = 0; i < whole; i++) {
        struct oklab c = oklab_squeeze(oklab_convert(r[i], g[i], b[i]));
        r[i] = oklab_distance2(c, k->color);
    }
    uint64_t off = 0, far = 0;
    for (int i = 0; i < count; i++) {
        off |= (uint64_t)(r[i] > k->limit) << list[i];
        far |= (uint64_t)(r[i] > k->pale) << list[i];
    }
    *ground &= ~off;
    *pales &= ~far & ~*ground;
}

ALWAYS_INLINE void rows_loop(const struct judge *k, const uint8_t *p, int width, uint64_t *ground,
                             uint64_t *pales)
{
    uint8_t low[32], span[32]; /* the cube, of eight pixels */
    for (int i = 0; i < 32; i++)
        low[i] = i % 4 == 3 ? 0 : k->low[i % 4], span[i] = i % 4 == 3 ? 255 : k->span[i % 4];
    for (int from = 0; from < width; from += BLOCK) {
        const uint8_t *q = p + 4 * (size_t)from;
        int n = width - from < BLOCK ? width - from : BLOCK;
        uint64_t near = ~UINT64_C(0), far = 0;
        if (!k->has_cube || n < BLOCK || !is_plain(low, span, q)) {
            take_known(k, q, n, &near, &far);
            if (near & far)
                convert_doubtful(k, q, &near, &far);
        }
        ground[from / BLOCK] = near, pales[from / BLOCK] = far;
    }
}

WIDE_TWINS(rows,
           (const struct judge *k, const uint8_t *p, int width, uint64_t *ground, uint64_t *pales),
           (k, p, width, ground, pales))

void judge_row(const struct judge *k, const uint8_t *rgba, int width, uint64_t *ground,
               uint64_t *pales)
{
    rows(k, rgba, width, ground, pales);
}
