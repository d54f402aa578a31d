/* Sprite sheets; see sheet.h. apng.c and gif.c have the animations. */
#include "sprite/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "sprite/frame.h"

enum { WIDTHS = 64 }; /* that are tried for SHEET_TIGHT */

/* Copies a part of a frame into the sheet; it fits. */
static void paste(struct image *to, const struct sheet_frame *f, int x, int y, int left, int top,
                  int width, int height)
{
    for (int row = 0; row < height; row++)
        memcpy(to->rgba + 4 * ((size_t)(y + row) * (size_t)to->width + (size_t)x),
               f->image->rgba + 4 * ((size_t)(top + row) * (size_t)f->image->width + (size_t)left),
               (size_t)width * 4);
}

static struct image *sheet_of(int64_t width, int64_t height, struct err *e)
{
    struct image *m = NULL;
    if (width <= IMAGE_MAX_SIDE && height <= IMAGE_MAX_SIDE)
        m = image_new((int)width, (int)height);
    if (!m)
        err_set(e, "no room for a sheet of %lldx%lld pixels", (long long)width, (long long)height);
    return m;
}

/* The middle of the feet, by way of a frame that is left as it is. */
static int find_pivot(struct sheet_frame *f, struct err *e)
{
    struct image *m = frame_place(f->image, &(struct frame_options){0}, f->pivot, e);
    image_free(m);
    return m ? 0 : -1;
}

/* ---- grid ---- */

static struct image *pack_grid(struct sheet_frame *f, int n, const struct sheet_options *o,
                               struct err *e)
{
    int width = 1, height = 1, columns = o->columns;
    for (int i = 0; i < n; i++) {
        width = f[i].image->width > width ? f[i].image->width : width;
        height = f[i].image->height > height ? f[i].image->height : height;
    }
    while (columns < 1 || (!o->columns && columns * columns < n))
        columns++;
    columns = columns < n ? columns : n;
    int rows = (n + columns - 1) / columns;
    struct image *m = sheet_of((int64_t)columns * width + (int64_t)(columns - 1) * o->spacing,
                               (int64_t)rows * height + (int64_t)(rows - 1) * o->spacing, e);
    for (int i = 0; m && i < n; i++) {
        const struct image *s = f[i].image;
        int x = (width - s->width) / 2, y = height - s->height;
        f[i].x = i % columns * (width + o->spacing);
        f[i].y = i / columns * (height + o->spacing);
        f[i].width = f[i].full_width = width, f[i].height = f[i].full_height = height;
        f[i].pivot[0] += x, f[i].pivot[1] += y;
        paste(m, &f[i], f[i].x + x, f[i].y + y, 0, 0, s->width, s->height);
    }
    return m;
}

/* ---- tight ---- */

static void trim(struct sheet_frame *f)
{
    int box[4];
    f->full_width = f->image->width, f->full_height = f->image->height;
    if (!frame_bounds(f->image, box))
        box[2] = box[3] = 1; /* one hidden pixel stands for an empty frame */
    f->left = box[0], f->top = box[1], f->width = box[2], f->height = box[3];
}

/* The tallest first; of equal ones, the widest, then the order in which they came. */
static int by_height(const void *p, const void *q)
{
    const struct sheet_frame *a = *(struct sheet_frame *const *)p;
    const struct sheet_frame *b = *(struct sheet_frame *const *)q;
    if (a->height != b->height)
        return b->height - a->height;
    if (a->width != b->width)
        return b->width - a->width;
    return a < b ? -1 : a > b;
}

/* Puts frames on shelves of a sheet of this width. Returns the height. */
static int64_t shelve(struct sheet_frame **order, int n, int width, int spacing)
{
    int64_t y = 0, bottom = 0;
    int x = 0;
    for (int i = 0; i < n; i++) {
        struct sheet_frame *f = order[i];
        if (x > 0 && x + f->width > width) {
            x = 0;
            y = bottom + spacing;
        }
        f->x = x, f->y = (int)(y < IMAGE_MAX_SIDE ? y : IMAGE_MAX_SIDE);
        x += f->width + spacing;
        bottom = y + f->height > bottom ? y + f->height : bottom;
    }
    return bottom;
}

static struct image *pack_tight(struct sheet_frame *f, int n, const struct sheet_options *o,
                                struct err *e)
{
    struct sheet_frame **order = malloc((size_t)n * sizeof *order);
    int64_t all = 0, best = INT64_MAX, height = 0;
    int widest = 1, width = 1;
    for (int i = 0; order && i < n; i++) {
        trim(&f[i]);
        order[i] = &f[i];
        widest = f[i].width > widest ? f[i].width : widest;
        all += f[i].width + o->spacing;
    }
    if (!order) {
        err_set(e, "out of memory for the sheet");
        return NULL;
    }
    qsort(order, (size_t)n, sizeof *order, by_height);
    all = all < IMAGE_MAX_SIDE ? all : IMAGE_MAX_SIDE;
    for (int k = 0; k <= WIDTHS; k++) {
        int w = (int)(widest + (all > widest ? (all - widest) * k / WIDTHS : 0));
        int64_t h = shelve(order, n, w, o->spacing), longer = w > h ? w : h;
        /* The smallest area; long thin sheets count as somewhat larger. */
        int64_t cost = w * h + longer * longer / 8;
        if (cost < best)
            best = cost, width = w;
    }
    height = shelve(order, n, width, o->spacing);
    free(order);
    int used = 1;
    for (int i = 0; i < n; i++)
        used = f[i].x + f[i].width > used ? f[i].x + f[i].width : used;
    struct image *m = sheet_of(used, height, e);
    for (int i = 0; m && i < n; i++)
        paste(m, &f[i], f[i].x, f[i].y, f[i].left, f[i].top, f[i].width, f[i].height);
    return m;
}

struct image *sheet_pack(struct sheet_frame *f, int n, const struct sheet_options *o, struct err *e)
{
    for (int i = 0; i < n; i++) {
        f[i].left = f[i].top = 0;
        if (find_pivot(&f[i], e))
            return NULL;
    }
    return o->packing == SHEET_TIGHT ? pack_tight(f, n, o, e) : pack_grid(f, n, o, e);
}

struct image *sheet_canvas(const struct sheet_frame *f, int n, int i)
{
    const struct image *s = f[i].image;
    int width = 1, height = 1;
    for (int k = 0; k < n; k++) {
        width = f[k].image->width > width ? f[k].image->width : width;
        height = f[k].image->height > height ? f[k].image->height : height;
    }
    struct image *m = image_new(width, height);
    for (int y = 0; m && y < s->height; y++) {
        size_t row = (size_t)(height - s->height + y), left = (size_t)((width - s->width) / 2);
        memcpy(m->rgba + 4 * (row * (size_t)width + left),
               s->rgba + 4 * (size_t)y * (size_t)s->width, (size_t)s->width * 4);
    }
    return m;
}
