/*
 * The forecast: a backend that computes nothing and counts everything.
 *
 * It runs the same networks through the same table, with the same arena over no memory, so its
 * peak is the real one's by construction; what the named backend takes for itself during a call
 * it takes too. Tensors and weights have addresses, but none that may be looked
 * through: parameters are read by their shape alone.
 *
 * FLOPs are those of the backend it is like: the CPU's turns a doubled input under a 3x3
 * convolution into four 2x2 convolutions, the reference does all nine taps.
 */
#include "ops/dry.h"

#include <stdlib.h>
#include <string.h>

#include "ops/arena.h"
#include "ops/check.h"
#include "ops/cost.h"

struct weight {
    struct weight_shape s;
    size_t bytes;
};

struct dry {
    struct ops ops; /* first: a struct ops * of ours is a struct dry * */
    bool like_cpu;
    struct err err;
    bool failed;
    struct cost cost;
    size_t weight_bytes;
    int stages, stage; /* in use; the one that runs */
    struct dry_stage table[DRY_STAGES];
    struct arena arena;
};

static struct dry *dry_of(struct ops *o)
{
    return (struct dry *)o;
}

static void count(struct dry *d, struct cost cost)
{
    d->cost.flops += cost.flops;
    d->cost.bytes += cost.bytes;
    d->table[d->stage].flops += cost.flops;
    d->table[d->stage].bytes += cost.bytes;
}

static void fail(struct dry *d, const char *what)
{
    if (!d->failed)
        err_set(&d->err, "no memory: %s; ask for a smaller image or batch", what);
    d->failed = true;
}

/* -- weights ------------------------------------------------------------------------------------
 */

/* The CPU's bf16 holds matrices and tables in two bytes, norms and biases in four. */
static struct weight *hold(struct ops *o, struct weight_shape s)
{
    struct dry *d = dry_of(o);
    struct weight *w = calloc(1, sizeof *w);
    if (!w) {
        fail(d, "weights");
        return NULL;
    }
    bool half = d->like_cpu && o->act == DT_BF16 && s.kind != WEIGHT_NORM;
    w->s = s;
    w->bytes = (size_t)weight_count(&s) * (half ? 2 : 4) + (s.has_bias ? (size_t)s.out * 4 : 0);
    d->weight_bytes += w->bytes;
    struct dry_stage *stage = &d->table[d->stage];
    stage->weights = stage->weights > d->weight_bytes ? stage->weights : d->weight_bytes;
    return w;
}

static struct weight *dry_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                                      int count)
{
    return hold(o, linear_shape(w, b, count));
}

static struct weight *dry_pack_conv(struct ops *o, const struct param *w, const struct param *b)
{
    return hold(o, conv_shape(w, b));
}

static struct weight *dry_pack_norm(struct ops *o, const struct param *gamma,
                                    const struct param *beta)
{
    return hold(o, norm_shape(gamma, beta));
}

static struct weight *dry_pack_table(struct ops *o, const struct param *w)
{
    return hold(o, table_shape(w));
}

static void dry_free_weight(struct ops *o, struct weight *w)
{
    if (w)
        dry_of(o)->weight_bytes -= w->bytes;
    free(w);
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
    (void)o;
    memset(dst, 0, (size_t)tensor_count(src) * sizeof *dst);
}

/* -- calls --------------------------------------------------------------------------------------
 */

static void dry_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, enum act act, const struct tensor *residual)
{
    (void)act;
    if (dry_of(o)->failed)
        return;
    check_linear(y, x, &w->s, false, residual);
    count(dry_of(o), cost_linear(y, x, w->s.out, w->bytes, residual));
}

static void dry_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                      const struct weight *w)
{
    if (dry_of(o)->failed)
        return;
    check_linear(y, x, &w->s, true, NULL);
    count(dry_of(o), cost_linear(y, x, w->s.out, w->bytes, NULL));
}

static void dry_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, const struct conv_args *a)
{
    struct dry *d = dry_of(o);
    if (d->failed)
        return;
    check_conv(y, x, &w->s, a);
    bool folded = d->like_cpu && a->upsample && w->s.k == 3;
    count(d, cost_conv(y, x, folded ? 4 : w->s.k * w->s.k, w->bytes, a));
}

static void dry_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, int groups, float eps, bool silu)
{
    (void)eps, (void)silu;
    if (dry_of(o)->failed)
        return;
    check_norm(y, x, &w->s, groups);
    count(dry_of(o), cost_move(y, x, NULL, w->bytes));
}

