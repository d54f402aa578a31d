/*
 * One pass: the model's answers under guidance, what a mask keeps, and the sampler's loop.
 *
 * A mask is honoured in the way of the tool that is followed. ComfyUI shows the model what is kept
 * with the first noise at the step's own level, and puts the picture into its answer; A1111 does
 * the latter alone; diffusers leaves the answer and puts the picture, noised for the next level,
 * into the state. (ComfyUI: comfy/samplers.py KSamplerX0Inpaint; A1111:
 * modules/sd_samplers_cfg_denoiser.py; diffusers: pipeline_stable_diffusion_xl_inpaint.py.)
 */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAP_US = 50 }; /* between two looks at a device: a step takes a millisecond or more */

static float input_scale(double sigma)
{
    return (float)(1 / sqrt(sigma * sigma + 1));
}

static bool is_diffusers(const struct pass *p)
{
    return p->r->params->compat == COMPAT_DIFFUSERS;
}

/* ---- guidance ---- */

/* Whether a step of the pass is guided: cfg_start and cfg_end are shares of the whole schedule. */
static bool in_interval(const struct pass *p, int step)
{
    const struct gen_params *g = p->r->params;
    double share = (double)(p->first + step) / p->all, end = g->cfg_end;
    return share >= g->cfg_start && (end <= 0 || share < end);
}

/* Whether a call asks for both answers. */
static bool asks_both(const struct pass *p, int call)
{
    const struct conditioning *c = &p->reading->cond;
    if (!c->guided)
        return false;
    return !c->plain || in_interval(p, p->call_step[call]) ||
           sampler_needs_uncond(p->r->params->sampler);
}

static int pictures_asked(const struct pass *p, int call)
{
    return asks_both(p, call) ? p->reading->cond.n : gen_images(p->r->params);
}

struct workload pass_work(const struct pass *p, int step)
{
    struct workload w = {0};
    for (int call = 0; call < p->calls; call++) {
        int units = pictures_asked(p, call);
        w.all += units;
        w.done += p->call_step[call] < step ? units : 0;
        w.step += p->call_step[call] == step - 1 ? units : 0;
    }
    return w;
}

static double cfg_of(const struct pass *p, int call)
{
    return in_interval(p, p->call_step[call]) ? (double)p->r->params->cfg : 1;
}

/* What the model says, as a denoised picture: D = x kx + y ky. */
static void conversion(const struct pass *p, double sigma, double *kx, double *ky)
{
    double s2 = sigma * sigma;
    *kx = 1, *ky = -sigma;
    if (p->model->config->schedule.prediction == PREDICT_V)
        *kx = 1 / (s2 + 1), *ky = -sigma / sqrt(s2 + 1);
}

/* y = kx x + ky (u + sum of cfg w_i (c_i - u)), u being the answers without the prompt, c_i those
 * to its parts, image by image where they have weights of their own. Reference for those:
 * combine_denoised in A1111's modules/sd_samplers_cfg_denoiser.py. */
static void mix(struct pass *p, double kx, double ky, double cfg, const struct tensor *x,
                const struct tensor *answers, struct tensor *y)
{
    struct ops *o = p->r->p->ops;
    const struct conditioning *c = &p->reading->cond;
    int n = x->n;
    if (c->plain) {
        struct tensor un = tensor_images(*answers, 0, n), co = tensor_images(*answers, n, n);
        float k[3] = {(float)kx, (float)(ky * (1 - cfg)), (float)(ky * cfg)};
        o->combine(o, y, 3, k, (const struct tensor *const[]){x, &un, &co});
        return;
    }
    for (int i = 0; i < n; i++) {
        const float *w = c->weight + i * c->parts;
        struct tensor xi = tensor_images(*x, i, 1), un = tensor_images(*answers, i, 1);
        struct tensor yi = tensor_images(*y, i, 1);
        double sum = 0;
        for (int k = 0; k < c->parts; k++)
            sum += (double)w[k] * cfg;
        float first[2] = {(float)kx, (float)(ky * (1 - sum))};
        o->combine(o, &yi, 2, first, (const struct tensor *const[]){&xi, &un});
        for (int k = 0; k < c->parts; k++) {
            float more[2] = {1, (float)(ky * cfg * (double)w[k])};
            struct tensor co = tensor_images(*answers, (1 + k) * n + i, 1);
            o->combine(o, &yi, 2, more, (const struct tensor *const[]){&yi, &co});
        }
    }
}

