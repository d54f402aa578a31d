/*
 * UNet, VAE and noise schedule: one config.json -> one struct.
 *
 * diffusers' configs carry some forty keys that SDXL models leave at their defaults. Each is in a
 * table below with the only values that spritty computes; anything else is refused by its name.
 */
#include "sdxl/config.h"

#include <string.h>

#include "sdxl/schedule.h"

enum { CHANNELS_MAX = 1 << 14, WIDTH_MAX = 1 << 17 };

/* -- keys that must stay as they are -- */

struct fixed_key {
    const char *key;
    const char *only; /* the accepted string, NULL: none */
    double number;    /* the accepted number, when it is one */
};

/* false, null, or missing is what `only == NULL, number == 0` accepts. */
static bool is_fixed(struct json v, const struct fixed_key *k)
{
    uint64_t n;
    bool b;
    switch (json_kind(v)) {
    case JSON_MISSING:
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return json_as_bool(v, &b) && !b && !k->only && k->number == 0;
    case JSON_STRING:
        return k->only && strcmp(json_as_string(v), k->only) == 0;
    case JSON_NUMBER:
        return !k->only && json_as_u64(v, &n) && (double)n == k->number;
    case JSON_ARRAY:
        for (struct json i = json_first(v); i.node; i = json_next(i))
            if (!is_fixed(i, k))
                return false;
        return true;
    default:
        return false;
    }
}

static int check_fixed(struct json root, const struct fixed_key *keys, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++)
        if (!is_fixed(json_get(root, keys[i].key), &keys[i]))
            return err_set(e, "%s: \"%s\" is set to something that spritty does not support",
                           json_name(root), keys[i].key);
    return 0;
}

static int check_class(struct json root, const char *wanted, struct err *e)
{
    const char *name;
    if (json_kind(root) != JSON_OBJECT)
        return err_set(e, "%s: is not a JSON object", json_name(root));
    if (json_string_or(root, "_class_name", wanted, &name, e) != 0)
        return -1;
    if (strcmp(name, wanted) != 0)
        return err_set(e, "%s: describes a %.60s, not SDXL's %s", json_name(root), name, wanted);
    return 0;
}

/* -- lists with one entry a level -- */

/* A number stands for all levels; a list must have one entry for each. */
static int per_level(struct json root, const char *key, int min, int max, int levels, int *out,
                     struct err *e)
{
    for (struct json i = json_first(json_get(root, key)); i.node; i = json_next(i))
        if (json_kind(i) == JSON_ARRAY)
            return err_set(e, "%s: \"%s\" differs within a level, which spritty does not support",
                           json_name(root), key);
    int n = json_ints(root, key, min, max, out, MAX_LEVELS, e);
    if (n < 0)
        return -1;
    if (json_kind(json_get(root, key)) != JSON_ARRAY)
        for (n = 1; n < levels; n++)
            out[n] = out[0];
    if (n != levels)
        return err_set(e, "%s: \"%s\" has %d entries for %d levels", json_name(root), key, n,
                       levels);
    return 0;
}

/* A number, or a list of equal ones. */
static int one_for_all(struct json root, const char *key, int min, int max, int *out, struct err *e)
{
    int all[MAX_LEVELS] = {0};
    int n = json_ints(root, key, min, max, all, MAX_LEVELS, e);
    for (int i = 1; i < n; i++)
        if (all[i] != all[0])
            return err_set(e, "%s: \"%s\" differs between levels, which spritty does not support",
                           json_name(root), key);
    *out = all[0];
    return n < 0 ? -1 : 0;
}

static int read_channels(struct json root, int *channels, int *levels, struct err *e)
{
    *levels = json_ints(root, "block_out_channels", 1, CHANNELS_MAX, channels, MAX_LEVELS, e);
    return *levels < 0 ? -1 : 0;
}

