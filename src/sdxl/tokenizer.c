/*
 * From text to ids: cut out special tokens, normalise, split into words, encode each.
 *
 * The rules, and how they were found, stand in tests/golden/README.md; its numbers are used below.
 * The reference's regex is followed by hand, one pass from left to right.
 */
#include "sdxl/tokenizer.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/json.h"
#include "base/mapfile.h"
#include "sdxl/bpe.h"
#include "sdxl/special.h"
#include "sdxl/textnorm.h"

enum {
    MAX_TEXT = 1 << 20,
    MAX_FILE = 32 << 20,
};

struct tokenizer {
    atomic_int owners;
    struct bpe *bpe;
    struct specials specials;
};

/* --- opening ---------------------------------------------------------------------------------- */

static struct tokenizer *build(const char *vocab, size_t vocab_len, const char *merges,
                               size_t merges_len, struct json config, struct json map,
                               struct err *e)
{
    struct tokenizer *t = calloc(1, sizeof *t);
    if (t == NULL) {
        err_set(e, "out of memory");
        return NULL;
    }
    atomic_init(&t->owners, 1);
    t->bpe = bpe_new(vocab, vocab_len, merges, merges_len, e);
    if (t->bpe == NULL || specials_read(&t->specials, config, map, t->bpe, e) != 0) {
        tokenizer_close(t);
        return NULL;
    }
    return t;
}

struct tokenizer *tokenizer_from_memory(const char *vocab_json, size_t vocab_len,
                                        const char *merges, size_t merges_len, struct err *e)
{
    struct json none = {0};
    return build(vocab_json, vocab_len, merges, merges_len, none, none, e);
}

static char *read_part(const char *dir, const char *name, size_t *len, struct err *e)
{
    struct path path;
    return path_join(&path, dir, name, e) < 0 ? NULL : file_read(path.text, MAX_FILE, len, e);
}

/* A config file that may be missing: 0 with *doc NULL then. */
static int read_config(const char *dir, const char *name, struct json_doc **doc, struct json *root,
                       struct err *e)
{
    struct path path;
    *doc = NULL;
    *root = (struct json){0};
    if (path_join(&path, dir, name, e) < 0)
        return -1;
    if (access(path.text, F_OK) != 0)
        return 0;
    *doc = json_load(path.text, MAX_FILE, e);
    if (*doc == NULL)
        return -1;
    *root = json_root(*doc);
    return 0;
}

struct tokenizer *tokenizer_open(const char *dir, struct err *e)
{
    struct tokenizer *t = NULL;
    struct json_doc *config_doc = NULL, *map_doc = NULL;
    struct json config, map;
    size_t vocab_len, merges_len;
    char *vocab = read_part(dir, "vocab.json", &vocab_len, e);
    char *merges = vocab ? read_part(dir, "merges.txt", &merges_len, e) : NULL;
    if (merges != NULL && read_config(dir, "tokenizer_config.json", &config_doc, &config, e) == 0 &&
        read_config(dir, "special_tokens_map.json", &map_doc, &map, e) == 0) {
        t = build(vocab, vocab_len, merges, merges_len, config, map, e);
        if (t == NULL)
            err_prefix(e, "%s", dir);
    }
    json_free(map_doc);
    json_free(config_doc);
    free(merges);
    free(vocab);
    return t;
}

struct tokenizer *tokenizer_hold(struct tokenizer *t)
{
    atomic_fetch_add(&t->owners, 1);
    return t;
}

void tokenizer_close(struct tokenizer *t)
{
    if (t == NULL || atomic_fetch_sub(&t->owners, 1) > 1)
        return;
    bpe_free(t->bpe);
    specials_free(&t->specials);
    free(t);
}

int tokenizer_bos(const struct tokenizer *t)
{
    return t->specials.bos;
}

int tokenizer_eos(const struct tokenizer *t)
{
    return t->specials.eos;
}

int tokenizer_vocab(const struct tokenizer *t)
{
    int vocab = bpe_vocab(t->bpe);
    for (size_t i = 0; i < t->specials.count; i++)
        if (t->specials.at[i].id >= vocab)
            vocab = t->specials.at[i].id + 1;
    return vocab;
}

const char *tokenizer_text(const struct tokenizer *t, int32_t id)
{
    const char *text = bpe_text(t->bpe, id);
    for (size_t i = 0; text == NULL && i < t->specials.count; i++)
        if (t->specials.at[i].id == id)
            text = t->specials.at[i].name;
    return text;
}

/* --- encoding --------------------------------------------------------------------------------- */

