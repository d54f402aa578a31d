/* Reference: diffusers' Transformer2DModel and BasicTransformerBlock (layer_norm, geglu). */
#include "sdxl/transformer.h"

#include <assert.h>
#include <stdlib.h>

#include "sdxl/attention.h"

static const float GROUP_EPS = 1e-6f, LAYER_EPS = 1e-5f; /* fixed in the reference's code */

static void load_block(struct transformer_block *b, struct loader *l, struct name base, int c,
                       int context)
{
    struct name qkv[3] = {name_of("%s.attn1.to_q", base.s), name_of("%s.attn1.to_k", base.s),
                          name_of("%s.attn1.to_v", base.s)};
    struct name kv[2] = {name_of("%s.attn2.to_k", base.s), name_of("%s.attn2.to_v", base.s)};
    b->norm1 = load_norm(l, name_of("%s.norm1", base.s), c);
    b->qkv = load_stacked(l, qkv, 3, c, c);
    b->out1 = load_linear(l, name_of("%s.attn1.to_out.0", base.s), c, c);
    b->norm2 = load_norm(l, name_of("%s.norm2", base.s), c);
    b->q2 = load_linear(l, name_of("%s.attn2.to_q", base.s), c, c);
    b->kv2 = load_stacked(l, kv, 2, c, context);
    b->out2 = load_linear(l, name_of("%s.attn2.to_out.0", base.s), c, c);
    b->norm3 = load_norm(l, name_of("%s.norm3", base.s), c);
    b->gate = load_linear(l, name_of("%s.ff.net.0.proj", base.s), 8 * c, c);
    b->down = load_linear(l, name_of("%s.ff.net.2", base.s), c, 4 * c);
}

void transformer_load(struct transformer *t, struct loader *l, struct name base,
                      struct transformer_spec s)
{
    *t = (struct transformer){.channels = s.channels, .heads = s.heads, .depth = s.depth};
    t->block = calloc((size_t)s.depth, sizeof *t->block);
    if (!t->block) {
        l->failed = true;
        t->depth = 0;
        err_set(l->err, "out of memory while loading %s", base.s);
        return;
    }
    t->norm = load_norm(l, name_of("%s.norm", base.s), s.channels);
    t->proj_in = load_linear(l, name_of("%s.proj_in", base.s), s.channels, s.channels);
    for (int i = 0; i < s.depth; i++)
        load_block(&t->block[i], l, name_of("%s.transformer_blocks.%d", base.s, i), s.channels,
                   s.context);
    t->proj_out = load_linear(l, name_of("%s.proj_out", base.s), s.channels, s.channels);
}

void transformer_free(struct transformer *t, struct ops *o)
{
    for (int i = 0; i < t->depth; i++) {
        struct transformer_block *b = &t->block[i];
        struct weight *all[] = {b->norm1, b->qkv,  b->out1,  b->norm2, b->q2,
                                b->kv2,   b->out2, b->norm3, b->gate,  b->down};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            o->free_weight(o, all[k]);
    }
    o->free_weight(o, t->norm);
    o->free_weight(o, t->proj_in);
    o->free_weight(o, t->proj_out);
    free(t->block);
    *t = (struct transformer){0};
}

/* [1, tokens, 1, c] as chunks. */
static struct tensor in_chunks(struct tensor t, int chunk)
{
    assert(t.n == 1 && t.w == 1 && t.h % chunk == 0);
    t.n = t.h / chunk;
    t.h = chunk;
    return t;
}

void transformer_text(const struct transformer *t, struct ops *o, const struct tensor *text,
                      int chunk, struct tensor *kv)
{
    struct tensor from = in_chunks(*text, chunk);
    for (int i = 0; i < t->depth; i++) {
        kv[i] = ops_alloc_like(o, text, 2 * t->channels);
        struct tensor to = in_chunks(kv[i], chunk);
        o->linear(o, &to, &from, t->block[i].kv2, ACT_NONE, NULL);
    }
}

