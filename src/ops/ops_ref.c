/*
 * The reference backend: every call of ops.h in the plainest loops that do it, with sums in double.
 *
 * This is what the other backends are measured against, and the place to read what a call means.
 * Everything works a row at a time (a row is the channels of one token): rows come in as f32
 * whatever their type, sums and functions are double, and a value is rounded once, when its row is
 * stored. Weights are kept as [tap][in][out], so that the innermost loop of linear and convolution
 * is one and the same: it adds x[i] times a contiguous row of weights to a row of sums.
 *
 * With act == DT_BF16 linear, convolution and table weights are rounded to bf16 too: the same
 * numbers that a bf16 backend starts from, without its rounding inside.
 *
 * A few rows of scratch grow by realloc, outside the arena: the one exception to "no malloc inside
 * a step". One thread.
 */
#include "ops/ref_backend.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* -- memory -------------------------------------------------------------------------------------
 */

static struct tensor ref_alloc_as(struct ops *o, enum dtype dtype, int n, int h, int w, int c)
{
    struct ref *r = ref_of(o);
    struct tensor t = {NULL, dtype, n, h, w, c, c};
    size_t bytes = tensor_size_checked(dtype, n, h, w, c);
    if (!r->failed && bytes)
        t.data = arena_alloc(&r->arena, bytes);
    if (!t.data)
        fail(r, "activations");
    return t;
}

static void ref_release(struct ops *o, struct tensor *t)
{
    if (t->data)
        arena_free(&ref_of(o)->arena, t->data);
    t->data = NULL;
}

static int ref_reserve(struct ops *o, size_t bytes, struct err *err)
{
    return arena_reserve(&ref_of(o)->arena, bytes, err);
}

static void ref_upload(struct ops *o, struct tensor *dst, const float *src)
{
    if (!begin(ref_of(o), 0))
        return;
    assert(tensor_dense(dst));
    for (int64_t i = 0; i < tensor_count(dst); i++)
        store_f32(dst->data, dst->dtype, i, src[i]);
}

static void ref_download(struct ops *o, float *dst, const struct tensor *src)
{
    if (!begin(ref_of(o), 0))
        return;
    assert(tensor_dense(src));
    for (int64_t i = 0; i < tensor_count(src); i++)
        dst[i] = load_f32(src->data, src->dtype, i);
}

/* -- linear and convolution ---------------------------------------------------------------------
 */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double gelu(double x)
{
    return x * 0.5 * (1 + erf(x * sqrt(0.5)));
}

static double activate(enum act act, double x)
{
    switch (act) {
    case ACT_SILU:
        return x * sigmoid(x);
    case ACT_GELU:
        return gelu(x);
    case ACT_QUICK_GELU:
        return x * sigmoid(1.702 * x);
    case ACT_NONE:
        break;
    }
    return x;
}

static void set_bias(double *acc, const struct weight *w)
{
    for (int o = 0; o < w->s.out; o++)
        acc[o] = w->b ? w->b[o] : 0;
}

/* acc[o] += sum_i x[i] w[i][o] */
static void add_product(double *restrict acc, const float *restrict x, const float *restrict w,
                        int in, int out)
{
    for (int i = 0; i < in; i++) {
        double xi = x[i];
        const float *wi = w + (int64_t)i * out;
        for (int o = 0; o < out; o++)
            acc[o] += xi * wi[o];
    }
}

static void ref_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, enum act act, const struct tensor *residual)
{
    struct ref *r = ref_of(o);
    if (!begin(r, max64(w->s.in, w->s.out)))
        return;
    check_linear(y, x, &w->s, false, residual);
    for (int64_t i = 0; i < tensor_rows(y); i++) {
        set_bias(r->acc, w);
        add_product(r->acc, row(x, i, r->row[0]), w->w, w->s.in, w->s.out);
        for (int c = 0; c < w->s.out; c++)
            r->acc[c] = activate(act, r->acc[c]);
        if (residual)
            add_row(r->acc, residual, i, r->row[0]);
        store(y, i, 0, y->c, r->acc);
    }
    count(r, cost_linear(y, x, w->s.out, w->bytes, residual));
}

static void ref_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                      const struct weight *w)
{
    struct ref *r = ref_of(o);
    if (!begin(r, max64(w->s.in, w->s.out)))
        return;
    check_linear(y, x, &w->s, true, NULL);
    for (int64_t i = 0; i < tensor_rows(y); i++) {
        set_bias(r->acc, w);
        add_product(r->acc, row(x, i, r->row[0]), w->w, w->s.in, w->s.out);
        for (int c = 0; c < y->c; c++)
            r->acc[c] *= gelu(r->acc[y->c + c]);
        store(y, i, 0, y->c, r->acc);
    }
    count(r, cost_linear(y, x, w->s.out, w->bytes, NULL));
}

/* Where a convolution reads at i along a side of `size`, padding included: an index of the input,
 * or -1 for a zero. `size` is that of the doubled input with upsample. */
