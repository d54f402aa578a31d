/*
 * Samplers of an exported workflow, see comfy_export.h.
 *
 * KSampler and KSamplerAdvanced say all that most settings say. A list of noise levels and Align
 * Your Steps are values of their own in ComfyUI: ManualSigmas or AlignYourStepsScheduler into
 * SamplerCustom with KSamplerSelect, cut by SplitSigmas where a part is taken
 * (comfy_extras/nodes_custom_sampler.py, nodes_align_your_steps.py). No node of ComfyUI's own
 * samples by TCD.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_export_priv.h"
#include "import/comfy_sampler.h"
#include "sdxl/sampler.h"
#include "sdxl/schedule.h"

/* Levels that a node gives. */
struct levels {
    int node, slot;
};

/* Steps from `start` to the end of a schedule of `total`. */
struct span {
    int total, start;
};

static bool is_listed(const struct settings *s)
{
    return comfy_text_or(s, "sigmas", NULL) != NULL;
}

static bool is_aligned(const struct settings *s)
{
    return !strcmp(comfy_text_or(s, "scheduler", ""), "align_your_steps");
}

int comfy_samplers_check(const struct settings *s, struct err *e)
{
    if (!strcmp(comfy_text_or(s, "sampler", ""), "tcd"))
        return err_set(e, "sampler tcd: ComfyUI's own nodes have no sampler of that kind");
    float sigma[MAX_STEPS + 1];
    return is_listed(s) && sigmas_parse(s->sigmas, sigma, e) < 0 ? -1 : 0;
}

/* ---- levels as values ---- */

/* Without exponents, which ManualSigmas would read as two numbers; the fewest digits that read back
 * as the same number. */
static void print_level(FILE *f, float x)
{
    char text[64];
    for (int digits = 1; digits <= 12; digits++) {
        snprintf(text, sizeof text, "%.*f", digits, (double)x);
        if (strtof(text, NULL) == x)
            break;
    }
    fputs(text, f);
}

static void put_list(struct comfy_writer *x, const float *sigma, int n)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    for (int i = 0; f && i < n; i++) {
        if (i > 0)
            fputs(", ", f);
        print_level(f, sigma[i]);
    }
    if (f && fclose(f) == 0)
        jsonw_string(&x->w, "sigmas", text);
    else
        x->r->failed = true;
    free(text);
}

/* Of the schedule, where no node gives what a sampler that ComfyUI spares a level has here. */
static int spared_levels(const struct settings *s, int total, float *sigma)
{
    static const struct schedule_config sdxl = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    static _Thread_local struct noise_levels trained;
    noise_levels_init(&trained, &sdxl);
    return sampler_sigmas(&trained, sampler_by_name(s->sampler), schedule_by_name(s->scheduler),
                          total < MAX_STEPS ? total : MAX_STEPS, COMPAT_COMFYUI, sigma);
}

static struct levels split(struct comfy_writer *x, struct levels from, int at, int slot)
{
    int node = comfy_open(x, "SplitSigmas");
    comfy_put_link(x, "sigmas", from.node, from.slot);
    comfy_put_int(x, "step", at);
    comfy_close(x);
    return (struct levels){node, slot};
}

/* All that is taken of a schedule, or of the list. */
static struct levels levels(struct comfy_writer *x, struct span p, bool listed)
{
    float sigma[MAX_STEPS + 1];
    struct levels l = {.slot = 0};
    struct err e;
    if (listed || comfy_is_spared(comfy_text_or(x->s, "sampler", ""))) {
        int n = listed ? sigmas_parse(x->s->sigmas, sigma, &e)
                       : spared_levels(x->s, p.total, sigma);
        l.node = comfy_open(x, "ManualSigmas");
        put_list(x, sigma, n + 1);
    } else {
        l.node = comfy_open(x, "AlignYourStepsScheduler");
        jsonw_string(&x->w, "model_type", "SDXL");
        comfy_put_int(x, "steps", p.total);
        jsonw_real(&x->w, "denoise", 1, 10);
    }
    comfy_close(x);
    return p.start > 0 ? split(x, l, p.start, 1) : l;
}

/* Trees that a GPU draws are a name of their own. */
static void put_sampler_name(struct comfy_writer *x)
{
    const char *name = comfy_text_or(x->s, "sampler", "");
    const char *on_gpu = sampler_on_gpu(sampler_by_name(name));
    bool gpu = on_gpu && !strcmp(comfy_text_or(x->s, "rng", ""), "gpu");
    jsonw_string(&x->w, "sampler_name", gpu ? on_gpu : name);
}

static int custom(struct comfy_writer *x, int latent_image, struct levels l, bool noise)
{
    int select = comfy_open(x, "KSamplerSelect");
    put_sampler_name(x);
    comfy_close(x);
    int node = comfy_open(x, "SamplerCustom");
    comfy_put_link(x, "model", x->model, 0);
    jsonw_bool(&x->w, "add_noise", noise);
    jsonw_u64(&x->w, "noise_seed", x->s->seed);
    jsonw_real(&x->w, "cfg", x->cfg, 10);
    comfy_put_link(x, "positive", x->positive, 0);
    comfy_put_link(x, "negative", x->negative, x->negative_slot);
    comfy_put_link(x, "sampler", select, 0);
    comfy_put_link(x, "sigmas", l.node, l.slot);
    comfy_put_link(x, "latent_image", latent_image, 0);
    comfy_close(x);
    return node;
}

