/* Outline and place; see frame.h. */
#include "sprite/frame.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/labels.h"
#include "sprite/wide.h"

enum { FEET_SHARE = 8 }; /* one eighth of a sprite's height are its feet */

static const char *const outlines[] = {"none", "inner", "outer"};
static const char *const anchors[] = {"none", "centre", "feet"};

const char *outline_name(int i)
{
    return i >= 0 && i <= OUTLINE_OUTER ? outlines[i] : NULL;
}

const char *anchor_name(int i)
{
    return i >= 0 && i <= ANCHOR_FEET ? anchors[i] : NULL;
}

static uint8_t *pixel(const struct image *m, int x, int y)
{
    return m->rgba + 4 * ((size_t)y * (size_t)m->width + (size_t)x);
}

static bool visible(const struct image *m, int x, int y)
{
    return x >= 0 && y >= 0 && x < m->width && y < m->height && pixel(m, x, y)[3];
}

bool frame_bounds(const struct image *m, int box[4])
{
    int left = m->width, top = m->height, right = -1, bottom = -1;
    for (int y = 0; y < m->height; y++) {
        int x = 0, end = m->width; /* only as far as a row widens the box */
        while (x < m->width && !pixel(m, x, y)[3])
            x++;
        if (x == m->width)
            continue;
        while (end - 1 > right && end - 1 > x && !pixel(m, end - 1, y)[3])
            end--;
        left = x < left ? x : left, right = end - 1 > right ? end - 1 : right;
        top = y < top ? y : top, bottom = y;
    }
    box[0] = left, box[1] = top, box[2] = right - left + 1, box[3] = bottom - top + 1;
    if (right < 0)
        memset(box, 0, 4 * sizeof *box);
    return right >= 0;
}

/* Copies what of `from` lies inside `to` when its corner is put at (x, y). */
static void paste(const struct image *from, struct image *to, int x, int y)
{
    int first = x < 0 ? -x : 0, end = to->width - x < from->width ? to->width - x : from->width;
    for (int row = 0; row < from->height; row++)
        if (y + row >= 0 && y + row < to->height && first < end)
            memcpy(pixel(to, x + first, y + row), pixel(from, first, row),
                   (size_t)(end - first) * 4);
}

/* ---- outline ---- */

static struct image *grown(struct image *m, struct err *e)
{
    struct image *larger = image_new(m->width + 2, m->height + 2);
    if (!larger) {
        err_set(e, "no room for an outline around %dx%d pixels", m->width, m->height);
        return NULL;
    }
    paste(m, larger, 1, 1);
    image_free(m);
    return larger;
}

/* A byte a pixel, 1 where it is seen, with a margin of 0. */
ALWAYS_INLINE void take_seen_loop(const struct image *m, uint8_t *seen)
{
    size_t row = (size_t)m->width + 2;
    for (int y = 0; y < m->height; y++) {
        const uint8_t *p = pixel(m, 0, y);
        uint8_t *to = seen + ((size_t)y + 1) * row + 1;
        for (int x = 0; x < m->width; x++)
            to[x] = p[4 * x + 3] > 0;
    }
}

WIDE_TWINS(take_seen, (const struct image *m, uint8_t *seen), (m, seen))

static void draw_outline(struct image *m, const uint8_t *seen, uint8_t *mark, bool inner,
                         const uint8_t rgb[3])
{
    size_t row = (size_t)m->width + 2;
    for (int y = 0; y < m->height; y++) {
        labels_mark_row(seen + ((size_t)y + 1) * row + 1, (ptrdiff_t)row, m->width, inner, mark);
        const uint8_t *at = mark, *end = mark + m->width;
        for (; (at = memchr(at, 1, (size_t)(end - at))); at++) {
            uint8_t *p = pixel(m, (int)(at - mark), y);
            memcpy(p, rgb, 3);
            p[3] = 255;
        }
    }
}

