/*
 * The oneDNN side of the CPU backend: engine, packed weights, a table of primitives by size.
 *
 * Written once over what cpu_dnnl_api.h makes of oneDNN's 2.x and 3.x interfaces.
 */
#include "ops/cpu_dnnl_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bigmem.h"

enum { TABLE_START = 256, TYPICAL_ROWS = 1024, TYPICAL_SIDE = 64 };

struct dnn *dnn_open(enum dtype act, const struct cpu *cpu, struct err *e)
{
    struct dnn *d = calloc(1, sizeof *d);
    if (d == NULL) {
        err_set(e, "out of memory");
        return NULL;
    }
    d->act = act;
    d->cpu = *cpu;
    d->slots = TABLE_START;
    d->table = calloc(d->slots, sizeof *d->table);
    dnnl_status_t status = d->table == NULL ? dnnl_out_of_memory
                                            : dnnl_engine_create(&d->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&d->stream, d->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        dnn_fail(e, "a CPU engine", status);
        dnn_close(d);
        return NULL;
    }
    /* Our table holds every primitive; a second cache inside would only keep them alive. */
    dnnl_set_primitive_cache_capacity(0);
    return d;
}

void dnn_close(struct dnn *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; d->table != NULL && i < d->slots; i++)
        if (d->table[i] != NULL)
            dnn_entry_free(d->table[i]);
    free(d->table);
    free(d->scratch);
    free(d->wide[0].data);
    free(d->wide[1].data);
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
    return d->scratch_bytes + d->wide[0].bytes + d->wide[1].bytes;
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
    return status == dnnl_success ? 0 : dnn_fail(e, "packed weights", status);
}

static int64_t values_of(const struct dnn_packed *p)
{
    return (int64_t)(p->bytes / dtype_size(p->held));
}

static int grow_wide(struct dnn_wide *wide, size_t bytes, struct err *e)
{
    wide->of = NULL;
    if (bytes <= wide->bytes)
        return 0;
    free(wide->data);
    wide->data = bigmem_alloc(bytes);
    wide->bytes = wide->data != NULL ? bytes : 0;
    return wide->data != NULL ? 0 : err_set(e, "out of memory for weights (%zu bytes)", bytes);
}

/* The values as they are multiplied, at the place of that number if they are widened. NULL without
 * memory. */
static void *values(struct dnn *d, const struct dnn_packed *p, int place, struct err *e)
{
    struct dnn_wide *wide = &d->wide[place];
    if (p->held == d->act)
        return p->data;
    if (wide->of == p->data)
        return wide->data;
    if (grow_wide(wide, (size_t)values_of(p) * dtype_size(d->act), e) != 0)
        return NULL;
    cpu_convert(&d->cpu, wide->data, d->act, p->data, p->held, values_of(p));
    wide->of = p->data;
    return wide->data;
}

/* Fills p, whose type is narrower than `layout`. src may be what `values` gave. */
static int fill_narrow(struct dnn *d, struct dnn_packed *p, cdesc layout, cdesc from,
                       const void *src, struct err *e)
{
    struct dnn_wide own = {0}, *wide = src == d->wide[0].data ? &own : &d->wide[0];
    int rc = grow_wide(wide, dnnl_memory_desc_get_size(layout), e);
    if (rc == 0)
        rc = reorder(d, from, src, layout, wide->data, e);
    if (rc == 0)
        cpu_convert(&d->cpu, p->data, p->held, wide->data, d->act, values_of(p));
    wide->of = rc == 0 ? p->data : NULL; /* a streamed weight is wanted at once */
    free(own.data);
    return rc;
}

/* Adds a layout to w, filled from `src`. w has room for it. */
static int add_layout(struct dnn *d, struct dnn_weight *w, cdesc layout, cdesc from,
                      const void *src, struct err *e)
{
    struct dnn_packed *p = &w->packed[w->count];
    size_t count = dnnl_memory_desc_get_size(layout) / dtype_size(d->act);
    *p = (struct dnn_packed){.held = w->held, .bytes = count * dtype_size(w->held)};
    p->data = bigmem_alloc(p->bytes);
    if (p->data == NULL || desc_copy(&p->layout, layout) != dnnl_success) {
        free(p->data);
        return err_set(e, "out of memory for weights (%zu bytes)", p->bytes);
    }
    if (w->held != d->act ? fill_narrow(d, p, layout, from, src, e) != 0
                          : reorder(d, from, src, layout, p->data, e) != 0) {
        free(p->data);
        desc_free(&p->layout);
        return -1;
    }
    w->count++;
    d->weight_bytes += p->bytes;
    return 0;
}

static void drop_oldest_layout(struct dnn *d, struct dnn_weight *w)
{
    struct dnn_packed *p = w->packed;
    for (int i = 0; i < 2; i++)
        if (d->wide[i].of == p->data)
            d->wide[i].of = NULL;
    d->weight_bytes -= p->bytes;
    free(p->data);
    desc_free(&p->layout);
    w->count--;
    memmove(p, p + 1, (size_t)w->count * sizeof *p);
}

/* The key of a typical call with this weight, which chooses its layout. */
static struct dnn_key typical(const struct dnn *d, const struct dnn_weight *w)
{
    struct dnn_key k = {.kind = w->conv ? KIND_CONV : KIND_LINEAR,
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
    struct dnn_key k = typical(d, w);
    dnnl_primitive_desc_t pd = NULL;
    struct dnn_descs s;
    dnnl_status_t status = dnn_describe(&pd, &s, d, &k, NULL);
    int result = status != dnnl_success ? dnn_fail(e, "a layout for weights", status) : 0;
    if (result == 0)
        result = add_layout(d, w, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0), from,
                            src, e);
    if (pd != NULL)
        dnnl_primitive_desc_destroy(pd);
    dnn_descs_free(&s);
    if (result == 0)
        return w;
    free(w);
    return NULL;
}

