/*
 * CUDA's kernel language for a host compiler: what gpu/simt.h needs to run the .cu sources on a
 * CPU.
 *
 * A launch runs its blocks one after the other. A block's threads are fibers: each runs until it
 * ends or comes to a barrier or a shuffle, where it waits for the others, so both mean exactly what
 * they mean on the device. Blocks, warps and lanes take turns in an order that changes from launch
 * to launch: a kernel that forgot a barrier gives other values the second time.
 *
 * Found as errors of the launch: barriers and shuffles that not all threads reach, or that threads
 * reach at different lines of source; a write behind shared memory (canaries on both sides);
 * sizes that a device would refuse; vectors that do not lie on their size; a kernel whose first
 * launch is in a capture. Shared memory is full of NaNs at first, so that its use
 * without a value shows. Memory of the device is malloc's, so the address sanitizer sees reads and
 * writes beyond tensors.
 *
 * One host thread. Nothing of CUDA is needed.
 */
#ifndef SPRITTY_CUDA_SHIM_H
#define SPRITTY_CUDA_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include "ops/half.h"
#include "shim_run.h"

#define __global__ static
#define __device__
#define __host__
#define __forceinline__ inline
#define APART           static
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_)
    {
    }
};

#define gridDim  shim_grid
#define blockDim shim_block

/* -- sixteen-bit types --------------------------------------------------------------------------
 */

struct f16 {
    uint16_t bits;
};

struct bf16 {
    uint16_t bits;
};

static inline float widen(float x)
{
    return x;
}
static inline float widen(f16 x)
{
    return f32_from_f16(x.bits);
}
static inline float widen(bf16 x)
{
    return f32_from_bf16(x.bits);
}
static inline void narrow(float *to, float x)
{
    *to = x;
}
static inline void narrow(f16 *to, float x)
{
    to->bits = f16_from_f32(x);
}
static inline void narrow(bf16 *to, float x)
{
    to->bits = bf16_from_f32(x);
}

/* -- threads that meet --------------------------------------------------------------------------
 */

static inline void __syncthreads(int line = __builtin_LINE())
{
    shim_barrier(line);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, int line = __builtin_LINE())
{
    shim_exchange(mask, 0, 0, line);
}

static inline int shim_lane()
{
    return (int)((threadIdx.x + shim_block.x * (threadIdx.y + shim_block.y * threadIdx.z)) % 32);
}

template <typename T>
static inline T __shfl_sync(unsigned mask, T x, int lane, int line = __builtin_LINE())
{
    static_assert(sizeof(T) <= 8, "shuffles move one register or two");
    uint64_t bits = 0;
    __builtin_memcpy(&bits, &x, sizeof x);
    bits = shim_exchange(mask, bits, lane & 31, line);
    __builtin_memcpy(&x, &bits, sizeof x);
    return x;
}

template <typename T>
static inline T __shfl_xor_sync(unsigned mask, T x, int step, int line = __builtin_LINE())
{
    return __shfl_sync(mask, x, shim_lane() ^ step, line);
}

/* -- the rest -----------------------------------------------------------------------------------
 */

static inline unsigned atomicAdd(unsigned *p, unsigned n)
{
    unsigned old = *p;
    *p = old + n;
    return old;
}

static inline void __threadfence()
{
}

static inline float inverse_root(float x)
{
    return 1.0f / __builtin_sqrtf(x);
}

/* A vector lies on its size; a device takes nothing else. */
#define ALIGNED(p, bytes) shim_aligned((uintptr_t)(p), (unsigned)(bytes))

#define SHARED(type, name, count)                                                                  \
    type *const name = static_cast<type *>(shim_shared(sizeof(type) * (count), __LINE__))

/* Runs a kernel; 0, or the code of an error that gpu_error_text explains. The stream is ignored:
 * all is done when this returns. */
template <typename... P, typename... A>
static inline int launch(void (*kernel)(P...), dim3 grid, dim3 block, void *, A... args)
{
    if (gpu_bare)
        return 0;
    auto body = [=] { kernel(P(args)...); };
    static_assert(__is_trivially_copyable(decltype(body)), "a captured launch is copied");
    return shim_launch((void (*)())kernel, {grid.x, grid.y, grid.z}, {block.x, block.y, block.z},
                       [](void *context) { (*static_cast<decltype(body) *>(context))(); }, &body,
                       sizeof body);
}

#endif
