/*
 * Graphs in cells, and numbers as people read them; see graph.h.
 *
 * A cell shows two colours at most, its character's and its background's. Where more than two meet
 * in one (thin layers of a stack) the larger ones are shown. Where the terminal has no colours or
 * no UTF-8, layers and parts are told apart by patterns of whole cells.
 */
#include "ui/graph.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FULL_BLOCK = 0x2588, LEFT_HALF = 0x258c };

/* value / top in `units`, rounded; what is there at all is at least one. */
static int scaled(double value, double top, int units)
{
    if (!(value > 0) || !(top > 0))
        return 0;
    double share = value / top;
    int n = share < 1 ? (int)(share * units + 0.5) : units;
    return n > 0 ? n : 1;
}

/* The first of `count` values that is shown in w columns; *x: its column. */
static int first_shown(int count, int w, int *x)
{
    if (count > w)
        return count - w;
    *x += w - count;
    return 0;
}

/* -- bars -------------------------------------------------------------------------------------- */

static void bar(struct screen *s, int bottom, int x, int eighths, enum role role)
{
    for (int y = bottom; eighths > 0; y--, eighths -= 8)
        draw_cell(s, y, x, role, FULL_BLOCK - (eighths < 8 ? 8 - eighths : 0));
}

void graph_bars(struct screen *s, struct rect r, const double *values, int count, double top,
                enum role role, const enum role *marks)
{
    int x = r.x;
    for (int i = first_shown(count, r.w, &x); i < count && r.w > 0; i++, x++)
        bar(s, r.y + r.h - 1, x, scaled(values[i], top, 8 * r.h), marks ? marks[i] : role);
}

void graph_level(struct screen *s, struct rect r, double value, double top, enum role role)
{
    int row = (scaled(value, top, 8 * r.h) - 1) / 8;
    if (r.h <= 0 || !(value > 0))
        return;
    int y = r.y + r.h - 1 - row;
    for (int x = r.x; x < r.x + r.w; x++) {
        int32_t there = screen_code(s, y, x);
        if (there == FULL_BLOCK)
            draw_halves(s, y, x, role, screen_role(s, y, x), 0x2500);
        else if (there < FULL_BLOCK - 7 || there > FULL_BLOCK) /* a bar's end stays whole */
            draw_cell(s, y, x, role, 0x2500);
    }
}

/* -- layers and parts -------------------------------------------------------------------------- */

static bool by_pattern(const struct screen *s)
{
    return !screen_utf8(s) || !screen_colored(s);
}

static int32_t pattern(const struct screen *s, int i)
{
    static const int32_t shades[] = {0x2588, 0x2592, 0x2591, 0x2593};
    return screen_utf8(s) ? shades[i % 4] : "#+.:"[i % 4];
}

/* Where the layers of one column end, in eighths from the bottom. */
static void layer_ends(const double *values, int series, int stride, double top, int units,
                       int *ends)
{
    double sum = 0;
    for (int k = 0; k < series; k++) {
        double v = values[(ptrdiff_t)k * stride];
        sum += v > 0 ? v : 0;
        double share = top > 0 ? sum / top : 0;
        ends[k] = share < 1 ? (int)(share * units + 0.5) : units;
    }
}

/* The cell whose eighths are low to low + 7: the layer at its bottom, and the thickest above it. */
static void stack_cell(struct screen *s, int y, int x, int low, const int *ends, int series,
                       const enum role *roles)
{
    int k = 0, best = -1, most = 0;
    while (k < series && ends[k] <= low)
        k++;
    if (k == series)
        return;
    int filled = ends[k] - low < 8 ? ends[k] - low : 8;
    for (int j = k + 1; j < series && ends[j - 1] < low + 8; j++) {
        int thick = (ends[j] < low + 8 ? ends[j] : low + 8) - ends[j - 1];
        if (thick > most)
            most = thick, best = j;
    }
    if (by_pattern(s)) {
        int at = filled >= 4 || best < 0 ? k : best;
        if (filled + most >= 4)
            draw_cell(s, y, x, roles[at], pattern(s, at));
    } else if (best < 0 || filled == 8 || ends[series - 1] < low + 8) {
        /* Nothing above, or not up to the top: there the background must be seen. */
        int height = ends[series - 1] - low < 8 ? ends[series - 1] - low : 8;
        int at = best >= 0 && most > filled ? best : k;
        draw_cell(s, y, x, roles[at], 0x2580 + height);
    } else {
        draw_halves(s, y, x, roles[k], roles[best], 0x2580 + filled);
    }
}

void graph_stack(struct screen *s, struct rect r, const double *values, int series, int count,
                 double top, const enum role *roles)
{
    enum { MOST = 16 };
    int x = r.x, ends[MOST];
    if (series > MOST)
        series = MOST;
    if (r.h <= 0 || r.w <= 0 || series <= 0)
        return;
    for (int i = first_shown(count, r.w, &x); i < count; i++, x++) {
        layer_ends(values + i, series, count, top, 8 * r.h, ends);
        for (int k = 0; k < r.h; k++)
            stack_cell(s, r.y + r.h - 1 - k, x, 8 * k, ends, series, roles);
    }
}

void graph_gauge(struct screen *s, int y, int x, int w, double share, enum role role)
{
    int halves = share > 0 ? (int)((share < 1 ? share : 1) * 2 * w) : 0;
    int32_t track = screen_utf8(s) ? (screen_colored(s) ? 0x2501 : 0x2500) : '-'; /* ━ ─ */
    for (int i = 0; i < w; i++) {
        int filled = halves - 2 * i;
        if (filled >= 2)
            draw_cell(s, y, x + i, role, screen_utf8(s) ? 0x2501 : '#');
        else if (filled == 1)
            draw_cell(s, y, x + i, role, screen_utf8(s) ? 0x2578 : '-'); /* ╸ */
        else
            draw_cell(s, y, x + i, ROLE_BORDER, track);
    }
}

