/*
 * A workflow as it is written, for comfy_export.c (loaders, prompts, pictures),
 * comfy_export_control.c (a ControlNet) and comfy_export_sample.c (samplers). A node's number is
 * known once it is opened; nodes do not nest.
 */
#ifndef SPRITTY_COMFY_EXPORT_PRIV_H
#define SPRITTY_COMFY_EXPORT_PRIV_H

#include "base/jsonw.h"
#include "import/recipe.h"

struct comfy_writer {
    struct jsonw w;
    const struct settings *s;
    struct recipe *r;
    char *prompt; /* without the tags of LoRAs */
    int last;     /* the number of the last node */
    int model, clip, clip_slot, vae, vae_slot, positive, negative, negative_slot;
    double cfg; /* of the next sampler */
};

int comfy_open(struct comfy_writer *, const char *type); /* its number */
void comfy_close(struct comfy_writer *);
void comfy_put_link(struct comfy_writer *, const char *name, int node, int slot);
void comfy_put_int(struct comfy_writer *, const char *name, int value);
int comfy_checkpoint(struct comfy_writer *, const char *model);
/* A text setting, or `otherwise` where it says nothing. */
const char *comfy_text_or(const struct settings *, const char *key, const char *otherwise);

/* An encoded negative prompt, or where there is none and zeros stand for it, those: ComfyUI would
 * encode the empty text. */
int comfy_zeros(struct comfy_writer *, int encoded);

/* Lets a ControlNet, if there is one, work between the texts and the samplers. */
void comfy_control(struct comfy_writer *);
/* A LoadImage, of a mask a LoadImageMask, with the file that the setting names. */
int comfy_load_image(struct comfy_writer *, const char *key);
/* "pixel-art.safetensors" */
void comfy_put_file(struct comfy_writer *, const char *name, const char *value);

/* The sampler, or those of base and refiner, and of a second pass; the number of the last. */
int comfy_samplers(struct comfy_writer *, int latent);
/* Whether cfg_start and cfg_end are among what the samplers say: by a sampler for each part. */
bool comfy_samplers_cut(const struct settings *);
/* -1: no node of ComfyUI's own samples like that. */
int comfy_samplers_check(const struct settings *, struct err *);

#endif
