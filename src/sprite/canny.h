/*
 * Canny's edge detection: the lines of a picture, white on black, one pixel wide.
 *
 * ControlNets for edges were trained on what OpenCV's cv2.Canny(image, low, high) gives, so this is
 * that to the bit, its whole numbers included: Sobel's 3x3 differences with the border repeated; of
 * three channels the one that changes most; |dx| + |dy| as strength; a pixel stays where it is the
 * strongest across its edge, of four directions; edges begin above `high` and go on above `low`.
 * Steps and constants are those of OpenCV's documentation and modules/imgproc/src/canny.cpp; the
 * method is Canny 1986, "A Computational Approach to Edge Detection".
 */
#ifndef SPRITTY_CANNY_H
#define SPRITTY_CANNY_H

#include <stdint.h>

#include "base/err.h"

/* rgb: width x height x 3. out: width x height, 255 on edges, else 0. Sides up to IMAGE_MAX_SIDE;
 * thresholds in any order. -1 with err: no memory. */
int canny_edges(const uint8_t *rgb, int width, int height, int low, int high, uint8_t *out,
                struct err *);

#endif
