/* Error texts: formatted once, made safe to print, passed up by the caller's struct. */
#include "base/err.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

size_t text_char(const char *s, size_t left, uint32_t *cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)s;
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (n == 1) {
        *cp = p[0];
        return 1;
    }
    if (p[0] < 0xc0 || p[0] > 0xf4 || n > left)
        return 0;
    *cp = p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3fu);
    }
    bool valid = *cp >= least[n] && *cp <= 0x10ffff && (*cp < 0xd800 || *cp > 0xdfff);
    return valid ? n : 0;
}

static bool is_control(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0);
}

/* What turns the order of the text around it: a name with one can pass for another. */
static bool turns(uint32_t cp)
{
    return cp == 0x200e || cp == 0x200f || cp == 0x061c || (cp >= 0x202a && cp <= 0x202e) ||
           (cp >= 0x2066 && cp <= 0x2069);
}

void text_sanitize(char *s)
{
    size_t left = strlen(s);
    while (left > 0) {
        uint32_t cp = 0;
        size_t n = text_char(s, left, &cp);
        if (n == 0)
            n = 1, cp = 0;
        if (is_control(cp) || turns(cp))
            memset(s, '?', n);
        s += n;
        left -= n;
    }
}

const char *text_shown(const char *s, char *out, size_t size)
{
    snprintf(out, size, "%s", s);
    text_sanitize(out);
    return out;
}

bool text_is_plain(const char *s, const char *but)
{
    size_t left = strlen(s);
    while (left > 0) {
        uint32_t cp = 0;
        size_t n = text_char(s, left, &cp);
        if (n == 0 || (is_control(cp) && !(cp < 0x20 && strchr(but, (int)cp))))
            return false;
        s += n;
        left -= n;
    }
    return true;
}

/* Drops a character that was cut in the middle at the end of the buffer. */
static void trim_partial(char *s, size_t cap, size_t wanted)
{
    if (wanted < cap)
        return;
    size_t n = strlen(s), back = 0;
    while (back < n && back < 3 && ((unsigned char)s[n - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back < n && ((unsigned char)s[n - 1 - back] & 0xc0) == 0xc0)
        s[n - 1 - back] = '\0';
}

static void format_into(struct err *e, const char *fmt, va_list ap)
{
    size_t room = sizeof e->text - 1;
    int n = vsnprintf(e->text, room, fmt, ap);
    trim_partial(e->text, room, n < 0 ? 0 : (size_t)n);
    text_sanitize(e->text);
}

int err_set(struct err *e, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        format_into(e, fmt, ap);
        va_end(ap);
        err_blame(e, ERR_PLAIN);
    }
    return -1;
}

int err_blame(struct err *e, enum err_kind kind)
{
    if (e)
        e->text[sizeof e->text - 1] = (char)kind;
    return -1;
}

int err_pass(struct err *e, const struct err *from)
{
    if (e)
        *e = *from;
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    if (e) {
        struct err old = *e, prefix;
        va_list ap;
        va_start(ap, fmt);
        format_into(&prefix, fmt, ap);
        va_end(ap);
        err_set(e, "%.200s: %.300s", prefix.text, old.text);
        err_blame(e, err_kind(&old));
    }
    return -1;
}
