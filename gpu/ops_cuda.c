/*
 * The CUDA backend: struct ops over device memory, one stream.
 *
 * Everything is queued on the stream in the order of the calls, so memory may be handed on as soon
 * as the call that used it has been queued; only sync and download wait. Activations lie in one
 * slab, reserved from the forecast; where they lie is decided by the arena (ops/arena.h), which
 * keeps its books over addresses that mean nothing and so gives the forecast's places. What does
 * not fit into the slab, or comes before it, gets memory of its own.
 *
 * Products, convolutions and attention go to the library where it takes them (backend.h), else to
 * our own kernels.
 */
#include "backend.h"

#include <stdlib.h>
#include <string.h>

int gpu_bare;

/* -- errors and memory --------------------------------------------------------------------------
 */

bool gpu_ok(struct gpu *g, int rc, const char *what)
{
    if (rc != 0 && !g->failed) {
        err_set(&g->err, "CUDA, %s: %s", what, device_error(rc));
        err_blame(&g->err, device_is_full(rc) ? ERR_UNFIT : ERR_DEVICE);
        g->failed = true;
    }
    return rc == 0;
}

void *gpu_grow(struct gpu *g, void **at, size_t *held, size_t bytes)
{
    if (bytes <= *held)
        return *at;
    if (g->turn.now == TURN_RECORD) { /* what graphs hold, and this one, must stay where it is */
        gpu_ok(g, DEVICE_CAPTURED, "scratch");
        return NULL;
    }
    device_free(*at, g->stream);
    *held = gpu_ok(g, device_alloc(at, bytes, g->stream), "scratch") ? bytes : 0;
    return *at;
}

/* -- activations --------------------------------------------------------------------------------
 */

/* Device memory for a block of the arena's books. */
static void *behind(struct gpu *g, char *place, size_t bytes)
{
    size_t offset = (size_t)(place - g->arena.base);
    if (offset + bytes <= g->slab_bytes)
        return (char *)g->slab + offset;
    struct stray *s = &g->stray[g->strays];
    if (g->strays == ARENA_BLOCKS || device_alloc(&s->data, bytes, g->stream) != 0)
        return NULL;
    s->place = place;
    g->strays++;
    return s->data;
}

static struct tensor alloc_as(struct ops *o, enum dtype dtype, int n, int h, int w, int c)
{
    struct gpu *g = gpu_of(o);
    struct tensor t = {NULL, dtype, n, h, w, c, c};
    size_t bytes = tensor_size_checked(dtype, n, h, w, c);
    char *place = !g->failed && bytes ? arena_alloc(&g->arena, bytes) : NULL;
    if (place) {
        t.data = behind(g, place, bytes);
        if (!t.data)
            arena_free(&g->arena, place);
    }
    if (!t.data && !g->failed) {
        err_set(&g->err, "no memory on the GPU: activations; ask for a smaller image or batch");
        err_blame(&g->err, ERR_UNFIT);
        g->failed = true;
    }
    return t;
}

static void release(struct ops *o, struct tensor *t)
{
    struct gpu *g = gpu_of(o);
    char *data = t->data, *slab = g->slab;
    t->data = NULL;
    if (!data)
        return;
    if (slab && data >= slab && data < slab + g->slab_bytes) {
        arena_free(&g->arena, g->arena.base + (data - slab));
        return;
    }
    int i = g->strays - 1;
    while (i >= 0 && g->stray[i].data != data)
        i--;
    assert(i >= 0);
    arena_free(&g->arena, g->stray[i].place);
    device_free(data, g->stream);
    g->stray[i] = g->stray[--g->strays];
}

static int reserve(struct ops *o, size_t bytes, struct err *err)
{
    struct gpu *g = gpu_of(o);
    assert(arena_now(&g->arena) == 0);
    device_free(g->raw, g->stream);
    device_free(g->merged, g->stream);
    g->raw = g->merged = NULL;
    g->raw_bytes = g->merged_bytes = 0;
    if (bytes <= g->slab_bytes)
        return 0;
    device_free(g->slab, g->stream);
    g->slab = NULL;
    g->slab_bytes = 0;
    int rc = device_alloc(&g->slab, bytes, g->stream);
    if (rc != 0)
        return err_set(err, "%zu MB for activations: %s; ask for a smaller image or batch",
                       bytes >> 20, device_error(rc));
    g->slab_bytes = bytes;
    return 0;
}

