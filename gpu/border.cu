/*
 * An image with its borders: what a convolution reads, written out, for libraries that know no
 * other padding than zeros and no doubling. A thread writes one vector of 16 bytes; borders that
 * are circular come from the other side.
 *
 * Bound by memory: each value is read once (four times where it is doubled) and written once.
 * Reference: source() in ops_ref.c.
 */
#include "kernels.h"
#include "simt.h"

namespace
{

enum { THREADS = 256 };

struct border_shape {
    int64_t vectors;
    int per_row, h, w, y_h, y_w; /* h and w: of the image, doubled where it is */
    int before, first, scale; /* first: row of y */
    bool circular_x, circular_y;
    int x_h, x_w;
    int64_t x_ld, y_ld;
};

/* Where coordinate i of the output comes from, -1: from outside. */
__device__ inline int from_where(int i, int size, int before, int scale, bool circular)
{
    i -= before;
    if (circular)
        i = (i % size + size) % size;
    return i < 0 || i >= size ? -1 : i / scale;
}

template <typename T, int N>
__global__ void __launch_bounds__(THREADS) border(T *y, const T *x, border_shape s)
{
    int64_t i = (int64_t)blockIdx.x * THREADS + threadIdx.x, row, line, image;
    int column, ox, oy;
    if (i >= s.vectors)
        return;
    split_index(i, s.per_row, &row, &column);
    split_index(row, s.y_w, &line, &ox);
    split_index(line, s.y_h, &image, &oy);
    int ix = from_where(ox, s.w, s.before, s.scale, s.circular_x);
    int iy = from_where(oy + s.first, s.h, s.before, s.scale, s.circular_y);
    vec<T, N> v;
    if (ix < 0 || iy < 0)
        for (int k = 0; k < N; k++)
            narrow(&v.v[k], 0);
    else
        v = load_vec<T, N>(x + ((image * s.x_h + iy) * s.x_w + ix) * s.x_ld + column * N);
    store_vec<T, N>(y + row * s.y_ld + column * N, v);
}

} // namespace

int gpu_border(struct tensor *y, const struct tensor *x, int h, int w, int before, int first,
               unsigned pad, void *stream)
{
    if (y->dtype != x->dtype || y->c != x->c || y->n != x->n)
        return LAUNCH_INVALID;
    return with_type(x->dtype, [&](auto t) {
        typedef TYPE_OF(t) T;
        const int n = lanes<T>::count;
        bool fits = vector_rows(x, n) && vector_rows(y, n);
        border_shape s = {tensor_rows(y) * (fits ? x->c / n : x->c),
                          fits ? x->c / n : x->c,
                          h,
                          w,
                          y->h,
                          y->w,
                          before,
                          first,
                          h > x->h || w > x->w ? 2 : 1,
                          (pad & PAD_CIRCULAR_X) != 0,
                          (pad & PAD_CIRCULAR_Y) != 0,
                          x->h,
                          x->w,
                          x->ld,
                          y->ld};
        dim3 grid(blocks_for(s.vectors, THREADS));
        T *to = (T *)y->data;
        const T *from = (const T *)x->data;
        return fits ? launch(border<T, n>, grid, dim3(THREADS), stream, to, from, s)
                    : launch(border<T, 1>, grid, dim3(THREADS), stream, to, from, s);
    });
}
