/*
 * Runs one case of op_cases.h on a backend and compares with the reference.
 *
 * The inputs come from the number of the case alone, so two runs, on any two backends, see the
 * same. They are rounded to the type of the tested backend's activations first: the reference, in
 * f32, then starts from the very same numbers, and what is measured is the backend's own error. It
 * is the norm of the difference over the norm of the reference's result.
 *
 * Every run also checks: outputs are filled with NaN before, so that what is not written is seen;
 * the memory behind the output and around a view stays as it was; nothing of the arena stays in
 * use.
 *
 * No test library in here: the GPU's test has none.
 */
#ifndef SPRITTY_OP_RUN_H
#define SPRITTY_OP_RUN_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "op_cases.h"
#include "ops/half.h"

enum { RIG_SLOTS = 16, RIG_GUARD = 16 };

enum rig_type { RIG_ACT, RIG_F32 }; /* the backend's type of activations, or always f32 */

/* What a run holds: freed together at its end. */
struct rig {
    struct ops *o;
    const struct op_case *c;
    enum dtype rounding; /* of the tested backend's activations */
    bool broken;         /* an error waits while the call is made */
    uint32_t seed;
    char why[256]; /* what is wrong besides the values; empty: nothing */
    float *out;    /* the result */
    float *before; /* broken: what the output held before the call */
    int64_t count;
    size_t weight_bytes; /* held after the call */
    /* owned */
    struct tensor tensor[RIG_SLOTS];
    enum rig_type type[RIG_SLOTS];
    struct weight *weight[RIG_SLOTS];
    void *memory[RIG_SLOTS];
    int tensors, weights, memories;
    struct tensor *guard; /* lies behind the output, full of 7 */
};

/* -- inputs -------------------------------------------------------------------------------------
 */

static inline uint32_t rig_bits(struct rig *g)
{
    g->seed = g->seed * 1664525u + 1013904223u;
    return g->seed >> 16;
}

/* About normal: four uniforms, scaled to variance 1. */
static inline float rig_normal(struct rig *g)
{
    float sum = 0;
    for (int i = 0; i < 4; i++)
        sum += (float)rig_bits(g) / 65536.0f - 0.5f;
    return sum * 1.7320508f;
}

static inline void *rig_memory(struct rig *g, size_t bytes)
{
    void *p = malloc(bytes);
    if (!p || g->memories == RIG_SLOTS)
        abort();
    return g->memory[g->memories++] = p;
}

static inline float rig_round(float f, enum dtype t)
{
    if (t == DT_F32)
        return f;
    return t == DT_BF16 ? f32_from_bf16(bf16_from_f32(f)) : f32_from_f16(f16_from_f32(f));
}

/* Parameters of any stored type hold the same values: rounded to bf16, and 0 where f16 has
 * denormals, unless both sides are f32. */
static inline float rig_round_param(const struct rig *g, float f)
{
    if (g->rounding != DT_F32)
        f = fabsf(f) < 0x1p-14f ? 0 : rig_round(f, g->rounding);
    return f;
}

/* Random parameters, about normal times gain plus mean; unaligned: at an odd address. */
static inline struct param rig_param(struct rig *g, int rank, const int64_t *dim, float gain,
                                     float mean)
{
    struct param p = {.dtype = g->c->stored, .rank = rank};
    int64_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= p.dim[i] = dim[i];
    char *data = rig_memory(g, (size_t)count * dtype_size(p.dtype) + 1);
    data += g->c->unaligned ? 1 : 0;
    for (int64_t i = 0; i < count; i++)
        store_f32(data, p.dtype, i, rig_round_param(g, mean + gain * rig_normal(g)));
    p.data = data;
    return p;
}

static inline struct param rig_vector(struct rig *g, int64_t c, float gain, float mean)
{
    return rig_param(g, 1, &c, gain, mean);
}

static inline struct weight *rig_keep(struct rig *g, struct weight *w)
{
    if (!w)
        snprintf(g->why, sizeof g->why, "a pack call returned NULL");
    return g->weight[g->weights++] = w;
}

