/*
 * Attention over blocks of keys with a running softmax, as in "FlashAttention" (Dao et al., 2022)
 * and, for the running maximum and sum, "Online normalizer calculation for softmax" (Milakov and
 * Gimelshein, 2018).
 *
 * First keys and values are packed once, in blocks that the inner products read in order. Then each
 * piece of work is some queries of one head: for every block of keys, scores, their exponentials
 * relative to the running maximum, and the sum of values weighted by them. Scores live in the first
 * cache, a piece's queries and sums in the second, so only packed keys and values stream by.
 *
 * Packed, with an "element" a float or two bf16 (cpu_attention_product.h):
 *   keys   [n, heads, blocks, KEYS / 32][elements of d][32]   element i of 32 keys side by side
 *   values [n, heads, blocks][d / 32][elements of KEYS][32]   32 channels side by side
 * Sizes that are no multiple are filled up with zeros.
 *
 * Where scores are wanted in whole rows (enum attention_way), the same products and the same
 * softmax run one after the other over all keys.
 *
 * A row's result does not depend on how rows are shared out, so neither does it on the threads.
 */
#include "ops/cpu_attention_code.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/cpu_math.h"

enum {
    MOST_ROWS = 192,       /* queries a piece: what of them is kept fits the second cache */
    SLICE_BYTES = 64 << 20 /* of scores in a slice, or one head's */
};

/* -- rows of sums ------------------------------------------------------------------------------ */

CPU_INLINE void multiply_body(float *v, float factor, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        v[i] *= factor;
}

CPU_VERSIONS(multiply, (float *v, float factor, int64_t count), (v, factor, count));

CPU_INLINE void store_row_body(void *y, enum dtype type, const float *v, float factor,
                               int64_t count)
{
    if (type == DT_F32) {
        CPU_LOOP
        for (int64_t i = 0; i < count; i++)
            cpu_store(y, DT_F32, i, v[i] * factor);
    } else {
        CPU_LOOP
        for (int64_t i = 0; i < count; i++)
            cpu_store(y, DT_BF16, i, v[i] * factor);
    }
}

CPU_VERSIONS(store_row, (void *y, enum dtype type, const float *v, float factor, int64_t count),
             (y, type, v, factor, count));

/* -- packing ------------------------------------------------------------------------------ */

struct job {
    const struct cpu_attention *a;
    const struct attention_code *kernel;
    enum cpu_isa isa;
    int64_t d, elements;        /* head size filled up to whole strips; elements of it */
    int64_t blocks;             /* of keys, a head */
    size_t block_bytes;         /* a packed block of keys, or of values */
    int64_t piece_rows, pieces; /* queries a piece, pieces a head */
    char *keys, *values, *own;
    size_t own_bytes;
    /* Not for flash: scores have whole rows. */
    int64_t width;      /* values a row */
    int64_t heads;      /* sliced: heads a slice; */
    int64_t first_head; /* of the slice that runs; */
    float *slice, *sum; /* its scores [heads, pieces, piece_rows, width], and the rows' sums */
};

/* What a thread works in. */
struct own {
    char *staged;         /* [KEYS or piece_rows, d] of the kernel's type: rows as they come */
    float *sums;          /* [piece_rows, d] */
    float *scores;        /* [kernel rows, KEYS], tiled: of all keys */
    char *weights;        /* [kernel rows, KEYS] of the kernel's type; tiled: none */
    float *maximum, *sum; /* [piece_rows] */
};

static int64_t round_up(int64_t value, int64_t to)
{
    return (value + to - 1) / to * to;
}

/* Rows [first, first + count) of one head, as values of the kernel, filled up to `rows` rows and d
 * channels with zeros. */
static void stage(const struct job *j, char *to, const void *from, int64_t tokens, int64_t ld,
                  int64_t head, int64_t first, int64_t count, int64_t rows)
{
    const struct cpu_attention *a = j->a;
    size_t in = dtype_size(a->type), out = dtype_size(j->kernel->type);
    int64_t image = head / a->heads, at = head % a->heads;
    const char *x = (const char *)from + (size_t)((image * tokens + first) * ld + at * a->d) * in;
    for (int64_t r = 0; r < count; r++, x += (size_t)ld * in, to += (size_t)j->d * out) {
        cpu_convert_row(j->isa, to, j->kernel->type, x, a->type, a->d);
        memset(to + (size_t)a->d * out, 0, (size_t)(j->d - a->d) * out);
    }
    memset(to, 0, (size_t)((rows - count) * j->d) * out);
}

