/*
 * Arithmetic that the CPU kernels share, one value at a time, written so that a compiler turns a
 * loop over it into vector code: no calls, no branches, no tables. For use inside the bodies of
 * CPU_VERSIONS only.
 */
#ifndef SPRITTY_CPU_MATH_H
#define SPRITTY_CPU_MATH_H

#include <stdint.h>
#include <string.h>

#include "ops/cpu_features.h"
#include "ops/tensor.h"

/* In front of a loop whose arrays may be the same one, element for element, but overlap in no other
 * way: the compiler needs not check. */
#if defined(__clang__)
#define CPU_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define CPU_LOOP _Pragma("GCC ivdep")
#endif

/* Values in mapped files need not be aligned. */
typedef uint16_t cpu_u16 __attribute__((aligned(1), may_alias));
typedef float cpu_f32 __attribute__((aligned(1), may_alias));

CPU_INLINE float cpu_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

CPU_INLINE uint32_t cpu_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

/* choose ? a : b as bits, so that no compiler makes a branch of it. */
CPU_INLINE float cpu_select(int choose, float a, float b)
{
    uint32_t mask = -(uint32_t)choose;
    return cpu_from_bits((cpu_bits(a) & mask) | (cpu_bits(b) & ~mask));
}

/* To the nearest, ties to even; NaNs stay NaNs. */
CPU_INLINE uint16_t cpu_to_bf16(float f)
{
    uint32_t u = cpu_bits(f);
    uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? (u >> 16 | 0x40) : rounded);
}

CPU_INLINE float cpu_from_bf16(uint16_t h)
{
    return cpu_from_bits((uint32_t)h << 16);
}

/* Denormals by way of an integer: as floats they would take a slow path in many CPUs. */
CPU_INLINE float cpu_from_f16(uint16_t h)
{
    uint32_t magnitude = h & 0x7fffu, sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t normal = (magnitude << 13) + 0x38000000u;
    normal += magnitude >= 0x7c00u ? 0x38000000u : 0u; /* infinity and NaN */
    uint32_t tiny = cpu_bits((float)(int32_t)magnitude * 0x1p-24f);
    uint32_t is_tiny = -(uint32_t)(magnitude < 0x400u);
    return cpu_from_bits((tiny & is_tiny) | (normal & ~is_tiny) | sign);
}

/* To the nearest, ties to even, as f16_from_f32 in half.h. A half's denormals have the unit of
 * floats from 0.5 on, so that sum rounds. */
CPU_INLINE uint16_t cpu_to_f16(float f)
{
    uint32_t u = cpu_bits(f) & 0x7fffffffu, sign = cpu_bits(f) >> 16 & 0x8000u;
    uint32_t normal = (u + 0xfffu + (u >> 13 & 1) - 0x38000000u) >> 13;
    uint32_t tiny = cpu_bits(cpu_from_bits(u) + 0.5f) - cpu_bits(0.5f);
    uint32_t is_tiny = -(uint32_t)(u < 0x38800000u), is_large = -(uint32_t)(u >= 0x477ff000u);
    uint32_t large = u > 0x7f800000u ? 0x7e00u | (u >> 13 & 0x3ffu) : 0x7c00u;
    return (uint16_t)(sign | (tiny & is_tiny) | (large & is_large) |
                      (normal & ~is_tiny & ~is_large));
}

/* Element i; t is a constant where speed matters. */
CPU_INLINE float cpu_load(const void *p, enum dtype t, int64_t i)
{
    if (t == DT_F32)
        return ((const cpu_f32 *)p)[i];
    return t == DT_F16 ? cpu_from_f16(((const cpu_u16 *)p)[i])
                       : cpu_from_bf16(((const cpu_u16 *)p)[i]);
}

CPU_INLINE void cpu_store(void *p, enum dtype t, int64_t i, float f)
{
    if (t == DT_F32)
        ((cpu_f32 *)p)[i] = f;
    else
        ((cpu_u16 *)p)[i] = t == DT_F16 ? cpu_to_f16(f) : cpu_to_bf16(f);
}

/* e^x to 2e-7 of it for -87 <= x <= 88, beyond that as at the ends. x = n ln 2 + r with the sum
 * split in two to keep r exact, Taylor's series for e^r (|r| < 0.347), 2^n by the exponent field.
 * Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. */
CPU_INLINE float cpu_exp(float x)
{
    x = cpu_select(x < -87.0f, -87.0f, x);
    x = cpu_select(x > 88.0f, 88.0f, x);
    float shifted = x * 1.44269504f + 12582912.0f;
    float n = shifted - 12582912.0f;
    float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    return p * cpu_from_bits((cpu_bits(shifted) << 23) + 0x3f800000u);
}

CPU_INLINE float cpu_silu(float x)
{
    return x / (1.0f + cpu_exp(-x));
}

/* x Phi(x), by the upper tail Q(|x|) = exp(-x^2 / 2) t P(t), t = 1 / (1 + 0.35 |x|): a fit of our
 * own, least squares reweighted towards the largest relative error, 3.2e-8 over 0 to 14. Relative
 * in the tail as well, where 1 + erf(x) would have nothing left. */
CPU_INLINE float cpu_gelu(float x)
{
    float a = cpu_from_bits(cpu_bits(x) & 0x7fffffffu);
    float t = 1.0f / (1.0f + 0.35f * a);
    float p = -0.029146284f;
    p = p * t + 0.14397338f;
    p = p * t - 0.25571764f;
    p = p * t + 0.15917788f;
    p = p * t - 0.023112297f;
    p = p * t + 0.105508998f;
    p = p * t + 0.119832627f;
    p = p * t + 0.139861897f;
    p = p * t + 0.139621407f;
    float tail = cpu_exp(-0.5f * x * x) * p * t;
    return cpu_select(x < 0.0f, 0.0f, x) - a * tail;
}

#endif
