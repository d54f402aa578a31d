/*
 * The cells of a wanted image: where it lies, what may have to be cleared of it, and the pieces
 * that are left of it when something covers the rest. Pure; for place.c.
 */
#ifndef SPRITTY_PLACE_CELLS_H
#define SPRITTY_PLACE_CELLS_H

#include "term/place.h"

enum { PIECE_SLOT = 1 << 16, MAX_PIECES = 8 };

/* Where it lies in full size, or where its part does; no rows when it cannot be shown. */
struct cells place_cells(const struct caps *, const struct place *);
/* Those that may have to be cleared of an image that lies in `r`: where a cell is no whole number
 * of pixels wide (Konsole), it reaches into one more column or row. Its area has no text, so that
 * may go too; but beside a piece there may be what covers the rest. */
struct cells place_edge(const struct caps *, const struct place *, struct cells r);
/* Does one of the covers touch these cells of it? Never one of an overlay's own. */
bool place_is_covered(const struct place *, struct cells, const struct cells *cover, int covers);
/* Images that are covered in part become pieces around the covers, up to MAX_PIECES each, in slots
 * PIECE_SLOT apart: no terminal lets text lie over a picture. Not where a cell's pixels are unknown
 * (there would be gaps), nor a preview: the next one replaces it. want: `wants` of them, with room
 * for MAX_PLACES. Returns how many there are then. */
int place_cut(const struct caps *, struct place *want, int wants, const struct cells *cover,
              int covers);

#endif
