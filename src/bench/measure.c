/* Runs the cases of a mode; see measure.h. */
#include <malloc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench/measure_priv.h"
#include "engine/job.h"
#include "engine/machine.h"
#include "engine/save.h"
#include "ops/cuda.h"

enum { WARMUP_STEPS = 3, ROUNDS = 3, SLOW_TO_OPEN_MS = 3000 };

static const char example[] = "a green slime with a crown";

struct measuring {
    const struct bench_options *o;
    struct bench_result *r;
    struct bench_configs configs;
    bool gpu, stopped;
    int done, all; /* runs */
    char what[80];
    /* of the config that is measured */
    struct job job;
    struct pipeline *pipeline;
    struct bench_watch *watch;
};

const char *bench_mode_name(int i)
{
    static const char *const names[MODES] = {"baseline", "optimized", "compare", "ablation", "all"};
    return i >= 0 && i < MODES ? names[i] : NULL;
}

/* ---- one run ---- */

static bool tell(struct measuring *b)
{
    const struct bench_options *o = b->o;
    double share = b->all > 0 ? fmin((double)b->done / b->all, 1) : 0;
    if (o->progress && !o->progress(o->user, b->what, share))
        b->stopped = true;
    return !b->stopped;
}

static bool on_step(void *user, const struct gen_progress *p)
{
    struct measuring *b = user;
    bench_watch_stage(b->watch, p->stage);
    if (b->gpu)
        bench_watch_device(b->watch, p->bytes_now);
    return tell(b);
}

static void free_images(struct image **images, int count)
{
    for (int i = 0; images && i < count; i++)
        image_free(images[i]);
    free(images);
}

static double cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

/* From prompt to finished sprite. ms: by metric. */
static int run_job(struct measuring *b, int steps, double ms[BENCH_METRICS],
                   struct gen_result *result, struct err *e)
{
    const struct gen_hooks hooks = {.user = b, .step = on_step};
    struct gen_params params = b->job.params;
    double began = clock_ms(), cpu = cpu_ms();
    params.steps = steps;
    if (pipeline_run(b->pipeline, &params, &hooks, result, e))
        return -1;
    double ran = clock_ms();
    struct image **images = calloc((size_t)result->count, sizeof *images);
    bench_watch_stage(b->watch, "finish");
    int rc = !images ? err_set(e, "out of memory") : sprites_finish(&b->job, result, images, e);
    free_images(images, rc ? 0 : result->count);
    const struct gen_times *t = &result->ms;
    ms[BENCH_TOTAL] = clock_ms() - began;
    ms[BENCH_CPU] = cpu_ms() - cpu;
    ms[BENCH_FINISH] = clock_ms() - ran;
    ms[BENCH_TEXT] = t->text;
    ms[BENCH_STEP] = t->nsteps > 0 ? (t->sample + t->refine + t->hires) / t->nsteps : NAN;
    ms[BENCH_DECODE] = t->decode;
    return rc;
}

static int warm_up(struct measuring *b, int steps, struct err *e)
{
    double ms[BENCH_METRICS];
    struct gen_result result = {0};
    int rc = run_job(b, steps, ms, &result, e);
    gen_result_free(&result);
    return rc;
}

static int measure_run(struct measuring *b, struct bench_case *c, struct err *e)
{
    double ms[BENCH_METRICS];
    struct gen_result result = {0};
    struct machine m = {0};
    machine_read(&m);
    int rc = run_job(b, b->job.params.steps, ms, &result, e);
    machine_read(&m);
    double others = m.load - m.own_load;
    if (!isnan(others)) /* of two clocks, never quite equal */
        others = fmin(fmax(others, 0), 1);
    if (!rc) {
        for (int k = 0; k < BENCH_METRICS; k++)
            c->ms[k][c->runs] = ms[k];
        c->runs++;
        c->peak = result.bytes_peak > c->peak ? result.bytes_peak : c->peak;
        c->weights = result.bytes_weights;
        c->activations = result.bytes_activations;
        c->others = isnan(c->others) ? others : fmax(c->others, others);
    }
    gen_result_free(&result);
    b->done++;
    return rc;
}

/* ---- a config: one open model, some batches ---- */

static const char *item_of(const struct bench_config *k)
{
    return k->item >= 0 ? bench_switch(k->item)->item : "";
}

