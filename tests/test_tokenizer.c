/*
 * The tokenizer against transformers' CLIPTokenizer, id by id (tests/golden/tokens.json, the real
 * vocabulary rebuilt from OpenAI's merges file), against a naive merger on random words, and
 * against broken folders.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <zlib.h>

#include "base/json.h"
#include "sdxl/chunks.h"
#include "sdxl/textnorm.h"
#include "sdxl/tokenizer.h"

static const char bos[] = "<|startoftext|>", eos[] = "<|endoftext|>";

/* --- vocabularies ----------------------------------------------------------------------------- */

struct text {
    char *at;
    size_t len, room;
};

static void put(struct text *t, const char *s, size_t n)
{
    if (t->len + n + 1 > t->room) {
        t->room = 2 * (t->len + n + 1);
        t->at = realloc(t->at, t->room);
        assert_non_null(t->at);
    }
    memcpy(t->at + t->len, s, n);
    t->len += n;
    t->at[t->len] = '\0';
}

static void puts_to(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

/* One entry of vocab.json, the id being the number of entries before. */
static void put_entry(struct text *t, int *id, const char *s, size_t n, const char *suffix)
{
    char number[32];
    puts_to(t, *id == 0 ? "{\"" : ",\n\"");
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '"' || s[i] == '\\')
            puts_to(t, "\\");
        if (s[i] != ' ')
            put(t, s + i, 1);
    }
    puts_to(t, suffix);
    snprintf(number, sizeof number, "\": %d", (*id)++);
    puts_to(t, number);
}

static void put_bytes(struct text *t, int *id, const char *suffix)
{
    for (int round = 0, hidden = 0; round < 2; round++)
        for (int b = 0; b < 256; b++) {
            bool visible = (b >= 0x21 && b <= 0x7e) || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
            uint8_t s[4];
            if (visible == (round == 0))
                put_entry(t, id, (char *)s, (size_t)text_encode(visible ? b : 256 + hidden++, s),
                          suffix);
        }
}

/* OpenAI's order: bytes, bytes at the end of a word, merges, begin, end. */
static struct text vocab_of(const char *merges)
{
    struct text t = {0};
    int id = 0;
    put_bytes(&t, &id, "");
    put_bytes(&t, &id, "</w>");
    for (const char *line = merges; *line != '\0';) {
        size_t n = strcspn(line, "\n");
        put_entry(&t, &id, line, n, "");
        line += n + (line[n] != '\0');
    }
    put_entry(&t, &id, bos, strlen(bos), "");
    put_entry(&t, &id, eos, strlen(eos), "");
    puts_to(&t, "}\n");
    return t;
}

/* The lines of OpenAI's file that CLIP uses: 48,894 after the first. Skips the test without it. */
static struct text real_merges(void)
{
    const char *path = getenv("SPRITTY_CLIP_BPE");
    struct text t = {0};
    char line[1024];
    if (path == NULL)
        path = "../shared/data/clip/bpe_simple_vocab_16e6.txt.gz";
    gzFile f = gzopen(path, "rb");
    if (f == NULL) {
        printf("no CLIP merges at %s (set SPRITTY_CLIP_BPE): skipped\n", path);
        skip();
    }
    for (int i = 0; i < 49152 - 256 - 2 + 1 && gzgets(f, line, sizeof line) != NULL; i++)
        if (i > 0)
            puts_to(&t, line);
    gzclose(f);
    assert_non_null(t.at);
    return t;
}

static struct tokenizer *small_tokenizer(const char *merges)
{
    struct text vocab = vocab_of(merges);
    struct err e = {""};
    struct tokenizer *t = tokenizer_from_memory(vocab.at, vocab.len, merges, strlen(merges), &e);
    if (t == NULL)
        print_error("%s\n", e.text);
    assert_non_null(t);
    free(vocab.at);
    return t;
}

/* --- folders ---------------------------------------------------------------------------------- */

