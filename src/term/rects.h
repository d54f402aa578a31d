/*
 * Rectangles of a terminal's cells: which meet, and what is left of one when others lie over it.
 */
#ifndef SPRITTY_TERM_RECTS_H
#define SPRITTY_TERM_RECTS_H

#include <stdbool.h>

struct cells {
    int y, x, rows, cols;
};

static inline bool cells_touch(struct cells a, struct cells b)
{
    return a.y < b.y + b.rows && b.y < a.y + a.rows && a.x < b.x + b.cols && b.x < a.x + a.cols;
}

static inline bool cells_contain(struct cells a, struct cells b)
{
    return a.y <= b.y && a.x <= b.x && b.y + b.rows <= a.y + a.rows && b.x + b.cols <= a.x + a.cols;
}

/* The smallest that contains both. */
struct cells cells_join(struct cells, struct cells);
/* What of `whole` none of the `count` covers lies over, in pieces that do not meet. A piece beside
 * a cover is left out when it has fewer than `least` columns. Returns how many there are, at most
 * `room`; more are left out. */
int cells_left(struct cells whole, const struct cells *cover, int count, int least,
               struct cells *piece, int room);

#endif
