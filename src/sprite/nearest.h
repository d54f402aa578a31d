/*
 * A palette's colours in Oklab, and which of them is the nearest; between dither.c and diffuse.c.
 */
#ifndef SPRITTY_NEAREST_H
#define SPRITTY_NEAREST_H

#include "sprite/oklab.h"
#include "sprite/palette.h"
#include "sprite/wide.h"

/* Eight side by side; what is missing in the last eight is far from all. */
struct colours {
    int count, n; /* of colours, of eights */
    lanes8 l[PALETTE_MAX / 8], a[PALETTE_MAX / 8], b[PALETTE_MAX / 8];
};

void colours_take(struct colours *, const struct palette *);

/* The number of the nearest colour; of several as near, the first. */
int colours_nearest(const struct colours *, struct oklab);

/* The colours that may be the nearest one to a point of a box, in their order, into list
 * [PALETTE_MAX]. At least one; some may be too many. */
int colours_in_box(const struct colours *, struct oklab low, struct oklab high, uint8_t *list);
/* The same without those that any two others exclude, for boxes that are looked at often. */
int colours_in_box_exactly(const struct colours *, struct oklab low, struct oklab high,
                           uint8_t *list);

/* The least of eight lanes, each the least of every eighth colour, and its colour's number. Of two
 * as good, the first. */
int colours_best_lane(const float least[8], const int32_t index[8], float *found);

#endif
