/*
 * Reading an architecture off a table of tensors.
 *
 * The walk follows the original file's own order: input_blocks upwards until they end, a block with
 * an "op" closing a level. What the upward half holds must mirror it, since struct unet_config has
 * one depth a level; pruned models (SSD-1B) differ there and are refused rather than guessed at.
 */
#include "sdxl/infer.h"

#include <stdio.h>
#include <string.h>

#include "sdxl/config.h"
#include "sdxl/infer_walk.h"
#include "sdxl/weights_kind.h"

enum { DEFAULT_PIXELS = 1024 };

#define UNET         "model.diffusion_model."
#define VAE          "first_stage_model."
#define CLIP_L       "conditioner.embedders.0.transformer.text_model."
#define BIGG         "conditioner.embedders.1.model."
#define REFINER_BIGG "conditioner.embedders.0.model."

/* A VAE's names in single files, and those of diffusers. */
struct vae_names {
    const char *down, *up, *res, *attention, *old_attention;
};
static const struct vae_names original_names = {"encoder.down.", "decoder.up.", ".block.",
                                                "decoder.mid.attn_1.q.weight",
                                                "decoder.mid.attn_1.q.weight"};
static const struct vae_names diffusers_names = {
    "encoder.down_blocks.", "decoder.up_blocks.", ".resnets.",
    "decoder.mid_block.attentions.0.to_q.weight", "decoder.mid_block.attentions.0.query.weight"};

/* -- what the file is -- */

static bool is_refiner(const struct walk *w)
{
    return walk_has(w, REFINER_BIGG);
}

static bool is_transformer(const struct walk *w)
{
    static const char *const blocks[] = {"double_blocks.",      "joint_blocks.",
                                         "transformer_blocks.", UNET "double_blocks.",
                                         UNET "joint_blocks.",  UNET "transformer_blocks."};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (walk_has(w, blocks[i]))
            return true;
    return false;
}

static int fail_lora(const struct walk *w)
{
    return walk_fail(w, "is a LoRA, not a model; name it in the prompt: <lora:NAME:1>");
}

/* A file that is no whole model, as what it is and what to do with it. */
static int other_kind(const struct walk *w)
{
    const char *refused = infer_not_control(w->st);
    if (refused)
        return walk_fail(w, refused);
    switch (weights_summary(w->st).kind) {
    case WEIGHTS_LORA:
        return fail_lora(w);
    case WEIGHTS_VAE:
        return walk_fail(w, "is a VAE, not a model; give it with --vae, beside a model");
    case WEIGHTS_CONTROL:
        return walk_fail(w, "is a ControlNet, not a model; give it with --control, beside a model");
    case WEIGHTS_TINY_VAE:
        return walk_fail(w, "is a tiny VAE, not a model; give it with --vae, beside a model");
    case WEIGHTS_UNET:
    case WEIGHTS_TEXT:
        return walk_fail(
            w, "is one part of a diffusers folder; give the folder with model_index.json");
    case WEIGHTS_EMBEDDING:
        return walk_fail(
            w, "is a textual inversion, not a model; put it into the folder embeddings and "
               "its name into the prompt");
    default:
        return walk_fail(w, "is no SDXL checkpoint: it has no model.diffusion_model tensors");
    }
}

static int check_kind(const struct walk *w)
{
    if (walk_has(w, "lora_") || walk_has(w, "unet.down_blocks."))
        return fail_lora(w);
    if (walk_has(w, "cond_stage_model."))
        return walk_fail(w, "is a Stable Diffusion 1 or 2 model; spritty runs SDXL");
    if (is_transformer(w))
        return walk_fail(w, "is a transformer model (Flux, SD3); spritty runs SDXL");
    if (!walk_has(w, UNET))
        return other_kind(w);
    if (!walk_has(w, UNET "label_emb."))
        return walk_fail(w, "has no size conditions (label_emb); spritty runs SDXL");
    if (!is_refiner(w) && (!walk_has(w, CLIP_L) || !walk_has(w, BIGG)))
        return walk_fail(w, "has no text encoders; give a file with UNet, VAE and both encoders");
    if (!walk_has(w, VAE))
        return walk_fail(w, "has no VAE; give a file with UNet, VAE and both encoders");
    return 0;
}