static inline struct tensor *rig_alloc(struct rig *g, enum rig_type t, int n, int h, int w, int c)
{
    struct tensor *slot = &g->tensor[g->tensors];
    g->type[g->tensors++] = t;
    *slot = g->o->alloc_as(g->o, t == RIG_F32 ? DT_F32 : g->o->act, n, h, w, c);
    return slot;
}

/* Random values; gain 0 fills with the mean. */
static inline struct tensor *rig_fill(struct rig *g, struct tensor *t, float gain, float mean)
{
    int64_t count = tensor_count(t);
    enum dtype rounding = g->type[t - g->tensor] == RIG_ACT ? g->rounding : DT_F32;
    float *host = malloc((size_t)count * sizeof *host);
    if (!host)
        abort();
    for (int64_t i = 0; i < count; i++)
        host[i] = rig_round(gain != 0 ? gain * rig_normal(g) + mean : mean, rounding);
    g->o->upload(g->o, t, host);
    free(host);
    return t;
}

static inline float rig_gain(const struct rig *g)
{
    return g->c->gain != 0 ? g->c->gain : 1;
}

/* An input of the case's n, h, w and this many channels. */
static inline struct tensor *rig_input(struct rig *g, enum rig_type t, int c)
{
    const struct op_case *k = g->c;
    struct tensor *x = rig_alloc(g, t, k->n ? k->n : 1, k->h, k->w ? k->w : 1, c);
    return rig_fill(g, x, rig_gain(g), k->mean);
}

/* -- the output ---------------------------------------------------------------------------------
 */

/* Full of NaN, or of values where it is a residual too. */
static inline struct tensor *rig_output(struct rig *g, enum rig_type t, int n, int h, int w, int c)
{
    struct tensor *y = rig_alloc(g, t, n, h, w, c);
    bool values = g->c->residual == RES_SELF || g->broken;
    g->guard = rig_fill(g, rig_alloc(g, RIG_F32, 1, 1, 1, RIG_GUARD), 0, 7);
    return rig_fill(g, y, values ? 1 : 0, values ? 0 : NAN);
}

static inline const struct tensor *rig_residual(struct rig *g, const struct tensor *y)
{
    if (g->c->residual == RES_SELF)
        return y;
    if (g->c->residual == RES_NONE)
        return NULL;
    enum rig_type type = g->c->f32_out ? RIG_F32 : RIG_ACT;
    return rig_fill(g, rig_alloc(g, type, y->n, y->h, y->w, y->c), 1, 0);
}

static inline float *rig_download(struct rig *g, const struct tensor *t)
{
    float *host = malloc((size_t)tensor_count(t) * sizeof *host);
    if (!host)
        abort();
    g->o->download(g->o, host, t);
    return host;
}

/* Makes an error wait, if this run is for that: an impossible size. */
static inline void rig_break(struct rig *g, const struct tensor *y)
{
    if (g->broken) {
        g->before = rig_download(g, y);
        rig_alloc(g, RIG_F32, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX);
    }
}

static inline void rig_check_guard(struct rig *g)
{
    float *host = g->guard ? rig_download(g, g->guard) : NULL;
    for (int i = 0; host && i < RIG_GUARD; i++)
        if (host[i] != 7)
            snprintf(g->why, sizeof g->why, "wrote behind the output");
    free(host);
}

/* -- one function an op: makes the inputs, calls, returns the output ----------------------------
 */

static inline struct weight *rig_linear(struct rig *g, int out)
{
    const struct op_case *c = g->c;
    int count = c->sources ? c->sources : 1;
    struct param w[4] = {0}, b[4] = {0};
    for (int s = 0; s < count; s++) {
        int64_t dim[2] = {out + s, c->c};
        if (c->transposed)
            dim[0] = c->c, dim[1] = out + s;
        w[s] = rig_param(g, 2, dim, 1 / sqrtf((float)c->c), 0);
        w[s].transposed = c->transposed;
        if (!c->no_bias)
            b[s] = rig_vector(g, out + s, 1, 0);
    }
    return rig_keep(g, g->o->pack_linear(g->o, w, b, count));
}

