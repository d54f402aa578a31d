/*
 * Pictures in memory; see image.h.
 *
 * A colour is one 32-bit value, and all fully transparent pixels are the value 0, whatever colour
 * hides below: nobody can see it, so it neither counts nor differs.
 */
#include "sprite/image.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/few.h"

static size_t pixel_count(const struct image *m)
{
    return (size_t)m->width * (size_t)m->height;
}

/* rgba is the caller's to allocate. */
static struct image *without_pixels(int width, int height)
{
    if (width < 1 || height < 1 || width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE)
        return NULL;
    struct image *m = malloc(sizeof *m);
    if (m)
        *m = (struct image){width, height, NULL};
    return m;
}

static struct image *or_none(struct image *m)
{
    if (!m || m->rgba)
        return m;
    free(m);
    return NULL;
}

struct image *image_new(int width, int height)
{
    struct image *m = without_pixels(width, height);
    if (m)
        m->rgba = calloc(pixel_count(m), 4);
    return or_none(m);
}

struct image *image_new_unset(int width, int height)
{
    struct image *m = without_pixels(width, height);
    if (m)
        m->rgba = malloc(pixel_count(m) * 4);
    return or_none(m);
}

struct image *image_from_rgb(const uint8_t *rgb, int width, int height)
{
    struct image *m = image_new(width, height);
    for (size_t i = 0, n = m ? pixel_count(m) : 0; i < n; i++) {
        memcpy(m->rgba + 4 * i, rgb + 3 * i, 3);
        m->rgba[4 * i + 3] = 255;
    }
    return m;
}

struct image *image_copy(const struct image *from)
{
    struct image *m = image_new_unset(from->width, from->height);
    if (m)
        memcpy(m->rgba, from->rgba, pixel_count(m) * 4);
    return m;
}

void image_free(struct image *m)
{
    if (m)
        free(m->rgba);
    free(m);
}

/* -- sizes --------------------------------------------------------------------------------------
 */

struct image *image_enlarge(const struct image *from, int factor)
{
    assert(factor >= 1);
    if (factor > IMAGE_MAX_SIDE / from->width || factor > IMAGE_MAX_SIDE / from->height)
        return NULL;
    struct image *m = image_new(from->width * factor, from->height * factor);
    if (!m)
        return NULL;
    size_t stride = (size_t)m->width * 4;
    for (int y = 0; y < from->height; y++) {
        const uint8_t *in = from->rgba + (size_t)y * (size_t)from->width * 4;
        uint8_t *row = m->rgba + (size_t)y * (size_t)factor * stride, *out = row;
        for (int x = 0; x < from->width; x++, in += 4)
            for (int k = 0; k < factor; k++, out += 4)
                memcpy(out, in, 4);
        for (int k = 1; k < factor; k++)
            memcpy(row + (size_t)k * stride, row, stride);
    }
    return m;
}

/* Of `size` pixels laid over `shown`, those that pixel `i` of the shown ones touches: from *first
 * to *last, in steps of 1 / shown. */
static void area(int size, int shown, int i, int *first, int *last)
{
    *first = (int)((int64_t)i * size / shown);
    *last = (int)(((int64_t)(i + 1) * size - 1) / shown);
}

/* How much of source pixel `s` lies below pixel `i` of the shown ones: 1 to `shown`. */
static uint64_t overlap(int size, int shown, int i, int s)
{
    int64_t from = (int64_t)i * size, to = from + size;
    int64_t begin = (int64_t)s * shown, end = begin + shown;
    return (uint64_t)((to < end ? to : end) - (from > begin ? from : begin));
}

/* The mean of an area, in whole numbers: weights add up to width * height of the source, so the
 * sums stay below 2^28 * 255 * 255. */
static void average(const struct image *from, const struct image *to, int x, int y, uint8_t out[4])
{
    int x0, x1, y0, y1;
    uint64_t sum[3] = {0}, alpha = 0, total = pixel_count(from);
    area(from->width, to->width, x, &x0, &x1);
    area(from->height, to->height, y, &y0, &y1);
    for (int sy = y0; sy <= y1; sy++) {
        uint64_t wy = overlap(from->height, to->height, y, sy);
        const uint8_t *p = from->rgba + ((size_t)sy * (size_t)from->width + (size_t)x0) * 4;
        for (int sx = x0; sx <= x1; sx++, p += 4) {
            uint64_t w = wy * overlap(from->width, to->width, x, sx) * p[3];
            for (int c = 0; c < 3; c++)
                sum[c] += w * p[c];
            alpha += w;
        }
    }
    for (int c = 0; c < 3; c++)
        out[c] = alpha ? (uint8_t)((sum[c] + alpha / 2) / alpha) : 0;
    out[3] = (uint8_t)((alpha + total / 2) / total);
}

