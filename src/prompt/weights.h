/*
 * A prompt as pieces of text with weights, in the rules of the tool that it was written for.
 *
 * A1111 (modules/prompt_parser.py, parse_prompt_attention): (x) times 1.1, [x] divided by 1.1,
 * (x:1.3) times 1.3, all multiplied with what is around them; \( \) \[ \] \\ are the characters;
 * BREAK ends a chunk. A BREAK within brackets is not one there, but the word, with a negative
 * weight; so it is here.
 * ComfyUI (comfy/sd1_clip.py, token_weights): (x) times 1.1, (x:1.3) sets 1.3 whatever is around
 * it; \( \) are the characters; nothing else means anything.
 * Plain (diffusers): all of it is text.
 *
 * Time and memory are linear in the text: brackets nested over 256 deep are refused.
 */
#ifndef SPRITTY_PROMPT_WEIGHTS_H
#define SPRITTY_PROMPT_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum prompt_syntax { PROMPT_COMFYUI, PROMPT_A1111, PROMPT_PLAIN }; /* as enum compat has them */

enum { MAX_PROMPT_NESTING = 256, MAX_PROMPT_BYTES = 1 << 20 };

struct prompt_part {
    size_t at, len; /* of its text in prompt_parts.text */
    double weight;
    bool ends_chunk; /* BREAK: no text */
};

struct prompt_parts {
    char *text; /* without brackets and weights; no NUL between the parts */
    size_t size;
    struct prompt_part *part;
    int count, capacity;
};

/* -1 with err: too long, too deep, a weight that is no finite number, no memory. prompt_parts_free
 * after either. */
int prompt_parse(enum prompt_syntax, const char *text, struct prompt_parts *, struct err *);
void prompt_parts_free(struct prompt_parts *);

/* What the text has that means something in A1111 and is plain text in `syntax`: "BREAK",
 * "[from:to:when]", "AND", "(text:weight)"; NULL when there is none. For telling the user. */
const char *prompt_ignored_syntax(enum prompt_syntax, const char *text);

#endif
