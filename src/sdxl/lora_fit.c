/* Whether a module's matrices can be multiplied to the model's weight; see lora_merge.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sdxl/lora_merge.h"

static const char *const role_name[LORA_ROLES] = {
    "lora_down",   "lora_up",    "lora_mid",
    "hada_w1_a",   "hada_w1_b",  "hada_w2_a",
    "hada_w2_b",   "hada_t1",    "hada_t2",
    "lokr_w1",     "lokr_w1_a",  "lokr_w1_b",
    "lokr_w2",     "lokr_w2_a",  "lokr_w2_b",
    "lokr_t2",     "diff",       "diff_b",
    "lora_B.bias", "dora_scale", "lora_magnitude_vector",
    "alpha"};

struct fit {
    const struct lora_module *m;
    const struct lora_target *t;
    char *why;
    size_t size;
};

static void dims_text(const struct st_tensor *t, char *out, size_t size)
{
    size_t n = 0;
    snprintf(out, size, "a scalar");
    for (int i = 0; i < t->rank && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%" PRId64, i ? "x" : "", t->dim[i]);
}

static bool missing(const struct fit *f, enum lora_role role)
{
    snprintf(f->why, f->size, "it has no %s", role_name[role]);
    return false;
}

/* Whose type or shape no weight has. */
static bool no_weight(const struct fit *f, enum lora_role role)
{
    const struct st_tensor *t = f->m->tensor[role];
    char have[100];
    dims_text(t, have, sizeof have);
    if (t->count == 0)
        snprintf(f->why, f->size, "%s is %s and holds nothing", role_name[role], have);
    else if (t->rank < 1 || t->rank > 4)
        snprintf(f->why, f->size, "%s is %s, which is no matrix", role_name[role], have);
    else
        snprintf(f->why, f->size, "%s is of type %s; F32, F16 or BF16 is needed", role_name[role],
                 t->type);
    return false;
}

/* The tensor as a matrix [rows, cols]: the first dimension is rows, all others together are cols.
 * Zero stands for "any". */
static bool is_matrix(const struct fit *f, enum lora_role role, int64_t rows, int64_t cols)
{
    const struct st_tensor *t = f->m->tensor[role];
    char have[100];
    if (!t)
        return missing(f, role);
    if (!t->is_weight)
        return no_weight(f, role);
    int64_t c = t->count / t->dim[0];
    if ((rows == 0 || t->dim[0] == rows) && (cols == 0 || c == cols))
        return true;
    dims_text(t, have, sizeof have);
    snprintf(f->why, f->size, "%s is %s; the model's weight needs %" PRId64 "x%" PRId64,
             role_name[role], have, rows ? rows : t->dim[0], cols ? cols : c);
    return false;
}

static int64_t rows_of(const struct fit *f, enum lora_role role)
{
    const struct st_tensor *t = f->m->tensor[role];
    return t && t->is_weight ? t->dim[0] : 0;
}

static int64_t cols_of(const struct fit *f, enum lora_role role)
{
    const struct st_tensor *t = f->m->tensor[role];
    return t && t->is_weight ? t->count / t->dim[0] : 0;
}

static bool rank_is_sane(const struct fit *f, int64_t rank, int most)
{
    if (rank >= 1 && rank <= most)
        return true;
    snprintf(f->why, f->size, "its rank is %" PRId64 "; %d is the most", rank, most);
    return false;
}

/* A core tensor [r, r', k, k]. */
static bool is_core(const struct fit *f, enum lora_role role, int64_t r, int64_t r2, int64_t taps)
{
    const struct st_tensor *t = f->m->tensor[role];
    if (!is_matrix(f, role, r, r2 * taps))
        return false;
    if (t->rank >= 2 && t->dim[1] == r2)
        return true;
    snprintf(f->why, f->size, "%s has %" PRId64 " columns; %" PRId64 " are needed", role_name[role],
             t->rank >= 2 ? t->dim[1] : 1, r2);
    return false;
}

/* a [out, r] b [r, cols], or through a core: a [r, out] (`turned`; or [out, r]), b [r', in]. */
static bool is_product(const struct fit *f, enum lora_role a, enum lora_role b, enum lora_role core,
                       bool turned, int64_t out, int64_t in)
{
    int64_t taps = f->t->taps;
    if (!f->m->tensor[a] || !f->m->tensor[b])
        return missing(f, f->m->tensor[a] ? b : a);
    if (!f->m->tensor[core]) {
        int64_t r = rows_of(f, b);
        return is_matrix(f, b, 0, in * taps) && rank_is_sane(f, r, LORA_MAX_RANK) &&
               is_matrix(f, a, out, r);
    }
    int64_t r = turned ? rows_of(f, a) : cols_of(f, a), r2 = rows_of(f, b);
    return is_matrix(f, a, turned ? 0 : out, turned ? out : 0) && is_matrix(f, b, 0, in) &&
           rank_is_sane(f, r, LORA_MAX_CORE_RANK) && rank_is_sane(f, r2, LORA_MAX_CORE_RANK) &&
           is_core(f, core, r, r2, taps);
}

