/*
 * What the files behind gpu/library.h share: the state, the plans by shape, choosing, workspace.
 *
 * A plan is found by its key, numbers that say all about a call but its pointers. It is made once
 * (library_plan) and lives as long as the library, also as "refused". The workspace is one piece
 * that never moves, since captured graphs hold its address: its first half is the libraries'
 * scratch, its second half holds values between two of our own calls (library_temp).
 */
#ifndef SPRITTY_GPU_LIBRARY_PRIV_H
#define SPRITTY_GPU_LIBRARY_PRIV_H

#include <cublasLt.h>

#include "choices.h"
#include "clock.h"
#include "dnn_shapes.h"
#include "kept.h"
#include "library.h"

enum {
    PLAN_NUMBERS = 24,
    PLAN_BUCKETS = 256,
    PROPOSALS = 8,          /* tried a variant, at most */
    PRODUCT_PROPOSALS = 24, /* the same of products, which are tried in a moment */
    KEY_TEXT = 320
};

enum plan_kind { PLAN_PRODUCT, PLAN_CONV, PLAN_SDPA };

struct plan_key {
    int64_t v[PLAN_NUMBERS]; /* the first is its kind; unused ones are 0 */
};

struct product {
    cublasLtMatmulDesc_t op;
    cublasLtMatrixLayout_t a, b, c, d;
    cublasLtMatmulAlgo_t algo;
};

struct plan {
    struct plan_key key;
    struct plan *next; /* in its bucket */
    bool refused;
    int variant; /* a convolution's */
    struct product product;
    struct dnn_plan dnn;
};

struct library {
    struct gpu_library_options options;
    char *cache, *plans; /* options.cache and options.plans, ours */
    char where[160];
    struct gpu_library_stats stats;
    struct choices choices;
    unsigned chosen; /* so far, by trying */
    cublasLtHandle_t blas;
    struct dnn dnn;
    bool has_dnn;
    void *workspace, *from, *to; /* from, to: clocks */
    void *stream;                /* that the workspace was allocated on */
    struct plan *bucket[PLAN_BUCKETS];
    char why[256]; /* the reason of a refusal, while a plan is made */
    bool lost;     /* in this call, what a capture should have held */
    bool once;     /* what is tried may run once only: it adds to its own output */
    bool made;     /* the call that a plan was made for has been made by trying */
};

/* The plan for a key, made by `make` if there is none; NULL where there is none to be had, with rc
 * set to NOT_TAKEN, or to an error of the device. make returns the same codes, 0 for a plan, and on
 * NOT_TAKEN leaves the reason in l->why. */
typedef int plan_maker(struct library *, struct plan *, const void *call, void *stream);
struct plan *library_plan(struct library *, const struct plan_key *, plan_maker *, const void *call,
                          void *stream, int *rc);

/* Chooses among `count` proposals as the options say. run(call, i, stream) queues proposal i and
 * returns 0, NOT_TAKEN or an error of the device; it may be called often, for real, but with
 * l->once: then nothing is measured, and the first that runs has made the call. The number of the
 * chosen one in *chosen. 0, NOT_TAKEN if none works, or an error. */
typedef int proposal_runner(void *call, int i, void *stream);
int library_choose(struct library *, const struct plan_key *, int count, proposal_runner *,
                   void *call, void *stream, int *chosen);

/* The plan of cuDNN's that an earlier run kept for this key, with its variant; false: none. It is
 * to be tried (library_try) before it is believed. library_keep keeps one whose kernel was
 * compiled: proposal `chosen`, as library_choose said. */
bool library_kept(struct library *, const struct plan_key *, struct dnn_plan *, int *variant);
void library_keep(struct library *, const struct plan_key *, const struct dnn_plan *, int variant,
                  int chosen);
/* Runs proposal i and waits for it. */
int library_try(proposal_runner *, void *call, int i, void *stream);

/* Has the call been made while its plan was (l->once)? Asked once. */
static inline bool library_made(struct library *l)
{
    bool made = l->made;
    l->made = false;
    return made;
}

/* A call with a plan was refused, with the reason in l->why. Returns NOT_TAKEN. */
int library_refused(struct library *, void *stream);

/* Scratch for a library: its start, and how much of it there is. */
size_t library_scratch(const struct library *);
/* Memory until the next call; NULL: that is more than there is. */
void *library_temp(const struct library *, size_t bytes);
/* Memory for the output of what is tried, where that may not be the call's own: behind `scratch`
 * bytes that the library uses meanwhile and `temp` of library_temp; NULL: there is not enough. */
void *library_aside(const struct library *, size_t scratch, size_t temp, size_t bytes);

/* The largest power of two, up to 256, that divides all: start with 256. */
int align_of(int align, const void *p);
int align_of_bytes(int align, int64_t bytes);

/* -- blas.c -- */

/* y = alpha x op(w) + bias + beta c, rows of values `ld` apart. w is [n, k] with `w_rows_are_n`,
 * else [k, n]. `batch` such products, their matrices sx, sw, sy elements apart. */
struct product_shape {
    enum dtype type, out; /* of x and w; of y, c and bias */
    int64_t m, n, k, ld_x, ld_w, ld_y, ld_c;
    bool w_rows_are_n, bias, add; /* add: beta is 1 and c is read */
    int64_t batch, sx, sw, sy;
};
struct product_data {
    void *y;
    const void *x, *w, *bias, *c;
    float alpha;
};
int library_product(struct library *, const struct product_shape *, const struct product_data *,
                    void *stream);

/* ops.h's linear, and a 1x1 convolution: chan_add may be NULL. */
int library_linear(struct library *, struct tensor *y, const struct tensor *x,
                   const struct weight *, enum act, const struct tensor *chan_add,
                   const struct tensor *residual, void *stream);
/* Its bias in type `out`, or NULL. */
const void *weight_bias(const struct weight *, enum dtype out);

/* -- conv.c, sdpa.c -- */

int library_conv2d(struct library *, struct tensor *y, const struct tensor *x,
                   const struct weight *, const struct conv_args *, void *stream);
int library_attention(struct library *, struct tensor *y, const struct tensor *q,
                      const struct tensor *k, const struct tensor *v, int heads, float scale,
                      bool causal, void *stream);

#endif
