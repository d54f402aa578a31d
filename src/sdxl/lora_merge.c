/* See lora_merge.h. Everything is prepared in the calling thread as f32 factors; then blocks of
 * rows are shared out among the threads. */
#include "sdxl/lora_merge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bigmem.h"
#include "base/parallel.h"
#include "sdxl/lora_product.h"

enum { ROW_BLOCK = 24, BUFFERS = 8, READ_BLOCK = 1 << 16 };

struct lora_merger {
    int threads;
    float *buffer[BUFFERS]; /* kept from one module to the next */
    size_t room[BUFFERS];   /* bytes */
    int used;
};

struct lora_merger *lora_merger_new(int threads, struct err *e)
{
    struct lora_merger *g = calloc(1, sizeof *g);
    if (!g)
        err_set(e, "out of memory");
    else
        g->threads = threads > 0 ? threads : parallel_cores();
    return g;
}

void lora_merger_shrink(struct lora_merger *g)
{
    for (int i = 0; i < BUFFERS; i++) {
        free(g->buffer[i]);
        g->buffer[i] = NULL;
        g->room[i] = 0;
    }
}

void lora_merger_free(struct lora_merger *g)
{
    if (g)
        lora_merger_shrink(g);
    free(g);
}

/* The next buffer, of `count` floats; NULL without memory. */
static float *take(struct lora_merger *g, size_t count)
{
    assert(g->used < BUFFERS);
    int i = g->used++;
    size_t bytes = count * sizeof(float);
    if (g->room[i] < bytes) {
        free(g->buffer[i]);
        g->buffer[i] = bigmem_alloc(bytes);
        g->room[i] = g->buffer[i] ? bytes : 0;
    }
    return g->buffer[i];
}

/* Waking the others costs more than a small matrix does. */
static int threads_for(const struct lora_merger *g, int64_t values)
{
    return values < 1 << 16 ? 1 : g->threads;
}

/* ---- the base ---- */

struct base {
    const char *data;
    enum dtype type;
    int64_t out, in, count;
    float *w;
    bool transposed;
};

static void read_block(void *context, int64_t at, int thread)
{
    const struct base *b = context;
    size_t value = dtype_size(b->type);
    (void)thread;
    if (!b->transposed) {
        int64_t from = at * READ_BLOCK, some = b->count - from;
        values_to_f32(b->w + from, b->data + (size_t)from * value, b->type,
                      some < READ_BLOCK ? some : READ_BLOCK);
        return;
    }
    for (int64_t i = 0; i < b->in; i++) /* row `at` of the result */
        values_to_f32(b->w + at * b->in + i, b->data + (size_t)(i * b->out + at) * value, b->type,
                      1);
}

void lora_read_base(struct lora_merger *g, const void *data, enum dtype type, bool transposed,
                    int64_t out, int64_t in, float *w)
{
    struct base b = {data, type, out, in, out * in, w, transposed};
    int64_t blocks = transposed ? out : (b.count + READ_BLOCK - 1) / READ_BLOCK;
    parallel_for(threads_for(g, b.count), blocks, read_block, &b);
}

/* ---- factors ---- */

/* What the difference's rows are made from. */
struct delta {
    enum lora_form form;
    struct product p[2]; /* LoRA: one; LoHa: two */
    const float *w1, *w2;
    int64_t b, c, d; /* LoKr: w1 [.., b], w2 [c, d] with the taps in d */
    const float *diff;
    int64_t cols;
    float factor;
    float *scratch; /* LoHa: ROW_BLOCK rows twice, a thread */
};

struct making {
    struct lora_merger *g;
    const struct lora_module *m;
    const struct lora_target *t;
    const char *file;
    struct err *err;
};

static int no_memory(const struct making *k)
{
    return err_set(k->err, "%s: out of memory while merging %s", k->file, k->m->name);
}

/* A tensor as f32 in a buffer. */
static float *read_tensor(const struct making *k, enum lora_role role)
{
    const struct st_tensor *t = k->m->tensor[role];
    float *to = take(k->g, (size_t)t->count);
    if (!to)
        no_memory(k);
    else if (!values_to_f32(to, t->data, t->dtype, t->count)) {
        err_set(k->err, "%s: %s holds values that are no finite numbers; the file is broken",
                k->file, t->name);
        return NULL;
    }
    return to;
}

static void transpose(const float *from, int64_t rows, int64_t cols, float *to)
{
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c++)
            to[c * rows + r] = from[r * cols + c];
}

