/*
 * spritty finish: sprite finishing on any PNG, without a model.
 *
 * Everything that was said is checked before anything is read, and every image is finished before
 * its file is written. --lock looks at all images twice: once for their colours, once with the
 * palette that serves them all.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fileio.h"
#include "base/jsonw.h"
#include "cli/options.h"
#include "engine/finishing.h"
#include "sprite/image_file.h"

struct work {
    struct cli *cli;
    struct settings settings; /* flags over the preset over [defaults] */
    struct finishing finishing;
    struct palette locked;
    char **files; /* one an argument */
    struct jsonw json;
};

static int take_settings(struct work *k, struct err *e)
{
    struct config config = {0};
    const char *preset = k->cli->preset;
    int rc = settings_fill(&k->settings, &k->cli->flags, e) || config_load(&config, e) ? -1 : 0;
    if (!rc && preset && *preset)
        rc = config_preset(&config, preset, &k->settings, e);
    if (!rc)
        rc = settings_fill(&k->settings, &config.defaults, e);
    config_free(&config);
    return rc || finishing_prepare(&k->finishing, &k->settings, 0, e) ? -1 : 0;
}

/* ---- files ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* out.png, or DIR/in.png, or in-finished.png here. */
static char *file_name(const struct work *k, const char *in)
{
    const char *said = k->cli->flags.output, *base = file_name_of(in), *dot = strrchr(base, '.');
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
        if (cli_check_output(k->cli, k->files[i], e))
            return -1;
    }
    const char *diff = k->cli->show_diff;
    if (diff && !strcmp(diff, k->files[0]))
        return err_set(e, "--show-diff: %s is the result's name", diff);
    if (diff && cli_check_output(k->cli, diff, e))
        return -1;
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

/* One palette from what all images would be without one. Images are read twice, so that not all of
 * them need be in memory. */
static int lock_palette(struct work *k, struct err *e)
{
    int n = k->cli->nargs, rc = 0;
    struct image **cut = calloc((size_t)n, sizeof(*cut));
    if (!cut)
        return err_set(e, "out of memory");
    for (int i = 0; i < n && !rc; i++) {
        struct png_file f;
        struct image raw;
        if ((rc = image_load(k->cli->args[i], &raw, &f, e)))
            break;
        rc = finishing_cut(&k->finishing, &raw, &cut[i], e);
        png_file_free(&f);
    }
    if (!rc)
        rc = palette_of_images((const struct image *const *)cut, n, k->finishing.o.colors,
                               &k->locked, e);
    finishing_use(&k->finishing, &k->locked);
    for (int i = 0; i < n; i++)
        image_free(cut[i]);
    free(cut);
    return rc;
}

static int save_difference(struct work *k, const struct image *raw, struct err *e)
{
    if (!k->cli->show_diff)
        return 0;
    struct image *m = finishing_difference(&k->finishing, raw, e);
    int rc = m ? image_save(k->cli->show_diff, m, NULL, 0, e) : -1;
    image_free(m);
    return rc;
}

static void tell(const struct work *k, const char *in, const struct image *raw,
                 const struct finish_report *r)
{
    char name[200], cells[80] = "";
    if (k->cli->quiet)
        return;
    text_shown(in, name, sizeof name);
    if (k->finishing.o.cell == FINISH_FIND && !r->grid_found)
        snprintf(cells, sizeof cells, ", no grid");
    else if (k->finishing.o.cell == FINISH_FIND)
        snprintf(cells, sizeof cells, ", cells of %.4gx%.4g%s (%.0f%% sure)", r->cell_x, r->cell_y,
                 r->grid_even ? "" : ", uneven", 100 * r->confidence);
    fprintf(stderr, "%s: %dx%d%s -> %dx%d, %d -> %d colours%s  %.1f ms\n", name, raw->width,
            raw->height, cells, r->width, r->height, r->colors_before, r->colors_after,
            k->finishing.o.matte && !r->background && !r->was_cut ? ", no background found" : "",
            r->ms);
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
    if (k->finishing.o.place) {
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
    const struct image *in_memory = &raw;
    if (finishing_run(&k->finishing, &in_memory, 1, &out, &r, e)) {
        png_file_free(&f);
        return err_prefix(e, "%s", in);
    }
    int rc = image_save(k->files[i], out, text, texts_of(&f, text), e);
    rc = rc ? rc : save_difference(k, &raw, e);
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
    if (k->cli->json)
        return cli_put_json(&k->json, e);
    for (int i = 0; i < k->cli->nargs; i++)
        if (cli_put_file(k->files[i], e))
            return -1;
    return 0;
}

static int finish_all(struct work *k, struct err *e)
{
    if (take_settings(k, e) || name_files(k, e) || (k->finishing.lock && lock_palette(k, e)))
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
    if (!k)
        return cli_fail(EXIT_FAILED, &(struct err){"out of memory"});
    k->cli = cli;
    if (cli->show_diff && cli->nargs > 1) {
        err_set(&e, "--show-diff is for one image");
        free(k);
        return cli_fail(EXIT_USAGE, &e);
    }
    int rc = finish_all(k, &e);
    for (int i = 0; k->files && i < cli->nargs; i++)
        free(k->files[i]);
    free(k->files);
    free(jsonw_take(&k->json));
    settings_free(&k->settings);
    free(k);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
