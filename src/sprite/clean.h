/*
 * Small faults that pixel artists mend by hand. Each is asked for by itself: what is a fault in one
 * sprite is an eye in another. For sprites of few colours, after finishing.
 */
#ifndef SPRITTY_CLEAN_H
#define SPRITTY_CLEAN_H

#include "base/err.h"

enum clean_what {
    /* Colours that can hardly be told apart become the one of them that has more pixels. */
    CLEAN_NEAR = 1,
    /* A pixel unlike all eight around it, of which at least six are the same, becomes as those. */
    CLEAN_LONE = 2,
    /* Outlines (beside transparency) that are two pixels thick lose the outer one. */
    CLEAN_DOUBLE = 4,
    /* Steps of a thin line that turn twice at once lose the pixel in their corner. */
    CLEAN_JAGGED = 8,
    CLEAN_ALL = 15,
};

struct clean_report {
    int near, lone, doubled, jagged; /* pixels that were changed by each */
};

/* In the order above, in place, on labels (labels.h); pixels of alpha 0 are one colour. -1 for
 * CLEAN_NEAR on more than 255 visible colours and without memory. */
struct labels;
int clean_labels(struct labels *, unsigned what, struct clean_report *, struct err *);

/* The names of the bits on command lines: "near", "lone", "double", "jagged"; NULL past the end. */
const char *clean_name(int i);

#endif
