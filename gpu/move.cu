/*
 * Calls that move values: copy (with a change of type and a factor), map (a function of each),
 * concat, upsample, embedding, and the packing of weights.
 *
 * All but the last are bound by memory: a thread moves one vector of 16 bytes, each value is read
 * once and written once (upsample: written four times). They fall back to single values where rows
 * are not aligned. Packing runs once a weight, at load; what it reads comes from pinned memory or
 * the disk, which is slower by far.
 *
 * References: ref_copy, ref_map, ref_concat, ref_embedding, source() and the pack calls in
 * ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256 };

template <typename X, typename Y, int N>
__global__ void __launch_bounds__(THREADS)
    copy(Y *y, const X *x, int64_t vectors, int per_row, int64_t x_ld, int64_t y_ld, float factor)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, row;
    int column;
    if (i >= vectors)
        return;
    split_index(i, per_row, &row, &column);
    float v[N];
    load<N>(v, x + row * x_ld + column * N);
#pragma unroll
    for (int k = 0; k < N; k++)
        v[k] *= factor;
    store<N>(y + row * y_ld + column * N, v);
}

__device__ inline float mapped(float x, int f, float a, float b)
{
    if (f == MAP_RELU)
        return x < 0 ? 0 : x; /* what is no number stays */
    return f == MAP_SOFT_CLIP ? a * tanhf(x / a) : a * x + b;
}

template <typename X, typename Y, int N>
__global__ void __launch_bounds__(THREADS)
    map(Y *y, const X *x, int64_t vectors, int f, float a, float b)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= vectors)
        return;
    float v[N];
    load<N>(v, x + i * N);
#pragma unroll
    for (int k = 0; k < N; k++)
        v[k] = mapped(v[k], f, a, b);
    store<N>(y + i * N, v);
}

/* per_a vectors of a, then per_row - per_a of b. */
template <typename T, int N>
__global__ void __launch_bounds__(THREADS)
    concat(T *y, const T *a, const T *b, int64_t vectors, int per_row, int per_a, int64_t y_ld,
           int64_t a_ld, int64_t b_ld)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, row;
    int column;
    if (i >= vectors)
        return;
    split_index(i, per_row, &row, &column);
    const T *from = column < per_a ? a + row * a_ld + column * N
                                   : b + row * b_ld + (column - per_a) * N;
    store_vec<T, N>(y + row * y_ld + column * N, load_vec<T, N>(from));
}

struct upsample_shape {
    int64_t vectors;
    int per_row, h, w, y_h, y_w;
    int64_t x_ld, y_ld;
};

/* A thread reads one vector and writes it to up to four places. */
template <typename T, int N>
__global__ void __launch_bounds__(THREADS) upsample(T *y, const T *x, upsample_shape s)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, pixel, line;
    int column, at_x;
    if (i >= s.vectors)
        return;
    split_index(i, s.per_row, &pixel, &column);
    split_index(pixel, s.w, &line, &at_x);
    int64_t image = line / s.h;
    int at_y = (int)(line % s.h);
    const vec<T, N> v = load_vec<T, N>(x + pixel * s.x_ld + column * N);
#pragma unroll
    for (int k = 0; k < 4; k++) {
        int to_y = 2 * at_y + k / 2, to_x = 2 * at_x + k % 2;
        if (to_y < s.y_h && to_x < s.y_w)
            store_vec<T, N>(y + ((image * s.y_h + to_y) * s.y_w + to_x) * s.y_ld + column * N, v);
    }
}

template <typename T, int N>
__global__ void __launch_bounds__(THREADS)
    embedding(T *y, const int32_t *ids, const T *table, const T *positions, int64_t vectors,
              int per_row, int64_t tokens, int64_t y_ld)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, row;
    int column;
    if (i >= vectors)
        return;
    split_index(i, per_row, &row, &column);
    int64_t width = (int64_t)per_row * N;
    float token[N], position[N];
    load<N>(token, table + ids[row] * width + column * N);
    load<N>(position, positions + row % tokens * width + column * N);
#pragma unroll
    for (int k = 0; k < N; k++)
        token[k] += position[k];
    store<N>(y + row * y_ld + column * N, token);
}

struct pack_shape {
    int64_t out, in;
    int taps, transposed;
    float factor;
};

template <typename X, typename Y>
__global__ void __launch_bounds__(THREADS) pack(Y *y, const X *x, pack_shape s)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= s.out * s.in * s.taps)
        return;
    int64_t in = i % s.in, tap = i / s.in % s.taps, out = i / s.in / s.taps;
    int64_t from = s.transposed ? in * s.out + out : (out * s.in + in) * s.taps + tap;
    narrow(&y[i], widen(x[from]) * s.factor);
}

} // namespace

