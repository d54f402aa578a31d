/*
 * Modes of memory: which one a run takes, what of the weights is there while it runs, and what
 * happens when memory ends all the same. docs/memory.md tells the user.
 *
 * A run that is told nothing takes the fastest mode whose forecast fits into what is free; one that
 * is told a mode takes that, or is refused when it can never fit. When memory ends during a run, it
 * begins again in the next mode: what it has made so far is lost, the program goes on.
 */
#include "sdxl/pipeline_priv.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/meminfo.h"
#include "ops/cuda.h"
#include "ops/dry.h"

/* ---- what is there ---- */

/* All that decide on weights: the model's, its refiner's, its ControlNet's; NULL where there is
 * none. */
enum { RESIDENCIES = 3 };
static void residencies(const struct pipeline *p, struct residency *out[RESIDENCIES])
{
    out[0] = p->residency;
    out[1] = p->refiner ? p->refiner->residency : NULL;
    out[2] = pipeline_control_residency(p);
}

static int drop(struct pipeline *p, int parts, struct err *e)
{
    struct residency *all[RESIDENCIES];
    int rc = 0;
    residencies(p, all);
    for (int i = 0; i < RESIDENCIES && rc == 0; i++)
        rc = all[i] ? residency_drop(all[i], parts, e) : 0;
    return rc;
}

/* Some gigabytes may come, so it can be cancelled. r NULL: nobody waits. */
static int bring(struct run *r, struct residency *of, int parts, struct err *e)
{
    struct waiting w = {0};
    if (!r || !of)
        return of ? residency_bring(of, parts, NULL, NULL, e) : 0;
    w = (struct waiting){.p = r->p, .hooks = r->hooks, .stage = r->stage, .steps = r->steps};
    int rc = residency_bring(of, parts, waiting_goes_on, &w, e);
    r->out->cancelled = r->out->cancelled || w.cancelled;
    return rc;
}

static int bring_all(struct pipeline *p, struct run *r, struct err *e)
{
    struct residency *all[RESIDENCIES];
    int rc = 0;
    residencies(p, all);
    for (int i = 0; i < RESIDENCIES && rc == 0; i++)
        rc = bring(r, all[i], KEEP_TEXT | KEEP_UNET, e);
    return rc;
}

/* Both at once would be more than there is room for: one makes way. */
static int make_way(struct pipeline *p, struct err *e)
{
    const struct residency *r = p->residency, *control = pipeline_control_residency(p);
    if (!r || residency_has(r, KEEP_TEXT) || !residency_has(r, KEEP_UNET))
        return 0;
    size_t both = residency_bytes(r, KEEP_TEXT | KEEP_UNET);
    both += control && residency_has(control, KEEP_UNET) ? residency_bytes(control, KEEP_UNET) : 0;
    return p->room > 0 && both > p->room / 20 * 19 ? drop(p, KEEP_UNET, e) : 0;
}

bool weights_control_is_new(const struct run *r)
{
    const struct residency *c = pipeline_control_residency(r->p);
    const struct tuning *t = &r->params->tuning;
    return c && !tuning_streams(t) && !tuning_offloads(t) && !residency_has(c, KEEP_UNET);
}

int weights_control(struct run *r)
{
    return bring(r, pipeline_control_residency(r->p), KEEP_UNET, r->err);
}

int weights_begin(struct run *r)
{
    struct pipeline *p = r->p;
    const struct tuning *t = &r->params->tuning;
    struct residency *all[RESIDENCIES];
    residencies(p, all);
    for (int i = 0; i < RESIDENCIES; i++)
        if (all[i])
            residency_stream(all[i], tuning_streams(t));
    if (tuning_streams(t))
        return drop(p, KEEP_UNET, r->err);
    return tuning_offloads(t) ? make_way(p, r->err) : bring_all(p, r, r->err);
}

int weights_read(struct run *r)
{
    const struct tuning *t = &r->params->tuning;
    return tuning_offloads(t) ? drop(r->p, KEEP_TEXT, r->err) : 0;
}

int weights_sample(struct run *r, const struct pipeline *model)
{
    struct pipeline *other = model == r->p ? r->p->refiner : r->p;
    struct residency *control = pipeline_control_residency(r->p);
    const struct tuning *t = &r->params->tuning;
    if (tuning_streams(t) || !tuning_offloads(t) || !model->residency)
        return 0;
    if (other && other->residency && residency_drop(other->residency, KEEP_UNET, r->err) < 0)
        return -1;
    if (control && model != r->p && residency_drop(control, KEEP_UNET, r->err) < 0)
        return -1;
    int rc = bring(r, model->residency, KEEP_UNET, r->err);
    return rc || model != r->p ? rc : bring(r, control, KEEP_UNET, r->err);
}

