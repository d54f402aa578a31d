/* What A1111's settings mean here; see a1111.h. Names: A1111's modules/processing.py
 * (create_infotext), sd_samplers*.py, sd_schedulers.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "import/a1111_priv.h"
#include "sdxl/compat.h"
#include "sdxl/sampler.h"

/* ---- sampler and schedule ---- */

/* What "Automatic" means, by sampler; for others it is Uniform. (Those of the time before Karras
 * had a list of its own, DDIM and UniPC, walk the training steps evenly.) */
static const char *const automatic[][2] = {
    {"dpmpp_2m", "karras"},          {"dpmpp_sde", "karras"},
    {"dpmpp_2m_sde", "exponential"}, {"dpmpp_2s_ancestral", "karras"},
    {"dpmpp_3m_sde", "exponential"}, {"dpm_2", "karras"},
    {"dpm_2_ancestral", "karras"},   {"ddim", "ddim_uniform"},
    {"uni_pc", "ddim_uniform"},
};

static const char *automatic_schedule(const char *sampler)
{
    for (size_t i = 0; i < sizeof automatic / sizeof *automatic; i++)
        if (!strcmp(automatic[i][0], sampler))
            return automatic[i][1];
    return "normal";
}

/* "dpmpp_2m_sde_karras": ComfyUI's names, as nodes that save A1111's text there join them. */
static void joined_names(const char *said, int *sampler, int *schedule)
{
    char first[80];
    for (const char *bar = strchr(said, '_'); bar && *sampler < 0; bar = strchr(bar + 1, '_')) {
        int as = schedule_by_name(bar + 1);
        snprintf(first, sizeof first, "%.*s", (int)(bar - said < 79 ? bar - said : 79), said);
        *sampler = as >= 0 ? sampler_by_name(first) : -1;
        if (*sampler >= 0)
            *schedule = as;
    }
}

static void set_sampler(struct recipe *r, const struct a1111 *a)
{
    const char *said = a1111_get(a, "Sampler"), *type = a1111_get(a, "Schedule type");
    int sampler = said ? sampler_by_name(said) : -1, schedule = -1;
    if (said && sampler < 0) /* "DPM++ 2M Karras", as files before A1111 1.9 have it */
        sampler_with_schedule(said, &sampler, &schedule);
    if (said && sampler < 0)
        joined_names(said, &sampler, &schedule);
    if (said && sampler < 0 && (sampler = sampler_by_gpu_name(said)) >= 0)
        recipe_set(r, "rng", "gpu");
    if (said && sampler < 0)
        recipe_note(r, "Sampler: %.80s: there is none of that name here", said);
    if (sampler >= 0)
        recipe_set(r, "sampler", sampler_name(sampler));
    if (schedule < 0 && type && strcasecmp(type, "Automatic") != 0) {
        const char *as = !strcasecmp(type, "Polyexponential") ? "exponential" : type;
        schedule = schedule_by_name(as); /* A1111's default rho is 1: the same */
        if (schedule < 0)
            recipe_note(r, "Schedule type: %.80s: there is none of that name here", type);
    }
    if (sampler < 0 && schedule < 0)
        return;
    const char *own = sampler >= 0 ? automatic_schedule(sampler_name(sampler)) : "normal";
    if (schedule >= 0)
        own = schedule_name(schedule);
    else if (!type && strcmp(own, "ddim_uniform") != 0)
        own = "normal"; /* before 1.9 a schedule that is not named is the uniform one */
    recipe_set(r, "scheduler", own);
}

/* ---- noise ---- */

static void set_noise(struct recipe *r, const struct a1111 *a)
{
    const char *rng = a1111_get(a, "RNG"), *compat = a1111_get(a, "Compat");
    const char *version = a1111_get(a, "Version");
    bool comfy = version && !strncasecmp(version, "ComfyUI", 7);
    if (compat && compat_by_name(compat) >= 0) /* our own files */
        recipe_set(r, "compat", compat_name(compat_by_name(compat)));
    else
        recipe_set(r, "compat", comfy ? "comfyui" : "a1111");
    if (strcmp(recipe_get(r, "compat"), "a1111") != 0)
        return;
    if (rng && !strcasecmp(rng, "CPU"))
        recipe_set(r, "rng", "cpu");
    else if (rng && strcasecmp(rng, "GPU") != 0 && strcasecmp(rng, "NV") != 0)
        recipe_note(r, "RNG: %.60s: there is none of that name here", rng);
}

