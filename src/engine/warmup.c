/*
 * Warming up: whatever a first sprite meets for the first time (oneDNN's kernels for each size,
 * pages of memory, threads, on a GPU its libraries' choices and the recording of a step) is met
 * before, by a run of the current settings with as few steps as it takes. It gives way to any
 * command at once, and to LIMIT_MS: what was met until then stays met.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/engine_priv.h"
#include "engine/machine.h"
#include "engine/save.h"

enum { LIMIT_MS = 30000, PARTS = 4 };

struct warmup {
    struct engine *engine;
    double began;
    char stage[12];
    int part;
    bool stopped;
};

static bool gives_way(void *user)
{
    struct warmup *w = user;
    struct engine *x = w->engine;
    w->stopped = w->stopped || atomic_load(&x->quit) || ring_waits(x->commands) ||
                 clock_ms() - w->began > LIMIT_MS;
    return w->stopped;
}

static void tell(struct warmup *w, const char *stage, int part)
{
    struct event *v = event_new(EVENT_WARM, 0);
    if (v) {
        snprintf(v->stage, sizeof v->stage, "%s", stage);
        v->step = part;
        v->steps = PARTS;
    }
    emit(w->engine, v);
}

static bool on_step(void *user, const struct gen_progress *p)
{
    struct warmup *w = user;
    if (strcmp(w->stage, p->stage) != 0) {
        snprintf(w->stage, sizeof w->stage, "%s", p->stage);
        w->part = !strcmp(p->stage, "text") ? 0 : !strcmp(p->stage, "decode") ? 2 : 1;
        tell(w, p->stage, w->part);
    }
    return !gives_way(w);
}

static void finish(const struct job *j, const struct gen_result *r)
{
    struct err ignored;
    struct image **images = calloc((size_t)r->count, sizeof *images);
    if (images && sprites_finish(j, r, images, &ignored) == 0)
        for (int i = 0; i < r->count; i++)
            image_free(images[i]);
    free(images);
}

static bool still_idle(void *user)
{
    return !gives_way(user);
}

/* This machine's speed, once, for forecasts. */
static void learn_speed(struct warmup *w, const struct job *j)
{
    const char *said = getenv("SPRITTY_MEASURE");
    struct rates *r = said && !strcmp(said, "never") ? NULL : calloc(1, sizeof *r);
    struct err ignored;
    if (r && still_idle(w) && pipeline_rates(&j->options, RATES_KEPT, r, NULL, NULL, &ignored) == 1)
        pipeline_rates(&j->options, RATES_NEEDED, r, still_idle, w, &ignored);
    free(r);
    pipeline_take_rates(w->engine->model.pipeline, &j->options);
    malloc_trim(0); /* measuring takes much more than most jobs */
    machine_reset_peak();
}

void engine_warm_up(struct engine *x, const struct job *j)
{
    struct warmup w = {.engine = x, .began = clock_ms()};
    const struct gen_hooks hooks = {.user = &w, .step = on_step, .stop = gives_way};
    struct gen_params params = j->params;
    struct gen_result result = {0};
    struct err e = {""};
    params.warm = true;
    params.profile = 0;
    int rc = gives_way(&w) ? -1 : pipeline_run(x->model.pipeline, &params, &hooks, &result, &e);
    if (rc == 0 && !gives_way(&w)) {
        tell(&w, "finish", 3);
        finish(j, &result);
    }
    gen_result_free(&result);
    learn_speed(&w, j);
    /* what cannot run is told when it is asked for */
    tell(&w, rc || w.stopped ? "" : "warm", PARTS);
}
