/* Cases, and what two results differ in; see result.h. */
#include "bench/result.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *bench_metric_name(enum bench_metric m)
{
    static const char *const names[BENCH_METRICS] = {"total",  "text",   "step",
                                                     "decode", "finish", "cpu"};
    return names[m];
}

const char *bench_group_name(enum bench_group g)
{
    static const char *const names[BENCH_GROUPS] = {"baseline", "optimized", "without", "only",
                                                    "with"};
    return names[g];
}

struct bench_result *bench_result_new(void)
{
    struct bench_result *r = calloc(1, sizeof *r);
    if (r && !(r->cases = calloc(BENCH_MAX_CASES, sizeof *r->cases))) {
        free(r);
        return NULL;
    }
    return r;
}

void bench_result_free(struct bench_result *r)
{
    if (r)
        free(r->cases);
    free(r);
}

struct bench_stats bench_case_stats(const struct bench_case *c, enum bench_metric m)
{
    return bench_stats(c->ms[m], c->runs);
}

void bench_case_name(const struct bench_case *c, char *out, int size)
{
    if (*c->item && c->batch == 1)
        snprintf(out, (size_t)size, "%s %s", bench_group_name(c->group), c->item);
    else
        snprintf(out, (size_t)size, "%s%s%s, batch %d", bench_group_name(c->group),
                 *c->item ? " " : "", c->item, c->batch);
}

double bench_sprites_a_minute(const struct bench_case *c)
{
    return c->batch * 60e3 / bench_case_stats(c, BENCH_TOTAL).median;
}

const struct bench_case *bench_find(const struct bench_result *r, enum bench_group group,
                                    const char *item, int batch)
{
    for (int i = 0; i < r->count; i++) {
        const struct bench_case *c = &r->cases[i];
        if (c->group == group && c->batch == batch && !strcmp(c->item, item))
            return c;
    }
    return NULL;
}

/* ---- differences ---- */

struct list {
    char *out;
    int size;
    size_t used;
};

static void note_text(struct list *l, const char *what, const char *before, const char *now)
{
    if (!strcmp(before, now) || l->used >= (size_t)l->size)
        return;
    l->used += (size_t)snprintf(l->out + l->used, (size_t)l->size - l->used, "%s%s: %s, now %s",
                                l->used ? "; " : "", what, *before ? before : "none",
                                *now ? now : "none");
}

static void note_number(struct list *l, const char *what, double before, double now)
{
    char a[32], b[32];
    snprintf(a, sizeof a, "%.6g", before);
    snprintf(b, sizeof b, "%.6g", now);
    note_text(l, what, a, b);
}

bool bench_other_machine(const struct bench_machine *a, const struct bench_machine *b, char *out,
                         int size)
{
    struct list l = {out, size, 0};
    *out = '\0';
    note_text(&l, "architecture", a->arch, b->arch);
    note_text(&l, "cpu", a->cpu, b->cpu);
    note_text(&l, "features", a->features, b->features);
    note_number(&l, "cores", a->cores, b->cores);
    note_number(&l, "threads", a->threads, b->threads);
    /* virtual machines of one kind differ by some pages from start to start */
    if (fabs((double)a->memory - (double)b->memory) > 0.03 * (double)a->memory)
        note_number(&l, "memory in GB", (double)a->memory / 1e9, (double)b->memory / 1e9);
    note_text(&l, "device", a->device, b->device);
    note_text(&l, "gpu", a->gpu, b->gpu);
    return l.used > 0;
}

bool bench_other_software(const struct bench_machine *a, const struct bench_machine *b, char *out,
                          int size)
{
    struct list l = {out, size, 0};
    *out = '\0';
    note_text(&l, "system", a->system, b->system);
    note_text(&l, "libraries", a->libraries, b->libraries);
    note_text(&l, "driver", a->driver, b->driver);
    note_text(&l, "version", a->version, b->version);
    note_text(&l, "commit", a->commit, b->commit);
    return l.used > 0;
}

bool bench_other_work(const struct bench_work *a, const struct bench_work *b, char *out, int size)
{
    struct list l = {out, size, 0};
    *out = '\0';
    note_text(&l, "model", a->model, b->model);
    note_number(&l, "width", a->width, b->width);
    note_number(&l, "height", a->height, b->height);
    note_number(&l, "steps", a->steps, b->steps);
    note_text(&l, "sampler", a->sampler, b->sampler);
    note_text(&l, "scheduler", a->scheduler, b->scheduler);
    note_number(&l, "cfg", a->cfg, b->cfg);
    return l.used > 0;
}