static int check_groups(struct json root, const int *channels, int levels, int groups,
                        struct err *e)
{
    for (int i = 0; i < levels; i++)
        if (channels[i] % groups != 0)
            return err_set(e, "%s: %d channels are no multiple of \"norm_num_groups\" %d",
                           json_name(root), channels[i], groups);
    return 0;
}

/* Checks a list of block types: as many as levels, each one of the two names. attention may be
 * NULL; from_end counts levels from the other side (up blocks). */
static int read_blocks(struct json root, const char *key, int levels, const char *plain,
                       const char *attending, bool from_end, bool *attention, struct err *e)
{
    struct json list = json_get(root, key);
    if (json_kind(list) != JSON_ARRAY || json_count(list) != levels)
        return err_set(e, "%s: \"%s\" must be a list of %d block types", json_name(root), key,
                       levels);
    int i = 0;
    for (struct json v = json_first(list); v.node; v = json_next(v), i++) {
        const char *type = json_as_string(v);
        bool attends = type && attending && strcmp(type, attending) == 0;
        if (!type || (!attends && strcmp(type, plain) != 0))
            return err_set(e, "%s: \"%s\" holds %s, which spritty does not support",
                           json_name(root), key, type ? type : "something that is no name");
        if (attention)
            attention[from_end ? levels - 1 - i : i] = attends;
    }
    return 0;
}

/* -- UNet -- */

static const struct fixed_key unet_fixed[] = {
    {"center_input_sample", NULL, 0},
    {"only_cross_attention", NULL, 0},
    {"mid_block_only_cross_attention", NULL, 0},
    {"downsample_padding", NULL, 1},
    {"mid_block_scale_factor", NULL, 1},
    {"act_fn", "silu", 0},
    {"reverse_transformer_layers_per_block", NULL, 0},
    {"encoder_hid_dim", NULL, 0},
    {"encoder_hid_dim_type", NULL, 0},
    {"dual_cross_attention", NULL, 0},
    {"class_embed_type", NULL, 0},
    {"num_class_embeds", NULL, 0},
    {"class_embeddings_concat", NULL, 0},
    {"addition_embed_type", "text_time", 0},
    {"resnet_time_scale_shift", "default", 0},
    {"resnet_skip_time_act", NULL, 0},
    {"resnet_out_scale_factor", NULL, 1},
    {"time_embedding_type", "positional", 0},
    {"time_embedding_act_fn", NULL, 0},
    {"timestep_post_act", NULL, 0},
    {"time_cond_proj_dim", NULL, 0},
    {"conv_in_kernel", NULL, 3},
    {"conv_out_kernel", NULL, 3},
    {"attention_type", "default", 0},
    {"cross_attention_norm", NULL, 0},
};

/* "mid_block_type": with attention or the plain one, which only ControlNets have. */
static int read_middle(struct json root, bool may_be_plain, bool *attends, struct err *e)
{
    static const char attending[] = "UNetMidBlock2DCrossAttn", plain[] = "UNetMidBlock2D";
    const char *key = "mid_block_type", *type;
    if (json_kind(json_get(root, key)) == JSON_NULL)
        return err_set(e, "%s: has no middle block, which spritty does not support",
                       json_name(root));
    if (json_string_or(root, key, attending, &type, e) != 0)
        return -1;
    *attends = !strcmp(type, attending);
    if (!*attends && (!may_be_plain || strcmp(type, plain) != 0))
        return err_set(e, "%s: \"%s\" is set to something that spritty does not support",
                       json_name(root), key);
    return 0;
}

/* Levels, channels, and where attention is: depth[] is 0 at levels without, mid_depth in a plain
 * middle. */
