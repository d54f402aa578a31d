/* Does it tile? The picture beside itself shows it, and a measure of its seams says it. */
#include "ui/tiled.h"

#include <stdio.h>
#include <string.h>

#include "sprite/tile.h"

enum { SERIAL_BIT = 62 }; /* apart from the picture's own serial, and from a difference's (63) */

static const char *verdict(const struct image *m)
{
    struct tile_score s;
    if (tile_measure(m, &s, NULL))
        return "2x2";
    if (s.good_x && s.good_y)
        return "2x2, no seam";
    if (s.good_x || s.good_y)
        return s.good_x ? "2x2, a seam down" : "2x2, a seam across";
    return "2x2, seams both ways";
}

const struct image *tiled_get(struct tiled *t, const struct image *m, uint64_t *serial)
{
    if (!t->image || t->of != *serial) {
        tiled_free(t);
        t->image = tile_repeat(m, 2, 2, NULL);
        t->of = *serial;
        snprintf(t->text, sizeof t->text, "%s", verdict(m));
    }
    if (!t->image)
        return m;
    *serial |= 1ull << SERIAL_BIT;
    return t->image;
}

void tiled_free(struct tiled *t)
{
    image_free(t->image);
    memset(t, 0, sizeof *t);
}
