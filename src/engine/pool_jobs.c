/*
 * The jobs of a pool: into tasks, and back to one end. See pool.h.
 *
 * A job that one device does from beginning to end is that engine's alone, row and all. Where
 * several have a part in it, or a device gave it back, its tasks are parts: engines write their
 * sprites' rows, and the job's end is merged here and written by the clerk, an engine that does
 * nothing else, so that no row waits for a picture.
 */
#include "engine/pool_priv.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { MAX_FAULTS = 3 }; /* devices that one job may bring down */

/* ---- what a job is made of ---- */

static uint64_t mark(uint64_t h, const char *text)
{
    for (const char *s = text ? text : ""; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return (h ^ 0xff) * 0x100000001b3u;
}

/* What the time of one image grows with. */
static double units_of(const struct settings *s)
{
    static const uint8_t some;
    const struct inputs unread = {0};
    struct pipeline_options ignored;
    struct gen_params g = {.steps = s->steps,
                           .cfg = (float)s->cfg,
                           .width = s->width,
                           .height = s->height,
                           .batch = 1,
                           .sampler = sampler_by_name(s->sampler),
                           .scheduler = schedule_by_name(s->scheduler),
                           .sigmas = s->sigmas,
                           .compat = compat_by_name(s->compat)};
    inputs_point(&unread, s, &g, &ignored);
    g.image = setting_says(s, "image") ? &some : NULL; /* only whether there is one counts */
    double units = pipeline_units(&g, setting_says(s, "refiner"));
    return units > 0 ? units : 1;
}

/* A job that cannot be settled is one unit; its device will say what is wrong with it. */
static void settle_anew(const struct command *c, struct sketch *o)
{
    struct job j;
    struct err e;
    *o = (struct sketch){.batch = 1, .units = 1};
    if (job_settle(&j, &c->settings, c->preset, &e) == 0) {
        o->batch = j.settings.batch;
        o->units = units_of(&j.settings);
        o->model = 1;
        for (int i = 0; settings_key(i); i++)
            if (job_opens_model(settings_key(i)->name))
                o->model = mark(o->model, settings_text(&j.settings, settings_key(i)->name));
        o->splits = o->batch > 1 && !j.settings.lock; /* one palette is chosen over all images */
    }
    job_free(&j);
}

/* All that was said but what no sketch depends on. */
static uint64_t key_of(const struct command *c)
{
    static const char *const other[] = {"seed", "prompt", "negative", "output", "wildcard-seed"};
    uint64_t key = mark(7, c->preset);
    char value[4096];
    for (int i = 0; settings_key(i); i++) {
        const char *name = settings_key(i)->name;
        bool counts = c->settings.said[i];
        for (size_t k = 0; counts && k < sizeof other / sizeof *other; k++)
            counts = strcmp(name, other[k]) != 0;
        if (!counts)
            continue;
        settings_print(&c->settings, name, value, sizeof value);
        key = mark(mark(key, name), value);
    }
    return key;
}

/* Settling reads files, so for a second it is remembered. */
static void settle(struct pool *p, const struct command *c, struct sketch *o)
{
    uint64_t key = key_of(c);
    double now = clock_ms();
    if (p->last.at <= 0 || p->last.key != key || now - p->last.at > 1000) {
        settle_anew(c, &p->last.sketch);
        p->last.key = key;
        p->last.at = now;
    }
    *o = p->last.sketch;
}

/* All parts need the same seed, so it is drawn before they part. */
static int need_seed(struct command *c)
{
    struct settings s = {0};
    struct err e;
    bool chosen = engine_settle(&c->settings, c->preset, &s, &e) == 0 && settings_has(&s, "seed") &&
                  !s.random_seed;
    settings_free(&s);
    return chosen ? 0 : settings_draw_seed(&c->settings, &e);
}

static struct command *copy_command(const struct command *c)
{
    struct command *d = command_new(COMMAND_RUN);
    struct err e;
    if (!d)
        return NULL;
    bool good = settings_fill(&d->settings, &c->settings, &e) == 0;
    d->job = c->job;
    d->profile = c->profile;
    d->words = c->words ? strdup(c->words) : NULL;
    d->preset = c->preset ? strdup(c->preset) : NULL;
    d->files = c->file_count ? calloc((size_t)c->file_count, sizeof *d->files) : NULL;
    good = good && (d->words || !c->words) && (d->preset || !c->preset) &&
           (d->files || !c->file_count);
    for (int i = 0; good && i < c->file_count; i++) {
        good = (d->files[i] = strdup(c->files[i])) != NULL;
        d->file_count += good;
    }
    if (good)
        return d;
    command_free(d);
    return NULL;
}

/* ---- jobs and tasks ---- */

struct pool_job *pool_find(struct pool *p, int64_t id)
{
    struct pool_job *j = p->jobs;
    while (j && j->id != id)
        j = j->next;
    return j;
}

static void forget(struct pool *p, struct pool_job *j)
{
    struct pool_job **at = &p->jobs;
    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    event_free(j->done);
    event_free(j->ended);
    free(j);
}

void pool_task_free(struct pool_task *t)
{
    if (!t)
        return;
    command_free(t->command);
    free(t);
}

static struct pool_task *task_new(struct pool_job *j, struct command *c, const struct sketch *o)
{
    struct pool_task *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    *t = (struct pool_task){.job = j,
                            .command = c,
                            .first = c->first,
                            .count = c->count ? c->count : o->batch,
                            .units = o->units,
                            .model = o->model};
    j->open++;
    return t;
}

static void make_part(struct pool_task *t, int first, int count)
{
    t->part = t->command->part = true;
    t->first = t->command->first = first;
    t->count = t->command->count = count;
    t->job->split = true;
}

/* Shares the batch out among the idle devices. False: it stays whole. */
static bool split(struct pool *p, struct pool_task *whole, const struct sketch *o)
{
    int share[DEVICES_MAX], first = whole->first, end = whole->first + whole->count;
    if (!o->splits || whole->count < 2 || pool_split(p, whole, share) < 2 ||
        need_seed(whole->command))
        return false;
    int last = p->count - 1;
    while (share[last] == 0)
        last--;
    for (int i = 0; i < last; i++) {
        struct command *c = share[i] ? copy_command(whole->command) : NULL;
        struct pool_task *t = c ? task_new(whole->job, c, o) : NULL;
        if (!t) { /* none for it, or no memory: the others' then */
            command_free(c);
            continue;
        }
        make_part(t, first, share[i]);
        first += share[i];
        pool_place_at(p, i, t);
    }
    make_part(whole, first, end - first);
    pool_place_at(p, last, whole);
    return true;
}

bool pool_add(struct pool *p, struct command *c)
{
    struct sketch o = {.batch = 1, .units = 1};
    struct pool_job *j = calloc(1, sizeof *j);
    if (j)
        j->id = c->job;
    settle(p, c, &o);
    struct pool_task *t = j ? task_new(j, c, &o) : NULL;
    if (!t) {
        free(j);
        return false;
    }
    j->next = p->jobs;
    p->jobs = j;
    if (!split(p, t, &o) && !pool_place(p, t))
        pool_fail_task(p, t, "no device is left");
    return true;
}

/* ---- ends ---- */

void pool_end(struct pool *p, struct event *v)
{
    struct command *c = p->o.store && v ? command_new(COMMAND_END) : NULL;
    struct err e;
    if (v)
        v->device_index = -1;
    if (c && !p->clerk)
        p->clerk = engine_start(&(struct engine_options){.store = p->o.store}, &e);
    if (c && p->clerk) {
        c->job = v->job;
        c->end = v;
        if (pool_watch_clerk(p) == 0 && engine_send(p->clerk, c))
            return;
        c->end = NULL;
    }
    command_free(c);
    pool_tell(p, v);
}

/* Of a job whose images were all made before a device failed at what came after them. */
static struct event *done_already(const struct pool_job *j)
{
    struct event *v = event_new(EVENT_DONE, j->id);
    if (v && j->began > 0)
        v->times.total = v->at_ms - j->began;
    return v;
}

/* One part less; the last one ends the job. */
static void close_part(struct pool *p, struct pool_job *j)
{
    if (--j->open > 0)
        return;
    struct event *v = j->ended;
    j->ended = NULL;
    if (!v && j->cancelled)
        v = event_new(EVENT_CANCELLED, j->id);
    if (!v) {
        v = j->done ? j->done : done_already(j);
        j->done = NULL;
    }
    forget(p, j);
    pool_end(p, v);
}

void pool_drop_task(struct pool *p, struct pool_task *t)
{
    struct pool_job *j = t->job;
    pool_task_free(t);
    close_part(p, j);
}

static void keep_failure(struct pool_job *j, const char *why)
{
    if (!j->ended && (j->ended = event_new(EVENT_FAILED, j->id)))
        j->ended->text = safe_text(why);
}

void pool_fail_task(struct pool *p, struct pool_task *t, const char *why)
{
    struct pool_job *j = t->job;
    char text[400];
    int n = snprintf(text, sizeof text, "%s", why);
    for (int i = 0; i < p->count && n > 0 && n < (int)sizeof text; i++)
        if (p->member[i].now.aside && !strcmp(why, "no device is left"))
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s: %s", i ? "; " : ": ",
                          p->member[i].now.name, p->member[i].now.why);
    keep_failure(j, text);
    pool_task_free(t);
    if (j->open > 1)
        pool_cut(p, j);
    close_part(p, j);
}

