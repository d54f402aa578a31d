/*
 * A job, from its command to its last event.
 *
 * The database comes first: the row says "running" before any work is done, and a sprite is a file
 * and a row before its event is sent. Each job ends with exactly one of EVENT_DONE, EVENT_FAILED
 * and EVENT_CANCELLED. What the engine's own end interrupts is queued again, so that it is there at
 * the next start.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine_priv.h"
#include "engine/machine.h"
#include "engine/memory_map.h"
#include "engine/forecast.h"
#include "engine/save.h"

struct work {
    struct engine *engine;
    struct command *command;
    int64_t id;
    struct job job;
    struct gen_hooks hooks;
    struct gen_result result;
    struct image **images; /* result.count finished ones, or NULL where given away */
    struct job_times times;
    double began;
    char stage[12];
    bool loads;       /* this job opens its model */
    char *settings;   /* of the command, as the database has them */
    struct err fault; /* of the device, by a test's will; "" none */
};

/* ---- progress ---- */

static bool is_stopped(struct work *w)
{
    if (*w->fault.text)
        return false;
    return atomic_load(&w->engine->quit) || is_cancelled(w->engine, w->id);
}

static void enter_with(struct work *w, const char *stage, const struct gen_progress *p)
{
    struct event *v = event_new(EVENT_STAGE, w->id);
    snprintf(w->stage, sizeof w->stage, "%s", stage);
    if (v)
        snprintf(v->stage, sizeof v->stage, "%s", stage);
    if (v && p) {
        v->steps = p->steps;
        v->work = p->work;
        v->later = p->later;
    }
    emit(w->engine, v);
}

static void enter(struct work *w, const char *stage)
{
    enter_with(w, stage, NULL);
}

static void tell_step(struct work *w, const struct gen_progress *p)
{
    struct event *v = event_new(EVENT_STEP, w->id);
    if (!v)
        return;
    snprintf(v->stage, sizeof v->stage, "%s", p->stage);
    v->step = p->step;
    v->steps = p->steps;
    v->work = p->work;
    v->ms = p->ms;
    v->later = p->later;
    v->bytes_now = p->bytes_now;
    v->bytes_peak = p->bytes_peak;
    pipeline_memory(w->engine->model.pipeline, &v->bytes_weights, &v->bytes_activations);
    emit(w->engine, v);
}

static void tell_memory(struct work *w)
{
    const struct pipeline *p = w->engine->model.pipeline;
    struct event *v = event_new(EVENT_MEMORY, w->id);
    if (!v || !(v->memory = calloc(1, sizeof *v->memory))) {
        event_free(v);
        return;
    }
    memory_of_model(v->memory, p, pipeline_forecast_book(p), 2);
    emit(w->engine, v);
}

static size_t bytes_held(const struct engine *x)
{
    size_t weights = 0, activations = 0;
    if (x->model.pipeline)
        pipeline_memory(x->model.pipeline, &weights, &activations);
    return weights + activations;
}

static bool on_step(void *user, const struct gen_progress *p)
{
    struct work *w = user;
    promise_take(&w->engine->promise, bytes_held(w->engine));
    if (strcmp(w->stage, p->stage) != 0) {
        enter_with(w, p->stage, p);
        if (!strcmp(p->stage, "text")) /* the run's first: now there is a forecast */
            tell_memory(w);
    }
    if (p->step > 0 && stage_samples(p->stage))
        tell_step(w, p);
    struct engine *x = w->engine;
    if (x->fault && x->fault(x->fault_user, w->command, p->stage, p->step, &w->fault))
        return false;
    return !is_stopped(w);
}

/* The preview as it would be finished; as it is where that fails. A preview may be smaller than the
 * picture: then a cell is as well. */
static struct image *finished_preview(const struct work *w, struct image *m)
{
    struct finishing f = w->job.finishing; /* its palettes are the job's */
    const struct image *in = m;
    struct image *out = NULL;
    struct finish_report r;
    struct err e;
    double by = (double)m->width / w->job.params.width;
    f.lock = false;
    f.cell = f.cell * by == (int)(f.cell * by) ? (int)(f.cell * by) : 0;
    f.o.grid *= by;
    if (f.o.grid < 2 && f.cell < 2)
        f.o.cell = f.o.grid > 0 ? 1 : f.o.cell, f.o.grid = 0;
    if (!f.wanted || finishing_run(&f, &in, 1, &out, &r, &e))
        return m;
    image_free(m);
    return out;
}

