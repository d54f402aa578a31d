/*
 * Text as CLIP's tokenizer sees it: decoded, normalised, and every code point put into one of four
 * classes.
 *
 * The reference is the Rust library tokenizers 0.23. Its NFC is that of Unicode 9.0, its classes
 * those of 16.0, its lower case that of 17.0. utf8proc 2.8 has the tables of 15.0, so small tables
 * here take away and add what lies between; the rules in full stand in tests/golden/README.md. With
 * a utf8proc for Unicode 17, the letters that are new there are the one difference left.
 */
#ifndef SPRITTY_TEXTNORM_H
#define SPRITTY_TEXTNORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A growing row of code points. Zero-initialise; points_free when done. */
struct points {
    int32_t *at;
    size_t count, room;
};

enum text_class { TEXT_SPACE, TEXT_LETTER, TEXT_NUMBER, TEXT_OTHER };

void points_free(struct points *);

/* The functions that append return false when memory is out (the row stays valid), else true. */

/* Appends the code points of `text`. Each maximal broken part of a sequence becomes one U+FFFD (as
 * Python's errors="replace" and Rust's from_utf8_lossy do). NUL is a code point like any other. */
bool text_decode(const char *text, size_t len, struct points *out);

/* Replaces `out` by the normal form of `in[0..count)`: NFC, then runs of white space to one U+0020,
 * then lower case code point by code point (no final sigma; U+0130 becomes two). Linear time. */
bool text_normalize(const int32_t *in, size_t count, struct points *out);

/* The regex classes \s, \p{L}, \p{N}, and the rest. */
enum text_class text_class(int32_t code_point);

/* Writes a code point as 1 to 4 bytes of UTF-8; returns how many. It is a valid one (assert). */
int text_encode(int32_t code_point, uint8_t out[4]);

#endif
