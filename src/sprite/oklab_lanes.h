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
ALWAYS_INLINE float oklab_cube_root(float x)
{
    float size = fabsf(x) + 1e-20f, y;
    uint32_t bits;
    memcpy(&bits, &size, 4);
    bits = bits / 3 + 709958130;
    memcpy(&y, &bits, 4);
    for (int i = 0; i < 2; i++) {
        float cube = y * y * y;
        y *= (cube + 2 * size) / (2 * cube + size);
    }
    return copysignf(y, x);
}

ALWAYS_INLINE struct oklab oklab_convert(float r, float g, float b)
{
    float l = oklab_cube_root(0.4122214708f * r + 0.5363325363f * g + 0.0514459929f * b);
    float m = oklab_cube_root(0.2119034982f * r + 0.6806995451f * g + 0.1073969566f * b);
    float s = oklab_cube_root(0.0883024619f * r + 0.2817188376f * g + 0.6299787005f * b);
    return (struct oklab){
        0.2104542553f * l + 0.7936177850f * m - 0.0040720468f * s,
        1.9779984951f * l - 2.4285922050f * m + 0.4505937099f * s,
        0.0259040371f * l + 0.7827717662f * m - 0.8086757660f * s,
    };
}

/* oklab_squeeze_dark for colours of bytes: their l is above 0, if only just for black. */
ALWAYS_INLINE struct oklab oklab_squeeze(struct oklab c)
{
    const float k1 = 0.206f, k2 = 0.03f, k3 = (1 + k1) / (1 + k2);
    float x = k3 * c.l - k1, l = 0.5f * (x + sqrtf(x * x + 4 * k2 * k3 * c.l)), f = l / c.l;
    return (struct oklab){l, c.a * f, c.b * f};
}

#endif
