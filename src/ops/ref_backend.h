/*
 * What the files of the reference backend share. ops_ref.c: the calls that compute, and the table;
 * ref_move.c: those that move values; ref_weight.c: parameters.
 */
#ifndef SPRITTY_REF_BACKEND_H
#define SPRITTY_REF_BACKEND_H

#include <stdlib.h>

#include "ops/arena.h"
#include "ops/check.h"
#include "ops/cost.h"
#include "ops/half.h"
#include "ops/ops.h"

struct weight {
    struct weight_shape s;
    float *w; /* [k][k][in][out]; a norm's gamma [out]; a table [in][out] */
    float *b; /* bias or beta [out], or NULL */
    size_t bytes;
};

struct ref {
    struct ops ops; /* first: a struct ops * of ours is a struct ref * */
    struct err err;
    bool failed;
    struct cost cost;
    size_t weight_bytes;
    int64_t line;  /* elements that each of the following holds */
    double *acc;   /* sums of an output row, or the scores of a query */
    double *acc2;  /* a second one */
    float *row[2]; /* input rows in f32 */
    struct arena arena;
};

static inline struct ref *ref_of(struct ops *o)
{
    return (struct ref *)o;
}

/* ---- errors, scratch, rows ---- */

/* Keeps the first error only. */
static inline void fail(struct ref *r, const char *what)
{
    if (!r->failed)
        err_set(&r->err, "no memory: %s; ask for a smaller image or batch", what);
    err_blame(&r->err, ERR_UNFIT);
    r->failed = true;
}

static inline bool grow(void *line, size_t bytes)
{
    void **at = line, *bigger = realloc(*at, bytes);
    if (bigger)
        *at = bigger;
    return bigger != NULL;
}

/* Opens a call: false if an error waits for sync(), else scratch rows hold `line` elements. */
static inline bool begin(struct ref *r, int64_t line)
{
    if (r->failed)
        return false;
    if (line <= r->line)
        return true;
    size_t n = (size_t)line;
    if (!grow(&r->acc, n * sizeof(double)) || !grow(&r->acc2, n * sizeof(double)) ||
        !grow(&r->row[0], n * sizeof(float)) || !grow(&r->row[1], n * sizeof(float))) {
        fail(r, "scratch rows");
        return false;
    }
    r->line = line;
    return true;
}

static inline void count(struct ref *r, struct cost cost)
{
    r->cost.flops += cost.flops;
    r->cost.bytes += cost.bytes;
}

/* Channels [from, from + n) of row `at` as f32: the tensor's own memory, or converted into buf. */
static inline const float *slice(const struct tensor *t, int64_t at, int from, int n, float *buf)
{
    const char *p = (const char *)t->data + (size_t)(at * t->ld + from) * dtype_size(t->dtype);
    if (t->dtype == DT_F32)
        return (const float *)(const void *)p;
    for (int i = 0; i < n; i++)
        buf[i] = load_f32(p, t->dtype, i);
    return buf;
}

static inline const float *row(const struct tensor *t, int64_t at, float *buf)
{
    return slice(t, at, 0, t->c, buf);
}

static inline void store(struct tensor *t, int64_t at, int from, int n, const double *values)
{
    char *p = (char *)t->data + (size_t)(at * t->ld + from) * dtype_size(t->dtype);
    for (int i = 0; i < n; i++)
        store_f32(p, t->dtype, i, (float)values[i]);
}

static inline void add_row(double *acc, const struct tensor *t, int64_t at, float *buf)
{
    const float *x = row(t, at, buf);
    for (int c = 0; c < t->c; c++)
        acc[c] += x[c];
}

/* ---- ref_weight.c ---- */

struct weight *ref_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                               int count);
struct weight *ref_pack_conv(struct ops *o, const struct param *w, const struct param *b);
struct weight *ref_pack_norm(struct ops *o, const struct param *gamma, const struct param *beta);
struct weight *ref_pack_table(struct ops *o, const struct param *w);
void ref_free_weight(struct ops *o, struct weight *w);
void ref_swap_weights(struct ops *o, struct weight *a, struct weight *b);

/* ---- ref_move.c ---- */

void ref_concat(struct ops *o, struct tensor *y, const struct tensor *a, const struct tensor *b);
void ref_copy(struct ops *o, struct tensor *y, const struct tensor *x);
void ref_embedding(struct ops *o, struct tensor *y, const int32_t *ids, const struct weight *table,
                   const struct weight *positions);
void ref_combine(struct ops *o, struct tensor *y, int count_x, const float *k,
                 const struct tensor *const *x);
void ref_blend(struct ops *o, struct tensor *y, const struct tensor *a, const struct tensor *b,
               const struct tensor *mask);
void ref_map(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f, float a,
             float b);
void ref_match_std(struct ops *o, struct tensor *y, const struct tensor *like, float share);

#endif
