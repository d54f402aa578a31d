/*
 * From a decoded picture to a sprite: cells to pixels, background to nothing, few colours.
 *
 * The background goes before colours are counted, so that it takes no place in the palette and its
 * many pixels pull no colour of the sprite towards it.
 */
#ifndef SPRITTY_FINISH_H
#define SPRITTY_FINISH_H

#include "sprite/image.h"

struct finish_options {
    int cell;    /* pixels of a cell's side, dividing both sides of the image; 0 or 1: as it is;
                    FINISH_FIND: the grid is looked for (grid.h), and without one: as it is */
    int colors;  /* 1 to 256: at most so many; 0: choose; -1: leave them */
    bool matte;  /* cut the background */
    double grid; /* with FINISH_FIND: a cell's side, of which only the place is looked for; or 0 */
};

enum { FINISH_FIND = -1 };

struct finish_report {
    int width, height;               /* of the result */
    int cell;                        /* what was used, rounded, 1 or more */
    bool grid_found, grid_even;      /* with FINISH_FIND, as below */
    double cell_x, cell_y;           /* a cell's sides; 1 without a grid */
    double confidence;               /* in the grid, 0 to 1 */
    int colors_before, colors_after; /* visible colours: of the cells; of the result */
    bool background;                 /* was found and cut */
    uint8_t background_rgb[3];       /* if so */
    double ms;                       /* wall time of all steps */
};

/* *out is a new image, the caller's to free; the result's alpha is 0 or 255 (from 128 on) as soon
 * as any step is asked for. Any number of threads may run it at once. The same input gives the same
 * pixels on every machine, and finishing a cut sprite again with cell 1 changes nothing (one whose
 * background was left may show a clear background once its colours are few). -1 and err for options
 * or an image that make no sense, and without memory; *out is NULL then. */
int finish_run(const struct image *raw, const struct finish_options *, struct image **out,
               struct finish_report *, struct err *);

#endif
