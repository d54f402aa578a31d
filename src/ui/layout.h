/*
 * Where the panels stand: pure functions from a size to rectangles, tested without a terminal.
 * Smallest is 60 x 20; below that the app says so and draws nothing else.
 */
#ifndef SPRITTY_LAYOUT_H
#define SPRITTY_LAYOUT_H

#include "ui/screen.h"

enum { LAYOUT_MIN_ROWS = 20, LAYOUT_MIN_COLS = 60 };

struct layout {
    bool too_small;
    struct rect top, main, bottom; /* the bar, the view, the hints */
};
struct layout layout_frame(int rows, int cols);

struct studio_layout {
    struct rect prompt, negative, presets, settings, queue, progress, preview, timing, memory;
    /* h == 0: there is no room for it */
};
/* Settings or presets that have the keys take the room of each other and of most of the queue. */
enum layout_wide { LAYOUT_EVEN, LAYOUT_SETTINGS, LAYOUT_PRESETS };
struct studio_layout layout_studio(struct rect main, enum layout_wide);

/* A grid of equal cells with a gap of one column: cells[row * cols + col], the first `count`. */
void layout_grid(struct rect, int rows, int cols, struct rect *cells, int count);

#endif