static inline struct tensor *run_linear(struct rig *g)
{
    const struct op_case *c = g->c;
    int sources = c->sources ? c->sources : 1;
    struct weight *w = rig_linear(g, c->out);
    struct tensor *x = rig_input(g, RIG_ACT, c->c);
    struct tensor *y = rig_output(g, c->f32_out ? RIG_F32 : RIG_ACT, x->n, x->h, x->w,
                                  sources * c->out + sources * (sources - 1) / 2);
    const struct tensor *residual = rig_residual(g, y);
    rig_break(g, y);
    g->o->linear(g->o, y, x, w, c->act, residual);
    return y;
}

static inline struct tensor *run_geglu(struct rig *g)
{
    struct weight *w = rig_linear(g, 2 * g->c->out);
    struct tensor *x = rig_input(g, RIG_ACT, g->c->c);
    struct tensor *y = rig_output(g, RIG_ACT, x->n, x->h, x->w, g->c->out);
    rig_break(g, y);
    g->o->geglu(g->o, y, x, w);
    return y;
}

static inline struct tensor *run_conv(struct rig *g)
{
    const struct op_case *c = g->c;
    int stride = c->stride ? c->stride : 1, scale = c->upsample ? 2 : 1;
    int64_t dim[4] = {c->out, c->c, c->k, c->k};
    struct param none = {0}, w = rig_param(g, 4, dim, 1 / sqrtf((float)(c->c * c->k * c->k)), 0);
    struct param b = c->no_bias ? none : rig_vector(g, c->out, 1, 0);
    struct weight *packed = rig_keep(g, g->o->pack_conv(g->o, &w, &b));
    struct tensor *x = rig_input(g, RIG_ACT, c->c);
    int pads = c->before + c->after - c->k - (c->upsample_odd ? 1 : 0);
    int h = (scale * x->h + pads) / stride + 1, wide = (scale * x->w + pads) / stride + 1;
    struct tensor *y = rig_output(g, c->f32_out ? RIG_F32 : RIG_ACT, x->n, h, wide, c->out);
    struct conv_args a = {.stride = stride,
                          .pad_before = c->before,
                          .pad_after = c->after,
                          .upsample = c->upsample,
                          .pad = c->pad,
                          .act = c->act,
                          .residual = rig_residual(g, y)};
    if (c->chan_add)
        a.chan_add = rig_fill(g, rig_alloc(g, RIG_ACT, x->n, 1, 1, c->out), 1, 0);
    rig_break(g, y);
    g->o->conv2d(g->o, y, x, packed, &a);
    return y;
}

static inline struct tensor *run_norm(struct rig *g)
{
    const struct op_case *c = g->c;
    struct param none = {0}, gamma = rig_vector(g, c->c, 0.3f, 1);
    struct param beta = c->no_bias ? none : rig_vector(g, c->c, 0.3f, 0);
    struct weight *w = rig_keep(g, g->o->pack_norm(g->o, &gamma, &beta));
    struct tensor *x = rig_input(g, c->f32_in ? RIG_F32 : RIG_ACT, c->c);
    struct tensor *y = c->in_place ? x : rig_output(g, RIG_ACT, x->n, x->h, x->w, x->c);
    rig_break(g, y);
    if (c->op == OP_GROUP_NORM)
        g->o->group_norm(g->o, y, x, w, c->groups, 1e-5f, c->silu);
    else
        g->o->layer_norm(g->o, y, x, w, 1e-5f);
    return y;
}