/* Guidance whose deviation is brought back towards the one that the answer to the prompt has (Lin
 * et al. 2023, "Common Diffusion Noise Schedules and Sample Steps are Flawed", eq. 15 and 16):
 * diffusers does so to the model's own answers (rescale_noise_cfg), ComfyUI's RescaleCFG to them as
 * v. P = ax x + ay y is what is compared, D = bx x + by P. */
static void mix_rescaled(struct pass *p, double sigma, double cfg, const struct tensor *x,
                         const struct tensor *answers, struct tensor *denoised)
{
    struct ops *o = p->r->p->ops;
    double s2 = sigma * sigma, q = sqrt(s2 + 1) / sigma, kx, ky;
    conversion(p, sigma, &kx, &ky);
    double ax = 0, ay = 1, bx = kx, by = ky;
    if (!is_diffusers(p))
        ax = q * (1 / (s2 + 1) - kx), ay = -q * ky, bx = 1 / (s2 + 1), by = -1 / q;
    struct tensor co = tensor_images(*answers, x->n, x->n);
    struct tensor like = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    struct tensor both = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    float one[2] = {(float)ax, (float)ay}, back[2] = {(float)bx, (float)by};
    o->combine(o, &like, 2, one, (const struct tensor *const[]){x, &co});
    mix(p, ax, ay, cfg, x, answers, &both);
    o->match_std(o, &both, &like, p->r->params->cfg_rescale);
    o->combine(o, denoised, 2, back, (const struct tensor *const[]){x, &both});
    o->release(o, &both);
    o->release(o, &like);
}

/* The model's answers, one image group a condition, to the denoised x. Guidance is linear in the
 * answers and the answers' conversion is linear too, so the whole is one sum. uncond: what the
 * model sees without the prompt, where that is asked for. */
static void guide(struct pass *p, int call, double sigma, const struct tensor *x,
                  const struct tensor *answers, struct tensor *denoised, struct tensor *uncond)
{
    struct ops *o = p->r->p->ops;
    double kx, ky, cfg = cfg_of(p, call);
    conversion(p, sigma, &kx, &ky);
    float plain[2] = {(float)kx, (float)ky};
    struct tensor first = tensor_images(*answers, 0, x->n);
    if (answers->n == x->n)
        o->combine(o, denoised, 2, plain, (const struct tensor *const[]){x, &first});
    else if (p->r->params->cfg_rescale > 0)
        mix_rescaled(p, sigma, cfg, x, answers, denoised);
    else
        mix(p, kx, ky, cfg, x, answers, denoised);
    if (uncond)
        o->combine(o, uncond, 2, plain, (const struct tensor *const[]){x, &first});
}

/* ---- the model ---- */

/* x, scaled, into the group's images of what the UNet reads. */
static void fill_input(struct pass *p, const struct tensor *scaled, struct tensor *in)
{
    struct ops *o = p->r->p->ops;
    const struct tensor *extra = &p->masked.extra;
    for (int i = 0; i < in->n; i += scaled->n) {
        struct tensor part = tensor_images(*in, i, scaled->n);
        if (in->c == scaled->c) {
            o->copy(o, &part, scaled);
            continue;
        }
        struct tensor narrow = ops_alloc_like(o, scaled, scaled->c);
        o->copy(o, &narrow, scaled);
        o->concat(o, &part, &narrow, extra);
        o->release(o, &narrow);
    }
}

struct controlled { /* a step that a ControlNet adds to */
    struct pass *p;
    int call;
    const struct tensor *in;
};

static void control(void *user, struct tensor *stops)
{
    const struct controlled *c = user;
    control_step(c->p->r->p->ops, &c->p->control_run, c->call, c->in, stops);
}

