/*
 * What the fake cuDNN asks of operations and graphs: sizes and types that belong together, values
 * made before they are used, and for an engine to be proposed, one of the two patterns that we
 * need: a convolution with sums behind it, or the chain that cuDNN takes for flash attention.
 */
#include <string.h>

#include "fake_dnn.h"

#define AT(a) CUDNN_ATTR_OPERATION_##a

/* -- operations ---------------------------------------------------------------------------------
 */

static bool same_dims(const struct desc *a, const struct desc *b)
{
    return memcmp(fake_dims(a), fake_dims(b), RANK * sizeof(int64_t)) == 0;
}

/* Each size is y's, or 1. */
static bool spreads_to(const struct desc *x, const struct desc *y)
{
    for (int i = 0; i < RANK; i++)
        if (fake_dims(x)[i] != fake_dims(y)[i] && fake_dims(x)[i] != 1)
            return false;
    return true;
}

static bool conv_fits(const struct desc *op)
{
    const struct desc *c = fake_desc(op, AT(CONVOLUTION_FORWARD_CONV_DESC));
    const struct desc *xd = fake_desc(op, AT(CONVOLUTION_FORWARD_X));
    const struct desc *wd = fake_desc(op, AT(CONVOLUTION_FORWARD_W));
    const int64_t *x = fake_dims(xd), *w = fake_dims(wd);
    const int64_t *y = fake_dims(fake_desc(op, AT(CONVOLUTION_FORWARD_Y)));
    const int64_t *before = fake_get(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const int64_t *after = fake_get(c, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
    const int64_t *stride = fake_get(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    if (fake_number(c, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, -1) != CUDNN_DATA_FLOAT ||
        fake_number(c, CUDNN_ATTR_CONVOLUTION_CONV_MODE, -1) != CUDNN_CROSS_CORRELATION)
        return fake_wrong("a convolution that is turned, or whose sums are not f32");
    if (*(const float *)fake_get(op, AT(CONVOLUTION_FORWARD_ALPHA)) != 1 ||
        *(const float *)fake_get(op, AT(CONVOLUTION_FORWARD_BETA)) != 0)
        return fake_wrong("a convolution with alpha and beta");
    if (x[1] != w[1] || y[1] != w[0] || x[0] != y[0] || fake_type(xd) != fake_type(wd))
        return fake_wrong("a convolution's channels, images or types");
    for (int i = 0; i < 2 && fake.values; i++) {
        const int64_t *d = i ? y : x, values = d[0] * d[1] * d[2] * d[3];
        if (values > fake.values)
            return fake_wrong("%lld values in one call", (long long)values);
    }
    for (int i = 0; i < 2; i++)
        if (y[2 + i] != (x[2 + i] + before[i] + after[i] - w[2 + i]) / stride[i] + 1)
            return fake_wrong("axis %d: %lld from %lld", i, (long long)y[2 + i],
                              (long long)x[2 + i]);
    return true;
}

static bool matmul_fits(const struct desc *op)
{
    const int64_t *a = fake_dims(fake_desc(op, AT(MATMUL_ADESC)));
    const int64_t *b = fake_dims(fake_desc(op, AT(MATMUL_BDESC)));
    const int64_t *c = fake_dims(fake_desc(op, AT(MATMUL_CDESC)));
    bool fits = a[3] == b[2] && c[2] == a[2] && c[3] == b[3];
    for (int i = 0; i < 2; i++)
        fits = fits && a[i] == b[i] && a[i] == c[i];
    return fits ? true : fake_wrong("a product's sizes");
}

static bool pointwise_fits(const struct desc *op)
{
    const struct desc *p = fake_desc(op, AT(POINTWISE_PW_DESCRIPTOR));
    const struct desc *x = fake_desc(op, AT(POINTWISE_XDESC));
    const struct desc *b = fake_desc(op, AT(POINTWISE_BDESC));
    const struct desc *t = fake_desc(op, AT(POINTWISE_TDESC));
    const struct desc *y = fake_desc(op, AT(POINTWISE_YDESC));
    int64_t mode = fake_number(p, CUDNN_ATTR_POINTWISE_MODE, -1);
    bool one = mode == CUDNN_POINTWISE_EXP || mode == CUDNN_POINTWISE_LOG ||
               mode == CUDNN_POINTWISE_GEN_INDEX || mode == CUDNN_POINTWISE_IDENTITY;
    bool three = mode == CUDNN_POINTWISE_BINARY_SELECT;
    if (one != !b || three != !!t)
        return fake_wrong("pointwise %lld with the wrong number of inputs", (long long)mode);
    if (mode == CUDNN_POINTWISE_GEN_INDEX && !fake_get(p, CUDNN_ATTR_POINTWISE_AXIS))
        return fake_wrong("an index without an axis");
    if (three && fake_type(t) != CUDNN_DATA_BOOLEAN)
        return fake_wrong("a choice by what is no truth");
    if (!same_dims(x, y) || (b && !spreads_to(b, y)) || (t && !spreads_to(t, y)))
        return fake_wrong("pointwise %lld over sizes that do not fit", (long long)mode);
    return true;
}

bool fake_op_fits(const struct desc *op)
{
    switch (op->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        return conv_fits(op);
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
        return matmul_fits(op);
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        return pointwise_fits(op);
    case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
        return spreads_to(fake_desc(op, AT(REDUCTION_YDESC)), fake_desc(op, AT(REDUCTION_XDESC)))
                   ? true
                   : fake_wrong("a reduction's sizes");
    default:
        return true;
    }
}

void fake_io(const struct desc *op, const struct desc *reads[3], const struct desc **writes)
{
    reads[0] = reads[1] = reads[2] = *writes = NULL;
    switch (op->type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
        reads[0] = fake_desc(op, AT(CONVOLUTION_FORWARD_X));
        reads[1] = fake_desc(op, AT(CONVOLUTION_FORWARD_W));
        *writes = fake_desc(op, AT(CONVOLUTION_FORWARD_Y));
        break;
    case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
        reads[0] = fake_desc(op, AT(MATMUL_ADESC));
        reads[1] = fake_desc(op, AT(MATMUL_BDESC));
        *writes = fake_desc(op, AT(MATMUL_CDESC));
        break;
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
        reads[0] = fake_desc(op, AT(POINTWISE_XDESC));
        reads[1] = fake_desc(op, AT(POINTWISE_BDESC));
        reads[2] = fake_desc(op, AT(POINTWISE_TDESC));
        *writes = fake_desc(op, AT(POINTWISE_YDESC));
        break;
    default:
        reads[0] = fake_desc(op, AT(REDUCTION_XDESC));
        *writes = fake_desc(op, AT(REDUCTION_YDESC));
    }
}

/* -- graphs -------------------------------------------------------------------------------------
 */

int fake_ops(const struct desc *graph, const struct desc *to[MOST_OPS])
{
    for (int i = 0; i < graph->attributes; i++)
        if (graph->attribute[i].name == CUDNN_ATTR_OPERATIONGRAPH_OPS) {
            memcpy(to, graph->attribute[i].value,
                   (size_t)graph->attribute[i].count * sizeof(void *));
            return (int)graph->attribute[i].count;
        }
    return 0;
}

static int64_t id_of(const struct desc *tensor)
{
    return fake_number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, -1);
}

/* Values inside come from an operation before; nothing is written twice, or read once written. */
bool fake_graph_fits(const struct desc *graph)
{
    const struct desc *ops[MOST_OPS], *reads[3], *writes, *seen[MOST_TENSORS];
    int64_t made[MOST_OPS];
    int count = fake_ops(graph, ops), known = 0;
    for (int i = 0; i < count; i++) {
        fake_io(ops[i], reads, &writes);
        for (int k = 0; k < 4; k++) {
            const struct desc *t = k < 3 ? reads[k] : writes;
            bool before = false;
            if (!t)
                continue;
            for (int m = 0; m < i; m++)
                before = before || made[m] == id_of(t);
            if (k < 3 && fake_flag(t, CUDNN_ATTR_TENSOR_IS_VIRTUAL) != before)
                return fake_wrong("operation %d reads value %lld, which was not made", i,
                                  (long long)id_of(t));
            if (k == 3 && before)
                return fake_wrong("value %lld is made twice", (long long)id_of(t));
            for (int m = 0; m < known; m++)
                if (seen[m] != t && id_of(seen[m]) == id_of(t))
                    return fake_wrong("two tensors are called %lld", (long long)id_of(t));
            if (known < MOST_TENSORS)
                seen[known++] = t;
        }
        made[i] = id_of(writes);
    }
    return count > 0;
}

/* Type of the operation, and its mode where it has one. */
static int64_t kind_of(const struct desc *op)
{
    const struct desc *p = fake_desc(op, AT(POINTWISE_PW_DESCRIPTOR));
    const struct desc *r = fake_desc(op, AT(REDUCTION_DESC));
    int64_t mode = p   ? fake_number(p, CUDNN_ATTR_POINTWISE_MODE, -1)
                   : r ? fake_number(r, CUDNN_ATTR_REDUCTION_OPERATOR, -1)
                       : 0;
    return op->type * 1000 + mode;
}

#define POINT(m)  (CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR * 1000 + CUDNN_POINTWISE_##m)
#define REDUCE(m) (CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR * 1000 + CUDNN_REDUCE_TENSOR_##m)
#define PRODUCT   (CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR * 1000)
#define CONVOLVE  (CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR * 1000)

static bool is_chain(const struct desc *const *ops, int count, const int64_t *kinds, int length)
{
    if (count != length)
        return false;
    for (int i = 0; i < count; i++)
        if (kind_of(ops[i]) != kinds[i])
            return false;
    return true;
}

/* Channels last: c next to c, pixels apart. */
static bool channels_last(const struct desc *t)
{
    return fake_strides(t)[1] == 1 && fake_strides(t)[3] >= fake_dims(t)[1];
}

static bool conv_known(const struct desc *const *ops, int count)
{
    const struct desc *reads[3], *writes;
    fake_io(ops[0], reads, &writes);
    for (int i = 1; i < count; i++)
        if (kind_of(ops[i]) != POINT(ADD) && kind_of(ops[i]) != POINT(IDENTITY))
            return false;
    bool known = channels_last(reads[0]) && channels_last(reads[1]);
    fake_io(ops[count - 1], reads, &writes);
    bool spread = fake_strides(writes)[3] > fake_dims(writes)[1];
    return known && !(fake.no_plain_conv && count <= 2) && !(fake.no_spread && spread);
}

/* Heads: multiples of 8 up to 128 channels, side by side; rows on 16 bytes; 16-bit types. */
static bool heads_known(const struct desc *t, int channels, int rows)
{
    const int64_t *dim = fake_dims(t), *stride = fake_strides(t);
    return fake_type(t) != CUDNN_DATA_FLOAT && stride[channels] == 1 && dim[channels] % 8 == 0 &&
           dim[channels] <= 128 && stride[rows] % 8 == 0 && stride[1] % 8 == 0 &&
           fake_number(t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 0) >= 16;
}

static bool attention_known(const struct desc *const *ops, int count)
{
    static const int64_t open[] = {PRODUCT,     POINT(MUL), REDUCE(MAX), POINT(SUB), POINT(EXP),
                                   REDUCE(ADD), POINT(LOG), POINT(ADD),  POINT(DIV), PRODUCT};
    static const int64_t causal[] = {PRODUCT,          POINT(MUL),    POINT(GEN_INDEX),
                                     POINT(GEN_INDEX), POINT(CMP_GE), POINT(BINARY_SELECT),
                                     REDUCE(MAX),      POINT(SUB),    POINT(EXP),
                                     REDUCE(ADD),      POINT(LOG),    POINT(ADD),
                                     POINT(DIV),       PRODUCT};
    const struct desc *first[3], *last[3], *scores, *y;
    if (fake.no_flash || (!is_chain(ops, count, open, sizeof open / sizeof *open) &&
                          !is_chain(ops, count, causal, sizeof causal / sizeof *causal)))
        return false;
    fake_io(ops[0], first, &scores);
    fake_io(ops[count - 1], last, &y);
    return heads_known(first[0], 3, 2) && heads_known(first[1], 2, 3) &&
           heads_known(last[1], 3, 2) && heads_known(y, 3, 2) &&
           fake_type(last[0]) == fake_type(first[0]) && fake_type(scores) == CUDNN_DATA_FLOAT;
}

bool fake_graph_known(const struct desc *graph)
{
    const struct desc *ops[MOST_OPS];
    int count = fake_ops(graph, ops);
    return kind_of(ops[0]) == CONVOLVE ? conv_known(ops, count) : attention_known(ops, count);
}