static void pack_keys(const struct job *j, uint32_t *to, const uint32_t *staged)
{
    for (int64_t strip = 0; strip < KEYS; strip += STRIP, staged += STRIP * j->elements)
        for (int64_t i = 0; i < j->elements; i++, to += STRIP)
            for (int64_t key = 0; key < STRIP; key++)
                to[key] = staged[key * j->elements + i];
}

static void pack_values(const struct job *j, void *to, const void *staged)
{
    if (j->kernel->type == DT_F32) {
        const float *from = staged;
        float *out = to;
        for (int64_t c = 0; c < j->d; c += STRIP)
            for (int64_t key = 0; key < KEYS; key++, out += STRIP)
                memcpy(out, from + key * j->d + c, STRIP * sizeof *out);
        return;
    }
    const uint16_t *from = staged;
    uint32_t *out = to;
    for (int64_t c = 0; c < j->d; c += STRIP)
        for (int64_t key = 0; key < KEYS; key += 2, out += STRIP) {
            const uint16_t *even = from + key * j->d + c, *odd = even + j->d;
            for (int64_t i = 0; i < STRIP; i++)
                out[i] = even[i] | (uint32_t)odd[i] << 16;
        }
}

/* Scores of a row that a thread keeps. */
static int64_t scores_of(const struct job *j)
{
    return j->a->way == ATTENTION_TILED ? j->width : j->a->way == ATTENTION_SLICED ? 0 : KEYS;
}

static struct own own_of(const struct job *j, int thread)
{
    size_t value = dtype_size(j->kernel->type);
    int64_t staged = (j->piece_rows > KEYS ? j->piece_rows : KEYS) * j->d;
    struct own o;
    o.staged = j->own + (size_t)thread * j->own_bytes;
    o.sums = (float *)(o.staged + round_up(staged * (int64_t)value, 64));
    o.scores = o.sums + j->piece_rows * j->d;
    o.weights = (char *)(o.scores + j->kernel->rows * scores_of(j));
    int64_t weights = j->a->way <= ATTENTION_FLASH ? j->kernel->rows * KEYS : 0;
    o.maximum = (float *)(o.weights + (size_t)weights * value);
    o.sum = o.maximum + j->piece_rows;
    return o;
}

static void pack_piece(void *context, int64_t index, int thread)
{
    const struct job *j = context;
    const struct cpu_attention *a = j->a;
    struct own own = own_of(j, thread);
    int64_t head = index / j->blocks, first = index % j->blocks * KEYS;
    int64_t count = cpu_smaller(KEYS, a->keys - first);
    stage(j, own.staged, a->k, a->keys, a->k_ld, head, first, count, KEYS);
    pack_keys(j, (uint32_t *)(j->keys + (size_t)index * j->block_bytes),
              (const uint32_t *)own.staged);
    stage(j, own.staged, a->v, a->keys, a->v_ld, head, first, count, KEYS);
    pack_values(j, j->values + (size_t)index * j->block_bytes, own.staged);
}

/* -- the loop ----------------------------------------------------------------------------- */

struct step {      /* some queries against one block of keys */
    int64_t query; /* first, in the image */
    int64_t row;   /* first, in the piece */
    int64_t key;   /* first of the block */
    int width;     /* keys in it, filled up to whole strips */
    bool first;
    const char *keys, *values;
};

