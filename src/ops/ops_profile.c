/*
 * See profile.h. Each call of the table goes to the inner backend and then into the book
 * (profile_book.c). What it cost is what the inner backend counted during it.
 */
#include "base/clock.h"
#include "ops/profile_book.h"

struct profile {
    struct ops ops; /* first: a struct ops * of ours is a struct profile * */
    struct ops *inner;
    struct keeper *keeper;
    bool waits; /* the inner backend's calls return early */
    bool failed;
    struct err err; /* of a wait, until sync asks */
    double began;
    struct ops_stats before;
};

static struct profile *profile_of(struct ops *o)
{
    return (struct profile *)o;
}

static struct ops *begin(struct ops *o)
{
    struct profile *p = profile_of(o);
    if (p->keeper->what != PROFILE_PEAKS) {
        p->inner->stats(p->inner, &p->before);
        p->began = clock_ms();
    }
    return p->inner;
}

static void wait(struct profile *p)
{
    struct err e;
    if (p->waits && p->inner->sync(p->inner, &e) < 0 && !p->failed) {
        p->failed = true;
        p->err = e;
    }
}

static void end(struct ops *o, const struct tensor *y, struct shape shape)
{
    struct profile *p = profile_of(o);
    struct ops_stats after;
    if (p->keeper->what != PROFILE_PEAKS) {
        wait(p);
        double ms = clock_ms() - p->began;
        p->inner->stats(p->inner, &after);
        keeper_call(p->keeper,
                    &(struct keeper_call){shape, p->began, ms, after.flops - p->before.flops,
                                          after.bytes_moved - p->before.bytes_moved},
                    &after);
    } else {
        p->inner->stats(p->inner, &after);
    }
    keeper_wrote(p->keeper, y, (enum op_kind)shape.op);
    keeper_look(p->keeper, &after);
}

/* ---- the table of calls: those that are booked ---- */

#define SHAPE(op, t, ...) ((struct shape){op, {(t)->n, (t)->h, (t)->w, __VA_ARGS__}})

static void profile_upload(struct ops *o, struct tensor *dst, const float *src)
{
    struct ops *in = begin(o);
    in->upload(in, dst, src);
    end(o, dst, SHAPE(OP_UPLOAD, dst, dst->c));
}

static void profile_download(struct ops *o, float *dst, const struct tensor *src)
{
    struct ops *in = begin(o);
    in->download(in, dst, src);
    end(o, NULL, SHAPE(OP_DOWNLOAD, src, src->c));
}

static void profile_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, enum act act, const struct tensor *residual)
{
    struct ops *in = begin(o);
    in->linear(in, y, x, w, act, residual);
    end(o, y, SHAPE(OP_LINEAR, y, x->c, y->c));
}

static void profile_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                          const struct weight *w)
{
    struct ops *in = begin(o);
    in->geglu(in, y, x, w);
    end(o, y, SHAPE(OP_GEGLU, y, x->c, y->c));
}

/* The weight does not tell its kernel, but a 3x3 one is padded or leaves fewer rows. */
static void profile_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, const struct conv_args *a)
{
    struct ops *in = begin(o);
    in->conv2d(in, y, x, w, a);
    int k = a->pad_before + a->pad_after > 0 || (a->stride == 1 && y->h < x->h) ? 3 : 1;
    end(o, y, SHAPE(OP_CONV, y, x->c, y->c, k, a->upsample ? 0 : a->stride));
}

static void profile_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                               const struct weight *w, int groups, float eps, bool silu)
{
    struct ops *in = begin(o);
    in->group_norm(in, y, x, w, groups, eps, silu);
    end(o, y, SHAPE(OP_GROUP_NORM, y, y->c, silu));
}

static void profile_layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                               const struct weight *w, float eps)
{
    struct ops *in = begin(o);
    in->layer_norm(in, y, x, w, eps);
    end(o, y, SHAPE(OP_LAYER_NORM, y, y->c));
}

static void profile_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                              const struct tensor *k, const struct tensor *v, int heads,
                              float scale, bool causal)
{
    struct ops *in = begin(o);
    in->attention(in, y, q, k, v, heads, scale, causal);
    end(o, y, SHAPE(OP_ATTENTION, y, y->c, heads, (int)tensor_tokens(k)));
}

