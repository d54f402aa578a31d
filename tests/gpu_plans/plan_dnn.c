/*
 * The real cuDNN behind gpu/dnn.h, for a device that is only described: the linker puts these
 * functions (--wrap) in the way of the backend's calls. Graphs, proposals, plans and variant packs
 * are cuDNN's own; a plan is not run, but what it would read and write is looked at.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../gpu/dnn_shapes.h"
#include "none.h"

/* What a proposal, and the plan that is made of it, is for. */
struct asked {
    bool is_sdpa, is_kept; /* kept: of a text, which does not say what it is for */
    struct conv_shape conv;
    struct sdpa_shape sdpa;
    dnn_desc proposal, plan;
    int64_t scratch;
};
static struct asked now; /* the graph that was described last */
static struct asked *known;
static int known_count, known_room;

int __real_dnn_open(struct dnn *, const char *, struct err *);
int __wrap_dnn_open(struct dnn *, const char *, struct err *);
int __real_conv_graph(struct dnn_graph *, const struct conv_shape *, const struct dnn *);
int __wrap_conv_graph(struct dnn_graph *, const struct conv_shape *, const struct dnn *);
int __real_sdpa_graph(struct dnn_graph *, const struct sdpa_shape *, const struct dnn *);
int __wrap_sdpa_graph(struct dnn_graph *, const struct sdpa_shape *, const struct dnn *);
int __real_dnn_proposals(struct dnn_graph *, const struct dnn *, unsigned, dnn_desc *, int);
int __wrap_dnn_proposals(struct dnn_graph *, const struct dnn *, unsigned, dnn_desc *, int);
bool __real_dnn_plan(struct dnn_plan *, const struct dnn *, size_t, char *, size_t);
bool __wrap_dnn_plan(struct dnn_plan *, const struct dnn *, size_t, char *, size_t);
bool __real_dnn_plan_of_text(struct dnn_plan *, const struct dnn *, const char *, size_t, size_t,
                             char *, size_t);
bool __wrap_dnn_plan_of_text(struct dnn_plan *, const struct dnn *, const char *, size_t, size_t,
                             char *, size_t);
cudnnStatus_t __wrap_dnn_run(const struct dnn *, const struct dnn_plan *, const struct dnn_io *,
                             void *, void *);

int __wrap_dnn_open(struct dnn *d, const char *device_json, struct err *err)
{
    char json[1024];
    (void)device_json;
    none_describe(none_device(), json, sizeof json);
    return __real_dnn_open(d, json, err);
}

/* -- what is asked ------------------------------------------------------------------------------
 */

static const char *const types[] = {"f32", "f16", "bf16"};

static void name_shape(FILE *f, const struct asked *a)
{
    const struct conv_shape *c = &a->conv;
    const struct sdpa_shape *s = &a->sdpa;
    if (a->is_sdpa)
        fprintf(f, "%s, %d x %d heads of %d, %lld queries, %lld keys, rows %lld %lld %lld %lld%s",
                types[s->type], s->n, s->heads, s->d, (long long)s->queries, (long long)s->keys,
                (long long)s->ld_q, (long long)s->ld_k, (long long)s->ld_v, (long long)s->ld_y,
                s->causal ? ", causal" : "");
    else
        fprintf(f, "%s to %s, %d x %dx%dx%d to %d, %dx%d, stride %d, pads %d %d %d %d%s%s%s%s%s %d",
                types[c->type], types[c->out], c->n, c->h, c->w, c->c, c->outputs, c->k, c->k,
                c->stride, (int)c->before[0], (int)c->before[1], (int)c->after[0], (int)c->after[1],
                c->bias ? ", bias" : "", c->add ? ", add" : "", c->residual ? ", residual" : "",
                c->spread == 2 ? ", spread" : "", ", aligned", c->align);
}

static void head(FILE *f, const char *kind, const struct asked *a)
{
    fprintf(f, "{\"kind\": \"%s\", \"call\": \"%s\", \"shape\": \"", kind,
            a->is_sdpa ? "attention" : "convolution");
    name_shape(f, a);
    fprintf(f, "\"");
}

/* The latest: descriptors come back at the addresses of those that were destroyed. */
static struct asked *of_proposal(dnn_desc proposal)
{
    for (int i = known_count - 1; i >= 0; i--)
        if (known[i].proposal == proposal)
            return &known[i];
    return NULL;
}

static struct asked *of_plan(dnn_desc plan)
{
    for (int i = known_count - 1; i >= 0; i--)
        if (known[i].plan == plan)
            return &known[i];
    return NULL;
}

