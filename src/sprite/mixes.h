/*
 * Two colours of a palette laid out as one that lies between them: what ordered dithering searches
 * for, in dither.c colour by colour and in bins.c many at once.
 *
 * A mix of `first`, the nearest colour, and t of another comes as near to what is wanted as t puts
 * it, but costs extra by its grain: colours that are far apart are seen as dots. Shares of more
 * than a half are another first colour's.
 */
#ifndef SPRITTY_MIXES_H
#define SPRITTY_MIXES_H

#include "sprite/nearest.h"

/* Colours to mix into one of the palette, eight side by side. What of a mix depends on these two
 * alone is computed once: t of the other costs, beyond what `first` alone does,
 * t * (grain - 2 * along + t * rest), where `along` is how far the wanted colour lies that way. */
struct partners {
    lanes8 l, a, b; /* from the first colour to the other */
    lanes8 inverse; /* of the squared length; 0 for the same colour */
    lanes8 grain, rest;
};

struct mixes {
    const struct palette *palette;
    struct colours colours;
    struct oklab lab[PALETTE_MAX];
    struct partners *partners; /* [palette's colours][colours.n] */
    bool known[PALETTE_MAX];   /* which rows of them are */
};

/* The palette must outlive it. -1 only without memory; mixes_free is good for all. */
int mixes_init(struct mixes *, const struct palette *);
void mixes_free(struct mixes *);

/* [colours.n] of a first colour. */
const struct partners *mixes_with(struct mixes *, int first);

/* What partners cost at the share t at which they come nearest, from 0 to a half, where `along` is
 * known. */
ALWAYS_INLINE void mixes_cost(const lanes8 *along, const lanes8 *inverse, const lanes8 *grain,
                              const lanes8 *rest, lanes8 *share, lanes8 *cost)
{
    const lanes8 none = {0};
    lanes8 t = *along * *inverse;
    t = LANES_PICK(t < 0, none, t);
    t = LANES_PICK(t > 0.5f, none + 0.5f, t);
    *share = t;
    *cost = t * (*grain - (*along + *along) + t * *rest);
}

/* On how many of `count` places of a matrix a share is laid out. */
uint8_t mixes_places(float share, int count);

#endif
