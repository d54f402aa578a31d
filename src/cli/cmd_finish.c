/*
 * spritty finish: sprite finishing on any PNG, without a model.
 *
 * Everything that was said is checked before anything is read, and every image is finished before
 * its file is written. --lock looks at all images twice: once for their colours, once with the
 * palette that serves them all.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/jsonw.h"
#include "cli/options.h"
#include "sprite/finish.h"
#include "sprite/image_file.h"
#include "sprite/oklab.h"
#include "sprite/quantize.h"

struct work {
    struct cli *cli;
    struct finish_options o;
    struct palette palette, swap_from, swap_to;
    uint8_t outline_rgb[3];
    char **files; /* one an argument */
    struct jsonw json;
};

/* ---- what was said ---- */

static int whole_number(const char *text, const char *option, long min, long max, int *out,
                        struct err *e)
{
    char *end;
    errno = 0;
    long v = strtol(text, &end, 10);
    if (end == text || *end || errno || v < min || v > max)
        return err_set(e, "--%s: '%.40s' is no number from %ld to %ld", option, text, min, max);
    *out = (int)v;
    return 0;
}

static int real_number(const char *text, const char *option, double min, double max, double *out,
                       struct err *e)
{
    char *end;
    double v = strtod(text, &end);
    if (end == text || *end || !(v >= min && v <= max))
        return err_set(e, "--%s: '%.40s' is no number from %g to %g", option, text, min, max);
    *out = v;
    return 0;
}

/* The place of `text` among names(0), names(1), ...; -1 and what there is otherwise. */
static int choice(const char *text, const char *option, const char *(*names)(int), int first,
                  struct err *e)
{
    char all[100] = "";
    for (int i = first; names(i); i++) {
        if (!strcmp(text, names(i)))
            return i;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", *all ? ", " : "", names(i));
    }
    return err_set(e, "--%s: '%.40s' is none of %s", option, text, all);
}

static int take_cell(const char *text, struct finish_options *o, struct err *e)
{
    o->cell = FINISH_FIND;
    if (!text || !strcmp(text, "auto"))
        return 0;
    if (!strcmp(text, "none")) {
        o->cell = 1;
        return 0;
    }
    return real_number(text, "cell", 1, IMAGE_MAX_SIDE, &o->grid, e);
}

static int take_colors(const char *text, struct finish_options *o, struct err *e)
{
    if (!text || !strcmp(text, "auto"))
        return 0;
    if (!strcmp(text, "all")) {
        o->colors = -1;
        return 0;
    }
    return whole_number(text, "colors", 1, QUANTIZE_MAX, &o->colors, e);
}

/* "near,lone" or "all" */
static int take_clean(const char *text, struct finish_options *o, struct err *e)
{
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        char name[41];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, ","), at);
        int i = strcmp(name, "all") != 0 ? choice(name, "clean", clean_name, 0, e) : 0;
        if (i < 0)
            return -1;
        o->clean |= strcmp(name, "all") != 0 ? 1u << i : CLEAN_ALL;
    }
    return 0;
}

static int take_outline(struct work *k, const struct cli_finish *f, struct err *e)
{
    unsigned v;
    char rest;
    int i = f->outline ? choice(f->outline, "outline", outline_name, 1, e) : 0;
    if (i < 0)
        return -1;
    k->o.outline = (enum outline)i;
    if (!f->outline_color)
        return 0;
    const char *hex = f->outline_color + (*f->outline_color == '#');
    if (strlen(hex) != 6 || strspn(hex, "0123456789abcdefABCDEF") != 6 ||
        sscanf(hex, "%x%c", &v, &rest) != 1)
        return err_set(e, "--outline-color: '%.40s' is no RRGGBB", f->outline_color);
    for (int c = 0; c < 3; c++)
        k->outline_rgb[c] = (uint8_t)(v >> (16 - 8 * c));
    k->o.outline_rgb = k->outline_rgb;
    return 0;
}