static void write_file(const char *dir, const char *name, const char *data)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, strlen(data), f), strlen(data));
    assert_int_equal(fclose(f), 0);
}

static void remove_folder(const char *dir)
{
    static const char *const names[] = {"vocab.json", "merges.txt", "tokenizer_config.json",
                                        "special_tokens_map.json"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(dir), 0);
}

/* Opens vocabulary and merges from a folder with these configs (NULL: no such file). */
static struct tokenizer *open_folder(const char *vocab, const char *merges, const char *config,
                                     const char *map, struct err *e)
{
    char dir[] = "/tmp/spritty-tokenizer-XXXXXX";
    assert_non_null(mkdtemp(dir));
    if (vocab)
        write_file(dir, "vocab.json", vocab);
    if (merges)
        write_file(dir, "merges.txt", merges);
    if (config)
        write_file(dir, "tokenizer_config.json", config);
    if (map)
        write_file(dir, "special_tokens_map.json", map);
    struct tokenizer *t = tokenizer_open(dir, e);
    remove_folder(dir);
    return t;
}

#define OBJECT(name) "{\"content\": \"" name "\", \"normalized\": true}"

/* As SDXL ships them. */
static const char *const sdxl_map[2] = {
    "{\"bos_token\": " OBJECT("<|startoftext|>") ", \"eos_token\": " OBJECT(
        "<|endoftext|>") ", \"unk_token\": " OBJECT("<|endoftext|>") ", \"pad_token\": "
                                                                     "\"<|endoftext|>\"}",
    "{\"bos_token\": " OBJECT("<|startoftext|>") ", \"eos_token\": " OBJECT(
        "<|endoftext|>") ", \"unk_token\": " OBJECT("<|endoftext|>") ", \"pad_token\": \"!\"}",
};

static struct tokenizer *real_tokenizer(int encoder)
{
    struct text merges = real_merges(), vocab = vocab_of(merges.at);
    struct err e = {""};
    struct tokenizer *t = open_folder(vocab.at, merges.at, NULL, sdxl_map[encoder], &e);
    free(vocab.at);
    free(merges.at);
    if (t == NULL)
        print_error("%s\n", e.text);
    assert_non_null(t);
    return t;
}

/* --- golden ids ------------------------------------------------------------------------------- */

static int read_ids(struct json list, int32_t **ids)
{
    int n = 0;
    *ids = malloc((size_t)json_count(list) * sizeof **ids + 1);
    for (struct json i = json_first(list); i.node; i = json_next(i)) {
        uint64_t id;
        assert_true(json_as_u64(i, &id));
        (*ids)[n++] = (int32_t)id;
    }
    return n;
}

/* 1 if they differ, and says where. */
static int differ(int prompt, const int32_t *got, int count, const int32_t *want, int wanted)
{
    int i = 0;
    while (i < count && i < wanted && got[i] == want[i])
        i++;
    if (i == count && i == wanted)
        return 0;
    print_error("prompt %d: %d ids, expected %d; first difference at %d: %d, expected %d\n", prompt,
                count, wanted, i, i < count ? got[i] : -1, i < wanted ? want[i] : -1);
    return 1;
}

static struct json_doc *golden(void)
{
    struct err e = {""};
    struct json_doc *doc = json_load("tests/golden/tokens.json", 16 << 20, &e);
    if (doc == NULL)
        print_error("%s\n", e.text);
    assert_non_null(doc);
    return doc;
}

static void check_prompts(int encoder)
{
    struct tokenizer *t = real_tokenizer(encoder);
    struct json_doc *doc = golden();
    int prompts = 0, wrong = 0, ids = 0;
    for (struct json p = json_first(json_get(json_root(doc), "prompts")); p.node;
         p = json_next(p)) {
        const char *text = json_as_string(json_get(p, "text"));
        struct json list = json_get(p, encoder ? "ids_2" : "ids");
        int32_t *want, *got;
        struct err e;
        assert_non_null(text);
        int wanted = read_ids(list.node ? list : json_get(p, "ids"), &want);
        int count = tokenizer_encode(t, text, strlen(text), &got, &e);
        wrong += differ(prompts++, got, count, want, wanted);
        ids += count;
        free(got);
        free(want);
    }
    printf("tokenizer %d: %d prompts, %d ids, %d prompts differ\n", encoder + 1, prompts, ids,
           wrong);
    assert_true(prompts >= 500);
    assert_int_equal(wrong, 0);
    json_free(doc);
    tokenizer_close(t);
}

