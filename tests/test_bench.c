/*
 * The bench: statistics and how often their verdict is wrong, results as JSON and back and hostile
 * files, what is compared with what, ticks, pictures read back pixel by pixel, the cases of a mode.
 * Nothing here looks at a clock; that it measures is tests/test_cli.sh's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "bench/chart.h"
#include "bench/measure_priv.h"
#include "bench/plots.h"
#include "bench/report.h"
#include "sprite/image_file.h"

/* ---- statistics ---- */

static void numbers(void **state)
{
    (void)state;
    double v[] = {9, 1, 3, 5, NAN, 7};
    struct bench_stats s = bench_stats(v, 6);
    assert_int_equal(s.count, 5);
    assert_true(s.median == 5 && s.low == 3 && s.high == 7);
    assert_true(fabs(s.spread - 1.4826 * 2) < 1e-12); /* deviations 0 2 2 4 4 */
    assert_true(fabs(s.band - 6.7 / sqrt(5) * s.spread) < 1e-12);
    s = bench_stats((double[]){1, 2, 3, 4}, 4);
    assert_true(s.median == 2.5 && s.low == 1.75 && s.high == 3.25);
    s = bench_stats((double[]){100, 100, 100}, 3);
    assert_true(s.spread == 0 && s.band == 3); /* never less than 3% */
    assert_true(bench_stats((double[]){100, 100}, 2).band == 10);
    assert_true(bench_stats((double[]){100}, 1).band == 20);
    s = bench_stats(v, 0);
    assert_true(s.count == 0 && isnan(s.median) && isnan(s.band));
    /* one disturbed run changes next to nothing */
    double calm[] = {100, 101, 99, 100, 100}, loud[] = {100, 101, 99, 100, 900};
    struct bench_stats a = bench_stats(calm, 5), b = bench_stats(loud, 5);
    assert_true(a.median == 100 && b.median == 100 && b.spread < 2);
    assert_int_equal(bench_verdict(&a, &b), BENCH_SAME);
    struct bench_stats none = bench_stats(NULL, 0);
    assert_int_equal(bench_verdict(&none, &a), BENCH_SAME);
    assert_int_equal(bench_verdict(&a, &none), BENCH_SAME);
}

static uint64_t seed = 42;
static double uniform(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return ((double)(seed >> 11) + 0.5) / 0x1p53;
}

static double normal(void)
{
    double r = sqrt(-2 * log(uniform()));
    return r * cos(2 * M_PI * uniform());
}

/* Runs as programs have them: a floor, a share of noise above it, now and then a long one. */
static struct bench_stats runs(int n, double floor, double noise)
{
    double v[64];
    for (int i = 0; i < n; i++) {
        v[i] = floor * (1 + noise * fabs(normal()));
        if (uniform() < 0.05)
            v[i] *= 1.5;
    }
    return bench_stats(v, n);
}

/* In how many of 4000 pairs is the second called slower? */
static double share_slower(int n, double times, double noise)
{
    int slower = 0;
    for (int i = 0; i < 4000; i++) {
        struct bench_stats a = runs(n, 100, noise), b = runs(n, 100 * times, noise);
        slower += bench_verdict(&a, &b) == BENCH_SLOWER;
    }
    return slower / 4000.0;
}

static void verdicts_are_seldom_wrong(void **state)
{
    (void)state;
    static const struct {
        int n;
        double noise;
    } machines[] = {{5, 0.01}, {5, 0.05}, {5, 0.2}, {9, 0.1}, {3, 0.02}};
    for (int i = 0; i < 5; i++) {
        double wrong = share_slower(machines[i].n, 1, machines[i].noise);
        printf("%d runs, noise %.0f%%: wrongly slower %.2f%%\n", machines[i].n,
               100 * machines[i].noise, 100 * wrong);
        assert_true(wrong < 0.01);
    }
    double found[] = {share_slower(5, 1.1, 0.01), share_slower(5, 1.4, 0.05),
                      share_slower(9, 1.5, 0.1)};
    printf("found: 10%% at 1%% noise %.1f%%, 40%% at 5%% %.1f%%, 50%% at 10%% %.1f%%\n",
           100 * found[0], 100 * found[1], 100 * found[2]);
    for (int i = 0; i < 3; i++)
        assert_true(found[i] > 0.9);
}

