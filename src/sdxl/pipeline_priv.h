/* What the files of the pipeline share: the open model, and the state of one run. */
#ifndef SPRITTY_PIPELINE_PRIV_H
#define SPRITTY_PIPELINE_PRIV_H

#include "base/clock.h"
#include "sdxl/noise.h"
#include "sdxl/pipeline.h"
#include "sdxl/preview.h"
#include "sdxl/text.h"
#include "sdxl/unet.h"
#include "sdxl/vae.h"

struct pipeline {
    struct checkpoint *checkpoint;
    const struct model_config *config;
    struct ops *ops;
    struct text_encoders text;
    struct unet unet;
    struct vae vae;
    struct noise_levels levels;
    struct slots slots; /* of text encoders and UNet */
    struct lora_set *loras;
    struct pipeline *shadow; /* the same over the dry backend, made by the first run */
    struct ops *profile;     /* around ops, made by the first run that asks for it */
    struct wide *wide;       /* decodes in bf16 what FP16 cannot; NULL: not needed so far */
    char device[16];         /* as asked for */
    double load_ms;
    int threads;                                   /* as asked for; 0: all cores */
    void (*stage)(struct ops *, const char *name); /* the forecast's bookkeeping, else NULL */
};

struct run {
    struct pipeline *p;
    const struct gen_params *params;
    const struct gen_hooks *hooks;
    struct gen_result *out;
    struct err *err;
    struct conditioning cond;
    struct embeddings embeddings;
    int steps, calls; /* as the schedule has it; calls of the model */
    float sigma[MAX_STEPS + 1], call_sigma[MAX_CALLS];
    struct noise *noise;
    float *host;          /* noise on its way to the backend */
    struct preview *seen; /* NULL: no one looks */
    struct text_states text;
    struct unet_run unet_run;
    double step_began;
};

/* Text, sampling, decoding over p->ops. */
int pipeline_generate(struct run *);

/* latent [1, h, w, c] -> width x height x 3 on the host, -1 to 1 (decode_image.c). */
int decode_image(struct pipeline *, const struct tensor *latent, int width, int height,
                 float *pixels, struct notes *, struct err *);
/* How many are infinite or no numbers. */
size_t count_bad(const float *values, size_t count);
void wide_free(struct wide *); /* NULL: nothing */
/* A second backend on the same device. */
struct ops *pipeline_open_bf16(const struct pipeline *, struct err *);

/* All networks from the checkpoint into p->ops. */
int pipeline_load(struct pipeline *, const struct gen_hooks *, struct err *);
void pipeline_unload(struct pipeline *);

struct pipeline *pipeline_open_as(const char *model, const struct pipeline_options *, bool dry,
                                  struct err *);
void pipeline_shadow_free(struct pipeline *);

/* Sizes the arena for the run by its forecast. */
int pipeline_reserve(struct pipeline *, const struct gen_params *, struct err *);

/* Of the device that has memory of its own, else of the process: now and at most. */
void pipeline_bytes(const struct pipeline *, size_t *now, size_t *peak);

/* Makes the run's LoRAs those of the model. */
int pipeline_use_loras(struct pipeline *, const struct gen_params *, const struct gen_hooks *,
                       struct gen_result *, struct err *);

/* The open model once more, over the dry backend, in p->shadow. */
int pipeline_need_shadow(struct pipeline *, struct err *);

/* Resident bytes of the process now and at most. */
void process_memory(size_t *now, size_t *peak);

#endif
