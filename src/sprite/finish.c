/* From a decoded picture to a sprite; see finish.h. */
#include "sprite/finish.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sprite/grid.h"
#include "sprite/labels.h"
#include "sprite/matte.h"
#include "sprite/oklab.h"
#include "sprite/quantize.h"

/* What is worked on. */
struct cells {
    struct image *image;
    uint8_t *kept;     /* 1: the cell stays; NULL: nothing is kept */
    struct image *was; /* where kept cells are there or not whatever the matte says, or NULL */
};

static void cells_free(struct cells *c)
{
    image_free(c->image);
    image_free(c->was);
    free(c->kept);
}

static int check(const struct image *raw, const struct finish_options *o, struct err *e)
{
    if (!raw || !raw->rgba || raw->width < 1 || raw->height < 1 || raw->width > IMAGE_MAX_SIDE ||
        raw->height > IMAGE_MAX_SIDE)
        return err_set(e, "no image to finish, or one that is larger than %d pixels a side",
                       IMAGE_MAX_SIDE);
    if (o->cell < FINISH_FIND)
        return err_set(e, "cells of %d pixels: give 1 or more, or 0 to leave them", o->cell);
    if (o->columns < 0 || o->rows < 0)
        return err_set(e, "%dx%d cells", o->columns, o->rows);
    if (o->colors < -1 || o->colors > QUANTIZE_MAX)
        return err_set(e, "%d colours: give 1 to %d, 0 to choose or -1 to leave them", o->colors,
                       QUANTIZE_MAX);
    return 0;
}

static int *spread_lines(int pixels, int cells)
{
    int *at = malloc(((size_t)cells + 1) * sizeof *at);
    for (int i = 0; at && i <= cells; i++)
        at[i] = (int)(((int64_t)i * pixels + cells / 2) / cells);
    return at;
}

/* Lines of so many cells, side by side over the whole image. */
static int spread(const struct image *raw, int columns, int rows, struct grid *g, struct err *e)
{
    g->columns = columns, g->rows = rows;
    g->x = spread_lines(raw->width, columns), g->y = spread_lines(raw->height, rows);
    return g->x && g->y ? 0 : err_set(e, "out of memory for %dx%d cells", columns, rows);
}

/* As many cells as were said. */
static int count_cells(const struct image *raw, const struct finish_options *o, struct grid *g,
                       struct finish_report *r, struct err *e)
{
    int w = raw->width, h = raw->height, columns = o->columns, rows = o->rows;
    columns = columns ? columns : (int)(((int64_t)w * rows + h / 2) / h);
    columns = columns < 1 ? 1 : columns;
    rows = rows ? rows : (int)(((int64_t)h * columns + w / 2) / w);
    rows = rows < 1 ? 1 : rows;
    if (columns > w || rows > h)
        return err_set(e, "%dx%d cells in an image of %dx%d pixels", columns, rows, w, h);
    r->cell_x = (double)w / columns, r->cell_y = (double)h / rows;
    r->cell = (int)(r->cell_x + 0.5);
    r->grid_found = r->grid_even = true;
    r->confidence = 1;
    return spread(raw, columns, rows, g, e);
}

/* A grid that is looked for. */
static int find_cells(const struct image *raw, const struct finish_options *o, struct grid *g,
                      struct finish_report *r, struct err *e)
{
    if (grid_find(raw, o->grid, g, e))
        return -1;
    r->grid_found = g->found, r->grid_even = g->even, r->confidence = g->confidence;
    r->cell_x = g->cell_x, r->cell_y = g->cell_y;
    r->cell = (int)(g->cell_x + 0.5);
    if (!g->found) {
        r->cell = 1;
        grid_free(g);
    }
    return 0;
}

/* The lines of the cells; none (x is NULL) where cells are of r->cell pixels. */
static int lay_lines(const struct image *raw, const struct finish_options *o, struct grid *g,
                     struct finish_report *r, struct err *e)
{
    *g = (struct grid){0};
    if (o->columns || o->rows)
        return count_cells(raw, o, g, r, e);
    return o->cell == FINISH_FIND ? find_cells(raw, o, g, r, e) : 0;
}

