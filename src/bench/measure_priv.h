/* Between switches.c, which knows the optimisations, and measure.c, which runs. */
#ifndef SPRITTY_BENCH_MEASURE_PRIV_H
#define SPRITTY_BENCH_MEASURE_PRIV_H

#include <stdio.h>

#include "bench/measure.h"

enum { BENCH_MAX_CONFIGS = 40 };

/* Settings of one or more cases (of several batches). item: row of bench_switch, or -1. */
struct bench_config {
    enum bench_group group;
    int item;
};
struct bench_configs {
    struct bench_config at[BENCH_MAX_CONFIGS];
    int count;
};
/* low_precision: the machine computes in less than fp32 by itself. */
void bench_configs(enum bench_mode, bool gpu, bool low_precision, struct bench_configs *);
/* Sets the config's switches in s; said: what was set, as text. */
int bench_apply(const struct bench_config *, bool gpu, struct settings *s, char *said, int size,
                struct err *);

/* ---- memory over time: watch.c ---- */

struct bench_watch;
/* A thread that notes the resident memory every few milliseconds, in a curve of at most
 * BENCH_MAX_POINTS: when it is full, every other point goes and the pace halves. NULL: no memory
 * or no thread; the others then do nothing. */
struct bench_watch *bench_watch_start(void);
void bench_watch_stage(struct bench_watch *, const char *stage);
/* device: what is held of a GPU's memory, which only the caller's thread may ask. */
void bench_watch_device(struct bench_watch *, size_t bytes);
/* Ends it; the curve is the caller's. */
void bench_watch_end(struct bench_watch *, struct bench_curve *);

#endif
