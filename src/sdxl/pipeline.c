/* Model and backend together, and the run. The forecast is in plan.c, the checks of params in
 * params.c. */
#include "sdxl/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/weights.h"

/* ---- progress ---- */

/* Tells the hooks; false means cancel. */
static bool tell(struct run *r, const char *stage, int step, int steps, double ms)
{
    if (!r->hooks || !r->hooks->step)
        return true;
    struct gen_progress p = {.stage = stage, .step = step, .steps = steps, .ms = ms};
    pipeline_bytes(r->p, &p.bytes_now, &p.bytes_peak);
    if (!r->hooks->step(r->hooks->user, &p))
        r->out->cancelled = true;
    return !r->out->cancelled;
}

static bool enter(struct run *r, const char *stage, int steps)
{
    if (r->p->stage)
        r->p->stage(r->p->ops, stage);
    return tell(r, stage, 0, steps, 0);
}

/* ---- sampling ---- */

static double lap(double *since)
{
    double now = clock_ms(), ms = now - *since;
    *since = now;
    return ms;
}

static float input_scale(double sigma)
{
    return (float)(1 / sqrt(sigma * sigma + 1));
}

/* D = kx x + ky y: the model's answer y at x to the denoised image. */
static void answer_scale(const struct run *r, double sigma, double *kx, double *ky)
{
    double s2 = sigma * sigma;
    *kx = 1, *ky = -sigma;
    if (r->p->config->schedule.prediction == PREDICT_V)
        *kx = 1 / (s2 + 1), *ky = -sigma / sqrt(s2 + 1);
}

/* Prompts in parts, each with its weight: D = kx x + ky (u + sum of cfg w_i (c_i - u)), image by
 * image. Reference: combine_denoised in A1111's modules/sd_samplers_cfg_denoiser.py. */
static void guide_parts(struct run *r, double kx, double ky, const struct tensor *x,
                        const struct tensor *y, struct tensor *denoised)
{
    struct ops *o = r->p->ops;
    int batch = r->cond.images, parts = r->cond.parts;
    for (int i = 0; i < batch; i++) {
        const float *w = r->cond.weight + i * parts;
        struct tensor xi = tensor_images(*x, i, 1), u = tensor_images(*y, i, 1);
        struct tensor d = tensor_images(*denoised, i, 1);
        double sum = 0;
        for (int k = 0; k < parts; k++)
            sum += (double)w[k] * r->params->cfg;
        float first[2] = {(float)kx, (float)(ky * (1 - sum))};
        o->combine(o, &d, 2, first, (const struct tensor *const[]){&xi, &u});
        for (int k = 0; k < parts; k++) {
            float more[2] = {1, (float)(ky * r->params->cfg * w[k])};
            struct tensor c = tensor_images(*y, (1 + k) * batch + i, 1);
            o->combine(o, &d, 2, more, (const struct tensor *const[]){&d, &c});
        }
    }
}

/* The model's answers y to the denoised x. Guidance is linear in the answers and the answers'
 * conversion is linear too, so the whole is one sum: D = kx x + ky (u + cfg (c - u)). uncond: kx x
 * + ky u, where that is asked for. */
static void guide(struct run *r, double sigma, const struct tensor *x, const struct tensor *y,
                  struct tensor *denoised, struct tensor *uncond)
{
    struct ops *o = r->p->ops;
    double kx, ky, cfg = r->params->cfg;
    answer_scale(r, sigma, &kx, &ky);
    int batch = r->params->batch;
    struct tensor first = tensor_images(*y, 0, batch);
    float plain[2] = {(float)kx, (float)ky};
    if (!r->cond.guided) {
        o->combine(o, denoised, 2, plain, (const struct tensor *const[]){x, &first});
        return;
    }
    if (r->cond.plain) {
        struct tensor second = tensor_images(*y, batch, batch);
        float k[3] = {(float)kx, (float)(ky * (1 - cfg)), (float)(ky * cfg)};
        o->combine(o, denoised, 3, k, (const struct tensor *const[]){x, &first, &second});
    } else {
        guide_parts(r, kx, ky, x, y, denoised);
    }
    if (uncond)
        o->combine(o, uncond, 2, plain, (const struct tensor *const[]){x, &first});
}

