/*
 * One direction of a pixel grid, and lines that follow its edges where they wander; for grid.c.
 *
 * Of all ways to lay lines about a cell apart, the best one has the most edges on its lines, less
 * what uneven distances cost: being far from a cell a little, changing from line to line much, as
 * what wanders does so slowly.
 */
#ifndef SPRITTY_FOLLOW_H
#define SPRITTY_FOLLOW_H

#include "sprite/edges.h"

enum { FOLLOW_LINES_MIN = 5 }; /* fewer tell nothing */

/* One direction of the image. */
struct axis {
    struct edges edges;
    double extent; /* of the edges, in pixels */
};

struct lines {
    double cell, first; /* of an even grid */
    int n;              /* places, one more than cells */
    int *at;            /* room for the axis' pixels + 2 */
};

/* Lines about `cell` pixels apart, and over the edges' ends as even ones would go on. l->at has
 * room for them; l->cell: their mean distance. -1 only without memory. */
int follow_edges(const struct axis *, double cell, struct lines *, struct err *);

#endif
