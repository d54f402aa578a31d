/*
 * The oneDNN side of the CPU backend: engine, packed weights, a table of primitives by size.
 *
 * Written once over what cpu_dnnl_api.h makes of oneDNN's 2.x and 3.x interfaces.
 */
#include "ops/cpu_dnnl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bigmem.h"
#include "ops/cpu_dnnl_api.h"

enum {
    LAYOUTS = 3, /* most layouts that a weight is kept in */
    TABLE_START = 256,
    TYPICAL_ROWS = 1024,
    TYPICAL_SIDE = 64
};

/* -- types -------------------------------------------------------------------------------- */

struct packed {
    desc layout;
    void *data;
    size_t bytes;
};

struct dnn_weight {
    bool conv;
    int64_t out, in;
    int kh, kw;
    int count;
    struct packed packed[LAYOUTS];
};

/* What a primitive is made for. Compared as bytes: every field is set, no padding. */
struct key {
    int64_t kind, n, h, w, in, out, kh, kw; /* a matrix product has n rows */
    int64_t stride, top, left, bottom, right;
    int64_t x_ld, y_ld, y_type;
    int64_t act, accumulate, bias, planes;
};

enum { KIND_LINEAR, KIND_CONV };

struct entry {
    struct key key;
    dnnl_primitive_t primitive;
    desc layout; /* of the weights it takes */
    dnnl_memory_t x, w, bias, y, scratch;
    size_t scratch_bytes;
};

struct dnn {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    enum dtype act;
    bool planes;          /* what typical convolutions read */
    struct entry **table; /* open addressing, a power of two */
    size_t slots, used;
    void *scratch;
    size_t scratch_bytes, weight_bytes;
};

static int fail(struct err *e, const char *what, dnnl_status_t status)
{
    if (status == dnnl_out_of_memory)
        return err_set(e, "oneDNN: out of memory for %s: use a smaller size or batch", what);
    return err_set(e, "oneDNN: cannot make %s (status %d)", what, (int)status);
}

static dnnl_data_type_t dnnl_type(enum dtype t)
{
    return t == DT_F32 ? dnnl_f32 : t == DT_F16 ? dnnl_f16 : dnnl_bf16;
}

struct dnn *dnn_open(enum dtype act, struct err *e)
{
    struct dnn *d = calloc(1, sizeof *d);
    if (d == NULL) {
        err_set(e, "out of memory");
        return NULL;
    }
    d->act = act;
    d->slots = TABLE_START;
    d->table = calloc(d->slots, sizeof *d->table);
    dnnl_status_t status = d->table == NULL ? dnnl_out_of_memory
                                            : dnnl_engine_create(&d->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        fail(e, "a CPU engine", status);
        dnn_close(d);
        return NULL;
    }
    /* Our table holds every primitive; a second cache inside would only keep them alive. */
    dnnl_set_primitive_cache_capacity(0);
    return d;
}

static void entry_free(struct entry *at)
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

void dnn_close(struct dnn *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; d->table != NULL && i < d->slots; i++)
        if (d->table[i] != NULL)
            entry_free(d->table[i]);
    free(d->table);
    free(d->scratch);
    if (d->stream != NULL)
        dnnl_stream_destroy(d->stream);
    if (d->engine != NULL)
        dnnl_engine_destroy(d->engine);
    free(d);
}

void dnn_plan_planes(struct dnn *d, bool planes)
{
    d->planes = planes;
}

size_t dnn_weight_bytes(const struct dnn *d)
{
    return d->weight_bytes;
}

size_t dnn_scratch_bytes(const struct dnn *d)
{
    return d->scratch_bytes;
}

/* -- the table ---------------------------------------------------------------------------- */

static uint64_t hash(const struct key *k)
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
static struct entry **slot(struct entry **table, size_t slots, const struct key *k)
{
    size_t i = hash(k) & (slots - 1);
    while (table[i] != NULL && memcmp(&table[i]->key, k, sizeof *k) != 0)
        i = (i + 1) & (slots - 1);
    return &table[i];
}

