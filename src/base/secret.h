/*
 * Passwords in URLs: taken out of every text before it can be stored or shown.
 *
 * "redis://user:password@host/0" becomes "redis://user@host/0", and this process remembers the
 * password under that text. Settings go through here (config.c), so neither the database, a PNG
 * nor an error ever holds one; who connects asks for it. Any thread.
 */
#ifndef SPRITTY_SECRET_H
#define SPRITTY_SECRET_H

#include <stddef.h>

#include "base/err.h"

enum { SECRET_MAX = 512 };

/* `text`, a URL or a list of things between commas, some of them URLs, without their passwords
 * (malloc'd; NULL without memory or with over 16 passwords). */
char *secret_strip(const char *text);
/* The password of a URL that has none any more, as it stood there; "" when none is known. */
void secret_of(const char *url, char out[SECRET_MAX]);
/* Overwrites passwords in a text with "x", in place: for the list of a program's arguments. One
 * with commas in it goes up to the last "@": rather too much than half of it. */
void secret_blot(char *text);

#endif
