/*
 * From numbers to pictures: the preview of a latent, and an image's bytes with a count of values
 * that are no numbers.
 *
 * A 1024x1024 image in f32 is 12.6 MB read and 3.1 MB written. Counts are whole numbers, so adding
 * them by atomics gives the same sum in any order; a warp adds once, and only if it found any.
 *
 * References: preview_project in sdxl/preview.c, to_bytes in sdxl/pipeline.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256, CHANNELS = 16 };

/* Of a channel each, and a bias: a kernel's arguments. */
struct colours {
    float v[3 * (CHANNELS + 1)];
};

__device__ inline uint8_t to_byte(float x)
{
    float v = x * 127.5f + 127.5f;
    return v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
}

__device__ inline void add_found(unsigned *bad, int found)
{
    float all = warp_sum((float)found); /* at most 256 a warp: exact */
    if (threadIdx.x % WARP == 0 && all > 0)
        atomicAdd(bad, (unsigned)all);
}

__global__ void __launch_bounds__(THREADS)
    preview(uint8_t *rgb, const float *latent, int64_t pixels, int c, int64_t ld, colours by)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= pixels)
        return;
    const float *bias = by.v + 3 * c;
    float sum[3] = {bias[0], bias[1], bias[2]};
    for (int k = 0; k < c; k++) {
        float x = latent[i * ld + k];
#pragma unroll
        for (int j = 0; j < 3; j++)
            sum[j] += x * by.v[3 * k + j];
    }
#pragma unroll
    for (int j = 0; j < 3; j++)
        rgb[3 * i + j] = to_byte(sum[j]);
}

__device__ inline bool is_bad(float x)
{
    return !(fabsf(x) <= 3.402823466e38f); /* the largest float */
}

/* All threads of a warp reach the ends of these two, for the count. */
__global__ void __launch_bounds__(THREADS) count_bad(const float *x, int64_t count, unsigned *bad)
{
    int64_t at = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    add_found(bad, at < count && is_bad(x[at]));
}

/* N values a thread. */
template <int N>
__global__ void __launch_bounds__(THREADS)
    bytes(uint8_t *to, const float *x, int64_t count, unsigned *bad)
{
    int64_t at = ((int64_t)blockIdx.x * THREADS + threadIdx.x) * N;
    int found = 0;
    if (at < count) {
        float v[N];
        vec<uint8_t, N> out;
        load<N>(v, x + at);
#pragma unroll
        for (int i = 0; i < N; i++) {
            found += is_bad(v[i]);
            out.v[i] = to_byte(v[i]);
        }
        store_vec<uint8_t, N>(to + at, out);
    }
    add_found(bad, found);
}

} // namespace

int gpu_preview(uint8_t *rgb, const struct tensor *latent, const float *factor, void *stream)
{
    colours by = {};
    if (latent->dtype != DT_F32 || latent->c > CHANNELS)
        return LAUNCH_INVALID;
    for (int i = 0; i < 3 * (latent->c + 1); i++)
        by.v[i] = factor[i];
    int64_t pixels = tensor_rows(latent);
    return launch(preview, dim3(blocks_for(pixels, THREADS)), dim3(THREADS), stream, rgb,
                  (const float *)latent->data, pixels, latent->c, latent->ld, by);
}

int gpu_count_bad(const struct tensor *x, unsigned *bad, void *stream)
{
    if (x->dtype != DT_F32 || !tensor_dense(x))
        return LAUNCH_INVALID;
    int64_t count = tensor_count(x);
    return launch(count_bad, dim3(blocks_for(count, THREADS)), dim3(THREADS), stream,
                  (const float *)x->data, count, bad);
}

int gpu_pixels(uint8_t *to, const struct tensor *image, unsigned *bad, void *stream)
{
    if (image->dtype != DT_F32 || !tensor_dense(image))
        return LAUNCH_INVALID;
    int64_t count = tensor_count(image);
    bool fits = count % 4 == 0 && (uintptr_t)image->data % 16 == 0 && (uintptr_t)to % 4 == 0;
    return launch(fits ? bytes<4> : bytes<1>, dim3(blocks_for(count, fits ? 4 * THREADS : THREADS)),
                  dim3(THREADS), stream, to, (const float *)image->data, count, bad);
}
