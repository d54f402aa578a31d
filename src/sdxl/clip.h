/*
 * A CLIP text encoder: token and position embeddings, then pre-norm transformer layers under a
 * causal mask.
 *
 * SDXL has two (CLIP-L, OpenCLIP bigG) that differ in sizes and activation alone. What it reads is
 * not the last state but an earlier one, without the final layer norm; only the pooled vector of
 * the second goes all the way.
 */
#ifndef SPRITTY_CLIP_H
#define SPRITTY_CLIP_H

#include "sdxl/loader.h"

struct clip_layer {
    struct weight *norm1, *qkv, *out; /* [3 c, c], [c, c] */
    struct weight *norm2, *fc1, *fc2; /* [ffn, c], [c, ffn] */
};

struct clip {
    struct clip_config config;
    struct weight *tokens, *positions; /* [vocab, c], [positions, c] */
    struct clip_layer layer[MAX_LAYERS];
    struct weight *final_norm, *projection; /* [projection, c], NULL without one */
};

/* Loads from the loader's part. -1 with the loader's err; clip_free is safe after either. */
int clip_load(struct clip *, struct loader *, const struct clip_config *);
void clip_free(struct clip *, struct ops *);

/* Vectors that stand in place of tokens: textual inversions. */
struct vector_use {
    int at;              /* chunk * positions + position; the id there counts for nothing */
    const float *vector; /* `hidden` numbers on the host */
};

struct clip_vectors {
    const struct vector_use *use;
    int count;
};

/*
 * ids: chunks * positions of them, each below vocab. vectors: what stands in place of some, or
 * NULL. hidden: [chunks, positions, 1, c] in the ops' type, filled with hidden state -(skip + 1):
 * skip 1 is the input of the last layer, which is SDXL's. pooled: [1, 1, 1, projection] of the
 * FIRST chunk at its first eos, or NULL. -1 only without host memory.
 */
int clip_encode(const struct clip *, struct ops *, const int32_t *ids, int chunks, int skip,
                const struct clip_vectors *vectors, struct tensor *hidden, struct tensor *pooled);

#endif
