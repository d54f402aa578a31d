/*
 * What feeds a sampler besides the latent: prompts, ControlNet, model, LoRAs, VAE, mask.
 * For comfy_nodes.c.
 */
#ifndef SPRITTY_COMFY_PARTS_H
#define SPRITTY_COMFY_PARTS_H

#include "import/comfy_walk.h"

/* Positive and negative, and a ControlNet between them and the sampler. */
void comfy_prompts(struct comfy_walk *, const struct comfy_stage *);
/* Names what a later sampler of the same model has otherwise than the first. */
void comfy_compare_prompts(struct comfy_walk *, const struct comfy_stage *first,
                           const struct comfy_stage *);
void comfy_model(struct comfy_walk *, const struct comfy_stage *); /* checkpoint and LoRAs */
/* A sampler that goes on at a share of the steps; false: with the same model, so it is no refiner.
 */
bool comfy_refiner(struct comfy_walk *, const struct comfy_stage *, double at);
void comfy_vae(struct comfy_walk *, int decoder);
/* Of VAEEncodeForInpaint (inpaint: its grow_mask_by and grey filling) or SetLatentNoiseMask. */
void comfy_mask(struct comfy_walk *, int node, bool inpaint);

#endif
