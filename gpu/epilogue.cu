/*
 * What follows a product where the library that made it cannot do it itself:
 *
 *   epilogue: y = act(x + bias + chan_add) + residual
 *   geglu:    y = h * gelu(g), h and g being the halves of a row
 *
 * A thread makes one vector; every value is read once and written once. In fp16, 4096 x 1280 with a
 * residual: 31 MB moved; geglu from 4096 x 5120 to 4096 x 2560: 63 MB.
 *
 * Reference: the ends of ref_linear, ref_conv2d and ref_geglu in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256 };

struct epilogue_shape {
    int64_t vectors, x_ld, y_ld, residual_ld, tokens;
    int per_row, c;
    enum dtype add_type;
    int act;
};

template <int N> __device__ inline void add_values(float (&to)[N], const float (&from)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        to[i] += from[i];
}

/* Values of a type that is known at run time only: small tensors, from the cache. */
template <int N>
__device__ inline void add_typed(float (&to)[N], const void *p, enum dtype type, int64_t at)
{
    float from[N];
    if (type == DT_F32)
        load<N>(from, (const float *)p + at);
    else if (type == DT_F16)
        load<N>(from, (const f16 *)p + at);
    else
        load<N>(from, (const bf16 *)p + at);
    add_values(to, from);
}

template <typename X, typename Y, int N>
__global__ void __launch_bounds__(THREADS)
    epilogue(Y *y, const X *x, const float *bias, const void *chan_add, const Y *residual,
             epilogue_shape s)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, row;
    int column;
    if (i >= s.vectors)
        return;
    split_index(i, s.per_row, &row, &column);
    int c = column * N;
    float v[N], other[N] = {};
    load<N>(v, x + row * s.x_ld + c);
    if (residual)
        load<N>(other, residual + row * s.residual_ld + c);
    if (bias)
        add_typed<N>(v, bias, DT_F32, c);
    if (chan_add)
        add_typed<N>(v, chan_add, s.add_type, row / s.tokens * s.c + c);
    if (s.act)
#pragma unroll
        for (int k = 0; k < N; k++)
            v[k] = activate(s.act, v[k]);
    if (residual)
        add_values(v, other);
    store<N>(y + row * s.y_ld + c, v);
}

template <typename T, int N>
__global__ void __launch_bounds__(THREADS)
    geglu(T *y, const T *x, int64_t vectors, int per_row, int64_t x_ld, int64_t y_ld)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, row;
    int column;
    if (i >= vectors)
        return;
    split_index(i, per_row, &row, &column);
    const T *h = x + row * x_ld + column * N;
    float a[N], b[N];
    load<N>(a, h);
    load<N>(b, h + per_row * N);
#pragma unroll
    for (int k = 0; k < N; k++)
        a[k] *= gelu(b[k]);
    store<N>(y + row * y_ld + column * N, a);
}

template <typename X, typename Y, int N>
int run(struct tensor *y, const struct tensor *x, const float *bias, const struct tensor *chan_add,
        const struct tensor *residual, enum act act, void *stream)
{
    epilogue_shape s = {tensor_rows(x) * (x->c / N),
                        x->ld,
                        y->ld,
                        residual ? residual->ld : 0,
                        tensor_tokens(x),
                        x->c / N,
                        x->c,
                        chan_add ? chan_add->dtype : DT_F32,
                        act};
    return launch(epilogue<X, Y, N>, dim3(blocks_for(s.vectors, THREADS)), dim3(THREADS), stream,
                  (Y *)y->data, (const X *)x->data, bias, chan_add ? chan_add->data : nullptr,
                  residual ? (const Y *)residual->data : nullptr, s);
}

bool aligned(const void *p)
{
    return (uintptr_t)p % 16 == 0;
}

} // namespace

int gpu_epilogue(struct tensor *y, const struct tensor *x, const float *bias,
                 const struct tensor *chan_add, enum act act, const struct tensor *residual,
                 void *stream)
{
    if (residual && residual->dtype != y->dtype)
        return LAUNCH_INVALID;
    return with_type(x->dtype, [&](auto tx) {
        return with_type(y->dtype, [&](auto ty) -> int {
            typedef TYPE_OF(tx) X;
            typedef TYPE_OF(ty) Y;
            /* fp16 to bf16 or back never happens */
            if constexpr (sizeof(X) == 2 && sizeof(Y) == 2 && !same_type<X, Y>::value) {
                return LAUNCH_INVALID;
            } else {
                const int n = lanes<X, Y>::count;
                bool fits = vector_rows(x, n) && vector_rows(y, n) && aligned(bias) &&
                            (!residual || vector_rows(residual, n)) &&
                            (!chan_add || vector_rows(chan_add, n));
                return fits ? run<X, Y, n>(y, x, bias, chan_add, residual, act, stream)
                            : run<X, Y, 1>(y, x, bias, chan_add, residual, act, stream);
            }
        });
    });
}

int gpu_geglu(struct tensor *y, const struct tensor *x, void *stream)
{
    if (y->dtype != x->dtype)
        return LAUNCH_INVALID;
    return with_type(x->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        const int n = lanes<T>::count;
        bool fits = vector_rows(y, n) && vector_rows(x, n);
        int per_row = fits ? y->c / n : y->c;
        int64_t vectors = tensor_rows(y) * per_row;
        return launch(fits ? geglu<T, n> : geglu<T, 1>, dim3(blocks_for(vectors, THREADS)),
                      dim3(THREADS), stream, (T *)y->data, (const T *)x->data, vectors, per_row,
                      x->ld, y->ld);
    });
}
