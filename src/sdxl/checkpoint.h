/*
 * A model on disk, mapped: a diffusers folder or a single safetensors file, seen as the same four
 * parts.
 *
 * Networks ask for tensors by their diffusers names ("down_blocks.0.resnets.0.conv1.weight"),
 * whatever the file calls them: a single file's names are translated on the way (keymap.c), fused
 * projections are cut into slices, transposed ones are marked. Nothing is copied: a param points
 * into the map until checkpoint_close.
 */
#ifndef SPRITTY_CHECKPOINT_H
#define SPRITTY_CHECKPOINT_H

#include "base/err.h"
#include "ops/ops.h"
#include "sdxl/model.h"

enum part { PART_TEXT1, PART_TEXT2, PART_UNET, PART_VAE, PART_CONTROL, PART_COUNT };

struct checkpoint;

/* Opens a folder (with model_index.json) or a .safetensors file. variant: "fp16" prefers files of
 * that variant, NULL takes the plain ones first and any variant that is there otherwise. Checks the
 * files' tables and all configs, and reads no weights. A pickle (.ckpt, .pt, .bin) is refused by
 * name. NULL and err on failure. */
struct checkpoint *checkpoint_open(const char *path, const char *variant, struct err *);
/* The VAE alone: a folder with its config.json or a file in one, a single VAE's file in the
 * original names, or any model's single file. Only PART_VAE and the config's vae are there. */
struct checkpoint *checkpoint_open_vae(const char *path, struct err *);
/* A ControlNet: a folder with its config.json or a file in one, a file with diffusers' names alone,
 * or one in the original names. Only PART_CONTROL and the config's control are there. Networks ask
 * for diffusers' names: conv_in, time_embedding, add_embedding, down_blocks, mid_block as a UNet's;
 * controlnet_cond_embedding.conv_in, .blocks.N, .conv_out; controlnet_down_blocks.N,
 * controlnet_mid_block; of a union control_add_embedding, task_embedding.weight,
 * transformer_layes.N (attn.in_proj with its .weight and .bias), spatial_ch_projs. */
struct checkpoint *checkpoint_open_control(const char *path, struct err *);
void checkpoint_close(struct checkpoint *);

/* For measuring sizes whose weights are not at hand: a folder's configs alone, and weights that are
 * drawn (checkpoint_draw): normal, of a size that keeps activations in FP16's range; norms are 1.
 */
struct checkpoint *checkpoint_open_drawn(const char *path, struct err *);
/* False: the checkpoint is a real one. */
bool checkpoint_draw(const struct checkpoint *, const char *name, const int64_t *dim, int rank,
                     struct param *);

const struct model_config *checkpoint_config(const struct checkpoint *);

/* Folder holding vocab.json and merges.txt for text encoder 0 or 1, or NULL (a single file carries
 * none). */
const char *checkpoint_tokenizer(const struct checkpoint *, int encoder);

/* The tensor of that diffusers name. The shape is checked by the caller: a linear of a single
 * file's VAE attention comes as [out, in, 1, 1]. -1 with "missing tensor ..." in err, or when its
 * type is no weight's. The data is aligned to its elements: where a file's own is not, it is copied
 * on the first find and kept until close, so all finds come from one thread. */
int checkpoint_find(const struct checkpoint *, enum part, const char *name, struct param *,
                    struct err *);
bool checkpoint_has(const struct checkpoint *, enum part, const char *name);

/* Tells the kernel that the pages under this param will not be read again soon, so that packed
 * weights do not stand in memory twice. */
void checkpoint_drop(const struct checkpoint *, const struct param *);
/* That they will be. */
void checkpoint_soon(const struct checkpoint *, const struct param *);

/* -1 and err when a file was cut short before it was read, so that zeros were read: to be asked
 * after reading params. Takes next to no time. */
int checkpoint_was_read(const struct checkpoint *, struct err *);
/* Whether its paths lead to other files by now, or to these written anew. A system call a file. */
bool checkpoint_changed(const struct checkpoint *);

/* For `spritty info`: what the files hold. Returns the count of tensors; bytes and parameters by
 * part. */
struct part_summary {
    int64_t tensors, parameters, bytes;
    int dtypes; /* bit mask of 1 << enum dtype */
};
void checkpoint_summary(const struct checkpoint *, struct part_summary out[PART_COUNT]);
/* Names in the file that belong to no part (marker keys, foreign extras), up to max; returns how
 * many there are. */
int checkpoint_unused(const struct checkpoint *, const char **names, int max);
/* Bytes of its files that would have to be read from the disk now. */
size_t checkpoint_cold(const struct checkpoint *);
const char *checkpoint_path(const struct checkpoint *);
bool checkpoint_is_single_file(const struct checkpoint *);

#endif
