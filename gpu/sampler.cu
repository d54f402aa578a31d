/*
 * The samplers' arithmetic: y = k0 x0 + k1 x1 + k2 x2 + k3 x3 over dense f32 tensors. Guidance, the
 * step rules and noise are all of this form.
 *
 * A thread makes four values; (count + 1) * 4 bytes moved a value. A 128x128x4 latent is 262 kB, so
 * a launch is what this costs. The factors are the kernel's arguments, or lie in device memory: a
 * captured graph then computes with what is written there before each replay.
 *
 * Reference: ref_combine in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256, MOST = 4 };

struct factors {
    float k[MOST];
};

struct inputs {
    const float *x[MOST];
    int count;
};

template <int N>
__device__ inline void sum_at(float *y, const inputs &in, const float *k, int64_t at)
{
    float sum[N] = {};
#pragma unroll
    for (int s = 0; s < MOST; s++)
        if (s < in.count) {
            float v[N];
            load<N>(v, in.x[s] + at);
#pragma unroll
            for (int i = 0; i < N; i++)
                sum[i] += k[s] * v[i];
        }
    store<N>(y + at, sum);
}

template <int N>
__global__ void __launch_bounds__(THREADS) combine(float *y, inputs in, factors f, int64_t count)
{
    int64_t at = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
    if (at < count)
        sum_at<N>(y, in, f.k, at);
}

template <int N>
__global__ void __launch_bounds__(THREADS)
    combine_at(float *y, inputs in, const float *k, int64_t count)
{
    int64_t at = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
    float f[MOST] = {};
    if (at >= count)
        return;
#pragma unroll
    for (int s = 0; s < MOST; s++)
        if (s < in.count)
            f[s] = k[s];
    sum_at<N>(y, in, f, at);
}

/* The inputs, and whether all can be read four values at once. */
bool gather(inputs *in, const struct tensor *y, int count, const struct tensor *const *x)
{
    uintptr_t bits = (uintptr_t)y->data;
    *in = inputs{{}, count};
    for (int i = 0; i < count; i++) {
        in->x[i] = (const float *)x[i]->data;
        bits |= (uintptr_t)x[i]->data;
    }
    return bits % 16 == 0 && tensor_count(y) % 4 == 0;
}

} // namespace

int gpu_combine(struct tensor *y, int count, const float *k, const struct tensor *const *x,
                void *stream)
{
    inputs in;
    factors f = {};
    int64_t values = tensor_count(y);
    bool fits = gather(&in, y, count, x);
    for (int i = 0; i < count; i++)
        f.k[i] = k[i];
    return launch(fits ? combine<4> : combine<1>,
                  dim3(blocks_for(values, fits ? 4 * THREADS : THREADS)), dim3(THREADS), stream,
                  (float *)y->data, in, f, values);
}

int gpu_combine_at(struct tensor *y, int count, const float *k, const struct tensor *const *x,
                   void *stream)
{
    inputs in;
    int64_t values = tensor_count(y);
    bool fits = gather(&in, y, count, x);
    return launch(fits ? combine_at<4> : combine_at<1>,
                  dim3(blocks_for(values, fits ? 4 * THREADS : THREADS)), dim3(THREADS), stream,
                  (float *)y->data, in, k, values);
}
