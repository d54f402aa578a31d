/*
 * What in a prompt is no plain word: for colouring it while it is typed, and for making a word
 * count more or less. Pure; what the syntax means is src/prompt's, here it is only recognised.
 */
#ifndef SPRITTY_PROMPT_MARKS_H
#define SPRITTY_PROMPT_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum syntax_mark {
    SYNTAX_TEXT,
    SYNTAX_WEIGHT, /* ( ) [ ] and :1.2 before a closing bracket */
    SYNTAX_NAME,   /* <lora:name:0.8>, embedding:name */
    SYNTAX_CHOICE, /* {a|b}, 2$$, __wildcard__ */
    SYNTAX_BREAK,  /* BREAK */
    SYNTAX_BAD,    /* a bracket without its other half */
};

/* One mark a byte of the text. brackets: [x] lowers a weight, and BREAK and AND mean something, as
 * A1111 has it. Linear in the text; brackets within 256 others are left as text. */
void syntax_marks(const char *text, size_t len, bool brackets, uint8_t *marks);

/*
 * The text with the weight of the word at the cursor one step (by: 1 or -1) up or down: 0.1, as
 * A1111's and ComfyUI's editors have it on Ctrl-Up and Ctrl-Down. Within (...) it is that of the
 * brackets; a word gets brackets; a weight of 1 loses them. Within <lora:name:0.8> it is the last
 * number, by 0.05. From 0 to 10. malloc'd, and the cursor where it was in its word; NULL: there is
 * no word, or no memory.
 */
char *syntax_weigh(const char *text, size_t cursor, int by, size_t *new_cursor);

#endif
