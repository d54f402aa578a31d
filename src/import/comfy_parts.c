/* See comfy_parts.h. */
#include "import/comfy_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_control.h"
#include "import/comfy_loras.h"
#include "prompt/lora_list.h"

#define CHECKPOINTS                                                                                \
    "CheckpointLoaderSimple|CheckpointLoader|unCLIPCheckpointLoader|" COMFY_EFFICIENT_LOADER

/* ---- from a sampler to the text that it reads ---- */

/* Nodes that encode one text; those of packs load the LoRAs whose tags are in it as well, and hand
 * on model and CLIP. */
static const struct encoder {
    const char *type, *text, *clip, *model;
} ENCODERS[] = {
    {"CLIPTextEncode|CLIPTextEncodeSDXLRefiner", "text", "clip", NULL},
    {"smZ CLIPTextEncode|BNK_CLIPTextEncodeAdvanced", "text", "clip", NULL},
    {"ImpactWildcardEncode", "populated_text", "clip", "model"},
    {"Power Prompt (rgthree)", "prompt", "opt_clip", "opt_model"},
    {"Power Prompt - Simple (rgthree)", "prompt", "opt_clip", NULL},
};

static const struct encoder *encoder_of(const struct comfy_walk *w, int node)
{
    for (size_t i = 0; i < sizeof ENCODERS / sizeof *ENCODERS; i++)
        if (comfy_is(w, node, ENCODERS[i].type))
            return &ENCODERS[i];
    return NULL;
}

static const char *clip_input(const struct comfy_walk *w, int node)
{
    const struct encoder *c = encoder_of(w, node);
    return c ? c->clip : "clip";
}

/* What takes conditioning and gives it: for a pair the negative one comes second. */
static const char *conditioning_input(int slot)
{
    return slot == 1 ? "negative" : "positive|conditioning|conditioning_to|conditioning_1";
}

/* From a sampler's conditioning back to the node that encodes. */
static struct comfy_way way_to_text(struct comfy_walk *w, const struct comfy_stage *s,
                                    bool positive)
{
    struct comfy_way way = {.encoder = -1};
    int slot, node;
    if (!positive && !s->negative)
        return way;
    struct comfy_input in = comfy_input(w->g, s->guider, positive ? s->positive : s->negative);
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        if (encoder_of(w, node) ||
            comfy_is(w, node, "CLIPTextEncodeSDXL|" COMFY_EFFICIENT_LOADER)) {
            way.encoder = node;
            comfy_add_controls(w, node, &way);
            return way;
        }
        if (comfy_is(w, node, "ConditioningZeroOut")) {
            way.zero = true;
            in = comfy_input(w->g, node, "conditioning");
        } else if (comfy_is(w, node, "InpaintModelConditioning")) {
            in = comfy_input(w->g, node, slot == 1 ? "negative" : "positive");
        } else if (comfy_is(w, node, COMFY_EFFICIENT_SAMPLERS)) {
            in = comfy_input(w->g, node, slot == 2 ? "negative" : "positive");
        } else if (comfy_is_controlled(w, node)) {
            comfy_add_controls(w, node, &way);
            in = comfy_controlled(w, node, slot);
        } else {
            in = comfy_pass(w, node, conditioning_input(slot));
        }
    }
    return way;
}

/* ---- model ---- */

/* Down the chain of models to the checkpoint; its node, or -1. LoRAs are added when asked for. */
static int walk_model(struct comfy_walk *w, const struct comfy_stage *s, bool loras)
{
    int slot, node;
    struct comfy_input in = comfy_input(w->g, s->guider, "model");
    while ((node = comfy_follow(w, in, &slot)) >= 0) {
        if (comfy_is(w, node, CHECKPOINTS)) {
            if (loras && comfy_is(w, node, COMFY_EFFICIENT_LOADER))
                comfy_add_loras(w, node);
            return node;
        }
        const struct encoder *c = encoder_of(w, node);
        if (c && c->model) {
            in = comfy_input(w->g, node, c->model);
        } else if (comfy_loads_loras(w, node)) {
            if (loras)
                comfy_add_loras(w, node);
            else
                recipe_note(w->r, "%s: a LoRA of the refiner is ignored", comfy_name(w, node));
            in = comfy_input(w->g, node, "model");
        } else if (comfy_is(w, node, "RescaleCFG") && loras) {
            recipe_setf(w->r, "cfg-rescale", "%.10g", comfy_number(w, node, "multiplier", 0.7));
            in = comfy_input(w->g, node, "model");
        } else if (comfy_is(w, node, COMFY_EFFICIENT_SAMPLERS)) {
            in = comfy_input(w->g, node, "model"); /* it hands on its own */
        } else {
            in = comfy_pass(w, node, "model");
        }
    }
    return -1;
}