static void test_prompts_first(void **state)
{
    (void)state;
    check_prompts(0);
}

static void test_prompts_second(void **state)
{
    (void)state;
    check_prompts(1);
}

/* An encoder of these ids. */
static struct clip_config clip_of(const struct tokenizer *t, int pad)
{
    return (struct clip_config){
        .bos = tokenizer_bos(t), .eos = tokenizer_eos(t), .pad = pad, .vocab = tokenizer_vocab(t)};
}

/* 77 ids with begin, end and padding, as diffusers cuts what is longer. */
static void test_chunks_golden(void **state)
{
    (void)state;
    struct tokenizer *t[2] = {real_tokenizer(0), real_tokenizer(1)};
    struct json_doc *doc = golden();
    int rows = 0, wrong = 0;
    for (struct json p = json_first(json_get(json_root(doc), "chunks")); p.node; p = json_next(p)) {
        const char *text = json_as_string(json_get(p, "text"));
        for (int k = 0; k < 2; k++, rows++) {
            struct clip_config clip = clip_of(t[k], k ? 0 : 49407);
            struct chunk_rules rules = {
                .compat = COMPAT_DIFFUSERS, .tokenizer = t[k], .clip = &clip, .encoder = k};
            struct text_chunks got;
            int32_t *want;
            assert_int_equal(read_ids(json_get(p, k ? "ids_2" : "ids"), &want), 77);
            assert_int_equal(text_chunks(&rules, text, &got, NULL), 0);
            assert_int_equal(got.chunks, 1);
            wrong += differ(rows, got.ids, 77, want, 77);
            text_chunks_free(&got);
            free(want);
        }
    }
    printf("%d chunks, %d differ\n", rows, wrong);
    assert_true(rows > 0 && wrong == 0);
    json_free(doc);
    tokenizer_close(t[0]);
    tokenizer_close(t[1]);
}

/* --- merging ---------------------------------------------------------------------------------- */

static const char few_merges[] = "a b\nb a\nab a\na a\naba ab\nb b\nc a</w>\nab c\nb c</w>\n"
                                 "ab bc</w>\nb bc</w>\nabc a</w>\naa aa\n";

/* The textbook way over texts: the best rank anywhere, leftmost, again and again. */
static int merge_naively(char words[][64], int n)
{
    for (;;) {
        int best = 1000, at = -1, rank = 0;
        for (const char *line = few_merges; *line; line += strcspn(line, "\n") + 1, rank++)
            for (int i = 0; i + 1 < n; i++) {
                char pair[160];
                snprintf(pair, sizeof pair, "%s %s\n", words[i], words[i + 1]);
                if (rank < best && strncmp(line, pair, strlen(pair)) == 0)
                    best = rank, at = i;
            }
        if (at < 0)
            return n;
        char joined[128];
        snprintf(joined, sizeof joined, "%s%s", words[at], words[at + 1]);
        memcpy(words[at], joined, sizeof words[at]);
        memmove(words[at + 1], words[at + 2], (size_t)(--n - at - 1) * sizeof words[0]);
    }
}

