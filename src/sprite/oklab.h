/*
 * sRGB bytes, linear light and Oklab, the space in which equal distances look about equal.
 *
 * Oklab is Björn Ottosson's: "A perceptual color space for image processing",
 * https://bottosson.github.io/posts/oklab/ (2020, matrices of January 2021). l runs from 0 (black)
 * to 1 (white); a (green to red) and b (blue to yellow) stay within about 0.35 of zero for sRGB.
 * About 0.02 is the least difference that an eye sees side by side.
 *
 * Only additions, multiplications, divisions and tables are used, so every machine computes the
 * same numbers, whatever its math library.
 */
#ifndef SPRITTY_OKLAB_H
#define SPRITTY_OKLAB_H

#include <stdint.h>

struct oklab {
    float l, a, b;
};

/* The sRGB curve: 0..255 to light from 0 to 1, and back, rounded to nearest and clamped. */
float srgb_to_linear(uint8_t);
uint8_t linear_to_srgb(float);

/* From and to linear light of the sRGB primaries; out of 0..1 is fine. */
struct oklab oklab_from_linear(const float rgb[3]);
void oklab_to_linear(struct oklab, float rgb[3]);

struct oklab oklab_from_srgb(const uint8_t rgb[3]);
/* The same for n colours, several times as fast. */
void oklab_from_srgb_many(const uint8_t (*rgb)[3], int n, struct oklab *out);
/* Colours that sRGB does not have are clamped channel by channel. Bytes that oklab_from_srgb took
 * come back exactly. */
void oklab_to_srgb(struct oklab, uint8_t rgb[3]);

/* Oklab makes too much of differences between nearly black colours. This squeezes them (l by the
 * toe of https://bottosson.github.io/posts/colorpicker/, a and b as much) and leaves white in
 * place. */
struct oklab oklab_squeeze_dark(struct oklab);

/* The square of the distance: what is compared and summed everywhere. */
static inline float oklab_distance2(struct oklab p, struct oklab q)
{
    float l = p.l - q.l, a = p.a - q.a, b = p.b - q.b;
    return l * l + a * a + b * b;
}

#endif
