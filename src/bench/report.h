/* Results as text: tables for a terminal, in plain ASCII, 100 columns at most. */
#ifndef SPRITTY_BENCH_REPORT_H
#define SPRITTY_BENCH_REPORT_H

#include <stdio.h>

#include "bench/result.h"

/* Machine, work, a line a case, the gain of the optimisations, the ablation table. */
void bench_report(FILE *, const struct bench_result *);

/* Cases of both, side by side. Returns how many are slower than before, beyond the noise. */
int bench_report_change(FILE *, const struct bench_result *before, const struct bench_result *now);

/* Why times of this result may be off; "" when nothing says so. */
void bench_doubts(const struct bench_result *, char *out, int size);

#endif