/* ---- results ---- */

static struct bench_case *add(struct bench_result *r, enum bench_group g, const char *item,
                              int batch, double ms)
{
    struct bench_case *c = &r->cases[r->count++];
    c->group = g;
    c->batch = batch;
    snprintf(c->item, sizeof c->item, "%s", item);
    snprintf(c->precision, sizeof c->precision, "fp32");
    snprintf(c->settings, sizeof c->settings, "fold=off");
    for (int i = 0; i < 5; i++, c->runs++)
        for (int m = 0; m < BENCH_METRICS; m++)
            c->ms[m][i] = ms * (m ? 0.1 : 1) * (1 + 0.001 * i);
    c->load_ms = 40;
    c->peak = 80000000;
    c->weights = 40000000;
    c->others = 0.05;
    return c;
}

static struct bench_result *example(void)
{
    struct bench_result *r = bench_result_new();
    assert_non_null(r);
    r->machine = (struct bench_machine){.cpu = "AMD EPYC",
                                        .features = "AVX2",
                                        .cores = 2,
                                        .threads = 2,
                                        .memory = 25000000000,
                                        .arch = "x86_64",
                                        .device = "cpu",
                                        .system = "Debian",
                                        .libraries = "oneDNN",
                                        .version = "0.1.0",
                                        .commit = "abc"};
    r->work = (struct bench_work){"tiny", "euler", "normal", 128, 128, 20, 3.5};
    strcpy(r->when, "2026-11-28T22:00:00Z");
    r->load_average[0] = 0.5, r->load_average[1] = NAN, r->real_time = true;
    add(r, BENCH_BASELINE, "", 1, 500);
    add(r, BENCH_BASELINE, "", 4, 1600);
    add(r, BENCH_OPTIMIZED, "", 1, 250);
    add(r, BENCH_OPTIMIZED, "", 4, 800);
    add(r, BENCH_WITHOUT, "hoisting", 1, 300);
    add(r, BENCH_ONLY, "hoisting", 1, 400);
    add(r, BENCH_WITH, "vae slicing", 4, 880)->peak = 40000000;
    struct bench_curve *c = &r->curve[r->curves++];
    *c = (struct bench_curve){.group = BENCH_OPTIMIZED, .batch = 1, .count = 3, .marks = 1};
    for (int i = 0; i < 3; i++)
        c->at_ms[i] = 100 * i, c->bytes[i] = 40e6 * (i + 1);
    strcpy(c->mark[0].stage, "sample");
    c->mark[0].at_ms = 100;
    return r;
}

static void json_and_back(void **state)
{
    (void)state;
    struct err e = {""};
    struct bench_result *r = example();
    char *text = bench_json(r);
    struct bench_result *b = bench_parse(text, strlen(text), "saved", &e);
    if (!b)
        fail_msg("%s", e.text);
    assert_string_equal(b->machine.cpu, "AMD EPYC");
    assert_string_equal(b->work.sampler, "euler");
    assert_true(b->machine.memory == 25000000000 && b->work.cfg == 3.5);
    assert_true(b->load_average[0] == 0.5 && isnan(b->load_average[1]) && b->real_time);
    assert_int_equal(b->count, r->count);
    for (int i = 0; i < b->count; i++) {
        assert_string_equal(b->cases[i].item, r->cases[i].item);
        assert_int_equal(b->cases[i].group, r->cases[i].group);
        assert_int_equal(b->cases[i].runs, 5);
        for (int k = 0; k < 5; k++)
            assert_true(fabs(b->cases[i].ms[0][k] - r->cases[i].ms[0][k]) < 1e-3);
        assert_true(b->cases[i].peak == r->cases[i].peak);
    }
    assert_true(b->curves == 1 && b->curve[0].count == 3 && b->curve[0].bytes[2] == 120e6);
    assert_string_equal(b->curve[0].mark[0].stage, "sample");
    /* written and read again it is the same file: nothing but rounding was lost on the way */
    char *again = bench_json(b);
    struct bench_result *c = bench_parse(again, strlen(again), "again", &e);
    char *third = bench_json(c);
    assert_string_equal(again, third);
    free(third);
    free(again);
    bench_result_free(c);
    bench_result_free(b);
    bench_result_free(r);
    free(text);
}

