/*
 * A sprite on its way to disk: a PNG with its story in text chunks.
 */
#ifndef SPRITTY_SAVE_H
#define SPRITTY_SAVE_H

#include "engine/meta.h"
#include "sprite/image.h"
#include "sprite/png.h"
#include "store/store.h"

/* Where a sprite comes from. */
struct origin {
    const struct job *job;
    const struct pipeline *pipeline;
    const struct gen_result *result;
    const char *hash; /* of the model, or "" */
    int index;        /* in the batch */
};

/* All of the batch as sprites: each cell becomes a pixel, the background goes, colours become few,
 * as the job's settings say. Where nothing says that pictures are to be finished, and under `raw`,
 * they stay as they are. out: result.count new images, the caller's; all or none. */
int sprites_finish(const struct job *, const struct gen_result *, struct image **out, struct err *);

/* The decoded picture, unfinished. NULL without memory. */
struct image *sprite_raw(const struct gen_result *, int index);

/* Where sprite `index` of a job goes that has no file named: a name in the folder (NULL: the
 * working folder) that no other job's file has (malloc'd). NULL and err. */
char *sprite_path(struct store *, const char *folder, int64_t job, int index, uint64_t seed,
                  struct err *);

/* What picture `index` of a batch is called whose first would be "slime.png": that of a batch of
 * one, else "slime-0.png", "slime-1.png" ... (malloc'd). NULL: no memory. */
char *sprite_file(const char *name, int batch, int index);

/* The row of a job's sprite in that file, 0 without. A job that was interrupted and runs again has
 * rows already. */
int64_t sprite_row(struct store *, int64_t job, const char *path);

/* A PNG with the chunks "parameters" and "spritty"; whole or not at all. In the smallest form that
 * loses nothing: with a palette, without alpha, or as it is. */
int sprite_save(const char *path, const struct image *, const struct origin *, struct err *);

#endif
