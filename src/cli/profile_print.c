/* See profile_print.h. Times are milliseconds, amounts of memory decimal megabytes. */
#include "cli/profile_print.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES = 20, WORST = 10, TENSORS = 12 };

/* ---- time ---- */

/* A rate of work in units of 1e9 a second, or nothing where there is none. */
static void put_rate(char out[16], double work, double ms)
{
    *out = '\0';
    if (work > 0 && ms > 0)
        snprintf(out, 16, "%.1f", work / ms / 1e6);
}

static void put_line(const struct profile_line *l, double all)
{
    char flops[16], bytes[16], share[16] = "", least = l->least > 0;
    put_rate(flops, l->flops, l->ms);
    put_rate(bytes, l->bytes, l->ms);
    if (!isnan(profile_share_of_ceiling(l)))
        snprintf(share, sizeof share, "%.0f%%", 100 * profile_share_of_ceiling(l));
    printf("  %-38.38s %7d %10.2f %5.1f%% %9s %8s %6s", l->name, l->calls, l->ms,
           all > 0 ? 100 * l->ms / all : 0, flops, bytes, share);
    if (least)
        printf(" %9.2f", profile_lost(l));
    putchar('\n');
}

static void put_table(const char *title, const struct profile_table *t, int most,
                      const struct profile_report *r)
{
    double rest = 0;
    int more = 0;
    printf("\n  %-38s %7s %10s %6s %9s %8s %6s%s\n", title, "calls", "ms", "share", "GFLOP/s",
           "GB/s", "limit", r->all.least > 0 ? "   ms lost" : "");
    for (int i = 0; i < t->count; i++) {
        if (i < most)
            put_line(&t->line[i], r->all.ms);
        else
            rest += t->line[i].ms, more++;
    }
    if (more > 0)
        printf("  and %d more, %.2f ms; --json has all\n", more, rest);
}

void print_times(const struct profile_report *r, const struct ceilings *c)
{
    if (r->all.least > 0)
        printf("  the machine's limits, measured: %.1f GFLOP/s matrix products, %.1f convolutions, "
               "%.1f attention; %.1f GB/s\n",
               c->gemm / 1e9, c->conv / 1e9, c->attention / 1e9, c->memory / 1e9);
    else
        puts("  the machine's limits are not known (--measure auto finds them)");
    printf("  %.1f ms in operations of %.1f ms in stages\n", r->all.ms, r->wall);
    put_table("by stage", &r->stage, LINES, r);
    put_table("by layer", &r->layer, LINES, r);
    put_table("by kind of operation", &r->kind, LINES, r);
    put_table("by operation and sizes", &r->shape, LINES, r);
    if (r->worst.count > 0)
        put_table("worst offenders, by time lost", &r->worst, WORST, r);
}

static void json_line(struct jsonw *w, const struct profile_line *l)
{
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "name", l->name);
    jsonw_u64(w, "calls", (uint64_t)l->calls);
    jsonw_real(w, "ms", l->ms, 4);
    jsonw_real(w, "flops", l->flops, 0);
    jsonw_real(w, "bytes", l->bytes, 0);
    jsonw_real(w, "flops_per_s", l->ms > 0 ? 1e3 * l->flops / l->ms : NAN, 0);
    jsonw_real(w, "bytes_per_s", l->ms > 0 ? 1e3 * l->bytes / l->ms : NAN, 0);
    jsonw_real(w, "ms_least", l->least > 0 ? l->least : NAN, 4);
    jsonw_real(w, "of_limit", profile_share_of_ceiling(l), 4);
    jsonw_u64(w, "held", l->held);
    jsonw_close(w, '}');
}

static void json_table(struct jsonw *w, const char *key, const struct profile_table *t)
{
    jsonw_open(w, key, '[');
    for (int i = 0; i < t->count; i++)
        json_line(w, &t->line[i]);
    jsonw_close(w, ']');
}

void json_times(struct jsonw *w, const struct profile_report *r, const struct ceilings *c)
{
    jsonw_open(w, "limits", '{');
    jsonw_real(w, "gemm_flops", c->gemm > 0 ? c->gemm : NAN, 0);
    jsonw_real(w, "conv_flops", c->conv > 0 ? c->conv : NAN, 0);
    jsonw_real(w, "attention_flops", c->attention > 0 ? c->attention : NAN, 0);
    jsonw_real(w, "memory_bytes", c->memory > 0 ? c->memory : NAN, 0);
    jsonw_close(w, '}');
    jsonw_open(w, "ms", '{');
    jsonw_real(w, "stages", r->wall, 4);
    jsonw_real(w, "operations", r->all.ms, 4);
    jsonw_close(w, '}');
    json_table(w, "stages", &r->stage);
    json_table(w, "layers", &r->layer);
    json_table(w, "kinds", &r->kind);
    json_table(w, "operations", &r->shape);
    json_table(w, "worst", &r->worst);
}

/* ---- memory ---- */

static double mb(uint64_t bytes)
{
    return (double)bytes / 1e6;
}