/* One that was destroyed had this address. */
static void forget(dnn_desc plan)
{
    for (int i = 0; i < known_count; i++)
        known[i].plan = known[i].plan == plan ? NULL : known[i].plan;
}

static void know(dnn_desc proposal)
{
    struct asked *old = proposal ? of_proposal(proposal) : NULL;
    if (!old && known_count == known_room) {
        known_room = known_room ? 2 * known_room : 64;
        known = realloc(known, (size_t)known_room * sizeof *known);
        if (!known)
            abort();
    }
    old = old ? old : &known[known_count++];
    *old = now;
    old->proposal = proposal;
}

static int described(struct dnn_graph *g, int rc)
{
    FILE *f = none_log();
    if (f && rc != 0) {
        head(f, "refused", &now);
        fprintf(f, ", \"why\": \"");
        none_quote(f, g->why);
        fprintf(f, "\"}\n");
    }
    return rc;
}

int __wrap_conv_graph(struct dnn_graph *g, const struct conv_shape *s, const struct dnn *d)
{
    now = (struct asked){.conv = *s};
    return described(g, __real_conv_graph(g, s, d));
}

int __wrap_sdpa_graph(struct dnn_graph *g, const struct sdpa_shape *s, const struct dnn *d)
{
    now = (struct asked){.is_sdpa = true, .sdpa = *s};
    return described(g, __real_sdpa_graph(g, s, d));
}

int __wrap_dnn_proposals(struct dnn_graph *g, const struct dnn *d, unsigned refuse, dnn_desc *to,
                         int max)
{
    int count = __real_dnn_proposals(g, d, refuse, to, max);
    FILE *f = none_log();
    for (int i = 0; i < count; i++)
        know(to[i]);
    if (f) {
        head(f, "proposals", &now);
        fprintf(f, ", \"count\": %d, \"why\": \"", count);
        none_quote(f, g->why);
        fprintf(f, "\"}\n");
    }
    return count;
}

/* -- what is answered ---------------------------------------------------------------------------
 */

/* The number of a proposal's engine, and whether a kernel is compiled for its plan. */
static int64_t engine_of(dnn_desc proposal, bool *compiled)
{
    cudnnBackendBehaviorNote_t note[CUDNN_BEHAVIOR_NOTE_TYPE_COUNT];
    dnn_desc engine = NULL;
    int64_t index = -1, got = 0, notes = 0;
    *compiled = false;
    if (cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) !=
        CUDNN_STATUS_SUCCESS)
        return -1;
    if (cudnnBackendGetAttribute(proposal, CUDNN_ATTR_ENGINECFG_ENGINE,
                                 CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &got, &engine) == 0 &&
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &got,
                                 &index) == 0 &&
        cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                 CUDNN_BEHAVIOR_NOTE_TYPE_COUNT, &notes, note) == 0)
        for (int64_t i = 0; i < notes; i++)
            *compiled |= note[i] == CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
    dnn_drop(engine);
    return index;
}

/* Of the processors' time: others work here as well. */
static double ms_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int64_t scratch_of(dnn_desc plan)
{
    int64_t got = 0, scratch = -1;
    cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1,
                             &got, &scratch);
    return scratch;
}

bool __wrap_dnn_plan(struct dnn_plan *p, const struct dnn *d, size_t most, char *why, size_t size)
{
    struct asked *a = of_proposal(p->proposal);
    bool compiled;
    if (p->plan || !a)
        return __real_dnn_plan(p, d, most, why, size);
    long long engine = engine_of(p->proposal, &compiled);
    double began = ms_now();
    bool made = __real_dnn_plan(p, d, most, why, size);
    double ms = ms_now() - began;
    forget(p->plan);
    a->plan = p->plan;
    a->scratch = made ? scratch_of(p->plan) : -1;
    FILE *f = none_log();
    if (!f)
        return made;
    head(f, "plan", a);
    fprintf(f, ", \"engine\": %lld, \"compiled\": %s, \"ms\": %.1f, \"made\": %s, ", engine,
            compiled ? "true" : "false", ms, made ? "true" : "false");
    fprintf(f, "\"scratch\": %lld, \"why\": \"", (long long)a->scratch);
    none_quote(f, made ? "" : why);
    fprintf(f, "\"}\n");
    return made;
}

