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

/* in [h, w, c] -> out [out_h, out_w, c]. -1: no memory. */
int resample(const float *in, int w, int h, int c, float *out, int out_w, int out_h, enum resample,
             struct err *);

/* Each pixel becomes the largest of itself and its four neighbours, `by` times (by < 0: the
 * smallest): ComfyUI's GrowMask with tapered corners. In place; -1: no memory. */
int mask_grow(uint8_t *mask, int w, int h, int by, struct err *);
/* A Gaussian of that deviation in pixels, cut at 2.5 of them as OpenCV is told to by A1111. In
 * place. */
int mask_blur(uint8_t *mask, int w, int h, double sigma, struct err *);

#endif
