/* The text encoders. Reference: transformers' CLIPTextModel and CLIPTextModelWithProjection. */
#include "sdxl/clip.h"

#include <stdlib.h>
#include <string.h>

#include "sdxl/attention.h"

static void load_layer(struct loader *l, struct clip_layer *y, const struct clip_config *c, int at)
{
    struct name base = name_of("text_model.encoder.layers.%d", at);
    struct name qkv[3] = {name_of("%s.self_attn.q_proj", base.s),
                          name_of("%s.self_attn.k_proj", base.s),
                          name_of("%s.self_attn.v_proj", base.s)};
    y->norm1 = load_norm(l, name_of("%s.layer_norm1", base.s), c->hidden);
    y->qkv = load_stacked(l, qkv, 3, c->hidden, c->hidden);
    y->out = load_linear(l, name_of("%s.self_attn.out_proj", base.s), c->hidden, c->hidden);
    y->norm2 = load_norm(l, name_of("%s.layer_norm2", base.s), c->hidden);
    y->fc1 = load_linear(l, name_of("%s.mlp.fc1", base.s), c->ffn, c->hidden);
    y->fc2 = load_linear(l, name_of("%s.mlp.fc2", base.s), c->hidden, c->ffn);
}

int clip_load(struct clip *m, struct loader *l, const struct clip_config *c)
{
    memset(m, 0, sizeof *m);
    m->config = *c;
    assert(c->layers >= 1 && c->layers <= MAX_LAYERS && c->hidden % c->heads == 0);
    m->tokens = load_table(l, name_of("text_model.embeddings.token_embedding"), c->vocab,
                           c->hidden);
    m->positions = load_table(l, name_of("text_model.embeddings.position_embedding"), c->positions,
                              c->hidden);
    for (int i = 0; i < c->layers; i++)
        load_layer(l, &m->layer[i], c, i);
    if (c->projection) {
        m->final_norm = load_norm(l, name_of("text_model.final_layer_norm"), c->hidden);
        m->projection = load_linear(l, name_of("text_projection"), c->projection, c->hidden);
    }
    return l->failed ? -1 : 0;
}

void clip_free(struct clip *m, struct ops *o)
{
    for (int i = 0; i < MAX_LAYERS; i++) {
        struct clip_layer *y = &m->layer[i];
        struct weight *all[] = {y->norm1, y->qkv, y->out, y->norm2, y->fc1, y->fc2};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            o->free_weight(o, all[k]);
    }
    o->free_weight(o, m->tokens);
    o->free_weight(o, m->positions);
    o->free_weight(o, m->final_norm);
    o->free_weight(o, m->projection);
    memset(m, 0, sizeof *m);
}

/* x += attention(norm1(x)); x += mlp(norm2(x)) */
static void run_layer(const struct clip *m, struct ops *o, int at, struct tensor *x)
{
    const struct clip_config *c = &m->config;
    const struct clip_layer *y = &m->layer[at];
    ops_enter(o, "layer", at);
    ops_enter(o, "attn", -1);
    struct tensor a = ops_alloc_like(o, x, c->hidden);
    struct tensor qkv = ops_alloc_like(o, x, 3 * c->hidden);
    o->layer_norm(o, &a, x, y->norm1, c->eps);
    o->linear(o, &qkv, &a, y->qkv, ACT_NONE, NULL);
    attend_self(o, &a, qkv, c->heads, true);
    o->release(o, &qkv);
    o->linear(o, x, &a, y->out, ACT_NONE, x);
    ops_leave(o);

    ops_enter(o, "mlp", -1);
    struct tensor f = ops_alloc_like(o, x, c->ffn);
    o->layer_norm(o, &a, x, y->norm2, c->eps);
    o->linear(o, &f, &a, y->fc1, c->act, NULL);
    o->linear(o, x, &f, y->fc2, ACT_NONE, x);
    o->release(o, &f);
    o->release(o, &a);
    ops_leave(o);
    ops_leave(o);
}

/* Where the pooled state is read: the first end-of-text, the last token when a chunk has none. */
static int first_eos(const struct clip_config *c, const int32_t *ids)
{
    for (int i = 0; i < c->positions; i++)
        if (ids[i] == c->eos)
            return i;
    return c->positions - 1;
}

static void project(const struct clip *m, struct ops *o, const int32_t *ids, const struct tensor *x,
                    struct tensor *pooled)
{
    struct tensor row = tensor_row(*x, 0, first_eos(&m->config, ids));
    struct tensor normed = ops_alloc(o, 1, 1, 1, m->config.hidden);
    o->layer_norm(o, &normed, &row, m->final_norm, m->config.eps);
    o->linear(o, pooled, &normed, m->projection, ACT_NONE, NULL);
    o->release(o, &normed);
}

/* The vectors are rows of a table of their own, looked up like tokens, so that their positions are
 * added by the same operation; then their rows replace those of the ids. */
static int put_vectors(const struct clip *m, struct ops *o, const struct clip_vectors *v,
                       struct tensor *embedded)
{
    size_t width = (size_t)m->config.hidden, tokens = (size_t)tensor_rows(embedded);
    float *rows = malloc((size_t)v->count * width * sizeof *rows);
    int32_t *ids = calloc(tokens, sizeof *ids);
    if (!rows || !ids) {
        free(rows);
        free(ids);
        return -1;
    }
    for (int i = 0; i < v->count; i++) {
        memcpy(rows + (size_t)i * width, v->use[i].vector, width * sizeof *rows);
        ids[v->use[i].at] = i;
    }
    struct param p = {.data = rows, .dtype = DT_F32, .rank = 2, .dim = {v->count, (int64_t)width}};
    struct weight *table = o->pack_table(o, &p);
    struct tensor looked_up = ops_alloc_like(o, embedded, embedded->c);
    o->embedding(o, &looked_up, ids, table, m->positions);
    for (int i = 0; i < v->count; i++) {
        int chunk = v->use[i].at / embedded->h, at = v->use[i].at % embedded->h;
        struct tensor to = tensor_row(*embedded, chunk, at);
        struct tensor from = tensor_row(looked_up, chunk, at);
        o->copy(o, &to, &from);
    }
    o->release(o, &looked_up);
    o->free_weight(o, table);
    free(rows);
    free(ids);
    return 0;
}

int clip_encode(const struct clip *m, struct ops *o, const int32_t *ids, int chunks, int skip,
                const struct clip_vectors *vectors, struct tensor *hidden, struct tensor *pooled)
{
    const struct clip_config *c = &m->config;
    int rc = 0;
    assert(skip >= 0 && skip < c->layers && hidden->n == chunks && hidden->c == c->hidden);
    for (int64_t i = 0; i < (int64_t)chunks * c->positions; i++)
        assert(ids[i] >= 0 && ids[i] < c->vocab);
    struct tensor x = o->alloc_as(o, o->stream, chunks, c->positions, 1, c->hidden);
    struct tensor embedded = ops_alloc(o, chunks, c->positions, 1, c->hidden);
    o->embedding(o, &embedded, ids, m->tokens, m->positions);
    if (vectors && vectors->count > 0)
        rc = put_vectors(m, o, vectors, &embedded);
    o->copy(o, &x, &embedded);
    o->release(o, &embedded);
    for (int i = 0; i < c->layers - skip; i++)
        run_layer(m, o, i, &x);
    o->copy(o, hidden, &x);
    if (pooled) {
        assert(m->projection);
        for (int i = c->layers - skip; i < c->layers; i++)
            run_layer(m, o, i, &x);
        project(m, o, ids, &x, pooled);
    }
    o->release(o, &x);
    return rc;
}
