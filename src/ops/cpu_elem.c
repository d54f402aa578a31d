/*
 * Elementwise kernels: a body of plain C each, compiled for every level, and the threaded loops
 * over them. All are bound by memory, so pieces are sized to be worth a thread's while (64 KiB and
 * up) and no more is tuned.
 */
#include <math.h>

#include "ops/cpu_elem.h"

#include <string.h>

#include "base/parallel.h"
#include "ops/cpu_math.h"

static int64_t pieces(int64_t count, int64_t piece)
{
    return (count + piece - 1) / piece;
}

/* -- conversion --------------------------------------------------------------------------- */

CPU_INLINE void convert_typed(void *dst, enum dtype dt, const void *src, enum dtype st, int64_t n)
{
    CPU_LOOP
    for (int64_t i = 0; i < n; i++)
        cpu_store(dst, dt, i, cpu_load(src, st, i));
}

CPU_INLINE void convert_body(void *dst, enum dtype dt, const void *src, enum dtype st, int64_t n)
{
    if (dt == DT_F32 && st == DT_F16)
        convert_typed(dst, DT_F32, src, DT_F16, n);
    else if (dt == DT_F32)
        convert_typed(dst, DT_F32, src, DT_BF16, n);
    else if (st == DT_F32 && dt == DT_F16)
        convert_typed(dst, DT_F16, src, DT_F32, n);
    else if (st == DT_F32)
        convert_typed(dst, DT_BF16, src, DT_F32, n);
    else
        convert_typed(dst, DT_BF16, src, DT_F16, n);
}

CPU_VERSIONS(convert, (void *dst, enum dtype dt, const void *src, enum dtype st, int64_t n),
             (dst, dt, src, st, n));

struct convert_job {
    enum cpu_isa isa;
    char *dst;
    const char *src;
    enum dtype dt, st;
    int64_t dst_ld, src_ld, rows, c;
};

void cpu_convert_row(enum cpu_isa isa, void *dst, enum dtype dst_type, const void *src,
                     enum dtype src_type, int64_t count)
{
    if (dst_type == src_type)
        memcpy(dst, src, (size_t)count * dtype_size(dst_type));
    else
        convert[isa](dst, dst_type, src, src_type, count);
}

static void convert_piece(void *context, int64_t index, int thread)
{
    const struct convert_job *j = context;
    (void)thread;
    int64_t step = cpu_piece_rows(j->c), end = cpu_smaller((index + 1) * step, j->rows);
    for (int64_t r = index * step; r < end; r++) {
        char *dst = j->dst + (size_t)(r * j->dst_ld) * dtype_size(j->dt);
        const char *src = j->src + (size_t)(r * j->src_ld) * dtype_size(j->st);
        cpu_convert_row(j->isa, dst, j->dt, src, j->st, j->c);
    }
}

void cpu_convert_rows(const struct cpu *cpu, void *dst, enum dtype dst_type, int64_t dst_ld,
                      const void *src, enum dtype src_type, int64_t src_ld, int64_t rows, int64_t c)
{
    assert(dst_type == DT_F32 || src_type == DT_F32 || dst_type == src_type || dst_type == DT_BF16);
    if (dst_ld == c && src_ld == c && rows * c % CPU_PIECE == 0) /* long rows: fewer, even pieces */
        rows = rows * c / CPU_PIECE, c = dst_ld = src_ld = CPU_PIECE;
    struct convert_job j = {
        cpu->features.isa, dst, src, dst_type, src_type, dst_ld, src_ld, rows, c};
    parallel_for(cpu->threads, pieces(rows, cpu_piece_rows(c)), convert_piece, &j);
}

void cpu_convert(const struct cpu *cpu, void *dst, enum dtype dst_type, const void *src,
                 enum dtype src_type, int64_t count)
{
    int64_t whole = count / CPU_PIECE, rest = count % CPU_PIECE;
    if (whole > 0)
        cpu_convert_rows(cpu, dst, dst_type, CPU_PIECE, src, src_type, CPU_PIECE, whole, CPU_PIECE);
    if (rest > 0)
        cpu_convert_rows(cpu, (char *)dst + (size_t)(whole * CPU_PIECE) * dtype_size(dst_type),
                         dst_type, rest,
                         (const char *)src + (size_t)(whole * CPU_PIECE) * dtype_size(src_type),
                         src_type, rest, 1, rest);
}

/* -- functions of one value --------------------------------------------------------------- */

/* tanh t = 1 - 2 / (exp(2 t) + 1) */
CPU_INLINE float map_value(enum map_kind f, float x, float a, float b)
{
    if (f == MAP_RELU)
        return x < 0 ? 0 : x; /* what is no number stays */
    return f == MAP_SOFT_CLIP ? a - 2 * a / (cpu_exp(2 * x / a) + 1) : a * x + b;
}

