/*
 * Settings and config files: every kind of value, layers and presets, and that each mistake is told
 * with its file and line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "config.h"

static int parse(struct config *c, const char *text, struct err *e)
{
    return config_parse(c, text, strlen(text), "test.ini", e);
}

static void values_are_read(void **state)
{
    (void)state;
    struct config c = {0};
    struct err e = {""};
    static const char text[] =
        "\xef\xbb\xbf# a comment behind a byte order mark\r\n"
        "[defaults]\r\n"
        "steps = 12\r\ncfg: 5.5\r\nsize=128x64\nseed = 18446744073709551615\n"
        "sampler = Euler a ; as A1111 calls it\n"
        "negative = blurry,\n  text,\n  watermark\n"
        "device = cuda:1\nraw = on\n";
    if (parse(&c, text, &e))
        fail_msg("%s", e.text);
    const struct settings *s = &c.defaults;
    assert_int_equal(s->steps, 12);
    assert_true(s->cfg == 5.5);
    assert_int_equal(s->width, 128);
    assert_int_equal(s->height, 64);
    assert_true(s->seed == UINT64_MAX && !s->random_seed);
    assert_string_equal(s->sampler, "euler_ancestral");
    assert_string_equal(s->negative, "blurry, text, watermark");
    assert_string_equal(s->device, "cuda:1");
    assert_true(s->raw);
    assert_false(settings_has(s, "batch"));
    config_free(&c);
}

/* As presets are written where a text is to be none (write_preset.c). */
static void empty_quotes_are_no_text(void **state)
{
    (void)state;
    struct config c = {0};
    struct err e = {""};
    if (parse(&c, "[defaults]\nswap = \"\"\nnegative = \"\"\nprompt = \"\\\"\\\"\"\n", &e))
        fail_msg("%s", e.text);
    assert_true(settings_has(&c.defaults, "swap") && settings_has(&c.defaults, "negative"));
    assert_string_equal(settings_text(&c.defaults, "swap"), "");
    assert_string_equal(settings_text(&c.defaults, "negative"), "");
    assert_string_equal(settings_text(&c.defaults, "prompt"), "\"\"");
    config_free(&c);
}

/* What each setting refuses, and the words that name the reason. */
static void bad_values_are_named(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"steps", "0", "'0' is no whole number from 1"},
        {"steps", "2.5", "whole number"},
        {"steps", "1e3", "whole number"},
        {"steps", "0x10", "whole number"},
        {"steps", "99999999999999999999", "whole number"},
        {"steps", "", "no value"},
        {"cfg", "nan", "no number"},
        {"cfg", "inf", "no number"},
        {"cfg", "-1", "no number"},
        {"cfg", "7,5", "no number"},
        {"size", "128", NULL},
        {"size", "128x", "WIDTHxHEIGHT"},
        {"size", "x128", "WIDTHxHEIGHT"},
        {"size", "128x128x128", "WIDTHxHEIGHT"},
        {"size", "-8x8", "WIDTHxHEIGHT"},
        {"size", "0x0", "WIDTHxHEIGHT"},
        {"size", "999999x8", "WIDTHxHEIGHT"},
        {"seed", "18446744073709551616", "no seed"},
        {"seed", "-5", "no seed"},
        {"seed", "-1", NULL},
        {"seed", "random", NULL},
        {"sampler", "eulr", "there are: euler"},
        {"scheduler", "karas", "karras"},
        {"control-type", "pose", "there are: auto, openpose"},
        {"device", "cuda:", "there are: auto"},
        {"device", "cuda:1x", "there are: auto"},
        {"precision", "fp12", "bf16"},
        {"raw", "maybe", "neither yes nor no"},
        {"setps", "3", "did you mean 'steps'"},
        {"x", "3", "no setting 'x'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s, before;
        struct err e = {""};
        memset(&s, 0, sizeof s);
        memset(&before, 0, sizeof before);
        int rc = settings_set(&s, cases[i][0], cases[i][1], &e);
        assert_int_equal(memcmp(&s, &before, sizeof s) == 0,
                         rc != 0); /* what fails changes nothing */
        if (!cases[i][2] && rc)
            fail_msg("%s = %s: %s", cases[i][0], cases[i][1], e.text);
        if (cases[i][2] && (!rc || !strstr(e.text, cases[i][2])))
            fail_msg("%s = '%s' said '%s', not '%s'", cases[i][0], cases[i][1], e.text,
                     cases[i][2]);
        assert_int_equal(settings_any(&s), rc == 0);
        settings_free(&s);
    }
}