static int take_frame(const struct cli_finish *f, struct finish_options *o, struct err *e)
{
    struct frame_options *r = &o->frame;
    char *end;
    int i = f->anchor ? choice(f->anchor, "anchor", anchor_name, 1, e) : 0;
    if (i < 0 || (f->pad && whole_number(f->pad, "pad", 0, IMAGE_MAX_SIDE / 2, &r->pad, e)))
        return -1;
    if (f->canvas) {
        long w = strtol(f->canvas, &end, 10), h = *end == 'x' ? strtol(end + 1, &end, 10) : 0;
        if (*end || w < 1 || h < 1 || w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE)
            return err_set(e, "--canvas: '%.40s' is no WxH", f->canvas);
        r->width = (int)w, r->height = (int)h;
    }
    r->anchor = (enum anchor)i;
    r->trim = f->trim, r->power_of_two = f->power_of_two;
    o->place = f->anchor || f->pad || f->canvas || f->trim || f->power_of_two;
    return 0;
}

/* All but what has to be read. */
static int take_options(struct work *k, struct err *e)
{
    const struct cli_finish *f = &k->cli->finish;
    struct finish_options *o = &k->o;
    double tolerance = 0;
    int dither = f->dither ? choice(f->dither, "dither", dither_name, 0, e) : 0;
    if (dither < 0 || take_cell(f->cell, o, e) || take_colors(f->colors, o, e) ||
        take_clean(f->clean, o, e) || take_outline(k, f, e) || take_frame(f, o, e))
        return -1;
    if (f->tolerance && real_number(f->tolerance, "tolerance", 0, 1, &tolerance, e))
        return -1;
    if (f->background && strcmp(f->background, "cut") != 0 && strcmp(f->background, "keep") != 0)
        return err_set(e, "--background: '%.40s' is none of cut, keep", f->background);
    if (f->swap && !strchr(f->swap, '='))
        return err_set(e, "--swap: '%.40s' is no FROM=TO", f->swap);
    if (f->lock && (f->palette || o->colors < 0))
        return err_set(e, "--lock chooses colours: it does not go with --palette or --colors all");
    o->dither = (enum dither)dither;
    o->matte = !f->background || !strcmp(f->background, "cut");
    o->tolerance = (float)tolerance;
    o->holes = f->holes;
    return 0;
}

static int read_palettes(struct work *k, struct err *e)
{
    const struct cli_finish *f = &k->cli->finish;
    if (f->palette) {
        if (palette_load(f->palette, &k->palette, e))
            return -1;
        k->o.palette = &k->palette;
    }
    if (!f->swap)
        return 0;
    char *to = strchr(f->swap, '=');
    *to++ = '\0';
    if (palette_load(f->swap, &k->swap_from, e) || palette_load(to, &k->swap_to, e))
        return -1;
    k->o.swap_from = &k->swap_from, k->o.swap_to = &k->swap_to;
    return k->swap_to.n < k->swap_from.n ? err_set(e, "--swap: %s has %d colours, %s only %d",
                                                   f->swap, k->swap_from.n, to, k->swap_to.n)
                                         : 0;
}

/* ---- files ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat p, q;
    return !stat(a, &p) && !stat(b, &q) && S_ISREG(p.st_mode) && p.st_dev == q.st_dev &&
           p.st_ino == q.st_ino;
}

/* out.png, or DIR/in.png, or in-finished.png here. */
static char *file_name(const struct work *k, const char *in)
{
    const char *said = k->cli->flags.output, *slash = strrchr(in, '/');
    const char *base = slash ? slash + 1 : in, *dot = strrchr(base, '.');
    int stem = dot && dot > base ? (int)(dot - base) : (int)strlen(base), n;
    char *name = NULL;
    if (said && is_folder(said))
        n = asprintf(&name, "%s%s%.*s.png", said, said[strlen(said) - 1] == '/' ? "" : "/", stem,
                     base);
    else if (said)
        n = asprintf(&name, "%s", said);
    else
        n = asprintf(&name, "%.*s-finished.png", stem, base);
    return n < 0 ? NULL : name;
}

