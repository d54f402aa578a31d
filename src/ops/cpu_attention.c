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
#include "ops/cpu_attention.h"

#include <math.h>
#include <string.h>

#include "base/parallel.h"
#include "ops/cpu_math.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

enum {
    KEYS = 256,      /* keys a block: scores and weights of a kernel's rows fit the first cache */
    STRIP = 32,      /* columns of one inner product */
    MOST_ROWS = 192, /* queries a piece: what of them is kept fits the second cache */
    SLICE_BYTES = 64 << 20 /* of scores in a slice, or one head's */
};

typedef void product_fn(float *c, int64_t ld_c, const void *a, int64_t ld_a, const void *b,
                        int64_t count, int rows, bool add);
typedef void weigh_fn(void *p, float *s, int width, int seen, float scale, float *maximum,
                      float *sum, float *factor);

/* -- the inner loops, for each kind of CPU ----------------------------------------------------- */

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t four_i __attribute__((vector_size(16), aligned(4), may_alias));

CPU_INLINE float four_most(const four *v)
{
    float a = (*v)[0] > (*v)[1] ? (*v)[0] : (*v)[1], b = (*v)[2] > (*v)[3] ? (*v)[2] : (*v)[3];
    return a > b ? a : b;
}

CPU_INLINE float four_sum(const four *v)
{
    return ((*v)[0] + (*v)[1]) + ((*v)[2] + (*v)[3]);
}

/* 1.5 * 2^23: added, it rounds to an integer and leaves that in the low bits. */
#define TO_INTEGER 12582912.0f

#define TARGET
#define VEC   four
#define WIDTH 4
#if defined(__aarch64__)
#define V_MULTIPLY_ADD(a, b, c)                                                                    \
    ((four)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#else
#define V_MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif
#define V_LOAD(p)       (*(const four *)(p))
#define V_STORE(p, v)   (*(four *)(p) = (v))
#define V_SET(x)        ((four){(x), (x), (x), (x)})
#define V_PICK(m, a, b) ((four)(((m) & (four_i)(a)) | (~(m) & (four_i)(b))))
#define V_MAX(a, b)     V_PICK((four_i)((a) > (b)), a, b)
#define V_LOW(x)        V_MAX(x, V_SET(-125.0f))
#define V_ROUND(x)      ((x = V_LOW(x)), ((x + TO_INTEGER) - TO_INTEGER))
#define V_POWER(p, n)   ((p) * (four)(((four_i)((n) + TO_INTEGER) << 23) + 0x3f800000))
#define V_MAX_OF        four_most
#define V_SUM_OF        four_sum

#define NAME                   product_portable
#define ROWS                   4
#define VECS                   2
#define V_SPREAD(p)            V_SET(*(p))
#define V_ADD_PRODUCT(s, a, b) V_MULTIPLY_ADD(a, b, s)
#include "ops/cpu_attention_product.h"

#define NAME               weigh_portable
#define V_WEIGHTS(p, i, v) V_STORE((float *)(p) + (i), v)
#include "ops/cpu_attention_softmax.h"

static void store_bf16(void *p, int at, const four *v)
{
    for (int k = 0; k < 4; k++)
        ((uint16_t *)p)[at + k] = cpu_to_bf16((*v)[k]);
}

#define NAME               weigh_portable_bf16
#define V_WEIGHTS(p, i, v) store_bf16(p, i, &(v))
#include "ops/cpu_attention_softmax.h"

#undef TARGET
#undef VEC
#undef WIDTH
#undef V_MULTIPLY_ADD
#undef V_LOAD
#undef V_STORE
#undef V_SET
#undef V_MAX
#undef V_ROUND
#undef V_POWER
#undef V_MAX_OF
#undef V_SUM_OF

#if defined(__x86_64__)

#define NEAREST (_MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)

CPU_AVX2 static inline float avx2_most(const __m256 *v)
{
    four a = (four)_mm_max_ps(_mm256_castps256_ps128(*v), _mm256_extractf128_ps(*v, 1));
    return four_most(&a);
}

CPU_AVX2 static inline float avx2_sum(const __m256 *v)
{
    four a = (four)_mm_add_ps(_mm256_castps256_ps128(*v), _mm256_extractf128_ps(*v, 1));
    return four_sum(&a);
}

/* Raises x to where avx2_power can follow. */
CPU_AVX2 static inline __m256 avx2_round(__m256 *x)
{
    *x = _mm256_max_ps(*x, _mm256_set1_ps(-125.0f));
    return _mm256_round_ps(*x, NEAREST);
}

CPU_AVX2 static inline __m256 avx2_power(const __m256 *p, const __m256 *n)
{
    __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(*n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(*p), exponent));
}

