/*
 * Our own CUDA kernels: everything that cuDNN and cuBLASLt do not do better, and a fallback for
 * what they refuse.
 *
 * Each function queues its work on a stream and returns: 0, or an error code for device_error
 * (device.h). Tensors and pointers are the device's, unless a call says "host"; sizes are checked
 * by the caller (ops/check.h). The formulas are those of ops.h, whose reference is ops_ref.c. All
 * types are taken, sums are f32. Nothing is allocated and nothing waits, so all may be captured in
 * a graph. Results do not depend on timing: no sum is made by atomics.
 *
 * `stream` is a cudaStream_t.
 */
#ifndef SPRITTY_KERNELS_H
#define SPRITTY_KERNELS_H

#include "ops/gpu_sizes.h"
#include "ops/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Not 0: our kernels are left out, which leaves the bare chain of the libraries' calls to measure.
 * What comes out means nothing. */
extern int gpu_bare;

/* -- group_norm.cu, layer_norm.cu: gamma and beta are f32 [c]; beta may be NULL -- */

/* Bytes of scratch that group_norm needs for x. The scratch must be all zeros before its first use
 * and may be used again for anything that goes through the same stream: a call leaves its counters
 * at zero, and those are the first GROUP_NORM_COUNTERS bytes. */
static inline size_t gpu_group_norm_scratch(const struct tensor *x, int groups)
{
    return gpu_group_norm_bytes(x->n, groups);
}
/* y has x's type, or x is f32; y may be x; at most GROUP_NORM_IMAGES images. */
int gpu_group_norm(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta,
                   int groups, float eps, bool silu, void *scratch, void *stream);
/* y has x's type, or x is f32. */
int gpu_layer_norm(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta,
                   float eps, void *stream);

/* -- epilogue.cu -- */

/* y = act(x + bias + chan_add) + residual. x may be y; y and residual (which may be y) have one
 * type, which may be f32 or x's, and so may x's. bias f32 [c], chan_add [n, 1, 1, c] of any type;
 * each may be NULL. */
int gpu_epilogue(struct tensor *y, const struct tensor *x, const float *bias,
                 const struct tensor *chan_add, enum act act, const struct tensor *residual,
                 void *stream);
/* x has 2 c channels, h and g: y = h * gelu(g). One type. */
int gpu_geglu(struct tensor *y, const struct tensor *x, void *stream);

/* -- move.cu -- */

/* y = factor * x, row by row, from any type to any; views allowed. A factor of 1 changes nothing.
 */
int gpu_copy(struct tensor *y, const struct tensor *x, float factor, void *stream);
/* ops.h's map. */
int gpu_map(struct tensor *y, const struct tensor *x, enum map_kind f, float a, float b,
            void *stream);
int gpu_concat(struct tensor *y, const struct tensor *a, const struct tensor *b, void *stream);
/* Nearest neighbour, twice as large; y may lack the last row and column (2 h - 1). One type. */
int gpu_upsample(struct tensor *y, const struct tensor *x, void *stream);
/* y[i, t] = table[ids[i, t]] + positions[t]; tables [rows, c] of y's type; ids on the device. */
int gpu_embedding(struct tensor *y, const int32_t *ids, const void *table, const void *positions,
                  void *stream);
/* to[o, tap, i] = factor * from[o, i, tap]: a checkpoint's [out, in, kh, kw] as NHWC convolutions
 * want it. With taps 1 a plain conversion; with `transposed` (taps 1) from is [in, out]. */
int gpu_pack(void *to, enum dtype to_type, const void *from, enum dtype from_type, int64_t out,
             int64_t in, int taps, bool transposed, float factor, void *stream);

/* A 3x3 convolution's weight as the four 2x2 convolutions that it is on an image before that was
 * doubled: to[below * 2 + right][o, 2, 2, i] of from[o, 3, 3, i], one type (fold.cu). */
int gpu_fold(void *to, const void *from, enum dtype type, int64_t out, int64_t in, void *stream);

/* What a convolution over x reads: x as an image of h x w (its own size, or doubled by nearest
 * neighbour: 2 h, or 2 h - 1), with `before` rows above and columns to the left and as many behind
 * as y has room for, zeros or, by enum pad bits, x's other side (border.cu). One type. Of all these
 * rows y holds those from `first` on. */
int gpu_border(struct tensor *y, const struct tensor *x, int h, int w, int before, int first,
               unsigned pad, void *stream);

/* -- sampler.cu: dense f32 tensors -- */

/* y = sum_i k[i] x[i], count 1 to 4; y may be one of them. k: host. */
int gpu_combine(struct tensor *y, int count, const float *k, const struct tensor *const *x,
                void *stream);
/* The same with k on the device, read when the kernel runs: a captured graph is replayed with other
 * values. */
int gpu_combine_at(struct tensor *y, int count, const float *k, const struct tensor *const *x,
                   void *stream);
/* Launches once what graphs alone launch, over 8 values of `room`: a kernel's code is loaded when
 * it is launched first, which had better not be in a capture. */
int gpu_combine_load(float *room, void *stream);
/* Puts `count` numbers of the host's to the device by way of a kernel's arguments. */
int gpu_set_numbers(void *to, const float *from, int count, void *stream);
/* y = b + mask (a - b); mask [1 or n, h, w, 1]. */
int gpu_blend(struct tensor *y, const struct tensor *a, const struct tensor *b,
              const struct tensor *mask, void *stream);
/* Each image of y times share * std(like) / std(y) + 1 - share. */
int gpu_match_std(struct tensor *y, const struct tensor *like, float share, void *stream);

/* -- pixels.cu -- */

/* rgb[i] = bytes of bias + sum_c latent[i, c] factor[c] (sdxl/preview.h). factor: host, [c][3] and
 * bias [3] behind it, c 16 at most. rgb: 3 bytes a pixel. */
int gpu_preview(uint8_t *rgb, const struct tensor *latent, const float *factor, void *stream);
/* Adds to *bad how many values of a dense f32 tensor are NaN or infinite. */
int gpu_count_bad(const struct tensor *x, unsigned *bad, void *stream);
/* -1..1 to 0..255 over a dense f32 tensor; adds to *bad how many values are NaN or infinite. */
int gpu_pixels(uint8_t *bytes, const struct tensor *image, unsigned *bad, void *stream);

/* -- attention.cu, softmax.cu -- */

/* ops.h's attention for any head size and any views; one type. */
int gpu_attention(struct tensor *y, const struct tensor *q, const struct tensor *k,
                  const struct tensor *v, int heads, float scale, bool causal, void *stream);
/* Each row of c values: y = softmax(scale * x); y may be x; one type, or x is f32. */
int gpu_softmax(struct tensor *y, const struct tensor *x, float scale, void *stream);

/* -- product.cu: for shapes and types that the libraries refuse -- */

/* ops.h's linear, w [out, in] of x's type. y (and residual): x's type or f32. */
int gpu_linear(struct tensor *y, const struct tensor *x, const void *w, const float *bias,
               enum act act, const struct tensor *residual, void *stream);
/* ops.h's conv2d, w [out, k, k, in] of x's type. y (and residual): x's type or f32. */
int gpu_conv2d(struct tensor *y, const struct tensor *x, const void *w, const float *bias, int k,
               const struct conv_args *args, void *stream);

#ifdef __cplusplus
}
#endif

#endif
