/*
 * Pictures and latents to another size, on the host: the filters that the tools use.
 *
 * Separable, weights in double. torch's filters look at the nearest points however much smaller the
 * result is; Pillow's widen with the shrinking, so that every input counts.
 */
#ifndef SPRITTY_RESAMPLE_H
#define SPRITTY_RESAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum resample {
    RESAMPLE_NEAREST,       /* torch's: the input at floor(i * scale) */
    RESAMPLE_NEAREST_EXACT, /* the input whose middle is nearest */
    RESAMPLE_BILINEAR,      /* torch's, align_corners off */
    RESAMPLE_BICUBIC,       /* the same; Keys' cubic with a = -0.75 */
    RESAMPLE_TRIANGLE,      /* Pillow's BILINEAR */
    RESAMPLE_CUBIC,         /* Pillow's BICUBIC, a = -0.5 */
    RESAMPLE_LANCZOS        /* Pillow's LANCZOS, three lobes */
};

struct raster { /* [h, w, c], the caller's */
    int w, h, c;
    float *v;
};

/* Into `out`, of as many channels. -1: no memory. */
int resample(const struct raster *in, const struct raster *out, enum resample, struct err *);

/* Each pixel becomes the largest of itself and its four neighbours, `by` times (by < 0: the
 * smallest): ComfyUI's GrowMask with tapered corners. In place; -1: no memory. */
int mask_grow(uint8_t *mask, int w, int h, int by, struct err *);
/* A Gaussian of that deviation in pixels, cut at 2.5 of them as OpenCV is told to by A1111. In
 * place. */
int mask_blur(uint8_t *mask, int w, int h, double sigma, struct err *);

#endif
