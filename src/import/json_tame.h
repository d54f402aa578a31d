/*
 * JSON as Python writes it, for base/json.h: NaN and infinities become null, and whole numbers of
 * 16 digits and more, which a double would round (seeds have up to 20), become strings.
 */
#ifndef SPRITTY_JSON_TAME_H
#define SPRITTY_JSON_TAME_H

#include "base/json.h"

/* As json_parse. */
struct json_doc *json_parse_tame(const char *text, size_t size, const char *name, struct err *);

/* A value as text: a string as it is, a number as doubles hold it, "yes" or "no"; NULL for anything
 * else. `room` holds what is no string. */
const char *json_text(struct json value, char room[40]);

#endif
