/*
 * The mixes of a large image's colours, for dither.c: colours that differ only in the lowest two
 * bits of their bytes are a bin, and a bin has one mix, that of the colour in its middle.
 *
 * Bins that lie together, four a side, are a block, whose bins come one after the other. What can
 * be the nearest colour to a whole block, and what can be worth mixing into it, is a few colours of
 * the palette; only these are tried for its bins, eight bins at once.
 */
#ifndef SPRITTY_BINS_H
#define SPRITTY_BINS_H

#include "sprite/mixes.h"

enum {
    BIN_DROP = 2, /* so many bits a channel are dropped */
    BINS = 1 << (24 - 3 * BIN_DROP),
    BIN_COLOURS = 1 << 3 * BIN_DROP, /* in a bin */
    BLOCK = 64,                      /* bins of a block */
};

/* `second` on places of the matrix below `places`, else `first`. */
struct bin_mix {
    uint8_t first, second, places, state; /* state: the caller's, at first 0 */
};

/* The bins of n pixels; of hidden ones (alpha 0), BINS. */
void bins_of(const uint8_t *rgba, int n, int32_t *bin);

/* Finds the mixes of all bins that visible pixels of the image have. bins: [BINS + 1]; those whose
 * state is not 0 are left as they are. count: places of the matrix, 1 for no second colour. -1 only
 * without memory. */
int bins_mix(struct mixes *, const struct image *, int count, struct bin_mix *bins);

#endif
