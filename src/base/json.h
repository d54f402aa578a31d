/*
 * JSON from files that somebody else wrote: parsed whole, then read through typed getters.
 *
 * The parser is cJSON; this is its only home. What it lets through is checked here: size, depth,
 * number of values, control characters, trailing text. A getter that fails names the file and the
 * key. A key that is null counts as missing, as diffusers' and transformers' configs mean it.
 *
 * A `struct json` is a value inside a document, passed by value; it lives as long as the document.
 * Reading is const: any thread may do it.
 */
#ifndef SPRITTY_JSON_H
#define SPRITTY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct json_doc;

struct json {
    const struct json_doc *doc;
    const void *node; /* NULL: missing */
};

enum json_kind {
    JSON_MISSING,
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

/* Reads a file of at most max_bytes. NULL and err on failure. */
struct json_doc *json_load(const char *path, size_t max_bytes, struct err *);
/* The same from memory, which is copied. `name` is what errors call it. */
struct json_doc *json_parse(const char *text, size_t len, const char *name, struct err *);
void json_free(struct json_doc *);
const char *json_name(struct json); /* of the document, as errors call it */

struct json json_root(const struct json_doc *);
enum json_kind json_kind(struct json);
bool json_is_set(struct json); /* neither missing nor null */

/* The member of that name (the first one), or missing; also when `object` is no object. */
struct json json_get(struct json object, const char *key);
/* Walking an array or object: for (v = json_first(a); v.node; v = json_next(v)). */
struct json json_first(struct json);
struct json json_next(struct json);
const char *json_key(struct json); /* of a member of an object, else NULL */
int json_count(struct json);       /* of an array or object, else 0; walks it */

/* A value by itself. False when it is of another kind (or not a whole number up to 2^53). */
bool json_as_u64(struct json, uint64_t *);
bool json_as_bool(struct json, bool *);
bool json_as_double(struct json, double *);
const char *json_as_string(struct json); /* NULL when it is none */

/* Members, with err text. Plain: a missing one is an error. _or: the fallback stands in for it. */
int json_int(struct json object, const char *key, int min, int max, int *out, struct err *);
int json_int_or(struct json object, const char *key, int fallback, int min, int max, int *out,
                struct err *);
int json_double(struct json object, const char *key, double min, double max, double *out,
                struct err *);
int json_double_or(struct json object, const char *key, double fallback, double min, double max,
                   double *out, struct err *);
int json_bool_or(struct json object, const char *key, bool fallback, bool *out, struct err *);
int json_string(struct json object, const char *key, const char **out, struct err *);
int json_string_or(struct json object, const char *key, const char *fallback, const char **out,
                   struct err *);
/* A whole number or an array of 1 to `room` of them. Returns how many, -1 on failure. */
int json_ints(struct json object, const char *key, int min, int max, int *out, int room,
              struct err *);

#endif
