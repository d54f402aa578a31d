/*
 * Oklab's arithmetic for loops of several colours at once, between oklab.c and its neighbours.
 */
#ifndef SPRITTY_OKLAB_LANES_H
#define SPRITTY_OKLAB_LANES_H

#include <math.h>
#include <string.h>

#include "sprite/oklab.h"
#include "sprite/wide.h"

/* Entry 2 * v is the light of byte v, from 0 to 1. */
extern const float oklab_curve[511];

/* A guess from the bits (a third of the exponent), then Halley's step twice: within a few units in
 * the last place. Without branches, so that compilers do several at once; what is added keeps zero
 * out of trouble and is too small to change any byte's light. */
ALWAYS_INLINE float oklab_cube_root_of(float size)
{
    float y;
    uint32_t bits;
    memcpy(&bits, &size, 4);
    bits = bits / 3 + 709958130;
    memcpy(&y, &bits, 4);
    for (int i = 0; i < 2; i++) {
        float cube = y * y * y;
        y *= (cube + 2 * size) / (2 * cube + size);
    }
    return y;
}

ALWAYS_INLINE float oklab_cube_root(float x)
{
    return copysignf(oklab_cube_root_of(fabsf(x) + 1e-20f), x);
}

/* What red, green and blue light add to each of the three cones. */
static const float oklab_cones[3][3] = {
    {0.4122214708f, 0.2119034982f, 0.0883024619f},
    {0.5363325363f, 0.6806995451f, 0.2817188376f},
    {0.0514459929f, 0.1073969566f, 0.6299787005f},
};

ALWAYS_INLINE struct oklab oklab_from_roots(float l, float m, float s)
{
    return (struct oklab){
        0.2104542553f * l + 0.7936177850f * m - 0.0040720468f * s,
        1.9779984951f * l - 2.4285922050f * m + 0.4505937099f * s,
        0.0259040371f * l + 0.7827717662f * m - 0.8086757660f * s,
    };
}

ALWAYS_INLINE struct oklab oklab_convert(float r, float g, float b)
{
    const float(*k)[3] = oklab_cones;
    return oklab_from_roots(oklab_cube_root(k[0][0] * r + k[1][0] * g + k[2][0] * b),
                            oklab_cube_root(k[0][1] * r + k[1][1] * g + k[2][1] * b),
                            oklab_cube_root(k[0][2] * r + k[1][2] * g + k[2][2] * b));
}

/* The same where none of the cones sees less than nothing, as it is with bytes. */
ALWAYS_INLINE struct oklab oklab_from_cones(float l, float m, float s)
{
    return oklab_from_roots(oklab_cube_root_of(l + 1e-20f), oklab_cube_root_of(m + 1e-20f),
                            oklab_cube_root_of(s + 1e-20f));
}

/* oklab_squeeze_dark for colours of bytes: their l is above 0, if only just for black. */
ALWAYS_INLINE struct oklab oklab_squeeze(struct oklab c)
{
    const float k1 = 0.206f, k2 = 0.03f, k3 = (1 + k1) / (1 + k2);
    float x = k3 * c.l - k1, l = 0.5f * (x + sqrtf(x * x + 4 * k2 * k3 * c.l)), f = l / c.l;
    return (struct oklab){l, c.a * f, c.b * f};
}

#endif
