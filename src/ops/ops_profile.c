/*
 * See profile.h.
 *
 * Rows lie in a table of fixed size that is searched by operation and sizes (open addressing), so
 * nothing is allocated while it runs; SDXL has some hundred different calls, and what finds no room
 * shares one row. Floating point operations are what the inner backend counted during the call.
 */
#include "ops/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum op {
    OP_NONE, /* a free place */
    OP_LINEAR,
    OP_GEGLU,
    OP_CONV,
    OP_GROUP_NORM,
    OP_LAYER_NORM,
    OP_ATTENTION,
    OP_CONCAT,
    OP_EMBEDDING,
    OP_COPY,
    OP_COMBINE,
    OP_BLEND,
    OP_MATCH_STD,
    OP_UPLOAD,
    OP_DOWNLOAD,
    OP_OTHER, /* the table was full */
};

enum { ROWS = 512, SIZES = 7, LABEL = 128 };

struct key {
    int op, size[SIZES]; /* what the sizes are is label's matter */
};

struct row {
    struct key key;
    int calls;
    double ms, flops;
};

struct profile {
    struct ops ops; /* first: a struct ops * of ours is a struct profile * */
    struct ops *inner;
    bool waits; /* the inner backend's calls return early */
    bool failed;
    struct err err; /* of a wait, until sync asks */
    double began, flops;
    int used;
    struct row row[ROWS + 1]; /* the last is OP_OTHER's */
};

static struct profile *profile_of(struct ops *o)
{
    return (struct profile *)o;
}

/* ---- the table ---- */

static uint32_t hash(const struct key *k)
{
    uint32_t h = (uint32_t)k->op * 2654435761u;
    for (int i = 0; i < SIZES; i++)
        h = (h ^ (uint32_t)k->size[i]) * 16777619u ^ h >> 15;
    return h;
}

static struct row *find(struct profile *p, const struct key *k)
{
    for (uint32_t i = hash(k);; i++) {
        struct row *r = &p->row[i % ROWS];
        if (r->key.op == OP_NONE && p->used >= ROWS * 3 / 4)
            return &p->row[ROWS];
        if (r->key.op == OP_NONE) {
            r->key = *k;
            p->used++;
        }
        if (!memcmp(&r->key, k, sizeof *k))
            return r;
    }
}

void ops_profile_reset(struct ops *o)
{
    struct profile *p = profile_of(o);
    memset(p->row, 0, sizeof p->row);
    p->row[ROWS].key.op = OP_OTHER;
    p->used = 0;
}

static double flops_so_far(struct profile *p)
{
    struct ops_stats s;
    p->inner->stats(p->inner, &s);
    return s.flops;
}

static struct ops *begin(struct ops *o)
{
    struct profile *p = profile_of(o);
    p->flops = flops_so_far(p);
    p->began = clock_ms();
    return p->inner;
}

static void end(struct ops *o, struct key k)
{
    struct profile *p = profile_of(o);
    struct err e;
    if (p->waits && p->inner->sync(p->inner, &e) < 0 && !p->failed) {
        p->failed = true;
        p->err = e;
    }
    struct row *r = find(p, &k);
    r->ms += clock_ms() - p->began;
    r->flops += flops_so_far(p) - p->flops;
    r->calls++;
}

/* ---- names ---- */

#define PUT(...) snprintf(out, LABEL, __VA_ARGS__)

/* "64x64" of an image, "77" of a sequence. */
static void put_area(int h, int w, char out[32])
{
    if (w == 1)
        snprintf(out, 32, "%d", h);
    else
        snprintf(out, 32, "%dx%d", h, w);
}

