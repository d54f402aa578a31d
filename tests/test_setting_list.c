/*
 * The settings panel's pure part: each row of the table is listed once and can be found, and Left
 * and Right stay within what a setting takes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "ui/setting_list.h"

static void each_setting_is_listed_once(void **state)
{
    (void)state;
    struct setting_line line[SETTING_LINES];
    int n = setting_lines(~0u, "", line), group = GROUP_NONE;
    for (int i = 0; i < n; i++) { /* titles in their order, each over its own */
        if (line[i].key < 0)
            assert_true((int)line[i].group > group);
        group = (int)line[i].group;
        if (line[i].key >= 0)
            assert_int_equal(settings_key(line[i].key)->group, group);
    }
    for (int k = 0; settings_key(k); k++) {
        int times = 0;
        for (int i = 0; i < n; i++)
            times += line[i].key == k;
        assert_int_equal(times, settings_key(k)->group != GROUP_NONE);
        assert_true(!times || line[setting_line_of(line, n, k)].key == k);
    }
    int closed = setting_lines(0, "", line);
    for (int i = 0; i < closed; i++)
        assert_int_equal(line[i].key, -1);
    assert_true(closed > 4);
}

static void found_by_words(void **state)
{
    (void)state;
    static const struct {
        const char *words, *key;
    } cases[] = {{"sched", "scheduler"},
                 {"GUIDANCE follow", "cfg"},
                 {"noise falls", "scheduler"},
                 {"--compat", "compat"}};
    struct setting_line line[SETTING_LINES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int n = setting_lines(0, cases[i].words, line);
        assert_true(setting_line_of(line, n, settings_key_index(cases[i].key)) > 0);
        assert_int_equal(line[0].key, -1);
    }
    assert_int_equal(setting_lines(~0u, "no such words", line), 0);
    /* By its group's title: all that is in it. */
    int n = setting_lines(0, "machine", line);
    assert_true(setting_line_of(line, n, settings_key_index("threads")) > 0);
}

static void steps(void **state)
{
    (void)state;
    static const struct {
        const char *key, *now;
        int by;
        const char *then;
    } cases[] = {
        {"steps", "20", 1, "21"},
        {"steps", "1", -1, "1"},
        {"steps", "", 1, "1"},
        {"cfg", "3.5", 1, "4"},
        {"cfg", "0", -1, "0"},
        {"cfg", "7.3", -1, "6.8"},
        {"seed", "41", 1, "42"},
        {"seed", "18446744073709551614", 1, "18446744073709551615"},
        {"size", "128x128", 1, "192x192"},
        {"size", "128x128", -1, "96x96"},
        {"size", "100x64", 1, "128x128"},
        {"size", "100x64", -1, "96x96"},
        {"size", "9000x9000", 1, "1536x1536"},
        {"raw", "no", 1, "yes"},
        {"raw", "yes", -1, "no"},
        {"raw", "", 1, "yes"},
        {"compat", "comfyui", 1, "a1111"},
        {"compat", "comfyui", -1, "diffusers"},
        {"device", "cuda:1", 1, "auto"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[64] = "";
        const struct settings_key *k = settings_key(settings_key_index(cases[i].key));
        assert_true(setting_step(k, cases[i].now, cases[i].by, out, sizeof out));
        assert_string_equal(out, cases[i].then);
    }
    assert_false(setting_step(settings_key(settings_key_index("model")), "a", 1, NULL, 0));
}

/* Whatever it is stepped from and however often: settings_set takes it. */
static void steps_are_taken(void **state)
{
    (void)state;
    static const char *const from[] = {"", "0", "1", "-5", "1e30", "nan", "x", "64x64"};
    for (int k = 0; settings_key(k); k++)
        for (size_t i = 0; i < 2 * sizeof from / sizeof *from; i++) {
            char now[64], then[64];
            struct settings s = {0};
            struct err e = {""};
            snprintf(now, sizeof now, "%s", from[i / 2]);
            for (int n = 0; n < 300; n++) {
                if (!setting_step(settings_key(k), now, i % 2 ? 1 : -1, then, sizeof then))
                    break;
                if (settings_set(&s, settings_key(k)->name, then, &e))
                    fail_msg("%s: from '%s' to '%s': %s", settings_key(k)->name, now, then, e.text);
                memcpy(now, then, sizeof now);
            }
            settings_free(&s);
        }
}

static void help_says_the_range(void **state)
{
    (void)state;
    char text[200];
    setting_help(settings_key(settings_key_index("cfg")), text, sizeof text);
    assert_string_equal(text, "guidance: how closely to follow the prompt (0 to 100)");
    setting_help(settings_key(settings_key_index("raw")), text, sizeof text);
    assert_string_equal(text, "the decoded picture as it is, unfinished");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_setting_is_listed_once),
        cmocka_unit_test(found_by_words),
        cmocka_unit_test(steps),
        cmocka_unit_test(steps_are_taken),
        cmocka_unit_test(help_says_the_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
