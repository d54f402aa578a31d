/*
 * The CPU backend: oneDNN for linear layers and convolutions, kernels of our own for the rest.
 *
 * Activations, and what is multiplied, are bf16 where the CPU has AMX-BF16 or AVX512-BF16, and f32
 * elsewhere; sums, norms, biases and everything elementwise are f32 always.
 *
 * What oneDNN lacks is arranged around it, so that it only ever sees plain cases:
 *  - geglu's weights are kept in segments along their outputs, and matching segments of both halves
 *    are computed for some rows at a time: the product, twice as wide as the result, never exists.
 *  - a residual is put into the output first and summed onto.
 *  - convolutions: cpu_conv.c.
 *
 * Scratch is one block that grows to what the largest call needs and stays: after the first step
 * nothing is allocated.
 */
#include "ops/cpu_backend.h"

#include <stdlib.h>

#include "base/bigmem.h"
#include "base/parallel.h"
#include "ops/cpu_norm.h"

/* -- errors and scratch ------------------------------------------------------------------------
 */

void cpu_fail(struct cpu_ops *c, const char *what)
{
    if (!c->failed)
        err_set(&c->err, "no memory: %s; ask for a smaller image or batch", what);
    err_blame(&c->err, ERR_UNFIT);
    c->failed = true;
}

/* Keeps the first error of a callee that fills one in. */
void cpu_keep(struct cpu_ops *c, int result, const struct err *e)
{
    if (result != 0 && !c->failed) {
        c->err = *e;
        err_blame(&c->err, ERR_UNFIT);
        c->failed = true;
    }
}

static void drop_staged(struct cpu_ops *c)
{
    free(c->staged);
    c->staged = NULL;
    c->staged_bytes = 0;
}

bool cpu_grow(void **at, size_t *held, size_t bytes)
{
    if (bytes <= *held)
        return true;
    free(*at);
    *at = bigmem_alloc(bytes);
    *held = *at ? bytes : 0;
    return *at != NULL;
}

void *cpu_scratch(struct cpu_ops *c, size_t bytes)
{
    if (!cpu_grow(&c->scratch, &c->scratch_bytes, bytes))
        cpu_fail(c, "scratch");
    return c->scratch;
}

void cpu_count(struct cpu_ops *c, struct cost cost)
{
    c->cost.flops += cost.flops;
    c->cost.bytes += cost.bytes;
}

bool cpu_ready(struct cpu_ops *c, const struct weight *w)
{
    struct err e = {""};
    if (!c->failed && c->ops.want)
        cpu_keep(c, c->ops.want(c->ops.want_user, w, &e), &e);
    return !c->failed;
}

/* -- memory ------------------------------------------------------------------------------------
 */

static struct tensor cpu_alloc_as(struct ops *o, enum dtype dtype, int n, int h, int w, int ch)
{
    struct cpu_ops *c = cpu_of(o);
    struct tensor t = {NULL, dtype, n, h, w, ch, ch};
    size_t bytes = tensor_size_checked(dtype, n, h, w, ch);
    if (!c->failed && bytes)
        t.data = arena_alloc(&c->arena, bytes);
    if (!t.data)
        cpu_fail(c, "activations");
    return t;
}

static void cpu_release(struct ops *o, struct tensor *t)
{
    if (t->data)
        arena_free(&cpu_of(o)->arena, t->data);
    t->data = NULL;
}

static int cpu_reserve(struct ops *o, size_t bytes, struct err *err)
{
    drop_staged(cpu_of(o));
    return arena_reserve(&cpu_of(o)->arena, bytes, err);
}

static void cpu_upload(struct ops *o, struct tensor *dst, const float *src)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    assert(tensor_dense(dst));
    cpu_convert(&c->cpu, dst->data, dst->dtype, src, DT_F32, tensor_count(dst));
}

static void cpu_download(struct ops *o, float *dst, const struct tensor *src)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    assert(tensor_dense(src));
    cpu_convert(&c->cpu, dst, DT_F32, src->data, src->dtype, tensor_count(src));
}

/* -- linear and geglu --------------------------------------------------------------------------
 */

void cpu_place(const struct cpu_ops *c, const struct tensor *y, const struct tensor *residual)
{
    if (residual && residual->data != y->data)
        cpu_convert_rows(&c->cpu, y->data, y->dtype, y->ld, residual->data, residual->dtype,
                         residual->ld, tensor_rows(y), y->c);
}

