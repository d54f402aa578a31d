/*
 * 3x3 convolutions in 16 products for four pixels in place of 36: Winograd's minimal filtering
 * F(2x2, 3x3), as Lavin and Gray have it ("Fast algorithms for convolutional neural networks",
 * 2015, section 4.1). In bf16 the sums before the products are rounded once more, so a convolution
 * is off by about twice what its output's rounding costs.
 *
 * The decision that matters: the products are 16 plain matrix products, so oneDNN makes them; only
 * the sums before and after are ours. They are made for a block of tiles at a time, small enough to
 * stay in cache between the three steps.
 */
#ifndef SPRITTY_CPU_WINOGRAD_H
#define SPRITTY_CPU_WINOGRAD_H

#include "ops/cpu_dnnl.h"
#include "ops/cpu_elem.h"

enum { WINOGRAD_PARTS = 16 };

struct cpu_filters {
    struct dnn_weight *part[WINOGRAD_PARTS]; /* of the transformed filters, [out, in] */
};

/* From packed 3x3 weights of the act type. 0, or -1 with the reason in err and nothing held. */
int cpu_filters_make(struct cpu_filters *, const struct cpu *, struct dnn *,
                     const struct dnn_weight *w, int64_t out, int64_t in, enum dtype act,
                     struct err *);
void cpu_filters_free(struct cpu_filters *, struct dnn *);

struct cpu_winograd {
    const struct cpu_filters *filters;
    const float *bias;       /* [out] or NULL */
    const void *x;           /* [n, h, w, in] dense, of the act type */
    void *y;                 /* [n, h, w, out] dense */
    enum dtype type, y_type; /* DT_F32 or DT_BF16, the first the act type */
    int n, h, w;             /* h and w even */
    int in, out;
    bool accumulate; /* onto y */
};

/* Padding is one pixel of zeros all around. scratch: cpu_winograd_bytes (cpu_sizes.h). An image's
 * values do not depend on the others'. */
int cpu_winograd(const struct cpu *, struct dnn *, const struct cpu_winograd *, void *scratch,
                 struct err *);

#endif
