/* See forecast.h. */
#include "engine/forecast.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/meminfo.h"
#include "devices.h"
#include "engine/job.h"
#include "engine/promise.h"
#include "ops/cuda.h"

void forecast_bytes(size_t bytes, char out[16])
{
    double mb = (double)bytes / 1e6;
    if (mb >= 1e3)
        snprintf(out, 16, "%.1f GB", mb / 1e3);
    else
        snprintf(out, 16, "%.0f MB", mb);
}

/* ---- what there is ---- */

static size_t lower(size_t a, size_t b)
{
    return b > 0 && b < a ? b : a;
}

/* A GPU's own memory, and of it what open models hold whose place the job's takes; else what the
 * system and a container would give without swapping, and what we hold; no more than the job's
 * limit. */
static size_t room_for(const struct job *j, int of, size_t held)
{
    const struct tuning *t = &j->params.tuning;
    struct meminfo m;
    size_t bytes_free, total;
    if (of != PROMISE_OF_SYSTEM) {
        if (ops_cuda_memory(of, &bytes_free, &total) < 0)
            return t->limit;
        size_t room = held < total - bytes_free ? bytes_free + held : total;
        return lower(room, t->limit_percent > 0 ? (size_t)((double)total * t->limit_percent / 100)
                                                : t->limit);
    }
    meminfo_read(&m, "");
    size_t limit = t->limit_percent > 0 ? (size_t)((double)m.total * t->limit_percent / 100)
                                        : t->limit;
    return m.available > 0 ? meminfo_soft(&m, limit) : limit;
}

/* ---- modes ---- */

int forecast_choose(const struct forecast_mode *mode, int modes, int said)
{
    if (said >= 0)
        return said;
    for (int i = 0; i < modes; i++)
        if (mode[i].fits)
            return i;
    return modes - 1;
}

/* The index of the mode that the job names; -1: auto. */
static int said_mode(const struct job *j)
{
    int said = memory_by_name(j->settings.memory);
    return said == MEMORY_AUTO ? -1 : said - MEMORY_SPEED;
}

/* Who asks. */
struct asking {
    struct job *job;
    size_t held; /* by the models whose place it takes */
    const struct rates *rates;
    const struct promise *mine; /* what others were promised counts as taken; NULL: it does not */
    int of;                     /* whose memory */
    size_t promised;
};

/* What the job can have, others' promises apart. */
static size_t find_room(struct asking *a, bool gpu)
{
    a->of = gpu ? pipeline_device_index(a->job->options.device) : PROMISE_OF_SYSTEM;
    promises_lock();
    a->promised = a->mine ? promises_left(a->of, a->mine) : 0;
    promises_unlock();
    size_t room = room_for(a->job, a->of, a->held);
    return room == 0 || a->promised == 0 ? room : room > a->promised ? room - a->promised : 1;
}

/* One mode's numbers. */
static int plan_mode(struct asking *a, int mode, struct forecast *f, struct plan_result *plan,
                     struct err *e)
{
    struct forecast_mode *m = &f->mode[mode];
    struct job *j = a->job;
    size_t held = a->held;
    struct pipeline_options options;
    job_set_memory(j, MEMORY_SPEED + mode);
    options = j->options;
    options.rates = a->rates;
    if (pipeline_plan(j->model, &options, &j->params, plan, e) < 0)
        return -1;
    f->gpu = plan->gpu;
    if (f->room == 0)
        f->room = find_room(a, plan->gpu);
    snprintf(m->name, sizeof m->name, "%s", memory_name(MEMORY_SPEED + mode));
    if (f->before == 0) /* forecasts leave some memory behind, which is not the job's */
        f->before = plan->bytes_before > held ? plan->bytes_before - held : 0;
    plan->bytes_peak = plan->bytes_peak - plan->bytes_before + f->before;
    if (held > 0) /* an open model's libraries are there */
        plan->bytes_peak -= plan->bytes_runtime;
    m->peak = plan->bytes_peak;
    m->ms = plan->ms;
    m->fits = f->room == 0 || m->peak <= f->room;
    return 0;
}

