/* Finishing from settings; see finishing.h. */
#include "engine/finishing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/finish_text.h"

bool finishing_key(const struct settings_key *k)
{
    return k->group == GROUP_FINISH && strcmp(k->name, "raw") != 0;
}

bool finishing_wanted(const struct settings *s)
{
    if (settings_has(s, "raw") && s->raw)
        return false;
    for (int i = 0; settings_key(i); i++)
        if (finishing_key(settings_key(i)) && settings_has(s, settings_key(i)->name))
            return true;
    return false;
}

int finishing_fill(struct settings *s, struct err *e)
{
    bool any = finishing_wanted(s);
    const char *const values[][2] = {
        {"cell", any ? "auto" : "none"},
        {"pixels", "0x0"},
        {"method", "centroid"},
        {"background", any ? "cut" : "keep"},
        {"tolerance", "0"},
        {"holes", "no"},
        {"fringe", "cut"},
        {"colors", any ? "auto" : "all"},
        {"palette", ""},
        {"dither", "none"},
        {"lock", "no"},
        {"swap", ""},
        {"clean", "none"},
        {"outline", "none"},
        {"outline-color", "auto"},
        {"trim", "no"},
        {"pad", "0"},
        {"canvas", "0x0"},
        {"power-of-two", "no"},
        {"anchor", "none"},
    };
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (!settings_has(s, values[i][0]) && settings_set(s, values[i][0], values[i][1], e))
            return -1;
    return 0;
}

/* ---- preparing ---- */

static int choice(const char *text, const char *(*names)(int))
{
    for (int i = 0; text && names(i); i++)
        if (!strcmp(text, names(i)))
            return i;
    return 0;
}

static const char *said(const struct settings *s, const char *key)
{
    const char *text = settings_text(s, key);
    return text && *text && strcmp(text, "none") != 0 ? text : NULL;
}

static int read_palettes(struct finishing *f, const struct settings *s, struct err *e)
{
    const char *palette = said(s, "palette"), *swap = said(s, "swap");
    if (palette && palette_load(palette, &f->palette, e))
        return err_prefix(e, "palette");
    f->o.palette = palette ? &f->palette : NULL;
    if (!swap)
        return 0;
    char *from = strdup(swap), *to = from ? strchr(from, '=') : NULL;
    if (!to) {
        free(from);
        return err_set(e, "out of memory");
    }
    *to++ = '\0';
    int rc = palette_load(from, &f->swap_from, e) || palette_load(to, &f->swap_to, e) ? -1 : 0;
    if (rc)
        err_prefix(e, "swap");
    else if (f->swap_to.n < f->swap_from.n)
        rc = err_set(e, "swap: %s has %d colours, %s only %d", from, f->swap_from.n, to,
                     f->swap_to.n);
    f->o.swap_from = &f->swap_from, f->o.swap_to = &f->swap_to;
    free(from);
    return rc;
}

static void take_frame(struct finishing *f, const struct settings *s)
{
    struct frame_options *r = &f->o.frame;
    r->trim = s->trim, r->pad = s->pad, r->power_of_two = s->power_of_two;
    r->width = s->canvas[0], r->height = s->canvas[1];
    r->anchor = (enum anchor)choice(s->anchor, anchor_name);
    f->o.place = r->trim || r->pad || r->power_of_two || r->width || r->height || r->anchor;
}

int finishing_prepare(struct finishing *f, const struct settings *s, int cell, struct err *e)
{
    struct finish_options *o = &f->o;
    *f = (struct finishing){.wanted = finishing_wanted(s), .lock = s->lock};
    finish_take(o, "cell", s->cell ? s->cell : "auto");
    f->cell = o->grid == cell ? cell : 0;
    finish_take(o, "colors", s->colors ? s->colors : "auto");
    finish_take(o, "clean", s->clean ? s->clean : "none");
    o->method = (enum cell_method)choice(s->method, cell_method_name);
    o->columns = s->pixels[0], o->rows = s->pixels[1];
    o->matte = !s->background || !strcmp(s->background, "cut");
    o->tolerance = (float)s->tolerance;
    o->holes = s->holes;
    o->keep_fringe = s->fringe && !strcmp(s->fringe, "keep");
    o->dither = (enum dither)choice(s->dither, dither_name);
    o->outline = (enum outline)choice(s->outline, outline_name);
    if (s->outline_color && finish_take_rgb(s->outline_color, f->outline_rgb))
        o->outline_rgb = f->outline_rgb;
    take_frame(f, s);
    if (f->lock && (said(s, "palette") || o->colors < 0))
        return err_set(e, "lock chooses colours: it does not go with a palette or colors = all");
    return read_palettes(f, s, e);
}

/* ---- running ---- */

/* The model's own cells are where they are. */
static void place_cells(const struct finishing *f, const struct image *m, struct finish_options *o)
{
    o->cell = f->o.cell, o->grid = f->o.grid;
    if (f->cell > 1 && m->width % f->cell == 0 && m->height % f->cell == 0)
        o->cell = f->cell, o->grid = 0;
}