void cpu_multiply(struct cpu_ops *c, const struct weight *w, const float *bias,
                  const struct dnn_linear *rows)
{
    struct err e;
    int64_t out = w->s.out / w->segments;
    for (int i = 0; i < w->segments && !c->failed; i++) {
        struct dnn_linear call = *rows;
        call.w = w->segment[i];
        call.bias = bias ? bias + i * out : NULL;
        call.y = (char *)rows->y + (size_t)(i * out) * dtype_size(rows->y_type);
        cpu_keep(c, dnn_linear(c->dnn, &call, &e), &e);
    }
}

/* Rows that one product is made of. oneDNN splits its sums otherwise where there are few rows, and
 * those behind the last whole block otherwise than the others; so small pictures and those of odd
 * sizes are multiplied one by one: then the last bits of a picture do not depend on how many are
 * made with it, nor on which place it has among them. */
static int64_t rows_at_once(const struct tensor *x)
{
    enum { FEW = 128, BLOCK = 64 };
    int64_t tokens = tensor_tokens(x);
    return tokens <= FEW || tokens % BLOCK ? tokens : tensor_rows(x);
}

static void cpu_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, enum act act, const struct tensor *residual)
{
    struct cpu_ops *c = cpu_of(o);
    if (!cpu_ready(c, w))
        return;
    check_linear(y, x, &w->s, false, residual);
    cpu_place(c, y, residual);
    int64_t rows = tensor_rows(x), step = rows_at_once(x);
    for (int64_t r = 0; r < rows; r += step) {
        struct dnn_linear call = {.x = (char *)x->data + (size_t)(r * x->c) * dtype_size(x->dtype),
                                  .y = (char *)y->data + (size_t)(r * y->c) * dtype_size(y->dtype),
                                  .y_type = y->dtype,
                                  .rows = step,
                                  .x_ld = x->c,
                                  .y_ld = y->c,
                                  .act = act,
                                  .accumulate = residual != NULL};
        cpu_multiply(c, w, w->bias, &call);
    }
    cpu_count(c, cost_linear(y, x, w->s.out, cost_weight_bytes(&w->s, o->act), residual));
}

static void cpu_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                      const struct weight *w)
{
    struct cpu_ops *c = cpu_of(o);
    if (!cpu_ready(c, w))
        return;
    check_linear(y, x, &w->s, true, NULL);
    int64_t width = cpu_geglu_width(w->s.in, w->s.out), half = width / 2;
    int64_t rows = tensor_rows(x), most = cpu_geglu_rows(rows, width), few = rows_at_once(x);
    int64_t step = few < most ? few : most;
    int parts = w->segments == 1 ? 1 : w->segments / 2;
    /* Two segments are two dense blocks: oneDNN's fast kernels take no output with gaps, and the
     * slow ones would want the weights a second time, in another layout. */
    int64_t ld = w->segments == 1 ? width : half;
    float *both = cpu_scratch(c, cpu_geglu_scratch(rows, w->s.in, w->s.out));
    float *gate = both ? both + (w->segments == 1 ? half : most * half) : NULL;
    struct err e;
    for (int part = 0; part < parts; part++)
        for (int64_t r = 0; r < rows && !c->failed; r += step) {
            int64_t now = rows - r < step ? rows - r : step;
            size_t value = dtype_size(y->dtype);
            struct dnn_linear call = {.w = w->segment[part],
                                      .bias = w->bias ? w->bias + part * half : NULL,
                                      .x = (const char *)x->data + (size_t)(r * x->c) * value,
                                      .y = both,
                                      .y_type = DT_F32,
                                      .rows = now,
                                      .x_ld = x->c,
                                      .y_ld = ld};
            cpu_keep(c, dnn_linear(c->dnn, &call, &e), &e);
            if (w->segments > 1) {
                call.w = w->segment[parts + part];
                call.bias = w->bias ? w->bias + y->c + part * half : NULL;
                call.y = gate;
                call.second = true;
                cpu_keep(c, dnn_linear(c->dnn, &call, &e), &e);
            }
            if (!c->failed)
                cpu_gate(&c->cpu, (char *)y->data + (size_t)(r * y->c + part * half) * value,
                         y->dtype, y->c, both, gate, ld, now, half);
        }
    cpu_count(c, cost_linear(y, x, w->s.out, cost_weight_bytes(&w->s, o->act), NULL));
}

/* -- norms, attention, the rest ----------------------------------------------------------------
 */

