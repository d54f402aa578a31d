/*
 * The forecast: a backend that computes nothing and counts everything.
 *
 * It runs the same networks through the same table, with the same arena over no memory, so its
 * peak is the real one's by construction. The CPU backend's scratch, one block that grows to what
 * the largest call needs, comes from the functions that the backend itself asks (cpu_sizes.h and
 * the kernels' headers); only oneDNN's own scratchpad, which no one outside it knows, is left out.
 *
 * Tensors and weights have addresses, but none that may be looked through: parameters are read by
 * their shape alone.
 */
#include "ops/dry_priv.h"

#include <stdlib.h>
#include <string.h>

#include "ops/check.h"
#include "base/parallel.h"
#include "ops/cpu_norm.h"
#include "ops/cpu_sizes.h"
#include "ops/cpu_winograd.h"
#include "ops/gpu_sizes.h"

static void count(struct dry *d, struct cost cost)
{
    cost.flops *= d->times;
    cost.bytes *= d->times;
    d->cost.flops += cost.flops;
    d->cost.bytes += cost.bytes;
    d->table[d->stage].flops += cost.flops;
    d->table[d->stage].bytes += cost.bytes;
}

/* -- time ---------------------------------------------------------------------------------------
 */

/* Whether a call of these sizes was not made before. */
static bool is_first(struct dry *d, const struct rate_call *c)
{
    uint64_t mark = 1469598103934665603u ^ (uint64_t)c->kind;
    for (int i = 0; i < RATE_SIZES; i++)
        mark = (mark ^ (uint64_t)c->size[i]) * 1099511628211u;
    mark |= 1;
    uint64_t i = mark * 0x9e3779b97f4a7c15u >> 52;
    while (d->seen[i % SEEN] && d->seen[i % SEEN] != mark)
        i++;
    bool first = !d->seen[i % SEEN] && d->seen_count < SEEN / 2;
    if (first) {
        d->seen[i % SEEN] = mark;
        d->seen_count++;
    }
    return first;
}

static double price(const struct dry *d, const struct rate_call *c)
{
    double pace = tuning_streams(&d->tuning) ? d->rates->stream_pace : d->rates->pace;
    return rates_ms(d->rates, c) * (pace > 0 ? pace : 1);
}

static void count_call(struct dry *d, enum rate_kind kind, int64_t a, int64_t b, int64_t c,
                       struct cost cost, const struct weight *w)
{
    count(d, cost);
    if (!d->rates)
        return;
    struct rate_call call = {kind,
                             {(double)a, (double)b, (double)c},
                             cost.flops,
                             cost.bytes,
                             w ? (double)w->read_bytes : 0};
    spend(d, price(d, &call));
    if (!w || !is_first(d, &call)) /* libraries have products and convolutions */
        return;
    double once = d->rates->first_ms + (d->seen_count == 1 ? d->rates->start_ms : 0);
    spend_once(d, once);
}

