/*
 * Group and layer norms.
 *
 * A group norm's statistics: an image is cut into pieces of rows whose size depends on the channels
 * alone, so the result does not depend on the threads. In each piece (small enough for the second
 * pass to read it from cache) the mean of a group comes first, as a sum of differences from a value
 * of the group, and then the squares about it; pieces are joined in double by Chan, Golub and
 * LeVeque's update ("Algorithms for computing the sample variance", 1983). Nothing cancels,
 * whatever the mean: what a mean loses when it becomes a float is made up for in the squares and
 * the shift.
 *
 * Sums run down the channels, one accumulator a channel: vector code without reordering a sum.
 */
#include "ops/cpu_norm.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/cpu_math.h"
#include "ops/cpu_sizes.h"

enum { LANES = 16 };

/* -- group norm --------------------------------------------------------------------------- */

struct part { /* of one group in one piece */
    double mean, squares;
};

CPU_INLINE void add_row_typed(float *sum, const float *from, const void *x, enum dtype type,
                              int64_t c)
{
    CPU_LOOP
    for (int64_t i = 0; i < c; i++)
        sum[i] += cpu_load(x, type, i) - from[i];
}

CPU_INLINE void add_row_body(float *sum, const float *from, const void *x, enum dtype type,
                             int64_t c)
{
    if (type == DT_F32)
        add_row_typed(sum, from, x, DT_F32, c);
    else
        add_row_typed(sum, from, x, DT_BF16, c);
}

CPU_VERSIONS(add_row, (float *sum, const float *from, const void *x, enum dtype type, int64_t c),
             (sum, from, x, type, c));

CPU_INLINE void add_squares_typed(float *sum, const float *mean, const void *x, enum dtype type,
                                  int64_t c)
{
    CPU_LOOP
    for (int64_t i = 0; i < c; i++) {
        float d = cpu_load(x, type, i) - mean[i];
        sum[i] += d * d;
    }
}

CPU_INLINE void add_squares_body(float *sum, const float *mean, const void *x, enum dtype type,
                                 int64_t c)
{
    if (type == DT_F32)
        add_squares_typed(sum, mean, x, DT_F32, c);
    else
        add_squares_typed(sum, mean, x, DT_BF16, c);
}

CPU_VERSIONS(add_squares,
             (float *sum, const float *mean, const void *x, enum dtype type, int64_t c),
             (sum, mean, x, type, c));

struct coefficients { /* y = (x - mean) * scale + shift, a channel */
    const float *mean, *scale, *shift;
};

CPU_INLINE void apply_typed(void *y, enum dtype y_type, const void *x, enum dtype x_type,
                            struct coefficients k, int64_t c, bool silu)
{
    CPU_LOOP
    for (int64_t i = 0; i < c; i++) {
        float v = (cpu_load(x, x_type, i) - k.mean[i]) * k.scale[i] + k.shift[i];
        cpu_store(y, y_type, i, silu ? cpu_silu(v) : v);
    }
}

CPU_INLINE void apply_silu(void *y, enum dtype y_type, const void *x, enum dtype x_type,
                           struct coefficients k, int64_t c, bool silu)
{
    if (silu)
        apply_typed(y, y_type, x, x_type, k, c, true);
    else
        apply_typed(y, y_type, x, x_type, k, c, false);
}

CPU_INLINE void apply_body(void *y, enum dtype y_type, const void *x, enum dtype x_type,
                           struct coefficients k, int64_t c, bool silu)
{
    if (x_type != DT_F32)
        apply_silu(y, DT_BF16, x, DT_BF16, k, c, silu);
    else if (y_type == DT_F32)
        apply_silu(y, DT_F32, x, DT_F32, k, c, silu);
    else
        apply_silu(y, DT_BF16, x, DT_F32, k, c, silu);
}

CPU_VERSIONS(apply,
             (void *y, enum dtype y_type, const void *x, enum dtype x_type, struct coefficients k,
              int64_t c, bool silu),
             (y, y_type, x, x_type, k, c, silu));

struct group_job {
    const struct cpu_group_norm *g;
    enum cpu_isa isa;
    int64_t step, count; /* rows a piece, pieces an image */
    struct part *parts;  /* [n, count, groups] */
    float *table;        /* [n, 3, c]: mean, scale and shift of each channel */
    float *own;          /* [threads, 2, c]: sums, what they are about */
};

static void set_pieces(struct group_job *j, const struct cpu_group_norm *g)
{
    j->step = cpu_piece_rows(g->c);
    j->count = (g->rows + j->step - 1) / j->step;
}

