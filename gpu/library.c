/* See library.h and library_priv.h: opening, plans, choosing. */
#include "library_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    REPEATS = 5,
    MORE_REPEATS = 30, /* of what takes so short that starting it, and chance, count */
    SHORT_US = 50,
    KEEP_EVERY = 16 /* of choices that were made: who is killed loses few */
};

/* -- the workspace ------------------------------------------------------------------------------
 */

size_t library_scratch(const struct library *l)
{
    return l->options.workspace / 2;
}

void *library_temp(const struct library *l, size_t bytes)
{
    size_t half = library_scratch(l);
    return l->workspace && bytes <= l->options.workspace - half ? (char *)l->workspace + half
                                                                : NULL;
}

void *library_aside(const struct library *l, size_t scratch, size_t temp, size_t bytes)
{
    size_t half = library_scratch(l), all = l->options.workspace, at = (scratch + 255) / 256 * 256;
    if (!l->workspace)
        return NULL;
    if (half + temp + bytes <= all)
        return (char *)l->workspace + half + temp;
    return at + bytes <= (temp ? half : all) ? (char *)l->workspace + at : NULL;
}

int align_of_bytes(int align, int64_t bytes)
{
    while (align > 1 && bytes % align)
        align /= 2;
    return align;
}

int align_of(int align, const void *p)
{
    return align_of_bytes(align, (int64_t)((uintptr_t)p % 256));
}

/* On the first call, when there is a stream. */
static int start(struct library *l, void *stream)
{
    int rc = 0;
    if (l->workspace && l->to)
        return 0;
    if (!l->workspace)
        rc = device_alloc(&l->workspace, l->options.workspace, stream);
    if (rc == 0 && !l->from)
        rc = clock_open(&l->from);
    if (rc == 0 && !l->to)
        rc = clock_open(&l->to);
    l->stream = stream;
    l->stats.workspace = l->workspace ? l->options.workspace : 0;
    return rc;
}

/* -- plans --------------------------------------------------------------------------------------
 */

static unsigned bucket_of(const struct plan_key *k)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a over the numbers */
    for (int i = 0; i < PLAN_NUMBERS; i++)
        h = (h ^ (uint64_t)k->v[i]) * 1099511628211u;
    return (unsigned)(h >> 32) % PLAN_BUCKETS;
}

static void key_text(const struct library *l, const struct plan_key *k, char to[KEY_TEXT])
{
    static const char *const names[] = {"product", "convolution", "attention"};
    int last = PLAN_NUMBERS - 1;
    while (last > 0 && k->v[last] == 0)
        last--;
    size_t at = (size_t)snprintf(to, KEY_TEXT, "%s%s", names[k->v[0]],
                                 l->options.tf32 ? " tf32" : "");
    for (int i = 1; i <= last && at + 24 < KEY_TEXT; i++)
        at += (size_t)snprintf(to + at, KEY_TEXT - at, " %lld", (long long)k->v[i]);
}

static void refuse(struct library *l, struct plan *p)
{
    char text[KEY_TEXT];
    key_text(l, &p->key, text);
    p->refused = true;
    l->stats.refusals++;
    snprintf(l->stats.refusal, sizeof l->stats.refusal, "%s: %s", text,
             l->why[0] ? l->why : "nothing was proposed");
}

int library_refused(struct library *l, void *stream)
{
    device_forget();
    l->lost = l->lost || stream_captures(stream);
    return NOT_TAKEN;
}

struct plan *library_plan(struct library *l, const struct plan_key *key, plan_maker *make,
                          const void *call, void *stream, int *rc)
{
    struct plan **at = &l->bucket[bucket_of(key)], *p = *at;
    while (p && memcmp(&p->key, key, sizeof *key) != 0)
        p = p->next;
    *rc = NOT_TAKEN;
    if (p)
        return p->refused ? NULL : p;
    if (stream_captures(stream)) { /* what making a plan does cannot be recorded */
        snprintf(l->why, sizeof l->why, "a shape that was not there before");
        library_refused(l, stream);
        return NULL;
    }
    p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->key = *key;
    l->why[0] = '\0';
    *rc = make(l, p, call, stream);
    if (*rc > 0) {
        free(p);
        return NULL;
    }
    p->next = *at;
    *at = p;
    l->stats.plans++;
    if (*rc == NOT_TAKEN)
        refuse(l, p);
    return p->refused ? NULL : p;
}

