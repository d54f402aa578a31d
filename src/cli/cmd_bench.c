/*
 * spritty bench: measures, or reads a saved result; prints it, saves it, draws it, and compares it
 * with another one. Comparing ends with 1 when anything is slower than before, beyond the noise
 * (bench/stats.h); results of unlike machines are only compared with --across, which says so and
 * then judges nothing.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "bench/measure.h"
#include "bench/plots.h"
#include "bench/report.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "term/ask.h"
#include "term/graphics.h"

/* ---- what was asked for ---- */

/* "1,4,8,16" */
static int batches(const char *text, struct bench_options *o, struct err *e)
{
    static const int usual[] = {1, 4, 8, 16};
    if (!text) {
        o->batches = 4;
        memcpy(o->batch, usual, sizeof usual);
        return 0;
    }
    for (o->batches = 0; *text;) {
        char *end;
        long n = strtol(text, &end, 10);
        bool rises = o->batches == 0 || n > o->batch[o->batches - 1];
        if (end == text || (*end && *end != ',') || n < 1 || n > 64 || !rises ||
            o->batches == BENCH_BATCHES)
            return err_set(e, "--batches: up to %d rising numbers from 1 to 64, like 1,4,8,16",
                           BENCH_BATCHES);
        o->batch[o->batches++] = (int)n;
        text = *end ? end + 1 : end;
    }
    return o->batches ? 0 : err_set(e, "--batches: a list of numbers, like 1,4,8,16");
}

static int mode(const char *text, struct bench_options *o, struct err *e)
{
    o->mode = MODE_COMPARE;
    for (int i = 0; text && bench_mode_name(i); i++)
        if (!strcmp(text, bench_mode_name(i))) {
            o->mode = (enum bench_mode)i;
            return 0;
        }
    return text ? err_set(e,
                          "--mode: there is no '%.40s'; there are: baseline, optimized, compare, "
                          "ablation, all",
                          text)
                : 0;
}

static int read_options(const struct cli *cli, struct bench_options *o, struct err *e)
{
    o->flags = &cli->flags;
    o->preset = cli->preset;
    o->repeats = 5;
    o->warmup = 1;
    const char *said = cli->bench.batches;
    char one[16];
    if (!said && settings_has(&cli->flags, "batch")) {
        snprintf(one, sizeof one, "%d", cli->flags.batch);
        said = one;
    }
    return mode(cli->bench.mode, o, e) || batches(said, o, e) ||
                   cli_number("repeats", cli->bench.repeats, 1, BENCH_MAX_RUNS, &o->repeats, e) ||
                   cli_number("warmup", cli->bench.warmup, 0, 100, &o->warmup, e)
               ? -1
               : 0;
}

/* ---- measuring ---- */

static bool show(void *user, const char *what, double share)
{
    const struct cli *cli = user;
    static char last[100];
    char now[100];
    snprintf(now, sizeof now, "%3.0f%%  %.80s", 100 * share, what);
    if (!cli->quiet && isatty(STDERR_FILENO) && strcmp(now, last) != 0)
        fprintf(stderr, "\r\033[K%s", now);
    memcpy(last, now, sizeof last);
    return !interrupted();
}

static void warn_if_busy(const struct cli *cli)
{
    double load = bench_load_average();
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!bench_real_time() && load > 0.7 && load > 0.5 * (double)cores)
        cli_note(cli,
                 "the machine is busy (load %.1f on %ld cores): times will be too long, and are "
                 "noted as such",
                 load, cores);
}

static struct bench_result *measure(struct cli *cli, const struct bench_options *o, struct err *e)
{
    struct bench_result *r = bench_result_new();
    if (!r) {
        err_set(e, "out of memory");
        return NULL;
    }
    int rc = cli->save ? file_check_target(cli->save, e) : 0;
    if (!rc) {
        warn_if_busy(cli);
        rc = bench_measure(o, r, e);
        if (!cli->quiet && isatty(STDERR_FILENO))
            fprintf(stderr, "\r\033[K");
    }
    if (!rc)
        return r;
    bench_result_free(r);
    return NULL;
}