static int parse_levels(struct json root, bool may_be_plain, struct unet_config *c, struct err *e)
{
    bool down[MAX_LEVELS], middle;
    int depth[MAX_LEVELS];
    if (read_channels(root, c->channels, &c->levels, e) != 0 ||
        read_blocks(root, "down_block_types", c->levels, "DownBlock2D", "CrossAttnDownBlock2D",
                    false, down, e) != 0 ||
        read_middle(root, may_be_plain, &middle, e) != 0)
        return -1;
    const char *key = "transformer_layers_per_block";
    if (!json_is_set(json_get(root, key)))
        for (int i = 0; i < c->levels; i++)
            depth[i] = 1;
    else if (per_level(root, key, 0, MAX_LAYERS, c->levels, depth, e) != 0)
        return -1;
    for (int i = 0; i < c->levels; i++) {
        c->depth[i] = down[i] ? depth[i] : 0;
        if (down[i] && depth[i] < 1)
            return err_set(e, "%s: \"%s\" is 0 at a level with attention", json_name(root), key);
    }
    c->mid_depth = middle ? depth[c->levels - 1] : 0;
    if (middle && c->mid_depth < 1)
        return err_set(e, "%s: \"%s\" is 0 for the middle block", json_name(root), key);
    return 0;
}

/* The way up has attention where the way down has it. */
static int check_up(struct json root, const struct unet_config *c, struct err *e)
{
    bool up[MAX_LEVELS];
    if (read_blocks(root, "up_block_types", c->levels, "UpBlock2D", "CrossAttnUpBlock2D", true, up,
                    e) != 0)
        return -1;
    for (int i = 0; i < c->levels; i++)
        if (up[i] != (c->depth[i] > 0))
            return err_set(e, "%s: \"up_block_types\" does not mirror \"down_block_types\"",
                           json_name(root));
    return 0;
}

/* diffusers calls it attention_head_dim, and it is the number of heads (the comment on
 * num_attention_heads in UNet2DConditionModel.__init__ explains the mistake). */
static int parse_heads(struct json root, struct unet_config *c, struct err *e)
{
    const char *key = "num_attention_heads";
    if (!json_is_set(json_get(root, key)))
        key = "attention_head_dim";
    if (per_level(root, key, 1, CHANNELS_MAX, c->levels, c->heads, e) != 0)
        return -1;
    for (int i = 0; i < c->levels; i++)
        if ((c->depth[i] > 0 || i == c->levels - 1) && c->channels[i] % c->heads[i] != 0)
            return err_set(e, "%s: %d channels do not divide into %d heads (\"%s\")",
                           json_name(root), c->channels[i], c->heads[i], key);
    return 0;
}

/* A number, or [height, width]: the larger. */
static int parse_sample_size(struct json root, int *out, struct err *e)
{
    int size[2] = {0, 0};
    *out = 0;
    if (!json_is_set(json_get(root, "sample_size")))
        return 0;
    if (json_ints(root, "sample_size", 1, 1 << 14, size, 2, e) < 0)
        return -1;
    *out = size[0] > size[1] ? size[0] : size[1];
    return 0;
}

/* What a UNet and a ControlNet have in common: all but the way up. */
static int parse_way_down(struct json root, bool may_be_plain, struct unet_config *c, struct err *e)
{
    double eps, shift;
    if (check_fixed(root, unet_fixed, sizeof unet_fixed / sizeof *unet_fixed, e) != 0 ||
        parse_levels(root, may_be_plain, c, e) != 0 || parse_heads(root, c, e) != 0 ||
        json_int(root, "in_channels", 1, 64, &c->in_channels, e) != 0 ||
        one_for_all(root, "layers_per_block", 1, MAX_BLOCKS, &c->layers, e) != 0 ||
        one_for_all(root, "cross_attention_dim", 1, WIDTH_MAX, &c->context, e) != 0 ||
        json_int_or(root, "norm_num_groups", 32, 1, CHANNELS_MAX, &c->norm_groups, e) != 0 ||
        json_double_or(root, "norm_eps", 1e-5, 1e-12, 1, &eps, e) != 0 ||
        json_bool_or(root, "flip_sin_to_cos", true, &c->flip_sin_to_cos, e) != 0 ||
        json_double_or(root, "freq_shift", 0, 0, 1, &shift, e) != 0 ||
        json_int(root, "addition_time_embed_dim", 2, WIDTH_MAX, &c->added_time_dim, e) != 0 ||
        json_int(root, "projection_class_embeddings_input_dim", 1, WIDTH_MAX, &c->added_inputs,
                 e) != 0 ||
        json_bool_or(root, "use_linear_projection", false, &c->linear_projection, e) != 0 ||
        check_groups(root, c->channels, c->levels, c->norm_groups, e) != 0)
        return -1;
    if (!json_is_set(json_get(root, "addition_embed_type")))
        return err_set(e, "%s: \"addition_embed_type\" is missing; this is no SDXL model",
                       json_name(root));
    c->norm_eps = (float)eps;
    c->freq_shift = (float)shift;
    c->time_dim = c->channels[0] * 4;
    return 0;
}

