/* Images from and to PNG files; see image_file.h. */
#include "sprite/image_file.h"

#include <stdlib.h>
#include <string.h>

/* Drops alpha where there is none. Returns whether it could. */
static bool to_rgb(const uint8_t *rgba, size_t pixels, uint8_t *rgb)
{
    for (size_t i = 0; i < pixels; i++) {
        if (rgba[4 * i + 3] != 255)
            return false;
        memcpy(rgb + 3 * i, rgba + 4 * i, 3);
    }
    return true;
}

int image_save(const char *path, const struct image *m, const struct png_text *text, int texts,
               struct err *e)
{
    uint8_t palette[256][4];
    size_t pixels = (size_t)m->width * (size_t)m->height;
    struct picture p = {PICTURE_RGBA, m->width, m->height, m->rgba, NULL, 0};
    uint8_t *smaller = malloc(pixels * 3);
    if (!smaller)
        return err_set(e, "out of memory for a picture of %dx%d", p.width, p.height);
    int colors = image_palette(m, 256, palette, smaller);
    if (colors > 0) {
        p.kind = PICTURE_INDEXED;
        p.palette = (const uint8_t(*)[4])palette;
        p.colors = colors;
        p.pixels = smaller;
    } else if (to_rgb(m->rgba, pixels, smaller)) {
        p.kind = PICTURE_RGB;
        p.pixels = smaller;
    }
    int rc = png_save(path, &p, text, texts, e);
    free(smaller);
    return rc;
}

int image_load(const char *path, struct image *m, struct png_file *file, struct err *e)
{
    if (png_load(path, true, file, e))
        return -1;
    *m = (struct image){file->width, file->height, file->rgba};
    return 0;
}
