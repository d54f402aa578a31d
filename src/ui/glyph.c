/* What stands in a cell; see glyph.h. */
#include "ui/glyph.h"

#include <stdbool.h>

#include <utf8proc.h>

enum { REPLACEMENT = 0xfffd };

static size_t decode(const char *text, size_t len, int32_t *code)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)len,
                                          &c);
    if (n <= 0)
        c = REPLACEMENT, n = 1;
    else if (c == '\t' || c == '\n' || c == '\r')
        c = ' ';
    else if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
        c = REPLACEMENT;
    *code = c;
    return (size_t)n;
}

static bool invisible(int32_t c)
{
    if (c < 0xad)
        return false;
    bool selects = (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0xe0100 && c <= 0xe01ef) || c == 0x34f;
    return selects || utf8proc_category(c) == UTF8PROC_CATEGORY_CF;
}

/* Vowels and finals of Hangul syllables that are written in parts: they join what is before. */
static bool joins(int32_t c)
{
    return (c >= 0x1160 && c <= 0x11ff) || (c >= 0xd7b0 && c <= 0xd7fb);
}

static int columns(int32_t c)
{
    if (c >= 0x20 && c < 0x7f)
        return 1;
    return invisible(c) || joins(c) ? 0 : utf8proc_charwidth(c);
}

size_t glyph_next(const char *text, size_t len, struct glyph *g)
{
    size_t at = 0;
    *g = (struct glyph){.codes = 0};
    while (at < len) {
        int32_t c;
        size_t n = decode(text + at, len - at, &c);
        int w = columns(c);
        if (w > 0 && g->codes > 0)
            break;
        at += n;
        if (w > 0) {
            g->code[g->codes++] = c;
            g->columns = w;
        } else if (g->codes > 0 && g->codes < GLYPH_CODES && !invisible(c)) {
            g->code[g->codes++] = c;
        }
    }
    return at;
}

char glyph_ascii(int32_t c)
{
    static const struct {
        int32_t first, last;
        char as;
    } rows[] = {
        {0x20, 0x7e, 0},       {0xa0, 0xa0, ' '},      {0xb7, 0xb7, '.'},     {0xd7, 0xd7, 'x'},
        {0x2010, 0x2015, '-'}, {0x2018, 0x2019, '\''}, {0x201c, 0x201d, '"'}, {0x2022, 0x2022, '*'},
        {0x2026, 0x2026, '~'}, {0x2190, 0x2190, '<'},  {0x2191, 0x2191, '^'}, {0x2192, 0x2192, '>'},
        {0x2193, 0x2193, 'v'}, {0x2500, 0x2501, '-'},  {0x2502, 0x2503, '|'}, {0x250c, 0x254b, '+'},
        {0x256d, 0x2570, '+'}, {0x2574, 0x257f, '-'},  {0x2581, 0x2583, '_'}, {0x2584, 0x2593, '#'},
        {0x25a0, 0x25a0, '#'}, {0x25b2, 0x25b5, '^'},  {0x25b6, 0x25b9, '>'}, {0x25bc, 0x25bf, 'v'},
        {0x25c0, 0x25c3, '<'}, {0x25c6, 0x25c6, '*'},  {0x25cb, 0x25cb, 'o'}, {0x25cf, 0x25cf, '*'},
        {0x2605, 0x2605, '*'}, {0x2606, 0x2606, '.'},  {0x2713, 0x2714, '+'}, {0x2717, 0x2718, 'x'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (c >= rows[i].first && c <= rows[i].last)
            return rows[i].as ? rows[i].as : (char)c;
    return '?';
}
