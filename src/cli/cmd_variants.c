/*
 * spritty variants: one thing from several sides, in several sizes or colours, from one seed; each
 * a PNG of its own, and all in a sheet whose tags are their names.
 *
 * Directions are pictures of their own: the prompt says which side is seen, the noise is the same.
 * Sizes and recolours are one picture, finished in several ways, so that it stays the same thing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "engine/forecast.h"
#include "engine/save.h"
#include "sprite/image_file.h"
#include "sprite/palette.h"
#include "sprite/sheet_save.h"

enum { VARIANTS_MAX = 8, SIZES = 3, HUES = 6 };

static const struct side {
    const char *name, *words;
} sides[VARIANTS_MAX] = {
    {"front", "facing the viewer, front view"},
    {"left", "facing left, side view from the left"},
    {"right", "facing right, side view from the right"},
    {"back", "seen from behind, back view"},
    {"front-left", "facing left and to the viewer, three-quarter view"},
    {"front-right", "facing right and to the viewer, three-quarter view"},
    {"back-left", "seen from behind, turned to the left, three-quarter view"},
    {"back-right", "seen from behind, turned to the right, three-quarter view"},
};

struct work {
    struct cli *cli;
    int sides; /* of directions; 0: sizes or recolours */
    bool sizes;
    char stem[4000]; /* "knight" of knight.png */
    char sheet[4008], sheet_json[4008];
    struct pipeline *pipeline;
    struct progress progress;
    char hash[11];
    int n;
    struct image *image[VARIANTS_MAX];
    char *file[VARIANTS_MAX];
};

static bool on_step(void *user, const struct gen_progress *g)
{
    progress_event(user, g);
    return true;
}

/* ---- what was said ---- */

static int take_what(struct work *k, struct err *e)
{
    const char *what = k->cli->variants ? k->cli->variants : "directions";
    k->sides = !strcmp(what, "directions") ? 4 : !strcmp(what, "directions8") ? 8 : 0;
    k->sizes = !strcmp(what, "sizes");
    if (!k->sides && !k->sizes && strcmp(what, "recolors") != 0)
        return err_set(e, "--of: '%.40s' is none of directions, directions8, sizes, recolors",
                       what);
    if (settings_has(&k->cli->flags, "batch") && k->cli->flags.batch > 1)
        return err_set(e, "--batch: variants are of one sprite");
    return 0;
}

static int name_sheet(struct work *k, struct err *e)
{
    const char *said = k->cli->flags.output ? k->cli->flags.output : "variants.png";
    const char *dot = strrchr(file_name_of(said), '.');
    int n = dot && !strcmp(dot, ".png") ? (int)(dot - said) : (int)strlen(said);
    if (!strcmp(said, STDOUT_PATH))
        return err_set(e, "-o -: variants are several files; name the sheet's");
    if (n == 0 || (size_t)n >= sizeof k->stem)
        return err_set(e, "'%.60s' is no name for a sheet", said);
    snprintf(k->stem, sizeof k->stem, "%.*s", n, said);
    snprintf(k->sheet, sizeof k->sheet, "%s.png", k->stem);
    snprintf(k->sheet_json, sizeof k->sheet_json, "%s.json", k->stem);
    return file_check_target(k->sheet, e);
}

/* ---- making ---- */

/* Takes the image over. */
static int save_one(struct work *k, const struct job *j, const struct gen_result *r,
                    const char *name, struct image *m, struct err *e)
{
    struct origin origin = {j, k->pipeline, r, k->hash, 0};
    k->image[k->n] = m;
    if (asprintf(&k->file[k->n], "%s-%s.png", k->stem, name) < 0) {
        k->file[k->n] = NULL;
        image_free(m);
        return err_set(e, "out of memory");
    }
    k->n++;
    progress_picture(&k->progress, m);
    return sprite_save(k->file[k->n - 1], m, &origin, e);
}

/* From prompt to pixels. The model is opened for the first; job_free and gen_result_free after. */
static int run(struct work *k, const struct settings *flags, const char *prompt, struct job *j,
               struct gen_result *r, struct err *e)
{
    struct gen_hooks hooks = {.user = &k->progress, .step = on_step};
    if (job_prepare(j, flags, k->cli->preset, prompt, e))
        return -1;
    progress_notes(&k->progress, &j->prompts.notes);
    if (j->params.batch != 1)
        return err_set(e, "batch is %d: variants are of one sprite", j->params.batch);
    if (!k->pipeline && job_admit(j, 0, NULL, e))
        return -1;
    if (k->pipeline && pipeline_changed(k->pipeline))
        return err_set(e, "%s was replaced while its variants were made: make them again",
                       j->model);
    j->options.hooks = &hooks;
    if (!k->pipeline && !(k->pipeline = pipeline_open(j->model, &j->options, e)))
        return -1;
    meta_model_hash(j->model, k->hash);
    int rc = pipeline_run(k->pipeline, &j->params, &hooks, r, e);
    progress_finish(&k->progress);
    progress_notes(&k->progress, &r->notes);
    return rc;
}

