/*
 * The background made transparent.
 *
 * The background is what most of the image's border looks like, whatever colour that is. From the
 * border inwards everything of that colour goes, so a white sprite on white ground stays as long as
 * its outline is closed (a diagonal line of pixels closes it: the flood does not pass corners). How
 * far a colour may be off follows from the border's own noise: where the ground is clean, a pale
 * sprite beside it is safe. What a decoder leaves around an outline, specks of nearly the ground's
 * colour that touch it, goes too; a larger pale part does not. So does a fringe: single pixels
 * between outline and ground that are mixed of both.
 */
#ifndef SPRITTY_MATTE_H
#define SPRITTY_MATTE_H

#include "sprite/image.h"

struct matte_options {
    float tolerance;  /* Oklab distance that still is background; 0: by the border's noise */
    bool holes;       /* enclosed places of the background's colour go as well */
    bool keep_fringe; /* pixels that are mixed of ground and outline, beside the ground, stay */
};

struct matte_report {
    bool found;      /* there is a background, and it is cut */
    bool was_cut;    /* the image had transparent pixels already; nothing was done */
    uint8_t rgb[3];  /* the background's colour, also when it was too much to cut */
    float tolerance; /* that was used */
    double share;    /* of the image's pixels that went, or would have gone */
    size_t fringe;   /* pixels that went as mixed ones */
};

/* Changes the image in place: what goes becomes transparent black, the rest is opaque. Left as it
 * is when the border has no dominant colour, when hardly anything else would be left, and when it
 * has transparent pixels (alpha below 128) already. -1 only without memory. */
int matte_cut(struct image *, const struct matte_options *, struct matte_report *, struct err *);

#endif
