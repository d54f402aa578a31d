/*
 * What our kernels are written in: types, vector accesses, shared memory, reductions, launches.
 *
 * The same .cu sources are compiled twice. nvcc makes the device code; any C++ compiler makes code
 * that runs a block's threads one after the other on the CPU (tests/gpu_shim), which is how the
 * kernels are tested on machines without a GPU. So kernels use what this header offers, and of
 * CUDA itself threadIdx and its kin, __syncthreads, the shuffles, atomicAdd on unsigned, and
 * __threadfence; shared memory only through SHARED.
 *
 * Arithmetic is f32 everywhere. Sixteen-bit values are widened on load and rounded once on store.
 */
#ifndef SPRITTY_SIMT_H
#define SPRITTY_SIMT_H

#include <math.h>
#include <stdint.h>

#include "ops/tensor.h"

extern "C" int gpu_bare; /* kernels.h */

#ifdef __CUDACC__

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

typedef __half f16;
typedef __nv_bfloat16 bf16;

/* Shared memory of a block: `count` (a constant) values, on a 16-byte boundary, not initialised. */
#define ALIGNED(p, bytes)         /* the shim looks: a device would end the context */
#define APART                     __noinline__
#define SHARED(type, name, count) __shared__ alignas(16) type name[count]

__device__ inline float widen(float x)
{
    return x;
}
__device__ inline float widen(f16 x)
{
    return __half2float(x);
}
__device__ inline float widen(bf16 x)
{
    return __bfloat162float(x);
}
__device__ inline void narrow(float *to, float x)
{
    *to = x;
}
__device__ inline void narrow(f16 *to, float x)
{
    *to = __float2half_rn(x);
}
__device__ inline void narrow(bf16 *to, float x)
{
    *to = __float2bfloat16_rn(x);
}

__device__ inline float inverse_root(float x)
{
    return rsqrtf(x);
}

/* Starts a kernel, unless only the libraries' calls are wanted (kernels.h). Returns CUDA's error
 * code, 0 for none; what goes wrong later shows at the next call that waits. */
template <typename... P, typename... A>
inline int launch(void (*kernel)(P...), dim3 grid, dim3 block, void *stream, A... args)
{
    if (gpu_bare)
        return 0;
    kernel<<<grid, block, 0, (cudaStream_t)stream>>>(P(args)...);
    return (int)cudaGetLastError();
}

#else
#include "gpu_shim.h"
#endif

/* A kernel argument that cannot be launched: the code of cudaErrorInvalidValue. */
enum { LAUNCH_INVALID = 1 };

/* -- vectors ------------------------------------------------------------------------------------
 */

/* N values that are moved at once, 16 bytes at most an instruction. */
template <typename T, int N> struct alignas(sizeof(T) * N > 16 ? 16 : sizeof(T) * N) vec {
    T v[N];
};

template <typename T, int N> __device__ inline vec<T, N> load_vec(const T *p)
{
    ALIGNED(p, alignof(vec<T, N>));
    return *reinterpret_cast<const vec<T, N> *>(p);
}

template <typename T, int N> __device__ inline void store_vec(T *p, const vec<T, N> &x)
{
    ALIGNED(p, alignof(vec<T, N>));
    *reinterpret_cast<vec<T, N> *>(p) = x;
}

/* Loads and widens. */
template <int N, typename T> __device__ inline void load(float (&to)[N], const T *p)
{
    const vec<T, N> x = load_vec<T, N>(p);
#pragma unroll
    for (int i = 0; i < N; i++)
        to[i] = widen(x.v[i]);
}

/* Rounds and stores. */
template <int N, typename T> __device__ inline void store(T *p, const float (&from)[N])
{
    vec<T, N> x;
#pragma unroll
    for (int i = 0; i < N; i++)
        narrow(&x.v[i], from[i]);
    store_vec(p, x);
}

/* Vectors for a type: as many values as fill 16 bytes of the narrowest type in the call. */
template <typename A, typename B = A> struct lanes {
    static const int count = sizeof(A) == 4 && sizeof(B) == 4 ? 4 : 8;
};

/* May rows of t be read in vectors of n values? */
static inline bool vector_rows(const struct tensor *t, int n)
{
    const uintptr_t align = (uintptr_t)n * dtype_size(t->dtype);
    return t->c % n == 0 && t->ld % n == 0 && (uintptr_t)t->data % (align > 16 ? 16 : align) == 0;
}

/* -- reductions ---------------------------------------------------------------------------------
 */

enum { WARP = 32 };
static const unsigned FULL_WARP = 0xffffffffu;

/* Every lane gets the sum over the warp; the order is the same on every run. */
__device__ inline float warp_sum(float x)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2)
        x += __shfl_xor_sync(FULL_WARP, x, step);
    return x;
}

__device__ inline float warp_max(float x)
{
#pragma unroll
    for (int step = WARP / 2; step > 0; step /= 2)
        x = fmaxf(x, __shfl_xor_sync(FULL_WARP, x, step));
    return x;
}

/* -- functions of one value ---------------------------------------------------------------------
 */

__device__ inline float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

__device__ inline float gelu(float x)
{
    return 0.5f * x * (1.0f + erff(x * 0.70710678f));
}

/* `act` is enum act. */
__device__ inline float activate(int act, float x)
{
    if (act == 0)
        return x;
    if (act == 2)
        return gelu(x);
    return x * sigmoid(act == 1 ? x : 1.702f * x);
}

/* -- rows of vectors ----------------------------------------------------------------------------
 */

/* i = row * per_row + column; 32-bit division where that is enough: it costs a third. */
__device__ inline void split_index(int64_t i, int per_row, int64_t *row, int *column)
{
    if (i >> 32 == 0) {
        *row = (uint32_t)i / (uint32_t)per_row;
        *column = (int)((uint32_t)i % (uint32_t)per_row);
    } else {
        *row = i / per_row;
        *column = (int)(i % per_row);
    }
}

static inline unsigned blocks_for(int64_t items, int per_block)
{
    return (unsigned)((items + per_block - 1) / per_block);
}

/* -- types --------------------------------------------------------------------------------------
 */

template <typename T> struct tag {
    typedef T type;
};

template <typename A, typename B> struct same_type {
    static const bool value = false;
};
template <typename A> struct same_type<A, A> {
    static const bool value = true;
};

/* f(tag<T>()) with the C++ type of t. */
template <typename F> int with_type(enum dtype t, F f)
{
    switch (t) {
    case DT_F32:
        return f(tag<float>());
    case DT_F16:
        return f(tag<f16>());
    case DT_BF16:
        return f(tag<bf16>());
    }
    return LAUNCH_INVALID;
}

#define TYPE_OF(t) typename decltype(t)::type

#endif
