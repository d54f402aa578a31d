/*
 * Attention: cuDNN's flash attention where it has one, else two products of cuBLASLt with our
 * softmax between them.
 *
 * cuDNN takes fp16 and bf16, heads of a multiple of 8 up to 128 channels, causal or not, and rows
 * that hold queries, keys and values of all heads side by side. The products take the rest: f32,
 * and the single head of 512 in the VAE. Their scores are f32, and made in slices of queries that
 * fit into the workspace.
 */
#include "library_priv.h"

#include <float.h>
#include <math.h>
#include <stdio.h>

/* -- flash --------------------------------------------------------------------------------------
 */

struct sdpa_call {
    struct library *l;
    struct sdpa_shape shape;
    void *q, *k, *v, *y;
    float scale;
    struct dnn_plan plan[PROPOSALS];
    int count;
};

static int run_flash(struct library *l, const struct dnn_plan *plan, const struct sdpa_call *c,
                     void *y, void *stream)
{
    /* what a score that may not be seen becomes: up to 9.9 infinity makes NaNs */
    float scale = c->scale, masked = cudnnGetVersion() < 91000 ? -FLT_MAX : -INFINITY;
    struct dnn_io io = {{SDPA_Q, SDPA_K, SDPA_V, SDPA_Y, SDPA_SCALE, SDPA_MASKED},
                        {c->q, c->k, c->v, y, &scale, &masked},
                        c->shape.causal ? 6 : 5};
    cudnnStatus_t rc = dnn_run(&l->dnn, plan, &io, l->workspace, stream);
    if (rc == CUDNN_STATUS_SUCCESS)
        return 0;
    dnn_reason(rc, l->why, sizeof l->why);
    return library_refused(l, stream);
}

static int try_flash(void *call, int i, void *stream)
{
    struct sdpa_call *c = call;
    struct library *l = c->l;
    if (!dnn_plan(&c->plan[i], &l->dnn, library_scratch(l), l->why, sizeof l->why))
        return NOT_TAKEN;
    return run_flash(l, &c->plan[i], c, c->y, stream);
}

static void collect(struct library *l, struct sdpa_call *c)
{
    struct dnn_graph g = {.failed = false};
    dnn_desc proposal[PROPOSALS];
    int proposed = 0;
    if (sdpa_graph(&g, &c->shape, &l->dnn) == 0)
        proposed = dnn_proposals(&g, &l->dnn, 0, proposal, PROPOSALS);
    if (!proposed)
        snprintf(l->why, sizeof l->why, "cuDNN: %.200s", g.why[0] ? g.why : "no engine");
    for (int i = 0; i < proposed; i++)
        c->plan[c->count++] = (struct dnn_plan){NULL, proposal[i], 0};
    dnn_free(&g);
}

/* What an earlier run compiled, or the choice among what is proposed. */
static int choose(struct library *l, const struct plan_key *key, struct sdpa_call *c, void *stream,
                  int *chosen)
{
    int rc = NOT_TAKEN, variant;
    if (library_kept(l, key, &c->plan[0], &variant)) {
        *chosen = 0;
        c->count = 1;
        rc = library_try(try_flash, c, 0, stream);
        if (rc != NOT_TAKEN)
            return rc;
        dnn_plan_free(&c->plan[0]);
        c->count = 0;
    }
    collect(l, c);
    if (c->count)
        rc = library_choose(l, key, c->count, try_flash, c, stream, chosen);
    if (rc == 0)
        library_keep(l, key, &c->plan[*chosen], 0, *chosen);
    return rc;
}

static int make(struct library *l, struct plan *p, const void *call, void *stream)
{
    struct sdpa_call c = *(const struct sdpa_call *)call;
    int chosen = -1;
    c.l = l;
    int rc = choose(l, &p->key, &c, stream, &chosen);
    for (int i = 0; i < c.count; i++)
        if (rc == 0 && i == chosen)
            p->dnn = c.plan[i];
        else
            dnn_plan_free(&c.plan[i]);
    return rc;
}

static int flash(struct library *l, const struct sdpa_call *c, void *stream)
{
    const struct sdpa_shape *s = &c->shape;
    int rc;
    struct plan_key key = {{PLAN_SDPA, s->type, s->n, s->heads, s->d, s->queries, s->keys, s->ld_q,
                            s->ld_k, s->ld_v, s->ld_y, s->causal}};
    struct plan *p = library_plan(l, &key, make, c, stream, &rc);
    return p ? run_flash(l, &p->dnn, c, c->y, stream) : rc;
}

/* Versions whose attention NVIDIA's own frontend asks for no longer, for its known bugs. */
static bool is_broken(size_t version)
{
    return version == 91000 || version == 91001;
}

/* May cuDNN be asked? Rows and pointers on 16 bytes, or its kernels cannot load them. */
static bool for_flash(const struct library *l, const struct sdpa_call *c)
{
    const struct sdpa_shape *s = &c->shape;
    int align = align_of(align_of(align_of(align_of(16, c->q), c->k), c->v), c->y);
    int64_t rows = s->ld_q | s->ld_k | s->ld_v | s->ld_y;
    return l->has_dnn && !l->options.sliced && !is_broken(cudnnGetVersion()) && s->type != DT_F32 &&
           s->d % 8 == 0 && s->d <= 128 && align == 16 && rows % 8 == 0;
}