int weights_fresh(struct pipeline *p, const struct tuning *t, struct err *e)
{
    if (!tuning_offloads(t) && !tuning_streams(t))
        return bring_all(p, NULL, e);
    return drop(p, KEEP_TEXT | KEEP_UNET, e);
}

/* ---- how much there is ---- */

/* own: what this process, or on a GPU this backend, holds that is not weights and activations. */
struct room {
    size_t hard, soft, own;
};

static size_t limit_of(const struct tuning *t, size_t total)
{
    return t->limit_percent > 0 ? (size_t)((double)total * t->limit_percent / 100) : t->limit;
}

static struct room room_on_gpu(int index, const struct ops_stats *s, const struct tuning *t)
{
    size_t bytes_free = 0, total = 0;
    struct room r = {SIZE_MAX, SIZE_MAX, 0};
    if (ops_cuda_memory(index, &bytes_free, &total) == 0)
        r.hard = total, r.soft = bytes_free + s->device_now;
    size_t limit = limit_of(t, total);
    if (limit > 0 && limit < r.hard)
        r.hard = limit;
    r.soft = r.hard < r.soft ? r.hard : r.soft;
    return r;
}

/* o: the backend that is open; NULL: none yet. device: as asked for. */
static struct room room_for(struct ops *o, bool gpu, const char *device, const struct tuning *t)
{
    struct ops_stats s = {0};
    struct meminfo m;
    if (o)
        o->stats(o, &s);
    if (gpu)
        return room_on_gpu(pipeline_device_index(device), &s, t);
    meminfo_read(&m, "");
    size_t limit = limit_of(t, m.total);
    size_t ours = s.weight_bytes + s.arena_peak;
    return (struct room){meminfo_hard(&m, limit), meminfo_soft(&m, limit),
                         m.own > ours ? m.own - ours : 0};
}

/* ---- which mode ---- */

static double gb(size_t bytes)
{
    return (double)bytes / 1e9;
}

static int refuse(const struct gen_params *g, int mode, const size_t peak[MEMORY_MODES],
                  size_t hard, struct err *e)
{
    for (int m = mode + 1; m < MEMORY_MODES; m++)
        if (peak[m] > 0 && peak[m] <= hard)
            return err_set(
                e,
                "%dx%d, %d at a time: takes %.1f GB with --memory %s, more than the %.1f "
                "GB that may be taken; --memory %s takes %.1f GB",
                g->width, g->height, gen_images(g), gb(peak[mode]), memory_name(mode), gb(hard),
                memory_name(m), gb(peak[m]));
    return err_set(
        e,
        "%dx%d, %d at a time: takes %.1f GB with --memory %s, more than the %.1f GB that "
        "may be taken; ask for a smaller picture or batch",
        g->width, g->height, gen_images(g), gb(peak[mode]), memory_name(mode), gb(hard));
}

int mode_choose(int asked, const size_t peak[MEMORY_MODES], size_t hard, size_t soft)
{
    if (asked != MEMORY_AUTO)
        return peak[asked] <= hard ? asked : -1;
    for (int m = MEMORY_SPEED; m < MEMORY_MODES; m++)
        if (peak[m] <= soft)
            return m;
    return peak[MEMORY_CONSTRAINED] <= hard ? MEMORY_CONSTRAINED : -1;
}

static void note_mode(struct notes *n, int mode, const size_t peak[MEMORY_MODES], size_t soft)
{
    if (peak[mode] <= soft)
        notes_add(n, "memory: %s, %.1f GB; %s would take %.1f of the %.1f GB that are free",
                  memory_name(mode), gb(peak[mode]), memory_name(mode - 1), gb(peak[mode - 1]),
                  gb(soft));
    else
        notes_add(n, "memory: %s, which takes %.1f GB while %.1f are free: it may become slow",
                  memory_name(mode), gb(peak[mode]), gb(soft));
}

/* Stages of this forecast: the shadow's table has those before as well. */
static void note_stages(struct ops *dry, const struct dry_stage *was, int before,
                        struct plan_result *plan)
{
    struct dry_stage now[MAX_PLAN_STAGES];
    plan->nstages = ops_dry_stages(dry, now, MAX_PLAN_STAGES);
    for (int i = 0; i < plan->nstages; i++) {
        struct plan_stage *to = &plan->stage[i];
        *to = (struct plan_stage){.flops = now[i].flops, .ms = now[i].ms};
        memcpy(to->name, now[i].name, sizeof to->name);
        for (int k = 0; k < before; k++)
            if (!strcmp(was[k].name, now[i].name))
                to->flops -= was[k].flops, to->ms -= was[k].ms;
    }
}