static void cpu_group_norm_op(struct ops *o, struct tensor *y, const struct tensor *x,
                              const struct weight *w, int groups, float eps, bool silu)
{
    struct cpu_ops *c = cpu_of(o);
    if (!cpu_ready(c, w))
        return;
    check_norm(y, x, &w->s, groups);
    struct cpu_group_norm g = {.n = x->n,
                               .groups = groups,
                               .rows = tensor_tokens(x),
                               .c = x->c,
                               .x = x->data,
                               .y = y->data,
                               .x_type = x->dtype,
                               .y_type = y->dtype,
                               .gamma = w->gamma,
                               .beta = w->bias,
                               .eps = eps,
                               .silu = silu};
    void *room = cpu_scratch(c, cpu_group_norm_scratch(&c->cpu, &g));
    if (room)
        cpu_group_norm(&c->cpu, &g, room);
    cpu_count(c, cost_move(y, x, NULL, w->bytes));
}

static void cpu_layer_norm_op(struct ops *o, struct tensor *y, const struct tensor *x,
                              const struct weight *w, float eps)
{
    struct cpu_ops *c = cpu_of(o);
    if (!cpu_ready(c, w))
        return;
    check_norm(y, x, &w->s, 1);
    struct cpu_layer_norm n = {.rows = tensor_rows(x),
                               .c = x->c,
                               .x = x->data,
                               .y = y->data,
                               .x_type = x->dtype,
                               .y_type = y->dtype,
                               .gamma = w->gamma,
                               .beta = w->bias,
                               .eps = eps};
    cpu_layer_norm(&c->cpu, &n);
    cpu_count(c, cost_move(y, x, NULL, w->bytes));
}

static void cpu_attention_op(struct ops *o, struct tensor *y, const struct tensor *q,
                             const struct tensor *k, const struct tensor *v, int heads, float scale,
                             bool causal)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    check_attention(y, q, k, v, heads, causal);
    struct cpu_attention a = cpu_attention_of(y, q, k, v, heads, scale, causal);
    a.kernel = c->attention;
    a.way = c->way;
    void *room = cpu_scratch(c, cpu_attention_scratch(&c->cpu, &a));
    if (room)
        cpu_attention(&c->cpu, &a, room);
    cpu_count(c, cost_attention(y, q, k, v, causal));
}

static void cpu_concat(struct ops *o, struct tensor *y, const struct tensor *a,
                       const struct tensor *b)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    check_concat(y, a, b);
    size_t value = dtype_size(y->dtype);
    cpu_convert_rows(&c->cpu, y->data, y->dtype, y->c, a->data, a->dtype, a->c, tensor_rows(y),
                     a->c);
    cpu_convert_rows(&c->cpu, (char *)y->data + (size_t)a->c * value, y->dtype, y->c, b->data,
                     b->dtype, b->c, tensor_rows(y), b->c);
    cpu_count(c, cost_move(y, a, b, 0));
}

static void cpu_embedding(struct ops *o, struct tensor *y, const int32_t *ids,
                          const struct weight *table, const struct weight *positions)
{
    struct cpu_ops *c = cpu_of(o);
    if (!cpu_ready(c, table) || !cpu_ready(c, positions))
        return;
    check_embedding(y, ids, &table->s, &positions->s);
    cpu_embed(&c->cpu, y->data, y->dtype, ids, &(struct cpu_rows){table->table, table->held},
              &(struct cpu_rows){positions->table, positions->held}, tensor_rows(y),
              tensor_tokens(y), y->c);
    cpu_count(c, cost_embedding(y, table->bytes / (size_t)table->s.in));
}

static void cpu_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    check_copy(y, x);
    cpu_convert_rows(&c->cpu, y->data, y->dtype, y->ld, x->data, x->dtype, x->ld, tensor_rows(y),
                     y->c);
    cpu_count(c, cost_move(y, x, NULL, 0));
}

static void cpu_map_op(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f,
                       float a, float b)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    check_map(y, x, f, a);
    cpu_map(&c->cpu, &(struct cpu_map){y->data, x->data, y->dtype, x->dtype, f, a, b},
            tensor_count(y));
    cpu_count(c, cost_move(y, x, NULL, 0));
}

static void cpu_combine_op(struct ops *o, struct tensor *y, int terms, const float *k,
                           const struct tensor *const *x)
{
    struct cpu_ops *c = cpu_of(o);
    const float *values[OPS_TERMS] = {NULL};
    if (c->failed)
        return;
    check_combine(y, terms, x);
    for (int i = 0; i < terms; i++)
        values[i] = x[i]->data;
    cpu_combine(&c->cpu, y->data, terms, k, values, tensor_count(y));
    cpu_count(c, cost_move(y, NULL, NULL, (size_t)terms * tensor_bytes(y)));
}

static void cpu_blend_op(struct ops *o, struct tensor *y, const struct tensor *a,
                         const struct tensor *b, const struct tensor *mask)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    check_blend(y, a, b, mask);
    cpu_blend(y, a, b, mask);
    cpu_count(c, cost_move(y, a, b, tensor_bytes(mask)));
}

