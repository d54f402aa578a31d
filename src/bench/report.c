/* See report.h. */
#include "bench/report.h"

#include <math.h>
#include <string.h>

/* 1234567 ms as "1234.6 s"; what is under ten seconds in ms. */
static void time_text(double ms, char *out, size_t size)
{
    if (!isfinite(ms))
        snprintf(out, size, "-");
    else if (ms >= 10000)
        snprintf(out, size, "%.1f s", ms / 1e3);
    else
        snprintf(out, size, "%.*f ms", ms < 100 ? 2 : 1, ms);
}

static void bytes_text(double bytes, char *out, size_t size)
{
    if (bytes >= 1e9)
        snprintf(out, size, "%.2f GB", bytes / 1e9);
    else
        snprintf(out, size, "%.0f MB", bytes / 1e6);
}

void bench_doubts(const struct bench_result *r, char *out, int size)
{
    double others = 0, load = r->load_average[0];
    size_t used = 0;
    *out = '\0';
    for (int i = 0; i < r->count; i++)
        if (r->cases[i].others > others)
            others = r->cases[i].others;
    if (others > 0.1)
        used = (size_t)snprintf(out, (size_t)size,
                                "other programs took up to %.0f%% of the cores during a run",
                                100 * others);
    if (!r->real_time && load > 0.5 * r->machine.cores && load > 0.7 && used < (size_t)size)
        snprintf(out + used, (size_t)size - used,
                 "%sthe load average was %.1f on %d cores before the first run", used ? "; " : "",
                 load, r->machine.cores);
}

static void report_machine(FILE *f, const struct bench_result *r)
{
    const struct bench_machine *m = &r->machine;
    const struct bench_work *w = &r->work;
    char doubts[300];
    fprintf(f, "%s, %dx%d, %d steps of %s (%s), cfg %g\n", w->model, w->width, w->height, w->steps,
            w->sampler, w->scheduler, w->cfg);
    if (*m->gpu)
        fprintf(f, "on %s (%s), driver %s\n", m->gpu, m->device, m->driver);
    fprintf(f, "%d of %d cores of %s (%s), %.1f GB; %s\n", m->threads, m->cores, m->cpu,
            m->features, (double)m->memory / 1e9, m->system);
    fprintf(f, "spritty %s%s%s, %s; %s\n\n", m->version, *m->commit ? " " : "", m->commit,
            m->libraries, r->when);
    if (r->real_time)
        fprintf(
            f,
            "Run under a real-time priority; what else wanted the machine: load average %.1f.\n\n",
            r->load_average[0]);
    bench_doubts(r, doubts, sizeof doubts);
    if (*doubts)
        fprintf(f, "The machine was busy, so the times are too long: %s.\n\n", doubts);
}

static void report_case(FILE *f, const struct bench_case *c)
{
    char name[80], total[24], cpu[24], step[24], decode[24], peak[24];
    struct bench_stats s = bench_case_stats(c, BENCH_TOTAL);
    bench_case_name(c, name, sizeof name);
    time_text(s.median, total, sizeof total);
    time_text(bench_case_stats(c, BENCH_CPU).median, cpu, sizeof cpu);
    time_text(bench_case_stats(c, BENCH_STEP).median, step, sizeof step);
    time_text(bench_case_stats(c, BENCH_DECODE).median, decode, sizeof decode);
    bytes_text((double)c->peak, peak, sizeof peak);
    fprintf(f, "%-27s %4d %10s %5.1f%% %10s %10s %10s %8.2f %8s\n", name, c->runs, total,
            s.median > 0 ? 100 * s.spread / s.median : 0, cpu, step, decode,
            bench_sprites_a_minute(c), peak);
}

/* How much less time, for the batches that both groups have. */
static void report_gain(FILE *f, const struct bench_result *r)
{
    bool any = false;
    for (int i = 0; i < r->count; i++) {
        const struct bench_case *c = &r->cases[i];
        const struct bench_case *off = bench_find(r, BENCH_BASELINE, "", c->batch);
        if (c->group != BENCH_OPTIMIZED || !off)
            continue;
        struct bench_stats a = bench_case_stats(off, BENCH_TOTAL);
        struct bench_stats b = bench_case_stats(c, BENCH_TOTAL);
        fprintf(f, "%soptimized, batch %d: %.2f times as fast as baseline%s, %.2f of its memory\n",
                any ? "" : "\n", c->batch, a.median / b.median,
                bench_verdict(&a, &b) == BENCH_SAME ? " (within the noise)" : "",
                off->peak ? (double)c->peak / (double)off->peak : NAN);
        any = true;
    }
}

/* ---- ablation ---- */

/* "+12.3%" of the second over the first, with what the noise says. */
static void more_text(const struct bench_case *less, const struct bench_case *more,
                      enum bench_metric m, char *out, size_t size)
{
    if (!less || !more) {
        snprintf(out, size, "-");
        return;
    }
    struct bench_stats a = bench_case_stats(less, m), b = bench_case_stats(more, m);
    snprintf(out, size, "%+.1f%%%s", 100 * (b.median / a.median - 1),
             bench_verdict(&a, &b) == BENCH_SAME ? " ~" : "");
}