#define TARGET                  CPU_AVX2
#define VEC                     __m256
#define WIDTH                   8
#define V_LOAD(p)               _mm256_loadu_ps(p)
#define V_STORE(p, v)           _mm256_storeu_ps(p, v)
#define V_SET(x)                _mm256_set1_ps(x)
#define V_MULTIPLY_ADD(a, b, c) _mm256_fmadd_ps(a, b, c)
#define V_MAX(a, b)             _mm256_max_ps(a, b)
#define V_ROUND(x)              avx2_round(&(x))
#define V_POWER(p, n)           avx2_power(&(p), &(n))
#define V_MAX_OF                avx2_most
#define V_SUM_OF                avx2_sum

#define NAME                   product_avx2
#define ROWS                   6
#define VECS                   2
#define V_SPREAD(p)            _mm256_broadcast_ss(p)
#define V_ADD_PRODUCT(s, a, b) _mm256_fmadd_ps(a, b, s)
#include "ops/cpu_attention_product.h"

#define NAME               weigh_avx2
#define V_WEIGHTS(p, i, v) V_STORE((float *)(p) + (i), v)
#include "ops/cpu_attention_softmax.h"

#undef TARGET
#undef VEC
#undef WIDTH
#undef V_MULTIPLY_ADD
#undef V_LOAD
#undef V_STORE
#undef V_SET
#undef V_MAX
#undef V_ROUND
#undef V_POWER
#undef V_MAX_OF
#undef V_SUM_OF

#define CPU_AVX512_BF16                                                                            \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

CPU_AVX512 static inline float avx512_most(const __m512 *v)
{
    return _mm512_reduce_max_ps(*v);
}

CPU_AVX512 static inline float avx512_sum(const __m512 *v)
{
    return _mm512_reduce_add_ps(*v);
}

#define VEC                     __m512
#define WIDTH                   16
#define V_LOAD(p)               _mm512_loadu_ps(p)
#define V_STORE(p, v)           _mm512_storeu_ps(p, v)
#define V_SET(x)                _mm512_set1_ps(x)
#define V_MULTIPLY_ADD(a, b, c) _mm512_fmadd_ps(a, b, c)
#define V_MAX(a, b)             _mm512_max_ps(a, b)
#define V_ROUND(x)              _mm512_roundscale_ps(x, NEAREST)
#define V_POWER(p, n)           _mm512_scalef_ps(p, n)
#define V_MAX_OF                avx512_most
#define V_SUM_OF                avx512_sum

#define TARGET                 CPU_AVX512
#define NAME                   product_avx512
#define ROWS                   12
#define VECS                   2
#define V_SPREAD(p)            _mm512_set1_ps(*(p))
#define V_ADD_PRODUCT(s, a, b) _mm512_fmadd_ps(a, b, s)
#include "ops/cpu_attention_product.h"

#define NAME               weigh_avx512
#define V_WEIGHTS(p, i, v) V_STORE((float *)(p) + (i), v)
#include "ops/cpu_attention_softmax.h"
#undef TARGET

#define TARGET                 CPU_AVX512_BF16
#define NAME                   product_avx512_bf16
#define ROWS                   12
#define VECS                   2
#define V_SPREAD(p)            _mm512_set1_ps(*(p))
#define V_ADD_PRODUCT(s, a, b) _mm512_dpbf16_ps(s, (__m512bh)(a), (__m512bh)(b))
#include "ops/cpu_attention_product.h"

#define NAME weigh_avx512_bf16
#define V_WEIGHTS(p, i, v)                                                                         \
    _mm256_storeu_si256((void *)((uint16_t *)(p) + (i)), (__m256i)_mm512_cvtneps_pbh(v))
#include "ops/cpu_attention_softmax.h"
#undef TARGET

#define TARGET                   __attribute__((target("amx-tile,amx-bf16")))
#define NAME                     product_amx
#define TILES                    (void)0
#define TILE_ZERO(t)             _tile_zero(t)
#define TILE_LOAD(t, p, stride)  _tile_loadd(t, p, stride)
#define TILE_STORE(t, p, stride) _tile_stored(t, p, stride)
#define TILE_PRODUCT(s, a, b)    _tile_dpbf16ps(s, a, b)
#include "ops/cpu_attention_tiles.h"
#undef TARGET