/* -- choosing -----------------------------------------------------------------------------------
 */

int library_try(proposal_runner *run, void *call, int i, void *stream)
{
    int rc = run(call, i, stream);
    return rc ? rc : stream_wait(stream);
}

static bool measures(const struct library *l)
{
    return l->options.autotune == AUTOTUNE_MEASURE && !l->once;
}

/* Milliseconds a run. */
static int time_runs(struct library *l, proposal_runner *run, void *call, int i, int count,
                     void *stream, float *ms)
{
    int rc = clock_record(l->from, stream);
    for (int k = 0; rc == 0 && k < count; k++)
        rc = run(call, i, stream);
    rc = rc ? rc : clock_record(l->to, stream);
    rc = rc ? rc : clock_between(l->from, l->to, ms);
    *ms /= (float)count;
    return rc;
}

/* Does it run? Then how long, in milliseconds. NOT_TAKEN or an error if not. */
static int time_one(struct library *l, proposal_runner *run, void *call, int i, void *stream,
                    float *ms)
{
    int rc = library_try(run, call, i, stream);
    *ms = 0;
    if (rc != 0 || !measures(l))
        return rc;
    rc = time_runs(l, run, call, i, REPEATS, stream, ms);
    if (rc == 0 && *ms * 1000 < SHORT_US)
        rc = time_runs(l, run, call, i, MORE_REPEATS, stream, ms);
    return rc;
}

/* What the file says, or -1; `text` is then the key that it says it of. Where it is measured only
 * what was measured counts. */
static int known_choice(const struct library *l, const struct plan_key *key,
                        char text[KEY_TEXT + 16])
{
    char plain[KEY_TEXT];
    int known = -1;
    key_text(l, key, plain);
    snprintf(text, KEY_TEXT + 16, "measured %s", plain);
    if (l->options.autotune != AUTOTUNE_OFF)
        known = choices_get(&l->choices, l->where, text);
    if (known < 0 && l->options.autotune != AUTOTUNE_OFF && !measures(l)) {
        snprintf(text, KEY_TEXT + 16, "%s", plain);
        known = choices_get(&l->choices, l->where, text);
    }
    return known;
}

#ifndef SPRITTY_GRAPHS
#error "SPRITTY_GRAPHS is to be a sum over the sources that say what cuDNN is asked (Makefile)"
#endif

/* The name of a plan that is kept: where, by which sources, for what, and which proposal it is of.
 */
static bool kept_name(const struct library *l, const struct plan_key *key, int *known,
                      char to[KEPT_NAME])
{
    char text[KEY_TEXT + 16];
    *known = l->plans ? known_choice(l, key, text) : -1;
    return *known >= 0 && snprintf(to, KEPT_NAME, "%s\tgraphs %s\t%s\t%d", l->where, SPRITTY_GRAPHS,
                                   text, *known) < KEPT_NAME;
}

bool library_kept(struct library *l, const struct plan_key *key, struct dnn_plan *p, int *variant)
{
    char name[KEPT_NAME];
    size_t bytes = 0;
    int known;
    if (!kept_name(l, key, &known, name))
        return false;
    char *text = kept_read(l->plans, name, variant, &bytes);
    bool made = text && dnn_plan_of_text(p, &l->dnn, text, bytes, library_scratch(l), l->why,
                                         sizeof l->why);
    free(text);
    l->stats.kept += made;
    l->stats.cached += made;
    return made;
}

void library_keep(struct library *l, const struct plan_key *key, const struct dnn_plan *p,
                  int variant, int chosen)
{
    char name[KEPT_NAME];
    size_t bytes = 0;
    int known;
    if (!kept_name(l, key, &known, name) || known != chosen || !dnn_is_compiled(p))
        return;
    char *text = dnn_text(p, &bytes);
    if (text)
        kept_write(l->plans, name, variant, text, bytes, NULL); /* a hint: its loss is no failure */
    free(text);
}