static struct image *reduce(const struct image *raw, const struct finish_options *o,
                            const struct grid *g, const struct finish_report *r, struct err *e)
{
    if (g->x)
        return cells_reduce_lines(raw, g->x, g->columns, g->y, g->rows, o->method, e);
    return cells_reduce(raw, (struct cell_grid){.cell = r->cell}, o->method, e);
}

/* Which cells stay; with alpha of their own, as they were. */
static int find_kept(const struct image *raw, const struct finish_options *o, struct grid *g,
                     const struct finish_report *r, struct cells *c, struct err *e)
{
    const struct keep *k = o->keep;
    if (o->matte && k->alpha) {
        struct image *seen = keep_alpha(k, raw);
        c->was = seen ? reduce(seen, o, g, r, e) : NULL;
        image_free(seen);
        if (!c->was)
            return err_set(e, "out of memory for %dx%d pixels", raw->width, raw->height);
    }
    if (!g->x && spread(raw, raw->width / r->cell, raw->height / r->cell, g, e))
        return -1;
    c->kept = keep_cells(k, g->x, g->columns, g->y, g->rows);
    return c->kept ? 0 : err_set(e, "out of memory for %dx%d cells", g->columns, g->rows);
}

/* Alpha is hard after it if anything is to be done at all. */
static int take_cells(const struct image *raw, const struct finish_options *o, struct cells *c,
                      struct finish_report *r, struct err *e)
{
    struct grid g;
    bool keeps = o->keep && o->keep->width == raw->width && o->keep->height == raw->height;
    bool cuts = o->columns || o->rows || o->cell == FINISH_FIND || r->cell > 1;
    if (!cuts && !keeps && o->colors < 0 && !o->matte && !o->palette && !o->clean && !o->outline) {
        c->image = image_copy(raw);
        return c->image ? 0 : err_set(e, "out of memory for %dx%d pixels", raw->width, raw->height);
    }
    int rc = lay_lines(raw, o, &g, r, e);
    if (!rc)
        rc = (c->image = reduce(raw, o, &g, r, e)) ? 0 : -1;
    if (!rc && keeps)
        rc = find_kept(raw, o, &g, r, c, e);
    grid_free(&g);
    return rc;
}

static int cut(struct cells *c, const struct finish_options *o, struct finish_report *r,
               struct err *e)
{
    struct matte_report matte;
    struct image *m = c->image;
    if (matte_cut(m, &(struct matte_options){o->tolerance, o->holes, o->keep_fringe}, &matte, e))
        return -1;
    r->background = matte.found, r->was_cut = matte.was_cut;
    memcpy(r->background_rgb, matte.rgb, 3);
    for (size_t i = 0, n = (size_t)m->width * (size_t)m->height; c->was && i < n; i++)
        if (c->kept[i])
            memcpy(m->rgba + 4 * i, c->was->rgba + 4 * i, 4);
    return 0;
}

/* Do cleaning and outline come next? */
static bool wants_labels(const struct finish_options *o)
{
    return (o->clean || o->outline) && !o->swap_from;
}

/* Dithered, whether to a palette that was given or to the colours that would be chosen. v: what the
 * pixels are then is there instead, if wanted; else it is left alone. */
static int bring_to_palette(struct image *m, const struct finish_options *o,
                            struct finish_report *r, struct labels *v, struct err *e)
{
    struct palette own;
    const struct image *images[] = {m};
    r->colors_before = quantize_count(m);
    if (r->colors_before < 0)
        return err_set(e, "out of memory for counting colours");
    if (!o->palette && palette_of_images(images, 1, o->colors, &own, e))
        return -1;
    const struct palette *p = o->palette ? o->palette : &own;
    if (wants_labels(o))
        return palette_apply_labels(m, p, o->dither, &r->colors_after, v, e);
    return palette_apply_count(m, p, o->dither, &r->colors_after, e);
}

