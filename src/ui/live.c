/* What the engine told, kept for the panels; see ui.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/meminfo.h"
#include "ui/ui.h"

static void copy_text(char *to, size_t size, const char *from)
{
    size_t n = from ? strnlen(from, size - 1) : 0;
    memcpy(to, from ? from : "", n);
    to[n] = '\0';
}

static void ready(struct live *l, const struct event *ev)
{
    l->loading = false;
    l->ready = true;
    copy_text(l->model, sizeof l->model, ev->text);
    copy_text(l->device, sizeof l->device, ev->device);
    copy_text(l->precision, sizeof l->precision, ev->precision);
    token_counter_release(l->tokens);
    l->tokens = token_counter_hold(ev->tokens);
}

static void started(struct live *l, const struct event *ev)
{
    l->trouble[0] = '\0';
    l->warming = false;
    l->job = ev->job;
    l->step = 0;
    l->steps = ev->steps;
    l->width = ev->width;
    l->height = ev->height;
    l->batch = ev->batch;
    l->seed = ev->seed;
    l->started_ms = l->stage_ms = ev->at_ms;
    l->job_step_ms = l->job_unit_ms = l->ahead_ms = NAN;
    l->work = (struct workload){0};
    l->later = 0;
    l->stage_from = l->steps_seen;
    image_free(l->preview);
    l->preview = NULL;
}

/* What a stage's steps took, and how the forecast has the others beside it, says what those take. A
 * step whose stage was not told begins it. */
static void stage(struct live *l, const struct event *ev)
{
    double ahead = stage_samples(l->stage) ? l->job_unit_ms * l->work.all * l->later : NAN;
    copy_text(l->stage, sizeof l->stage, ev->stage);
    l->stage_ms = ev->at_ms;
    l->stage_from = l->steps_seen;
    l->later = ev->later;
    l->ahead_ms = ahead > 0 ? ahead : NAN;
    l->job_step_ms = l->job_unit_ms = NAN;
    if (!stage_samples(l->stage) || ev->steps <= 0)
        return;
    l->step = 0;
    l->steps = ev->steps;
    l->work = ev->work;
    l->job_step_ms = l->ahead_ms / (1 + l->later) / l->steps;
    if (ev->work.all > 0)
        l->job_unit_ms = l->ahead_ms / (1 + l->later) / ev->work.all;
}

static void step(struct live *l, const struct event *ev)
{
    double ms[256], unit[256];
    int count = 0, units = 0;
    if (*ev->stage && strcmp(l->stage, ev->stage) != 0)
        stage(l, ev);
    if (ev->later > 0)
        l->later = ev->later;
    l->step_log[l->steps_seen++ % LIVE_STEPS] = (struct step_record){
        .job = ev->job, .at_ms = ev->at_ms, .ms = ev->ms, .work = ev->work.step};
    l->step = ev->step;
    l->steps = ev->steps;
    l->work = ev->work;
    for (uint64_t i = l->steps_seen; i-- > l->stage_from && count < 256;) {
        const struct step_record *r = &l->step_log[i % LIVE_STEPS];
        if (r->job != ev->job)
            break;
        ms[count++] = r->ms;
        if (r->work > 0)
            unit[units++] = r->ms / r->work;
    }
    l->job_step_ms = graph_percentile(ms, count, 0.5);
    l->job_unit_ms = graph_percentile(unit, units, 0.5);
}

static void ended(struct live *l, const struct event *ev)
{
    if (ev->job != l->job)
        return;
    l->job = 0;
    l->stage[0] = '\0';
    image_free(l->preview);
    l->preview = NULL;
}

/* The event keeps nothing of what is taken over here. */
static void take_image(struct image **to, const struct event *ev)
{
    struct event *mine = (struct event *)(uintptr_t)ev;
    if (!ev->image)
        return;
    image_free(*to);
    *to = mine->image;
    mine->image = NULL;
}

