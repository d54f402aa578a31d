/* See control_union.h. */
#include "sdxl/control_union.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dry.h"
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

/* Attention whose scores are all 0 is a mean. */
static struct tensor means(const struct control_union *u, struct ops *o, const struct tensor *x)
{
    struct tensor narrow = {0}, y = ops_alloc(o, x->n, 1, 1, x->c), query = {0};
    if (x->dtype != o->act) {
        narrow = ops_alloc_like(o, x, x->c);
        o->copy(o, &narrow, x);
        x = &narrow;
    }
    query = ops_alloc(o, x->n, 1, 1, x->c);
    for (int i = 0; i < x->n; i++) { /* anything finite */
        struct tensor from = tensor_images(*x, i, 1), to = tensor_images(query, i, 1);
        from.h = from.w = 1;
        o->copy(o, &to, &from);
    }
    o->attention(o, &y, &query, x, x, u->heads, 0, false);
    o->release(o, &query);
    o->release(o, &narrow);
    return y;
}

struct tensor union_token(const struct control_union *u, struct ops *o, const struct tensor *x,
                          int kind)
{
    struct tensor y = means(u, o, x);
    if (kind < 0)
        return y;
    struct tensor sum = o->alloc_as(o, DT_F32, y.n, 1, 1, y.c);
    struct tensor row = o->alloc_as(o, DT_F32, 1, 1, 1, y.c);
    float one[2] = {1, 1};
    o->copy(o, &sum, &y);
    if (u->kind)
        o->upload(o, &row, u->kind + (size_t)kind * (size_t)u->width);
    for (int i = 0; i < y.n; i++) {
        struct tensor of = tensor_images(sum, i, 1);
        o->combine(o, &of, 2, one, (const struct tensor *const[]){&of, &row});
    }
    o->copy(o, &y, &sum);
    o->release(o, &row);
    o->release(o, &sum);
    return y;
}

/* x [n, tokens, 1, c] in place. */
static void run_layer(const struct control_union *u, struct ops *o, const struct type_layer *t,
                      struct tensor *x)
{
    int c = u->width;
    struct tensor a = ops_alloc_like(o, x, c), qkv = ops_alloc_like(o, x, 3 * c);
    struct tensor up = ops_alloc_like(o, x, 4 * c);
    o->layer_norm(o, &a, x, t->norm1, 1e-5f);
    o->linear(o, &qkv, &a, t->qkv, ACT_NONE, NULL);
    struct tensor q = tensor_channels(qkv, 0, c), k = tensor_channels(qkv, c, c);
    struct tensor v = tensor_channels(qkv, 2 * c, c);
    o->attention(o, &a, &q, &k, &v, u->heads, 1 / sqrtf((float)(c / u->heads)), false);
    o->linear(o, x, &a, t->out, ACT_NONE, x);
    o->layer_norm(o, &a, x, t->norm2, 1e-5f);
    o->linear(o, &up, &a, t->up, ACT_QUICK_GELU, NULL);
    o->linear(o, x, &up, t->down, ACT_NONE, x);
    o->release(o, &up);
    o->release(o, &qkv);
    o->release(o, &a);
}

struct tensor union_alpha(const struct control_union *u, struct ops *o, const struct tensor *first,
                          const struct tensor *second)
{
    int c = u->width, n = first->n, tokens = second ? 2 : 1;
    struct tensor x = ops_alloc(o, n, tokens, 1, c), alpha = ops_alloc(o, n, 1, 1, c);
    struct tensor row = x; /* an image's tokens side by side are the tokens one after the other */
    row.h = 1, row.ld = row.c = tokens * c;
    if (second)
        o->concat(o, &row, first, second);
    else
        o->copy(o, &row, first);
    for (int i = 0; i < u->layers; i++)
        run_layer(u, o, &u->layer[i], &x);
    struct tensor token = ops_alloc(o, n, 1, 1, c);
    row.c = c; /* the first */
    o->copy(o, &token, &row);
    o->linear(o, &alpha, &token, u->project, ACT_NONE, NULL);
    o->release(o, &token);
    o->release(o, &x);
    return alpha;
}