struct encoder {
    const struct tokenizer *t;
    bool pads; /* padding tokens are special in text too */
    struct bpe_scratch scratch;
    struct points normal; /* the piece at hand, normalised */
    uint8_t *word;        /* room for 4 bytes a code point of the piece at hand */
    struct ids out;
    struct err *e;
};

static int encode_word(struct encoder *x, const int32_t *word, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += (size_t)text_encode(word[i], x->word + n);
    return bpe_encode(x->t->bpe, x->word, n, &x->scratch, &x->out, x->e);
}

/* Rule 5: the second splitter takes a special token apart that was not cut out as one. */
static int encode_bracketed(struct encoder *x, const int32_t *word, size_t count)
{
    if (encode_word(x, word, 2) != 0 || encode_word(x, word + 2, count - 4) != 0)
        return -1;
    return encode_word(x, word + count - 2, 2);
}

/* The length of the literal of rule 4 that `text` begins with, or 0. */
static size_t match_literal(const int32_t *text, size_t count)
{
    static const char *const literals[] = {
        "<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d",
    };
    if (text[0] != '<' && text[0] != '\'')
        return 0;
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        const char *s = literals[i];
        size_t n = 0;
        while (s[n] != '\0' && n < count && text[n] == s[n])
            n++;
        if (s[n] == '\0')
            return n;
    }
    return 0;
}

/* Rule 4. */
static int split(struct encoder *x, const int32_t *text, size_t count)
{
    for (size_t i = 0; i < count;) {
        size_t n = match_literal(text + i, count - i);
        bool bracketed = n > 3;
        enum text_class class = text_class(text[i]);
        if (n == 0) {
            n = 1;
            while (class != TEXT_NUMBER && i + n < count && text_class(text[i + n]) == class)
                n++;
        }
        int status = 0;
        if (bracketed)
            status = encode_bracketed(x, text + i, n);
        else if (class != TEXT_SPACE)
            status = encode_word(x, text + i, n);
        if (status != 0)
            return -1;
        i += n;
    }
    return 0;
}

static int cut_normalized(struct encoder *x);

/* Rules 2 and 3 for a piece between raw special tokens. */
static int encode_piece(struct encoder *x, const int32_t *text, size_t count)
{
    if (count == 0)
        return 0;
    if (!text_normalize(text, count, &x->normal))
        return err_set(x->e, "out of memory");
    uint8_t *word = realloc(x->word, 4 * x->normal.count + 1);
    if (word == NULL)
        return err_set(x->e, "out of memory");
    x->word = word;
    return cut_normalized(x);
}

/* Cuts text at special tokens of one kind; what is between goes to `between`. */
static int cut(struct encoder *x, bool normalized, const int32_t *text, size_t count,
               int (*between)(struct encoder *, const int32_t *, size_t))
{
    size_t begin = 0;
    for (size_t i = 0; i < count;) {
        const struct special *hit = specials_match(&x->t->specials, normalized, x->pads, text + i,
                                                   count - i);
        if (hit == NULL) {
            i++;
            continue;
        }
        if (between(x, text + begin, i - begin) != 0 || ids_push(&x->out, hit->id, x->e) != 0)
            return -1;
        i += hit->text.count;
        begin = i;
    }
    return between(x, text + begin, count - begin);
}

static int cut_normalized(struct encoder *x)
{
    return cut(x, true, x->normal.at, x->normal.count, split);
}

static int encode(const struct tokenizer *t, bool pads, const char *text, size_t len, int32_t **ids,
                  struct err *e)
{
    struct encoder x = {.t = t, .pads = pads, .e = e};
    struct points raw = {0};
    int status = 0;
    *ids = NULL;
    if (len > MAX_TEXT)
        return err_set(e, "the prompt is too long: %zu bytes, at most %d", len, MAX_TEXT);
    if (!text_decode(text, len, &raw))
        status = err_set(e, "out of memory");
    if (status == 0 && raw.count > 0)
        status = cut(&x, false, raw.at, raw.count, encode_piece);
    points_free(&raw);
    points_free(&x.normal);
    bpe_scratch_free(&x.scratch);
    free(x.word);
    if (status == 0 && x.out.at == NULL && (x.out.at = malloc(sizeof *x.out.at)) == NULL)
        status = err_set(e, "out of memory");
    if (status != 0) {
        free(x.out.at);
        return -1;
    }
    *ids = x.out.at;
    return (int)x.out.count;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t len, int32_t **ids,
                     struct err *e)
{
    return encode(t, true, text, len, ids, e);
}

int tokenizer_encode_plain(const struct tokenizer *t, const char *text, size_t len, int32_t **ids,
                           struct err *e)
{
    return encode(t, false, text, len, ids, e);
}
