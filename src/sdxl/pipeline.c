/*
 * The walk from a prompt to pixels, and the run over it. The forecast is in plan.c, the checks of
 * params in params.c; pipeline_priv.h lists the other files.
 */
#include "sdxl/pipeline_priv.h"

#include <stdlib.h>
#include <string.h>

#include "ops/dry.h"
#include "ops/stop.h"

/* ---- progress ---- */

/* What the forecast has for a stage: milliseconds, or where those are not known operations. */
static double cost_of(const struct run *r, const char *stage)
{
    const struct plan_result *plan = r->plan;
    for (int i = 0; plan && i < plan->nstages; i++)
        if (!strcmp(plan->stage[i].name, stage))
            return r->foretold > 0 ? plan->stage[i].ms : plan->stage[i].flops;
    return 0;
}

/* What comes after the stage, as a multiple of it. */
static double cost_after(const struct run *r, const char *stage)
{
    static const char *const walk[] = {"text", "encode", "sample", "refine", "hires", "decode"};
    double own = 0, after = 0;
    for (size_t i = 0; i < sizeof walk / sizeof *walk; i++)
        if (!strcmp(walk[i], stage))
            own = cost_of(r, stage);
        else if (own > 0)
            after += cost_of(r, walk[i]);
    return own > 0 ? after / own : 0;
}

bool run_tell(struct run *r, const char *stage, int step, int steps, double ms)
{
    if (!r->hooks || !r->hooks->step)
        return true;
    struct gen_progress p = {.stage = stage, .step = step, .steps = steps, .ms = ms};
    p.later = cost_after(r, stage);
    for (int i = 0; i < PASSES && steps > 0; i++)
        if (!strcmp(r->pass[i].stage, stage))
            p.work = pass_work(&r->pass[i], step);
    pipeline_bytes(r->p, &p.bytes_now, &p.bytes_peak);
    if (!r->hooks->step(r->hooks->user, &p))
        r->out->cancelled = true;
    return !r->out->cancelled;
}

static void leave(struct run *r)
{
    if (r->in_stage)
        ops_leave(r->p->ops);
    r->in_stage = false;
}

static bool enter(struct run *r, const char *stage, int steps)
{
    leave(r);
    ops_enter(r->p->ops, stage, -1);
    r->in_stage = true;
    r->stage = stage;
    r->steps = steps;
    if (r->p->dry)
        ops_dry_stage(r->p->dry, stage);
    return run_tell(r, stage, 0, steps, 0);
}

/* ---- the stages ---- */

static int encode_image(struct run *r, const struct tensor *x)
{
    struct pass *p = &r->pass[PASS_BASE];
    return r->params->image ? start_encode(p, x) : start_tell(p, x);
}

static int sample(struct run *r, struct tensor *x)
{
    struct pass *p = &r->pass[PASS_BASE];
    start_noise(p, x);
    int rc = pass_run(p, x);
    r->pass[PASS_REFINER].masked = p->masked;
    p->masked = (struct masked){0};
    return rc;
}

/* Goes on where the base model stopped, over the same noise. */
static int refine(struct run *r, struct tensor *x)
{
    struct pass *p = &r->pass[PASS_REFINER];
    int rc = p->steps > 0 ? weights_sample(r, r->p->refiner) : 0;
    if (r->params->compat == COMPAT_COMFYUI && r->pass[PASS_BASE].steps > 0 && p->steps > 0)
        run_noise_again(r, p);
    rc = rc == 0 && p->steps > 0 ? pass_run(p, x) : rc;
    masked_free(r->p->ops, &p->masked);
    return rc;
}

/* The picture enlarged, noised part of the way, and sampled once more. */
static int sample_again(struct run *r, struct tensor *x)
{
    struct ops *o = r->p->ops;
    struct pass *p = &r->pass[PASS_HIRES];
    float one = 1;
    if (hires_enlarge(r, x) < 0)
        return -1;
    run_give_back(r);
    if (run_take(r, p, x) < 0)
        return -1;
    p->masked.keep = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    p->masked.noise = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    o->combine(o, &p->masked.keep, 1, &one, (const struct tensor *const[]){x});
    if (!r->p->dry)
        noise_first(r->noise, r->host);
    o->upload(o, &p->masked.noise, r->host);
    start_noise(p, x);
    masked_free(o, &p->masked);
    p->masked = (struct masked){0};
    return start_tell(p, x) < 0 ? -1 : pass_run(p, x);
}

static int show_latents(struct run *r, const struct tensor *x)
{
    struct ops *o = r->p->ops;
    o->download(o, r->host, x); /* which has their size */
    if (o->sync(o, r->err) < 0)
        return -1;
    r->hooks->latents(r->hooks->user, r->host, x->n, x->h, x->w, x->c);
    return 0;
}

