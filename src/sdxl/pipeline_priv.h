/*
 * What the files of the pipeline share: the open model, and the state of one run.
 *
 *   pipeline.c  the walk from text to pixels
 *   reading.c   prompts to text states, for each model that reads them
 *   passes.c    which steps each pass takes, at which noise levels
 *   sample.c    one pass: the model, guidance, masks, the sampler's loop; draws.c: its noise
 *   start.c     what a pass begins with: noise, an encoded image
 *   hires.c     the first picture enlarged
 *   decode.c    latents to bytes; decode_image.c: one picture; decode_tiles.c: in pieces
 *   profiling.c profiles of runs, and what is held
 *   open.c      models and networks; exchange.c: their LoRAs; control_use.c: a ControlNet
 *   device.c    backends; rates.c: their speed
 *   modes.c     which weights are held when (residency.h)
 *   plan.c      the forecast; params.c: what is accepted
 */
#ifndef SPRITTY_PIPELINE_PRIV_H
#define SPRITTY_PIPELINE_PRIV_H

#include "base/clock.h"
#include "sdxl/conditioning.h"
#include "sdxl/control.h"
#include "sdxl/noise.h"
#include "sdxl/pipeline.h"
#include "sdxl/preview.h"
#include "sdxl/residency.h"
#include "sdxl/text.h"
#include "sdxl/unet.h"
#include "sdxl/vae.h"

struct pipeline {
    size_t draws_most; /* bytes of noise drawn ahead; 0: what draws.c says */
    struct checkpoint *checkpoint, *other_vae; /* other_vae: NULL where the model's own serves */
    const struct model_config *config;
    const struct checkpoint *vae_from; /* one of the two; NULL: none (a refiner beside a model) */
    const struct vae_config *vae_config;
    struct ops *ops;
    struct text_encoders text;
    struct unet unet;
    struct vae vae;
    bool has_encoder; /* the VAE's first half is loaded, which not every run needs */
    struct noise_levels levels;
    struct slots slots;          /* of text encoders and UNet */
    struct residency *residency; /* which of them have values; NULL: all */
    size_t room;                 /* bytes for weights and activations in this run; 0: a forecast */
    struct lora_set *loras;
    struct pipeline *refines; /* a refiner's model; NULL: none */
    bool later;               /* weights come when they are needed */
    int weights;              /* enum weights_way, as it was opened */
    struct pipeline *refiner; /* over the same ops, without a VAE; NULL: none */
    struct pipeline *shadow;  /* the same over the dry backend, made by the first run */
    struct ops *profile;      /* around ops, made by the first run that asks for it */
    struct network_bytes network[MAX_NETWORKS];
    int networks;
    struct held_control *control; /* the last run's; NULL: it had none */
    struct wide *wide;            /* decodes in bf16 what FP16 cannot; NULL: not needed so far */
    int tile;                     /* pixels: larger pictures are decoded in tiles; 0: never */
    char device[16];              /* as asked for */
    double load_ms;
    struct rates *rates; /* of its device, where they are known; what runs take is learnt there */
    double learnt_at;    /* when that was kept last, clock_ms; 0: not yet */
    size_t cold;         /* bytes of its files that were not in memory before */
    int threads;         /* as asked for; 0: all cores */
    struct ops *dry;     /* the backend of a forecast, also while a profile stands before it; NULL:
                          * values are computed */
};

/* The prompts as one model reads them. */
struct reading {
    struct conditioning cond;
    struct text_states states;
};

/* What a pass over a picture keeps. */
struct masked {
    struct tensor mask;  /* [1, h, w, 1]: 1 is made anew; data NULL: no mask */
    struct tensor keep;  /* the picture's latent [n, h, w, z], in the sampler's scale */
    struct tensor noise; /* the first noise, unscaled */
    struct tensor extra; /* [n, h, w, 1 + z] for models that read mask and picture; or NULL */
};

