/*
 * UTF-8 in, normalised code points out; the Unicode tables are utf8proc's.
 *
 * NFC is put together here from utf8proc's parts, because its own decompose orders combining marks
 * by exchange, which takes quadratic time on a hostile run of them; ours counts.
 */
#include "sdxl/textnorm.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

enum { REPLACEMENT = 0xfffd, MAX_DECOMPOSED = 8 };

static bool reserve(struct points *p, size_t extra)
{
    if (extra <= p->room - p->count)
        return true;
    size_t room = p->room ? p->room * 2 : 256;
    while (room - p->count < extra)
        room *= 2;
    int32_t *at = realloc(p->at, room * sizeof *at);
    if (at == NULL)
        return false;
    p->at = at;
    p->room = room;
    return true;
}

static bool points_push(struct points *p, int32_t code_point)
{
    if (!reserve(p, 1))
        return false;
    p->at[p->count++] = code_point;
    return true;
}

void points_free(struct points *p)
{
    free(p->at);
    *p = (struct points){0};
}

/* Decodes one code point, or U+FFFD for the longest start of one that is broken; returns the bytes
 * taken. The ranges of the second byte are those of the Unicode standard's table 3-7. */
static size_t decode_one(const uint8_t *s, size_t left, int32_t *code_point)
{
    uint8_t first = s[0], low = 0x80, high = 0xbf;
    size_t length;
    *code_point = REPLACEMENT;
    if (first < 0x80) {
        *code_point = first;
        return 1;
    } else if (first >= 0xc2 && first < 0xe0) {
        length = 2;
    } else if (first >= 0xe0 && first < 0xf0) {
        length = 3;
        low = first == 0xe0 ? 0xa0 : 0x80;
        high = first == 0xed ? 0x9f : 0xbf;
    } else if (first >= 0xf0 && first < 0xf5) {
        length = 4;
        low = first == 0xf0 ? 0x90 : 0x80;
        high = first == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 1;
    }
    int32_t value = first & (0x7f >> length);
    for (size_t i = 1; i < length; i++) {
        if (i == left || s[i] < low || s[i] > high)
            return i;
        value = value << 6 | (s[i] & 0x3f);
        low = 0x80;
        high = 0xbf;
    }
    *code_point = value;
    return length;
}

bool text_decode(const char *text, size_t len, struct points *out)
{
    const uint8_t *s = (const uint8_t *)text;
    for (size_t i = 0; i < len;) {
        int32_t code_point;
        i += decode_one(s + i, len - i, &code_point);
        if (!points_push(out, code_point))
            return false;
    }
    return true;
}

int text_encode(int32_t code_point, uint8_t out[4])
{
    utf8proc_ssize_t n = utf8proc_encode_char(code_point, out);
    assert(n >= 1 && n <= 4);
    return (int)n;
}

/* --- NFC -------------------------------------------------------------------------------------- */

struct range {
    int32_t first, last;
};

/* The reference's NFC has the tables of Unicode 9.0, so it leaves what came later alone: marks with
 * a combining class, and scripts with compositions. */
static const struct range later_than_9[] = {
    {0x7fd, 0x7fd},     {0x897, 0x89f},     {0x8ca, 0x8d3},     {0x9fe, 0x9fe},
    {0xc3c, 0xc3c},     {0xd3b, 0xd3c},     {0xeba, 0xeba},     {0x1715, 0x1715},
    {0x1abf, 0x1aff},   {0x1df6, 0x1dfa},   {0xa82c, 0xa82c},   {0x105c0, 0x105f3},
    {0x10d24, 0x10d27}, {0x10d69, 0x10d6d}, {0x10eab, 0x10eac}, {0x10efa, 0x10eff},
    {0x10f46, 0x10f50}, {0x10f82, 0x10f85}, {0x11070, 0x11070}, {0x1133b, 0x1133b},
    {0x11380, 0x113e2}, {0x1145e, 0x1145e}, {0x11839, 0x1183a}, {0x11930, 0x11930},
    {0x11938, 0x11938}, {0x1193d, 0x1193e}, {0x11943, 0x11943}, {0x119e0, 0x119e0},
    {0x11a34, 0x11a34}, {0x11a47, 0x11a47}, {0x11a99, 0x11a99}, {0x11d42, 0x11d42},
    {0x11d44, 0x11d45}, {0x11d97, 0x11d97}, {0x11f41, 0x11f42}, {0x16100, 0x16139},
    {0x16d40, 0x16d79}, {0x16ff0, 0x16ff1}, {0x1e08f, 0x1e08f}, {0x1e130, 0x1e136},
    {0x1e2ae, 0x1e2ae}, {0x1e2ec, 0x1e2ef}, {0x1e4ec, 0x1e4ef}, {0x1e5ee, 0x1e5ef},
};

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool is_later(int32_t c)
{
    for (size_t i = 0; i < COUNT(later_than_9) && later_than_9[i].first <= c; i++)
        if (c <= later_than_9[i].last)
            return true;
    return false;
}

