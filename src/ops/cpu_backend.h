/*
 * What the CPU backend's calls (ops_cpu.c, cpu_conv.c) and its weights (cpu_weight.c) share. For
 * these alone.
 */
#ifndef SPRITTY_CPU_BACKEND_H
#define SPRITTY_CPU_BACKEND_H

#include "ops/arena.h"
#include "ops/check.h"
#include "ops/cost.h"
#include "ops/cpu_attention.h"
#include "ops/cpu_dnnl.h"
#include "ops/cpu_elem.h"
#include "ops/cpu_sizes.h"
#include "ops/cpu_upsample.h"
#include "ops/cpu_winograd.h"
#include "ops/ops.h"

struct weight {
    struct weight_shape s;
    int segments;
    struct dnn_weight *segment[CPU_SEGMENTS]; /* linear: along the outputs; convolution: one */
    struct cpu_phases *phases;                /* of a 3x3 convolution that followed a doubling */
    struct cpu_filters *filters;              /* of one that was done by Winograd's */
    float *bias;                              /* or beta [out], or NULL */
    float *gamma;                             /* norm [out] */
    void *table;                              /* [in, out] */
    enum dtype held;                          /* of the table's values */
    size_t bytes;                             /* of what is held here, without the segments */
};

struct cpu_ops {
    struct ops ops; /* first: a struct ops * of ours is a struct cpu_ops * */
    struct cpu cpu;
    enum attention_kernel attention;
    int way;   /* enum attention_way */
    bool fold; /* doubling convolutions by parts */
    bool winograd;
    bool planes; /* the other 3x3 ones over planes */
    int weights; /* enum weights_way */
    struct dnn *dnn;
    struct err err;
    bool failed;
    struct cost cost;
    size_t weight_bytes; /* besides dnn's */
    void *scratch;       /* until the end of a call */
    void *staged;        /* a parameter on its way into a layout */
    size_t scratch_bytes, staged_bytes;
    struct arena arena;
};

static inline struct cpu_ops *cpu_of(struct ops *o)
{
    return (struct cpu_ops *)o;
}

/* Keep the first error: for want of memory for `what`; or if result is not 0, the one in e. */
void cpu_fail(struct cpu_ops *, const char *what);
void cpu_keep(struct cpu_ops *, int result, const struct err *e);

/* Room for `bytes` at *at, which holds *held so far; what was there is lost. */
bool cpu_grow(void **at, size_t *held, size_t bytes);

/* Scratch until the end of the call; NULL after a failure. */
void *cpu_scratch(struct cpu_ops *, size_t bytes);

/* Adds to the call's cost; says whether a call can be made: nothing has failed, and its weight is
 * there. */
void cpu_count(struct cpu_ops *, struct cost);
bool cpu_ready(struct cpu_ops *, const struct weight *);

/* What is added onto an output is put there first. */
void cpu_place(const struct cpu_ops *, const struct tensor *y, const struct tensor *residual);

/* Some rows through all segments of a weight, with a bias [out] or NULL. */
void cpu_multiply(struct cpu_ops *, const struct weight *, const float *bias,
                  const struct dnn_linear *rows);

/* The calls of the same names in struct ops. */
void cpu_conv2d(struct ops *, struct tensor *y, const struct tensor *x, const struct weight *,
                const struct conv_args *);
struct weight *cpu_pack_linear(struct ops *, const struct param *w, const struct param *b,
                               int count);
struct weight *cpu_pack_conv(struct ops *, const struct param *w, const struct param *b);
struct weight *cpu_pack_norm(struct ops *, const struct param *gamma, const struct param *beta);
struct weight *cpu_pack_table(struct ops *, const struct param *w);
void cpu_free_weight(struct ops *, struct weight *);
struct weight *cpu_no_weight(struct ops *);
void cpu_swap_weights(struct ops *, struct weight *a, struct weight *b);

/* The weights of a doubling and 3x3 convolution's four parts, made at the first call. NULL after a
 * failure. */
const struct cpu_phases *cpu_phases_of(struct cpu_ops *, const struct weight *);
/* The same of the filters of cpu_winograd.h. */
const struct cpu_filters *cpu_filters_of(struct cpu_ops *, const struct weight *);

#endif
