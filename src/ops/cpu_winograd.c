/* See cpu_winograd.h. Tiles are numbered along the rows of an image, two pixels apart. */
#include "ops/cpu_winograd.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/parallel.h"
#include "ops/cpu_math.h"
#include "ops/cpu_sizes.h"

enum { SIDE = 4, CHUNK = 16 }; /* of a tile's input; tiles of one piece of work */

/* ---- filters ---- */

/* G g G^T: [k] of all 16 for one filter, 3x3. */
static void transform_filter(const float *g, float u[WINOGRAD_PARTS])
{
    float t[SIDE][3];
    for (int j = 0; j < 3; j++) {
        float a = g[j], b = g[3 + j], c = g[6 + j];
        t[0][j] = a;
        t[1][j] = 0.5f * (a + b + c);
        t[2][j] = 0.5f * (a - b + c);
        t[3][j] = c;
    }
    for (int i = 0; i < SIDE; i++) {
        u[SIDE * i] = t[i][0];
        u[SIDE * i + 1] = 0.5f * (t[i][0] + t[i][1] + t[i][2]);
        u[SIDE * i + 2] = 0.5f * (t[i][0] - t[i][1] + t[i][2]);
        u[SIDE * i + 3] = t[i][2];
    }
}

void cpu_filters_free(struct cpu_filters *f, struct dnn *d)
{
    for (int k = 0; k < WINOGRAD_PARTS; k++) {
        dnn_free_weight(d, f->part[k]);
        f->part[k] = NULL;
    }
}

struct filter_job {
    enum cpu_isa isa;
    enum dtype act;
    int64_t out, in;
    const char *nine; /* [out][in][9] of the act type */
    char *all;        /* [16][out][in] */
    float *room;      /* [threads][9 + 16][in] */
};

/* The filters of one output. */
static void transform_row(void *context, int64_t row, int thread)
{
    const struct filter_job *j = context;
    size_t value = dtype_size(j->act);
    float *g = j->room + thread * (9 + WINOGRAD_PARTS) * j->in, *all = g + 9 * j->in;
    cpu_convert_row(j->isa, g, DT_F32, j->nine + (size_t)(9 * row * j->in) * value, j->act,
                    9 * j->in);
    for (int64_t i = 0; i < j->in; i++) {
        float u[WINOGRAD_PARTS];
        transform_filter(g + 9 * i, u);
        for (int k = 0; k < WINOGRAD_PARTS; k++)
            all[k * j->in + i] = u[k];
    }
    for (int k = 0; k < WINOGRAD_PARTS; k++)
        cpu_convert_row(j->isa, j->all + (size_t)((k * j->out + row) * j->in) * value, j->act,
                        all + k * j->in, DT_F32, j->in);
}

int cpu_filters_make(struct cpu_filters *f, const struct cpu *cpu, struct dnn *d,
                     const struct dnn_weight *w, int64_t out, int64_t in, enum dtype act,
                     struct err *e)
{
    size_t count = (size_t)(out * in), value = dtype_size(act);
    size_t room = (size_t)cpu->threads * (9 + WINOGRAD_PARTS) * (size_t)in * sizeof(float);
    char *nine = malloc(count * 9 * value), *all = malloc(count * WINOGRAD_PARTS * value);
    struct filter_job j = {cpu->features.isa, act, out, in, nine, all, malloc(room)};
    int result = nine && all && j.room ? dnn_unpack_conv(d, w, nine, e)
                                       : err_set(e, "no memory: weights; use a smaller model");
    memset(f, 0, sizeof *f);
    if (result == 0)
        parallel_for(cpu->threads, out, transform_row, &j);
    for (size_t k = 0; result == 0 && k < WINOGRAD_PARTS; k++) {
        f->part[k] = dnn_pack_linear(d, all + k * count * value, out, in, act, e);
        result = f->part[k] ? 0 : -1;
    }
    free(nine);
    free(all);
    free(j.room);
    if (result != 0)
        cpu_filters_free(f, d);
    return result;
}

/* ---- the sums ---- */

/* v[k] = (B^T x B)[k] over c channels; the 16 v lie `part` values apart. Summed in f32, rounded
 * once. */
CPU_INLINE void spread_typed(void *v, int64_t part, const void *const *x, enum dtype type,
                             int64_t c)
{
    const void *p[SIDE][SIDE];
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            p[i][j] = x[SIDE * i + j];
    CPU_LOOP
    for (int64_t i = 0; i < c; i++) {
        float t[SIDE][SIDE];
        for (int j = 0; j < SIDE; j++) {
            float a = cpu_load(p[0][j], type, i), b = cpu_load(p[1][j], type, i);
            float d = cpu_load(p[2][j], type, i), e = cpu_load(p[3][j], type, i);
            t[0][j] = a - d;
            t[1][j] = b + d;
            t[2][j] = d - b;
            t[3][j] = b - e;
        }
        for (int k = 0; k < SIDE; k++) {
            cpu_store(v, type, (SIDE * k + 0) * part + i, t[k][0] - t[k][2]);
            cpu_store(v, type, (SIDE * k + 1) * part + i, t[k][1] + t[k][2]);
            cpu_store(v, type, (SIDE * k + 2) * part + i, t[k][2] - t[k][1]);
            cpu_store(v, type, (SIDE * k + 3) * part + i, t[k][1] - t[k][3]);
        }
    }
}

