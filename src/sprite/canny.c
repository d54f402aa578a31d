/* See canny.h. Three rows of differences go down the picture; pixels that may be on an edge are
 * marked, and edges then spread over them from where they are strong. */
#include "sprite/canny.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/image.h"

enum { CHANNELS = 3, TAN_SHIFT = 15, TAN_22 = 13573 }; /* tan(22.5 degrees) * 2^15 */

/* What is known of a pixel. */
enum { NEVER, MAYBE, EDGE };

/* A row's differences, with a column of zero strength on both sides: index 1 is column 0. */
struct differences {
    int *x, *y, *strength;
};

struct canny {
    const uint8_t *rgb;
    int width, height, low, high;
    int *room;
    int *sum, *fall;           /* of three rows: (width + 2) x CHANNELS */
    struct differences row[3]; /* of row y: row[(y + 1) % 3] */
    /* (width + 2) x (height + 2): a border that is never an edge. */
    uint8_t *marks;
    uint32_t *waiting; /* places of edges whose neighbours were not looked at */
    size_t count, most;
};

/* ---- differences ---- */

static int clamp(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

/* Sobel's filters down the columns, to all channels of a row and of its borders. */
static void filter_down(struct canny *c, int y)
{
    size_t wide = (size_t)c->width * CHANNELS;
    const uint8_t *above = c->rgb + (size_t)clamp(y - 1, c->height) * wide,
                  *here = c->rgb + (size_t)y * wide,
                  *below = c->rgb + (size_t)clamp(y + 1, c->height) * wide;
    int *sum = c->sum + CHANNELS, *fall = c->fall + CHANNELS;
    for (size_t i = 0; i < wide; i++) {
        sum[i] = above[i] + 2 * here[i] + below[i];
        fall[i] = below[i] - above[i];
    }
    for (int k = 0; k < CHANNELS; k++) {
        c->sum[k] = sum[k], sum[wide + (size_t)k] = sum[wide + (size_t)k - CHANNELS];
        c->fall[k] = fall[k], fall[wide + (size_t)k] = fall[wide + (size_t)k - CHANNELS];
    }
}

/* Rows outside have no strength. */
static void differ(struct canny *c, int y)
{
    struct differences *d = &c->row[(y + 1) % 3];
    memset(d->strength, 0, ((size_t)c->width + 2) * sizeof *d->strength);
    if (y >= c->height)
        return;
    filter_down(c, y);
    for (int at = 1; at <= c->width; at++)
        for (int k = 0; k < CHANNELS; k++) {
            const int *sum = c->sum + CHANNELS * at + k, *fall = c->fall + CHANNELS * at + k;
            int dx = sum[CHANNELS] - sum[-CHANNELS];
            int dy = fall[-CHANNELS] + 2 * fall[0] + fall[CHANNELS];
            int strength = abs(dx) + abs(dy);
            if (k == 0 || strength > d->strength[at])
                d->x[at] = dx, d->y[at] = dy, d->strength[at] = strength;
        }
}

/* ---- marks ---- */

static int push(struct canny *c, size_t at, struct err *e)
{
    if (c->count == c->most) {
        size_t most = c->most ? 2 * c->most : 4096;
        uint32_t *more = realloc(c->waiting, most * sizeof *more);
        if (!more)
            return err_set(e, "out of memory for the edges of a picture of %dx%d", c->width,
                           c->height);
        c->waiting = more;
        c->most = most;
    }
    c->marks[at] = EDGE;
    c->waiting[c->count++] = (uint32_t)at;
    return 0;
}

/* Is it the strongest of its row, its column or its diagonal, whichever crosses the edge? Where two
 * are equally strong it is the first that stays, in a diagonal neither. */
static bool is_ridge(const struct differences *above, const struct differences *here,
                     const struct differences *below, int at)
{
    int m = here->strength[at], x = abs(here->x[at]), y = abs(here->y[at]) << TAN_SHIFT;
    int flat = x * TAN_22, steep = flat + (x << (TAN_SHIFT + 1)); /* tan 67.5 is tan 22.5 + 2 */
    if (y < flat)
        return m > here->strength[at - 1] && m >= here->strength[at + 1];
    if (y > steep)
        return m > above->strength[at] && m >= below->strength[at];
    int side = (here->x[at] ^ here->y[at]) < 0 ? -1 : 1;
    return m > above->strength[at - side] && m > below->strength[at + side];
}

static int mark_row(struct canny *c, int y, struct err *e)
{
    const struct differences *above = &c->row[y % 3], *here = &c->row[(y + 1) % 3],
                             *below = &c->row[(y + 2) % 3];
    size_t first = ((size_t)y + 1) * ((size_t)c->width + 2);
    for (int at = 1; at <= c->width; at++) {
        if (here->strength[at] <= c->low || !is_ridge(above, here, below, at))
            continue;
        if (here->strength[at] <= c->high)
            c->marks[first + (size_t)at] = MAYBE;
        else if (push(c, first + (size_t)at, e))
            return -1;
    }
    return 0;
}

/* To all eight neighbours. */
static int spread(struct canny *c, struct err *e)
{
    size_t wide = (size_t)c->width + 2;
    while (c->count > 0) {
        size_t at = c->waiting[--c->count];
        for (size_t i = 0; i < 9; i++) {
            size_t next = at + (i / 3) * wide + i % 3 - wide - 1;
            if (c->marks[next] == MAYBE && push(c, next, e))
                return -1;
        }
    }
    return 0;
}

/* ---- all of it ---- */

static int make_room(struct canny *c, struct err *e)
{
    size_t wide = (size_t)c->width + 2;
    c->room = calloc(wide * (9 + 2 * CHANNELS), sizeof *c->room);
    c->marks = calloc(wide, (size_t)c->height + 2); /* NEVER */
    if (!c->room || !c->marks)
        return err_set(e, "out of memory for the edges of a picture of %dx%d", c->width, c->height);
    c->sum = c->room + 9 * wide;
    c->fall = c->sum + CHANNELS * wide;
    for (size_t i = 0; i < 3; i++) {
        int *of = c->room + 3 * i * wide;
        c->row[i] = (struct differences){of, of + wide, of + 2 * wide};
    }
    return 0;
}

int canny_edges(const uint8_t *rgb, int width, int height, int low, int high, uint8_t *out,
                struct err *e)
{
    struct canny c = {.rgb = rgb,
                      .width = width,
                      .height = height,
                      .low = low < high ? low : high,
                      .high = low < high ? high : low};
    assert(width > 0 && height > 0 && width <= IMAGE_MAX_SIDE && height <= IMAGE_MAX_SIDE);
    int rc = make_room(&c, e);
    if (!rc)
        differ(&c, 0);
    for (int y = 0; y < height && !rc; y++) {
        differ(&c, y + 1);
        rc = mark_row(&c, y, e);
    }
    rc = rc ? rc : spread(&c, e);
    for (int y = 0; y < height && !rc; y++)
        for (int x = 0; x < width; x++)
            out[(size_t)y * (size_t)width + (size_t)x] =
                c.marks[((size_t)y + 1) * ((size_t)width + 2) + (size_t)x + 1] == EDGE ? 255 : 0;
    free(c.room);
    free(c.marks);
    free(c.waiting);
    return rc;
}
