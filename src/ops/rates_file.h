/*
 * Rates between runs: a JSON file a key in the user's cache folder.
 *
 * The file is a cache. One that is missing, of another version, for another key, damaged, or with
 * numbers that no machine has is as if it were not there; it is written whole or not at all.
 */
#ifndef SPRITTY_RATES_FILE_H
#define SPRITTY_RATES_FILE_H

#include <stddef.h>

#include "ops/rates.h"

/* What ~/.cache/spritty/rates has for `key`. False: nothing that can be used. */
bool rates_load(const char *key, struct rates *);
/* Keeps them for their key. */
int rates_save(const struct rates *, struct err *);

/* The text of a file, and back; the key in it is whatever it says. */
char *rates_write(const struct rates *); /* the caller's; NULL: no memory */
int rates_parse(const char *text, size_t size, const char *name, struct rates *, struct err *);

#endif
