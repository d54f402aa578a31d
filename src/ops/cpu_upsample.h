/*
 * A 3x3 convolution of an image doubled by nearest neighbour, as four 2x2 convolutions of the image
 * itself: 4/9 of the multiply-adds, and the doubled image never exists.
 */
#ifndef SPRITTY_CPU_UPSAMPLE_H
#define SPRITTY_CPU_UPSAMPLE_H

#include "ops/cpu_dnnl.h"
#include "ops/cpu_elem.h"

/* Output pixel (2 y + i, 2 x + j) is that of convolution [2 i + j]. */
struct cpu_phases {
    struct dnn_weight *part[4];
};

/* From packed 3x3 weights of the act type. 0, or -1 with the reason in err and nothing held. */
int cpu_phases_make(struct cpu_phases *, struct dnn *, const struct dnn_weight *w, int64_t out,
                    int64_t in, enum dtype act, struct err *);
void cpu_phases_free(struct cpu_phases *, struct dnn *);

struct cpu_upsample {
    const struct cpu_phases *phases;
    const float *bias; /* [out] or NULL */
    const void *x;     /* [n, h, w, in] dense, of `type` */
    void *y;           /* [n, 2h, 2w, out] dense, of `type` */
    enum dtype type;
    int n, h, w, in, out;
    enum act act;
};

/* Padding is one pixel of zeros all around. scratch: cpu_upsample_rows (cpu_sizes.h) rows of [w,
 * out] of `type`. */
int cpu_upsample(const struct cpu *, struct dnn *, const struct cpu_upsample *, void *scratch,
                 struct err *);

#endif
