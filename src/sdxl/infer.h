/*
 * What a single file is: struct model_config from the names and shapes of its tensors.
 *
 * Shapes tell channels, levels, layers, depths and widths. They cannot tell the number of heads,
 * the activations or the schedule: there SDXL's own values stand (heads of 64 channels, 32 groups,
 * quick GELU in the first encoder, the scaled-linear schedule), which every SDXL single file in
 * circulation shares. What does not fit is refused.
 */
#ifndef SPRITTY_INFER_H
#define SPRITTY_INFER_H

#include "sdxl/model.h"
#include "sdxl/safetensors.h"

/* Fills all of the config. -1 and err when the file is no SDXL model (it says what it is instead,
 * where that can be seen) or a kind that spritty does not run yet. */
int infer_config(const struct safetensors *, struct model_config *, struct err *);
/* The vae alone; bare: its tensors lack the prefix that they have in a model's file, or have
 * diffusers' names. */
int infer_vae_config(const struct safetensors *, bool bare, struct model_config *, struct err *);
/* The same of a tiny one, with the names that it has in a diffusers folder. */
int infer_tiny_vae(const struct safetensors *, struct model_config *, struct err *);

/* How a ControlNet's tensors are called. */
enum control_names {
    CONTROL_DIFFUSERS,
    CONTROL_ORIGINAL, /* with the prefix control_model. */
    CONTROL_BARE      /* without */
};

/* Which names it has. -1 and err when it is no ControlNet that spritty runs. */
int infer_control_names(const struct safetensors *, enum control_names *, struct err *);
/* Fills control. */
int infer_control_config(const struct safetensors *, enum control_names, struct model_config *,
                         struct err *);
/* What a union has more, of a file in diffusers' names whose config.json was read: published ones
 * often lie beside one that does not know of it, or that of another union. */
int infer_control_union(const struct safetensors *, struct model_config *, struct err *);
/* What a file of a kind that steers a model, but not as a ControlNet of SDXL does, is: "is a ...".
 * NULL: it is none of those. */
const char *infer_not_control(const struct safetensors *);

#endif