static void count_moved(struct dry *d, enum rate_kind kind, struct cost cost)
{
    count(d, cost);
    if (!d->rates)
        return;
    struct rate_call call = {kind, {cost.bytes, 1, 1}, 0, cost.bytes, 0};
    spend(d, price(d, &call));
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t wide_bytes(const struct dry *d)
{
    return d->wide[0] + d->wide[1];
}

/* Weights come and go; pages of the arena and of scratch that were touched stay. */
static void look(struct dry *d)
{
    d->reach = larger(d->reach, d->arena.top);
    d->most = larger(d->most,
                     d->weight_bytes + wide_bytes(d) + d->staged + d->reach + d->call_scratch);
}

/* The CPU backend's scratch grows to `bytes`. */
static void scratch(struct dry *d, size_t bytes)
{
    d->scratch = larger(d->scratch, bytes);
    d->call_scratch = larger(d->call_scratch, bytes);
    look(d);
}

static void fail(struct dry *d, const char *what)
{
    if (!d->failed)
        err_set(&d->err, "no memory: %s; ask for a smaller image or batch", what);
    d->failed = true;
}

/* -- weights ------------------------------------------------------------------------------------
 */

static void hold_bytes(struct dry *d, size_t bytes)
{
    struct dry_stage *stage = &d->table[d->stage];
    d->weight_bytes += bytes;
    look(d);
    stage->weights = stage->weights > d->weight_bytes ? stage->weights : d->weight_bytes;
    if (d->rates)
        spend_once(d, (double)bytes / (d->rates->load_bytes_ms > 0 ? d->rates->load_bytes_ms
                                                                   : d->rates->pack_bytes_ms));
}

/* Of a weight whose values are of the act type or, where the CPU backend holds it narrower, not. */
static void hold_like_cpu(struct dry *d, struct weight *w, enum dtype held)
{
    const struct weight_shape *s = &w->s;
    size_t full = w->bytes, count = (size_t)weight_count(s);
    if (s->kind == WEIGHT_NORM)
        return;
    w->bytes -= count * (dtype_size(d->ops.act) - dtype_size(held));
    if (s->kind == WEIGHT_TABLE)
        return;
    d->staged = larger(d->staged, full); /* on its way into its layout */
    size_t packed = cpu_packed_count(s->out, s->in, s->k, d->ops.act, &d->cpu.features);
    w->parts_bytes = (packed - count) * dtype_size(held);
    if (held == d->ops.act)
        return;
    w->read_bytes = w->bytes + 2 * full;
    int segments = s->k == 1 ? cpu_linear_segments(s->in, s->out) : 1;
    size_t each = packed * dtype_size(d->ops.act) / (size_t)segments;
    for (int i = 0; i < (segments > 1 ? 2 : 1); i++)
        d->wide[i] = larger(d->wide[i], each);
}

/* held: what the values are kept as, where it is like the CPU's. */
static struct weight *hold(struct ops *o, struct weight_shape s, enum dtype held)
{
    struct dry *d = dry_of(o);
    struct weight *w = calloc(1, sizeof *w);
    if (!w) {
        fail(d, "weights");
        return NULL;
    }
    w->s = s;
    w->bytes = cost_weight_bytes(&s, d->like_cpu || d->like_cuda ? o->act : DT_F32);
    if (d->like_cuda && s.has_bias && o->act != DT_F32 && s.kind != WEIGHT_NORM)
        w->parts_bytes = (size_t)s.out * dtype_size(o->act); /* the bias for the libraries */
    w->read_bytes = w->bytes;
    if (d->like_cpu)
        hold_like_cpu(d, w, held);
    hold_bytes(d, w->bytes + w->parts_bytes);
    return w;
}

static struct weight *dry_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                                      int count)
{
    struct weight_shape s = linear_shape(w, b, count);
    return hold(o, s, cpu_held_as(o->act, dry_of(o)->tuning.weights, w, count, weight_count(&s)));
}

static struct weight *dry_pack_conv(struct ops *o, const struct param *w, const struct param *b)
{
    struct weight_shape s = conv_shape(w, b);
    return hold(o, s, cpu_held_as(o->act, dry_of(o)->tuning.weights, w, 1, weight_count(&s)));
}

static struct weight *dry_pack_norm(struct ops *o, const struct param *gamma,
                                    const struct param *beta)
{
    return hold(o, norm_shape(gamma, beta), o->act);
}

static struct weight *dry_pack_table(struct ops *o, const struct param *w)
{
    struct weight_shape s = table_shape(w);
    return hold(o, s, cpu_held_as(o->act, dry_of(o)->tuning.weights, w, 1, weight_count(&s)));
}

static void dry_free_weight(struct ops *o, struct weight *w)
{
    if (w)
        dry_of(o)->weight_bytes -= w->bytes + w->parts_bytes;
    free(w);
}

static struct weight *dry_no_weight(struct ops *o)
{
    struct weight *w = calloc(1, sizeof *w);
    if (!w)
        fail(dry_of(o), "weights");
    return w;
}

static void dry_swap_weights(struct ops *o, struct weight *a, struct weight *b)
{
    struct weight was = *a;
    (void)o;
    *a = *b;
    *b = was;
}

/* -- memory -------------------------------------------------------------------------------------
 */

