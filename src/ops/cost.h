/*
 * What a call costs: one place for the formulas that all backends count by, so that the forecast
 * and the real thing cannot disagree.
 *
 * FLOPs are 2 a multiply-add and count linear, convolution and attention only; norms and
 * elementwise calls are bytes. Bytes are what a call must read and write, each value once, weights
 * included; what caches save or lose is not in it.
 */
#ifndef SPRITTY_COST_H
#define SPRITTY_COST_H

#include "ops/check.h"

struct cost {
    double flops, bytes;
};

/* Bytes of a weight's values and bias: matrices and tables in `stored`, norms and biases in f32.
 * What a backend's layout adds is not in it. */
size_t cost_weight_bytes(const struct weight_shape *, enum dtype stored);

/* rows x in x out; geglu has out = 2 y->c. residual may be NULL. */
struct cost cost_linear(const struct tensor *y, const struct tensor *x, int out,
                        size_t weight_bytes, const struct tensor *residual);

/* taps: multiply-adds an output value for each input channel. k * k, or 4 where a backend turns a
 * doubled input under 3x3 into four 2x2 convolutions of the input as it is. */
struct cost cost_conv(const struct tensor *y, const struct tensor *x, int taps, size_t weight_bytes,
                      const struct conv_args *);

/* Both products; with causal only the keys that a query sees. */
struct cost cost_attention(const struct tensor *y, const struct tensor *q, const struct tensor *k,
                           const struct tensor *v, bool causal);

/* A call that only reads and writes. The others read a or b, which may be NULL. */
struct cost cost_move(const struct tensor *y, const struct tensor *a, const struct tensor *b,
                      size_t weight_bytes);

/* One row of the tokens' table a token, one of the positions' table a position; row_bytes each. */
struct cost cost_embedding(const struct tensor *y, size_t row_bytes);

/* Bytes of t's memory if it were dense, or 0 if that is no number of bytes (overflow, or a size
 * that is not positive): the check of every alloc_as. */
size_t tensor_size_checked(enum dtype, int n, int h, int w, int c);

#endif
