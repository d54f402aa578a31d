/*
 * Token counts; see tokens.h.
 *
 * No token reaches over white space, so the text is counted word by word and the sums say where a
 * chunk ends: one pass, however many chunks there are. (test_tokens.c holds the sums against the
 * counts of the whole.)
 */
#include "engine/tokens.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/tokenizer.h"

enum { MAX_COUNTED = 64 << 10, CHUNK_TOKENS = 75 };

struct token_counter {
    atomic_int owners;
    struct tokenizer *tokenizer[2];
};

struct token_counter *token_counter_new(struct tokenizer *first, struct tokenizer *second)
{
    struct token_counter *c = malloc(sizeof *c);
    if (!c)
        return NULL;
    atomic_init(&c->owners, 1);
    c->tokenizer[0] = tokenizer_hold(first);
    c->tokenizer[1] = tokenizer_hold(second);
    return c;
}

struct token_counter *token_counter_hold(struct token_counter *c)
{
    atomic_fetch_add(&c->owners, 1);
    return c;
}

void token_counter_release(struct token_counter *c)
{
    if (!c || atomic_fetch_sub(&c->owners, 1) > 1)
        return;
    for (int i = 0; i < 2; i++)
        tokenizer_close(c->tokenizer[i]);
    free(c);
}

/* 0 without memory: the count is for the eye. */
static int count(const struct tokenizer *t, const char *text, size_t len)
{
    int32_t *ids;
    struct err e;
    int n = tokenizer_encode(t, text, len, &ids, &e);
    free(ids);
    return n > 0 ? n : 0;
}

/* White space of ASCII; the rest of Unicode's is part of a word here, which is as good. */
static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static int chunk_of(int tokens)
{
    return tokens > 0 ? (tokens - 1) / CHUNK_TOKENS : 0;
}

/* Counts word by word and notes those in which a further chunk begins. */
static void find_borders(const struct tokenizer *t, const char *text, size_t len,
                         struct token_counts *out)
{
    int tokens = 0, chunk = 0;
    for (size_t i = 0, n; i < len && out->borders < MAX_BORDERS; i += n) {
        for (n = 0; i + n < len && is_space(text[i + n]) == is_space(text[i]); n++)
            continue;
        if (is_space(text[i]))
            continue;
        tokens += count(t, text + i, n);
        if (chunk_of(tokens) > chunk)
            out->border[out->borders++] = i;
        chunk = chunk_of(tokens);
    }
}

void token_count(const struct token_counter *c, const char *text, size_t len,
                 struct token_counts *out)
{
    if (len > MAX_COUNTED)
        for (len = MAX_COUNTED; len > 0 && (text[len] & 0xc0) == 0x80; len--)
            continue;
    out->borders = 0;
    for (int i = 0; i < 2; i++)
        out->tokens[i] = count(c->tokenizer[i], text, len);
    int most = out->tokens[0] > out->tokens[1] ? out->tokens[0] : out->tokens[1];
    out->chunks = chunk_of(most) + 1;
    if (out->tokens[0] > CHUNK_TOKENS)
        find_borders(c->tokenizer[0], text, len, out);
}
