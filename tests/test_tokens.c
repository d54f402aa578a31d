/*
 * Token counts for the prompt's editor: the sums by word are the counts of the whole, borders stand
 * where words begin, and what is odd or too long does no harm.
 */
/* Under the thread sanitizer: counting beside the editor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/tokens.h"
#include "sdxl/tokenizer.h"

static struct tokenizer *tokenizer[2];
static struct token_counter *counter;

static int start(void **state)
{
    static const char *const dirs[] = {"models/tiny/tokenizer", "models/tiny/tokenizer_2"};
    struct err e = {""};
    (void)state;
    for (int i = 0; i < 2; i++)
        if (!(tokenizer[i] = tokenizer_open(dirs[i], &e)))
            print_message("%s\n", e.text);
    if (!tokenizer[0] || !tokenizer[1])
        return -1;
    counter = token_counter_new(tokenizer[0], tokenizer[1]);
    return counter ? 0 : -1;
}

/* The counter lives on without the model's tokenizers, and as long as somebody holds it. */
static int stop(void **state)
{
    struct token_counts n;
    (void)state;
    tokenizer_close(tokenizer[0]);
    tokenizer_close(tokenizer[1]);
    struct token_counter *held = token_counter_hold(counter);
    token_counter_release(counter);
    token_count(held, NULL, "a slime", 7, &n);
    token_counter_release(held);
    token_counter_release(NULL);
    return n.tokens[0] > 0 ? 0 : -1;
}

static struct token_counts count(const char *text)
{
    struct token_counts n;
    token_count(counter, &(struct token_rules){.compat = "comfyui"}, text, strlen(text), &n);
    return n;
}

static int whole(int encoder, const char *text, size_t len)
{
    int32_t *ids;
    struct err e;
    int n = tokenizer_encode(tokenizer[encoder], text, len, &ids, &e);
    free(ids);
    return n;
}

static void short_prompts(void **state)
{
    (void)state;
    struct token_counts n = count("");
    assert_int_equal(n.tokens[0], 0);
    assert_int_equal(n.chunks, 1);
    assert_int_equal(n.borders, 0);
    n = count("  a green slime,\n with a crown ");
    assert_int_equal(n.tokens[0], whole(0, "a green slime, with a crown", 27));
    assert_int_equal(n.tokens[1], n.tokens[0]);
    assert_int_equal(n.chunks, 1);
    assert_int_equal(n.borders, 0);
}

/* "slime" is one token of the tiny model, so the border is the 76th word. */
static void borders_are_where_chunks_end(void **state)
{
    (void)state;
    assert_int_equal(whole(0, "slime", 5), 1);
    char text[6 * 400 + 1] = "";
    for (int words = 1; words <= 400; words++) {
        strcat(text, "slime ");
        struct token_counts n = count(text);
        assert_int_equal(n.tokens[0], words);
        assert_int_equal(n.chunks, (words + 74) / 75);
        assert_int_equal(n.borders, n.chunks - 1);
        for (int i = 0; i < n.borders; i++)
            assert_int_equal(n.border[i], (i + 1) * 75 * 6);
    }
}

/* A word that lies in two chunks, and one that fills several, is a border once. */
static void words_across_borders(void **state)
{
    (void)state;
    char text[3000] = "";
    for (int i = 0; i < 74; i++)
        strcat(text, "slime ");
    strcat(text, "!?!?.,:;ab12");
    assert_true(whole(0, "!?!?.,:;ab12", 12) > 1);
    struct token_counts n = count(text);
    assert_int_equal(n.borders, 1);
    assert_int_equal(n.border[0], 74 * 6);
    for (int i = 0; i < 300; i++)
        strcat(text, "1a");
    strcat(text, " slime");
    n = count(text);
    assert_true(n.chunks > 3);
    assert_int_equal(n.borders, 1);
}

/* What an encoder sees of the words is what it sees of the whole. */
static void sums_are_counts(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "slime",
        " ",
        "\n",
        "\t",
        "'s",
        "it's",
        "12",
        "\xcc\x81",
        "\xc3\xa9",
        "e",
        ",",
        "<|endoftext|>",
        "<|",
        "|>",
        "\xff",
        "\xe2\x80\x83",
        "\xe6\x97\xa5\xe6\x9c\xac",
        "\x01",
        "\xef\xbf\xbd",
        "\xf0\x9f\x90\xb1",
        "A",
        "\xc2\xa0",
        "\xe2\x80\x8b",
        "_",
        "\v",
        "\r",
    };
    uint32_t x = 1;
    for (int round = 0; round < 2000; round++) {
        char text[400] = "";
        int sum = 0;
        for (int i = 0; i < 30; i++) {
            x = x * 1664525 + 1013904223;
            strcat(text, pieces[(x >> 8) % (sizeof pieces / sizeof *pieces)]);
        }
        size_t len = strlen(text);
        for (size_t i = 0, n; i < len; i += n + 1) {
            n = strcspn(text + i, " \t\n\v\f\r");
            sum += whole(0, text + i, n);
        }
        assert_int_equal(sum, whole(0, text, len));
    }
}