/* ---- the rest ---- */

void a1111_set_file(struct recipe *r, const char *key, const char *file)
{
    char name[256];
    recipe_file_name(r, file, name);
    char *hash = strstr(name, " ["); /* "sd_xl_refiner_1.0 [7440042bbd]" */
    if (hash && name[strlen(name) - 1] == ']')
        *hash = '\0';
    char *end = strstr(name, ".safetensors");
    if (end)
        *end = '\0';
    recipe_set(r, key, name);
}

static bool has_hires(const struct a1111 *a)
{
    return a1111_get(a, "Hires upscale") || a1111_get(a, "Hires resize");
}

static void set_image(struct recipe *r, const struct a1111 *a, const char *strength)
{
    if (has_hires(a)) {
        recipe_set(r, "hires-denoise", strength);
        return;
    }
    recipe_set(r, "denoise", strength);
    recipe_note(r, "Denoising strength: it was made from a picture, which is not in the text; "
                   "name it with --image");
}

static void set_choice(struct recipe *r, const char *label, const char *key, const char *value,
                       const char *const (*list)[2])
{
    for (; (*list)[0]; list++) {
        if (!strcasecmp((*list)[0], value)) {
            recipe_set(r, key, (*list)[1]);
            return;
        }
    }
    recipe_note(r, "%s: %.80s has no setting here", label, value);
}

static const char *const upscalers[][2] = {
    {"Latent", "latent_bilinear"},
    {"Latent (bilinear)", "latent_bilinear"},
    {"Latent (bicubic)", "latent_bicubic"},
    {"Latent (nearest)", "latent_nearest"},
    {"Latent (nearest-exact)", "latent_nearest_exact"},
    {"Latent (antialiased)", "latent_bilinear"}, /* which differ where a picture shrinks */
    {"Latent (bicubic antialiased)", "latent_bicubic"},
    {"Lanczos", "lanczos"},
    {"Nearest", "nearest"},
    {"Bilinear", "bilinear"}, /* ours alone */
    {"Bicubic", "bicubic"},
    {NULL, NULL},
};
static const char *const contents[][2] = {{"original", "original"},
                                          {"latent noise", "noise"},
                                          {"latent nothing", "nothing"},
                                          {NULL, NULL}};

/* All others are models, which enlarge pixels: so do we, rather than latents, which need more of a
 * denoising strength than such a picture had. */
static void set_upscaler(struct recipe *r, const char *name)
{
    for (int i = 0; upscalers[i][0]; i++) {
        if (!strcasecmp(upscalers[i][0], name)) {
            recipe_set(r, "hires-upscale", upscalers[i][1]);
            return;
        }
    }
    recipe_set(r, "hires-upscale", "lanczos");
    recipe_note(r, "Hires upscaler: %.80s is a model or unknown here; Lanczos is used", name);
}

/* Copied as they are. */
static const char *const plain[][2] = {
    {"Steps", "steps"},
    {"CFG scale", "cfg"},
    {"Seed", "seed"},
    {"Size", "size"},
    {"Hires upscale", "hires"},
    {"Hires resize", "hires-size"},
    {"Hires steps", "hires-steps"},
    {"Mask blur", "mask-blur"},
    {"Refiner switch at", "refiner-switch"},
};

/* Read elsewhere, or nothing that changes the picture. */
static const char *const quiet[] = {
    "Sampler",         "Schedule type", "RNG",       "Compat", "Version",    "Model hash",
    "VAE hash",        "Lora hashes",   "TI hashes", "User",   "Batch size", "Batch pos",
    "Init image hash",
};

static bool is_quiet(const char *key)
{
    for (size_t i = 0; i < sizeof quiet / sizeof *quiet; i++)
        if (!strcmp(quiet[i], key))
            return true;
    return false;
}

static bool is_ours(const struct a1111 *a)
{
    const char *version = a1111_get(a, "Version");
    return version && !strncmp(version, "spritty ", 8);
}

/* Which pass A1111 refined, where there are two; here it is the first. It says so only when it was
 * not the second (hires_fix_refiner_pass in modules/shared_options.py, apply_refiner in
 * modules/sd_samplers_common.py). */
