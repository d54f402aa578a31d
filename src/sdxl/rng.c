/*
 * Mersenne Twister (Matsumoto and Nishimura 1998) and Box-Muller, in torch's order of operations.
 *
 * torch's AVX2 kernel (ATen/native/cpu/DistributionTemplates.h with avx_mathfun.h, the Cephes
 * polynomials) is written with separate multiplications and additions, but the compilers of its
 * releases fuse them. What is fused is written fmaf here, and nothing else may be: hence the
 * pragmas. The order below is that of the machine code in torch's releases (seen equal in 2.15).
 */
#include "sdxl/rng.h"

#include <math.h>
#include <string.h>

#if defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#elif defined(__GNUC__)
#pragma GCC optimize("fp-contract=off")
#endif

enum { N = 624, M = 397, BLOCK = 16, HALF = BLOCK / 2 };

static const double pi = 3.14159265358979323846;

/* --- mt19937 ---------------------------------------------------------------------------------- */

void rng_seed(struct rng *r, uint64_t seed)
{
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < N; i++)
        r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->next = N;
    r->has_spare = false;
    r->spare = 0;
}

static void next_state(struct rng *r)
{
    uint32_t *s = r->state;
    for (int i = 0; i < N; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % N] & 0x7fffffffu);
        s[i] = s[(i + M) % N] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
    r->next = 0;
}

uint32_t rng_u32(struct rng *r)
{
    if (r->next == N)
        next_state(r);
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

/* [0, 1) in steps of 2^-24. */
static float uniform_float(struct rng *r)
{
    return (float)(rng_u32(r) & 0xffffff) * 0x1p-24f;
}

/* [0, 1) in steps of 2^-53; the first 32 bits drawn are the high ones. */
static double uniform_double(struct rng *r)
{
    uint64_t high = rng_u32(r), low = rng_u32(r);
    return (double)((high << 32 | low) & 0x1fffffffffffffu) * 0x1p-53;
}

/* --- float functions, after Cephes (Moshier) as in sse_mathfun (Pommier) ------------------------
 */

/* ln x for x in (0, 1], normal. */
static float log_poly(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    float e = (float)((int)(bits >> 23) - 126); /* x = m * 2^e, m in [1/2, 1) */
    bits = (bits & 0x007fffffu) | 0x3f000000u;
    float m;
    memcpy(&m, &bits, sizeof m);
    bool low = m < 0.707106781186547524f;
    e = low ? e - 1.0f : e;
    m = low ? (m - 1.0f) + m : m - 1.0f;

    float z = m * m;
    float y = 7.0376836292e-2f;
    y = fmaf(y, m, -1.1514610310e-1f);
    y = fmaf(y, m, 1.1676998740e-1f);
    y = fmaf(y, m, -1.2420140846e-1f);
    y = fmaf(y, m, 1.4249322787e-1f);
    y = fmaf(y, m, -1.6668057665e-1f);
    y = fmaf(y, m, 2.0000714765e-1f);
    y = fmaf(y, m, -2.4999993993e-1f);
    y = fmaf(y, m, 3.3333331174e-1f);
    y = y * m;
    y = fmaf(y, z, e * -2.12194440e-4f);
    y = y - z * 0.5f;
    return fmaf(e, 0.693359375f, m + y);
}

/* Sine and cosine of x in [0, 2 pi]. */
static void sincos_poly(float x, float *sine, float *cosine)
{
    int octant = ((int)(x * 1.27323954473516f) + 1) & ~1;
    float y = (float)octant;
    x = fmaf(y, -0.78515625f, x); /* x - y * pi/4, pi/4 in three parts */
    x = fmaf(y, -2.4187564849853515625e-4f, x);
    x = fmaf(y, -3.77489497744594108e-8f, x);

    float z = x * x;
    float c = 2.443315711809948e-5f;
    c = fmaf(c, z, -1.388731625493765e-3f);
    c = fmaf(c, z, 4.166664568298827e-2f);
    c = c * z;
    c = fmaf(c, z, -(z * 0.5f)) + 1.0f;
    float s = -1.9515295891e-4f;
    s = fmaf(s, z, 8.3321608736e-3f);
    s = fmaf(s, z, -1.6666654611e-1f);
    s = s * z;
    s = fmaf(s, x, x);

    bool swapped = octant & 2;
    *sine = swapped ? c : s;
    *cosine = swapped ? s : c;
    *sine = octant & 4 ? -*sine : *sine;
    *cosine = (octant - 2) & 4 ? *cosine : -*cosine;
}

/* Box and Muller (1958) on 16 uniforms: i gives the radius, i + 8 the angle. */
static void normal_block(float *v)
{
    for (int i = 0; i < HALF; i++) {
        float radius = sqrtf(-2.0f * log_poly(1.0f - v[i]));
        float sine, cosine;
        sincos_poly((float)(2 * pi) * v[i + HALF], &sine, &cosine);
        v[i] = radius * cosine + 0.0f; /* + the mean: no negative zero */
        v[i + HALF] = radius * sine + 0.0f;
    }
}

/* --- normals ---------------------------------------------------------------------------------- */

/* One at a time in double; the second of a pair is kept for the next call. */
static float normal_single(struct rng *r)
{
    if (r->has_spare) {
        r->has_spare = false;
        return (float)r->spare;
    }
    double u1 = uniform_double(r), u2 = uniform_double(r);
    double radius = sqrt(-2.0 * log1p(-u2)), theta = 2.0 * pi * u1;
    r->spare = radius * sin(theta);
    r->has_spare = true;
    return (float)(radius * cos(theta));
}

static void fill_block(struct rng *r, float *v)
{
    for (int i = 0; i < BLOCK; i++)
        v[i] = uniform_float(r);
    normal_block(v);
}

void rng_normal(struct rng *r, float *out, size_t count)
{
    size_t rest = count % BLOCK;
    if (count < BLOCK) {
        for (size_t i = 0; i < count; i++)
            out[i] = normal_single(r);
        return;
    }
    for (size_t i = 0; i + BLOCK <= count; i += BLOCK)
        fill_block(r, out + i);
    if (rest == 0)
        return;
    while (rest-- > 0) /* torch draws these, and then the last 16 anew */
        rng_u32(r);
    fill_block(r, out + count - BLOCK);
}
