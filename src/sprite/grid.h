/*
 * The pixel grid of an enlarged sprite: how large its cells are and where they begin.
 *
 * A grid's lines lie at equal distances, and edges lie on lines. So the edges of a row and of a
 * column (edges.h) are compared with waves of every length: the longest wave that nearly all edges
 * are in step with is the cell, whole or not, and its phase is where the first cell begins. Sizes
 * that are whole numbers of pixels, or divide the image in whole cells, are taken when what was
 * measured allows it. Where lines wander, as a model draws them, they are followed (follow.h): each
 * stays near its place beside the one before and goes where the edges are.
 */
#ifndef SPRITTY_GRID_H
#define SPRITTY_GRID_H

#include "sprite/image.h"

enum { GRID_CELL_MAX = 256 }; /* no larger cell is looked for */

struct grid {
    bool found;                       /* by itself, or the size was given */
    bool even;                        /* lines at equal distances; else they were followed */
    double cell_x, cell_y, left, top; /* pixels; a cell begins at (left, top), 0 to one cell */
    double confidence; /* 0 to 1: which part of the edges lies on the lines, by their waves */
    int columns, rows;
    int *x, *y; /* columns + 1 and rows + 1 rising places: cell i is pixels x[i] to x[i + 1] - 1 */
};

/* cell 0: found if there is one; else, a cell's side in pixels, 1 or more and no longer than the
 * image, of which only the places are looked for. What is left over at the borders is a cell of
 * its own from half a cell on. Without a grid (found is false) cells are pixels.
 * -1 for a size that makes no sense and without memory. */
int grid_find(const struct image *, double cell, struct grid *, struct err *);
void grid_free(struct grid *);

#endif
