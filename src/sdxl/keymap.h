/*
 * Names of tensors: as diffusers writes them -> as original single files do.
 *
 * Original files number the UNet's blocks through (input_blocks.0 is conv_in, every res block and
 * every downsampler takes the next number), so that translating needs the count of levels and
 * layers. Facts from diffusers' loaders/single_file_utils.py and ComfyUI's supported_models.py.
 */
#ifndef SPRITTY_KEYMAP_H
#define SPRITTY_KEYMAP_H

#include "sdxl/checkpoint.h"

enum { KEY_MAX = 256 };

struct key {
    char name[KEY_MAX];
    int third;       /* 0, 1, 2: that third of the rows (q, k, v of a fused projection); -1: all */
    bool transposed; /* stored [in, out] */
};

/* Where a single file keeps each part: "model.diffusion_model." and so on. */
const char *keymap_prefix(const struct model_config *, enum part);

/* The single file's name for `name`, prefix included. False: it has no counterpart there. */
bool keymap_single(const struct model_config *, enum part, const char *name, struct key *);

/* Other spellings that folders and single files have for a name, for when the usual one is not
 * there. False: none. */
bool keymap_folder_alias(enum part, const char *name, struct key *);
bool keymap_single_alias(const struct model_config *, enum part, const char *name, struct key *);

#endif
