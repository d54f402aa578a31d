/* See comfy_export.h. Nodes are numbered as they are written, so every link points backwards. */
#include "import/comfy_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonw.h"
#include "prompt/lora_list.h"
#include "sdxl/compat.h"

struct writer {
    struct jsonw w;
    const struct settings *s;
    struct recipe *r;
    char *prompt; /* without the tags of LoRAs */
    int last;     /* the number of the last node */
    int model, clip, clip_slot, vae, vae_slot, positive, negative, latent;
};

static int open_node(struct writer *x, const char *type)
{
    char id[16];
    snprintf(id, sizeof id, "%d", ++x->last);
    jsonw_open(&x->w, id, '{');
    jsonw_string(&x->w, "class_type", type);
    jsonw_open(&x->w, "inputs", '{');
    return x->last;
}

static void close_node(struct writer *x)
{
    jsonw_close(&x->w, '}');
    jsonw_close(&x->w, '}');
}

static void put_link(struct writer *x, const char *name, int node, int slot)
{
    char id[16];
    snprintf(id, sizeof id, "%d", node);
    jsonw_open(&x->w, name, '[');
    jsonw_string(&x->w, NULL, id);
    jsonw_u64(&x->w, NULL, (uint64_t)slot);
    jsonw_close(&x->w, ']');
}

static void put_int(struct writer *x, const char *name, int value)
{
    jsonw_real(&x->w, name, value, 0);
}

static const char *text_or(const struct settings *s, const char *key, const char *otherwise)
{
    const char *text = settings_text(s, key);
    return text && *text ? text : otherwise;
}

/* "pixel-art.safetensors" */
static void put_file(struct writer *x, const char *name, const char *value)
{
    char file[512];
    size_t n = strlen(value);
    bool ends = n > 12 && !strcmp(value + n - 12, ".safetensors");
    snprintf(file, sizeof file, "%.400s%s", value, ends ? "" : ".safetensors");
    jsonw_string(&x->w, name, file);
}

/* ---- nodes ---- */

static int checkpoint(struct writer *x, const char *model)
{
    int node = open_node(x, "CheckpointLoaderSimple");
    put_file(x, "ckpt_name", model);
    close_node(x);
    return node;
}

static void lora_node(struct writer *x, const char *name, double unet, double text)
{
    int node = open_node(x, "LoraLoader");
    put_link(x, "model", x->model, 0);
    put_link(x, "clip", x->clip, x->clip_slot);
    put_file(x, "lora_name", name);
    jsonw_real(&x->w, "strength_model", unet, 10);
    jsonw_real(&x->w, "strength_clip", text, 10);
    close_node(x);
    x->model = x->clip = node;
    x->clip_slot = 1;
}

/* Those of the setting, then those of the prompt, whose tags ComfyUI would read as words. *plain:
 * the prompt without them (malloc'd). */
static int loras(struct writer *x, char **plain, struct err *e)
{
    struct lora_item *item = calloc(LORA_ITEMS, sizeof *item);
    struct prompt_tags tags = {.count = 0};
    const char *list = text_or(x->s, "lora", NULL);
    int n = item ? 0 : err_set(e, "out of memory");
    if (n == 0 && list)
        n = lora_list_parse(list, item, e);
    if (n >= 0 && prompt_tags_cut(text_or(x->s, "prompt", ""), false, &tags, e))
        n = -1;
    if (n >= 0)
        n = lora_list_tags(&tags, item, n, e);
    for (int i = 0; i < n; i++)
        lora_node(x, item[i].name, item[i].unet, item[i].text);
    *plain = n >= 0 ? strdup(tags.text) : NULL;
    prompt_tags_free(&tags);
    free(item);
    if (n >= 0 && !*plain)
        return err_set(e, "out of memory");
    return n < 0 ? -1 : 0;
}