/* -- products -----------------------------------------------------------------------------------
 */

struct slice {
    struct tensor scores, weights; /* of all heads and `rows` queries; f32, and the inputs' type */
    int64_t ld, rows;
};

/* As many queries at once as the workspace holds scores of. False: not even one. */
static bool cut(const struct library *l, const struct sdpa_shape *s, struct slice *c)
{
    c->ld = (s->keys + 7) / 8 * 8; /* rows on 16 bytes */
    size_t row = (size_t)(c->ld * s->heads) * (sizeof(float) + dtype_size(s->type));
    int64_t fit = (int64_t)((l->options.workspace - library_scratch(l) - 256) / row);
    c->rows = fit >= s->queries ? s->queries : fit >= 128 ? fit / 128 * 128 : fit;
    char *at = c->rows > 0 ? library_temp(l, row * (size_t)c->rows) : NULL;
    struct tensor t = {at, DT_F32, 1, (int)(c->rows * s->heads), 1, (int)s->keys, c->ld};
    if (!at)
        return false;
    c->scores = c->weights = t;
    c->weights.dtype = s->type;
    c->weights.data = at + tensor_bytes(&t);
    return true;
}

/* One slice of one image: `rows` queries from q on. */
static int attend(struct library *l, const struct sdpa_call *c, struct slice *at, int64_t rows,
                  const void *q, const void *k, const void *v, void *y, void *stream)
{
    const struct sdpa_shape *s = &c->shape;
    const struct product_shape qk = {.type = s->type,
                                     .out = DT_F32,
                                     .m = rows,
                                     .n = s->keys,
                                     .k = s->d,
                                     .ld_x = s->ld_q,
                                     .ld_w = s->ld_k,
                                     .ld_y = at->ld,
                                     .ld_c = at->ld,
                                     .w_rows_are_n = true,
                                     .batch = s->heads,
                                     .sx = s->d,
                                     .sw = s->d,
                                     .sy = rows * at->ld};
    const struct product_shape pv = {.type = s->type,
                                     .out = s->type,
                                     .m = rows,
                                     .n = s->d,
                                     .k = s->keys,
                                     .ld_x = at->ld,
                                     .ld_w = s->ld_v,
                                     .ld_y = s->ld_y,
                                     .ld_c = s->ld_y,
                                     .batch = s->heads,
                                     .sx = rows * at->ld,
                                     .sw = s->d,
                                     .sy = s->d};
    const struct product_data scores = {at->scores.data, q, k, NULL, NULL, 1};
    const struct product_data values = {y, at->weights.data, v, NULL, NULL, 1};
    struct tensor from = at->scores, to = at->weights;
    from.h = to.h = (int)(rows * s->heads);
    int rc = library_product(l, &qk, &scores, stream);
    if (rc == 0)
        rc = gpu_softmax(&to, &from, c->scale, stream);
    return rc ? rc : library_product(l, &pv, &values, stream);
}

static int by_products(struct library *l, const struct sdpa_call *c, void *stream)
{
    const struct sdpa_shape *s = &c->shape;
    const size_t size = dtype_size(s->type);
    struct slice at;
    if (!cut(l, s, &at))
        return NOT_TAKEN;
    for (int i = 0; i < s->n; i++)
        for (int64_t from = 0, rows; from < s->queries; from += rows) {
            rows = s->queries - from < at.rows ? s->queries - from : at.rows;
            int64_t query = i * s->queries + from, key = i * s->keys;
            int rc = attend(l, c, &at, rows, (char *)c->q + (size_t)(query * s->ld_q) * size,
                            (char *)c->k + (size_t)(key * s->ld_k) * size,
                            (char *)c->v + (size_t)(key * s->ld_v) * size,
                            (char *)c->y + (size_t)(query * s->ld_y) * size, stream);
            if (rc) /* refused half way: our kernel does it all again */
                return rc;
        }
    return 0;
}

/* -- the call -----------------------------------------------------------------------------------
 */

int library_attention(struct library *l, struct tensor *y, const struct tensor *q,
                      const struct tensor *k, const struct tensor *v, int heads, float scale,
                      bool causal, void *stream)
{
    const struct sdpa_call c = {.shape = {.type = q->dtype,
                                          .n = q->n,
                                          .heads = heads,
                                          .d = q->c / heads,
                                          .queries = tensor_tokens(q),
                                          .keys = tensor_tokens(k),
                                          .ld_q = q->ld,
                                          .ld_k = k->ld,
                                          .ld_v = v->ld,
                                          .ld_y = y->ld,
                                          .causal = causal,
                                          .align = 16},
                                .q = q->data,
                                .k = k->data,
                                .v = v->data,
                                .y = y->data,
                                .scale = scale};
    int rc = for_flash(l, &c) ? flash(l, &c, stream) : NOT_TAKEN;
    return rc == NOT_TAKEN && !causal ? by_products(l, &c, stream) : rc;
}