/* size: what each call below puts there; the first is the number of images. */
static void label(const struct key *k, char out[LABEL])
{
    const int *s = k->size;
    char area[32];
    put_area(s[1], s[2], area);
    switch (k->op) {
    case OP_LINEAR:
    case OP_GEGLU:
        PUT("%s %d>%d %s", k->op == OP_GEGLU ? "geglu" : "linear", s[3], s[4], area);
        break;
    case OP_CONV:
        PUT("conv2d %dx%d %d>%d %s%s%s", s[5], s[5], s[3], s[4], area, s[6] == 2 ? " /2" : "",
            s[6] == 0 ? " up" : "");
        break;
    case OP_GROUP_NORM:
        PUT("group_norm%s %d %s", s[4] ? "+silu" : "", s[3], area);
        break;
    case OP_LAYER_NORM:
        PUT("layer_norm %d %s", s[3], area);
        break;
    case OP_ATTENTION:
        PUT("attention %dx%d %s over %d", s[4], s[3] / s[4], area, s[5]);
        break;
    case OP_CONCAT:
        PUT("concat %d+%d %s", s[3], s[4], area);
        break;
    case OP_OTHER:
        PUT("other calls");
        return;
    default: {
        static const char *const names[] = {
            [OP_EMBEDDING] = "embedding", [OP_COPY] = "copy",           [OP_COMBINE] = "combine",
            [OP_BLEND] = "blend",         [OP_MATCH_STD] = "match_std", [OP_UPLOAD] = "upload",
            [OP_DOWNLOAD] = "download"};
        PUT("%s %d %s", names[k->op], s[3], area);
    }
    }
    if (s[0] > 1) {
        size_t n = strlen(out);
        snprintf(out + n, LABEL - n, " x%d", s[0]);
    }
}

static int by_time(const void *a, const void *b)
{
    const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
    return (x->ms < y->ms) - (x->ms > y->ms);
}

int ops_profile_rows(struct ops *o, struct op_profile *rows, int max)
{
    struct profile *p = profile_of(o);
    struct row *sorted[ROWS + 1];
    char name[LABEL];
    int n = 0;
    for (int i = 0; i <= ROWS; i++)
        if (p->row[i].calls > 0)
            sorted[n++] = &p->row[i];
    qsort(sorted, (size_t)n, sizeof *sorted, by_time);
    n = n < max ? n : max;
    for (int i = 0; i < n; i++) {
        const struct row *r = sorted[i];
        rows[i] = (struct op_profile){.calls = r->calls, .ms = r->ms, .flops = r->flops};
        label(&r->key, name);
        snprintf(rows[i].name, sizeof rows[i].name, "%.63s", name);
    }
    return n;
}

/* ---- the table of calls: the timed ones ---- */

#define KEY(op, t, ...) ((struct key){op, {(t)->n, (t)->h, (t)->w, __VA_ARGS__}})

static void profile_upload(struct ops *o, struct tensor *dst, const float *src)
{
    struct ops *in = begin(o);
    in->upload(in, dst, src);
    end(o, KEY(OP_UPLOAD, dst, dst->c));
}

static void profile_download(struct ops *o, float *dst, const struct tensor *src)
{
    struct ops *in = begin(o);
    in->download(in, dst, src);
    end(o, KEY(OP_DOWNLOAD, src, src->c));
}

static void profile_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, enum act act, const struct tensor *residual)
{
    struct ops *in = begin(o);
    in->linear(in, y, x, w, act, residual);
    end(o, KEY(OP_LINEAR, y, x->c, y->c));
}

static void profile_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                          const struct weight *w)
{
    struct ops *in = begin(o);
    in->geglu(in, y, x, w);
    end(o, KEY(OP_GEGLU, y, x->c, y->c));
}

/* The weight does not tell its kernel, but a 3x3 one is padded or leaves fewer rows. */
static void profile_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                           const struct weight *w, const struct conv_args *a)
{
    struct ops *in = begin(o);
    in->conv2d(in, y, x, w, a);
    int k = a->pad_before + a->pad_after > 0 || (a->stride == 1 && y->h < x->h) ? 3 : 1;
    end(o, KEY(OP_CONV, y, x->c, y->c, k, a->upsample ? 0 : a->stride));
}