/* ---- what comes of it ---- */

static int save(const struct cli *cli, const char *json, struct err *e)
{
    return cli->save ? file_write_atomic(cli->save, json, strlen(json), e) : 0;
}

/* On terminals that show pixels, below the tables. */
static void show_plots(const struct bench_result *r)
{
    struct probe p;
    if (!isatty(STDOUT_FILENO) || !probe_ask(&p, 500) || p.caps.graphics <= GRAPHICS_BLOCKS)
        return;
    for (int i = 0; i < PLOTS; i++) {
        struct image *m = bench_plot(r, (enum bench_plot)i);
        struct graphics_job job = {
            .image = m, .rows = 40, .cols = 160, .scale = 1, .id = 1u + (unsigned)i};
        size_t n = 0;
        struct err e;
        char *bytes = m ? graphics_encode(&p.caps, &job, &n, &e) : NULL;
        if (bytes) {
            fwrite(bytes, 1, n, stdout);
            putchar('\n');
        }
        free(bytes);
        image_free(m);
    }
}

/* 1: slower. -1 and err: refused. */
static int compare(const struct cli *cli, FILE *f, const struct bench_result *before,
                   const struct bench_result *now, struct err *e)
{
    char text[400];
    if (bench_other_work(&before->work, &now->work, text, sizeof text))
        return err_set(e, "%s measured other work (%.300s); measure the same", cli->bench.compare,
                       text);
    bool other = bench_other_machine(&before->machine, &now->machine, text, sizeof text);
    if (other && !cli->bench.across)
        return err_set(e,
                       "%s is of another machine (%.300s), so nothing can be said of the "
                       "program's speed; --across compares the machines",
                       cli->bench.compare, text);
    if (other)
        fprintf(f, "\nDIFFERENT MACHINES: %s\n", text);
    if (bench_other_software(&before->machine, &now->machine, text, sizeof text))
        fprintf(f, "\nNot the same either: %s\n", text);
    int slower = bench_report_change(f, before, now);
    if (other)
        fprintf(f, "Two machines are compared here, not two versions: nothing is judged.\n");
    else
        fprintf(f,
                slower ? "%d slower than before, beyond the noise.\n"
                       : "Nothing is slower than before, beyond the noise.\n",
                slower);
    return !other && slower > 0;
}

static int output(const struct cli *cli, const struct bench_result *r, struct err *e)
{
    FILE *f = cli->json ? stderr : stdout;
    char *json = bench_json(r);
    if (!json)
        return err_set(e, "out of memory");
    int rc = save(cli, json, e);
    if (cli->json)
        puts(json);
    free(json);
    if (rc)
        return -1;
    if (!cli->json || !cli->quiet)
        bench_report(f, r);
    if (cli->bench.plots && bench_plots_save(r, cli->bench.plots, e) < 0)
        return -1;
    if (!cli->json && !cli->quiet)
        show_plots(r);
    return 0;
}

int cmd_bench(struct cli *cli)
{
    struct err e = {""};
    struct bench_result *before = NULL, *r = NULL;
    struct bench_options o = {.progress = show, .user = cli};
    int rc = -1;
    if (read_options(cli, &o, &e)) /* 1 would mean: slower */
        return cli_fail(EXIT_USAGE, &e);
    interrupts_catch();
    if (!cli->bench.compare || (before = bench_load(cli->bench.compare, &e)))
        r = cli->nargs ? bench_load(cli->args[0], &e) : measure(cli, &o, &e);
    if (r)
        rc = output(cli, r, &e);
    if (!rc && before)
        rc = compare(cli, cli->json ? stderr : stdout, before, r, &e);
    bench_result_free(before);
    bench_result_free(r);
    if (rc < 0)
        return cli_fail(EXIT_FAILED, &e);
    return rc > 0 ? EXIT_FAILED : EXIT_DONE;
}
