/*
 * ESC, ESC [ or ESC P with nothing behind was taken for a key, and then more bytes came: are they
 * the rest of an answer to one of our questions, or of a mouse report?
 */
#ifndef SPRITTY_TORN_H
#define SPRITTY_TORN_H

#include <stddef.h>

enum torn { TORN_NO, TORN_MAYBE, TORN_YES };

/* s: from what followed the ESC on, ended by a NUL. Only what nobody types counts: two or three
 * bytes of their own kind, or a whole report of numbers. MAYBE: too few bytes to tell. */
enum torn torn_look(const char *s, size_t len);

#endif