int config_parse_unet(struct json root, struct unet_config *c, int *sample_size, struct err *e)
{
    *c = (struct unet_config){0};
    int time_dim;
    if (check_class(root, "UNet2DConditionModel", e) != 0 ||
        parse_way_down(root, false, c, e) != 0 || check_up(root, c, e) != 0 ||
        json_int_or(root, "out_channels", 4, 1, 64, &c->out_channels, e) != 0 ||
        parse_sample_size(root, sample_size, e) != 0)
        return -1;
    if (json_int_or(root, "time_embedding_dim", c->time_dim, 1, WIDTH_MAX, &time_dim, e) != 0)
        return -1;
    if (time_dim != c->time_dim)
        return err_set(e, "%s: \"time_embedding_dim\" %d is not 4 times the first level's %d",
                       json_name(root), time_dim, c->channels[0]);
    return 0;
}

/* -- ControlNet -- */

static const struct fixed_key control_fixed[] = {
    {"controlnet_conditioning_channel_order", "rgb", 0},
    {"global_pool_conditions", NULL, 0},
};

static bool is_union(struct json root)
{
    const char *class = json_as_string(json_get(root, "_class_name"));
    return class && strcmp(class, "ControlNetUnionModel") == 0;
}

/* What a union has beside a ControlNet; diffusers' own values where keys are missing. The published
 * ones call themselves ControlNetModel, but may tell the number of kinds. */
static int parse_union(struct json root, struct control_config *c, struct err *e)
{
    static const char *const widths[] = {"num_trans_channel", "num_proj_channel"};
    int first = c->unet.channels[0], width;
    if (!is_union(root) && !json_is_set(json_get(root, "num_control_type")))
        return 0;
    if (json_int_or(root, "num_control_type", 6, 1, MAX_TYPES, &c->types, e) != 0 ||
        json_int_or(root, "num_trans_layer", 1, 1, MAX_TYPE_LAYERS, &c->type_layers, e) != 0 ||
        json_int_or(root, "num_trans_head", UNION_HEADS, 1, CHANNELS_MAX, &c->type_heads, e) != 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        if (json_int_or(root, widths[i], 320, 1, CHANNELS_MAX, &width, e) != 0)
            return -1;
        if (width != first)
            return err_set(e, "%s: \"%s\" %d is not the first level's %d", json_name(root),
                           widths[i], width, first);
    }
    return first % c->type_heads == 0
               ? 0
               : err_set(e, "%s: %d channels do not divide into %d heads (\"num_trans_head\")",
                         json_name(root), first, c->type_heads);
}

/* Widths of the hint's levels; diffusers' own where they are missing. */
static int parse_hint(struct json root, struct control_config *c, struct err *e)
{
    static const int usual[] = {16, 32, 96, 256};
    const char *key = "conditioning_embedding_out_channels";
    c->hint_levels = sizeof usual / sizeof *usual;
    memcpy(c->hint_width, usual, sizeof usual);
    if (json_is_set(json_get(root, key)))
        c->hint_levels = json_ints(root, key, 1, CHANNELS_MAX, c->hint_width, MAX_LEVELS, e);
    return c->hint_levels < 0
               ? -1
               : json_int_or(root, "conditioning_channels", 3, 3, 3, &c->hint_channels, e);
}

