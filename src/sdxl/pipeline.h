/*
 * The whole way: a model on disk, a prompt, an image.
 *
 *   tokenizer -> text encoders
 *   image -> VAE encoder -> \
 *   noise ----------------> [ scale, UNet, guidance, sampler rule ] x steps -> ( refiner x steps )
 *   -> ( enlarged, once more x steps ) -> VAE decoder -> 8-bit RGB
 *
 * The same code runs on every backend. Run over the dry one it computes nothing and is the
 * forecast: pipeline_plan, which pipeline_run asks first, so that the arena is sized once and what
 * cannot fit is refused before it starts. A pipeline belongs to the thread that opened it.
 */
#ifndef SPRITTY_PIPELINE_H
#define SPRITTY_PIPELINE_H

#include "base/workload.h"
#include "ops/profile.h"
#include "ops/rates.h"
#include "ops/tuning.h"
#include "sdxl/conditioning.h"
#include "sdxl/embeddings.h"
#include "sdxl/lora.h"
#include "sdxl/sampler.h"

struct pipeline;
struct tokenizer;

struct gen_progress {
    const char *stage;    /* "load", "text", "encode", "sample", "refine", "hires", "decode" */
    int step, steps;      /* done, of; 0 of 0 in stages without steps */
    double ms;            /* the last step's time */
    struct workload work; /* of the stage, where it has steps of a sampler; else zeros */
    double later; /* the forecast's time of all stages after this one, over this one's; 0: there are
                   * none, or it is not known */
    size_t bytes_now, bytes_peak; /* of the process; on a GPU what we hold of its memory */
};

struct gen_hooks {
    void *user;
    bool (*step)(void *user, const struct gen_progress *); /* false cancels; NULL: no one asks */
    /* Asked within steps as well, before each heavy call; true cancels. On a GPU, whose steps are
     * short, between them alone. May be NULL. */
    bool (*stop)(void *user);
    /* After step `step`: the first image as the model now sees it without its noise, one pixel or
     * more a latent, 3 bytes each (preview.h). NULL: not asked for. */
    void (*preview)(void *user, int step, const uint8_t *rgb, int width, int height);
    /* Before they are decoded: all latents [count, height, width, channels], in the sampler's
     * scale. NULL: not asked for. */
    void (*latents)(void *user, const float *, int count, int height, int width, int channels);
};

struct pipeline_options {
    const char *device;    /* "auto", "cpu", "cuda", "cuda:N", "ref"; NULL is auto: cuda if it
                            * opens, else cpu */
    const char *precision; /* "auto", "fp32", "bf16", on cuda "fp16"; NULL is auto */
    const char *tokenizer; /* folder with vocab.json and merges.txt (or tokenizer/ and tokenizer_2/
                            * in it) for models that bring none; NULL: look beside the model */
    const char *vae;       /* folder or file in place of the model's own; NULL: none */
    const char *refiner;   /* model for the last steps (refiner_switch); NULL: none */
    int threads;           /* 0: all cores */
    struct tuning tuning;  /* autotune, tf32, weights and nhwc; the rest is each run's */
    bool drawn;            /* random weights for the folder's configs: checkpoint_open_drawn */
    const struct gen_hooks *hooks; /* for "load"; may be NULL */
    const struct rates *rates;     /* of the device, for pipeline_plan's times; NULL: none */
    /* Merged while the model is loaded, if the first run's are known by then; each run says its own
     * (gen_params). */
    const struct lora_use *loras;
    int lora_count;
};

enum { MAX_BATCH = 64 };

/* What lies under the mask when a run begins. */
enum mask_content {
    CONTENT_ORIGINAL,
    CONTENT_GREY,   /* middle grey pixels: ComfyUI's VAEEncodeForInpaint */
    CONTENT_NOISE,  /* A1111's "latent noise" */
    CONTENT_NOTHING /* A1111's "latent nothing": zeros */
};
const char *content_name(int i); /* NULL past the end */
int content_by_name(const char *name);

/* What a ControlNet Union is told of its picture: 0 is "auto", nothing; then "openpose", "depth",
 * "scribble", "canny", "normal", "segment", "tile", "repaint", in the order of its own numbers. */
const char *control_type_name(int i); /* NULL past the end */
int control_type_by_name(const char *name);

/* How the first picture is enlarged for the second pass: its latent, or its pixels. */
const char *upscale_name(int i); /* NULL past the end */
int upscale_by_name(const char *name);

const char *tiling_name(int i); /* "off", "x", "y", "xy": i is enum pad bits */
int tiling_by_name(const char *name);

