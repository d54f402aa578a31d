/* Kernels with the mistakes that the shim is there to find, for test_gpu.c. */
#include "broken.h"
#include "simt.h"

namespace
{

/* Only half the threads come to the barrier. */
__global__ void half_at_barrier(int *)
{
    if (threadIdx.x < 16)
        __syncthreads();
}

__global__ void two_barriers(int *)
{
    if (threadIdx.x < 16)
        __syncthreads();
    else
        __syncthreads();
}

__global__ void ended_lane(int *out)
{
    if (threadIdx.x == 3)
        return;
    out[threadIdx.x] = __shfl_xor_sync(FULL_WARP, (int)threadIdx.x, 1);
}

__global__ void barrier_and_shuffle(int *out)
{
    if (threadIdx.x < 16)
        __syncthreads();
    else
        out[threadIdx.x] = __shfl_xor_sync(FULL_WARP, (int)threadIdx.x, 1);
}

__global__ void not_in_mask(int *out)
{
    out[threadIdx.x] = __shfl_sync(0xffffu, (int)threadIdx.x, 1);
}

__global__ void beyond_shared(int *out)
{
    SHARED(int, room, 64);
    room[threadIdx.x + 33] = 1;
    __syncthreads();
    out[threadIdx.x] = room[threadIdx.x];
}

__global__ void too_much_shared(int *out)
{
    SHARED(int, room, 13000);
    out[threadIdx.x] = room[threadIdx.x];
}

/* Reads what another thread writes, with nothing between: the order of threads shows. */
__global__ void no_barrier(int *out)
{
    SHARED(int, room, 32);
    room[threadIdx.x] = threadIdx.x;
    out[threadIdx.x] = room[31 - threadIdx.x];
}

/* Nothing wrong: a sum over the block, through shuffles, shared memory and a barrier. */
__global__ void right(int *out)
{
    SHARED(float, part, 4);
    int i = threadIdx.x + blockDim.x * threadIdx.y;
    float all = warp_sum((float)i);
    if (i % WARP == 0)
        part[i / WARP] = all;
    __syncthreads();
    out[blockIdx.x * 128 + i] = (int)(part[0] + part[1] + part[2] + part[3]);
}

__global__ void misaligned(int *out)
{
    load_vec<int, 4>(out + 1);
}

__global__ void launched_late(int *out)
{
    out[threadIdx.x] = 0;
}

} // namespace

int run_broken(enum broken which, int *out)
{
    switch (which) {
    case HALF_AT_BARRIER:
        return launch(half_at_barrier, dim3(1), dim3(32), nullptr, out);
    case TWO_BARRIERS:
        return launch(two_barriers, dim3(1), dim3(32), nullptr, out);
    case ENDED_LANE:
        return launch(ended_lane, dim3(1), dim3(32), nullptr, out);
    case BARRIER_AND_SHUFFLE:
        return launch(barrier_and_shuffle, dim3(1), dim3(32), nullptr, out);
    case NOT_IN_MASK:
        return launch(not_in_mask, dim3(1), dim3(32), nullptr, out);
    case BEYOND_SHARED:
        return launch(beyond_shared, dim3(1), dim3(32), nullptr, out);
    case TOO_MUCH_SHARED:
        return launch(too_much_shared, dim3(1), dim3(32), nullptr, out);
    case TOO_MANY_THREADS:
        return launch(right, dim3(1), dim3(64, 32), nullptr, out);
    case TOO_LARGE_GRID:
        return launch(right, dim3(1, 65536), dim3(128), nullptr, out);
    case MISALIGNED:
        return launch(misaligned, dim3(1), dim3(1), nullptr, out);
    case LAUNCHED_LATE:
        return launch(launched_late, dim3(1), dim3(32), nullptr, out);
    case NO_BARRIER:
        return launch(no_barrier, dim3(1), dim3(32), nullptr, out);
    case NOTHING_BROKEN:
        return launch(right, dim3(3), dim3(64, 2), nullptr, out);
    }
    return 0;
}
