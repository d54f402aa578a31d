/*
 * Linear layers and convolutions for shapes and types that cuBLASLt and cuDNN refuse: odd channel
 * counts (cuDNN's NHWC engines want multiples of 8), circular padding, a doubled input, f32 outputs
 * of 16-bit inputs.
 *
 *   y[r, o] = act(sum_k x[r, k] w[o, k] + bias[o] + chan_add[image of r, o]) + residual[r, o]
 *
 * A convolution is the same with k running over taps and channels, and x[r, k] read from the pixel
 * that the tap sees: nothing is unfolded in memory. A block makes 64 x 64 outputs from tiles of 16
 * k in shared memory, a thread 4 x 4 of them, with f32 on the ordinary units: a tenth or less of
 * what tensor cores do. Few rows go through `few_rows` instead, a warp an output, bound by reading
 * w once.
 *
 * References: ref_linear and ref_conv2d in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { TILE = 64, DEPTH = 16, EACH = 4, THREADS = 256, PAD = 4, FEW = 4, WARPS = 4 };

/* What comes after the sum; pointers may be null. */
template <typename T, typename Y> struct ending {
    const float *bias;
    const T *chan_add;
    const Y *residual;
    int act;
    int64_t tokens;
};

struct shape {
    int64_t rows, x_ld;
    int in, out, depth; /* channels; depth: taps * in */
    /* convolutions */
    int k, stride, before, doubled, circular;
    int x_h, x_w, y_h, y_w; /* pixels of x and y */
    int see_h, see_w;       /* of x as the taps see it, doubled or not */
};

/* Called, not inlined sixteen times over: that is most of what compiling this file took. */
APART __device__ float activate_apart(int act, float v)
{
    return activate(act, v);
}

template <typename T, typename Y>
__device__ inline void finish(Y *y, float v, int64_t row, int o, int out, const ending<T, Y> &e)
{
    if (e.bias)
        v += e.bias[o];
    if (e.chan_add)
        v += widen(e.chan_add[row / e.tokens * out + o]);
    if (e.act)
        v = activate_apart(e.act, v);
    if (e.residual)
        v += widen(e.residual[row * out + o]);
    narrow(&y[row * out + o], v);
}

/* Index along a side of what is seen: of x, or -1 for a zero. source() in ops_ref.c. */
__device__ inline int source(int i, int size, int doubled, int circular)
{
    if (i < 0 || i >= size) {
        if (!circular)
            return -1;
        i = (i % size + size) % size;
    }
    return doubled ? i / 2 : i;
}

struct pixel {
    int64_t image; /* -1: none */
    int y, x;      /* of the first tap, in what is seen */
};

__device__ inline pixel pixel_of(int64_t row, const shape &s)
{
    if (row >= s.rows)
        return pixel{-1, 0, 0};
    int64_t line = row / s.y_w;
    return pixel{line / s.y_h, (int)(line % s.y_h) * s.stride - s.before,
                 (int)(row % s.y_w) * s.stride - s.before};
}

template <typename T>
__device__ inline float at_tap(const T *x, const pixel &p, int k, const shape &s)
{
    int tap = k / s.in;
    int y = source(p.y + tap / s.k, s.see_h, s.doubled, s.circular & PAD_CIRCULAR_Y);
    int at = source(p.x + tap % s.k, s.see_w, s.doubled, s.circular & PAD_CIRCULAR_X);
    if (p.image < 0 || y < 0 || at < 0)
        return 0;
    return widen(x[((p.image * s.x_h + y) * s.x_w + at) * s.x_ld + k % s.in]);
}

/* Grid: tiles of outputs, tiles of rows. */
template <typename T, typename Y, bool CONV>
__global__ void __launch_bounds__(THREADS)
    tiles(Y *y, const T *x, const T *w, shape s, ending<T, Y> e)
{
    SHARED(float, of_x, DEPTH *(TILE + PAD)); /* a row a k */
    SHARED(float, of_w, DEPTH *(TILE + PAD));
    int64_t row0 = (int64_t)blockIdx.x * TILE;
    int out0 = blockIdx.y * TILE, k_lane = threadIdx.x % DEPTH, line = threadIdx.x / DEPTH;
    int my_row = threadIdx.x / (TILE / EACH) * EACH, my_out = threadIdx.x % (TILE / EACH) * EACH;
    float sum[EACH][EACH] = {};
    pixel at[EACH];
#pragma unroll
    for (int i = 0; i < EACH; i++)
        if (CONV)
            at[i] = pixel_of(row0 + line + i * (TILE / EACH), s);

    for (int k0 = 0; k0 < s.depth; k0 += DEPTH) {
        int k = k0 + k_lane;
        float from_x[EACH], from_w[EACH];
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            int64_t row = row0 + line + i * (TILE / EACH), o = out0 + line + i * (TILE / EACH);
            from_x[i] = from_w[i] = 0;
            if (k < s.depth && CONV)
                from_x[i] = at_tap(x, at[i], k, s);
            else if (k < s.depth && row < s.rows)
                from_x[i] = widen(x[row * s.x_ld + k]);
            if (k < s.depth && o < s.out)
                from_w[i] = widen(w[o * s.depth + k]);
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < EACH; i++) {
            of_x[k_lane * (TILE + PAD) + line + i * (TILE / EACH)] = from_x[i];
            of_w[k_lane * (TILE + PAD) + line + i * (TILE / EACH)] = from_w[i];
        }
        __syncthreads();
#pragma unroll
        for (int i = 0; i < DEPTH; i++) {
            float a[EACH], b[EACH];
            load<EACH>(a, of_x + i * (TILE + PAD) + my_row);
            load<EACH>(b, of_w + i * (TILE + PAD) + my_out);
#pragma unroll
            for (int r = 0; r < EACH; r++)
#pragma unroll
                for (int o = 0; o < EACH; o++)
                    sum[r][o] += a[r] * b[o];
        }
    }