/* q, k and v of their own, or slices of one row, `skew` channels from its start. */
static inline struct tensor *run_attention(struct rig *g)
{
    const struct op_case *c = g->c;
    struct tensor q, k, v;
    int n = c->n ? c->n : 1, skew = c->skew;
    if (c->keys) {
        q = *rig_input(g, RIG_ACT, c->c);
        int wide = c->views ? 2 * c->c + skew : c->c;
        k = *rig_fill(g, rig_alloc(g, RIG_ACT, n, c->keys, 1, wide), 1, c->mean);
        v = c->views ? k : *rig_fill(g, rig_alloc(g, RIG_ACT, n, c->keys, 1, wide), 1, c->mean);
        if (c->views)
            k = tensor_channels(k, skew, c->c), v = tensor_channels(v, skew + c->c, c->c);
    } else if (c->views) {
        struct tensor *all = rig_input(g, RIG_ACT, 3 * c->c + 2 * skew);
        q = tensor_channels(*all, skew, c->c);
        k = tensor_channels(*all, skew + c->c, c->c);
        v = tensor_channels(*all, skew + 2 * c->c, c->c);
    } else {
        q = *rig_input(g, RIG_ACT, c->c);
        k = *rig_fill(g, rig_alloc(g, RIG_ACT, n, q.h, q.w, c->c), 1, c->mean);
        v = *rig_fill(g, rig_alloc(g, RIG_ACT, n, q.h, q.w, c->c), 1, c->mean);
    }
    struct tensor *y = rig_output(g, RIG_ACT, n, q.h, q.w, c->c);
    float scale = 1 / sqrtf((float)(c->c / c->heads));
    rig_break(g, y);
    g->o->attention(g->o, y, &q, &k, &v, c->heads, scale, c->causal);
    return y;
}

static inline struct tensor *run_concat(struct rig *g)
{
    struct tensor *a = rig_input(g, RIG_ACT, g->c->c);
    struct tensor *b = rig_input(g, RIG_ACT, g->c->out);
    struct tensor *y = rig_output(g, RIG_ACT, a->n, a->h, a->w, a->c + b->c);
    rig_break(g, y);
    g->o->concat(g->o, y, a, b);
    return y;
}

static inline struct tensor *run_embedding(struct rig *g)
{
    const struct op_case *c = g->c;
    int n = c->n ? c->n : 1;
    int64_t dim[2] = {c->out, c->c};
    struct param table = rig_param(g, 2, dim, 1, 0);
    dim[0] = c->h + 2; /* more positions than tokens */
    struct param positions = rig_param(g, 2, dim, 1, 0);
    struct weight *t = rig_keep(g, g->o->pack_table(g->o, &table));
    struct weight *p = rig_keep(g, g->o->pack_table(g->o, &positions));
    int32_t *ids = rig_memory(g, sizeof *ids * (size_t)(n * c->h));
    for (int i = 0; i < n * c->h; i++)
        ids[i] = i == 0 ? c->out - 1 : (int32_t)(rig_bits(g) % (unsigned)c->out);
    struct tensor *y = rig_output(g, RIG_ACT, n, c->h, 1, c->c);
    rig_break(g, y);
    g->o->embedding(g->o, y, ids, t, p);
    return y;
}

/* With views x is the middle of wider rows, and y too: the result is all of y's rows, 5 around. */
static inline struct tensor *run_copy(struct rig *g)
{
    const struct op_case *c = g->c;
    enum rig_type from = c->f32_in ? RIG_F32 : RIG_ACT, to = c->f32_out ? RIG_F32 : RIG_ACT;
    int skew = c->skew;
    struct tensor x = *rig_input(g, from, c->c + (c->views ? 2 * skew : 0));
    struct tensor *all = rig_alloc(g, to, x.n, x.h, x.w, c->c + (c->views ? 3 * skew : 0));
    rig_fill(g, all, c->views || g->broken ? 1 : 0, c->views || g->broken ? 5 : NAN);
    struct tensor y = *all;
    if (c->views)
        x = tensor_channels(x, skew, c->c), y = tensor_channels(y, 2 * skew, c->c);
    rig_break(g, all);
    g->o->copy(g->o, &y, &x);
    return all;
}

static inline struct tensor *run_map(struct rig *g)
{
    const struct op_case *c = g->c;
    struct tensor *x = rig_input(g, c->f32_in ? RIG_F32 : RIG_ACT, c->c), *y = x;
    if (!c->in_place)
        y = rig_output(g, c->f32_out ? RIG_F32 : RIG_ACT, x->n, x->h, x->w, x->c);
    rig_break(g, y);
    g->o->map(g->o, y, x, c->map, 3, -1);
    return y;
}

