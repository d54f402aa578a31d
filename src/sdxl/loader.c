/* Finding, checking and packing of parameters. See loader.h for the way errors go. */
#include "sdxl/loader.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/dry.h"
#include "ops/half.h"

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
static bool find(struct loader *l, const char *name, const char *suffix, bool optional,
                 const int64_t *dim, int rank, struct param *out)
{
    memset(out, 0, sizeof *out);
    if (l->failed)
        return false;
    char full[NAME_MAX_LEN + 8];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    if (checkpoint_draw(l->checkpoint, full, dim, rank, out))
        return true;
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

/* The sources of a slot: weights, and biases or betas where there are any. */
struct sources {
    struct param w[MAX_STACK], b[MAX_STACK];
};

static bool find_sources(struct loader *l, const struct slot *s, struct sources *p)
{
    int64_t dim[4] = {s->out, s->in, s->k, s->k}, out[1] = {s->out};
    int rank = s->kind == SLOT_NORM ? 1 : s->kind == SLOT_CONV ? 4 : 2;
    memset(p, 0, sizeof *p);
    for (int i = 0; i < s->count; i++) {
        if (!find(l, s->name[i], ".weight", false, dim, rank, &p->w[i]))
            return false;
        if (s->kind != SLOT_TABLE && !find(l, s->name[i], ".bias", true, out, 1, &p->b[i]))
            return false;
        if (!p->b[i].data != !p->b[0].data) {
            err_set(l->err, "%s: %s.bias is %s while %s.bias is not; the file is incomplete",
                    checkpoint_path(l->checkpoint), s->name[i], p->b[i].data ? "there" : "missing",
                    s->name[0]);
            fail(l);
            return false;
        }
    }
    return true;
}

static void drop_sources(struct loader *l, const struct slot *s, const struct sources *p)
{
    for (int i = 0; i < s->count; i++) {
        checkpoint_drop(l->checkpoint, &p->w[i]);
        checkpoint_drop(l->checkpoint, &p->b[i]);
    }
}

static struct weight *pack_as(struct ops *o, const struct slot *s, const struct sources *p)
{
    switch (s->kind) {
    case SLOT_LINEAR:
        return o->pack_linear(o, p->w, p->b, s->count);
    case SLOT_CONV:
        return o->pack_conv(o, p->w, p->b);
    case SLOT_NORM:
        return o->pack_norm(o, p->w, p->b);
    default:
        return o->pack_table(o, p->w);
    }
}

/* An f32 copy, times a factor. */
static float *scaled_copy(const struct param *p, float factor)
{
    int64_t count = 1;
    for (int i = 0; i < p->rank; i++)
        count *= p->dim[i];
    float *copy = malloc((size_t)count * sizeof *copy);
    const uint16_t *half = p->data;
    for (int64_t i = 0; copy && i < count; i++) {
        float x = p->dtype == DT_F32   ? ((const float *)p->data)[i]
                  : p->dtype == DT_F16 ? f32_from_f16(half[i])
                                       : f32_from_bf16(half[i]);
        copy[i] = factor * x;
    }
    return copy;
}

static bool scale(struct loader *l, struct param *p, float factor, void **copy)
{
    if (!p->data)
        return true;
    assert(p->change_count == 0); /* LoRAs have nothing for a VAE */
    *copy = scaled_copy(p, factor);
    if (!*copy) {
        err_set(l->err, "out of memory while loading weights");
        fail(l);
        return false;
    }
    p->data = *copy;
    p->dtype = DT_F32;
    return true;
}

/* A layer that writes to the residual stream, scaled: its sources then are copies, to be freed. A
 * forecast reads no values. */
static bool scale_writer(struct loader *l, const struct slot *s, struct sources *p, void *copies[2])
{
    copies[0] = copies[1] = NULL;
    if (s->writes == STREAM_NOT || s->stream == 0 || s->stream == 1 || !ops_computes(l->ops))
        return true;
    assert(s->count == 1);
    return (s->writes == STREAM_FROM_STREAM || scale(l, &p->w[0], s->stream, &copies[0])) &&
           scale(l, &p->b[0], s->stream, &copies[1]);
}

float *load_values(struct loader *l, struct name name, const int64_t *dim, int rank)
{
    struct param p;
    if (!find(l, name.s, "", false, dim, rank, &p) || !ops_computes(l->ops))
        return NULL;
    float *out = scaled_copy(&p, 1);
    if (!out) {
        err_set(l->err, "out of memory while loading weights");
        fail(l);
    } else if (checkpoint_was_read(l->checkpoint, l->err) < 0) {
        fail(l);
    }
    return out;
}

/* Finds, patches, packs, and lets go of the checkpoint's pages. */
static struct weight *pack(struct loader *l, struct slot *s, int index)
{
    struct sources found, patched;
    if (!find_sources(l, s, &found))
        return NULL;
    s->stored = params_stored(found.w, s->count);
    patched = found;
    if (l->patch && l->patch(l->patch_user, index, s, patched.w, patched.b, l->err) < 0) {
        fail(l);
        return NULL;
    }
    void *copies[2];
    struct weight *w = NULL;
    if (scale_writer(l, s, &patched, copies))
        w = pack_as(l->ops, s, &patched);
    free(copies[0]);
    free(copies[1]);
    drop_sources(l, s, &found);
    if (w && ops_computes(l->ops) && checkpoint_was_read(l->checkpoint, l->err) < 0) {
        l->ops->free_weight(l->ops, w);
        fail(l);
    }
    if (l->failed)
        return NULL;
    if (!w) { /* the backend keeps the reason until sync */
        if (l->ops->sync(l->ops, l->err) == 0)
            err_set(l->err, "out of memory while loading weights; try a smaller model");
        fail(l);
    } else if (l->packed && !l->packed(l->user)) {
        l->ops->free_weight(l->ops, w);
        err_set(l->err, "cancelled");
        fail(l);
        return NULL;
    }
    return w;
}

/* -- the registry -- */

static void free_names(struct slot *s)
{
    for (int i = 0; i < s->count; i++)
        free((char *)(uintptr_t)s->name[i]);
}

static bool note_slot(struct slots *all, const struct slot *s)
{
    if (all->count == all->room) {
        int room = all->room ? 2 * all->room : 256;
        struct slot *more = realloc(all->at, (size_t)room * sizeof *more);
        if (!more)
            return false;
        all->at = more, all->room = room;
    }
    struct slot *own = &all->at[all->count];
    *own = *s;
    for (own->count = 0; own->count < s->count; own->count++)
        if (!(own->name[own->count] = strdup(s->name[own->count]))) {
            free_names(own);
            return false;
        }
    all->count++;
    return true;
}

void slots_free(struct slots *all)
{
    for (int i = 0; i < all->count; i++)
        free_names(&all->at[i]);
    free(all->at);
    *all = (struct slots){0};
}

static struct weight *load(struct loader *l, struct slot s)
{
    if (l->failed)
        return NULL;
    s.part = l->part;
    s.writes = l->writes;
    s.stream = l->stream;
    l->writes = STREAM_NOT;
    s.gone = l->later && l->slots && s.kind != SLOT_NORM;
    if (s.gone) { /* but what is wrong with the file is told now */
        struct sources found;
        s.weight = find_sources(l, &s, &found) ? l->ops->no_weight(l->ops) : NULL;
        if (!s.weight)
            l->failed = true;
        else
            s.stored = params_stored(found.w, s.count);
    } else {
        s.weight = pack(l, &s, l->slots ? l->slots->count : -1);
    }
    if (s.weight && l->slots && !note_slot(l->slots, &s)) {
        err_set(l->err, "out of memory while loading weights");
        fail(l);
        l->ops->free_weight(l->ops, s.weight);
        return NULL;
    }
    return s.weight;
}

int loader_repack(struct loader *l, int index)
{
    struct slot *s = &l->slots->at[index];
    struct weight *fresh = pack(l, s, index);
    if (!fresh)
        return -1;
    l->ops->swap_weights(l->ops, s->weight, fresh);
    l->ops->free_weight(l->ops, fresh);
    s->gone = s->parked = false;
    return 0;
}

int slot_drop(struct slot *s, struct ops *o)
{
    struct weight *none = s->gone || s->kind == SLOT_NORM ? NULL : o->no_weight(o);
    if (!none)
        return s->gone || s->kind == SLOT_NORM ? 0 : -1;
    o->swap_weights(o, s->weight, none);
    o->free_weight(o, none);
    s->gone = true;
    return 0;
}

size_t slot_bytes(const struct slot *s, enum dtype act, bool halves)
{
    size_t values = (size_t)s->count * (size_t)s->out * (size_t)s->in * (size_t)(s->k * s->k);
    if (s->kind == SLOT_NORM)
        return values * sizeof(float);
    return values * dtype_size(halves && act == DT_F32 ? s->stored : act);
}

void loader_soon(const struct loader *l, int index)
{
    struct sources p;
    struct err ignored;
    struct loader quiet = *l;
    quiet.err = &ignored;
    const struct slot *s = &l->slots->at[index];
    quiet.part = s->part;
    if (find_sources(&quiet, s, &p))
        for (int i = 0; i < s->count; i++)
            checkpoint_soon(l->checkpoint, &p.w[i]);
}

/* -- what networks ask for -- */

struct weight *load_stacked(struct loader *l, const struct name *names, int count, int out, int in)
{
    struct slot s = {.kind = SLOT_LINEAR, .count = count, .out = out, .in = in, .k = 1};
    assert(count >= 1 && count <= MAX_STACK);
    for (int i = 0; i < count; i++)
        s.name[i] = names[i].s;
    return load(l, s);
}

struct weight *load_linear(struct loader *l, struct name n, int out, int in)
{
    return load_stacked(l, &n, 1, out, in);
}

struct weight *load_conv(struct loader *l, struct name n, int out, int in, int k)
{
    return load(l, (struct slot){
                       .kind = SLOT_CONV, .count = 1, .name = {n.s}, .out = out, .in = in, .k = k});
}

struct weight *load_norm(struct loader *l, struct name n, int c)
{
    return load(
        l, (struct slot){.kind = SLOT_NORM, .count = 1, .name = {n.s}, .out = c, .in = 1, .k = 1});
}

struct weight *load_table(struct loader *l, struct name n, int rows, int c)
{
    return load(
        l,
        (struct slot){.kind = SLOT_TABLE, .count = 1, .name = {n.s}, .out = rows, .in = c, .k = 1});
}
