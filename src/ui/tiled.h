/* A picture twice across and twice down, to see whether it tiles; see tiled.c. */
#ifndef SPRITTY_TILED_H
#define SPRITTY_TILED_H

#include <stdint.h>

#include "sprite/image.h"

/* All zero at first. */
struct tiled {
    struct image *image; /* the picture 2x2, or NULL: nothing yet, or too large */
    uint64_t of;         /* serial of what it was made of */
    char text[60];       /* "2x2, a seam across" */
};

/* The 2x2 of a picture, made once; the picture itself where that cannot be had. *serial becomes
 * that of what is returned. Valid until the next call or tiled_free. */
const struct image *tiled_get(struct tiled *, const struct image *, uint64_t *serial);
void tiled_free(struct tiled *);

#endif
