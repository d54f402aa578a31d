/* out.h without a terminal: keeps the bytes. */
#ifndef SPRITTY_FAKE_OUT_H
#define SPRITTY_FAKE_OUT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "term/out.h"

void out_init(struct out *o, int fd)
{
    *o = (struct out){.fd = fd};
}

void out_free(struct out *o)
{
    free(o->bytes);
    o->bytes = NULL;
    o->start = o->end = o->cap = 0;
}

void out_put(struct out *o, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    o->bytes = realloc(o->bytes, o->end + len);
    memcpy(o->bytes + o->end, bytes, len);
    o->end += len;
    o->total += len;
}

void out_text(struct out *o, const char *text)
{
    out_put(o, text, strlen(text));
}

void out_printf(struct out *o, const char *fmt, ...)
{
    char text[1000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    out_text(o, text);
}

size_t out_waiting(const struct out *o)
{
    return o->end - o->start;
}

#endif
