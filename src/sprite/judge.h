/*
 * Which pixels have the background's colour, and which are pale beside it; for matte.c.
 *
 * A colour counts by its distance from the background's in Oklab with dark colours squeezed. Most
 * need no conversion to tell: colours are in bins of 8x8x8 bytes, and what every colour of a bin is
 * follows from the distance of the bin's middle and from how far its corners are from there. Only
 * what lies in a bin that a limit cuts is converted. The result is as if all were.
 */
#ifndef SPRITTY_JUDGE_H
#define SPRITTY_JUDGE_H

#include <stdbool.h>
#include <stdint.h>

#include "sprite/oklab.h"

enum { JUDGE_BITS = 5, JUDGE_SIDE = 1 << JUDGE_BITS };

struct judge {
    struct oklab color; /* the background's, squeezed */
    float limit, pale;  /* squared distances; pale is not below limit */
    bool has_cube;      /* of bytes that surely are within the limit: */
    uint8_t low[3], span[3];
    uint8_t kind[JUDGE_SIDE * JUDGE_SIDE * JUDGE_SIDE]; /* of each bin's colours */
};

/* color: the background's, as `rgb` in bytes. `many` pixels will come, so that it pays to look at
 * all bins first. */
void judge_init(struct judge *, struct oklab color, const uint8_t rgb[3], float limit, float pale,
                bool many);

/* A bit for each of a row's pixels, in words of 64 whose bits past the width are 0. Alpha is not
 * looked at. */
void judge_row(const struct judge *, const uint8_t *rgba, int width, uint64_t *ground,
               uint64_t *pales);

#endif
