/*
 * Pictures to a job's size: files as floats, flattened, scaled onto a canvas, and as bytes again.
 */
#ifndef SPRITTY_FIT_H
#define SPRITTY_FIT_H

#include "sdxl/resample.h"
#include "sprite/png.h"

/* Zeros; v is the caller's to free. -1 with err: no memory. */
int fit_new(struct raster *, int w, int h, int c, struct err *);
/* `from` onto the canvas `to`, whose content shows where the picture does not reach; how: "crop",
 * "stretch", "pad". What is enlarged twice or more keeps its hard edges. */
int fit_onto(const struct raster *from, struct raster *to, const char *how, struct err *);
/* Rounded, cut to 0..255; malloc'd, NULL with err. */
uint8_t *fit_bytes(const struct raster *, struct err *);
/* A picture over its background, linear in the bytes, as the tools do. */
int fit_flatten(const struct png_file *, const uint8_t back[3], struct raster *, struct err *);
/* The setting backdrop; "auto" or none leaves rgb as it is. */
int fit_backdrop(const char *text, uint8_t rgb[3], struct err *);

#endif