/* Marker keys: ComfyUI's supported_models.py, SDXL.model_type. */
static int read_objective(const struct walk *w, struct schedule_config *s)
{
    *s = (struct schedule_config){.beta_start = 0.00085,
                                  .beta_end = 0.012,
                                  .train_steps = 1000,
                                  .scaled_linear = true,
                                  .prediction = PREDICT_EPSILON};
    if (walk_has(w, "edm_vpred.") || walk_has(w, "edm_mean"))
        return walk_fail(w, "is trained with EDM preconditioning, which is not supported yet");
    if (safetensors_find(w->st, "v_pred")) {
        s->prediction = PREDICT_V;
        s->zero_terminal_snr = safetensors_find(w->st, "ztsnr") != NULL;
    }
    return 0;
}

/* -- UNet -- */

/* Transformer blocks in one member of a block: 0 when it has no attention. */
static int depth_at(const struct walk *w, const char *block)
{
    char prefix[KEY_MAX];
    snprintf(prefix, sizeof prefix, UNET "%s.1.transformer_blocks.", block);
    return walk_run(w, prefix, ".norm1.weight", MAX_LAYERS);
}

static int uneven(const struct walk *w)
{
    return walk_fail(w, "the UNet's blocks differ within a level (a pruned model?), which is not "
                        "supported");
}

/* One res block of the way down, the at-th of its level. */
static int read_down_block(const struct walk *w, struct unet_config *c, int block, int level,
                           int at)
{
    char name[KEY_MAX], label[32];
    int channels = 0;
    snprintf(label, sizeof label, "input_blocks.%d", block);
    snprintf(name, sizeof name, UNET "%s.0.in_layers.2.weight", label);
    if (walk_size(w, name, 4, 0, &channels) != 0)
        return -1;
    int depth = depth_at(w, label);
    if (depth > MAX_LAYERS)
        return walk_fail(w, "the UNet has too many transformer blocks");
    if (at == 0) {
        c->channels[level] = channels;
        c->depth[level] = depth;
    } else if (c->channels[level] != channels || c->depth[level] != depth) {
        return uneven(w);
    }
    return 0;
}

static int walk_down(const struct walk *w, struct unet_config *c)
{
    int level = 0, at = 0;
    for (int block = 1;; block++) {
        bool closes = walk_get(w, UNET "input_blocks.%d.0.op.weight", block) != NULL;
        bool ends = !closes && !walk_get(w, UNET "input_blocks.%d.0.in_layers.2.weight", block);
        if (!closes && !ends) {
            if (at == MAX_BLOCKS)
                return walk_fail(w, "the UNet has too many blocks in a level");
            if (read_down_block(w, c, block, level, at++) != 0)
                return -1;
            continue;
        }
        if (at == 0 || (level > 0 && at != c->layers))
            return uneven(w);
        c->layers = at;
        at = 0;
        level++;
        if (ends)
            break;
        if (level == MAX_LEVELS)
            return walk_fail(w, "the UNet has too many levels");
    }
    c->levels = level;
    return 0;
}

/* The middle and the way up hold what struct unet_config says they do. */
static int check_rest(const struct walk *w, struct unet_config *c)
{
    char label[32];
    c->mid_depth = depth_at(w, "middle_block");
    if (c->mid_depth < 1 || c->mid_depth > MAX_LAYERS)
        return walk_fail(w, "the UNet's middle block has no attention, which is not supported");
    int blocks = c->levels * (c->layers + 1);
    for (int i = 0; i <= blocks; i++) {
        snprintf(label, sizeof label, "output_blocks.%d", i);
        bool there = walk_get(w, UNET "%s.0.in_layers.2.weight", label) != NULL;
        if (there != (i < blocks))
            return uneven(w);
        if (there && depth_at(w, label) != c->depth[c->levels - 1 - i / (c->layers + 1)])
            return uneven(w);
    }
    return 0;
}

