/*
 * An image as bytes that a terminal shows: sixel, kitty, iTerm2, or characters.
 *
 * All of them show the image with its top left corner at the cursor's cell and leave the cursor
 * anywhere; the caller places it before and puts attributes back after (place.h). Characters take
 * several rows and move the cursor themselves, to the job's y and x. Enlarging is by nearest
 * neighbour and a whole factor, done here, so that what is seen is the sprite's own pixels.
 * Transparent pixels take `ground` before anything is encoded: nothing shines through.
 *
 * Sixel: an image of at most `registers` colours is sent with exactly its own palette, so what is
 * decoded at the other end is the image, up to sixel's 101 levels a channel; one with more is
 * reduced first. kitty and iTerm2: PNG, exact. Characters: half blocks where the image fits, each
 * pixel half a cell or more, exact where the colours are; libchafa's symbols where it is shrunk.
 * Homes: libsixel in sixel.c, libchafa in chafa.c.
 */
#ifndef SPRITTY_GRAPHICS_H
#define SPRITTY_GRAPHICS_H

#include "sprite/image.h"
#include "term/rects.h"
#include "term/probe.h"

struct graphics_job {
    const struct image *image;
    int rows, cols; /* the cells that it may fill */
    int scale;      /* pixels of the screen a pixel: see graphics_fit; 0: fit by averaging down */
    int y, x;       /* the cell of its top left corner, from 0: for characters */
    struct cells part;  /* only these cells of what is shown, from its corner; no rows: all */
    uint8_t ground[3];  /* behind transparent pixels */
    uint8_t ground2[3]; /* the other square of a checkerboard; the same as ground: plain */
    unsigned id;        /* kitty's image id: the same id replaces */
};

/* How an image lies in an area of rows x cols cells: the largest whole factor that fits, in the
 * middle. An image that does not fit at 1 is shrunk. Pure. With blocks a cell is 1 x 2 pixels. */
struct graphics_fit {
    int scale;      /* 0: shrunk */
    int w, h;       /* pixels as shown */
    int rows, cols; /* cells that it covers */
    int top, left;  /* cells from the area's corner */
};
struct graphics_fit graphics_fit(const struct caps *, int image_w, int image_h, int rows, int cols);
/* The same at a given factor (which must fit), or shrunk for 0. */
struct graphics_fit graphics_fit_at(const struct caps *, int image_w, int image_h, int rows,
                                    int cols, int scale);

/* The pixels of an image that lie under a cell of its area, [at[0], at[2]) x [at[1], at[3]) (x, y),
 * at least one; those of the nearest cell, for one beside the image. Pure. */
void graphics_under(const struct caps *, const struct graphics_fit *, int image_w, int image_h,
                    int row, int col, int at[4]);

/* malloc'd bytes of *len, or NULL (no memory, or a terminal without graphics). */
char *graphics_encode(const struct caps *, const struct graphics_job *, size_t *len, struct err *);
/* Bytes that take kitty's image `id` away; "" for the others, whose cells are simply written
 * over. */
void graphics_remove(const struct caps *, unsigned id, char *out, size_t size);

#endif
