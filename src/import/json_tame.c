/* See json_tame.h. */
#include "import/json_tame.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies one token, tamed; returns how long it was. */
static size_t tame_token(const char *s, size_t n, char **to)
{
    static const char *const odd[] = {"NaN", "-Infinity", "Infinity"};
    for (int i = 0; i < 3; i++) {
        size_t k = strlen(odd[i]);
        if (n >= k && !memcmp(s, odd[i], k)) {
            memcpy(*to, "null", 4);
            *to += 4;
            return k;
        }
    }
    size_t digits = 0;
    while (digits < n && s[digits] >= '0' && s[digits] <= '9')
        digits++;
    bool whole = digits >= 16 && (digits == n || !strchr(".eE", s[digits]));
    size_t take = digits ? digits : 1;
    if (whole)
        *(*to)++ = '"';
    memcpy(*to, s, take);
    *to += take;
    if (whole)
        *(*to)++ = '"';
    return take;
}

static char *tame(const char *s, size_t n, size_t *size)
{
    char *out = malloc(2 * n + 16), *to = out;
    bool in_string = false, number = false;
    for (size_t i = 0; out && i < n;) {
        char c = s[i];
        if (in_string || number || c == '"') {
            *to++ = c;
            i++;
            if (in_string && c == '\\' && i < n)
                *to++ = s[i++];
            else if (c == '"')
                in_string = !in_string;
            number = number && strchr("0123456789.eE+-", c) != NULL && c != '\0';
        } else {
            size_t took = tame_token(s + i, n - i, &to);
            i += took;
            number = took == 1 && (c == '.' || c == '-'); /* fractions stay as they are */
        }
    }
    if (out)
        *size = (size_t)(to - out);
    return out;
}

const char *json_text(struct json v, char room[40])
{
    uint64_t whole;
    double x;
    bool yes;
    if (json_as_string(v))
        return json_as_string(v);
    if (json_as_u64(v, &whole))
        snprintf(room, 40, "%llu", (unsigned long long)whole);
    else if (json_as_double(v, &x))
        snprintf(room, 40, "%.10g", x);
    else if (json_as_bool(v, &yes))
        snprintf(room, 40, "%s", yes ? "yes" : "no");
    else
        return NULL;
    return room;
}

struct json_doc *json_parse_tame(const char *text, size_t size, const char *name, struct err *e)
{
    size_t n = 0;
    char *tamed = tame(text, size, &n);
    struct json_doc *doc = NULL;
    if (tamed)
        doc = json_parse(tamed, n, name, e);
    else
        err_set(e, "out of memory");
    free(tamed);
    return doc;
}
