/*
 * What a benchmark measured: on which machine, which work, each case's times, memory over time. As
 * a value, and as JSON that is saved, compared and drawn later.
 *
 * A saved file is foreign data: counts are bounded, numbers finite, texts cut and made printable.
 */
#ifndef SPRITTY_BENCH_RESULT_H
#define SPRITTY_BENCH_RESULT_H

#include <stdint.h>

#include "base/err.h"
#include "bench/stats.h"

enum {
    BENCH_MAX_CASES = 96,
    BENCH_MAX_RUNS = 64,
    BENCH_MAX_CURVES = 4,
    BENCH_MAX_POINTS = 400,
    BENCH_MAX_MARKS = 12,
    BENCH_MAX_FILE = 16 << 20,
};

/* Milliseconds of a run; STEP is the mean of its steps. CPU is the time that all cores spent on it
 * together, which other programs hardly change. */
enum bench_metric {
    BENCH_TOTAL,
    BENCH_TEXT,
    BENCH_STEP,
    BENCH_DECODE,
    BENCH_FINISH,
    BENCH_CPU,
    BENCH_METRICS
};
const char *bench_metric_name(enum bench_metric); /* "total" */

/* What makes times comparable (the first part), and what should be known of them (the rest). */
struct bench_machine {
    char cpu[64], features[64]; /* "AVX2", "AVX-512, AMX-BF16" */
    int cores, threads;         /* of the machine; that computed */
    uint64_t memory;            /* bytes */
    char arch[16], device[16], gpu[96];

    char system[96], libraries[160], driver[80];
    char version[32], commit[48];
};

/* The work of every case; another model or size is another benchmark. */
struct bench_work {
    char model[96], sampler[40], scheduler[40];
    int width, height, steps;
    double cfg;
};

/* Groups of cases. BASELINE has every optimisation off, OPTIMIZED none; WITHOUT is optimized less
 * one, ONLY baseline and one, WITH optimized and one that saves memory. */
enum bench_group {
    BENCH_BASELINE,
    BENCH_OPTIMIZED,
    BENCH_WITHOUT,
    BENCH_ONLY,
    BENCH_WITH,
    BENCH_GROUPS
};
const char *bench_group_name(enum bench_group); /* "baseline" */

struct bench_case {
    enum bench_group group;
    char item[32];      /* the optimisation; "" for the first two groups */
    char settings[160]; /* "attention=sliced fold=off" */
    char precision[8];
    int batch, runs;
    double ms[BENCH_METRICS][BENCH_MAX_RUNS];
    double load_ms;
    uint64_t peak, weights, activations; /* bytes */
    double others; /* the most of the machine that others had during a run, 0 to 1; NAN: unknown */
};

/* Resident memory of the process (on a GPU: what it holds there) from the opening of the model. */
struct bench_curve {
    enum bench_group group;
    int batch, count, marks;
    double at_ms[BENCH_MAX_POINTS], bytes[BENCH_MAX_POINTS];
    struct {
        char stage[12];
        double at_ms;
    } mark[BENCH_MAX_MARKS];
};

struct bench_result {
    struct bench_machine machine;
    struct bench_work work;
    char when[24];          /* "2026-11-28T22:00:00Z" */
    double load_average[2]; /* of the machine, before and after; NAN: unknown */
    bool real_time;         /* others waited: what they ran counts, not what they wanted to run */
    int count, curves;
    struct bench_case *cases; /* BENCH_MAX_CASES of them */
    struct bench_curve curve[BENCH_MAX_CURVES];
};

/* Room for cases. NULL without memory. */
struct bench_result *bench_result_new(void);
void bench_result_free(struct bench_result *); /* NULL: nothing */

struct bench_stats bench_case_stats(const struct bench_case *, enum bench_metric);
/* "optimized, batch 4", "without fold" */
void bench_case_name(const struct bench_case *, char *out, int size);
/* Finished sprites a minute; NAN without runs. */
double bench_sprites_a_minute(const struct bench_case *);
/* The case of that group, item ("" for the first two) and batch, or NULL. */
const struct bench_case *bench_find(const struct bench_result *, enum bench_group, const char *item,
                                    int batch);

/* malloc'd; NULL without memory. */
char *bench_json(const struct bench_result *);
/* NULL and err for anything that no bench_json wrote. */
struct bench_result *bench_parse(const char *text, unsigned long size, const char *name,
                                 struct err *);
struct bench_result *bench_load(const char *path, struct err *);

/* What of two machines differs that times depend on: "cpu: A, now B; cores: 2, now 4". False: it is
 * the same machine, as far as can be told. */
bool bench_other_machine(const struct bench_machine *before, const struct bench_machine *now,
                         char *out, int size);
/* The same of what may matter (system, libraries, driver, version). */
bool bench_other_software(const struct bench_machine *before, const struct bench_machine *now,
                          char *out, int size);
bool bench_other_work(const struct bench_work *before, const struct bench_work *now, char *out,
                      int size);

#endif
