/* Finding, checking and packing of parameters. See loader.h for the way errors go. */
#include "sdxl/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MAX_STACK = 4 };

struct name name_of(const char *fmt, ...)
{
    struct name n;
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(n.s, sizeof n.s, fmt, ap);
    va_end(ap);
    assert(len > 0 && len < NAME_MAX_LEN - 8);
    (void)len;
    return n;
}

static void fail(struct loader *l)
{
    l->failed = true;
}

/* Whether the dims are `want`; 1x1 kernels of a linear may be spelt out. */
static bool shape_is(const struct param *p, const int64_t *want, int rank)
{
    int have = p->rank;
    if (rank == 2 && have == 4 && p->dim[2] == 1 && p->dim[3] == 1)
        have = 2;
    if (have != rank)
        return false;
    for (int i = 0; i < rank; i++) {
        int at = p->transposed && rank == 2 ? 1 - i : i;
        if (p->dim[at] != want[i])
            return false;
    }
    return true;
}

static void format_dims(char *out, size_t cap, const int64_t *dim, int rank)
{
    size_t at = 0;
    out[0] = '\0';
    for (int i = 0; i < rank && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%lld", i ? "x" : "", (long long)dim[i]);
}

/* NAME + suffix with exactly these dims. An absent optional one leaves data NULL. */
static bool find(struct loader *l, const struct name *n, const char *suffix, bool optional,
                 const int64_t *dim, int rank, struct param *out)
{
    memset(out, 0, sizeof *out);
    if (l->failed)
        return false;
    char full[NAME_MAX_LEN + 8];
    snprintf(full, sizeof full, "%s%s", n->s, suffix);
    if (optional && !checkpoint_has(l->checkpoint, l->part, full))
        return true;
    if (checkpoint_find(l->checkpoint, l->part, full, out, l->err) < 0) {
        fail(l);
        return false;
    }
    if (!shape_is(out, dim, rank)) {
        char have[80], want[80];
        format_dims(have, sizeof have, out->dim, out->rank);
        format_dims(want, sizeof want, dim, rank);
        err_set(l->err, "%s: tensor %s is %s, but the model's configuration asks for %s",
                checkpoint_path(l->checkpoint), full, have, want);
        fail(l);
        return false;
    }
    return true;
}

static struct weight *done(struct loader *l, struct weight *w, const struct param *p, int count)
{
    for (int i = 0; i < count; i++)
        if (p[i].data)
            checkpoint_drop(l->checkpoint, &p[i]);
    if (!w) { /* the backend keeps the reason until sync */
        if (l->ops->sync(l->ops, l->err) == 0)
            err_set(l->err, "out of memory while loading weights; try a smaller model");
        fail(l);
    } else if (l->packed) {
        l->packed(l->user);
    }
    return w;
}

struct weight *load_stacked(struct loader *l, const struct name *names, int count, int out, int in)
{
    struct param p[2 * MAX_STACK];
    struct param *w = p, *b = p + count;
    assert(count >= 1 && count <= MAX_STACK);
    for (int i = 0; i < count; i++) {
        if (!find(l, &names[i], ".weight", false, (int64_t[]){out, in}, 2, &w[i]) ||
            !find(l, &names[i], ".bias", true, (int64_t[]){out}, 1, &b[i]))
            return NULL;
        if (!b[i].data != !b[0].data) {
            err_set(l->err, "%s: %s.bias is %s while %s.bias is not; the file is incomplete",
                    checkpoint_path(l->checkpoint), names[i].s, b[i].data ? "there" : "missing",
                    names[0].s);
            fail(l);
            return NULL;
        }
    }
    return done(l, l->ops->pack_linear(l->ops, w, b, count), p, 2 * count);
}

struct weight *load_linear(struct loader *l, struct name n, int out, int in)
{
    return load_stacked(l, &n, 1, out, in);
}

struct weight *load_conv(struct loader *l, struct name n, int out, int in, int k)
{
    struct param p[2];
    if (!find(l, &n, ".weight", false, (int64_t[]){out, in, k, k}, 4, &p[0]) ||
        !find(l, &n, ".bias", true, (int64_t[]){out}, 1, &p[1]))
        return NULL;
    return done(l, l->ops->pack_conv(l->ops, &p[0], &p[1]), p, 2);
}

struct weight *load_norm(struct loader *l, struct name n, int c)
{
    struct param p[2];
    if (!find(l, &n, ".weight", false, (int64_t[]){c}, 1, &p[0]) ||
        !find(l, &n, ".bias", true, (int64_t[]){c}, 1, &p[1]))
        return NULL;
    return done(l, l->ops->pack_norm(l->ops, &p[0], &p[1]), p, 2);
}

struct weight *load_table(struct loader *l, struct name n, int rows, int c)
{
    struct param p;
    if (!find(l, &n, ".weight", false, (int64_t[]){rows, c}, 2, &p))
        return NULL;
    return done(l, l->ops->pack_table(l->ops, &p), &p, 1);
}