static void dry_layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, float eps)
{
    (void)eps;
    if (dry_of(o)->failed)
        return;
    check_norm(y, x, &w->s, 1);
    count(dry_of(o), cost_move(y, x, NULL, w->bytes));
}

static void dry_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                          const struct tensor *k, const struct tensor *v, int heads, float scale,
                          bool causal)
{
    (void)scale;
    if (dry_of(o)->failed)
        return;
    check_attention(y, q, k, v, heads, causal);
    count(dry_of(o), cost_attention(y, q, k, v, causal));
}

static void dry_concat(struct ops *o, struct tensor *y, const struct tensor *a,
                       const struct tensor *b)
{
    if (dry_of(o)->failed)
        return;
    check_concat(y, a, b);
    count(dry_of(o), cost_move(y, a, b, 0));
}

static void dry_embedding(struct ops *o, struct tensor *y, const int32_t *ids,
                          const struct weight *table, const struct weight *positions)
{
    if (dry_of(o)->failed)
        return;
    check_embedding(y, ids, &table->s, &positions->s);
    count(dry_of(o), cost_embedding(y, table->bytes / (size_t)table->s.in));
}

static void dry_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    if (dry_of(o)->failed)
        return;
    check_copy(y, x);
    count(dry_of(o), cost_move(y, x, NULL, 0));
}

static void dry_combine(struct ops *o, struct tensor *y, int count_x, const float *k,
                        const struct tensor *const *x)
{
    (void)k;
    if (dry_of(o)->failed)
        return;
    check_combine(y, count_x, x);
    count(dry_of(o), cost_move(y, NULL, NULL, (size_t)count_x * tensor_bytes(y)));
}

/* -- stages -------------------------------------------------------------------------------------
 */

static bool is_dry(const struct ops *o);

/* Books the arena's reach to the stage that runs. */
static void close_lap(struct dry *d)
{
    size_t peak = arena_lap(&d->arena);
    struct dry_stage *s = &d->table[d->stage];
    s->peak = s->peak > peak ? s->peak : peak;
}

static void name_stage(struct dry_stage *s, const char *name)
{
    memset(s, 0, sizeof *s);
    strncpy(s->name, name, sizeof s->name - 1);
}

void ops_dry_stage(struct ops *o, const char *name)
{
    if (!is_dry(o))
        return;
    struct dry *d = dry_of(o);
    struct dry_stage fresh;
    name_stage(&fresh, name);
    fresh.weights = d->weight_bytes;
    close_lap(d);
    int i = 0;
    while (i < d->stages && strcmp(d->table[i].name, fresh.name) != 0)
        i++;
    assert(i < DRY_STAGES && "more stages than DRY_STAGES");
    if (i == d->stages)
        d->table[d->stages++] = fresh;
    else if (d->table[i].weights < fresh.weights)
        d->table[i].weights = fresh.weights;
    d->stage = i;
}

int ops_dry_stages(struct ops *o, struct dry_stage *stages, int max)
{
    if (!is_dry(o))
        return 0;
    struct dry *d = dry_of(o);
    close_lap(d);
    int n = 0;
    for (int i = 0; i < d->stages && n < max; i++) {
        const struct dry_stage *s = &d->table[i];
        if (i > 0 || s->bytes > 0 || s->peak > 0 || s->weights > 0)
            stages[n++] = *s;
    }
    return n;
}

/* -- the backend --------------------------------------------------------------------------------
 */

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
        .arena_peak = arena_peak(&d->arena),
        .arena_now = arena_now(&d->arena),
    };
}

static void dry_close(struct ops *o)
{
    free(o);
}

static bool is_dry(const struct ops *o)
{
    return o->close == dry_close;
}

static const struct ops dry_table = {
    .name = "dry",
    .pack_linear = dry_pack_linear,
    .pack_conv = dry_pack_conv,
    .pack_norm = dry_pack_norm,
    .pack_table = dry_pack_table,
    .free_weight = dry_free_weight,
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
    .sync = dry_sync,
    .stats = dry_stats,
    .close = dry_close,
};

struct ops *ops_dry_open(const char *like, enum dtype act, struct err *err)
{
    bool cpu = strcmp(like, "cpu") == 0;
    if (!cpu && strcmp(like, "ref") != 0) {
        err_set(err, "no forecast for a backend named '%s'; there are cpu and ref", like);
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
    d->like_cpu = cpu;
    name_stage(&d->table[0], "setup");
    d->stages = 1;
    return &d->ops;
}