/* w1 [a, b] and w2 [c, d (x taps)] with a c = out and b d = in. */
static bool is_kron(const struct fit *f)
{
    const struct st_tensor *const *t = f->m->tensor;
    int64_t taps = f->t->taps, a, b, c, d;
    if (!t[LOKR_W1] && (!t[LOKR_W1A] || !t[LOKR_W1B]))
        return missing(f, LOKR_W1);
    if (!t[LOKR_W2] && (!t[LOKR_W2A] || !t[LOKR_W2B]))
        return missing(f, LOKR_W2);
    a = t[LOKR_W1] ? rows_of(f, LOKR_W1) : rows_of(f, LOKR_W1A);
    b = t[LOKR_W1] ? cols_of(f, LOKR_W1) : cols_of(f, LOKR_W1B);
    if (a < 1 || b < 1 || f->t->out % a || f->t->in % b) {
        snprintf(f->why, f->size,
                 "lokr_w1 is %" PRId64 "x%" PRId64 "; it cannot divide the "
                 "model's %" PRId64 "x%" PRId64,
                 a, b, f->t->out, f->t->in);
        return false;
    }
    c = f->t->out / a, d = f->t->in / b;
    if (!t[LOKR_W1]) { /* no taps in w1 */
        int64_t r = rows_of(f, LOKR_W1B);
        if (!rank_is_sane(f, r, LORA_MAX_RANK) || !is_matrix(f, LOKR_W1A, a, r) ||
            !is_matrix(f, LOKR_W1B, r, b))
            return false;
    }
    if (t[LOKR_W2])
        return is_matrix(f, LOKR_W2, c, d * taps);
    return is_product(f, LOKR_W2A, LOKR_W2B, LOKR_T2, true, c, d);
}

static bool fits_bias(const struct fit *f, enum lora_role role)
{
    const struct st_tensor *t = f->m->tensor[role];
    if (!t)
        return true;
    if (!f->t->bias) {
        snprintf(f->why, f->size, "%s: the model's weight has no bias", role_name[role]);
        return false;
    }
    if (t->is_weight && t->count == f->t->out)
        return true;
    snprintf(f->why, f->size, "%s has %" PRId64 " values; %" PRId64 " are needed", role_name[role],
             t->count, f->t->out);
    return false;
}

static bool fits_magnitude(const struct fit *f)
{
    const struct st_tensor *rows = f->m->tensor[LORA_MAGNITUDE], *any = f->m->tensor[LORA_DORA];
    const struct st_tensor *t = rows ? rows : any;
    if (!t || (t->is_weight && (t->count == f->t->out || (!rows && t->count == f->t->in))))
        return true;
    snprintf(f->why, f->size,
             "dora_scale has %" PRId64 " values; the model's weight needs %" PRId64, t->count,
             f->t->out);
    return false;
}

bool lora_fits(const struct lora_module *m, const struct lora_target *t, char *why, size_t size)
{
    struct fit f = {m, t, why, size};
    bool ok = true;
    *why = '\0';
    switch (m->form) {
    case FORM_LORA:
        ok = is_product(&f, LORA_UP, LORA_DOWN, LORA_MID, false, t->out, t->in);
        break;
    case FORM_LOHA:
        if (!m->tensor[HADA_T1] != !m->tensor[HADA_T2])
            return missing(&f, m->tensor[HADA_T1] ? HADA_T2 : HADA_T1);
        ok = is_product(&f, HADA_W1A, HADA_W1B, HADA_T1, true, t->out, t->in) &&
             is_product(&f, HADA_W2A, HADA_W2B, HADA_T2, true, t->out, t->in);
        break;
    case FORM_LOKR:
        ok = is_kron(&f);
        break;
    case FORM_DIFF:
        ok = !m->tensor[LORA_DIFF] || is_matrix(&f, LORA_DIFF, t->out, t->in * t->taps);
        break;
    default:
        snprintf(why, size, "its matrices are missing");
        return false;
    }
    return ok && fits_bias(&f, LORA_DIFF_B) && fits_bias(&f, LORA_UP_BIAS) && fits_magnitude(&f);
}