static void upload(struct ops *o, struct tensor *dst, const float *src)
{
    struct gpu *g = gpu_of(o);
    size_t bytes = (size_t)tensor_count(dst) * sizeof *src;
    if (g->failed)
        return;
    assert(tensor_dense(dst));
    struct tensor f32 = *dst;
    f32.dtype = DT_F32;
    if (dst->dtype != DT_F32)
        f32.data = gpu_grow(g, &g->raw, &g->raw_bytes, bytes);
    if (f32.data)
        gpu_put(g, f32.data, src, bytes);
    if (!g->failed && dst->dtype != DT_F32)
        gpu_ok(g, gpu_copy(dst, &f32, 1, g->stream), "upload");
}

static void download(struct ops *o, float *dst, const struct tensor *src)
{
    struct gpu *g = gpu_of(o);
    size_t bytes = (size_t)tensor_count(src) * sizeof *dst;
    if (g->failed)
        return;
    assert(tensor_dense(src));
    struct tensor f32 = *src;
    f32.dtype = DT_F32;
    if (src->dtype != DT_F32) {
        f32.data = gpu_grow(g, &g->raw, &g->raw_bytes, bytes);
        if (f32.data)
            gpu_ok(g, gpu_copy(&f32, src, 1, g->stream), "download");
    }
    if (!g->failed)
        gpu_get(g, dst, f32.data, bytes);
}

/* -- the networks' calls ------------------------------------------------------------------------
 */

/* Whether a call can be made: nothing has failed, and its weight is there. */
static bool ready(struct gpu *g, const struct weight *w)
{
    struct err e = {""};
    if (!g->failed && g->ops.want && g->ops.want(g->ops.want_user, w, &e) < 0) {
        g->err = e;
        g->failed = true;
    }
    return !g->failed;
}

/* Closes a call: its error, what it cost. */
static void done(struct gpu *g, int rc, const char *what, struct cost cost)
{
    gpu_ok(g, rc, what);
    g->cost.flops += cost.flops;
    g->cost.bytes += cost.bytes;
}

static int multiply(struct gpu *g, struct tensor *y, const struct tensor *x, const struct weight *w,
                    enum act act, const struct tensor *residual)
{
    const struct gpu_library *l = &g->library;
    int rc = l->linear ? l->linear(l->state, y, x, w, act, residual, g->stream) : NOT_TAKEN;
    return rc == NOT_TAKEN ? gpu_linear(y, x, w->w, w->b, act, residual, g->stream) : rc;
}

static void linear(struct ops *o, struct tensor *y, const struct tensor *x, const struct weight *w,
                   enum act act, const struct tensor *residual)
{
    struct gpu *g = gpu_of(o);
    if (!ready(g, w))
        return;
    check_linear(y, x, &w->s, false, residual);
    done(g, multiply(g, y, x, w, act, residual), "linear",
         cost_linear(y, x, w->s.out, w->bytes, residual));
}

static void geglu(struct ops *o, struct tensor *y, const struct tensor *x, const struct weight *w)
{
    struct gpu *g = gpu_of(o);
    if (!ready(g, w))
        return;
    check_linear(y, x, &w->s, true, NULL);
    struct tensor both = ops_alloc_like(o, x, w->s.out);
    if (!both.data)
        return;
    int rc = multiply(g, &both, x, w, ACT_NONE, NULL);
    done(g, rc ? rc : gpu_geglu(y, &both, g->stream), "geglu",
         cost_linear(y, x, w->s.out, w->bytes, NULL));
    release(o, &both);
}

/* The library has made a weight's folded taps. */
static void book_folded(struct gpu *g, const struct weight *w)
{
    struct weight *own = (struct weight *)w; /* we made it */
    if (own->folded_bytes == 0)
        return;
    own->more += own->folded_bytes;
    g->weight_bytes += own->folded_bytes;
    own->folded_bytes = 0;
}

static void conv2d(struct ops *o, struct tensor *y, const struct tensor *x, const struct weight *w,
                   const struct conv_args *a)
{
    struct gpu *g = gpu_of(o);
    const struct gpu_library *l = &g->library;
    if (!ready(g, w))
        return;
    check_conv(y, x, &w->s, a);
    int rc = l->conv2d ? l->conv2d(l->state, y, x, w, a, g->stream) : NOT_TAKEN;
    if (rc == NOT_TAKEN)
        rc = gpu_conv2d(y, x, w->w, w->b, w->s.k, a, g->stream);
    done(g, rc, "conv2d", cost_conv(y, x, w->s.k * w->s.k, w->bytes, a));
    book_folded(g, w);
}

static void group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, int groups, float eps, bool silu)
{
    struct gpu *g = gpu_of(o);
    if (!ready(g, w))
        return;
    check_norm(y, x, &w->s, groups);
    size_t bytes = gpu_group_norm_scratch(x, groups), held = g->scratch_bytes;
    void *scratch = gpu_grow(g, &g->scratch, &g->scratch_bytes, bytes);
    if (scratch && bytes > held)
        gpu_ok(g, device_zero(scratch, GROUP_NORM_COUNTERS, g->stream), "group_norm");
    if (!g->failed)
        done(g, gpu_group_norm(y, x, w->w, w->b, groups, eps, silu, scratch, g->stream),
             "group_norm", cost_move(y, x, NULL, w->bytes));
}