static void last_layer(struct comfy_walk *w, int node, const char *input)
{
    int layer = (int)comfy_number(w, node, input, -1);
    if (!recipe_get(w->r, "clip-skip") && layer < 0 && layer != -2)
        recipe_setf(w->r, "clip-skip", "%d", -layer);
}

static void use_loras(struct comfy_walk *w, int node)
{
    for (int i = 0; i < w->loras; i++)
        w->lora[i].text_used |= w->lora[i].node == node;
}

/* LoRAs of the text encoders are those on the way from the prompt. */
static void walk_clip(struct comfy_walk *w, int encoder)
{
    int slot, node = encoder;
    struct comfy_input in = comfy_input(w->g, encoder, clip_input(w, encoder));
    while (!comfy_is(w, node, CHECKPOINTS) && (node = comfy_follow(w, in, &slot)) >= 0) {
        if (comfy_is(w, node, CHECKPOINTS))
            break;
        if (comfy_is(w, node, "CLIPSetLastLayer")) {
            last_layer(w, node, "stop_at_clip_layer");
        } else if (comfy_loads_loras(w, node)) {
            use_loras(w, node);
        } else if (!encoder_of(w, node)) {
            in = comfy_pass(w, node, "clip");
            continue;
        }
        in = comfy_input(w->g, node, clip_input(w, node));
    }
    if (node >= 0 && comfy_is(w, node, COMFY_EFFICIENT_LOADER)) {
        use_loras(w, node);
        last_layer(w, node, "clip_skip");
    }
}

/* The first to be applied comes first. */
static void put_loras(struct comfy_walk *w)
{
    char *text = NULL, one[LORA_ITEM_NAME + 64];
    size_t size;
    FILE *f = w->loras ? open_memstream(&text, &size) : NULL;
    for (int i = w->loras - 1; f && i >= 0; i--) {
        const struct comfy_lora *l = &w->lora[i];
        struct lora_item item = {.unet = l->unet, .text = l->text_used ? l->text : 0};
        snprintf(item.name, sizeof item.name, "%s", l->name);
        lora_item_print(&item, one, sizeof one);
        fprintf(f, "%s%s", i < w->loras - 1 ? ", " : "", one);
    }
    if (f && fclose(f) == 0)
        recipe_set(w->r, "lora", text);
    free(text);
}

static void put_checkpoint(struct comfy_walk *w, int node, const char *key)
{
    char name[256], *file = comfy_get_text(w, node, "ckpt_name");
    if (file) {
        recipe_file_name(w->r, file, name);
        recipe_set(w->r, key, name);
    }
    free(file);
}

void comfy_model(struct comfy_walk *w, const struct comfy_stage *s)
{
    int encoder = way_to_text(w, s, true).encoder;
    int node = walk_model(w, s, true);
    if (node >= 0)
        put_checkpoint(w, node, "model");
    else
        recipe_note(w->r, "%s: no checkpoint leads to it", comfy_name(w, s->guider));
    if (encoder >= 0)
        walk_clip(w, encoder);
    put_loras(w);
}

void comfy_vae(struct comfy_walk *w, int decoder)
{
    int slot, node = decoder;
    char name[256], *file;
    do
        node = comfy_source(
            w, node, comfy_is(w, node, COMFY_EFFICIENT_SAMPLERS) ? "optional_vae" : "vae", &slot);
    while (node >= 0 && comfy_is(w, node, COMFY_EFFICIENT_SAMPLERS));
    if (node < 0 || recipe_get(w->r, "vae"))
        return;
    if (!comfy_is(w, node, "VAELoader|" COMFY_EFFICIENT_LOADER)) {
        if (!comfy_is(w, node, CHECKPOINTS))
            comfy_pass(w, node, "");
        return;
    }
    file = comfy_get_text(w, node, "vae_name");
    if (file && strcmp(file, "Baked VAE") != 0) {
        recipe_file_name(w->r, file, name);
        recipe_set(w->r, "vae", name);
    }
    free(file);
}

