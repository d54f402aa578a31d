/*
 * A sprite on its way to disk: a PNG with its story in text chunks.
 */
#ifndef SPRITTY_SAVE_H
#define SPRITTY_SAVE_H

#include "engine/meta.h"
#include "sprite/image.h"
#include "sprite/png.h"

/* Where a sprite comes from. */
struct origin {
    const struct job *job;
    const struct pipeline *pipeline;
    const struct gen_result *result;
    const char *hash; /* of the model, or "" */
    int index;        /* in the batch */
};

/* The decoded image `index` as a sprite: where the model draws pixel art, each cell becomes a
 * pixel, the background goes, colours become few. Other models' images, and all under `raw`, stay
 * as they are. NULL and err on failure. */
struct image *sprite_finish(const struct job *, const struct gen_result *, int index, struct err *);

/* A PNG with the chunks "parameters" and "spritty"; whole or not at all. In the smallest form that
 * loses nothing: with a palette, without alpha, or as it is. */
int sprite_save(const char *path, const struct image *, const struct origin *, struct err *);

#endif
