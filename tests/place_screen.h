/*
 * A screen of our own that understands what place.c sends, and the queue to the terminal (out.h) as
 * a stand-in, so that the tests decide how fast the line is. One file a program: it defines out.h's
 * functions. Include after cmocka.
 */
#ifndef SPRITTY_TESTS_PLACE_SCREEN_H
#define SPRITTY_TESTS_PLACE_SCREEN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sixel_decode.h"
#include "term/graphics.h"
#include "term/place.h"

/* -- the line -----------------------------------------------------------------------------------
 */

static size_t line_budget = SIZE_MAX; /* of any number of ms */

void out_init(struct out *o, int fd)
{
    *o = (struct out){.fd = fd};
}

void out_free(struct out *o)
{
    free(o->bytes);
}

void out_put(struct out *o, const void *bytes, size_t len)
{
    if (o->cap - o->end < len) {
        o->cap = (o->end + len) * 2;
        o->bytes = realloc(o->bytes, o->cap);
    }
    memcpy(o->bytes + o->end, bytes, len);
    o->end += len;
}

void out_text(struct out *o, const char *text)
{
    out_put(o, text, strlen(text));
}

void out_printf(struct out *o, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    out_put(o, text, (size_t)vsnprintf(text, sizeof text, fmt, args));
    va_end(args);
}

void out_ask(struct out *o, double now_ms)
{
    (void)now_ms;
    assert_false(o->pace.waiting); /* one question at a time */
    o->pace.waiting = true;
}

bool out_may_send(struct out *o, size_t bytes, double budget_ms, double now_ms)
{
    (void)budget_ms, (void)now_ms;
    return !o->pace.waiting && bytes <= line_budget;
}

size_t out_budget(const struct out *o, double budget_ms)
{
    (void)o, (void)budget_ms;
    return line_budget;
}

/* -- the screen ---------------------------------------------------------------------------------
 */

enum { ROWS = 24, COLS = 60, CELL_W = 6, CELL_H = 12 };

/* What a cell shows: 0 blank, -1 text, else the colour of an image. Kitty's images lie above. */
static struct {
    long cell[ROWS][COLS];
    int y, x;
    bool hidden; /* the cursor, in what is shown now */
} screen;

/* tmux around it: it keeps the last images, and draws anew without the others when text comes over
 * one, once it has read all. */
enum { KEPT = 9 };
static struct {
    bool on, anew;
    int kept;
    struct {
        long color;
        int y, x, rows, cols;
    } image[KEPT];
} tmux;

static void tmux_drop(int i)
{
    tmux.kept--;
    memmove(&tmux.image[i], &tmux.image[i + 1], (size_t)(tmux.kept - i) * sizeof tmux.image[0]);
}

static void tmux_keep(long color, int rows, int cols)
{
    if (tmux.kept == KEPT)
        tmux_drop(0);
    tmux.image[tmux.kept].color = color;
    tmux.image[tmux.kept].y = screen.y, tmux.image[tmux.kept].x = screen.x;
    tmux.image[tmux.kept].rows = rows, tmux.image[tmux.kept++].cols = cols;
}

static void tmux_text(int y, int x)
{
    for (int i = tmux.kept - 1; i >= 0; i--)
        if (y >= tmux.image[i].y && y < tmux.image[i].y + tmux.image[i].rows &&
            x >= tmux.image[i].x && x < tmux.image[i].x + tmux.image[i].cols) {
            tmux_drop(i);
            tmux.anew = true;
        }
}

static void tmux_draws(void)
{
    for (int y = 0; tmux.anew && y < ROWS; y++)
        for (int x = 0; x < COLS; x++)
            screen.cell[y][x] = screen.cell[y][x] > 0 ? 0 : screen.cell[y][x];
    for (int i = 0; tmux.anew && i < tmux.kept; i++)
        for (int y = 0; y < tmux.image[i].rows; y++)
            for (int x = 0; x < tmux.image[i].cols; x++)
                screen.cell[tmux.image[i].y + y][tmux.image[i].x + x] = tmux.image[i].color;
    tmux.anew = false;
}

static void put_picture(const struct sixel_picture *p)
{
    long color = 1 + (p->rgba[0] << 16 | p->rgba[1] << 8 | p->rgba[2]);
    assert_true(screen.hidden);
    assert_true(screen.y * CELL_H + p->h <= ROWS * CELL_H);
    assert_true(screen.x * CELL_W + p->w <= COLS * CELL_W);
    if (tmux.on)
        tmux_keep(color, (p->h + CELL_H - 1) / CELL_H, (p->w + CELL_W - 1) / CELL_W);
    for (int y = 0; y < p->h; y += 1)
        for (int x = 0; x < p->w; x += 1)
            screen.cell[screen.y + y / CELL_H][screen.x + x / CELL_W] = color;
}