/* The noise that a pass adds, drawn ahead (draws.c). */
struct draws {
    struct tensor all;     /* `room` latents one after the other */
    int count, room, next; /* count 0: each is drawn when it is asked for */
    double (*at)[2];       /* the sigmas that each lies between */
};

/* One way down a row of noise levels with one model. */
struct pass {
    struct run *r;
    const char *stage;
    const struct pipeline *model; /* whose UNet and texts */
    const struct reading *reading;
    int read_from;     /* a refiner's: calls of the base model, from which prompts count on */
    int width, height; /* pixels */
    int first, all;    /* where in the whole schedule it begins; that one's length */
    int asked;         /* the length that it was asked for */
    float top;         /* its first level */
    int steps, calls;  /* steps 0: nothing to do; calls of the model */
    float sigma[MAX_STEPS + 1], call_sigma[MAX_CALLS];
    int call_step[MAX_CALLS];

    /* while it runs */
    struct unet_run unet_run;
    struct control_run control_run; /* control NULL: there is none */
    struct masked masked;
    struct draws draws;
    struct tensor *x;
    double began;
};

enum { PASS_BASE, PASS_REFINER, PASS_HIRES, PASSES };

struct run {
    struct pipeline *p;
    const struct gen_params *params;
    const struct gen_hooks *hooks;
    struct gen_result *out;
    struct err *err;
    struct pass pass[PASSES];
    struct reading reading, refiner_reading;
    struct reading hires_reading; /* A1111's, where prompts change */
    struct embeddings embeddings;
    struct noise *noise;            /* of the picture's size now */
    float *host;                    /* one picture's worth of latents, on its way */
    struct preview *seen;           /* NULL: no one looks */
    bool in_stage;                  /* its scope (ops_enter) is open */
    const char *stage;              /* the last one that was told of, */
    int steps;                      /* and its steps */
    double foretold;                /* milliseconds; 0: rates are not known */
    const struct plan_result *plan; /* its forecast, stage by stage; NULL: there is none */
};

/* ---- pipeline.c ---- */

int pipeline_generate(struct run *);
/* Tells the hooks; false means cancel. */
bool run_tell(struct run *, const char *stage, int step, int steps, double ms);

/* ---- profiling.c ---- */

/* pipeline_generate with a profile in the backend's place, p->profile. */
int pipeline_generate_profiled(struct run *, enum profile_what);
/* The weights that were packed since *since (bytes of them, brought up to date) are this network's.
 */
void pipeline_note_network(struct pipeline *, const char *name, enum part, size_t *since);

/* ---- modes.c ---- */

/* The weights for the run's mode: as it begins, once its prompts are read, before `model` samples.
 */
int weights_begin(struct run *);
/* Whether a ControlNet's are not there yet and may stay from the beginning on; they come. */
bool weights_control_is_new(const struct run *);
int weights_control(struct run *);
int weights_read(struct run *);
int weights_sample(struct run *, const struct pipeline *model);
/* As they are when a model was just opened for a run of that tuning. */
int weights_fresh(struct pipeline *, const struct tuning *, struct err *);
/* attempt, in the mode that the run asks for or that fits, and in the next ones while memory ends.
 */
int pipeline_run_in_mode(struct run *, int (*attempt)(struct run *, const struct plan_result *));
/* Whether weights are better packed when they are needed. */
bool mode_loads_later(struct pipeline *, const struct pipeline_options *, struct err *);
/* The mode for a run: asked for, or auto's; -1: none may be. peak: bytes in each mode. */
int mode_choose(int asked, const size_t peak[MEMORY_MODES], size_t hard, size_t soft);
bool err_is_memory(const struct err *);
/* Bytes that may be held now: on the GPU that `device` names, or by the process. */
size_t mode_free(bool gpu, const char *device, const struct tuning *);

/* ---- reading.c ---- */

