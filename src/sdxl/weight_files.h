/*
 * The safetensors files of one part: one file, or many shards seen as one.
 *
 * diffusers and transformers name them STEM.safetensors, STEM.VARIANT.safetensors, or shards listed
 * in STEM.safetensors.index.json (STEM.safetensors.index.VARIANT.json), with STEM "model" for text
 * encoders and "diffusion_pytorch_model" for the rest. Shard names come from a file that anyone may
 * have written: none may lead out of the folder.
 */
#ifndef SPRITTY_WEIGHT_FILES_H
#define SPRITTY_WEIGHT_FILES_H

#include "base/json.h"
#include "sdxl/safetensors.h"

enum { MAX_SHARDS = 256 };

struct weight_files {
    struct safetensors *file[MAX_SHARDS];
    int files;
    const struct st_tensor **tensor; /* of all files, sorted by name */
    int count;
};

/* Opens one file as the whole part. */
int weight_files_open(struct weight_files *, const char *path, struct err *);
/* Chooses among the files of a folder: `variant` first when it is given, then the plain ones, then
 * any variant (fp16 before others). A single file wins over shards. */
int weight_files_open_folder(struct weight_files *, const char *dir, const char *stem,
                             const char *variant, struct err *);
void weight_files_close(struct weight_files *);

const struct st_tensor *weight_files_find(const struct weight_files *, const char *name);
/* As safetensors_was_read and safetensors_changed, of all of them. */
int weight_files_were_read(const struct weight_files *, struct err *);
bool weight_files_changed(const struct weight_files *);
/* Bytes of the files that are not in memory. */
size_t weight_files_cold(const struct weight_files *);
/* Whichever file holds that range. */
void weight_files_soon(const struct weight_files *, const void *from, size_t size);
void weight_files_drop(const struct weight_files *, const void *from, size_t size);

/* The distinct shard names of an index, checked. Returns how many, -1 and err when it is broken. */
int weight_files_shards(struct json index, const char *names[MAX_SHARDS], struct err *);

#endif