static void cpu_match_std_op(struct ops *o, struct tensor *y, const struct tensor *like,
                             float share)
{
    struct cpu_ops *c = cpu_of(o);
    if (c->failed)
        return;
    check_match_std(y, like, share);
    cpu_match_std(y, like, share);
    cpu_count(c, cost_move(y, y, like, 0));
}

/* -- the backend -------------------------------------------------------------------------------
 */

static void cpu_tune(struct ops *o, const struct tuning *t)
{
    cpu_of(o)->way = t->attention;
    cpu_of(o)->fold = t->fold != TUNE_OFF;
    cpu_of(o)->weights = t->weights;
    cpu_of(o)->planes = t->nhwc == TUNE_OFF;
    cpu_of(o)->winograd = cpu_winograd_on(o->act, &cpu_of(o)->cpu.features, t->winograd, t->nhwc);
    dnn_plan_planes(cpu_of(o)->dnn, cpu_of(o)->planes);
}

static int cpu_sync(struct ops *o, struct err *err)
{
    struct cpu_ops *c = cpu_of(o);
    if (!c->failed)
        return 0;
    c->failed = false;
    return err_pass(err, &c->err);
}

static void cpu_stats(struct ops *o, struct ops_stats *s)
{
    struct cpu_ops *c = cpu_of(o);
    *s = (struct ops_stats){
        .flops = c->cost.flops,
        .bytes_moved = c->cost.bytes,
        .weight_bytes = c->weight_bytes + dnn_weight_bytes(c->dnn),
        .arena_peak = arena_peak(&c->arena) + c->scratch_bytes + dnn_scratch_bytes(c->dnn),
        .arena_now = arena_now(&c->arena),
        .scratch_bytes = c->scratch_bytes + dnn_scratch_bytes(c->dnn),
    };
}

static void cpu_close(struct ops *o)
{
    struct cpu_ops *c = cpu_of(o);
    drop_staged(c);
    free(c->scratch);
    dnn_close(c->dnn);
    arena_exit(&c->arena);
    free(c);
}

static const struct ops cpu_table = {
    .name = "cpu",
    .pack_linear = cpu_pack_linear,
    .pack_conv = cpu_pack_conv,
    .pack_norm = cpu_pack_norm,
    .pack_table = cpu_pack_table,
    .free_weight = cpu_free_weight,
    .no_weight = cpu_no_weight,
    .swap_weights = cpu_swap_weights,
    .alloc_as = cpu_alloc_as,
    .release = cpu_release,
    .reserve = cpu_reserve,
    .upload = cpu_upload,
    .download = cpu_download,
    .linear = cpu_linear,
    .geglu = cpu_geglu,
    .conv2d = cpu_conv2d,
    .group_norm = cpu_group_norm_op,
    .layer_norm = cpu_layer_norm_op,
    .attention = cpu_attention_op,
    .concat = cpu_concat,
    .embedding = cpu_embedding,
    .copy = cpu_copy,
    .combine = cpu_combine_op,
    .blend = cpu_blend_op,
    .map = cpu_map_op,
    .match_std = cpu_match_std_op,
    .tune = cpu_tune,
    .sync = cpu_sync,
    .stats = cpu_stats,
    .close = cpu_close,
};

struct ops *ops_cpu_open(enum dtype act, int threads, struct err *err)
{
    struct cpu_features features = cpu_features();
    if (act == DT_F16 || (act == DT_BF16 && !cpu_has_bf16())) {
        err_set(err, "this CPU does not compute in %s: use --precision fp32",
                act == DT_F16 ? "fp16" : "bf16");
        return NULL;
    }
    struct cpu_ops *c = calloc(1, sizeof *c);
    if (!c) {
        err_set(err, "no memory for the CPU backend");
        return NULL;
    }
    if (arena_init(&c->arena, 0, err) != 0) {
        free(c);
        return NULL;
    }
    c->ops = cpu_table;
    c->ops.act = act;
    c->ops.stream = DT_F32;
    c->cpu.features = features;
    c->cpu.threads = threads > 0 ? threads : parallel_cores();
    c->attention = cpu_attention_best(act, &features);
    c->fold = true;
    c->winograd = cpu_winograd_on(act, &features, TUNE_AUTO, TUNE_AUTO);
    parallel_set_threads(c->cpu.threads);
    c->dnn = dnn_open(act, &c->cpu, err);
    if (!c->dnn) {
        arena_exit(&c->arena);
        free(c);
        return NULL;
    }
    return &c->ops;
}