/* What will be read, for as many calls as the passes have; then the text encoders' work. */
int readings_plan(struct run *);
/* Whether steps need an answer without the prompt, as far as the parameters say. */
bool readings_guided(const struct gen_params *);
int readings_encode(struct run *);
void readings_free(struct run *);

/* ---- passes.c ---- */

/* The sigmas that are visited in each pass, and those at which the model is asked. */
int passes_plan(struct run *);
struct sampler_run pass_sampler(struct pass *);

/* ---- start.c ---- */

/* Host memory and noise for latents of x's size; run_give_back gives them back. */
int run_take(struct run *, const struct pass *, const struct tensor *x);
void run_give_back(struct run *);
/* Noise begins anew for a pass that goes on with another model, as ComfyUI's does. */
void run_noise_again(struct run *, const struct pass *);
/* The run's image and mask into the pass's `masked`, from the arena. */
int start_encode(struct pass *, const struct tensor *x);
/* For models that read mask and picture beside the latent: whether the pass's is one, and both of
 * them for x's size into `masked`. Without a mask all of it is to be made, and the picture is grey.
 */
bool start_reads_more(const struct pass *);
int start_tell(struct pass *, const struct tensor *x);
/* One picture [1, h, w, 3] in -1..1 on the host -> its latent in the sampler's scale, on the host.
 * sampled: drawn from the VAE's distribution, as diffusers does; else its mean. */
int start_latent(struct run *, const float *pixels, int width, int height, bool sampled,
                 float *latent);
/* x as the pass begins: noise alone, or over what `masked` keeps. */
void start_noise(struct pass *, struct tensor *x);
void masked_free(struct ops *, struct masked *);

/* ---- sample.c ---- */

/* How much of the pass is done after its first `step` steps. Once its prompts are read. */
struct workload pass_work(const struct pass *, int step);
/* x at the pass's first sigma -> at its last. 0, or what stopped it. */
int pass_run(struct pass *, struct tensor *x);

/* ---- hires.c ---- */

/* x enlarged to the second pass's size: a new tensor; the old one is released. */
int hires_enlarge(struct run *, struct tensor *x);

/* ---- draws.c ---- */

/* Before the sampler's loop: draws what it will ask for where that helps. -1 with err. */
int draws_begin(struct pass *, const struct sampler_run *, const struct tensor *x);
/* The next noise, as sampler_run asks for it. */
void draws_next(struct pass *, double from, double to, struct tensor *noise);
void draws_end(struct pass *);

/* ---- decode.c ---- */

/* How many pictures of the batch are decoded as one. */
int decode_together(const struct gen_params *, int width, int height);
/* latents -> out->rgb; what the mask keeps is the image's own bytes. */
int decode_all(struct run *, const struct tensor *latents, int width, int height);
/* What to do about values that are no numbers, as the end of an error. */
const char *no_numbers_advice(const struct run *);

/* ---- decode_image.c ---- */

/* latents [n, h, w, c] -> n x width x height x 3 on the host, -1 to 1, all at once. */
int decode_whole(struct pipeline *, const struct tensor *latent, int width, int height,
                 float *pixels, struct notes *, struct err *);
/* The same to bytes, where the backend makes them; *bad as count_bad. 1: done; 0: not this way; -1
 * with err. */
int decode_bytes(struct pipeline *, const struct tensor *latent, int width, int height,
                 uint8_t *rgb, size_t *bad, struct err *);
/* How many are infinite or no numbers. */
size_t count_bad(const float *values, size_t count);
void wide_free(struct wide *); /* NULL: nothing */

/* ---- decode_tiles.c ---- */

/* One latent [1, h, w, c] -> width x height x 3 on the host, -1 to 1: in tiles where p->tile says
 * so and there is more than one, else whole. */
int decode_image(struct pipeline *, const struct tensor *latent, int width, int height,
                 float *pixels, struct notes *, struct err *);