/* Zeros stand for what most runs do without. */
struct gen_params {
    const char *prompt, *negative; /* negative NULL or "" is none */
    /* One for each image of the batch in their place; NULL: the same for all. */
    const char *const *prompts, *const *negatives;
    int empty_negative; /* enum empty_negative: what stands for an empty one */
    int clip_skip;      /* text.h; 0: the model's own */
    const char *embeddings[EMBEDDING_FOLDERS]; /* folders of textual inversions, or NULL */
    uint64_t seed;
    /* Runs that have nothing but their model and shape in common, in one: the batch is of
     * `seed_count` parts of as many pictures, each with the noise of its own seed, as if it was run
     * alone. 0: one part, from `seed`. */
    const uint64_t *seeds;
    int seed_count;
    int steps;
    float cfg; /* 1: no guidance, one UNet pass a step */
    int width, height, batch;
    int first,
        count; /* which images of the batch this run makes: from `first` on; count 0: all. Each
                * is what it is in the whole batch: it has the prompt and noise of its place */
    int sampler, scheduler; /* sampler_by_name, schedule_by_name */
    const char *sigmas;     /* a list in place of steps and scheduler; NULL or "": none */
    int compat, rng;        /* compat_by_name, rng_by_name */
    unsigned tiling;        /* enum pad bits */
    struct tuning tuning;   /* its autotune, tf32, weights and nhwc are pipeline_options' */

    /* guidance */
    float cfg_rescale;         /* 0: none */
    double cfg_start, cfg_end; /* shares of the steps between which there is guidance; end 0: 1 */
    int original_size[2], crop[2], target_size[2]; /* told to the model: width, height; left, top.
                                                    * Sizes of 0: the picture's own */

    /* image to image */
    const uint8_t *image; /* width x height x 3, to start from; NULL: from noise alone */
    double denoise;       /* how much of it is made new */
    const uint8_t *mask;  /* width x height: 255 is made anew, 0 stays; NULL: all is */
    int mask_content;     /* content_by_name */
    const uint8_t *grey;  /* as mask: what CONTENT_GREY covers where that is less; NULL: the mask */

    /* a ControlNet: the base model's steps and the second pass's, not the refiner's */
    const char *control; /* folder or file; NULL: none */
    /* What it reads: control_width x control_height x 3. Fitted to each pass's size: the largest
     * part of that shape around the middle. */
    const uint8_t *control_picture;
    int control_width, control_height;
    double control_strength;           /* 0 to 10; 1: as it was trained */
    int control_type;                  /* control_type_by_name: what a union is told */
    double control_start, control_end; /* shares of the schedule between which it works */

    /* the second pass */
    int hires_width, hires_height; /* 0: none */
    int hires_steps;               /* 0: as many as steps */
    int hires_upscale;             /* upscale_by_name */
    double hires_denoise;

    /* the refiner, where pipeline_options names one */
    double refiner_switch; /* the share of the schedule where it takes over */
    float aesthetic, negative_aesthetic;
    const struct lora_use *loras; /* what runs before had is taken out; NULL with 0: none */
    int lora_count;
    int profile; /* enum profile_what: PROFILE_CALLS times every operation, PROFILE_TRACE keeps them
                  * all; 0: neither */
    bool warm;   /* to warm up: of each pass as few steps as meet everything for the first time;
                  * the picture means nothing */
};

static inline int gen_images(const struct gen_params *g)
{
    return g->count > 0 ? g->count : g->batch;
}

struct gen_times { /* milliseconds */
    double load, lora, text, encode, sample, refine, hires,
        decode;    /* 0: not run; lora: exchanging them, on an open model */
    double *steps; /* of sample, refine and hires */
    int nsteps;
};

struct gen_result {
    int count, width, height;
    uint8_t *rgb; /* count x height x width x 3 */
    struct gen_times ms;
    size_t bytes_peak; /* the process's resident peak so far; on a GPU ours of its memory */
    size_t bytes_weights, bytes_activations;
    bool cancelled;
    int memory; /* enum memory_mode: the one that it ran in */
    int tokens[2];
    struct notes notes; /* what of the prompts was not honoured; filled by a failed run too */
};

/* Maps the model, opens the backend, packs all weights. NULL and err on failure. */
struct pipeline *pipeline_open(const char *model, const struct pipeline_options *, struct err *);
/* Whether files of the model, its other VAE or its refiner were written anew or replaced since they
 * were opened: what comes from them from now on, and what came, may be of two models. */
