/*
 * Tensors of types that LoRA files come in and no weight of ours has, as ones that weights have.
 *
 * FP8 becomes F16, which holds every value of both kinds; F64 becomes F32, in which merging
 * computes anyway. Done once, when a file is opened, so nothing behind it knows of these types.
 */
#ifndef SPRITTY_LORA_WIDEN_H
#define SPRITTY_LORA_WIDEN_H

#include "sdxl/safetensors.h"

bool lora_is_narrow(const struct st_tensor *);

/* *out: the same tensor, with data of its own to be freed. False without memory. */
bool lora_widen(const struct st_tensor *, struct st_tensor *out);

#endif
