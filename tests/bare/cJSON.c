/* See cjson/cJSON.h. json.c has bounded depth and count before it parses. */
#include <cjson/cJSON.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct text {
    const char *at, *end;
};

static void space(struct text *t)
{
    while (t->at < t->end && *t->at && strchr(" \t\r\n", *t->at))
        t->at++;
}

static bool take(struct text *t, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(t->end - t->at) < n || memcmp(t->at, word, n) != 0)
        return false;
    t->at += n;
    return true;
}

static bool hex(struct text *t, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, t->at++) {
        char c = t->at < t->end ? *t->at : 0;
        int digit = c >= '0' && c <= '9'                 ? c - '0'
                    : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 87
                                                         : -1;
        if (digit < 0)
            return false;
        *out = *out * 16 + (uint32_t)digit;
    }
    return true;
}

static size_t put(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)((n == 2 ? 0xc0u : n == 3 ? 0xe0u : 0xf0u) | c);
    return n;
}

/* Behind the backslash. */
static bool escape(struct text *t, char *to, size_t *n)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    char c = *t->at++;
    const char *at = c ? strchr(from, c) : NULL;
    uint32_t high, low;
    if (at) {
        to[(*n)++] = into[at - from];
        return true;
    }
    if (c != 'u' || !hex(t, &high))
        return false;
    if (high >= 0xd800 && high < 0xdc00) {
        if (!take(t, "\\u") || !hex(t, &low) || low < 0xdc00 || low > 0xdfff)
            return false;
        high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    *n += put(to + *n, high);
    return true;
}

/* Behind the quote; malloc'd. */
static char *string(struct text *t)
{
    const char *close = t->at;
    while (close < t->end && *close != '"')
        close += *close == '\\' ? 2 : 1;
    if (close >= t->end)
        return NULL;
    char *to = malloc((size_t)(close - t->at) + 1);
    size_t n = 0;
    while (to && t->at < close)
        if (*t->at != '\\')
            to[n++] = *t->at++;
        else if (t->at++, !escape(t, to, &n)) {
            free(to);
            return NULL;
        }
    if (to)
        to[n] = '\0';
    t->at = close + 1;
    return to;
}

static cJSON *value(struct text *t);

static bool members(struct text *t, cJSON *node, char close)
{
    cJSON **last = &node->child;
    space(t);
    if (take(t, (char[]){close, 0}))
        return true;
    do {
        char *name = NULL;
        space(t);
        if (node->type == BARE_OBJECT) {
            if (!take(t, "\"") || !(name = string(t)))
                return false;
            space(t);
            if (!take(t, ":")) {
                free(name);
                return false;
            }
        }
        *last = value(t);
        if (!*last) {
            free(name);
            return false;
        }
        (*last)->string = name;
        last = &(*last)->next;
        space(t);
    } while (take(t, ","));
    return take(t, (char[]){close, 0});
}

static bool fill(struct text *t, cJSON *node)
{
    char *end;
    if (take(t, "{")) {
        node->type = BARE_OBJECT;
        return members(t, node, '}');
    }
    if (take(t, "[")) {
        node->type = BARE_ARRAY;
        return members(t, node, ']');
    }
    if (take(t, "\"")) {
        node->type = BARE_STRING;
        return (node->valuestring = string(t)) != NULL;
    }
    static const char *const words[] = {"false", "true", "null"};
    for (int i = 0; i < 3; i++)
        if (take(t, words[i])) {
            node->type = i;
            return true;
        }
    if (t->at >= t->end || !(*t->at == '-' || (*t->at >= '0' && *t->at <= '9')))
        return false;
    node->type = BARE_NUMBER;
    node->valuedouble = strtod(t->at, &end); /* the text ends with a zero */
    bool number = end > t->at;
    t->at = end;
    return number;
}

static cJSON *value(struct text *t)
{
    cJSON *node = calloc(1, sizeof *node);
    space(t);
    if (node && fill(t, node))
        return node;
    cJSON_Delete(node);
    return NULL;
}

cJSON *cJSON_ParseWithLengthOpts(const char *text, size_t len, const char **end, int terminated)
{
    struct text t = {text, text + len - 1};
    (void)terminated;
    cJSON *root = value(&t);
    *end = t.at;
    return root;
}

void cJSON_Delete(cJSON *n)
{
    while (n) {
        cJSON *next = n->next;
        cJSON_Delete(n->child);
        free(n->valuestring);
        free(n->string);
        free(n);
        n = next;
    }
}

const cJSON *cJSON_GetObjectItemCaseSensitive(const cJSON *n, const char *name)
{
    for (n = n->child; n; n = n->next)
        if (n->string && strcmp(n->string, name) == 0)
            return n;
    return NULL;
}