static void test_merging_order(void **state)
{
    (void)state;
    struct tokenizer *t = small_tokenizer(few_merges);
    uint32_t random = 1;
    for (int round = 0; round < 2000; round++) {
        char word[33], words[33][64];
        int n = 1 + round % 32;
        for (int i = 0; i < n; i++) {
            random = random * 1664525u + 1013904223u;
            word[i] = "aabbc"[(random >> 20) % 5];
            snprintf(words[i], sizeof words[i], "%c%s", word[i], i + 1 == n ? "</w>" : "");
        }
        int32_t *ids;
        int wanted = merge_naively(words, n);
        int count = tokenizer_encode(t, word, (size_t)n, &ids, NULL);
        assert_int_equal(count, wanted);
        for (int i = 0; i < count; i++)
            assert_string_equal(tokenizer_text(t, ids[i]), words[i]);
        free(ids);
    }
    tokenizer_close(t);
}

/* Of this thread alone: others may be busy. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void fill(char *text, size_t n, int kind)
{
    uint32_t random = 1;
    for (size_t i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        text[i] = kind == 0   ? 'a'
                  : kind == 1 ? "aabbc"[(random >> 20) % 5]
                              : "\xcc\x81\xcc\xa3"[i % 4];
    }
}

/* One word of a MiB, twice, and a MiB of marks in the wrong order: a quadratic step anywhere would
 * take hours. */
static void test_long_words(void **state)
{
    (void)state;
    static const char *const kinds[] = {"a letter again and again", "a word", "marks"};
    struct tokenizer *t = small_tokenizer(few_merges);
    size_t n = 1 << 20;
    char *text = malloc(n);
    int32_t *ids;
    for (int kind = 0; kind < 3; kind++) {
        fill(text, n, kind);
        double begin = seconds();
        int count = tokenizer_encode(t, text, n, &ids, NULL);
        printf("%s, %zu bytes: %d ids in %.0f ms\n", kinds[kind], n, count,
               1e3 * (seconds() - begin));
        assert_true(count > 0 && seconds() - begin < 20);
        free(ids);
    }
    struct err e;
    assert_int_equal(tokenizer_encode(t, text, n + 1, &ids, &e), -1);
    assert_non_null(strstr(e.text, "too long"));
    assert_null(ids);
    free(text);
    tokenizer_close(t);
}

/* --- text ------------------------------------------------------------------------------------- */

static void assert_same_ids(struct tokenizer *t, const char *a, size_t a_len, const char *b,
                            size_t b_len)
{
    int32_t *x, *y;
    int n = tokenizer_encode(t, a, a_len, &x, NULL), m = tokenizer_encode(t, b, b_len, &y, NULL);
    assert_int_equal(differ(0, x, n, y, m), 0);
    free(x);
    free(y);
}

#define SAME(t, a, b) assert_same_ids(t, a, sizeof(a) - 1, b, sizeof(b) - 1)
#define FFFD          "\xef\xbf\xbd"

