/* The colours of eight cells at once; see cells_lanes.h. */
#include "sprite/cells_lanes.h"

#include <string.h>

#include "sprite/oklab_lanes.h"

enum {
    N = CELL_LANES,
    FLAT = 6,   /* a cell whose bytes differ by no more than this has one colour */
    ROUNDS = 4, /* of k-means */
    ALIKE = 16, /* bytes that differ by less are one colour to CELL_DOMINANT */
};

/* Groups nearer than this (Oklab) are shades of one colour. */
static const float ONE_COLOUR = 0.04f;

/* Sums and means of a lane's samples: l, a, b, weight. */
struct lanes {
    lanes8 at[4];
};

/* ---- what is done sample by sample, eight lanes at a time ---- */

/* Which cells are of one colour, of noise apart. */
ALWAYS_INLINE void find_flat_loop(const struct cell_batch *k, int flat[N])
{
    int spread[N] = {0};
    for (int c = 0; c < 3; c++) {
        uint8_t low[N], high[N];
        memcpy(low, k->rgb[c][0], N);
        memcpy(high, k->rgb[c][0], N);
        for (int i = 1; i < k->count; i++)
            for (int j = 0; j < N; j++) {
                uint8_t v = k->rgb[c][i][j];
                low[j] = v < low[j] ? v : low[j];
                high[j] = v > high[j] ? v : high[j];
            }
        for (int j = 0; j < N; j++)
            spread[j] = high[j] - low[j] > spread[j] ? high[j] - low[j] : spread[j];
    }
    for (int j = 0; j < N; j++)
        flat[j] = spread[j] <= FLAT;
}

ALWAYS_INLINE void convert(struct cell_batch *k)
{
    for (int i = 0; i < k->count; i++) {
        float x[3][N];
        for (int c = 0; c < 3; c++)
            for (int j = 0; j < N; j++)
                x[c][j] = oklab_curve[2 * k->rgb[c][i][j]];
        for (int j = 0; j < N; j++) {
            struct oklab v = oklab_convert(x[0][j], x[1][j], x[2][j]);
            x[0][j] = v.l, x[1][j] = v.a, x[2][j] = v.b;
        }
        for (int c = 0; c < 3; c++)
            memcpy(&k->lab[c][i], x[c], sizeof x[c]);
    }
}

/* Of the samples with in[i] == 1 in the lane; in NULL: of all. */
ALWAYS_INLINE void add_up(const struct cell_batch *k, const lanes8 *in, struct lanes *sum)
{
    lanes8 l = {0}, a = {0}, b = {0}, all = {0};
    for (int i = 0; i < k->count; i++) {
        lanes8 w = in ? k->weight[i] * in[i] : k->weight[i];
        l += w * k->lab[0][i], a += w * k->lab[1][i], b += w * k->lab[2][i];
        all += w;
    }
    *sum = (struct lanes){{l, a, b, all}};
}

/* Means of groups that nobody is in stay. */
ALWAYS_INLINE void take_means(const struct lanes *sum, struct lanes *mean)
{
    lanes8 none = {0};
    for (int c = 0; c < 3; c++)
        mean->at[c] = LANES_PICK(sum->at[3] > none, sum->at[c] / sum->at[3], mean->at[c]);
}

ALWAYS_INLINE void distance2(const struct cell_batch *k, int i, const struct lanes *m, lanes8 *d)
{
    lanes8 l = k->lab[0][i] - m->at[0], a = k->lab[1][i] - m->at[1], b = k->lab[2][i] - m->at[2];
    *d = l * l + a * a + b * b;
}

ALWAYS_INLINE void farthest_from(const struct cell_batch *k, const struct lanes *from,
                                 struct lanes *found)
{
    lanes8 none = {0}, best = none - 1, d;
    for (int i = 0; i < k->count; i++) {
        distance2(k, i, from, &d);
        ints8 more = d > best;
        best = LANES_PICK(more, d, best);
        for (int c = 0; c < 3; c++)
            found->at[c] = LANES_PICK(more, k->lab[c][i], found->at[c]);
    }
}

