/* See word.h. */
#include "prompt/word.h"

#include "base/err.h"

/* Beyond ASCII: punctuation, symbols and emoji, as far as people type them. What stands in none of
 * these is taken for a letter. */
static const struct range {
    uint32_t from, to;
} NO_LETTERS[] = {
    {0x80, 0xa9},     {0xab, 0xb1},       {0xb4, 0xb4},       {0xb6, 0xb8},     {0xbb, 0xbb},
    {0xbf, 0xbf},     {0xd7, 0xd7},       {0xf7, 0xf7},       {0x300, 0x36f},   {0x37e, 0x37e},
    {0x1680, 0x1680}, {0x2000, 0x206f},   {0x20a0, 0x20c0},   {0x2190, 0x2426}, {0x2500, 0x2775},
    {0x2794, 0x2bff}, {0x3000, 0x3004},   {0x3008, 0x3020},   {0x3030, 0x3030}, {0x303d, 0x303f},
    {0x309b, 0x309c}, {0x30a0, 0x30a0},   {0x30fb, 0x30fb},   {0xe000, 0xf8ff}, {0xfe00, 0xfe6f},
    {0xfeff, 0xfeff}, {0xff01, 0xff0f},   {0xff1a, 0xff20},   {0xff3b, 0xff40}, {0xff5b, 0xff65},
    {0xffe0, 0xffff}, {0x1f000, 0x1f0ff}, {0x1f10d, 0x1fbef},
};

static bool is_wide_space(uint32_t c)
{
    return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
           c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

/* The character at s, of which there are `len` bytes; a byte that begins none is one of its own.
 * Returns its length. */
static size_t decode(const char *s, size_t len, uint32_t *c)
{
    size_t n = text_char(s, len, c);
    *c = n ? *c : 0xfffd;
    return n ? n : 1;
}

/* The character that ends at s + at. */
static size_t decode_before(const char *s, size_t at, uint32_t *c)
{
    size_t n = 1;
    while (n < 4 && n < at && ((unsigned char)s[at - n] & 0xc0) == 0x80)
        n++;
    if (decode(s + at - n, n, c) == n)
        return n;
    *c = 0xfffd;
    return 1;
}

static bool is_blank(uint32_t c)
{
    return c < 0x80 ? is_space((char)c) : is_wide_space(c);
}

static bool is_letter(uint32_t c)
{
    if (c < 0x80)
        return is_word((char)c);
    for (size_t i = 0; i < sizeof NO_LETTERS / sizeof *NO_LETTERS; i++)
        if (c >= NO_LETTERS[i].from && c <= NO_LETTERS[i].to)
            return false;
    return true;
}

/* Bytes of the blank that begins at s + at, or that ends there; 0: there is none. */
static size_t space_at(const char *s, size_t at, size_t len)
{
    uint32_t c;
    if (at >= len)
        return 0;
    size_t n = decode(s + at, len - at, &c);
    return is_blank(c) ? n : 0;
}

static size_t space_before(const char *s, size_t at)
{
    uint32_t c;
    if (at == 0)
        return 0;
    size_t n = decode_before(s, at, &c);
    return is_blank(c) ? n : 0;
}

size_t skip_space(const char *s, size_t at, size_t len)
{
    for (size_t n; (n = space_at(s, at, len)) > 0;)
        at += n;
    return at;
}

size_t trim_space(const char *s, size_t len)
{
    for (size_t n; (n = space_before(s, len)) > 0;)
        len -= n;
    return len;
}

bool word_at(const char *s, size_t at, size_t len)
{
    uint32_t c;
    if (at >= len)
        return false;
    decode(s + at, len - at, &c);
    return is_letter(c);
}

bool word_before(const char *s, size_t at)
{
    uint32_t c;
    if (at == 0)
        return false;
    decode_before(s, at, &c);
    return is_letter(c);
}