static void memory_text(const struct bench_case *less, const struct bench_case *more, char *out,
                        size_t size)
{
    if (!less || !more || !less->peak || !more->peak)
        snprintf(out, size, "-");
    else
        snprintf(out, size, "%+.1f%%", 100 * ((double)more->peak / (double)less->peak - 1));
}

/* without: the case in which it is off; on: the one that differs by it alone. */
static void report_pair(FILE *f, const struct bench_case *on, const struct bench_case *without)
{
    char time[32], cpu[32], memory[32];
    more_text(on, without, BENCH_TOTAL, time, sizeof time);
    more_text(on, without, BENCH_CPU, cpu, sizeof cpu);
    memory_text(on, without, memory, sizeof memory);
    fprintf(f, " %11s %11s %10s", time, cpu, memory);
}

static void report_ablation(FILE *f, const struct bench_result *r)
{
    bool any = false;
    for (int i = 0; i < r->count; i++) {
        const struct bench_case *c = &r->cases[i];
        if (c->group != BENCH_WITHOUT && c->group != BENCH_WITH)
            continue;
        if (!any)
            fprintf(f, "\n%-22s %-35s  %-34s\n%-22s %11s %11s %10s %11s %11s %10s\n",
                    "without it, more:", "  all others on", "  all others off", "", "time",
                    "cpu time", "peak", "time", "cpu time", "peak");
        any = true;
        const struct bench_case *all = bench_find(r, BENCH_OPTIMIZED, "", c->batch);
        const struct bench_case *none = bench_find(r, BENCH_BASELINE, "", c->batch);
        const struct bench_case *only = bench_find(r, BENCH_ONLY, c->item, c->batch);
        bool saves = c->group == BENCH_WITH;
        fprintf(f, "%-22s", c->item);
        report_pair(f, saves ? c : all, saves ? all : c);
        report_pair(f, only, none);
        fputc('\n', f);
    }
    if (any)
        fprintf(f, "~ is within the noise.\n");
}

void bench_report(FILE *f, const struct bench_result *r)
{
    report_machine(f, r);
    fprintf(f, "%-27s %4s %10s %6s %10s %10s %10s %8s %8s\n", "case", "runs", "median", "+-",
            "cpu time", "step", "decode", "a minute", "peak");
    for (int i = 0; i < r->count; i++)
        report_case(f, &r->cases[i]);
    report_gain(f, r);
    report_ablation(f, r);
}

/* ---- before and now ---- */

static bool judged(enum bench_metric m)
{
    return m == BENCH_TOTAL || m == BENCH_STEP || m == BENCH_DECODE;
}

static int report_change(FILE *f, const struct bench_case *was, const struct bench_case *now)
{
    static const char *const words[] = {
        [BENCH_SAME] = "within the noise", [BENCH_SLOWER] = "SLOWER", [BENCH_FASTER] = "faster"};
    char name[80], a[24], b[24], bands[40];
    int slower = 0;
    bench_case_name(now, name, sizeof name);
    for (int m = 0; m < BENCH_METRICS; m++) {
        struct bench_stats s = bench_case_stats(was, (enum bench_metric)m);
        struct bench_stats t = bench_case_stats(now, (enum bench_metric)m);
        if (!judged((enum bench_metric)m) || !s.count || !t.count)
            continue;
        enum bench_verdict v = bench_verdict(&s, &t);
        time_text(s.median, a, sizeof a);
        time_text(t.median, b, sizeof b);
        snprintf(bands, sizeof bands, "%.0f%%, %.0f%%", 100 * s.band / s.median,
                 100 * t.band / t.median);
        fprintf(f, "%-34s %-7s %11s %11s %+7.1f%%  %-10s %s\n", m ? "" : name,
                bench_metric_name((enum bench_metric)m), a, b, 100 * (t.median / s.median - 1),
                bands, words[v]);
        slower += v == BENCH_SLOWER;
    }
    if (was->peak && now->peak) {
        bytes_text((double)was->peak, a, sizeof a);
        bytes_text((double)now->peak, b, sizeof b);
        fprintf(f, "%-34s %-7s %11s %11s %+7.1f%%\n", "", "peak", a, b,
                100 * ((double)now->peak / (double)was->peak - 1));
    }
    return slower;
}

int bench_report_change(FILE *f, const struct bench_result *before, const struct bench_result *now)
{
    int slower = 0, common = 0;
    fprintf(f, "\n%-34s %-7s %11s %11s %8s  %-10s\n", "compared with " /* the date follows */, "",
            "before", "now", "change", "bands");
    fprintf(f, "%s\n", before->when);
    for (int i = 0; i < now->count; i++) {
        const struct bench_case *c = &now->cases[i];
        const struct bench_case *was = bench_find(before, c->group, c->item, c->batch);
        if (!was)
            continue;
        common++;
        slower += report_change(f, was, c);
    }
    if (!common)
        fprintf(f, "The two have no case in common.\n");
    return slower;
}
