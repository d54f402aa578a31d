/*
 * A sprite's outline and its place in the picture. What is visible (alpha above 0) is the sprite.
 */
#ifndef SPRITTY_SPRITE_FRAME_H
#define SPRITTY_SPRITE_FRAME_H

#include "sprite/image.h"

enum outline {
    OUTLINE_NONE,
    OUTLINE_INNER, /* visible pixels that touch hidden ones, or the border, side by side */
    OUTLINE_OUTER, /* hidden pixels that touch visible ones side by side */
};

enum anchor {
    ANCHOR_NONE,   /* where it was */
    ANCHOR_CENTRE, /* the sprite in the middle */
    ANCHOR_FEET,   /* its lowest pixels at the bottom, their middle in the middle */
};

struct frame_options {
    bool trim;         /* hidden rows and columns around the sprite go first */
    int pad;           /* hidden pixels that are added on each side */
    bool power_of_two; /* width and height grow to powers of two, to the right and below unless
                          there is an anchor */
    int width, height; /* of the result, 1 or more; 0: what is needed */
    enum anchor anchor;
};

/* "inner", "outer" (i is 1 or 2 then) and "centre", "feet"; NULL past the end. */
const char *outline_name(int i);
const char *anchor_name(int i);

/* The smallest rectangle with all that is visible: x, y, width, height. False: nothing is. */
bool frame_bounds(const struct image *, int box[4]);

/* One pixel of outline. OUTLINE_OUTER makes the image larger by one pixel on each side when the
 * sprite touches its border: *m may be another image then, and the old one is freed. -1 without
 * memory, and when the image cannot grow. */
int frame_outline(struct image **m, enum outline, const uint8_t rgb[3], struct err *);

/* A new image; what does not fit into a size that was given is cut off. pivot: where the middle of
 * the sprite's feet is, right of and below that pixel's corner. NULL and err without memory and for
 * sizes beyond IMAGE_MAX_SIDE. */
struct image *frame_place(const struct image *, const struct frame_options *, int pivot[2],
                          struct err *);

#endif