/* x += out1(attention(x, x)) */
static void self_attention(const struct transformer *t, const struct transformer_block *b,
                           struct ops *o, struct tensor *x, struct tensor *a)
{
    int c = t->channels;
    ops_enter(o, "self", -1);
    struct tensor qkv = ops_alloc_like(o, x, 3 * c);
    o->layer_norm(o, a, x, b->norm1, LAYER_EPS);
    o->linear(o, &qkv, a, b->qkv, ACT_NONE, NULL);
    attend_self(o, a, qkv, t->heads, false);
    o->release(o, &qkv);
    o->linear(o, x, a, b->out1, ACT_NONE, x);
    ops_leave(o);
}

/* Tokens [from, from + tokens * texts) of the one image of t, as `texts` images. */
static struct tensor texts_of(struct tensor t, const struct text_span *s)
{
    if (t.data)
        t.data = (char *)t.data + (size_t)s->token * (size_t)t.ld * dtype_size(t.dtype);
    assert((int64_t)s->token + (int64_t)s->texts * s->tokens <= tensor_tokens(&t));
    t.n = s->texts, t.h = s->tokens, t.w = 1;
    return t;
}

/* x += out2(attention(x, text)). Queries are independent of each other, so the images of one text
 * go as one. */
static void cross_attention(const struct transformer *t, const struct transformer_block *b,
                            struct ops *o, struct tensor *x, const struct tensor *kv,
                            struct text_map map, struct tensor *a)
{
    int c = t->channels;
    ops_enter(o, "cross", -1);
    struct tensor q = ops_alloc_like(o, x, c);
    o->layer_norm(o, a, x, b->norm2, LAYER_EPS);
    o->linear(o, &q, a, b->q2, ACT_NONE, NULL);
    for (int i = 0; i < map.spans; i++) {
        const struct text_span *s = &map.span[i];
        struct tensor text = texts_of(*kv, s);
        struct tensor k = tensor_channels(text, 0, c);
        struct tensor v = tensor_channels(text, c, c);
        struct tensor qs = tensor_images(q, s->image, s->images * s->texts);
        struct tensor ys = tensor_images(*a, s->image, s->images * s->texts);
        qs = tensor_as(qs, s->texts, s->images * x->h, x->w);
        ys = tensor_as(ys, s->texts, s->images * x->h, x->w);
        attend(o, &ys, &qs, &k, &v, t->heads, false);
    }
    o->release(o, &q);
    o->linear(o, x, a, b->out2, ACT_NONE, x);
    ops_leave(o);
}

/* x += down(geglu(x)) */
static void feed_forward(const struct transformer *t, const struct transformer_block *b,
                         struct ops *o, struct tensor *x, struct tensor *a)
{
    ops_enter(o, "ff", -1);
    struct tensor f = ops_alloc_like(o, x, 4 * t->channels);
    o->layer_norm(o, a, x, b->norm3, LAYER_EPS);
    o->geglu(o, &f, a, b->gate);
    o->linear(o, x, &f, b->down, ACT_NONE, x);
    o->release(o, &f);
    ops_leave(o);
}

void transformer_run(const struct transformer *t, struct ops *o, struct tensor *x,
                     const struct tensor *kv, struct text_map map, int norm_groups)
{
    assert(x->c == t->channels);
    struct tensor a = ops_alloc_like(o, x, t->channels);
    struct tensor h = o->alloc_as(o, o->stream, x->n, x->h, x->w, t->channels);
    o->group_norm(o, &a, x, t->norm, norm_groups, GROUP_EPS, false);
    o->linear(o, &h, &a, t->proj_in, ACT_NONE, NULL);
    for (int i = 0; i < t->depth; i++) {
        ops_enter(o, "block", i);
        self_attention(t, &t->block[i], o, &h, &a);
        cross_attention(t, &t->block[i], o, &h, &kv[i], map, &a);
        feed_forward(t, &t->block[i], o, &h, &a);
        ops_leave(o);
    }
    if (h.dtype != a.dtype)
        o->copy(o, &a, &h);
    o->linear(o, x, h.dtype != a.dtype ? &a : &h, t->proj_out, ACT_NONE, x);
    o->release(o, &h);
    o->release(o, &a);
}
