/* See cpu_attention_code.h: portable, AVX2, AVX-512, with bf16, and AMX's tiles (also emulated). */
#include "ops/cpu_attention_code.h"

#include <math.h>
#include <string.h>

#include "ops/cpu_math.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__aarch64__)
#include <arm_neon.h>
#endif

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

/* oneDNN keeps a tile configuration of its own, so what was there is put back afterwards. */
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

#define tiles_begin NULL
#define tiles_end   NULL

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

const struct attention_code attention_codes[ATTENTION_KERNELS] = {
    [ATTENTION_PORTABLE] = {"portable", DT_F32, ISA_PORTABLE, 48, product_portable, weigh_portable,
                            NULL, NULL},
    [ATTENTION_AVX2] = {"avx2", DT_F32, ISA_AVX2, 48, product_avx2, weigh_avx2, NULL, NULL},
    [ATTENTION_AVX512] = {"avx512", DT_F32, ISA_AVX512, 48, product_avx512, weigh_avx512, NULL,
                          NULL},
    [ATTENTION_AVX512_BF16] = {"avx512_bf16", DT_BF16, ISA_AVX512, 48, product_avx512_bf16,
                               weigh_avx512_bf16, NULL, NULL},
    [ATTENTION_AMX] = {"amx", DT_BF16, ISA_AVX512, 32, product_amx, weigh_avx512_bf16, tiles_begin,
                       tiles_end},
    [ATTENTION_TILES_EMULATED] = {"tiles_emulated", DT_BF16, ISA_PORTABLE, 32,
                                  product_tiles_emulated, weigh_portable_bf16, NULL, NULL},
};

const char *cpu_attention_name(enum attention_kernel k)
{
    return attention_codes[k].name;
}

bool cpu_attention_usable(enum attention_kernel k, const struct cpu_features *f)
{
    if (attention_codes[k].product == NULL || attention_codes[k].isa > f->isa)
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