static void ask(struct pass *p, int call, double sigma, const struct tensor *x,
                struct tensor *denoised, struct tensor *uncond)
{
    struct ops *o = p->r->p->ops;
    const struct unet_config *c = &p->model->config->unet;
    int n = pictures_asked(p, call);
    float scale = input_scale(sigma);
    struct tensor scaled = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
    struct tensor in = o->alloc_as(o, o->act, n, x->h, x->w, c->in_channels);
    struct tensor y = o->alloc_as(o, DT_F32, n, x->h, x->w, c->out_channels);
    o->combine(o, &scaled, 1, &scale, (const struct tensor *const[]){x});
    fill_input(p, &scaled, &in);
    struct unet_between between = {control, &(struct controlled){p, call, &in}};
    unet_step(&p->model->unet, o, &p->unet_run, call, &in, &y,
              pass_controls(p, call) ? &between : NULL);
    guide(p, call, sigma, x, &y, denoised, uncond);
    o->release(o, &y);
    o->release(o, &in);
    o->release(o, &scaled);
}

/* y = y where the mask is, what is kept, noised to sigma, elsewhere. */
static void keep_at(struct pass *p, double sigma, struct tensor *y)
{
    struct ops *o = p->r->p->ops;
    const struct masked *m = &p->masked;
    struct tensor noised = o->alloc_as(o, DT_F32, y->n, y->h, y->w, y->c);
    float k[2] = {1, (float)sigma};
    o->combine(o, &noised, 2, k, (const struct tensor *const[]){&m->keep, &m->noise});
    o->blend(o, y, y, &noised, &m->mask);
    o->release(o, &noised);
}

/* An inpainting model sees the mask itself, and diffusers then keeps nothing by hand. */
static bool keeps(const struct pass *p)
{
    return p->masked.mask.data && !(is_diffusers(p) && start_reads_more(p));
}

/* ---- what the sampler's loop asks ---- */

static int denoise(void *user, int call, double sigma, const struct tensor *x,
                   struct tensor *denoised, struct tensor *uncond)
{
    struct pass *p = user;
    struct ops *o = p->r->p->ops;
    if (keeps(p) && p->r->params->compat == COMPAT_COMFYUI) {
        float one = 1;
        struct tensor shown = o->alloc_as(o, DT_F32, x->n, x->h, x->w, x->c);
        o->combine(o, &shown, 1, &one, (const struct tensor *const[]){x});
        keep_at(p, sigma, &shown);
        ask(p, call, sigma, &shown, denoised, uncond);
        o->release(o, &shown);
    } else {
        ask(p, call, sigma, x, denoised, uncond);
    }
    if (keeps(p) && !is_diffusers(p))
        o->blend(o, denoised, denoised, &p->masked.keep, &p->masked.mask);
    return 0;
}

static void before(void *user, int call)
{
    struct pass *p = user;
    unet_before_step(p->r->p->ops, &p->unet_run, call);
    if (pass_controls(p, call))
        control_before_step(p->r->p->ops, &p->control_run, call);
}

static void noise(void *user, double from, double to, struct tensor *noise)
{
    draws_next(user, from, to, noise);
}

/* ---- looking on ----
 *
 * A device that works by itself is kept one step ahead: when a step is queued, the one before it is
 * waited for and told, so that it always has work, progress is true, and a cancelled run stops
 * after the step that runs. */

/* seen: the latent, or where the device makes them its colours. */
static void show(struct run *r, int step, const void *seen)
{
    size_t count = (size_t)r->seen->latent_width * (size_t)r->seen->latent_height;
    float factors[PREVIEW_FACTORS];
    if (r->p->ops->send_rgb && preview_factors(r->p->config, factors)) {
        memcpy(r->seen->rgb, seen, 3 * count);
    } else {
        if (seen != r->seen->latent)
            memcpy(r->seen->latent, seen,
                   count * (size_t)r->p->config->vae.latent_channels * sizeof(float));
        preview_show(r->seen);
    }
    r->hooks->preview(r->hooks->user, step, r->seen->rgb, r->seen->width, r->seen->height);
}

