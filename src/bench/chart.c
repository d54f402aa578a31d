/* See chart.h. Positions are in pixels of the large picture, OVER for each of the final one. */
#include "bench/chart.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    OVER = 2,
    WIDTH = 1100 * OVER,
    HEIGHT = 640 * OVER,
    SMALL = 2 * OVER, /* pixels of a letter's pixel: text is 10x14 in the final picture */
    LARGE = 3 * OVER,
    ADVANCE = 6, /* letter pixels from one letter to the next */
    LINE = 13,   /* and from one line to the next */
};

const uint8_t chart_color[CHART_SERIES][3] = {
    {0, 114, 178}, {230, 159, 0}, {0, 158, 115}, {204, 121, 167}, {86, 180, 233}, {213, 94, 0},
};
static const uint8_t ground[3] = {252, 252, 250}, ink[3] = {40, 40, 44}, faint[3] = {222, 222, 218},
                     grey[3] = {120, 120, 124};

struct area {
    double left, top, right, bottom;
};

/* ---- pixels ---- */

static int clamp(double v, int most)
{
    return v > 0 ? (int)fmin(round(v), most) : 0;
}

static void fill(struct image *m, double x0, double y0, double x1, double y1, const uint8_t *rgb)
{
    int left = clamp(fmin(x0, x1), m->width), right = clamp(fmax(x0, x1), m->width);
    int top = clamp(fmin(y0, y1), m->height), low = clamp(fmax(y0, y1), m->height);
    for (int y = top; y < low; y++)
        for (int x = left; x < right; x++) {
            uint8_t *p = m->rgba + 4 * ((size_t)y * (size_t)m->width + (size_t)x);
            memcpy(p, rgb, 3);
            p[3] = 255;
        }
}

/* A thick line of squares, half a pixel apart. */
static void stroke(struct image *m, double x0, double y0, double x1, double y1, double thick,
                   const uint8_t *rgb)
{
    int n = (int)fmin(fmax(fabs(x1 - x0), fabs(y1 - y0)) * 2, 20000) + 1;
    for (int i = 0; i <= n; i++) {
        double x = x0 + (x1 - x0) * i / n, y = y0 + (y1 - y0) * i / n;
        fill(m, x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2, rgb);
    }
}

static double text_width(const char *text, int scale)
{
    size_t n = strlen(text);
    return n ? (double)(n * ADVANCE - 1) * scale : 0;
}

/* x: 0 its left end, 0.5 its middle, 1 its right end stand at x; y is the middle of its height. */
static void put_text(struct image *m, double x, double y, double align, int scale,
                     const uint8_t *rgb, const char *text)
{
    x -= align * text_width(text, scale);
    y -= 3.5 * scale;
    for (; *text; text++, x += ADVANCE * scale) {
        int at = *text >= ' ' && *text <= '~' ? *text - ' ' : '?' - ' ';
        for (int row = 0; row < CHART_LETTER_ROWS; row++)
            for (int col = 0; col < 5; col++)
                if (chart_font[at][row] >> (4 - col) & 1)
                    fill(m, x + col * scale, y + row * scale, x + (col + 1) * scale,
                         y + (row + 1) * scale, rgb);
    }
}

/* ---- axes ---- */

struct chart_axis chart_axis(double low, double high, int most)
{
    static const double round_steps[] = {1, 2, 2.5, 5, 10};
    low = isfinite(low) ? low : 0;
    high = isfinite(high) && high > low ? high : low + 1;
    double raw = (high - low) / (most > 1 ? most - 1 : 1);
    double power = pow(10, floor(log10(raw)));
    int k = 0;
    while (k < 4 && round_steps[k] * power < raw * (1 - 1e-9))
        k++;
    struct chart_axis a = {.step = round_steps[k] * power};
    a.from = floor(low / a.step + 1e-9) * a.step;
    a.ticks = (int)ceil((high - a.from) / a.step - 1e-9) + 1;
    a.to = a.from + (a.ticks - 1) * a.step;
    double shown = round_steps[k] == 2.5 ? power / 10 : round_steps[k] == 10 ? power * 10 : power;
    a.digits = shown < 1 ? (int)ceil(-log10(shown) - 1e-9) : 0;
    return a;
}

static double at(const struct chart_axis *a, double v, double from, double to)
{
    return from + (v - a->from) / (a->to - a->from) * (to - from);
}

static void tick_text(const struct chart_axis *a, int i, char *out, size_t size)
{
    snprintf(out, size, "%.*f", a->digits, a->from + i * a->step);
}

static void draw_x_axis(struct image *m, const struct area *p, const struct chart_axis *a)
{
    char text[40];
    for (int i = 0; i < a->ticks; i++) {
        double x = at(a, a->from + i * a->step, p->left, p->right);
        fill(m, x - 1, p->top, x + 1, p->bottom + 4 * OVER, faint);
        tick_text(a, i, text, sizeof text);
        put_text(m, x, p->bottom + 14 * OVER, 0.5, SMALL, ink, text);
    }
}

