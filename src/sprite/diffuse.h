/*
 * Error diffusion after Floyd and Steinberg ("An adaptive algorithm for spatial greyscale", 1976),
 * in Oklab, to a palette.
 *
 * Each pixel waits for the one before it, so a row cannot be done faster than one pixel after the
 * other. But rows that are scanned the same way can be done at once, each two pixels behind the one
 * above it: so eight rows are a band, a lane each, and bands, not rows, are scanned in turns from
 * both sides.
 */
#ifndef SPRITTY_DIFFUSE_H
#define SPRITTY_DIFFUSE_H

#include "sprite/labels.h"
#include "sprite/palette.h"

enum { DIFFUSE_BAND = 8 }; /* rows that are scanned the same way */

/* Every visible pixel becomes a colour of the palette; hidden ones (alpha 0) are left alone and
 * errors do not cross them. used: which colours there are then; the last entry is of no meaning.
 * With labels (new ones of a byte, for a palette of fewer than PALETTE_MAX) the result goes there
 * instead, the image and `used` stay. -1 only without memory. */
int diffuse_image(struct image *, const struct palette *, bool used[PALETTE_MAX + 1],
                  struct labels *, struct err *);

#endif
