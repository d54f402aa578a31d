/*
 * A sampler of a ComfyUI workflow, whichever of its classes it is: KSampler, KSamplerAdvanced,
 * SamplerCustom, SamplerCustomAdvanced with what feeds them (guider, sampler, sigmas, noise).
 */
#ifndef SPRITTY_COMFY_SAMPLER_H
#define SPRITTY_COMFY_SAMPLER_H

#include "import/comfy_walk.h"

bool comfy_is_sampler(const struct comfy_walk *, int node);

/* What it says. slot: the output that is used. -1 when its steps cannot be known; noted. */
int comfy_sampler(struct comfy_walk *, int node, int slot, struct comfy_stage *);

/* KSampler spares it the last but one level; the nodes of the other kind do not. */
bool comfy_is_spared(const char *sampler);

#endif