static int combining_class(int32_t c)
{
    return is_later(c) ? 0 : utf8proc_get_property(c)->combining_class;
}

/* Stable counting sort of one run of combining marks by their class. scratch holds count points. */
static void sort_marks(int32_t *marks, size_t count, int32_t *scratch)
{
    size_t start[257] = {0};
    for (size_t i = 0; i < count; i++)
        start[combining_class(marks[i]) + 1]++;
    for (int c = 0; c < 256; c++)
        start[c + 1] += start[c];
    for (size_t i = 0; i < count; i++)
        scratch[start[combining_class(marks[i])]++] = marks[i];
    memcpy(marks, scratch, count * sizeof *marks);
}

/* Canonical ordering: every run of marks between two starters. */
static bool order_marks(struct points *p)
{
    int32_t *scratch = NULL;
    for (size_t i = 0; i < p->count;) {
        bool sorted = true;
        size_t begin = i;
        for (int before = 0, class; i < p->count; i++, before = class) {
            class = combining_class(p->at[i]);
            if (class == 0)
                break;
            sorted = sorted && before <= class;
        }
        if (!sorted) {
            if (scratch == NULL)
                scratch = malloc(p->count * sizeof *scratch);
            if (scratch == NULL)
                return false;
            sort_marks(p->at + begin, i - begin, scratch);
        }
        i += i < p->count; /* the starter that ended the run */
    }
    free(scratch);
    return true;
}

static bool decompose(const int32_t *in, size_t count, struct points *out)
{
    for (size_t i = 0; i < count; i++) {
        int boundary = 0;
        if (!reserve(out, MAX_DECOMPOSED))
            return false;
        utf8proc_ssize_t n = 1;
        if (is_later(in[i]))
            out->at[out->count] = in[i];
        else
            n = utf8proc_decompose_char(in[i], out->at + out->count, MAX_DECOMPOSED,
                                        UTF8PROC_DECOMPOSE | UTF8PROC_STABLE, &boundary);
        assert(n >= 1 && n <= MAX_DECOMPOSED);
        out->count += (size_t)n;
    }
    return true;
}

/* Composes in place, between the code points that are left alone. */
static void compose(struct points *p)
{
    size_t kept = 0;
    for (size_t i = 0; i < p->count;) {
        size_t begin = i;
        while (i < p->count && !is_later(p->at[i]))
            i++;
        utf8proc_ssize_t n = 0;
        if (i > begin)
            n = utf8proc_normalize_utf32(p->at + begin, (utf8proc_ssize_t)(i - begin),
                                         UTF8PROC_COMPOSE | UTF8PROC_STABLE);
        assert(n >= 0 && (size_t)n <= i - begin);
        memmove(p->at + kept, p->at + begin, (size_t)n * sizeof *p->at);
        kept += (size_t)n;
        if (i < p->count)
            p->at[kept++] = p->at[i++];
    }
    p->count = kept;
}

static bool normal_form_c(const int32_t *in, size_t count, struct points *out)
{
    bool already = true; /* below U+0300 nothing combines, and every letter is composed */
    for (size_t i = 0; i < count && already; i++)
        already = in[i] < 0x300;
    out->count = 0;
    if (already) {
        if (!reserve(out, count))
            return false;
        if (count > 0)
            memcpy(out->at, in, count * sizeof *in);
        out->count = count;
        return true;
    }
    if (!decompose(in, count, out) || !order_marks(out))
        return false;
    compose(out);
    return true;
}

/* --- lower case and classes ------------------------------------------------------------------- */