static int name_files(struct work *k, struct err *e)
{
    int n = k->cli->nargs;
    k->files = calloc((size_t)n, sizeof *k->files);
    for (int i = 0; k->files && i < n; i++) {
        k->files[i] = file_name(k, k->cli->args[i]);
        if (!k->files[i])
            return err_set(e, "out of memory");
        for (int j = 0; j < i; j++)
            if (!strcmp(k->files[i], k->files[j]))
                return err_set(e, "%s and %s would both become %s%s", k->cli->args[j],
                               k->cli->args[i], k->files[i],
                               settings_has(&k->cli->flags, "output")
                                   ? "; for several images, -o names a folder that is there"
                                   : "");
        for (int j = 0; j < n; j++)
            if (is_same_file(k->files[i], k->cli->args[j]))
                return err_set(e, "%s would be written over: name another file or folder with -o",
                               k->cli->args[j]);
        if (file_check_target(k->files[i], e))
            return -1;
    }
    return k->files ? 0 : err_set(e, "out of memory");
}

/* The texts that tell how an image was made stay with it. */
static int texts_of(const struct png_file *f, struct png_text text[4])
{
    static const char *const keys[] = {"parameters", "spritty", "prompt", "workflow"};
    int n = 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *value = png_find_text(f, keys[i]);
        if (value)
            text[n++] = (struct png_text){keys[i], value};
    }
    return n;
}

/* ---- work ---- */

/* One palette from what all images would be without one. */
static int lock_palette(struct work *k, struct err *e)
{
    int n = k->cli->nargs, rc = 0, done = 0;
    struct finish_options o = {.cell = k->o.cell, .grid = k->o.grid, .colors = -1};
    o.matte = k->o.matte, o.tolerance = k->o.tolerance, o.holes = k->o.holes;
    struct image **images = calloc((size_t)n, sizeof *images);
    if (!images)
        return err_set(e, "out of memory");
    for (; done < n && !rc; done++) {
        struct png_file f;
        struct image raw;
        struct finish_report r;
        if ((rc = image_load(k->cli->args[done], &raw, &f, e)))
            break;
        rc = finish_run(&raw, &o, &images[done], &r, e);
        png_file_free(&f);
    }
    if (!rc)
        rc = palette_of_images((const struct image *const *)images, n, k->o.colors, &k->palette, e);
    k->o.palette = &k->palette;
    for (int i = 0; i < n; i++)
        image_free(images[i]);
    free(images);
    return rc;
}

static void tell(const struct work *k, const char *in, const struct image *raw,
                 const struct finish_report *r)
{
    char name[200], cells[80] = "";
    if (k->cli->quiet)
        return;
    snprintf(name, sizeof name, "%s", in);
    text_sanitize(name);
    if (k->o.cell == FINISH_FIND && !r->grid_found)
        snprintf(cells, sizeof cells, ", no grid");
    else if (k->o.cell == FINISH_FIND)
        snprintf(cells, sizeof cells, ", cells of %.4gx%.4g%s (%.0f%% sure)", r->cell_x, r->cell_y,
                 r->grid_even ? "" : ", uneven", 100 * r->confidence);
    fprintf(stderr, "%s: %dx%d%s -> %dx%d, %d -> %d colours%s  %.1f ms\n", name, raw->width,
            raw->height, cells, r->width, r->height, r->colors_before, r->colors_after,
            k->o.matte && !r->background && !r->was_cut ? ", no background found" : "", r->ms);
}