/* ---- merging what parts tell ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static char *join_notes(char *a, char *b)
{
    char *both = NULL;
    if (!a || !b || !strcmp(a, b)) {
        if (a)
            free(b);
        return a ? a : b;
    }
    if (asprintf(&both, "%s\n%s", a, b) < 0)
        both = NULL;
    free(b);
    if (!both)
        return a;
    free(a);
    return both;
}

/* Parts run side by side: of each stage the longest counts, and the steps of the part that took
 * longest. */
static void merge(struct pool_job *j, struct event *v)
{
    struct event *d = j->done;
    if (!d) {
        j->done = v;
        return;
    }
    if (v->times.sample > d->times.sample) { /* v becomes the one that is kept */
        struct event *other = v;
        v = d;
        d = j->done = other;
    }
    double *to = &d->times.load;
    const double *from = &v->times.load;
    for (size_t i = 0; i < sizeof d->times / sizeof(double); i++)
        to[i] = larger(to[i], from[i]);
    if (v->bytes_peak > d->bytes_peak)
        d->bytes_peak = v->bytes_peak;
    d->bytes_weights += v->bytes_weights;
    d->bytes_activations += v->bytes_activations;
    d->text = join_notes(d->text, v->text);
    v->text = NULL;
    event_free(v);
}

