/*
 * Softmax of each row of c values: y = exp(scale x - max) / sum. With two matrix products around
 * it, it is the attention of large heads (the VAE's 512 channels), which flash kernels refuse.
 *
 * One block a row. Rows of up to 16384 values (8192 in f32) stay in registers: read once, written
 * once (16384 rows of 16384 in fp16: 1.07 GB moved). Longer ones, and those that are not aligned,
 * are read three times.
 *
 * Reference: attend in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256, WARPS = THREADS / WARP, VECTORS = 8 };

/* Of one value a warp, over the block; every thread gets it. The order is always the same. */
template <bool MAX> __device__ inline float over_block(float x, float *part)
{
    float y = MAX ? warp_max(x) : warp_sum(x);
    int warps = blockDim.x / WARP;
    __syncthreads(); /* the last call's values have been read */
    if (threadIdx.x % WARP == 0)
        part[threadIdx.x / WARP] = y;
    __syncthreads();
    y = part[0];
    for (int w = 1; w < warps; w++)
        y = MAX ? fmaxf(y, part[w]) : y + part[w];
    return y;
}

template <typename X, typename Y, int N>
__global__ void __launch_bounds__(THREADS)
    in_registers(Y *y, const X *x, int c, int64_t x_ld, int64_t y_ld, float scale)
{
    SHARED(float, part, WARPS);
    x += (int64_t)blockIdx.x * x_ld;
    y += (int64_t)blockIdx.x * y_ld;
    vec<X, N> in[VECTORS] = {};
    float most = -INFINITY, sum = 0;
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int at = (i * blockDim.x + threadIdx.x) * N;
        if (at < c)
            in[i] = load_vec<X, N>(x + at);
    }
#pragma unroll
    for (int i = 0; i < VECTORS; i++)
        if ((int)(i * blockDim.x + threadIdx.x) * N < c)
#pragma unroll
            for (int k = 0; k < N; k++)
                most = fmaxf(most, scale * widen(in[i].v[k]));
    most = over_block<true>(most, part);
#pragma unroll
    for (int i = 0; i < VECTORS; i++)
        if ((int)(i * blockDim.x + threadIdx.x) * N < c)
#pragma unroll
            for (int k = 0; k < N; k++)
                sum += expf(scale * widen(in[i].v[k]) - most);
    float inverse = 1.0f / over_block<false>(sum, part);
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
        int at = (i * blockDim.x + threadIdx.x) * N;
        float out[N];
        if (at >= c)
            break;
#pragma unroll
        for (int k = 0; k < N; k++)
            out[k] = expf(scale * widen(in[i].v[k]) - most) * inverse;
        store<N>(y + at, out);
    }
}

template <typename X, typename Y>
__global__ void __launch_bounds__(THREADS)
    any_row(Y *y, const X *x, int c, int64_t x_ld, int64_t y_ld, float scale)
{
    SHARED(float, part, WARPS);
    x += (int64_t)blockIdx.x * x_ld;
    y += (int64_t)blockIdx.x * y_ld;
    float most = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < c; i += blockDim.x)
        most = fmaxf(most, scale * widen(x[i]));
    most = over_block<true>(most, part);
    for (int i = threadIdx.x; i < c; i += blockDim.x)
        sum += expf(scale * widen(x[i]) - most);
    float inverse = 1.0f / over_block<false>(sum, part);
    for (int i = threadIdx.x; i < c; i += blockDim.x)
        narrow(&y[i], expf(scale * widen(x[i]) - most) * inverse);
}

template <typename X, typename Y, int N>
int run(struct tensor *y, const struct tensor *x, float scale, void *stream)
{
    bool fits = vector_rows(x, N) && vector_rows(y, N) && x->c <= THREADS * N * VECTORS;
    int threads = (x->c + N - 1) / N;
    threads = threads < THREADS ? (threads + WARP - 1) / WARP * WARP : THREADS;
    return launch(fits ? in_registers<X, Y, N> : any_row<X, Y>, dim3((unsigned)tensor_rows(x)),
                  dim3(threads), stream, (Y *)y->data, (const X *)x->data, x->c, x->ld, y->ld,
                  scale);
}

} // namespace

int gpu_softmax(struct tensor *y, const struct tensor *x, float scale, void *stream)
{
    if (tensor_rows(x) > INT32_MAX)
        return LAUNCH_INVALID;
    if (x->dtype == DT_F32)
        return with_type(y->dtype,
                         [&](auto t) { return run<float, TYPE_OF(t), 4>(y, x, scale, stream); });
    if (x->dtype != y->dtype)
        return LAUNCH_INVALID;
    return with_type(x->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        return run<T, T, lanes<T>::count>(y, x, scale, stream);
    });
}
