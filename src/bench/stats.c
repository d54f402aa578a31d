/* See stats.h. */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, int n, double q)
{
    double at = q * (n - 1);
    int i = (int)at;
    return i + 1 < n ? sorted[i] + (at - i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* The median of n normal values is off by 1.25 spreads / sqrt(n) (one standard deviation); few runs
 * know little of their own spread, so it is five and more of those. */
static double band_of(const struct bench_stats *s)
{
    double floor = s->count >= 3 ? 0.03 : s->count == 2 ? 0.1 : 0.2;
    return fmax(6.7 / sqrt(s->count) * s->spread, floor * fabs(s->median));
}

struct bench_stats bench_stats(const double *values, int count)
{
    double v[MOST];
    struct bench_stats s = {0, NAN, NAN, NAN, NAN, NAN};
    for (int i = 0; i < count && s.count < MOST; i++)
        if (isfinite(values[i]))
            v[s.count++] = values[i];
    int n = s.count;
    if (n == 0)
        return s;
    qsort(v, (size_t)n, sizeof *v, by_value);
    s.low = quantile(v, n, 0.25);
    s.median = quantile(v, n, 0.5);
    s.high = quantile(v, n, 0.75);
    for (int i = 0; i < n; i++)
        v[i] = fabs(v[i] - s.median);
    qsort(v, (size_t)n, sizeof *v, by_value);
    s.spread = 1.4826 * quantile(v, n, 0.5);
    s.band = band_of(&s);
    return s;
}

enum bench_verdict bench_verdict(const struct bench_stats *before, const struct bench_stats *now)
{
    if (before->count == 0 || now->count == 0)
        return BENCH_SAME;
    if (now->median - now->band > before->median + before->band)
        return BENCH_SLOWER;
    return now->median + now->band < before->median - before->band ? BENCH_FASTER : BENCH_SAME;
}
