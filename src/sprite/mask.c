/* See mask.h. */
#include "sprite/mask.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/png.h"

static size_t size_of(const struct mask *m)
{
    return (size_t)m->width * (size_t)m->height;
}

int mask_init(struct mask *m, int width, int height)
{
    bool fits = width > 0 && height > 0 && width <= IMAGE_MAX_SIDE && height <= IMAGE_MAX_SIDE;
    *m = (struct mask){width, height, NULL};
    m->at = fits ? calloc(size_of(m), 1) : NULL;
    return m->at ? 0 : -1;
}

void mask_free(struct mask *m)
{
    free(m->at);
    *m = (struct mask){0};
}

static int clamp(int x, int most)
{
    return x < 0 ? 0 : x > most ? most : x;
}

void mask_box(struct mask *m, int x0, int y0, int x1, int y1, bool on)
{
    int left = clamp(x0 < x1 ? x0 : x1, m->width - 1),
        top = clamp(y0 < y1 ? y0 : y1, m->height - 1);
    int right = clamp(x0 < x1 ? x1 : x0, m->width - 1);
    int bottom = clamp(y0 < y1 ? y1 : y0, m->height - 1);
    for (int y = top; y <= bottom; y++)
        memset(m->at + (size_t)y * (size_t)m->width + left, on ? 255 : 0,
               (size_t)(right - left + 1));
}

void mask_invert(struct mask *m)
{
    for (size_t i = 0; i < size_of(m); i++)
        m->at[i] = m->at[i] ? 0 : 255;
}

int mask_spread(struct mask *m, bool on)
{
    uint8_t *was = malloc(size_of(m)), value = on ? 255 : 0;
    int w = m->width, h = m->height;
    if (!was)
        return -1;
    memcpy(was, m->at, size_of(m));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const uint8_t *p = was + (size_t)y * (size_t)w + x;
            if ((x > 0 && p[-1] == value) || (x + 1 < w && p[1] == value) ||
                (y > 0 && p[-w] == value) || (y + 1 < h && p[w] == value))
                m->at[(size_t)y * (size_t)w + (size_t)x] = value;
        }
    free(was);
    return 0;
}

int mask_count(const struct mask *m)
{
    int n = 0;
    for (size_t i = 0; i < size_of(m); i++)
        n += m->at[i] != 0;
    return n;
}

void mask_from_image(struct mask *m, const struct image *from)
{
    size_t count = (size_t)from->width * (size_t)from->height;
    bool alpha = false;
    for (size_t i = 0; i < count && !alpha; i++)
        alpha = from->rgba[4 * i + 3] < 255;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++) {
            int64_t sy = (int64_t)y * from->height / m->height;
            int64_t sx = (int64_t)x * from->width / m->width;
            const uint8_t *p = from->rgba + 4 * (sy * from->width + sx);
            bool on = alpha ? p[3] < 128 : 299 * p[0] + 587 * p[1] + 114 * p[2] >= 128 * 1000;
            m->at[(size_t)y * (size_t)m->width + (size_t)x] = on ? 255 : 0;
        }
}

int mask_save(const struct mask *m, const char *path, struct err *e)
{
    static const uint8_t palette[2][4] = {{0, 0, 0, 255}, {255, 255, 255, 255}};
    uint8_t *index = malloc(size_of(m));
    if (!index)
        return err_set(e, "out of memory for a mask of %dx%d", m->width, m->height);
    for (size_t i = 0; i < size_of(m); i++)
        index[i] = m->at[i] ? 1 : 0;
    struct picture p = {PICTURE_INDEXED, m->width, m->height, index, palette, 2};
    int rc = png_save(path, &p, NULL, 0, e);
    free(index);
    return rc;
}