/* Step `step` is done. 1: someone cancels. */
static int tell(struct pass *p, int step, const void *seen)
{
    struct run *r = p->r;
    double ms = clock_lap(&p->began);
    r->out->ms.steps[r->out->ms.nsteps++] = ms;
    if (seen)
        show(r, step + 1, seen);
    return run_tell(r, p->stage, step + 1, p->steps, ms) ? 0 : 1;
}

static int not_numbers(const struct pass *p, int step, size_t bad)
{
    return err_set(p->r->err, "%s, step %d: of the model's answer %zu values are no numbers; %s",
                   p->stage, step + 1, bad, no_numbers_advice(p->r));
}

/* Until a step that was marked is done. */
static int tell_when_done(struct pass *p, int step)
{
    struct ops *o = p->r->p->ops;
    int slot = step % OPS_SLOTS, rc;
    while ((rc = o->passed(o, slot, p->r->err)) == 0)
        clock_nap(NAP_US);
    size_t bad = rc < 0 ? 0 : o->bad(o, slot);
    if (bad > 0)
        return not_numbers(p, step, bad);
    return rc < 0 ? -1 : tell(p, step, p->r->seen ? o->sent(o, slot) : NULL);
}

static void send(struct run *r, int slot, const struct tensor *latent)
{
    struct ops *o = r->p->ops;
    float factors[PREVIEW_FACTORS];
    if (o->send_rgb && preview_factors(r->p->config, factors))
        o->send_rgb(o, slot, latent, factors);
    else
        o->send(o, slot, latent);
}

/* What looking on takes of a device is taken before the loop. */
static void open_slots(struct pass *p, const struct tensor *x)
{
    struct ops *o = p->r->p->ops;
    struct tensor one = tensor_images(*x, 0, 1);
    for (int slot = 0; o->mark && slot < OPS_SLOTS; slot++) {
        if (p->r->seen)
            send(p->r, slot, &one);
        o->watch(o, slot, x);
        o->mark(o, slot);
    }
}

/* What is no number stays so: better said after the first step than after the last. (A device that
 * works by itself counts them beside its steps: watch.) */
static int look_for_numbers(struct pass *p, int step, const struct tensor *denoised)
{
    struct ops *o = p->r->p->ops;
    size_t count = (size_t)tensor_count(denoised), bad;
    float *values = p->r->p->dry ? NULL : malloc(count * sizeof *values);
    if (!values)
        return 0;
    o->download(o, values, denoised);
    int rc = o->sync(o, p->r->err);
    if (rc == 0 && (bad = count_bad(values, count)) > 0)
        rc = not_numbers(p, step, bad);
    free(values);
    return rc;
}

static int stepped(void *user, int step, const struct tensor *x, const struct tensor *denoised)
{
    struct pass *p = user;
    struct run *r = p->r;
    struct ops *o = r->p->ops;
    struct tensor one = tensor_images(*denoised, 0, 1);
    (void)x;
    if (keeps(p) && is_diffusers(p))
        keep_at(p, (double)p->sigma[step + 1], p->x);
    if (o->mark) {
        if (r->seen)
            send(r, step % OPS_SLOTS, &one);
        o->watch(o, step % OPS_SLOTS, denoised);
        o->mark(o, step % OPS_SLOTS);
        return step > 0 ? tell_when_done(p, step - 1) : 0;
    }
    if (r->seen)
        o->download(o, r->seen->latent, &one);
    if (look_for_numbers(p, step, denoised) < 0)
        return -1;
    return o->sync(o, r->err) < 0 ? -1 : tell(p, step, r->seen ? r->seen->latent : NULL);
}

/* ---- a pass ---- */

/* What the model is told of sizes, a row a text: original height, width; crop top, left; then the
 * target's height, width, or for a refiner the score. */
static void fill_sizes(const struct pass *p, float *sizes)
{
    const struct gen_params *g = p->r->params;
    const struct reading *t = p->reading;
    int count = p->model->config->size_conditions, own[2] = {p->width, p->height};
    const int *original = g->original_size[0] ? g->original_size : own;
    const int *target = g->target_size[0] ? g->target_size : own;
    int said[6] = {original[1], original[0], g->crop[1], g->crop[0], target[1], target[0]};
    for (int i = 0; i < t->states.texts; i++, sizes += count) {
        bool negative = conditioning_is_negative(&t->cond, i);
        for (int k = 0; k < count; k++)
            sizes[k] = (float)said[k];
        if (count == 5)
            sizes[4] = negative ? g->negative_aesthetic : g->aesthetic;
    }
}

