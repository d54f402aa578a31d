/*
 * Sprite sheets: many pictures in one, and what a game engine has to know of each.
 *
 * SHEET_GRID gives each frame a cell of the same size, in which it stands at the bottom in the
 * middle: cells can be cut out by counting. SHEET_TIGHT cuts transparent borders off and lays what
 * is left on shelves, the tallest first, in the width that makes the smallest sheet.
 */
#ifndef SPRITTY_SHEET_H
#define SPRITTY_SHEET_H

#include "sprite/image.h"

enum sheet_packing { SHEET_GRID, SHEET_TIGHT };

struct sheet_options {
    enum sheet_packing packing;
    int columns; /* of SHEET_GRID; 0: about as many as rows */
    int spacing; /* transparent pixels between frames */
};

struct sheet_frame {
    const struct image *image; /* the caller's */
    /* What sheet_pack fills in: */
    int x, y, width, height;     /* place in the sheet */
    int left, top;               /* of that part in the frame as it was */
    int full_width, full_height; /* of the frame as it was, or of a cell */
    int pivot[2];                /* the middle of the feet, in the frame as it was */
};

/* The sheet, the caller's to free, or NULL and err: without memory, or larger than an image may
 * be. n is 1 or more. */
struct image *sheet_pack(struct sheet_frame *, int n, const struct sheet_options *, struct err *);

/* Frame i in a canvas of the size of the largest, standing at the bottom in the middle; NULL
 * without memory. */
struct image *sheet_canvas(const struct sheet_frame *, int n, int i);

/* The frames as an animated PNG (malloc'd), each shown for `ms`, again and again. All are brought
 * to the size of the largest, standing at the bottom in the middle. */
int sheet_animate(const struct sheet_frame *, int n, int ms, uint8_t **data, size_t *size,
                  struct err *);
/* The same as an animated GIF: times in hundredths of a second, at most 255 colours in all (more
 * are brought to so many), pixels there or not. */
int sheet_animate_gif(const struct sheet_frame *, int n, int ms, uint8_t **data, size_t *size,
                      struct err *);

#endif
