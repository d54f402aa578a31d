/*
 * Sums of a 3x3 convolution's taps. After doubling by nearest neighbour the pixel 2 i + a is the
 * source's pixel i for both a, so of three taps two always read the same pixel:
 *
 *     a = 0: rows 2i-1, 2i, 2i+1  are  i-1, i, i:    w[0], w[1] + w[2]   one row above
 *     a = 1: rows 2i, 2i+1, 2i+2  are  i, i, i+1:    w[0] + w[1], w[2]   one row below
 *
 * and columns likewise: four kernels of 2x2, one for each (a, b). Sums are f32, rounded once.
 * Runs once a weight. Reference: test_fold in tests/test_gpu_library.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256 };

/* Does tap t of three belong to tap r of two, for the pixel on side a? */
__device__ inline bool falls(int a, int r, int t)
{
    return a == 0 ? (t == 0) == (r == 0) : (t == 2) == (r == 1);
}

template <typename T>
__global__ void __launch_bounds__(THREADS)
    fold(T *to, const T *from, int64_t outs, int64_t ins, int64_t count)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x;
    if (i >= count)
        return;
    int64_t in = i % ins, rest = i / ins;
    int c = (int)(rest % 2), r = (int)(rest / 2 % 2);
    int64_t out = rest / 4 % outs;
    int b = (int)(rest / 4 / outs % 2), a = (int)(rest / 4 / outs / 2);
    float sum = 0;
    for (int y = 0; y < 3; y++)
        for (int x = 0; x < 3; x++)
            if (falls(a, r, y) && falls(b, c, x))
                sum += widen(from[(out * 9 + y * 3 + x) * ins + in]);
    narrow(&to[i], sum);
}

} // namespace

int gpu_fold(void *to, const void *from, enum dtype type, int64_t out, int64_t in, void *stream)
{
    int64_t count = 16 * out * in;
    return with_type(type, [&](auto t) {
        typedef TYPE_OF(t) T;
        return launch(fold<T>, dim3(blocks_for(count, THREADS)), dim3(THREADS), stream, (T *)to,
                      (const T *)from, out, in, count);
    });
}