void image_shrunk_size(int *width, int *height, int max_width, int max_height)
{
    int64_t w = *width, h = *height;
    assert(max_width >= 1 && max_height >= 1);
    if (w <= max_width && h <= max_height)
        return;
    /* The side that is too long by more decides; the other keeps the shape. */
    if (w * max_height > h * max_width) {
        h = (h * max_width + w / 2) / w;
        w = max_width;
    } else {
        w = (w * max_height + h / 2) / h;
        h = max_height;
    }
    *width = w < 1 ? 1 : (int)w;
    *height = h < 1 ? 1 : (int)h;
}

struct image *image_shrink(const struct image *from, int width, int height)
{
    int w = from->width, h = from->height;
    image_shrunk_size(&w, &h, width, height);
    if (w == from->width && h == from->height)
        return image_copy(from);
    struct image *m = image_new(w, h);
    for (int y = 0; m && y < m->height; y++)
        for (int x = 0; x < m->width; x++)
            average(from, m, x, y, m->rgba + ((size_t)y * (size_t)m->width + (size_t)x) * 4);
    return m;
}

/* -- colours ------------------------------------------------------------------------------------
 */

/* A set of colours, numbered as they come: open addressing, at most half full. */
struct colors {
    struct color_slot {
        uint32_t value;
        int number; /* from 1; 0: empty */
    } * slots;
    size_t cap; /* a power of two */
    int count;
};

static struct color_slot *color_find(const struct colors *set, uint32_t value)
{
    size_t i = (value * 0x9e3779b97f4a7c15u) >> 32; /* the golden ratio: spreads near colours */
    while (set->slots[i &= set->cap - 1].number && set->slots[i].value != value)
        i++;
    return &set->slots[i];
}

static bool colors_grow(struct colors *set)
{
    struct colors more = {.cap = set->cap ? set->cap * 2 : 1024, .count = set->count};
    more.slots = calloc(more.cap, sizeof *more.slots);
    for (size_t i = 0; more.slots && i < set->cap; i++)
        if (set->slots[i].number)
            *color_find(&more, set->slots[i].value) = set->slots[i];
    if (!more.slots)
        return false;
    free(set->slots);
    *set = more;
    return true;
}

/* The number of a colour from 0, new or not; -1 without memory. */
static int color_number(struct colors *set, uint32_t value)
{
    if ((size_t)set->count >= set->cap / 2 && !colors_grow(set))
        return -1;
    struct color_slot *slot = color_find(set, value);
    if (!slot->number)
        *slot = (struct color_slot){value, ++set->count};
    return slot->number - 1;
}

int image_colors(const struct image *m)
{
    struct colors set = {0};
    uint32_t last = ~few_value(m->rgba);
    bool good = true;
    for (size_t i = 0, n = pixel_count(m); good && i < n; i++) {
        uint32_t value = few_value(m->rgba + 4 * i);
        good = value == last || !m->rgba[4 * i + 3] || color_number(&set, value) >= 0;
        last = value;
    }
    free(set.slots);
    return good ? set.count : -1;
}

int image_palette(const struct image *m, int room, uint8_t (*palette)[4], uint8_t *indexes)
{
    struct few few;
    assert(room >= 1 && room <= FEW_MOST);
    few_init(&few);
    for (size_t i = 0, n = pixel_count(m); i < n; i++) {
        const uint8_t *p = m->rgba + 4 * i;
        int before = few.count, k = few_number(&few, few_value(p));
        if (k >= room)
            return -1;
        if (k == before)
            memcpy(palette[k], p[3] ? p : (const uint8_t[4]){0}, 4);
        indexes[i] = (uint8_t)k;
    }
    return few.count;
}

/* -- comparison ---------------------------------------------------------------------------------
 */

/* Half way to the middle grey, so that marks stand out. */
static void fade(const uint8_t in[4], uint8_t out[4])
{
    for (int c = 0; c < 3; c++)
        out[c] = (uint8_t)((in[c] + 128) / 2);
    out[3] = (uint8_t)(in[3] / 2);
}

double image_difference(const struct image *a, const struct image *b, const uint8_t mark[4],
                        struct image **picture)
{
    bool same_size = a->width == b->width && a->height == b->height;
    size_t n = pixel_count(a), differ = 0;
    struct image *m = picture ? image_new(a->width, a->height) : NULL;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = a->rgba + 4 * i;
        bool same = same_size && few_value(p) == few_value(b->rgba + 4 * i);
        differ += !same;
        if (m && same)
            fade(p, m->rgba + 4 * i);
        else if (m)
            memcpy(m->rgba + 4 * i, mark, 4);
    }
    if (picture)
        *picture = m;
    return (double)differ / (double)n;
}

bool image_equal(const struct image *a, const struct image *b)
{
    if (a->width != b->width || a->height != b->height)
        return false;
    for (size_t i = 0, n = pixel_count(a); i < n; i++)
        if (few_value(a->rgba + 4 * i) != few_value(b->rgba + 4 * i))
            return false;
    return true;
}