static void profile_concat(struct ops *o, struct tensor *y, const struct tensor *a,
                           const struct tensor *b)
{
    struct ops *in = begin(o);
    in->concat(in, y, a, b);
    end(o, y, SHAPE(OP_CONCAT, y, a->c, b->c));
}

static void profile_embedding(struct ops *o, struct tensor *y, const int32_t *ids,
                              const struct weight *table, const struct weight *positions)
{
    struct ops *in = begin(o);
    in->embedding(in, y, ids, table, positions);
    end(o, y, SHAPE(OP_EMBEDDING, y, y->c));
}

static void profile_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    struct ops *in = begin(o);
    in->copy(in, y, x);
    end(o, y, SHAPE(OP_COPY, y, y->c));
}

static void profile_map(struct ops *o, struct tensor *y, const struct tensor *x, enum map_kind f,
                        float a, float b)
{
    struct ops *in = begin(o);
    in->map(in, y, x, f, a, b);
    end(o, y, SHAPE(OP_MAP, y, y->c));
}

static void profile_combine(struct ops *o, struct tensor *y, int count, const float *k,
                            const struct tensor *const *x)
{
    struct ops *in = begin(o);
    in->combine(in, y, count, k, x);
    end(o, y, SHAPE(OP_COMBINE, y, y->c));
}

static void profile_blend(struct ops *o, struct tensor *y, const struct tensor *a,
                          const struct tensor *b, const struct tensor *mask)
{
    struct ops *in = begin(o);
    in->blend(in, y, a, b, mask);
    end(o, y, SHAPE(OP_BLEND, y, y->c));
}

static void profile_match_std(struct ops *o, struct tensor *y, const struct tensor *like,
                              float share)
{
    struct ops *in = begin(o);
    in->match_std(in, y, like, share);
    end(o, y, SHAPE(OP_MATCH_STD, y, y->c));
}

/* ---- and those that only pass ---- */

static struct weight *pass_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                                       int count)
{
    struct ops *in = profile_of(o)->inner;
    return in->pack_linear(in, w, b, count);
}

static struct weight *pass_pack_conv(struct ops *o, const struct param *w, const struct param *b)
{
    struct ops *in = profile_of(o)->inner;
    return in->pack_conv(in, w, b);
}

static struct weight *pass_pack_norm(struct ops *o, const struct param *gamma,
                                     const struct param *beta)
{
    struct ops *in = profile_of(o)->inner;
    return in->pack_norm(in, gamma, beta);
}

static struct weight *pass_pack_table(struct ops *o, const struct param *w)
{
    struct ops *in = profile_of(o)->inner;
    return in->pack_table(in, w);
}

static void pass_free_weight(struct ops *o, struct weight *w)
{
    struct ops *in = profile_of(o)->inner;
    in->free_weight(in, w);
}

static struct weight *pass_no_weight(struct ops *o)
{
    struct ops *in = profile_of(o)->inner;
    return in->no_weight(in);
}

static void pass_swap_weights(struct ops *o, struct weight *a, struct weight *b)
{
    struct ops *in = profile_of(o)->inner;
    in->swap_weights(in, a, b);
}

static void pass_tune(struct ops *o, const struct tuning *t)
{
    struct ops *in = profile_of(o)->inner;
    in->tune(in, t);
}

static struct tensor profile_alloc_as(struct ops *o, enum dtype dtype, int n, int h, int w, int c)
{
    struct profile *p = profile_of(o);
    struct tensor t = p->inner->alloc_as(p->inner, dtype, n, h, w, c);
    struct ops_stats s;
    keeper_alloc(p->keeper, &t);
    p->inner->stats(p->inner, &s);
    keeper_look(p->keeper, &s);
    return t;
}

static void profile_release(struct ops *o, struct tensor *t)
{
    struct profile *p = profile_of(o);
    keeper_release(p->keeper, t->data);
    p->inner->release(p->inner, t);
}

static void pass_pixels(struct ops *o, uint8_t *bytes, size_t *bad, const struct tensor *image)
{
    struct ops *in = profile_of(o)->inner;
    in->pixels(in, bytes, bad, image);
}