static void weigh_rows(const struct job *j, const struct own *own, const struct step *s)
{
    const struct cpu_attention *a = j->a;
    size_t value = dtype_size(j->kernel->type);
    float scale = a->scale * 1.44269504f; /* log2(e) */
    for (int64_t r = 0; r < j->kernel->rows; r++) {
        int64_t seen = cpu_smaller(a->keys - s->key, s->width);
        if (a->causal && s->query + r < a->queries)
            seen = cpu_smaller(seen, s->query + r - s->key + 1);
        float factor = 1.0f;
        char *weights = own->weights + (size_t)(r * KEYS) * value;
        if (seen <= 0) {
            memset(weights, 0, (size_t)s->width * value);
            continue;
        }
        j->kernel->weigh(weights, own->scores + r * KEYS, s->width, (int)seen, scale,
                         &own->maximum[s->row + r], &own->sum[s->row + r], &factor);
        if (factor != 1.0f && !s->first)
            multiply[j->isa](own->sums + (s->row + r) * j->d, factor, j->d);
    }
}

static void attend_step(const struct job *j, const struct own *own, const struct step *s)
{
    const struct attention_code *k = j->kernel;
    const char *q = own->staged + (size_t)(s->row * j->d) * dtype_size(k->type);
    size_t strip = (size_t)(j->elements * STRIP) * 4;
    for (int col = 0; col < s->width; col += STRIP)
        k->product(own->scores + col, KEYS, q, j->elements, s->keys + (size_t)col / STRIP * strip,
                   j->elements, k->rows, false);
    weigh_rows(j, own, s);
    int per = k->type == DT_F32 ? 1 : 2;
    size_t values_strip = (size_t)(KEYS / per * STRIP) * 4;
    for (int64_t c = 0; c < j->d; c += STRIP)
        k->product(own->sums + s->row * j->d + c, j->d, own->weights, KEYS / per,
                   s->values + (size_t)(c / STRIP) * values_strip, s->width / per, k->rows,
                   !s->first);
}

static void store_rows(const struct job *j, const struct own *own, int64_t head, int64_t first,
                       int64_t count)
{
    const struct cpu_attention *a = j->a;
    int64_t image = head / a->heads, at = head % a->heads;
    size_t value = dtype_size(a->type);
    char *y = (char *)a->y + (size_t)((image * a->queries + first) * a->y_ld + at * a->d) * value;
    for (int64_t r = 0; r < count; r++, y += (size_t)a->y_ld * value)
        store_row[j->isa](y, a->type, own->sums + r * j->d, 1.0f / own->sum[r], a->d);
}

static void attend_piece(void *context, int64_t index, int thread)
{
    const struct job *j = context;
    const struct cpu_attention *a = j->a;
    struct own own = own_of(j, thread);
    int64_t head = index / j->pieces, first = index % j->pieces * j->piece_rows;
    int64_t count = cpu_smaller(j->piece_rows, a->queries - first);
    int64_t rows = round_up(count, j->kernel->rows);
    struct tile_config before;
    stage(j, own.staged, a->q, a->queries, a->q_ld, head, first, count, rows);
    for (int64_t r = 0; r < rows; r++)
        own.maximum[r] = -INFINITY, own.sum[r] = 0;
    if (j->kernel->begin)
        j->kernel->begin(&before);
    for (int64_t b = 0; b < j->blocks; b++) {
        struct step s = {.key = b * KEYS, .first = b == 0};
        s.width = (int)cpu_smaller(KEYS, round_up(a->keys - s.key, STRIP));
        s.keys = j->keys + (size_t)(head * j->blocks + b) * j->block_bytes;
        s.values = j->values + (size_t)(head * j->blocks + b) * j->block_bytes;
        for (s.row = 0; s.row < rows; s.row += j->kernel->rows) {
            s.query = first + s.row;
            if (!a->causal || s.key < s.query + j->kernel->rows)
                attend_step(j, &own, &s);
        }
    }
    if (j->kernel->end)
        j->kernel->end(&before);
    store_rows(j, &own, head, first, count);
}

/* -- the other ways: whole rows of scores, in three passes over them ---------------------- */

/* scores[rows, width] = q k^T */
static void score(const struct job *j, float *scores, const char *q, int64_t rows, int64_t head)
{
    size_t strip = (size_t)(j->elements * STRIP) * 4;
    for (int64_t col = 0; col < j->width; col += STRIP) {
        const char *block = j->keys + (size_t)(head * j->blocks + col / KEYS) * j->block_bytes;
        j->kernel->product(scores + col, j->width, q, j->elements,
                           block + (size_t)(col % KEYS / STRIP) * strip, j->elements, (int)rows,
                           false);
    }
}

