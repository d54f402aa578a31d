/* Small faults of pixel art; see clean.h. */
#include "sprite/clean.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"

enum { SAME_AROUND = 6, COLORS = 256 };

static const float NEAR = 0.03f; /* Oklab; side by side, 0.02 is the least that an eye sees */

static const char *const names[] = {"near", "lone", "double", "jagged"};

const char *clean_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* A pixel as one value; all hidden ones, and what lies outside, are 0. */
static uint32_t at(const struct image *m, int x, int y)
{
    if (x < 0 || y < 0 || x >= m->width || y >= m->height)
        return 0;
    const uint8_t *p = m->rgba + 4 * ((size_t)y * (size_t)m->width + (size_t)x);
    return p[3] ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static void put(struct image *m, int x, int y, uint32_t value)
{
    uint8_t *p = m->rgba + 4 * ((size_t)y * (size_t)m->width + (size_t)x);
    for (int c = 0; c < 4; c++)
        p[c] = (uint8_t)(value >> (24 - 8 * c));
}

/* ---- colours ---- */

struct palette_of {
    int n, count[COLORS];
    uint8_t rgba[COLORS][4];
    int to[COLORS]; /* the colour that it becomes */
};

/* Of two colours that look the same, the rarer one goes; the nearest pair first. */
static bool merge_nearest(struct palette_of *p, const struct oklab *lab)
{
    float least = NEAR * NEAR;
    int from = -1, to = -1;
    for (int i = 0; i < p->n; i++)
        for (int j = 0; j < p->n; j++) {
            if (i == j || p->to[i] != i || p->to[j] != j || p->rgba[i][3] != p->rgba[j][3] ||
                !p->rgba[i][3])
                continue;
            bool rarer = p->count[i] < p->count[j] || (p->count[i] == p->count[j] && i > j);
            float d = oklab_distance2(lab[i], lab[j]);
            if (rarer && d < least)
                least = d, from = i, to = j;
        }
    if (from < 0)
        return false;
    for (int i = 0; i < p->n; i++)
        p->to[i] = p->to[i] == from ? to : p->to[i];
    p->count[to] += p->count[from];
    return true;
}

static int merge_near(struct image *m, int *changed, struct err *e)
{
    size_t n = (size_t)m->width * (size_t)m->height;
    struct palette_of p = {0};
    struct oklab lab[COLORS];
    uint8_t *index = malloc(n);
    if (!index)
        return err_set(e, "out of memory for cleaning");
    p.n = image_palette(m, COLORS, p.rgba, index);
    for (size_t i = 0; i < n && p.n > 0; i++)
        p.count[index[i]]++;
    for (int i = 0; i < p.n; i++) {
        lab[i] = oklab_from_srgb(p.rgba[i]);
        p.to[i] = i;
    }
    while (merge_nearest(&p, lab))
        ;
    for (size_t i = 0; i < n && p.n > 0; i++)
        if (p.to[index[i]] != index[i]) {
            memcpy(m->rgba + 4 * i, p.rgba[p.to[index[i]]], 4);
            ++*changed;
        }
    free(index);
    if (p.n < 0)
        return err_set(e, "more than %d colours: reduce them before looking for near ones", COLORS);
    return 0;
}

/* ---- single pixels: read from a copy, written to the image ---- */

static bool mend_lone(const struct image *from, struct image *m, int x, int y)
{
    uint32_t here = at(from, x, y), best = here;
    int most = 0;
    for (int k = 0; k < 9; k++) {
        uint32_t v = at(from, x + k % 3 - 1, y + k / 3 - 1);
        int same = 0;
        if (k != 4 && v == here)
            return false;
        for (int i = 0; i < 9; i++)
            same += i != 4 && at(from, x + i % 3 - 1, y + i / 3 - 1) == v;
        if (k != 4 && same > most)
            most = same, best = v;
    }
    if (most < SAME_AROUND)
        return false;
    put(m, x, y, best);
    return true;
}

/* Are the 3x3 pixels around all of one colour, or hidden? And is one of its corners a square of
 * 2x2 pixels, so that it is no thin line? */
static bool is_thick(const struct image *m, int x, int y)
{
    uint32_t here = at(m, x, y);
    for (int k = 0; k < 9; k++) {
        uint32_t v = at(m, x + k % 3 - 1, y + k / 3 - 1);
        if (v && v != here)
            return false;
    }
    for (int dy = -1; dy <= 1; dy += 2)
        for (int dx = -1; dx <= 1; dx += 2)
            if (at(m, x + dx, y) == here && at(m, x, y + dy) == here &&
                at(m, x + dx, y + dy) == here)
                return true;
    return false;
}

/* The outer pixel of an outline that is two pixels thick: another colour is two pixels away. */
static bool mend_double(const struct image *from, struct image *m, int x, int y)
{
    uint32_t here = at(from, x, y);
    bool outside = !at(from, x - 1, y) || !at(from, x + 1, y) || !at(from, x, y - 1) ||
                   !at(from, x, y + 1);
    if (!here || !outside || !is_thick(from, x, y))
        return false;
    for (int k = 0; k < 25; k++) {
        uint32_t v = at(from, x + k % 5 - 2, y + k / 5 - 2);
        if (!v || v == here)
            continue;
        put(m, x, y, 0);
        return true;
    }
    return false;
}

/* In place, so that of the two corners of a step only the first goes: a line that comes from
 * (-dx, 0), turns here, and at (0, -dy) turns back to (dx, -dy). */
static bool mend_jagged(const struct image *from, struct image *m, int x, int y)
{
    (void)from;
    uint32_t here = at(m, x, y);
    for (int k = 0; k < 8 && here; k++) {
        int a = k & 1 ? 1 : -1, b = k & 2 ? 1 : -1, ax = 0, ay = 0, bx = 0, by = 0;
        *(k & 4 ? &ay : &ax) = a; /* towards where the line comes from */
        *(k & 4 ? &bx : &by) = b; /* towards where it goes */
        if (at(m, x + ax, y + ay) != here || at(m, x + bx, y + by) != here ||
            at(m, x + bx - ax, y + by - ay) != here)
            continue;
        uint32_t side = at(m, x - bx, y - by), ahead = at(m, x - ax, y - ay);
        bool thin = side != here && ahead != here && at(m, x + ax + bx, y + ay + by) != here &&
                    at(m, x - ax - bx, y - ay - by) != here;
        if (!thin || side != ahead)
            continue;
        put(m, x, y, side);
        return true;
    }
    return false;
}

static int each_pixel(struct image *m,
                      bool (*mend)(const struct image *, struct image *, int x, int y),
                      int *changed, struct err *e)
{
    struct image *copy = image_copy(m);
    if (!copy)
        return err_set(e, "out of memory for cleaning");
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++)
            *changed += mend(copy, m, x, y);
    image_free(copy);
    return 0;
}

int clean_image(struct image *m, unsigned what, struct clean_report *r, struct err *e)
{
    *r = (struct clean_report){0};
    if (what & CLEAN_NEAR && merge_near(m, &r->near, e))
        return -1;
    if (what & CLEAN_LONE && each_pixel(m, mend_lone, &r->lone, e))
        return -1;
    if (what & CLEAN_DOUBLE && each_pixel(m, mend_double, &r->doubled, e))
        return -1;
    if (what & CLEAN_JAGGED && each_pixel(m, mend_jagged, &r->jagged, e))
        return -1;
    return 0;
}