/* The case of this round, made in the first. */
static struct bench_case *case_of(struct measuring *b, const struct bench_config *k, int batch)
{
    struct bench_result *r = b->r;
    for (int i = 0; i < r->count; i++)
        if (r->cases[i].group == k->group && r->cases[i].batch == batch &&
            !strcmp(r->cases[i].item, item_of(k)))
            return &r->cases[i];
    if (r->count == BENCH_MAX_CASES)
        return NULL;
    struct bench_case *c = &r->cases[r->count++];
    *c = (struct bench_case){.group = k->group, .batch = batch, .others = NAN};
    snprintf(c->item, sizeof c->item, "%s", item_of(k));
    return c;
}

/* Batches of a config: all of them where scaling is asked for, one where it is an ablation. What
 * cuts batches in slices shows at a larger one. */
static int batches_of(const struct measuring *b, const struct bench_config *k, int *out)
{
    const struct bench_options *o = b->o;
    bool scales = k->group == BENCH_BASELINE || k->group == BENCH_OPTIMIZED;
    bool slices = k->item >= 0 && !strcmp(bench_switch(k->item)->key, "vae_slicing");
    if (scales && o->mode != MODE_ABLATION) {
        memcpy(out, o->batch, (size_t)o->batches * sizeof *out);
        return o->batches;
    }
    int n = 1;
    out[0] = o->batch[slices && o->batches > 1 ? 1 : 0];
    if (k->group == BENCH_OPTIMIZED && o->batches > 1)
        out[n++] = o->batch[1]; /* what slicing is compared with */
    return n;
}

static int prepare(struct measuring *b, const struct bench_config *k, int batch, char *said,
                   int size, struct err *e)
{
    struct settings s = {0};
    char text[16];
    snprintf(text, sizeof text, "%d", batch);
    int rc = settings_fill(&s, b->o->flags, e) || settings_set(&s, "batch", text, e) ? -1 : 0;
    if (!rc && !settings_has(&s, "seed"))
        rc = settings_set(&s, "seed", "1", e);
    if (!rc)
        rc = bench_apply(k, b->gpu, &s, said, size, e);
    if (!rc)
        rc = job_prepare(&b->job, &s, b->o->preset, b->o->prompt ? b->o->prompt : example, e);
    settings_free(&s);
    return rc;
}

static void name_run(struct measuring *b, const struct bench_config *k, int batch)
{
    snprintf(b->what, sizeof b->what, "%s%s%s, batch %d", bench_group_name(k->group),
             k->item >= 0 ? " " : "", item_of(k), batch);
}

static int measure_batch(struct measuring *b, const struct bench_config *k, int batch, int runs,
                         struct err *e)
{
    struct bench_case *c = case_of(b, k, batch);
    char said[sizeof c->settings];
    if (!c)
        return err_set(e, "more than %d cases", BENCH_MAX_CASES);
    job_free(&b->job);
    if (prepare(b, k, batch, said, sizeof said, e))
        return -1;
    memcpy(c->settings, said, sizeof said);
    snprintf(c->precision, sizeof c->precision, "%s", pipeline_precision(b->pipeline));
    int few = b->job.params.steps < WARMUP_STEPS ? b->job.params.steps : WARMUP_STEPS;
    int rc = 0;
    name_run(b, k, batch);
    /* a curve is a whole run's */
    for (int i = 0; i < b->o->warmup && !rc; i++)
        rc = warm_up(b, b->watch ? b->job.params.steps : few, e);
    if (b->watch && b->r->curves < BENCH_MAX_CURVES) {
        struct bench_curve *curve = &b->r->curve[b->r->curves++];
        bench_watch_end(b->watch, curve);
        curve->group = k->group;
        curve->batch = batch;
        b->watch = NULL;
    }
    machine_reset_peak(); /* where that cannot be, peaks are of all cases so far */
    for (int i = 0; i < runs && !rc && c->runs < BENCH_MAX_RUNS; i++)
        rc = measure_run(b, c, e);
    return rc;
}