static inline struct tensor *run_combine(struct rig *g)
{
    const struct tensor *x[4];
    float k[4];
    struct tensor *y = NULL;
    for (int i = 0; i < g->c->count; i++) {
        struct tensor *t = rig_input(g, RIG_F32, g->c->c);
        k[i] = rig_normal(g);
        x[i] = t;
        y = g->c->alias == i + 1 ? t : y;
    }
    if (!y)
        y = rig_output(g, RIG_F32, x[0]->n, x[0]->h, x[0]->w, x[0]->c);
    rig_break(g, y);
    g->o->combine(g->o, y, g->c->count, k, x);
    return y;
}

static inline struct tensor *run_blend(struct rig *g)
{
    struct tensor *a = rig_input(g, RIG_F32, g->c->c), *b = rig_input(g, RIG_F32, g->c->c);
    struct tensor *mask = rig_fill(g, rig_alloc(g, RIG_F32, g->c->count, a->h, a->w, 1), 1, 0.5f);
    struct tensor *y = g->c->alias == 1 ? a : g->c->alias == 2 ? b : NULL;
    if (!y)
        y = rig_output(g, RIG_F32, a->n, a->h, a->w, a->c);
    rig_break(g, y);
    g->o->blend(g->o, y, a, b, mask);
    return y;
}

/* The inputs' gain is the share as well. */
static inline struct tensor *run_match_std(struct rig *g)
{
    struct tensor *y = rig_input(g, RIG_F32, g->c->c);
    struct tensor *like = rig_fill(g, rig_alloc(g, RIG_F32, y->n, y->h, y->w, y->c), 3, 1);
    rig_break(g, y);
    g->o->match_std(g->o, y, like, g->c->gain);
    return y;
}

static inline struct tensor *rig_call(struct rig *g)
{
    switch (g->c->op) {
    case OP_LINEAR:
        return run_linear(g);
    case OP_GEGLU:
        return run_geglu(g);
    case OP_CONV:
        return run_conv(g);
    case OP_GROUP_NORM:
    case OP_LAYER_NORM:
        return run_norm(g);
    case OP_ATTENTION:
        return run_attention(g);
    case OP_CONCAT:
        return run_concat(g);
    case OP_EMBEDDING:
        return run_embedding(g);
    case OP_COPY:
        return run_copy(g);
    case OP_MAP:
        return run_map(g);
    case OP_COMBINE:
        return run_combine(g);
    case OP_BLEND:
        return run_blend(g);
    case OP_MATCH_STD:
        return run_match_std(g);
    case OP_KINDS:
        break;
    }
    abort();
}

/* -- a run, and the comparison ------------------------------------------------------------------
 */

static inline void rig_sync(struct rig *g)
{
    struct err err = {""};
    int rc = g->o->sync(g->o, &err);
    if (g->broken && (rc != -1 || !err.text[0]))
        snprintf(g->why, sizeof g->why, "sync gave no error where there was one");
    else if (!g->broken && rc != 0)
        snprintf(g->why, sizeof g->why, "sync: %.200s", err.text);
}

/* Runs `c`; afterwards g->out holds g->count values, to be freed by the caller, and g->why says
 * what else went wrong. broken: the call is made after an error, and must do nothing. */
static inline void rig_run(struct rig *g, struct ops *o, const struct op_case *c,
                           enum dtype rounding, bool broken)
{
    memset(g, 0, sizeof *g);
    g->o = o, g->c = c, g->rounding = rounding, g->broken = broken;
    g->seed = c->seed ? c->seed : 12345u + (uint32_t)(c - op_cases) * 7919u;
    struct ops_stats before, after;
    o->stats(o, &before);
    struct tensor *y = rig_call(g);
    rig_sync(g);
    g->count = tensor_count(y);
    g->out = rig_download(g, y);
    rig_check_guard(g);
    o->stats(o, &after);
    g->weight_bytes = after.weight_bytes - before.weight_bytes;
    for (int i = 0; i < g->tensors; i++)
        o->release(o, &g->tensor[i]);
    for (int i = 0; i < g->weights; i++)
        o->free_weight(o, g->weight[i]);
    for (int i = 0; i < g->memories; i++)
        free(g->memory[i]);
    o->stats(o, &after);
    if (after.arena_now != before.arena_now)
        snprintf(g->why, sizeof g->why, "left memory of the arena in use");
    if (after.weight_bytes != before.weight_bytes)
        snprintf(g->why, sizeof g->why, "left weights behind");
}