int config_parse_control(struct json root, struct control_config *c, struct err *e)
{
    *c = (struct control_config){0};
    if (check_class(root, is_union(root) ? "ControlNetUnionModel" : "ControlNetModel", e) != 0)
        return -1;
    if (!json_is_set(json_get(root, "addition_embed_type")))
        return err_set(e,
                       "%s: is a ControlNet of Stable Diffusion 1 or 2; spritty runs those of SDXL",
                       json_name(root));
    return check_fixed(root, control_fixed, sizeof control_fixed / sizeof *control_fixed, e) != 0 ||
                   parse_way_down(root, true, &c->unet, e) != 0 || parse_hint(root, c, e) != 0
               ? -1
               : parse_union(root, c, e);
}

/* -- VAE -- */

static const struct fixed_key vae_fixed[] = {
    {"act_fn", "silu", 0},
    {"latents_mean", NULL, 0},
    {"latents_std", NULL, 1},
};

static const struct fixed_key tiny_fixed[] = {
    {"act_fn", "relu", 0},
    {"upsample_fn", "nearest", 0},
    {"upsampling_scaling_factor", NULL, 2},
    {"shift_factor", NULL, 0},
};

/* One width for all levels, as many of which in the encoder as in the decoder. latent_magnitude and
 * latent_shift are for who keeps latents as pictures; nothing here does. */
static int parse_tiny(struct json root, struct vae_config *c, struct err *e)
{
    static const char *const widths[] = {"decoder_block_out_channels",
                                         "encoder_block_out_channels"};
    static const char *const blocks[] = {"num_decoder_blocks", "num_encoder_blocks"};
    int width[MAX_LEVELS];
    double scale;
    for (int half = 0; half < 2; half++) {
        int levels = json_ints(root, blocks[half], 0, MAX_BLOCKS, c->tiny_blocks[half], MAX_LEVELS,
                               e);
        int given = json_ints(root, widths[half], 1, CHANNELS_MAX, width, MAX_LEVELS, e);
        if (levels < 0 || given < 0)
            return -1;
        c->levels = half ? c->levels : levels;
        if (levels < 1 || levels != c->levels || given != levels)
            return err_set(e, "%s: \"%s\" and \"%s\" must have an entry for each of %d levels",
                           json_name(root), blocks[half], widths[half], c->levels);
        for (int i = 0; i < levels; i++) {
            c->channels[i] = half ? c->channels[0] : width[0];
            if (width[i] != c->channels[i])
                return err_set(e, "%s: \"%s\" differs between levels, which is not supported",
                               json_name(root), widths[half]);
        }
    }
    if (check_fixed(root, tiny_fixed, sizeof tiny_fixed / sizeof *tiny_fixed, e) != 0 ||
        json_int_or(root, "in_channels", 3, 3, 3, &c->in_channels, e) != 0 ||
        json_int_or(root, "out_channels", 3, 3, 3, &c->out_channels, e) != 0 ||
        json_int_or(root, "latent_channels", 4, 1, 16, &c->latent_channels, e) != 0 ||
        json_double_or(root, "scaling_factor", 1, 1e-6, 1e6, &scale, e) != 0)
        return -1;
    c->scaling_factor = (float)scale;
    c->tiny = true;
    return 0;
}