/* core [r, r2, taps], b [r2, in] -> out [r, in, taps]; sums in double. */
static void through_core(const float *core, const float *b, int64_t r, int64_t r2, int64_t taps,
                         int64_t in, float *out)
{
    for (int64_t i = 0; i < r; i++)
        for (int64_t c = 0; c < in; c++)
            for (int64_t t = 0; t < taps; t++) {
                double sum = 0;
                for (int64_t j = 0; j < r2; j++)
                    sum += (double)core[(i * r2 + j) * taps + t] * (double)b[j * in + c];
                out[(i * in + c) * taps + t] = (float)sum;
            }
}

/* The second factor as [rank, cols], through the core if there is one. */
static const float *second_factor(const struct making *k, enum lora_role b, enum lora_role core,
                                  int64_t rank, int64_t taps)
{
    const struct st_tensor *t = k->m->tensor[b];
    const float *thin = read_tensor(k, b);
    if (!thin || core == LORA_ROLES || !k->m->tensor[core])
        return thin;
    int64_t r2 = t->dim[0], in = t->count / r2;
    const float *mid = read_tensor(k, core);
    float *out = mid ? take(k->g, (size_t)(rank * in * taps)) : NULL;
    if (mid && !out)
        no_memory(k);
    if (out)
        through_core(mid, thin, rank, r2, taps, in, out);
    return out;
}

/* p = a b, `a` turned where it stands as [r, out]. Takes one buffer for good. */
static int make_product(const struct making *k, struct product *p, enum lora_role a,
                        enum lora_role b, enum lora_role core, bool turned_by_core, int64_t taps)
{
    const struct st_tensor *ta = k->m->tensor[a], *tb = k->m->tensor[b];
    bool has_core = core < LORA_ROLES && k->m->tensor[core];
    bool turned = has_core && turned_by_core;
    int64_t cols = tb->count / tb->dim[0];
    p->rank = has_core ? (turned ? ta->dim[0] : ta->count / ta->dim[0]) : tb->dim[0];
    p->rows = ta->count / p->rank;
    p->cols = has_core ? cols * taps : cols;
    float *own = take(k->g, product_bytes(p->rows, p->rank, p->cols) / sizeof(float));
    if (!own)
        return no_memory(k);
    p->a = own, p->b = own + p->rows * p->rank;
    int mark = k->g->used;
    const float *left = read_tensor(k, a);
    if (!left)
        return -1;
    if (turned)
        transpose(left, p->rank, p->rows, p->a);
    else
        memcpy(p->a, left, (size_t)(p->rows * p->rank) * sizeof *left);
    const float *right = second_factor(k, b, has_core ? core : LORA_ROLES, p->rank, taps);
    if (right)
        product_panels(p, right);
    k->g->used = mark;
    return right ? 0 : -1;
}

/* One of LoKr's two matrices, whole. */
static const float *kron_factor(const struct making *k, enum lora_role whole, enum lora_role a,
                                enum lora_role b, enum lora_role core, int64_t taps)
{
    struct product p;
    if (k->m->tensor[whole])
        return read_tensor(k, whole);
    int mark = k->g->used;
    if (make_product(k, &p, a, b, core, true, taps) < 0)
        return NULL;
    float *out = take(k->g, (size_t)(p.rows * p.cols));
    if (!out) {
        no_memory(k);
        return NULL;
    }
    product_rows(&p, 0, p.rows, out, false);
    /* keep the result alone, where the product stood */
    float *was = k->g->buffer[mark];
    size_t room = k->g->room[mark];
    k->g->buffer[mark] = k->g->buffer[mark + 1], k->g->room[mark] = k->g->room[mark + 1];
    k->g->buffer[mark + 1] = was, k->g->room[mark + 1] = room;
    k->g->used = mark + 1;
    return out;
}

static int make_kron(const struct making *k, struct delta *d)
{
    const struct st_tensor *const *t = k->m->tensor;
    const struct st_tensor *left = t[LOKR_W1] ? t[LOKR_W1] : t[LOKR_W1B];
    d->w1 = kron_factor(k, LOKR_W1, LOKR_W1A, LOKR_W1B, LORA_ROLES, 1);
    d->w2 = d->w1 ? kron_factor(k, LOKR_W2, LOKR_W2A, LOKR_W2B, LOKR_T2, k->t->taps) : NULL;
    if (!d->w2)
        return -1;
    int64_t rows = t[LOKR_W1] ? t[LOKR_W1]->dim[0] : t[LOKR_W1A]->dim[0];
    d->b = left->count / left->dim[0];
    d->c = k->t->out / rows;
    d->d = d->cols / d->b;
    return 0;
}