/* Norm of the difference over the norm of `want`; infinite where one is NaN. */
static inline double rig_error(const float *got, const float *want, int64_t count)
{
    double off = 0, all = 0;
    for (int64_t i = 0; i < count; i++) {
        double d = (double)got[i] - want[i];
        off += d * d;
        all += (double)want[i] * want[i];
    }
    if (!(off <= 1e300))
        return INFINITY;
    return off == 0 ? 0 : sqrt(off / all);
}

struct op_result {
    double error, bound;
    char why[256]; /* "" when all is well, the values included */
};

/* fp16 has three bits more than bf16, and f32 inside as well. */
static inline double op_case_bound(const struct op_case *c, enum dtype act)
{
    float f32 = c->f32 != 0 ? c->f32 : op_bounds[c->op].f32;
    float bf16 = c->bf16 != 0 ? c->bf16 : op_bounds[c->op].bf16;
    float bound = act == DT_F32 ? f32 : act == DT_BF16 ? bf16 : fmaxf(bf16 / 8, f32);
    return bound < 0 ? 0 : bound;
}

/* Runs `c` as often as `runs` says on the tested backend, which has to give the same bytes each
 * time, and compares with what the reference gave. */
static inline struct op_result op_case_compare(const struct rig *want, struct ops *tested,
                                               double bound, int runs)
{
    const struct op_case *c = want->c;
    struct op_result r = {.bound = bound};
    struct rig got, again;
    rig_run(&got, tested, c, tested->act, false);
    r.error = rig_error(got.out, want->out, want->count);
    if (want->why[0])
        snprintf(r.why, sizeof r.why, "reference: %.200s", want->why);
    else if (got.why[0])
        snprintf(r.why, sizeof r.why, "%.200s", got.why);
    else if (got.count != want->count)
        snprintf(r.why, sizeof r.why, "the sizes differ");
    else if (!(r.error <= r.bound))
        snprintf(r.why, sizeof r.why, "error %.3g is over the bound; first values %g %g, not %g %g",
                 r.error, got.out[0], got.out[got.count > 1], want->out[0],
                 want->out[want->count > 1]);
    for (int i = 1; i < runs; i++) {
        rig_run(&again, tested, c, tested->act, false);
        if (!r.why[0] && again.why[0])
            snprintf(r.why, sizeof r.why, "%.200s", again.why);
        else if (!r.why[0] && memcmp(got.out, again.out, (size_t)got.count * sizeof *got.out) != 0)
            snprintf(r.why, sizeof r.why, "a second run gave other values");
        free(again.out);
    }
    free(got.out);
    return r;
}

/* Runs `c` on both, twice on the tested backend. */
static inline struct op_result op_case_check_within(struct ops *ref, struct ops *tested,
                                                    const struct op_case *c, double bound)
{
    struct rig want;
    rig_run(&want, ref, c, tested->act, false);
    struct op_result r = op_case_compare(&want, tested, bound, 2);
    free(want.out);
    return r;
}

static inline struct op_result op_case_check(struct ops *ref, struct ops *tested,
                                             const struct op_case *c)
{
    return op_case_check_within(ref, tested, c, op_case_bound(c, tested->act));
}

/* Makes the call while an error waits for sync(): it has to leave its output alone. The text that
 * is returned says what is wrong, "" nothing. */
static inline struct op_result op_case_check_broken(struct ops *tested, const struct op_case *c)
{
    struct op_result r = {0};
    struct rig g;
    rig_run(&g, tested, c, tested->act, true);
    if (g.why[0])
        snprintf(r.why, sizeof r.why, "%.200s", g.why);
    else if (memcmp(g.before, g.out, (size_t)g.count * sizeof *g.out) != 0)
        snprintf(r.why, sizeof r.why, "a call after an error did something");
    free(g.before);
    free(g.out);
    return r;
}

#endif
