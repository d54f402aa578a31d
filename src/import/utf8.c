/* See utf8.h. */
#include "import/utf8.h"

#include <utf8proc.h>

size_t utf8_next(const char *s, size_t left, int32_t *point)
{
    utf8proc_int32_t cp;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)left, &cp);
    *point = n > 0 ? cp : 0xfffd;
    return n > 0 ? (size_t)n : 1;
}

bool utf8_is_word(int32_t c)
{
    if (c < 0x80)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_';
    utf8proc_category_t k = utf8proc_category(c);
    return (k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO) ||
           (k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO);
}

/* \s */
static bool utf8_is_space(int32_t c)
{
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

size_t utf8_skip_space(const char *s, size_t length)
{
    size_t i = 0;
    int32_t c;
    while (i < length) {
        size_t n = utf8_next(s + i, length - i, &c);
        if (!utf8_is_space(c))
            break;
        i += n;
    }
    return i;
}

size_t utf8_trim_end(const char *s, size_t length)
{
    while (length > 0) {
        size_t start = length - 1;
        int32_t c;
        while (start > 0 && length - start < 4 && ((unsigned char)s[start] & 0xc0) == 0x80)
            start--;
        if (start + utf8_next(s + start, length - start, &c) != length || !utf8_is_space(c))
            break;
        length = start;
    }
    return length;
}
