/*
 * From an enlarged sprite to one pixel a cell, where the grid is known.
 *
 * A decoder bleeds at the borders of cells and rings beside them, so a cell's mean is a colour that
 * nobody drew. CELL_CENTROID (k-centroid of two) parts a cell's pixels in two groups in Oklab,
 * those near the middle counting more, and takes the mean of the heavier group. CELL_DOMINANT takes
 * the colour that most of the cell has, of colours that are nearly the same their mean. The middle
 * alone is as good as either on a perfect grid, but not where the grid is off by a pixel or single
 * pixels are wrong (test_finish.c has the figures). Cells of up to 3 pixels are too small for a
 * majority: there both take the middle.
 */
#ifndef SPRITTY_CELLS_H
#define SPRITTY_CELLS_H

#include "sprite/image.h"

enum cell_method {
    CELL_CENTROID,
    CELL_DOMINANT,
    CELL_CENTRE, /* the mean of the middle: 1, 2x2 or a quarter of the cell's pixels */
    CELL_MEAN,
};

struct cell_grid {
    int cell;      /* pixels of a cell's side, 1 or more */
    int left, top; /* where the first whole cell begins, 0 to cell - 1 */
};

/* "centroid", "dominant", "centre", "mean"; NULL past the end. */
const char *cell_method_name(int i);

/* A new image, one pixel a cell. Alpha becomes 0 or 255 by what most of the cell is (128 counts as
 * there); hidden pixels have no say in the colour. A cell of one pixel changes nothing else. NULL
 * and err for a grid that does not fit and without memory. */
struct image *cells_reduce(const struct image *, struct cell_grid, enum cell_method, struct err *);

/* The same for cells that differ: cell i of a row is pixels x[i] to x[i + 1] - 1, of a column y[i]
 * to y[i + 1] - 1. Both rise from 0 or more to at most the image's width and height. */
struct image *cells_reduce_lines(const struct image *, const int *x, int columns, const int *y,
                                 int rows, enum cell_method, struct err *);

#endif
