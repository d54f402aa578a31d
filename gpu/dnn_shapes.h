/*
 * The two graphs that we ask of cuDNN, each as a function of a shape: a convolution with what is
 * added to it, and attention. No state and no device, so a test can put them before the real cuDNN
 * on a machine without a GPU.
 */
#ifndef SPRITTY_GPU_DNN_SHAPES_H
#define SPRITTY_GPU_DNN_SHAPES_H

#include "dnn.h"

/* y = convolution(x, w) + bias + add + residual, channels last. */
struct conv_shape {
    enum dtype type, out; /* of x and w (and add); of y and residual */
    int n, h, w, c;       /* x */
    int outputs, k;       /* w: [outputs, k, k, c] */
    int stride;
    int64_t before[2], after[2]; /* zeros above and left, below and right */
    bool bias, add, residual;    /* [outputs] of y's type, [n, outputs] of x's, like y */
    int spread; /* 1; 2: y's pixels lie two apart, with one of another convolution between */
    int align;  /* bytes, of all pointers */
};
enum conv_id { CONV_X = 1, CONV_W, CONV_Y, CONV_BIAS, CONV_ADD, CONV_RESIDUAL };
int conv_graph(struct dnn_graph *, const struct conv_shape *, const struct dnn *);

/* y = softmax(scale q k^T) v. Rows of channels, `ld` apart; head i owns channels [i d, (i+1) d). */
struct sdpa_shape {
    enum dtype type;
    int n, heads, d;
    int64_t queries, keys;
    int64_t ld_q, ld_k, ld_v, ld_y;
    bool causal;
    int align;
};
enum sdpa_id { SDPA_Q = 1, SDPA_K, SDPA_V, SDPA_Y, SDPA_SCALE, SDPA_MASKED };
int sdpa_graph(struct dnn_graph *, const struct sdpa_shape *, const struct dnn *);

#endif
