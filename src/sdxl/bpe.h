/*
 * Byte-pair encoding over a fixed vocabulary: CLIP's kind, with "</w>" at the end of a word.
 *
 * Works on ids alone: a word's bytes become the ids of the byte symbols, and a pair of ids maps to
 * its rank and the id of their union. The lowest rank is taken first, the leftmost among equals,
 * from a heap, so a word of n bytes takes n log n.
 */
#ifndef SPRITTY_BPE_H
#define SPRITTY_BPE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct bpe;

/* A growing row of ids. Zero-initialise; free(at) when done. */
struct ids {
    int32_t *at;
    size_t count, room;
};

/* What one caller needs while encoding; reused from word to word. Zero-initialise, then
 * bpe_scratch_free. */
struct bpe_scratch {
    struct symbol *symbols;
    struct merge *heap;
    size_t room;
};

/* vocab_json: an object from token text to id, every id its own, from 0 up. merges: lines "a b",
 * best first, after an optional line "#version". All 256 bytes and their "</w>" forms must have
 * ids, and both parts and the union of a merge. Files are called vocab.json and merges.txt in err.
 * NULL on failure. Immutable afterwards. */
struct bpe *bpe_new(const char *vocab_json, size_t vocab_len, const char *merges, size_t merges_len,
                    struct err *);
void bpe_free(struct bpe *);

int bpe_vocab(const struct bpe *);                    /* largest id + 1 */
const char *bpe_text(const struct bpe *, int32_t id); /* NULL when there is none */
int32_t bpe_id(const struct bpe *, const char *text); /* -1 when there is none */

/* Appends the ids of one word of count >= 1 bytes. 0, or -1 without memory (err says so). */
int bpe_encode(const struct bpe *, const uint8_t *word, size_t count, struct bpe_scratch *,
               struct ids *out, struct err *);
int ids_push(struct ids *, int32_t id, struct err *);
void bpe_scratch_free(struct bpe_scratch *);

#endif
