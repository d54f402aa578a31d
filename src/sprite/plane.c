/* A bit a pixel; see plane.h. */
#include "sprite/plane.h"

#include <stdlib.h>

int plane_new(struct plane *p, int width, int height)
{
    size_t row = ((size_t)width + 63) / 64;
    *p = (struct plane){width, height, row, calloc(row * (size_t)height, sizeof *p->at)};
    return p->at ? 0 : -1;
}

void plane_free(struct plane *p)
{
    free(p->at);
    *p = (struct plane){0};
}

void runs_free(struct runs *r)
{
    free(r->at);
    *r = (struct runs){0};
}

/* The bits of word `i` of a row that belong to the run. */
static uint64_t bits_of(struct run r, int i)
{
    int from = r.from - 64 * i, to = r.to - 64 * i;
    uint64_t bits = from > 0 ? ~UINT64_C(0) << from : ~UINT64_C(0);
    return to < 64 ? bits & ~(~UINT64_C(0) << to) : bits;
}

void plane_set(struct plane *p, struct run r)
{
    uint64_t *row = p->at + (size_t)r.y * p->row;
    for (int i = r.from / 64; i <= (r.to - 1) / 64; i++)
        row[i] |= bits_of(r, i);
}

static void clear(struct plane *p, struct run r)
{
    uint64_t *row = p->at + (size_t)r.y * p->row;
    for (int i = r.from / 64; i <= (r.to - 1) / 64; i++)
        row[i] &= ~bits_of(r, i);
}

size_t plane_count(const struct plane *p)
{
    size_t sum = 0;
    for (size_t i = 0, n = p->row * (size_t)p->height; i < n; i++)
        sum += (size_t)__builtin_popcountll(p->at[i]);
    return sum;
}

int plane_next(const struct plane *p, int y, int x, int end)
{
    const uint64_t *row = p->at + (size_t)y * p->row;
    if (x >= end)
        return end;
    int i = x / 64, last = (end - 1) / 64;
    uint64_t bits = row[i] & ~UINT64_C(0) << (x & 63);
    while (!bits && i < last)
        bits = row[++i];
    int found = bits ? 64 * i + __builtin_ctzll(bits) : end;
    return found < end ? found : end;
}

/* The whole run around a bit that is set. */
static struct run run_at(const struct plane *p, int y, int x)
{
    const uint64_t *row = p->at + (size_t)y * p->row;
    int i = x / 64;
    uint64_t below = (UINT64_C(1) << (x & 63)) - 1, zeros = ~row[i] & below;
    while (!zeros && i > 0)
        zeros = ~row[--i];
    int from = zeros ? 64 * i + 64 - __builtin_clzll(zeros) : 0;
    i = x / 64;
    zeros = ~row[i] & ~below;
    while (!zeros && i + 1 < (int)p->row)
        zeros = ~row[++i];
    int to = zeros ? 64 * i + __builtin_ctzll(zeros) : p->width;
    return (struct run){y, from, to};
}

static void push(struct runs *r, struct run run)
{
    if (r->n == r->room) {
        size_t room = r->room ? 2 * r->room : 1024;
        struct run *more = realloc(r->at, room * sizeof *more);
        r->failed |= !more;
        if (!more)
            return;
        r->at = more, r->room = room;
    }
    r->at[r->n++] = run;
}

void plane_take(struct plane *p, int y, int from, int to, struct runs *r)
{
    for (int x = plane_next(p, y, from, to); x < to; x = plane_next(p, y, x, to)) {
        struct run run = run_at(p, y, x);
        clear(p, run);
        push(r, run);
        x = run.to;
    }
}

void plane_flood(struct plane *p, struct runs *r, size_t first, bool corners)
{
    for (; first < r->n; first++) {
        struct run run = r->at[first];
        int from = run.from - corners, to = run.to + corners;
        from = from < 0 ? 0 : from;
        to = to > p->width ? p->width : to;
        if (run.y > 0)
            plane_take(p, run.y - 1, from, to, r);
        if (run.y + 1 < p->height)
            plane_take(p, run.y + 1, from, to, r);
    }
}