/* The example's text with a part replaced. */
static char *spoiled(const char *from, const char *to)
{
    struct bench_result *r = example();
    char *text = bench_json(r), *out = NULL;
    char *at = strstr(text, from);
    if (!at)
        fail_msg("there is no %s", from);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    free(text);
    bench_result_free(r);
    return out;
}

static void hostile_files(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"\"spritty_bench\": 1", "\"spritty_bench\": 2", "spritty_bench"},
        {"\"spritty_bench\": 1", "\"other\": 1", "not saved by"},
        {"\"cores\": 2", "\"cores\": 0", "cores"},
        {"\"cores\": 2", "\"cores\": -7e300", "cores"},
        {"\"width\": 128", "\"width\": 99999999", "width"},
        {"\"cfg\": 3.5", "\"cfg\": \"x\"", "cfg"},
        {"\"group\": \"baseline\"", "\"group\": \"best\"", "no group 'best'"},
        {"\"batch\": 1", "\"batch\": 1e9", "batch"},
        {"\"samples\": [500", "\"samples\": [-500", "no number"},
        {"\"samples\": [500", "\"samples\": [1e99", "no number"},
        {"\"samples\": [500, ", "\"samples\": [500, 1, ", "a case with 6 runs, but 5"},
        {"\"ms\": [0, 100, 200]", "\"ms\": [0, 100]", "2 times and 3 values"},
        {"\"memory\": 25000000000", "\"memory\": 1e30", "memory"},
        {"\"load_average\": [", "\"load_average\": [1, 2, ", "more than 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        char *text = spoiled(cases[i][0], cases[i][1]);
        struct bench_result *r = bench_parse(text, strlen(text), "saved", &e);
        if (r || !strstr(e.text, cases[i][2]))
            fail_msg("%s: %s", cases[i][1], r ? "was read" : e.text);
        free(text);
    }
    struct err e = {""};
    for (const char *const *t = (const char *const[]){"", "[]", "1", "{}", "\"x\"", "{\"a\"", NULL};
         *t; t++)
        assert_null(bench_parse(*t, strlen(*t), "saved", &e));
    /* too many cases, and control characters */
    char *many = NULL;
    size_t size;
    FILE *f = open_memstream(&many, &size);
    for (int i = 0; i < BENCH_MAX_CASES + 1; i++)
        fprintf(f, "{\"group\": \"with\", \"batch\": 1, \"ms\": {}}, ");
    fprintf(f, "{\"group\"");
    fclose(f);
    char *text = spoiled("{\"name\": \"baseline, batch 1\", \"group\"", many);
    assert_null(bench_parse(text, strlen(text), "saved", &e));
    assert_non_null(strstr(e.text, "more than 96 cases"));
    free(text);
    free(many);
    text = spoiled("AMD EPYC", "AMD\\u001b[2J");
    struct bench_result *r = bench_parse(text, strlen(text), "saved", &e);
    assert_non_null(r);
    assert_null(strchr(r->machine.cpu, '\033'));
    bench_result_free(r);
    free(text);
}

/* ---- comparing ---- */

