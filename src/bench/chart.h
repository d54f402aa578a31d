/*
 * Charts as pictures: bars, lines, axes with round ticks, text. Values in, an image out; what they
 * mean is the caller's (plots.c).
 *
 * Drawn twice as large and averaged down, which makes slanted lines and letters smooth. Dark on a
 * light ground of its own, so a chart looks the same wherever it is shown; series differ in
 * lightness as well as hue (Okabe and Ito's colours), for eyes that see fewer hues.
 */
#ifndef SPRITTY_BENCH_CHART_H
#define SPRITTY_BENCH_CHART_H

#include "sprite/image.h"

enum {
    CHART_SERIES = 6, /* at most, in one chart */
    CHART_BARS = 64,  /* at most, of each series */
    CHART_MARKS = 12,
    CHART_LETTERS = 95,
    CHART_LETTER_ROWS = 9,
};
extern const uint8_t chart_font[CHART_LETTERS][CHART_LETTER_ROWS]; /* font.c */
extern const uint8_t chart_color[CHART_SERIES][3];

/* Ticks from 0 (or a round number below `low`) to at least `high`: steps of 1, 2, 2.5 or 5 times a
 * power of ten, at most `most` of them. */
struct chart_axis {
    double from, to, step;
    int ticks;  /* steps + 1 */
    int digits; /* behind the point that a tick needs */
};
struct chart_axis chart_axis(double low, double high, int most);

struct chart_series {
    const char *name; /* for the legend; NULL: not in it */
    /* Bars: y[i] of bar i. Lines: y over x. NAN: left out. low and high (NULL: none) are whiskers,
     * from and to. */
    const double *x, *y, *low, *high;
    int count;
};

struct chart {
    const char *title, *subtitle;  /* subtitle may be NULL */
    const char *x_label, *y_label; /* with units */
    int series;
    struct chart_series s[CHART_SERIES];
    const char *const *names; /* bars: of each group */
    int marks;                /* lines: vertical lines with a name */
    struct {
        double x;
        const char *name;
    } mark[CHART_MARKS];
    bool category;            /* lines: the x values stand at even distances, each with a tick */
    const char *value_format; /* bars: of the number at a bar's end, "%.1f"; NULL: none */
};

/* Horizontal bars in groups, one of each series; x_label names their values. */
struct image *chart_bars(const struct chart *);
struct image *chart_lines(const struct chart *);

#endif
