/*
 * What stays of a picture that was made anew in a part (inpainting).
 *
 * Cells wholly outside of the mask keep the colours that they have, as long as there are no more of
 * them than may be chosen; colours are chosen for the other cells alone, as many more as are
 * allowed, and none beside a kept one that a decoder's noise could have made of it. Where the
 * picture had alpha, kept cells are there or not as they were, whatever the matte says.
 */
#ifndef SPRITTY_KEEP_H
#define SPRITTY_KEEP_H

#include "sprite/image.h"
#include "sprite/palette.h"

struct keep {
    int width, height;    /* of all three; the image that is finished, before its cells are taken */
    const uint8_t *mask;  /* 0: the pixel stays */
    const uint8_t *alpha; /* of what stays, before it was put on a ground; NULL: opaque */
};

/* One block with bytes of its own, the caller's to free. NULL without memory, and where there is no
 * mask. */
struct keep *keep_copy(const struct keep *);

/* Cell i of a row is pixels x[i] to x[i + 1] - 1, of a column y[i] to y[i + 1] - 1. Returns columns
 * x rows bytes, 1: the cell stays; the caller's to free. NULL without memory. */
uint8_t *keep_cells(const struct keep *, const int *x, int columns, const int *y, int rows);

/* A copy of an image of the mask's size that has, outside of the mask, the kept alpha. NULL without
 * memory. */
struct image *keep_alpha(const struct keep *, const struct image *);

/* The colours of kept cells, then those chosen for the others. images: their cells, background
 * hidden; kept: keep_cells of each. colors: as quantize_image has it. 1; 0: no cell that stays is
 * visible, or they have more colours than that; -1 and err without memory. */
int keep_palette(const struct image *const *images, uint8_t *const *kept, int count, int colors,
                 struct palette *, struct err *);

/* palette_apply to all but the kept cells that have a colour of the palette already. */
int keep_apply(struct image *, const uint8_t *kept, const struct palette *, enum dither,
               struct err *);

#endif
