/* From a decoded picture to a sprite; see finish.h. */
#include "sprite/finish.h"

#include <string.h>
#include <time.h>

#include "sprite/cells.h"
#include "sprite/grid.h"
#include "sprite/matte.h"
#include "sprite/quantize.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int check(const struct image *raw, const struct finish_options *o, struct err *e)
{
    if (!raw || !raw->rgba || raw->width < 1 || raw->height < 1 || raw->width > IMAGE_MAX_SIDE ||
        raw->height > IMAGE_MAX_SIDE)
        return err_set(e, "no image to finish, or one that is larger than %d pixels a side",
                       IMAGE_MAX_SIDE);
    if (o->cell < FINISH_FIND)
        return err_set(e, "cells of %d pixels: give 1 or more, or 0 to leave them", o->cell);
    if (o->colors < -1 || o->colors > QUANTIZE_MAX)
        return err_set(e, "%d colours: give 1 to %d, 0 to choose or -1 to leave them", o->colors,
                       QUANTIZE_MAX);
    return 0;
}

/* The cells of a grid that is looked for. */
static struct image *find_cells(const struct image *raw, double cell, struct finish_report *r,
                                struct err *e)
{
    struct grid g;
    if (grid_find(raw, cell, &g, e))
        return NULL;
    r->grid_found = g.found, r->grid_even = g.even, r->confidence = g.confidence;
    r->cell_x = g.cell_x, r->cell_y = g.cell_y;
    r->cell = (int)(g.cell_x + 0.5);
    struct image *m = g.found
                          ? cells_reduce_lines(raw, g.x, g.columns, g.y, g.rows, CELL_DOMINANT, e)
                          : cells_reduce(raw, (struct cell_grid){.cell = 1}, CELL_DOMINANT, e);
    grid_free(&g);
    return m;
}

/* The cells as a new image. Alpha is hard after it if anything is to be done at all. */
static struct image *take_cells(const struct image *raw, const struct finish_options *o,
                                struct finish_report *r, struct err *e)
{
    int cell = r->cell;
    if (o->cell == FINISH_FIND)
        return find_cells(raw, o->grid, r, e);
    if (cell == 1 && o->colors < 0 && !o->matte) {
        struct image *copy = image_copy(raw);
        if (!copy)
            err_set(e, "out of memory for %dx%d pixels", raw->width, raw->height);
        return copy;
    }
    return cells_reduce(raw, (struct cell_grid){.cell = cell}, CELL_DOMINANT, e);
}

static int run_steps(struct image *m, const struct finish_options *o, struct finish_report *r,
                     struct err *e)
{
    if (o->matte) {
        struct matte_report matte;
        if (matte_cut(m, &(struct matte_options){0}, &matte, e))
            return -1;
        r->background = matte.found;
        memcpy(r->background_rgb, matte.rgb, 3);
    }
    struct quantize_report q = {0};
    if (o->colors >= 0 && quantize_image(m, o->colors, &q, e))
        return -1;
    if (o->colors < 0)
        q.before = q.after = quantize_count(m);
    if (q.before < 0)
        return err_set(e, "out of memory for counting colours");
    r->colors_before = q.before, r->colors_after = q.after;
    return 0;
}

int finish_run(const struct image *raw, const struct finish_options *o, struct image **out,
               struct finish_report *r, struct err *e)
{
    double start = now_ms();
    *out = NULL;
    *r = (struct finish_report){.cell = o->cell > 1 ? o->cell : 1};
    r->cell_x = r->cell_y = r->cell;
    if (check(raw, o, e))
        return -1;
    struct image *m = take_cells(raw, o, r, e);
    if (!m)
        return -1;
    r->width = m->width, r->height = m->height;
    if (run_steps(m, o, r, e)) {
        image_free(m);
        return -1;
    }
    *out = m;
    r->ms = now_ms() - start;
    return 0;
}
