/*
 * From a decoded picture to a sprite: cells to pixels, background to nothing, few colours; then,
 * each where asked for, colours swapped, small faults mended, an outline, and the sprite's place.
 *
 * The background goes before colours are counted, so that it takes no place in the palette and its
 * many pixels pull no colour of the sprite towards it. Faults are mended and outlines drawn on the
 * final colours.
 */
#ifndef SPRITTY_FINISH_H
#define SPRITTY_FINISH_H

#include "sprite/cells.h"
#include "sprite/clean.h"
#include "sprite/frame.h"
#include "sprite/image.h"
#include "sprite/keep.h"
#include "sprite/palette.h"

struct finish_options {
    int cell;   /* pixels of a cell's side, dividing both sides of the image; 0 or 1: as it is;
                   FINISH_FIND: the grid is looked for (grid.h), and without one: as it is */
    int colors; /* 1 to 256: at most so many; 0: choose; -1: leave them */
    bool matte; /* cut the background */
    /* What is 0 below is not done. */
    double grid;       /* with FINISH_FIND: a cell's side, of which only the place is looked for */
    int columns, rows; /* so many cells, whatever `cell` says; one alone: the other is what keeps
                          cells square */
    enum cell_method method;
    float tolerance; /* of the matte, as matte.h has it, and holes */
    bool holes, keep_fringe;
    const struct palette *palette;             /* its colours instead of `colors` */
    enum dither dither;                        /* also to colours that `colors` chose */
    const struct palette *swap_from, *swap_to; /* palette_swap: both or none */
    unsigned clean;                            /* bits of enum clean_what */
    enum outline outline;
    const uint8_t *outline_rgb; /* NULL: the sprite's darkest colour */
    bool place;                 /* as `frame` says */
    struct frame_options frame;
    const struct keep *keep; /* what stays (keep.h); of no meaning to images of another size */
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
    bool was_cut;                    /* the image was transparent already where it should be */
    uint8_t background_rgb[3];       /* if so */
    struct clean_report clean;
    int pivot[2]; /* the middle of the sprite's feet, with `place` (frame.h) */
    double ms;    /* wall time of all steps */
};

/* *out is a new image, the caller's to free; the result's alpha is 0 or 255 (from 128 on) as soon
 * as any step is asked for. Any number of threads may run it at once. The same input gives the same
 * pixels on every machine, and finishing a cut sprite again with cell 1 changes nothing (one whose
 * background was left may show a clear background once its colours are few). -1 and err for options
 * or an image that make no sense, and without memory; *out is NULL then. */
int finish_run(const struct image *raw, const struct finish_options *, struct image **out,
               struct finish_report *, struct err *);

/* As far as the background: the cells before colours are chosen, and which of them stay (keep.h;
 * NULL: nothing is kept). Both the caller's to free; NULL on failure. */
int finish_cut(const struct image *raw, const struct finish_options *, struct image **out,
               uint8_t **kept, struct err *);

#endif
