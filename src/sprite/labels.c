/* An image as labels; see labels.h. */
#include "sprite/labels.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/few.h"
#include "sprite/wide.h"

enum { VECTOR = 32 };

int labels_new(struct labels *v, int width, int height, size_t size, struct err *e)
{
    size_t row = (size_t)width + 2 * LABELS_MARGIN;
    size_t labels = row * ((size_t)height + 2 * LABELS_MARGIN) + 2 * VECTOR / size;
    size_t first = LABELS_MARGIN * row + LABELS_MARGIN, end = first + row * (size_t)height;
    *v = (struct labels){
        .width = width, .height = height, .row = (ptrdiff_t)row, .size = size, .n = 1};
    v->all = malloc(labels * size);
    if (!v->all)
        return err_set(e, "out of memory for %dx%d pixels", width, height);
    v->at = v->all + first * size;
    memset(v->all, 0, first * size);
    for (size_t i = first + (size_t)width; i < end; i += row)
        memset(v->all + i * size, 0, 2 * LABELS_MARGIN * size);
    memset(v->all + end * size, 0, (labels - end) * size);
    return 0;
}

int labels_twin(struct labels *v, const struct labels *of, struct err *e)
{
    return labels_new(v, of->width, of->height, of->size, e);
}

void labels_free(struct labels *v)
{
    free(v->all);
    v->all = NULL;
}

/* False where there are too many colours. */
static bool take_numbers(struct labels *v, const struct image *m)
{
    struct few few;
    few_init(&few);
    few_number(&few, 0); /* hidden pixels' number */
    const uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++) {
        uint8_t *to = (uint8_t *)v->at + y * v->row;
        for (int x = 0; x < m->width; x++, p += 4) {
            int before = few.count, k = few_number(&few, few_value(p));
            if (k > LABELS_FEW)
                return false;
            if (k == before)
                memcpy(v->palette[k], p, 4);
            to[x] = (uint8_t)k;
        }
    }
    v->n = few.count;
    return true;
}

static void take_values(struct labels *v, const struct image *m)
{
    const uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++) {
        uint32_t *to = (uint32_t *)v->at + y * v->row;
        for (int x = 0; x < m->width; x++, p += 4)
            to[x] = few_value(p);
    }
}

int labels_take(struct labels *v, const struct image *m, struct err *e)
{
    if (labels_new(v, m->width, m->height, 1, e))
        return -1;
    if (take_numbers(v, m))
        return 0;
    labels_free(v);
    if (labels_new(v, m->width, m->height, 4, e))
        return -1;
    take_values(v, m);
    return 0;
}

enum { NO_NAME = 256, TOGETHER = 64 };

void labels_names_init(struct label_names *k)
{
    for (int i = 0; i <= LABELS_FEW; i++)
        k->to[i] = i ? NO_NAME : 0;
}

static void name_new(struct labels *v, const uint8_t *label, int n, struct label_names *k,
                     const uint8_t (*rgb)[3])
{
    for (int i = 0; i < n; i++) {
        if (k->to[label[i]] != NO_NAME)
            continue;
        memcpy(v->palette[v->n], rgb[label[i] - 1], 3);
        v->palette[v->n][3] = 255;
        k->to[label[i]] = (uint16_t)v->n++;
    }
}

/* New colours are rare: only then labels are looked at one by one. */
void labels_name_row(struct labels *v, int y, struct label_names *k, const uint8_t (*rgb)[3])
{
    uint8_t *row = (uint8_t *)v->at + y * v->row;
    for (int from = 0, w = v->width; from < w; from += TOGETHER) {
        int end = w - from < TOGETHER ? w : from + TOGETHER;
        unsigned any = 0;
        for (int x = from; x < end; x++)
            any |= k->to[row[x]];
        if (any & NO_NAME)
            name_new(v, row + from, end - from, k, rgb);
        for (int x = from; x < end; x++)
            row[x] = (uint8_t)k->to[row[x]];
    }
}

static void put_numbers(const struct labels *v, int left, int top, struct image *m)
{
    uint32_t value[LABELS_FEW + 1];
    memcpy(value, v->palette, sizeof value);
    uint8_t *p = m->rgba;
    for (int y = 0; y < m->height; y++) {
        const uint8_t *from = (const uint8_t *)v->at + (y + top) * v->row + left;
        for (int x = 0; x < m->width; x++, p += 4)
            memcpy(p, &value[from[x]], 4);
    }
}

