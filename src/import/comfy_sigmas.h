/*
 * Noise levels in a ComfyUI workflow of the custom samplers' kind (comfy_extras/
 * nodes_custom_sampler.py, nodes_align_your_steps.py), where they are values that nodes make, cut
 * and change.
 *
 * What a schedule of a name of ours gives stays that name, with the part that is taken; anything
 * else becomes a list, computed here as those nodes compute it, for the noise that SDXL was trained
 * with. Either is a whole and a part of it, so that two samplers which share one are seen to.
 */
#ifndef SPRITTY_COMFY_SIGMAS_H
#define SPRITTY_COMFY_SIGMAS_H

#include "import/comfy_walk.h"

/* What comes into a sampler's input `sigmas`. -1: nothing that has steps; noted. */
int comfy_sigmas(struct comfy_walk *, int sampler, struct comfy_levels *);

/* The same as a list of numbers, for samplers that ComfyUI's KSampler, but not these nodes, spares
 * the last but one level. Nothing when it is a list, or its schedule has no name here. */
void comfy_sigmas_expand(struct comfy_levels *);

/* Of a schedule with more steps than it was asked for, or fewer, as that list, where only a part is
 * taken: KSamplerAdvanced counts the part from the front, and `end` of it. */
void comfy_sigmas_from_front(struct comfy_levels *, int end);

/* A named schedule as a list up to its end, where what noise is left is taken all at once. */
void comfy_sigmas_end_early(struct comfy_levels *);

/* The list's part between two steps, as the setting `sigmas` has it; "" of a named schedule.
 * malloc'd; NULL: no memory. */
char *comfy_sigmas_text(const struct comfy_levels *, int start, int end);

#endif
