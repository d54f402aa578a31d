/*
 * The CUDA backend's weights: read from mapped memory, through pinned staging buffers, to the
 * device, where a kernel puts them into type and layout. Mapped pages are read while earlier
 * buffers are still on the bus.
 */
#include "backend.h"

#include <stdlib.h>

static void drop(struct gpu *g, struct weight *w)
{
    gpu_window_forget(g, w);
    device_free(w->w, g->stream);
    device_free(w->b, g->stream);
    device_free(w->b_act, g->stream);
    device_free(w->folded, g->stream);
    free(w);
}

/* Room for the values, of `type`, and the bias. NULL after a failure. */
static struct weight *new_weight(struct gpu *g, struct weight_shape s, enum dtype type)
{
    struct weight *w = calloc(1, sizeof *w);
    if (!w) {
        gpu_ok(g, 2, "weights"); /* cudaErrorMemoryAllocation */
        return NULL;
    }
    w->s = s;
    w->serial = ++g->weights;
    w->bytes = cost_weight_bytes(&s, type);
    size_t values = (size_t)weight_count(&s) * dtype_size(type);
    bool ok = gpu_ok(g, device_alloc(&w->w, values, g->stream), "weights");
    void *bias = NULL;
    if (ok && s.has_bias)
        ok = gpu_ok(g, device_alloc(&bias, (size_t)s.out * sizeof(float), g->stream), "weights");
    w->b = bias;
    if (ok && s.has_bias && type != DT_F32)
        ok = gpu_ok(g, device_alloc(&w->b_act, (size_t)s.out * dtype_size(type), g->stream),
                    "weights");
    if (!ok) {
        drop(g, w);
        return NULL;
    }
    w->more = w->b_act ? (size_t)s.out * dtype_size(type) : 0;
    g->weight_bytes += w->bytes + w->more;
    return w;
}

/* Puts `from`, [out, in, taps] of type `is`, times a factor to `to`, [out, taps, in] of `type`. */
static void put_as(struct gpu *g, void *to, enum dtype type, const void *from, enum dtype is,
                   int64_t out, int64_t in, int taps, bool transposed, float factor)
{
    size_t bytes = (size_t)(out * in * taps) * dtype_size(is);
    if (is == type && taps == 1 && !transposed && factor == 1) {
        gpu_put(g, to, from, bytes);
        return;
    }
    void *raw = gpu_grow(g, &g->raw, &g->raw_bytes, bytes);
    if (!raw)
        return;
    gpu_put(g, raw, from, bytes);
    if (!g->failed)
        gpu_ok(g, gpu_pack(to, type, raw, is, out, in, taps, transposed, factor, g->stream),
               "weights");
}

/* sum [out, cols] += factor up down. room: for up [out, rank] and down turned, [cols, rank]. */
static void change(struct gpu *g, float *sum, float *room, const struct low_rank *c, int64_t out,
                   int64_t cols)
{
    int rank = (int)c->rank;
    float *up = room, *down = room + out * rank;
    struct tensor x = {up, DT_F32, 1, (int)out, 1, rank, rank};
    struct tensor y = {sum, DT_F32, 1, (int)out, 1, (int)cols, (int)cols};
    put_as(g, up, DT_F32, c->up, c->up_type, out, rank, 1, false, c->factor);
    put_as(g, down, DT_F32, c->down, c->down_type, cols, rank, 1, true, 1);
    if (!g->failed)
        gpu_ok(g, gpu_linear(&y, &x, down, NULL, ACT_NONE, &y, g->stream), "merging a LoRA");
}

/* The same with the parameter's changes, by way of f32. The memory stays for the next weight, until
 * the arena is reserved. */
