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

enum { NUMBERS = 256 }; /* a launch: 1 kB of arguments */

struct numbers {
    float v[NUMBERS];
};

__global__ void __launch_bounds__(NUMBERS) set_numbers(float *to, numbers from, int count)
{
    int i = threadIdx.x;
    if (i < count)
        to[i] = from.v[i];
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

__global__ void __launch_bounds__(THREADS)
    blend(float *y, const float *a, const float *b, const float *mask, int64_t count, int channels,
          int64_t masked)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (at < count)
        y[at] = b[at] + mask[at / channels % masked] * (a[at] - b[at]);
}

/* The sums of x - base and of its square over a block that holds one image; all threads have
 * them. */
__device__ inline void moments(const float *x, int64_t size, float base, float *part, float *sum,
                               float *squares)
{
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    float s = 0, q = 0;
    for (int64_t i = threadIdx.x; i < size; i += THREADS) {
        float d = x[i] - base;
        s += d;
        q += d * d;
    }
    s = warp_sum(s);
    q = warp_sum(q);
    __syncthreads();
    if (lane == 0)
        part[warp] = s, part[THREADS / WARP + warp] = q;
    __syncthreads();
    *sum = *squares = 0;
    for (int i = 0; i < THREADS / WARP; i++)
        *sum += part[i], *squares += part[THREADS / WARP + i];
}

/* Twice over the values: the mean first, so that nothing is lost where it is far from 0. */
__device__ inline float deviation(const float *x, int64_t size, float *part)
{
    float sum, squares, rest;
    moments(x, size, 0, part, &sum, &squares);
    float mean = sum / (float)size;
    moments(x, size, mean, part, &rest, &squares);
    return sqrtf(squares);
}

/* A block an image. */
__global__ void __launch_bounds__(THREADS)
    match_std(float *y, const float *like, int64_t size, float share)
{
    SHARED(float, part, 2 * THREADS / WARP);
    y += blockIdx.x * size;
    like += blockIdx.x * size;
    float own = deviation(y, size, part), other = deviation(like, size, part);
    float k = own > 0 ? share * (other / own) + 1 - share : 1;
    for (int64_t i = threadIdx.x; i < size; i += THREADS)
        y[i] *= k;
}

} // namespace

int gpu_blend(struct tensor *y, const struct tensor *a, const struct tensor *b,
              const struct tensor *mask, void *stream)
{
    int64_t values = tensor_count(y);
    return launch(blend, dim3(blocks_for(values, THREADS)), dim3(THREADS), stream, (float *)y->data,
                  (const float *)a->data, (const float *)b->data, (const float *)mask->data, values,
                  y->c, tensor_rows(mask));
}

int gpu_match_std(struct tensor *y, const struct tensor *like, float share, void *stream)
{
    return launch(match_std, dim3((unsigned)y->n), dim3(THREADS), stream, (float *)y->data,
                  (const float *)like->data, tensor_count(y) / y->n, share);
}

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

int gpu_set_numbers(void *to, const float *from, int count, void *stream)
{
    int rc = 0;
    for (int at = 0; at < count && rc == 0; at += NUMBERS) {
        numbers n = {};
        int now = count - at < NUMBERS ? count - at : (int)NUMBERS;
        for (int i = 0; i < now; i++)
            n.v[i] = from[at + i];
        rc = launch(set_numbers, dim3(1), dim3(NUMBERS), stream, (float *)to + at, n, now);
    }
    return rc;
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

int gpu_combine_load(float *room, void *stream)
{
    const float zeros[8] = {};
    const inputs in = {{room}, 1};
    int rc = gpu_set_numbers(room, zeros, 8, stream);
    rc = rc ? rc : launch(combine_at<4>, dim3(1), dim3(THREADS), stream, room, in, room + 4, 4);
    return rc ? rc : launch(combine_at<1>, dim3(1), dim3(THREADS), stream, room, in, room + 4, 4);
}