/* The side of a tile in pixels; 0: pictures are decoded whole. */
int decode_tile_side(const struct tuning *);
/* Whether a picture of that size is in more than one tile; pad: enum pad bits. */
bool decode_is_tiled(const struct tuning *, unsigned pad, int width, int height);

/* ---- open.c ---- */

struct pipeline *pipeline_open_as(const char *model, const struct pipeline_options *, bool dry,
                                  struct err *);

/* For the loader's `packed`: tells the hooks some twenty times a second that a stage goes on, so
 * that it can be cancelled within it. */
struct waiting {
    const struct pipeline *p;
    const struct gen_hooks *hooks; /* or NULL */
    const char *stage;
    int step, steps;
    double asked;   /* the last time */
    bool cancelled; /* they said no */
};
bool waiting_goes_on(void *waiting);

/* All networks from the checkpoint into p->ops. */
int pipeline_load(struct pipeline *, const struct gen_hooks *, struct err *);
/* The VAE's encoder as well, for runs that begin with pixels. */
int pipeline_need_encoder(struct pipeline *, const struct gen_params *, struct err *);
void pipeline_unload(struct pipeline *);

/* Bytes held on the device that has memory of its own, else by the process: now and at most. */
void pipeline_bytes(const struct pipeline *, size_t *now, size_t *peak);

/* ---- device.c ---- */

/* The backend that options name, or the dry one in its likeness. */
struct ops *device_open(const struct pipeline_options *, bool dry, struct err *);
const char *precision_name(enum dtype); /* as --precision has it: "bf16" */
/* A second backend on the same device. */
struct ops *pipeline_open_bf16(const struct pipeline *, struct err *);
/* What its speed depends on, without opening it: "AMD EPYC, AVX2, 2 threads, oneDNN 2.6.3, fp32".
 */
int device_describe(const struct pipeline_options *, char *out, size_t size, struct err *);

/* ---- rates.c ---- */

/* Bytes of a model's files that are not in memory: of all but a refiner's. */
size_t pipeline_cold(const struct pipeline *);
/* The forecast of what they take to come from the disk. */
void pipeline_price_load(struct pipeline *, const struct rates *);
/* What a run took beside its forecast, for the next one. */
void pipeline_note_run(const struct run *);
/* How fast a model was loaded, for the next forecast. */
void pipeline_note_load(const struct pipeline *, const struct pipeline_options *);

/* ---- exchange.c ---- */

/* Makes the run's LoRAs those of the model. */
int pipeline_use_loras(struct pipeline *, const struct gen_params *, const struct gen_hooks *,
                       struct gen_result *, struct err *);

/* ---- control_use.c ---- */

/* Makes the run's ControlNet the one that is open. */
int pipeline_use_control(struct pipeline *, const struct gen_params *, struct err *);
/* That it is told a kind of picture and knows none. */
void pipeline_note_control(const struct pipeline *, const struct gen_params *, struct notes *);
void pipeline_drop_control(struct pipeline *);
/* What decides on its weights; NULL: there is none, or they are always there. */
struct residency *pipeline_control_residency(const struct pipeline *);
/* False: there is none. */
bool pipeline_control_bytes(const struct pipeline *, struct network_bytes *);
/* Whether a pass asks it at all, and, once that is prepared, in this call of the model. */
bool pass_has_control(const struct pass *);
bool pass_controls(const struct pass *, int call);
/* The pass's control_run, if it has one. -1 with err. */
int pass_control_prepare(struct pass *, const struct unet_inputs *);

/* ---- plan.c ---- */

/* The run's forecast over a dry pipeline, beside `own` bytes that the process holds already. */
int pipeline_forecast(struct pipeline *dry, const struct gen_params *, size_t own,
                      struct plan_result *, struct err *);
/* The open model once more, over the dry backend, in p->shadow. */
int pipeline_need_shadow(struct pipeline *, struct err *);
void pipeline_shadow_free(struct pipeline *);

#endif
