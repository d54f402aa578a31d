/*
 * What a safetensors file is, told from the names of its tensors: for `spritty info`, and so that a
 * download is known to be what was asked for.
 */
#ifndef SPRITTY_WEIGHTS_KIND_H
#define SPRITTY_WEIGHTS_KIND_H

#include "sdxl/safetensors.h"

enum weights_kind {
    WEIGHTS_OTHER,
    WEIGHTS_CHECKPOINT, /* a whole model in one file */
    WEIGHTS_LORA,
    WEIGHTS_VAE,
    WEIGHTS_TINY_VAE, /* taesdxl: convolutions alone, in a sequence */
    WEIGHTS_CONTROL,  /* a ControlNet, in diffusers' names or the original ones */
    WEIGHTS_UNET,
    WEIGHTS_TEXT,
    WEIGHTS_EMBEDDING,
};

struct weights_summary {
    enum weights_kind kind;
    int64_t parameters, bytes;
    char types[64]; /* "F16+F32" */
};

struct weights_summary weights_summary(const struct safetensors *);
const char *weights_kind_name(enum weights_kind); /* "LoRA" */

#endif
