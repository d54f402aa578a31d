/*
 * The translation is a small grammar read from left to right: each function eats what it knows from
 * the front of a name, writes the counterpart, and hands the rest on.
 */
#include "sdxl/keymap.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct rename {
    const char *from, *to;
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

const char *keymap_prefix(const struct model_config *c, enum part part)
{
    static const char *const prefix[PART_COUNT] = {
        [PART_TEXT1] = "conditioner.embedders.0.transformer.",
        [PART_TEXT2] = "conditioner.embedders.1.model.",
        [PART_UNET] = "model.diffusion_model.",
        [PART_VAE] = "first_stage_model.",
        [PART_CONTROL] = "control_model.",
    };
    if (c->refiner && part == PART_TEXT2)
        return "conditioner.embedders.0.model.";
    return prefix[part];
}

/* -- reading and writing names -- */

static bool eat(const char **s, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*s, word, len) != 0)
        return false;
    *s += len;
    return true;
}

/* A number below 1000 and the dot behind it. */
static bool eat_number(const char **s, int *out)
{
    const char *p = *s;
    int n = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++)
        if ((n = n * 10 + (*p - '0')) >= 1000)
            return false;
    if (*p != '.')
        return false;
    *s = p + 1;
    *out = n;
    return true;
}

static bool put(struct key *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends; false when the name gets too long. */
static bool put(struct key *k, const char *fmt, ...)
{
    size_t used = strlen(k->name), room = sizeof k->name - used;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(k->name + used, room, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < room;
}

/* Swaps the front of `rest` by the table's first match and appends all of it. */
static bool put_renamed(struct key *k, const char *rest, const struct rename *table, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (eat(&rest, table[i].from))
            return put(k, "%s%s", table[i].to, rest);
    return false;
}

/* -- UNet -- */

static bool put_unet_resnet(struct key *k, const char *rest)
{
    static const struct rename table[] = {
        {"norm1.", "in_layers.0."},          {"conv1.", "in_layers.2."},
        {"time_emb_proj.", "emb_layers.1."}, {"norm2.", "out_layers.0."},
        {"conv2.", "out_layers.3."},         {"conv_shortcut.", "skip_connection."},
    };
    return put_renamed(k, rest, table, COUNT(table));
}

/* input_blocks: conv_in, then for each level its res blocks and its downsampler. */
static bool put_down(struct key *k, const struct unet_config *c, const char *s)
{
    int level, at;
    if (!eat_number(&s, &level) || level >= c->levels)
        return false;
    int first = 1 + level * (c->layers + 1);
    if (eat(&s, "downsamplers.0.conv."))
        return put(k, "input_blocks.%d.0.op.%s", first + c->layers, s);
    bool resnet = eat(&s, "resnets.");
    if ((!resnet && !eat(&s, "attentions.")) || !eat_number(&s, &at) || at >= c->layers)
        return false;
    if (resnet)
        return put(k, "input_blocks.%d.0.", first + at) && put_unet_resnet(k, s);
    return put(k, "input_blocks.%d.1.%s", first + at, s);
}

static bool put_middle(struct key *k, const char *s)
{
    int at;
    if (eat(&s, "attentions.0."))
        return put(k, "middle_block.1.%s", s);
    if (!eat(&s, "resnets.") || !eat_number(&s, &at) || at > 1)
        return false;
    return put(k, "middle_block.%d.", 2 * at) && put_unet_resnet(k, s);
}

/* output_blocks: each res block with its attention; an upsampler is the last member of its level's
 * last block, behind the attention if there is one. */
static bool put_up(struct key *k, const struct unet_config *c, const char *s)
{
    int block, at;
    if (!eat_number(&s, &block) || block >= c->levels)
        return false;
    int first = block * (c->layers + 1), level = c->levels - 1 - block;
    if (eat(&s, "upsamplers.0.conv."))
        return put(k, "output_blocks.%d.%d.conv.%s", first + c->layers, c->depth[level] > 0 ? 2 : 1,
                   s);
    bool resnet = eat(&s, "resnets.");
    if ((!resnet && !eat(&s, "attentions.")) || !eat_number(&s, &at) || at > c->layers)
        return false;
    if (resnet)
        return put(k, "output_blocks.%d.0.", first + at) && put_unet_resnet(k, s);
    return put(k, "output_blocks.%d.1.%s", first + at, s);
}

static bool put_unet(struct key *k, const struct unet_config *c, const char *s)
{
    static const struct rename table[] = {
        {"time_embedding.linear_1.", "time_embed.0."},
        {"time_embedding.linear_2.", "time_embed.2."},
        {"add_embedding.linear_1.", "label_emb.0.0."},
        {"add_embedding.linear_2.", "label_emb.0.2."},
        {"conv_in.", "input_blocks.0.0."},
        {"conv_norm_out.", "out.0."},
        {"conv_out.", "out.2."},
    };
    if (eat(&s, "down_blocks."))
        return put_down(k, c, s);
    if (eat(&s, "mid_block."))
        return put_middle(k, s);
    if (eat(&s, "up_blocks."))
        return put_up(k, c, s);
    return put_renamed(k, s, table, COUNT(table));
}

/* -- ControlNet -- */

/* The hint's convolutions stand in one sequence, each with an activation behind it; a level but the
 * last has two. */
static bool put_hint(struct key *k, const struct control_config *c, const char *s)
{
    int at = 0;
    if (eat(&s, "conv_out."))
        at = 2 * c->hint_levels - 1;
    else if (!eat(&s, "conv_in.") && (!eat(&s, "blocks.") || !eat_number(&s, &at) || !++at))
        return false;
    return put(k, "input_hint_block.%d.%s", 2 * at, s);
}

/* A union's tensors that are no layer's weight and bias: PyTorch keeps one by its name alone, and
 * an attention's stacked projection by a name of its own. */
static bool put_union_alone(struct key *k, const char *s)
{
    int layer;
    if (strcmp(s, "task_embedding.weight") == 0)
        return put(k, "task_embedding");
    return eat(&s, "transformer_layes.") && eat_number(&s, &layer) && eat(&s, "attn.in_proj.") &&
           put(k, "transformer_layes.%d.attn.in_proj_%s", layer, s);
}

/* The names of a union's other tensors are the same everywhere. */
static bool put_union(struct key *k, const char *s)
{
    static const char *const same[] = {"control_add_embedding.", "spatial_ch_projs.",
                                       "transformer_layes."};
    for (size_t i = 0; i < COUNT(same); i++)
        if (strncmp(s, same[i], strlen(same[i])) == 0)
            return put_union_alone(k, s) || put(k, "%s", s);
    return put_union_alone(k, s);
}

static bool put_control(struct key *k, const struct control_config *c, const char *s)
{
    int at;
    if (eat(&s, "controlnet_cond_embedding."))
        return put_hint(k, c, s);
    if (eat(&s, "controlnet_mid_block."))
        return put(k, "middle_block_out.0.%s", s);
    if (eat(&s, "controlnet_down_blocks."))
        return eat_number(&s, &at) && put(k, "zero_convs.%d.0.%s", at, s);
    return put_union(k, s) || put_unet(k, &c->unet, s);
}

/* -- VAE -- */

static bool put_vae_resnet(struct key *k, const char *rest)
{
    static const struct rename table[] = {{"conv_shortcut.", "nin_shortcut."}};
    return put_renamed(k, rest, table, COUNT(table)) || put(k, "%s", rest);
}

static bool put_vae_middle(struct key *k, const char *s)
{
    static const struct rename attention[] = {
        {"group_norm.", "norm."},   {"to_q.", "q."}, {"to_k.", "k."}, {"to_v.", "v."},
        {"to_out.0.", "proj_out."},
    };
    int at;
    if (eat(&s, "attentions.0."))
        return put(k, "mid.attn_1.") && put_renamed(k, s, attention, COUNT(attention));
    if (!eat(&s, "resnets.") || !eat_number(&s, &at))
        return false;
    return put(k, "mid.block_%d.", at + 1) && put_vae_resnet(k, s);
}

/* One level of the encoder ("down") or the decoder ("up", counted from the other end). */
static bool put_vae_level(struct key *k, const char *side, int level, const char *s)
{
    int at;
    if (eat(&s, "downsamplers.0.conv."))
        return put(k, "%s.%d.downsample.conv.%s", side, level, s);
    if (eat(&s, "upsamplers.0.conv."))
        return put(k, "%s.%d.upsample.conv.%s", side, level, s);
    if (!eat(&s, "resnets.") || !eat_number(&s, &at))
        return false;
    return put(k, "%s.%d.block.%d.", side, level, at) && put_vae_resnet(k, s);
}

static bool put_vae(struct key *k, const struct vae_config *c, const char *s)
{
    static const struct rename ends[] = {
        {"conv_in.", "conv_in."}, {"conv_out.", "conv_out."}, {"conv_norm_out.", "norm_out."}};
    int level;
    if (strncmp(s, "quant_conv.", 11) == 0 || strncmp(s, "post_quant_conv.", 16) == 0)
        return put(k, "%s", s);
    bool encoder = eat(&s, "encoder.");
    if (!encoder && !eat(&s, "decoder."))
        return false;
    if (!put(k, encoder ? "encoder." : "decoder."))
        return false;
    if (eat(&s, "mid_block."))
        return put_vae_middle(k, s);
    if (eat(&s, encoder ? "down_blocks." : "up_blocks.")) {
        if (!eat_number(&s, &level) || level >= c->levels)
            return false;
        return encoder ? put_vae_level(k, "down", level, s)
                       : put_vae_level(k, "up", c->levels - 1 - level, s);
    }
    return put_renamed(k, s, ends, COUNT(ends));
}

/* -- OpenCLIP bigG -- */

static bool put_bigg_layer(struct key *k, const char *s)
{
    static const struct rename table[] = {
        {"layer_norm1.", "ln_1."},
        {"layer_norm2.", "ln_2."},
        {"mlp.fc1.", "mlp.c_fc."},
        {"mlp.fc2.", "mlp.c_proj."},
        {"self_attn.out_proj.", "attn.out_proj."},
    };
    static const char *const fused[3] = {"self_attn.q_proj.", "self_attn.k_proj.",
                                         "self_attn.v_proj."};
    for (int i = 0; i < 3; i++)
        if (eat(&s, fused[i])) {
            k->third = i;
            return put(k, "attn.in_proj_%s", s);
        }
    return put_renamed(k, s, table, COUNT(table));
}

static bool put_bigg(struct key *k, const char *s)
{
    static const struct rename table[] = {
        {"text_model.embeddings.token_embedding.", "token_embedding."},
        {"text_model.final_layer_norm.", "ln_final."},
    };
    int layer;
    if (strcmp(s, "text_projection.weight") == 0) {
        k->transposed = true; /* OpenCLIP multiplies from the left: x @ text_projection */
        return put(k, "text_projection");
    }
    if (strcmp(s, "text_model.embeddings.position_embedding.weight") == 0)
        return put(k, "positional_embedding");
    if (eat(&s, "text_model.encoder.layers."))
        return eat_number(&s, &layer) && put(k, "transformer.resblocks.%d.", layer) &&
               put_bigg_layer(k, s);
    return put_renamed(k, s, table, COUNT(table));
}

/* -- the way in -- */

bool keymap_single(const struct model_config *c, enum part part, const char *name, struct key *k)
{
    *k = (struct key){.third = -1};
    if (!put(k, "%s", keymap_prefix(c, part)))
        return false;
    switch (part) {
    case PART_TEXT1: /* Hugging Face's names as they are */
        return put(k, "%s", name);
    case PART_TEXT2:
        return put_bigg(k, name);
    case PART_UNET:
        return put_unet(k, &c->unet, name);
    case PART_VAE:
        return put_vae(k, &c->vae, name);
    case PART_CONTROL:
        return put_control(k, &c->control, name);
    default:
        return false;
    }
}

/* VAEs saved before diffusers 0.15 call the attention's layers by other names. */
static bool old_vae_name(const char *name, struct key *k)
{
    static const struct rename old[] = {
        {"to_q.", "query."}, {"to_k.", "key."}, {"to_v.", "value."}, {"to_out.0.", "proj_attn."}};
    const char *at = strstr(name, "mid_block.attentions.0.");
    if (!at)
        return false;
    at += strlen("mid_block.attentions.0.");
    return put(k, "%.*s", (int)(at - name), name) && put_renamed(k, at, old, COUNT(old));
}

bool keymap_folder_alias(enum part part, const char *name, struct key *k)
{
    *k = (struct key){.third = -1};
    if (part == PART_VAE)
        return old_vae_name(name, k);
    if (part == PART_CONTROL)
        return put_union_alone(k, name);
    /* transformers 5 drops the outer name of a text encoder without projection. */
    return part != PART_UNET && eat(&name, "text_model.") && put(k, "%s", name);
}

bool keymap_single_alias(const struct model_config *c, enum part part, const char *name,
                         struct key *k)
{
    *k = (struct key){.third = -1};
    if (part == PART_CONTROL) /* ComfyUI's attention has a layer for its stacked projection */
        return strncmp(name, "transformer_layes.", 18) == 0 &&
               put(k, "%s%s", keymap_prefix(c, part), name);
    if (part != PART_TEXT2 || strcmp(name, "text_projection.weight") != 0)
        return false;
    return put(k, "%stext_projection.weight", keymap_prefix(c, part)); /* a linear, as it is */
}
