/*
 * Graphs, read back from the cells that they were drawn in, and numbers as texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_place.h"
#include "ui/graph.h"

enum { ROWS = 8, COLS = 24 };

static struct screen *s;
static struct theme theme;

static void start(enum color_depth colors, bool utf8)
{
    struct caps caps = {.colors = colors, .utf8 = utf8};
    struct err e = {""};
    theme_default(&theme);
    s = screen_new(ROWS, COLS, &caps, &theme, &e);
    if (!s)
        fail_msg("%s", e.text);
    screen_begin(s);
}

static void stop(void)
{
    screen_free(s);
}

/* The row's first `w` cells as UTF-8 (graphs are in the basic plane). */
static const char *row(int y, int w)
{
    static char text[4 * COLS + 1];
    int n = 0;
    for (int x = 0; x < w; x++) {
        int32_t c = screen_code(s, y, x);
        if (c < 0x80)
            text[n++] = (char)c;
        else
            n += sprintf(text + n, "%c%c%c", 0xe0 | c >> 12, 0x80 | (c >> 6 & 63), 0x80 | (c & 63));
    }
    text[n] = '\0';
    return text;
}

static void nothing_outside(struct rect r)
{
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS; x++)
            if (y < r.y || y >= r.y + r.h || x < r.x || x >= r.x + r.w)
                assert_int_equal(screen_code(s, y, x), ' ');
}

static void bars(void **state)
{
    (void)state;
    static const double values[] = {99, 0, 8, 16, 1, NAN, -5, 0.001, 12, 1e300, INFINITY};
    static const enum role marks[] = {ROLE_BAD,  ROLE_TEXT, ROLE_GOOD, ROLE_TEXT,
                                      ROLE_TEXT, ROLE_TEXT, ROLE_TEXT, ROLE_TEXT,
                                      ROLE_TEXT, ROLE_TEXT, ROLE_WARN};
    start(COLORS_TRUE, true);
    struct rect r = {0, 0, 2, 10};
    graph_bars(s, r, values, 11, 16, ROLE_GRAPH_A, marks);
    assert_string_equal(row(0, 10), "  █    ▄██");
    assert_string_equal(row(1, 10), " ██▁  ▁███");
    assert_int_equal(screen_role(s, 1, 1), ROLE_GOOD);
    assert_int_equal(screen_role(s, 1, 9), ROLE_WARN);
    nothing_outside(r);
    /* Fewer than columns: they end at the right. */
    screen_begin(s);
    graph_bars(s, r, values + 2, 2, 16, ROLE_GRAPH_A, NULL);
    assert_string_equal(row(1, 10), "        ██");
    assert_int_equal(screen_role(s, 1, 9), ROLE_GRAPH_A);
    /* Nothing to draw, or nowhere. */
    screen_begin(s);
    graph_bars(s, r, values, 0, 16, ROLE_GRAPH_A, NULL);
    graph_bars(s, r, values, 5, 0, ROLE_GRAPH_A, NULL);
    graph_bars(s, r, values, 5, NAN, ROLE_GRAPH_A, NULL);
    graph_bars(s, (struct rect){0, 0, 0, 10}, values, 5, 16, ROLE_GRAPH_A, NULL);
    graph_bars(s, (struct rect){0, 0, 2, 0}, values, 5, 16, ROLE_GRAPH_A, NULL);
    graph_bars(s, (struct rect){0, 0, 2, -4}, values, 5, 16, ROLE_GRAPH_A, NULL);
    nothing_outside((struct rect){0, 0, 0, 0});
    stop();
    start(COLORS_16, false);
    graph_bars(s, r, values + 1, 4, 16, ROLE_GRAPH_A, NULL);
    assert_string_equal(row(0, 10), "        # ");
    assert_string_equal(row(1, 10), "       ##_");
    stop();
}

static void levels_cross_bars(void **state)
{
    (void)state;
    static const double values[] = {8, 16, 4, 0};
    start(COLORS_TRUE, true);
    struct rect r = {1, 0, 2, 4};
    graph_bars(s, r, values, 4, 16, ROLE_GRAPH_A, NULL);
    graph_level(s, r, 6, 16, ROLE_GRAPH_B);
    assert_string_equal(row(1, 4), " █  ");
    assert_string_equal(row(2, 4), "──▄─");
    assert_int_equal(screen_role(s, 2, 0), ROLE_GRAPH_B);
    assert_int_equal(screen_role(s, 2, 2), ROLE_GRAPH_A); /* a bar that ends there is whole */
    graph_level(s, r, 1e9, 16, ROLE_GRAPH_C);
    assert_string_equal(row(1, 4), "────");
    nothing_outside(r);
    screen_begin(s);
    graph_level(s, r, NAN, 16, ROLE_GRAPH_B);
    graph_level(s, r, 5, 0, ROLE_GRAPH_B);
    graph_level(s, (struct rect){0, 0, 0, 4}, 5, 16, ROLE_GRAPH_B);
    nothing_outside((struct rect){2, 0, 1, 4});
    stop();
}