/* Capitals of Unicode 16 and 17: first, last, and what to add. */
static const struct {
    int32_t first, last, shift;
} new_capitals[] = {
    {0x1c89, 0x1c89, 1},      {0xa7cb, 0xa7cb, 0x264 - 0xa7cb},
    {0xa7cc, 0xa7cc, 1},      {0xa7ce, 0xa7ce, 1},
    {0xa7d2, 0xa7d2, 1},      {0xa7d4, 0xa7d4, 1},
    {0xa7da, 0xa7da, 1},      {0xa7dc, 0xa7dc, 0x19b - 0xa7dc},
    {0x10d50, 0x10d65, 0x20}, {0x16ea0, 0x16eb8, 27},
};

/* Letters and numbers of Unicode 15.1 and 16.0. */
static const struct {
    int32_t first, last;
    enum text_class class;
} new_classes[] = {
    {0x1c89, 0x1c8a, TEXT_LETTER},   {0xa7cb, 0xa7cd, TEXT_LETTER},
    {0xa7da, 0xa7dc, TEXT_LETTER},   {0x105c0, 0x105f3, TEXT_LETTER},
    {0x10d40, 0x10d49, TEXT_NUMBER}, {0x10d4a, 0x10d65, TEXT_LETTER},
    {0x10d6f, 0x10d85, TEXT_LETTER}, {0x10ec2, 0x10ec4, TEXT_LETTER},
    {0x11380, 0x11389, TEXT_LETTER}, {0x1138b, 0x1138b, TEXT_LETTER},
    {0x1138e, 0x1138e, TEXT_LETTER}, {0x11390, 0x113b5, TEXT_LETTER},
    {0x113b7, 0x113b7, TEXT_LETTER}, {0x113d1, 0x113d1, TEXT_LETTER},
    {0x113d3, 0x113d3, TEXT_LETTER}, {0x116d0, 0x116e3, TEXT_NUMBER},
    {0x11bc0, 0x11be0, TEXT_LETTER}, {0x11bf0, 0x11bf9, TEXT_NUMBER},
    {0x13460, 0x143fa, TEXT_LETTER}, {0x16100, 0x1611d, TEXT_LETTER},
    {0x16130, 0x16139, TEXT_NUMBER}, {0x16d40, 0x16d6c, TEXT_LETTER},
    {0x16d70, 0x16d79, TEXT_NUMBER}, {0x18cff, 0x18cff, TEXT_LETTER},
    {0x1ccf0, 0x1ccf9, TEXT_NUMBER}, {0x1e5d0, 0x1e5ed, TEXT_LETTER},
    {0x1e5f0, 0x1e5f0, TEXT_LETTER}, {0x1e5f1, 0x1e5fa, TEXT_NUMBER},
    {0x2ebf0, 0x2ee5d, TEXT_LETTER},
};

static int32_t to_lower(int32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    int32_t lower = utf8proc_tolower(c);
    for (size_t i = 0; lower == c && i < COUNT(new_capitals); i++)
        if (c >= new_capitals[i].first && c <= new_capitals[i].last)
            return c + new_capitals[i].shift;
    return lower;
}

/* Unicode's White_Space. */
static bool is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || c == 0x20 || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

enum text_class text_class(int32_t c)
{
    if (is_space(c))
        return TEXT_SPACE;
    int category = utf8proc_category(c);
    if (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO)
        return TEXT_LETTER;
    if (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO)
        return TEXT_NUMBER;
    for (size_t i = 0; category == UTF8PROC_CATEGORY_CN && i < COUNT(new_classes); i++)
        if (c >= new_classes[i].first && c <= new_classes[i].last)
            return new_classes[i].class;
    return TEXT_OTHER;
}

bool text_normalize(const int32_t *in, size_t count, struct points *out)
{
    struct points nfc = {0};
    bool ok = normal_form_c(in, count, &nfc);
    out->count = 0;
    for (size_t i = 0; ok && i < nfc.count; i++) {
        int32_t c = nfc.at[i];
        if (c == 0x130) /* the only one that becomes two: i, combining dot above */
            ok = points_push(out, 'i') && points_push(out, 0x307);
        else if (!is_space(c))
            ok = points_push(out, to_lower(c));
        else if (out->count == 0 || out->at[out->count - 1] != ' ')
            ok = points_push(out, ' ');
    }
    points_free(&nfc);
    return ok;
}
