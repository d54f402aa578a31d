/*
 * GroupNorm (+ SiLU) over channels-last images: y = (x - mean) / sqrt(var + eps) * gamma + beta,
 * mean and var over all tokens and the c / groups channels of a group, for each image.
 *
 * Two kernels, three passes over memory in all: `statistics` reads x, `apply` reads x again (from
 * L2 where the image fits: up to 50 MB on an H100) and writes y. That is 3 bytes moved for each
 * byte of x, or 2 where L2 holds it: 128x128x320 in fp16 is 10.5 MB an image, 1024x1024x128 is 268
 * MB.
 *
 *  - A block is `cols` vectors wide and some rows of tokens high, so a warp reads whole lines. Its
 *    chunk of tokens is cut so that there are about TARGET_BLOCKS blocks.
 *  - Each thread sums (x - k) and (x - k)^2, k being the first value that it sees in that channel:
 *    no cancellation however far the mean is from 0. What threads found is merged as (count, mean,
 *    sum of squared distances), relative to the group's first value in the image.
 *  - The block that ends last for an image merges the chunks: no third kernel.
 *
 * Reference: ref_group_norm in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum {
    MAX_THREADS = 512,
    TARGET_BLOCKS = 528, /* 4 for each multiprocessor of an H100 */
    MAX_CHUNKS = GROUP_NORM_CHUNKS,
    UNROLL = 4 /* tokens that a thread loads before it uses the first */
};

struct shape {
    int tokens; /* of an image */
    int c, per, groups;
    int cols, rows;    /* of a block: vectors across, tokens down */
    int chunks, chunk; /* blocks that share an image; tokens of each, but of the last */
    int64_t x_ld, y_ld;
};

/* Of a group, or a part of one; mean is relative to the group's first value in the image. */
struct moments {
    float mean, squares; /* squares: the sum of (x - mean)^2 */
};

/* What statistics leaves for apply. */
struct alignas(16) group_scale {
    float first, mean, rstd, unused; /* x is first to lose `first`, then `mean`: exact twice */
};

__device__ inline int chunk_start(const shape &s, int i)
{
    return i < s.chunks ? i * s.chunk : s.tokens;
}

/* Values of a group in a chunk. */
__device__ inline float chunk_values(const shape &s, int i)
{
    return (float)(chunk_start(s, i + 1) - chunk_start(s, i)) * s.per;
}

/* How many of a chunk's tokens row `row` of a block takes: row, row + rows, ... */
__device__ inline int row_tokens(const shape &s, int tokens, int row)
{
    return tokens <= row ? 0 : (tokens - row + s.rows - 1) / s.rows;
}

/* Sums of one thread: count tokens of N channels, from x on, `step` elements apart. */
template <typename T, int N>
__device__ inline void thread_sums(const T *x, int64_t step, int count, float (&shift)[N],
                                   float (&sum)[N], float (&squares)[N])
{
#pragma unroll
    for (int i = 0; i < N; i++)
        shift[i] = sum[i] = squares[i] = 0;
    if (count > 0)
        load<N>(shift, x);
    int t = 0;
    for (; t + UNROLL <= count; t += UNROLL, x += UNROLL * step) {
        vec<T, N> in[UNROLL];
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            in[u] = load_vec<T, N>(x + u * step);
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
#pragma unroll
            for (int i = 0; i < N; i++) {
                float d = widen(in[u].v[i]) - shift[i];
                sum[i] += d;
                squares[i] += d * d;
            }
    }
    for (; t < count; t++, x += step) {
        float in[N];
        load<N>(in, x);
#pragma unroll
        for (int i = 0; i < N; i++) {
            float d = in[i] - shift[i];
            sum[i] += d;
            squares[i] += d * d;
        }
    }
}

/* The warp merges channels [low, high) of group g, all rows, and adds them to *part, which holds
 * `before` values. mean and squares are [rows][width], their first channel is `base`. */
__device__ inline void merge_group(const shape &s, const float *mean, const float *squares,
                                   int width, int base, int low, int high, int tokens,
                                   moments *part, float before)
{
    int lane = threadIdx.x % WARP, channels = high - low;
    float all = 0, sum = 0, apart = 0;
    for (int i = lane; i < channels * s.rows; i += WARP) {
        int row = i / channels, at = row * width + low - base + i % channels;
        float n = (float)row_tokens(s, tokens, row);
        all += n;
        sum += n * mean[at];
    }
    all = warp_sum(all);
    float middle = warp_sum(sum) / all;
    for (int i = lane; i < channels * s.rows; i += WARP) {
        int row = i / channels, at = row * width + low - base + i % channels;
        float n = (float)row_tokens(s, tokens, row), d = mean[at] - middle;
        if (n > 0)
            apart += squares[at] + n * d * d;
    }
    apart = warp_sum(apart);
    if (lane != 0)
        return;
    if (before > 0) {
        float d = middle - part->mean;
        part->mean += d * all / (before + all);
        part->squares += apart + d * d * before * all / (before + all);
    } else {
        part->mean = middle;
        part->squares = apart;
    }
}

