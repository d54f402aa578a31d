/* Error texts: formatted once, made safe to print, passed up by the caller's struct. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <utf8proc.h>

void text_sanitize(char *s)
{
    unsigned char *p = (unsigned char *)s;
    size_t left = strlen(s);
    while (left > 0) {
        utf8proc_int32_t cp;
        utf8proc_ssize_t n = utf8proc_iterate(p, (utf8proc_ssize_t)left, &cp);
        if (n <= 0)
            n = 1, cp = 0;
        if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            memset(p, '?', (size_t)n);
        p += n;
        left -= (size_t)n;
    }
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
    int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
    trim_partial(e->text, sizeof e->text, n < 0 ? 0 : (size_t)n);
    text_sanitize(e->text);
}

int err_set(struct err *e, const char *fmt, ...)
{
    if (e) {
        va_list ap;
        va_start(ap, fmt);
        format_into(e, fmt, ap);
        va_end(ap);
    }
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
    }
    return -1;
}