static int insert(struct dnn *d, struct entry *at)
{
    if (2 * (d->used + 1) > d->slots) {
        struct entry **table = calloc(2 * d->slots, sizeof *table);
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

static dnnl_status_t make_attr(dnnl_primitive_attr_t *attr, const struct key *k)
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

struct descs {
    desc x, w, bias, y;
    bool has_bias;
};

static void descs_free(struct descs *s)
{
    desc_free(&s->x);
    desc_free(&s->w);
    desc_free(&s->y);
    if (s->has_bias)
        desc_free(&s->bias);
}

/* layout: of the weights, or NULL to let oneDNN choose. */
static dnnl_status_t linear_descs(struct descs *s, const struct dnn *d, const struct key *k,
                                  cdesc layout)
{
    dnnl_dims_t x = {k->n, k->in}, w = {k->in, k->out}, y = {k->n, k->out}, bias = {1, k->out};
    dnnl_dims_t x_strides = {k->x_ld, 1}, y_strides = {k->y_ld, 1}, bias_strides = {k->out, 1};
    dnnl_data_type_t type = dnnl_type(d->act);
    dnnl_status_t status = desc_strided(&s->x, 2, x, type, x_strides);
    if (status == dnnl_success)
        status = layout != NULL ? desc_copy(&s->w, layout) : desc_any(&s->w, 2, w, type);
    if (status == dnnl_success)
        status = desc_strided(&s->y, 2, y, dnnl_type((enum dtype)k->y_type), y_strides);
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

static dnnl_status_t conv_descs(struct descs *s, const struct dnn *d, const struct key *k,
                                cdesc layout)
{
    dnnl_dims_t w = {k->out, k->in, k->kh, k->kw}, bias = {k->out}, one = {1};
    dnnl_data_type_t type = dnnl_type(d->act);
    dnnl_status_t status = image_desc(&s->x, k->n, k->in, k->h, k->w, k->planes, type);
    if (status == dnnl_success)
        status = layout != NULL ? desc_copy(&s->w, layout) : desc_any(&s->w, 4, w, type);
    if (status == dnnl_success)
        status = image_desc(&s->y, k->n, k->out,
                            out_size(k->h, k->top, k->bottom, k->kh, k->stride),
                            out_size(k->w, k->left, k->right, k->kw, k->stride), k->planes,
                            dnnl_type((enum dtype)k->y_type));
    s->has_bias = k->bias != 0;
    if (status == dnnl_success && s->has_bias)
        status = desc_strided(&s->bias, 1, bias, dnnl_f32, one);
    return status;
}

/* A primitive descriptor for the key; *s keeps the descriptors and is to be freed in any case. */
static dnnl_status_t describe(dnnl_primitive_desc_t *pd, struct descs *s, const struct dnn *d,
                              const struct key *k, cdesc layout)
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

static dnnl_status_t fill_entry(struct entry *at, const struct dnn *d, dnnl_primitive_desc_t pd,
                                const struct descs *s)
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

static struct entry *make_entry(struct dnn *d, const struct key *k, const struct dnn_weight *w,
                                struct err *e)
{
    dnnl_primitive_desc_t pd = NULL;
    struct descs s;
    dnnl_status_t status = describe(&pd, &s, d, k, view(&w->packed[0].layout));
    if (status != dnnl_success || is_naive(pd)) {
        if (pd != NULL)
            dnnl_primitive_desc_destroy(pd);
        pd = NULL;
        descs_free(&s);
        status = describe(&pd, &s, d, k, NULL);
    }
    struct entry *at = calloc(1, sizeof *at);
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
    descs_free(&s);
    if (status == dnnl_success)
        return at;
    fail(e, k->kind == KIND_CONV ? "a convolution" : "a matrix product", status);
    if (at != NULL)
        entry_free(at);
    return NULL;
}

static struct entry *find_entry(struct dnn *d, const struct key *k, const struct dnn_weight *w,
                                struct err *e)
{
    struct entry *at = *slot(d->table, d->slots, k);
    return at != NULL ? at : make_entry(d, k, w, e);
}

/* -- weights ------------------------------------------------------------------------------ */

static int reorder(struct dnn *d, cdesc from, const void *src, cdesc to, void *dst, struct err *e)
{
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_memory_t a = NULL, b = NULL;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&pd, from, d->engine, to, d->engine,
                                                              NULL);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&primitive, pd);
    if (status == dnnl_success)
        status = dnnl_memory_create(&a, from, d->engine, (void *)src);
    if (status == dnnl_success)
        status = dnnl_memory_create(&b, to, d->engine, dst);
    if (status == dnnl_success) {
        dnnl_exec_arg_t args[] = {{DNNL_ARG_FROM, a}, {DNNL_ARG_TO, b}};
        status = dnnl_primitive_execute(primitive, d->stream, 2, args);
    }
    if (status == dnnl_success)
        status = dnnl_stream_wait(d->stream);
    if (a != NULL)
        dnnl_memory_destroy(a);
    if (b != NULL)
        dnnl_memory_destroy(b);
    if (primitive != NULL)
        dnnl_primitive_destroy(primitive);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    return status == dnnl_success ? 0 : fail(e, "packed weights", status);
}

/* Adds a layout to w, filled from `src`. */
static int add_layout(struct dnn *d, struct dnn_weight *w, cdesc layout, cdesc from,
                      const void *src, struct err *e)
{
    if (w->count == LAYOUTS)
        return err_set(e, "oneDNN: a weight would need more than %d layouts", LAYOUTS);
    struct packed *p = &w->packed[w->count];
    p->bytes = dnnl_memory_desc_get_size(layout);
    p->data = bigmem_alloc(p->bytes);
    if (p->data == NULL || desc_copy(&p->layout, layout) != dnnl_success) {
        free(p->data);
        return err_set(e, "out of memory for weights (%zu bytes)", p->bytes);
    }
    if (reorder(d, from, src, layout, p->data, e) != 0) {
        free(p->data);
        desc_free(&p->layout);
        return -1;
    }
    w->count++;
    d->weight_bytes += p->bytes;
    return 0;
}

/* The key of a typical call with this weight, which chooses its layout. */
static struct key typical(const struct dnn *d, const struct dnn_weight *w)
{
    struct key k = {.kind = w->conv ? KIND_CONV : KIND_LINEAR,
                    .n = w->conv ? 1 : TYPICAL_ROWS,
                    .h = TYPICAL_SIDE,
                    .w = TYPICAL_SIDE,
                    .in = w->in,
                    .out = w->out,
                    .kh = w->kh,
                    .kw = w->kw,
                    .stride = 1,
                    .top = w->kh / 2,
                    .left = w->kw / 2,
                    .bottom = (w->kh - 1) / 2,
                    .right = (w->kw - 1) / 2,
                    .x_ld = w->in,
                    .y_ld = w->out,
                    .y_type = d->act,
                    .bias = 1,
                    .planes = w->conv && d->planes};
    return k;
}

static struct dnn_weight *pack(struct dnn *d, struct dnn_weight shape, cdesc from, const void *src,
                               struct err *e)
{
    struct dnn_weight *w = malloc(sizeof *w);
    if (w == NULL) {
        err_set(e, "out of memory");
        return NULL;
    }
    *w = shape;
    struct key k = typical(d, w);
    dnnl_primitive_desc_t pd = NULL;
    struct descs s;
    dnnl_status_t status = describe(&pd, &s, d, &k, NULL);
    int result = status != dnnl_success ? fail(e, "a layout for weights", status) : 0;
    if (result == 0)
        result = add_layout(d, w, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), from,
                            src, e);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    descs_free(&s);
    if (result == 0)
        return w;
    free(w);
    return NULL;
}

