/*
 * What the two files of the oneDNN side share: cpu_dnnl_table.c makes primitives and keeps them by
 * their sizes, cpu_dnnl.c packs weights and calls. For no one else.
 */
#ifndef SPRITTY_CPU_DNNL_TABLE_H
#define SPRITTY_CPU_DNNL_TABLE_H

#include "ops/cpu_dnnl.h"
#include "ops/cpu_dnnl_api.h"

enum { DNN_LAYOUTS = 2 }; /* most that a weight is kept in */

struct dnn_packed {
    desc layout;
    void *data;
    size_t bytes; /* of data, which is of the type `held` */
    enum dtype held;
    bool used; /* by a call */
};

struct dnn_weight {
    bool conv;
    int64_t out, in;
    int kh, kw;
    enum dtype held;
    int count;
    struct dnn_packed packed[DNN_LAYOUTS + 1]; /* and the next, before it takes another's place */
};

/* What a primitive is made for. Compared as bytes: every field is set, no padding. */
struct dnn_key {
    int64_t kind, n, h, w, in, out, kh, kw; /* a matrix product has n rows */
    int64_t stride, top, left, bottom, right;
    int64_t x_ld, y_ld, y_type;
    int64_t act, accumulate, bias, planes;
};

enum { KIND_LINEAR, KIND_CONV };

struct dnn_entry {
    struct dnn_key key;
    dnnl_primitive_t primitive;
    desc layout; /* of the weights it takes */
    dnnl_memory_t x, w, bias, y, scratch;
    size_t scratch_bytes;
};

/* The values of a weight that is held narrower, as they are multiplied. */
struct dnn_wide {
    void *data;
    size_t bytes;
    const void *of; /* the weight's data; NULL: none's */
};

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    enum dtype act;
    bool planes;              /* what typical convolutions read */
    struct dnn_entry **table; /* open addressing, a power of two */
    size_t slots, used;
    void *scratch;
    size_t scratch_bytes, weight_bytes;
    struct cpu cpu;
    struct dnn_wide wide[2]; /* the second: of dnn_linear.second */
};

struct dnn_descs {
    desc x, w, bias, y;
    bool has_bias;
};

/* Returns -1. */
int dnn_fail(struct err *, const char *what, dnnl_status_t);
dnnl_data_type_t dnn_type(enum dtype);

/* A primitive descriptor for the key; *s keeps the descriptors and is to be freed in any case.
 * layout: of the weights, or NULL to let oneDNN choose. */
dnnl_status_t dnn_describe(dnnl_primitive_desc_t *, struct dnn_descs *s, const struct dnn *,
                           const struct dnn_key *, cdesc layout);
void dnn_descs_free(struct dnn_descs *);

/* The primitive for the key, made at first need; the table's. NULL and err on failure. */
struct dnn_entry *dnn_entry_find(struct dnn *, const struct dnn_key *, const struct dnn_weight *,
                                 struct err *);
void dnn_entry_free(struct dnn_entry *);

#endif
