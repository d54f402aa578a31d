/*
 * What the contract of ops.h demands of a call's sizes, as asserts that all backends share, and
 * the shapes of parameters. Networks are built from checked sizes, so a failure here is a mistake
 * of ours; the forecast, which runs every call, finds it without computing anything.
 */
#ifndef SPRITTY_CHECK_H
#define SPRITTY_CHECK_H

#include "ops/ops.h"

enum weight_kind { WEIGHT_LINEAR, WEIGHT_CONV, WEIGHT_NORM, WEIGHT_TABLE };

struct weight_shape {
    enum weight_kind kind;
    int in, out;   /* channels; a norm has out alone (in 1), a table has `in` rows of out */
    int k;         /* kernel height and width; 1 for all but convolutions */
    bool has_bias; /* or beta */
};

/* Values in the weight, without bias. */
static inline int64_t weight_count(const struct weight_shape *s)
{
    return (int64_t)s->in * s->out * s->k * s->k;
}

static inline bool param_present(const struct param *p)
{
    return p && p->data;
}

static inline struct weight_shape weight_shape(enum weight_kind kind, int64_t in, int64_t out,
                                               int64_t k, const struct param *bias)
{
    assert(in > 0 && in <= INT32_MAX && out > 0 && out <= INT32_MAX && (k == 1 || k == 3));
    assert(!param_present(bias) || (bias->rank == 1 && bias->dim[0] <= out));
    return (struct weight_shape){kind, (int)in, (int)out, (int)k, param_present(bias)};
}

/* Inputs and outputs of one source of a linear; the weight of a 1x1 convolution is one too. */
static inline void linear_source(const struct param *p, int64_t *in, int64_t *out)
{
    assert(p->rank == 2 || (p->rank == 4 && p->dim[2] == 1 && p->dim[3] == 1));
    *out = p->dim[p->transposed ? 1 : 0];
    *in = p->dim[p->transposed ? 0 : 1];
}

static inline struct weight_shape linear_shape(const struct param *w, const struct param *b,
                                               int count)
{
    int64_t in = 0, total = 0;
    assert(count > 0);
    for (int s = 0; s < count; s++) {
        int64_t in_s, out;
        linear_source(&w[s], &in_s, &out);
        assert((s == 0 || in_s == in) && param_present(b) == (b && param_present(&b[s])));
        assert(!param_present(b) || b[s].dim[0] == out);
        in = in_s;
        total += out;
    }
    return weight_shape(WEIGHT_LINEAR, in, total, 1, b);
}

/* A linear's [out, in] is a 1x1 convolution too. */
static inline struct weight_shape conv_shape(const struct param *w, const struct param *b)
{
    assert(w->rank == 2 || (w->rank == 4 && w->dim[2] == w->dim[3]));
    return weight_shape(WEIGHT_CONV, w->dim[1], w->dim[0], w->rank == 4 ? w->dim[2] : 1, b);
}

static inline struct weight_shape norm_shape(const struct param *gamma, const struct param *beta)
{
    assert(gamma->rank == 1);
    return weight_shape(WEIGHT_NORM, 1, gamma->dim[0], 1, beta);
}

static inline struct weight_shape table_shape(const struct param *w)
{
    assert(w->rank == 2);
    return weight_shape(WEIGHT_TABLE, w->dim[0], w->dim[1], 1, NULL);
}

/* Rows or columns that a convolution leaves of `size`. */
static inline int conv_out_size(int size, int k, const struct conv_args *a)
{
    return (size + a->pad_before + a->pad_after - k) / a->stride + 1;
}

/* Rows or columns that it sees: `size`, or doubled, less one if the output asks for an odd size. */
static inline int conv_in_size(int size, int out_size, int k, const struct conv_args *a)
{
    if (!a->upsample)
        return size;
    return conv_out_size(2 * size, k, a) == out_size ? 2 * size : 2 * size - 1;
}

/* -- calls; each also keeps the compiler quiet where asserts are off ----------------------------
 */

static inline void check_same(const struct tensor *a, const struct tensor *b)
{
    assert(a->n == b->n && tensor_tokens(a) == tensor_tokens(b) && a->c == b->c);
    (void)a, (void)b;
}

static inline void check_linear(const struct tensor *y, const struct tensor *x,
                                const struct weight_shape *w, bool geglu,
                                const struct tensor *residual)
{
    assert(w->kind == WEIGHT_LINEAR && x->c == w->in && (geglu ? 2 : 1) * y->c == w->out);
    assert(tensor_rows(y) == tensor_rows(x) && tensor_dense(y) && tensor_dense(x));
    assert(!residual || (tensor_rows(residual) == tensor_rows(y) && residual->c == y->c));
    assert(!residual || tensor_dense(residual));
    (void)y, (void)x, (void)w, (void)geglu, (void)residual;
}

