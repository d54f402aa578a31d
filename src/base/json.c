/*
 * cJSON behind checks.
 *
 * cJSON builds a node of 64 bytes for every value, recurses for every bracket and cuts strings at
 * \u0000. So one pass over the text, before it is parsed, bounds depth and count and refuses what
 * would be misread; the text is copied first, as the parser wants a zero behind it.
 */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/mapfile.h"

enum { MAX_DEPTH = 64, MAX_VALUES = 4 * 1000 * 1000 };

struct json_doc {
    cJSON *root;
    char *name;
};

/* What is wrong with the text apart from its grammar, or NULL. */
static const char *scan(const char *s, size_t n)
{
    size_t depth = 0, values = 0;
    bool in_string = false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == 0)
            return "holds a zero byte";
        if (in_string) {
            if (c < 0x20)
                return "holds a control character inside a string";
            if (c == '\\') {
                if (n - i > 5 && memcmp(s + i, "\\u0000", 6) == 0)
                    return "holds \\u0000 inside a string";
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > MAX_DEPTH)
                return "is nested too deep (more than 64 levels)";
            values++;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
        } else if (c == ',') {
            values++;
        }
        if (values > MAX_VALUES)
            return "holds more than 4 million values";
    }
    return NULL;
}

static bool only_space(const char *s, const char *end)
{
    while (s < end && (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r'))
        s++;
    return s == end;
}

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

static cJSON *parse_copy(const char *copy, size_t len, const char *name, struct err *e)
{
    const char *why = scan(copy, len), *end = NULL;
    if (why) {
        err_set(e, "%s: the JSON %s; the file is damaged, or another one is meant", name, why);
        return NULL;
    }
    cJSON *root = cJSON_ParseWithLengthOpts(copy, len + 1, &end, 0);
    if (root && only_space(end, copy + len))
        return root;
    if (!end || end < copy || end > copy + len)
        end = copy;
    err_set(e, "%s: broken JSON in line %d; the file is damaged or cut short", name,
            line_of(copy, end));
    cJSON_Delete(root);
    return NULL;
}

struct json_doc *json_parse(const char *text, size_t len, const char *name, struct err *e)
{
    struct json_doc *doc = calloc(1, sizeof *doc);
    char *copy = malloc(len + 1);
    if (doc)
        doc->name = strdup(name);
    if (doc && copy && doc->name) {
        memcpy(copy, text, len);
        copy[len] = '\0';
        doc->root = parse_copy(copy, len, name, e);
    } else {
        err_set(e, "%s: no memory for %zu bytes of JSON", name, len);
    }
    free(copy);
    if (doc && !doc->root) {
        json_free(doc);
        doc = NULL;
    }
    return doc;
}

struct json_doc *json_load(const char *path, size_t max_bytes, struct err *e)
{
    struct mapfile m;
    if (mapfile_open(&m, path, e) != 0)
        return NULL;
    struct json_doc *doc = NULL;
    if (m.size > max_bytes)
        err_set(
            e,
            "%s: %zu bytes is too long for this kind of file (at most %zu); another one is meant",
            path, m.size, max_bytes);
    else
        doc = json_parse((const char *)m.data, m.size, path, e);
    mapfile_close(&m);
    return doc;
}

void json_free(struct json_doc *doc)
{
    if (!doc)
        return;
    cJSON_Delete(doc->root);
    free(doc->name);
    free(doc);
}

const char *json_name(struct json v)
{
    return v.doc->name;
}

struct json json_root(const struct json_doc *doc)
{
    return (struct json){.doc = doc, .node = doc->root};
}

enum json_kind json_kind(struct json v)
{
    const cJSON *n = v.node;
    if (!n)
        return JSON_MISSING;
    if (cJSON_IsBool(n))
        return JSON_BOOL;
    if (cJSON_IsNumber(n))
        return JSON_NUMBER;
    if (cJSON_IsString(n))
        return JSON_STRING;
    if (cJSON_IsArray(n))
        return JSON_ARRAY;
    return cJSON_IsObject(n) ? JSON_OBJECT : JSON_NULL;
}

bool json_is_set(struct json v)
{
    return json_kind(v) > JSON_NULL;
}

struct json json_get(struct json object, const char *key)
{
    const void *node = NULL;
    if (json_kind(object) == JSON_OBJECT)
        node = cJSON_GetObjectItemCaseSensitive(object.node, key);
    return (struct json){.doc = object.doc, .node = node};
}

struct json json_first(struct json v)
{
    bool holds = json_kind(v) == JSON_ARRAY || json_kind(v) == JSON_OBJECT;
    return (struct json){.doc = v.doc, .node = holds ? ((const cJSON *)v.node)->child : NULL};
}

struct json json_next(struct json v)
{
    return (struct json){.doc = v.doc, .node = ((const cJSON *)v.node)->next};
}

const char *json_key(struct json v)
{
    return v.node ? ((const cJSON *)v.node)->string : NULL;
}

int json_count(struct json v)
{
    int n = 0;
    for (struct json i = json_first(v); i.node; i = json_next(i))
        n++;
    return n;
}

bool json_as_u64(struct json v, uint64_t *out)
{
    if (json_kind(v) != JSON_NUMBER)
        return false;
    double d = ((const cJSON *)v.node)->valuedouble;
    if (!(d >= 0 && d <= 9007199254740992.0) || d != floor(d)) /* 2^53: whole numbers are exact */
        return false;
    *out = (uint64_t)d;
    return true;
}

bool json_as_bool(struct json v, bool *out)
{
    if (json_kind(v) != JSON_BOOL)
        return false;
    *out = cJSON_IsTrue((const cJSON *)v.node);
    return true;
}

bool json_as_double(struct json v, double *out)
{
    if (json_kind(v) != JSON_NUMBER || !isfinite(((const cJSON *)v.node)->valuedouble))
        return false;
    *out = ((const cJSON *)v.node)->valuedouble;
    return true;
}

const char *json_as_string(struct json v)
{
    return json_kind(v) == JSON_STRING ? ((const cJSON *)v.node)->valuestring : NULL;
}

/* -- members -- */

static int missing(struct json object, const char *key, struct err *e)
{
    return err_set(e, "%s: \"%s\" is missing", json_name(object), key);
}

static int to_int(struct json v, const char *key, int min, int max, int *out, struct err *e)
{
    double d = json_kind(v) == JSON_NUMBER ? ((const cJSON *)v.node)->valuedouble : NAN;
    if (!(d >= min && d <= max) && min == max)
        return err_set(e, "%s: \"%s\" must be %d", json_name(v), key, min);
    if (!(d >= min && d <= max) || d != floor(d))
        return err_set(e, "%s: \"%s\" must be a whole number from %d to %d", json_name(v), key, min,
                       max);
    *out = (int)d;
    return 0;
}

int json_int(struct json object, const char *key, int min, int max, int *out, struct err *e)
{
    struct json v = json_get(object, key);
    return json_is_set(v) ? to_int(v, key, min, max, out, e) : missing(object, key, e);
}

int json_int_or(struct json object, const char *key, int fallback, int min, int max, int *out,
                struct err *e)
{
    struct json v = json_get(object, key);
    *out = fallback;
    return json_is_set(v) ? to_int(v, key, min, max, out, e) : 0;
}

static int to_double(struct json v, const char *key, double min, double max, double *out,
                     struct err *e)
{
    double d = json_kind(v) == JSON_NUMBER ? ((const cJSON *)v.node)->valuedouble : NAN;
    if (!(d >= min && d <= max))
        return err_set(e, "%s: \"%s\" must be a number from %g to %g", json_name(v), key, min, max);
    *out = d;
    return 0;
}

int json_double(struct json object, const char *key, double min, double max, double *out,
                struct err *e)
{
    struct json v = json_get(object, key);
    return json_is_set(v) ? to_double(v, key, min, max, out, e) : missing(object, key, e);
}

int json_double_or(struct json object, const char *key, double fallback, double min, double max,
                   double *out, struct err *e)
{
    struct json v = json_get(object, key);
    *out = fallback;
    return json_is_set(v) ? to_double(v, key, min, max, out, e) : 0;
}

int json_bool_or(struct json object, const char *key, bool fallback, bool *out, struct err *e)
{
    struct json v = json_get(object, key);
    *out = fallback;
    if (!json_is_set(v))
        return 0;
    if (!json_as_bool(v, out))
        return err_set(e, "%s: \"%s\" must be true or false", json_name(object), key);
    return 0;
}

static int to_string(struct json v, const char *key, const char **out, struct err *e)
{
    *out = json_as_string(v);
    return *out ? 0 : err_set(e, "%s: \"%s\" must be a string", json_name(v), key);
}

int json_string(struct json object, const char *key, const char **out, struct err *e)
{
    struct json v = json_get(object, key);
    return json_is_set(v) ? to_string(v, key, out, e) : missing(object, key, e);
}

int json_string_or(struct json object, const char *key, const char *fallback, const char **out,
                   struct err *e)
{
    struct json v = json_get(object, key);
    *out = fallback;
    return json_is_set(v) ? to_string(v, key, out, e) : 0;
}

int json_ints(struct json object, const char *key, int min, int max, int *out, int room,
              struct err *e)
{
    struct json v = json_get(object, key);
    if (!json_is_set(v))
        return missing(object, key, e);
    if (json_kind(v) != JSON_ARRAY)
        return to_int(v, key, min, max, out, e) == 0 ? 1 : -1;
    int n = 0;
    for (struct json i = json_first(v); i.node; i = json_next(i)) {
        if (n == room)
            return err_set(e, "%s: \"%s\" has more than %d entries", json_name(object), key, room);
        if (to_int(i, key, min, max, &out[n++], e) != 0)
            return -1;
    }
    if (n == 0)
        return err_set(e, "%s: \"%s\" is an empty list", json_name(object), key);
    return n;
}