CPU_INLINE void map_all(void *y, enum dtype yt, const void *x, enum dtype xt, enum map_kind f,
                        float a, float b, int64_t n)
{
    CPU_LOOP
    for (int64_t i = 0; i < n; i++)
        cpu_store(y, yt, i, map_value(f, cpu_load(x, xt, i), a, b));
}

CPU_INLINE void map_typed(void *y, enum dtype yt, const void *x, enum dtype xt, enum map_kind f,
                          float a, float b, int64_t n)
{
    if (f == MAP_RELU)
        map_all(y, yt, x, xt, MAP_RELU, a, b, n);
    else if (f == MAP_SOFT_CLIP)
        map_all(y, yt, x, xt, MAP_SOFT_CLIP, a, b, n);
    else
        map_all(y, yt, x, xt, MAP_LINE, a, b, n);
}

CPU_INLINE void map_body(const struct cpu_map *m, void *y, const void *x, int64_t n)
{
    if (m->y_type == DT_F32 && m->x_type == DT_F32)
        map_typed(y, DT_F32, x, DT_F32, m->f, m->a, m->b, n);
    else if (m->y_type == DT_F32)
        map_typed(y, DT_F32, x, DT_BF16, m->f, m->a, m->b, n);
    else if (m->x_type == DT_F32)
        map_typed(y, DT_BF16, x, DT_F32, m->f, m->a, m->b, n);
    else
        map_typed(y, DT_BF16, x, DT_BF16, m->f, m->a, m->b, n);
}

CPU_VERSIONS(map, (const struct cpu_map *m, void *y, const void *x, int64_t n), (m, y, x, n));

struct map_job {
    enum cpu_isa isa;
    const struct cpu_map *map;
    int64_t count;
};

static void map_piece(void *context, int64_t index, int thread)
{
    const struct map_job *j = context;
    (void)thread;
    int64_t at = index * CPU_PIECE;
    map[j->isa](j->map, (char *)j->map->y + (size_t)at * dtype_size(j->map->y_type),
                (const char *)j->map->x + (size_t)at * dtype_size(j->map->x_type),
                cpu_smaller(CPU_PIECE, j->count - at));
}

void cpu_map(const struct cpu *cpu, const struct cpu_map *m, int64_t count)
{
    struct map_job j = {cpu->features.isa, m, count};
    parallel_for(cpu->threads, pieces(count, CPU_PIECE), map_piece, &j);
}

/* -- the gate of a GEGLU ------------------------------------------------------------------ */

CPU_INLINE void gate_body(void *y, enum dtype type, const float *h, const float *g, int64_t c)
{
    if (type == DT_F32) {
        CPU_LOOP
        for (int64_t i = 0; i < c; i++)
            cpu_store(y, DT_F32, i, h[i] * cpu_gelu(g[i]));
    } else {
        CPU_LOOP
        for (int64_t i = 0; i < c; i++)
            cpu_store(y, DT_BF16, i, h[i] * cpu_gelu(g[i]));
    }
}

CPU_VERSIONS(gate, (void *y, enum dtype type, const float *h, const float *g, int64_t c),
             (y, type, h, g, c));

struct gate_job {
    enum cpu_isa isa;
    enum dtype type;
    char *y;
    const float *h, *g;
    int64_t y_ld, ld, rows, c;
};

static void gate_piece(void *context, int64_t index, int thread)
{
    const struct gate_job *j = context;
    (void)thread;
    int64_t step = cpu_piece_rows(j->c), end = cpu_smaller((index + 1) * step, j->rows);
    for (int64_t r = index * step; r < end; r++)
        gate[j->isa](j->y + (size_t)(r * j->y_ld) * dtype_size(j->type), j->type, j->h + r * j->ld,
                     j->g + r * j->ld, j->c);
}

void cpu_gate(const struct cpu *cpu, void *y, enum dtype type, int64_t y_ld, const float *h,
              const float *g, int64_t ld, int64_t rows, int64_t c)
{
    struct gate_job j = {cpu->features.isa, type, y, h, g, y_ld, ld, rows, c};
    parallel_for(cpu->threads, pieces(rows, cpu_piece_rows(c)), gate_piece, &j);
}

/* -- weighted sums ------------------------------------------------------------------------ */