static void stacks(void **state)
{
    (void)state;
    /* 2 series, 5 columns: one fills, two share a cell twice, nothing above, nothing at all. */
    static const double values[] = {16, 3, 4, 4, NAN, 0, 13, 4, 2, -1};
    static const enum role roles[] = {ROLE_GRAPH_A, ROLE_GRAPH_B};
    start(COLORS_TRUE, true);
    struct rect r = {0, 0, 2, 5};
    graph_stack(s, r, values, 2, 5, 16, roles);
    assert_string_equal(row(0, 5), "██   ");
    assert_string_equal(row(1, 5), "█▃▄▆ ");
    assert_int_equal(screen_role(s, 0, 0), ROLE_GRAPH_A);
    assert_int_equal(screen_role(s, 0, 1), ROLE_GRAPH_B);
    assert_int_equal(screen_role(s, 1, 1), ROLE_GRAPH_A);
    nothing_outside(r);
    graph_stack(s, (struct rect){0, 0, 0, 5}, values, 2, 5, 16, roles);
    graph_stack(s, (struct rect){3, 0, 2, 5}, values, 2, 5, 0, roles);
    graph_stack(s, (struct rect){3, 0, 2, 5}, values, 0, 5, 16, roles);
    nothing_outside(r);
    stop();
    for (int utf8 = 0; utf8 < 2; utf8++) {
        start(COLORS_NONE, utf8);
        graph_stack(s, r, values, 2, 5, 16, roles);
        assert_string_equal(row(0, 5), utf8 ? "█▒   " : "#+   ");
        assert_string_equal(row(1, 5), utf8 ? "█▒██ " : "#+## ");
        stop();
    }
}