struct dnn_weight *dnn_pack_linear(struct dnn *d, const void *w, int64_t out, int64_t in,
                                   struct err *e)
{
    desc from;
    dnnl_dims_t dims = {in, out}, strides = {1, in};
    if (desc_strided(&from, 2, dims, dnnl_type(d->act), strides) != dnnl_success) {
        err_set(e, "oneDNN: no weights of %lld x %lld", (long long)out, (long long)in);
        return NULL;
    }
    struct dnn_weight shape = {.out = out, .in = in, .kh = 1, .kw = 1};
    struct dnn_weight *packed = pack(d, shape, view(&from), w, e);
    desc_free(&from);
    return packed;
}

static dnnl_status_t plain_conv(desc *out, const struct dnn *d, int64_t o, int64_t i, int kh,
                                int kw)
{
    dnnl_dims_t dims = {o, i, kh, kw}, strides = {i * kh * kw, (int64_t)kh * kw, kw, 1};
    return desc_strided(out, 4, dims, dnnl_type(d->act), strides);
}

struct dnn_weight *dnn_pack_conv(struct dnn *d, const void *w, int64_t out, int64_t in, int kh,
                                 int kw, struct err *e)
{
    desc from;
    if (plain_conv(&from, d, out, in, kh, kw) != dnnl_success) {
        err_set(e, "oneDNN: no convolution of %lld x %lld", (long long)out, (long long)in);
        return NULL;
    }
    struct dnn_weight shape = {.conv = true, .out = out, .in = in, .kh = kh, .kw = kw};
    struct dnn_weight *packed = pack(d, shape, view(&from), w, e);
    desc_free(&from);
    return packed;
}

int dnn_unpack_conv(struct dnn *d, const struct dnn_weight *w, void *dst, struct err *e)
{
    desc to;
    dnnl_status_t status = plain_conv(&to, d, w->out, w->in, w->kh, w->kw);
    if (status != dnnl_success)
        return fail(e, "unpacked weights", status);
    int result = reorder(d, view(&w->packed[0].layout), w->packed[0].data, view(&to), dst, e);
    desc_free(&to);
    return result;
}