static void put_bar(double share)
{
    int n = (int)(share * 30 + 0.5);
    for (int i = 0; i < n && i < 30; i++)
        putchar('#');
    putchar('\n');
}

static void put_group(const struct memory_map *m, enum memory_group group, const char *title,
                      bool shares)
{
    double sum = mb(memory_sum(m, group));
    bool any = false;
    for (int i = 0; i < m->count; i++) {
        const struct memory_item *it = &m->item[i];
        if (it->group != (int)group || (shares && it->bytes == 0))
            continue;
        if (!any)
            printf("\n  %-32s %10s\n", title, "MB");
        any = true;
        printf("  %-32s %10.1f", it->name, mb(it->bytes));
        if (shares && sum > 0) {
            printf(" %5.1f%%  ", 100 * mb(it->bytes) / sum);
            put_bar(mb(it->bytes) / sum);
        } else {
            putchar('\n');
        }
    }
    if (any && shares)
        printf("  %-32s %10.1f\n", "together", sum);
}

void print_memory(const struct memory_map *m)
{
    put_group(m, MEMORY_WEIGHTS, "weights, packed", true);
    put_group(m, MEMORY_PEAK, "activations when most are held", true);
    put_group(m, MEMORY_STAGES, "most held in each stage", false);
    put_group(m, MEMORY_OPS, "most held during operations", false);
    put_group(m, MEMORY_FILES, "of the mapped files", false);
    put_group(m, MEMORY_PROCESS, "this process", false);
    put_group(m, MEMORY_SYSTEM, "the system", false);
    put_group(m, MEMORY_DEVICE, *m->device ? m->device : "the device", false);
}

static int by_bytes(const void *a, const void *b)
{
    const struct profile_tensor *x = *(const struct profile_tensor *const *)a;
    const struct profile_tensor *y = *(const struct profile_tensor *const *)b;
    return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

void print_tensors(const struct profile_book *b)
{
    const struct profile_tensor *sorted[PROFILE_LIVE];
    const struct profile_peak *most = NULL;
    char path[96], sizes[64];
    for (int i = 0; i < b->stages; i++)
        if (!most || b->peak[i].used + b->peak[i].scratch > most->used + most->scratch)
            most = &b->peak[i];
    if (!most || most->count == 0)
        return;
    for (int i = 0; i < most->count; i++)
        sorted[i] = &most->tensor[i];
    qsort(sorted, (size_t)most->count, sizeof *sorted, by_bytes);
    profile_path(b, most->scope, 0, path, sizeof path);
    printf("\n  the largest of %d tensors then, in %s\n", most->count, path);
    for (int i = 0; i < most->count && i < TENSORS; i++) {
        profile_layer(b, sorted[i]->scope, path, sizeof path);
        profile_tensor_sizes(sorted[i], sizes, sizeof sizes);
        printf("  %-32.32s %10.1f  %-11s %s\n", path, mb(sorted[i]->bytes),
               sorted[i]->op ? op_kind_name(sorted[i]->op) : "to come", sizes);
    }
}

/* ---- two snapshots ---- */

void print_difference(const struct memory_map *before, const struct memory_map *now)
{
    static struct memory_difference d[2 * MEMORY_ITEMS];
    int n = memory_compare(before, now, d), group = -1;
    if (strcmp(before->machine, now->machine) != 0)
        printf("\n  another machine then: %s\n", before->machine);
    if (strcmp(before->job, now->job) != 0)
        printf("\n  another job then: %s\n", before->job);
    printf("\n  %-40s %12s %12s %12s\n", "MB", "then", "now", "difference");
    for (int i = 0; i < n; i++) {
        char sign[32] = "-";
        double by = mb(d[i].now) - mb(d[i].before);
        if (d[i].group != group)
            printf("  %s\n", memory_group_name(group = d[i].group));
        if (d[i].now != d[i].before)
            snprintf(sign, sizeof sign, "%+.1f", by);
        printf("    %-38s %12.1f %12.1f %12s\n", d[i].name, mb(d[i].before), mb(d[i].now), sign);
    }
}

void json_difference(struct jsonw *w, const struct memory_map *before, const struct memory_map *now)
{
    static struct memory_difference d[2 * MEMORY_ITEMS];
    int n = memory_compare(before, now, d);
    jsonw_open(w, "compared", '{');
    jsonw_string(w, "machine", before->machine);
    jsonw_string(w, "job", before->job);
    jsonw_bool(w, "same_machine", !strcmp(before->machine, now->machine));
    jsonw_bool(w, "same_job", !strcmp(before->job, now->job));
    jsonw_open(w, "bytes", '[');
    for (int i = 0; i < n; i++) {
        jsonw_open(w, NULL, '{');
        jsonw_string(w, "group", memory_group_name(d[i].group));
        jsonw_string(w, "name", d[i].name);
        jsonw_u64(w, "then", d[i].before);
        jsonw_u64(w, "now", d[i].now);
        jsonw_close(w, '}');
    }
    jsonw_close(w, ']');
    jsonw_close(w, '}');
}
