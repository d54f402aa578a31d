/*
 * Computes a graph of the fake cuDNN, operation after operation, in double. Values inside are
 * rounded to their types, as they would be in registers; memory is read and written through its
 * strides, so a wrong one gives wrong numbers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fake_dnn.h"
#include "ops/half.h"

#define AT(a) CUDNN_ATTR_OPERATION_##a

struct values {
    const struct desc *tensor;
    double *v; /* dense, in the order of the dimensions */
};
struct machine {
    struct values all[MOST_TENSORS];
    int known, count;
    const int64_t *id;
    void *const *data;
    bool tf32, fits;
};

static int64_t size_of(const struct desc *t)
{
    const int64_t *d = fake_dims(t);
    return d[0] * d[1] * d[2] * d[3];
}

static enum dtype dtype_of(const struct desc *t)
{
    return fake_type(t) == CUDNN_DATA_HALF       ? DT_F16
           : fake_type(t) == CUDNN_DATA_BFLOAT16 ? DT_BF16
                                                 : DT_F32;
}

static double rounded(const struct desc *t, double x)
{
    uint32_t room;
    if (fake_type(t) == CUDNN_DATA_INT32 || fake_type(t) == CUDNN_DATA_BOOLEAN)
        return x;
    store_f32(&room, dtype_of(t), 0, (float)x);
    return load_f32(&room, dtype_of(t), 0);
}

/* Where element i of the dimensions' order lies, by the strides. */
static int64_t place(const struct desc *t, int64_t i)
{
    const int64_t *d = fake_dims(t), *s = fake_strides(t);
    int64_t at = 0;
    for (int k = RANK - 1; k >= 0; k--) {
        at += i % d[k] * s[k];
        i /= d[k];
    }
    return at;
}

static void *memory(struct machine *m, const struct desc *t)
{
    int64_t id = fake_number(t, CUDNN_ATTR_TENSOR_UNIQUE_ID, -1);
    for (int i = 0; i < m->count; i++)
        if (m->id[i] == id) {
            int64_t align = fake_flag(t, CUDNN_ATTR_TENSOR_IS_BY_VALUE)
                                ? 1
                                : fake_number(t, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1);
            if ((uintptr_t)m->data[i] % (uintptr_t)align)
                m->fits = fake_wrong("tensor %lld is not aligned to %lld", (long long)id,
                                     (long long)align);
            return m->data[i];
        }
    m->fits = fake_wrong("no memory was given for tensor %lld", (long long)id);
    return NULL;
}

/* The values of a tensor; read from memory the first time. */
static double *values(struct machine *m, const struct desc *t)
{
    for (int i = 0; i < m->known; i++)
        if (m->all[i].tensor == t)
            return m->all[i].v;
    double *v = calloc((size_t)size_of(t), sizeof *v);
    const void *from = NULL;
    if (!fake_flag(t, CUDNN_ATTR_TENSOR_IS_VIRTUAL))
        from = memory(m, t);
    for (int64_t i = 0; from && i < size_of(t); i++)
        v[i] = load_f32(from, dtype_of(t), place(t, i));
    m->all[m->known++] = (struct values){t, v};
    return v;
}

/* Values to be written; those of memory go there too, at the end of the operation. */
static double *fresh(struct machine *m, const struct desc *t)
{
    double *v = calloc((size_t)size_of(t), sizeof *v);
    m->all[m->known++] = (struct values){t, v};
    return v;
}

static void finish(struct machine *m, const struct desc *t, double *v)
{
    void *to = fake_flag(t, CUDNN_ATTR_TENSOR_IS_VIRTUAL) ? NULL : memory(m, t);
    for (int64_t i = 0; i < size_of(t); i++)
        if (to)
            store_f32(to, dtype_of(t), place(t, i), (float)v[i]);
        else
            v[i] = rounded(t, v[i]);
}

/* -- operations ---------------------------------------------------------------------------------
 */

static double tf32(const struct machine *m, const struct desc *t, double x)
{
    float f = (float)x;
    uint32_t bits;
    if (!m->tf32 || fake_type(t) != CUDNN_DATA_FLOAT)
        return x;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0x1000) & ~0x1fffu;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* Adds one tap of one input channel to a plane of the output. */
static void add_tap(double *y, const int64_t *dy, const double *x, const int64_t *dx, double w,
                    int64_t top, int64_t left, const int64_t *step)
{
    for (int64_t oy = 0; oy < dy[2]; oy++) {
        int64_t iy = oy * step[0] + top;
        for (int64_t ox = 0; iy >= 0 && iy < dx[2] && ox < dy[3]; ox++) {
            int64_t ix = ox * step[1] + left;
            if (ix >= 0 && ix < dx[3])
                y[oy * dy[3] + ox] += w * x[iy * dx[3] + ix];
        }
    }
}