/* What is printed reads back as the same value, for every setting. */
static void printing_reads_back(void **state)
{
    (void)state;
    static const char *const values[][2] = {
        {"model", "a b"},    {"steps", "7"}, {"cfg", "1.25"},  {"size", "96x64"}, {"seed", "123"},
        {"sampler", "ddim"}, {"raw", "yes"}, {"threads", "0"}, {"seed", "random"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct settings s = {0};
        struct err e;
        char text[64];
        assert_int_equal(settings_set(&s, values[i][0], values[i][1], &e), 0);
        settings_print(&s, values[i][0], text, sizeof text);
        assert_string_equal(text, values[i][1]);
        settings_free(&s);
    }
}

static void mistakes_name_file_and_line(void **state)
{
    (void)state;
    static char longest[400] = "[defaults]\nnegative = ";
    memset(longest + strlen(longest), 'x', 300);
    static const char *const cases[][2] = {
        {"[defaults]\n\nstesp = 3\n", "test.ini:3: there is no setting 'stesp'; did you mean"},
        {"[defaults]\nsteps = x\n", "test.ini:2: 'x' is no whole number"},
        {"[defaults]\nsteps\n", "test.ini:2: neither"},
        {"[defaults\nsteps = 1\n", "test.ini:1: neither"},
        {"steps = 1\n", "test.ini:1: a setting outside of any section"},
        {"[default]\nsteps = 1\n", "test.ini:2: there is no section [default]"},
        {"[preset ]\nsteps = 1\n", "test.ini:2: there is no section"},
        {"[defaults]\nsteps = 1\nsteps = 2\n", "test.ini:3: steps is set twice"},
        {"[preset a]\nbase = b\nbase = c\n", "test.ini:3: base is set twice"},
        {"[preset a]\nabout = b\nabout = c\n", "test.ini:3: about is set twice"},
        {"[preset a]\nabout = b\n  c\n", "test.ini:3: about takes one line"},
        {"[defaults]\nabout = b\n", "test.ini:2: there is no setting 'about'"},
        {"[defaults]\nsteps = 1\n  cfg = 2\n", "test.ini:3: steps takes one line"},
        {"[defaults]\nbase = a\n", "test.ini:2: there is no setting 'base'"},
        {longest, "test.ini:2: the line is longer than"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct config c = {0};
        struct err e = {""};
        assert_int_equal(parse(&c, cases[i][0], &e), -1);
        if (strncmp(e.text, cases[i][1], strlen(cases[i][1])))
            fail_msg("case %zu said '%s', not '%s'", i, e.text, cases[i][1]);
        assert_int_equal(c.count, 0);
        assert_false(settings_any(&c.defaults));
        config_free(&c);
    }
    struct config c = {0};
    struct err e = {""};
    assert_int_equal(config_parse(&c, "[defaults]\nste\0ps=1", 19, "test.ini", &e), -1);
    assert_non_null(strstr(e.text, "test.ini:2: a zero byte"));
    config_free(&c);
}

static void presets_inherit(void **state)
{
    (void)state;
    struct config c = {0};
    struct settings s = {0};
    struct err e = {""};
    assert_int_equal(parse(&c,
                           "[preset a]\nabout = a few\nsteps = 10\ncfg = 3\n"
                           "[preset b]\nbase = a\nabout = old\ncfg = 4\n"
                           "[preset c]\nbase = b\nsize = 64x64\n",
                           &e),
                     0);
    /* A second file changes one value of a preset, and keeps the others. */
    assert_int_equal(parse(&c, "[preset a]\nsteps = 11\n[preset b]\nabout = new \033[2J\n", &e), 0);
    assert_string_equal(c.presets[0].about, "a few");
    assert_non_null(strstr(c.presets[1].about, "new "));
    assert_null(strchr(c.presets[1].about, '\033'));
    assert_null(c.presets[2].about); /* it is its own, not its base's */
    assert_int_equal(c.count, 3);
    assert_int_equal(settings_set(&s, "size", "32x32", &e), 0); /* a flag: wins */
    assert_int_equal(config_preset(&c, "c", &s, &e), 0);
    assert_int_equal(s.steps, 11);
    assert_true(s.cfg == 4);
    assert_int_equal(s.width, 32);
    settings_free(&s);
    assert_int_equal(config_preset(&c, "d", &s, &e), -1);
    config_free(&c);
}

static void preset_mistakes(void **state)
{
    (void)state;
    struct config c = {0};
    struct settings s = {0};
    struct err e = {""};
    assert_int_equal(parse(&c,
                           "[preset one]\nbase = two\n[preset two]\nbase = one\nsteps = 3\n"
                           "[preset lost]\n\nbase = nowhere\n[preset pixel-art]\nsteps = 4\n",
                           &e),
                     0);
    assert_int_equal(config_preset(&c, "one", &s, &e), -1);
    assert_non_null(strstr(e.text, "is based on itself"));
    settings_free(&s);
    assert_int_equal(config_preset(&c, "lost", &s, &e), -1);
    assert_non_null(strstr(e.text, "test.ini:8: there is no preset 'nowhere'"));
    assert_int_equal(config_preset(&c, "pixelart", &s, &e), -1);
    assert_non_null(strstr(e.text, "did you mean 'pixel-art'"));
    config_free(&c);
}

static void layers_keep_what_was_said_first(void **state)
{
    (void)state;
    struct settings top = {0}, low = {0};
    struct err e;
    settings_set(&top, "steps", "5", &e);
    settings_set(&top, "negative", "", &e); /* said, and empty: wins over the lower one */
    settings_set(&low, "steps", "9", &e);
    settings_set(&low, "negative", "text", &e);
    settings_set(&low, "seed", "random", &e);
    assert_int_equal(settings_fill(&top, &low, &e), 0);
    assert_int_equal(top.steps, 5);
    assert_string_equal(top.negative, "");
    assert_true(top.random_seed);
    settings_free(&top);
    settings_free(&low);
}

/* Each row has what help and the app's panel show of it. */
static void rows_are_whole(void **state)
{
    (void)state;
    for (int i = 0; settings_key(i); i++) {
        const struct settings_key *k = settings_key(i);
        bool listed = k->group > GROUP_NONE && k->group < GROUPS;
        if (!listed && k->group != GROUP_NONE)
            fail_msg("%s is in no group", k->name);
        size_t most = k->group == GROUP_FINISH ? 11 : 13; /* columns that the panels have */
        if (!k->help || strlen(k->help) > 60 || !k->label || !*k->label || strlen(k->label) > most)
            fail_msg("%s: its help or its label is missing, or too long for its place", k->name);
        if ((k->pick != PICK_NONE && k->type != KEY_TEXT) || !k->choice != (k->type != KEY_CHOICE))
            fail_msg("%s: its type has other ways to choose", k->name);
        for (int j = 0; j < i && listed; j++)
            if (settings_key(j)->group == k->group && !strcmp(settings_key(j)->label, k->label))
                fail_msg("%s and %s have the same label", settings_key(j)->name, k->name);
        assert_true(!listed || *settings_group_title(k->group));
    }
}

/* The shipped config.ini is read without a complaint. */
static void shipped_config(void **state)
{
    (void)state;
    struct config c = {0};
    struct err e = {""};
    if (config_read(&c, "config.ini", &e))
        fail_msg("%s", e.text);
    print_message("config.ini: %d presets\n", c.count);
    assert_true(c.count > 0);
    for (int i = 0; i < c.count; i++) {
        struct settings s = {0};
        if (config_preset(&c, c.presets[i].name, &s, &e))
            fail_msg("%s", e.text);
        settings_free(&s);
    }
    config_free(&c);
}

/* A1111's older names say the schedule as well, ComfyUI's what draws. */
static void a_sampler_that_names_more(void **state)
{
    (void)state;
    static const struct {
        const char *name, *sampler, *scheduler, *rng;
    } cases[] = {
        {"DPM++ 2M Karras", "dpmpp_2m", "karras", ""},
        {"dpm++ 2m sde exponential", "dpmpp_2m_sde", "exponential", ""},
        {"dpmpp_sde karras", "dpmpp_sde", "karras", ""},
        {"Euler a SGM Uniform", "euler_ancestral", "sgm_uniform", ""},
        {"dpmpp_sde_gpu", "dpmpp_sde", "", "gpu"},
        {"dpmpp_2m_sde_gpu", "dpmpp_2m_sde", "", "gpu"},
        {"DPMPP_3M_SDE_GPU", "dpmpp_3m_sde", "", "gpu"},
    };
    struct err e = {""};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s = {0};
        if (settings_set(&s, "sampler", cases[i].name, &e))
            fail_msg("%s", e.text);
        assert_string_equal(s.sampler, cases[i].sampler);
        assert_string_equal(s.scheduler ? s.scheduler : "", cases[i].scheduler);
        assert_string_equal(s.rng ? s.rng : "", cases[i].rng);
        settings_free(&s);
    }
    const struct settings_key *k = settings_key(settings_key_index("sampler"));
    int n = 0;
    for (const char *name; (name = settings_choice_pair(k, n)); n++) {
        struct settings s = {0};
        assert_int_equal(settings_set(&s, "sampler", name, &e), 0);
        assert_true(settings_has(&s, "scheduler") || !strcmp(s.rng, "gpu"));
        settings_free(&s);
    }
    assert_int_equal(n, 13);
    struct settings s = {0};
    assert_int_equal(settings_set(&s, "sampler", "Nothing Karras", &e), -1);
    assert_int_equal(settings_set(&s, "sampler", "euler_gpu", &e), -1); /* it has no trees */
    assert_false(settings_any(&s));
    assert_null(settings_choice_pair(settings_key(settings_key_index("rng")), 0));
    settings_free(&s);
}

/* What a message says of options, in the app. */
static void options_are_labels_in_the_app(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a mask needs an image: name it with --image",
         "a mask needs an image: name it with 'image'"},
        {"--memory constrained would fit", "'memory' constrained would fit"},
        {"half (--mask-grow 3, --batch 1)", "half ('mask grow' 3, 'batch' 1)"},
        {"give a path with -m", "give a path with 'model'"},
        {"give it with -m, or -max", "give it with 'model', or -max"},
        {"see ulimit -v; --checksums looks, --json", "see ulimit -v; --checksums looks, --json"},
        {"a-b --- x--steps \u2013 --", "a-b --- x--steps \u2013 --"},
        {"the model 'x' is not here yet; 'spritty pull x' downloads it",
         "the model 'x' is not here yet; F7 downloads it"},
        {"", ""},
    };
    char out[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        settings_in_app(cases[i][0], out, sizeof out);
        assert_string_equal(out, cases[i][1]);
        for (size_t size = 1; size < sizeof out; size++) {
            char cut[sizeof out + 1];
            memset(cut, '#', sizeof cut);
            settings_in_app(cases[i][0], cut, size);
            assert_true(strlen(cut) < size && cut[size] == '#');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_read),
        cmocka_unit_test(empty_quotes_are_no_text),
        cmocka_unit_test(bad_values_are_named),
        cmocka_unit_test(printing_reads_back),
        cmocka_unit_test(mistakes_name_file_and_line),
        cmocka_unit_test(presets_inherit),
        cmocka_unit_test(preset_mistakes),
        cmocka_unit_test(layers_keep_what_was_said_first),
        cmocka_unit_test(rows_are_whole),
        cmocka_unit_test(a_sampler_that_names_more),
        cmocka_unit_test(options_are_labels_in_the_app),
        cmocka_unit_test(shipped_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