int library_choose(struct library *l, const struct plan_key *key, int count, proposal_runner *run,
                   void *call, void *stream, int *chosen)
{
    char measured[KEY_TEXT + 16], *text = measured + strlen("measured ");
    float best = 0, ms;
    int known = known_choice(l, key, measured);
    if (known >= 0 && known < count) {
        int rc = library_try(run, call, known, stream);
        *chosen = known;
        l->stats.cached += rc == 0;
        if (rc != NOT_TAKEN)
            return rc;
    }
    *chosen = -1;
    memcpy(measured, "measured ", strlen("measured "));
    key_text(l, key, text);
    for (int i = 0; i < count; i++) {
        int rc = time_one(l, run, call, i, stream, &ms);
        if (rc > 0)
            return rc;
        if (rc == 0 && (*chosen < 0 || ms < best)) {
            *chosen = i;
            best = ms;
        }
        if (*chosen >= 0 && !measures(l))
            break;
    }
    if (*chosen < 0)
        return NOT_TAKEN;
    l->stats.measured += measures(l);
    if (l->options.autotune == AUTOTUNE_OFF)
        return 0;
    choices_put(&l->choices, l->where, measures(l) ? measured : text, *chosen);
    if (++l->chosen % KEEP_EVERY == 0)
        choices_write(&l->choices, l->cache, NULL); /* a hint: its loss is no failure */
    return 0;
}

/* -- the table ----------------------------------------------------------------------------------
 */

static int counted(struct library *l, enum library_call call, int rc)
{
    if (l->lost) {
        l->lost = false;
        l->stats.refusals++;
        snprintf(l->stats.refusal, sizeof l->stats.refusal, "in a capture: %s", l->why);
        return LIBRARY_LOST;
    }
    l->stats.taken[call] += rc == 0;
    l->stats.refused[call] += rc == NOT_TAKEN;
    return rc;
}

/* A view of rows [at, at + count). */
static struct tensor rows_of(const struct tensor *t, int64_t at, int64_t count)
{
    struct tensor r = *t;
    if (count == tensor_rows(t))
        return r;
    r.data = (char *)t->data + (size_t)(at * t->ld) * dtype_size(t->dtype);
    r.n = 1, r.h = (int)count, r.w = 1;
    return r;
}

static int linear(void *state, struct tensor *y, const struct tensor *x, const struct weight *w,
                  enum act act, const struct tensor *residual, void *stream)
{
    const struct library *l = state;
    int64_t rows = tensor_rows(x), fit = rows, wide = x->ld > y->ld ? x->ld : y->ld;
    int rc = start(state, stream);
    if (rows * wide > l->options.values)
        fit = l->options.values > wide ? l->options.values / wide : 1;
    for (int64_t at = 0; at < rows && rc == 0; at += fit) {
        int64_t now = rows - at < fit ? rows - at : fit;
        struct tensor to = rows_of(y, at, now), from = rows_of(x, at, now), add;
        if (residual)
            add = rows_of(residual, at, now);
        const struct tensor *more = residual ? &add : NULL;
        rc = library_linear(state, &to, &from, w, act, NULL, more, stream);
        if (rc == NOT_TAKEN && at > 0) /* what was made stays: y may be the residual */
            rc = gpu_linear(&to, &from, w->w, w->b, act, more, stream);
    }
    return counted(state, LIBRARY_LINEAR, rc);
}

/* As many images at once as are counted in 32 bits. */
static int some_images(struct library *l, const struct tensor *y, const struct tensor *x,
                       const struct weight *w, const struct conv_args *a, void *stream)
{
    int64_t each = tensor_tokens(x) * x->ld, of_y = tensor_tokens(y) * y->ld;
    int64_t fit = l->options.values / (each > of_y ? each : of_y);
    int n = fit < 1 ? 1 : (int)(fit < y->n ? fit : y->n), rc = start(l, stream);
    for (int i = 0; i < y->n && rc == 0; i += n) {
        int now = y->n - i < n ? y->n - i : n;
        struct tensor to = tensor_images(*y, i, now), from = tensor_images(*x, i, now), add, more;
        struct conv_args part = *a;
        if (a->chan_add)
            add = tensor_images(*a->chan_add, i, now), part.chan_add = &add;
        if (a->residual)
            more = tensor_images(*a->residual, i, now), part.residual = &more;
        rc = library_conv2d(l, &to, &from, w, &part, stream);
        if (rc == NOT_TAKEN && i > 0) /* as above */
            rc = gpu_conv2d(&to, &from, w->w, w->b, w->s.k, &part, stream);
    }
    return rc;
}

static int conv2d(void *state, struct tensor *y, const struct tensor *x, const struct weight *w,
                  const struct conv_args *a, void *stream)
{
    return counted(state, LIBRARY_CONV, some_images(state, y, x, w, a, stream));
}