static void on_preview(void *user, int step, const uint8_t *rgb, int width, int height)
{
    struct work *w = user;
    struct event *v = can_drop_in(w->engine) ? event_new(EVENT_PREVIEW, w->id) : NULL;
    if (!v)
        return;
    v->step = step;
    v->steps = w->job.params.steps;
    v->image = image_from_rgb(rgb, width, height);
    if (v->image && atomic_load(&w->engine->finish_previews))
        v->image = finished_preview(w, v->image);
    if (v->image)
        emit(w->engine, v);
    else
        event_free(v);
}

/* What a job runs with, once it is settled and once it is done. */
static struct event *event_of_job(struct work *w, enum event_kind kind)
{
    const struct gen_params *g = &w->job.params;
    struct event *v = event_new(kind, w->id);
    if (!v)
        return NULL;
    v->steps = g->steps;
    v->seed = g->seed;
    v->width = g->width;
    v->height = g->height;
    v->batch = g->batch;
    return v;
}

/* ---- finishing and saving ---- */

static int finish(struct work *w, struct err *e)
{
    double start = clock_ms();
    enter(w, "finish");
    w->images = calloc((size_t)w->result.count, sizeof *w->images);
    if (!w->images)
        return err_set(e, "out of memory for the sprites");
    if (sprites_finish(&w->job, &w->result, w->images, e) < 0)
        return -1;
    w->times.finish = clock_ms() - start;
    return 0;
}

/* Of all passes. */
static double sampling_ms(const struct gen_times *t)
{
    return t->sample + t->refine + t->hires;
}

static double mean_step(const struct gen_times *t)
{
    return t->nsteps > 0 ? sampling_ms(t) / t->nsteps : 0;
}

static int add_row(struct work *w, int i, char *path, int64_t *id, struct err *e)
{
    const struct gen_params *g = &w->job.params;
    const struct image *image = w->images[i];
    int index = g->first + i;
    struct store_sprite s = {
        .job = w->id,
        .index = index,
        .path = path,
        .prompt = w->job.prompts.prompt[index],
        .negative = w->job.prompts.negative[index],
        .words = w->command->words ? w->command->words : "",
        .preset = w->command->preset,
        .settings = w->settings,
        .model = w->job.model_name,
        .seed = g->seed,
        .width = image->width,
        .height = image->height,
        .colors = image_colors(image),
        .steps = g->steps,
        .cfg = (double)g->cfg,
        .sampler = w->job.settings.sampler,
        .scheduler = w->job.settings.scheduler,
        .ms_total = clock_ms() - w->began,
        .ms_step = mean_step(&w->result.ms),
        .bytes_peak = w->result.bytes_peak,
        .tags = "",
    };
    *id = sprite_row(w->engine->store, w->id, path);
    if (*id == 0 && w->engine->store && store_add_sprite(w->engine->store, &s, e) < 0)
        return err_prefix(e, "the sprite is in %s, but the database does not take it", path);
    *id = *id ? *id : s.id;
    return 0;
}

/* Where a sprite of the batch goes (malloc'd). */
static char *path_of(const struct work *w, int index, struct err *e)
{
    const struct command *c = w->command;
    if (index >= c->file_count)
        return sprite_path(w->engine->store, w->engine->folder, w->id, index, w->job.params.seed,
                           e);
    char *path = strdup(c->files[index]);
    if (!path)
        err_set(e, "out of memory");
    return path;
}

/* File, row, event: in this order. i: among those that this run made. */
static int save_one(struct work *w, int i, struct err *e)
{
    int index = w->job.params.first + i;
    const struct origin origin = {&w->job, w->engine->model.pipeline, &w->result,
                                  w->engine->model.hash, index};
    char *path = path_of(w, index, e);
    int64_t row = 0;
    if (!path)
        return -1;
    int rc = sprite_save(path, w->images[i], &origin, e);
    if (rc == 0)
        rc = add_row(w, i, path, &row, e);
    struct event *v = rc == 0 ? event_of_job(w, EVENT_SPRITE) : NULL;
    if (v) {
        v->sprite = row;
        v->index = index;
        v->width = w->images[i]->width;
        v->height = w->images[i]->height;
        v->image = w->images[i];
        w->images[i] = NULL;
        v->raw = w->job.finishing.wanted ? sprite_raw(&w->result, i) : NULL;
        v->cell = w->job.cell;
        v->keep = keep_copy(&w->job.finishing.keep);
        v->text = safe_text(path);
        emit(w->engine, v);
    }
    free(path);
    return rc;
}

static int save(struct work *w, struct err *e)
{
    double start = clock_ms();
    enter(w, "save");
    for (int i = 0; i < w->result.count; i++)
        if (save_one(w, i, e) < 0)
            return -1;
    w->times.save = clock_ms() - start;
    w->times.total = clock_ms() - w->began;
    return 0;
}

/* ---- the end ---- */

_Static_assert(sizeof((struct op_profile *)0)->name == sizeof((struct profile_row *)0)->name,
               "a row's name is handed on as it is");

