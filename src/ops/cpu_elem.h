/*
 * The CPU backend's elementwise work over whole tensors: conversions, copies, sums. Threaded over
 * pieces whose size does not depend on the number of threads.
 */
#ifndef SPRITTY_CPU_ELEM_H
#define SPRITTY_CPU_ELEM_H

#include "ops/cpu_features.h"
#include "ops/ops.h"

/* What every kernel needs to know about the machine. */
struct cpu {
    struct cpu_features features;
    int threads;
};

enum { CPU_PIECE = 32768 }; /* values of a piece of work that is worth a thread's while */

static inline int64_t cpu_smaller(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows of c values that a piece holds; at least 1. */
static inline int64_t cpu_piece_rows(int64_t c)
{
    return c >= CPU_PIECE ? 1 : CPU_PIECE / c;
}

/* count values, dst of type DT_F32 or DT_BF16 from any source, or DT_F16 from DT_F32; neither need
 * be aligned. */
void cpu_convert(const struct cpu *, void *dst, enum dtype dst_type, const void *src,
                 enum dtype src_type, int64_t count);

/* The same for one row, in the calling thread. */
void cpu_convert_row(enum cpu_isa, void *dst, enum dtype dst_type, const void *src,
                     enum dtype src_type, int64_t count);

/* The same for `rows` rows of c values each, ld elements apart. */
void cpu_convert_rows(const struct cpu *, void *dst, enum dtype dst_type, int64_t dst_ld,
                      const void *src, enum dtype src_type, int64_t src_ld, int64_t rows,
                      int64_t c);

/* ops.h's map over count values; types DT_F32 or DT_BF16. */
struct cpu_map {
    void *y;
    const void *x;
    enum dtype y_type, x_type;
    enum map_kind f;
    float a, b;
};
void cpu_map(const struct cpu *, const struct cpu_map *, int64_t count);

/* y[r, o] = h[r, o] * gelu(g[r, o]); h and g are DT_F32, ld elements apart; y of `type`. */
void cpu_gate(const struct cpu *, void *y, enum dtype type, int64_t y_ld, const float *h,
              const float *g, int64_t ld, int64_t rows, int64_t c);

/* ops.h's blend and match_std. Latents are small: one thread, no lanes. */
void cpu_blend(struct tensor *y, const struct tensor *a, const struct tensor *b,
               const struct tensor *mask);
void cpu_match_std(struct tensor *y, const struct tensor *like, float share);

/* y = sum_i k[i] x[i] over count values. */
void cpu_combine(const struct cpu *, float *y, int terms, const float *k, const float *const *x,
                 int64_t count);

/* out[c] = bias[c] + add[c]; add of `type`. For a few channels: not threaded. */
void cpu_add_channels(const struct cpu *, float *out, const float *bias, const void *add,
                      enum dtype type, int64_t c);

/* y[i] = table[ids[i]] + positions[i % tokens], rows of c values; y of `type`. */
struct cpu_rows {
    const void *data;
    enum dtype type;
};
void cpu_embed(const struct cpu *, void *y, enum dtype type, const int32_t *ids,
               const struct cpu_rows *table, const struct cpu_rows *positions, int64_t count,
               int64_t tokens, int64_t c);

/* n images of `pixels` with `c` values each as c planes, and back; values of 2 or 4 bytes. */
void cpu_to_planes(const struct cpu *, void *planes, const void *pixels, int64_t n, int64_t count,
                   int64_t c, size_t value);
void cpu_from_planes(const struct cpu *, void *pixels, const void *planes, int64_t n, int64_t count,
                     int64_t c, size_t value);

/* How an image is spread out for a convolution: doubled by nearest neighbour if `twice` and cut to
 * seen_h and seen_w, then padded, round in x or y where `pad` says so and with zeros elsewhere.
 * x: [n, h, w, c] dense; y: [n, seen_h + top + bottom, seen_w + left + right, c]. */
struct cpu_spread {
    int n, h, w, seen_h, seen_w, top, left, bottom, right;
    unsigned pad; /* enum pad bits */
    bool twice;
    size_t pixel_bytes;
};
void cpu_spread_image(const struct cpu *, void *y, const void *x, const struct cpu_spread *);

#endif