/* text -> encode -> sample -> refine -> hires -> decode */
static int run_stages(struct run *r, struct tensor *x)
{
    const struct pass *p = r->pass;
    struct gen_times *ms = &r->out->ms;
    double t = clock_ms();

    /* 0. a ControlNet that no run before this one named */
    if (weights_control_is_new(r)) {
        if (!enter(r, "load", 0) || weights_control(r) < 0)
            return -1;
        ms->load += clock_lap(&t);
    }

    /* 1. prompts -> text states */
    if (!enter(r, "text", 0) || weights_begin(r) < 0 || readings_encode(r) < 0 ||
        weights_read(r) < 0)
        return -1;
    ms->text = clock_lap(&t);

    /* 2. an image -> what sampling begins with, a mask keeps and an inpainting model reads */
    if (r->params->image || start_reads_more(p)) {
        if (!enter(r, "encode", 0) || encode_image(r, x) < 0)
            return -1;
        ms->encode = clock_lap(&t);
    }

    /* 3. noise -> latents, the first way down */
    if (!enter(r, "sample", p[PASS_BASE].steps) || weights_sample(r, r->p) < 0 || sample(r, x) != 0)
        return -1;
    ms->sample = clock_lap(&t);

    /* 4. the refiner takes over */
    if (p[PASS_REFINER].steps > 0 && !enter(r, "refine", p[PASS_REFINER].steps))
        return -1;
    if (refine(r, x) != 0)
        return -1;
    ms->refine = p[PASS_REFINER].steps > 0 ? clock_lap(&t) : 0;

    /* 5. once more, larger */
    if (r->params->hires_width > 0) {
        if (!enter(r, "hires", p[PASS_HIRES].steps) || weights_sample(r, r->p) < 0 ||
            sample_again(r, x) != 0)
            return -1;
        ms->hires = clock_lap(&t);
    }
    if (r->hooks && r->hooks->latents && show_latents(r, x) < 0)
        return -1;

    /* 6. latents -> pixels */
    if (!enter(r, "decode", x->n) || decode_all(r, x, r->out->width, r->out->height) < 0)
        return -1;
    ms->decode = clock_lap(&t);
    return 0;
}

static int begin(struct run *r, const struct tensor *x)
{
    size_t steps = 0;
    for (int i = 0; i < PASSES; i++)
        steps += (size_t)r->pass[i].steps;
    r->out->ms.steps = calloc(steps + 1, sizeof *r->out->ms.steps);
    if (!r->out->ms.steps)
        return err_set(r->err, "out of memory for %zu steps", steps);
    return run_take(r, &r->pass[PASS_BASE], x);
}

int pipeline_generate(struct run *r)
{
    struct ops *o = r->p->ops;
    const struct gen_params *g = r->params;
    const struct model_config *m = r->p->config;
    int f = m->vae_factor, z = m->vae.latent_channels;
    r->out->width = g->hires_width > 0 ? g->hires_width : g->width;
    r->out->height = g->hires_width > 0 ? g->hires_height : g->height;
    if (passes_plan(r) < 0 || readings_plan(r) < 0) {
        readings_free(r);
        return -1;
    }
    r->p->vae.pad = g->tiling;
    r->p->tile = decode_tile_side(&g->tuning);
    o->tune(o, &g->tuning);
    struct tensor x = o->alloc_as(o, DT_F32, gen_images(g), g->height / f, g->width / f, z);
    int rc = begin(r, &x) < 0 ? -1 : run_stages(r, &x);
    leave(r);
    for (int i = 0; i < PASSES; i++)
        masked_free(o, &r->pass[i].masked);
    o->release(o, &x);
    readings_free(r);
    run_give_back(r);
    if (r->out->cancelled)
        return err_set(r->err, "cancelled");
    return rc;
}

/* One mode's try, with the arena that its forecast wants. */
static int attempt(struct run *r, const struct plan_result *plan)
{
    struct pipeline *p = r->p;
    const struct gen_params *g = r->params;
    if (pipeline_need_encoder(p, g, r->err) < 0)
        return -1;
    if (p->ops->reserve(p->ops, plan->bytes_activations, r->err) < 0)
        return err_prefix(r->err, "%dx%d, %d at a time", g->width, g->height, gen_images(g)),
               err_blame(r->err, ERR_UNFIT);
    const struct gen_hooks *hooks = r->hooks;
    bool stops = hooks && hooks->stop && !p->ops->turn_begin;
    if (stops)
        ops_stop_arm(p->ops, hooks->stop, hooks->user);
    int rc = g->profile ? pipeline_generate_profiled(r, (enum profile_what)g->profile)
                        : pipeline_generate(r);
    if (stops && ops_stop_disarm(p->ops)) {
        r->out->cancelled = true;
        rc = err_set(r->err, "cancelled");
    }
    return rc;
}

int pipeline_run(struct pipeline *p, const struct gen_params *g, const struct gen_hooks *hooks,
                 struct gen_result *out, struct err *e)
{
    struct run r = {.p = p, .params = g, .hooks = hooks, .out = out, .err = e};
    *out = (struct gen_result){.ms = {.load = p->load_ms}};
    if (gen_params_check(p->config, g, e) < 0)
        return -1;
    if (p->config->refiner)
        notes_add(&out->notes, "the model is a refiner, made for the last steps of another one's "
                               "pictures: name that one, and this with --refiner");
    int rc = pipeline_use_loras(p, g, hooks, out, e);
    if (rc == 0)
        rc = pipeline_use_control(p, g, e);
    if (rc == 0) {
        pipeline_note_control(p, g, &out->notes);
        rc = pipeline_run_in_mode(&r, attempt);
    }
    if (p->loras)
        lora_set_rest(p->loras);
    if (rc == 0)
        pipeline_note_run(&r);
    if (rc == 0) {
        struct ops_stats s;
        size_t now;
        p->ops->stats(p->ops, &s);
        out->bytes_weights = s.weight_bytes;
        out->bytes_activations = s.arena_peak;
        pipeline_bytes(p, &now, &out->bytes_peak);
    }
    return rc;
}

void gen_result_free(struct gen_result *r)
{
    free(r->rgb);
    free(r->ms.steps);
    notes_free(&r->notes);
    *r = (struct gen_result){0};
}