/* Width of the text states and the kind of projections, off the middle block's attention. */
static int read_attention(const struct walk *w, struct unet_config *c)
{
    const struct st_tensor *t = walk_get(w, UNET "middle_block.1.proj_in.weight");
    if (!t)
        return walk_fail(w, "missing tensor " UNET "middle_block.1.proj_in.weight");
    c->linear_projection = t->rank == 2;
    for (int i = 0; i < c->levels; i++) {
        c->heads[i] = 1;
        bool attends = c->depth[i] > 0 || i == c->levels - 1;
        if (attends && walk_heads(w, c->channels[i], "the UNet", &c->heads[i]) != 0)
            return -1;
    }
    return walk_size(w, UNET "middle_block.1.transformer_blocks.0.attn2.to_k.weight", 2, 1,
                     &c->context);
}

static int read_unet(const struct walk *w, struct unet_config *c)
{
    *c = (struct unet_config){.norm_groups = NORM_GROUPS,
                              .norm_eps = 1e-5f,
                              .flip_sin_to_cos = true,
                              .added_time_dim = 256};
    if (walk_size(w, UNET "input_blocks.0.0.weight", 4, 1, &c->in_channels) != 0 ||
        walk_size(w, UNET "out.2.weight", 4, 0, &c->out_channels) != 0 ||
        walk_size(w, UNET "time_embed.0.weight", 2, 0, &c->time_dim) != 0 ||
        walk_size(w, UNET "label_emb.0.0.weight", 2, 1, &c->added_inputs) != 0 ||
        walk_down(w, c) != 0 || check_rest(w, c) != 0 || read_attention(w, c) != 0)
        return -1;
    if (c->time_dim != 4 * c->channels[0])
        return walk_fail(w, "the time embedding is not 4 times as wide as the first level");
    return walk_groups(w, "UNet", c->channels, c->levels);
}

/* -- VAE -- */

static int check_vae_blocks(const struct walk *w, const struct vae_config *c)
{
    char prefix[KEY_MAX];
    for (int i = 0; i < c->levels; i++) {
        snprintf(prefix, sizeof prefix, "%s%s%d%s", w->vae, w->names->down, i, w->names->res);
        int down = walk_run(w, prefix, ".conv1.weight", MAX_LAYERS);
        snprintf(prefix, sizeof prefix, "%s%s%d%s", w->vae, w->names->up, i, w->names->res);
        int up = walk_run(w, prefix, ".conv1.weight", MAX_LAYERS);
        if (down != c->layers || up != c->layers + 1)
            return walk_fail(w, "the VAE's levels differ in their blocks, which is not supported");
    }
    return 0;
}

static int vae_size(const struct walk *w, const char *name, int at, int *out)
{
    char full[KEY_MAX];
    snprintf(full, sizeof full, "%s%s", w->vae, name);
    return walk_size(w, full, 4, at, out);
}

