/*
 * Fewer colours, chosen in Oklab.
 *
 * Colours are split along their greatest variance into more groups than wanted, the groups that
 * cost least are merged again (Ward), and k-means settles the rest: merging is what finds small
 * spots of colour that splitting alone misses, and its cost tells when to stop by itself. Hidden
 * pixels (alpha 0) keep out of it; alpha is left alone. Same image, same result.
 */
#ifndef SPRITTY_QUANTIZE_H
#define SPRITTY_QUANTIZE_H

#include "sprite/image.h"

enum {
    QUANTIZE_MAX = 256,
    QUANTIZE_CHOOSE_MAX = 32, /* never more than this by own choice */
};

struct quantize_report {
    int before, after; /* colours of visible pixels, alpha not counted */
};

/* At most `colors` (1 to QUANTIZE_MAX) in place; 0 chooses the least number that keeps the error
 * small and merges what cannot be told apart. An image that has so few already is not changed (by
 * own choice: unless some of its colours look the same), so doing it again changes nothing.
 * -1 only without memory. */
int quantize_image(struct image *, int colors, struct quantize_report *, struct err *);

/* The colours that quantize_image would leave, without painting them: in the order of their first
 * pixels. Returns how many; 0 without a visible pixel, -1 without memory. */
int quantize_palette(const struct image *, int colors, uint8_t rgb[QUANTIZE_MAX][3], struct err *);

/* Different colours of visible pixels, alpha not counted; -1 without memory. */
int quantize_count(const struct image *);

#endif