/* What stays keeps its colours. *done: false where it has too many. */
static int keep_colors(const struct cells *c, const struct finish_options *o,
                       struct finish_report *r, bool *done, struct err *e)
{
    struct palette own;
    const struct image *images[] = {c->image};
    int rc = o->palette ? 1 : keep_palette(images, &c->kept, 1, o->colors, &own, e);
    *done = rc > 0;
    if (rc < 1)
        return rc;
    r->colors_before = quantize_count(c->image);
    if (keep_apply(c->image, c->kept, o->palette ? o->palette : &own, o->dither, e))
        return -1;
    r->colors_after = quantize_count(c->image);
    return r->colors_before < 0 ? err_set(e, "out of memory for counting colours") : 0;
}

static int few_colors(struct cells *c, const struct finish_options *o, struct finish_report *r,
                      struct labels *v, struct err *e)
{
    struct quantize_report q = {0};
    struct image *m = c->image;
    bool done = false;
    if (c->kept && (o->palette || o->colors >= 0) && (keep_colors(c, o, r, &done, e) || done))
        return done ? 0 : -1;
    if (o->palette || (o->dither && o->colors >= 0))
        return bring_to_palette(m, o, r, v, e);
    if (o->colors >= 0 && quantize_image(m, o->colors, &q, e))
        return -1;
    if (o->colors < 0)
        q.before = q.after = quantize_count(m);
    if (q.before < 0)
        return err_set(e, "out of memory for counting colours");
    r->colors_before = q.before, r->colors_after = q.after;
    return 0;
}

/* Of all visible pixels. Colours come again and again: those that were looked at lately are not
 * looked at twice. */