/* The replacements are those of the Unicode standard's section 3.9, as in Python and Rust. */
static void test_broken_utf8(void **state)
{
    (void)state;
    struct tokenizer *t = small_tokenizer("a b\n");
    SAME(t, "a\xff", "a" FFFD);
    SAME(t, "\xc3", FFFD);
    SAME(t, "\xe2\x82z", FFFD "z");
    SAME(t, "\xed\xa0\x80", FFFD FFFD FFFD); /* a surrogate */
    SAME(t, "\xc0\xaf", FFFD FFFD);          /* overlong */
    SAME(t, "\xf0\x9f\x98", FFFD);
    SAME(t, "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD);
    SAME(t, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
    tokenizer_close(t);
}

static void test_normalization(void **state)
{
    (void)state;
    struct tokenizer *t = small_tokenizer("a b\n");
    int32_t *ids;
    SAME(t, "E\xcc\x81", "\xc3\xa9");                                /* NFC, lower case */
    SAME(t, "a\xcc\x81\xcc\xa3", "\xe1\xba\xa1\xcc\x81");            /* marks ordered */
    SAME(t, "\xe1\x84\x92\xe1\x85\xa1\xe1\x86\xab", "\xed\x95\x9c"); /* Hangul */
    SAME(t, "\xc4\xb0", "i\xcc\x87");                                /* dotted capital I */
    SAME(t, "\xce\x9f\xce\xa3", "\xce\xbf\xcf\x83");                 /* no final sigma */
    SAME(t, " a\xe3\x80\x80\n b ", "a b");
    SAME(t, "<|startoftext|>!!<|StartOfText|>", "<|startoftext|>!!<| startoftext |>");
    int count = tokenizer_encode(t, "a\0b", 3, &ids, NULL);
    assert_int_equal(count, 3);
    assert_string_equal(tokenizer_text(t, ids[1]), "\xc4\x80</w>"); /* U+0100 stands for NUL */
    free(ids);
    tokenizer_close(t);
}

static void test_chunks(void **state)
{
    (void)state;
    struct tokenizer *t = small_tokenizer("a b\n");
    struct clip_config clip = clip_of(t, 7);
    struct chunk_rules rules = {.compat = COMPAT_COMFYUI, .tokenizer = t, .clip = &clip};
    static const int counts[][2] = {{0, 1}, {1, 1}, {75, 1}, {76, 2}, {150, 2}, {151, 3}};
    int32_t *ids;
    assert_int_equal(tokenizer_encode(t, "a b", 3, &ids, NULL), 2);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        int count = counts[i][0];
        char text[2 * 151 + 1] = "";
        struct text_chunks c;
        for (int k = 0; k < count; k++)
            strcat(text, k % 2 ? "b " : "a ");
        assert_int_equal(text_chunks(&rules, text, &c, NULL), 0);
        assert_int_equal(c.chunks, counts[i][1]);
        assert_int_equal(c.tokens, count);
        for (int k = 0; k < c.chunks * 77; k++) {
            int at = k % 77, before = k / 77 * 75, in_chunk = count - before;
            in_chunk = in_chunk < 75 ? in_chunk : 75;
            int want = at == 0          ? clip.bos
                       : at <= in_chunk ? ids[(before + at - 1) % 2]
                                        : clip.eos; /* which fills up the first encoder's, too */
            assert_int_equal(c.ids[k], want);
        }
        text_chunks_free(&c);
    }
    free(ids);
    tokenizer_close(t);
}

/* --- folders, good and broken ----------------------------------------------------------------- */

/* The small models' folders: they need no foreign vocabulary, so this much is tested everywhere. */
static void test_small_folders(void **state)
{
    (void)state;
    static const char *const dirs[] = {"tests/golden/small_a/tokenizer",
                                       "tests/golden/small_a/tokenizer_2"};
    for (int k = 0; k < 2; k++) {
        struct err e = {""};
        int32_t *ids;
        struct tokenizer *t = tokenizer_open(dirs[k], &e);
        if (t == NULL)
            print_error("%s\n", e.text);
        assert_non_null(t);
        assert_int_equal(tokenizer_encode(t, "Slime!", 6, &ids, &e), 2);
        assert_string_equal(tokenizer_text(t, ids[0]), "slime</w>");
        assert_string_equal(tokenizer_text(t, ids[1]), k ? "!" : "!</w>"); /* a special, a word */
        assert_string_equal(tokenizer_text(t, tokenizer_bos(t)), bos);
        assert_string_equal(tokenizer_text(t, tokenizer_eos(t)), eos);
        assert_int_equal(tokenizer_vocab(t), tokenizer_eos(t) + 1);
        free(ids);
        tokenizer_close(t);
    }
}

/* Newer folders list the tokens by id; one of them may have an id beyond the vocabulary. */
static void test_listed_specials(void **state)
{
    (void)state;
    struct text vocab = vocab_of("a b\n");
    struct err e = {""};
    int32_t *ids;
    struct tokenizer *t = open_folder(
        vocab.at, "a b\n",
        "{\"added_tokens_decoder\": {\"513\": {\"content\": \"<|startoftext|>\"},"
        "\"514\": {\"content\": \"<|endoftext|>\", \"normalized\": true},"
        "\"520\": {\"content\": \"<style>\", \"normalized\": true}}, \"pad_token\": \"!\"}",
        NULL, &e);
    assert_non_null(t);
    assert_int_equal(tokenizer_bos(t), 513);
    assert_int_equal(tokenizer_eos(t), 514);
    assert_int_equal(tokenizer_vocab(t), 521);
    assert_string_equal(tokenizer_text(t, 520), "<style>");
    assert_null(tokenizer_text(t, 519));
    static const char prompt[] = "ab!<STYLE>a<|EndOfText|>";
    assert_int_equal(tokenizer_encode(t, prompt, strlen(prompt), &ids, &e), 6);
    static const int want[] = {64, 321, 0, 520, 320, 514}; /* a b</w> ! <style> a</w> end */
    for (int i = 0; i < 6; i++)
        assert_int_equal(ids[i], want[i]);
    free(ids);
    free(vocab.at);
    tokenizer_close(t);
}

static void test_broken_folders(void **state)
{
    (void)state;
    struct text good = vocab_of("a b\n");
    char *twice = strdup(good.at), *lacking = strdup(good.at), *no_end = strdup(good.at);
    memcpy(strstr(twice, "\"b\": 65"), "\"b\": 64", 7);
    memcpy(strstr(lacking, "\"b\": 65"), "\"B\": 65", 7);
    memcpy(strstr(no_end, "<|end"), "<|END", 5);
    const struct {
        const char *vocab, *merges, *config, *says;
    } cases[] = {
        {NULL, "a b\n", NULL, "vocab.json"},
        {good.at, NULL, NULL, "merges.txt"},
        {"", "a b\n", NULL, "vocab.json"},
        {"[1, 2]", "", NULL, "vocab.json: expected an object"},
        {"[\"a\"]", "", NULL, "vocab.json: expected an object"}, /* which has no keys */
        {"{}", "", NULL, "vocab.json: expected an object"},
        {"{\"a\": -1}", "", NULL, "\"a\" is no whole number"},
        {"{\"a\": 2e9}", "", NULL, "\"a\" is no whole number"},
        {"{\"a\": \"1\"}", "", NULL, "\"a\" is no whole number"},
        {"{\"a\": 1}", "", NULL, "no entry \"\xc4\x80\""},
        {twice, "", NULL, "share the id 64"},
        {lacking, "", NULL, "stands there twice"},
        {no_end, "", NULL, "\"<|endoftext|>\" is not in it"},
        {good.at, "#version: 0.2\na b\n\na  b\n", NULL, "merges.txt:4"},
        {good.at, "a b\nab\n", NULL, "merges.txt:2: expected two tokens"},
        {good.at, "a b\na xyz\n", NULL, "merges.txt:2: \"xyz\" is not in vocab.json"},
        {good.at, "a b\nb a\n", NULL, "merges.txt:2: \"ba\" is not in vocab.json"},
        {good.at, "a b\n", "{", "tokenizer_config.json"},
        {good.at, "a b\n", "{\"bos_token\": 5}", "\"bos_token\" is no text"},
        {good.at, "a b\n", "{\"pad_token\": \"<pad>\"}", "\"<pad>\" is not in it"},
        {good.at, "a b\n", "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}", "\"x\""},
        {good.at, "a b\n", "{\"added_tokens_decoder\": {\"5\": {\"content\": \"xy\"}}}", "id 5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct err e = {""};
        struct tokenizer *t = open_folder(cases[i].vocab, cases[i].merges, cases[i].config, NULL,
                                          &e);
        printf("%s\n", e.text);
        assert_null(t);
        assert_non_null(strstr(e.text, cases[i].says));
    }
    free(twice);
    free(lacking);
    free(no_end);
    free(good.at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prompts_first),   cmocka_unit_test(test_prompts_second),
        cmocka_unit_test(test_chunks_golden),   cmocka_unit_test(test_merging_order),
        cmocka_unit_test(test_long_words),      cmocka_unit_test(test_broken_utf8),
        cmocka_unit_test(test_normalization),   cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_listed_specials), cmocka_unit_test(test_small_folders),
        cmocka_unit_test(test_broken_folders),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
