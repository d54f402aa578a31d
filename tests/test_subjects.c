/*
 * What a model says that it draws: read from files that may say anything, looked for in prompts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/subjects.h"

static struct subjects *read_text(const char *text)
{
    struct err e = {""};
    struct json_doc *doc = json_parse(text, strlen(text), "spritty.json", &e);
    if (!doc)
        fail_msg("%s", e.text);
    struct subjects *s = subjects_read(json_root(doc));
    json_free(doc);
    return s;
}

static void names_are_found(void **state)
{
    (void)state;
    static const char *const named[] = {
        "a slime",      "Two SLIMES!", "(slime:1.3)",    "slime's", "a slimeball", "swampslime",
        "cats",         "a cat.",      "three cherries", "a boxes", "blob",        "JELLY  slimes",
        "magic-potion", "a b, knight", "treasure chest", "",        " ,. "};
    static const char *const missed[] = {"a wolf", "cattle",           "muscat", "treasure",
                                         "magic",  "a chest of magic", "sl ime", "cherr"};
    struct subjects *s = read_text("{\"kinds\": [\"slime\", \"cat\", \"cherry\", \"box\","
                                   " \"knight\"], \"kind_words\": {\"slime\": [\"blob\"],"
                                   " \"potion\": [\"magic potion\", \"treasure chest\"]}}");
    assert_non_null(s);
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (subjects_missed(s, named[i]))
            fail_msg("'%s' names one", named[i]);
    for (size_t i = 0; i < sizeof missed / sizeof *missed; i++)
        if (!subjects_missed(s, missed[i]))
            fail_msg("'%s' names none", missed[i]);
    free(s);
}

static void others(const char *lists, const char *prompt, const char *want)
{
    char said[200] = "";
    struct subjects *s = read_text(lists);
    const struct other_colour *c = subjects_other_colours;
    assert_non_null(s);
    for (; (c = subjects_other_colour(s, prompt, c)); c++)
        snprintf(said + strlen(said), sizeof said - strlen(said), "%s>%s ", c->word, c->near);
    if (strcmp(said, want) != 0)
        fail_msg("'%s': '%s' instead of '%s'", prompt, said, want);
    free(s);
}

static void colours_that_no_list_has(void **state)
{
    (void)state;
    static const char lists[] = "{\"kinds\": [\"coin\", \"lime\"], \"kind_words\": {\"coin\":"
                                " [\"copper token\"]}, \"colours\": [\"yellow\", \"grey\","
                                " \"green\", \"orange\", \"blue\"]}";
    others(lists, "a gold coin", "gold>yellow ");
    others(lists, "(GOLD:1.2), silver, navy-blue", "gold>yellow silver>grey navy>blue ");
    others(lists, "a goldfish, golds, a yellow coin", "");
    others(lists, "with a golden crown", "");
    others(lists, "a golden coin with a golden crown", "golden>yellow ");
    others(lists, "a maroon coin", ""); /* nothing is near */
    others(lists, "a lime", "");
    others(lists, "a copper token", "");
    others("{\"kinds\": [\"coin\"], \"colours\": [\"gold\", \"yellow\"]}", "a gold coin", "");
    others("{\"kinds\": [\"coin\"], \"colours\": [\"yellow\", \"green\"], \"colour_words\":"
           " {\"yellow\": [\"yellow\", \"gold\"], \"green\": [\"lime green\"]}}",
           "a gold coin, a lime coin, golden, an olive coin", "golden>yellow olive>green ");
    others("{\"kinds\": [\"coin\"]}", "a gold coin", "");
    others("{\"kinds\": [\"coin\", 7], \"colours\": [\"yellow\"]}", "a gold coin", "");
}

static void any_file_is_read(void **state)
{
    (void)state;
    static const char *const none[] = {"{}",
                                       "[]",
                                       "{\"kinds\": null}",
                                       "{\"kinds\": []}",
                                       "{\"kinds\": \"slime\"}",
                                       "{\"kinds\": [1, [], {}]}",
                                       "{\"colours\": [\"red\"]}"};
    /* Kinds that are not all known: nothing is said against a prompt. */
    static const char *const cut[] = {
        "{\"kinds\": [\"slime\", 7]}",
        "{\"kinds\": [\"slime\", \"\\u001b[31m\"]}",
        "{\"kinds\": [\"slime\", \"\"]}",
        "{\"kinds\": [\"slime\"], \"kind_words\": [\"blob\"]}",
        "{\"kinds\": [\"slime\"], \"kind_words\": {\"slime\": \"blob\"}}",
        "{\"kinds\": [\"slime\", \"0123456789012345678901234567890123456789012345678901234567891"
        "2345\"]}"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_null(read_text(none[i]));
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct subjects *s = read_text(cut[i]);
        assert_non_null(s);
        assert_int_equal(s->kinds.count, 1);
        assert_string_equal(s->kinds.text[0], "slime");
        if (subjects_missed(s, "a wolf"))
            fail_msg("%s", cut[i]);
        free(s);
    }
    struct subjects *s = read_text("{\"kinds\": [\"slime\"], \"colours\": 3,"
                                   " \"example_prompts\": [\"a\\nb\", \"a slime\", 2]}");
    assert_non_null(s);
    assert_int_equal(s->colours.count, 0);
    assert_int_equal(s->examples.count, 1); /* none with control characters */
    assert_true(subjects_missed(s, "a wolf"));
    free(s);
}

static void lists_have_an_end(void **state)
{
    (void)state;
    char text[8192] = "{\"kinds\": [", out[40];
    for (int i = 0; i < 300; i++)
        sprintf(text + strlen(text), "\"kind%03d\",", i);
    strcpy(text + strlen(text) - 1, "]}");
    struct subjects *s = read_text(text);
    assert_non_null(s);
    assert_int_equal(s->kinds.count, SUBJECTS_MAX);
    assert_false(subjects_missed(s, "a wolf"));
    s->kinds.count = 12;
    assert_int_equal(subjects_join(&s->kinds, 2, out, sizeof out), 2);
    assert_string_equal(out, "kind000, kind001 and 10 more");
    assert_int_equal(subjects_join(&s->kinds, 12, out, sizeof out), 2);
    assert_string_equal(out, "kind000, kind001 and 10 more");
    s->kinds.count = 3;
    assert_int_equal(subjects_join(&s->kinds, 12, out, sizeof out), 3);
    assert_string_equal(out, "kind000, kind001, kind002");
    assert_int_equal(subjects_join(&s->kinds, 12, out, 8), 0);
    assert_string_equal(out, "");
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(colours_that_no_list_has),
        cmocka_unit_test(any_file_is_read),
        cmocka_unit_test(lists_have_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