/* ---- what devices tell ---- */

static void take_rate(struct pool_member *m, const struct pool_task *t, const struct event *v)
{
    double units = t->units * t->count;
    double ms = v->times.total - v->times.load;
    if (units <= 0 || ms <= 0)
        return;
    double now = ms / units;
    m->ms_per_unit = m->ms_per_unit > 0 ? 0.5 * (m->ms_per_unit + now) : now;
    if (v->times.load > 0)
        m->load_ms = v->times.load;
}

/* A task is over: the first that the device has of that job. */
static struct pool_task *take_task(struct pool_member *m, int64_t job)
{
    struct pool_task **at = &m->tasks;
    for (int i = 1; i < m->sent && (*at)->job->id != job; i++)
        at = &(*at)->next;
    struct pool_task *t = *at;
    *at = t->next;
    m->sent--;
    m->now.job = 0;
    m->now.step = m->now.steps = 0;
    m->now.stage[0] = '\0';
    m->progress = (struct pool_progress){0};
    return t;
}

static struct event *took_done(struct pool *p, int device, struct event *v)
{
    struct pool_member *m = &p->member[device];
    struct pool_task *t = take_task(m, v->job);
    struct pool_job *j = t->job;
    m->now.done++;
    take_rate(m, t, v);
    pool_task_free(t);
    if (!j->split) {
        forget(p, j);
        return v;
    }
    if (j->began > 0)
        v->times.total = larger(v->times.total, v->at_ms - j->began);
    merge(j, v);
    close_part(p, j);
    return NULL;
}

static struct event *took_cancelled(struct pool *p, int device, struct event *v)
{
    struct pool_task *t = take_task(&p->member[device], v->job);
    struct pool_job *j = t->job;
    pool_task_free(t);
    if (!j->split) {
        forget(p, j);
        return v;
    }
    event_free(v);
    close_part(p, j);
    return NULL;
}

static void tell_aside(struct pool *p, int device, const struct event *v, bool aside, bool goes_on)
{
    struct event *w = event_new(EVENT_ASIDE, v->job);
    char text[600];
    snprintf(text, sizeof text, "%s %s: %.300s%s", p->member[device].now.name,
             aside ? "is set aside" : "cannot do this job", v->text ? v->text : "it failed",
             goes_on ? "; another device goes on with it" : "");
    if (!w)
        return;
    w->device_index = device;
    w->text = safe_text(text);
    pool_tell(p, w);
}

/* The first images that are done already are not made again. False: none are left. */
static bool leave_done(struct pool_task *t)
{
    int first = t->first, end = t->first + t->count;
    while (first < end && t->job->sprites >> first & 1)
        first++;
    if (first > t->first && first < end)
        make_part(t, first, end - first);
    return first < end;
}

/* What is left is made with the seed of what is there, which the device may have drawn. */
static bool keep_seed(struct pool_task *t)
{
    char text[24];
    struct err e;
    snprintf(text, sizeof text, "%" PRIu64, t->job->seed);
    return !t->job->sprites || settings_set(&t->command->settings, "seed", text, &e) == 0;
}

