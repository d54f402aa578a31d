/*
 * Pictures of characters: half blocks, and writing cells of any symbols with few bytes.
 *
 * A half block is one pixel wide and half a cell high, so a sprite shown with them is seen pixel by
 * pixel. A cell can be written in two ways (upper half in one colour, or lower half in the other):
 * the one that needs fewer colour changes is taken.
 */
#include "term/encoders.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/oklab.h"
#include "term/xterm_colors.h"

enum { UPPER_HALF = 0x2580, LOWER_HALF = 0x2584, SPACE = ' ' };

/* -- colours ------------------------------------------------------------------------------------
 */

/* A palette in Oklab, and what was looked up in it. */
struct lookup {
    struct oklab color[256];
    int first, count;
    struct {
        uint32_t rgb; /* + 1; 0: nothing yet */
        int code;
    } known[1024];
};

/* The first 16 are the user's own in most terminals, so with 256 colours they are left alone. */
static void lookup_init(struct lookup *k, enum color_depth depth)
{
    memset(k, 0, sizeof *k);
    k->first = depth == COLORS_256 ? 16 : 0;
    k->count = depth == COLORS_256 ? 240 : 16;
    for (int i = 0; i < k->count; i++) {
        uint8_t rgb[3];
        xterm_color(k->first + i, rgb);
        k->color[i] = oklab_from_srgb(rgb);
    }
}

/* Of 16 colours one of the same hue, if there is a hue: else most of a sprite would turn grey. */
static float distance_16(struct oklab p, struct oklab q)
{
    static const float grey = 0.04f;
    float cp = sqrtf(p.a * p.a + p.b * p.b), cq = sqrtf(q.a * q.a + q.b * q.b);
    float light = (p.l - q.l) * (p.l - q.l);
    if ((cp < grey) != (cq < grey))
        return 4 + light;
    return cp < grey ? light : light + 0.5f * (1 - (p.a * q.a + p.b * q.b) / (cp * cq));
}

static int nearest(const struct lookup *k, const uint8_t rgb[3])
{
    struct oklab c = oklab_from_srgb(rgb);
    int best = 0;
    float least = 1e9f;
    for (int i = 0; i < k->count; i++) {
        float d = k->first ? oklab_distance2(c, k->color[i]) : distance_16(c, k->color[i]);
        if (d < least)
            best = i, least = d;
    }
    return k->first + best;
}

/* A colour as the terminal has it: what is equal here looks equal there. */
static int32_t color_code(struct lookup *k, const uint8_t c[3], enum color_depth depth)
{
    uint32_t rgb = (uint32_t)c[0] << 16 | (uint32_t)c[1] << 8 | c[2];
    uint32_t slot = (rgb * 2654435769u) >> 22;
    if (depth == COLORS_TRUE)
        return (int32_t)rgb;
    if (k->known[slot].rgb != rgb + 1) {
        k->known[slot].rgb = rgb + 1;
        k->known[slot].code = nearest(k, c);
    }
    return k->known[slot].code;
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
    struct lookup colors;
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
    int32_t fg = color_code(&pen->colors, c->fg, pen->depth);
    int32_t bg = color_code(&pen->colors, c->bg, pen->depth);
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
    struct pen pen = {.fg = -1, .bg = -1, .depth = depth};
    lookup_init(&pen.colors, depth);
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
