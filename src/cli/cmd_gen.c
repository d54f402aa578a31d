/*
 * spritty gen: one job without a terminal app.
 *
 * The order is: what is cheap to find wrong first (settings, the target folder), then the model,
 * then the work. Ctrl-C is looked at between steps; nothing is written then.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "cli/gen_queue.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/gen_devices.h"
#include "cli/progress.h"
#include "devices.h"
#include "engine/forecast.h"
#include "engine/save.h"
#include "queue/url.h"

static bool on_step(void *user, const struct gen_progress *g)
{
    progress_event(user, g);
    return !interrupted();
}

struct gen {
    struct cli *cli;
    struct job job;
    struct pipeline *pipeline;
    struct gen_result result;
    struct progress progress;
    struct job_times times;
    struct image **sprites; /* result.count of them */
    double began;
    char **files;
    char hash[11];
    char precision[8]; /* on several devices: of one of them */
};

static char *file_name(const struct job *j, int index)
{
    char stem[64];
    const char *said = settings_has(&j->settings, "output") ? j->settings.output : NULL;
    snprintf(stem, sizeof stem, "sprite-%llu.png", (unsigned long long)j->params.seed);
    return sprite_file(said ? said : stem, j->params.batch, index);
}

static int name_files(struct gen *g, struct err *e)
{
    int count = g->job.params.batch;
    struct stat st;
    const char *said = g->job.settings.output;
    if (count > 1 && settings_has(&g->job.settings, "output") && stat(said, &st) == 0 &&
        !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return err_set(e, "%s takes one picture; a batch of %d wants a file's name after -o", said,
                       count);
    g->files = calloc((size_t)count, sizeof *g->files);
    for (int i = 0; g->files && i < count; i++) {
        g->files[i] = file_name(&g->job, i);
        if (!g->files[i])
            return err_set(e, "out of memory");
        if (file_check_target(g->files[i], e))
            return -1;
    }
    return g->files ? 0 : err_set(e, "out of memory");
}

static int finish(struct gen *g, struct err *e)
{
    double start = clock_ms();
    g->sprites = calloc((size_t)g->result.count, sizeof *g->sprites);
    if (!g->sprites)
        return err_set(e, "out of memory for the sprites");
    if (sprites_finish(&g->job, &g->result, g->sprites, e))
        return -1;
    g->times.finish = clock_ms() - start;
    return 0;
}

static int save(struct gen *g, struct err *e)
{
    double start = clock_ms();
    meta_model_hash(g->job.model, g->hash);
    for (int i = 0; i < g->result.count; i++) {
        struct origin origin = {&g->job, g->pipeline, &g->result, g->hash, i};
        if (sprite_save(g->files[i], g->sprites[i], &origin, e))
            return -1;
    }
    g->times.save = clock_ms() - start;
    g->times.total = clock_ms() - g->began;
    return 0;
}

static int report_json(struct gen *g, struct err *e)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_open(&w, "files", '[');
    for (int i = 0; i < g->result.count; i++)
        jsonw_string(&w, NULL, g->files[i]);
    jsonw_close(&w, ']');
    if (g->pipeline)
        meta_json(&w, &g->job, g->pipeline, &g->result, &g->times);
    else
        meta_json_on(&w, &g->job, g->job.settings.device, g->precision, &g->result, &g->times);
    jsonw_close(&w, '}');
    return cli_put_json(&w, e);
}

static int report(struct gen *g, struct err *e)
{
    const struct gen_result *r = &g->result;
    if (!g->cli->quiet) {
        const struct image *first = g->sprites[0];
        progress_picture(&g->progress, first);
        fprintf(stderr, "%dx%d  %d colours  seed %llu  %.2f s\n", first->width, first->height,
                image_colors(first), (unsigned long long)g->job.params.seed, g->times.total / 1e3);
    }
    if (g->cli->json)
        return report_json(g, e);
    for (int i = 0; i < r->count; i++)
        if (cli_put_file(g->files[i], e))
            return -1;
    return 0;
}

/* The engines write their pictures themselves. */
static int on_devices(struct gen *g, struct err *e)
{
    struct gen_devices d = {.job = &g->job,
                            .flags = &g->cli->flags,
                            .words = g->cli->args[0],
                            .preset = g->cli->preset,
                            .files = g->files,
                            .progress = &g->progress,
                            .is_interrupted = interrupted,
                            .result = &g->result,
                            .times = &g->times};
    g->sprites = calloc((size_t)g->job.params.batch, sizeof(*g->sprites));
    if (!g->sprites)
        return err_set(e, "out of memory for the sprites");
    d.sprites = g->sprites;
    if (gen_on_devices(&d, e))
        return -1;
    memcpy(g->precision, d.precision, sizeof g->precision);
    g->times.total = clock_ms() - g->began;
    return report(g, e);
}

static int generate(struct gen *g, struct err *e)
{
    struct gen_hooks hooks = {.user = &g->progress, .step = on_step};
    if (job_prepare(&g->job, &g->cli->flags, g->cli->preset, g->cli->args[0], e) ||
        name_files(g, e))
        return -1;
    const char *device = g->job.settings.device;
    progress_notes(&g->progress, &g->job.prompts.notes);
    if (queue_url_is(device))
        return gen_through_queue(g->cli, &g->job, g->files, &g->progress, interrupted, e);
    if (devices_many(device))
        return on_devices(g, e); /* each admits for itself */
    if (job_admit(&g->job, 0, NULL, e))
        return -1;
    g->job.options.hooks = &hooks;
    g->pipeline = pipeline_open(g->job.model, &g->job.options, e);
    int rc = g->pipeline ? pipeline_run(g->pipeline, &g->job.params, &hooks, &g->result, e) : -1;
    progress_finish(&g->progress);
    progress_notes(&g->progress, &g->result.notes);
    if (rc && interrupted())
        return err_set(e, "cancelled; nothing was written");
    return rc || finish(g, e) || save(g, e) || report(g, e) ? -1 : 0;
}

int cmd_gen(struct cli *cli)
{
    struct gen g = {.cli = cli, .began = clock_ms()};
    struct err e = {""};
    interrupts_catch();
    progress_init(&g.progress, stderr, cli->quiet);
    int rc = generate(&g, &e);
    for (int i = 0; g.sprites && i < g.job.params.batch; i++)
        image_free(g.sprites[i]);
    free(g.sprites);
    gen_result_free(&g.result);
    if (g.pipeline)
        pipeline_close(g.pipeline);
    for (int i = 0; g.files && i < g.job.params.batch; i++)
        free(g.files[i]);
    free(g.files);
    job_free(&g.job);
    progress_free(&g.progress);
    return rc ? cli_fail(EXIT_FAILED, &e) : EXIT_DONE;
}