bool __wrap_dnn_plan_of_text(struct dnn_plan *p, const struct dnn *d, const char *text,
                             size_t bytes, size_t most, char *why, size_t size)
{
    double began = ms_now();
    bool made = __real_dnn_plan_of_text(p, d, text, bytes, most, why, size);
    double ms = ms_now() - began;
    FILE *f = none_log();
    if (made) {
        forget(p->plan);
        now = (struct asked){.is_kept = true, .plan = p->plan, .scratch = scratch_of(p->plan)};
        know(NULL);
    }
    if (f)
        fprintf(f, "{\"kind\": \"kept\", \"ms\": %.1f, \"bytes\": %zu, \"made\": %s}\n", ms, bytes,
                made ? "true" : "false");
    return made;
}

/* -- what would run -----------------------------------------------------------------------------
 */

static void *at(const struct dnn_io *io, int64_t id)
{
    for (int i = 0; i < io->count; i++)
        if (io->id[i] == id)
            return io->data[i];
    return NULL;
}

static size_t strided(const struct conv_shape *s, int64_t oh, int64_t ow)
{
    int64_t row = s->spread * s->spread * ow * s->outputs, pixel = s->spread * s->outputs;
    return (size_t)((s->n * oh - 1) * row + (ow - 1) * pixel + s->outputs);
}

static int holds_conv(const struct conv_shape *s, const struct dnn_io *io)
{
    size_t in = dtype_size(s->type), out = dtype_size(s->out), outputs = (size_t)s->outputs;
    int64_t oh = (s->h + s->before[0] + s->after[0] - s->k) / s->stride + 1;
    int64_t ow = (s->w + s->before[1] + s->after[1] - s->k) / s->stride + 1;
    size_t y = strided(s, oh, ow) * out;
    int rc = none_holds("convolution's x", at(io, CONV_X),
                        (size_t)s->n * (size_t)s->h * (size_t)s->w * (size_t)s->c * in);
    rc = rc ? rc
            : none_holds("its w", at(io, CONV_W),
                         outputs * (size_t)s->k * (size_t)s->k * (size_t)s->c * in);
    rc = rc ? rc : none_holds("its y", at(io, CONV_Y), y);
    if (s->bias)
        rc = rc ? rc : none_holds("its bias", at(io, CONV_BIAS), outputs * out);
    if (s->add)
        rc = rc ? rc : none_holds("its add", at(io, CONV_ADD), (size_t)s->n * outputs * in);
    if (s->residual)
        rc = rc ? rc : none_holds("its residual", at(io, CONV_RESIDUAL), y);
    for (int i = 0; i < io->count; i++)
        if ((uintptr_t)io->data[i] % (size_t)s->align)
            rc = none_wrong("tensor %d is not aligned to %d", (int)io->id[i], s->align);
    return rc;
}

static int holds_rows(const char *what, const void *p, const struct sdpa_shape *s, int64_t rows,
                      int64_t ld)
{
    if ((uintptr_t)p % (size_t)s->align)
        return none_wrong("%s is not aligned to %d", what, s->align);
    return none_holds(what, p,
                      (size_t)((s->n * rows - 1) * ld + s->heads * s->d) * dtype_size(s->type));
}

static int holds_sdpa(const struct sdpa_shape *s, const struct dnn_io *io)
{
    int rc = holds_rows("queries", at(io, SDPA_Q), s, s->queries, s->ld_q);
    rc = rc ? rc : holds_rows("keys", at(io, SDPA_K), s, s->keys, s->ld_k);
    rc = rc ? rc : holds_rows("values", at(io, SDPA_V), s, s->keys, s->ld_v);
    rc = rc ? rc : holds_rows("attention's y", at(io, SDPA_Y), s, s->queries, s->ld_y);
    if (!at(io, SDPA_SCALE) || (s->causal && !at(io, SDPA_MASKED)))
        rc = none_wrong("attention without its scale, or its mask's value");
    return rc;
}

/* The pack as cuDNN takes it. */
static cudnnStatus_t packed(const struct dnn_io *io, void *workspace)
{
    dnn_desc pack = NULL;
    cudnnStatus_t rc = dnn_pack(io, workspace, &pack);
    dnn_drop(pack);
    return rc;
}

cudnnStatus_t __wrap_dnn_run(const struct dnn *d, const struct dnn_plan *plan,
                             const struct dnn_io *io, void *workspace, void *stream)
{
    const struct asked *a = of_plan(plan->plan);
    (void)d, (void)stream;
    int rc = !a           ? none_wrong("a plan that was not made")
             : a->is_kept ? 0
             : a->is_sdpa ? holds_sdpa(&a->sdpa, io)
                          : holds_conv(&a->conv, io);
    if (a && a->scratch)
        rc = rc ? rc : none_holds("scratch", workspace, (size_t)a->scratch);
    return rc ? CUDNN_STATUS_EXECUTION_FAILED : packed(io, workspace);
}