static void tell_json(struct jsonw *w, const char *file, const struct work *k,
                      const struct finish_report *r)
{
    char rgb[8];
    snprintf(rgb, sizeof rgb, "%02x%02x%02x", r->background_rgb[0], r->background_rgb[1],
             r->background_rgb[2]);
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "file", file);
    jsonw_u64(w, "width", (uint64_t)r->width);
    jsonw_u64(w, "height", (uint64_t)r->height);
    jsonw_open(w, "grid", '{');
    jsonw_bool(w, "found", r->grid_found);
    jsonw_bool(w, "even", r->grid_even);
    jsonw_real(w, "cell_x", r->cell_x, 3);
    jsonw_real(w, "cell_y", r->cell_y, 3);
    jsonw_real(w, "confidence", r->confidence, 3);
    jsonw_close(w, '}');
    jsonw_u64(w, "colors_before", (uint64_t)r->colors_before);
    jsonw_u64(w, "colors", (uint64_t)r->colors_after);
    jsonw_string(w, "background", r->background ? rgb : NULL);
    jsonw_open(w, "cleaned", '{');
    jsonw_u64(w, "near", (uint64_t)r->clean.near);
    jsonw_u64(w, "lone", (uint64_t)r->clean.lone);
    jsonw_u64(w, "double", (uint64_t)r->clean.doubled);
    jsonw_u64(w, "jagged", (uint64_t)r->clean.jagged);
    jsonw_close(w, '}');
    if (k->o.place) {
        jsonw_open(w, "pivot", '[');
        jsonw_real(w, NULL, r->pivot[0], 0);
        jsonw_real(w, NULL, r->pivot[1], 0);
        jsonw_close(w, ']');
    }
    jsonw_real(w, "ms", r->ms, 3);
    jsonw_close(w, '}');
}

static int finish_one(struct work *k, int i, struct err *e)
{
    const char *in = k->cli->args[i];
    struct png_file f;
    struct png_text text[4];
    struct image raw, *out;
    struct finish_report r;
    if (image_load(in, &raw, &f, e))
        return -1;
    if (finish_run(&raw, &k->o, &out, &r, e)) {
        png_file_free(&f);
        return err_prefix(e, "%s", in);
    }
    int rc = image_save(k->files[i], out, text, texts_of(&f, text), e);
    png_file_free(&f);
    image_free(out);
    if (rc)
        return -1;
    tell(k, in, &raw, &r);
    tell_json(&k->json, k->files[i], k, &r);
    return 0;
}

static int report(struct work *k, struct err *e)
{
    if (!k->cli->json) {
        for (int i = 0; i < k->cli->nargs; i++) {
            text_sanitize(k->files[i]);
            puts(k->files[i]);
        }
        return 0;
    }
    char *text = jsonw_take(&k->json);
    if (!text)
        return err_set(e, "out of memory");
    puts(text);
    free(text);
    return 0;
}

static int finish_all(struct work *k, struct err *e)
{
    if (read_palettes(k, e) || name_files(k, e) || (k->cli->finish.lock && lock_palette(k, e)))
        return -1;
    jsonw_open(&k->json, NULL, '{');
    jsonw_open(&k->json, "files", '[');
    for (int i = 0; i < k->cli->nargs; i++)
        if (finish_one(k, i, e))
            return -1;
    jsonw_close(&k->json, ']');
    jsonw_close(&k->json, '}');
    return report(k, e);
}

int cmd_finish(struct cli *cli)
{
    struct err e = {""};
    struct work *k = calloc(1, sizeof *k);
    if (!k) {
        err_set(&e, "out of memory");
        return cli_fail(EXIT_FAILED, &e);
    }
    k->cli = cli;
    int usage = take_options(k, &e), rc = usage ? usage : finish_all(k, &e);
    for (int i = 0; k->files && i < cli->nargs; i++)
        free(k->files[i]);
    free(k->files);
    free(jsonw_take(&k->json));
    free(k);
    return usage ? cli_fail(EXIT_USAGE, &e) : rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
