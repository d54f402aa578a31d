/* What stays of a sprite that was made in a part, when it is opened again; see finishing.h. */
#include <stdlib.h>
#include <string.h>

#include "engine/finishing.h"
#include "engine/inputs.h"

/* Pixels of the job that one of the sprite stands for, in each direction; 0: the sprite is another
 * cutting. */
static int square_of(const struct settings *s, const struct image *m)
{
    bool moved = s->trim || s->pad > 0 || s->power_of_two || s->canvas[0] > 0 ||
                 (setting_says(s, "anchor") && strcmp(s->anchor, "none") != 0);
    int side = s->width / m->width;
    bool fits = side > 0 && s->width == side * m->width && s->height == side * m->height;
    return fits && !moved ? side : 0;
}

/* A pixel is made anew if any of its square is. */
static void shrink(const uint8_t *mask, int width, int side, const struct image *m, uint8_t *out)
{
    for (int y = 0; y < m->height * side; y++)
        for (int x = 0; x < width; x++)
            out[y / side * m->width + x / side] |= mask[(size_t)y * (size_t)width + (size_t)x];
}

struct keep *finishing_kept(const struct settings *s, const struct image *m, struct err *e)
{
    struct inputs in = {0};
    int side = setting_says(s, "mask") ? square_of(s, m) : 0;
    size_t count = (size_t)m->width * (size_t)m->height;
    struct keep *kept = NULL;
    if (side == 0)
        return NULL;
    uint8_t *both = calloc(2, count);
    if (!both)
        err_set(e, "out of memory for the mask");
    if (both && inputs_mask(&in, s, e) == 0) {
        uint8_t *alpha = both + count;
        shrink(in.mask, s->width, side, m, both);
        for (size_t i = 0; i < count; i++)
            alpha[i] = m->rgba[4 * i + 3];
        if (!(kept = keep_copy(&(struct keep){m->width, m->height, both, alpha})))
            err_set(e, "out of memory for the mask");
    }
    inputs_free(&in);
    free(both);
    return kept;
}
