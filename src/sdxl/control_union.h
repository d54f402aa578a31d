/*
 * What a ControlNet Union has beside a plain ControlNet: it is told the kind of its picture
 * (xinsir's controlnet-union-sdxl-1.0). Reference: diffusers' ControlNetUnionModel.
 *
 *   time     the told kind as a sinusoid each of 0 or 1, through two linears, onto the time
 *            embedding
 *   hint     its means over the pixels + the kind's embedding: a token. A small transformer over
 *            it, then a linear, make `alpha` [c0], which is added to every pixel of the hint
 *
 * In diffusers the means over x are a second token; but its attention takes the batch for the
 * sequence, so the two never meet, and the numbers are ComfyUI's and A1111's, which have one.
 * Told nothing, ComfyUI leaves token and alpha out.
 */
#ifndef SPRITTY_CONTROL_UNION_H
#define SPRITTY_CONTROL_UNION_H

#include "sdxl/loader.h"

struct type_layer {
    struct weight *norm1, *qkv, *out, *norm2, *up, *down; /* [3 c, c], [c, c], [4 c, c], [c, 4 c] */
};

struct control_union {
    int types, layers, heads, width;
    struct weight *time1, *time2, *project;
    float *kind; /* host: [types][width]; NULL in a forecast */
    struct type_layer layer[MAX_TYPE_LAYERS];
};

/* Nothing where types is 0. Errors stay in the loader. */
void union_load(struct control_union *, struct loader *, const struct control_config *);
void union_free(struct control_union *, struct ops *);

/* What the kind (from 0; -1: not told) adds to the time embedding: [time_dim] on the host. -1: no
 * memory. */
int union_time(const struct control_union *, struct ops *, const struct control_config *, int kind,
               float *out);
/* Of the hint [1, h, w, c], of the ops' stream type: alpha [1, 1, 1, c], the caller's to release.
 */
struct tensor union_alpha(const struct control_union *, struct ops *, const struct tensor *hint,
                          int kind);

#endif