static int encode(struct writer *x, const char *text, bool positive)
{
    const struct settings *s = x->s;
    bool sized = positive && settings_has(s, "original-size");
    int node = open_node(x, sized ? "CLIPTextEncodeSDXL" : "CLIPTextEncode");
    put_link(x, "clip", x->clip, x->clip_slot);
    if (sized) {
        bool crop = settings_has(s, "crop"), target = settings_has(s, "target-size");
        put_int(x, "width", s->original_size[0]);
        put_int(x, "height", s->original_size[1]);
        put_int(x, "crop_w", crop ? s->crop[0] : 0);
        put_int(x, "crop_h", crop ? s->crop[1] : 0);
        put_int(x, "target_width", target ? s->target_size[0] : s->width);
        put_int(x, "target_height", target ? s->target_size[1] : s->height);
        jsonw_string(&x->w, "text_g", text);
        jsonw_string(&x->w, "text_l", text);
    } else {
        jsonw_string(&x->w, "text", text);
    }
    close_node(x);
    return node;
}

/* 2, the last but one, is what SDXL's nodes take anyway. */
static void clip_layer(struct writer *x)
{
    char value[16] = "";
    if (settings_key_index("clip-skip") >= 0)
        settings_print(x->s, "clip-skip", value, sizeof value);
    int skip = atoi(value);
    if (skip <= 0 || skip == 2)
        return;
    int from = x->clip;
    x->clip = open_node(x, "CLIPSetLastLayer");
    put_link(x, "clip", from, x->clip_slot);
    put_int(x, "stop_at_clip_layer", -skip);
    close_node(x);
    x->clip_slot = 0;
}

/* No negative prompt as zeros, where that was so; ComfyUI would encode the empty text. */
static int negative(struct writer *x)
{
    const char *text = text_or(x->s, "negative", "");
    const char *empty = text_or(x->s, "empty-negative", "");
    int encoded = encode(x, text, false);
    if (*text || strcmp(empty, "zeros") != 0)
        return encoded;
    int node = open_node(x, "ConditioningZeroOut");
    put_link(x, "conditioning", encoded, 0);
    close_node(x);
    return node;
}

static int load_image(struct writer *x, const char *key)
{
    int node = open_node(x, strcmp(key, "mask") ? "LoadImage" : "LoadImageMask");
    jsonw_string(&x->w, "image", settings_text(x->s, key));
    if (!strcmp(key, "mask"))
        jsonw_string(&x->w, "channel", "red");
    close_node(x);
    return node;
}

static void vae_loader(struct writer *x)
{
    if (!text_or(x->s, "vae", NULL))
        return;
    x->vae = open_node(x, "VAELoader");
    put_file(x, "vae_name", x->s->vae);
    close_node(x);
    x->vae_slot = 0;
}

/* The picture to start from, or nothing. */
static int latent(struct writer *x)
{
    const struct settings *s = x->s;
    if (!text_or(s, "image", NULL)) {
        int node = open_node(x, "EmptyLatentImage");
        put_int(x, "width", s->width);
        put_int(x, "height", s->height);
        put_int(x, "batch_size", settings_has(s, "batch") ? s->batch : 1);
        close_node(x);
        return node;
    }
    int image = load_image(x, "image");
    int mask = text_or(s, "mask", NULL) ? load_image(x, "mask") : 0;
    int scaled = open_node(x, "ImageScale");
    put_link(x, "image", image, 0);
    jsonw_string(&x->w, "upscale_method", "lanczos");
    put_int(x, "width", s->width);
    put_int(x, "height", s->height);
    jsonw_string(&x->w, "crop", "center");
    close_node(x);
    int node = open_node(x, "VAEEncode");
    put_link(x, "pixels", scaled, 0);
    put_link(x, "vae", x->vae, x->vae_slot);
    close_node(x);
    if (mask) {
        int encoded = node;
        node = open_node(x, "SetLatentNoiseMask");
        put_link(x, "samples", encoded, 0);
        put_link(x, "mask", mask, 0);
        close_node(x);
    }
    if (settings_has(s, "batch") && s->batch > 1) {
        int one = node;
        node = open_node(x, "RepeatLatentBatch");
        put_link(x, "samples", one, 0);
        put_int(x, "amount", s->batch);
        close_node(x);
    }
    return node;
}