static struct tensor dry_alloc_as(struct ops *o, enum dtype dtype, int n, int h, int w, int c)
{
    struct dry *d = dry_of(o);
    struct tensor t = {NULL, dtype, n, h, w, c, c};
    size_t bytes = tensor_size_checked(dtype, n, h, w, c);
    if (!d->failed && bytes)
        t.data = arena_alloc(&d->arena, bytes);
    if (!t.data)
        fail(d, "activations");
    look(d);
    return t;
}

static void dry_release(struct ops *o, struct tensor *t)
{
    if (t->data)
        arena_free(&dry_of(o)->arena, t->data);
    t->data = NULL;
}

static int dry_reserve(struct ops *o, size_t bytes, struct err *err)
{
    (void)o, (void)bytes, (void)err;
    return 0;
}

static void dry_upload(struct ops *o, struct tensor *dst, const float *src)
{
    (void)o, (void)dst, (void)src;
}

static void dry_download(struct ops *o, float *dst, const struct tensor *src)
{
    size_t some = (size_t)tensor_count(src); /* of pictures of any size, so many are defined */
    (void)o;
    memset(dst, 0, (some < DRY_DOWNLOAD ? some : DRY_DOWNLOAD) * sizeof *dst);
}

/* Whether a call can be made: nothing has failed, and its weight is there. */
static bool ready(struct dry *d, const struct weight *w)
{
    struct err e = {""};
    if (!d->failed && d->ops.want && d->ops.want(d->ops.want_user, w, &e) < 0) {
        d->err = e;
        d->failed = true;
    }
    return !d->failed;
}

/* -- calls --------------------------------------------------------------------------------------
 */

static void dry_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, enum act act, const struct tensor *residual)
{
    (void)act;
    if (!ready(dry_of(o), w))
        return;
    check_linear(y, x, &w->s, false, residual);
    count_call(dry_of(o), RATE_LINEAR, tensor_rows(x), x->c, w->s.out,
               cost_linear(y, x, w->s.out, w->bytes, residual), w);
}

static void dry_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                      const struct weight *w)
{
    struct dry *d = dry_of(o);
    if (!ready(dry_of(o), w))
        return;
    check_linear(y, x, &w->s, true, NULL);
    if (d->like_cpu)
        scratch(d, cpu_geglu_scratch(tensor_rows(x), w->s.in, w->s.out));
    if (d->like_cuda) { /* h and g, before they become one */
        struct tensor both = ops_alloc_like(o, x, w->s.out);
        dry_release(o, &both);
    }
    count_call(d, RATE_GEGLU, tensor_rows(x), x->c, w->s.out,
               cost_linear(y, x, w->s.out, w->bytes, NULL), w);
}

/* The four 2x2 kernels that a backend makes of a 3x3 one when it first doubles with it, and keeps.
 */
static void hold_parts(struct dry *d, const struct weight *w)
{
    struct weight *own = (struct weight *)w; /* we made it; to callers its values are constant */
    size_t bytes = (size_t)w->s.in * (size_t)w->s.out * 16 * dtype_size(d->ops.act);
    if (own->in_parts)
        return;
    own->in_parts = true;
    own->parts_bytes += bytes;
    hold_bytes(d, bytes);
}

static void hold_filters(struct dry *d, const struct weight *w)
{
    struct weight *own = (struct weight *)w;
    size_t bytes = cpu_packed_count(w->s.out, w->s.in, 1, d->ops.act, &d->cpu.features) *
                   WINOGRAD_PARTS * dtype_size(d->ops.act);
    if (own->in_filters)
        return;
    own->in_filters = true;
    own->parts_bytes += bytes;
    hold_bytes(d, bytes);
}

