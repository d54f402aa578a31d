/*
 * Writes JSON, piece by piece, into memory.
 *
 * Commas and quotes are put by the writer; a NaN or infinity becomes null; strings that are no
 * UTF-8 get U+FFFD for each broken byte. 64-bit numbers stay exact, which is why cJSON (all
 * numbers are doubles there) reads but does not write for us. Running out of memory is remembered:
 * ask once, at the end.
 */
#ifndef SPRITTY_JSONW_H
#define SPRITTY_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct jsonw {
    char *text; /* NUL-terminated, or NULL while there is nothing */
    size_t size, cap;
    bool comma, failed;
};

/* `key` is NULL inside an array and for the outermost value. */
void jsonw_open(struct jsonw *, const char *key, char bracket);        /* '{' or '[' */
void jsonw_close(struct jsonw *, char bracket);                        /* '}' or ']' */
void jsonw_string(struct jsonw *, const char *key, const char *value); /* NULL: null */
void jsonw_bool(struct jsonw *, const char *key, bool value);
void jsonw_u64(struct jsonw *, const char *key, uint64_t value);
/* Up to `digits` places behind the point, without zeros at the end. */
void jsonw_real(struct jsonw *, const char *key, double value, int digits);

/* The text (the caller's, to free), or NULL without memory. The writer is empty afterwards. */
char *jsonw_take(struct jsonw *);

#endif