/* The tile configuration of a thread (Intel SDM volume 1, 18.2.1). oneDNN keeps one of its own, so
 * what was there is put back afterwards. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

__attribute__((target("amx-tile"))) static void tiles_begin(struct tile_config *before)
{
    struct tile_config c = {.palette = 1};
    for (int i = 0; i < 8; i++)
        c.row_bytes[i] = 64, c.rows[i] = 16;
    _tile_storeconfig(before);
    /* gcc 12's intrinsics name only the first 8 of the 64 bytes that the instructions touch. */
    __asm__ volatile("" : : "r"(&c), "r"(before) : "memory");
    _tile_loadconfig(&c);
}

__attribute__((target("amx-tile"))) static void tiles_end(const struct tile_config *before)
{
    if (before->palette == 0)
        _tile_release();
    else
        _tile_loadconfig(before);
}

#else

#define product_avx2        NULL
#define product_avx512      NULL
#define product_avx512_bf16 NULL
#define product_amx         NULL
#define weigh_avx2          NULL
#define weigh_avx512        NULL
#define weigh_avx512_bf16   NULL

struct tile_config {
    int palette;
};

static void tiles_begin(struct tile_config *before)
{
    (void)before;
}

static void tiles_end(const struct tile_config *before)
{
    (void)before;
}

#endif

struct tile {
    uint32_t row[16][16];
};

static void tile_load(struct tile *t, const void *p, int64_t stride)
{
    for (int r = 0; r < 16; r++)
        memcpy(t->row[r], (const char *)p + r * stride, 64);
}

static void tile_store(const struct tile *t, void *p, int64_t stride)
{
    for (int r = 0; r < 16; r++)
        memcpy((char *)p + r * stride, t->row[r], 64);
}

static void tile_product(struct tile *sum, const struct tile *a, const struct tile *b)
{
    for (int r = 0; r < 16; r++)
        for (int i = 0; i < 16; i++)
            for (int c = 0; c < 16; c++) {
                float s = cpu_from_bits(sum->row[r][c]);
                uint32_t l = a->row[r][i], m = b->row[i][c];
                s += cpu_from_bits(l << 16) * cpu_from_bits(m << 16);
                s += cpu_from_bits(l & 0xffff0000u) * cpu_from_bits(m & 0xffff0000u);
                sum->row[r][c] = cpu_bits(s);
            }
}

#define NAME product_tiles_emulated
#define TARGET
#define TILES                    struct tile tile[8]
#define TILE_ZERO(t)             memset(&tile[t], 0, sizeof tile[t])
#define TILE_LOAD(t, p, stride)  tile_load(&tile[t], p, stride)
#define TILE_STORE(t, p, stride) tile_store(&tile[t], p, stride)
#define TILE_PRODUCT(s, a, b)    tile_product(&tile[s], &tile[a], &tile[b])
#include "ops/cpu_attention_tiles.h"
#undef TARGET

struct kernel {
    const char *name;
    enum dtype type; /* of what is multiplied */
    enum cpu_isa isa;
    int rows; /* queries that go through the steps together */
    product_fn *product;
    weigh_fn *weigh;
};

static const struct kernel kernels[ATTENTION_KERNELS] = {
    [ATTENTION_PORTABLE] = {"portable", DT_F32, ISA_PORTABLE, 48, product_portable, weigh_portable},
    [ATTENTION_AVX2] = {"avx2", DT_F32, ISA_AVX2, 48, product_avx2, weigh_avx2},
    [ATTENTION_AVX512] = {"avx512", DT_F32, ISA_AVX512, 48, product_avx512, weigh_avx512},
    [ATTENTION_AVX512_BF16] = {"avx512_bf16", DT_BF16, ISA_AVX512, 48, product_avx512_bf16,
                               weigh_avx512_bf16},
    [ATTENTION_AMX] = {"amx", DT_BF16, ISA_AVX512, 32, product_amx, weigh_avx512_bf16},
    [ATTENTION_TILES_EMULATED] = {"tiles_emulated", DT_BF16, ISA_PORTABLE, 32,
                                  product_tiles_emulated, weigh_portable_bf16},
};

const char *cpu_attention_name(enum attention_kernel k)
{
    return kernels[k].name;
}