CPU_INLINE void spread_f32_body(void *v, int64_t part, const void *const *x, int64_t c)
{
    spread_typed(v, part, x, DT_F32, c);
}

CPU_VERSIONS(spread_f32, (void *v, int64_t part, const void *const *x, int64_t c), (v, part, x, c));

#if defined(__x86_64__)
/* Every x86 that computes in bf16 rounds to it in one instruction, which no compiler finds: four
 * times as fast as the plain loop. */
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) static void
spread_bf16(void *v, int64_t part, const void *const *x, int64_t c)
{
    enum { WIDTH = 16 };
    for (int64_t i = 0; i < c; i += WIDTH) {
        __mmask16 some = (__mmask16)(c - i < WIDTH ? (1u << (c - i)) - 1 : 0xffff);
        __m512 t[SIDE][SIDE], p[SIDE];
#pragma GCC unroll 4
        for (int j = 0; j < SIDE; j++) {
#pragma GCC unroll 4
            for (int k = 0; k < SIDE; k++) {
                const uint16_t *at = (const uint16_t *)x[SIDE * k + j] + i;
                if (j >= 2 && i % 32 == 0) /* what is new in the next tile, two pixels on */
                    __builtin_prefetch(at + 2 * c);
                __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, at));
                p[k] = _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
            }
            t[0][j] = p[0] - p[2];
            t[1][j] = p[1] + p[2];
            t[2][j] = p[2] - p[1];
            t[3][j] = p[1] - p[3];
        }
#pragma GCC unroll 4
        for (int k = 0; k < SIDE; k++) {
            uint16_t *to = (uint16_t *)v + SIDE * k * part + i;
            __m512 sum[SIDE] = {t[k][0] - t[k][2], t[k][1] + t[k][2], t[k][2] - t[k][1],
                                t[k][1] - t[k][3]};
#pragma GCC unroll 4
            for (int j = 0; j < SIDE; j++)
                _mm256_mask_storeu_epi16(to + j * part, some, (__m256i)_mm512_cvtneps_pbh(sum[j]));
        }
    }
}
#else
static void spread_bf16(void *v, int64_t part, const void *const *x, int64_t c)
{
    spread_typed(v, part, x, DT_BF16, c);
}
#endif

/* The four pixels A^T m A of a tile, [2][2], with bias, onto what is there if `add`. */
CPU_INLINE void gather_typed(void *const *y, enum dtype type, const float *m, int64_t part,
                             const float *bias, bool add, int64_t c)
{
    void *y00 = y[0], *y01 = y[1], *y10 = y[2], *y11 = y[3];
    CPU_LOOP
    for (int64_t i = 0; i < c; i++) {
        float s[2][SIDE];
        for (int j = 0; j < SIDE; j++) {
            float a = m[(0 + j) * part + i], b = m[(SIDE + j) * part + i];
            float d = m[(2 * SIDE + j) * part + i], e = m[(3 * SIDE + j) * part + i];
            s[0][j] = a + b + d;
            s[1][j] = b - d - e;
        }
        float z = bias[i];
        float z00 = (s[0][0] + s[0][1] + s[0][2] + z) + (add ? cpu_load(y00, type, i) : 0);
        float z01 = (s[0][1] - s[0][2] - s[0][3] + z) + (add ? cpu_load(y01, type, i) : 0);
        float z10 = (s[1][0] + s[1][1] + s[1][2] + z) + (add ? cpu_load(y10, type, i) : 0);
        float z11 = (s[1][1] - s[1][2] - s[1][3] + z) + (add ? cpu_load(y11, type, i) : 0);
        cpu_store(y00, type, i, z00);
        cpu_store(y01, type, i, z01);
        cpu_store(y10, type, i, z10);
        cpu_store(y11, type, i, z11);
    }
}

CPU_INLINE void gather_body(void *const *y, enum dtype type, const float *m, int64_t part,
                            const float *bias, bool add, int64_t c)
{
    if (type == DT_BF16 && add)
        gather_typed(y, DT_BF16, m, part, bias, true, c);
    else if (type == DT_BF16)
        gather_typed(y, DT_BF16, m, part, bias, false, c);
    else if (add)
        gather_typed(y, DT_F32, m, part, bias, true, c);
    else
        gather_typed(y, DT_F32, m, part, bias, false, c);
}

CPU_VERSIONS(gather,
             (void *const *y, enum dtype type, const float *m, int64_t part, const float *bias,
              bool add, int64_t c),
             (y, type, m, part, bias, add, c));