static void draw_y_axis(struct image *m, const struct area *p, const struct chart_axis *a)
{
    char text[40];
    for (int i = 0; i < a->ticks; i++) {
        double y = at(a, a->from + i * a->step, p->bottom, p->top);
        fill(m, p->left - 4 * OVER, y - 1, p->right, y + 1, faint);
        tick_text(a, i, text, sizeof text);
        put_text(m, p->left - 10 * OVER, y, 1, SMALL, ink, text);
    }
}

/* Largest and smallest of all values and whiskers; whether there are any. */
static bool range(const struct chart *c, double *low, double *high)
{
    bool any = false;
    for (int k = 0; k < c->series; k++)
        for (int i = 0; i < c->s[k].count; i++) {
            double v = c->s[k].y[i], top = c->s[k].high ? c->s[k].high[i] : v;
            if (!isfinite(v))
                continue;
            top = isfinite(top) ? fmax(v, top) : v;
            *low = any ? fmin(*low, v) : v;
            *high = any ? fmax(*high, top) : top;
            any = true;
        }
    return any;
}

/* ---- what all charts have ---- */

static struct image *begin(const struct chart *c, struct area *p, double height)
{
    struct image *m = image_new(WIDTH, (int)height);
    if (!m)
        return NULL;
    fill(m, 0, 0, m->width, m->height, ground);
    put_text(m, 24 * OVER, 28 * OVER, 0, LARGE, ink, c->title);
    if (c->subtitle)
        put_text(m, 24 * OVER, 56 * OVER, 0, SMALL, grey, c->subtitle);
    double x = 24 * OVER;
    for (int k = 0; k < c->series; k++) {
        if (!c->s[k].name || c->series == 1)
            continue;
        fill(m, x, 76 * OVER, x + 12 * OVER, 88 * OVER, chart_color[k]);
        put_text(m, x + 18 * OVER, 82 * OVER, 0, SMALL, ink, c->s[k].name);
        x += (40 * OVER) + text_width(c->s[k].name, SMALL);
    }
    *p = (struct area){90 * OVER, 108 * OVER, m->width - 40 * OVER, m->height - 64 * OVER};
    return m;
}

static struct image *end(struct image *m)
{
    struct image *small = m ? image_shrink(m, m->width / OVER, m->height / OVER) : NULL;
    image_free(m);
    return small;
}

static void frame(struct image *m, const struct area *p)
{
    fill(m, p->left - 1, p->top, p->left + 1, p->bottom, ink);
    fill(m, p->left, p->bottom - 1, p->right, p->bottom + 1, ink);
}

/* ---- bars ---- */

static void draw_bar(struct image *m, const struct area *p, const struct chart_axis *a,
                     const struct chart *c, int k, int i, double y, double thick)
{
    const struct chart_series *s = &c->s[k];
    char text[40];
    double v = i < s->count ? s->y[i] : NAN;
    if (!isfinite(v))
        return;
    double zero = at(a, fmax(a->from, 0), p->left, p->right), x = at(a, v, p->left, p->right);
    double tip = x, middle = y + thick / 2;
    fill(m, zero, y, x, y + thick, chart_color[k]);
    if (s->low && s->high && isfinite(s->low[i]) && isfinite(s->high[i])) {
        double lo = at(a, s->low[i], p->left, p->right), hi = at(a, s->high[i], p->left, p->right);
        fill(m, lo, middle - 1, hi, middle + 1, ink);
        fill(m, lo - 1, middle - thick / 5, lo + 1, middle + thick / 5, ink);
        fill(m, hi - 1, middle - thick / 5, hi + 1, middle + thick / 5, ink);
        tip = fmax(x, hi);
    }
    if (!c->value_format)
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, c->value_format, v);
#pragma GCC diagnostic pop
    if (v < 0)
        put_text(m, x - 6 * OVER, middle, 1, SMALL, ink, text);
    else
        put_text(m, tip + 6 * OVER, middle, 0, SMALL, ink, text);
}

struct image *chart_bars(const struct chart *c)
{
    struct area p;
    double low = 0, high = 1, names = 0;
    int groups = 0;
    for (int k = 0; k < c->series; k++)
        groups = c->s[k].count > groups ? c->s[k].count : groups;
    if (groups < 1 || groups > CHART_BARS || c->series > CHART_SERIES)
        return NULL;
    double pitch = (c->series * 20 + 12) * OVER, height = 180 * OVER + groups * pitch;
    struct image *m = begin(c, &p, height);
    if (!m)
        return NULL;
    for (int i = 0; i < groups; i++)
        names = fmax(names, text_width(c->names[i], SMALL));
    p.left = fmin(40 * OVER + names, WIDTH / 2.0);
    range(c, &low, &high);
    double label = c->value_format ? 1.15 : 1; /* room for the number behind the longest bar */
    struct chart_axis a = chart_axis(fmin(low, 0) * label, fmax(high, 0) * label, 8);
    draw_x_axis(m, &p, &a);
    for (int i = 0; i < groups; i++) {
        double y = p.top + 6 * OVER + i * pitch;
        put_text(m, p.left - 10 * OVER, y + c->series * 10 * OVER, 1, SMALL, ink, c->names[i]);
        for (int k = 0; k < c->series; k++)
            draw_bar(m, &p, &a, c, k, i, y + k * 20 * OVER, 17 * OVER);
    }
    frame(m, &p);
    double zero = at(&a, fmax(a.from, 0), p.left, p.right);
    fill(m, zero - 1, p.top, zero + 1, p.bottom, ink);
    put_text(m, (p.left + p.right) / 2, m->height - 20 * OVER, 0.5, SMALL, ink, c->x_label);
    return end(m);
}

