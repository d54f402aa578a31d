/*
 * Texts, lines and boxes, of glyphs that screen.c puts into cells; see screen.h.
 *
 * No text is wider than it was given room for: what does not fit ends with an ellipsis.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ui/glyph.h"
#include "ui/list.h"
#include "ui/screen.h"
#include "ui/screen_put.h"

int text_columns(const char *text, size_t len)
{
    struct glyph g;
    int columns = 0;
    for (size_t n; (n = glyph_next(text, len, &g)); text += n, len -= n)
        columns += g.columns;
    return columns;
}

const char *that_fits(int w, const char *full, const char *brief)
{
    return text_columns(full, strlen(full)) <= w ? full : brief;
}

/* Does it take more than w columns? Looks no further than needed. */
static bool longer_than(const char *text, size_t len, int w)
{
    struct glyph g;
    for (size_t n; w >= 0 && (n = glyph_next(text, len, &g)); text += n, len -= n)
        w -= g.columns;
    return w < 0;
}

static int draw(struct screen *s, int y, int x, int w, enum role role, int ground, const char *text,
                size_t len)
{
    struct glyph g;
    int at = 0;
    if (w > screen_cols(s) - x)
        w = screen_cols(s) - x;
    if (w <= 0)
        return 0;
    bool cut = longer_than(text, len, w);
    for (size_t n; (n = glyph_next(text, len, &g)); text += n, len -= n) {
        if (at + g.columns > w - cut)
            break;
        if (g.codes)
            screen_put(s, y, x + at, &g, role, ground);
        at += g.columns;
    }
    if (cut)
        screen_put_code(s, y, x + at++, 0x2026, role, ground);
    return at;
}

int draw_textn(struct screen *s, int y, int x, int w, enum role role, const char *text, size_t len)
{
    return draw(s, y, x, w, role, SCREEN_HERE, text, len);
}

int draw_text(struct screen *s, int y, int x, int w, enum role role, const char *text)
{
    return draw(s, y, x, w, role, SCREEN_HERE, text, strlen(text));
}

int draw_on(struct screen *s, int y, int x, int w, enum role fg, enum role bg, const char *text)
{
    return draw(s, y, x, w, fg, (int)bg, text, strlen(text));
}

int draw_printf(struct screen *s, int y, int x, int w, enum role role, const char *fmt, ...)
{
    char text[2048];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return draw_text(s, y, x, w, role, text);
}

int draw_right(struct screen *s, int y, int x, int w, enum role role, const char *text)
{
    size_t len = strlen(text);
    int columns = w <= 0 || longer_than(text, len, w) ? w : text_columns(text, len);
    draw(s, y, x + w - columns, columns, role, SCREEN_HERE, text, len);
    return x + w - columns;
}

void draw_centered(struct screen *s, int y, int x, int w, enum role role, const char *text)
{
    size_t len = strlen(text);
    int left = w <= 0 || longer_than(text, len, w) ? 0 : (w - text_columns(text, len)) / 2;
    draw_text(s, y, x + left, w - left, role, text);
}

void draw_fill(struct screen *s, struct rect r, enum role role)
{
    for (int y = r.y; y < r.y + r.h; y++)
        for (int x = r.x; x < r.x + r.w; x++)
            screen_put_code(s, y, x, ' ', role, (int)role);
}

void draw_hline(struct screen *s, int y, int x, int w, enum role role)
{
    for (int i = 0; i < w; i++)
        screen_put_code(s, y, x + i, 0x2500, role, SCREEN_HERE);
}

void draw_vline(struct screen *s, int y, int x, int h, enum role role)
{
    for (int i = 0; i < h; i++)
        screen_put_code(s, y + i, x, 0x2502, role, SCREEN_HERE);
}

void draw_scroll(struct screen *s, int y, int x, int rows, int top, int count, bool focus)
{
    int from, length;
    list_thumb(top, rows, count, &from, &length);
    for (int i = 0; i < length; i++)
        screen_put_code(s, y + from + i, x, 0x2590, focus ? ROLE_TITLE_FOCUS : ROLE_DIM,
                        SCREEN_HERE);
}

struct rect draw_box(struct screen *s, struct rect r, const char *title, bool focus)
{
    enum role line = focus ? ROLE_BORDER_FOCUS : ROLE_BORDER;
    int bottom = r.y + r.h - 1, right = r.x + r.w - 1;
    if (r.h < 2 || r.w < 2)
        return (struct rect){r.y, r.x, 0, 0};
    draw_hline(s, r.y, r.x + 1, r.w - 2, line);
    draw_hline(s, bottom, r.x + 1, r.w - 2, line);
    draw_vline(s, r.y + 1, r.x, r.h - 2, line);
    draw_vline(s, r.y + 1, right, r.h - 2, line);
    screen_put_code(s, r.y, r.x, 0x256d, line, SCREEN_HERE);
    screen_put_code(s, r.y, right, 0x256e, line, SCREEN_HERE);
    screen_put_code(s, bottom, r.x, 0x2570, line, SCREEN_HERE);
    screen_put_code(s, bottom, right, 0x256f, line, SCREEN_HERE);
    if (title && *title && r.w >= 7) {
        enum role role = focus ? ROLE_TITLE_FOCUS : ROLE_TITLE;
        int n = draw_text(s, r.y, r.x + 3, r.w - 6, role, title);
        screen_put_code(s, r.y, r.x + 2, ' ', line, SCREEN_HERE);
        screen_put_code(s, r.y, r.x + 3 + n, ' ', line, SCREEN_HERE);
    }
    return (struct rect){r.y + 1, r.x + 1, r.h - 2, r.w - 2};
}
