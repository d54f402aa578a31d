/*
 * LayerNorm of each row of c channels: y = (x - mean) / sqrt(var + eps) * gamma + beta.
 *
 * One warp a row; the row stays in registers, so mean and variance are two passes over them
 * and memory is read once and written once. All is relative to the row's first value: nothing is
 * lost where the mean is far from 0. 2 bytes are moved a byte of x (4096 rows of 640 in fp16:
 * 10.5 MB). VECTORS is how many vectors a lane holds; rows that fit none of the sizes, or are not
 * aligned, are read three times, which L1 serves.
 *
 * x may be f32 (the residual stream) where y is not. Reference: ref_layer_norm in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { WARPS = 4, MAX_VECTORS = 10 }; /* 10 vectors of 4 or 8: up to 1280 or 2560 channels */

struct shape {
    int64_t rows, x_ld, y_ld;
    int c;
    float eps;
};

template <typename X, typename Y, int N, int VECTORS>
__global__ void __launch_bounds__(WARPS *WARP)
    in_registers(Y *y, const X *x, const float *gamma, const float *beta, shape s)
{
    int lane = threadIdx.x % WARP;
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (row >= s.rows)
        return;
    x += row * s.x_ld;
    y += row * s.y_ld;
    vec<X, N> in[VECTORS] = {};
    float first = widen(x[0]), sum = 0, squares = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++)
        if ((i * WARP + lane) * N < s.c)
            in[i] = load_vec<X, N>(x + (i * WARP + lane) * N);
#pragma unroll
    for (int i = 0; i < VECTORS; i++)
        if ((i * WARP + lane) * N < s.c)
#pragma unroll
            for (int j = 0; j < N; j++)
                sum += widen(in[i].v[j]) - first;
    float mean = warp_sum(sum) / s.c;
#pragma unroll
    for (int i = 0; i < VECTORS; i++)
        if ((i * WARP + lane) * N < s.c)
#pragma unroll
            for (int j = 0; j < N; j++) {
                float d = widen(in[i].v[j]) - first - mean;
                squares += d * d;
            }
    float rstd = inverse_root(warp_sum(squares) / s.c + s.eps);
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int c = (i * WARP + lane) * N;
        if (c >= s.c)
            break;
        float out[N], g[N], b[N] = {};
        load<N>(g, gamma + c);
        if (beta)
            load<N>(b, beta + c);
#pragma unroll
        for (int j = 0; j < N; j++)
            out[j] = (widen(in[i].v[j]) - first - mean) * rstd * g[j] + b[j];
        store<N>(y + c, out);
    }
}

template <typename X, typename Y>
__global__ void __launch_bounds__(WARPS *WARP)
    any_row(Y *y, const X *x, const float *gamma, const float *beta, shape s)
{
    int lane = threadIdx.x % WARP;
    int64_t row = (int64_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (row >= s.rows)
        return;
    x += row * s.x_ld;
    y += row * s.y_ld;
    float first = widen(x[0]), sum = 0, squares = 0;
    for (int c = lane; c < s.c; c += WARP)
        sum += widen(x[c]) - first;
    float mean = warp_sum(sum) / s.c;
    for (int c = lane; c < s.c; c += WARP) {
        float d = widen(x[c]) - first - mean;
        squares += d * d;
    }
    float rstd = inverse_root(warp_sum(squares) / s.c + s.eps);
    for (int c = lane; c < s.c; c += WARP)
        narrow(&y[c], (widen(x[c]) - first - mean) * rstd * gamma[c] + (beta ? beta[c] : 0));
}

template <typename X, typename Y, int N>
int run(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta, shape s,
        void *stream)
{
    auto kernel = any_row<X, Y>;
    int vectors = (s.c + WARP * N - 1) / (WARP * N);
    if (vector_rows(x, N) && vector_rows(y, N) && vectors <= MAX_VECTORS)
        kernel = vectors <= 1   ? in_registers<X, Y, N, 1>
                 : vectors <= 3 ? in_registers<X, Y, N, 3>
                 : vectors <= 5 ? in_registers<X, Y, N, 5>
                                : in_registers<X, Y, N, MAX_VECTORS>;
    return launch(kernel, dim3(blocks_for(s.rows, WARPS)), dim3(WARPS * WARP), stream, (Y *)y->data,
                  (const X *)x->data, gamma, beta, s);
}

} // namespace

int gpu_layer_norm(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta,
                   float eps, void *stream)
{
    shape s = {tensor_rows(x), x->ld, y->ld, x->c, eps};
    if (x->dtype == DT_F32)
        return with_type(y->dtype, [&](auto t) {
            return run<float, TYPE_OF(t), 4>(y, x, gamma, beta, s, stream);
        });
    if (x->dtype != y->dtype)
        return LAUNCH_INVALID;
    return with_type(x->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        return run<T, T, lanes<T>::count>(y, x, gamma, beta, s, stream);
    });
}
