/* A JSON writer; see jsonw.h. */
#include "base/jsonw.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

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

static void quoted(struct jsonw *w, const char *s)
{
    put(w, "\"", 1);
    for (size_t n; *s; s += n ? n : 1) {
        uint32_t c = 0;
        char code[12];
        n = text_char(s, 4, &c); /* the zero at its end cuts a broken one */
        if (n == 0) {
            put_string(w, "\xef\xbf\xbd");
        } else if (c == '"' || c == '\\') {
            put(w, "\\", 1);
            put(w, s, 1);
        } else if (c == '\n') {
            put(w, "\\n", 2);
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) { /* terminals obey C1 as well */
            snprintf(code, sizeof code, "\\u%04x", (unsigned)c);
            put_string(w, code);
        } else {
            put(w, s, n);
        }
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