/* ---- the samplers that have it all in one ---- */

/* What both of them take. */
static void put_sampling(struct comfy_writer *x, int latent_image, int steps)
{
    const struct settings *s = x->s;
    comfy_put_int(x, "steps", steps);
    jsonw_real(&x->w, "cfg", x->cfg, 10);
    put_sampler_name(x);
    jsonw_string(&x->w, "scheduler", s->scheduler);
    comfy_put_link(x, "positive", x->positive, 0);
    comfy_put_link(x, "negative", x->negative, x->negative_slot);
    comfy_put_link(x, "latent_image", latent_image, 0);
}

static int sampler(struct comfy_writer *x, int latent_image, int steps, double denoise)
{
    int node = comfy_open(x, "KSampler");
    comfy_put_link(x, "model", x->model, 0);
    jsonw_u64(&x->w, "seed", x->s->seed);
    put_sampling(x, latent_image, steps);
    jsonw_real(&x->w, "denoise", denoise, 10);
    comfy_close(x);
    return node;
}

/* One of those that share the steps of a schedule of `total`. */
static int advanced(struct comfy_writer *x, int latent_image, int total, int from, int to,
                    bool first)
{
    bool last = to >= total;
    int node = comfy_open(x, "KSamplerAdvanced");
    comfy_put_link(x, "model", x->model, 0);
    jsonw_string(&x->w, "add_noise", first ? "enable" : "disable");
    jsonw_u64(&x->w, "noise_seed", x->s->seed);
    put_sampling(x, latent_image, total);
    comfy_put_int(x, "start_at_step", from);
    comfy_put_int(x, "end_at_step", last ? 10000 : to);
    jsonw_string(&x->w, "return_with_leftover_noise", last ? "disable" : "enable");
    comfy_close(x);
    return node;
}

/* ---- passes ---- */

/* ComfyUI's KSampler.set_steps. */
static struct span span_of(int steps, double denoise)
{
    int total = denoise > 0.9999 || denoise <= 0 ? steps : (int)fmin(steps / denoise, 1e9);
    return (struct span){total, denoise <= 0 ? total : total - steps};
}

/* ---- guidance in a part of the steps ---- */

/* The first step, of all, that is at the share or beyond it: sample.c's in_interval. */
static int step_at(double share, int all)
{
    int step = 0;
    while (step < all && (double)step / all < share)
        step++;
    return step;
}

/* The steps [from, to) are guided. */
static void guided_part(const struct settings *s, int total, int *from, int *to)
{
    bool ends = settings_has(s, "cfg-end") && s->cfg_end > 0 && s->cfg != 1;
    bool starts = settings_has(s, "cfg-start") && s->cfg != 1;
    *from = starts ? step_at(s->cfg_start, total) : 0;
    *to = ends ? step_at(s->cfg_end, total) : total;
}

bool comfy_samplers_cut(const struct settings *s)
{
    /* These may have more steps, or fewer, than they are asked for. */
    static const char *const loose[] = {"ddim_uniform", "beta"};
    const char *schedule = comfy_text_or(s, "scheduler", "");
    return !comfy_text_or(s, "refiner", NULL) && !is_listed(s) && !is_aligned(s) &&
           strcmp(schedule, loose[0]) != 0 && strcmp(schedule, loose[1]) != 0;
}

/* What a sampler knows of the steps before, the second of two does not. */
static void note_cut(struct comfy_writer *x)
{
    static const char *const alone[] = {"euler", "euler_cfg_pp", "heun", "dpm_2", "ddim"};
    const char *name = comfy_text_or(x->s, "sampler", "");
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (!strcmp(alone[i], name))
            return;
    recipe_note(x->r,
                "cfg_start, cfg_end: a sampler for each part, as ComfyUI has no such setting; %s "
                "begins anew in each, so the picture will be a little different",
                name);
}

/* A sampler for each part of the steps that is guided or not; one where all are alike. */
static int parts(struct comfy_writer *x, int from, struct span p, double denoise)
{
    int at[4] = {p.start, 0, 0, p.total}, last = from, made = 0;
    guided_part(x->s, p.total, &at[1], &at[2]);
    for (int i = 1; i < 3; i++)
        at[i] = at[i] < p.start ? p.start : at[i] > p.total ? p.total : at[i];
    for (int i = 0; i < 3; i++) {
        if (at[i + 1] <= at[i])
            continue;
        x->cfg = i == 1 ? x->s->cfg : 1;
        bool whole = at[i] == p.start && at[i + 1] == p.total;
        last = whole ? sampler(x, last, p.total - p.start, denoise)
                     : advanced(x, last, p.total, at[i], at[i + 1], made++ == 0);
    }
    x->cfg = x->s->cfg;
    if (made > 0)
        note_cut(x);
    return last == from ? sampler(x, from, x->s->steps, denoise) : last;
}