static void gauges(void **state)
{
    (void)state;
    static const struct {
        double share;
        const char *shown, *ascii;
    } cases[] = {
        {0, "━━━━", "----"},   {0.25, "━━━━", "#---"}, {0.5, "━━━━", "##--"},
        {1, "━━━━", "####"},   {7, "━━━━", "####"},    {-1, "━━━━", "----"},
        {NAN, "━━━━", "----"}, {0.13, "╸━━━", "----"}, {0.9, "━━━╸", "###-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start(COLORS_TRUE, true);
        graph_gauge(s, 3, 0, 4, cases[i].share, ROLE_ACCENT);
        assert_string_equal(row(3, 4), cases[i].shown);
        for (int x = 0; x < 4; x++)
            if (cases[i].ascii[x] == '#')
                assert_int_equal(screen_role(s, 3, x), ROLE_ACCENT);
        nothing_outside((struct rect){3, 0, 1, 4});
        stop();
        start(COLORS_NONE, false);
        graph_gauge(s, 3, 0, 4, cases[i].share, ROLE_ACCENT);
        assert_string_equal(row(3, 4), cases[i].ascii);
        stop();
    }
}

static void splits(void **state)
{
    (void)state;
    static const double parts[] = {0, 3, 0, 1, NAN, -2, 4}, none[] = {0, NAN};
    static const enum role roles[] = {ROLE_BAD,  ROLE_GRAPH_A, ROLE_BAD,    ROLE_GRAPH_B,
                                      ROLE_WARN, ROLE_WARN,    ROLE_GRAPH_C};
    start(COLORS_TRUE, true);
    graph_split(s, 1, 0, 4, parts, 7, roles); /* 3, 1 and 4 half cells */
    assert_string_equal(row(1, 5), "█▌██ ");
    assert_int_equal(screen_role(s, 1, 0), ROLE_GRAPH_A);
    assert_int_equal(screen_role(s, 1, 1), ROLE_GRAPH_A);
    assert_int_equal(screen_role(s, 1, 3), ROLE_GRAPH_C);
    graph_split(s, 2, 0, 4, none, 2, roles);
    graph_split(s, 2, 0, 4, parts, 0, roles);
    graph_split(s, 2, 0, 0, parts, 7, roles);
    graph_split(s, 2, 0, -1, parts, 7, roles);
    nothing_outside((struct rect){1, 0, 1, 4});
    stop();
    start(COLORS_NONE, false);
    graph_split(s, 1, 0, 8, parts, 7, roles);
    assert_string_equal(row(1, 8), "+++:....");
    stop();
}

static void tops_are_round(void **state)
{
    (void)state;
    static const double cases[][2] = {
        {0, 1},       {-3, 1},       {NAN, 1},        {1, 1},       {1.01, 2},      {2, 2},
        {2.2, 2.5},   {3, 5},        {5.1, 10},       {10, 10},     {101, 200},     {0.3, 0.5},
        {1000, 1000}, {999.9, 1000}, {0.0012, 0.002}, {7e11, 1e12}, {1e299, 1e299},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double got = graph_top(cases[i][0]);
        assert_true(fabs(got - cases[i][1]) <= 1e-9 * cases[i][1]);
    }
    assert_true(isfinite(graph_top(1.7e308)));
    assert_true(graph_top(1e-320) > 0);
}

static void percentiles(void **state)
{
    (void)state;
    double values[101];
    for (int i = 0; i < 100; i++)
        values[i] = (i * 37) % 100 + 1; /* 1 to 100, mixed */
    values[100] = NAN;
    assert_true(graph_percentile(values, 101, 0.5) == 50);
    assert_true(graph_percentile(values, 101, 0.95) == 95);
    assert_true(graph_percentile(values, 101, 0) == 1);
    assert_true(graph_percentile(values, 101, 1) == 100);
    assert_true(graph_percentile(values, 101, 9) == 100);
    assert_true(graph_percentile((double[]){3, 1, 2}, 3, 0.5) == 2);
    assert_true(graph_percentile((double[]){7}, 1, 0.95) == 7);
    assert_true(isnan(graph_percentile((double[]){NAN}, 1, 0.5)));
    assert_true(isnan(graph_percentile(NULL, 0, 0.5)));
}

static void durations(void **state)
{
    (void)state;
    static const struct {
        double ms;
        const char *text;
    } cases[] = {
        {0, "0 ms"},
        {-4, "0 ms"},
        {NAN, "-"},
        {INFINITY, "-"},
        {0.04, "0.0 ms"},
        {0.42, "0.4 ms"},
        {9.94, "9.9 ms"},
        {9.96, "10 ms"},
        {412.3, "412 ms"},
        {999.4, "999 ms"},
        {999.6, "1.0 s"},
        {7600, "7.6 s"},
        {59940, "59.9 s"},
        {59960, "1 min 00 s"},
        {125000, "2 min 05 s"},
        {3599400, "59 min 59 s"},
        {3599600, "1 h 00 min"},
        {5400000, "1 h 30 min"},
        {47.99 * 36e5, "47 h 59 min"},
        {48 * 36e5, "2 d 00 h"},
        {1e300, "over 9999 d"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_ms(cases[i].ms, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
    text_ms(125000, text, 4); /* cut, not overrun */
    assert_string_equal(text, "2 m");
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {
        {0, "0 B"},         {NAN, "-"},           {-INFINITY, "-"},       {12, "12 B"},
        {999, "999 B"},     {999.6, "1.0 kB"},    {1500, "1.5 kB"},       {52e6, "52 MB"},
        {1.44e9, "1.4 GB"}, {12.34e9, "12.3 GB"}, {140e9, "140 GB"},      {999.96e6, "1.0 GB"},
        {-52e6, "-52 MB"},  {1e15, "1.0 PB"},     {1e300, "over 999 PB"}, {9.96e6, "10 MB"},
    };
    char text[32];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_bytes(cases[i].bytes, text, sizeof text);
        assert_string_equal(text, cases[i].text);
    }
}

static double when(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_isdst = -1};
    return (double)mktime(&tm);
}

static void times_of_before(void **state)
{
    (void)state;
    static const char *const zones[] = {"UTC0", "CET-1CEST,M3.5.0,M10.5.0/3", "<+13>-13"};
    for (size_t z = 0; z < sizeof zones / sizeof *zones; z++) {
        setenv("TZ", zones[z], 1);
        tzset();
        double now = when(2024, 3, 1, 12, 0);
        const struct {
            double then;
            const char *text;
        } cases[] = {
            {now, "just now"},
            {now - 59, "just now"},
            {now + 500, "just now"},
            {now - 61, "1 min ago"},
            {now - 3599, "59 min ago"},
            {now - 3600, "1 h ago"},
            {when(2024, 3, 1, 0, 30), "11 h ago"},
            {when(2024, 2, 29, 23, 30), "yesterday"},
            {when(2024, 2, 29, 0, 10), "yesterday"},
            {when(2024, 2, 28, 23, 50), "28 Feb"},
            {when(2023, 11, 12, 9, 0), "12 Nov 2023"},
            {when(2024, 3, 5, 9, 0), "5 Mar"}, /* the clock was wrong once */
            {0, z == 0 ? "1 Jan 1970" : NULL},
            {NAN, "-"},
            {1e300, "-"},
            {-1e300, "-"},
        };
        char text[32];
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            text_ago(cases[i].then, now, text, sizeof text);
            if (cases[i].text)
                assert_string_equal(text, cases[i].text);
        }
        text_ago(when(2023, 12, 31, 22, 0), when(2024, 1, 1, 9, 0), text, sizeof text);
        assert_string_equal(text, "yesterday");
        text_ago(when(2023, 12, 31, 22, 0), when(2024, 1, 1, 1, 0), text, sizeof text);
        assert_string_equal(text, "3 h ago");
        text_ago(now, NAN, text, sizeof text);
        assert_string_equal(text, "-");
    }
    unsetenv("TZ");
    tzset();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bars),        cmocka_unit_test(levels_cross_bars),
        cmocka_unit_test(stacks),      cmocka_unit_test(gauges),
        cmocka_unit_test(splits),      cmocka_unit_test(tops_are_round),
        cmocka_unit_test(percentiles), cmocka_unit_test(durations),
        cmocka_unit_test(sizes),       cmocka_unit_test(times_of_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