/* ---- a block of tiles ---- */

struct block {
    const struct cpu_winograd *c;
    enum cpu_isa isa;
    const char *x; /* the image */
    char *y;
    const float *bias; /* [out] */
    const void *zeros; /* [in] */
    char *v;           /* [16][tiles][in], the 16 v_part values apart */
    float *m;          /* [16][tiles][out], m_part apart */
    int64_t v_part, m_part;
    int64_t first, count; /* of the image's tiles */
};

static void spread_chunk(void *context, int64_t index, int thread)
{
    const struct block *b = context;
    const struct cpu_winograd *c = b->c;
    int64_t last = (index + 1) * CHUNK < b->count ? (index + 1) * CHUNK : b->count;
    (void)thread;
    size_t value = dtype_size(c->type);
    for (int64_t t = index * CHUNK; t < last; t++) {
        const void *x[WINOGRAD_PARTS];
        int top = (int)((b->first + t) / (c->w / 2)) * 2 - 1;
        int left = (int)((b->first + t) % (c->w / 2)) * 2 - 1;
        for (int i = 0; i < SIDE; i++)
            for (int j = 0; j < SIDE; j++) {
                bool inside = top + i >= 0 && top + i < c->h && left + j >= 0 && left + j < c->w;
                int64_t at = ((int64_t)(top + i) * c->w + left + j) * c->in;
                x[SIDE * i + j] = inside ? b->x + (size_t)at * value : b->zeros;
            }
        void *v = b->v + (size_t)(t * c->in) * value;
        (c->type == DT_BF16 ? spread_bf16 : spread_f32[b->isa])(v, b->v_part, x, c->in);
    }
}

static void gather_chunk(void *context, int64_t index, int thread)
{
    const struct block *b = context;
    const struct cpu_winograd *c = b->c;
    int64_t last = (index + 1) * CHUNK < b->count ? (index + 1) * CHUNK : b->count;
    size_t pixel = (size_t)c->out * dtype_size(c->y_type);
    (void)thread;
    for (int64_t t = index * CHUNK; t < last; t++) {
        int64_t row = (b->first + t) / (c->w / 2) * 2, col = (b->first + t) % (c->w / 2) * 2;
        char *y = b->y + (size_t)(row * c->w + col) * pixel, *below = y + (size_t)c->w * pixel;
        void *const at[4] = {y, y + pixel, below, below + pixel};
        gather[b->isa](at, c->y_type, b->m + t * c->out, b->m_part, b->bias, c->accumulate, c->out);
    }
}

static int products(struct dnn *d, const struct block *b, struct err *e)
{
    const struct cpu_winograd *c = b->c;
    size_t value = dtype_size(c->type);
    for (int k = 0; k < WINOGRAD_PARTS; k++) {
        struct dnn_linear call = {.w = c->filters->part[k],
                                  .x = b->v + (size_t)(k * b->v_part) * value,
                                  .y = b->m + k * b->m_part,
                                  .y_type = DT_F32,
                                  .rows = b->count,
                                  .x_ld = c->in,
                                  .y_ld = c->out,
                                  .act = ACT_NONE};
        if (dnn_linear(d, &call, e) != 0)
            return -1;
    }
    return 0;
}

int cpu_winograd(const struct cpu *cpu, struct dnn *d, const struct cpu_winograd *c, void *scratch,
                 struct err *e)
{
    int64_t all = (int64_t)(c->h / 2) * (c->w / 2);
    int64_t tiles = cpu_winograd_tiles(all, c->in, c->out, c->type);
    size_t value = dtype_size(c->type), zeros = cpu_winograd_zeros(c->in, c->out);
    struct block b = {.c = c,
                      .isa = cpu->features.isa,
                      .zeros = scratch,
                      .bias = c->bias ? c->bias : scratch,
                      .m = (float *)((char *)scratch + zeros),
                      .v_part = cpu_winograd_part(tiles, c->in, c->type),
                      .m_part = cpu_winograd_part(tiles, c->out, DT_F32)};
    memset(scratch, 0, zeros);
    b.v = (char *)(b.m + WINOGRAD_PARTS * b.m_part);
    for (int image = 0; image < c->n; image++) {
        size_t pixels = (size_t)image * (size_t)c->h * (size_t)c->w;
        b.x = (const char *)c->x + pixels * (size_t)c->in * value;
        b.y = (char *)c->y + pixels * (size_t)c->out * dtype_size(c->y_type);
        for (b.first = 0; b.first < all; b.first += tiles) {
            b.count = all - b.first < tiles ? all - b.first : tiles;
            int64_t chunks = (b.count + CHUNK - 1) / CHUNK;
            parallel_for(cpu->threads, chunks, spread_chunk, &b);
            if (products(d, &b, e) != 0)
                return -1;
            parallel_for(cpu->threads, chunks, gather_chunk, &b);
        }
    }
    return 0;
}
