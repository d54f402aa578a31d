/*
 * A screen and the terminal that it is seen on: libvterm reads what screen.h sends. Include after
 * cmocka.h.
 */
#ifndef SPRITTY_SEEN_H
#define SPRITTY_SEEN_H

#include <stdbool.h>
#include <string.h>

#include <vterm.h>

#include "ui/screen.h"

static struct {
    struct screen *screen;
    struct caps caps;
    struct theme theme;
    struct out out;
    VTerm *vt;
    VTermScreen *seen;
    int rows, cols;
    bool cursor;
    int due; /* what screen_end returned last */
} t;

static int on_prop(VTermProp prop, VTermValue *value, void *user)
{
    (void)user;
    if (prop == VTERM_PROP_CURSORVISIBLE)
        t.cursor = value->boolean;
    return 1;
}

static void open_vterm(int rows, int cols)
{
    static const VTermScreenCallbacks callbacks = {.settermprop = on_prop};
    t.vt = vterm_new(rows, cols);
    vterm_set_utf8(t.vt, 1);
    t.seen = vterm_obtain_screen(t.vt);
    vterm_screen_set_callbacks(t.seen, &callbacks, NULL);
    vterm_screen_reset(t.seen, 1);
    t.cursor = true;
    t.rows = rows, t.cols = cols;
}

/* Opens both and begins the first frame. */
static void start_with(int rows, int cols, enum color_depth colors, bool utf8)
{
    struct err e = {""};
    memset(&t, 0, sizeof t);
    t.caps = (struct caps){.colors = colors, .utf8 = utf8};
    theme_default(&t.theme);
    out_init(&t.out, -1);
    open_vterm(rows, cols);
    t.screen = screen_new(rows, cols, &t.caps, &t.theme, &e);
    if (!t.screen)
        fail_msg("%s", e.text);
    screen_begin(t.screen);
}

static void stop(void)
{
    screen_free(t.screen);
    vterm_free(t.vt);
    out_free(&t.out);
}

/* Ends the frame; returns its bytes, which the terminal has then seen. */
static size_t show(void)
{
    t.out.start = t.out.end = 0;
    t.due = screen_end(t.screen, &t.out, &t.caps, 0);
    size_t n = out_waiting(&t.out);
    if (n > 0)
        vterm_input_write(t.vt, t.out.bytes, n);
    return n;
}

/* Did the last frame's bytes hold this? */
static inline bool sent(const char *text)
{
    return t.out.end > 0 && memmem(t.out.bytes, t.out.end, text, strlen(text));
}

static VTermScreenCell at(int y, int x)
{
    VTermScreenCell c;
    assert_true(vterm_screen_get_cell(t.seen, (VTermPos){y, x}, &c));
    return c;
}

/* The row as UTF-8, without the blanks at its end. */
static inline const char *row(int y)
{
    static char text[2000];
    size_t n = vterm_screen_get_text(t.seen, text, sizeof text - 1,
                                     (VTermRect){y, y + 1, 0, t.cols});
    while (n > 0 && (text[n - 1] == ' ' || text[n - 1] == '\n'))
        n--;
    text[n] = '\0';
    return text;
}

static void check_color(VTermColor c, const uint8_t rgb[3])
{
    assert_true(VTERM_COLOR_IS_RGB(&c));
    assert_int_equal(c.rgb.red, rgb[0]);
    assert_int_equal(c.rgb.green, rgb[1]);
    assert_int_equal(c.rgb.blue, rgb[2]);
}

/* Only positioning, attributes and printing may be sent (and, with `all`, clearing the screen). */
static inline void check_sequences(bool all)
{
    const char *p = t.out.bytes, *end = p + t.out.end;
    for (; p < end; p++) {
        if (*p != '\033') {
            assert_true((unsigned char)*p >= 0x20);
            continue;
        }
        assert_int_equal(*++p, '[');
        for (p++; p < end && strchr("0123456789;?", *p); p++)
            ;
        assert_true(p < end && strchr(all ? "HGmhlJ" : "HGmhl", *p));
    }
}

#endif
