/* See dnn_shapes.h. */
#include "dnn_shapes.h"

static int64_t out_size(int64_t size, const struct conv_shape *s, int axis)
{
    return (size + s->before[axis] + s->after[axis] - s->k) / s->stride + 1;
}

/* One value a channel (and image), over all pixels. */
static struct dnn_form vector_form(int64_t n, int64_t c)
{
    return (struct dnn_form){{n, c, 1, 1}, {c, 1, c, c}};
}

/* y = a + b; y stays inside unless it is given. */
static dnn_desc plus(struct dnn_graph *g, dnn_desc a, dnn_desc b, struct dnn_form f, dnn_desc y)
{
    dnn_desc to = y ? y : dnn_virtual(g, CUDNN_DATA_FLOAT, f);
    dnn_pointwise(g, CUDNN_POINTWISE_ADD, CUDNN_DATA_FLOAT, 0, a, b, NULL, to);
    return to;
}

int conv_graph(struct dnn_graph *g, const struct conv_shape *s, const struct dnn *d)
{
    int64_t oh = out_size(s->h, s, 0), ow = out_size(s->w, s, 1);
    struct dnn_form fy = dnn_nhwc(s->n, oh, ow, s->outputs), inside = fy;
    for (int i = 0; s->spread == 2 && i < DNN_RANK; i++)
        fy.stride[i] *= i == 1 ? 1 : i == 3 ? 2 : 4;
    int adds = s->bias + s->add + s->residual;
    /* For a convolution with a bias cuDNN looks among its ready-made kernels, of which none has
     * outputs wider than its inputs, and then proposes nothing but its last resort (9.19). With an
     * operation behind the bias it proposes what it does for other graphs. */
    bool widens = s->out != s->type && !s->add && !s->residual;
    cudnnDataType_t type = dnn_type(s->type), out = dnn_type(s->out);
    dnn_desc x = dnn_tensor(g, CONV_X, type, dnn_nhwc(s->n, s->h, s->w, s->c), s->align);
    dnn_desc w = dnn_tensor(g, CONV_W, type, dnn_nhwc(s->outputs, s->k, s->k, s->c), s->align);
    dnn_desc y = dnn_tensor(g, CONV_Y, out, fy, s->align);
    dnn_desc sum = adds + widens ? dnn_virtual(g, CUDNN_DATA_FLOAT, inside) : y;
    adds += widens;
    dnn_conv(g, x, w, sum, s->stride, s->before, s->after);
    if (s->bias) {
        dnn_desc b = dnn_tensor(g, CONV_BIAS, out, vector_form(1, s->outputs), s->align);
        sum = plus(g, sum, b, inside, --adds ? NULL : y);
    }
    if (s->add) {
        dnn_desc b = dnn_tensor(g, CONV_ADD, type, vector_form(s->n, s->outputs), s->align);
        sum = plus(g, sum, b, inside, --adds ? NULL : y);
    }
    if (s->residual) {
        dnn_desc b = dnn_tensor(g, CONV_RESIDUAL, out, fy, s->align);
        plus(g, sum, b, inside, y);
    }
    if (widens)
        dnn_pointwise(g, CUDNN_POINTWISE_IDENTITY, CUDNN_DATA_FLOAT, 0, sum, NULL, NULL, y);
    return dnn_finish(g, d);
}

/* Batch, head, row, column of rows that hold all heads. */
static struct dnn_form heads_form(const struct sdpa_shape *s, int64_t rows, int64_t ld)
{
    return (struct dnn_form){{s->n, s->heads, rows, s->d}, {rows * ld, s->d, ld, 1}};
}

/* Batch, head, row, column, dense. */
static struct dnn_form square_form(const struct sdpa_shape *s, int64_t rows, int64_t columns)
{
    int64_t head = rows * columns;
    return (struct dnn_form){{s->n, s->heads, rows, columns}, {s->heads * head, head, columns, 1}};
}

