/*
 * oneDNN behind a few calls: matrix products and convolutions over packed weights. The only home of
 * its headers, for its 2.x and 3.x interfaces.
 *
 * The decision that matters: a weight is packed once, in the layout that oneDNN prefers for a
 * typical size, and every primitive is made for that layout. Should oneDNN have nothing good for
 * it, the weight is laid out anew at the call, and stays so until a call of another size wants
 * another layout. A primitive is made at the first call with a new set of sizes and kept; after
 * that warm-up a call allocates nothing.
 *
 * Calls return 0, or -1 with the reason in err. One thread at a time.
 */
#ifndef SPRITTY_CPU_DNNL_H
#define SPRITTY_CPU_DNNL_H

#include "ops/cpu_elem.h"
#include "ops/ops.h"

struct dnn;
struct dnn_weight;

/* act: type of activations and of weights as they are multiplied, DT_F32 or DT_BF16. */
struct dnn *dnn_open(enum dtype act, const struct cpu *, struct err *);
void dnn_close(struct dnn *); /* NULL is nothing */

/* Whether most convolutions will read planes: weights that are packed from now on are laid out for
 * it. */
void dnn_plan_planes(struct dnn *, bool planes);

/* Bytes of packed weights held now; of oneDNN's scratchpad, and of a weight that was widened. */
size_t dnn_weight_bytes(const struct dnn *);
size_t dnn_scratch_bytes(const struct dnn *);

/* w: [out, in] dense in the act type. NULL on failure. The caller may free w afterwards.
 * held: the act type; or with DT_F32 a narrower one that has all of the values, which are widened
 * for each call then (once where calls with one weight follow each other). */
struct dnn_weight *dnn_pack_linear(struct dnn *, const void *w, int64_t out, int64_t in,
                                   enum dtype held, struct err *);
/* w: [out, in, kh, kw] dense in the act type. */
struct dnn_weight *dnn_pack_conv(struct dnn *, const void *w, int64_t out, int64_t in, int kh,
                                 int kw, enum dtype held, struct err *);
/* The weights back, as dnn_pack_conv took them. */
int dnn_unpack_conv(struct dnn *, const struct dnn_weight *, void *w, struct err *);
void dnn_free_weight(struct dnn *, struct dnn_weight *); /* NULL is nothing */

/* y[r, o] = act(sum_i x[r, i] w[o, i] + bias[o]) (+ y[r, o] if accumulate). */
struct dnn_linear {
    const struct dnn_weight *w;
    const float *bias; /* [out] or NULL */
    const void *x;     /* act type, rows x_ld elements apart */
    void *y;           /* y_type, rows y_ld elements apart */
    enum dtype y_type;
    int64_t rows, x_ld, y_ld;
    enum act act;
    bool accumulate;
    bool second; /* the weight is widened elsewhere than others, beside one that is wanted again */
};
int dnn_linear(struct dnn *, const struct dnn_linear *, struct err *);

/* NHWC, or planes (NCHW), dense. Zero padding; y is [n, oh, ow, out] with oh = (h + top + bottom -
 * kh) / stride + 1. act comes before the accumulation. */
struct dnn_conv {
    const struct dnn_weight *w;
    const float *bias;
    const void *x;
    void *y; /* y_type */
    enum dtype y_type;
    int n, h, w_in; /* sizes of x */
    int stride, top, left, bottom, right;
    enum act act;
    bool accumulate, planes; /* planes: of both x and y */
    bool bands;              /* calls with this weight alternate between sizes */
};
int dnn_conv(struct dnn *, const struct dnn_conv *, struct err *);

#endif