static size_t apply_csi(const char *p)
{
    int y, x, n = 0;
    size_t len = 2 + strcspn(p + 2, "HmlJKXLMPnc@") + 1;
    if (p[len - 1] == 'l') {
        assert_memory_equal(p, "\033[?25l", len);
        screen.hidden = true;
    } else /* no erase, no insert, no delete */
        assert_true(p[len - 1] == 'H' || p[len - 1] == 'm');
    if (p[len - 1] == 'H') {
        assert_int_equal(sscanf(p, "\033[%d;%dH%n", &y, &x, &n), 2);
        assert_int_equal(n, len);
        screen.y = y - 1, screen.x = x - 1;
    }
    return len;
}

/* Shows the bytes and empties the queue. Returns how many there were. */
static size_t show(struct out *o)
{
    size_t n = o->end;
    screen.hidden = false;
    out_put(o, "", 1); /* a NUL for sscanf and strcspn */
    for (const char *p = o->bytes, *end = p + n; p < end;) {
        struct sixel_picture picture;
        if (p[0] == '\033' && p[1] == '[') {
            p += apply_csi(p);
        } else if (p[0] == '\033') {
            size_t used = sixel_decode(p, (size_t)(end - p), &picture);
            assert_true(used > 0);
            put_picture(&picture);
            free(picture.rgba);
            p += used;
        } else {
            assert_int_equal(*p, ' ');
            assert_in_range(screen.y, 0, ROWS - 1);
            assert_in_range(screen.x, 0, COLS - 1);
            tmux_text(screen.y, screen.x);
            screen.cell[screen.y][screen.x++] = 0;
            p++;
        }
    }
    o->end = 0;
    return n;
}

/* -- what is wanted -----------------------------------------------------------------------------
 */

static const struct caps sixel_caps = {.graphics = GRAPHICS_SIXEL,
                                       .colors = COLORS_TRUE,
                                       .cell_w = CELL_W,
                                       .cell_h = CELL_H,
                                       .sixel_registers = 256};

static unsigned state_of_chance;

static int chance(int n)
{
    state_of_chance = state_of_chance * 1664525u + 1013904223u;
    return (int)((state_of_chance >> 10) % (unsigned)n);
}

/* A picture of one colour, whose number is its serial: sixel's levels keep it apart. */
static const int levels[] = {0, 51, 102, 153, 204, 255};

static struct image *picture(uint64_t serial, int w, int h)
{
    struct image *m = image_new(w, h);
    assert_non_null(m);
    for (int i = 0; i < w * h; i++) {
        uint8_t p[4] = {(uint8_t)levels[serial % 6], (uint8_t)levels[serial / 6 % 6],
                        (uint8_t)levels[serial / 36 % 6], 255};
        memcpy(m->rgba + 4 * i, p, 4);
    }
    return m;
}

static long color_of(uint64_t serial)
{
    return 1 + (levels[serial % 6] << 16 | levels[serial / 6 % 6] << 8 | levels[serial / 36 % 6]);
}

/* The model of the panels: a grid of 2 x 3 areas, each with an image or none; an overlay or none.
 */
enum { AREAS = 6 };

static struct area {
    bool on, live;
    unsigned slot;
    uint64_t serial;
    int rows, cols, w, h;
    struct image *image;
} area[AREAS];

static struct {
    bool on;
    int y, x, rows, cols;
} overlay;

static struct place place_of(int i)
{
    const struct area *a = &area[i];
    return (struct place){.slot = a->slot,
                          .serial = a->serial,
                          .y = i / 3 * 12 + 1,
                          .x = i % 3 * 20,
                          .rows = a->rows,
                          .cols = a->cols,
                          .image = a->image,
                          .live = a->live};
}

static void change_something(void)
{
    static uint64_t serial = 1;
    struct area *a = &area[chance(AREAS)];
    switch (chance(6)) {
    case 0:
        a->on = false;
        break;
    case 1:
    case 2: /* another content, of the same or another size */
        a->serial = ++serial % 215 + 1;
        if (!a->on || chance(2))
            a->w = 1 + chance(30), a->h = 1 + chance(40);
        a->rows = a->on ? a->rows : 11;
        a->cols = a->on ? a->cols : 20;
        a->on = true;
        break;
    case 3: /* another area, or it moves to another panel */
        a->rows = 1 + chance(11);
        a->cols = 1 + chance(20);
        break;
    case 4: {
        struct area *b = &area[chance(AREAS)], swap = *a;
        *a = *b;
        *b = swap;
        return;
    }
    default:
        overlay.on = !overlay.on;
        overlay.y = chance(ROWS - 6), overlay.x = chance(COLS - 10);
        overlay.rows = 1 + chance(6), overlay.cols = 1 + chance(10);
    }
    image_free(a->image);
    a->image = a->on ? picture(a->serial, a->w, a->h) : NULL;
}