void dnn_free_weight(struct dnn *d, struct dnn_weight *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < w->count; i++) {
        d->weight_bytes -= w->packed[i].bytes;
        free(w->packed[i].data);
        desc_free(&w->packed[i].layout);
    }
    free(w);
}

/* The weight's data in the layout that the primitive takes, made at first need. */
static void *data_in(struct dnn *d, struct dnn_weight *w, const struct entry *at, struct err *e)
{
    for (int i = 0; i < w->count; i++)
        if (dnnl_memory_desc_equal(view(&w->packed[i].layout), view(&at->layout)))
            return w->packed[i].data;
    if (add_layout(d, w, view(&at->layout), view(&w->packed[0].layout), w->packed[0].data, e) != 0)
        return NULL;
    return w->packed[w->count - 1].data;
}

/* -- calls -------------------------------------------------------------------------------- */

static int grow_scratch(struct dnn *d, size_t bytes, struct err *e)
{
    if (bytes <= d->scratch_bytes)
        return 0;
    free(d->scratch);
    d->scratch = bigmem_alloc(bytes);
    d->scratch_bytes = d->scratch != NULL ? bytes : 0;
    return d->scratch != NULL ? 0 : err_set(e, "out of memory for scratch (%zu bytes)", bytes);
}

static int execute(struct dnn *d, const struct entry *at, const struct dnn_weight *weight,
                   const void *x, const float *bias, void *y, struct err *e)
{
    /* Only the cached layouts of a weight ever change here, never its values. */
    void *w = data_in(d, (struct dnn_weight *)weight, at, e);
    if (w == NULL || grow_scratch(d, at->scratch_bytes, e) != 0)
        return -1;
    dnnl_exec_arg_t args[5] = {
        {DNNL_ARG_SRC, at->x}, {DNNL_ARG_WEIGHTS, at->w}, {DNNL_ARG_DST, at->y}};
    int count = 3;
    dnnl_status_t status = dnnl_memory_set_data_handle(at->x, (void *)x);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(at->w, w);
    if (status == dnnl_success)
        status = dnnl_memory_set_data_handle(at->y, y);
    if (status == dnnl_success && at->bias != NULL) {
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_BIAS, at->bias};
        status = dnnl_memory_set_data_handle(at->bias, (void *)bias);
    }
    if (status == dnnl_success && at->scratch != NULL) {
        args[count++] = (dnnl_exec_arg_t){DNNL_ARG_SCRATCHPAD, at->scratch};
        status = dnnl_memory_set_data_handle(at->scratch, d->scratch);
    }
    if (status == dnnl_success)
        status = dnnl_primitive_execute(at->primitive, d->stream, count, args);
    if (status == dnnl_success)
        status = dnnl_stream_wait(d->stream);
    return status == dnnl_success ? 0 : fail(e, "a result", status);
}

int dnn_linear(struct dnn *d, const struct dnn_linear *c, struct err *e)
{
    struct key k = {.kind = KIND_LINEAR,
                    .n = c->rows,
                    .in = c->w->in,
                    .out = c->w->out,
                    .x_ld = c->x_ld,
                    .y_ld = c->y_ld,
                    .y_type = c->y_type,
                    .act = c->act,
                    .accumulate = c->accumulate,
                    .bias = c->bias != NULL};
    struct entry *at = find_entry(d, &k, c->w, e);
    return at != NULL ? execute(d, at, c->w, c->x, c->bias, c->y, e) : -1;
}

int dnn_conv(struct dnn *d, const struct dnn_conv *c, struct err *e)
{
    struct key k = {.kind = KIND_CONV,
                    .n = c->n,
                    .h = c->h,
                    .w = c->w_in,
                    .in = c->w->in,
                    .out = c->w->out,
                    .kh = c->w->kh,
                    .kw = c->w->kw,
                    .stride = c->stride,
                    .top = c->top,
                    .left = c->left,
                    .bottom = c->bottom,
                    .right = c->right,
                    .y_type = c->y_type,
                    .act = c->act,
                    .accumulate = c->accumulate,
                    .bias = c->bias != NULL,
                    .planes = c->planes};
    struct entry *at = find_entry(d, &k, c->w, e);
    return at != NULL ? execute(d, at, c->w, c->x, c->bias, c->y, e) : -1;
}

const char *ops_cpu_library(void)
{
    static _Thread_local char text[48]; /* two engines may ask at once */
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}