void labels_put(const struct labels *v, int left, int top, struct image *m)
{
    uint8_t *p = m->rgba;
    if (v->size == 1) {
        put_numbers(v, left, top, m);
        return;
    }
    for (int y = 0; y < m->height; y++) {
        const uint32_t *from = (const uint32_t *)v->at + (y + top) * v->row + left;
        for (int x = 0; x < m->width; x++, p += 4)
            for (int c = 0; c < 4; c++)
                p[c] = (uint8_t)(from[x] >> (24 - 8 * c));
    }
}

void labels_count(const struct labels *v, int count[LABELS_FEW + 1])
{
    /* In turn: a sum that was just written would be waited for. */
    int parts[8][LABELS_FEW + 1] = {{0}};
    for (int y = 0; y < v->height; y++) {
        const uint8_t *row = (const uint8_t *)v->at + y * v->row;
        int x = 0;
        for (int w = v->width; x + 8 <= w; x += 8) {
            uint64_t eight;
            memcpy(&eight, row + x, sizeof eight);
            for (int i = 0; i < 8; i++)
                parts[i][eight >> 8 * i & 255]++;
        }
        for (; x < v->width; x++)
            parts[0][row[x]]++;
    }
    for (int i = 0; i <= LABELS_FEW; i++) {
        count[i] = 0;
        for (int k = 0; k < 8; k++)
            count[i] += parts[k][i];
    }
}

/* ---- outlines ---- */

ALWAYS_INLINE void mark_row_loop(const uint8_t *p, ptrdiff_t row, int width, bool inner,
                                 uint8_t *mark)
{
    const uint8_t *above = p - row, *below = p + row;
    for (int x = 0; x < width; x++) {
        uint8_t here = (p[x] != 0) == inner;
        uint8_t other = ((p[x - 1] != 0) != inner) | ((p[x + 1] != 0) != inner) |
                        ((above[x] != 0) != inner) | ((below[x] != 0) != inner);
        mark[x] = here & other;
    }
}

WIDE_TWINS(mark_row, (const uint8_t *p, ptrdiff_t row, int width, bool inner, uint8_t *mark),
           (p, row, width, inner, mark))

void labels_mark_row(const uint8_t *p, ptrdiff_t row, int width, bool inner, uint8_t *mark)
{
    mark_row(p, row, width, inner, mark);
}

int labels_find(const struct labels *v, const uint8_t rgb[3])
{
    const uint8_t rgba[4] = {rgb[0], rgb[1], rgb[2], 255};
    for (int i = 1; i < v->n; i++)
        if (!memcmp(v->palette[i], rgba, 4))
            return i;
    return 0;
}

/* The number of a colour, or 0 where there is no room for one more. */
static int number_of(struct labels *v, const uint8_t rgb[3])
{
    int found = labels_find(v, rgb);
    if (found || v->n > LABELS_FEW)
        return found;
    memcpy(v->palette[v->n], rgb, 3);
    v->palette[v->n][3] = 255;
    return v->n++;
}

bool labels_outline(struct labels *v, bool inner, const uint8_t rgb[3], bool *grown)
{
    enum { ROW_MAX = IMAGE_MAX_SIDE + 2 };
    uint8_t room[2][ROW_MAX];
    int number = number_of(v, rgb), w = v->width + 2;
    *grown = false;
    /* A row is drawn when the one below it was looked at, as both are looked at undrawn. */
    for (int y = -1; y <= v->height + 1 && number > 0; y++) {
        uint8_t *row = (uint8_t *)v->at + y * v->row - 1, *before = row - v->row;
        uint8_t *mark = room[y & 1], *drawn = room[!(y & 1)];
        if (y <= v->height)
            mark_row(row, v->row, w, inner, mark);
        for (uint8_t *at = drawn; y >= 0 && (at = memchr(at, 1, (size_t)(drawn + w - at))); at++) {
            int x = (int)(at - drawn);
            before[x] = (uint8_t)number;
            *grown |= x == 0 || x == w - 1 || y == 0 || y == v->height + 1;
        }
    }
    return number > 0;
}