size_t cpu_group_norm_scratch(const struct cpu *cpu, const struct cpu_group_norm *g)
{
    struct group_job j;
    set_pieces(&j, g);
    size_t parts = (size_t)g->n * (size_t)j.count * (size_t)g->groups * sizeof(struct part);
    return cpu_whole_lines(parts) +
           cpu_whole_lines((size_t)g->n * 3 * (size_t)g->c * sizeof(float)) +
           cpu_whole_lines((size_t)cpu->threads * 2 * (size_t)g->c * sizeof(float));
}

static const char *row_of(const struct cpu_group_norm *g, int64_t image, int64_t row)
{
    return (const char *)g->x + (size_t)((image * g->rows + row) * g->c) * dtype_size(g->x_type);
}

static double sum_of(const float *v, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++)
        sum += v[i];
    return sum;
}

static void fill(float *v, int64_t count, float value)
{
    for (int64_t i = 0; i < count; i++)
        v[i] = value;
}

static void measure_piece(void *context, int64_t index, int thread)
{
    const struct group_job *j = context;
    const struct cpu_group_norm *g = j->g;
    int64_t image = index / j->count, first = index % j->count * j->step;
    int64_t last = cpu_smaller(first + j->step, g->rows), per_group = g->c / g->groups;
    double size = (double)(per_group * (last - first));
    float *sum = j->own + (int64_t)thread * 2 * g->c, *about = sum + g->c;
    struct part *part = j->parts + index * g->groups;
    for (int64_t i = 0; i < g->groups; i++)
        fill(about + i * per_group, per_group,
             cpu_load(row_of(g, image, first), g->x_type, i * per_group));
    fill(sum, g->c, 0);
    for (int64_t r = first; r < last; r++)
        add_row[j->isa](sum, about, row_of(g, image, r), g->x_type, g->c);
    for (int64_t i = 0; i < g->groups; i++) {
        int64_t at = i * per_group;
        part[i].mean = (double)about[at] + sum_of(sum + at, per_group) / size;
        fill(about + at, per_group, (float)part[i].mean);
    }
    fill(sum, g->c, 0);
    for (int64_t r = first; r < last; r++)
        add_squares[j->isa](sum, about, row_of(g, image, r), g->x_type, g->c);
    for (int64_t i = 0; i < g->groups; i++) {
        double lost = part[i].mean - (double)about[i * per_group];
        part[i].squares = sum_of(sum + i * per_group, per_group) - size * lost * lost;
    }
}

/* Joins the pieces of one group of one image. */
static struct part join(const struct group_job *j, int64_t image, int64_t group, double *count)
{
    const struct cpu_group_norm *g = j->g;
    struct part all = {0, 0};
    double seen = 0;
    for (int64_t p = 0; p < j->count; p++) {
        const struct part *one = &j->parts[(image * j->count + p) * g->groups + group];
        double size = (double)(cpu_smaller(j->step, g->rows - p * j->step) * (g->c / g->groups));
        double delta = one->mean - all.mean;
        all.mean += delta * size / (seen + size);
        all.squares += one->squares + delta * delta * seen * size / (seen + size);
        seen += size;
    }
    *count = seen;
    return all;
}

static void set_table(const struct group_job *j)
{
    const struct cpu_group_norm *g = j->g;
    int64_t per_group = g->c / g->groups;
    for (int64_t image = 0; image < g->n; image++) {
        float *mean = j->table + image * 3 * g->c, *scale = mean + g->c, *shift = scale + g->c;
        for (int64_t i = 0; i < g->groups; i++) {
            double count;
            struct part all = join(j, image, i, &count);
            double inverse = 1.0 / sqrt(fmax(all.squares, 0) / count + (double)g->eps);
            for (int64_t k = i * per_group; k < (i + 1) * per_group; k++) {
                mean[k] = (float)all.mean;
                scale[k] = (float)(inverse * (double)g->gamma[k]);
                shift[k] = (float)((g->beta ? (double)g->beta[k] : 0) -
                                   (all.mean - (double)mean[k]) * inverse * (double)g->gamma[k]);
            }
        }
    }
}

static void apply_piece(void *context, int64_t index, int thread)
{
    const struct group_job *j = context;
    const struct cpu_group_norm *g = j->g;
    (void)thread;
    int64_t image = index / j->count, first = index % j->count * j->step;
    int64_t last = cpu_smaller(first + j->step, g->rows);
    const float *mean = j->table + image * 3 * g->c;
    struct coefficients k = {mean, mean + g->c, mean + 2 * g->c};
    for (int64_t r = first; r < last; r++) {
        size_t at = (size_t)((image * g->rows + r) * g->c) * dtype_size(g->y_type);
        apply[j->isa]((char *)g->y + at, g->y_type, row_of(g, image, r), g->x_type, k, g->c,
                      g->silu);
    }
}

