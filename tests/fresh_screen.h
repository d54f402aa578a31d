/*
 * A screen to draw on that begins with no places of images, for the tests of what is drawn.
 */
#ifndef SPRITTY_FRESH_SCREEN_H
#define SPRITTY_FRESH_SCREEN_H

#include "fake_place.h"
#include "seen.h"

static inline void start_fresh(int rows, int cols, enum color_depth colors, bool utf8)
{
    memset(&places, 0, sizeof places);
    start_with(rows, cols, colors, utf8);
}

static inline void start(int rows, int cols)
{
    start_fresh(rows, cols, COLORS_TRUE, true);
}

#endif
