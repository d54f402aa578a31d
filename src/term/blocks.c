/*
 * Pictures of characters: half blocks, and writing cells of any symbols with few bytes.
 *
 * A half block is one pixel wide and half a cell high, so a sprite shown with them is seen pixel by
 * pixel. A cell can be written in two ways (upper half in one colour, or lower half in the other):
 * the one that needs fewer colour changes is taken.
 */
#include "term/encoders.h"

#include <stdlib.h>
#include <string.h>

enum { UPPER_HALF = 0x2580, LOWER_HALF = 0x2584, SPACE = ' ' };

/* -- colours ------------------------------------------------------------------------------------
 */

static int distance(const uint8_t a[3], const uint8_t b[3])
{
    int r = a[0] - b[0], g = a[1] - b[1], k = a[2] - b[2];
    return 3 * r * r + 6 * g * g + k * k;
}

static int cube_step(int v)
{
    return v < 48 ? 0 : v < 115 ? 1 : (v - 35) / 40;
}

/* The 256 colours: a 6 x 6 x 6 cube from 16 on, 24 greys from 232 on; the first 16 are anything. */
static int color_256(const uint8_t c[3])
{
    static const uint8_t level[6] = {0, 95, 135, 175, 215, 255};
    int r = cube_step(c[0]), g = cube_step(c[1]), b = cube_step(c[2]);
    int mean = (c[0] + c[1] + c[2]) / 3;
    int grey = mean < 8 ? 0 : mean > 238 ? 23 : (mean - 3) / 10;
    uint8_t gv = (uint8_t)(8 + 10 * grey);
    const uint8_t in_cube[3] = {level[r], level[g], level[b]}, in_greys[3] = {gv, gv, gv};
    if (distance(c, in_greys) < distance(c, in_cube))
        return 232 + grey;
    return 16 + 36 * r + 6 * g + b;
}

/* xterm's 16, which most others come near. */
static int color_16(const uint8_t c[3])
{
    static const uint8_t table[16][3] = {
        {0, 0, 0},       {205, 0, 0},   {0, 205, 0},   {205, 205, 0},
        {0, 0, 238},     {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
        {127, 127, 127}, {255, 0, 0},   {0, 255, 0},   {255, 255, 0},
        {92, 92, 255},   {255, 0, 255}, {0, 255, 255}, {255, 255, 255},
    };
    int best = 0;
    for (int i = 1; i < 16; i++)
        if (distance(c, table[i]) < distance(c, table[best]))
            best = i;
    return best;
}

/* A colour as the terminal has it: what is equal here looks equal there. */
static int32_t color_code(const uint8_t c[3], enum color_depth depth)
{
    if (depth == COLORS_TRUE)
        return c[0] << 16 | c[1] << 8 | c[2];
    return depth == COLORS_256 ? color_256(c) : color_16(c);
}

/* The parameters of SGR for a colour; `base` is 38 for characters and 48 for what is behind. */
static void put_color(struct bytes *out, int32_t code, int base, enum color_depth depth)
{
    if (depth == COLORS_TRUE)
        bytes_printf(out, "%d;2;%d;%d;%d", base, code >> 16, code >> 8 & 255, code & 255);
    else if (depth == COLORS_256)
        bytes_printf(out, "%d;5;%d", base, code);
    else
        bytes_printf(out, "%d", base - 8 + (code < 8 ? code : 60 + code - 8));
}

/* -- cells --------------------------------------------------------------------------------------
 */

static void put_glyph(struct bytes *out, uint32_t c)
{
    char utf8[4];
    size_t n = 0;
    if (c < 0x80) {
        utf8[n++] = (char)c;
    } else if (c < 0x800) {
        utf8[n++] = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            utf8[n++] = (char)(0xe0 | c >> 12);
        } else {
            utf8[n++] = (char)(0xf0 | c >> 18);
            utf8[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        }
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        utf8[n++] = (char)(0x80 | (c & 0x3f));
    bytes_put(out, utf8, n);
}

struct pen {
    int32_t fg, bg; /* as set last; -1: not yet */
    enum color_depth depth;
};

/* Sets what differs; `fg` -1: any will do. */
static void set_colors(struct pen *pen, int32_t fg, int32_t bg, struct bytes *out)
{
    bool new_fg = fg >= 0 && fg != pen->fg, new_bg = bg != pen->bg;
    if (!new_fg && !new_bg)
        return;
    bytes_text(out, "\033[");
    if (new_fg)
        put_color(out, pen->fg = fg, 38, pen->depth);
    if (new_fg && new_bg)
        bytes_text(out, ";");
    if (new_bg)
        put_color(out, pen->bg = bg, 48, pen->depth);
    bytes_text(out, "m");
}

static void put_cell(struct pen *pen, const struct cell *c, struct bytes *out)
{
    int32_t fg = color_code(c->fg, pen->depth), bg = color_code(c->bg, pen->depth);
    uint32_t glyph = c->glyph;
    if (fg == bg)
        glyph = SPACE;
    if (glyph == UPPER_HALF &&
        (fg == pen->bg) + (bg == pen->fg) > (fg == pen->fg) + (bg == pen->bg)) {
        int32_t swap = fg;
        fg = bg;
        bg = swap;
        glyph = LOWER_HALF;
    }
    set_colors(pen, glyph == SPACE ? -1 : fg, bg, out);
    put_glyph(out, glyph);
}

void cells_put(const struct cell *c, int rows, int cols, int y, int x, enum color_depth depth,
               struct bytes *out)
{
    struct pen pen = {-1, -1, depth};
    bytes_text(out, "\033[0m");
    for (int r = 0; r < rows; r++) {
        bytes_printf(out, "\033[%d;%dH", y + r + 1, x + 1);
        for (int k = 0; k < cols; k++)
            put_cell(&pen, c++, out);
    }
}

int blocks_encode(const struct image *flat, int scale, const uint8_t ground[3], int y, int x,
                  enum color_depth depth, struct bytes *out, struct err *e)
{
    int cols = flat->width * scale, h = flat->height * scale, rows = (h + 1) / 2;
    struct cell *cells = calloc((size_t)cols * (size_t)rows, sizeof *cells);
    if (!cells)
        return err_set(e, "cannot draw a picture: out of memory");
    for (int r = 0; r < rows; r++)
        for (int k = 0; k < cols; k++) {
            struct cell *c = &cells[(size_t)r * (size_t)cols + (size_t)k];
            size_t stride = (size_t)flat->width * 4, at = (size_t)(k / scale) * 4;
            const uint8_t *upper = flat->rgba + (size_t)(2 * r / scale) * stride + at;
            const uint8_t *lower = ground;
            if (2 * r + 1 < h)
                lower = flat->rgba + (size_t)((2 * r + 1) / scale) * stride + at;
            c->glyph = UPPER_HALF;
            memcpy(c->fg, upper, 3);
            memcpy(c->bg, lower, 3);
        }
    cells_put(cells, rows, cols, y, x, depth, out);
    free(cells);
    return 0;
}
