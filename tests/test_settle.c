/*
 * Answers without the thread: what a job would run with, layer by layer, and the list of models.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/job.h"
#include "tree.h"

static int make_home(void **state)
{
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    return tree_make(state) || setenv("HOME", root, 1);
}

static struct settings settle(const struct settings *said, const char *preset)
{
    struct settings out;
    struct err e = {""};
    if (engine_settle(said, preset, &out, &e))
        fail_msg("%s", e.text);
    return out;
}

/* Everything is said, but for what has no value until a job runs. */
static void every_key_is_said(void **state)
{
    (void)state;
    struct settings said = {0}, s = settle(&said, NULL);
    const struct settings_key *k;
    for (int i = 0; (k = settings_key(i)); i++) {
        bool open = !strcmp(k->name, "prompt") || !strcmp(k->name, "output") ||
                    !strcmp(k->name, "seed") || !strcmp(k->name, "sigmas") ||
                    !strcmp(k->name, "wildcard-seed") || !strcmp(k->name, "hires-size");
        if (settings_has(&s, k->name) == open)
            fail_msg("%s", k->name);
    }
    assert_string_equal(s.model, "tiny");
    assert_int_equal(s.steps, 20);
    assert_true(s.cfg == 3.5); /* the tiny model's own */
    assert_int_equal(s.width, 128);
    assert_string_equal(s.negative, "");
    settings_free(&s);
    struct err e = {""};
    assert_int_equal(settings_set(&said, "hires", "2", &e), 0);
    s = settle(&said, NULL);
    assert_true(s.hires_size[0] == 256 && s.hires_size[1] == 256);
    settings_free(&s);
    assert_int_equal(settings_set(&said, "hires", "1.3", &e), 0);
    s = settle(&said, NULL); /* 166.4: what the pass is made at */
    assert_true(s.hires_size[0] == 168 && s.hires_size[1] == 168);
    settings_free(&s);
}

static void layers_lie_over_each_other(void **state)
{
    (void)state;
    struct settings said = {0}, s;
    struct err e = {""};
    s = settle(&said, "preview");
    assert_int_equal(s.steps, 8);
    assert_string_equal(s.sampler, "dpmpp_2m");
    assert_true(s.cfg == 3.5);
    settings_free(&s);
    assert_int_equal(settings_set(&said, "steps", "3", &e), 0);
    assert_int_equal(settings_set(&said, "seed", "random", &e), 0);
    assert_int_equal(settings_set(&said, "model", "tests/golden/small_a", &e), 0);
    s = settle(&said, "preview");
    assert_int_equal(s.steps, 3);
    assert_true(settings_has(&s, "seed") && s.random_seed);
    assert_true(s.cfg == 7); /* nobody says otherwise */
    settings_free(&s);
    /* What came out goes in again unchanged. */
    s = settle(&said, "preview");
    struct settings again = settle(&s, NULL);
    char a[300], b[300];
    for (int i = 0; settings_key(i); i++) {
        settings_print(&s, settings_key(i)->name, a, sizeof a);
        settings_print(&again, settings_key(i)->name, b, sizeof b);
        assert_string_equal(a, b);
    }
    settings_free(&again);
    settings_free(&s);
    settings_free(&said);
}

/* The embedded model has its own words for the preset that makes pixel art of any model; what the
 * command line says still wins, and other models are told the preset's. */
static void a_model_answers_a_preset(void **state)
{
    (void)state;
    struct settings said = {.width = 0}, out;
    struct err e;
    assert_int_equal(settings_set(&said, "model", "models/tiny", &e), 0);
    out = settle(&said, "pixel-art");
    assert_string_equal(settings_text(&out, "negative"), "");
    assert_string_equal(settings_text(&out, "prompt"), "{prompt}");
    assert_true(out.cfg == 9);
    settings_free(&out);
    assert_int_equal(settings_set(&said, "negative", "grey", &e), 0);
    out = settle(&said, "pixel-art");
    assert_string_equal(settings_text(&out, "negative"), "grey");
    settings_free(&out);
    settings_free(&said);
    assert_int_equal(settings_set(&said, "model", "tests/golden/small_a", &e), 0);
    out = settle(&said, "pixel-art");
    assert_non_null(strstr(settings_text(&out, "negative"), "blurry"));
    settings_free(&out);
    settings_free(&said);
}

static char *model_key(const char *key, const char *value)
{
    struct settings said = {0};
    struct job j;
    struct err e = {""};
    assert_int_equal(settings_set(&said, "model", "tests/golden/small_a", &e), 0);
    if (settings_set(&said, key, value, &e) || job_prepare(&j, &said, NULL, "x", &e))
        fail_msg("%s %s: %s", key, value, e.text);
    char *text = job_model_key(&j, "cpu", 2);
    assert_non_null(text);
    job_free(&j);
    settings_free(&said);
    return text;
}

