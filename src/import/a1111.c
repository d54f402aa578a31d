/* Cutting the text; see a1111.h. a1111_settings.c has what it means. */
#include "import/a1111.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "import/utf8.h"

struct span {
    const char *at;
    size_t length;
};

static struct span trim(const char *s, size_t n)
{
    size_t skip = utf8_skip_space(s, n);
    return (struct span){s + skip, utf8_trim_end(s + skip, n - skip)};
}

/* ---- "key: value, " ---- */

struct match {
    struct span key, value;
    const char *next; /* where to look for another */
    bool found;
};

static bool in_key(int32_t c)
{
    return utf8_is_word(c) || c == ' ' || c == '-' || c == '/';
}

/* A value that begins with a quote, up to its closing one, when a comma or the end follows; NULL
 * when it is none. */
static const char *quoted_end(const char *s, const char *end)
{
    const char *p = s + 1;
    while (p < end && *p != '"')
        p += *p == '\\' ? 2 : 1;
    if (s >= end || *s != '"' || p >= end || p == s + 1)
        return NULL;
    p++;
    return p == end || *p == ',' ? p : NULL;
}

/* The next setting at or behind s: \s*(\w[\w \-/]+):\s*("(\\.|[^\\"])+"|[^,]*)(,|$) */
static struct match next_pair(const char *s, const char *end)
{
    struct match m = {.found = false};
    while (s < end) {
        int32_t c;
        s += utf8_skip_space(s, (size_t)(end - s));
        const char *key = s, *p = s;
        if (p < end)
            p += utf8_next(p, (size_t)(end - p), &c);
        if (key == end || !utf8_is_word(c)) {
            s = p;
            continue;
        }
        const char *second = p;
        while (p < end) {
            size_t n = utf8_next(p, (size_t)(end - p), &c);
            if (!in_key(c))
                break;
            p += n;
        }
        if (p == second || p == end || *p != ':') {
            s = p > second ? p : second; /* no start within that run can do better */
            continue;
        }
        m.key = (struct span){key, (size_t)(p - key)};
        p++;
        p += utf8_skip_space(p, (size_t)(end - p));
        const char *stop = quoted_end(p, end);
        if (!stop && !(stop = memchr(p, ',', (size_t)(end - p))))
            stop = end;
        m.value = (struct span){p, (size_t)(stop - p)};
        m.next = stop < end ? stop + 1 : end;
        m.found = true;
        return m;
    }
    return m;
}

/* What JSON makes of a quoted value, or the value as it stands. */
static char *unquote(struct span v)
{
    char *text = NULL;
    if (v.length > 1 && v.at[0] == '"' && v.at[v.length - 1] == '"') {
        struct err e;
        struct json_doc *doc = json_parse(v.at, v.length, "value", &e);
        const char *value = doc ? json_as_string(json_root(doc)) : NULL;
        text = value ? strdup(value) : NULL;
        json_free(doc);
    }
    return text ? text : strndup(v.at, v.length);
}

static int add_pair(struct a1111 *a, const struct match *m)
{
    struct a1111_pair *pair = NULL;
    for (int i = 0; i < a->pairs && !pair; i++)
        if (!strncmp(a->pair[i].key, m->key.at, m->key.length) && !a->pair[i].key[m->key.length])
            pair = &a->pair[i];
    if (!pair) {
        pair = &a->pair[a->pairs];
        pair->key = strndup(m->key.at, m->key.length);
        if (!pair->key)
            return -1;
        a->pairs++;
    }
    free(pair->value);
    pair->value = unquote(m->value);
    return pair->value ? 0 : -1;
}

/* How many settings the line has, at most `enough`. */
static int count_pairs(struct span line, int enough)
{
    const char *end = line.at + line.length;
    int n = 0;
    for (struct match m = next_pair(line.at, end); m.found && n < enough;
         m = next_pair(m.next, end))
        n++;
    return n;
}

static int read_pairs(struct a1111 *a, struct span line)
{
    const char *end = line.at + line.length;
    a->pair = calloc(A1111_MAX_PAIRS, sizeof *a->pair);
    if (!a->pair)
        return -1;
    for (struct match m = next_pair(line.at, end); m.found && a->pairs < A1111_MAX_PAIRS;
         m = next_pair(m.next, end))
        if (m.value.length > 0 && add_pair(a, &m)) /* A1111 drops a key without a value */
            return -1;
    return 0;
}

/* ---- lines ---- */

static void append(char *to, size_t *length, struct span line)
{
    if (*length > 0)
        to[(*length)++] = '\n';
    memcpy(to + *length, line.at, line.length);
    *length += line.length;
    to[*length] = '\0';
}

static void read_prompts(struct a1111 *a, const char *s, const char *end)
{
    static const char mark[] = "Negative prompt:";
    enum { MARK = sizeof mark - 1 };
    size_t lengths[2] = {0};
    bool negative = false;
    while (s <= end) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        stop = stop ? stop : end;
        struct span line = trim(s, (size_t)(stop - s));
        if (line.length >= MARK && !memcmp(line.at, mark, MARK)) {
            negative = true;
            line = trim(line.at + MARK, line.length - MARK);
        }
        append(negative ? a->negative : a->prompt, &lengths[negative], line);
        s = stop + 1;
    }
}

int a1111_parse(const char *text, struct a1111 *a, struct err *e)
{
    size_t size = strlen(text);
    memset(a, 0, sizeof *a);
    if (size > A1111_MAX_TEXT)
        return err_set(e, "%zu bytes are too many for A1111's parameters", size);
    struct span all = trim(text, size);
    const char *end = all.at + all.length, *last = end;
    while (last > all.at && last[-1] != '\n')
        last--;
    a->prompt = calloc(1, all.length + 1);
    a->negative = calloc(1, all.length + 1);
    bool settings = count_pairs((struct span){last, (size_t)(end - last)}, 3) == 3;
    if (!a->prompt || !a->negative ||
        (settings && read_pairs(a, (struct span){last, (size_t)(end - last)})))
        return err_set(e, "out of memory");
    if (!settings)
        read_prompts(a, all.at, end);
    else if (last > all.at)
        read_prompts(a, all.at, last - 1);
    return 0;
}

const char *a1111_get(const struct a1111 *a, const char *key)
{
    for (int i = 0; i < a->pairs; i++)
        if (!strcmp(a->pair[i].key, key))
            return a->pair[i].value;
    return NULL;
}

void a1111_free(struct a1111 *a)
{
    for (int i = 0; i < a->pairs; i++) {
        free(a->pair[i].key);
        free(a->pair[i].value);
    }
    free(a->pair);
    free(a->prompt);
    free(a->negative);
    memset(a, 0, sizeof *a);
}
