/*
 * Graphs in cells: bars, lines, gauges. They draw values; what these mean is the panels'.
 */
#ifndef SPRITTY_GRAPH_H
#define SPRITTY_GRAPH_H

#include "ui/screen.h"

/* Bars from left to right, the newest at the right end, one a column, eighths of a cell high
 * (whole cells without UTF-8). Values over `top` are cut; NAN leaves a gap. marks[i], if not NULL,
 * gives a bar's role instead of `role`. */
void graph_bars(struct screen *, struct rect, const double *values, int count, double top,
                enum role, const enum role *marks);
/* A thin line across at `value`, over what graph_bars has drawn there: a median, a limit. It goes
 * behind bars that end in its row. */
void graph_level(struct screen *, struct rect, double value, double top, enum role);
/* Areas stacked from the bottom, one column a value: values[series * count + i]. */
void graph_stack(struct screen *, struct rect, const double *values, int series, int count,
                 double top, const enum role *roles);
/* One row: `share` of w cells filled, in half cells. */
void graph_gauge(struct screen *, int y, int x, int w, double share, enum role);
/* One row cut in parts, each as wide as its share of the sum. */
void graph_split(struct screen *, int y, int x, int w, const double *parts, int count,
                 const enum role *roles);

/* A round number at or above v for an axis: 1, 2, 2.5, 5 times a power of ten. */
double graph_top(double v);
/* The value that `share` of them (0.5: the median) do not exceed, by nearest rank. NANs do not
 * count; NAN for none. */
double graph_percentile(const double *values, int count, double share);

/* "412 ms", "7.6 s", "2 min 05 s"; "1.4 GB", "52 MB". "-" for NAN and infinity. */
void text_ms(double ms, char *out, size_t size);
void text_bytes(double bytes, char *out, size_t size);
/* "just now", "5 min ago", "3 h ago", "yesterday", "12 Nov", "12 Nov 2023" in local time, from
 * seconds since 1970. */
void text_ago(double then, double now, char *out, size_t size);

#endif