/* One that does not say all lets a job run over a model that was opened in another way. */
static void keys_of_open_models(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"model", "models/tiny"}, {"tokenizer", "models/tiny"},
        {"vae", "models/tiny"},   {"refiner", "models/tiny"},
        {"precision", "fp32"},    {"autotune", "off"},
        {"tf32", "on"},           {"nhwc", "off"},
        {"weights", "half"},      {"control-strength", "0.5"},
        {"steps", "3"},           {"memory", "constrained"},
        {"fold", "off"},          {"attention", "tiled"},
        {"winograd", "off"},      {"stream", "on"},
    };
    char *same = model_key("steps", "2");
    int told = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *key = model_key(cases[i][0], cases[i][1]);
        if (job_opens_model(cases[i][0]) != (strcmp(key, same) != 0))
            fail_msg("%s", cases[i][0]);
        told += job_opens_model(cases[i][0]);
        free(key);
    }
    for (int i = 0; settings_key(i); i++)
        told -= job_opens_model(settings_key(i)->name);
    assert_int_equal(told, 0); /* none is left out above */
    free(same);
}

static void mistakes_are_told(void **state)
{
    (void)state;
    struct settings said = {0}, s;
    struct err e = {""};
    assert_int_equal(engine_settle(&said, "nope", &s, &e), -1);
    assert_non_null(strstr(e.text, "nope"));
    settings_free(&s);
    assert_int_equal(settings_set(&said, "model", "nowhere", &e), 0);
    assert_int_equal(engine_settle(&said, NULL, &s, &e), -1);
    assert_non_null(strstr(e.text, "no model 'nowhere'"));
    settings_free(&s);
    settings_free(&said);
}

/* What a model recommends in another form than as an object. */
static void lists_recommend_nothing(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{\"default\": [1, 2]}", "spritty.json: default: has to be an object"},
        {"{\"default\": \"x\"}", "spritty.json: default: has to be an object"},
        {"{\"presets\": {\"preview\": [3]}}", "presets.preview: has to be an object"},
    };
    char path[100];
    snprintf(path, sizeof path, "%s/lists", root);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings said = {0}, s;
        struct err e = {""};
        tree_put("/lists/model_index.json", "{}");
        tree_put("/lists/spritty.json", cases[i][0]);
        assert_int_equal(settings_set(&said, "model", path, &e), 0);
        assert_int_equal(engine_settle(&said, "preview", &s, &e), -1);
        if (!strstr(e.text, cases[i][1]))
            fail_msg("%s: %s", cases[i][0], e.text);
        settings_free(&s);
        settings_free(&said);
    }
}

/* A negative prompt of hundreds of words arrives whole. */
static void long_recommendations(void **state)
{
    (void)state;
    char path[100], words[1001], json[2100];
    struct settings said = {0}, s;
    struct err e = {""};
    memset(words, 'x', sizeof words - 1);
    words[sizeof words - 1] = '\0';
    snprintf(json, sizeof json, "{\"default\": {\"negative\": \"%s\"}}", words);
    snprintf(path, sizeof path, "%s/long", root);
    tree_put("/long/model_index.json", "{}");
    tree_put("/long/spritty.json", json);
    assert_int_equal(settings_set(&said, "model", path, &e), 0);
    assert_int_equal(settings_set(&said, "size", "64x64", &e), 0);
    s = settle(&said, NULL);
    assert_string_equal(s.negative, words);
    settings_free(&s);
    snprintf(json, sizeof json, "{\"presets\": {\"preview\": {\"negative\": \"%s\"}}}", words);
    tree_put("/long/spritty.json", json);
    s = settle(&said, "preview");
    assert_string_equal(s.negative, words);
    settings_free(&s);
    settings_free(&said);
}

static void models_are_listed(void **state)
{
    (void)state;
    static const char *const expected[] = {"beta", "single", "tiny"};
    tree_put("/.local/share/spritty/models/beta/model_index.json", "{}");
    tree_put("/.local/share/spritty/models/tiny/model_index.json",
             "{}"); /* once, though it ships too */
    tree_put("/.local/share/spritty/models/single.safetensors", "");
    tree_put("/.local/share/spritty/models/no-model/", "");
    tree_put("/.local/share/spritty/models/folder.safetensors/", "");
    tree_put("/.local/share/spritty/models/.hidden.safetensors", "");
    tree_put("/.local/share/spritty/models/.safetensors", "");
    tree_put("/.local/share/spritty/models/readme.txt", "");
    tree_put("/.local/share/spritty/models/a\033b.safetensors", "");
    char **names;
    int n = engine_models(&names);
    for (int i = 0; i < n && i < 3; i++)
        assert_string_equal(names[i], expected[i]);
    assert_int_equal(n, 3);
    for (int i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_is_said),        cmocka_unit_test(layers_lie_over_each_other),
        cmocka_unit_test(a_model_answers_a_preset), cmocka_unit_test(mistakes_are_told),
        cmocka_unit_test(models_are_listed),        cmocka_unit_test(lists_recommend_nothing),
        cmocka_unit_test(keys_of_open_models),      cmocka_unit_test(long_recommendations),
    };
    return cmocka_run_group_tests(tests, make_home, tree_drop);
}
