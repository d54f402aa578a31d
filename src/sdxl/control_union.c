/* See control_union.h. */
#include "sdxl/control_union.h"

#include <stdlib.h>
#include <string.h>

#include "sdxl/unet.h"

/* ---- loading ---- */

static void load_layer(struct type_layer *t, struct loader *l, int at, int c)
{
    struct name base = name_of("transformer_layes.%d", at); /* so it is spelt there */
    t->norm1 = load_norm(l, name_of("%s.ln_1", base.s), c);
    t->qkv = load_linear(l, name_of("%s.attn.in_proj", base.s), 3 * c, c);
    t->out = load_linear(l, name_of("%s.attn.out_proj", base.s), c, c);
    t->norm2 = load_norm(l, name_of("%s.ln_2", base.s), c);
    t->up = load_linear(l, name_of("%s.mlp.c_fc", base.s), 4 * c, c);
    t->down = load_linear(l, name_of("%s.mlp.c_proj", base.s), c, 4 * c);
}

void union_load(struct control_union *u, struct loader *l, const struct control_config *m)
{
    int c = m->unet.channels[0], time = m->unet.time_dim;
    if (m->types == 0)
        return;
    assert(m->type_layers <= MAX_TYPE_LAYERS && c % m->type_heads == 0);
    *u = (struct control_union){
        .types = m->types, .layers = m->type_layers, .heads = m->type_heads, .width = c};
    u->time1 = load_linear(l, name_of("control_add_embedding.linear_1"), time,
                           m->types * m->unet.added_time_dim);
    u->time2 = load_linear(l, name_of("control_add_embedding.linear_2"), time, time);
    for (int i = 0; i < u->layers; i++)
        load_layer(&u->layer[i], l, i, c);
    u->project = load_linear(l, name_of("spatial_ch_projs"), c, c);
    u->kind = load_values(l, name_of("task_embedding.weight"), (int64_t[]){m->types, c}, 2);
}

void union_free(struct control_union *u, struct ops *o)
{
    struct weight *all[] = {u->time1, u->time2, u->project};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        o->free_weight(o, all[i]);
    for (int i = 0; i < u->layers; i++) {
        struct type_layer *t = &u->layer[i];
        struct weight *its[] = {t->norm1, t->qkv, t->out, t->norm2, t->up, t->down};
        for (size_t k = 0; k < sizeof its / sizeof *its; k++)
            o->free_weight(o, its[k]);
    }
    free(u->kind);
    *u = (struct control_union){0};
}

/* ---- what it computes ---- */

int union_time(const struct control_union *u, struct ops *o, const struct control_config *m,
               int kind, float *out)
{
    const struct unet_config *c = &m->unet;
    int each = c->added_time_dim;
    float *sines = malloc((size_t)u->types * (size_t)each * sizeof *sines);
    if (!sines)
        return -1;
    for (int i = 0; i < u->types; i++)
        timestep_sinusoid(sines + (size_t)i * (size_t)each, each, i == kind, c->flip_sin_to_cos,
                          (double)c->freq_shift);
    time_embed(o, sines, 1, u->types * each, u->time1, u->time2, c->time_dim, out);
    free(sines);
    return 0;
}

/* [1, h, w, c] -> [1, 1, 1, c]: attention whose scores are all 0 is a mean. */
static struct tensor means(const struct control_union *u, struct ops *o, const struct tensor *hint)
{
    struct tensor x = ops_alloc_like(o, hint, hint->c), y = ops_alloc(o, 1, 1, 1, hint->c);
    o->copy(o, &x, hint);
    struct tensor query = x; /* anything finite: a pixel */
    query.h = query.w = 1;
    o->attention(o, &y, &query, &x, &x, u->heads, 0, false);
    o->release(o, &x);
    return y;
}

static void add_kind(const struct control_union *u, struct ops *o, struct tensor *x, int kind)
{
    struct tensor sum = o->alloc_as(o, DT_F32, 1, 1, 1, x->c);
    struct tensor row = o->alloc_as(o, DT_F32, 1, 1, 1, x->c);
    float one[2] = {1, 1};
    o->copy(o, &sum, x);
    if (u->kind)
        o->upload(o, &row, u->kind + (size_t)kind * (size_t)u->width);
    o->combine(o, &sum, 2, one, (const struct tensor *const[]){&sum, &row});
    o->copy(o, x, &sum);
    o->release(o, &row);
    o->release(o, &sum);
}

/* One token [1, 1, 1, c] in place. It attends to itself alone, which makes its values of it. */
static void run_layer(struct ops *o, const struct type_layer *t, struct tensor *x)
{
    int c = x->c;
    struct tensor a = ops_alloc_like(o, x, c), qkv = ops_alloc_like(o, x, 3 * c);
    struct tensor up = ops_alloc_like(o, x, 4 * c), values = tensor_channels(qkv, 2 * c, c);
    o->layer_norm(o, &a, x, t->norm1, 1e-5f);
    o->linear(o, &qkv, &a, t->qkv, ACT_NONE, NULL);
    o->copy(o, &a, &values);
    o->linear(o, x, &a, t->out, ACT_NONE, x);
    o->layer_norm(o, &a, x, t->norm2, 1e-5f);
    o->linear(o, &up, &a, t->up, ACT_QUICK_GELU, NULL);
    o->linear(o, x, &up, t->down, ACT_NONE, x);
    o->release(o, &up);
    o->release(o, &qkv);
    o->release(o, &a);
}

struct tensor union_alpha(const struct control_union *u, struct ops *o, const struct tensor *hint,
                          int kind)
{
    struct tensor x = means(u, o, hint), alpha = ops_alloc_like(o, &x, x.c);
    add_kind(u, o, &x, kind);
    for (int i = 0; i < u->layers; i++)
        run_layer(o, &u->layer[i], &x);
    o->linear(o, &alpha, &x, u->project, ACT_NONE, NULL);
    o->release(o, &x);
    return alpha;
}