/* Only of peaks: a forecast has to do as its like does. */
static void pass_turn_begin(struct ops *o)
{
    struct ops *in = profile_of(o)->inner;
    in->turn_begin(in);
}

static bool pass_turn_end(struct ops *o)
{
    struct ops *in = profile_of(o)->inner;
    return in->turn_end(in);
}

static void profile_enter(struct ops *o, const char *name, int index, bool turn)
{
    struct profile *p = profile_of(o);
    keeper_enter(p->keeper, name, index, turn);
    if (p->inner->enter)
        p->inner->enter(p->inner, name, index, turn);
}

static void profile_leave(struct ops *o)
{
    struct profile *p = profile_of(o);
    keeper_leave(p->keeper);
    ops_leave(p->inner);
}

static int pass_reserve(struct ops *o, size_t bytes, struct err *e)
{
    struct ops *in = profile_of(o)->inner;
    return in->reserve(in, bytes, e);
}

static int profile_sync(struct ops *o, struct err *e)
{
    struct profile *p = profile_of(o);
    int rc = p->inner->sync(p->inner, e);
    if (!p->failed)
        return rc;
    p->failed = false;
    return err_set(e, "%s", p->err.text);
}

static void pass_stats(struct ops *o, struct ops_stats *s)
{
    struct ops *in = profile_of(o)->inner;
    in->stats(in, s);
}

static void profile_close(struct ops *o)
{
    struct profile *p = profile_of(o);
    keeper_free(p->keeper);
    free(p);
}

static const struct ops calls = {
    .pack_linear = pass_pack_linear,
    .pack_conv = pass_pack_conv,
    .pack_norm = pass_pack_norm,
    .pack_table = pass_pack_table,
    .free_weight = pass_free_weight,
    .no_weight = pass_no_weight,
    .swap_weights = pass_swap_weights,
    .alloc_as = profile_alloc_as,
    .release = profile_release,
    .reserve = pass_reserve,
    .upload = profile_upload,
    .download = profile_download,
    .linear = profile_linear,
    .geglu = profile_geglu,
    .conv2d = profile_conv2d,
    .group_norm = profile_group_norm,
    .layer_norm = profile_layer_norm,
    .attention = profile_attention,
    .concat = profile_concat,
    .embedding = profile_embedding,
    .copy = profile_copy,
    .combine = profile_combine,
    .blend = profile_blend,
    .map = profile_map,
    .match_std = profile_match_std,
    .enter = profile_enter,
    .leave = profile_leave,
    .tune = pass_tune,
    .sync = profile_sync,
    .stats = pass_stats,
    .close = profile_close,
};

struct ops *ops_profile_open(struct ops *inner, enum profile_what what, struct err *e)
{
    static const char *const immediate[] = {"cpu", "ref", "dry"};
    struct profile *p = calloc(1, sizeof *p);
    struct keeper *k = keeper_new();
    if (!p || !k) {
        free(p);
        keeper_free(k);
        err_set(e, "out of memory");
        return NULL;
    }
    p->ops = calls;
    p->ops.name = inner->name;
    p->ops.act = inner->act;
    p->ops.stream = inner->stream;
    p->ops.pixels = inner->pixels ? pass_pixels : NULL;
    p->inner = inner;
    p->keeper = k;
    p->waits = true;
    for (int i = 0; i < 3; i++)
        p->waits &= strcmp(inner->name, immediate[i]) != 0;
    ops_profile_reset(&p->ops, what);
    return &p->ops;
}

void ops_profile_reset(struct ops *o, enum profile_what what)
{
    struct profile *p = profile_of(o);
    bool turns = what == PROFILE_PEAKS && p->inner->turn_begin;
    o->turn_begin = turns ? pass_turn_begin : NULL;
    o->turn_end = turns ? pass_turn_end : NULL;
    keeper_reset(p->keeper, what);
}

const struct profile_book *ops_profile_book(struct ops *o)
{
    return &profile_of(o)->keeper->book;
}

int ops_profile_rows(struct ops *o, struct op_profile *rows, int max)
{
    return keeper_rows(profile_of(o)->keeper, rows, max);
}

struct op_profile ops_profile_shape(struct ops *o, int i)
{
    return keeper_shape(profile_of(o)->keeper, i);
}