static int refiner_text(struct comfy_writer *x, const char *text, double score)
{
    int node = comfy_open(x, "CLIPTextEncodeSDXLRefiner");
    comfy_put_link(x, "clip", x->clip, x->clip_slot);
    jsonw_real(&x->w, "ascore", score, 10);
    comfy_put_int(x, "width", x->s->width);
    comfy_put_int(x, "height", x->s->height);
    jsonw_string(&x->w, "text", text);
    comfy_close(x);
    return node;
}

/* The steps before `at` are the base model's. */
static int refined(struct comfy_writer *x, int from, struct span p, bool valued)
{
    const struct settings *s = x->s;
    double share = settings_has(s, "refiner-switch") ? s->refiner_switch : 0.8;
    int at = (int)floor(share * p.total + 0.5), base, last;
    int model = x->model, clip = x->clip, clip_slot = x->clip_slot;
    int positive = x->positive, negative = x->negative, negative_slot = x->negative_slot;
    at = at < p.start ? p.start : at > p.total ? p.total : at;
    struct levels l = {.node = 0};
    if (valued)
        l = split(x, levels(x, p, is_listed(s)), at - p.start, 0);
    base = valued ? custom(x, from, l, true) : advanced(x, from, p.total, p.start, at, true);
    x->model = x->clip = comfy_checkpoint(x, s->refiner);
    x->clip_slot = 1;
    x->positive = refiner_text(x, x->prompt, settings_has(s, "aesthetic") ? s->aesthetic : 6);
    double score = settings_has(s, "negative-aesthetic") ? s->negative_aesthetic : 2.5;
    x->negative = comfy_zeros(x, refiner_text(x, comfy_text_or(s, "negative", ""), score));
    x->negative_slot = 0;
    l.slot = 1;
    last = valued ? custom(x, base, l, false) : advanced(x, base, p.total, at, p.total, false);
    x->model = model; /* a second pass is the base model's */
    x->positive = positive;
    x->negative = negative;
    x->negative_slot = negative_slot;
    x->clip = clip;
    x->clip_slot = clip_slot;
    return last;
}

static int sample(struct comfy_writer *x, int from)
{
    const struct settings *s = x->s;
    float sigma[MAX_STEPS + 1];
    struct err e;
    bool listed = is_listed(s), valued = listed || is_aligned(s);
    double denoise = settings_has(s, "denoise") ? s->denoise : 1;
    struct span p = span_of(s->steps, denoise);
    if (listed) /* it says itself where to begin */
        p = (struct span){sigmas_parse(s->sigmas, sigma, &e), 0};
    if (comfy_text_or(s, "refiner", NULL))
        return refined(x, from, p, valued);
    if (comfy_samplers_cut(s))
        return parts(x, from, p, denoise);
    return valued ? custom(x, from, levels(x, p, listed), true)
                  : sampler(x, from, s->steps, denoise);
}

/* A second, larger pass over latents; pixels are left to a note. */
static int hires(struct comfy_writer *x, int first)
{
    const struct settings *s = x->s;
    static const char *const methods[][2] = {{"latent_nearest", "nearest-exact"},
                                             {"latent_nearest_exact", "nearest-exact"},
                                             {"latent_bilinear", "bilinear"},
                                             {"latent_bicubic", "bicubic"}};
    bool sized = settings_has(s, "hires-size");
    const char *said = comfy_text_or(s, "hires-upscale", "latent_bilinear"), *method = NULL;
    if (!sized && (!settings_has(s, "hires") || s->hires <= 1))
        return first;
    for (int i = 0; i < 4; i++)
        if (!strcmp(methods[i][0], said))
            method = methods[i][1];
    if (!method)
        recipe_note(x->r, "hires_upscale = %s: a second pass over pixels is not exported", said);
    if (!method)
        return first;
    int up = comfy_open(x, sized ? "LatentUpscale" : "LatentUpscaleBy");
    comfy_put_link(x, "samples", first, 0);
    jsonw_string(&x->w, "upscale_method", method);
    if (sized) {
        comfy_put_int(x, "width", s->hires_size[0]);
        comfy_put_int(x, "height", s->hires_size[1]);
        jsonw_string(&x->w, "crop", "disabled");
    } else {
        jsonw_real(&x->w, "scale_by", s->hires, 10);
    }
    comfy_close(x);
    int steps = settings_has(s, "hires-steps") && s->hires_steps ? s->hires_steps : s->steps;
    double denoise = settings_has(s, "hires-denoise") ? s->hires_denoise : 0.7;
    if (is_aligned(s)) /* a list is the first pass's alone */
        return custom(x, up, levels(x, span_of(steps, denoise), false), true);
    return comfy_samplers_cut(s) ? parts(x, up, span_of(steps, denoise), denoise)
                                 : sampler(x, up, steps, denoise);
}

int comfy_samplers(struct comfy_writer *x, int latent)
{
    x->cfg = x->s->cfg;
    return hires(x, sample(x, latent));
}
