/* See lora_product.h. */
#include "sdxl/lora_product.h"

#include <string.h>

#include "ops/half.h"

enum { PANEL = 16, ROWS = 6 };

/* -- numbers -- */

typedef uint16_t eight16 __attribute__((vector_size(16)));
typedef uint32_t eight32 __attribute__((vector_size(32)));
typedef float eight __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

/* Eight f16 values: the exponent is moved over by a multiplication, which makes denormals right as
 * well; what was infinite or no number has the largest exponent then, and stays so. */
INLINE void widen_f16(const eight16 *h, eight32 *out)
{
    const eight scale = {0x1p112f, 0x1p112f, 0x1p112f, 0x1p112f,
                         0x1p112f, 0x1p112f, 0x1p112f, 0x1p112f};
    eight32 u = __builtin_convertvector(*h, eight32);
    eight32 low = (u & 0x7fff) << 13;
    eight32 big = (eight32)(low >= 0x0f800000u);
    eight32 value = (eight32)((eight)low * scale);
    *out = value | (big & 0x7f800000u) | (u & 0x8000) << 16;
}

INLINE void widen_bf16(const eight16 *h, eight32 *out)
{
    *out = __builtin_convertvector(*h, eight32) << 16;
}

/* All values; returns a mask that is not zero where one was not finite. */
INLINE bool widen_body(float *out, const char *in, enum dtype type, int64_t count)
{
    eight32 bad = {0};
    int64_t i = 0;
    for (; i + 8 <= count; i += 8) {
        eight16 h;
        eight32 u;
        if (type == DT_F32) {
            memcpy(&u, in + i * 4, sizeof u);
        } else {
            memcpy(&h, in + i * 2, sizeof h);
            if (type == DT_F16)
                widen_f16(&h, &u);
            else
                widen_bf16(&h, &u);
        }
        bad |= (eight32)((u & 0x7f800000u) == 0x7f800000u);
        memcpy(out + i, &u, sizeof u);
    }
    bool any = false;
    for (int k = 0; k < 8; k++)
        any = any || bad[k];
    for (; i < count; i++) {
        uint16_t h;
        if (type == DT_F32) {
            memcpy(&out[i], in + i * 4, 4);
        } else {
            memcpy(&h, in + i * 2, 2);
            out[i] = type == DT_F16 ? f32_from_f16(h) : f32_from_bf16(h);
        }
        any = any || (f32_bits(out[i]) & 0x7f800000u) == 0x7f800000u;
    }
    return !any;
}

/* -- the kernel -- */

/* R rows of one panel: sums over the rank. */
#define DEFINE_BLOCK(name, R)                                                                      \
    INLINE void name(const float *a, int64_t rank, const float *b, float *c, int64_t ld, int cols, \
                     bool add)                                                                     \
    {                                                                                              \
        eight sum[R][2] = {0};                                                                     \
        for (int64_t k = 0; k < rank; k++) {                                                       \
            eight low, high;                                                                       \
            memcpy(&low, b + k * PANEL, sizeof low);                                               \
            memcpy(&high, b + k * PANEL + 8, sizeof high);                                         \
            for (int r = 0; r < (R); r++) {                                                        \
                float x = a[r * rank + k];                                                         \
                sum[r][0] += low * x;                                                              \
                sum[r][1] += high * x;                                                             \
            }                                                                                      \
        }                                                                                          \
        for (int r = 0; r < (R); r++) {                                                            \
            float row[PANEL];                                                                      \
            memcpy(row, sum[r], sizeof row);                                                       \
            for (int k = 0; k < cols; k++)                                                         \
                c[r * ld + k] = add ? c[r * ld + k] + row[k] : row[k];                             \
        }                                                                                          \
    }

/* Rows from `from` on, panel by panel, so that a panel is read once for all of them. */
#define DEFINE_ROWS(name, target)                                                                  \
    target static void name(const struct product *p, int64_t from, int64_t count, float *c,        \
                            bool add)                                                              \
    {                                                                                              \
        const float *a = p->a + from * p->rank;                                                    \
        for (int64_t at = 0; at < p->cols; at += PANEL) {                                          \
            const float *b = p->b + at * p->rank;                                                  \
            int cols = p->cols - at < PANEL ? (int)(p->cols - at) : PANEL;                         \
            int64_t r = 0;                                                                         \
            for (; r + ROWS <= count && cols == PANEL; r += ROWS)                                  \
                block6(a + r * p->rank, p->rank, b, c + r * p->cols + at, p->cols, PANEL, add);    \
            for (; r < count; r++)                                                                 \
                block1(a + r * p->rank, p->rank, b, c + r * p->cols + at, p->cols, cols, add);     \
        }                                                                                          \
    }

DEFINE_BLOCK(block6, ROWS)
DEFINE_BLOCK(block1, 1)
DEFINE_ROWS(plain_rows, )

static bool plain_widen(float *out, const char *in, enum dtype type, int64_t count)
{
    return type == DT_F32   ? widen_body(out, in, DT_F32, count)
           : type == DT_F16 ? widen_body(out, in, DT_F16, count)
                            : widen_body(out, in, DT_BF16, count);
}

#ifdef __x86_64__
#define AVX2 __attribute__((target("avx2,fma")))
DEFINE_ROWS(avx2_rows, AVX2)

AVX2 static bool avx2_widen(float *out, const char *in, enum dtype type, int64_t count)
{
    return type == DT_F32   ? widen_body(out, in, DT_F32, count)
           : type == DT_F16 ? widen_body(out, in, DT_F16, count)
                            : widen_body(out, in, DT_BF16, count);
}

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

bool values_to_f32(float *out, const void *data, enum dtype type, int64_t count)
{
#ifdef __x86_64__
    if (has_avx2())
        return avx2_widen(out, data, type, count);
#endif
    return plain_widen(out, data, type, count);
}

void product_rows(const struct product *p, int64_t from, int64_t count, float *c, bool add)
{
#ifdef __x86_64__
    if (has_avx2()) {
        avx2_rows(p, from, count, c, add);
        return;
    }
#endif
    plain_rows(p, from, count, c, add);
}

/* -- layout -- */

static int64_t panels(int64_t cols)
{
    return (cols + PANEL - 1) / PANEL;
}

size_t product_bytes(int64_t rows, int64_t rank, int64_t cols)
{
    return (size_t)(rank * (rows + panels(cols) * PANEL)) * sizeof(float);
}

void product_panels(struct product *p, const float *b)
{
    for (int64_t at = 0; at < panels(p->cols); at++) {
        int64_t from = at * PANEL, some = p->cols - from < PANEL ? p->cols - from : PANEL;
        for (int64_t k = 0; k < p->rank; k++) {
            float *to = p->b + (at * p->rank + k) * PANEL;
            memcpy(to, b + k * p->cols + from, (size_t)some * sizeof *to);
            memset(to + some, 0, (size_t)(PANEL - some) * sizeof *to);
        }
    }
}