static int denoise(void *user, int call, double sigma, const struct tensor *x,
                   struct tensor *denoised, struct tensor *uncond)
{
    struct run *r = user;
    struct ops *o = r->p->ops;
    const struct unet_config *c = &r->p->config->unet;
    int n = r->unet_run.n, batch = r->params->batch;
    float scale = input_scale(sigma);
    struct tensor scaled = o->alloc_as(o, DT_F32, batch, x->h, x->w, x->c);
    struct tensor in = o->alloc_as(o, o->act, n, x->h, x->w, c->in_channels);
    struct tensor y = o->alloc_as(o, DT_F32, n, x->h, x->w, c->out_channels);
    o->combine(o, &scaled, 1, &scale, (const struct tensor *const[]){x});
    for (int i = 0; i < n; i += batch) {
        struct tensor part = tensor_images(in, i, batch);
        o->copy(o, &part, &scaled);
    }
    unet_step(&r->p->unet, o, &r->unet_run, call, &in, &y);
    guide(r, sigma, x, &y, denoised, uncond);
    o->release(o, &y);
    o->release(o, &in);
    o->release(o, &scaled);
    return o->sync(o, r->err);
}

/* The forecast needs no numbers. */
static void noise(void *user, double from, double to, struct tensor *noise)
{
    struct run *r = user;
    if (!r->p->stage && sampler_noise(r->params->sampler) == NOISE_BROWNIAN)
        noise_between(r->noise, from, to, r->host);
    else if (!r->p->stage)
        noise_next(r->noise, r->host);
    r->p->ops->upload(r->p->ops, noise, r->host);
}

/* Room for a preview, when somebody wants to see it. Without memory no one sees. */
static void want_previews(struct run *r, int width, int height)
{
    const struct model_config *m = r->p->config;
    if (r->hooks && r->hooks->preview && preview_possible(m))
        r->seen = preview_new(m, width, height);
}

static void show(struct run *r, int step, const struct tensor *denoised)
{
    struct ops *o = r->p->ops;
    struct tensor one = tensor_images(*denoised, 0, 1);
    o->download(o, r->seen->latent, &one);
    preview_show(r->seen);
    r->hooks->preview(r->hooks->user, step, r->seen->rgb, r->seen->width, r->seen->height);
}

static int stepped(void *user, int step, const struct tensor *x, const struct tensor *denoised)
{
    struct run *r = user;
    (void)x;
    double ms = lap(&r->step_began);
    r->out->ms.steps[r->out->ms.nsteps++] = ms;
    if (r->seen)
        show(r, step + 1, denoised);
    return tell(r, "sample", step + 1, r->steps, ms) ? 0 : 1;
}

static void first_noise(struct run *r, struct tensor *x)
{
    struct ops *o = r->p->ops;
    const struct noise_levels *l = &r->p->levels;
    float k = (float)noise_scale((enum compat)r->params->compat, r->sigma[0],
                                 l->sigma[l->count - 1]);
    if (!r->p->stage)
        noise_first(r->noise, r->host);
    o->upload(o, x, r->host);
    o->combine(o, x, 1, &k, (const struct tensor *const[]){x});
}

/* The texts go to the backend here; from their keys and values on, nobody reads them. */
static int prepare_unet(struct run *r, struct unet_inputs *in)
{
    struct ops *o = r->p->ops;
    int *reads = calloc((size_t)r->calls * (size_t)r->cond.n, sizeof *reads);
    if (!reads)
        return err_set(r->err, "out of memory while preparing %d steps", r->steps);
    conditioning_reads(&r->cond, r->calls, reads);
    struct tensor text = text_states_upload(&r->text, o);
    in->reads = reads;
    in->text = &text;
    int rc = unet_prepare(&r->p->unet, o, in, &r->unet_run, r->err);
    o->release(o, &text);
    free(reads);
    return rc;
}

static int prepare(struct run *r)
{
    const struct gen_params *g = r->params;
    const struct model_config *m = r->p->config;
    bool nearest = g->compat == COMPAT_COMFYUI;
    float t[MAX_CALLS],
        size[6] = {(float)g->height, (float)g->width, 0, 0, (float)g->height, (float)g->width};
    for (int i = 0; i < r->calls; i++)
        t[i] = (float)timestep_at(&r->p->levels, r->call_sigma[i],
                                  nearest ? TIMESTEP_NEAREST : TIMESTEP_INTERPOLATED);
    float *sizes = malloc((size_t)r->text.texts * sizeof size);
    if (!sizes)
        return err_set(r->err, "out of memory while preparing %d steps", r->steps);
    for (int i = 0; i < r->text.texts; i++)
        memcpy(sizes + i * m->size_conditions, size, (size_t)m->size_conditions * sizeof *size);
    struct unet_inputs in = {.texts = r->text.texts,
                             .n = r->cond.n,
                             .tokens = r->text.tokens,
                             .pooled = r->text.pooled,
                             .sizes = sizes,
                             .size_conditions = m->size_conditions,
                             .timesteps = t,
                             .steps = r->calls};
    int rc = prepare_unet(r, &in);
    free(sizes);
    return rc;
}

