/* Primitives of oneDNN, made from the sizes of a call and kept in a table by them. */
#include "ops/cpu_dnnl_table.h"

#include <stdlib.h>
#include <string.h>

int dnn_fail(struct err *e, const char *what, dnnl_status_t status)
{
    if (status == dnnl_out_of_memory)
        return err_set(e, "oneDNN: out of memory for %s: use a smaller size or batch", what);
    return err_set(e, "oneDNN: cannot make %s (status %d)", what, (int)status);
}

dnnl_data_type_t dnn_type(enum dtype t)
{
    return t == DT_F32 ? dnnl_f32 : t == DT_F16 ? dnnl_f16 : dnnl_bf16;
}

void dnn_entry_free(struct dnn_entry *at)
{
    dnnl_memory_t memory[] = {at->x, at->w, at->bias, at->y, at->scratch};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; i++)
        if (memory[i] != NULL)
            dnnl_memory_destroy(memory[i]);
    if (at->primitive != NULL)
        dnnl_primitive_destroy(at->primitive);
    desc_free(&at->layout);
    free(at);
}

/* -- the table ---------------------------------------------------------------------------- */

static uint64_t hash(const struct dnn_key *k)
{
    uint64_t h = 0xcbf29ce484222325u;
    const int64_t *v = (const int64_t *)k;
    for (size_t i = 0; i < sizeof *k / sizeof *v; i++) {
        h = (h ^ (uint64_t)v[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h;
}

/* The slot that holds the key, or the free one where it belongs. */
static struct dnn_entry **slot(struct dnn_entry **table, size_t slots, const struct dnn_key *k)
{
    size_t i = hash(k) & (slots - 1);
    while (table[i] != NULL && memcmp(&table[i]->key, k, sizeof *k) != 0)
        i = (i + 1) & (slots - 1);
    return &table[i];
}

static int insert(struct dnn *d, struct dnn_entry *at)
{
    if (2 * (d->used + 1) > d->slots) {
        struct dnn_entry **table = calloc(2 * d->slots, sizeof *table);
        if (table == NULL)
            return -1;
        for (size_t i = 0; i < d->slots; i++)
            if (d->table[i] != NULL)
                *slot(table, 2 * d->slots, &d->table[i]->key) = d->table[i];
        free(d->table);
        d->table = table;
        d->slots *= 2;
    }
    *slot(d->table, d->slots, &at->key) = at;
    d->used++;
    return 0;
}

/* -- making a primitive ------------------------------------------------------------------- */

static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr, const struct dnn_key *k)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(attr);
    if (status == dnnl_success)
        status = dnnl_post_ops_create(&ops);
    if (status == dnnl_success && k->act == ACT_SILU)
        status = append_eltwise(ops, dnnl_eltwise_swish, 1.0f);
    if (status == dnnl_success && k->act == ACT_QUICK_GELU)
        status = append_eltwise(ops, dnnl_eltwise_swish, 1.702f);
    if (status == dnnl_success && k->act == ACT_GELU)
        status = append_eltwise(ops, dnnl_eltwise_gelu_erf, 0.0f);
    if (status == dnnl_success && k->accumulate)
        status = append_sum(ops);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(*attr, ops);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(*attr, dnnl_scratchpad_mode_user);
    if (ops != NULL)
        dnnl_post_ops_destroy(ops);
    return status;
}

void dnn_descs_free(struct dnn_descs *s)
{
    desc_free(&s->x);
    desc_free(&s->w);
    desc_free(&s->y);
    if (s->has_bias)
        desc_free(&s->bias);
}

/* layout: of the weights, or NULL to let oneDNN choose. */
static dnnl_status_t linear_descs(struct dnn_descs *s, const struct dnn *d, const struct dnn_key *k,
                                  cdesc layout)
{
    dnnl_dims_t x = {k->n, k->in}, w = {k->in, k->out}, y = {k->n, k->out}, bias = {1, k->out};
    dnnl_dims_t x_strides = {k->x_ld, 1}, y_strides = {k->y_ld, 1}, bias_strides = {k->out, 1};
    dnnl_data_type_t type = dnn_type(d->act);
    dnnl_status_t status = desc_strided(&s->x, 2, x, type, x_strides);
    if (status == dnnl_success)
        status = layout != NULL ? desc_copy(&s->w, layout) : desc_any(&s->w, 2, w, type);
    if (status == dnnl_success)
        status = desc_strided(&s->y, 2, y, dnn_type((enum dtype)k->y_type), y_strides);
    s->has_bias = k->bias != 0;
    if (status == dnnl_success && s->has_bias)
        status = desc_strided(&s->bias, 2, bias, dnnl_f32, bias_strides);
    return status;
}

static dnnl_status_t image_desc(desc *out, int64_t n, int64_t c, int64_t h, int64_t w, bool planes,
                                dnnl_data_type_t type)
{
    dnnl_dims_t dims = {n, c, h, w}, nhwc = {h * w * c, 1, w * c, c},
                nchw = {h * w * c, h * w, w, 1};
    return desc_strided(out, 4, dims, type, planes ? nchw : nhwc);
}

static int64_t out_size(int64_t size, int64_t before, int64_t after, int64_t k, int64_t stride)
{
    return (size + before + after - k) / stride + 1;
}

static dnnl_status_t conv_descs(struct dnn_descs *s, const struct dnn *d, const struct dnn_key *k,
                                cdesc layout)
{
    dnnl_dims_t w = {k->out, k->in, k->kh, k->kw}, bias = {k->out}, one = {1};
    dnnl_data_type_t type = dnn_type(d->act);
    dnnl_status_t status = image_desc(&s->x, k->n, k->in, k->h, k->w, k->planes, type);
    if (status == dnnl_success)
        status = layout != NULL ? desc_copy(&s->w, layout) : desc_any(&s->w, 4, w, type);
    if (status == dnnl_success)
        status = image_desc(&s->y, k->n, k->out,
                            out_size(k->h, k->top, k->bottom, k->kh, k->stride),
                            out_size(k->w, k->left, k->right, k->kw, k->stride), k->planes,
                            dnn_type((enum dtype)k->y_type));
    s->has_bias = k->bias != 0;
    if (status == dnnl_success && s->has_bias)
        status = desc_strided(&s->bias, 1, bias, dnnl_f32, one);
    return status;
}

dnnl_status_t dnn_describe(dnnl_primitive_desc_t *pd, struct dnn_descs *s, const struct dnn *d,
                           const struct dnn_key *k, cdesc layout)
{
    memset(s, 0, sizeof *s);
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t status = make_attr(&attr, k);
    if (status == dnnl_success)
        status = (k->kind == KIND_CONV ? conv_descs : linear_descs)(s, d, k, layout);
    if (status == dnnl_success) {
        cdesc bias = s->has_bias ? view(&s->bias) : NULL;
        dnnl_dims_t stride = {k->stride, k->stride};
        dnnl_dims_t before = {k->top, k->left}, after = {k->bottom, k->right};
        status = k->kind == KIND_CONV ? create_conv(pd, d->engine, view(&s->x), view(&s->w), bias,
                                                    view(&s->y), stride, before, after, attr)
                                      : create_matmul(pd, d->engine, view(&s->x), view(&s->w), bias,
                                                      view(&s->y), attr);
    }
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return status;
}

/* oneDNN falls back to naive loops ("ref...") where it has no kernel for a layout. */
static bool is_naive(dnnl_primitive_desc_t pd)
{
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success &&
           name != NULL && strncmp(name, "ref", 3) == 0;
}

static dnnl_status_t make_memory(dnnl_memory_t *m, cdesc layout, const struct dnn *d)
{
    return dnnl_memory_create(m, layout, d->engine, DNNL_MEMORY_NONE);
}

static dnnl_status_t fill_entry(struct dnn_entry *at, const struct dnn *d, dnnl_primitive_desc_t pd,
                                const struct dnn_descs *s)
{
    cdesc layout = dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    cdesc scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    at->scratch_bytes = scratch != NULL ? dnnl_memory_desc_get_size(scratch) : 0;
    dnnl_status_t status = dnnl_primitive_create(&at->primitive, pd);
    if (status == dnnl_success)
        status = desc_copy(&at->layout, layout);
    if (status == dnnl_success)
        status = make_memory(&at->x, view(&s->x), d);
    if (status == dnnl_success)
        status = make_memory(&at->w, layout, d);
    if (status == dnnl_success)
        status = make_memory(&at->y, view(&s->y), d);
    if (status == dnnl_success && s->has_bias)
        status = make_memory(&at->bias, view(&s->bias), d);
    if (status == dnnl_success && at->scratch_bytes > 0)
        status = make_memory(&at->scratch, scratch, d);
    return status;
}

static struct dnn_entry *make_entry(struct dnn *d, const struct dnn_key *k,
                                    const struct dnn_weight *w, struct err *e)
{
    dnnl_primitive_desc_t pd = NULL;
    struct dnn_descs s;
    dnnl_status_t status = dnn_describe(&pd, &s, d, k, view(&w->packed[0].layout));
    if (status != dnnl_success || is_naive(pd)) {
        if (pd != NULL)
            dnnl_primitive_desc_destroy(pd);
        pd = NULL;
        dnn_descs_free(&s);
        status = dnn_describe(&pd, &s, d, k, NULL);
    }
    struct dnn_entry *at = calloc(1, sizeof *at);
    if (at == NULL)
        status = dnnl_out_of_memory;
    if (status == dnnl_success) {
        at->key = *k;
        status = fill_entry(at, d, pd, &s);
    }
    if (status == dnnl_success && insert(d, at) != 0)
        status = dnnl_out_of_memory;
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    dnn_descs_free(&s);
    if (status == dnnl_success)
        return at;
    dnn_fail(e, k->kind == KIND_CONV ? "a convolution" : "a matrix product", status);
    if (at != NULL)
        dnn_entry_free(at);
    return NULL;
}

struct dnn_entry *dnn_entry_find(struct dnn *d, const struct dnn_key *k, const struct dnn_weight *w,
                                 struct err *e)
{
    struct dnn_entry *at = *slot(d->table, d->slots, k);
    return at != NULL ? at : make_entry(d, k, w, e);
}