static int source(int i, int size, bool upsample, bool circular)
{
    if (i < 0 || i >= size) {
        if (!circular)
            return -1;
        i = (i % size + size) % size;
    }
    return upsample ? i / 2 : i;
}

struct conv {
    const struct tensor *x;
    const struct weight *weight;
    const struct conv_args *args;
    int h, w; /* of what is seen */
};

/* r->acc = bias + the products for output pixel (oy, ox) of image n. */
static void conv_pixel(struct ref *r, const struct conv *c, int n, int oy, int ox)
{
    const struct tensor *x = c->x;
    const struct weight *wt = c->weight;
    const struct conv_args *a = c->args;
    int k = wt->s.k;
    set_bias(r->acc, wt);
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++) {
            int y0 = oy * a->stride + ky - a->pad_before, x0 = ox * a->stride + kx - a->pad_before;
            int iy = source(y0, c->h, a->upsample, a->pad & PAD_CIRCULAR_Y);
            int ix = source(x0, c->w, a->upsample, a->pad & PAD_CIRCULAR_X);
            if (iy < 0 || ix < 0)
                continue;
            const float *in = row(x, ((int64_t)n * x->h + iy) * x->w + ix, r->row[0]);
            const float *tap = wt->w + (int64_t)(ky * k + kx) * wt->s.in * wt->s.out;
            add_product(r->acc, in, tap, wt->s.in, wt->s.out);
        }
}

static void ref_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w, const struct conv_args *a)
{
    struct ref *r = ref_of(o);
    if (!begin(r, max64(w->s.in, w->s.out)))
        return;
    check_conv(y, x, &w->s, a);
    const struct conv conv = {.x = x,
                              .weight = w,
                              .args = a,
                              .h = conv_in_size(x->h, y->h, w->s.k, a),
                              .w = conv_in_size(x->w, y->w, w->s.k, a)};
    for (int64_t i = 0; i < tensor_rows(y); i++) {
        int n = (int)(i / tensor_tokens(y)), at = (int)(i % tensor_tokens(y));
        conv_pixel(r, &conv, n, at / y->w, at % y->w);
        if (a->chan_add)
            add_row(r->acc, a->chan_add, n, r->row[0]);
        for (int c = 0; c < y->c; c++)
            r->acc[c] = activate(a->act, r->acc[c]);
        if (a->residual)
            add_row(r->acc, a->residual, i, r->row[0]);
        store(y, i, 0, y->c, r->acc);
    }
    count(r, cost_conv(y, x, w->s.k * w->s.k, w->bytes, a));
}

/* -- norms --------------------------------------------------------------------------------------
 */

/* out[g] = mean of (x - from[g])^power over the tokens of image n and the channels of group g. */
static void group_moment(struct ref *r, double *out, const struct tensor *x, int n, int groups,
                         const double *from, int power)
{
    int per = x->c / groups;
    memset(out, 0, sizeof *out * (size_t)groups);
    for (int64_t i = 0; i < tensor_tokens(x); i++) {
        const float *in = row(x, n * tensor_tokens(x) + i, r->row[0]);
        for (int c = 0; c < x->c; c++) {
            double d = in[c] - (from ? from[c / per] : 0);
            out[c / per] += power == 2 ? d * d : d;
        }
    }
    for (int g = 0; g < groups; g++)
        out[g] /= (double)tensor_tokens(x) * per;
}

static void ref_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, int groups, float eps, bool silu)
{
    struct ref *r = ref_of(o);
    if (!begin(r, 2 * (int64_t)x->c))
        return;
    check_norm(y, x, &w->s, groups);
    double *mean = r->acc2, *variance = r->acc2 + groups;
    int per = x->c / groups;
    for (int n = 0; n < x->n; n++) {
        group_moment(r, mean, x, n, groups, NULL, 1);
        group_moment(r, variance, x, n, groups, mean, 2);
        for (int64_t i = 0; i < tensor_tokens(x); i++) {
            const float *in = row(x, n * tensor_tokens(x) + i, r->row[0]);
            for (int c = 0; c < x->c; c++) {
                double v = (in[c] - mean[c / per]) / sqrt(variance[c / per] + eps);
                v = v * w->w[c] + (w->b ? w->b[c] : 0);
                r->acc[c] = silu ? activate(ACT_SILU, v) : v;
            }
            store(y, n * tensor_tokens(x) + i, 0, x->c, r->acc);
        }
    }
    count(r, cost_move(y, x, NULL, w->bytes));
}

static void ref_layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, float eps)
{
    struct ref *r = ref_of(o);
    if (!begin(r, x->c))
        return;
    check_norm(y, x, &w->s, 1);
    for (int64_t i = 0; i < tensor_rows(x); i++) {
        const float *in = row(x, i, r->row[0]);
        double mean = 0, variance = 0;
        for (int c = 0; c < x->c; c++)
            mean += in[c];
        mean /= x->c;
        for (int c = 0; c < x->c; c++)
            variance += (in[c] - mean) * (in[c] - mean);
        variance /= x->c;
        for (int c = 0; c < x->c; c++)
            r->acc[c] = (in[c] - mean) / sqrt(variance + eps) * w->w[c] + (w->b ? w->b[c] : 0);
        store(y, i, 0, x->c, r->acc);
    }
    count(r, cost_move(y, x, NULL, w->bytes));
}

