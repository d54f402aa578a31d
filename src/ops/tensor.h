/*
 * A tensor is a view: a pointer, a type and four sizes, token-major.
 *
 * Layout is NHWC everywhere. A sequence [n, s, c] is the image [n, s, 1, c], and an image [n, h, w,
 * c] is the sequence of its h*w pixels, so attention over pixels costs no transpose. The channels
 * of one token are contiguous; tokens lie `ld` elements apart, so that a slice of channels (the
 * queries in a fused q|k|v projection) is a view as well. Images lie h*w*ld apart, always. Tensors
 * own nothing. The data pointer belongs to a backend's arena (or host memory for `host` tensors)
 * and may be a device address: only the backend looks through it.
 */
#ifndef SPRITTY_TENSOR_H
#define SPRITTY_TENSOR_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

enum dtype { DT_F32, DT_F16, DT_BF16 };

struct tensor {
    void *data;
    enum dtype dtype;
    int n, h, w, c;
    int64_t ld; /* elements from one token to the next; c when dense */
};

static inline size_t dtype_size(enum dtype t)
{
    return t == DT_F32 ? 4 : 2;
}

static inline int64_t tensor_tokens(const struct tensor *t)
{
    return (int64_t)t->h * t->w;
}

static inline int64_t tensor_rows(const struct tensor *t)
{
    return (int64_t)t->n * t->h * t->w;
}

static inline int64_t tensor_count(const struct tensor *t)
{
    return tensor_rows(t) * t->c;
}

static inline int tensor_dense(const struct tensor *t)
{
    return t->ld == t->c;
}

static inline size_t tensor_bytes(const struct tensor *t)
{
    return (size_t)tensor_rows(t) * (size_t)t->ld * dtype_size(t->dtype);
}

/* The views of a tensor that could not be allocated (data NULL, the backend has its error) have
 * NULL too. */

/* Channels [from, from + count) of t, as a view. */
static inline struct tensor tensor_channels(struct tensor t, int from, int count)
{
    assert(from >= 0 && count > 0 && from + count <= t.c);
    if (t.data)
        t.data = (char *)t.data + (size_t)from * dtype_size(t.dtype);
    t.c = count;
    return t;
}

/* Images [from, from + count) of t, as a view. */
static inline struct tensor tensor_images(struct tensor t, int from, int count)
{
    assert(from >= 0 && count > 0 && from + count <= t.n);
    if (t.data)
        t.data = (char *)t.data +
                 (size_t)from * (size_t)tensor_tokens(&t) * (size_t)t.ld * dtype_size(t.dtype);
    t.n = count;
    return t;
}

/* Token `at` of every image, as [1, 1, 1, c] of image `image`: a single row. */
static inline struct tensor tensor_row(struct tensor t, int image, int64_t at)
{
    assert(image >= 0 && image < t.n && at >= 0 && at < tensor_tokens(&t));
    if (t.data)
        t.data = (char *)t.data +
                 (size_t)(image * tensor_tokens(&t) + at) * (size_t)t.ld * dtype_size(t.dtype);
    t.n = t.h = t.w = 1;
    return t;
}

/* The same memory under other sizes; the count of rows and the channels stay. */
static inline struct tensor tensor_as(struct tensor t, int n, int h, int w)
{
    assert((int64_t)n * h * w == tensor_rows(&t));
    t.n = n, t.h = h, t.w = w;
    return t;
}

#endif
