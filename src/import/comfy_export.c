/* See comfy_export.h. Nodes are numbered as they are written, so every link points backwards. */
#include "import/comfy_export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "import/comfy_export_priv.h"
#include "prompt/lora_list.h"
#include "sdxl/compat.h"

int comfy_open(struct comfy_writer *x, const char *type)
{
    char id[16];
    snprintf(id, sizeof id, "%d", ++x->last);
    jsonw_open(&x->w, id, '{');
    jsonw_string(&x->w, "class_type", type);
    jsonw_open(&x->w, "inputs", '{');
    return x->last;
}

void comfy_close(struct comfy_writer *x)
{
    jsonw_close(&x->w, '}');
    jsonw_close(&x->w, '}');
}

void comfy_put_link(struct comfy_writer *x, const char *name, int node, int slot)
{
    char id[16];
    snprintf(id, sizeof id, "%d", node);
    jsonw_open(&x->w, name, '[');
    jsonw_string(&x->w, NULL, id);
    jsonw_u64(&x->w, NULL, (uint64_t)slot);
    jsonw_close(&x->w, ']');
}

void comfy_put_int(struct comfy_writer *x, const char *name, int value)
{
    jsonw_real(&x->w, name, value, 0);
}

const char *comfy_text_or(const struct settings *s, const char *key, const char *otherwise)
{
    const char *text = settings_text(s, key);
    return text && *text ? text : otherwise;
}

/* ComfyUI has its files in folders of its own, so a path to one of ours is no name there. */
void comfy_put_file(struct comfy_writer *x, const char *name, const char *value)
{
    char file[512];
    const char *last = file_name_of(value);
    if (*last && strchr("/~.", *value))
        value = last;
    size_t n = strlen(value);
    bool ends = n > 12 && !strcmp(value + n - 12, ".safetensors");
    snprintf(file, sizeof file, "%.400s%s", value, ends ? "" : ".safetensors");
    jsonw_string(&x->w, name, file);
}

/* ---- nodes ---- */

int comfy_checkpoint(struct comfy_writer *x, const char *model)
{
    int node = comfy_open(x, "CheckpointLoaderSimple");
    comfy_put_file(x, "ckpt_name", model);
    comfy_close(x);
    return node;
}

static void lora_node(struct comfy_writer *x, const char *name, double unet, double text)
{
    int node = comfy_open(x, "LoraLoader");
    comfy_put_link(x, "model", x->model, 0);
    comfy_put_link(x, "clip", x->clip, x->clip_slot);
    comfy_put_file(x, "lora_name", name);
    jsonw_real(&x->w, "strength_model", unet, 10);
    jsonw_real(&x->w, "strength_clip", text, 10);
    comfy_close(x);
    x->model = x->clip = node;
    x->clip_slot = 1;
}

/* Those of the setting, then those of the prompt, whose tags ComfyUI would read as words. *plain:
 * the prompt without them (malloc'd). */
