/* spritty gen on several devices: the pool's other end without a terminal app. See gen_devices.h.
 */
#include "cli/gen_devices.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "engine/pool.h"

static int fill_command(struct command *c, const struct gen_devices *g, struct err *e)
{
    char seed[32];
    int count = g->job->params.batch;
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->job->params.seed);
    if (settings_fill(&c->settings, g->flags, e) || settings_set(&c->settings, "seed", seed, e))
        return -1;
    c->job = 1;
    c->words = strdup(g->words);
    c->preset = g->preset ? strdup(g->preset) : NULL;
    c->files = calloc((size_t)count, sizeof *c->files);
    for (int i = 0; c->files && i < count && (c->files[i] = strdup(g->files[i])); i++)
        c->file_count++;
    bool all = c->words && (c->preset || !g->preset) && c->file_count == count;
    return all ? 0 : err_set(e, "out of memory");
}

static struct command *command_of(const struct gen_devices *g, struct err *e)
{
    struct command *c = command_new(COMMAND_RUN);
    int rc = c ? fill_command(c, g, e) : err_set(e, "out of memory");
    if (rc == 0)
        return c;
    command_free(c);
    return NULL;
}

/* One device's progress stands for all; one that waits in a queue has none. */
static void show_event(struct gen_devices *g, const struct event *v)
{
    bool waits = v->kind == EVENT_STAGE && !strcmp(v->stage, "queue");
    if (v->kind == EVENT_ASIDE)
        progress_note(g->progress, v->text ? v->text : "a device failed");
    if ((waits || v->kind == EVENT_DONE) && v->text)
        progress_note(g->progress, v->text);
    if (v->kind == EVENT_ASIDE && v->device_index == g->shown)
        g->shown = -1;
    if (waits || (v->kind != EVENT_STAGE && v->kind != EVENT_STEP))
        return;
    g->shown = g->shown < 0 ? v->device_index : g->shown;
    if (v->device_index != g->shown)
        return;
    struct gen_progress p = {.stage = v->stage,
                             .step = v->step,
                             .steps = v->steps,
                             .ms = v->kind == EVENT_STEP ? v->ms : 0,
                             .work = v->work,
                             .later = v->later,
                             .bytes_now = v->bytes_now ? v->bytes_now : g->progress->bytes};
    progress_event(g->progress, &p);
}

static void keep_times(struct gen_devices *g, struct event *v)
{
    g->result->ms = (struct gen_times){.load = v->times.load,
                                       .lora = v->times.lora,
                                       .text = v->times.text - v->times.encode,
                                       .encode = v->times.encode,
                                       .sample = v->times.sample - v->times.refine - v->times.hires,
                                       .refine = v->times.refine,
                                       .hires = v->times.hires,
                                       .decode = v->times.decode,
                                       .steps = v->step_ms,
                                       .nsteps = v->step_ms ? v->steps : 0};
    v->step_ms = NULL;
    g->result->count = g->job->params.batch;
    g->result->bytes_peak = v->bytes_peak;
    g->result->bytes_weights = v->bytes_weights;
    g->result->bytes_activations = v->bytes_activations;
    *g->times = (struct job_times){.finish = v->times.finish, .save = v->times.save};
}

/* 1: the job is done; 0: it goes on; -1: it failed. */
static int take_event(struct gen_devices *g, struct event *v, struct err *e)
{
    show_event(g, v);
    switch (v->kind) {
    case EVENT_READY:
        snprintf(g->precision, sizeof g->precision, "%s", v->precision);
        return 0;
    case EVENT_SPRITE:
        if (v->index < g->job->params.batch && !g->sprites[v->index]) {
            g->sprites[v->index] = v->image;
            v->image = NULL;
        }
        return 0;
    case EVENT_DONE:
        keep_times(g, v);
        return 1;
    case EVENT_FAILED:
        return err_set(e, "%s", v->text ? v->text : "failed");
    case EVENT_CANCELLED:
        return err_set(e, "cancelled; what was finished before stays");
    default:
        return 0;
    }
}

int gen_on_devices(struct gen_devices *g, struct err *e)
{
    const struct settings *s = &g->job->settings;
    struct pool_options o = {.devices = s->device,
                             .policy = (enum pool_policy)pool_policy_by_name(s->policy),
                             .threads = s->threads};
    bool told = false;
    int rc = 0;
    g->shown = -1;
    struct command *c = command_of(g, e);
    struct pool *p = c ? pool_start(&o, e) : NULL;
    if (!p || !pool_send(p, c)) {
        command_free(c);
        pool_stop(p);
        return -1;
    }
    while (rc == 0) {
        struct event *v = pool_next(p);
        if (v)
            rc = take_event(g, v, e);
        else
            poll(&(struct pollfd){.fd = pool_fd(p), .events = POLLIN}, 1, 200);
        event_free(v);
        if (!told && g->is_interrupted()) {
            pool_cancel(p, 1);
            told = true;
        }
    }
    pool_stop(p);
    progress_finish(g->progress);
    return rc < 0 ? -1 : 0;
}
