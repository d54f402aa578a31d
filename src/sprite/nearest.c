/* The nearest colour of a palette; see nearest.h. */
#include "sprite/nearest.h"

#include <float.h>
#include <math.h>
#include <string.h>

void colours_take(struct colours *k, const struct palette *p)
{
    k->count = p->n;
    k->n = (p->n + 7) / 8;
    for (int i = 0; i < k->n * 8; i++) {
        struct oklab c = i < p->n ? oklab_from_srgb(p->rgb[i]) : (struct oklab){1e6f, 0, 0};
        k->l[i / 8][i % 8] = c.l, k->a[i / 8][i % 8] = c.a, k->b[i / 8][i % 8] = c.b;
    }
}

int colours_best_lane(const float least[8], const int32_t index[8], float *found)
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
    *best = colours_best_lane(lanes, index, &d);
}

WIDE_TWINS(find_nearest, (const struct colours *k, struct oklab c, int *best), (k, c, best))

int colours_nearest(const struct colours *k, struct oklab c)
{
    int best;
    find_nearest(k, c, &best);
    return best;
}

/* ---- boxes ---- */

/* A box by its middle and half its sides. */
struct box {
    struct oklab middle, half;
};

static struct oklab colour(const struct colours *k, int i)
{
    return (struct oklab){k->l[i / 8][i % 8], k->a[i / 8][i % 8], k->b[i / 8][i % 8]};
}

/* By how much colour i is farther from the middle than the other one, and by how much that can
 * change within the box: the difference of two squared distances is linear, so it is least in a
 * corner. Where it stays above 0, i is nowhere the nearest. */
ALWAYS_INLINE void rule_out_loop(const struct colours *k, const struct box *x, int other,
                                 ints8 may[PALETTE_MAX / 8])
{
    const float slack = 1e-5f;
    struct oklab o = {k->l[other / 8][other % 8], k->a[other / 8][other % 8],
                      k->b[other / 8][other % 8]};
    float nearest = oklab_distance2(x->middle, o);
    for (int i = 0; i < k->n; i++) {
        lanes8 l = k->l[i] - x->middle.l, a = k->a[i] - x->middle.a, b = k->b[i] - x->middle.b;
        lanes8 farther = l * l + a * a + b * b - nearest;
        l = k->l[i] - o.l, a = k->a[i] - o.a, b = k->b[i] - o.b;
        l = LANES_PICK(l < 0, -l, l), a = LANES_PICK(a < 0, -a, a), b = LANES_PICK(b < 0, -b, b);
        lanes8 change = 2 * (l * x->half.l + a * x->half.a + b * x->half.b);
        may[i] = farther <= change + slack;
    }
}

WIDE_TWINS(rule_out,
           (const struct colours *k, const struct box *x, int other, ints8 may[PALETTE_MAX / 8]),
           (k, x, other, may))

/* Does one of the others rule colour i out? */
static bool is_ruled_out(const struct colours *k, const struct box *x, const uint8_t *list, int n,
                         int i)
{
    const float slack = 1e-5f;
    struct oklab c = colour(k, list[i]);
    float far = oklab_distance2(x->middle, c) - slack;
    for (int j = 0; j < n; j++) {
        struct oklab o = colour(k, list[j]);
        float l = fabsf(c.l - o.l), a = fabsf(c.a - o.a), b = fabsf(c.b - o.b);
        float change = 2 * (l * x->half.l + a * x->half.a + b * x->half.b);
        if (far - oklab_distance2(x->middle, o) > change)
            return true;
    }
    return false;
}

static struct box box_between(struct oklab low, struct oklab high)
{
    return (struct box){
        {0.5f * (low.l + high.l), 0.5f * (low.a + high.a), 0.5f * (low.b + high.b)},
        {0.5f * (high.l - low.l), 0.5f * (high.a - low.a), 0.5f * (high.b - low.b)}};
}

int colours_in_box(const struct colours *k, struct oklab low, struct oklab high, uint8_t *list)
{
    ints8 may[PALETTE_MAX / 8];
    struct box x = box_between(low, high);
    int n = 0;
    rule_out(k, &x, colours_nearest(k, x.middle), may);
    for (int i = 0; i < k->n; i++) {
        uint64_t any[4];
        memcpy(any, &may[i], sizeof any);
        if (!(any[0] | any[1] | any[2] | any[3]))
            continue;
        for (int j = 0; j < 8 && 8 * i + j < k->count; j++)
            if (may[i][j])
                list[n++] = (uint8_t)(8 * i + j);
    }
    return n;
}

int colours_in_box_exactly(const struct colours *k, struct oklab low, struct oklab high,
                           uint8_t *list)
{
    struct box x = box_between(low, high);
    int n = colours_in_box(k, low, high, list), left = 0;
    bool out[PALETTE_MAX];
    for (int i = 0; i < n; i++)
        out[i] = n > 2 && is_ruled_out(k, &x, list, n, i);
    for (int i = 0; i < n; i++)
        if (!out[i])
            list[left++] = list[i];
    return left;
}