static void take_profile(struct live *l, const struct event *ev)
{
    struct event *mine = (struct event *)(uintptr_t)ev;
    free(l->profile);
    l->profile = mine->profile;
    l->profile_rows = mine->profile_rows;
    mine->profile = NULL;
    mine->profile_rows = 0;
}

static void take_memory(struct live *l, const struct event *ev)
{
    free(l->memory);
    l->memory = ev->memory;
    ((struct event *)(uintptr_t)ev)->memory = NULL;
}

/* How many of the job's steps are in the log; none of a device that was not shown. */
static int steps_of(const struct live *l, int64_t job)
{
    int n = 0;
    for (int i = 0; i < LIVE_STEPS && (uint64_t)i < l->steps_seen; i++)
        n += l->step_log[i].job == job;
    return n;
}

static void remember_split(struct live *l, const struct event *ev)
{
    l->split.load = ev->times.load;
    l->split.text = ev->times.text;
    l->split.sample = ev->times.sample;
    l->split.decode = ev->times.decode;
    l->split.finish = ev->times.finish;
    l->split.save = ev->times.save;
    l->split.total = ev->times.total;
    int steps = steps_of(l, ev->job);
    l->split.step = steps ? ev->times.sample / steps : NAN;
    l->split.job = ev->job;
}

static void remember_sprite(struct live *l, const struct event *ev)
{
    take_image(&l->last.image, ev);
    image_free(l->last.raw);
    free(l->last.keep);
    l->last.raw = ev->raw;
    l->last.keep = ev->keep;
    ((struct event *)(uintptr_t)ev)->raw = NULL;
    ((struct event *)(uintptr_t)ev)->keep = NULL;
    l->last.cell = ev->cell;
    l->last.serial = (uint64_t)ev->sprite;
    l->last.sprite = ev->sprite;
    l->last.job = ev->job;
    free(l->last.path);
    l->last.path = ev->text ? strdup(ev->text) : NULL;
}

static void remember_bytes(struct live *l, const struct event *ev)
{
    if (ev->bytes_peak)
        l->bytes_peak = ev->bytes_peak;
    if (ev->bytes_weights)
        l->bytes_weights = ev->bytes_weights;
    if (ev->bytes_activations)
        l->bytes_activations = ev->bytes_activations;
}

/* Of several devices one is shown; when its job has ended, the next that tells something. */
static bool is_shown(struct live *l, const struct event *ev)
{
    bool running = ev->kind == EVENT_STARTED || ev->kind == EVENT_STAGE || ev->kind == EVENT_STEP ||
                   ev->kind == EVENT_PREVIEW || ev->kind == EVENT_MEMORY;
    if (!running || ev->device_index == l->shown)
        return true;
    if (l->job)
        return false;
    l->shown = ev->device_index;
    if (ev->kind != EVENT_STARTED && ev->job)
        started(l, ev);
    return true;
}

static void loading(struct live *l, const struct event *ev)
{
    l->loading = true;
    l->ready = false;
    l->trouble[0] = '\0';
    copy_text(l->model, sizeof l->model, ev->text);
}

/* Measuring the machine takes more memory than most jobs, and is over when it is warm. */
static void begin_peak(struct live *l)
{
    struct meminfo m;
    meminfo_read(&m, "");
    l->bytes_peak = m.own;
    l->peak_from = l->samples_seen;
}

static void warming(struct live *l, const struct event *ev)
{
    l->warming = ev->step < ev->steps;
    if (!l->warming)
        begin_peak(l);
    l->warm_part = ev->step;
    l->warm_parts = ev->steps;
}

static void failed(struct live *l, const struct event *ev)
{
    l->loading = l->warming = false;
    settings_in_app(ev->text ? ev->text : "", l->trouble, sizeof l->trouble);
    ended(l, ev);
}

