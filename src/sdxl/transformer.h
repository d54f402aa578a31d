/*
 * The UNet's spatial transformer: self-attention over pixels, cross-attention to the text, a gated
 * MLP, `depth` times.
 *
 * The text's keys and values depend on the prompt alone, so they are not made here but before the
 * loop (transformer_text) and handed in: one tensor [1, tokens of all texts, 1, 2 inner] a block,
 * keys first. Which image reads which of its tokens, struct text_span says.
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

/* Images that read texts of one length which follow each other: the first `images` of them text 0,
 * the next `images` text 1, and so on to `texts`. */
struct text_span {
    int image, images; /* the first image; images a text */
    int token, tokens; /* where text 0 begins; the length of each */
    int texts;
};

struct text_map { /* for all images of a step, in order, without gaps */
    const struct text_span *span;
    int spans;
};

void transformer_load(struct transformer *, struct loader *, struct name base,
                      struct transformer_spec);
void transformer_free(struct transformer *, struct ops *);

/* Keys and values of each block from the text states [1, tokens, 1, context]; kv[depth] are
 * allocated here and the caller's to release. */
void transformer_text(const struct transformer *, struct ops *, const struct tensor *text,
                      int chunk, struct tensor *kv);

/* x [n, h, w, channels] is changed in place. */
void transformer_run(const struct transformer *, struct ops *, struct tensor *x,
                     const struct tensor *kv, struct text_map, int norm_groups);

#endif
