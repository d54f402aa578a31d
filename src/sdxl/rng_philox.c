/* Philox 4x32-10 and normals from it; see rng_philox.h. */
#include "sdxl/rng_philox.h"

#include <math.h>

void philox(uint32_t c[4], uint64_t key)
{
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        uint64_t a = (uint64_t)c[0] * 0xd2511f53u, b = (uint64_t)c[2] * 0xcd9e8d57u;
        c[0] = (uint32_t)(b >> 32) ^ c[1] ^ k0;
        c[1] = (uint32_t)b;
        c[2] = (uint32_t)(a >> 32) ^ c[3] ^ k1;
        c[3] = (uint32_t)a;
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
}

/* The constants are floats, the arithmetic is double, in numpy's order. */
static float box_muller(uint32_t x, uint32_t y)
{
    static const float unit = 2.3283064e-10f, turn = (float)(2.3283064e-10 * 6.2831855);
    double u = x * (double)unit + (double)(unit / 2);
    double v = y * (double)turn + (double)(turn / 2);
    return (float)(sqrt(-2.0 * log(u)) * sin(v));
}

void philox_normal(uint64_t seed, uint32_t call, size_t begin, size_t count, float *out)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t c[4] = {call, 0, (uint32_t)(begin + i), 0};
        philox(c, seed);
        out[i] = box_muller(c[0], c[1]);
    }
}