void graph_split(struct screen *s, int y, int x, int w, const double *parts, int count,
                 const enum role *roles)
{
    double sum = 0, before = 0;
    int k = -1, end = 0; /* the part that is drawn, and where it ends in half cells */
    for (int i = 0; i < count; i++)
        sum += parts[i] > 0 ? parts[i] : 0;
    if (!(sum > 0) || !isfinite(sum))
        return;
    for (int half = 0; half < 2 * w; half++) {
        int left = k;
        while (half >= end && k + 1 < count) {
            k++;
            before += parts[k] > 0 ? parts[k] : 0;
            end = (int)(before / sum * 2 * w + 0.5);
        }
        if (half % 2 == 0)
            draw_cell(s, y, x + half / 2, roles[k], by_pattern(s) ? pattern(s, k) : FULL_BLOCK);
        else if (left != k && !by_pattern(s))
            draw_halves(s, y, x + half / 2, roles[left], roles[k], LEFT_HALF);
    }
}

/* -- numbers ----------------------------------------------------------------------------------- */

double graph_top(double v)
{
    static const double steps[] = {1, 2, 2.5, 5};
    if (!(v > 0) || v > 1e300)
        return v > 0 ? v : 1;
    double power = pow(10, floor(log10(v)));
    for (int i = 0; i < 4; i++)
        if (v <= steps[i] * power * (1 + 1e-9))
            return steps[i] * power;
    return 10 * power;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double graph_percentile(const double *values, int count, double share)
{
    double *sorted = count > 0 ? malloc((size_t)count * sizeof *sorted) : NULL, result = NAN;
    int n = 0;
    for (int i = 0; sorted && i < count; i++)
        if (!isnan(values[i]))
            sorted[n++] = values[i];
    if (n > 0) {
        qsort(sorted, (size_t)n, sizeof *sorted, compare);
        int rank = (int)ceil(share * n);
        result = sorted[rank < 1 ? 0 : rank > n ? n - 1 : rank - 1];
    }
    free(sorted);
    return result;
}

/* "2 min 05 s" of a count of the smaller unit. */
static void two_units(double count, int per, const char *large, const char *small, char *out,
                      size_t size)
{
    double whole = floor(count / per);
    snprintf(out, size, "%.0f %s %02.0f %s", whole, large, count - whole * per, small);
}

void text_ms(double ms, char *out, size_t size)
{
    double seconds = round(ms / 1e3), minutes = round(ms / 6e4), hours = round(ms / 36e5);
    if (!isfinite(ms))
        snprintf(out, size, "-");
    else if (ms <= 0)
        snprintf(out, size, "0 ms");
    else if (ms < 999.5)
        snprintf(out, size, "%.*f ms", ms < 9.95, ms);
    else if (ms < 59950)
        snprintf(out, size, "%.1f s", ms / 1e3);
    else if (seconds < 3600)
        two_units(seconds, 60, "min", "s", out, size);
    else if (minutes < 48 * 60)
        two_units(minutes, 60, "h", "min", out, size);
    else if (hours < 24 * 10000)
        two_units(hours, 24, "d", "h", out, size);
    else
        snprintf(out, size, "over 9999 d");
}

void text_bytes(double bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    const char *sign = bytes < 0 ? "-" : "";
    double v = fabs(bytes);
    int u = 0;
    if (!isfinite(bytes) || v >= 999.5e15) {
        snprintf(out, size, "%s", isfinite(bytes) ? "over 999 PB" : "-");
        return;
    }
    while (v >= 999.5 && u < 5)
        v /= 1e3, u++;
    /* A tenth where it tells something: always below ten, from GB on below a hundred. */
    int digits = u > 0 && (v < 9.95 || (u > 2 && v < 99.95));
    snprintf(out, size, "%s%.*f %s", sign, digits, v, units[u]);
}

void text_ago(double then, double now, char *out, size_t size)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    double past = now - then;
    struct tm a, b, y;
    if (!(fabs(then) < 1e11) || !(fabs(now) < 1e11)) {
        snprintf(out, size, "-");
        return;
    }
    time_t from = (time_t)then, to = (time_t)now, day_before;
    localtime_r(&from, &a);
    localtime_r(&to, &b);
    y = (struct tm){.tm_year = b.tm_year,
                    .tm_mon = b.tm_mon,
                    .tm_mday = b.tm_mday - 1,
                    .tm_hour = 12,
                    .tm_isdst = -1};
    day_before = mktime(&y);
    localtime_r(&day_before, &y);
    bool today = a.tm_year == b.tm_year && a.tm_yday == b.tm_yday;
    if (past < 60 && past > -86400) /* clocks are set */
        snprintf(out, size, "just now");
    else if (past >= 0 && past < 3600)
        snprintf(out, size, "%d min ago", (int)(past / 60));
    else if (past >= 0 && (today || past < 6 * 3600))
        snprintf(out, size, "%d h ago", (int)(past / 3600));
    else if (a.tm_year == y.tm_year && a.tm_yday == y.tm_yday)
        snprintf(out, size, "yesterday");
    else if (a.tm_year == b.tm_year)
        snprintf(out, size, "%d %s", a.tm_mday, months[a.tm_mon]);
    else
        snprintf(out, size, "%d %s %d", a.tm_mday, months[a.tm_mon], a.tm_year + 1900);
}
