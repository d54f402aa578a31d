/* What is a blank and what a letter to the prompts' parsers: Python's \s and \w. */
#ifndef SPRITTY_PROMPT_WORD_H
#define SPRITTY_PROMPT_WORD_H

#include <stdbool.h>
#include <stddef.h>

/* ---- bytes: ASCII alone, everything beyond it a letter ---- */

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

static inline bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           (c & 0x80);
}

/* ---- characters of UTF-8, of which the text may hold broken ones ---- */

/* Past the blanks at s + at; how much of s is left without those at its end. len: of s, or more
 * than that where it ends with a NUL. */
size_t skip_space(const char *s, size_t at, size_t len);
size_t trim_space(const char *s, size_t len);
/* Whether a letter, number or underscore begins at s + at, or ends there. */
bool word_at(const char *s, size_t at, size_t len);
bool word_before(const char *s, size_t at);

#endif
