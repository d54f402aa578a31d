/*
 * CLIP's tokenizer: byte-level BPE over normalised text, ids as transformers' CLIPTokenizer gives
 * them.
 */
#ifndef SPRITTY_TOKENIZER_H
#define SPRITTY_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct tokenizer;

/* Reads DIR/vocab.json and DIR/merges.txt; everything in them is checked. NULL and err on failure.
 * Immutable afterwards: any thread may use it. */
struct tokenizer *tokenizer_open(const char *dir, struct err *);
/* The same from memory (for fuzzing, and for tests with OpenAI's merges file). */
struct tokenizer *tokenizer_from_memory(const char *vocab_json, size_t vocab_len,
                                        const char *merges, size_t merges_len, struct err *);
/* One more owner, from any thread; each owner closes it once. */
struct tokenizer *tokenizer_hold(struct tokenizer *);
void tokenizer_close(struct tokenizer *);

int tokenizer_bos(const struct tokenizer *);
int tokenizer_eos(const struct tokenizer *);
int tokenizer_vocab(const struct tokenizer *); /* largest id + 1 */

/* Ids of text (any bytes; broken UTF-8 becomes U+FFFD), without begin and end. *ids is malloc'd,
 * the caller's. Returns the count, or -1 (out of memory, or text over 1 MiB). Time is bounded: n
 * log n in the length of a word. */
int tokenizer_encode(const struct tokenizer *, const char *text, size_t len, int32_t **ids,
                     struct err *);

/* The same as the tools that know no special padding token have it (ComfyUI, A1111): where
 * tokenizer_2 pads with "!", a "!" of the text is one like any other. */
int tokenizer_encode_plain(const struct tokenizer *, const char *text, size_t len, int32_t **ids,
                           struct err *);

/* The text of an id ("slime</w>"), for showing; NULL when there is none. */
const char *tokenizer_text(const struct tokenizer *, int32_t id);

#endif
