/* See plots.h. */
#include "bench/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fileio.h"
#include "bench/chart.h"
#include "sprite/image_file.h"

static const enum bench_group both[] = {BENCH_BASELINE, BENCH_OPTIMIZED};
static const char *const both_names[] = {"baseline: every optimisation off",
                                         "optimized: all that are on by themselves"};

const char *bench_plot_name(enum bench_plot p)
{
    static const char *const names[PLOTS] = {"bars", "ablation", "scaling", "memory"};
    return names[p];
}

static void describe(const struct bench_result *r, char *out, size_t size)
{
    const struct bench_machine *m = &r->machine;
    const struct bench_work *w = &r->work;
    snprintf(out, size, "%s, %dx%d, %d steps; %d threads of %s; %.10s", w->model, w->width,
             w->height, w->steps, m->threads, *m->gpu ? m->gpu : m->cpu, r->when);
}

/* The smallest batch of a group. */
static const struct bench_case *first_of(const struct bench_result *r, enum bench_group g)
{
    const struct bench_case *best = NULL;
    for (int i = 0; i < r->count; i++)
        if (r->cases[i].group == g && (!best || r->cases[i].batch < best->batch))
            best = &r->cases[i];
    return best;
}

/* ---- times ---- */

static struct image *plot_bars(const struct bench_result *r, const char *subtitle)
{
    static const char *const names[] = {"whole sprite", "text",      "all steps",
                                        "decoding",     "finishing", "CPU time"};
    double y[2][BENCH_METRICS], low[2][BENCH_METRICS], high[2][BENCH_METRICS];
    char label[80] = "milliseconds";
    struct chart c = {.title = "Time of a sprite by stage",
                      .subtitle = subtitle,
                      .x_label = label,
                      .names = names,
                      .value_format = "%.1f"};
    for (int k = 0; k < 2; k++) {
        const struct bench_case *b = first_of(r, both[k]);
        if (!b)
            continue;
        snprintf(label, sizeof label, "milliseconds; batch %d, median and quartiles of %d runs",
                 b->batch, b->runs);
        for (int m = 0; m < BENCH_METRICS; m++) {
            struct bench_stats s = bench_case_stats(b, (enum bench_metric)m);
            double times = m == BENCH_STEP ? r->work.steps : 1;
            y[k][m] = s.median * times, low[k][m] = s.low * times, high[k][m] = s.high * times;
        }
        c.s[c.series++] = (struct chart_series){.name = both_names[k],
                                                .y = y[k],
                                                .low = low[k],
                                                .high = high[k],
                                                .count = BENCH_METRICS};
    }
    return c.series ? chart_bars(&c) : NULL;
}

/* ---- what each brings ---- */

/* How much longer the first takes, in percent. */
static double percent_more(const struct bench_case *a, const struct bench_case *b)
{
    if (!a || !b)
        return NAN;
    return 100 *
           (bench_case_stats(a, BENCH_TOTAL).median / bench_case_stats(b, BENCH_TOTAL).median - 1);
}

static struct image *plot_ablation(const struct bench_result *r, const char *subtitle)
{
    enum { ROOM = 24 };
    const char *names[ROOM];
    double y[2][ROOM];
    int n = 0;
    for (int i = 0; i < r->count && n < ROOM; i++) {
        const struct bench_case *c = &r->cases[i];
        if (c->group != BENCH_WITHOUT)
            continue;
        const struct bench_case *only = bench_find(r, BENCH_ONLY, c->item, c->batch);
        names[n] = c->item;
        y[0][n] = percent_more(c, bench_find(r, BENCH_OPTIMIZED, "", c->batch));
        y[1][n] = percent_more(bench_find(r, BENCH_BASELINE, "", c->batch), only);
        n++;
    }
    struct chart c = {
        .title = "What each optimisation brings",
        .subtitle = subtitle,
        .x_label = "time of a sprite, % more without it",
        .names = names,
        .series = 2,
        .s = {{.name = "all others on", .y = y[0], .count = n},
              {.name = "all others off", .y = y[1], .count = n}},
        .value_format = "%+.1f%%",
    };
    return n ? chart_bars(&c) : NULL;
}

/* ---- batches ---- */

