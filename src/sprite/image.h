/*
 * Pictures in memory: 8-bit RGBA, rows top to bottom, sRGB, alpha not premultiplied. All fully
 * transparent pixels are the same colour, to whatever counts or compares.
 */
#ifndef SPRITTY_IMAGE_H
#define SPRITTY_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { IMAGE_MAX_SIDE = 16384 };

struct image {
    int width, height;
    uint8_t *rgba; /* width * height * 4 */
};

/* Transparent black; NULL without memory or for sizes out of 1..IMAGE_MAX_SIDE. */
struct image *image_new(int width, int height);
/* The same for who writes every pixel. */
struct image *image_new_unset(int width, int height);
struct image *image_from_rgb(const uint8_t *rgb, int width, int height);
struct image *image_copy(const struct image *);
void image_free(struct image *); /* NULL: nothing */

/* Enlarged by nearest neighbour, `factor` >= 1 in both directions. NULL without memory, or when a
 * side would pass IMAGE_MAX_SIDE. */
struct image *image_enlarge(const struct image *, int factor);
/* The size that image_shrink gives: the shape kept, at least 1 x 1, never enlarged. */
void image_shrunk_size(int *width, int *height, int max_width, int max_height);
/* Shrunk to at most width x height by averaging areas (alpha-weighted), the shape kept; never
 * enlarged: a copy when it fits. NULL without memory. */
struct image *image_shrink(const struct image *, int width, int height);

/* How many different colours can be seen: transparent pixels have none. -1 without memory. */
int image_colors(const struct image *);

/* The image's own palette, when it has at most `room` (1 to 256) colours: palette in order of first
 * appearance, one index a pixel. Returns the number of colours, or -1 when there are more (or
 * without memory); what was written then means nothing. */
int image_palette(const struct image *, int room, uint8_t (*palette)[4], uint8_t *indexes);

/* Compared with `other`: share of pixels that differ, 0 to 1 (1 when sizes differ), and a picture
 * of the differences (same pixels faded, others in `mark`) unless `picture` is NULL; *picture is
 * NULL without memory. */
double image_difference(const struct image *, const struct image *other, const uint8_t mark[4],
                        struct image **picture);

bool image_equal(const struct image *, const struct image *);

#endif
