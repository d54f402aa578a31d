/*
 * Masks that are drawn by hand: one byte a pixel, 255 is made anew, 0 stays. Rectangles, the whole
 * turned round, an edge moved by a pixel.
 */
#ifndef SPRITTY_MASK_H
#define SPRITTY_MASK_H

#include "sprite/image.h"

struct mask {
    int width, height;
    uint8_t *at; /* width * height */
};

/* All of it stays. -1: no memory, or sizes out of 1..IMAGE_MAX_SIDE. */
int mask_init(struct mask *, int width, int height);
void mask_free(struct mask *);

/* The rectangle between two corners, both included, cut to the mask. */
void mask_box(struct mask *, int x0, int y0, int x1, int y1, bool on);
void mask_invert(struct mask *);
/* Each pixel becomes what any of its four neighbours or itself is: on, or (off) off. -1: no
 * memory. */
int mask_spread(struct mask *, bool on);
int mask_count(const struct mask *); /* pixels that are on */

/* From a picture of any size, by its nearest pixels: what is transparent is on where there is any
 * transparency, else what is bright, as masks are read for a job. */
void mask_from_image(struct mask *, const struct image *);
/* White on black, as a PNG. Whole or not at all. */
int mask_save(const struct mask *, const char *path, struct err *);

#endif
