/*
 * A result as pictures: bars (times with everything off and on), ablation (what each optimisation
 * brings), scaling (sprites a minute by batch), memory (over time). Those that the result has
 * nothing for are not made.
 */
#ifndef SPRITTY_BENCH_PLOTS_H
#define SPRITTY_BENCH_PLOTS_H

#include "bench/result.h"
#include "sprite/image.h"

enum bench_plot { PLOT_BARS, PLOT_ABLATION, PLOT_SCALING, PLOT_MEMORY, PLOTS };
const char *bench_plot_name(enum bench_plot); /* "bars" */

/* The picture, or NULL: nothing to draw, or no memory. */
struct image *bench_plot(const struct bench_result *, enum bench_plot);
/* All of them as FOLDER/NAME.png; the folder is made. Returns how many, -1 and err. */
int bench_plots_save(const struct bench_result *, const char *folder, struct err *);

#endif
