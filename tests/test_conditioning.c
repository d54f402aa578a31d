/*
 * What prompts do to pictures: each image its own, prompts that change and are joined, the empty
 * negative of each tool, clip skip, textual inversions and the files that are none. Whole runs of
 * the small models; the numbers themselves are test_syntax.c's.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdxl/pipeline.h"
#include "st_writer.h"

static struct pipeline *model[2]; /* small_a, small_b */
static struct notes last;         /* of the last run */

static int start(void **state)
{
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .threads = 1};
    struct err e = {""};
    (void)state;
    for (int i = 0; i < 2; i++)
        if (!(model[i] = pipeline_open(i ? "tests/golden/small_b" : "tests/golden/small_a", &opt,
                                       &e)))
            print_message("%s\n", e.text);
    return model[0] && model[1] ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    notes_free(&last);
    pipeline_close(model[0]);
    pipeline_close(model[1]);
    return 0;
}

/* One step shows what a text does; three, when it changes. */
static int steps = 1;

static struct gen_params params(enum compat compat, const char *prompt)
{
    return (struct gen_params){.prompt = prompt,
                               .negative = "",
                               .seed = 7,
                               .steps = steps,
                               .cfg = 4,
                               .width = 64,
                               .height = 64,
                               .batch = 1,
                               .compat = compat};
}

