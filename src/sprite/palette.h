/*
 * Palettes: read from files, shipped, or taken from images, and images brought to them.
 *
 * Colours are compared in Oklab. Ordered dithering looks for the two colours whose mix comes
 * nearest to what is wanted and lays them out by a Bayer matrix; a mix of colours that are far
 * apart costs extra, so flat parts stay flat where the palette has their colour. Floyd-Steinberg
 * spreads the error in Oklab, rows in turns from both sides. Hidden pixels (alpha 0) are left
 * alone, and errors do not cross them.
 */
#ifndef SPRITTY_PALETTE_H
#define SPRITTY_PALETTE_H

#include "sprite/image.h"

enum { PALETTE_MAX = 256, PALETTE_FILE_MAX = 1 << 22 };

struct palette {
    int n; /* 1 to PALETTE_MAX, all different */
    uint8_t rgb[PALETTE_MAX][3];
};

enum dither { DITHER_NONE, DITHER_BAYER2, DITHER_BAYER4, DITHER_BAYER8, DITHER_FLOYD };

/* "none", "bayer2", "bayer4", "bayer8", "floyd"; NULL past the end. */
const char *dither_name(int i);

/* Row i of what ships, or NULL past the end. Their colours' sources are in palettes.c. */
const char *palette_shipped_name(int i);

/* By the name of a shipped one or as a file: GIMP .gpl, .hex (a colour a line), JASC or RIFF .pal,
 * Photoshop .act, or a PNG whose visible colours count, in order of appearance. */
int palette_load(const char *name, struct palette *, struct err *);
/* The same from memory; `name` says how to read what has no mark (.act, .hex) and is put into
 * errors. Colours that come twice are taken once. */
int palette_parse(const uint8_t *data, size_t size, const char *name, struct palette *,
                  struct err *);
/* One for several images, as quantize_image would choose it for all of them together; colors as
 * there. Images without a visible pixel give black. */
int palette_of_images(const struct image *const *, int count, int colors, struct palette *,
                      struct err *);

/* Every visible pixel becomes a colour of the palette. In images of 2^18 pixels or more, colours
 * that differ only in the lowest two bits of their bytes are taken for one, unless the palette has
 * one of them (not by DITHER_FLOYD). -1 only without memory. */
int palette_apply(struct image *, const struct palette *, enum dither, struct err *);
/* The same; *used: how many of its colours the image has then. */
int palette_apply_count(struct image *, const struct palette *, enum dither, int *used,
                        struct err *);

/* The same as labels (labels.h); what becomes of the image's own pixels is not said. Hard alpha. */
struct labels;
int palette_apply_labels(struct image *, const struct palette *, enum dither, int *used,
                         struct labels *, struct err *);

/* Pixels of `from`'s colour i become colour i of `to`; others stay. -1 when `to` has fewer. */
int palette_swap(struct image *, const struct palette *from, const struct palette *to,
                 struct err *);

/* Every visible colour's hue turned by sixths of a circle in Oklab, its lightness kept; greys stay,
 * and what sRGB does not have becomes paler until it does. */
void palette_turn(struct image *, int sixths);

#endif
