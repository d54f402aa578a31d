/*
 * The little of utf8proc that src/sdxl/textnorm.c uses, for ASCII alone: for builds on machines
 * without it (make gpu-test), whose prompts are ours.
 */
#ifndef SPRITTY_BARE_UTF8PROC_H
#define SPRITTY_BARE_UTF8PROC_H

#include <stddef.h>
#include <stdint.h>

typedef int32_t utf8proc_int32_t;
typedef ptrdiff_t utf8proc_ssize_t;
typedef struct {
    int combining_class;
} utf8proc_property_t;
typedef int utf8proc_option_t;

enum { UTF8PROC_COMPOSE = 1, UTF8PROC_STABLE = 2, UTF8PROC_DECOMPOSE = 4 };
enum {
    UTF8PROC_CATEGORY_CN,
    UTF8PROC_CATEGORY_LU,
    UTF8PROC_CATEGORY_LL,
    UTF8PROC_CATEGORY_LT,
    UTF8PROC_CATEGORY_LM,
    UTF8PROC_CATEGORY_LO,
    UTF8PROC_CATEGORY_MN,
    UTF8PROC_CATEGORY_MC,
    UTF8PROC_CATEGORY_ME,
    UTF8PROC_CATEGORY_ND,
    UTF8PROC_CATEGORY_NL,
    UTF8PROC_CATEGORY_NO,
    UTF8PROC_CATEGORY_ZS = 23
};

static inline utf8proc_ssize_t utf8proc_encode_char(int32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    int n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = n; i-- > 1; c >>= 6)
        out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((n == 2 ? 0xc0 : n == 3 ? 0xe0 : 0xf0) | c);
    return n;
}

static inline const utf8proc_property_t *utf8proc_get_property(int32_t c)
{
    static const utf8proc_property_t plain = {0};
    (void)c;
    return &plain;
}

static inline utf8proc_ssize_t
utf8proc_decompose_char(int32_t c, int32_t *out, utf8proc_ssize_t room, int options, int *boundary)
{
    (void)options, (void)boundary;
    if (room > 0)
        out[0] = c;
    return 1;
}

static inline utf8proc_ssize_t utf8proc_normalize_utf32(int32_t *at, utf8proc_ssize_t n,
                                                        int options)
{
    (void)at, (void)options;
    return n;
}

static inline int32_t utf8proc_tolower(int32_t c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

static inline int utf8proc_category(int32_t c)
{
    if (c >= '0' && c <= '9')
        return UTF8PROC_CATEGORY_ND;
    if (c >= 'a' && c <= 'z')
        return UTF8PROC_CATEGORY_LL;
    return c >= 'A' && c <= 'Z' ? UTF8PROC_CATEGORY_LU : UTF8PROC_CATEGORY_CN;
}

#endif