static void profile_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                               const struct weight *w, int groups, float eps, bool silu)
{
    struct ops *in = begin(o);
    in->group_norm(in, y, x, w, groups, eps, silu);
    end(o, KEY(OP_GROUP_NORM, y, y->c, silu));
}

static void profile_layer_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                               const struct weight *w, float eps)
{
    struct ops *in = begin(o);
    in->layer_norm(in, y, x, w, eps);
    end(o, KEY(OP_LAYER_NORM, y, y->c));
}

static void profile_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                              const struct tensor *k, const struct tensor *v, int heads,
                              float scale, bool causal)
{
    struct ops *in = begin(o);
    in->attention(in, y, q, k, v, heads, scale, causal);
    end(o, KEY(OP_ATTENTION, y, y->c, heads, (int)tensor_tokens(k)));
}

static void profile_concat(struct ops *o, struct tensor *y, const struct tensor *a,
                           const struct tensor *b)
{
    struct ops *in = begin(o);
    in->concat(in, y, a, b);
    end(o, KEY(OP_CONCAT, y, a->c, b->c));
}

static void profile_embedding(struct ops *o, struct tensor *y, const int32_t *ids,
                              const struct weight *table, const struct weight *positions)
{
    struct ops *in = begin(o);
    in->embedding(in, y, ids, table, positions);
    end(o, KEY(OP_EMBEDDING, y, y->c));
}

static void profile_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    struct ops *in = begin(o);
    in->copy(in, y, x);
    end(o, KEY(OP_COPY, y, y->c));
}

static void profile_combine(struct ops *o, struct tensor *y, int count, const float *k,
                            const struct tensor *const *x)
{
    struct ops *in = begin(o);
    in->combine(in, y, count, k, x);
    end(o, KEY(OP_COMBINE, y, y->c));
}

static void profile_blend(struct ops *o, struct tensor *y, const struct tensor *a,
                          const struct tensor *b, const struct tensor *mask)
{
    struct ops *in = begin(o);
    in->blend(in, y, a, b, mask);
    end(o, KEY(OP_BLEND, y, y->c));
}

static void profile_match_std(struct ops *o, struct tensor *y, const struct tensor *like,
                              float share)
{
    struct ops *in = begin(o);
    in->match_std(in, y, like, share);
    end(o, KEY(OP_MATCH_STD, y, y->c));
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

static void pass_swap_weights(struct ops *o, struct weight *a, struct weight *b)
{
    struct ops *in = profile_of(o)->inner;
    in->swap_weights(in, a, b);
}

static struct tensor pass_alloc_as(struct ops *o, enum dtype dtype, int n, int h, int w, int c)
{
    struct ops *in = profile_of(o)->inner;
    return in->alloc_as(in, dtype, n, h, w, c);
}

static void pass_release(struct ops *o, struct tensor *t)
{
    struct ops *in = profile_of(o)->inner;
    in->release(in, t);
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
    free(profile_of(o));
}

static const struct ops calls = {
    .pack_linear = pass_pack_linear,
    .pack_conv = pass_pack_conv,
    .pack_norm = pass_pack_norm,
    .pack_table = pass_pack_table,
    .free_weight = pass_free_weight,
    .swap_weights = pass_swap_weights,
    .alloc_as = pass_alloc_as,
    .release = pass_release,
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
    .match_std = profile_match_std,
    .sync = profile_sync,
    .stats = pass_stats,
    .close = profile_close,
};

struct ops *ops_profile_open(struct ops *inner, struct err *e)
{
    static const char *const immediate[] = {"cpu", "ref", "dry"};
    struct profile *p = calloc(1, sizeof *p);
    if (!p) {
        err_set(e, "out of memory");
        return NULL;
    }
    p->ops = calls;
    p->ops.name = inner->name;
    p->ops.act = inner->act;
    p->ops.stream = inner->stream;
    p->inner = inner;
    p->waits = true;
    for (int i = 0; i < 3; i++)
        p->waits &= strcmp(inner->name, immediate[i]) != 0;
    ops_profile_reset(&p->ops);
    return &p->ops;
}
