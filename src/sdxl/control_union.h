/*
 * What a ControlNet Union has beside a plain ControlNet: it is told the kind of its picture
 * (xinsir's controlnet-union-sdxl-1.0). Reference: diffusers' ControlNetUnionModel.
 *
 *   time     the told kind as a sinusoid each of 0 or 1, through two linears, onto the time
 *            embedding
 *   hint     means over its pixels + the kind's embedding: a token. A small transformer, then a
 *            linear, make of it `alpha` [c0], which is added to every pixel of the hint
 *
 * The tools differ: to diffusers the means over what conv_in makes of x are a second token, so
 * alpha is another in each step and for each image; ComfyUI and A1111 leave that out, and told
 * nothing they leave out the token as well.
 */
#ifndef SPRITTY_CONTROL_UNION_H
#define SPRITTY_CONTROL_UNION_H

#include "sdxl/loader.h"

enum { MAX_TYPE_LAYERS = 8 };

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
/* x [n, h, w, c] of either type -> its means, and the kind's embedding on them (-1: not):
 * [n, 1, 1, c] in the ops' type, the caller's to release. */
struct tensor union_token(const struct control_union *, struct ops *, const struct tensor *x,
                          int kind);
/* first, and second or NULL, [n, 1, 1, c] -> alpha [n, 1, 1, c], the caller's to release. */
struct tensor union_alpha(const struct control_union *, struct ops *, const struct tensor *first,
                          const struct tensor *second);

#endif
