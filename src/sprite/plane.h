/*
 * A bit a pixel, and floods over it.
 *
 * A flood goes from run to run, not from pixel to pixel: a run of set bits is found 64 at a time,
 * is cleared as it is taken, and leads to the runs above and below it that it touches. So each is
 * looked at once, and what is flat costs next to nothing.
 */
#ifndef SPRITTY_PLANE_H
#define SPRITTY_PLANE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct plane {
    int width, height;
    size_t row; /* words of a row; bits past the width are 0 */
    uint64_t *at;
};

struct run {
    int y, from, to; /* pixels `from` to `to` - 1 */
};

struct runs {
    struct run *at;
    size_t n, room;
    bool failed; /* no memory: what would not fit is missing */
};

/* All 0. -1 only without memory. */
int plane_new(struct plane *, int width, int height);
void plane_free(struct plane *);
void runs_free(struct runs *);

static inline bool plane_get(const struct plane *p, int x, int y)
{
    return p->at[(size_t)y * p->row + (size_t)x / 64] >> (x & 63) & 1;
}

/* Sets a run's bits. */
void plane_set(struct plane *, struct run);
size_t plane_count(const struct plane *);

/* The first bit of row y that is set, from x on and before `end`; `end` if there is none. */
int plane_next(const struct plane *, int y, int x, int end);

/* Takes the runs that have bits in pixels `from` to `to` - 1 of row y, wherever they begin and end:
 * clears them and puts them behind the others. */
void plane_take(struct plane *, int y, int from, int to, struct runs *);

/* From runs[first] on, takes all that is connected: by sides, or by corners as well. */
void plane_flood(struct plane *, struct runs *, size_t first, bool corners);

#endif