/* The forecast of the run in a mode, over the open model. */
static int forecast(struct pipeline *p, const struct gen_params *g, int mode, size_t own,
                    struct plan_result *plan, struct err *e)
{
    struct gen_params as = *g;
    as.tuning.memory = mode;
    if (pipeline_need_shadow(p, e) < 0)
        return -1;
    if (p->rates)
        ops_dry_price(p->shadow->ops, p->rates);
    struct dry_stage was[MAX_PLAN_STAGES];
    double before = ops_dry_ms(p->shadow->ops);
    int stages = ops_dry_stages(p->shadow->ops, was, MAX_PLAN_STAGES);
    int rc = pipeline_forecast(p->shadow, &as, own, plan, e);
    plan->ms = rc == 0 ? ops_dry_ms(p->shadow->ops) - before : 0;
    note_stages(p->shadow->ops, was, stages, plan);
    return rc;
}

/* From `mode` on; or, with auto, the one that fits. Its forecast in *plan. */
static int settle_mode(struct pipeline *p, const struct gen_params *g, int *mode,
                       struct plan_result *plan, struct notes *notes, struct err *e)
{
    struct room room = room_for(p->ops, !strcmp(p->ops->name, "cuda"), p->device, &g->tuning);
    size_t peak[MEMORY_MODES] = {0};
    int asked = *mode;
    p->room = room.soft > room.own ? room.soft - room.own : 1;
    for (int m = asked == MEMORY_AUTO ? MEMORY_SPEED : asked; m < MEMORY_MODES; m++) {
        if (forecast(p, g, m, room.own, plan, e) < 0)
            return -1;
        peak[m] = plan->bytes_peak;
        if (peak[m] <= (asked == MEMORY_AUTO ? room.soft : room.hard))
            break;
    }
    for (int m = MEMORY_SPEED; m < MEMORY_MODES; m++)
        peak[m] = peak[m] ? peak[m] : SIZE_MAX; /* not looked at: others fit */
    *mode = mode_choose(asked, peak, room.hard, room.soft);
    if (*mode < 0)
        return refuse(g, asked == MEMORY_AUTO ? MEMORY_CONSTRAINED : asked, peak, room.hard, e),
               err_blame(e, ERR_UNFIT);
    if (asked == MEMORY_AUTO && *mode != MEMORY_SPEED)
        note_mode(notes, *mode, peak, room.soft);
    return 0;
}

bool err_is_memory(const struct err *e)
{
    return strstr(e->text, "no memory") || strstr(e->text, "out of memory") ||
           strstr(e->text, "for activations");
}

/* ---- a run ---- */

static void forget(struct pipeline *p, struct gen_result *out)
{
    struct err ignored;
    free(out->rgb);
    free(out->ms.steps);
    out->rgb = NULL;
    out->ms.steps = NULL;
    out->ms.nsteps = out->count = 0;
    p->ops->sync(p->ops, &ignored);
    p->ops->reserve(p->ops, 0, &ignored);
}

int pipeline_run_in_mode(struct run *r, int (*attempt)(struct run *, const struct plan_result *))
{
    const struct gen_params *asked = r->params;
    struct gen_params own = *asked;
    struct plan_result plan = {0};
    int mode = asked->tuning.memory, rc;
    r->params = &own;
    for (;;) {
        rc = settle_mode(r->p, asked, &mode, &plan, &r->out->notes, r->err);
        own.tuning.memory = mode;
        r->foretold = plan.ms;
        r->plan = &plan;
        if (rc == 0)
            rc = attempt(r, &plan);
        if (rc == 0 || mode < 0 || r->out->cancelled || mode >= MEMORY_CONSTRAINED ||
            !err_is_memory(r->err))
            break;
        notes_add(&r->out->notes, "out of memory with --memory %s: made again with %s",
                  memory_name(mode), memory_name(mode + 1));
        forget(r->p, r->out);
        mode++;
    }
    r->out->memory = mode;
    r->params = asked;
    r->plan = NULL;
    return rc;
}

/* ---- before a run is known ---- */

bool mode_loads_later(struct pipeline *p, const struct pipeline_options *opt, struct err *e)
{
    const struct tuning *t = &opt->tuning;
    struct ops_stats s;
    if (!p->ops->no_weight)
        return false;
    if (t->memory != MEMORY_AUTO || tuning_offloads(t) || tuning_streams(t))
        return tuning_offloads(t) || tuning_streams(t);
    if (pipeline_need_shadow(p, e) < 0)
        return false;
    p->shadow->ops->stats(p->shadow->ops, &s);
    struct room room = room_for(p->ops, !strcmp(p->ops->name, "cuda"), p->device, t);
    size_t all = s.weight_bytes / 10 * (opt->refiner ? 21 : 11);
    return room.own + all > room.soft;
}

size_t mode_free(bool gpu, const char *device, const struct tuning *t)
{
    return room_for(NULL, gpu, device, t).soft;
}
