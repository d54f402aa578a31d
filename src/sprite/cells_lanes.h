/*
 * The colours of eight cells at once; between cells.c, which cuts the image up, and cells_lanes.c.
 *
 * A cell has some ten samples, too few for vector code, but all cells of one size have their
 * samples at the same places. So sample i of eight cells lies side by side, and each cell is a
 * lane.
 */
#ifndef SPRITTY_CELLS_LANES_H
#define SPRITTY_CELLS_LANES_H

#include "sprite/cells.h"
#include "sprite/wide.h"

enum {
    CELL_LANES = 8,
    CELL_SAMPLES = 256, /* of a cell, at most */
};

struct cell_batch {
    int n;     /* cells that are there */
    int count; /* samples of each cell, 1 to CELL_SAMPLES */
    uint8_t *out[CELL_LANES];
    /* Hidden samples have no weight and the colour of one that is seen. */
    lanes8 weight[CELL_SAMPLES]; /* whole numbers */
    uint8_t rgb[3][CELL_SAMPLES][CELL_LANES];
    lanes8 lab[3][CELL_SAMPLES]; /* room to work */
};

/* Writes each cell's colour to its `out` (three bytes), and empties the batch. */
void cell_batch_finish(struct cell_batch *, enum cell_method);

#endif
