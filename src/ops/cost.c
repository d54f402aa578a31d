/* See cost.h. */
#include "ops/cost.h"

/* Bytes of the values of t, without what lies between the rows of a view. NULL: 0. */
static double value_bytes(const struct tensor *t)
{
    return t ? (double)tensor_count(t) * (double)dtype_size(t->dtype) : 0;
}

size_t tensor_size_checked(enum dtype dtype, int n, int h, int w, int c)
{
    int sizes[] = {n, h, w, c};
    size_t bytes = dtype_size(dtype);
    for (int i = 0; i < 4; i++)
        if (sizes[i] <= 0 || __builtin_mul_overflow(bytes, (size_t)sizes[i], &bytes) ||
            bytes > SIZE_MAX / 4)
            return 0;
    return bytes;
}

size_t cost_weight_bytes(const struct weight_shape *s, enum dtype stored)
{
    size_t value = dtype_size(s->kind == WEIGHT_NORM ? DT_F32 : stored);
    return (size_t)weight_count(s) * value + (s->has_bias ? (size_t)s->out * sizeof(float) : 0);
}

struct cost cost_move(const struct tensor *y, const struct tensor *a, const struct tensor *b,
                      size_t weight_bytes)
{
    double bytes = value_bytes(y) + value_bytes(a) + value_bytes(b);
    return (struct cost){0, bytes + (double)weight_bytes};
}

struct cost cost_linear(const struct tensor *y, const struct tensor *x, int out,
                        size_t weight_bytes, const struct tensor *residual)
{
    struct cost cost = cost_move(y, x, residual, weight_bytes);
    cost.flops = 2.0 * (double)tensor_count(x) * out;
    return cost;
}

struct cost cost_conv(const struct tensor *y, const struct tensor *x, int taps, size_t weight_bytes,
                      const struct conv_args *a)
{
    struct cost cost = cost_move(y, x, a->residual, weight_bytes);
    cost.bytes += value_bytes(a->chan_add);
    cost.flops = 2.0 * (double)tensor_count(y) * x->c * taps;
    return cost;
}

struct cost cost_attention(const struct tensor *y, const struct tensor *q, const struct tensor *k,
                           const struct tensor *v, bool causal)
{
    double queries = (double)tensor_tokens(q), keys = (double)tensor_tokens(k);
    double pairs = causal ? queries * (queries + 1) / 2 : queries * keys;
    struct cost cost = cost_move(y, q, k, 0);
    cost.bytes += value_bytes(v);
    cost.flops = 4.0 * q->n * pairs * q->c;
    return cost;
}

struct cost cost_embedding(const struct tensor *y, size_t row_bytes)
{
    size_t rows = (size_t)(tensor_rows(y) + tensor_tokens(y));
    return cost_move(y, NULL, NULL, rows * row_bytes);
}