CPU_INLINE void combine_body(float *y, int terms, const float *k, const float *const *x, int64_t n)
{
    const float *a = x[0], *b = x[terms > 1 ? 1 : 0], *c = x[terms > 2 ? 2 : 0],
                *d = x[terms > 3 ? 3 : 0];
    float ka = k[0], kb = terms > 1 ? k[1] : 0, kc = terms > 2 ? k[2] : 0,
          kd = terms > 3 ? k[3] : 0;
    if (terms == 1) {
        CPU_LOOP
        for (int64_t i = 0; i < n; i++)
            y[i] = ka * a[i];
    } else if (terms == 2) {
        CPU_LOOP
        for (int64_t i = 0; i < n; i++)
            y[i] = ka * a[i] + kb * b[i];
    } else if (terms == 3) {
        CPU_LOOP
        for (int64_t i = 0; i < n; i++)
            y[i] = ka * a[i] + kb * b[i] + kc * c[i];
    } else {
        CPU_LOOP
        for (int64_t i = 0; i < n; i++)
            y[i] = ka * a[i] + kb * b[i] + kc * c[i] + kd * d[i];
    }
}

CPU_VERSIONS(combine, (float *y, int terms, const float *k, const float *const *x, int64_t n),
             (y, terms, k, x, n));

struct combine_job {
    enum cpu_isa isa;
    float *y;
    int terms;
    const float *k;
    const float *const *x;
    int64_t count;
};

static void combine_piece(void *context, int64_t index, int thread)
{
    const struct combine_job *j = context;
    (void)thread;
    int64_t start = index * CPU_PIECE;
    const float *x[OPS_TERMS] = {NULL};
    for (int t = 0; t < j->terms; t++)
        x[t] = j->x[t] + start;
    combine[j->isa](j->y + start, j->terms, j->k, x, cpu_smaller(CPU_PIECE, j->count - start));
}

void cpu_combine(const struct cpu *cpu, float *y, int terms, const float *k, const float *const *x,
                 int64_t count)
{
    assert(terms >= 1 && terms <= OPS_TERMS);
    struct combine_job j = {cpu->features.isa, y, terms, k, x, count};
    parallel_for(cpu->threads, pieces(count, CPU_PIECE), combine_piece, &j);
}

void cpu_blend(struct tensor *y, const struct tensor *a, const struct tensor *b,
               const struct tensor *mask)
{
    const float *to = a->data, *from = b->data, *m = mask->data;
    float *out = y->data;
    int64_t masked = tensor_rows(mask), channels = y->c;
    for (int64_t row = 0; row < tensor_rows(y); row++)
        for (int64_t i = row * channels; i < (row + 1) * channels; i++)
            out[i] = from[i] + m[row % masked] * (to[i] - from[i]);
}

static double deviation(const float *x, int64_t count)
{
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < count; i++)
        mean += x[i];
    mean /= (double)count;
    for (int64_t i = 0; i < count; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    return sqrt(squares);
}

void cpu_match_std(struct tensor *y, const struct tensor *like, float share)
{
    int64_t size = tensor_count(y) / y->n;
    for (int i = 0; i < y->n; i++) {
        float *out = (float *)y->data + i * size;
        double own = deviation(out, size);
        double other = deviation((const float *)like->data + i * size, size);
        float k = own > 0 ? (float)((double)share * (other / own) + 1 - (double)share) : 1;
        for (int64_t j = 0; j < size; j++)
            out[j] *= k;
    }
}

CPU_INLINE void add_channels_body(float *out, const float *bias, const void *add, enum dtype type,
                                  int64_t c)
{
    for (int64_t i = 0; i < c; i++)
        out[i] = (bias != NULL ? bias[i] : 0.0f) + cpu_load(add, type, i);
}

CPU_VERSIONS(add_channels,
             (float *out, const float *bias, const void *add, enum dtype type, int64_t c),
             (out, bias, add, type, c));

void cpu_add_channels(const struct cpu *cpu, float *out, const float *bias, const void *add,
                      enum dtype type, int64_t c)
{
    add_channels[cpu->features.isa](out, bias, add, type, c);
}

/* -- embedding ---------------------------------------------------------------------------- */

CPU_INLINE void add_rows_body(void *y, enum dtype type, const void *a, enum dtype at, const void *b,
                              enum dtype bt, int64_t c)
{
    for (int64_t i = 0; i < c; i++)
        cpu_store(y, type, i, cpu_load(a, at, i) + cpu_load(b, bt, i));
}

CPU_VERSIONS(add_rows,
             (void *y, enum dtype type, const void *a, enum dtype at, const void *b, enum dtype bt,
              int64_t c),
             (y, type, a, at, b, bt, c));

