/*
 * The CPU backend's weights: from a checkpoint's parameters into what it computes with.
 *
 * Matrices and filters are converted to the act type, a parameter at a time in `staged` (or not at
 * all, where they lie in memory as they should), and from there into oneDNN's layout. So loading
 * needs memory for one parameter besides the packed ones. For f32 a large weight that the file
 * has in 16 bits is held so in that layout (cpu_held_as), and cpu_dnnl.c widens it before its
 * calls: exact, in half the memory, and no slower, as half as many bytes come from memory.
 */
#include "ops/cpu_backend.h"

#include <stdlib.h>
#include <string.h>

void cpu_free_weight(struct ops *o, struct weight *w)
{
    struct cpu_ops *c = cpu_of(o);
    if (!w)
        return;
    for (int i = 0; i < w->segments; i++)
        dnn_free_weight(c->dnn, w->segment[i]);
    if (w->phases)
        cpu_phases_free(w->phases, c->dnn);
    if (w->filters)
        cpu_filters_free(w->filters, c->dnn);
    free(w->filters);
    free(w->phases);
    c->weight_bytes -= w->bytes;
    free(w->bias);
    free(w->gamma);
    free(w->table);
    free(w);
}

struct weight *cpu_no_weight(struct ops *o)
{
    struct weight *w = calloc(1, sizeof *w);
    if (!w)
        cpu_fail(cpu_of(o), "weights");
    return w;
}

void cpu_swap_weights(struct ops *o, struct weight *a, struct weight *b)
{
    struct weight was = *a;
    (void)o;
    *a = *b;
    *b = was;
}

/* The vector as f32 at *at; an absent one is left alone. */
static bool pack_vector(struct cpu_ops *c, struct weight *w, float **at, const struct param *p,
                        int sources)
{
    if (!param_present(p))
        return true;
    int64_t from = 0;
    *at = malloc((size_t)w->s.out * sizeof **at);
    if (!*at)
        return false;
    for (int i = 0; i < sources; from += p[i++].dim[0])
        cpu_convert(&c->cpu, *at + from, DT_F32, p[i].data, p[i].dtype, p[i].dim[0]);
    w->bytes += (size_t)w->s.out * sizeof **at;
    c->weight_bytes += (size_t)w->s.out * sizeof **at;
    return true;
}

/* A weight that holds its biases so far; NULL after a failure. */
static struct weight *new_weight(struct cpu_ops *c, struct weight_shape s, const struct param *b,
                                 int sources)
{
    struct weight *w = calloc(1, sizeof *w);
    if (w)
        w->s = s;
    if (w && pack_vector(c, w, &w->bias, b, sources))
        return w;
    cpu_free_weight(&c->ops, w);
    cpu_fail(c, "weights");
    return NULL;
}

/* Ends a pack call: the weight, or NULL if anything failed. */
static struct weight *packed(struct cpu_ops *c, struct weight *w, bool ok, const struct err *e)
{
    if (ok)
        return w;
    cpu_keep(c, -1, e);
    cpu_free_weight(&c->ops, w);
    return NULL;
}

static void transpose(const struct cpu_ops *c, void *to, const void *from, int64_t in, int64_t out)
{
    size_t value = dtype_size(c->ops.act);
    for (int64_t o = 0; o < out; o++)
        for (int64_t i = 0; i < in; i++)
            memcpy((char *)to + (size_t)(o * in + i) * value,
                   (const char *)from + (size_t)(i * out + o) * value, value);
}

/* One source's values at `to`, with room for as many at `spare`. Changed ones are rounded to what
 * they will be held as. */
static void stage_source(struct cpu_ops *c, const struct param *p, int64_t in, int64_t rows,
                         enum dtype held, void *to, void *spare)
{
    enum dtype act = c->ops.act;
    if (held != act && p->dtype != held) {
        cpu_convert(&c->cpu, spare, held, p->data, p->dtype, rows * in);
        cpu_convert(&c->cpu, to, act, spare, held, rows * in);
        return;
    }
    cpu_convert(&c->cpu, p->transposed ? spare : to, act, p->data, p->dtype, rows * in);
    if (p->transposed)
        transpose(c, to, spare, in, rows);
}

/* The sources' values as [out, in] of the act type: as they lie in the checkpoint where they can
 * be read there, else in c->staged. NULL without memory. */
static const void *stage(struct cpu_ops *c, const struct param *p, int sources, int64_t in,
                         int64_t out, enum dtype held)
{
    size_t value = dtype_size(c->ops.act), bytes = (size_t)(in * out) * value;
    if (sources == 1 && p->dtype == c->ops.act && held == c->ops.act && !p->transposed &&
        (uintptr_t)p->data % ARENA_ALIGN == 0)
        return p->data;
    bool twice = false;
    for (int i = 0; i < sources; i++)
        twice = twice || p[i].transposed || (held != c->ops.act && p[i].dtype != held);
    if (!cpu_grow(&c->staged, &c->staged_bytes, twice ? 2 * bytes : bytes))
        return NULL;
    char *to = c->staged, *spare = to + bytes;
    for (int i = 0; i < sources; i++) {
        int64_t rows = p[i].dim[p[i].transposed ? 1 : 0];
        stage_source(c, &p[i], in, rows, held, to, spare);
        to += (size_t)(rows * in) * value;
    }
    return c->staged;
}