static int loras(struct comfy_writer *x, char **plain, struct err *e)
{
    struct lora_item *item = calloc(LORA_ITEMS, sizeof *item);
    struct prompt_tags tags = {.count = 0};
    const char *list = comfy_text_or(x->s, "lora", NULL);
    int n = item ? 0 : err_set(e, "out of memory");
    if (n == 0 && list)
        n = lora_list_parse(list, item, e);
    if (n >= 0 && prompt_tags_cut(comfy_text_or(x->s, "prompt", ""), false, &tags, e))
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

/* Both texts are told the sizes. */
static int encode(struct comfy_writer *x, const char *text)
{
    const struct settings *s = x->s;
    bool size = settings_has(s, "original-size"), crop = settings_has(s, "crop");
    bool target = settings_has(s, "target-size"), sized = size || crop || target;
    int node = comfy_open(x, sized ? "CLIPTextEncodeSDXL" : "CLIPTextEncode");
    comfy_put_link(x, "clip", x->clip, x->clip_slot);
    if (sized) {
        comfy_put_int(x, "width", size ? s->original_size[0] : s->width);
        comfy_put_int(x, "height", size ? s->original_size[1] : s->height);
        comfy_put_int(x, "crop_w", crop ? s->crop[0] : 0);
        comfy_put_int(x, "crop_h", crop ? s->crop[1] : 0);
        comfy_put_int(x, "target_width", target ? s->target_size[0] : s->width);
        comfy_put_int(x, "target_height", target ? s->target_size[1] : s->height);
        jsonw_string(&x->w, "text_g", text);
        jsonw_string(&x->w, "text_l", text);
    } else {
        jsonw_string(&x->w, "text", text);
    }
    comfy_close(x);
    return node;
}

/* 2, the last but one, is what SDXL's nodes take anyway. */
static void clip_layer(struct comfy_writer *x)
{
    char value[16] = "";
    if (settings_key_index("clip-skip") >= 0)
        settings_print(x->s, "clip-skip", value, sizeof value);
    int skip = atoi(value);
    if (skip <= 0 || skip == 2)
        return;
    int from = x->clip;
    x->clip = comfy_open(x, "CLIPSetLastLayer");
    comfy_put_link(x, "clip", from, x->clip_slot);
    comfy_put_int(x, "stop_at_clip_layer", -skip);
    comfy_close(x);
    x->clip_slot = 0;
}

int comfy_zeros(struct comfy_writer *x, int encoded)
{
    const char *said = comfy_text_or(x->s, "empty-negative", "");
    bool zeros = !strcmp(said, "zeros");
    if (!zeros && strcmp(said, "encode") != 0) /* auto */
        zeros = compat_by_name(comfy_text_or(x->s, "compat", "comfyui")) == COMPAT_A1111;
    if (!zeros || *comfy_text_or(x->s, "negative", ""))
        return encoded;
    int node = comfy_open(x, "ConditioningZeroOut");
    comfy_put_link(x, "conditioning", encoded, 0);
    comfy_close(x);
    return node;
}

static int negative(struct comfy_writer *x)
{
    return comfy_zeros(x, encode(x, comfy_text_or(x->s, "negative", "")));
}

int comfy_load_image(struct comfy_writer *x, const char *key)
{
    int node = comfy_open(x, strcmp(key, "mask") ? "LoadImage" : "LoadImageMask");
    jsonw_string(&x->w, "image", settings_text(x->s, key));
    if (!strcmp(key, "mask"))
        jsonw_string(&x->w, "channel", "red");
    comfy_close(x);
    return node;
}

/* ComfyUI has its two halves in vae_approx, under a name that is no file's. */
static bool is_taesdxl(const char *vae)
{
    const char *name = file_name_of(vae);
    return !strcmp(name, "taesdxl") || !strcmp(name, "taesdxl.safetensors");
}

static void vae_loader(struct comfy_writer *x)
{
    if (!comfy_text_or(x->s, "vae", NULL))
        return;
    x->vae = comfy_open(x, "VAELoader");
    if (is_taesdxl(x->s->vae))
        jsonw_string(&x->w, "vae_name", "taesdxl");
    else
        comfy_put_file(x, "vae_name", x->s->vae);
    comfy_close(x);
    x->vae_slot = 0;
}

/* The picture to start from, or nothing. */
static int latent(struct comfy_writer *x)
{
    const struct settings *s = x->s;
    if (!comfy_text_or(s, "image", NULL)) {
        int node = comfy_open(x, "EmptyLatentImage");
        comfy_put_int(x, "width", s->width);
        comfy_put_int(x, "height", s->height);
        comfy_put_int(x, "batch_size", settings_has(s, "batch") ? s->batch : 1);
        comfy_close(x);
        return node;
    }
    int image = comfy_load_image(x, "image");
    int mask = comfy_text_or(s, "mask", NULL) ? comfy_load_image(x, "mask") : 0;
    int scaled = comfy_open(x, "ImageScale");
    comfy_put_link(x, "image", image, 0);
    jsonw_string(&x->w, "upscale_method", "lanczos");
    comfy_put_int(x, "width", s->width);
    comfy_put_int(x, "height", s->height);
    jsonw_string(&x->w, "crop", "center");
    comfy_close(x);
    int node = comfy_open(x, "VAEEncode");
    comfy_put_link(x, "pixels", scaled, 0);
    comfy_put_link(x, "vae", x->vae, x->vae_slot);
    comfy_close(x);
    if (mask) {
        int encoded = node;
        node = comfy_open(x, "SetLatentNoiseMask");
        comfy_put_link(x, "samples", encoded, 0);
        comfy_put_link(x, "mask", mask, 0);
        comfy_close(x);
    }
    if (settings_has(s, "batch") && s->batch > 1) {
        int one = node;
        node = comfy_open(x, "RepeatLatentBatch");
        comfy_put_link(x, "samples", one, 0);
        comfy_put_int(x, "amount", s->batch);
        comfy_close(x);
    }
    return node;
}

/* ---- the workflow ---- */

static void note_left_out(struct comfy_writer *x, const char *key)
{
    char value[100];
    if (settings_key_index(key) < 0 || !settings_has(x->s, key))
        return;
    settings_print(x->s, key, value, sizeof value);
    recipe_note(x->r, "%s = %s: not exported", key, value);
}

static void note_differences(struct comfy_writer *x)
{
    static const char *const unsaid[] = {"tiling",       "fit",       "backdrop",
                                         "mask-content", "mask-blur", "mask-grow"};
    const char *compat = comfy_text_or(x->s, "compat", "comfyui");
    if (compat_by_name(compat) != COMPAT_COMFYUI)
        recipe_note(x->r,
                    "compat = %s: ComfyUI draws its noise in another way, so the picture "
                    "will be another",
                    compat);
    for (size_t i = 0; i < sizeof unsaid / sizeof *unsaid; i++)
        note_left_out(x, unsaid[i]);
    /* Else ComfyUI draws as we do unless told otherwise, or the sampler's name says it. */
    if (!strcmp(comfy_text_or(x->s, "rng", ""), "cpu"))
        note_left_out(x, "rng");
    if (comfy_text_or(x->s, "control", NULL) && !comfy_text_or(x->s, "control-image", NULL))
        note_left_out(x, "control");
    if (!comfy_samplers_cut(x->s)) {
        note_left_out(x, "cfg-start");
        note_left_out(x, "cfg-end");
    }
}

static int model(struct comfy_writer *x, char **prompt, struct err *e)
{
    const struct settings *s = x->s;
    x->model = x->clip = x->vae = comfy_checkpoint(x, comfy_text_or(s, "model", "sd_xl_base_1.0"));
    x->clip_slot = 1;
    x->vae_slot = 2;
    if (loras(x, prompt, e))
        return -1;
    if (settings_has(s, "cfg-rescale") && s->cfg_rescale > 0) {
        int from = x->model;
        x->model = comfy_open(x, "RescaleCFG");
        comfy_put_link(x, "model", from, 0);
        jsonw_real(&x->w, "multiplier", s->cfg_rescale, 10);
        comfy_close(x);
    }
    vae_loader(x);
    return 0;
}

char *comfy_export(const struct settings *s, const char *prefix, struct recipe *r, struct err *e)
{
    struct comfy_writer x = {.s = s, .r = r};
    if (comfy_samplers_check(s, e))
        return NULL;
    jsonw_open(&x.w, NULL, '{');
    if (model(&x, &x.prompt, e)) {
        free(jsonw_take(&x.w));
        return NULL;
    }
    clip_layer(&x);
    x.positive = encode(&x, x.prompt);
    x.negative = negative(&x);
    comfy_control(&x);
    int done = comfy_samplers(&x, latent(&x));
    int decoded = comfy_open(&x, "VAEDecode");
    comfy_put_link(&x, "samples", done, 0);
    comfy_put_link(&x, "vae", x.vae, x.vae_slot);
    comfy_close(&x);
    comfy_open(&x, "SaveImage");
    comfy_put_link(&x, "images", decoded, 0);
    jsonw_string(&x.w, "filename_prefix", prefix);
    comfy_close(&x);
    jsonw_close(&x.w, '}');
    note_differences(&x);
    free(x.prompt);
    char *text = jsonw_take(&x.w);
    if (!text)
        err_set(e, "out of memory");
    return text;
}