static void tell_profile(struct work *w)
{
    struct op_profile rows[PROFILE_ROWS];
    int n = pipeline_profile(w->engine->model.pipeline, rows, PROFILE_ROWS);
    struct event *v = event_new(EVENT_PROFILE, w->id);
    if (!v || !(v->profile = calloc(PROFILE_ROWS, sizeof *v->profile))) {
        event_free(v);
        return;
    }
    v->profile_rows = n;
    for (int i = 0; i < n; i++) {
        struct profile_row *to = &v->profile[i];
        memcpy(to->name, rows[i].name, sizeof to->name);
        to->calls = rows[i].calls;
        to->ms = rows[i].ms;
        to->gflops = rows[i].ms > 0 ? rows[i].flops / rows[i].ms / 1e6 : 0;
    }
    emit(w->engine, v);
}

static int finish_row(struct work *w, struct err *e)
{
    if (!w->engine->store || w->command->part)
        return 0;
    const struct gen_times *ms = &w->result.ms;
    struct store_job row = {
        .id = w->id,
        .ms_total = w->times.total,
        .ms_load = ms->load,
        .ms_text = ms->text + ms->encode,
        .ms_sample = sampling_ms(ms),
        .ms_decode = ms->decode,
        .ms_finish = w->times.finish,
        .ms_save = w->times.save,
        .ms_step = mean_step(ms),
        .bytes_peak = w->result.bytes_peak,
    };
    return store_finish_job(w->engine->store, &row, e);
}

/* What of the prompts was not honoured, a line each; NULL when all was. */
static char *notes_text(const struct work *w)
{
    const struct notes *all[] = {&w->job.prompts.notes, &w->result.notes};
    char *text = NULL;
    size_t size;
    FILE *f = all[0]->count + all[1]->count ? open_memstream(&text, &size) : NULL;
    for (int k = 0; k < 2 && f; k++)
        for (int i = 0; i < all[k]->count; i++)
            fprintf(f, "%s%s", ftell(f) > 0 ? "\n" : "", all[k]->line[i]);
    if (f)
        fclose(f);
    return text;
}

static void tell_done(struct work *w)
{
    struct gen_result *r = &w->result;
    struct event *v = event_of_job(w, EVENT_DONE);
    if (!v)
        return;
    v->times.load = r->ms.load;
    v->times.text = r->ms.text + r->ms.encode;
    v->times.sample = sampling_ms(&r->ms);
    v->times.decode = r->ms.decode;
    v->times.finish = w->times.finish;
    v->times.save = w->times.save;
    v->times.total = w->times.total;
    v->times.lora = r->ms.lora;
    v->times.encode = r->ms.encode;
    v->times.refine = r->ms.refine;
    v->times.hires = r->ms.hires;
    v->text = notes_text(w);
    v->step = v->steps = r->ms.nsteps;
    v->ms = mean_step(&r->ms);
    v->step_ms = r->ms.steps;
    r->ms.steps = NULL;
    v->bytes_peak = r->bytes_peak;
    v->bytes_weights = r->bytes_weights;
    v->bytes_activations = r->bytes_activations;
    emit(w->engine, v);
}

/* Returns whether the command went with it. */
static bool tell_failed(struct work *w, const struct err *why, bool give_back)
{
    struct event *v = event_new(EVENT_FAILED, w->id);
    if (!v)
        return false;
    v->text = safe_text(why->text);
    v->kind_of_failure = err_kind(why);
    v->again = give_back ? w->command : NULL;
    emit(w->engine, v);
    return give_back;
}

/* why: NULL when it was cancelled, or the engine quits. The row is told as far as the database
 * lets us; the event is sent in any case. True: the command went with it. */
static bool end_early(struct work *w, const struct err *why)
{
    struct engine *x = w->engine;
    bool give_back = why && x->gives_back && err_kind(why) != ERR_PLAIN;
    enum job_state state = give_back                ? JOB_QUEUED
                           : why                    ? JOB_FAILED
                           : is_cancelled(x, w->id) ? JOB_CANCELLED
                                                    : JOB_QUEUED;
    struct err e;
    if (x->store && (!w->command->part || state == JOB_QUEUED))
        store_set_job_state(x->store, w->id, state, give_back || !why ? NULL : why->text, &e);
    if (why)
        return tell_failed(w, why, give_back);
    emit(x, event_new(EVENT_CANCELLED, w->id));
    return false;
}

/* ---- commands ---- */

static int need_store(struct engine *x, struct err *e)
{
    if (!x->store && x->store_path)
        x->store = store_open(x->store_path, e);
    return x->store || !x->store_path ? 0 : -1;
}