void cpu_group_norm(const struct cpu *cpu, const struct cpu_group_norm *g, void *scratch)
{
    struct group_job j = {.g = g, .isa = cpu->features.isa};
    set_pieces(&j, g);
    size_t parts = (size_t)g->n * (size_t)j.count * (size_t)g->groups * sizeof(struct part);
    j.parts = scratch;
    j.table = (float *)((char *)scratch + cpu_whole_lines(parts));
    j.own = (float *)((char *)j.table +
                      cpu_whole_lines((size_t)g->n * 3 * (size_t)g->c * sizeof(float)));
    parallel_for(cpu->threads, g->n * j.count, measure_piece, &j);
    set_table(&j);
    parallel_for(cpu->threads, g->n * j.count, apply_piece, &j);
}

/* -- layer norm --------------------------------------------------------------------------- */

CPU_INLINE float sum_lanes(const float *lane)
{
    float s[LANES / 2];
    for (int i = 0; i < LANES / 2; i++)
        s[i] = lane[i] + lane[i + LANES / 2];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

CPU_INLINE void layer_norm_typed(void *y, enum dtype y_type, const void *x, enum dtype type,
                                 int64_t c, const float *gamma, const float *beta, float eps)
{
    /* Everything as differences from one value, so that a large mean costs no digits. */
    float lane[LANES] = {0}, from = cpu_load(x, type, 0), mean, squares;
    int64_t whole = c / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += cpu_load(x, type, i + k) - from;
    for (int64_t i = whole; i < c; i++)
        lane[i - whole] += cpu_load(x, type, i) - from;
    mean = sum_lanes(lane) / (float)c;
    for (int k = 0; k < LANES; k++)
        lane[k] = 0;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float d = (cpu_load(x, type, i + k) - from) - mean;
            lane[k] += d * d;
        }
    for (int64_t i = whole; i < c; i++) {
        float d = (cpu_load(x, type, i) - from) - mean;
        lane[i - whole] += d * d;
    }
    squares = sum_lanes(lane) / (float)c;
    float inverse = 1.0f / __builtin_sqrtf(squares + eps);
    if (beta != NULL) {
        CPU_LOOP
        for (int64_t i = 0; i < c; i++)
            cpu_store(y, y_type, i,
                      ((cpu_load(x, type, i) - from) - mean) * inverse * gamma[i] + beta[i]);
    } else {
        CPU_LOOP
        for (int64_t i = 0; i < c; i++)
            cpu_store(y, y_type, i, ((cpu_load(x, type, i) - from) - mean) * inverse * gamma[i]);
    }
}

CPU_INLINE void layer_norm_body(void *y, enum dtype y_type, const void *x, enum dtype x_type,
                                int64_t c, const float *gamma, const float *beta, float eps)
{
    if (x_type != DT_F32)
        layer_norm_typed(y, DT_BF16, x, DT_BF16, c, gamma, beta, eps);
    else if (y_type == DT_F32)
        layer_norm_typed(y, DT_F32, x, DT_F32, c, gamma, beta, eps);
    else
        layer_norm_typed(y, DT_BF16, x, DT_F32, c, gamma, beta, eps);
}

CPU_VERSIONS(layer_norm,
             (void *y, enum dtype y_type, const void *x, enum dtype x_type, int64_t c,
              const float *gamma, const float *beta, float eps),
             (y, y_type, x, x_type, c, gamma, beta, eps));

struct layer_job {
    const struct cpu_layer_norm *n;
    enum cpu_isa isa;
    int64_t step; /* rows a piece */
};

static void layer_piece(void *context, int64_t index, int thread)
{
    const struct layer_job *j = context;
    const struct cpu_layer_norm *n = j->n;
    (void)thread;
    int64_t last = cpu_smaller((index + 1) * j->step, n->rows);
    for (int64_t r = index * j->step; r < last; r++) {
        size_t at = (size_t)(r * n->c);
        void *y = (char *)n->y + at * dtype_size(n->y_type);
        const void *x = (const char *)n->x + at * dtype_size(n->x_type);
        layer_norm[j->isa](y, n->y_type, x, n->x_type, n->c, n->gamma, n->beta, n->eps);
    }
}

void cpu_layer_norm(const struct cpu *cpu, const struct cpu_layer_norm *n)
{
    struct layer_job j = {.n = n, .isa = cpu->features.isa, .step = cpu_piece_rows(n->c)};
    parallel_for(cpu->threads, (n->rows + j.step - 1) / j.step, layer_piece, &j);
}