static int attention(void *state, struct tensor *y, const struct tensor *q, const struct tensor *k,
                     const struct tensor *v, int heads, float scale, bool causal, void *stream)
{
    int rc = start(state, stream);
    rc = rc ? rc : library_attention(state, y, q, k, v, heads, scale, causal, stream);
    return counted(state, LIBRARY_ATTENTION, rc);
}

static void tune(void *state, const struct tuning *t)
{
    struct library *l = state;
    l->options.sliced = t->attention == ATTENTION_SLICED;
    l->options.fold = t->fold != TUNE_OFF;
}

static size_t held(void *state)
{
    const struct library *l = state;
    return l->workspace ? l->options.workspace : 0;
}

static void drop_plan(struct plan *p)
{
    if (p->product.op)
        cublasLtMatmulDescDestroy(p->product.op);
    cublasLtMatrixLayout_t all[] = {p->product.a, p->product.b, p->product.c, p->product.d};
    for (int i = 0; i < 4; i++)
        if (all[i])
            cublasLtMatrixLayoutDestroy(all[i]);
    dnn_plan_free(&p->dnn);
    free(p);
}

static void close_all(void *state)
{
    struct library *l = state;
    if (l->stream)
        stream_wait(l->stream);
    choices_write(&l->choices, l->cache, NULL); /* a hint: its loss is no failure */
    choices_free(&l->choices);
    for (int i = 0; i < PLAN_BUCKETS; i++)
        for (struct plan *p = l->bucket[i], *next; p; p = next) {
            next = p->next;
            drop_plan(p);
        }
    device_free(l->workspace, l->stream);
    clock_close(l->from);
    clock_close(l->to);
    if (l->has_dnn)
        dnn_close(&l->dnn);
    if (l->blas)
        cublasLtDestroy(l->blas);
    free(l->cache);
    free(l->plans);
    free(l);
}

static void describe(struct library *l, const struct err *dnn_err)
{
    size_t blas = cublasLtGetVersion(), dnn = cudnnGetVersion();
    char *to = l->stats.versions;
    size_t size = sizeof l->stats.versions;
    int at = snprintf(to, size, "cuBLASLt %zu.%zu.%zu, ", blas / 10000, blas / 100 % 100,
                      blas % 100);
    snprintf(to + at, size - (size_t)at, l->has_dnn ? "cuDNN %zu.%zu.%zu" : "no cuDNN", dnn / 10000,
             dnn / 100 % 100, dnn % 100);
    snprintf(l->where, sizeof l->where, "%s, %s",
             l->options.device && l->options.device[0] ? l->options.device : "a GPU", to);
    for (char *c = l->where; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    if (!l->has_dnn) {
        l->stats.refusals++;
        snprintf(l->stats.refusal, sizeof l->stats.refusal, "%s", dnn_err->text);
    }
}

int gpu_library_open(struct gpu_library *to, const struct gpu_library_options *options,
                     struct err *err)
{
    struct err dnn_err = {""};
    struct library *l = calloc(1, sizeof *l);
    memset(to, 0, sizeof *to);
    if (!l)
        return err_set(err, "no memory for the GPU's libraries");
    l->options = *options;
    l->options.fold = true;
    if (l->options.workspace == 0)
        l->options.workspace = LIBRARY_WORKSPACE;
    if (l->options.values == 0)
        l->options.values = LIBRARY_VALUES;
    l->options.workspace &= ~(size_t)511; /* halves stay aligned */
    cublasStatus_t rc = cublasLtCreate(&l->blas);
    if (rc != CUBLAS_STATUS_SUCCESS) {
        free(l);
        return err_set(err, "cuBLASLt does not start: %s", cublasLtGetStatusString(rc));
    }
    l->has_dnn = dnn_open(&l->dnn, NULL, &dnn_err) == 0;
    describe(l, &dnn_err);
    l->options.device = NULL; /* the caller's */
    if (options->cache && options->autotune != AUTOTUNE_OFF)
        l->cache = strdup(options->cache);
    if (options->plans && options->autotune != AUTOTUNE_OFF)
        l->plans = strdup(options->plans);
    choices_read(&l->choices, l->cache);
    *to = (struct gpu_library){l, linear, conv2d, attention, tune, held, close_all};
    return 0;
}

void gpu_library_stats(const struct gpu_library *from, struct gpu_library_stats *s)
{
    const struct library *l = from ? from->state : NULL;
    if (l)
        *s = l->stats;
    else
        memset(s, 0, sizeof *s);
}
