/*
 * Tiles: does a picture go on where it begins again?
 *
 * The step over the seam, from the last column to the first, is compared with the steps inside. A
 * picture whose seam is a step like its others cannot be told from one that never ends.
 */
#ifndef SPRITTY_TILE_H
#define SPRITTY_TILE_H

#include "sprite/image.h"

struct tile_score {
    /* The mean step over the seam by the mean step inside, in Oklab: 1 is a seam like any other
     * line, more shows. 1 for a picture with less than two columns (rows). */
    double x, y;
    /* Which part of the lines inside is at least as much of a step: 1 is the quietest of all, 0
     * means that the seam is the strongest line of the picture. */
    double hidden_x, hidden_y;
    bool good_x, good_y; /* the seam does not stand out: hidden in a tenth of the lines, or below
                            1.25 times the mean step */
    int cell;            /* pixels of a cell of pixel art, whose lines were looked at; else 1 */
};

int tile_measure(const struct image *, struct tile_score *, struct err *);

/* The picture so many times across and down; NULL and err without memory, or where it gets too
 * large. */
struct image *tile_repeat(const struct image *, int across, int down, struct err *);

#endif