static void what_is_compared(void **state)
{
    (void)state;
    char text[300];
    struct bench_result *a = example(), *b = example();
    assert_false(bench_other_machine(&a->machine, &b->machine, text, sizeof text));
    assert_false(bench_other_software(&a->machine, &b->machine, text, sizeof text));
    assert_false(bench_other_work(&a->work, &b->work, text, sizeof text));
    b->machine.memory += 200000000; /* 1%: another start of the same virtual machine */
    assert_false(bench_other_machine(&a->machine, &b->machine, text, sizeof text));
    b->machine.memory *= 2;
    b->machine.cores = 4;
    strcpy(b->machine.cpu, "Xeon");
    strcpy(b->machine.libraries, "newer");
    assert_true(bench_other_machine(&a->machine, &b->machine, text, sizeof text));
    assert_string_equal(text,
                        "cpu: AMD EPYC, now Xeon; cores: 2, now 4; memory in GB: 25, now 50.4");
    assert_true(bench_other_software(&a->machine, &b->machine, text, sizeof text));
    assert_string_equal(text, "libraries: oneDNN, now newer");
    b->work.steps = 5;
    assert_true(bench_other_work(&a->work, &b->work, text, sizeof text));
    assert_string_equal(text, "steps: 20, now 5");
    assert_true(bench_other_machine(&a->machine, &b->machine, text, 10)); /* cut, not overrun */
    assert_int_equal(strlen(text), 9);
    bench_result_free(a);
    bench_result_free(b);
}

static int change(const struct bench_result *a, const struct bench_result *b, char **text)
{
    size_t n;
    FILE *f = open_memstream(text, &n);
    int slower = bench_report_change(f, a, b);
    fclose(f);
    return slower;
}

static void slower_is_counted(void **state)
{
    (void)state;
    char *text = NULL;
    struct bench_result *a = example(), *b = example();
    assert_int_equal(change(a, b, &text), 0);
    assert_null(strstr(text, "SLOWER"));
    free(text);
    for (int i = 0; i < 5; i++)
        b->cases[2].ms[BENCH_STEP][i] *= 1.5;
    assert_int_equal(change(a, b, &text), 1);
    assert_non_null(strstr(text, "SLOWER"));
    free(text);
    b->count = 0;
    assert_int_equal(change(a, b, &text), 0);
    assert_non_null(strstr(text, "no case in common"));
    free(text);
    bench_result_free(a);
    bench_result_free(b);
}