static int read_vae(const struct walk *w, struct vae_config *c)
{
    const struct vae_names *names = w->names;
    char name[KEY_MAX], first[64];
    *c = (struct vae_config){.norm_groups = NORM_GROUPS, .scaling_factor = 0.13025f};
    snprintf(name, sizeof name, "%s%s", w->vae, names->down);
    snprintf(first, sizeof first, "%s0.conv1.weight", names->res);
    c->levels = walk_run(w, name, first, MAX_LEVELS);
    snprintf(name, sizeof name, "%s%s0%s", w->vae, names->down, names->res);
    c->layers = walk_run(w, name, ".conv1.weight", MAX_BLOCKS);
    if (c->levels < 1 || c->levels > MAX_LEVELS || c->layers < 1 || c->layers > MAX_BLOCKS)
        return walk_fail(w, "the VAE's encoder has no levels that SDXL could have");
    for (int i = 0; i < c->levels; i++) {
        snprintf(name, sizeof name, "%s%s%d%s", w->vae, names->down, i, first);
        if (walk_size(w, name, 4, 0, &c->channels[i]) != 0)
            return -1;
    }
    if (vae_size(w, "encoder.conv_in.weight", 1, &c->in_channels) != 0 ||
        vae_size(w, "decoder.conv_out.weight", 0, &c->out_channels) != 0 ||
        vae_size(w, "decoder.conv_in.weight", 1, &c->latent_channels) != 0 ||
        check_vae_blocks(w, c) != 0)
        return -1;
    if (c->in_channels != 3 || c->out_channels != 3 || c->latent_channels > 16)
        return walk_fail(w, "the VAE is not one of RGB images and up to 16 latent channels");
    c->mid_attention = walk_get(w, "%s%s", w->vae, names->attention) ||
                       walk_get(w, "%s%s", w->vae, names->old_attention);
    c->quant_conv = walk_get(w, "%squant_conv.weight", w->vae) != NULL;
    c->post_quant_conv = walk_get(w, "%spost_quant_conv.weight", w->vae) != NULL;
    return walk_groups(w, "VAE", c->channels, c->levels);
}

/* The blocks of each level of one half of a tiny VAE (vae_tiny.c has the order of its layers). */
static int read_tiny_half(const struct walk *w, const char *half, struct vae_config *c, int *levels)
{
    bool encoder = !strcmp(half, "encoder");
    int at = encoder ? 1 : 2, *blocks = c->tiny_blocks[encoder];
    char prefix[KEY_MAX];
    snprintf(prefix, sizeof prefix, "%s.layers.", half);
    for (*levels = 0; *levels < MAX_LEVELS; (*levels)++) {
        int most = at + MAX_BLOCKS, first = at;
        while (at <= most && walk_get(w, "%s%d.conv.0.weight", prefix, at))
            at++;
        if (at > most)
            return walk_fail(w, "the tiny VAE has too many blocks in a level");
        blocks[*levels] = at - first;
        if (walk_get(w, "%s%d.bias", prefix,
                     at)) { /* the last convolution's; others between have none */
            (*levels)++;
            return 0;
        }
        at += encoder ? 1 : 2;
    }
    return walk_fail(w, "the tiny VAE has too many levels");
}

int infer_tiny_vae(const struct safetensors *st, struct model_config *c, struct err *e)
{
    struct walk w = {.st = st, .e = e};
    struct vae_config *v = &c->vae;
    int encoder, width = 0;
    *c = (struct model_config){0};
    v->tiny = true;
    v->scaling_factor = 1;
    if (walk_size(&w, "decoder.layers.0.weight", 4, 0, &width) != 0 ||
        walk_size(&w, "decoder.layers.0.weight", 4, 1, &v->latent_channels) != 0 ||
        walk_size(&w, "encoder.layers.0.weight", 4, 1, &v->in_channels) != 0 ||
        read_tiny_half(&w, "decoder", v, &v->levels) != 0 ||
        read_tiny_half(&w, "encoder", v, &encoder) != 0)
        return -1;
    for (int i = 0; i < v->levels; i++)
        v->channels[i] = width;
    v->out_channels = 3; /* or the last convolution will not have the shape that is asked for */
    if (encoder != v->levels || v->in_channels != 3 || v->latent_channels > 16)
        return walk_fail(&w, "the tiny VAE is not one of RGB images and up to 16 latent channels");
    return 0;
}

/* -- text encoders -- */

struct clip_names {
    const char *tokens, *positions, *layers, *layer_mark, *ffn;
};

