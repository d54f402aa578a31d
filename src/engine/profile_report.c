/* See profile_report.h. */
#include "engine/profile_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the roofline ---- */

double roofline_ms(const struct ceilings *c, enum op_kind kind, double flops, double bytes)
{
    double rate = kind == OP_CONV ? c->conv : kind == OP_ATTENTION ? c->attention : c->gemm;
    double computing = flops > 0 && rate > 0 ? 1e3 * flops / rate : 0;
    double moving = c->memory > 0 ? 1e3 * bytes / c->memory : 0;
    return computing > moving ? computing : moving;
}

double profile_share_of_ceiling(const struct profile_line *l)
{
    return l->least > 0 && l->ms > 0 ? l->least / l->ms : NAN;
}

double profile_lost(const struct profile_line *l)
{
    return l->ms > l->least ? l->ms - l->least : 0;
}

/* ---- names ---- */

/* Of a stack: the same module again and again. */
static bool is_stacked(const struct profile_scope *s)
{
    return !strcmp(s->name, "block") || !strcmp(s->name, "layer");
}

void profile_layer(const struct profile_book *b, int scope, char *out, size_t size)
{
    int chain[64], n = 0;
    for (int i = scope; i > 0 && n < 64; i = b->scope[i].parent)
        if (!b->scope[i].turn && !is_stacked(&b->scope[i]) && b->scope[i].parent > 0)
            chain[n++] = i;
    if (n > 0)
        profile_join(b, chain, n, out, size);
    else
        snprintf(out, size, "%s",
                 scope > 0 ? b->scope[b->stage[b->scope[scope].stage]].name : "the run");
}

/* ---- sums ---- */

static void add(struct profile_line *l, const struct profile_cell *c, double least)
{
    l->calls += c->calls;
    l->ms += c->ms;
    l->flops += c->flops;
    l->bytes += c->bytes;
    l->least += least;
    l->held = l->held > c->held ? l->held : c->held;
}

/* The line of that name, made where there is none; tables have room for all cells. */
static struct profile_line *line_of(struct profile_table *t, const char *name)
{
    for (int i = 0; i < t->count; i++)
        if (!strcmp(t->line[i].name, name))
            return &t->line[i];
    struct profile_line *l = &t->line[t->count++];
    *l = (struct profile_line){.calls = 0};
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

static int by_time(const void *a, const void *b)
{
    const struct profile_line *x = a, *y = b;
    return (x->ms < y->ms) - (x->ms > y->ms);
}

static int by_loss(const void *a, const void *b)
{
    double x = profile_lost(a), y = profile_lost(b);
    return (x < y) - (x > y);
}

static void sort(struct profile_table *t, int (*by)(const void *, const void *))
{
    if (t->count > 1)
        qsort(t->line, (size_t)t->count, sizeof *t->line, by);
}

static bool room(struct profile_table *t, int lines)
{
    t->line = calloc((size_t)lines + 1, sizeof *t->line);
    return t->line != NULL;
}

static void sum_up(const struct profile_book *b, const struct op_profile *shape,
                   const struct ceilings *c, struct profile_report *r)
{
    char name[sizeof r->all.name];
    for (int i = 0; i < b->stages; i++) {
        line_of(&r->stage, b->scope[b->stage[i]].name)->held = b->scope[b->stage[i]].held;
        r->wall += b->scope[b->stage[i]].ms;
    }
    for (int i = 0; i < b->cells; i++) {
        const struct profile_cell *cell = &b->cell[i];
        const struct op_profile *s = &shape[cell->shape];
        int stage = b->scope[cell->scope].stage, n = cell->calls > 0 ? cell->calls : 1;
        double least = n * roofline_ms(c, s->kind, cell->flops / n, cell->bytes / n);
        profile_layer(b, cell->scope, name, sizeof name);
        add(&r->all, cell, least);
        add(line_of(&r->stage, stage >= 0 ? b->scope[b->stage[stage]].name : "the run"), cell,
            least);
        add(line_of(&r->layer, name), cell, least);
        add(line_of(&r->kind, op_kind_name(s->kind)), cell, least);
        add(line_of(&r->shape, s->name), cell, least);
    }
}

int profile_report_make(const struct profile_book *b, const struct op_profile *shape,
                        const struct ceilings *c, struct profile_report *r)
{
    *r = (struct profile_report){.wall = 0};
    snprintf(r->all.name, sizeof r->all.name, "all");
    if (!room(&r->stage, PROFILE_STAGES + 1) || !room(&r->layer, b->cells) ||
        !room(&r->kind, OP_KINDS) || !room(&r->shape, b->cells) || !room(&r->worst, b->cells))
        return -1;
    sum_up(b, shape, c, r);
    sort(&r->layer, by_time);
    sort(&r->kind, by_time);
    sort(&r->shape, by_time);
    if (r->all.least > 0) {
        r->worst.count = r->shape.count;
        memcpy(r->worst.line, r->shape.line, (size_t)r->shape.count * sizeof *r->shape.line);
        sort(&r->worst, by_loss);
    }
    return 0;
}

void profile_report_free(struct profile_report *r)
{
    free(r->stage.line);
    free(r->layer.line);
    free(r->kind.line);
    free(r->shape.line);
    free(r->worst.line);
    *r = (struct profile_report){.wall = 0};
}