static int make_delta(const struct making *k, struct delta *d)
{
    const struct lora_module *m = k->m;
    int64_t taps = k->t->taps;
    d->form = m->form;
    d->cols = k->t->in * taps;
    switch (m->form) {
    case FORM_LORA:
        return make_product(k, &d->p[0], LORA_UP, LORA_DOWN, LORA_MID, false, taps);
    case FORM_LOHA:
        if (make_product(k, &d->p[0], HADA_W1A, HADA_W1B, HADA_T1, true, taps) < 0 ||
            make_product(k, &d->p[1], HADA_W2A, HADA_W2B, HADA_T2, true, taps) < 0)
            return -1;
        d->scratch = take(k->g, (size_t)(k->g->threads * 2 * ROW_BLOCK * d->cols));
        return d->scratch ? 0 : no_memory(k);
    case FORM_LOKR:
        return make_kron(k, d);
    default:
        d->diff = read_tensor(k, LORA_DIFF);
        return d->diff ? 0 : -1;
    }
}

/* ---- rows ---- */

struct sum {
    const struct delta *d;
    int64_t rows;
    float *w;
};

static void add_hadamard(const struct delta *d, int64_t from, int64_t rows, float *w, int thread)
{
    float *one = d->scratch + (int64_t)thread * 2 * ROW_BLOCK * d->cols;
    float *two = one + ROW_BLOCK * d->cols;
    product_rows(&d->p[0], from, rows, one, false);
    product_rows(&d->p[1], from, rows, two, false);
    for (int64_t i = 0; i < rows * d->cols; i++)
        w[i] += d->factor * one[i] * two[i];
}

static void add_kron_row(const struct delta *d, int64_t row, float *w)
{
    const float *w1 = d->w1 + row / d->c * d->b, *w2 = d->w2 + row % d->c * d->d;
    for (int64_t j = 0; j < d->b; j++) {
        float x = d->factor * w1[j];
        for (int64_t i = 0; i < d->d; i++)
            w[j * d->d + i] += x * w2[i];
    }
}

/* w += factor * dW for one block of rows. */
static void add_block(void *context, int64_t at, int thread)
{
    const struct sum *s = context;
    const struct delta *d = s->d;
    int64_t from = at * ROW_BLOCK, rows = s->rows - from < ROW_BLOCK ? s->rows - from : ROW_BLOCK;
    float *w = s->w + from * d->cols;
    switch (d->form) {
    case FORM_LORA: /* the factor is in a already */
        product_rows(&d->p[0], from, rows, w, true);
        break;
    case FORM_LOHA:
        add_hadamard(d, from, rows, w, thread);
        break;
    case FORM_LOKR:
        for (int64_t r = 0; r < rows; r++)
            add_kron_row(d, from + r, w + r * d->cols);
        break;
    default:
        for (int64_t i = 0; i < rows * d->cols; i++)
            w[i] += d->factor * d->diff[from * d->cols + i];
    }
}

static void add_delta(const struct lora_merger *g, struct delta *d, double factor, int64_t rows,
                      float *w)
{
    d->factor = (float)factor;
    if (d->form == FORM_LORA)
        for (int64_t i = 0; i < d->p[0].rows * d->p[0].rank; i++)
            d->p[0].a[i] = (float)((double)d->p[0].a[i] * factor);
    struct sum s = {d, rows, w};
    parallel_for(threads_for(g, rows * d->cols), (rows + ROW_BLOCK - 1) / ROW_BLOCK, add_block, &s);
}

/* ---- DoRA ---- */

struct decompose {
    const struct lora_target *t;
    const float *magnitude;
    double strength;
    float *w, *moved; /* moved = w + scale dW */
    double *norm;     /* of the inputs, or NULL: rows */
};

static void rows_of_dora(void *context, int64_t row, int thread)
{
    const struct decompose *d = context;
    int64_t cols = d->t->in * d->t->taps;
    float *w = d->w + row * cols, *moved = d->moved + row * cols;
    double square = 0;
    (void)thread;
    for (int64_t i = 0; i < cols && !d->norm; i++)
        square += (double)moved[i] * (double)moved[i];
    double k = square > 0 ? (double)d->magnitude[row] / sqrt(square) : 0;
    for (int64_t c = 0; c < d->t->in; c++) {
        if (d->norm)
            k = d->norm[c] > 0 ? (double)d->magnitude[c] / d->norm[c] : 0;
        for (int64_t i = c * d->t->taps; i < (c + 1) * d->t->taps; i++)
            w[i] = (float)((double)w[i] + d->strength * (k * (double)moved[i] - (double)w[i]));
    }
}