#pragma unroll
    for (int r = 0; r < EACH; r++)
#pragma unroll
        for (int o = 0; o < EACH; o++)
            if (row0 + my_row + r < s.rows && out0 + my_out + o < s.out)
                finish(y, sum[r][o], row0 + my_row + r, out0 + my_out + o, s.out, e);
}

/* A warp makes output o of all rows, which are FEW at most. */
template <typename T, typename Y, int N>
__global__ void __launch_bounds__(WARPS *WARP)
    few_rows(Y *y, const T *x, const T *w, shape s, ending<T, Y> e)
{
    int lane = threadIdx.x % WARP, o = blockIdx.x * WARPS + threadIdx.x / WARP;
    float sum[FEW] = {};
    if (o >= s.out)
        return;
    for (int k = lane * N; k < s.depth; k += WARP * N) {
        float a[N], b[N];
        load<N>(b, w + (int64_t)o * s.depth + k);
#pragma unroll
        for (int r = 0; r < FEW; r++)
            if (r < s.rows) {
                load<N>(a, x + r * s.x_ld + k);
#pragma unroll
                for (int i = 0; i < N; i++)
                    sum[r] += a[i] * b[i];
            }
    }
#pragma unroll
    for (int r = 0; r < FEW; r++) {
        float all = warp_sum(sum[r]);
        if (lane == 0 && r < s.rows)
            finish(y, all, r, o, s.out, e);
    }
}

/* f(tag<T>, tag<Y>) for x's type and y's, which is the same or f32. */
template <typename F> int with_types(const struct tensor *y, const struct tensor *x, F f)
{
    if (y->dtype != x->dtype && y->dtype != DT_F32)
        return LAUNCH_INVALID;
    return with_type(x->dtype,
                     [&](auto t) { return y->dtype == x->dtype ? f(t, t) : f(t, tag<float>()); });
}

/* False: not what these kernels take. */
bool ends_valid(const struct tensor *y, const struct tensor *x, const struct tensor *chan_add,
                const struct tensor *residual)
{
    return tensor_dense(y) && (!chan_add || (chan_add->dtype == x->dtype)) &&
           (!residual || (residual->dtype == y->dtype && tensor_dense(residual)));
}

template <typename T, typename Y>
ending<T, Y> ending_of(const struct tensor *y, const float *bias, const struct tensor *chan_add,
                       enum act act, const struct tensor *residual)
{
    return ending<T, Y>{bias, chan_add ? (const T *)chan_add->data : nullptr,
                        residual ? (const Y *)residual->data : nullptr, act, tensor_tokens(y)};
}

} // namespace

int gpu_linear(struct tensor *y, const struct tensor *x, const void *w, const float *bias,
               enum act act, const struct tensor *residual, void *stream)
{
    if (!ends_valid(y, x, nullptr, residual))
        return LAUNCH_INVALID;
    shape s = {};
    s.rows = tensor_rows(x), s.x_ld = x->ld, s.in = s.depth = x->c, s.out = y->c;
    return with_types(y, x, [&](auto tx, auto ty) {
        typedef TYPE_OF(tx) T;
        typedef TYPE_OF(ty) Y;
        const int n = lanes<T>::count;
        ending<T, Y> e = ending_of<T, Y>(y, bias, nullptr, act, residual);
        if (s.rows <= FEW)
            return launch(vector_rows(x, n) && (uintptr_t)w % 16 == 0 ? few_rows<T, Y, n>
                                                                      : few_rows<T, Y, 1>,
                          dim3(blocks_for(s.out, WARPS)), dim3(WARPS * WARP), stream, (Y *)y->data,
                          (const T *)x->data, (const T *)w, s, e);
        return launch(tiles<T, Y, false>, dim3(blocks_for(s.rows, TILE), blocks_for(s.out, TILE)),
                      dim3(THREADS), stream, (Y *)y->data, (const T *)x->data, (const T *)w, s, e);
    });
}

int gpu_conv2d(struct tensor *y, const struct tensor *x, const void *w, const float *bias, int k,
               const struct conv_args *args, void *stream)
{
    if (!ends_valid(y, x, args->chan_add, args->residual))
        return LAUNCH_INVALID;
    /* an odd output of a doubled input: the last row, or column, is not seen (conv_in_size) */
    int pads = args->pad_before + args->pad_after - k + 1, twice = args->upsample ? 2 : 1;
    shape s = {};
    s.rows = tensor_rows(y), s.x_ld = x->ld, s.in = x->c, s.out = y->c, s.depth = k * k * x->c;
    s.k = k, s.stride = args->stride, s.before = args->pad_before, s.doubled = args->upsample;
    s.circular = (int)args->pad, s.x_h = x->h, s.x_w = x->w, s.y_h = y->h, s.y_w = y->w;
    s.see_h = args->upsample && y->h == 2 * x->h + pads - 1 ? 2 * x->h - 1 : twice * x->h;
    s.see_w = args->upsample && y->w == 2 * x->w + pads - 1 ? 2 * x->w - 1 : twice * x->w;
    return with_types(y, x, [&](auto tx, auto ty) {
        typedef TYPE_OF(tx) T;
        typedef TYPE_OF(ty) Y;
        ending<T, Y> e = ending_of<T, Y>(y, bias, args->chan_add, args->act, args->residual);
        return launch(tiles<T, Y, true>, dim3(blocks_for(s.rows, TILE), blocks_for(s.out, TILE)),
                      dim3(THREADS), stream, (Y *)y->data, (const T *)x->data, (const T *)w, s, e);
    });
}
