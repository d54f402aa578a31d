/*
 * Sixteen-bit floats to and from f32, one at a time: exact going up, to the nearest (ties to even)
 * coming down, with infinities, NaNs (made quiet) and denormals as IEEE 754 has them. Plain C: the
 * vector code of the backends is tested against these.
 */
#ifndef SPRITTY_HALF_H
#define SPRITTY_HALF_H

#include <stdint.h>
#include <string.h>

#include "ops/tensor.h"

static inline uint32_t f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline float f32_from_bf16(uint16_t h)
{
    return f32_from_bits((uint32_t)h << 16);
}

static inline uint16_t bf16_from_f32(float f)
{
    uint32_t u = f32_bits(f);
    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >>
                      16); /* a carry out of the mantissa is right */
}

static inline float f32_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 0x3ff;
    if (exponent == 0) /* zero and denormals: units of 2^-24 */
        return f32_from_bits(sign | f32_bits((float)mantissa * 0x1p-24f));
    if (exponent == 31)
        return f32_from_bits(sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000u : 0u));
    return f32_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

static inline uint16_t f16_from_f32(float f)
{
    uint32_t sign = f32_bits(f) >> 16 & 0x8000, u = f32_bits(f) & 0x7fffffff;
    if (u > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (u >> 13 & 0x3ff));
    if (u >= 0x477ff000) /* 65520, half way beyond the largest: infinity */
        return (uint16_t)(sign | 0x7c00);
    if (u <
        0x38800000) /* below 2^-14: from 0.5 on, f32 has f16's denormal unit, so the sum rounds */
        return (uint16_t)(sign | (f32_bits(f32_from_bits(u) + 0.5f) - 0x3f000000));
    return (uint16_t)(sign | (u - 0x38000000 + 0xfff + (u >> 13 & 1)) >> 13);
}

/* Element i of an array of any type, which need not be aligned (mapped checkpoints are not). */
static inline float load_f32(const void *p, enum dtype t, int64_t i)
{
    const char *at = (const char *)p + (size_t)i * dtype_size(t);
    if (t == DT_F32) {
        float f;
        memcpy(&f, at, sizeof f);
        return f;
    }
    uint16_t h;
    memcpy(&h, at, sizeof h);
    return t == DT_F16 ? f32_from_f16(h) : f32_from_bf16(h);
}

static inline void store_f32(void *p, enum dtype t, int64_t i, float f)
{
    char *at = (char *)p + (size_t)i * dtype_size(t);
    if (t == DT_F32) {
        memcpy(at, &f, sizeof f);
        return;
    }
    uint16_t h = t == DT_F16 ? f16_from_f32(f) : bf16_from_f32(f);
    memcpy(at, &h, sizeof h);
}

#endif