/* All directions have the first one's seed, also where it was drawn. */
static int make_sides(struct work *k, struct err *e)
{
    struct settings flags = {0};
    int rc = settings_fill(&flags, &k->cli->flags, e);
    for (int i = 0; i < k->sides && !rc; i++) {
        struct job j = {0};
        struct gen_result r = {0};
        struct image *m = NULL;
        char *prompt = NULL, seed[32];
        if (asprintf(&prompt, "%s, %s", k->cli->args[0], sides[i].words) < 0)
            prompt = NULL;
        rc = prompt ? run(k, &flags, prompt, &j, &r, e) : err_set(e, "out of memory");
        rc = rc ? rc : sprites_finish(&j, &r, &m, e);
        rc = rc ? rc : save_one(k, &j, &r, sides[i].name, m, e);
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)j.params.seed);
        rc = rc ? rc : settings_set(&flags, "seed", seed, e);
        gen_result_free(&r);
        job_free(&j);
        free(prompt);
    }
    settings_free(&flags);
    return rc;
}

/* As large as it was drawn, three quarters and half as large. */
static int make_sizes(struct work *k, struct job *j, struct gen_result *r, struct err *e)
{
    struct image *raw = image_from_rgb(r->rgb, r->width, r->height);
    struct finishing *f = &j->finishing;
    double cell = 0;
    int rc = raw ? 0 : err_set(e, "out of memory for the sprite");
    for (int i = 0; i < SIZES && !rc; i++) {
        const struct image *in = raw;
        struct image *out = NULL;
        struct finish_report report;
        char name[32];
        if (i > 0) {
            f->o.columns = (int)(raw->width / cell * (4 - i) / 4 + 0.5);
            f->o.rows = (int)(raw->height / cell * (4 - i) / 4 + 0.5);
        }
        rc = finishing_run(f, &in, 1, &out, &report, e);
        cell = i ? cell : report.cell_x;
        snprintf(name, sizeof name, "%d", (int)(raw->width / cell * (4 - i) / 4 + 0.5));
        rc = rc ? rc : save_one(k, j, r, name, out, e);
    }
    image_free(raw);
    return rc;
}

static int make_hues(struct work *k, struct job *j, struct gen_result *r, struct err *e)
{
    struct image *m = NULL;
    int rc = sprites_finish(j, r, &m, e);
    for (int i = 0; i < HUES && !rc; i++) {
        struct image *turned = image_copy(m);
        char name[32];
        snprintf(name, sizeof name, "hue%d", i * 360 / HUES);
        if (!turned)
            rc = err_set(e, "out of memory for the sprite");
        else {
            palette_turn(turned, i);
            rc = save_one(k, j, r, name, turned, e);
        }
    }
    image_free(m);
    return rc;
}

static int make_one_picture(struct work *k, struct err *e)
{
    struct job j = {0};
    struct gen_result r = {0};
    int rc = run(k, &k->cli->flags, k->cli->args[0], &j, &r, e);
    if (!rc)
        rc = k->sizes ? make_sizes(k, &j, &r, e) : make_hues(k, &j, &r, e);
    gen_result_free(&r);
    job_free(&j);
    return rc;
}

/* ---- the sheet ---- */

static int make_sheet(struct work *k, struct err *e)
{
    struct sheet_frame frame[VARIANTS_MAX] = {{0}};
    const char *names[VARIANTS_MAX];
    for (int i = 0; i < k->n; i++) {
        frame[i].image = k->image[i];
        names[i] = file_name_of(k->file[i]);
    }
    struct image *sheet = sheet_pack(frame, k->n, &(struct sheet_options){.columns = k->n}, e);
    if (!sheet)
        return -1;
    struct sheet_text words = {frame, names, k->n, 100, false, NULL};
    int rc = sheet_save(&words, sheet, k->sheet, k->sheet_json, e);
    image_free(sheet);
    return rc;
}

static int report(const struct work *k, struct err *e)
{
    const char *files[VARIANTS_MAX + 2] = {k->sheet, k->sheet_json};
    struct jsonw w = {0};
    int n = k->n + 2;
    memcpy(files + 2, k->file, (size_t)k->n * sizeof *files);
    for (int i = 0; i < n && !k->cli->json; i++)
        if (cli_put_line(files[i], e))
            return -1;
    if (!k->cli->json)
        return 0;
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "files", '[');
    for (int i = 0; i < n; i++)
        jsonw_string(&w, NULL, files[i]);
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

int cmd_variants(struct cli *cli)
{
    struct err e = {""};
    struct work *k = calloc(1, sizeof *k);
    if (!k)
        return cli_fail(EXIT_FAILED, &(struct err){"out of memory"});
    k->cli = cli;
    int usage = take_what(k, &e);
    int rc = usage || name_sheet(k, &e) ? -1 : 0;
    progress_init(&k->progress, stderr, cli->quiet);
    if (!rc)
        rc = k->sides ? make_sides(k, &e) : make_one_picture(k, &e);
    rc = rc || make_sheet(k, &e) || report(k, &e) ? -1 : 0;
    for (int i = 0; i < k->n; i++) {
        image_free(k->image[i]);
        free(k->file[i]);
    }
    if (k->pipeline)
        pipeline_close(k->pipeline);
    progress_free(&k->progress);
    free(k);
    return usage ? cli_fail(EXIT_USAGE, &e) : rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