int gpu_copy(struct tensor *y, const struct tensor *x, float factor, void *stream)
{
    return with_type(x->dtype, [&](auto tx) {
        return with_type(y->dtype, [&](auto ty) {
            typedef TYPE_OF(tx) X;
            typedef TYPE_OF(ty) Y;
            const int n = lanes<X, Y>::count;
            bool fits = vector_rows(x, n) && vector_rows(y, n);
            int per_row = fits ? x->c / n : x->c;
            int64_t vectors = tensor_rows(x) * per_row;
            return launch(fits ? copy<X, Y, n> : copy<X, Y, 1>, dim3(blocks_for(vectors, THREADS)),
                          dim3(THREADS), stream, (Y *)y->data, (const X *)x->data, vectors, per_row,
                          x->ld, y->ld, factor);
        });
    });
}

int gpu_map(struct tensor *y, const struct tensor *x, enum map_kind f, float a, float b,
            void *stream)
{
    return with_type(x->dtype, [&](auto tx) {
        return with_type(y->dtype, [&](auto ty) {
            typedef TYPE_OF(tx) X;
            typedef TYPE_OF(ty) Y;
            const int n = lanes<X, Y>::count;
            bool fits = vector_rows(x, n) && vector_rows(y, n);
            int64_t vectors = tensor_count(x) / (fits ? n : 1);
            return launch(fits ? map<X, Y, n> : map<X, Y, 1>, dim3(blocks_for(vectors, THREADS)),
                          dim3(THREADS), stream, (Y *)y->data, (const X *)x->data, vectors, (int)f,
                          a, b);
        });
    });
}

int gpu_concat(struct tensor *y, const struct tensor *a, const struct tensor *b, void *stream)
{
    if (y->dtype != a->dtype || y->dtype != b->dtype) { /* of the stream: part by part */
        struct tensor left = tensor_channels(*y, 0, a->c), right = tensor_channels(*y, a->c, b->c);
        int rc = gpu_copy(&left, a, 1, stream);
        return rc ? rc : gpu_copy(&right, b, 1, stream);
    }
    return with_type(y->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        const int n = lanes<T>::count;
        bool fits = vector_rows(y, n) && vector_rows(a, n) && vector_rows(b, n);
        int each = fits ? n : 1;
        int64_t vectors = tensor_rows(y) * (y->c / each);
        return launch(fits ? concat<T, n> : concat<T, 1>, dim3(blocks_for(vectors, THREADS)),
                      dim3(THREADS), stream, (T *)y->data, (const T *)a->data, (const T *)b->data,
                      vectors, y->c / each, a->c / each, y->ld, a->ld, b->ld);
    });
}

int gpu_upsample(struct tensor *y, const struct tensor *x, void *stream)
{
    if (y->dtype != x->dtype)
        return LAUNCH_INVALID;
    return with_type(y->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        const int n = lanes<T>::count;
        bool fits = vector_rows(y, n) && vector_rows(x, n);
        int per_row = fits ? x->c / n : x->c;
        upsample_shape s = {
            tensor_rows(x) * per_row, per_row, x->h, x->w, y->h, y->w, x->ld, y->ld};
        return launch(fits ? upsample<T, n> : upsample<T, 1>, dim3(blocks_for(s.vectors, THREADS)),
                      dim3(THREADS), stream, (T *)y->data, (const T *)x->data, s);
    });
}

int gpu_embedding(struct tensor *y, const int32_t *ids, const void *table, const void *positions,
                  void *stream)
{
    return with_type(y->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        const int n = lanes<T>::count;
        bool fits = vector_rows(y, n) && ((uintptr_t)table | (uintptr_t)positions) % 16 == 0;
        int per_row = fits ? y->c / n : y->c;
        int64_t vectors = tensor_rows(y) * per_row;
        return launch(fits ? embedding<T, n> : embedding<T, 1>, dim3(blocks_for(vectors, THREADS)),
                      dim3(THREADS), stream, (T *)y->data, ids, (const T *)table,
                      (const T *)positions, vectors, per_row, tensor_tokens(y), y->ld);
    });
}

int gpu_pack(void *to, enum dtype to_type, const void *from, enum dtype from_type, int64_t out,
             int64_t in, int taps, bool transposed, float factor, void *stream)
{
    if (transposed && taps != 1)
        return LAUNCH_INVALID;
    pack_shape s = {out, in, taps, transposed, factor};
    return with_type(from_type, [&](auto tx) {
        return with_type(to_type, [&](auto ty) {
            typedef TYPE_OF(tx) X;
            typedef TYPE_OF(ty) Y;
            return launch(pack<X, Y>, dim3(blocks_for(out * in * taps, THREADS)), dim3(THREADS),
                          stream, (Y *)to, (const X *)from, s);
        });
    });
}