/* The device could not, and gave the job back. */
static void took_back(struct pool *p, int device, struct event *v)
{
    struct pool_member *m = &p->member[device];
    struct pool_task *t = take_task(m, v->job);
    struct pool_job *j = t->job;
    bool aside = v->kind_of_failure == ERR_DEVICE;
    const char *why = v->text ? v->text : "it failed";
    t->command = v->again;
    v->again = NULL;
    t->tried |= 1u << device;
    j->split = true; /* from now on its end is ours to tell */
    t->part = t->command->part = true;
    j->faults += aside;
    bool wanted = !j->cancelled && !j->ended && leave_done(t);
    bool placed = wanted && j->faults < MAX_FAULTS && keep_seed(t) && pool_place(p, t);
    tell_aside(p, device, v, aside, placed);
    snprintf(m->now.why, sizeof m->now.why, "%.190s", why);
    if (!placed && wanted)
        pool_fail_task(p, t, why);
    else if (!placed)
        pool_drop_task(p, t);
    if (aside && !m->now.aside)
        pool_set_aside(p, device, why);
}

static struct event *took_failed(struct pool *p, int device, struct event *v)
{
    if (v->again) {
        took_back(p, device, v);
        event_free(v);
        return NULL;
    }
    struct pool_task *t = take_task(&p->member[device], v->job);
    struct pool_job *j = t->job;
    if (!j->split) {
        pool_task_free(t);
        forget(p, j);
        return v;
    }
    pool_fail_task(p, t, v->text ? v->text : "it failed");
    event_free(v);
    return NULL;
}

/* A stage says how much longer all that follows takes than the stage itself. */
static void follow(struct pool_member *m, const struct event *v)
{
    struct pool_progress *s = &m->progress;
    if (!m->tasks || v->job != m->tasks->job->id || !stage_samples(v->stage))
        return;
    if (strcmp(s->stage, v->stage) != 0) {
        snprintf(s->stage, sizeof s->stage, "%s", v->stage);
        s->before = s->after;
        s->after = 1 - (1 - s->before) * v->later / (1 + v->later);
    }
    s->now = s->before + (s->after - s->before) * workload_share(v->work);
}

static void look(struct pool *p, int device, const struct event *v)
{
    struct pool_device *d = &p->member[device].now;
    struct pool_job *j = pool_find(p, v->job);
    if (v->bytes_weights)
        d->bytes_weights = v->bytes_weights;
    if (v->bytes_activations)
        d->bytes_activations = v->bytes_activations;
    if (v->job && v->kind != EVENT_LOADING && v->kind != EVENT_READY)
        d->job = v->job;
    if (v->kind == EVENT_READY) {
        snprintf(d->model, sizeof d->model, "%.63s", v->text ? v->text : "");
        snprintf(d->precision, sizeof d->precision, "%s", v->precision);
    }
    if (v->kind == EVENT_STARTED && j && j->began <= 0)
        j->began = v->at_ms;
    if (v->kind == EVENT_STAGE)
        snprintf(d->stage, sizeof d->stage, "%s", v->stage);
    if (v->kind == EVENT_STEP || (v->kind == EVENT_STAGE && stage_samples(v->stage)))
        d->step = v->step, d->steps = v->steps;
    if (v->kind == EVENT_STAGE || v->kind == EVENT_STEP)
        follow(&p->member[device], v);
    if (v->kind == EVENT_SPRITE && j && v->index >= 0 && v->index < 64) {
        j->sprites |= (uint64_t)1 << v->index;
        j->seed = v->seed;
    }
}

struct event *pool_took(struct pool *p, int device, struct event *v)
{
    look(p, device, v);
    if (v->job == 0 && v->kind == EVENT_FAILED && v->kind_of_failure == ERR_DEVICE &&
        p->count > 1) {
        tell_aside(p, device, v, true, false);
        pool_set_aside(p, device, v->text ? v->text : "it failed");
        pool_feed(p);
        event_free(v);
        return NULL;
    }
    bool ends = v->kind == EVENT_DONE || v->kind == EVENT_FAILED || v->kind == EVENT_CANCELLED;
    if (!ends || v->job == 0 || !p->member[device].tasks)
        return v;
    v = v->kind == EVENT_DONE     ? took_done(p, device, v)
        : v->kind == EVENT_FAILED ? took_failed(p, device, v)
                                  : took_cancelled(p, device, v);
    pool_feed(p);
    return v;
}