static void dry_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, const struct conv_args *a)
{
    struct dry *d = dry_of(o);
    if (!ready(dry_of(o), w))
        return;
    check_conv(y, x, &w->s, a);
    bool fold = d->tuning.fold != TUNE_OFF;
    bool parts = cpu_conv_by_parts(y, x, w->s.k, a, fold); /* on GPUs for these as well */
    if ((d->like_cpu || d->like_cuda) && parts)
        hold_parts(d, w);
    bool planes = d->tuning.nhwc == TUNE_OFF;
    bool winograd = d->like_cpu &&
                    cpu_conv_winograd(y, x, w->s.k, a,
                                      cpu_winograd_on(o->act, &d->cpu.features, d->tuning.winograd,
                                                      d->tuning.nhwc));
    if (winograd) {
        hold_filters(d, w);
        scratch(d, cpu_conv_bias_bytes(y, a) + cpu_winograd_bytes(y, x));
    } else if (d->like_cpu)
        scratch(d, cpu_conv_bias_bytes(y, a) + cpu_conv_room_bytes(y, x, w->s.k, a, fold) +
                       (planes ? cpu_conv_planes_bytes(y, x, w->s.k, a, fold) : 0));
    int taps = winograd ? 4 : d->like_cpu ? cpu_conv_taps(y, x, w->s.k, a, fold) : w->s.k * w->s.k;
    enum rate_kind kind = a->upsample ? RATE_CONV_DOUBLED : w->s.k == 1 ? RATE_CONV1 : RATE_CONV3;
    count_call(d, kind, tensor_rows(y), x->c, y->c, cost_conv(y, x, taps, w->bytes, a), w);
}

static void dry_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, int groups, float eps, bool silu)
{
    (void)eps, (void)silu;
    struct dry *d = dry_of(o);
    if (!ready(dry_of(o), w))
        return;
    check_norm(y, x, &w->s, groups);
    struct cpu_group_norm g = {.n = x->n, .groups = groups, .rows = tensor_tokens(x), .c = x->c};
    if (d->like_cpu)
        scratch(d, cpu_group_norm_scratch(&d->cpu, &g));
    if (d->like_cuda)
        scratch(d, gpu_group_norm_bytes(x->n, groups));
    count_moved(d, RATE_GROUP_NORM, cost_move(y, x, NULL, w->bytes));
}

static void dry_layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, float eps)
{
    (void)eps;
    if (!ready(dry_of(o), w))
        return;
    check_norm(y, x, &w->s, 1);
    count_moved(dry_of(o), RATE_LAYER_NORM, cost_move(y, x, NULL, w->bytes));
}

static void dry_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                          const struct tensor *k, const struct tensor *v, int heads, float scale,
                          bool causal)
{
    struct dry *d = dry_of(o);
    if (d->failed)
        return;
    check_attention(y, q, k, v, heads, causal);
    struct cpu_attention a = cpu_attention_of(y, q, k, v, heads, scale, causal);
    a.kernel = d->attention;
    a.way = d->tuning.attention;
    if (d->like_cpu)
        scratch(d, cpu_attention_scratch(&d->cpu, &a));
    count_call(d, RATE_ATTENTION, tensor_tokens(q), tensor_tokens(k), q->c / heads,
               cost_attention(y, q, k, v, causal), NULL);
}

static void dry_concat(struct ops *o, struct tensor *y, const struct tensor *a,
                       const struct tensor *b)
{
    if (dry_of(o)->failed)
        return;
    check_concat(y, a, b);
    count_moved(dry_of(o), RATE_MOVE, cost_move(y, a, b, 0));
}

static void dry_embedding(struct ops *o, struct tensor *y, const int32_t *ids,
                          const struct weight *table, const struct weight *positions)
{
    if (!ready(dry_of(o), table) || !ready(dry_of(o), positions))
        return;
    check_embedding(y, ids, &table->s, &positions->s);
    count_moved(dry_of(o), RATE_MOVE, cost_embedding(y, table->bytes / (size_t)table->s.in));
}

static void dry_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    if (dry_of(o)->failed)
        return;
    check_copy(y, x);
    count_moved(dry_of(o), RATE_MOVE, cost_move(y, x, NULL, 0));
}

static void dry_map(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f,
                    float a, float b)
{
    (void)b;
    if (dry_of(o)->failed)
        return;
    check_map(y, x, f, a);
    count_moved(dry_of(o), RATE_MOVE, cost_move(y, x, NULL, 0));
}

static void dry_combine(struct ops *o, struct tensor *y, int count_x, const float *k,
                        const struct tensor *const *x)
{
    (void)k;
    if (dry_of(o)->failed)
        return;
    check_combine(y, count_x, x);
    count_moved(dry_of(o), RATE_MOVE, cost_move(y, NULL, NULL, (size_t)count_x * tensor_bytes(y)));
}

