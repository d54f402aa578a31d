/*
 * Attention for what the library's flash kernel refuses: any head size, any views, any alignment.
 *
 * Flash: the scores never exist in memory. A block takes QUERIES queries of one head, a warp
 * PER_WARP of them, and goes through the keys in tiles of 32. For the scores a lane owns a key, for
 * the sums it owns every 32nd channel; running maximum and sum make up for what later tiles bring.
 * Sums are f32 on the ordinary units, so the peak is far below the tensor cores': this is for odd
 * shapes, not for speed. It reads K and V once for every QUERIES queries.
 *
 * Heads of more than 512 channels are cut into slices of the output, each of which computes the
 * scores again. Reference: ref_attention in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum {
    WARPS = 8,
    PER_WARP = 4,
    QUERIES = WARPS * PER_WARP,
    KEYS = WARP,
    CHUNK = 64, /* channels of q and k in shared memory at once */
    MOST_CHANNELS = 512
};

struct shape {
    int64_t queries, keys;
    int64_t q_ld, k_ld, v_ld, y_ld;
    int d, slices; /* channels of a head; blocks that share them */
    float scale;
    int causal;
};

/* rows x CHUNK values of x into to[row * row_step + channel * c_step]; zeros where there are none.
 */
template <typename T>
__device__ inline void fill(float *to, int rows, int row_step, int c_step, const T *x, int64_t ld,
                            int64_t rows_left, int channels_left)
{
    for (int i = threadIdx.x; i < rows * CHUNK; i += WARPS * WARP) {
        int row = i / CHUNK, c = i % CHUNK;
        bool there = row < rows_left && c < channels_left;
        to[row * row_step + c * c_step] = there ? widen(x[row * ld + c]) : 0;
    }
}

/* Grid: blocks of queries times slices, heads, images. A slice has up to 32 * OWN channels. */
template <typename T, int OWN>
__global__ void __launch_bounds__(WARPS *WARP)
    attention(T *y, const T *q, const T *k, const T *v, shape s)
{
    SHARED(float, keys, KEYS *(CHUNK + 1)); /* a row a key, padded: lanes read down a column */
    SHARED(float, queries, CHUNK *QUERIES); /* a row a channel: a warp's queries side by side */
    SHARED(float, weights, WARPS *KEYS *PER_WARP);
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
    int64_t first = (int64_t)(blockIdx.x / s.slices) * QUERIES, head = (int64_t)blockIdx.y * s.d;
    int64_t image = blockIdx.z, mine = first + warp * PER_WARP;
    int slice = (int)(blockIdx.x % s.slices) * OWN * WARP;
    q += (image * s.queries + first) * s.q_ld + head;
    k += image * s.keys * s.k_ld + head;
    v += image * s.keys * s.v_ld + head;
    float *weight = weights + warp * KEYS * PER_WARP;
    float most[PER_WARP], sum[PER_WARP] = {}, out[PER_WARP][OWN] = {};
#pragma unroll
    for (int i = 0; i < PER_WARP; i++)
        most[i] = -INFINITY;

    int64_t end = s.keys;
    if (s.causal && first + QUERIES < end)
        end = first + QUERIES;
    for (int64_t key = 0; key < end; key += KEYS) {
        float score[PER_WARP] = {};
        for (int c = 0; c < s.d; c += CHUNK) {
            __syncthreads();
            fill(keys, KEYS, CHUNK + 1, 1, k + key * s.k_ld + c, s.k_ld, s.keys - key, s.d - c);
            if (key == 0 || s.d > CHUNK)
                fill(queries, QUERIES, 1, QUERIES, q + c, s.q_ld, s.queries - first, s.d - c);
            __syncthreads();
            for (int i = 0; i < CHUNK; i++) {
                float at_key = keys[lane * (CHUNK + 1) + i], at[PER_WARP];
                load<PER_WARP>(at, queries + i * QUERIES + warp * PER_WARP);
#pragma unroll
                for (int j = 0; j < PER_WARP; j++)
                    score[j] += at[j] * at_key;
            }
        }
#pragma unroll
        for (int j = 0; j < PER_WARP; j++) {
            bool seen = key + lane < s.keys && (!s.causal || key + lane <= mine + j);
            float x = seen ? score[j] * s.scale : -INFINITY;
            float higher = fmaxf(most[j], warp_max(x)), fade = expf(most[j] - higher);
            x = expf(x - higher);
            sum[j] = sum[j] * fade + warp_sum(x);
            most[j] = higher;
            score[j] = x;
#pragma unroll
            for (int o = 0; o < OWN; o++)
                out[j][o] *= fade;
        }
        store<PER_WARP>(weight + lane * PER_WARP, score);
        __syncwarp();
        int count = end - key < KEYS ? (int)(end - key) : (int)KEYS;
        for (int i = 0; i < count; i++) {
            float w[PER_WARP];
            load<PER_WARP>(w, weight + i * PER_WARP);
            const T *value = v + (key + i) * s.v_ld + slice + lane;
#pragma unroll
            for (int o = 0; o < OWN; o++) {
                float x = slice + lane + o * WARP < s.d ? widen(value[o * WARP]) : 0;
#pragma unroll
                for (int j = 0; j < PER_WARP; j++)
                    out[j][o] += w[j] * x;
            }
        }
        __syncwarp();
    }
#pragma unroll
    for (int j = 0; j < PER_WARP; j++) {
        if (mine + j >= s.queries)
            break;
        float inverse = 1.0f / sum[j];
        T *to = y + (image * s.queries + mine + j) * s.y_ld + head + slice + lane;
#pragma unroll
        for (int o = 0; o < OWN; o++)
            if (slice + lane + o * WARP < s.d)
                narrow(&to[o * WARP], out[j][o] * inverse);
    }
}

template <typename T>
int run(struct tensor *y, const struct tensor *q, const struct tensor *k, const struct tensor *v,
        int heads, shape s, void *stream)
{
    int own = s.d <= 32 ? 1 : s.d <= 64 ? 2 : s.d <= 128 ? 4 : s.d <= 256 ? 8 : 16;
    s.slices = (s.d + own * WARP - 1) / (own * WARP);
    int64_t blocks = (s.queries + QUERIES - 1) / QUERIES * s.slices;
    if (blocks > INT32_MAX || heads > 65535 || q->n > 65535)
        return LAUNCH_INVALID;
    auto kernel = own == 1   ? attention<T, 1>
                  : own == 2 ? attention<T, 2>
                  : own == 4 ? attention<T, 4>
                  : own == 8 ? attention<T, 8>
                             : attention<T, MOST_CHANNELS / WARP>;
    return launch(kernel, dim3((unsigned)blocks, heads, q->n), dim3(WARPS * WARP), stream,
                  (T *)y->data, (const T *)q->data, (const T *)k->data, (const T *)v->data, s);
}

} // namespace

int gpu_attention(struct tensor *y, const struct tensor *q, const struct tensor *k,
                  const struct tensor *v, int heads, float scale, bool causal, void *stream)
{
    if (y->dtype != q->dtype || k->dtype != q->dtype || v->dtype != q->dtype)
        return LAUNCH_INVALID;
    shape s = {tensor_tokens(q),
               tensor_tokens(k),
               q->ld,
               k->ld,
               v->ld,
               y->ld,
               q->c / heads,
               1,
               scale,
               causal};
    return with_type(q->dtype,
                     [&](auto t) { return run<TYPE_OF(t)>(y, q, k, v, heads, s, stream); });
}