static void layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, float eps)
{
    struct gpu *g = gpu_of(o);
    if (!ready(g, w))
        return;
    check_norm(y, x, &w->s, 1);
    done(g, gpu_layer_norm(y, x, w->w, w->b, eps, g->stream), "layer_norm",
         cost_move(y, x, NULL, w->bytes));
}

static void attention(struct ops *o, struct tensor *y, const struct tensor *q,
                      const struct tensor *k, const struct tensor *v, int heads, float scale,
                      bool causal)
{
    struct gpu *g = gpu_of(o);
    const struct gpu_library *l = &g->library;
    if (g->failed)
        return;
    check_attention(y, q, k, v, heads, causal);
    int rc = NOT_TAKEN;
    if (l->attention && g->tuning.attention != ATTENTION_TILED)
        rc = l->attention(l->state, y, q, k, v, heads, scale, causal, g->stream);
    if (rc == NOT_TAKEN)
        rc = gpu_attention(y, q, k, v, heads, scale, causal, g->stream);
    done(g, rc, "attention", cost_attention(y, q, k, v, causal));
}

static void concat(struct ops *o, struct tensor *y, const struct tensor *a, const struct tensor *b)
{
    struct gpu *g = gpu_of(o);
    if (g->failed)
        return;
    check_concat(y, a, b);
    done(g, gpu_concat(y, a, b, g->stream), "concat", cost_move(y, a, b, 0));
}

static void embedding(struct ops *o, struct tensor *y, const int32_t *ids,
                      const struct weight *table, const struct weight *positions)
{
    struct gpu *g = gpu_of(o);
    size_t bytes = (size_t)tensor_rows(y) * sizeof *ids;
    if (!ready(g, table) || !ready(g, positions))
        return;
    check_embedding(y, ids, &table->s, &positions->s);
    void *on_device = gpu_grow(g, &g->raw, &g->raw_bytes, bytes);
    if (on_device)
        gpu_put(g, on_device, ids, bytes);
    if (!g->failed)
        done(g, gpu_embedding(y, on_device, table->w, positions->w, g->stream), "embedding",
             cost_embedding(y, table->bytes / (size_t)table->s.in));
}

static void copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    struct gpu *g = gpu_of(o);
    if (g->failed)
        return;
    check_copy(y, x);
    done(g, gpu_copy(y, x, 1, g->stream), "copy", cost_move(y, x, NULL, 0));
}

static void map(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f, float a,
                float b)
{
    struct gpu *g = gpu_of(o);
    if (g->failed)
        return;
    check_map(y, x, f, a);
    done(g, gpu_map(y, x, f, a, b, g->stream), "map", cost_move(y, x, NULL, 0));
}

static void combine(struct ops *o, struct tensor *y, int count, const float *k,
                    const struct tensor *const *x)
{
    struct gpu *g = gpu_of(o);
    if (g->failed)
        return;
    check_combine(y, count, x);
    int rc;
    if (g->turn.now == TURN_RECORD) { /* a graph's factors lie on the device */
        const float *at = gpu_turn_numbers(g, k, count);
        rc = at ? gpu_combine_at(y, count, at, x, g->stream) : 0;
    } else {
        rc = gpu_combine(y, count, k, x, g->stream);
    }
    done(g, rc, "combine", cost_move(y, NULL, NULL, (size_t)count * tensor_bytes(y)));
}

static void blend(struct ops *o, struct tensor *y, const struct tensor *a, const struct tensor *b,
                  const struct tensor *mask)
{
    struct gpu *g = gpu_of(o);
    if (g->failed)
        return;
    check_blend(y, a, b, mask);
    done(g, gpu_blend(y, a, b, mask, g->stream), "blend", cost_move(y, a, b, tensor_bytes(mask)));
}

static void match_std(struct ops *o, struct tensor *y, const struct tensor *like, float share)
{
    struct gpu *g = gpu_of(o);
    if (g->failed)
        return;
    check_match_std(y, like, share);
    done(g, gpu_match_std(y, like, share, g->stream), "match_std", cost_move(y, y, like, 0));
}

/* -- the backend --------------------------------------------------------------------------------
 */

static void tune(struct ops *o, const struct tuning *t)
{
    struct gpu *g = gpu_of(o);
    g->tuning = *t;
    if (g->library.tune)
        g->library.tune(g->library.state, t);
}