/* ---- advice ---- */

/* Whether the job, changed, would fit in its smallest mode. */
static bool would_fit(struct asking *a, const struct forecast *f)
{
    struct asking untimed = *a;
    struct forecast try = {.room = f->room, .before = f->before};
    struct plan_result plan = {0};
    struct err ignored;
    untimed.rates = NULL;
    int rc = plan_mode(&untimed, FORECAST_MODES - 1, &try, &plan, &ignored);
    notes_free(&plan.notes);
    return rc == 0 && try.mode[FORECAST_MODES - 1].fits;
}

/* A smaller batch than `images`, else a smaller picture, that fits, in words; changes the job. */
static void propose(struct asking *a, const struct forecast *f, int images, char *out, size_t size)
{
    struct job *j = a->job;
    const struct gen_params was = j->params;
    char memory[32] = "";
    snprintf(out, size, "its weights alone are too much");
    if (f->modes == FORECAST_MODES)
        snprintf(memory, sizeof memory, " --memory %s", memory_name(MEMORY_CONSTRAINED));
    for (int batch = images / 2; batch >= 1; batch /= 2) {
        j->settings.batch = batch;
        if (would_fit(a, f)) {
            snprintf(out, size, "--batch %d%s would fit", batch, memory);
            return;
        }
    }
    j->settings.batch = 1;
    for (int part = 3; part >= 1 && !was.image && was.hires_width == 0; part--) {
        j->settings.width = was.width * part / 4 / 64 * 64;
        j->settings.height = was.height * part / 4 / 64 * 64;
        if (j->settings.width < 64 || j->settings.height < 64 || !would_fit(a, f))
            continue;
        snprintf(out, size, "--size %dx%d%s%s would fit", j->settings.width, j->settings.height,
                 images > 1 ? " --batch 1" : "", memory);
        return;
    }
}

/* The same; the job is left as it was. */
static void smaller(struct asking *a, const struct forecast *f, char *out, size_t size)
{
    struct job *j = a->job;
    const struct gen_params was = j->params;
    j->params.first = j->params.count = 0; /* what is proposed is no part of a batch */
    propose(a, f, gen_images(&was), out, size);
    j->settings.batch = was.batch;
    j->settings.width = was.width;
    j->settings.height = was.height;
    j->params.first = was.first;
    j->params.count = was.count;
}

static void advise(struct asking *a, struct forecast *f, int said)
{
    const struct job *j = a->job;
    const struct forecast_mode *m = &f->mode[f->taken];
    int width = j->params.width, height = j->params.height, images = gen_images(&j->params);
    char need[16], have[16], what[120];
    forecast_bytes(m->peak, need);
    forecast_bytes(f->room, have);
    int fitting = f->taken + 1;
    while (fitting < f->modes && !f->mode[fitting].fits)
        fitting++;
    if (said >= 0 && fitting < f->modes)
        snprintf(what, sizeof what, "--memory %s would fit", f->mode[fitting].name);
    else
        smaller(a, f, what, sizeof what);
    snprintf(f->advice, sizeof f->advice,
             "%dx%d, %d at a time, needs %s of %s%s in the memory mode %s, and %s are free; %s",
             width, height, images, need, f->gpu ? "the GPU's memory" : "memory",
             said < 0 ? " even" : "", m->name, have, what);
}

/* ---- the whole ---- */

static int forecast(struct asking *a, bool all, struct forecast *f, struct plan_result *plan,
                    struct err *e)
{
    struct job *j = a->job;
    struct plan_result of[FORECAST_MODES] = {0};
    int said = said_mode(j), rc = 0;
    *f = (struct forecast){0};
    for (int i = 0; i < FORECAST_MODES && rc == 0; i++) {
        bool needed = all || (said >= 0 ? i == said || (i > said && !f->mode[said].fits)
                                        : i == 0 || !f->mode[i - 1].fits);
        if (needed)
            rc = plan_mode(a, i, f, &of[i], e);
        f->modes = needed ? i + 1 : f->modes;
    }
    f->taken = rc == 0 ? forecast_choose(f->mode, f->modes, said) : 0;
    if (rc == 0 && !f->mode[f->taken].fits)
        advise(a, f, said);
    job_set_memory(j, MEMORY_SPEED + f->taken);
    f->load_ms = of[f->taken].nstages > 0 ? of[f->taken].stage[0].ms : 0;
    if (rc == 0 && plan) {
        *plan = of[f->taken];
        of[f->taken].notes = (struct notes){0};
    }
    for (int i = 0; i < FORECAST_MODES; i++)
        notes_free(&of[i].notes);
    return rc;
}