/* ---- prompts ---- */

/* What a text is told of sizes; both are told the same here. */
static void put_sizes(struct comfy_walk *w, int node, bool positive)
{
    static const char *const sizes[][3] = {{"original-size", "width", "height"},
                                           {"crop", "crop_w", "crop_h"},
                                           {"target-size", "target_width", "target_height"}};
    for (int i = 0; i < 3; i++) {
        double x, y;
        char size[32];
        if (!comfy_get_number(w, node, sizes[i][1], &x) ||
            !comfy_get_number(w, node, sizes[i][2], &y))
            continue;
        snprintf(size, sizeof size, "%dx%d", (int)x, (int)y);
        const char *said = recipe_get(w->r, sizes[i][0]);
        if (positive)
            recipe_set(w->r, sizes[i][0], size);
        else if (!said || strcmp(said, size) != 0)
            recipe_note(w->r, "%s: its %s %s is not the prompt's, which both are told here",
                        comfy_name(w, node), sizes[i][0], size);
    }
}

/* SDXL's encoders may be given a text each; ours read one. */
static char *sdxl_text(struct comfy_walk *w, int node, bool positive)
{
    char *g = comfy_get_text(w, node, "text_g"), *l = comfy_get_text(w, node, "text_l");
    put_sizes(w, node, positive);
    if (g && l && *g && strcmp(g, l) != 0)
        recipe_note(w->r, "%s: text_l differs from text_g, which both encoders read here: '%.100s'",
                    comfy_name(w, node), l);
    char *use = g && *g ? g : l;
    free(use == g ? l : g);
    return use;
}

/* How nodes of packs read their texts, where it is not ComfyUI's way. */
static void compare_reading(struct comfy_walk *w, int node)
{
    static const char *const said[][2] = {
        {"token_normalization", "none"}, {"weight_interpretation", "comfy"}, {"parser", "comfy"}};
    char word[24];
    for (int i = 0; i < 3; i++) {
        comfy_word(w, node, said[i][0], word, sizeof word);
        if (*word && strcmp(word, said[i][1]) != 0)
            recipe_note(w->r, "%s: %s %s; here prompts are read as with %s", comfy_name(w, node),
                        said[i][0], word, said[i][1]);
    }
}

static char *encoder_text(struct comfy_walk *w, int node, bool positive)
{
    if (comfy_is(w, node, "CLIPTextEncodeSDXL"))
        return sdxl_text(w, node, positive);
    const struct encoder *c = encoder_of(w, node);
    if (positive)
        compare_reading(w, node);
    char *text = comfy_get_text(w, node, c ? c->text : positive ? "positive" : "negative");
    if (text && strstr(text, "<lora:") && comfy_is(w, node, "CLIPTextEncode"))
        recipe_note(w->r, "%s: a tag of a LoRA in its text is words to it; here it loads the LoRA",
                    comfy_name(w, node));
    return text;
}

/* NULL: none, or one that is set to zero. */
static char *way_text(struct comfy_walk *w, const struct comfy_way *way, bool positive)
{
    return way->encoder >= 0 && !way->zero ? encoder_text(w, way->encoder, positive) : NULL;
}

static void put_prompt(struct comfy_walk *w, const struct comfy_stage *s, bool positive,
                       const struct comfy_way *way)
{
    const char *key = positive ? "prompt" : "negative";
    if (!positive && !s->negative) {
        recipe_set(w->r, key, "");
        return;
    }
    char *text = way_text(w, way, positive);
    if (way->zero && positive)
        recipe_note(w->r, "%s: its prompt is set to zero, which has no setting here",
                    comfy_name(w, s->guider));
    if (way->zero && !positive)
        recipe_set(w->r, "empty-negative", "zeros");
    if (way->encoder < 0)
        recipe_note(w->r, "%s: no text leads to its %s", comfy_name(w, s->guider), key);
    recipe_set(w->r, key, text ? text : "");
    free(text);
}

void comfy_prompts(struct comfy_walk *w, const struct comfy_stage *s)
{
    struct comfy_way positive = way_to_text(w, s, true), negative = way_to_text(w, s, false);
    put_prompt(w, s, true, &positive);
    put_prompt(w, s, false, &negative);
    comfy_put_control(w, s, &positive, &negative);
}

