/*
 * Fuzzes the tokenizer. The first byte chooses what the rest is, its parts cut at form feeds:
 *   0  vocab.json, merges.txt and a prompt
 *   1  further entries for a good vocabulary, merges.txt and a prompt
 *   2  a prompt for a good tokenizer
 *   3  tokenizer_config.json, special_tokens_map.json and a text to look for specials in
 */
#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/special.h"
#include "sdxl/tokenizer.h"

struct part {
    const char *at;
    size_t len;
};

static struct part next_part(struct part *rest)
{
    const char *end = rest->len > 0 ? memchr(rest->at, '\f', rest->len) : NULL;
    struct part p = {rest->at, end ? (size_t)(end - rest->at) : rest->len};
    size_t used = p.len + (end != NULL);
    *rest = (struct part){rest->at + used, rest->len - used};
    return p;
}

/* The 256 bytes, their "</w>" forms and what byte-level vocabularies share, but for the "}". */
static const char *good_vocab(void)
{
    static char text[1 << 15];
    size_t n = 0;
    int id = 0;
    for (int end = 0; end < 2; end++)
        for (int b = 0, hidden = 0; b < 256; b++) {
            bool visible = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
            uint8_t s[4];
            int bytes = text_encode(visible ? b : 256 + hidden++, s);
            n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s%.*s%s\":%d", id ? "," : "{",
                                  b == '"' || b == '\\' ? "\\" : "", bytes, (char *)s,
                                  end ? "</w>" : "", id);
            id++;
        }
    n += (size_t)snprintf(text + n, sizeof text - n,
                          ",\"<|startoftext|>\":512,\"<|endoftext|>\":513,\"ab\":514,\"abc\":515,"
                          "\"bc</w>\":516,\"aa\":517,\"aaaa\":518");
    assert(n < sizeof text);
    return text;
}

static const char good_merges[] = "a b\nab c\nb c</w>\na a\naa aa\n";

static void check_prompt(const struct tokenizer *t, struct part prompt)
{
    int32_t *ids;
    int vocab = tokenizer_vocab(t);
    int count = tokenizer_encode(t, prompt.at, prompt.len, &ids, NULL);
    assert(count >= 0);
    for (int i = 0; i < count; i++)
        assert(ids[i] >= 0 && ids[i] < vocab && tokenizer_text(t, ids[i]) != NULL);
    free(ids);
}

static void fuzz_files(struct part vocab, struct part rest)
{
    struct err e;
    struct part merges = next_part(&rest);
    struct tokenizer *t = tokenizer_from_memory(vocab.at, vocab.len, merges.at, merges.len, &e);
    if (t != NULL)
        check_prompt(t, rest);
    tokenizer_close(t);
}

static void fuzz_entries(struct part rest)
{
    struct part entries = next_part(&rest);
    const char *good = good_vocab();
    size_t n = strlen(good);
    char *vocab = malloc(n + entries.len + 1);
    assert(vocab != NULL);
    memcpy(vocab, good, n);
    memcpy(vocab + n, entries.at, entries.len);
    vocab[n + entries.len] = '}';
    fuzz_files((struct part){vocab, n + entries.len + 1}, rest);
    free(vocab);
}

static void fuzz_prompt(struct part prompt)
{
    static struct tokenizer *t;
    if (t == NULL) {
        char vocab[1 << 15];
        int n = snprintf(vocab, sizeof vocab, "%s}", good_vocab());
        t = tokenizer_from_memory(vocab, (size_t)n, good_merges, strlen(good_merges), NULL);
        assert(t != NULL);
    }
    check_prompt(t, prompt);
}

static void fuzz_specials(struct part rest)
{
    static struct bpe *bpe;
    struct part config = next_part(&rest), map = next_part(&rest);
    struct json_doc *docs[2] = {json_parse(config.at, config.len, "config", NULL),
                                json_parse(map.at, map.len, "map", NULL)};
    struct json roots[2] = {{0}, {0}};
    struct specials specials;
    struct points text = {0};
    if (bpe == NULL) {
        char vocab[1 << 15];
        int n = snprintf(vocab, sizeof vocab, "%s}", good_vocab());
        bpe = bpe_new(vocab, (size_t)n, good_merges, strlen(good_merges), NULL);
        assert(bpe != NULL);
    }
    for (int i = 0; i < 2; i++)
        if (docs[i] != NULL)
            roots[i] = json_root(docs[i]);
    bool ok = specials_read(&specials, roots[0], roots[1], bpe, NULL) == 0;
    assert(!ok || (specials.bos >= 0 && specials.eos >= 0));
    assert(text_decode(rest.at, rest.len, &text));
    for (size_t i = 0; ok && i < text.count; i++)
        for (int normalized = 0; normalized < 2; normalized++) {
            const struct special *hit = specials_match(&specials, normalized, true, text.at + i,
                                                       text.count - i);
            assert(!hit || (hit->text.count > 0 && hit->text.count <= text.count - i));
        }
    points_free(&text);
    specials_free(&specials);
    json_free(docs[0]);
    json_free(docs[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct part rest = {(const char *)data + 1, size - 1};
    switch (data[0] & 3) {
    case 0: {
        struct part vocab = next_part(&rest);
        fuzz_files(vocab, rest);
        break;
    }
    case 1:
        fuzz_entries(rest);
        break;
    case 2:
        fuzz_prompt(rest);
        break;
    default:
        fuzz_specials(rest);
    }
    return 0;
}