static int sync_all(struct ops *o, struct err *err)
{
    struct gpu *g = gpu_of(o);
    gpu_ok(g, stream_wait(g->stream), "computing");
    if (!g->failed)
        return 0;
    g->failed = false;
    return err_pass(err, &g->err);
}

static size_t device_now(const struct gpu *g)
{
    const struct gpu_library *l = &g->library;
    size_t now = g->weight_bytes + g->slab_bytes + g->scratch_bytes + g->raw_bytes;
    now += g->merged_bytes;
    now += l->held ? l->held(l->state) : 0;
    now += g->window.data ? g->window.room : 0;
    return g->slab ? now : now + arena_now(&g->arena);
}

static void stats(struct ops *o, struct ops_stats *s)
{
    struct gpu *g = gpu_of(o);
    size_t now = device_now(g);
    g->device_peak = now > g->device_peak ? now : g->device_peak;
    *s = (struct ops_stats){
        .flops = g->cost.flops,
        .bytes_moved = g->cost.bytes,
        .weight_bytes = g->weight_bytes,
        .arena_peak = arena_peak(&g->arena) + g->scratch_bytes,
        .arena_now = arena_now(&g->arena),
        .scratch_bytes = g->scratch_bytes,
        .device_now = now,
        .device_peak = g->device_peak,
        .recordings = g->recordings,
        .replays = g->replays,
    };
}

static void close_all(struct ops *o)
{
    struct gpu *g = gpu_of(o);
    gpu_looking_close(g);
    if (g->stream)
        stream_wait(g->stream); /* graphs may be running */
    gpu_turns_close(g);
    gpu_window_close(g);
    if (g->library.close)
        g->library.close(g->library.state);
    while (g->strays > 0)
        device_free(g->stray[--g->strays].data, g->stream);
    device_free(g->slab, g->stream);
    device_free(g->raw, g->stream);
    device_free(g->merged, g->stream);
    device_free(g->scratch, g->stream);
    if (g->stream)
        stream_wait(g->stream);
    gpu_staging_close(g);
    stream_close(g->stream);
    free(g->stray);
    free(g);
}

static const struct ops gpu_table = {
    .name = "cuda",
    .pack_linear = gpu_pack_linear,
    .pack_conv = gpu_pack_conv,
    .pack_norm = gpu_pack_norm,
    .pack_table = gpu_pack_table,
    .free_weight = gpu_free_weight,
    .no_weight = gpu_no_weight,
    .swap_weights = gpu_swap_weights,
    .takes_changes = true,
    .alloc_as = alloc_as,
    .release = release,
    .reserve = reserve,
    .upload = upload,
    .download = download,
    .linear = linear,
    .geglu = geglu,
    .conv2d = conv2d,
    .group_norm = group_norm,
    .layer_norm = layer_norm,
    .attention = attention,
    .concat = concat,
    .embedding = embedding,
    .copy = copy,
    .combine = combine,
    .park = gpu_park,
    .unpark = gpu_unpark,
    .turn_begin = gpu_turn_begin,
    .turn_end = gpu_turn_end,
    .mark = gpu_mark,
    .send = gpu_send,
    .send_rgb = gpu_send_rgb,
    .watch = gpu_watch,
    .bad = gpu_bad,
    .pixels = gpu_bytes,
    .passed = gpu_passed,
    .sent = gpu_sent,
    .blend = blend,
    .map = map,
    .match_std = match_std,
    .tune = tune,
    .sync = sync_all,
    .stats = stats,
    .close = close_all,
};

static int open_parts(struct gpu *g)
{
    int rc = stream_open(&g->stream);
    return rc ? rc : gpu_staging_open(g);
}

#pragma weak gpu_range_on /* left out of builds that run without CUDA */

struct ops *gpu_open(enum dtype act, int index, const struct gpu_library *library, struct err *err)
{
    struct gpu *g = calloc(1, sizeof *g);
    struct stray *stray = calloc(ARENA_BLOCKS, sizeof *stray);
    if (!g || !stray) {
        err_set(err, "no memory for the CUDA backend");
        if (library && library->close)
            library->close(library->state);
        free(g);
        free(stray);
        return NULL;
    }
    g->ops = gpu_table;
    g->ops.act = act;
    g->ops.stream = act == DT_F16 ? DT_F16 : DT_F32;
    g->turn.next = TURN_NOTE;
    if (gpu_range_on)
        gpu_range_on(&g->ops);
    g->stray = stray;
    if (library)
        g->library = *library;
    arena_init_virtual(&g->arena);
    int rc = device_open(index, &g->info, err);
    if (rc == 0)
        device_settle(index);
    if (rc == 0 && !gpu_ok(g, open_parts(g), "start"))
        rc = err_set(err, "%s", g->err.text);
    if (rc != 0) {
        close_all(&g->ops);
        return NULL;
    }
    return &g->ops;
}
