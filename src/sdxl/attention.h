/* Attention as all networks have it: scores by the root of a head's channels. */
#ifndef SPRITTY_ATTENTION_H
#define SPRITTY_ATTENTION_H

#include <math.h>

#include "ops/ops.h"

static inline void attend(struct ops *o, struct tensor *y, const struct tensor *q,
                          const struct tensor *k, const struct tensor *v, int heads, bool causal)
{
    o->attention(o, y, q, k, v, heads, 1.0f / sqrtf((float)(q->c / heads)), causal);
}

/* Of what one projection made side by side: qkv [n, h, w, 3 c] -> y [n, h, w, c]. */
static inline void attend_self(struct ops *o, struct tensor *y, struct tensor qkv, int heads,
                               bool causal)
{
    int c = qkv.c / 3;
    struct tensor q = tensor_channels(qkv, 0, c), k = tensor_channels(qkv, c, c);
    struct tensor v = tensor_channels(qkv, 2 * c, c);
    attend(o, y, &q, &k, &v, heads, causal);
}

#endif