static int sampler(struct writer *x, int latent_image, int steps, double denoise)
{
    const struct settings *s = x->s;
    int node = open_node(x, "KSampler");
    put_link(x, "model", x->model, 0);
    jsonw_u64(&x->w, "seed", s->seed);
    put_int(x, "steps", steps);
    jsonw_real(&x->w, "cfg", s->cfg, 10);
    jsonw_string(&x->w, "sampler_name", s->sampler);
    jsonw_string(&x->w, "scheduler", s->scheduler);
    put_link(x, "positive", x->positive, 0);
    put_link(x, "negative", x->negative, 0);
    put_link(x, "latent_image", latent_image, 0);
    jsonw_real(&x->w, "denoise", denoise, 10);
    close_node(x);
    return node;
}

/* One of the two that share the steps of base and refiner. */
static int advanced(struct writer *x, int latent_image, int from, int to, bool first)
{
    const struct settings *s = x->s;
    int node = open_node(x, "KSamplerAdvanced");
    put_link(x, "model", x->model, 0);
    jsonw_string(&x->w, "add_noise", first ? "enable" : "disable");
    jsonw_u64(&x->w, "noise_seed", s->seed);
    put_int(x, "steps", s->steps);
    jsonw_real(&x->w, "cfg", s->cfg, 10);
    jsonw_string(&x->w, "sampler_name", s->sampler);
    jsonw_string(&x->w, "scheduler", s->scheduler);
    put_link(x, "positive", x->positive, 0);
    put_link(x, "negative", x->negative, 0);
    put_link(x, "latent_image", latent_image, 0);
    put_int(x, "start_at_step", from);
    put_int(x, "end_at_step", to);
    jsonw_string(&x->w, "return_with_leftover_noise", first ? "enable" : "disable");
    close_node(x);
    return node;
}

static int refiner_text(struct writer *x, const char *text, double score)
{
    int node = open_node(x, "CLIPTextEncodeSDXLRefiner");
    put_link(x, "clip", x->clip, x->clip_slot);
    jsonw_real(&x->w, "ascore", score, 10);
    put_int(x, "width", x->s->width);
    put_int(x, "height", x->s->height);
    jsonw_string(&x->w, "text", text);
    close_node(x);
    return node;
}

static int sample(struct writer *x)
{
    const struct settings *s = x->s;
    int from = latent(x);
    if (!text_or(s, "refiner", NULL))
        return sampler(x, from, s->steps, settings_has(s, "denoise") ? s->denoise : 1);
    double at = settings_has(s, "refiner-switch") ? s->refiner_switch : 0.8;
    int step = (int)(at * s->steps + 0.5);
    int base = advanced(x, from, 0, step, true);
    x->model = x->clip = checkpoint(x, s->refiner);
    x->clip_slot = 1;
    x->positive = refiner_text(x, x->prompt, settings_has(s, "aesthetic") ? s->aesthetic : 6);
    x->negative = refiner_text(x, text_or(s, "negative", ""),
                               settings_has(s, "negative-aesthetic") ? s->negative_aesthetic : 2.5);
    return advanced(x, base, step, 10000, false);
}

/* A second, larger pass over latents; pixels are left to a note. */
static int hires(struct writer *x, int first)
{
    const struct settings *s = x->s;
    static const char *const methods[][2] = {{"latent_nearest", "nearest-exact"},
                                             {"latent_nearest_exact", "nearest-exact"},
                                             {"latent_bilinear", "bilinear"},
                                             {"latent_bicubic", "bicubic"}};
    bool sized = settings_has(s, "hires-size");
    const char *said = text_or(s, "hires-upscale", "latent_bilinear"), *method = NULL;
    if (!sized && (!settings_has(s, "hires") || s->hires <= 1))
        return first;
    for (int i = 0; i < 4; i++)
        if (!strcmp(methods[i][0], said))
            method = methods[i][1];
    if (!method)
        recipe_note(x->r, "hires_upscale = %s: a second pass over pixels is not exported", said);
    if (!method)
        return first;
    int up = open_node(x, sized ? "LatentUpscale" : "LatentUpscaleBy");
    put_link(x, "samples", first, 0);
    jsonw_string(&x->w, "upscale_method", method);
    if (sized) {
        put_int(x, "width", s->hires_size[0]);
        put_int(x, "height", s->hires_size[1]);
        jsonw_string(&x->w, "crop", "disabled");
    } else {
        jsonw_real(&x->w, "scale_by", s->hires, 10);
    }
    close_node(x);
    int steps = settings_has(s, "hires-steps") && s->hires_steps ? s->hires_steps : s->steps;
    return sampler(x, up, steps, settings_has(s, "hires-denoise") ? s->hires_denoise : 0.7);
}