/* Scores become weights, in their place. */
static void weigh_whole(const struct job *j, float *scores, int64_t rows, int64_t query, float *sum)
{
    const struct cpu_attention *a = j->a;
    for (int64_t r = 0; r < rows; r++, scores += j->width) {
        int64_t seen = a->causal && query + r < a->keys ? query + r + 1 : a->keys;
        float maximum = -INFINITY, factor;
        sum[r] = 0;
        j->kernel->weigh(scores, scores, (int)j->width, (int)seen, a->scale * 1.44269504f, &maximum,
                         &sum[r], &factor);
    }
}

/* sums[rows, d] = weights v */
static void sum_values(const struct job *j, float *sums, const float *weights, int64_t rows,
                       int64_t head)
{
    int per = j->kernel->type == DT_F32 ? 1 : 2;
    size_t strip = (size_t)(KEYS / per * STRIP) * 4;
    for (int64_t b = 0; b < j->blocks; b++) {
        const char *block = j->values + (size_t)(head * j->blocks + b) * j->block_bytes;
        int64_t width = cpu_smaller(KEYS, j->width - b * KEYS);
        for (int64_t c = 0; c < j->d; c += STRIP)
            j->kernel->product(sums + c, j->d, weights + b * KEYS / per, j->width,
                               block + (size_t)(c / STRIP) * strip, width / per, (int)rows, b > 0);
    }
}

static void tiled_piece(void *context, int64_t index, int thread)
{
    const struct job *j = context;
    struct own own = own_of(j, thread);
    int64_t head = index / j->pieces, first = index % j->pieces * j->piece_rows;
    int64_t count = cpu_smaller(j->piece_rows, j->a->queries - first), step = j->kernel->rows;
    int64_t rows = round_up(count, step);
    struct tile_config before;
    stage(j, own.staged, j->a->q, j->a->queries, j->a->q_ld, head, first, count, rows);
    if (j->kernel->begin)
        j->kernel->begin(&before);
    for (int64_t r = 0; r < rows; r += step) {
        score(j, own.scores, own.staged + (size_t)(r * j->d) * dtype_size(j->kernel->type), step,
              head);
        weigh_whole(j, own.scores, step, first + r, own.sum + r);
        sum_values(j, own.sums + r * j->d, own.scores, step, head);
    }
    if (j->kernel->end)
        j->kernel->end(&before);
    store_rows(j, &own, head, first, count);
}

/* A piece of the slice that runs: its head, first query, scores. */
struct sliced {
    int64_t head, first, count, rows;
    float *scores, *sum;
};

static struct sliced slice_piece(const struct job *j, int64_t index)
{
    struct sliced s = {.head = j->first_head + index / j->pieces,
                       .first = index % j->pieces * j->piece_rows};
    s.count = cpu_smaller(j->piece_rows, j->a->queries - s.first);
    s.rows = round_up(s.count, j->kernel->rows);
    s.scores = j->slice + index * j->piece_rows * j->width;
    s.sum = j->sum + index * j->piece_rows;
    return s;
}

static void sliced_scores(void *context, int64_t index, int thread)
{
    const struct job *j = context;
    struct own own = own_of(j, thread);
    struct sliced s = slice_piece(j, index);
    struct tile_config before;
    stage(j, own.staged, j->a->q, j->a->queries, j->a->q_ld, s.head, s.first, s.count, s.rows);
    if (j->kernel->begin)
        j->kernel->begin(&before);
    score(j, s.scores, own.staged, s.rows, s.head);
    if (j->kernel->end)
        j->kernel->end(&before);
}

static void sliced_weights(void *context, int64_t index, int thread)
{
    const struct job *j = context;
    struct sliced s = slice_piece(j, index);
    (void)thread;
    weigh_whole(j, s.scores, s.rows, s.first, s.sum);
}