static int cut(const struct finishing *f, const struct image *m, struct image **out, uint8_t **kept,
               struct err *e)
{
    struct finish_options o = {.colors = -1};
    o.columns = f->o.columns, o.rows = f->o.rows, o.method = f->o.method;
    o.matte = f->o.matte, o.tolerance = f->o.tolerance, o.holes = f->o.holes;
    o.keep_fringe = f->o.keep_fringe;
    o.keep = f->o.keep;
    place_cells(f, m, &o);
    return finish_cut(m, &o, out, kept, e);
}

int finishing_cut(const struct finishing *f, const struct image *m, struct image **out,
                  struct err *e)
{
    uint8_t *kept = NULL;
    int rc = cut(f, m, out, &kept, e);
    free(kept);
    return rc;
}

void finishing_keep(struct finishing *f, const struct keep *k)
{
    f->keep = *k;
    f->o.keep = k->mask ? &f->keep : NULL;
}

void finishing_use(struct finishing *f, const struct palette *palette)
{
    f->o.palette = palette;
    f->lock = false;
}

static int lock_palette(const struct finishing *f, const struct image *const *images, int count,
                        struct palette *palette, struct err *e)
{
    size_t n = (size_t)count;
    struct image **cells = calloc(n, sizeof(*cells));
    uint8_t **kept = calloc(n, sizeof(*kept));
    const struct image *const *in = (const struct image *const *)cells;
    int rc = cells && kept ? 0 : err_set(e, "out of memory"), chosen = 0;
    bool keeps = true;
    for (int i = 0; i < count && !rc; i++) {
        rc = cut(f, images[i], &cells[i], &kept[i], e);
        keeps = keeps && kept[i];
    }
    if (!rc && keeps)
        rc = (chosen = keep_palette(in, kept, count, f->o.colors, palette, e)) < 0 ? -1 : 0;
    if (!rc && !chosen)
        rc = palette_of_images(in, count, f->o.colors, palette, e);
    for (int i = 0; i < count; i++) {
        image_free(cells ? cells[i] : NULL);
        free(kept ? kept[i] : NULL);
    }
    free(cells);
    free(kept);
    return rc;
}

int finishing_run(const struct finishing *f, const struct image *const *images, int count,
                  struct image **out, struct finish_report *reports, struct err *e)
{
    struct finish_options o = f->o;
    struct palette locked;
    int done = 0, rc = 0;
    if (f->lock) { /* one palette from what all images would be without one */
        rc = lock_palette(f, images, count, &locked, e);
        o.palette = &locked;
    }
    while (done < count && !rc) {
        place_cells(f, images[done], &o);
        rc = finish_run(images[done], &o, &out[done], &reports[done], e);
        done += !rc;
    }
    while (rc && done > 0)
        image_free(out[--done]);
    return rc;
}

/* ---- differences ---- */

enum { SHOWN_SIDE = 256, GAP = 8 };

static void put_panel(struct image *to, const struct image *m, int factor, int left)
{
    for (int y = 0; y < m->height * factor; y++)
        for (int x = 0; x < m->width * factor; x++) {
            size_t from = (size_t)(y / factor) * (size_t)m->width + (size_t)(x / factor);
            size_t at = (size_t)y * (size_t)to->width + (size_t)(left + x);
            memcpy(to->rgba + 4 * at, m->rgba + 4 * from, 4);
        }
}

static struct image *three(const struct image *before, const struct image *after, struct err *e)
{
    static const uint8_t mark[4] = {255, 0, 255, 255};
    struct image *changed = NULL, *out = NULL;
    int side = after->width > after->height ? after->width : after->height;
    int factor = side < SHOWN_SIDE ? SHOWN_SIDE / side : 1;
    image_difference(before, after, mark, &changed);
    if (changed)
        out = image_new(3 * after->width * factor + 2 * GAP, after->height * factor);
    if (out) {
        put_panel(out, before, factor, 0);
        put_panel(out, after, factor, after->width * factor + GAP);
        put_panel(out, changed, factor, 2 * (after->width * factor + GAP));
    } else {
        err_set(e, "no room for a picture of the difference of %dx%d pixels", after->width,
                after->height);
    }
    image_free(changed);
    return out;
}

struct image *finishing_difference(const struct finishing *f, const struct image *m, struct err *e)
{
    struct finish_options with = f->o, without;
    struct finish_report r;
    struct image *before = NULL, *after = NULL, *out = NULL;
    place_cells(f, m, &with);
    with.outline = OUTLINE_NONE, with.place = false;
    without = with;
    without.clean = 0;
    if (!with.clean) {
        without.colors = -1, without.matte = false, without.dither = DITHER_NONE;
        without.palette = without.swap_from = without.swap_to = NULL;
    }
    if (!finish_run(m, &without, &before, &r, e) && !finish_run(m, &with, &after, &r, e))
        out = three(before, after, e);
    image_free(before);
    image_free(after);
    return out;
}