/* -- attention ----------------------------------------------------------------------------------
 */

/* p[j] = softmax over j of scale * q . k_j, for the keys of image n, channels [from, from + d). */
static void attend(struct ref *r, double *p, const float *q, const struct tensor *k, int n,
                   int64_t keys, int from, int d, float scale)
{
    double most = -INFINITY, sum = 0;
    for (int64_t j = 0; j < keys; j++) {
        const float *kj = slice(k, n * tensor_tokens(k) + j, from, d, r->row[1]);
        double dot = 0;
        for (int c = 0; c < d; c++)
            dot += (double)q[c] * kj[c];
        p[j] = scale * dot;
        most = p[j] > most ? p[j] : most;
    }
    for (int64_t j = 0; j < keys; j++)
        sum += p[j] = exp(p[j] - most);
    for (int64_t j = 0; j < keys; j++)
        p[j] /= sum;
}

static void ref_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                          const struct tensor *k, const struct tensor *v, int heads, float scale,
                          bool causal)
{
    struct ref *r = ref_of(o);
    int64_t queries = tensor_tokens(q), keys = tensor_tokens(k);
    if (!begin(r, max64(keys, q->c)))
        return;
    check_attention(y, q, k, v, heads, causal);
    int d = q->c / heads;
    for (int64_t i = 0; i < tensor_rows(q); i++)
        for (int from = 0; from < q->c; from += d) {
            int n = (int)(i / queries);
            int64_t seen = causal ? i % queries + 1 : keys;
            double *p = r->acc, *sum = r->acc2;
            attend(r, p, slice(q, i, from, d, r->row[0]), k, n, seen, from, d, scale);
            memset(sum, 0, sizeof *sum * (size_t)d);
            for (int64_t j = 0; j < seen; j++) {
                const float *vj = slice(v, n * keys + j, from, d, r->row[1]);
                for (int c = 0; c < d; c++)
                    sum[c] += p[j] * vj[c];
            }
            store(y, i, from, d, sum);
        }
    count(r, cost_attention(y, q, k, v, causal));
}

/* -- the backend --------------------------------------------------------------------------------
 */

/* There is one way here. */
static void ref_tune(struct ops *o, const struct tuning *t)
{
    (void)o, (void)t;
}

static int ref_sync(struct ops *o, struct err *err)
{
    struct ref *r = ref_of(o);
    if (!r->failed)
        return 0;
    r->failed = false;
    return err_pass(err, &r->err);
}

static void ref_stats(struct ops *o, struct ops_stats *s)
{
    struct ref *r = ref_of(o);
    *s = (struct ops_stats){
        .flops = r->cost.flops,
        .bytes_moved = r->cost.bytes,
        .weight_bytes = r->weight_bytes,
        .arena_peak = arena_peak(&r->arena),
        .arena_now = arena_now(&r->arena),
    };
}

static void ref_close(struct ops *o)
{
    struct ref *r = ref_of(o);
    arena_exit(&r->arena);
    free(r->acc);
    free(r->acc2);
    free(r->row[0]);
    free(r->row[1]);
    free(r);
}

static const struct ops ref_table = {
    .name = "ref",
    .pack_linear = ref_pack_linear,
    .pack_conv = ref_pack_conv,
    .pack_norm = ref_pack_norm,
    .pack_table = ref_pack_table,
    .free_weight = ref_free_weight,
    .swap_weights = ref_swap_weights,
    .alloc_as = ref_alloc_as,
    .release = ref_release,
    .reserve = ref_reserve,
    .upload = ref_upload,
    .download = ref_download,
    .linear = ref_linear,
    .geglu = ref_geglu,
    .conv2d = ref_conv2d,
    .group_norm = ref_group_norm,
    .layer_norm = ref_layer_norm,
    .attention = ref_attention,
    .concat = ref_concat,
    .embedding = ref_embedding,
    .copy = ref_copy,
    .combine = ref_combine,
    .blend = ref_blend,
    .map = ref_map,
    .match_std = ref_match_std,
    .tune = ref_tune,
    .sync = ref_sync,
    .stats = ref_stats,
    .close = ref_close,
};

struct ops *ops_ref_open(enum dtype act, struct err *err)
{
    if (act == DT_F16) {
        err_set(err, "the reference backend computes in f32 or bf16, not in f16");
        return NULL;
    }
    struct ref *r = calloc(1, sizeof *r);
    if (!r) {
        err_set(err, "no memory for the reference backend");
        return NULL;
    }
    if (arena_init(&r->arena, 0, err) != 0) {
        free(r);
        return NULL;
    }
    r->ops = ref_table;
    r->ops.act = act;
    r->ops.stream = DT_F32;
    return &r->ops;
}