static struct sampler_run sampling(struct run *r)
{
    return (struct sampler_run){.ops = r->p->ops,
                                .sampler = r->params->sampler,
                                .steps = r->steps,
                                .compat = (enum compat)r->params->compat,
                                .sigma = r->sigma,
                                .levels = &r->p->levels,
                                .denoise = denoise,
                                .noise = noise,
                                .stepped = stepped,
                                .user = r};
}

static int sample(struct run *r, struct tensor *x)
{
    struct sampler_run s = sampling(r);
    first_noise(r, x);
    if (prepare(r) < 0)
        return -1;
    r->step_began = clock_ms();
    int rc = sampler_run(&s, x);
    unet_finish(r->p->ops, &r->unet_run);
    return rc;
}

/* ---- before and after ---- */

/* The same prompt for all images, or one for each. */
static const char *const *for_each(const char *const *each, const char *same, const char **list,
                                   int images)
{
    for (int i = 0; i < images; i++)
        list[i] = each ? each[i] : same ? same : "";
    return list;
}

static int plan_text(struct run *r)
{
    const struct gen_params *g = r->params;
    const char *prompts[MAX_BATCH], *negatives[MAX_BATCH];
    struct conditioning_request q = {
        .prompts = for_each(g->prompts, g->prompt, prompts, g->batch),
        .negatives = for_each(g->negatives, g->negative, negatives, g->batch),
        .images = g->batch,
        .guided = g->cfg != 1.0f || sampler_needs_uncond(g->sampler),
        .zeros = conditioning_zeros((enum empty_negative)g->empty_negative, (enum compat)g->compat,
                                    r->p->config->zeros_for_empty_prompt),
        .compat = (enum compat)g->compat,
        .steps = conditioning_steps(r->steps, r->calls)};
    for (int i = 0; i < g->batch; i++)
        for (int k = 0; k < 2; k++) {
            enum prompt_syntax syntax = (enum prompt_syntax)g->compat;
            const char *what = prompt_ignored_syntax(syntax, k ? negatives[i] : prompts[i]);
            if (what)
                notes_add(&r->out->notes,
                          "%s in the prompt is plain text to %s; --compat a1111 "
                          "reads it",
                          what, compat_name(g->compat));
        }
    return conditioning_plan(&r->cond, &q, r->err);
}

static int encode_text(struct run *r)
{
    const struct gen_params *g = r->params;
    const struct text_encoders *t = &r->p->text;
    int width[2] = {t->clip[0].config.hidden, t->clip[1].config.hidden};
    struct text_rules rules = {.compat = (enum compat)g->compat,
                               .clip_skip = g->clip_skip,
                               .embeddings = &r->embeddings,
                               .notes = &r->out->notes};
    if (embeddings_open(&r->embeddings, g->embeddings, width, r->err) < 0 ||
        conditioning_encode(&r->cond, t, r->p->ops, &rules, &r->text, r->err) < 0)
        return -1;
    memcpy(r->out->tokens, r->text.counted, sizeof r->out->tokens);
    return r->p->ops->sync(r->p->ops, r->err);
}

/* -1..1 to 0..255. */
static void to_bytes(const float *in, size_t count, uint8_t *out)
{
    for (size_t i = 0; i < count; i++) {
        float v = in[i] * 127.5f + 127.5f;
        out[i] = v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
    }
}

/* One image after the other: the decoder's widest layers are what takes the most memory of all. */
static int decode(struct run *r, const struct tensor *latents)
{
    int w = r->params->width, h = r->params->height, rc = 0;
    size_t count = (size_t)w * (size_t)h * 3, bad = 0;
    float *pixels = malloc(count * sizeof *pixels);
    r->out->rgb = malloc(count * (size_t)latents->n);
    if (!pixels || !r->out->rgb)
        rc = err_set(r->err, "out of memory for the image of %dx%d", w, h);
    for (int i = 0; i < latents->n && rc == 0; i++) {
        struct tensor one = tensor_images(*latents, i, 1);
        rc = decode_image(r->p, &one, w, h, pixels, &r->out->notes, r->err);
        if (rc == 0) {
            bad += count_bad(pixels, count);
            to_bytes(pixels, count, r->out->rgb + (size_t)i * count);
        }
        if (rc == 0 && !tell(r, "decode", i + 1, latents->n, 0))
            rc = -1;
    }
    free(pixels);
    if (rc == 0 && bad)
        rc = err_set(r->err,
                     "the model produced %zu values that are no numbers; try --precision fp32, or "
                     "another model",
                     bad);
    r->out->count = rc == 0 ? latents->n : 0;
    return rc;
}