void comfy_compare_prompts(struct comfy_walk *w, const struct comfy_stage *first,
                           const struct comfy_stage *s)
{
    for (int positive = 1; positive >= 0; positive--) {
        struct comfy_way a = way_to_text(w, first, positive), b = way_to_text(w, s, positive);
        char *text = a.encoder != b.encoder ? way_text(w, &b, positive) : NULL;
        const char *used = recipe_get(w->r, positive ? "prompt" : "negative");
        if (text && used && strcmp(text, used) != 0)
            recipe_note(w->r, "%s: it reads the first sampler's text here, not '%.100s'",
                        comfy_name(w, s->node), text);
        free(text);
        if (positive)
            comfy_compare_controls(w, s, &a, &b);
    }
}

static void put_score(struct comfy_walk *w, const struct comfy_stage *s, bool positive)
{
    struct comfy_way way = way_to_text(w, s, positive);
    int node = way.encoder;
    if (node < 0)
        return;
    if (way.controls && positive)
        recipe_note(w->r, "%s is ignored: a ControlNet works for the base model alone",
                    comfy_name(w, way.control[0]));
    if (comfy_is(w, node, "CLIPTextEncodeSDXLRefiner"))
        recipe_setf(w->r, positive ? "aesthetic" : "negative-aesthetic", "%.10g",
                    comfy_number(w, node, "ascore", 6));
    char *text = way_text(w, &way, false);
    const char *base = recipe_get(w->r, positive ? "prompt" : "negative");
    if (text && base && strcmp(text, base) != 0)
        recipe_note(w->r, "%s: the refiner reads the base's text, not its own: '%.100s'",
                    comfy_name(w, node), text);
    free(text);
}

bool comfy_refiner(struct comfy_walk *w, const struct comfy_stage *s, double at)
{
    char name[256] = "";
    const char *base = recipe_get(w->r, "model");
    int second = walk_model(w, s, false);
    char *file = second >= 0 ? comfy_get_text(w, second, "ckpt_name") : NULL;
    if (file)
        recipe_file_name(w->r, file, name);
    free(file);
    if (base && !strcmp(base, name))
        return false; /* one run, cut in two */
    if (second >= 0)
        put_checkpoint(w, second, "refiner");
    recipe_setf(w->r, "refiner-switch", "%.6g", at);
    put_score(w, s, true);
    put_score(w, s, false);
    return true;
}

/* ---- mask ---- */

static void mask_file(struct comfy_walk *w, int node, int slot)
{
    char channel[16], *file = comfy_image_file(w, node);
    comfy_word(w, node, "channel", channel, sizeof channel);
    bool alpha = comfy_is(w, node, "LoadImage") ? slot == 1 : !strcmp(channel, "alpha");
    if (file && alpha)
        recipe_note(w->r,
                    "%s: the mask is what is transparent in '%.100s': save it as a picture, "
                    "white where it is painted anew, for --mask",
                    comfy_name(w, node), file);
    else if (file)
        recipe_set(w->r, "mask", file);
    free(file);
}

void comfy_mask(struct comfy_walk *w, int node, bool inpaint)
{
    int slot, at;
    /* A square of that side around each pixel: half of it to either side. */
    double grow = inpaint ? comfy_number(w, node, "grow_mask_by", 6) / 2 : 0;
    struct comfy_input in = comfy_input(w->g, node, "mask");
    while ((at = comfy_follow(w, in, &slot)) >= 0) {
        if (comfy_is(w, at, "LoadImage|LoadImageMask")) {
            mask_file(w, at, slot);
            break;
        }
        if (comfy_is(w, at, "GrowMask")) {
            double expand = comfy_number(w, at, "expand", 0);
            if (inpaint && expand != 0)
                recipe_note(w->r, "%s: what is grey is the mask before it grows",
                            comfy_name(w, at));
            grow += expand;
            in = comfy_input(w->g, at, "mask");
        } else if (comfy_is(w, at, "ImageToMask")) {
            in = comfy_input(w->g, at, "image");
        } else {
            in = comfy_pass(w, at, "mask|image");
        }
    }
    if (inpaint)
        recipe_set(w->r, "mask-content", "grey");
    if (lround(grow) != 0)
        recipe_setf(w->r, "mask-grow", "%ld", lround(grow));
}