static void put_changed(struct gpu *g, void *to, enum dtype type, const struct param *p,
                        int64_t out, int64_t in, int taps, bool transposed)
{
    int64_t cols = in * taps, rank = 0;
    for (int i = 0; i < p->change_count; i++)
        rank = p->changes[i].rank > rank ? p->changes[i].rank : rank;
    size_t bytes = (size_t)(out * cols + rank * (out + cols)) * sizeof(float);
    float *sum = gpu_grow(g, &g->merged, &g->merged_bytes, bytes);
    if (!sum)
        return;
    put_as(g, sum, DT_F32, p->data, p->dtype, out, cols, 1, transposed, 1);
    for (int i = 0; i < p->change_count && !g->failed; i++)
        change(g, sum, sum + out * cols, &p->changes[i], out, cols);
    if (!g->failed)
        gpu_ok(g, gpu_pack(to, type, sum, DT_F32, out, in, taps, false, 1, g->stream), "weights");
}

/* Puts a parameter, [out, in, taps] as the checkpoint has it, to `to`. */
static void put(struct gpu *g, void *to, enum dtype type, const struct param *p, int64_t out,
                int64_t in, int taps, bool transposed)
{
    if (p->change_count > 0)
        put_changed(g, to, type, p, out, in, taps, transposed);
    else
        put_as(g, to, type, p->data, p->dtype, out, in, taps, transposed, 1);
}

/* With its values or not at all: who packs cannot tell which are missing. */
static struct weight *whole(struct gpu *g, struct weight *w)
{
    if (!w || !g->failed)
        return w;
    gpu_free_weight(&g->ops, w);
    return NULL;
}

static void put_bias(struct gpu *g, struct weight *w, int64_t from, const struct param *b)
{
    enum dtype act = g->ops.act;
    if (w->b)
        put(g, w->b + from, DT_F32, b, 1, b->dim[0], 1, false);
    if (w->b_act)
        put(g, (char *)w->b_act + (size_t)from * dtype_size(act), act, b, 1, b->dim[0], 1, false);
}

struct weight *gpu_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                               int count)
{
    struct gpu *g = gpu_of(o);
    struct weight *packed = new_weight(g, linear_shape(w, b, count), o->act);
    int64_t in, out, from = 0;
    for (int s = 0; packed && s < count; s++, from += out) {
        linear_source(&w[s], &in, &out);
        char *to = (char *)packed->w + (size_t)(from * in) * dtype_size(o->act);
        put(g, to, o->act, &w[s], out, in, 1, w[s].transposed);
        put_bias(g, packed, from, packed->b ? &b[s] : NULL);
    }
    return whole(g, packed);
}

struct weight *gpu_pack_conv(struct ops *o, const struct param *w, const struct param *b)
{
    struct gpu *g = gpu_of(o);
    struct weight *packed = new_weight(g, conv_shape(w, b), o->act);
    if (packed) {
        put(g, packed->w, o->act, w, packed->s.out, packed->s.in, packed->s.k * packed->s.k, false);
        put_bias(g, packed, 0, b);
    }
    return whole(g, packed);
}

struct weight *gpu_pack_norm(struct ops *o, const struct param *gamma, const struct param *beta)
{
    struct gpu *g = gpu_of(o);
    struct weight *packed = new_weight(g, norm_shape(gamma, beta), DT_F32);
    if (packed) {
        put(g, packed->w, DT_F32, gamma, 1, packed->s.out, 1, false);
        put_bias(g, packed, 0, beta);
    }
    return whole(g, packed);
}

struct weight *gpu_pack_table(struct ops *o, const struct param *w)
{
    struct gpu *g = gpu_of(o);
    struct weight *packed = new_weight(g, table_shape(w), o->act);
    if (packed)
        put(g, packed->w, o->act, w, packed->s.in, packed->s.out, 1, false);
    return whole(g, packed);
}

void gpu_free_weight(struct ops *o, struct weight *w)
{
    if (!w)
        return;
    gpu_of(o)->weight_bytes -= w->bytes + w->more - w->away;
    drop(gpu_of(o), w);
}

struct weight *gpu_no_weight(struct ops *o)
{
    struct weight *w = calloc(1, sizeof *w);
    if (!w)
        gpu_ok(gpu_of(o), 2, "weights"); /* cudaErrorMemoryAllocation */
    return w;
}

void gpu_swap_weights(struct ops *o, struct weight *a, struct weight *b)
{
    struct weight was = *a;
    *a = *b;
    *b = was;
    gpu_window_swapped(gpu_of(o), a, b);
}