/* Text as the screen's own difference would write it: the overlay comes and goes. */
static void draw_text(const bool text_before[ROWS][COLS], bool text_now[ROWS][COLS])
{
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS; x++) {
            text_now[y][x] = overlay.on && y >= overlay.y && y < overlay.y + overlay.rows &&
                             x >= overlay.x && x < overlay.x + overlay.cols;
            if (text_now[y][x] == text_before[y][x])
                continue;
            tmux_text(y, x);
            screen.cell[y][x] = text_now[y][x] ? -1 : 0;
        }
}

static bool text[ROWS][COLS];
static double now_ms;

/* One frame as the app makes it. Returns what is due; *bytes: how many were sent. */
static int frame(struct places *p, struct out *o, size_t *bytes)
{
    bool now[ROWS][COLS];
    place_begin(p);
    for (int i = 0; i < AREAS; i++) {
        struct place w = place_of(i);
        if (area[i].on)
            place_want(p, &w);
    }
    if (overlay.on)
        place_cover(p, overlay.y, overlay.x, overlay.rows, overlay.cols);
    place_clear(p, o, "\033[48;5;17m", "\033[48;5;18m");
    *bytes = show(o);
    draw_text(text, now);
    memcpy(text, now, sizeof text);
    struct caps caps = sixel_caps;
    caps.tmux = tmux.on;
    int due = place_draw(p, &caps, o, now_ms);
    *bytes += show(o);
    return due;
}

static void want_on(long want[ROWS][COLS], int i)
{
    struct place w = place_of(i);
    struct graphics_fit f = graphics_fit(&sixel_caps, w.image->width, w.image->height, w.rows,
                                         w.cols);
    int y0 = w.y + f.top, x0 = w.x + f.left;
    /* The cells beside an image belong to it: it may reach into them. */
    int y1 = y0 + f.rows + (y0 + f.rows < w.y + w.rows);
    int x1 = x0 + f.cols + (x0 + f.cols < w.x + w.cols);
    bool touched = overlay.on && overlay.y < y1 && y0 < overlay.y + overlay.rows &&
                   overlay.x < x1 && x0 < overlay.x + overlay.cols;
    if (touched && w.live)
        return;
    int left = overlay.x - x0, right = x0 + f.cols - overlay.x - overlay.cols;
    for (int y = y0; y < y0 + f.rows; y++)
        for (int x = x0; x < x0 + f.cols; x++) {
            bool beside = touched && y >= overlay.y && y < overlay.y + overlay.rows &&
                          overlay.x < x0 + f.cols && x0 < overlay.x + overlay.cols;
            if (beside && (x < overlay.x ? left < PLACE_MIN_COLS
                                         : x < overlay.x + overlay.cols || right < PLACE_MIN_COLS))
                continue;
            want[y][x] = color_of(w.serial);
        }
}

/* Nothing but what is wanted is on the screen, and all of it. */
static void screen_is_right(int round)
{
    long want[ROWS][COLS];
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS; x++)
            want[y][x] = text[y][x] ? -1 : 0;
    for (int i = 0; i < AREAS; i++)
        if (area[i].on)
            want_on(want, i);
    for (int y = 0; y < ROWS; y++)
        for (int x = 0; x < COLS; x++)
            if (want[y][x] != screen.cell[y][x])
                fail_msg("round %d: cell %d, %d shows %lx, not %lx", round, y, x,
                         (unsigned long)screen.cell[y][x], (unsigned long)want[y][x]);
}

static void start(struct places **p, struct out *o, unsigned seed)
{
    state_of_chance = seed;
    line_budget = SIZE_MAX;
    memset(&screen, 0, sizeof screen);
    memset(text, 0, sizeof text);
    memset(&tmux, 0, sizeof tmux);
    now_ms = 1000;
    overlay.on = false;
    for (int i = 0; i < AREAS; i++)
        area[i] = (struct area){.slot = (unsigned)i * 7 + 1};
    *p = places_new();
    assert_non_null(*p);
    out_init(o, -1);
}

static void stop(struct places *p, struct out *o)
{
    for (int i = 0; i < AREAS; i++)
        image_free(area[i].image);
    places_free(p);
    out_free(o);
}

#endif