/* k-means with two groups, begun at the two ends of the cell's colours. */
ALWAYS_INLINE void heavier_half(const struct cell_batch *k, struct lanes *color)
{
    lanes8 second[CELL_SAMPLES]; /* 1: in the second group, else in the first */
    lanes8 none = {0}, to[2];
    struct lanes all, sum[2], mean[2] = {0}, middle = {0};
    add_up(k, NULL, &all);
    take_means(&all, &middle);
    farthest_from(k, &middle, &mean[0]);
    farthest_from(k, &mean[0], &mean[1]);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < k->count; i++) {
            distance2(k, i, &mean[0], &to[0]);
            distance2(k, i, &mean[1], &to[1]);
            second[i] = LANES_PICK(to[1] < to[0], none + 1, none);
        }
        add_up(k, second, &sum[1]);
        for (int c = 0; c < 4; c++)
            sum[0].at[c] = all.at[c] - sum[1].at[c];
        take_means(&sum[0], &mean[0]);
        take_means(&sum[1], &mean[1]);
    }
    lanes8 l = mean[0].at[0] - mean[1].at[0], a = mean[0].at[1] - mean[1].at[1];
    lanes8 b = mean[0].at[2] - mean[1].at[2];
    ints8 one = l * l + a * a + b * b < ONE_COLOUR * ONE_COLOUR;
    ints8 last = sum[1].at[3] > sum[0].at[3];
    for (int c = 0; c < 3; c++) {
        lanes8 heavier = LANES_PICK(last, mean[1].at[c], mean[0].at[c]);
        color->at[c] = LANES_PICK(one, middle.at[c], heavier);
    }
}

ALWAYS_INLINE void colors_loop(struct cell_batch *k, enum cell_method method, struct lanes *color)
{
    convert(k);
    if (method == CELL_CENTROID) {
        heavier_half(k, color);
    } else if (method != CELL_DOMINANT) {
        struct lanes sum;
        add_up(k, NULL, &sum);
        take_means(&sum, color);
    }
}

WIDE_TWINS(colors, (struct cell_batch * k, enum cell_method method, struct lanes *color),
           (k, method, color))

WIDE_TWINS(find_flat, (const struct cell_batch *k, int flat[N]), (k, flat))

/* ---- what is done cell by cell ---- */

/* Of bytes: for colours so near each other any space gives the same. */
static void mean_of_bytes(const struct cell_batch *k, int lane, uint8_t rgb[3])
{
    int64_t weight = 0, sum[3] = {0};
    for (int i = 0; i < k->count; i++) {
        int w = (int)k->weight[i][lane];
        weight += w;
        for (int c = 0; c < 3; c++)
            sum[c] += (int64_t)w * k->rgb[c][i][lane];
    }
    for (int c = 0; c < 3; c++)
        rgb[c] = (uint8_t)((sum[c] + weight / 2) / weight);
}

static bool alike(const struct cell_batch *k, int lane, int p, int q)
{
    for (int c = 0; c < 3; c++) {
        int d = k->rgb[c][p][lane] - k->rgb[c][q][lane];
        if (d >= ALIKE || d <= -ALIKE)
            return false;
    }
    return true;
}

/* The colour that has the greatest weight of others like it, and the mean of those. Of two with the
 * same weight, the first. */
static struct oklab most_frequent(const struct cell_batch *k, int lane)
{
    float most = 0, sum[4] = {0};
    int best = 0;
    for (int i = 0; i < k->count; i++) {
        float weight = 0;
        for (int j = 0; j < k->count; j++)
            weight += alike(k, lane, i, j) ? k->weight[j][lane] : 0;
        if (weight > most)
            most = weight, best = i;
    }
    for (int j = 0; j < k->count; j++) {
        float w = alike(k, lane, best, j) ? k->weight[j][lane] : 0;
        for (int c = 0; c < 3; c++)
            sum[c] += w * k->lab[c][j][lane];
        sum[3] += w;
    }
    return (struct oklab){sum[0] / sum[3], sum[1] / sum[3], sum[2] / sum[3]};
}

void cell_batch_finish(struct cell_batch *k, enum cell_method method)
{
    int flat[N], rough = 0;
    struct lanes color = {0};
    if (k->n == 0)
        return;
    for (int j = k->n; j < N; j++) /* lanes that are not needed compute what the first does */
        for (int i = 0; i < k->count; i++) {
            k->weight[i][j] = k->weight[i][0];
            for (int c = 0; c < 3; c++)
                k->rgb[c][i][j] = k->rgb[c][i][0];
        }
    find_flat(k, flat);
    for (int j = 0; j < k->n; j++)
        rough += !flat[j];
    if (rough)
        colors(k, method, &color);
    for (int j = 0; j < k->n; j++) {
        struct oklab c = {color.at[0][j], color.at[1][j], color.at[2][j]};
        if (flat[j])
            mean_of_bytes(k, j, k->out[j]);
        else
            oklab_to_srgb(method == CELL_DOMINANT ? most_frequent(k, j) : c, k->out[j]);
    }
    k->n = 0;
}
