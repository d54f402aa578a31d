/*
 * What an SDXL-architecture model is made of: every size that the networks need.
 *
 * Filled in from the config.json files of a diffusers folder (config.c), or from the shapes of the
 * tensors of a single file (infer.c). No constant of SDXL base stands anywhere else. Everything is
 * checked on the way in: a network that reads this struct may rely on it (levels in range, sizes
 * positive and divisible).
 */
#ifndef SPRITTY_MODEL_H
#define SPRITTY_MODEL_H

#include <stdbool.h>

#include "ops/ops.h"

/* Levels of a UNet or VAE; layers of an encoder, transformer blocks in a row; res blocks a level on
 * the way down, where the way up has one more. */
enum { MAX_LEVELS = 8, MAX_LAYERS = 64, MAX_BLOCKS = 7 };
enum { MAX_TYPES = 64, MAX_TYPE_LAYERS = 8, UNION_HEADS = 8 };

struct clip_config {
    int vocab, positions; /* 49408, 77 */
    int hidden, ffn, layers, heads;
    int projection; /* text_projection's outputs; 0: none (the first encoder) */
    enum act act;   /* ACT_QUICK_GELU in CLIP-L, ACT_GELU in bigG */
    float eps;      /* layer norms, 1e-5 */
    int bos, eos;   /* token ids; pooled is taken at the first eos */
    int pad; /* id that fills up to `positions`: eos for the first encoder, 0 ("!") for the second
              */
};

struct unet_config {
    int in_channels, out_channels;
    int levels;
    int channels[MAX_LEVELS]; /* 320 640 1280 */
    int depth[MAX_LEVELS];    /* transformer blocks a res block, 0: none at this level (0 2 10) */
    int heads[MAX_LEVELS];    /* 5 10 20 */
    int mid_depth;            /* 10; with the last level's heads; 0: a middle without attention */
    int layers;               /* res blocks a level going down, one more going up (2) */
    int context;              /* width of the text states: 2048 */
    int norm_groups;          /* 32 */
    float norm_eps;       /* 1e-5; the transformers' group norm has 1e-6, their layer norms 1e-5 */
    int time_dim;         /* width of the time embedding: channels[0] * 4 */
    bool flip_sin_to_cos; /* true: cosines first */
    float freq_shift;     /* 0 */
    int added_time_dim;   /* width of each size condition's sinusoid: 256 */
    int added_inputs;     /* 2816 = pooled + size conditions * added_time_dim */
    bool linear_projection; /* proj_in and proj_out of the transformers are linears, not 1x1
                               convolutions */
};

struct vae_config {
    int in_channels, out_channels; /* 3 */
    int latent_channels;           /* 4 */
    int levels;
    int channels[MAX_LEVELS]; /* 128 256 512 512 */
    int layers;               /* res blocks a level in the encoder, one more in the decoder (2) */
    int norm_groups;          /* 32 */
    bool mid_attention;       /* one head over all pixels of the middle */
    bool quant_conv, post_quant_conv;
    float scaling_factor; /* 0.13025 */
    float shift_factor;   /* 0 */
    bool tiny;            /* vae_tiny.h; all levels have channels[0] then, and blocks as follows */
    int tiny_blocks[2][MAX_LEVELS]; /* a level: of the decoder, of the encoder, as they run */
};

/* A ControlNet: a UNet's way down and its middle once more, which also read a picture, the hint,
 * and whose stops are added to the UNet's own. Of `unet` what belongs to the way up is unused;
 * depths may be others than the model's, channels may not. A mid_depth of 0: the middle is one res
 * block alone (diffusers' UNetMidBlock2D). */
struct control_config {
    struct unet_config unet;
    int hint_channels; /* 3 */
    int hint_levels;   /* one less than it halves the picture: vae_factor is 2^(levels - 1) */
    int hint_width[MAX_LEVELS]; /* channels: 16 32 96 256 */
    /* Of a ControlNet Union, made for several kinds of picture, of which it is told one. At most
     * MAX_TYPES of them; the heads are UNION_HEADS where nothing says how many. */
    int types;                   /* how many kinds: 6 or 8; 0: it is no union */
    int type_layers, type_heads; /* of a small transformer over means, as wide as the first level */
};

enum prediction { PREDICT_EPSILON, PREDICT_V };

struct schedule_config {
    double beta_start, beta_end; /* 0.00085, 0.012 */
    int train_steps;             /* 1000 */
    bool scaled_linear;          /* betas linear in their square root; else linear */
    enum prediction prediction;
    bool zero_terminal_snr;
};

/* A small network that shows a latent (preview.h): convolutions, a ReLU after each but the last. */
enum {
    PREVIEW_LAYERS = 3,
    PREVIEW_KERNEL = 5,
    PREVIEW_CHANNELS = 64,
    PREVIEW_SCALE = 4,
    PREVIEW_NUMBERS = 12288
};

struct preview_layer {
    int kernel;       /* 1, 3, 5 */
    int in, out;      /* rounded up to a multiple of four; what is added is zeros */
    int bias, weight; /* where in `numbers`: [out]; [y][x][in][out] */
    int mean;         /* [in][out], for the inputs' mean over the picture; 0: it has none */
};

struct preview_net {
    int layers; /* 0: there is none */
    int scale;  /* pixels a latent each way; the last outputs are [y][x][colour] of those */
    struct preview_layer layer[PREVIEW_LAYERS];
    float numbers[PREVIEW_NUMBERS];
};

struct model_config {
    struct clip_config text[2];
    struct unet_config unet;
    struct vae_config vae;
    struct control_config control; /* checkpoint_open_control's; else zeros */
    struct schedule_config schedule;
    bool refiner; /* it has the second text encoder alone (text[0] is zeros), and is told a score */
    bool zeros_for_empty_prompt; /* an empty negative prompt is zeros, not the encoded "" */
    int size_conditions; /* 6: original h w, crop top left, target h w; a refiner's 5 end on the
                          * score instead */
    int vae_factor;      /* pixels a latent: 2^(vae.levels - 1) */
    int default_size;    /* pixels: sample_size * vae_factor, 1024 */
    bool has_preview;    /* latent_rgb* below are the model's own (spritty.json) */
    float latent_rgb[16][3], latent_rgb_bias[3];
    struct preview_net preview; /* used in their place, where it has layers */
};

#endif