static struct gen_result run_on(int which, const struct gen_params *g)
{
    struct err e = {""};
    struct gen_result r;
    if (pipeline_run(model[which], g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    notes_free(&last);
    last = r.notes;
    r.notes = (struct notes){0};
    return r;
}

/* The largest difference of a byte between image i of a and image k of b. */
static int differ(const struct gen_result *a, int i, const struct gen_result *b, int k)
{
    size_t n = (size_t)a->width * (size_t)a->height * 3;
    int worst = 0;
    for (size_t at = 0; at < n; at++) {
        int d = abs(a->rgb[(size_t)i * n + at] - b->rgb[(size_t)k * n + at]);
        worst = d > worst ? d : worst;
    }
    return worst;
}

/* Of two runs of small_b that differ in one thing. */
static int compare(struct gen_params a, struct gen_params b)
{
    struct gen_result x = run_on(1, &a), y = run_on(1, &b);
    int worst = differ(&x, 0, &y, 0);
    gen_result_free(&x);
    gen_result_free(&y);
    return worst;
}

static int compare_prompts(enum compat compat, const char *a, const char *b)
{
    return compare(params(compat, a), params(compat, b));
}

/* In A1111 each image of a batch has a seed of its own, so it is the single one of its prompt. */
static void test_each_image_its_prompt(void **state)
{
    static const char *const prompts[] = {"a red slime", "knight, (sword:1.4) BREAK of gold",
                                          "[a|b] ghost"};
    static const char *const negatives[] = {"", "blurry", "bad AND worse"};
    (void)state;
    struct gen_params g = params(COMPAT_A1111, NULL);
    g.prompts = prompts, g.negatives = negatives, g.batch = 3;
    struct gen_result all = run_on(1, &g);
    for (int i = 0; i < 3; i++) {
        struct gen_params one = params(COMPAT_A1111, prompts[i]);
        one.negative = negatives[i];
        one.seed += (uint64_t)i;
        struct gen_result r = run_on(1, &one);
        int worst = differ(&r, 0, &all, i);
        printf("  image %d: largest difference of a byte %d (bound 1)\n", i, worst);
        assert_true(worst <= 1);
        gen_result_free(&r);
    }
    assert_true(differ(&all, 0, &all, 1) > 4);
    gen_result_free(&all);
}

static void test_changes(void **state)
{
    (void)state;
    const enum compat a = COMPAT_A1111;
    steps = 3;
    assert_int_equal(compare_prompts(a, "[red:blue:3] slime", "red slime"), 0);
    assert_int_equal(compare_prompts(a, "[red:blue:0] slime", "blue slime"), 0);
    assert_true(compare_prompts(a, "[red:blue:1] slime", "blue slime") > 0);
    assert_true(compare_prompts(a, "[red:blue:1] slime", "red slime") > 0);
    assert_int_equal(compare_prompts(a, "[red:blue:0.34] slime", "[red:blue:1] slime"), 0);
    assert_true(compare_prompts(a, "[blue|red] slime", "[red:blue:1] slime") > 0);
    /* an image's steps are the last of all, but counted from the first: 3 of 4, so that the text of
     * the second half comes with the last of them */
    static uint8_t grey[64 * 64 * 3];
    struct gen_params half = params(a, "[red:blue:0.5] slime"), late = half;
    half.image = late.image = grey;
    half.steps = late.steps = 4;
    half.denoise = late.denoise = 0.6;
    late.prompt = "[red:blue:2] slime";
    assert_int_equal(compare(half, late), 0);
    late.prompt = "[red:blue:1] slime";
    assert_true(compare(half, late) > 0);
    /* elsewhere it is text, and said to be */
    assert_true(compare_prompts(COMPAT_COMFYUI, "[red:blue:3] slime", "red slime") > 0);
    struct gen_params g = params(COMPAT_COMFYUI, "[red:blue:3] slime");
    struct gen_result r = run_on(1, &g);
    assert_int_equal(last.count, 1);
    assert_non_null(strstr(last.line[0], "[from:to:when]"));
    gen_result_free(&r);
    steps = 1;
}

static void test_parts(void **state)
{
    (void)state;
    const enum compat a = COMPAT_A1111;
    assert_true(compare_prompts(a, "red AND slime :0", "red") <= 1);
    assert_true(compare_prompts(a, "red :0.5 AND red :0.5", "red") <= 1);
    assert_true(compare_prompts(a, "red AND slime", "red") > 0);
    /* a part of two chunks makes the other one as long, whatever it weighs */
    char text[512] = "red AND ";
    for (int i = 0; i < 80; i++)
        strcat(text, "b ");
    assert_true(compare_prompts(a, strcat(text, ":0"), "red") > 0);
    /* cfg x weight is all that counts: half of 8 is 4 */
    struct gen_params half = params(a, "red :0.5"), whole = params(a, "red");
    half.cfg = 8;
    assert_true(compare(half, whole) <= 1);
    /* without guidance, a weight needs the negative prompt after all */
    half.cfg = 1, half.prompt = "red :4";
    assert_true(compare(half, whole) <= 1);
}

static void test_weights(void **state)
{
    (void)state;
    for (int compat = 0; compat < 2; compat++) {
        enum compat c = (enum compat)compat;
        assert_true(compare_prompts(c, "a (red:1.6) slime", "a red slime") > 0);
        assert_int_equal(compare_prompts(c, "a (red:1.0) slime", "a red slime"), 0);
    }
    assert_true(compare_prompts(COMPAT_DIFFUSERS, "a (red:1.0) slime", "a red slime") > 0);
    assert_int_equal(last.count, 0);
}

/* "!" is a special token to transformers' tokenizer_2 alone. */
static void test_exclamation_mark(void **state)
{
    (void)state;
    struct gen_params d = params(COMPAT_DIFFUSERS, "stop!"), c = params(COMPAT_COMFYUI, "stop!");
    struct gen_result x = run_on(1, &d), y = run_on(1, &c);
    assert_int_equal(x.tokens[0], y.tokens[0]);
    int32_t *ids;
    struct err e;
    const struct tokenizer *t = pipeline_tokenizer(model[1], 1);
    int n = tokenizer_encode(t, "a!", 2, &ids, &e);
    assert_int_equal(ids[n - 1], 0);
    free(ids);
    n = tokenizer_encode_plain(t, "a!", 2, &ids, &e);
    assert_int_not_equal(ids[n - 1], 0);
    free(ids);
    gen_result_free(&x);
    gen_result_free(&y);
}

/* auto is ComfyUI's encoded "", A1111's zeros, and for diffusers what the model says. */
static void test_empty_negative(void **state)
{
    static const enum empty_negative as[2][3] = {{EMPTY_ENCODE, EMPTY_ZEROS, EMPTY_ZEROS},
                                                 {EMPTY_ENCODE, EMPTY_ZEROS, EMPTY_ENCODE}};
    (void)state;
    for (int m = 0; m < 2; m++)
        for (int compat = 0; compat < 3; compat++) {
            struct gen_params g = params((enum compat)compat, "a red slime");
            struct gen_result r[3];
            for (int said = 0; said < 3; said++) {
                g.empty_negative = said;
                r[said] = run_on(m, &g);
            }
            assert_int_equal(differ(&r[EMPTY_AUTO], 0, &r[as[m][compat]], 0), 0);
            assert_true(m == 0 || differ(&r[EMPTY_ZEROS], 0, &r[EMPTY_ENCODE], 0) > 0);
            for (int i = 0; i < 3; i++)
                gen_result_free(&r[i]);
        }
}

static void test_clip_skip(void **state)
{
    struct gen_params plain = params(COMPAT_COMFYUI, "a red slime"), g = plain;
    struct gen_result r;
    struct err e;
    (void)state;
    g.clip_skip = 2;
    assert_int_equal(compare(plain, g), 0);
    g.clip_skip = -2;
    assert_int_equal(compare(plain, g), 0);
    g.clip_skip = 1;
    assert_true(compare(plain, g) > 0);
    g.clip_skip = -3;
    assert_true(compare(plain, g) > 0);
    g.clip_skip = 4; /* small_b's encoders have 4 and 3 layers */
    assert_int_equal(pipeline_run(model[1], &g, NULL, &r, &e), -1);
    assert_string_equal(e.text, "clip_skip 4: text encoder 2 has 3 layers");
    gen_result_free(&r);
    g.compat = COMPAT_A1111; /* which has it for the first alone */
    r = run_on(1, &g);
    gen_result_free(&r);
}

static void test_cut_prompts(void **state)
{
    char text[1400] = "";
    (void)state;
    for (int i = 0; i < 100; i++)
        strcat(text, "slime knight ");
    struct gen_params g = params(COMPAT_DIFFUSERS, text);
    struct gen_result r = run_on(1, &g);
    assert_int_equal(last.count, 1);
    assert_non_null(strstr(last.line[0], "only the first 75"));
    assert_int_equal(r.tokens[0], 75);
    gen_result_free(&r);
}

/* ---- textual inversions ---- */

static char folder[] = "/tmp/spritty-embeddings-XXXXXX";

static void write_file(const char *name, const char *header, size_t bytes, const void *data)
{
    char path[256];
    struct bytes b = st_file(header, 0, data, bytes);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bytes_save(&b, path);
    free(b.data);
}

static void reports(const char *name, const char *why)
{
    static const int width[2] = {32, 48};
    const char *const folders[EMBEDDING_FOLDERS] = {folder, NULL};
    struct embeddings all;
    struct notes notes = {0};
    struct err e = {""};
    assert_int_equal(embeddings_open(&all, folders, width, &e), 0);
    const struct embedding *x = embeddings_find(&all, name, strlen(name), &notes);
    if (x || notes.count != 1 || !strstr(notes.line[0], why))
        fail_msg("%s: %s", name, notes.count ? notes.line[0] : "no note");
    assert_null(embeddings_find(&all, "nowhere", 7, &notes));
    assert_null(embeddings_find(&all, "../x", 4, &notes));
    assert_null(embeddings_find(&all, "", 0, &notes));
    assert_int_equal(notes.count, 1);
    notes_free(&notes);
    embeddings_free(&all);
}

static void test_bad_embeddings(void **state)
{
    static const uint32_t inf[32] = {0x7f800000};
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file("wide.safetensors",
               "{\"clip_l\":{\"dtype\":\"F32\",\"shape\":[1,33],\"data_offsets\":[0,132]}}", 132,
               NULL);
    write_file("many.safetensors",
               "{\"clip_l\":{\"dtype\":\"F16\",\"shape\":[76,32],\"data_offsets\":[0,4864]}}", 4864,
               NULL);
    write_file("infinite.safetensors",
               "{\"clip_l\":{\"dtype\":\"F32\",\"shape\":[1,32],\"data_offsets\":[0,128]}}", 128,
               inf);
    write_file("other.safetensors",
               "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
               "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}",
               8, NULL);
    write_file("sd2.safetensors",
               "{\"emb_params\":{\"dtype\":\"F32\",\"shape\":[2,1024],\"data_offsets\":[0,8192]}}",
               8192, NULL);
    write_file("cut.safetensors",
               "{\"clip_l\":{\"dtype\":\"F32\",\"shape\":[1,32],\"data_offsets\":[0,128]}}", 64,
               NULL);
    write_file("old.pt", "pickle", 0, NULL);
    reports("wide", "vectors of 32 numbers");
    reports("many", "76 vectors");
    reports("infinite", "no finite numbers");
    reports("other", "neither clip_l nor clip_g");
    reports("sd2", "1024 numbers");
    reports("cut", "cut.safetensors");
    reports("old", "pickle");
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_embeddings_in_prompts(void **state)
{
    (void)state;
    struct gen_params with = params(COMPAT_COMFYUI, "a embedding:zorp slime"), without = with;
    with.embeddings[0] = "tests/golden/embeddings";
    assert_true(compare(with, without) > 0);
    assert_int_equal(last.count, 1);
    assert_non_null(strstr(last.line[0], "no embedding 'zorp'"));
    struct gen_params web = params(COMPAT_A1111, "a zorp slime"), plain = web;
    web.embeddings[0] = "tests/golden/embeddings";
    assert_true(compare(web, plain) > 0);
    assert_int_equal(last.count, 0);
    web.prompt = "a zor slime", plain.prompt = web.prompt;
    assert_int_equal(compare(web, plain), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_image_its_prompt),
        cmocka_unit_test(test_cut_prompts),
        cmocka_unit_test(test_bad_embeddings),
        cmocka_unit_test(test_embeddings_in_prompts),
        /* more pictures through the same code: too slow under a sanitizer */
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_exclamation_mark),
        cmocka_unit_test(test_empty_negative),
        cmocka_unit_test(test_clip_skip),
    };
    if (getenv("SPRITTY_QUICK")) {
        print_message("SPRITTY_QUICK: 4 of 10 tests\n");
        const struct CMUnitTest quick[] = {tests[0], tests[1], tests[2], tests[3]};
        return cmocka_run_group_tests(quick, start, stop);
    }
    return cmocka_run_group_tests(tests, start, stop);
}