static void note_refined_pass(struct recipe *r, const struct a1111 *a)
{
    const char *said = a1111_get(a, "Hires refiner");
    if (!a1111_get(a, "Refiner") || !has_hires(a) || is_ours(a))
        return;
    if (!said || strcasecmp(said, "first pass") != 0)
        recipe_note(r, "Refiner: A1111 refined %.40s; here it is the first",
                    said ? said : "the second pass");
}

/* "Full" is the VAE. A1111 may encode by another one than it decodes by. */
static void set_coder(struct recipe *r, const struct a1111 *a, const char *key, const char *value)
{
    const char *decoder = a1111_get(a, "VAE Decoder");
    if (!strcmp(key, "VAE Decoder")) {
        if (!strcmp(value, "TAESD"))
            recipe_set(r, "vae", "taesdxl");
    } else if (strcmp(value, decoder ? decoder : "Full") != 0) {
        recipe_note(r, "VAE Encoder: %.40s; here a picture is encoded by what decodes it", value);
    }
}

/* "Module 1": Forge's VAE and text encoders, which only their files' names tell apart. */
static bool is_vae_module(const char *key, const char *value)
{
    return !strncmp(key, "Module ", 7) && key[7] >= '1' && key[7] <= '9' && !key[8] &&
           strcasestr(value, "vae");
}

/* A1111 passes SDXL's hidden state over whatever its clip skip says (sdxl_clip_l_skip is off). */
static void set_pair(struct recipe *r, const struct a1111 *a, const char *key, const char *value)
{
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        if (!strcmp(plain[i][0], key)) {
            recipe_set(r, plain[i][1], value);
            return;
        }
    }
    if (!strcmp(key, "Model"))
        a1111_set_file(r, "model", value);
    else if (!strcmp(key, "Refiner"))
        a1111_set_file(r, "refiner", value);
    else if (!strcmp(key, "VAE") && strcasecmp(value, "Automatic") && strcasecmp(value, "None"))
        a1111_set_file(r, "vae", value);
    else if (is_vae_module(key, value))
        a1111_set_file(r, "vae", value);
    else if (!strcmp(key, "VAE Decoder") || !strcmp(key, "VAE Encoder"))
        set_coder(r, a, key, value);
    else if (!strcmp(key, "Denoising strength"))
        set_image(r, a, value);
    else if (!strcmp(key, "Hires upscaler"))
        set_upscaler(r, value);
    else if (!strcmp(key, "Masked content"))
        set_choice(r, key, "mask-content", value, contents);
    else if (!strcmp(key, "Tiling") && !strcasecmp(value, "True"))
        recipe_set(r, "tiling", "xy");
    else if (!strcmp(key, "Tiling") && is_ours(a))
        recipe_set(r, "tiling", value);
    else if (!strcmp(key, "Clip skip") && is_ours(a))
        recipe_set(r, "clip-skip", value);
    else if (!strcmp(key, "Clip skip") || !strcmp(key, "Hires refiner"))
        return; /* the latter: note_refined_pass */
    else if (a1111_is_control(key))
        a1111_set_control(r, key, value, is_ours(a));
    else if (!is_quiet(key))
        recipe_note(r, "%.60s: %.120s has no setting here", key, value);
}

int a1111_import(const char *text, struct recipe *r, struct err *e)
{
    struct a1111 a;
    r->source = "A1111 parameters";
    if (a1111_parse(text, &a, e)) {
        a1111_free(&a);
        return -1;
    }
    recipe_set(r, "prompt", a.prompt);
    recipe_set(r, "negative", a.negative);
    recipe_literal(r);
    if (a.pairs) {
        for (int i = 0; i < a.pairs; i++)
            set_pair(r, &a, a.pair[i].key, a.pair[i].value);
        set_sampler(r, &a);
        set_noise(r, &a);
        note_refined_pass(r, &a);
        const char *batch = a1111_get(&a, "Batch size");
        /* There each image has a seed of its own; elsewhere one seed makes the whole batch. */
        if (batch && strcmp(recipe_get(r, "compat"), "a1111") != 0)
            recipe_set(r, "batch", batch);
    } else {
        recipe_note(r, "there is no line of settings: all of it is taken for the prompt");
    }
    a1111_free(&a);
    return r->failed ? err_set(e, "out of memory") : 0;
}