static void report_reads_well(void **state)
{
    (void)state;
    char *text = NULL;
    size_t n;
    struct bench_result *r = example();
    FILE *f = open_memstream(&text, &n);
    bench_report(f, r);
    fclose(f);
    static const char *const has[] = {"tiny, 128x128, 20 steps of euler",
                                      "2 of 2 cores of AMD EPYC (AVX2)",
                                      "optimized, batch 1: 2.00 times as fast as baseline",
                                      "baseline, batch 4",
                                      "149.70", /* 4 sprites in 1.6 s */
                                      "hoisting                    +20.0%",
                                      "vae slicing"};
    for (size_t i = 0; i < sizeof has / sizeof *has; i++)
        if (!strstr(text, has[i]))
            fail_msg("no '%s' in\n%s", has[i], text);
    for (char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        assert_true(strcspn(line, "\n") <= 105);
    assert_null(strstr(text, "busy"));
    free(text);
    char doubts[200];
    r->cases[0].others = 0.5;
    r->load_average[0] = 3;
    bench_doubts(r, doubts, sizeof doubts);
    assert_string_equal(doubts, "other programs took up to 50% of the cores during a run");
    r->real_time = false;
    bench_doubts(r, doubts, sizeof doubts);
    assert_string_equal(doubts, "other programs took up to 50% of the cores during a run; the load "
                                "average was 3.0 on 2 cores before the first run");
    bench_result_free(r);
}

/* ---- pictures ---- */

static void ticks(void **state)
{
    (void)state;
    static const struct {
        double low, high;
        int most;
        double from, to, step;
        int digits;
    } cases[] = {
        {0, 3466, 8, 0, 3500, 500, 0}, {0, 7, 8, 0, 7, 1, 0},          {0, 1, 5, 0, 1, 0.25, 2},
        {0, 0.9, 10, 0, 0.9, 0.1, 1},  {-3, 20, 8, -5, 20, 5, 0},      {0, 100, 5, 0, 100, 25, 0},
        {0, 0, 8, 0, 1, 0.2, 1},       {0, 1e-3, 6, 0, 1e-3, 2e-4, 4}, {5, 5, 8, 5, 6, 0.2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct chart_axis a = chart_axis(cases[i].low, cases[i].high, cases[i].most);
        if (fabs(a.from - cases[i].from) > 1e-12 || fabs(a.to - cases[i].to) > 1e-9 ||
            fabs(a.step - cases[i].step) > 1e-12 || a.digits != cases[i].digits)
            fail_msg("%g to %g: from %g to %g by %g, %d digits", cases[i].low, cases[i].high,
                     a.from, a.to, a.step, a.digits);
        assert_true(a.ticks <= cases[i].most + 2 && a.to >= cases[i].high - 1e-12);
    }
    struct chart_axis a = chart_axis(NAN, INFINITY, 8);
    assert_true(isfinite(a.step) && a.ticks < 20);
}

/* Where a colour is: how many pixels, and between which columns. */
static int seen(const struct image *m, const uint8_t *rgb, int *left, int *right)
{
    int n = 0;
    *left = m->width, *right = -1;
    for (int i = 0; i < m->width * m->height; i++)
        if (!memcmp(m->rgba + 4 * i, rgb, 3)) {
            n++;
            *left = i % m->width < *left ? i % m->width : *left;
            *right = i % m->width > *right ? i % m->width : *right;
        }
    return n;
}

static void bars_are_where_they_should_be(void **state)
{
    (void)state;
    const char *names[] = {"a", "bb"};
    double y[] = {100, 50}, z[] = {25, NAN};
    struct chart c = {
        .title = "T",
        .x_label = "ms",
        .names = names,
        .series = 2,
        .s = {{.name = NULL, .y = y, .count = 2}, {.name = NULL, .y = z, .count = 2}}};
    struct image *m = chart_bars(&c);
    assert_non_null(m);
    int left[2], right[2];
    int n = seen(m, chart_color[0], &left[0], &right[0]);
    int k = seen(m, chart_color[1], &left[1], &right[1]);
    /* 150 of the first and 25 of the second series' units, 17 pixels high */
    double unit = (right[0] - left[0] + 1) / 100.0;
    printf("bars: %d and %d pixels, %.2f a unit\n", n, k, unit);
    assert_true(fabs(n / (150 * unit * 17) - 1) < 0.05);
    assert_true(fabs(k / (25 * unit * 17) - 1) < 0.05);
    assert_true(abs(left[0] - left[1]) <= 1);
    image_free(m);
    c.s[0].count = 0, c.s[1].count = 0;
    assert_null(chart_bars(&c));
}

static void lines_are_where_they_should_be(void **state)
{
    (void)state;
    double x[] = {0, 10}, y[] = {0, 10};
    struct chart c = {.title = "T",
                      .x_label = "x",
                      .y_label = "y",
                      .series = 1,
                      .s = {{.x = x, .y = y, .count = 2}},
                      .marks = 1,
                      .mark = {{5, "half"}}};
    struct image *m = chart_lines(&c);
    int left, right;
    assert_non_null(m);
    assert_true(seen(m, chart_color[0], &left, &right) > 500);
    /* it rises to the right: in the left half low, in the right half high */
    double sum[2] = {0, 0};
    int count[2] = {0, 0};
    for (int i = 0; i < m->width * m->height; i++)
        if (!memcmp(m->rgba + 4 * i, chart_color[0], 3)) {
            int half = i % m->width > (left + right) / 2;
            sum[half] += i / m->width;
            count[half]++;
        }
    assert_true(sum[0] / count[0] > sum[1] / count[1] + 100);
    image_free(m);
    c.series = 0;
    assert_null(chart_lines(&c));
}

static void plots_of_a_result(void **state)
{
    (void)state;
    struct bench_result *r = example();
    char folder[] = "/tmp/spritty-test-plots-XXXXXX", path[200];
    struct err e = {""};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(bench_plots_save(r, folder, &e), PLOTS);
    for (int p = 0; p < PLOTS; p++) {
        struct png_file file;
        struct image m;
        int left, right;
        snprintf(path, sizeof path, "%s/%s.png", folder, bench_plot_name((enum bench_plot)p));
        assert_int_equal(image_load(path, &m, &file, &e), 0);
        assert_true(m.width == 1100 && m.height > 200);
        assert_true(seen(&m, chart_color[0], &left, &right) > 300);
        png_file_free(&file);
        unlink(path);
    }
    rmdir(folder);
    /* values of a hostile file: drawn somehow, and nothing breaks */
    r->curve[0].at_ms[1] = 9e14;
    r->curve[0].bytes[0] = 9e14;
    r->curve[0].mark[0].at_ms = 1e12;
    r->cases[0].ms[0][0] = r->cases[0].ms[1][0] = 0;
    for (int i = 0; i < 5; i++)
        r->cases[2].ms[0][i] = 0, r->cases[3].ms[0][i] = 9e14;
    for (int p = 0; p < PLOTS; p++)
        image_free(bench_plot(r, (enum bench_plot)p));
    r->count = r->curves = 0;
    for (int p = 0; p < PLOTS; p++)
        assert_null(bench_plot(r, (enum bench_plot)p));
    bench_result_free(r);
}

/* ---- cases of a mode ---- */

static void modes(void **state)
{
    (void)state;
    struct bench_configs all;
    struct err e;
    char said[200];
    bench_configs(MODE_BASELINE, false, false, &all);
    assert_true(all.count == 1 && all.at[0].group == BENCH_BASELINE);
    bench_configs(MODE_OPTIMIZED, true, true, &all);
    assert_true(all.count == 1 && all.at[0].group == BENCH_OPTIMIZED);
    bench_configs(MODE_COMPARE, false, false, &all);
    assert_int_equal(all.count, 2);
    bench_configs(MODE_ALL, true, true, &all);
    assert_true(all.count > 2 && all.count < BENCH_MAX_CONFIGS);
    for (int i = 0; i < all.count; i++) {
        struct settings s = {0};
        assert_int_equal(bench_apply(&all.at[i], true, &s, said, sizeof said, &e), 0);
        for (int k = 0; bench_switch(k); k++) {
            const struct bench_switch *w = bench_switch(k);
            bool there = settings_key_index(w->key) >= 0;
            const char *value = there ? settings_text(&s, w->key) : NULL;
            enum bench_group g = all.at[i].group;
            if (!there)
                continue;
            bool on = w->saves              ? g == BENCH_WITH && k == all.at[i].item
                      : g == BENCH_BASELINE ? false
                      : k == all.at[i].item ? g == BENCH_ONLY
                                            : g != BENCH_ONLY;
            assert_true(value || g == BENCH_OPTIMIZED || !strcmp(w->key, "nhwc") ||
                        !strcmp(w->key, "winograd"));
            if (value) /* else as it is by itself, or the CPU's alone */
                assert_string_equal(value, on ? w->on : w->off);
        }
        settings_free(&s);
    }
    assert_string_equal(bench_mode_name(MODE_ALL), "all");
    assert_null(bench_mode_name(MODES));
}

static void watching_memory(void **state)
{
    (void)state;
    static struct bench_curve c;
    struct bench_watch *w = bench_watch_start();
    assert_non_null(w);
    bench_watch_stage(w, "load");
    bench_watch_stage(w, "load"); /* one stage, one mark */
    bench_watch_stage(w, "text");
    bench_watch_device(w, 12345);
    bench_watch_end(w, &c);
    assert_true(c.count >= 1 && c.count <= BENCH_MAX_POINTS);
    assert_true(c.bytes[c.count - 1] == 12345); /* the last point is always taken */
    assert_int_equal(c.marks, 2);
    assert_string_equal(c.mark[1].stage, "text");
    bench_watch_stage(NULL, "x");
    bench_watch_device(NULL, 1);
    bench_watch_end(NULL, &c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(verdicts_are_seldom_wrong),
        cmocka_unit_test(json_and_back),
        cmocka_unit_test(hostile_files),
        cmocka_unit_test(what_is_compared),
        cmocka_unit_test(slower_is_counted),
        cmocka_unit_test(report_reads_well),
        cmocka_unit_test(ticks),
        cmocka_unit_test(bars_are_where_they_should_be),
        cmocka_unit_test(lines_are_where_they_should_be),
        cmocka_unit_test(plots_of_a_result),
        cmocka_unit_test(modes),
        cmocka_unit_test(watching_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