void live_event(struct live *l, const struct event *ev)
{
    if (!is_shown(l, ev))
        return;
    remember_bytes(l, ev);
    switch (ev->kind) {
    case EVENT_LOADING:
        loading(l, ev);
        break;
    case EVENT_READY:
        ready(l, ev);
        break;
    case EVENT_WARM:
        warming(l, ev);
        break;
    case EVENT_STARTED:
        started(l, ev);
        break;
    case EVENT_STAGE:
        stage(l, ev);
        break;
    case EVENT_STEP:
        step(l, ev);
        break;
    case EVENT_PREVIEW:
        take_image(&l->preview, ev);
        l->preview_serial++;
        break;
    case EVENT_SPRITE:
        remember_sprite(l, ev);
        break;
    case EVENT_MEMORY:
        take_memory(l, ev);
        break;
    case EVENT_ASIDE: /* said on the status line */
        break;
    case EVENT_PROFILE:
        take_profile(l, ev);
        break;
    case EVENT_DONE:
        remember_split(l, ev);
        ended(l, ev);
        break;
    case EVENT_FAILED:
        failed(l, ev);
        break;
    case EVENT_CANCELLED:
        ended(l, ev);
        break;
    }
}

void live_sample(struct live *l, double now_ms)
{
    struct machine *m = &l->machine;
    machine_read(m);
    if (m->own_bytes > l->bytes_peak)
        l->bytes_peak = m->own_bytes;
    l->sample[l->samples_seen++ % LIVE_SAMPLES] = (struct sample){
        .at_ms = now_ms,
        .own = m->own_bytes,
        .weights = l->bytes_weights,
        .activations = l->bytes_activations,
        .free = m->memory_free,
    };
}

size_t live_peak(const struct live *l, int samples)
{
    size_t peak = l->bytes_peak;
    uint64_t from = l->samples_seen - (uint64_t)samples;
    for (uint64_t i = from > l->peak_from ? from : l->peak_from; i < l->samples_seen; i++)
        if (l->sample[i % LIVE_SAMPLES].own > peak)
            peak = l->sample[i % LIVE_SAMPLES].own;
    return peak;
}

double live_memory(const struct live *l, double *v, int n)
{
    double top = 0;
    for (int i = 0; i < n; i++) {
        const struct sample *s = &l->sample[(l->samples_seen - (uint64_t)(n - i)) % LIVE_SAMPLES];
        double own = (double)s->own, w = fmin((double)s->weights, own);
        double a = fmin((double)s->activations, own - w);
        v[i] = w, v[n + i] = a, v[2 * n + i] = own - w - a;
        top = fmax(top, own);
    }
    return top;
}

int live_step_times(const struct live *l, double *ms, int count)
{
    uint64_t have = l->steps_drawn < LIVE_STEPS ? l->steps_drawn : LIVE_STEPS;
    int n = have < (uint64_t)count ? (int)have : count;
    for (int i = 0; i < n; i++)
        ms[i] = l->step_log[(l->steps_drawn - (uint64_t)(n - i)) % LIVE_STEPS].ms;
    return n;
}

/* Milliseconds that the step after the last is taken to take: as much work as that one. */
static double next_step(const struct live *l)
{
    return l->work.step > 0 ? l->work.step * l->job_unit_ms : l->job_step_ms;
}

double live_left(const struct live *l, double now_ms)
{
    bool steps = stage_samples(l->stage);
    if (!l->job || isnan(steps ? l->job_unit_ms : l->ahead_ms))
        return NAN;
    double began = l->stage_ms, left = l->ahead_ms;
    if (steps) {
        if (l->steps_seen > l->stage_from)
            began = l->step_log[(l->steps_seen - 1) % LIVE_STEPS].at_ms;
        left = workload_left(l->work, l->later, l->job_unit_ms);
    }
    left -= fmin(fmax(now_ms - began, 0), steps ? next_step(l) : left);
    return left > 0 ? left : 0;
}

void live_free(struct live *l)
{
    image_free(l->preview);
    image_free(l->last.image);
    image_free(l->last.raw);
    free(l->last.keep);
    free(l->last.path);
    free(l->profile);
    free(l->memory);
    token_counter_release(l->tokens);
}
