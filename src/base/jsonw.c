/* A JSON writer; see jsonw.h. */
#include "base/jsonw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct jsonw *w, const char *s, size_t n)
{
    if (w->failed)
        return;
    if (w->cap - w->size <= n) {
        size_t cap = w->cap ? w->cap : 256;
        while (cap - w->size <= n)
            cap *= 2;
        char *grown = realloc(w->text, cap);
        if (!grown) {
            w->failed = true;
            return;
        }
        w->text = grown;
        w->cap = cap;
    }
    memcpy(w->text + w->size, s, n);
    w->size += n;
    w->text[w->size] = '\0';
}

static void put_string(struct jsonw *w, const char *s)
{
    put(w, s, strlen(s));
}

/* Length of the well-formed UTF-8 character at p (Unicode 15, table 3-7), or 0. */
static size_t utf8_length(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static void quoted(struct jsonw *w, const char *s)
{
    put(w, "\"", 1);
    for (const unsigned char *p = (const unsigned char *)s; *p;) {
        size_t n = utf8_length(p);
        char code[8];
        if (*p == '"' || *p == '\\') {
            put(w, "\\", 1);
            put(w, (const char *)p, 1);
        } else if (*p == '\n') {
            put(w, "\\n", 2);
        } else if (*p < 0x20 || *p == 0x7f) {
            snprintf(code, sizeof code, "\\u%04x", *p);
            put_string(w, code);
        } else if (n == 2 && p[0] == 0xc2 && p[1] < 0xa0) { /* C1: terminals obey these as well */
            snprintf(code, sizeof code, "\\u%04x", p[1]);
            put_string(w, code);
        } else if (n == 0) {
            put_string(w, "\xef\xbf\xbd");
        } else {
            put(w, (const char *)p, n);
        }
        p += n ? n : 1;
    }
    put(w, "\"", 1);
}

static void begin(struct jsonw *w, const char *key)
{
    if (w->comma)
        put_string(w, ", ");
    w->comma = true;
    if (key) {
        quoted(w, key);
        put_string(w, ": ");
    }
}

void jsonw_open(struct jsonw *w, const char *key, char bracket)
{
    begin(w, key);
    put(w, &bracket, 1);
    w->comma = false;
}

void jsonw_close(struct jsonw *w, char bracket)
{
    put(w, &bracket, 1);
    w->comma = true;
}

void jsonw_string(struct jsonw *w, const char *key, const char *value)
{
    begin(w, key);
    if (value)
        quoted(w, value);
    else
        put_string(w, "null");
}

void jsonw_bool(struct jsonw *w, const char *key, bool value)
{
    begin(w, key);
    put_string(w, value ? "true" : "false");
}

void jsonw_u64(struct jsonw *w, const char *key, uint64_t value)
{
    char s[24];
    begin(w, key);
    snprintf(s, sizeof s, "%" PRIu64, value);
    put_string(w, s);
}

void jsonw_real(struct jsonw *w, const char *key, double value, int digits)
{
    char s[400]; /* DBL_MAX has 309 digits before the point */
    begin(w, key);
    if (!isfinite(value)) {
        put_string(w, "null");
        return;
    }
    int n = snprintf(s, sizeof s, "%.*f", digits, value);
    if (strchr(s, '.')) {
        while (s[n - 1] == '0')
            n--;
        if (s[n - 1] == '.')
            n--;
    }
    if (n == 2 && !memcmp(s, "-0", 2))
        memmove(s, s + 1, (size_t)n--);
    put(w, s, (size_t)n);
}

char *jsonw_take(struct jsonw *w)
{
    char *text = w->text;
    if (w->failed) {
        free(text);
        text = NULL;
    }
    memset(w, 0, sizeof *w);
    return text;
}