static void convolve(struct machine *m, const struct desc *op)
{
    const struct desc *c = fake_desc(op, AT(CONVOLUTION_FORWARD_CONV_DESC));
    const struct desc *xd = fake_desc(op, AT(CONVOLUTION_FORWARD_X));
    const struct desc *wd = fake_desc(op, AT(CONVOLUTION_FORWARD_W));
    const struct desc *yd = fake_desc(op, AT(CONVOLUTION_FORWARD_Y));
    const int64_t *x = fake_dims(xd), *w = fake_dims(wd), *y = fake_dims(yd);
    const int64_t *pad = fake_get(c, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
    const int64_t *step = fake_get(c, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
    double *xv = values(m, xd), *wv = values(m, wd), *yv = fresh(m, yd);
    for (int64_t i = 0; i < size_of(xd); i++)
        xv[i] = tf32(m, xd, xv[i]);
    for (int64_t i = 0; i < y[0] * size_of(wd); i++) {
        int64_t n = i / size_of(wd), k = i % size_of(wd), tx = k % w[3], ty = k / w[3] % w[2];
        int64_t in = k / w[3] / w[2] % w[1], out = k / w[3] / w[2] / w[1];
        add_tap(yv + (n * y[1] + out) * y[2] * y[3], y, xv + (n * x[1] + in) * x[2] * x[3], x,
                tf32(m, wd, wv[k]), ty - pad[0], tx - pad[1], step);
    }
    finish(m, yd, yv);
}

static void multiply(struct machine *m, const struct desc *op)
{
    const struct desc *ad = fake_desc(op, AT(MATMUL_ADESC)), *bd = fake_desc(op, AT(MATMUL_BDESC));
    const struct desc *cd = fake_desc(op, AT(MATMUL_CDESC));
    const double *a = values(m, ad), *b = values(m, bd);
    double *c = fresh(m, cd);
    int64_t rows = fake_dims(cd)[2], columns = fake_dims(cd)[3], k = fake_dims(ad)[3];
    for (int64_t i = 0; i < size_of(cd) / columns * k; i++) {
        int64_t row = i / k, j = i % k; /* of all batches */
        for (int64_t column = 0; column < columns; column++)
            c[row * columns + column] += a[i] * b[(row / rows * k + j) * columns + column];
    }
    finish(m, cd, c);
}

/* Element of a tensor that may be one where y has many. */
static int64_t spread(const struct desc *x, const struct desc *y, int64_t i)
{
    const int64_t *dx = fake_dims(x), *dy = fake_dims(y);
    int64_t at = 0, step = 1;
    for (int k = RANK - 1; k >= 0; k--) {
        at += dx[k] == 1 ? 0 : i % dy[k] * step;
        step *= dx[k];
        i /= dy[k];
    }
    return at;
}

static int64_t coordinate(const struct desc *y, int64_t i, int64_t axis)
{
    for (int64_t k = RANK - 1; k > axis; k--)
        i /= fake_dims(y)[k];
    return i % fake_dims(y)[axis];
}

static double point(int64_t mode, double x, double b, double t)
{
    switch (mode) {
    case CUDNN_POINTWISE_IDENTITY:
        return x;
    case CUDNN_POINTWISE_ADD:
        return x + b;
    case CUDNN_POINTWISE_MUL:
        return x * b;
    case CUDNN_POINTWISE_SUB:
        return x - b;
    case CUDNN_POINTWISE_DIV:
        return x / b;
    case CUDNN_POINTWISE_EXP:
        return exp(x);
    case CUDNN_POINTWISE_LOG:
        return log(x);
    case CUDNN_POINTWISE_CMP_GE:
        return x >= b;
    case CUDNN_POINTWISE_BINARY_SELECT:
        return t != 0 ? x : b;
    default:
        return NAN;
    }
}

static void pointwise(struct machine *m, const struct desc *op)
{
    const struct desc *reads[3], *y, *p = fake_desc(op, AT(POINTWISE_PW_DESCRIPTOR));
    int64_t mode = fake_number(p, CUDNN_ATTR_POINTWISE_MODE, -1);
    int64_t axis = fake_number(p, CUDNN_ATTR_POINTWISE_AXIS, 0);
    const double *v[3] = {NULL, NULL, NULL};
    fake_io(op, reads, &y);
    for (int k = 0; k < 3; k++)
        v[k] = reads[k] ? values(m, reads[k]) : NULL;
    double *to = fresh(m, y), in[3] = {0, 0, 0};
    for (int64_t i = 0; i < size_of(y); i++) {
        for (int k = 0; k < 3; k++)
            in[k] = v[k] ? v[k][spread(reads[k], y, i)] : 0;
        to[i] = mode == CUDNN_POINTWISE_GEN_INDEX ? (double)coordinate(y, i, axis)
                                                  : point(mode, in[0], in[1], in[2]);
    }
    finish(m, y, to);
}

static void reduce(struct machine *m, const struct desc *op)
{
    const struct desc *x = fake_desc(op, AT(REDUCTION_XDESC));
    const struct desc *y = fake_desc(op, AT(REDUCTION_YDESC));
    bool max = fake_number(fake_desc(op, AT(REDUCTION_DESC)), CUDNN_ATTR_REDUCTION_OPERATOR, -1) ==
               CUDNN_REDUCE_TENSOR_MAX;
    const double *from = values(m, x);
    double *to = fresh(m, y);
    for (int64_t i = 0; i < size_of(y); i++)
        to[i] = max ? -INFINITY : 0;
    for (int64_t i = 0; i < size_of(x); i++) {
        double *at = &to[spread(y, x, i)];
        *at = max ? fmax(*at, from[i]) : *at + from[i];
    }
    finish(m, y, to);
}

bool fake_compute(const struct desc *graph, int count, const int64_t *id, void *const *data,
                  bool tf32_inputs)
{
    const struct desc *ops[MOST_OPS];
    struct machine m = {.count = count, .id = id, .data = data, .tf32 = tf32_inputs, .fits = true};
    int all = fake_ops(graph, ops);
    for (int i = 0; i < all; i++)
        switch (ops[i]->type) {
        case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
            convolve(&m, ops[i]);
            break;
        case CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR:
            multiply(&m, ops[i]);
            break;
        case CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR:
            reduce(&m, ops[i]);
            break;
        default:
            pointwise(&m, ops[i]);
        }
    for (int i = 0; i < m.known; i++)
        free(m.all[i].v);
    return m.fits;
}