/* Norms of the inputs, over all outputs and taps. */
static double *input_norms(const struct lora_target *t, const float *moved)
{
    double *norm = calloc((size_t)t->in, sizeof *norm);
    for (int64_t r = 0; norm && r < t->out; r++)
        for (int64_t i = 0; i < t->in * t->taps; i++) {
            double x = (double)moved[r * t->in * t->taps + i];
            norm[i / t->taps] += x * x;
        }
    for (int64_t c = 0; norm && c < t->in; c++)
        norm[c] = sqrt(norm[c]);
    return norm;
}

/* LyCORIS' magnitudes are of rows when their first dimension says so; peft's always are. */
static bool is_by_rows(const struct making *k)
{
    const struct st_tensor *d = k->m->tensor[LORA_DORA];
    if (k->m->tensor[LORA_MAGNITUDE])
        return true;
    return d->count == k->t->out && (d->dim[0] == k->t->out || k->t->in != k->t->out);
}

static int merge_dora(const struct making *k, struct delta *d, double strength, float *w)
{
    size_t count = (size_t)(k->t->out * d->cols);
    bool rows = is_by_rows(k);
    struct decompose dora = {.t = k->t, .strength = strength, .w = w};
    dora.magnitude = read_tensor(k, k->m->tensor[LORA_MAGNITUDE] ? LORA_MAGNITUDE : LORA_DORA);
    if (!dora.magnitude)
        return -1;
    dora.moved = take(k->g, count);
    if (!dora.moved)
        return no_memory(k);
    memcpy(dora.moved, w, count * sizeof *w);
    add_delta(k->g, d, k->m->scale, k->t->out, dora.moved);
    if (!rows && !(dora.norm = input_norms(k->t, dora.moved)))
        return no_memory(k);
    parallel_for(threads_for(k->g, (int64_t)count), k->t->out, rows_of_dora, &dora);
    free(dora.norm);
    return 0;
}

/* ---- a module ---- */

static int add_to_bias(const struct making *k, enum lora_role role, double factor, float *bias)
{
    if (!k->m->tensor[role])
        return 0;
    const float *add = read_tensor(k, role);
    for (int64_t i = 0; add && i < k->t->out; i++)
        bias[i] = (float)((double)bias[i] + factor * (double)add[i]);
    k->g->used = 0;
    return add ? 0 : -1;
}

int lora_merge_bias(struct lora_merger *g, const struct lora_module *m, const struct lora_target *t,
                    double strength, float *bias, const char *file, struct err *e)
{
    struct making k = {g, m, t, file, e};
    g->used = 0;
    if (add_to_bias(&k, LORA_DIFF_B, strength, bias) < 0)
        return -1;
    return add_to_bias(&k, LORA_UP_BIAS, strength * m->scale, bias);
}

int lora_merge(struct lora_merger *g, const struct lora_module *m, const struct lora_target *t,
               double strength, float *w, float *bias, const char *file, struct err *e)
{
    struct making k = {g, m, t, file, e};
    struct delta d = {0};
    int rc = 0;
    g->used = 0;
    if (m->form != FORM_DIFF || m->tensor[LORA_DIFF]) {
        rc = make_delta(&k, &d);
        if (rc == 0 && (m->tensor[LORA_DORA] || m->tensor[LORA_MAGNITUDE]))
            rc = merge_dora(&k, &d, strength, w);
        else if (rc == 0)
            add_delta(g, &d, strength * m->scale, t->out, w);
    }
    return rc < 0 ? rc : lora_merge_bias(g, m, t, strength, bias, file, e);
}

size_t lora_merge_bytes(const struct lora_module *m, const struct lora_target *t)
{
    size_t bytes = 0, cols = (size_t)(t->in * t->taps);
    for (int i = 0; i < LORA_ROLES; i++)
        if (m->tensor[i] && m->tensor[i]->is_weight)
            bytes += 2 * (size_t)m->tensor[i]->count * sizeof(float); /* as read, and laid out */
    if (m->form == FORM_LOHA)
        bytes += (size_t)parallel_cores() * 2 * ROW_BLOCK * cols * sizeof(float);
    if (m->tensor[LORA_DORA] || m->tensor[LORA_MAGNITUDE])
        bytes += (size_t)t->out * cols * sizeof(float);
    return bytes;
}