int forecast_job(struct job *j, size_t held, const struct rates *rates, bool all,
                 struct forecast *f, struct plan_result *plan, struct err *e)
{
    struct asking a = {.job = j, .held = held, .rates = rates};
    return forecast(&a, all, f, plan, e);
}

int engine_forecast(const struct settings *said, const char *preset, const char *words, size_t held,
                    struct forecast *f, struct err *e)
{
    char first[DEVICE_NAME];
    struct job j;
    struct rates *rates = calloc(1, sizeof *rates);
    struct err ignored;
    int rc = rates ? job_prepare(&j, said, preset, words, e) : err_set(e, "out of memory");
    if (rates && rc == 0) {
        if (devices_first(j.options.device, first))
            j.options.device = first;
        bool known = pipeline_rates(&j.options, RATES_KEPT, rates, NULL, NULL, &ignored) == 0;
        rc = forecast_job(&j, held, known ? rates : NULL, true, f, NULL, e);
    }
    if (rates)
        job_free(&j);
    free(rates);
    return rc;
}

/* That auto took another mode than the fastest, and why. */
static void note_mode(struct job *j, const struct forecast *f)
{
    char fast[16], taken[16], have[16];
    forecast_bytes(f->mode[0].peak, fast);
    forecast_bytes(f->mode[f->taken].peak, taken);
    forecast_bytes(f->room, have);
    notes_add(&j->prompts.notes, "memory mode %s, which takes %s: %s are free, and speed takes %s",
              f->mode[f->taken].name, taken, have, fast);
}

/* One look, with a promise where it fits: 1. 0: it does not. Others run on while it looks: what
 * they were promised meanwhile is seen at the end. */
static int try_to_admit(struct asking *a, struct promise *mine, struct forecast *f, struct err *e)
{
    int rc = forecast(a, false, f, NULL, e);
    const struct forecast_mode *m = &f->mode[f->taken];
    promises_lock();
    size_t before = a->promised, now = promises_left(a->of, mine);
    size_t more = now > before && f->room > 0 ? now - before : 0;
    bool fits = rc == 0 && m->fits && (more == 0 || (more < f->room && m->peak <= f->room - more));
    a->promised = now;
    if (fits)
        promise_make(mine, a->of, m->peak > f->before ? m->peak - f->before : 0);
    promises_unlock();
    return rc < 0 ? -1 : fits;
}

int job_admit(struct job *j, size_t held, const struct admission *by, struct err *e)
{
    struct promise unused = {0}, *mine = by ? by->promise : &unused;
    struct asking a = {.job = j, .held = held, .mine = mine};
    struct forecast f;
    bool chosen = said_mode(j) < 0;
    int rc;
    promise_end(mine);
    /* What others were promised may be more than they take, and what they take may be seen twice
     * for a moment: none is refused over it. */
    while ((rc = try_to_admit(&a, mine, &f, e)) == 0 && a.promised > 0 && by) {
        if (by->stopped && by->stopped(by->user))
            return err_set(e, "stopped");
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        if (chosen)
            job_set_memory(j, MEMORY_AUTO);
    }
    promise_end(&unused);
    if (rc < 0)
        return -1;
    if (chosen && f.taken > 0 && rc > 0)
        note_mode(j, &f);
    if (rc > 0)
        return 0;
    err_set(e, "%s", f.advice);
    return err_blame(e, ERR_UNFIT); /* another device may have the room */
}