static int read_clip(const struct walk *w, const struct clip_names *n, int encoder,
                     struct clip_config *c)
{
    *c = (struct clip_config){.act = encoder == 0 ? ACT_QUICK_GELU : ACT_GELU, .eps = 1e-5f};
    c->layers = walk_run(w, n->layers, n->layer_mark, MAX_LAYERS);
    if (c->layers < 2 || c->layers > MAX_LAYERS)
        return walk_fail(w, "a text encoder has too few or too many layers");
    if (walk_size(w, n->tokens, 2, 0, &c->vocab) != 0 ||
        walk_size(w, n->tokens, 2, 1, &c->hidden) != 0 ||
        walk_size(w, n->positions, 2, 0, &c->positions) != 0 ||
        walk_size(w, n->ffn, 2, 0, &c->ffn) != 0 ||
        walk_heads(w, c->hidden, "a text encoder", &c->heads) != 0)
        return -1;
    if (c->vocab < 4 || c->positions < 77)
        return walk_fail(w, "a text encoder has too few tokens or positions");
    config_default_tokens(c, encoder);
    return 0;
}

/* The names of bigG behind either prefix. */
#define BIGG_NAMES(prefix)                                                                         \
    {                                                                                              \
        prefix "token_embedding.weight", prefix "positional_embedding",                            \
            prefix "transformer.resblocks.", ".mlp.c_fc.weight",                                   \
            prefix "transformer.resblocks.0.mlp.c_fc.weight"                                       \
    }

static int read_projection(const struct walk *w, const char *prefix, int *projection)
{
    char name[KEY_MAX];
    snprintf(name, sizeof name, "%stext_projection.weight", prefix);
    if (walk_get(w, "%s", name))
        return walk_size(w, name, 2, 0, projection);
    snprintf(name, sizeof name, "%stext_projection", prefix);
    return walk_size(w, name, 2, 1, projection);
}

static int read_text(const struct walk *w, struct clip_config text[2])
{
    static const struct clip_names l = {
        CLIP_L "embeddings.token_embedding.weight", CLIP_L "embeddings.position_embedding.weight",
        CLIP_L "encoder.layers.", ".mlp.fc1.weight", CLIP_L "encoder.layers.0.mlp.fc1.weight"};
    static const struct clip_names g = BIGG_NAMES(BIGG), refiner = BIGG_NAMES(REFINER_BIGG);
    if (is_refiner(w))
        return read_clip(w, &refiner, 1, &text[1]) != 0
                   ? -1
                   : read_projection(w, REFINER_BIGG, &text[1].projection);
    if (read_clip(w, &l, 0, &text[0]) != 0 || read_clip(w, &g, 1, &text[1]) != 0)
        return -1;
    return read_projection(w, BIGG, &text[1].projection);
}

int infer_config(const struct safetensors *st, struct model_config *c, struct err *e)
{
    struct walk w = {.st = st, .e = e, .vae = VAE, .names = &original_names};
    *c = (struct model_config){.default_size = DEFAULT_PIXELS};
    c->refiner = is_refiner(&w);
    c->zeros_for_empty_prompt = !c->refiner; /* as diffusers has it for both */
    if (check_kind(&w) != 0 || read_objective(&w, &c->schedule) != 0 ||
        read_unet(&w, &c->unet) != 0 || read_vae(&w, &c->vae) != 0 || read_text(&w, c->text) != 0)
        return -1;
    return config_check(c, safetensors_path(st), e);
}

int infer_vae_config(const struct safetensors *st, bool bare, struct model_config *c, struct err *e)
{
    struct walk w = {.st = st, .e = e, .vae = bare ? "" : VAE, .names = &original_names};
    if (bare && walk_get(&w, "%s", "decoder.up_blocks.0.resnets.0.conv1.weight"))
        w.names = &diffusers_names;
    *c = (struct model_config){0};
    return read_vae(&w, &c->vae);
}