static int prepare(struct work *w, struct err *e)
{
    const struct command *c = w->command;
    if (job_prepare(&w->job, &c->settings, c->preset, c->words ? c->words : "", e) < 0)
        return -1;
    if (w->job.options.threads == 0)
        w->job.options.threads = w->engine->threads;
    if (w->engine->device)
        w->job.options.device = w->engine->device;
    w->job.params.profile = c->profile ? PROFILE_CALLS : 0;
    w->job.params.first = c->first;
    w->job.params.count = c->count;
    return 0;
}

static int set_running(struct work *w, struct err *e)
{
    struct store *s = w->engine->store;
    return s ? store_set_job_state(s, w->id, JOB_RUNNING, NULL, e) : 0;
}

static bool stopped(void *work)
{
    return is_stopped(work);
}

static int need_model(struct work *w, struct err *e)
{
    const struct admission by = {&w->engine->promise, stopped, w};
    if (job_admit(&w->job, bytes_held(w->engine), &by, e) < 0)
        return -1;
    if (model_is_open(w->engine, &w->job))
        return 0;
    w->loads = true;
    enter(w, "load");
    return model_open(w->engine, &w->job, &w->hooks, w->id, e);
}

static int run(struct work *w, struct err *e)
{
    if (need_store(w->engine, e) < 0 || set_running(w, e) < 0 || prepare(w, e) < 0)
        return -1;
    if (!(w->settings = settings_to_text(&w->command->settings)))
        return err_set(e, "out of memory");
    emit(w->engine, event_of_job(w, EVENT_STARTED));
    if (need_model(w, e) < 0 || is_stopped(w) ||
        pipeline_run(w->engine->model.pipeline, &w->job.params, &w->hooks, &w->result, e) < 0)
        return -1;
    if (!w->loads)
        w->result.ms.load = 0; /* an earlier job paid for it */
    return finish(w, e) < 0 || save(w, e) < 0 ? -1 : finish_row(w, e);
}

static void work_free(struct work *w)
{
    promise_end(&w->engine->promise);
    for (int i = 0; w->images && i < w->result.count; i++)
        image_free(w->images[i]);
    free(w->images);
    free(w->settings);
    gen_result_free(&w->result);
    job_free(&w->job);
}

static struct work work_on(struct engine *x, struct command *c)
{
    return (struct work){.engine = x, .command = c, .id = c->job, .began = clock_ms()};
}

bool work_run(struct engine *x, struct command *c)
{
    struct work w = work_on(x, c);
    struct err e = {""};
    bool given = false;
    enum err_kind kind = ERR_PLAIN;
    w.hooks = (struct gen_hooks){.user = &w, .step = on_step, .preview = on_preview};
    machine_reset_peak(); /* a peak is this job's, or of those that run beside it */
    if (is_stopped(&w)) {
        need_store(x, &e);
        end_early(&w, NULL); /* which gives back failures alone */
    } else if (run(&w, &e) == 0) {
        if (c->profile)
            tell_profile(&w);
        tell_done(&w);
    } else {
        const struct err *why = *w.fault.text ? &w.fault : &e;
        kind = err_kind(why);
        given = end_early(&w, is_stopped(&w) ? NULL : why);
    }
    work_free(&w);
    if (given && kind == ERR_DEVICE) /* it is not used any more: its memory is for others */
        model_close(x);
    return given;
}

/* A job that several had a part in ended so. */
void work_end(struct engine *x, struct command *c)
{
    struct event *v = c->end;
    struct err e = {""};
    c->end = NULL;
    if (need_store(x, &e) < 0 || !x->store) {
        emit(x, v);
        return;
    }
    if (v->kind == EVENT_DONE)
        store_finish_job(x->store,
                         &(struct store_job){.id = v->job,
                                             .ms_total = v->times.total,
                                             .ms_load = v->times.load,
                                             .ms_text = v->times.text,
                                             .ms_sample = v->times.sample,
                                             .ms_decode = v->times.decode,
                                             .ms_finish = v->times.finish,
                                             .ms_save = v->times.save,
                                             .ms_step = v->ms,
                                             .bytes_peak = v->bytes_peak},
                         &e);
    else
        store_set_job_state(x->store, v->job, v->kind == EVENT_FAILED ? JOB_FAILED : JOB_CANCELLED,
                            v->text, &e);
    emit(x, v);
}

void work_open(struct engine *x, struct command *c)
{
    struct work w = work_on(x, c);
    struct err e = {""};
    w.hooks = (struct gen_hooks){.user = &w, .step = on_step};
    if ((prepare(&w, &e) < 0 || need_model(&w, &e) < 0) && !is_stopped(&w))
        tell_failed(&w, &e, false);
    else if (c->warm && !is_stopped(&w))
        engine_warm_up(x, &w.job);
    work_free(&w);
}