/* ---- lines ---- */

static double x_of(const struct chart *c, const struct chart_series *s, int i)
{
    return c->category ? i : s->x[i];
}

static void draw_line(struct image *m, const struct area *p, const struct chart_axis *ax,
                      const struct chart_axis *ay, const struct chart *c, int k)
{
    const struct chart_series *s = &c->s[k];
    bool dots = s->count <= 24;
    double before[2] = {NAN, NAN};
    for (int i = 0; i < s->count; i++) {
        if (!isfinite(s->y[i])) {
            before[0] = NAN;
            continue;
        }
        double x = at(ax, x_of(c, s, i), p->left, p->right), y = at(ay, s->y[i], p->bottom, p->top);
        if (isfinite(before[0]))
            stroke(m, before[0], before[1], x, y, 2.5 * OVER, chart_color[k]);
        if (s->low && s->high && isfinite(s->low[i]) && isfinite(s->high[i]))
            fill(m, x - OVER, at(ay, s->low[i], p->bottom, p->top), x + OVER,
                 at(ay, s->high[i], p->bottom, p->top), chart_color[k]);
        if (dots)
            fill(m, x - 4 * OVER, y - 4 * OVER, x + 4 * OVER, y + 4 * OVER, chart_color[k]);
        before[0] = x, before[1] = y;
    }
}

/* Names of marks stand at the top, one lower than the other where they would touch. */
static void draw_marks(struct image *m, const struct area *p, const struct chart_axis *ax,
                       const struct chart *c)
{
    double end_of_last = -1;
    int low = 0;
    for (int i = 0; i < c->marks; i++) {
        double x = at(ax, c->mark[i].x, p->left, p->right);
        double wide = text_width(c->mark[i].name, SMALL) + 8 * OVER;
        low = x < end_of_last ? low + 1 : 0;
        for (double y = p->top; y < p->bottom; y += 8 * OVER)
            fill(m, x - 1, y, x + 1, y + 4 * OVER, grey);
        double left = fmin(x + 5 * OVER, m->width - wide);
        put_text(m, left, p->top + (10 + low % 6 * LINE * 1.3) * OVER, 0, SMALL, grey,
                 c->mark[i].name);
        end_of_last = left + wide;
    }
}

static struct chart_axis axis_of_x(const struct chart *c)
{
    double low = 0, high = 0;
    for (int k = 0; k < c->series; k++)
        for (int i = 0; i < c->s[k].count; i++)
            high = fmax(high, x_of(c, &c->s[k], i));
    if (!c->category)
        return chart_axis(low, high, 10);
    int n = (int)high + 1; /* half a place on both sides */
    return (struct chart_axis){.from = -0.5, .to = n - 0.5, .step = 1, .ticks = n};
}

static void draw_categories(struct image *m, const struct area *p, const struct chart_axis *ax,
                            const struct chart_series *s)
{
    char text[40];
    for (int i = 0; i < s->count; i++) {
        double x = at(ax, i, p->left, p->right);
        fill(m, x - 1, p->top, x + 1, p->bottom + 4 * OVER, faint);
        snprintf(text, sizeof text, "%g", s->x[i]);
        put_text(m, x, p->bottom + 14 * OVER, 0.5, SMALL, ink, text);
    }
}

struct image *chart_lines(const struct chart *c)
{
    struct area p;
    double low = 0, high = 1;
    if (c->series < 1 || c->series > CHART_SERIES || !range(c, &low, &high))
        return NULL;
    struct image *m = begin(c, &p, HEIGHT);
    if (!m)
        return NULL;
    struct chart_axis ax = axis_of_x(c), ay = chart_axis(fmin(low, 0), fmax(high, 0), 8);
    p.top += 26 * OVER; /* the vertical axis has its name above it */
    put_text(m, 24 * OVER, p.top - 22 * OVER, 0, SMALL, ink, c->y_label);
    if (c->category)
        draw_categories(m, &p, &ax, &c->s[0]);
    else
        draw_x_axis(m, &p, &ax);
    draw_y_axis(m, &p, &ay);
    frame(m, &p);
    draw_marks(m, &p, &ax, c);
    for (int k = 0; k < c->series; k++)
        draw_line(m, &p, &ax, &ay, c, k);
    put_text(m, (p.left + p.right) / 2, m->height - 20 * OVER, 0.5, SMALL, ink, c->x_label);
    return end(m);
}
