/*
 * The UNet: predicts the noise (or v) in a latent at a timestep, for a text.
 *
 *   in              conv_in 4 -> c0
 *   down, a level   [res, transformer] x layers, then a stride-2 convolution; each result is kept
 *                   as a skip
 *   middle          res, transformer, res; of some ControlNets res alone
 *   up, a level     [concat skip, res, transformer] x (layers + 1), then nearest 2x and a
 *                   convolution
 *   out             norm, SiLU, conv_out c0 -> 4
 *
 * What a run needs again and again is made once by unet_prepare: text keys and values of every
 * block, and every res block's projection of the time embedding for every step. unet_step then
 * reads them and allocates from the arena alone.
 */
#ifndef SPRITTY_UNET_H
#define SPRITTY_UNET_H

#include "sdxl/resnet.h"
#include "sdxl/transformer.h"

/* The stops of the way down, in the order in which they are made: conv_in's, each block's and each
 * downsampling's, which are skips; then the middle's. */
enum { UNET_STOPS = MAX_LEVELS * (MAX_BLOCKS + 1) + 1 };

struct unet_level {
    int count; /* layers going down, layers + 1 going up */
    struct resnet res[MAX_BLOCKS + 1];
    struct transformer attn[MAX_BLOCKS + 1]; /* depth 0: none here */
    struct weight *sample; /* the down- or upsampling convolution, NULL at the end */
};

struct unet {
    struct unet_config config;
    struct weight *conv_in, *time1, *time2, *added1, *added2;
    struct unet_level down[MAX_LEVELS], up[MAX_LEVELS]; /* up[0] is the smallest level */
    struct resnet mid[2];
    struct transformer mid_attn;
    struct weight *norm_out, *conv_out;
    int resnets, blocks; /* in all, transformer blocks */
};

int unet_load(struct unet *, struct loader *, const struct unet_config *);
/* Without the way up and out, as a ControlNet has it. */
int unet_load_half(struct unet *, struct loader *, const struct unet_config *);
void unet_free(struct unet *, struct ops *);

/* Texts may be as many and as long as they like; each image of each step reads one of them. So
 * guidance is two texts, a prompt of its own for each image is more, and a prompt that changes on
 * the way is another text from some step on. */
struct unet_inputs {
    int texts;
    const int *tokens;         /* texts of them: how long each is; NULL: all the same */
    const struct tensor *text; /* [1, sum of tokens, 1, context] */
    const float *pooled;       /* host: texts x pooled width */
    const float *sizes; /* host: texts x size_conditions: original h w, crop top left, target h w */
    int size_conditions;
    const float *timesteps; /* host: steps of them */
    int steps;
    int n;           /* images in a step */
    const int *skip; /* host: steps of them: so many images at the front of the step's n are left
                       * out, as where guidance pauses; NULL: none */
    unsigned pad;    /* enum pad bits */
    bool each_step;  /* text keys and values and the time embedding's projections not once before
                       * the steps, but in each */
    bool no_graph;   /* steps are not kept as turns (ops.h) */
    const float *more_time; /* host: [time_dim], added to every time embedding; NULL: nothing */
    const int *reads;       /* host: steps x n: the text that image i reads; images of one text that
                       * stand together, and texts in order, take the fewest calls. NULL: n /
                       * texts images each, at every step */
};

struct unet_run {
    int n; /* images in a step, unless it skips some */
    unsigned pad;
    bool no_graph;
    struct tensor emb, text; /* where each step makes its own of them; else NULL data */
    struct tensor *time;     /* one a res block: [steps * n, 1, 1, channels] */
    /* Over a backend with turns instead all of a step in one row, [steps, 1, 1, n * channels of all
     * res blocks], and the row of the step that runs: each turn reads the same place. */
    struct tensor times_by_step, times_now;
    struct tensor *kv; /* one a transformer block: [1, sum of tokens, 1, 2 channels] */
    int times, kvs;
    int chunk;              /* what the lengths of all texts are multiples of */
    struct text_span *span; /* up to n a step, steps x n */
    int *spans, *skip;      /* steps: how many spans each has; how many images it leaves out */
};

/* diffusers' Timesteps: out[0:dim] = the sinusoids of t. */
void timestep_sinusoid(float *out, int dim, double t, bool flip_sin_to_cos, double freq_shift);
/* rows x width on the host -> linear, SiLU, linear -> rows x dim on the host. */
void time_embed(struct ops *, const float *in, int rows, int width, const struct weight *first,
                const struct weight *second, int dim, float *out);

/* Takes arena memory for the whole run; unet_finish gives it back. -1 only without host memory. */
int unet_prepare(const struct unet *, struct ops *, const struct unet_inputs *, struct unet_run *,
                 struct err *);
void unet_finish(struct ops *, struct unet_run *);

/* Before each step, outside of its turn (ops.h): what the step reads comes to its place. */
void unet_before_step(struct ops *, const struct unet_run *, int step);

/* What happens between the way down and the way up: the stops may be added to, in place. */
struct unet_between {
    void (*add)(void *user, struct tensor *stops);
    void *user;
};

/* x [n - the step's skip, h, w, in_channels] in the ops' type -> y [n, h, w, out_channels]. Any h
 * and w: odd sizes are rounded up going down. between: NULL: nothing. */
void unet_step(const struct unet *, struct ops *, const struct unet_run *, int step,
               const struct tensor *x, struct tensor *y, const struct unet_between *between);

/* The way down and the middle of half a UNet: each stop is handed on while it is there. more
 * [1, h, w, channels[0]], of the ops' stream type, is added to what conv_in makes. */
void unet_step_half(const struct unet *, struct ops *, const struct unet_run *, int step,
                    const struct tensor *x, const struct tensor *more,
                    void (*stop)(void *user, int stop, const struct tensor *h), void *user);

#endif
