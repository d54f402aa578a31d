/* Rectangles of cells; see rects.h. */
#include "term/rects.h"

struct cells cells_join(struct cells a, struct cells b)
{
    int y = a.y < b.y ? a.y : b.y, x = a.x < b.x ? a.x : b.x;
    int y1 = a.y + a.rows > b.y + b.rows ? a.y + a.rows : b.y + b.rows;
    int x1 = a.x + a.cols > b.x + b.cols ? a.x + a.cols : b.x + b.cols;
    return (struct cells){y, x, y1 - y, x1 - x};
}

/* Above and below it in full width, then left and right of it. Those without cells count too. */
static void around(struct cells r, struct cells cover, struct cells out[4])
{
    int end_y = r.y + r.rows, end_x = r.x + r.cols;
    int y0 = cover.y > r.y ? cover.y : r.y, x0 = cover.x > r.x ? cover.x : r.x;
    int y1 = cover.y + cover.rows < end_y ? cover.y + cover.rows : end_y;
    int x1 = cover.x + cover.cols < end_x ? cover.x + cover.cols : end_x;
    out[0] = (struct cells){r.y, r.x, y0 - r.y, r.cols};
    out[1] = (struct cells){y1, r.x, end_y - y1, r.cols};
    out[2] = (struct cells){y0, r.x, y1 - y0, x0 - r.x};
    out[3] = (struct cells){y0, x1, y1 - y0, end_x - x1};
}

int cells_left(struct cells whole, const struct cells *cover, int count, int least,
               struct cells *piece, int room)
{
    int n = 0;
    piece[n++] = whole;
    for (int c = 0; c < count; c++)
        for (int i = n - 1; i >= 0; i--) {
            struct cells part[4];
            if (!cells_touch(piece[i], cover[c]))
                continue;
            around(piece[i], cover[c], part);
            piece[i] = piece[--n];
            for (int k = 0; k < 4 && n < room; k++)
                if (part[k].rows > 0 && part[k].cols >= (k < 2 ? 1 : least))
                    piece[n++] = part[k];
        }
    return n;
}
