/*
 * What a ControlNet's single file is: its sizes from the names and shapes of its tensors.
 *
 * Read in diffusers' names, whatever the file calls them: keymap.c translates. Original files
 * number their blocks through, so for them the layers of a level are counted before anything else.
 */
#include "sdxl/infer.h"

#include <stdio.h>
#include <string.h>

#include "sdxl/infer_walk.h"
#include "sdxl/weights_kind.h"

enum { SDXL_CONTEXT = 2048, SDXL_TIME_DIM = 256, BLOCKS_MAX = 2 * MAX_LEVELS - 1 };

/* -- what the file is -- */

const char *infer_not_control(const struct safetensors *st)
{
    static const struct {
        const char *prefix, *what;
    } others[] = {
        {"lora_controlnet", "is a control-LoRA, which spritty does not run: take the whole "
                            "ControlNet it was made from"},
        {"controlnet_x_embedder.", "is a ControlNet of Flux; spritty runs those of SDXL"},
        {"controlnet_blocks.", "is a ControlNet of a transformer model (Flux, SD3); spritty runs "
                               "those of SDXL"},
        {"difference", "is the difference of a ControlNet to a model, which spritty does not run: "
                       "take a whole one"},
        {"encoder_hid_proj.", "is a ControlNet of Kolors; spritty runs those of SDXL"},
        {"lllite_", "is a ControlNet-LLLite, which spritty does not run: take a ControlNet"},
        {"adapter.body.", "is a T2I adapter, which spritty does not run: take a ControlNet"},
        {"body.0.", "is a T2I adapter, which spritty does not run: take a ControlNet"},
        {"ip_adapter.", "is an IP adapter, which spritty does not run"},
        {"image_proj.", "is an IP adapter, which spritty does not run"},
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (safetensors_prefix(st, others[i].prefix, NULL) > 0)
            return others[i].what;
    return NULL;
}

static int other_kind(const struct walk *w)
{
    enum weights_kind kind = weights_summary(w->st).kind;
    if (kind == WEIGHTS_OTHER || kind == WEIGHTS_CONTROL)
        return walk_fail(w, "is no ControlNet: it has no zero_convs or controlnet_down_blocks");
    return err_set(w->e, "%s: is a %s, not a ControlNet", safetensors_path(w->st),
                   weights_kind_name(kind));
}

int infer_control_names(const struct safetensors *st, enum control_names *names, struct err *e)
{
    struct walk w = {.st = st, .e = e};
    const char *refused = infer_not_control(st);
    if (refused)
        return walk_fail(&w, refused);
    if (walk_has(&w, "controlnet_down_blocks."))
        *names = CONTROL_DIFFUSERS;
    else if (walk_has(&w, "control_model.zero_convs."))
        *names = CONTROL_ORIGINAL;
    else if (walk_has(&w, "zero_convs."))
        *names = CONTROL_BARE;
    else
        return other_kind(&w);
    if (!walk_has(&w, *names == CONTROL_DIFFUSERS  ? "add_embedding."
                      : *names == CONTROL_ORIGINAL ? "control_model.label_emb."
                                                   : "label_emb."))
        return walk_fail(&w, "is a ControlNet of Stable Diffusion 1 or 2; spritty runs those of "
                             "SDXL");
    return 0;
}

/* -- its levels -- */

static int uneven(const struct walk *w)
{
    return walk_fail(w, "the ControlNet's blocks differ within a level or between levels, which is "
                        "not supported");
}

/* Transformer blocks of what may stand behind a res block: 0 where nothing does. */
static int read_depth(const struct walk *w, const char *attention, int *depth)
{
    char prefix[KEY_MAX];
    snprintf(prefix, sizeof prefix, "%s.transformer_blocks.", attention);
    *depth = walk_run(w, prefix, ".norm1.weight", MAX_LAYERS);
    if (*depth > MAX_LAYERS)
        return walk_fail(w, "the ControlNet has too many transformer blocks");
    if (*depth == 0 && walk_get(w, "%s.norm.weight", attention))
        return walk_fail(w, "the ControlNet has transformers without blocks, which is not "
                            "supported");
    return 0;
}

static int read_level(const struct walk *w, struct unet_config *c, int level)
{
    char name[64];
    for (int at = 0; at < c->layers; at++) {
        int channels, depth;
        snprintf(name, sizeof name, "down_blocks.%d.resnets.%d.conv1.weight", level, at);
        if (walk_size(w, name, 4, 0, &channels) != 0)
            return -1;
        snprintf(name, sizeof name, "down_blocks.%d.attentions.%d", level, at);
        if (read_depth(w, name, &depth) != 0)
            return -1;
        if (at > 0 && (channels != c->channels[level] || depth != c->depth[level]))
            return uneven(w);
        c->channels[level] = channels;
        c->depth[level] = depth;
    }
    return walk_get(w, "down_blocks.%d.resnets.%d.conv1.weight", level, c->layers) ? uneven(w) : 0;
}

/* c->layers is known. A level that another one follows ends in a downsampler. */
static int read_levels(const struct walk *w, struct unet_config *c)
{
    bool more = true;
    int levels = 0;
    for (; more && levels < MAX_LEVELS; levels++) {
        if (read_level(w, c, levels) != 0)
            return -1;
        more = walk_get(w, "down_blocks.%d.downsamplers.0.conv.weight", levels) != NULL;
    }
    if (more)
        return walk_fail(w, "the ControlNet has too many levels");
    c->levels = levels;
    return 0;
}

static int read_middle(const struct walk *w, struct unet_config *c)
{
    int channels;
    if (walk_size(w, "mid_block.resnets.0.conv1.weight", 4, 0, &channels) != 0 ||
        read_depth(w, "mid_block.attentions.0", &c->mid_depth) != 0)
        return -1;
    bool second = walk_get(w, "mid_block.resnets.1.conv1.weight") != NULL;
    return second != (c->mid_depth > 0) ? uneven(w) : 0;
}

/* One transformer's width of the text and how its projections are stored. */
static int read_projections(const struct walk *w, struct unet_config *c, const char *attention)
{
    char name[KEY_MAX];
    snprintf(name, sizeof name, "%s.transformer_blocks.0.attn2.to_k.weight", attention);
    if (walk_size(w, name, 2, 1, &c->context) != 0)
        return -1;
    const struct st_tensor *in = walk_get(w, "%s.proj_in.weight", attention);
    c->linear_projection = in && in->rank == 2;
    return 0;
}

static int read_attention(const struct walk *w, struct unet_config *c)
{
    char name[64];
    c->context = SDXL_CONTEXT; /* as it stays where no transformer reads it */
    c->linear_projection = true;
    for (int i = 0; i < c->levels; i++) {
        bool attends = c->depth[i] > 0 || (i == c->levels - 1 && c->mid_depth > 0);
        c->heads[i] = 1;
        if (attends && walk_heads(w, c->channels[i], "the ControlNet", &c->heads[i]) != 0)
            return -1;
        snprintf(name, sizeof name, "down_blocks.%d.attentions.0", i);
        if (c->depth[i] > 0 && read_projections(w, c, name) != 0)
            return -1;
    }
    return c->mid_depth > 0 ? read_projections(w, c, "mid_block.attentions.0") : 0;
}

static int read_way_down(const struct walk *w, struct unet_config *c)
{
    if (walk_size(w, "conv_in.weight", 4, 1, &c->in_channels) != 0 ||
        walk_size(w, "time_embedding.linear_1.weight", 2, 0, &c->time_dim) != 0 ||
        walk_size(w, "add_embedding.linear_1.weight", 2, 1, &c->added_inputs) != 0 ||
        read_levels(w, c) != 0 || read_middle(w, c) != 0 || read_attention(w, c) != 0)
        return -1;
    if (c->time_dim != 4 * c->channels[0])
        return walk_fail(w, "the time embedding is not 4 times as wide as the first level");
    return walk_groups(w, "ControlNet", c->channels, c->levels);
}

/* -- its hint -- */

static int other_hint(const struct walk *w)
{
    return walk_fail(w, "the layers that read the ControlNet's picture are not those of SDXL");
}

static int read_hint(const struct walk *w, struct control_config *c)
{
    char name[64];
    int out, blocks = walk_run(w, "controlnet_cond_embedding.blocks.", ".weight", BLOCKS_MAX);
    /* In the original names the last convolution continues the row. */
    if (blocks > BLOCKS_MAX || blocks % 2 != (w->control != NULL))
        return other_hint(w);
    c->hint_levels = blocks / 2 + 1;
    if (walk_size(w, "controlnet_cond_embedding.conv_in.weight", 4, 1, &c->hint_channels) != 0 ||
        walk_size(w, "controlnet_cond_embedding.conv_in.weight", 4, 0, &c->hint_width[0]) != 0)
        return -1;
    for (int i = 1; i < c->hint_levels; i++) {
        snprintf(name, sizeof name, "controlnet_cond_embedding.blocks.%d.weight", 2 * i - 1);
        if (walk_size(w, name, 4, 0, &c->hint_width[i]) != 0)
            return -1;
    }
    if (walk_size(w, "controlnet_cond_embedding.conv_out.weight", 4, 0, &out) != 0)
        return -1;
    if (c->hint_channels != 3)
        return walk_fail(w, "the ControlNet does not read RGB pictures");
    return out != c->unet.channels[0] ? other_hint(w) : 0;
}

/* -- what a union has more -- */

/* The kinds' embeddings; keymap.c knows it by what the loader asks for. */
static const char *union_table(const struct walk *w)
{
    return w->control ? "task_embedding.weight" : "task_embedding";
}

static int check_union_widths(const struct walk *w, const struct control_config *c)
{
    int width = c->unet.channels[0], kind, alpha, sines;
    if (walk_size(w, union_table(w), 2, 1, &kind) != 0 ||
        walk_size(w, "spatial_ch_projs.weight", 2, 0, &alpha) != 0 ||
        walk_size(w, "control_add_embedding.linear_1.weight", 2, 1, &sines) != 0)
        return -1;
    if (kind != width || alpha != width || width % c->type_heads != 0)
        return walk_fail(w, "the union's transformer is not as wide as the ControlNet's first "
                            "level, or does not divide into its heads");
    return sines == c->types * c->unet.added_time_dim
               ? 0
               : walk_fail(w, "the union's time embedding is not for as many kinds as it has");
}

static int read_union(const struct walk *w, struct control_config *c)
{
    if (!walk_get(w, "%s", union_table(w)) && !walk_get(w, "control_add_embedding.linear_1.weight"))
        return 0;
    if (walk_size(w, union_table(w), 2, 0, &c->types) != 0)
        return -1;
    c->type_layers = walk_run(w, "transformer_layes.", ".ln_1.weight", MAX_TYPE_LAYERS);
    if (c->types > MAX_TYPES || c->type_layers < 1 || c->type_layers > MAX_TYPE_LAYERS)
        return walk_fail(w, "the union has no or too many layers or kinds of picture");
    if (c->type_heads == 0)
        c->type_heads = UNION_HEADS;
    return check_union_widths(w, c);
}

int infer_control_union(const struct safetensors *st, struct model_config *c, struct err *e)
{
    struct walk w = {.st = st, .e = e};
    return read_union(&w, &c->control);
}

/* -- the way in -- */

/* Res blocks of the first level: what numbers all others of an original file. */
static int count_layers(const struct safetensors *st, enum control_names names, struct err *e)
{
    struct walk w = {.st = st, .e = e};
    const char *prefix = names == CONTROL_ORIGINAL ? "control_model." : "";
    int n = 0;
    if (names == CONTROL_DIFFUSERS)
        n = walk_run(&w, "down_blocks.0.resnets.", ".conv1.weight", MAX_BLOCKS);
    else
        while (n <= MAX_BLOCKS &&
               walk_get(&w, "%sinput_blocks.%d.0.in_layers.2.weight", prefix, n + 1))
            n++;
    if (n < 1 || n > MAX_BLOCKS)
        return walk_fail(&w, "the ControlNet has no or too many blocks in its first level");
    return n;
}

int infer_control_config(const struct safetensors *st, enum control_names names,
                         struct model_config *c, struct err *e)
{
    struct walk w = {.st = st,
                     .e = e,
                     .control = names == CONTROL_DIFFUSERS ? NULL : c,
                     .bare = names == CONTROL_BARE};
    *c = (struct model_config){0};
    c->control.unet = (struct unet_config){.norm_groups = NORM_GROUPS,
                                           .norm_eps = 1e-5f,
                                           .flip_sin_to_cos = true,
                                           .added_time_dim = SDXL_TIME_DIM,
                                           .levels = MAX_LEVELS, /* names of so many are known */
                                           .layers = count_layers(st, names, e)};
    if (c->control.unet.layers < 0 || read_way_down(&w, &c->control.unet) != 0 ||
        read_hint(&w, &c->control) != 0)
        return -1;
    return read_union(&w, &c->control);
}