int frame_outline(struct image **image, enum outline outline, const uint8_t rgb[3], struct err *e)
{
    int box[4];
    struct image *m = *image;
    if (outline == OUTLINE_NONE || !frame_bounds(m, box))
        return 0;
    bool tight = box[0] == 0 || box[1] == 0 || box[0] + box[2] == m->width ||
                 box[1] + box[3] == m->height;
    if (outline == OUTLINE_OUTER && tight) {
        if (!(m = grown(m, e)))
            return -1;
        *image = m;
    }
    uint8_t *seen = calloc((size_t)m->width + 2, (size_t)m->height + 3);
    if (!seen)
        return err_set(e, "out of memory for the outline");
    take_seen(m, seen);
    draw_outline(m, seen, seen + ((size_t)m->width + 2) * ((size_t)m->height + 2),
                 outline == OUTLINE_INNER, rgb);
    free(seen);
    return 0;
}

/* ---- place ---- */

static int power_of_two(int n)
{
    int p = 1;
    while (p < n)
        p *= 2;
    return p;
}

/* Twice the middle of the lowest visible pixels, in columns from the left border. */
static int feet_twice(const struct image *m, const int box[4])
{
    int rows = (box[3] + FEET_SHARE - 1) / FEET_SHARE, left = m->width, right = 0;
    for (int y = box[1] + box[3] - rows; y < box[1] + box[3]; y++)
        for (int x = box[0]; x < box[0] + box[2]; x++)
            if (visible(m, x, y)) {
                left = x < left ? x : left;
                right = x + 1 > right ? x + 1 : right;
            }
    return left + right;
}

/* Half of it, rounded down also below zero. */
static int half(int n)
{
    return (n - (n < 0)) / 2;
}

/* Where no size is given, all of a sprite fits whose feet are not in its middle. */
static int width_around(const int sprite[4], int feet)
{
    int before = feet - 2 * sprite[0], behind = 2 * (sprite[0] + sprite[2]) - feet;
    return before > behind ? before : behind;
}

static void sizes(const struct frame_options *o, const int box[4], int around, int *width,
                  int *height)
{
    int least = box[2] > around ? box[2] : around;
    *width = o->width ? o->width : least + 2 * o->pad;
    *height = o->height ? o->height : box[3] + 2 * o->pad;
    if (o->power_of_two) {
        *width = power_of_two(*width);
        *height = power_of_two(*height);
    }
}

struct image *frame_place(const struct image *m, const struct frame_options *o, int pivot[2],
                          struct err *e)
{
    int sprite[4], whole[4] = {0, 0, m->width, m->height}, width, height;
    bool any = frame_bounds(m, sprite);
    const int *box = o->trim && any ? sprite : whole;
    if (o->pad < 0 || o->pad > IMAGE_MAX_SIDE || o->width < 0 || o->height < 0) {
        err_set(e, "a frame of %dx%d with %d pixels around", o->width, o->height, o->pad);
        return NULL;
    }
    int feet = any ? feet_twice(m, sprite) : m->width;
    int bottom = any ? sprite[1] + sprite[3] : m->height;
    bool on_feet = any && o->anchor == ANCHOR_FEET;
    sizes(o, box, on_feet ? width_around(sprite, feet) : 0, &width, &height);
    struct image *out = image_new_unset(width, height);
    if (!out) {
        err_set(e, "no room for a picture of %dx%d pixels", width, height);
        return NULL;
    }
    int x = o->pad - box[0], y = o->pad - box[1];
    if (any && o->anchor == ANCHOR_CENTRE) {
        x = half(width - sprite[2]) - sprite[0];
        y = half(height - sprite[3]) - sprite[1];
    } else if (on_feet) {
        x = half(width - feet);
        y = height - o->pad - bottom;
    }
    if (x > 0 || y > 0 || x + m->width < width || y + m->height < height)
        memset(out->rgba, 0, (size_t)width * (size_t)height * 4);
    paste(m, out, x, y);
    pivot[0] = x + half(feet), pivot[1] = y + bottom;
    return out;
}
