/*
 * Which steps each pass takes.
 *
 * An image begins part of the way down the schedule, the refiner ends it, and a second pass has one
 * of its own. Where exactly, each tool counts in its own way:
 *
 *              image, denoise d of s steps                  refiner from share r on
 *   comfyui    a schedule of int(s / d), its last s         from step round(s r) on
 *   a1111      of s, its last int(min(d, 0.999) s) + 1;     where the trained timestep has come
 *              second pass: of int(s / min(d, 0.999)),      so far: (T - 1 - t) / T >= r
 *              its last s
 *   diffusers  of s, its last int(s d)                      where t < round(T - r T)
 *
 * A schedule may be longer than was asked for (ddim_uniform) or shorter (beta). ComfyUI then runs
 * all of it, but counts `s` from its end with an image; A1111 counts what it leaves out from the
 * front; diffusers' own such schedule, the "leading" one, is the last s of ddim_uniform.
 *
 * Sources: ComfyUI comfy/samplers.py KSampler.set_steps and nodes.py KSamplerAdvanced; A1111
 * modules/sd_samplers_common.py setup_img2img_steps and apply_refiner; diffusers
 * pipeline_stable_diffusion_xl_img2img.py get_timesteps.
 */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <string.h>

struct span { /* of a schedule: length, and how many of its steps, at its end, are taken */
    int length, taken;
    bool from_front; /* one of another length is left out as many of, and taken to its end */
};

/* The schedule of which `steps` are the share `denoise`: a tiny one asks for too many for an int.
 */
static int longer(int steps, double denoise)
{
    return (int)fmin(steps / denoise, 1e9);
}

static struct span comfyui_span(int steps, double denoise)
{
    if (denoise > 0.9999)
        return (struct span){steps, steps, true};
    return (struct span){longer(steps, denoise), steps, false};
}

static struct span span_of(const struct gen_params *g, int steps, double denoise, bool second)
{
    double most = fmax(0, fmin(denoise, 0.999));
    bool one_more = g->compat == COMPAT_A1111 && !second; /* than its share, so one of nothing */
    if (denoise <= 0 && !one_more)
        return (struct span){steps, 0, false};
    if (g->compat == COMPAT_COMFYUI)
        return comfyui_span(steps, denoise);
    if (g->compat == COMPAT_DIFFUSERS)
        return (struct span){steps, (int)(steps * denoise), false};
    if (second)
        return (struct span){longer(steps, most), steps, true};
    return (struct span){steps, (int)(most * steps) + 1, true};
}

/* Of a schedule that has n steps. */
static int steps_taken(struct span s, int n)
{
    int taken = s.from_front ? n - (s.length - s.taken) : s.taken;
    return taken < 0 ? 0 : taken < n ? taken : n;
}

/* The pass's sigmas; its whole schedule's length in `all`. */
static int take_span(struct pass *p, struct span s)
{
    const struct run *r = p->r;
    const struct gen_params *g = r->params;
    float whole[MAX_STEPS + 1];
    int n;
    if (s.length > MAX_STEPS)
        return err_set(r->err,
                       "%s: with so little denoise the schedule would have %d steps; at most %d, "
                       "so take more denoise, or fewer steps",
                       p->stage, s.length, MAX_STEPS);
    if (g->sigmas && *g->sigmas && strcmp(p->stage, "hires") != 0) {
        n = sigmas_parse(g->sigmas, whole, r->err); /* a list says itself where to begin */
        s = (struct span){n, s.taken > 0 ? n : 0, false};
    } else {
        n = sampler_sigmas(&r->p->levels, g->sampler, g->scheduler, s.length,
                           (enum compat)g->compat, whole);
    }
    if (n < 0)
        return -1;
    p->all = n;
    p->asked = s.length;
    p->top = whole[0];
    p->steps = steps_taken(s, n);
    p->first = n - p->steps;
    memcpy(p->sigma, whole + p->first, (size_t)(p->steps + 1) * sizeof *whole);
    return 0;
}

/* How many steps from the pass's first on are the base model's. */
static int base_steps(const struct pass *p)
{
    const struct gen_params *g = p->r->params;
    const struct noise_levels *l = &p->r->p->levels;
    double r = g->refiner_switch;
    int n = 0;
    if (r >= 1)
        return p->steps;
    if (g->compat == COMPAT_COMFYUI) {
        n = (int)floor(p->asked * r + 0.5) - p->first;
        return n < 0 ? 0 : n < p->steps ? n : p->steps;
    }
    bool nearest = g->compat == COMPAT_A1111;
    for (; n < p->steps; n++) {
        double t = timestep_at(l, p->sigma[n], nearest ? TIMESTEP_NEAREST : TIMESTEP_INTERPOLATED);
        if (nearest ? (l->count - 1 - t) / 1000 >= r : t < nearbyint(l->count - r * l->count))
            break;
    }
    return n;
}

static void give_to_refiner(struct pass *base, struct pass *refiner)
{
    int n = base_steps(base);
    refiner->steps = base->steps - n;
    refiner->first = base->first + n;
    refiner->all = base->all;
    refiner->top = base->top;
    memcpy(refiner->sigma, base->sigma + n, (size_t)(refiner->steps + 1) * sizeof *base->sigma);
    base->steps = n;
}

struct sampler_run pass_sampler(struct pass *p)
{
    return (struct sampler_run){.ops = p->r->p->ops,
                                .sampler = p->r->params->sampler,
                                .steps = p->steps,
                                .compat = (enum compat)p->r->params->compat,
                                .sigma = p->sigma,
                                .levels = &p->r->p->levels,
                                .user = p};
}

int passes_plan(struct run *r)
{
    const struct gen_params *g = r->params;
    static const char *const stages[PASSES] = {"sample", "refine", "hires"};
    for (int i = 0; i < PASSES; i++)
        r->pass[i] = (struct pass){.r = r,
                                   .stage = stages[i],
                                   .model = r->p,
                                   .reading = &r->reading,
                                   .width = g->width,
                                   .height = g->height};
    struct pass *base = &r->pass[PASS_BASE], *refiner = &r->pass[PASS_REFINER];
    struct pass *hires = &r->pass[PASS_HIRES];
    struct span whole = {g->steps, g->steps, g->compat != COMPAT_DIFFUSERS};
    if (take_span(base, g->image ? span_of(g, g->steps, g->denoise, false) : whole) < 0)
        return -1;
    if (r->p->refiner) {
        refiner->model = r->p->refiner;
        refiner->reading = &r->refiner_reading;
        give_to_refiner(base, refiner);
    }
    if (g->hires_width > 0) {
        int steps = g->hires_steps > 0 ? g->hires_steps : g->steps;
        hires->width = g->hires_width, hires->height = g->hires_height;
        if (take_span(hires, span_of(g, steps, g->hires_denoise, true)) < 0)
            return -1;
    }
    for (int i = 0; i < PASSES; i++) {
        struct pass *p = &r->pass[i];
        struct sampler_run s = pass_sampler(p);
        p->calls = sampler_calls(&s, p->call_sigma, p->call_step);
    }
    refiner->read_from = base->calls;
    return 0;
}