/* The texts go to the backend here; from their keys and values on, nobody reads them. */
static int prepare_unet(struct pass *p, struct unet_inputs *in)
{
    struct ops *o = p->r->p->ops;
    const struct conditioning *c = &p->reading->cond;
    size_t calls = (size_t)(p->read_from + p->calls);
    int *reads = calloc(calls * (size_t)c->n, sizeof *reads);
    if (!reads)
        return err_set(p->r->err, "out of memory while preparing %d steps", p->steps);
    conditioning_reads(c, (int)calls, reads);
    struct tensor text = text_states_upload(&p->reading->states, o);
    in->reads = reads + (size_t)p->read_from * (size_t)c->n;
    in->text = &text;
    ops_enter(o, "unet", -1);
    int rc = unet_prepare(&p->model->unet, o, in, &p->unet_run, p->r->err);
    ops_leave(o);
    rc = rc ? rc : pass_control_prepare(p, in);
    o->release(o, &text);
    free(reads);
    return rc;
}

static int prepare(struct pass *p)
{
    const struct gen_params *g = p->r->params;
    const struct reading *t = p->reading;
    enum timestep_rule rule = g->compat == COMPAT_COMFYUI ? TIMESTEP_NEAREST
                                                          : TIMESTEP_INTERPOLATED;
    float times[MAX_CALLS];
    int skip[MAX_CALLS];
    for (int i = 0; i < p->calls; i++) {
        times[i] = (float)timestep_at(&p->model->levels, (double)p->call_sigma[i], rule);
        skip[i] = t->cond.guided && !asks_both(p, i) ? gen_images(g) : 0;
    }
    float *sizes = malloc((size_t)t->states.texts * 6 * sizeof *sizes);
    if (!sizes)
        return err_set(p->r->err, "out of memory while preparing %d steps", p->steps);
    fill_sizes(p, sizes);
    struct unet_inputs in = {.texts = t->states.texts,
                             .tokens = t->states.tokens,
                             .n = t->cond.n,
                             .skip = skip,
                             .pad = g->tiling,
                             .each_step = g->tuning.hoist == TUNE_OFF,
                             .no_graph = g->tuning.graph == TUNE_OFF || tuning_streams(&g->tuning),
                             .pooled = t->states.pooled,
                             .sizes = sizes,
                             .size_conditions = p->model->config->size_conditions,
                             .timesteps = times,
                             .steps = p->calls};
    int rc = prepare_unet(p, &in);
    free(sizes);
    return rc;
}

static void forget(struct pass *p)
{
    control_run_finish(p->r->p->ops, &p->control_run);
    unet_finish(p->r->p->ops, &p->unet_run);
}

/* What a step is once those before it are there is met at the second, and kept at the third. */
static int warm_steps(const struct ops *o)
{
    return o->turn_begin ? 3 : 1;
}

int pass_run(struct pass *p, struct tensor *x)
{
    struct ops *o = p->r->p->ops;
    if (p->steps == 0)
        return 0;
    if (prepare(p) < 0) {
        forget(p);
        return -1;
    }
    struct sampler_run s = pass_sampler(p);
    s.before = before;
    s.denoise = denoise;
    if (p->r->params->warm && s.steps > warm_steps(o))
        s.steps = warm_steps(o);
    s.noise = noise;
    s.stepped = stepped;
    p->x = x;
    int rc = draws_begin(p, &s, x);
    open_slots(p, x);
    p->began = clock_ms();
    rc = rc ? rc : sampler_run(&s, x);
    if (rc == 0 && o->mark)
        rc = tell_when_done(p, s.steps - 1);
    draws_end(p);
    forget(p);
    if (rc == 0 && keeps(p) && p->r->params->compat == COMPAT_A1111)
        o->blend(o, x, x, &p->masked.keep, &p->masked.mask);
    return rc;
}