/* The last block of an image: the chunks' moments become group_scale. */
__device__ inline void merge_chunks(const shape &s, const moments *parts, group_scale *out,
                                    const float *first, int g, float eps)
{
    int lane = threadIdx.x % WARP;
    float all = (float)s.tokens * s.per, sum = 0, apart = 0;
    for (int i = lane; i < s.chunks; i += WARP)
        sum += chunk_values(s, i) / all * parts[i * s.groups + g].mean;
    float middle = warp_sum(sum);
    for (int i = lane; i < s.chunks; i += WARP) {
        float d = parts[i * s.groups + g].mean - middle;
        apart += parts[i * s.groups + g].squares + chunk_values(s, i) * d * d;
    }
    apart = warp_sum(apart);
    if (lane == 0)
        *out = group_scale{*first, middle, inverse_root(apart / all + eps), 0};
}

/* Grid: chunks, images. Block: cols * rows threads, rounded up to whole warps. */
template <typename T, int N>
__global__ void __launch_bounds__(MAX_THREADS, 2)
    statistics(const T *x, moments *parts, group_scale *scales, unsigned *ended, shape s, float eps)
{
    SHARED(float, mean, MAX_THREADS *N);
    SHARED(float, squares, MAX_THREADS *N);
    SHARED(unsigned, last, 1);
    int chunk = blockIdx.x, image = blockIdx.y, width = s.cols * N;
    int col = threadIdx.x % s.cols, row = threadIdx.x / s.cols;
    int from = chunk_start(s, chunk), tokens = chunk_start(s, chunk + 1) - from;
    const T *first = x + (int64_t)image * s.tokens * s.x_ld;
    moments *mine = parts + ((int64_t)image * s.chunks + chunk) * s.groups;
    int warp = threadIdx.x / WARP, warps = blockDim.x / WARP;

    for (int base = 0; base < s.c; base += width) {
        int c = base + col * N;
        if (row < s.rows && c < s.c) {
            float shift[N], sum[N], square[N];
            int count = row_tokens(s, tokens, row);
            thread_sums<T, N>(first + (from + row) * s.x_ld + c, s.rows * s.x_ld, count, shift, sum,
                              square);
            float inverse = count > 0 ? 1.0f / count : 0;
#pragma unroll
            for (int i = 0; i < N; i++) {
                float zero = widen(first[(c + i) / s.per * s.per]), m = sum[i] * inverse;
                mean[row * width + col * N + i] = count > 0 ? shift[i] - zero + m : 0;
                squares[row * width + col * N + i] = fmaxf(square[i] - sum[i] * m, 0);
            }
        }
        __syncthreads();
        int end = base + width < s.c ? base + width : s.c;
        for (int g = base / s.per + warp; g * s.per < end; g += warps) {
            int low = g * s.per > base ? g * s.per : base;
            int high = (g + 1) * s.per < end ? (g + 1) * s.per : end;
            float before = (float)tokens * (low - g * s.per);
            merge_group(s, mean, squares, width, base, low, high, tokens, &mine[g], before);
        }
        __syncthreads();
    }
    if (threadIdx.x == 0) {
        __threadfence(); /* the moments of this block, which the barrier has seen, come first */
        last[0] = atomicAdd(&ended[image], 1) == (unsigned)s.chunks - 1;
    }
    __syncthreads();
    if (!last[0])
        return;
    __threadfence();
    for (int g = warp; g < s.groups; g += warps) {
        const float zero = widen(first[g * s.per]);
        merge_chunks(s, parts + (int64_t)image * s.chunks * s.groups, &scales[image * s.groups + g],
                     &zero, g, eps);
    }
    if (threadIdx.x == 0)
        ended[image] = 0;
}

/* What a thread applies to its N channels. */
template <typename X, typename Y, int N> struct line {
    float first[N], mean[N], scale[N], shift[N];
    bool silu;

    /* A sixteen-bit x has no digits that one subtraction would lose. */
    __device__ inline float centred(float x, int i) const
    {
        return sizeof(X) == 2 ? x - mean[i] : (x - first[i]) - mean[i];
    }

    __device__ inline void apply(Y *y, const vec<X, N> &in) const
    {
        float out[N];
#pragma unroll
        for (int i = 0; i < N; i++) {
            out[i] = centred(widen(in.v[i]), i) * scale[i] + shift[i];
            if (silu)
                out[i] *= sigmoid(out[i]);
        }
        store<N>(y, out);
    }
};

