/*
 * The UNet's spatial transformer: self-attention over pixels, cross-attention to the text, a gated
 * MLP, `depth` times.
 *
 * The text's keys and values depend on the prompt alone, so they are not made here but before the
 * loop (transformer_text) and handed in: one tensor [conds, text tokens, 1, 2 inner] a block, keys
 * first.
 */
#ifndef SPRITTY_TRANSFORMER_H
#define SPRITTY_TRANSFORMER_H

#include "sdxl/loader.h"

struct transformer_block {
    struct weight *norm1, *qkv, *out1;      /* self: [3 c, c], [c, c] */
    struct weight *norm2, *q2, *kv2, *out2; /* cross: [c, c], [2 c, context], [c, c] */
    struct weight *norm3, *gate, *down;     /* MLP: [8 c, c], [c, 4 c] */
};

struct transformer {
    int channels, heads, depth;
    struct weight *norm, *proj_in, *proj_out;
    struct transformer_block *block; /* depth of them, owned */
};

struct transformer_spec {
    int channels, heads, depth, context;
};

void transformer_load(struct transformer *, struct loader *, struct name base,
                      struct transformer_spec);
void transformer_free(struct transformer *, struct ops *);

/* Keys and values of each block from the text states [conds, tokens, 1, context]; kv[depth] are
 * allocated here and the caller's to release. */
void transformer_text(const struct transformer *, struct ops *, const struct tensor *text,
                      struct tensor *kv);

/* x [n, h, w, channels] is changed in place. n is a multiple of kv's n: images of one condition
 * stand together. */
void transformer_run(const struct transformer *, struct ops *, struct tensor *x,
                     const struct tensor *kv, int norm_groups);

#endif
