/*
 * What repeated measurements say, and when two of them differ.
 *
 * Times of a program have a floor and a long tail, so the middle is the median, and the spread is
 * 1.4826 times the median absolute deviation: the standard deviation, were the times normal, and
 * hardly moved by one run that somebody disturbed. The band around a median is what it may be off:
 * 6.7 / sqrt(runs) spreads, and never less than 3% (10% for two runs, 20% for one), since runs of
 * one process agree better than those of two (memory lies elsewhere). One result is slower than
 * another when their bands do not touch. tests/test_bench.c counts how often that is wrong.
 */
#ifndef SPRITTY_BENCH_STATS_H
#define SPRITTY_BENCH_STATS_H

#include <stdbool.h>

struct bench_stats {
    int count;                /* of finite values */
    double median, low, high; /* quartiles, by linear interpolation; NAN for none */
    double spread;            /* 1.4826 MAD */
    double band;              /* half its width */
};

struct bench_stats bench_stats(const double *values, int count);

enum bench_verdict { BENCH_SAME, BENCH_SLOWER, BENCH_FASTER };
/* Of `now` against `before`; SAME where one of them has no values. */
enum bench_verdict bench_verdict(const struct bench_stats *before, const struct bench_stats *now);

#endif