/* Grid: chunks, images. Block: as above. */
template <typename X, typename Y, int N>
__global__ void __launch_bounds__(MAX_THREADS, 2)
    apply(Y *y, const X *x, const group_scale *scales, const float *gamma, const float *beta,
          shape s, int silu)
{
    int image = blockIdx.y, col = threadIdx.x % s.cols, row = threadIdx.x / s.cols;
    int from = chunk_start(s, blockIdx.x), tokens = chunk_start(s, blockIdx.x + 1) - from;
    if (row >= s.rows)
        return;
    line<X, Y, N> l;
    l.silu = silu;
    for (int c = col * N; c < s.c; c += s.cols * N) {
#pragma unroll
        for (int i = 0; i < N; i++) {
            const group_scale g = scales[image * s.groups + (c + i) / s.per];
            l.first[i] = g.first;
            l.mean[i] = sizeof(X) == 2 ? g.first + g.mean : g.mean;
            l.scale[i] = g.rstd * gamma[c + i];
            l.shift[i] = beta ? beta[c + i] : 0;
        }
        const X *in = x + ((int64_t)image * s.tokens + from + row) * s.x_ld + c;
        Y *out = y + ((int64_t)image * s.tokens + from + row) * s.y_ld + c;
        int64_t x_step = s.rows * s.x_ld, y_step = s.rows * s.y_ld;
        int count = row_tokens(s, tokens, row), t = 0;
        for (; t + UNROLL <= count; t += UNROLL, in += UNROLL * x_step, out += UNROLL * y_step) {
            vec<X, N> v[UNROLL];
#pragma unroll
            for (int u = 0; u < UNROLL; u++)
                v[u] = load_vec<X, N>(in + u * x_step);
#pragma unroll
            for (int u = 0; u < UNROLL; u++)
                l.apply(out + u * y_step, v[u]);
        }
        for (; t < count; t++, in += x_step, out += y_step)
            l.apply(out, load_vec<X, N>(in));
    }
}

/* -- launchers ----------------------------------------------------------------------------------
 */

int smaller(int a, int b)
{
    return a < b ? a : b;
}

shape shape_of(const struct tensor *x, const struct tensor *y, int groups, int n)
{
    shape s = {(int)tensor_tokens(x), x->c, x->c / groups, groups, 0, 0, 0, 0, x->ld, y->ld};
    s.cols = smaller((x->c + n - 1) / n, MAX_THREADS);
    s.rows = smaller(MAX_THREADS / s.cols, s.tokens);
    int wanted = (TARGET_BLOCKS + x->n - 1) / x->n, most = s.tokens / (s.rows * UNROLL);
    wanted = smaller(smaller(wanted, MAX_CHUNKS), most > 0 ? most : 1);
    s.chunk = (s.tokens + wanted - 1) / wanted;
    s.chunks = (s.tokens + s.chunk - 1) / s.chunk;
    return s;
}

struct arguments {
    struct tensor *y;
    const struct tensor *x;
    const float *gamma, *beta;
    int groups, silu;
    float eps;
    char *scratch;
    void *stream;
};

template <typename X, typename Y, int N> int run(const arguments &a)
{
    shape s = shape_of(a.x, a.y, a.groups, N);
    group_scale *scales = (group_scale *)(a.scratch + GROUP_NORM_COUNTERS);
    moments *parts = (moments *)(scales + (size_t)a.x->n * a.groups);
    dim3 grid(s.chunks, a.x->n), block(blocks_for(s.cols * s.rows, WARP) * WARP);
    int rc = launch(statistics<X, N>, grid, block, a.stream, (const X *)a.x->data, parts, scales,
                    (unsigned *)a.scratch, s, a.eps);
    return rc ? rc
              : launch(apply<X, Y, N>, grid, block, a.stream, (Y *)a.y->data, (const X *)a.x->data,
                       scales, a.gamma, a.beta, s, a.silu);
}

} // namespace

static_assert(sizeof(group_scale) == GROUP_NORM_SCALE && sizeof(moments) == GROUP_NORM_MOMENTS,
              "the scratch is sized by ops/gpu_sizes.h");

int gpu_group_norm(struct tensor *y, const struct tensor *x, const float *gamma, const float *beta,
                   int groups, float eps, bool silu, void *scratch, void *stream)
{
    if (x->n > GROUP_NORM_IMAGES || tensor_tokens(x) > INT32_MAX)
        return LAUNCH_INVALID;
    arguments a = {y, x, gamma, beta, groups, silu, eps, (char *)scratch, stream};
    if (x->dtype == DT_F32)
        return with_type(y->dtype, [&](auto t) {
            typedef TYPE_OF(t) Y;
            return vector_rows(x, 4) && vector_rows(y, 4) ? run<float, Y, 4>(a)
                                                          : run<float, Y, 1>(a);
        });
    if (x->dtype != y->dtype)
        return LAUNCH_INVALID;
    return with_type(x->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        const int n = lanes<T>::count;
        return vector_rows(x, n) && vector_rows(y, n) ? run<T, T, n>(a) : run<T, T, 1>(a);
    });
}
