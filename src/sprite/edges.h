/*
 * Where an image's edges lie, summed over rows and columns.
 *
 * The lines of a pixel grid show as places where many rows change colour at once. A difference
 * counts only where it is the greatest of its neighbours in its row and stands out of the noise:
 * so a blurred edge is as narrow as a sharp one, and noise on flat parts is silent. The two
 * differences beside it count as well; the three together say where between two pixels it is.
 */
#ifndef SPRITTY_EDGES_H
#define SPRITTY_EDGES_H

#include "sprite/image.h"

struct edges {
    int n;        /* the image's width or height */
    float *at;    /* [n]: weight of edges between pixels i - 1 and i; at[0] is 0 */
    double total; /* of all weights */
};

/* Edges between columns and between rows. Hidden pixels (alpha below 128) are one colour that no
 * other equals. -1 only without memory; edges_free on both frees what is there. */
int edges_find(const struct image *, struct edges *columns, struct edges *rows, struct err *);
void edges_free(struct edges *);

#endif
