/* The cells of a wanted image; see place_cells.h. */
#include "term/place_cells.h"

#include "term/graphics.h"

struct cells place_cells(const struct caps *caps, const struct place *w)
{
    struct graphics_fit f = graphics_fit(caps, w->image->width, w->image->height, w->rows, w->cols);
    struct cells all = {w->y + f.top, w->x + f.left, f.rows, f.cols};
    if (w->part.rows < 1)
        return all;
    return (struct cells){all.y + w->part.y, all.x + w->part.x, w->part.rows, w->part.cols};
}

struct cells place_edge(const struct caps *caps, const struct place *w, struct cells r)
{
    if (caps->graphics == GRAPHICS_BLOCKS || r.rows < 1 || w->part.rows > 0)
        return r;
    r.rows += r.y + r.rows < w->y + w->rows;
    r.cols += r.x + r.cols < w->x + w->cols;
    return r;
}

bool place_is_covered(const struct place *w, struct cells r, const struct cells *cover, int covers)
{
    for (int i = 0; i < covers && !w->over; i++)
        if (cells_touch(cover[i], r))
            return true;
    return false;
}

int place_cut(const struct caps *caps, struct place *want, int wants, const struct cells *cover,
              int covers)
{
    bool known = caps->graphics == GRAPHICS_BLOCKS || (caps->cell_w > 0 && caps->cell_h > 0);
    int count = wants;
    for (int i = 0; known && i < wants; i++) {
        struct cells piece[MAX_PIECES], all = place_cells(caps, &want[i]);
        struct place w = want[i];
        if (w.live || all.rows < 1 ||
            !place_is_covered(&w, place_edge(caps, &w, all), cover, covers))
            continue;
        int n = cells_left(all, cover, covers, PLACE_MIN_COLS, piece, MAX_PIECES);
        for (int k = 0; k < n; k++) {
            w.part = (struct cells){piece[k].y - all.y, piece[k].x - all.x, piece[k].rows,
                                    piece[k].cols};
            w.slot = want[i].slot % PIECE_SLOT + PIECE_SLOT * (unsigned)k;
            if (k == 0)
                want[i] = w;
            else if (count < MAX_PLACES)
                want[count++] = w;
        }
    }
    return count;
}