static int run_stages(struct run *r, struct tensor *x)
{
    struct gen_times *ms = &r->out->ms;
    double t = clock_ms();
    if (!enter(r, "text", 0) || encode_text(r) < 0)
        return -1;
    ms->text = lap(&t);
    if (!enter(r, "sample", r->steps) || sample(r, x) != 0)
        return -1;
    ms->sample = lap(&t);
    if (!enter(r, "decode", x->n) || decode(r, x) < 0)
        return -1;
    ms->decode = lap(&t);
    return 0;
}

/* The sigmas that are visited, and those at which the model is asked. */
static int plan_steps(struct run *r)
{
    const struct gen_params *g = r->params;
    if (g->sigmas && *g->sigmas)
        r->steps = sigmas_parse(g->sigmas, r->sigma, r->err);
    else
        r->steps = sampler_sigmas(&r->p->levels, g->sampler, g->scheduler, g->steps,
                                  (enum compat)g->compat, r->sigma);
    if (r->steps < 0)
        return -1;
    struct sampler_run s = sampling(r);
    r->calls = sampler_calls(&s, r->call_sigma);
    return 0;
}

/* Host memory of the run, freed by give_back. */
static int take(struct run *r, const struct tensor *x)
{
    const struct gen_params *g = r->params;
    int last = r->sigma[r->steps] > 0 ? r->steps : r->steps - 1;
    struct noise_setup s = {.compat = (enum compat)g->compat,
                            .rng = (enum rng_kind)g->rng,
                            .seed = g->seed,
                            .n = x->n,
                            .c = x->c,
                            .h = x->h,
                            .w = x->w,
                            .brownian = sampler_noise(g->sampler) == NOISE_BROWNIAN,
                            .threads = r->p->threads,
                            .sigma_low = r->sigma[last],
                            .sigma_high = r->sigma[0]};
    r->host = calloc((size_t)tensor_count(x), sizeof *r->host);
    r->out->ms.steps = calloc((size_t)r->steps, sizeof *r->out->ms.steps);
    if (!r->host || !r->out->ms.steps)
        return err_set(r->err, "out of memory for %d images of %dx%d", g->batch, g->width,
                       g->height);
    want_previews(r, x->w, x->h);
    return (r->noise = noise_open(&s, r->err)) ? 0 : -1;
}

static void give_back(struct run *r)
{
    text_states_free(&r->text);
    conditioning_free(&r->cond);
    embeddings_free(&r->embeddings);
    noise_close(r->noise);
    preview_free(r->seen);
    free(r->host);
}

int pipeline_generate(struct run *r)
{
    struct ops *o = r->p->ops;
    const struct gen_params *g = r->params;
    const struct model_config *m = r->p->config;
    int f = m->vae_factor, z = m->vae.latent_channels;
    r->out->width = g->width, r->out->height = g->height;
    if (plan_steps(r) < 0 || plan_text(r) < 0) {
        conditioning_free(&r->cond);
        return -1;
    }
    struct tensor x = o->alloc_as(o, DT_F32, g->batch, g->height / f, g->width / f, z);
    int rc = take(r, &x) < 0 ? -1 : run_stages(r, &x);
    o->release(o, &x);
    give_back(r);
    if (r->out->cancelled)
        return err_set(r->err, "cancelled");
    return rc;
}

/* Everything asks p->ops, so the profile takes its place for the run; weights and tensors are the
 * backend's all the while. */
static int generate_profiled(struct run *r)
{
    struct pipeline *p = r->p;
    struct ops *plain = p->ops;
    if (!p->profile && !(p->profile = ops_profile_open(plain, r->err)))
        return -1;
    ops_profile_reset(p->profile);
    p->ops = p->profile;
    int rc = pipeline_generate(r);
    p->ops = plain;
    return rc;
}

int pipeline_profile(const struct pipeline *p, struct op_profile *rows, int max)
{
    return p->profile ? ops_profile_rows(p->profile, rows, max) : 0;
}

int pipeline_run(struct pipeline *p, const struct gen_params *g, const struct gen_hooks *hooks,
                 struct gen_result *out, struct err *e)
{
    struct run r = {.p = p, .params = g, .hooks = hooks, .out = out, .err = e};
    *out = (struct gen_result){.ms = {.load = p->load_ms}};
    if (gen_params_check(p->config, g, e) < 0)
        return -1;
    int rc = pipeline_use_loras(p, g, hooks, out, e);
    if (rc == 0)
        rc = pipeline_reserve(p, g, e);
    if (rc == 0)
        rc = g->profile ? generate_profiled(&r) : pipeline_generate(&r);
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