/* Scores that a query may not see become the value of `masked`. */
static dnn_desc mask(struct dnn_graph *g, dnn_desc scores, dnn_desc masked, struct dnn_form f)
{
    dnn_desc row = dnn_virtual(g, CUDNN_DATA_INT32, f);
    dnn_desc column = dnn_virtual(g, CUDNN_DATA_INT32, f);
    dnn_desc seen = dnn_virtual(g, CUDNN_DATA_BOOLEAN, f);
    dnn_desc to = dnn_virtual(g, CUDNN_DATA_FLOAT, f);
    dnn_pointwise(g, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_FLOAT, 2, scores, NULL, NULL, row);
    dnn_pointwise(g, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_FLOAT, 3, scores, NULL, NULL, column);
    dnn_pointwise(g, CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN, 0, row, column, NULL, seen);
    dnn_pointwise(g, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, 0, scores, masked, seen, to);
    return to;
}

/* The softmax of each row: x less its maximum, exponentials, their sum, the quotient. cuDNN knows
 * its flash attention by this very chain, the logarithm of the row's sum (which nobody reads)
 * included: without it, it takes the scale for a dropout's and proposes nothing (9.19). */
static void softmax(struct dnn_graph *g, dnn_desc x, struct dnn_form f, struct dnn_form row,
                    dnn_desc y)
{
    const cudnnDataType_t f32 = CUDNN_DATA_FLOAT;
    dnn_desc max = dnn_virtual(g, f32, row), less = dnn_virtual(g, f32, f);
    dnn_desc exps = dnn_virtual(g, f32, f), sum = dnn_virtual(g, f32, row);
    dnn_reduce(g, CUDNN_REDUCE_TENSOR_MAX, x, max);
    dnn_pointwise(g, CUDNN_POINTWISE_SUB, f32, 0, x, max, NULL, less);
    dnn_pointwise(g, CUDNN_POINTWISE_EXP, f32, 0, less, NULL, NULL, exps);
    dnn_reduce(g, CUDNN_REDUCE_TENSOR_ADD, exps, sum);
    dnn_desc log = dnn_virtual(g, f32, row), stats = dnn_virtual(g, f32, row);
    dnn_pointwise(g, CUDNN_POINTWISE_LOG, f32, 0, sum, NULL, NULL, log);
    dnn_pointwise(g, CUDNN_POINTWISE_ADD, f32, 0, max, log, NULL, stats);
    dnn_pointwise(g, CUDNN_POINTWISE_DIV, f32, 0, exps, sum, NULL, y);
}

int sdpa_graph(struct dnn_graph *g, const struct sdpa_shape *s, const struct dnn *d)
{
    cudnnDataType_t type = dnn_type(s->type), f32 = CUDNN_DATA_FLOAT;
    struct dnn_form fk = heads_form(s, s->keys, s->ld_k), kt = fk;
    kt.dim[2] = fk.dim[3], kt.dim[3] = fk.dim[2];
    kt.stride[2] = fk.stride[3], kt.stride[3] = fk.stride[2];
    struct dnn_form fs = square_form(s, s->queries, s->keys), row = square_form(s, s->queries, 1);
    dnn_desc q = dnn_tensor(g, SDPA_Q, type, heads_form(s, s->queries, s->ld_q), s->align);
    dnn_desc k = dnn_tensor(g, SDPA_K, type, kt, s->align);
    dnn_desc v = dnn_tensor(g, SDPA_V, type, heads_form(s, s->keys, s->ld_v), s->align);
    dnn_desc y = dnn_tensor(g, SDPA_Y, type, heads_form(s, s->queries, s->ld_y), s->align);
    dnn_desc products = dnn_virtual(g, f32, fs), scores = dnn_virtual(g, f32, fs);
    dnn_matmul(g, q, k, products);
    dnn_pointwise(g, CUDNN_POINTWISE_MUL, f32, 0, products, dnn_scalar(g, SDPA_SCALE), NULL,
                  scores);
    if (s->causal)
        scores = mask(g, scores, dnn_scalar(g, SDPA_MASKED), fs);
    dnn_desc weights = dnn_virtual(g, type, fs);
    softmax(g, scores, fs, row, weights);
    dnn_matmul(g, weights, v, y);
    return dnn_finish(g, d);
}
