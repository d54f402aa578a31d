/*
 * UTF-8 text cut into what stands in one place on the screen: a character with its combining marks.
 *
 * Pure. Text comes from anywhere, so what could move the cursor or turn the writing around never
 * gets through: tabs and line ends are spaces, other control characters and broken UTF-8 are
 * U+FFFD, invisible formatting (direction marks, joiners, variation selectors) is dropped.
 */
#ifndef SPRITTY_GLYPH_H
#define SPRITTY_GLYPH_H

#include <stddef.h>
#include <stdint.h>

enum { GLYPH_CODES = 5 };

struct glyph {
    int32_t code[GLYPH_CODES]; /* the character and its marks; more marks are dropped */
    int codes;                 /* 0: nothing is seen */
    int columns;               /* 0 to 2 */
};

/* Takes the first glyph off; returns its bytes, 0 only for len == 0. */
size_t glyph_next(const char *text, size_t len, struct glyph *);
/* The nearest ASCII character for line drawing, arrows and the like; '?' for the rest. */
char glyph_ascii(int32_t code);

#endif
