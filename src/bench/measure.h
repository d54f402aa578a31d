/*
 * Measuring: which cases a mode has, and their runs.
 *
 * A case is a whole job from prompt to finished sprite, without loading and without the disk.
 * Before its first measured run it is run once unmeasured (few steps, the same shapes). Cases with
 * other settings take turns, round after round, so that a slow minute of the machine falls on all
 * of them alike; where opening the model takes long, there is one round.
 */
#ifndef SPRITTY_BENCH_MEASURE_H
#define SPRITTY_BENCH_MEASURE_H

#include "bench/result.h"
#include "config.h"

enum bench_mode { MODE_BASELINE, MODE_OPTIMIZED, MODE_COMPARE, MODE_ABLATION, MODE_ALL, MODES };
const char *bench_mode_name(int i); /* NULL past the end */

enum { BENCH_BATCHES = 8 };

struct bench_options {
    enum bench_mode mode;
    const struct settings *flags; /* of the job; batch is not read */
    const char *preset, *prompt;  /* NULL: none; one of our own */
    int repeats, warmup;
    int batch[BENCH_BATCHES], batches;
    /* Before each run: what runs, and what share of all is done. False ends it. May be NULL. */
    bool (*progress)(void *user, const char *what, double share);
    void *user;
};

/* -1 and err; interrupted: err says so. */
int bench_measure(const struct bench_options *, struct bench_result *, struct err *);

/* device: "cpu", "cuda:0". threads: 0 is one a core. */
void bench_machine_read(struct bench_machine *, const char *device, int threads);
bool bench_real_time(void);      /* is this thread scheduled before all that are not? */
double bench_load_average(void); /* of the last minute; NAN: not told */

/* The table of optimisations, for the report: row i, or NULL. */
struct bench_switch {
    const char *item; /* as cases and plots call it */
    const char *key, *off, *on;
    bool gpu;   /* only a GPU has it */
    bool saves; /* memory for time: it is no part of optimized, and tried on top of it */
    const char *what;
};
const struct bench_switch *bench_switch(int i);

#endif
