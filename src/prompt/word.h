/* What is a blank and what a letter to the prompts' parsers: Python's \s and \w within ASCII, with
 * everything beyond it taken for letters. */
#ifndef SPRITTY_PROMPT_WORD_H
#define SPRITTY_PROMPT_WORD_H

#include <stdbool.h>

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

#endif
