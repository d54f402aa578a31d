/* UTF-8, one character at a time, with Unicode's classes as regular expressions mean them. */
#ifndef SPRITTY_UTF8_H
#define SPRITTY_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at s (of `left` bytes, at least 1) into *point; its length. A broken byte is a
 * character of its own, U+FFFD. */
size_t utf8_next(const char *s, size_t left, int32_t *point);
bool utf8_is_word(int32_t point); /* \w: letters, numbers, underscore */
/* Bytes of white space at the start of s, and the length of s without that at its end. */
size_t utf8_skip_space(const char *s, size_t length);
size_t utf8_trim_end(const char *s, size_t length);

#endif