struct dnn_weight *dnn_pack_linear(struct dnn *d, const void *w, int64_t out, int64_t in,
                                   enum dtype held, struct err *e)
{
    desc from;
    dnnl_dims_t dims = {in, out}, strides = {1, in};
    if (desc_strided(&from, 2, dims, dnn_type(d->act), strides) != dnnl_success) {
        err_set(e, "oneDNN: no weights of %lld x %lld", (long long)out, (long long)in);
        return NULL;
    }
    struct dnn_weight shape = {.out = out, .in = in, .kh = 1, .kw = 1, .held = held};
    struct dnn_weight *packed = pack(d, shape, view(&from), w, e);
    desc_free(&from);
    return packed;
}

static dnnl_status_t plain_conv(desc *out, const struct dnn *d, int64_t o, int64_t i, int kh,
                                int kw)
{
    dnnl_dims_t dims = {o, i, kh, kw}, strides = {i * kh * kw, (int64_t)kh * kw, kw, 1};
    return desc_strided(out, 4, dims, dnn_type(d->act), strides);
}

struct dnn_weight *dnn_pack_conv(struct dnn *d, const void *w, int64_t out, int64_t in, int kh,
                                 int kw, enum dtype held, struct err *e)
{
    desc from;
    if (plain_conv(&from, d, out, in, kh, kw) != dnnl_success) {
        err_set(e, "oneDNN: no convolution of %lld x %lld", (long long)out, (long long)in);
        return NULL;
    }
    struct dnn_weight shape = {
        .conv = true, .out = out, .in = in, .kh = kh, .kw = kw, .held = held};
    struct dnn_weight *packed = pack(d, shape, view(&from), w, e);
    desc_free(&from);
    return packed;
}

int dnn_unpack_conv(struct dnn *d, const struct dnn_weight *w, void *dst, struct err *e)
{
    desc to;
    dnnl_status_t status = plain_conv(&to, d, w->out, w->in, w->kh, w->kw);
    if (status != dnnl_success)
        return dnn_fail(e, "unpacked weights", status);
    void *from = values(d, &w->packed[0], 0, e);
    int result = from ? reorder(d, view(&w->packed[0].layout), from, view(&to), dst, e) : -1;
    desc_free(&to);
    return result;
}

void dnn_free_weight(struct dnn *d, struct dnn_weight *w)
{
    if (w == NULL)
        return;
    while (w->count > 0)
        drop_oldest_layout(d, w);
    free(w);
}

/* The weight's data as the primitive takes it. For AVX2 oneDNN 3 blocks filters by the size of the
 * picture: kept in every layout that was wanted they would be there twice in most jobs. Sizes
 * change seldom, but in bands, where laying out anew takes longer than the call. */
static void *data_in(struct dnn *d, struct dnn_weight *w, const struct dnn_entry *at, bool bands,
                     int place, struct err *e)
{
    int i = 0;
    while (i < w->count && !dnnl_memory_desc_equal(view(&w->packed[i].layout), view(&at->layout)))
        i++;
    if (i == w->count) {
        const struct dnn_packed *first = w->packed;
        void *from = values(d, first, 0, e);
        if (!from || add_layout(d, w, view(&at->layout), view(&first->layout), from, e) != 0)
            return NULL;
        if (!first->used || w->count > (bands ? DNN_LAYOUTS : 1))
            drop_oldest_layout(d, w);
        i = w->count - 1;
    }
    w->packed[i].used = true;
    return values(d, &w->packed[i], place, e);
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

static int execute(struct dnn *d, const struct dnn_entry *at, const struct dnn_weight *weight,
                   const void *x, const float *bias, void *y, bool bands, int place, struct err *e)
{
    /* Only the layouts of a weight ever change here, never its values. */
    void *w = data_in(d, (struct dnn_weight *)weight, at, bands, place, e);
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
    return status == dnnl_success ? 0 : dnn_fail(e, "a result", status);
}

int dnn_linear(struct dnn *d, const struct dnn_linear *c, struct err *e)
{
    struct dnn_key k = {.kind = KIND_LINEAR,
                        .n = c->rows,
                        .in = c->w->in,
                        .out = c->w->out,
                        .x_ld = c->x_ld,
                        .y_ld = c->y_ld,
                        .y_type = c->y_type,
                        .act = c->act,
                        .accumulate = c->accumulate,
                        .bias = c->bias != NULL};
    struct dnn_entry *at = dnn_entry_find(d, &k, c->w, e);
    return at != NULL ? execute(d, at, c->w, c->x, c->bias, c->y, false, c->second, e) : -1;
}

int dnn_conv(struct dnn *d, const struct dnn_conv *c, struct err *e)
{
    struct dnn_key k = {.kind = KIND_CONV,
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
    struct dnn_entry *at = dnn_entry_find(d, &k, c->w, e);
    return at != NULL ? execute(d, at, c->w, c->x, c->bias, c->y, c->bands, 0, e) : -1;
}

const char *ops_cpu_library(void)
{
    static _Thread_local char text[48]; /* two engines may ask at once */
    const dnnl_version_t *v = dnnl_version();
    snprintf(text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor, v->patch);
    return text;
}

size_t ops_cpu_library_bytes(void)
{
    /* What runs of models/tiny in bf16 and f32, at two sizes and with a batch, took over everything
     * else, vocabularies and PNG included: 17 to 20 MB at two steps, up to 30 at twenty; with
     * oneDNN 3.7 in f32 5 to 12 MB more (tests/test_forecast.sh). */
    return (size_t)(dnnl_version()->major >= 3 ? 28 : 20) << 20;
}