int config_parse_vae(struct json root, struct vae_config *c, struct err *e)
{
    *c = (struct vae_config){0};
    double scale, shift;
    const char *class = json_as_string(json_get(root, "_class_name"));
    if (class && !strcmp(class, "AutoencoderTiny"))
        return parse_tiny(root, c, e);
    if (check_class(root, "AutoencoderKL", e) != 0 ||
        check_fixed(root, vae_fixed, sizeof vae_fixed / sizeof *vae_fixed, e) != 0 ||
        read_channels(root, c->channels, &c->levels, e) != 0 ||
        read_blocks(root, "down_block_types", c->levels, "DownEncoderBlock2D", NULL, false, NULL,
                    e) != 0 ||
        read_blocks(root, "up_block_types", c->levels, "UpDecoderBlock2D", NULL, true, NULL, e) !=
            0 ||
        json_int_or(root, "in_channels", 3, 3, 3, &c->in_channels, e) != 0 ||
        json_int_or(root, "out_channels", 3, 3, 3, &c->out_channels, e) != 0 ||
        json_int_or(root, "latent_channels", 4, 1, 16, &c->latent_channels, e) != 0 ||
        json_int_or(root, "layers_per_block", 1, 1, MAX_BLOCKS, &c->layers, e) != 0 ||
        json_int_or(root, "norm_num_groups", 32, 1, CHANNELS_MAX, &c->norm_groups, e) != 0 ||
        json_bool_or(root, "mid_block_add_attention", true, &c->mid_attention, e) != 0 ||
        json_bool_or(root, "use_quant_conv", true, &c->quant_conv, e) != 0 ||
        json_bool_or(root, "use_post_quant_conv", true, &c->post_quant_conv, e) != 0 ||
        json_double_or(root, "scaling_factor", 0.18215, 1e-6, 1e6, &scale, e) != 0 ||
        json_double_or(root, "shift_factor", 0, -1e6, 1e6, &shift, e) != 0 ||
        check_groups(root, c->channels, c->levels, c->norm_groups, e) != 0)
        return -1;
    c->scaling_factor = (float)scale;
    c->shift_factor = (float)shift;
    return 0;
}

/* -- noise schedule -- */

int config_parse_schedule(struct json root, struct schedule_config *c, struct err *e)
{
    *c = (struct schedule_config){0};
    const char *betas, *prediction;
    static const struct fixed_key fixed[] = {
        {"trained_betas", NULL, 0}, {"timestep_type", "discrete", 0}, {"use_flow_sigmas", NULL, 0},
        {"sigma_min", NULL, 0},     {"sigma_max", NULL, 0},
    };
    if (json_kind(root) != JSON_OBJECT)
        return err_set(e, "%s: is not a JSON object", json_name(root));
    const char *class = json_as_string(json_get(root, "_class_name"));
    if (class && (strncmp(class, "EDM", 3) == 0 || strncmp(class, "FlowMatch", 9) == 0))
        return err_set(e,
                       "%s: the model is made for a %s, which is another kind of noise than "
                       "SDXL's and not supported",
                       json_name(root), class);
    if (check_fixed(root, fixed, sizeof fixed / sizeof *fixed, e) != 0 ||
        json_double(root, "beta_start", 1e-9, 0.999, &c->beta_start, e) != 0 ||
        json_double(root, "beta_end", 1e-9, 0.999, &c->beta_end, e) != 0 ||
        json_int(root, "num_train_timesteps", 2, MAX_TRAIN_STEPS, &c->train_steps, e) != 0 ||
        json_string(root, "beta_schedule", &betas, e) != 0 ||
        json_string_or(root, "prediction_type", "epsilon", &prediction, e) != 0 ||
        json_bool_or(root, "rescale_betas_zero_snr", false, &c->zero_terminal_snr, e) != 0)
        return -1;
    if (c->beta_end < c->beta_start)
        return err_set(e, "%s: \"beta_end\" is below \"beta_start\"", json_name(root));
    c->scaled_linear = strcmp(betas, "scaled_linear") == 0;
    if (!c->scaled_linear && strcmp(betas, "linear") != 0)
        return err_set(e, "%s: \"beta_schedule\" %s is not supported (scaled_linear, linear)",
                       json_name(root), betas);
    c->prediction = strcmp(prediction, "v_prediction") == 0 ? PREDICT_V : PREDICT_EPSILON;
    if (c->prediction == PREDICT_EPSILON && strcmp(prediction, "epsilon") != 0)
        return err_set(e, "%s: \"prediction_type\" %s is not supported (epsilon, v_prediction)",
                       json_name(root), prediction);
    return 0;
}