static struct image *plot_scaling(const struct bench_result *r, const char *subtitle)
{
    enum { ROOM = 16 };
    double x[2][ROOM], y[2][ROOM], low[2][ROOM], high[2][ROOM];
    struct chart c = {.title = "Sprites a minute by batch",
                      .subtitle = subtitle,
                      .x_label = "sprites made at once (batch)",
                      .y_label = "sprites a minute: median and quartiles",
                      .category = true};
    int most = 0;
    for (int k = 0; k < 2; k++) {
        int n = 0;
        for (int i = 0; i < r->count && n < ROOM; i++) {
            const struct bench_case *b = &r->cases[i];
            if (b->group != both[k])
                continue;
            struct bench_stats s = bench_case_stats(b, BENCH_TOTAL);
            x[k][n] = b->batch;
            y[k][n] = b->batch * 60e3 / s.median;
            low[k][n] = b->batch * 60e3 / s.high;
            high[k][n] = b->batch * 60e3 / s.low;
            n++;
        }
        most = n > most ? n : most;
        if (n)
            c.s[c.series++] = (struct chart_series){.name = both_names[k],
                                                    .x = x[k],
                                                    .y = y[k],
                                                    .low = low[k],
                                                    .high = high[k],
                                                    .count = n};
    }
    return most > 1 ? chart_lines(&c) : NULL;
}

/* ---- memory ---- */

static struct image *plot_memory(const struct bench_result *r, const char *subtitle)
{
    static double x[BENCH_MAX_CURVES][BENCH_MAX_POINTS], y[BENCH_MAX_CURVES][BENCH_MAX_POINTS];
    double last = 0, most = 0;
    for (int k = 0; k < r->curves; k++)
        for (int i = 0; i < r->curve[k].count; i++) {
            last = fmax(last, r->curve[k].at_ms[i]);
            most = fmax(most, r->curve[k].bytes[i]);
        }
    bool seconds = last > 3000, giga = most > 2e9;
    char label[120];
    snprintf(label, sizeof label, "%s since the model was opened; dotted: stages of %s",
             seconds ? "seconds" : "milliseconds",
             r->curves ? bench_group_name(r->curve[r->curves - 1].group) : "");
    struct chart c = {.title = "Memory over time",
                      .subtitle = subtitle,
                      .x_label = label,
                      .y_label = giga ? "memory of the process, GB" : "memory of the process, MB"};
    for (int k = 0; k < r->curves && k < CHART_SERIES; k++) {
        const struct bench_curve *b = &r->curve[k];
        for (int i = 0; i < b->count; i++) {
            x[k][i] = b->at_ms[i] / (seconds ? 1e3 : 1);
            y[k][i] = b->bytes[i] / (giga ? 1e9 : 1e6);
        }
        c.s[c.series++] = (struct chart_series){
            .name = bench_group_name(b->group), .x = x[k], .y = y[k], .count = b->count};
        if (k == r->curves - 1) /* stages of the last one: each has times of its own */
            for (int i = 0; i < b->marks; i++) {
                c.mark[i].x = b->mark[i].at_ms / (seconds ? 1e3 : 1);
                c.mark[i].name = b->mark[i].stage;
                c.marks++;
            }
    }
    return c.series ? chart_lines(&c) : NULL;
}

/* ---- all ---- */

struct image *bench_plot(const struct bench_result *r, enum bench_plot p)
{
    static struct image *(*const draw[PLOTS])(const struct bench_result *, const char *) = {
        plot_bars, plot_ablation, plot_scaling, plot_memory};
    char subtitle[320];
    describe(r, subtitle, sizeof subtitle);
    return draw[p](r, subtitle);
}

int bench_plots_save(const struct bench_result *r, const char *folder, struct err *e)
{
    int n = 0;
    char path[4400];
    if (file_make_folders(folder, e))
        return -1;
    for (int p = 0; p < PLOTS; p++) {
        struct image *m = bench_plot(r, (enum bench_plot)p);
        if (!m)
            continue;
        snprintf(path, sizeof path, "%.4000s/%s.png", folder, bench_plot_name((enum bench_plot)p));
        int rc = image_save(path, m, NULL, 0, e);
        image_free(m);
        if (rc)
            return -1;
        n++;
    }
    return n;
}