static const uint8_t *darkest(const struct image *m)
{
    enum { SEEN = 4096 };
    static const uint8_t black[3] = {0, 0, 0};
    uint32_t seen[SEEN] = {0};
    const uint8_t *best = black;
    float least = 2;
    for (const uint8_t *p = m->rgba, *end = p + (size_t)m->width * (size_t)m->height * 4; p < end;
         p += 4) {
        uint32_t key = 1u << 24 | (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        uint32_t *slot = &seen[(key * 2654435761u) >> 20];
        if (!p[3] || *slot == key)
            continue;
        *slot = key;
        float l = oklab_from_srgb(p).l;
        if (l < least)
            least = l, best = p;
    }
    return best;
}

/* The same of labels, by their palette. */
static const uint8_t *darkest_label(const struct labels *v, const int count[])
{
    int best = 0;
    float least = 2;
    for (int i = 1; i < v->n; i++) {
        float l = oklab_from_srgb(v->palette[i]).l;
        if (count[i] && l < least)
            least = l, best = i;
    }
    return v->palette[best];
}

static int visible_labels(const struct labels *v, int count[])
{
    int n = 0;
    labels_count(v, count);
    for (int i = 1; i < v->n; i++)
        n += count[i] > 0;
    return n;
}

/* Draws the outline into the labels where they have room for its colour; else nothing is done.
 * *grown: it needs a pixel more on each side. */
static bool outline_labels(struct labels *v, const struct finish_options *o,
                           struct finish_report *r, bool *grown)
{
    int count[LABELS_FEW + 1];
    uint8_t rgb[3];
    *grown = false;
    if (v->size > 1)
        return false;
    bool is_own = !o->outline_rgb;
    if (!o->outline || is_own)
        r->colors_after = visible_labels(v, count);
    if (!o->outline || (is_own && !r->colors_after))
        return true;
    memcpy(rgb, is_own ? darkest_label(v, count) : o->outline_rgb, 3);
    if (!labels_outline(v, o->outline == OUTLINE_INNER, rgb, grown))
        return false;
    if (is_own && o->outline == OUTLINE_OUTER)
        return true; /* the same colours as before */
    int drawn = visible_labels(v, count);
    /* What lies outside of the image is not counted. */
    r->colors_after = *grown && !count[labels_find(v, rgb)] ? drawn + 1 : drawn;
    return true;
}

static int outline_image(struct image **m, const struct finish_options *o, struct finish_report *r,
                         struct err *e)
{
    uint8_t rgb[3];
    memcpy(rgb, o->outline_rgb ? o->outline_rgb : darkest(*m), 3);
    if (o->outline && frame_outline(m, o->outline, rgb, e))
        return -1;
    r->colors_after = quantize_count(*m);
    return r->colors_after < 0 ? err_set(e, "out of memory for counting colours") : 0;
}

/* Faults and outline of labels. *m, which takes them, may become another image. */
static int clean_and_outline(struct image **m, struct labels *v, const struct finish_options *o,
                             struct finish_report *r, struct err *e)
{
    bool grown;
    int rc = clean_labels(v, o->clean, &r->clean, e);
    if (!rc) {
        bool done = outline_labels(v, o, r, &grown);
        struct image *larger = grown ? image_new_unset((*m)->width + 2, (*m)->height + 2) : NULL;
        if (grown && !larger)
            rc = err_set(e, "no room for an outline around %dx%d pixels", (*m)->width,
                         (*m)->height);
        if (larger) {
            image_free(*m);
            *m = larger;
        }
        if (!rc)
            labels_put(v, -(int)grown, -(int)grown, *m);
        if (!rc && !done)
            rc = outline_image(m, o, r, e);
    }
    return rc;
}

/* What artists do by hand. *m may become another image; v: its labels, if they are known. */
static int dress(struct image **m, struct labels *v, const struct finish_options *o,
                 struct finish_report *r, struct err *e)
{
    if (o->swap_from && palette_swap(*m, o->swap_from, o->swap_to, e))
        return -1;
    if (o->clean || o->outline) {
        if ((!v->all && labels_take(v, *m, e)) || clean_and_outline(m, v, o, r, e))
            return -1;
    } else if (o->swap_from) {
        r->colors_after = quantize_count(*m);
    }
    if (!o->place || r->colors_after < 0)
        return 0;
    struct image *placed = frame_place(*m, &o->frame, r->pivot, e);
    if (!placed)
        return -1;
    image_free(*m);
    *m = placed;
    if (o->frame.width || o->frame.height) /* it may have lost some */
        r->colors_after = quantize_count(*m);
    return 0;
}

static int run_steps(struct cells *c, const struct finish_options *o, struct finish_report *r,
                     struct err *e)
{
    struct labels v = {0};
    int rc = few_colors(c, o, r, &v, e) || dress(&c->image, &v, o, r, e) ? -1 : 0;
    labels_free(&v);
    if (rc)
        return -1;
    r->width = c->image->width, r->height = c->image->height;
    return r->colors_after < 0 ? err_set(e, "out of memory for counting colours") : 0;
}

static int begin(const struct image *raw, const struct finish_options *o, struct cells *c,
                 struct finish_report *r, struct err *e)
{
    *c = (struct cells){0};
    *r = (struct finish_report){.cell = o->cell > 1 ? o->cell : 1};
    r->cell_x = r->cell_y = r->cell;
    return check(raw, o, e) || take_cells(raw, o, c, r, e) || (o->matte && cut(c, o, r, e)) ? -1
                                                                                            : 0;
}

int finish_run(const struct image *raw, const struct finish_options *o, struct image **out,
               struct finish_report *r, struct err *e)
{
    double start = clock_ms();
    struct cells c;
    *out = NULL;
    int rc = begin(raw, o, &c, r, e) || run_steps(&c, o, r, e) ? -1 : 0;
    if (!rc)
        *out = c.image, c.image = NULL;
    cells_free(&c);
    r->ms = clock_ms() - start;
    return rc;
}

int finish_cut(const struct image *raw, const struct finish_options *o, struct image **out,
               uint8_t **kept, struct err *e)
{
    struct finish_report r;
    struct cells c;
    int rc = begin(raw, o, &c, &r, e);
    *out = NULL, *kept = NULL;
    if (!rc)
        *out = c.image, *kept = c.kept, c.image = NULL, c.kept = NULL;
    cells_free(&c);
    return rc;
}
