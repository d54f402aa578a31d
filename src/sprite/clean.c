/* Small faults of pixel art; see clean.h. */
#include "sprite/clean.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"
#include "sprite/wide.h"

enum { SAME_AROUND = 6, COLORS = 256 };

static const float NEAR = 0.03f; /* Oklab; side by side, 0.02 is the least that an eye sees */

static const char *const names[] = {"near", "lone", "double", "jagged"};

const char *clean_name(int i)
{
    return i >= 0 && i < (int)(sizeof names / sizeof *names) ? names[i] : NULL;
}

/* The image with one value a pixel and a margin, so that nothing need ask where it ends; hidden
 * pixels, and the margin, are 0. */
enum { MARGIN = 2 };

struct values {
    uint32_t *all, *at; /* at: of the image's first pixel */
    ptrdiff_t row;
};

static uint32_t value_of(const uint8_t *p)
{
    return p[3] ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

static int values_take(struct values *v, const struct image *m, struct err *e)
{
    v->row = m->width + 2 * MARGIN;
    v->all = calloc((size_t)v->row * ((size_t)m->height + 2 * MARGIN), sizeof *v->all);
    if (!v->all)
        return err_set(e, "out of memory for cleaning");
    v->at = v->all + MARGIN * v->row + MARGIN;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++)
            v->at[y * v->row + x] = value_of(m->rgba +
                                             4 * ((size_t)y * (size_t)m->width + (size_t)x));
    return 0;
}

static void values_put(const struct values *v, struct image *m)
{
    uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++, p += 4) {
            uint32_t value = v->at[y * v->row + x];
            if (value == value_of(p))
                continue;
            for (int c = 0; c < 4; c++)
                p[c] = (uint8_t)(value >> (24 - 8 * c));
        }
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
    /* In turn: a sum that was just written would be waited for. */
    int parts[4][COLORS] = {{0}};
    for (size_t i = 0; i < n && p.n > 0; i++)
        parts[i & 3][index[i]]++;
    for (int i = 0; i < p.n; i++) {
        p.count[i] = parts[0][i] + parts[1][i] + parts[2][i] + parts[3][i];
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

/* ---- single pixels: looked at in one copy, changed in another ---- */

/* What the pixel at p becomes; itself, if nothing. `row` is the distance to the pixel below. */
static uint32_t mend_lone(const uint32_t *p, ptrdiff_t row)
{
    if (p[-1] == *p || p[1] == *p || p[-row] == *p || p[row] == *p)
        return *p;
    uint32_t around[8] = {p[-row - 1], p[-row],    p[-row + 1], p[-1],
                          p[1],        p[row - 1], p[row],      p[row + 1]};
    for (int k = 0; k < 8; k++)
        if (around[k] == *p)
            return *p;
    /* Six of eight are the same: so one of the first three is among them. */
    for (int k = 0; k < 8 - SAME_AROUND + 1; k++) {
        int same = 0;
        for (int i = 0; i < 8; i++)
            same += around[i] == around[k];
        if (same >= SAME_AROUND)
            return around[k];
    }
    return *p;
}

/* Are the 3x3 pixels around all of one colour, or hidden? And is one of its corners a square of
 * 2x2 pixels, so that it is no thin line? */
static bool is_thick(const uint32_t *p, ptrdiff_t row)
{
    for (int k = 0; k < 9; k++) {
        uint32_t v = p[(k / 3 - 1) * row + k % 3 - 1];
        if (v && v != *p)
            return false;
    }
    for (int dy = -1; dy <= 1; dy += 2)
        for (int dx = -1; dx <= 1; dx += 2)
            if (p[dx] == *p && p[dy * row] == *p && p[dy * row + dx] == *p)
                return true;
    return false;
}

/* The outer pixel of an outline that is two pixels thick: another colour is two pixels away. */
static uint32_t mend_double(const uint32_t *p, ptrdiff_t row)
{
    bool outside = !p[-1] || !p[1] || !p[-row] || !p[row];
    if (!*p || !outside || !is_thick(p, row))
        return *p;
    for (int k = 0; k < 25; k++) {
        uint32_t v = p[(k / 5 - 2) * row + k % 5 - 2];
        if (v && v != *p)
            return 0;
    }
    return *p;
}

/* A thin line that comes from one side, turns here, and at the next pixel turns back: of the pixels
 * beside this one it has one to the left or right and one above or below. */
static uint32_t mend_jagged(const uint32_t *p, ptrdiff_t row)
{
    bool left = p[-1] == *p, up = p[-row] == *p;
    if (!*p || left == (p[1] == *p) || up == (p[row] == *p))
        return *p;
    ptrdiff_t across = left ? -1 : 1, along = up ? -row : row;
    uint32_t side = p[-along], ahead = p[-across];
    if (side != ahead || p[across + along] == *p || p[-across - along] == *p)
        return *p;
    return p[along - across] == *p || p[across - along] == *p ? side : *p;
}

ALWAYS_INLINE int each_pixel(const struct image *m, const struct values *from,
                             const struct values *to,
                             uint32_t (*mend)(const uint32_t *, ptrdiff_t row))
{
    int changed = 0;
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++) {
            const uint32_t *p = from->at + y * from->row + x;
            uint32_t value = mend(p, from->row);
            changed += value != *p;
            to->at[y * to->row + x] = value;
        }
    return changed;
}

static void swap(struct values *v)
{
    struct values first = v[0];
    v[0] = v[1];
    v[1] = first;
}

static int mend_pixels(struct image *m, unsigned what, struct clean_report *r, struct err *e)
{
    struct values v[2] = {{0}};
    int rc = values_take(&v[0], m, e) || values_take(&v[1], m, e) ? -1 : 0;
    if (!rc && what & CLEAN_LONE) {
        r->lone = each_pixel(m, &v[0], &v[1], mend_lone);
        swap(v);
    }
    if (!rc && what & CLEAN_DOUBLE) {
        r->doubled = each_pixel(m, &v[0], &v[1], mend_double);
        swap(v);
    }
    /* In place, so that of the two corners of a step only the first goes. */
    if (!rc && what & CLEAN_JAGGED)
        r->jagged = each_pixel(m, &v[0], &v[0], mend_jagged);
    if (!rc)
        values_put(&v[0], m);
    free(v[0].all);
    free(v[1].all);
    return rc;
}

int clean_image(struct image *m, unsigned what, struct clean_report *r, struct err *e)
{
    *r = (struct clean_report){0};
    if (what & CLEAN_NEAR && merge_near(m, &r->near, e))
        return -1;
    return what & (CLEAN_LONE | CLEAN_DOUBLE | CLEAN_JAGGED) ? mend_pixels(m, what, r, e) : 0;
}