void cpu_embed(const struct cpu *cpu, void *y, enum dtype type, const int32_t *ids,
               const struct cpu_rows *table, const struct cpu_rows *positions, int64_t count,
               int64_t tokens, int64_t c)
{
    size_t row = (size_t)c * dtype_size(table->type);
    size_t position = (size_t)c * dtype_size(positions->type);
    for (int64_t i = 0; i < count; i++)
        add_rows[cpu->features.isa]((char *)y + (size_t)(i * c) * dtype_size(type), type,
                                    (const char *)table->data + (size_t)ids[i] * row, table->type,
                                    (const char *)positions->data + (size_t)(i % tokens) * position,
                                    positions->type, c);
}

/* -- spreading an image out --------------------------------------------------------------- */

struct spread_job {
    const struct cpu_spread *s;
    char *y;
    const char *x;
    int64_t oh, ow; /* sizes after padding */
};

/* Where coordinate `at` (after doubling, before padding) comes from; -1: a zero. */
static int64_t source(int64_t at, int64_t size, bool round, bool twice)
{
    if (at < 0 || at >= size) {
        if (!round)
            return -1;
        at = (at % size + size) % size;
    }
    return twice ? at / 2 : at;
}

static void spread_row(void *context, int64_t index, int thread)
{
    const struct spread_job *j = context;
    const struct cpu_spread *s = j->s;
    (void)thread;
    int64_t image = index / j->oh, row = index % j->oh - s->top;
    size_t px = s->pixel_bytes;
    char *y = j->y + (size_t)(index * j->ow) * px;
    int64_t from = source(row, s->seen_h, s->pad & PAD_CIRCULAR_Y, s->twice);
    if (from < 0) {
        memset(y, 0, (size_t)j->ow * px);
        return;
    }
    const char *x = j->x + (size_t)((image * s->h + from) * s->w) * px;
    for (int64_t col = -s->left; col < s->seen_w + s->right; col++, y += px) {
        if (!s->twice && col == 0) { /* the middle, in one piece */
            memcpy(y, x, (size_t)s->w * px);
            col += s->w - 1;
            y += (size_t)(s->w - 1) * px;
            continue;
        }
        int64_t at = source(col, s->seen_w, s->pad & PAD_CIRCULAR_X, s->twice);
        if (at < 0)
            memset(y, 0, px);
        else
            memcpy(y, x + (size_t)at * px, px);
    }
}

void cpu_spread_image(const struct cpu *cpu, void *y, const void *x, const struct cpu_spread *s)
{
    struct spread_job j = {.s = s, .y = y, .x = x};
    j.oh = s->seen_h + s->top + s->bottom;
    j.ow = s->seen_w + s->left + s->right;
    parallel_for(cpu->threads, s->n * j.oh, spread_row, &j);
}

/* ---- planes ---- */

enum { TURN = 32 }; /* rows and columns that are turned at once: both stay in the first cache */

struct turn_job {
    char *y;
    const char *x;
    int64_t rows, cols, blocks; /* of each matrix of x, and blocks of its rows */
    size_t value;
};

static void turn_block(void *context, int64_t index, int thread)
{
    const struct turn_job *j = context;
    (void)thread;
    int64_t first = index % j->blocks * TURN;
    int64_t last = first + TURN < j->rows ? first + TURN : j->rows;
    size_t matrix = (size_t)(index / j->blocks * j->rows * j->cols) * j->value;
    for (int64_t at = 0; at < j->cols; at += TURN) {
        int64_t end = at + TURN < j->cols ? at + TURN : j->cols;
        for (int64_t c = at; c < end; c++)
            for (int64_t r = first; r < last; r++) {
                const char *from = j->x + matrix + (size_t)(r * j->cols + c) * j->value;
                char *to = j->y + matrix + (size_t)(c * j->rows + r) * j->value;
                if (j->value == 4)
                    memcpy(to, from, 4);
                else
                    memcpy(to, from, 2);
            }
    }
}

/* n matrices, each to its transpose. */
static void turn(const struct cpu *cpu, void *y, const void *x, int64_t n, int64_t rows,
                 int64_t cols, size_t value)
{
    struct turn_job j = {y, x, rows, cols, (rows + TURN - 1) / TURN, value};
    parallel_for(cpu->threads, n * j.blocks, turn_block, &j);
}

void cpu_to_planes(const struct cpu *cpu, void *planes, const void *pixels, int64_t n,
                   int64_t count, int64_t c, size_t value)
{
    turn(cpu, planes, pixels, n, count, c, value);
}

void cpu_from_planes(const struct cpu *cpu, void *pixels, const void *planes, int64_t n,
                     int64_t count, int64_t c, size_t value)
{
    turn(cpu, pixels, planes, n, c, count, value);
}