static int tokens_of(const char *compat, const char *text, int *chunks)
{
    struct token_counts n;
    token_count(counter, &(struct token_rules){.compat = compat}, text, strlen(text), &n);
    *chunks = n.chunks;
    return n.tokens[0];
}

/* What the syntax takes away is not counted, and chunks are the tool's. */
static void syntax_is_not_counted(void **state)
{
    (void)state;
    int slime = whole(0, "a slime", 7), chunks;
    static const char *const same[][2] = {
        {"a1111", "(a slime:1.3)"},        {"a1111", "[a] ((slime))"},
        {"comfyui", "(a slime:1.3)"},      {"comfyui", "a (slime)"},
        {"a1111", "a [slime:a:5]"},        {"a1111", "a slime AND a"},
        {"a1111", "a <lora:x:0.8> slime"}, {"comfyui", "a <lora:x:0.8> slime"},
        {"comfyui", "{a|a} slime"},        {"diffusers", "a slime"}};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (tokens_of(same[i][0], same[i][1], &chunks) != slime || chunks != 1)
            fail_msg("%s: %s", same[i][0], same[i][1]);
    assert_true(tokens_of("diffusers", "(a slime:1.3)", &chunks) > slime);
    assert_int_equal(tokens_of("a1111", "a BREAK slime", &chunks), slime);
    assert_int_equal(chunks, 2);
    char text[800] = "";
    for (int i = 0; i < 100; i++)
        strcat(text, "slime ");
    assert_int_equal(tokens_of("diffusers", text, &chunks), 75);
    assert_int_equal(chunks, 1);
    struct token_counts n;
    memcpy(text, "(lime)", 6);
    token_count(counter, &(struct token_rules){.compat = "comfyui"}, text, strlen(text), &n);
    assert_int_equal(n.chunks, 2);
    assert_int_equal(n.borders, 1);
    assert_true(n.border[0] > 70 * 6 && n.border[0] <= 75 * 6 && n.border[0] % 6 <= 1);
}

/* A text that only a long first pass or the second one comes to. */
static void all_passes_are_counted(void **state)
{
    (void)state;
    static const char longer[] = "a slime with a crown";
    int short_ = whole(0, "a slime", 7), long_ = whole(0, longer, sizeof longer - 1);
    static const struct {
        const char *text;
        struct token_rules rules;
        bool all;
    } cases[] = {{"a slime [with a crown:25]", {"a1111", 20, 0}, false},
                 {"a slime [with a crown:25]", {"a1111", 30, 0}, true},
                 {"a slime [with a crown:25]", {"a1111", 20, 10}, true},
                 {"a slime [with a crown:25]", {"a1111", 20, 4}, false},
                 {"a slime [with a crown:1.5]", {"a1111", 20, 0}, false},
                 {"a slime [with a crown:1.5]", {"a1111", 20, 20}, true},
                 {"a slime [with a crown::5]", {"a1111", 20, 20}, true},
                 {"a slime [with a crown:2000]", {"a1111", 1 << 30, 1 << 30}, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct token_counts n;
        token_count(counter, &cases[i].rules, cases[i].text, strlen(cases[i].text), &n);
        if (n.tokens[0] != (cases[i].all ? long_ : short_))
            fail_msg("case %zu: %d tokens", i, n.tokens[0]);
    }
}

static void long_and_broken_text(void **state)
{
    (void)state;
    size_t size = 200 << 10;
    char *text = malloc(size);
    struct token_counts n;
    for (size_t i = 0; i < size; i++)
        text[i] = "\xe6\x97\xa5"[i % 3];
    token_count(counter, NULL, text, size, &n);
    assert_int_equal(n.tokens[0], whole(0, text, 65535)); /* 65536 lies within a character */
    for (size_t i = 0; i < size; i++)
        text[i] = "a "[i % 2];
    token_count(counter, NULL, text, size, &n);
    assert_int_equal(n.tokens[0], 32768);
    assert_int_equal(n.borders, MAX_BORDERS);
    memset(text, 0x80, size); /* no character begins anywhere */
    token_count(counter, NULL, text, size, &n);
    assert_int_equal(n.chunks, 1);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_prompts),          cmocka_unit_test(borders_are_where_chunks_end),
        cmocka_unit_test(words_across_borders),   cmocka_unit_test(sums_are_counts),
        cmocka_unit_test(long_and_broken_text),   cmocka_unit_test(syntax_is_not_counted),
        cmocka_unit_test(all_passes_are_counted),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