static void dry_blend(struct ops *o, struct tensor *y, const struct tensor *a,
                      const struct tensor *b, const struct tensor *mask)
{
    if (dry_of(o)->failed)
        return;
    check_blend(y, a, b, mask);
    count_moved(dry_of(o), RATE_MOVE, cost_move(y, a, b, tensor_bytes(mask)));
}

static void dry_match_std(struct ops *o, struct tensor *y, const struct tensor *like, float share)
{
    if (dry_of(o)->failed)
        return;
    check_match_std(y, like, share);
    count_moved(dry_of(o), RATE_MOVE, cost_move(y, y, like, 0));
}

/* -- turns: each call is counted as it comes -----------------------------------------------------
 */

static void dry_turn_begin(struct ops *o)
{
    (void)o;
}

static bool dry_turn_end(struct ops *o)
{
    (void)o;
    return true;
}

/* -- the backend --------------------------------------------------------------------------------
 */

static void dry_tune(struct ops *o, const struct tuning *t)
{
    dry_of(o)->tuning = *t;
}

static int dry_sync(struct ops *o, struct err *err)
{
    struct dry *d = dry_of(o);
    if (!d->failed)
        return 0;
    d->failed = false;
    return err_set(err, "%s", d->err.text);
}

static void dry_stats(struct ops *o, struct ops_stats *s)
{
    struct dry *d = dry_of(o);
    *s = (struct ops_stats){
        .flops = d->cost.flops,
        .bytes_moved = d->cost.bytes,
        .weight_bytes = d->weight_bytes,
        .arena_peak = arena_peak(&d->arena) + d->scratch + wide_bytes(d),
        .arena_now = arena_now(&d->arena),
        .scratch_bytes = d->scratch + wide_bytes(d),
    };
}

void dry_close(struct ops *o)
{
    free(o);
}

static const struct ops dry_table = {
    .name = "dry",
    .pack_linear = dry_pack_linear,
    .pack_conv = dry_pack_conv,
    .pack_norm = dry_pack_norm,
    .pack_table = dry_pack_table,
    .free_weight = dry_free_weight,
    .no_weight = dry_no_weight,
    .swap_weights = dry_swap_weights,
    .alloc_as = dry_alloc_as,
    .release = dry_release,
    .reserve = dry_reserve,
    .upload = dry_upload,
    .download = dry_download,
    .linear = dry_linear,
    .geglu = dry_geglu,
    .conv2d = dry_conv2d,
    .group_norm = dry_group_norm,
    .layer_norm = dry_layer_norm,
    .attention = dry_attention,
    .concat = dry_concat,
    .embedding = dry_embedding,
    .copy = dry_copy,
    .combine = dry_combine,
    .blend = dry_blend,
    .map = dry_map,
    .match_std = dry_match_std,
    .tune = dry_tune,
    .sync = dry_sync,
    .stats = dry_stats,
    .close = dry_close,
};

struct ops *ops_dry_open(const char *like, enum dtype act, struct err *err)
{
    bool cpu = strcmp(like, "cpu") == 0, cuda = strcmp(like, "cuda") == 0;
    if (!cpu && !cuda && strcmp(like, "ref") != 0) {
        err_set(err, "no forecast for a backend named '%s'; there are cpu, cuda and ref", like);
        return NULL;
    }
    struct dry *d = calloc(1, sizeof *d);
    if (!d) {
        err_set(err, "no memory for the forecast");
        return NULL;
    }
    arena_init_virtual(&d->arena);
    d->ops = dry_table;
    d->ops.act = act;
    d->ops.stream = act == DT_F16 ? DT_F16 : DT_F32;
    d->like_cpu = cpu;
    d->like_cuda = cuda;
    if (cuda) {
        d->ops.takes_changes = true;
        d->ops.turn_begin = dry_turn_begin;
        d->ops.turn_end = dry_turn_end;
    }
    d->cpu = (struct cpu){cpu_features(), parallel_cores()};
    d->attention = cpu_attention_best(act, &d->cpu.features);
    dry_name_stage(&d->table[0], "setup");
    d->times = 1;
    d->stages = 1;
    return &d->ops;
}
