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

#include "prompt/dynamic.h"
#include "prompt/schedule.h"
#include "prompt/tags.h"
#include "sdxl/chunks.h"

enum { USUAL_STEPS = 20, MOST_STEPS = 1000, MAX_COUNTED = 64 << 10, MAX_SEARCHED = 4 << 10 };

struct token_sum {
    int tokens, chunks;
};

/* The rules, looked at. */
struct reading {
    enum compat compat;
    int steps, hires_steps;
};

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
    int n = tokenizer_encode_plain(t, text, len, &ids, &e);
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

/* ---- prompts with syntax ---- */

/* What one encoder is sent for a text: tokens and chunks, or 0 chunks when it is refused. */
static struct token_sum sum_text(const struct token_counter *c, enum compat compat, int encoder,
                                 const char *text)
{
    const struct tokenizer *t = c->tokenizer[encoder];
    struct clip_config clip = {.bos = tokenizer_bos(t), .eos = tokenizer_eos(t)};
    struct chunk_rules rules = {
        .compat = compat, .tokenizer = t, .clip = &clip, .encoder = encoder};
    struct text_chunks out;
    struct token_sum sum = {0};
    if (text_chunks(&rules, text, &out, NULL) == 0)
        sum = (struct token_sum){out.tokens, out.chunks};
    text_chunks_free(&out);
    return sum;
}

static int sum_schedule(const struct token_counter *c, int encoder, const char *text, int steps,
                        int before, struct token_sum *most)
{
    struct prompt_schedule s;
    int rc = prompt_schedule_second(text, steps, before, &s, NULL);
    for (int k = 0; k < s.texts && rc == 0; k++) {
        struct token_sum sum = sum_text(c, COMPAT_A1111, encoder, s.text[k]);
        if (sum.chunks > most->chunks || (sum.chunks == most->chunks && sum.tokens > most->tokens))
            *most = sum;
    }
    prompt_schedule_free(&s);
    return rc;
}

/* The largest of the texts that an A1111 prompt becomes. */
static struct token_sum sum_a1111(const struct token_counter *c, const struct reading *how,
                                  int encoder, const char *text)
{
    struct prompt_clauses clauses;
    struct token_sum most = {0};
    int rc = prompt_clauses(text, &clauses, NULL);
    for (int i = 0; i < clauses.count && rc == 0; i++) {
        rc = sum_schedule(c, encoder, clauses.text[i], how->steps, 0, &most);
        if (rc == 0 && how->hires_steps > 0)
            rc = sum_schedule(c, encoder, clauses.text[i], how->hires_steps, how->steps, &most);
    }
    prompt_clauses_free(&clauses);
    return most;
}

static struct token_sum sum_prompt(const struct token_counter *c, const struct reading *how,
                                   int encoder, const char *prompt)
{
    enum compat compat = how->compat;
    struct prompt_tags tags;
    struct token_sum sum = {0};
    char *expanded = NULL;
    if (prompt_tags_cut(prompt, compat == COMPAT_A1111, &tags, NULL) == 0) {
        if (prompt_is_dynamic(tags.text))
            expanded = prompt_expand(tags.text, NULL, 0, NULL, NULL);
        const char *text = expanded ? expanded : tags.text;
        sum = compat == COMPAT_A1111 ? sum_a1111(c, how, encoder, text)
                                     : sum_text(c, compat, encoder, text);
    }
    free(expanded);
    prompt_tags_free(&tags);
    return sum;
}

/* The first word with which the prompt up to it has more than `chunks` chunks: a search by halves.
 */
static size_t find_border(const struct token_counter *c, const struct reading *how, char *text,
                          size_t len, size_t low, int chunks)
{
    size_t high = len;
    while (low < high) {
        size_t at = low + (high - low) / 2, end = at;
        while (end < len && !is_space(text[end]))
            end++;
        char kept = text[end];
        text[end] = '\0';
        bool over = sum_prompt(c, how, 0, text).chunks > chunks;
        text[end] = kept;
        if (over)
            high = at;
        else
            low = end + 1;
    }
    while (low > 0 && low < len && !is_space(text[low - 1]))
        low--;
    return low < len ? low : len;
}

static void find_syntax_borders(const struct token_counter *c, const struct reading *how,
                                char *text, size_t len, int chunks, struct token_counts *out)
{
    size_t from = 0;
    for (int i = 1; i < chunks && out->borders < MAX_BORDERS; i++) {
        size_t at = find_border(c, how, text, len, from, i);
        if (at < len && (out->borders == 0 || at > out->border[out->borders - 1]))
            out->border[out->borders++] = at;
        from = at;
    }
}

/* Nothing in it means anything, so chunks are simply 75 tokens each. */
static bool is_plain(enum compat compat, const char *text)
{
    return compat != COMPAT_DIFFUSERS && !strpbrk(text, "()[]\\<{") && !strstr(text, "BREAK") &&
           !strstr(text, "__") && !strstr(text, "embedding:") &&
           (compat == COMPAT_COMFYUI || !strpbrk(text, ",:")) && !strstr(text, "AND");
}

static void count_syntax(const struct token_counter *c, const struct reading *how, char *text,
                         size_t len, struct token_counts *out)
{
    struct token_sum sum[2];
    for (int i = 0; i < 2; i++) {
        sum[i] = sum_prompt(c, how, i, text);
        if (sum[i].chunks == 0) /* refused: as if it were plain */
            sum[i].tokens = count(c->tokenizer[i], text, len);
        if (sum[i].chunks == 0)
            sum[i].chunks = chunk_of(sum[i].tokens) + 1;
        out->tokens[i] = sum[i].tokens;
    }
    out->chunks = sum[0].chunks > sum[1].chunks ? sum[0].chunks : sum[1].chunks;
    if (sum[0].chunks > 1 && len <= MAX_SEARCHED)
        find_syntax_borders(c, how, text, len, sum[0].chunks, out);
}

static void count_plain(const struct token_counter *c, const char *text, size_t len,
                        struct token_counts *out)
{
    for (int i = 0; i < 2; i++)
        out->tokens[i] = count(c->tokenizer[i], text, len);
    int most = out->tokens[0] > out->tokens[1] ? out->tokens[0] : out->tokens[1];
    out->chunks = chunk_of(most) + 1;
    if (out->tokens[0] > CHUNK_TOKENS)
        find_borders(c->tokenizer[0], text, len, out);
}

static int bounded_steps(int steps, int fallback)
{
    return steps <= 0 ? fallback : steps < MOST_STEPS ? steps : MOST_STEPS;
}

void token_count(const struct token_counter *c, const struct token_rules *rules, const char *text,
                 size_t len, struct token_counts *out)
{
    const struct token_rules none = {NULL, 0, 0}, *r = rules ? rules : &none;
    int tool = r->compat ? compat_by_name(r->compat) : COMPAT_COMFYUI;
    struct reading how = {(enum compat)tool, bounded_steps(r->steps, USUAL_STEPS),
                          bounded_steps(r->hires_steps, 0)};
    if (len > MAX_COUNTED)
        for (len = MAX_COUNTED; len > 0 && (text[len] & 0xc0) == 0x80; len--)
            continue;
    out->borders = 0;
    char *copy = strndup(text, len);
    if (!copy || tool < 0 || is_plain(how.compat, copy))
        count_plain(c, text, len, out);
    else
        count_syntax(c, &how, copy, strlen(copy), out);
    free(copy);
}