static int open_config(struct measuring *b, const struct bench_config *k, double *ms, struct err *e)
{
    const struct gen_hooks hooks = {.user = b, .step = on_step};
    char said[200];
    double began = clock_ms();
    if (prepare(b, k, b->o->batch[0], said, sizeof said, e))
        return -1;
    struct pipeline_options options = b->job.options;
    options.hooks = &hooks;
    b->pipeline = pipeline_open(b->job.model, &options, e);
    *ms = clock_ms() - began;
    return b->pipeline ? 0 : -1;
}

/* Runs of round `round` of `rounds`, when `all` are spread over them. */
static int share_of(int all, int round, int rounds)
{
    return all * (round + 1) / rounds - all * round / rounds;
}

static void fill_work(struct measuring *b)
{
    const struct job *j = &b->job;
    struct bench_work *w = &b->r->work;
    snprintf(w->model, sizeof w->model, "%.90s", j->model_name);
    text_sanitize(w->model);
    snprintf(w->sampler, sizeof w->sampler, "%s", sampler_name(j->params.sampler));
    snprintf(w->scheduler, sizeof w->scheduler, "%s", schedule_name(j->params.scheduler));
    w->width = j->params.width;
    w->height = j->params.height;
    w->steps = j->params.steps;
    w->cfg = (double)j->params.cfg;
    bench_machine_read(&b->r->machine, pipeline_device(b->pipeline), j->options.threads);
}

static int measure_config(struct measuring *b, int index, int round, int *rounds, struct err *e)
{
    const struct bench_config *k = &b->configs.at[index];
    int batch[BENCH_BATCHES];
    double load_ms = 0;
    bool plain = k->group == BENCH_BASELINE || k->group == BENCH_OPTIMIZED;
    name_run(b, k, b->o->batch[0]);
    if (!tell(b))
        return err_set(e, "interrupted");
    malloc_trim(0); /* what the config before left is not this one's */
    b->watch = round == 0 && plain && b->o->warmup > 0 ? bench_watch_start() : NULL;
    int rc = open_config(b, k, &load_ms, e);
    if (!rc && round == 0 && index == 0) {
        fill_work(b);
        if (load_ms > SLOW_TO_OPEN_MS || b->o->repeats < ROUNDS)
            *rounds = 1;
    }
    int n = batches_of(b, k, batch), runs = share_of(b->o->repeats, round, *rounds);
    for (int i = 0; i < n && !rc; i++) {
        rc = measure_batch(b, k, batch[i], runs, e);
        if (!rc && i == 0)
            case_of(b, k, batch[i])->load_ms = load_ms;
    }
    if (b->watch) {
        struct bench_curve unused;
        bench_watch_end(b->watch, &unused);
        b->watch = NULL;
    }
    pipeline_close(b->pipeline);
    b->pipeline = NULL;
    job_free(&b->job);
    return rc;
}

/* ---- all ---- */

/* Does the job's device open as a GPU? */
static bool has_gpu(const struct settings *flags)
{
    const char *device = settings_text(flags, "device");
    struct cuda_info g;
    struct err e;
    if (device && !strncmp(device, "cuda", 4))
        return true;
    return (!device || !strcmp(device, "auto")) && ops_cuda_look(0, &g, &e) == 0;
}

static void count_runs(struct measuring *b)
{
    int batch[BENCH_BATCHES];
    for (int i = 0; i < b->configs.count; i++)
        b->all += b->o->repeats * batches_of(b, &b->configs.at[i], batch);
}

int bench_measure(const struct bench_options *o, struct bench_result *r, struct err *e)
{
    struct measuring b = {.o = o, .r = r, .gpu = has_gpu(o->flags)};
    const char *precision = settings_text(o->flags, "precision");
    bool low = b.gpu || cpu_best_dtype() != DT_F32;
    int rc = 0, rounds = ROUNDS;
    time_t now = time(NULL);
    struct tm utc;
    bench_configs(o->mode, b.gpu, low && (!precision || strcmp(precision, "fp32") != 0),
                  &b.configs);
    count_runs(&b);
    strftime(r->when, sizeof r->when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
    r->load_average[0] = bench_load_average();
    r->real_time = bench_real_time();
    for (int round = 0; round < rounds && !rc; round++)
        for (int i = 0; i < b.configs.count && !rc; i++)
            rc = measure_config(&b, i, round, &rounds, e);
    r->load_average[1] = bench_load_average();
    if (rc && b.stopped)
        err_set(e, "interrupted");
    return rc;
}
