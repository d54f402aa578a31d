/*
 * How many tokens a prompt has, for each text encoder, and where its 75-token chunks end.
 *
 * Immutable once made, so the terminal's thread can count at every key while the engine samples.
 */
#ifndef SPRITTY_TOKENS_H
#define SPRITTY_TOKENS_H

#include <stddef.h>

struct token_counter;

enum { MAX_BORDERS = 64 };

struct token_counts {
    int tokens[2];              /* by encoder, without begin and end */
    int chunks;                 /* of the longer one, at least 1 */
    int borders;                /* how many of `border` are filled */
    size_t border[MAX_BORDERS]; /* byte offsets into the text: here a word begins that lies, wholly
                                 * or in part, in the next chunk of the first encoder (A1111 may
                                 * then move a few words before it there, back to a comma) */
};

/* What a prompt's text means depends on. */
struct token_rules {
    const char *compat; /* the tool's name; NULL: comfyui */
    int steps;          /* 0: 20 */
    int hires_steps;    /* of a second pass; 0: there is none */
};

/* As the tool reads it: without <...>, brackets and weights, in its chunks; of a prompt that
 * changes, the text with most tokens in either pass; of choices, one. Embeddings and wildcard files
 * are not looked for. Text is UTF-8 without preset words. Over 64 KiB of text: counts of the first
 * 64 KiB. */
void token_count(const struct token_counter *, const struct token_rules *, const char *text,
                 size_t len, struct token_counts *);

/* Counted references, from any thread. release(NULL) is nothing. */
struct token_counter *token_counter_hold(struct token_counter *);
void token_counter_release(struct token_counter *);

/* The engine's: over a model's tokenizers, which it holds. NULL without memory. */
struct tokenizer;
struct token_counter *token_counter_new(struct tokenizer *first, struct tokenizer *second);

#endif
