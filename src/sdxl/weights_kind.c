/* See weights_kind.h. */
#include "sdxl/weights_kind.h"

#include <stdio.h>
#include <string.h>

static bool has(const struct safetensors *s, const char *prefix)
{
    int first;
    return safetensors_prefix(s, prefix, &first) > 0;
}

/* Names of kohya's, diffusers' and LyCORIS' LoRAs end in one of these. */
static bool is_lora_name(const char *name)
{
    static const char *const marks[] = {".lora_down.", ".lora_up.",   ".lora_A.",
                                        ".lora_B.",    ".lora.down.", ".lora.up.",
                                        "_lora.down.", "_lora.up.",   ".lora_linear_layer.",
                                        ".hada_w",     ".lokr_w"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (strstr(name, marks[i]))
            return true;
    return false;
}

static bool has_lora(const struct safetensors *s)
{
    for (int i = 0; i < safetensors_count(s); i++)
        if (is_lora_name(safetensors_at(s, i)->name))
            return true;
    return false;
}

static bool has_control(const struct safetensors *s)
{
    return has(s, "control_model.") || has(s, "controlnet_cond_embedding.") ||
           has(s, "input_hint_block.");
}

static enum weights_kind kind_of(const struct safetensors *s)
{
    if (has(s, "model.diffusion_model."))
        return WEIGHTS_CHECKPOINT;
    if (has_control(s))
        return WEIGHTS_CONTROL;
    if (has(s, "conditioner.embedders."))
        return WEIGHTS_CHECKPOINT;
    if (has_lora(s))
        return WEIGHTS_LORA;
    if (has(s, "down_blocks.") && has(s, "time_embedding."))
        return WEIGHTS_UNET;
    if (has(s, "decoder.conv_in.") || has(s, "first_stage_model."))
        return WEIGHTS_VAE;
    if (has(s, "decoder.layers.") || has(s, "taesd_decoder."))
        return WEIGHTS_TINY_VAE;
    if (has(s, "text_model.") || has(s, "transformer.resblocks.") ||
        has(s, "embeddings.token_embedding."))
        return WEIGHTS_TEXT;
    if (safetensors_find(s, "clip_g") || safetensors_find(s, "emb_params"))
        return WEIGHTS_EMBEDDING;
    return WEIGHTS_OTHER;
}

struct weights_summary weights_summary(const struct safetensors *s)
{
    struct weights_summary m = {.kind = kind_of(s)};
    for (int i = 0; i < safetensors_count(s); i++) {
        const struct st_tensor *t = safetensors_at(s, i);
        size_t n = strlen(m.types);
        m.parameters += t->count;
        m.bytes += (int64_t)t->bytes;
        if (!strstr(m.types, t->type) && n + strlen(t->type) + 2 < sizeof m.types)
            snprintf(m.types + n, sizeof m.types - n, "%s%s", n ? "+" : "", t->type);
    }
    return m;
}

const char *weights_kind_name(enum weights_kind kind)
{
    static const char *const names[] = {"safetensors", "model",        "LoRA",
                                        "VAE",         "tiny VAE",     "ControlNet",
                                        "UNet",        "text encoder", "textual inversion"};
    return names[kind];
}