bool pipeline_changed(const struct pipeline *);
void pipeline_close(struct pipeline *);
const struct model_config *pipeline_config(const struct pipeline *);
/* Number of the GPU that a device's name stands for: of "cuda:2" 2, else 0. */
int pipeline_device_index(const char *name);
const char *pipeline_device(const struct pipeline *);    /* "cpu" */
const char *pipeline_precision(const struct pipeline *); /* "bf16" */
/* Of text encoder 0 or 1; to be kept longer than the pipeline, tokenizer_hold it. */
struct tokenizer *pipeline_tokenizer(const struct pipeline *, int encoder);
/* Bytes of the packed weights, and the most that activations took so far. */
void pipeline_memory(const struct pipeline *, size_t *weights, size_t *activations);

/* -1 with err; a cancelled run is -1 with result->cancelled. gen_result_free is safe after either.
 */
int pipeline_run(struct pipeline *, const struct gen_params *, const struct gen_hooks *,
                 struct gen_result *, struct err *);
void gen_result_free(struct gen_result *);
/* The slowest operations of the last run that had params->profile, up to `max`; returns how many.
 */
int pipeline_profile(const struct pipeline *, struct op_profile *, int max);
/* All of that run, until the next; NULL: there was none. */
const struct profile_book *pipeline_book(const struct pipeline *);
/* Its shapes by number, without their calls: PROFILE_SHAPES + 1 of them. Only after such a run. */
void pipeline_shapes(const struct pipeline *, struct op_profile *out);

/* What the last run's forecast has in memory at its peak, stage by stage: known before the run's
 * first stage, without a profile. NULL: nothing was run. Until the next run. */
const struct profile_book *pipeline_forecast_book(const struct pipeline *);

enum { MAX_NETWORKS = 16 };

struct network_bytes {
    char name[24]; /* "unet", "refiner unet" */
    int part;      /* enum part */
    size_t packed; /* as the backend holds them */
    size_t file;   /* as they lie in the mapped file: the whole part's */
};
/* What is loaded, by network; returns how many. */
int pipeline_networks(const struct pipeline *, struct network_bytes out[MAX_NETWORKS]);

enum { MAX_PLAN_STAGES = 8 };

struct plan_result {
    double flops;
    size_t bytes_peak, bytes_weights,
        bytes_activations; /* peak: of the process, with its libraries; on a GPU of its memory */
    size_t bytes_runtime;  /* of peak: what libraries take while a model is open */
    size_t bytes_before;   /* of peak: what the process had before the forecast; none on a GPU */
    bool gpu;
    int nstages;
    struct plan_stage {
        char name[16];
        double flops;
        size_t bytes; /* arena peak within the stage, over the weights */
        double ms;    /* predicted */
    } stage[MAX_PLAN_STAGES];
    int memory; /* enum memory_mode: asked for, or the first that fits what is free */
    double ms;  /* predicted, from opening the model to the last pixel; 0, and the stages' too, when
                 * options name no rates */
    struct notes notes; /* about the run's LoRAs; notes_free them after either outcome */
};

/* The forecast for a run, from the model's tables alone. */
int pipeline_plan(const char *model, const struct pipeline_options *, const struct gen_params *,
                  struct plan_result *, struct err *);

/* What sampling one picture takes, before any model is looked at: units of work (base/workload.h)
 * times megapixels, over all passes. By SDXL's own noise levels; refiner: whether there is one.
 * What parts of a prompt ask for by themselves (A1111's AND) is not counted. -1: no run accepts
 * this, or no memory. */
double pipeline_units(const struct gen_params *, bool refiner);

/* Where rates come from: the user's cache folder alone; measured and kept if they are not there;
 * measured anew. */
enum rates_from { RATES_KEPT, RATES_NEEDED, RATES_ANEW };

/* Takes what is kept of its device for an open model that was opened before it was known: what its
 * runs take is learnt from then on. */
void pipeline_take_rates(struct pipeline *, const struct pipeline_options *);

/* The rates of the device, precision and threads that options name. Measuring opens a backend,
 * takes a second or two of all of it, and asks go_on (or NULL) in between; false ends it. 0; 1
 * when there are none (RATES_KEPT); -1 with err. That they cannot be kept is no error. Any thread,
 * but measure while nothing else runs. */
int pipeline_rates(const struct pipeline_options *, enum rates_from, struct rates *,
                   bool (*go_on)(void *), void *user, struct err *);

/* The textual inversions that a run would put into its prompts, here: those of *out that
 * embedding_used knows. Reads the prompts and no weights. embeddings_free after either outcome. */
int pipeline_embeddings(const char *model, const struct pipeline_options *,
                        const struct gen_params *, struct embeddings *out, struct err *);

/* How much of a LoRA a model takes, from the model's tables alone. */
int pipeline_match_lora(const char *model, const struct lora_file *, struct lora_report *,
                        struct err *);

/* What params a run accepts: err says which one is wrong and what it may be. */
int gen_params_check(const struct model_config *, const struct gen_params *, struct err *);

#endif