bool cpu_attention_usable(enum attention_kernel k, const struct cpu_features *f)
{
    if (kernels[k].product == NULL || kernels[k].isa > f->isa)
        return false;
    return k == ATTENTION_AVX512_BF16 ? f->avx512_bf16 : k == ATTENTION_AMX ? f->amx_bf16 : true;
}

enum attention_kernel cpu_attention_best(enum dtype type, const struct cpu_features *f)
{
    if (type == DT_BF16 && f->amx_bf16)
        return ATTENTION_AMX;
    if (type == DT_BF16 && f->avx512_bf16)
        return ATTENTION_AVX512_BF16;
    return f->isa == ISA_AVX512 ? ATTENTION_AVX512
           : f->isa == ISA_AVX2 ? ATTENTION_AVX2
                                : ATTENTION_PORTABLE;
}

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
    const struct kernel *kernel;
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

static int64_t smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

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
    int64_t count = smaller(KEYS, a->keys - first);
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
        int64_t seen = smaller(a->keys - s->key, s->width);
        if (a->causal && s->query + r < a->queries)
            seen = smaller(seen, s->query + r - s->key + 1);
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
    const struct kernel *k = j->kernel;
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
    int64_t count = smaller(j->piece_rows, a->queries - first);
    int64_t rows = round_up(count, j->kernel->rows);
    struct tile_config before;
    stage(j, own.staged, a->q, a->queries, a->q_ld, head, first, count, rows);
    for (int64_t r = 0; r < rows; r++)
        own.maximum[r] = -INFINITY, own.sum[r] = 0;
    if (j->kernel->product == product_amx)
        tiles_begin(&before);
    for (int64_t b = 0; b < j->blocks; b++) {
        struct step s = {.key = b * KEYS, .first = b == 0};
        s.width = (int)smaller(KEYS, round_up(a->keys - s.key, STRIP));
        s.keys = j->keys + (size_t)(head * j->blocks + b) * j->block_bytes;
        s.values = j->values + (size_t)(head * j->blocks + b) * j->block_bytes;
        for (s.row = 0; s.row < rows; s.row += j->kernel->rows) {
            s.query = first + s.row;
            if (!a->causal || s.key < s.query + j->kernel->rows)
                attend_step(j, &own, &s);
        }
    }
    if (j->kernel->product == product_amx)
        tiles_end(&before);
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
        int64_t width = smaller(KEYS, j->width - b * KEYS);
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
    int64_t count = smaller(j->piece_rows, j->a->queries - first), step = j->kernel->rows;
    int64_t rows = round_up(count, step);
    struct tile_config before;
    stage(j, own.staged, j->a->q, j->a->queries, j->a->q_ld, head, first, count, rows);
    if (j->kernel->product == product_amx)
        tiles_begin(&before);
    for (int64_t r = 0; r < rows; r += step) {
        score(j, own.scores, own.staged + (size_t)(r * j->d) * dtype_size(j->kernel->type), step,
              head);
        weigh_whole(j, own.scores, step, first + r, own.sum + r);
        sum_values(j, own.sums + r * j->d, own.scores, step, head);
    }
    if (j->kernel->product == product_amx)
        tiles_end(&before);
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
    s.count = smaller(j->piece_rows, j->a->queries - s.first);
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
    if (j->kernel->product == product_amx)
        tiles_begin(&before);
    score(j, s.scores, own.staged, s.rows, s.head);
    if (j->kernel->product == product_amx)
        tiles_end(&before);
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
    if (j->kernel->product == product_amx)
        tiles_begin(&before);
    sum_values(j, own.sums, s.scores, s.rows, s.head);
    if (j->kernel->product == product_amx)
        tiles_end(&before);
    own.sum = s.sum;
    store_rows(j, &own, s.head, s.first, s.count);
}

static void attend_sliced(struct job *j, int threads, int64_t heads)
{
    for (j->first_head = 0; j->first_head < heads; j->first_head += j->heads) {
        int64_t pieces = smaller(j->heads, heads - j->first_head) * j->pieces;
        parallel_for(threads, pieces, sliced_scores, j);
        parallel_for(threads, pieces, sliced_weights, j);
        parallel_for(threads, pieces, sliced_values, j);
    }
}

/* -- sizes -------------------------------------------------------------------------------- */

static struct job plan(const struct cpu *cpu, const struct cpu_attention *a)
{
    struct job j = {.a = a, .kernel = &kernels[a->kernel], .isa = cpu->features.isa};
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
    j.heads = fit < 1 ? 1 : smaller(fit, heads);
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