static void sliced_values(void *context, int64_t index, int thread)
{
    const struct job *j = context;
    struct own own = own_of(j, thread);
    struct sliced s = slice_piece(j, index);
    struct tile_config before;
    if (j->kernel->begin)
        j->kernel->begin(&before);
    sum_values(j, own.sums, s.scores, s.rows, s.head);
    if (j->kernel->end)
        j->kernel->end(&before);
    own.sum = s.sum;
    store_rows(j, &own, s.head, s.first, s.count);
}

static void attend_sliced(struct job *j, int threads, int64_t heads)
{
    for (j->first_head = 0; j->first_head < heads; j->first_head += j->heads) {
        int64_t pieces = cpu_smaller(j->heads, heads - j->first_head) * j->pieces;
        parallel_for(threads, pieces, sliced_scores, j);
        parallel_for(threads, pieces, sliced_weights, j);
        parallel_for(threads, pieces, sliced_values, j);
    }
}

/* -- sizes -------------------------------------------------------------------------------- */

static struct job plan(const struct cpu *cpu, const struct cpu_attention *a)
{
    struct job j = {.a = a, .kernel = &attention_codes[a->kernel], .isa = cpu->features.isa};
    size_t value = dtype_size(j.kernel->type);
    j.d = round_up(a->d, STRIP);
    j.elements = j.kernel->type == DT_F32 ? j.d : j.d / 2;
    j.blocks = (a->keys + KEYS - 1) / KEYS;
    j.block_bytes = (size_t)(KEYS * j.d) * value;
    int64_t heads = (int64_t)a->n * a->heads, rows = j.kernel->rows;
    int64_t times = MOST_ROWS /
                    rows; /* large pieces read keys less often, but every thread needs a few */
    while (times > 1 &&
           heads * ((a->queries + times * rows - 1) / (times * rows)) < 4 * (int64_t)cpu->threads)
        times /= 2;
    j.piece_rows = times * rows;
    j.pieces = (a->queries + j.piece_rows - 1) / j.piece_rows;
    int64_t staged = (j.piece_rows > KEYS ? j.piece_rows : KEYS) * j.d;
    j.width = round_up(a->keys, STRIP);
    int64_t kept = rows * scores_of(&j) * 4;
    if (a->way <= ATTENTION_FLASH)
        kept += rows * KEYS * (int64_t)value; /* their weights */
    j.own_bytes = (size_t)round_up(
        round_up(staged * (int64_t)value, 64) + j.piece_rows * (j.d + 2) * 4 + kept, 64);
    int64_t fit = SLICE_BYTES / (j.pieces * j.piece_rows * j.width * 4);
    j.heads = fit < 1 ? 1 : cpu_smaller(fit, heads);
    return j;
}

static size_t slice_bytes(const struct job *j)
{
    int64_t rows = j->heads * j->pieces * j->piece_rows;
    return j->a->way == ATTENTION_SLICED ? (size_t)round_up(rows * (j->width + 1) * 4, 64) : 0;
}

size_t cpu_attention_scratch(const struct cpu *cpu, const struct cpu_attention *a)
{
    struct job j = plan(cpu, a);
    return 2 * (size_t)(a->n * a->heads * j.blocks) * j.block_bytes +
           (size_t)cpu->threads * j.own_bytes + slice_bytes(&j);
}

void cpu_attention(const struct cpu *cpu, const struct cpu_attention *a, void *scratch)
{
    struct job j = plan(cpu, a);
    int64_t heads = (int64_t)a->n * a->heads;
    j.keys = scratch;
    j.values = j.keys + (size_t)(heads * j.blocks) * j.block_bytes;
    j.own = j.values + (size_t)(heads * j.blocks) * j.block_bytes;
    j.slice = (float *)(j.own + (size_t)cpu->threads * j.own_bytes);
    j.sum = j.slice + j.heads * j.pieces * j.piece_rows * j.width;
    parallel_for(cpu->threads, heads * j.blocks, pack_piece, &j);
    if (a->way == ATTENTION_SLICED)
        attend_sliced(&j, cpu->threads, heads);
    else
        parallel_for(cpu->threads, heads * j.pieces,
                     a->way == ATTENTION_TILED ? tiled_piece : attend_piece, &j);
}