static struct weight *pack_matrix(struct cpu_ops *c, struct weight_shape s, const struct param *p,
                                  const struct param *b, int sources)
{
    struct weight *w = new_weight(c, s, b, sources);
    struct err e = {"no memory: weights"};
    enum dtype held = cpu_held_as(c->ops.act, c->weights, p, sources, weight_count(&s));
    const void *values = w ? stage(c, p, sources, s.in, s.out, held) : NULL;
    bool ok = values != NULL;
    int segments = sources == 1 ? cpu_linear_segments(s.in, s.out) : 1; /* a geglu has one source */
    for (int i = 0; ok && i < segments; i++) {
        int64_t out = s.out / segments;
        size_t at = (size_t)(i * out * s.in) * dtype_size(c->ops.act);
        w->segment[i] = dnn_pack_linear(c->dnn, (const char *)values + at, out, s.in, held, &e);
        ok = w->segment[i] != NULL;
        w->segments = i + ok;
    }
    return packed(c, w, ok, &e);
}

struct weight *cpu_pack_linear(struct ops *o, const struct param *w, const struct param *b,
                               int count)
{
    return pack_matrix(cpu_of(o), linear_shape(w, b, count), w, b, count);
}

struct weight *cpu_pack_conv(struct ops *o, const struct param *p, const struct param *b)
{
    struct cpu_ops *c = cpu_of(o);
    struct weight_shape s = conv_shape(p, b);
    if (s.k == 1)
        return pack_matrix(c, s, p, b, 1);
    struct weight *w = new_weight(c, s, b, 1);
    struct err e = {"no memory: weights"};
    enum dtype held = cpu_held_as(c->ops.act, c->weights, p, 1, weight_count(&s));
    const void *values = w ? stage(c, p, 1, (int64_t)s.in * s.k * s.k, s.out, held) : NULL;
    if (values)
        w->segment[0] = dnn_pack_conv(c->dnn, values, s.out, s.in, s.k, s.k, held, &e);
    if (values && w->segment[0])
        w->segments = 1;
    return packed(c, w, w && w->segments == 1, &e);
}

struct weight *cpu_pack_norm(struct ops *o, const struct param *gamma, const struct param *beta)
{
    struct cpu_ops *c = cpu_of(o);
    struct err e = {"no memory: weights"};
    struct weight *w = new_weight(c, norm_shape(gamma, beta), beta, 1);
    return packed(c, w, w && pack_vector(c, w, &w->gamma, gamma, 1), &e);
}

struct weight *cpu_pack_table(struct ops *o, const struct param *p)
{
    struct cpu_ops *c = cpu_of(o);
    struct err e = {"no memory: weights"};
    struct weight *w = new_weight(c, table_shape(p), NULL, 0);
    enum dtype held = w ? cpu_held_as(o->act, c->weights, p, 1, weight_count(&w->s)) : o->act;
    size_t bytes = w ? (size_t)weight_count(&w->s) * dtype_size(held) : 0;
    if (w && (w->table = malloc(bytes)) != NULL) {
        w->held = held;
        cpu_convert(&c->cpu, w->table, held, p->data, p->dtype, weight_count(&w->s));
        w->bytes += bytes;
        c->weight_bytes += bytes;
    }
    return packed(c, w, w && w->table, &e);
}

/* The weights of the four parts, made at the first call. They belong to the weight, which is
 * otherwise as pack_conv left it. */
const struct cpu_phases *cpu_phases_of(struct cpu_ops *c, const struct weight *w)
{
    struct weight *own = (struct weight *)w;
    struct err e = {"no memory: weights"};
    if (w->phases)
        return w->phases;
    own->phases = calloc(1, sizeof *own->phases);
    dnn_plan_planes(c->dnn, false); /* which are read as they lie in any case */
    int result = own->phases ? cpu_phases_make(own->phases, c->dnn, w->segment[0], w->s.out,
                                               w->s.in, c->ops.act, &e)
                             : -1;
    dnn_plan_planes(c->dnn, c->planes);
    if (result != 0) {
        cpu_keep(c, -1, &e);
        free(own->phases);
        own->phases = NULL;
    }
    return w->phases;
}

const struct cpu_filters *cpu_filters_of(struct cpu_ops *c, const struct weight *w)
{
    struct weight *own = (struct weight *)w;
    struct err e = {"no memory: weights"};
    if (w->filters)
        return w->filters;
    own->filters = calloc(1, sizeof *own->filters);
    if (!own->filters || cpu_filters_make(own->filters, &c->cpu, c->dnn, w->segment[0], w->s.out,
                                          w->s.in, c->ops.act, &e) != 0) {
        cpu_keep(c, -1, &e);
        free(own->filters);
        own->filters = NULL;
    }
    return w->filters;
}