static inline void check_conv(const struct tensor *y, const struct tensor *x,
                              const struct weight_shape *w, const struct conv_args *a)
{
    assert(w->kind == WEIGHT_CONV && x->c == w->in && y->c == w->out && y->n == x->n);
    assert(a->stride == 1 || a->stride == 2);
    assert(a->pad_before >= 0 && a->pad_before < w->k && a->pad_after >= 0 && a->pad_after < w->k);
    assert(!a->upsample || a->stride == 1);
    assert(a->pad_before + a->pad_after + (a->upsample ? 2 : 1) * x->h >= w->k);
    assert(a->pad_before + a->pad_after + (a->upsample ? 2 : 1) * x->w >= w->k);
    assert(y->h == conv_out_size(conv_in_size(x->h, y->h, w->k, a), w->k, a));
    assert(y->w == conv_out_size(conv_in_size(x->w, y->w, w->k, a), w->k, a));
    assert(tensor_dense(y) && tensor_dense(x));
    const struct tensor *add = a->chan_add, *residual = a->residual;
    assert(!add || (add->n == y->n && tensor_tokens(add) == 1 && add->c == y->c));
    assert(!add || tensor_dense(add));
    assert(!residual || tensor_dense(residual));
    if (residual)
        check_same(residual, y);
    (void)y, (void)x, (void)w, (void)add;
}

static inline void check_norm(const struct tensor *y, const struct tensor *x,
                              const struct weight_shape *w, int groups)
{
    assert(w->kind == WEIGHT_NORM && w->out == x->c && groups > 0 && x->c % groups == 0);
    assert(tensor_dense(y) && tensor_dense(x));
    check_same(y, x);
    (void)w, (void)groups;
}

static inline void check_attention(const struct tensor *y, const struct tensor *q,
                                   const struct tensor *k, const struct tensor *v, int heads,
                                   bool causal)
{
    assert(heads > 0 && q->c % heads == 0 && k->c == q->c && k->n == q->n);
    assert(!causal || tensor_tokens(q) == tensor_tokens(k));
    check_same(y, q);
    check_same(k, v);
    (void)heads, (void)causal;
}

static inline void check_concat(const struct tensor *y, const struct tensor *a,
                                const struct tensor *b)
{
    assert(y->c == a->c + b->c && tensor_rows(y) == tensor_rows(a));
    assert(tensor_rows(y) == tensor_rows(b));
    assert(tensor_dense(y) && tensor_dense(a) && tensor_dense(b));
    (void)y, (void)a, (void)b;
}

static inline void check_embedding(const struct tensor *y, const int32_t *ids,
                                   const struct weight_shape *table,
                                   const struct weight_shape *positions)
{
    assert(table->kind == WEIGHT_TABLE && positions->kind == WEIGHT_TABLE);
    assert(table->out == y->c && positions->out == y->c && tensor_tokens(y) <= positions->in);
    for (int64_t i = 0; i < tensor_rows(y); i++)
        assert(ids[i] >= 0 && ids[i] < table->in);
    assert(tensor_dense(y));
    (void)y, (void)ids, (void)table, (void)positions;
}

/* Other h and w are fine: the rows are copied in order. */
static inline void check_copy(const struct tensor *y, const struct tensor *x)
{
    assert(tensor_rows(y) == tensor_rows(x) && y->c == x->c);
    (void)y, (void)x;
}

static inline void check_map(const struct tensor *y, const struct tensor *x, enum map_kind f,
                             float a)
{
    check_copy(y, x);
    assert(tensor_dense(y) && tensor_dense(x) && (f != MAP_SOFT_CLIP || a > 0));
    assert(y->dtype == x->dtype || y->dtype == DT_F32 || x->dtype == DT_F32);
    assert(y->data != x->data || y->data == NULL || y->dtype == x->dtype);
    (void)f, (void)a;
}

static inline void check_combine(const struct tensor *y, int count, const struct tensor *const *x)
{
    assert(count >= 1 && count <= OPS_TERMS && y->dtype == DT_F32 && tensor_dense(y));
    for (int i = 0; i < count; i++)
        assert(x[i]->dtype == DT_F32 && tensor_dense(x[i]) &&
               tensor_count(x[i]) == tensor_count(y));
    (void)y, (void)count, (void)x;
}

static inline void check_blend(const struct tensor *y, const struct tensor *a,
                               const struct tensor *b, const struct tensor *mask)
{
    check_combine(y, 2, (const struct tensor *const[]){a, b});
    assert(mask->dtype == DT_F32 && tensor_dense(mask) && mask->c == 1);
    assert((mask->n == 1 || mask->n == y->n) && mask->h == y->h && mask->w == y->w);
    (void)mask;
}

static inline void check_match_std(const struct tensor *y, const struct tensor *like, float share)
{
    check_combine(y, 1, &like);
    assert(like->data == NULL || like->data != y->data);
    assert(share >= 0 && share <= 1 && like->n == y->n);
    (void)share;
}

#endif