/* ---- the workflow ---- */

/* ComfyUI has these names in nodes of their own kind only. */
static int refuse(const struct settings *s, struct err *e)
{
    if (text_or(s, "sigmas", NULL))
        return err_set(e, "sigmas: ComfyUI's KSampler takes no list of noise levels");
    if (!strcmp(s->sampler, "tcd"))
        return err_set(e, "sampler tcd: ComfyUI's KSampler has none of that name");
    if (!strcmp(s->scheduler, "align_your_steps"))
        return err_set(e, "scheduler align_your_steps: ComfyUI's KSampler has none of that name");
    return 0;
}

static void note_differences(struct writer *x)
{
    const struct settings *s = x->s;
    static const char *const unsaid[] = {"tiling",   "cfg-start",    "cfg-end",   "fit",
                                         "backdrop", "mask-content", "mask-blur", "mask-grow"};
    const char *compat = text_or(s, "compat", "comfyui");
    if (compat_by_name(compat) != COMPAT_COMFYUI)
        recipe_note(x->r,
                    "compat = %s: ComfyUI draws its noise in another way, so the picture "
                    "will be another",
                    compat);
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++)
        if (settings_key_index(unsaid[i]) >= 0 && settings_has(s, unsaid[i])) {
            char value[100];
            settings_print(s, unsaid[i], value, sizeof value);
            recipe_note(x->r, "%s = %s: not exported", unsaid[i], value);
        }
}

static int model(struct writer *x, char **prompt, struct err *e)
{
    const struct settings *s = x->s;
    x->model = x->clip = x->vae = checkpoint(x, text_or(s, "model", "sd_xl_base_1.0"));
    x->clip_slot = 1;
    x->vae_slot = 2;
    if (loras(x, prompt, e))
        return -1;
    if (settings_has(s, "cfg-rescale") && s->cfg_rescale > 0) {
        int from = x->model;
        x->model = open_node(x, "RescaleCFG");
        put_link(x, "model", from, 0);
        jsonw_real(&x->w, "multiplier", s->cfg_rescale, 10);
        close_node(x);
    }
    vae_loader(x);
    return 0;
}

char *comfy_export(const struct settings *s, const char *prefix, struct recipe *r, struct err *e)
{
    struct writer x = {.s = s, .r = r};
    if (refuse(s, e))
        return NULL;
    jsonw_open(&x.w, NULL, '{');
    if (model(&x, &x.prompt, e)) {
        free(jsonw_take(&x.w));
        return NULL;
    }
    clip_layer(&x);
    x.positive = encode(&x, x.prompt, true);
    x.negative = negative(&x);
    int done = hires(&x, sample(&x));
    int decoded = open_node(&x, "VAEDecode");
    put_link(&x, "samples", done, 0);
    put_link(&x, "vae", x.vae, x.vae_slot);
    close_node(&x);
    open_node(&x, "SaveImage");
    put_link(&x, "images", decoded, 0);
    jsonw_string(&x.w, "filename_prefix", prefix);
    close_node(&x);
    jsonw_close(&x.w, '}');
    note_differences(&x);
    free(x.prompt);
    char *text = jsonw_take(&x.w);
    if (!text)
        err_set(e, "out of memory");
    return text;
}
