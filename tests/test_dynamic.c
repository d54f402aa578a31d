/*
 * Templates, wildcard files and styles: what each form may become, that a seed decides, and that
 * hostile ones end soon.
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

#include "base/clock.h"
#include "prompt/dynamic.h"
#include "prompt/styles.h"
#include "prompt/wildcards.h"

static char folder[] = "/tmp/spritty-wildcards-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int start(void **state)
{
    char path[256];
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, i ? "animals/small" : "animals");
        mkdir(path, 0700);
    }
    put("color.txt", "\xef\xbb\xbfred\r\n\r\n# a comment\n  green  \nblue");
    put("animals/cat.txt", "tabby\n2::tom {cat|kitten}\n");
    put("animals/small/mouse.txt", "__color__ mouse\n");
    put("loop.txt", "__loop__\n");
    put("two.txt", "__four____four__\n");
    put("four.txt", "__eight____eight__\n");
    put("eight.txt", "__two____two__\n");
    put("noted.txt", "x # the first\n {y|z}#and this\n  # none\n");
    put("empty.txt", "# nothing\n");
    return 0;
}

static int stop(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* Expands with 400 seeds: each result is one of `allowed` (separated by |, "/" in place of a bar),
 * and each of those comes. The first has the given share of them. */
static void check(const char *template, const char *allowed, double share)
{
    enum { SEEDS = 400, MAX = 16 };
    char *list = strdup(allowed), *rest = list, *option[MAX];
    int seen[MAX] = {0}, options = 0;
    while (rest && options < MAX)
        option[options++] = strsep(&rest, "|");
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct notes notes = {0};
        struct err e = {""};
        char *got = prompt_expand(template, folder, seed, &notes, &e);
        if (!got)
            fail_msg("%s: %s", template, e.text);
        char *same = prompt_expand(template, folder, seed, &notes, &e);
        assert_string_equal(got, same);
        int hit = 0;
        while (hit < options && strcmp(option[hit], got) != 0)
            hit++;
        if (hit == options)
            fail_msg("'%s' became '%s'", template, got);
        seen[hit]++;
        free(got);
        free(same);
        notes_free(&notes);
    }
    for (int i = 0; i < options; i++)
        if (seen[i] == 0)
            fail_msg("'%s' never became '%s'", template, option[i]);
    double found = (double)seen[0] / SEEDS;
    if (share > 0 && (found < share - 0.1 || found > share + 0.1))
        fail_msg("'%s' became '%s' in %.2f of the seeds, not %.2f", template, option[0], found,
                 share);
    free(list);
}

static void test_choices(void **state)
{
    (void)state;
    check("a {red|green|blue} slime", "a red slime|a green slime|a blue slime", 1.0 / 3);
    check("{a|b}{c|d}", "ac|ad|bc|bd", 0.25);
    check("{0.1::a|0.9::b}", "b|a", 0.9);
    check("{3::a|b}", "a|b", 0.75);
    check("{a|{b|c}}", "a|b|c", 0.5);
    check("{|a}", "|a", 0.5);
    check("{2$$a|b}", "a,b|b,a", 0.5);
    check("{2$$ and $$a|b|c}", "a and b|a and c|b and a|b and c|c and a|c and b", 1.0 / 6);
    check("{1-2$$+$$a|b}", "a|b|a+b|b+a", 0.25);
    check("{-2$$+$$a|b}", "a|b|a+b|b+a", 0.25);
    check("{2-$$+$$a|b}", "a+b|b+a", 0.5);
    check("{2-1$$+$$a|b}", "a|b|a+b|b+a", 0.25);
    check("{9$$+$$a|b}", "a+b|b+a", 0.5);
    check("{2$${a|b}|c}", "a,c|b,c|c,a|c,b", 0.25);
    check("{2$$+$${a|b}|c}", "a+c|b+c|c+a|c+b", 0.25);
    check("{ 2$$+$$ a| b}", "a+b|b+a", 0.5);
    check("{ a | 3:: b}", "a | b", 0.25);
    check("{~a|b}{!1$$c}", "ac|bc", 0.5);
    check("{0$$a|b}", "", 1);
    check("({a|b}:1.2)", "(a:1.2)|(b:1.2)", 0.5);
    check("{[a:b:0.5]|c}", "[a:b:0.5]|c", 0.5);
    check("{a:1|b::2}", "a:1|b::2", 0.5);
}

/* Text that stays as it is, as check() cannot say it: bars are its separators. */
static void test_stays(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"{a}", "{a}"},
                                           {"{{{best}}}", "{{{best}}}"},
                                           {"{a|b", "{a|b"},
                                           {"a|b}", "a|b}"},
                                           {"\\{a\\|b\\}", "{a|b}"},
                                           {"\\(a\\)", "\\(a\\)"},
                                           {"a\\", "a\\"},
                                           {"____", "____"},
                                           {"${a=b|c}", "${a=b|c}"},
                                           {"__nope__", "__nope__"},
                                           {"__../x__", "__../x__"},
                                           {"__empty__", "__empty__"},
                                           {"__/etc/passwd__", "__/etc/passwd__"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct notes notes = {0};
        struct err e = {""};
        char *got = prompt_expand(pairs[i][0], folder, i, &notes, &e);
        assert_non_null(got);
        assert_string_equal(got, pairs[i][1]);
        bool names_one = !strncmp(pairs[i][0], "__", 2) && pairs[i][0][2] != '_';
        assert_int_equal(notes.count, names_one);
        free(got);
        notes_free(&notes);
    }
    assert_true(prompt_is_dynamic("a {b|c}"));
    assert_true(prompt_is_dynamic("__a__"));
    assert_true(prompt_is_dynamic("{2$$a}"));
    assert_false(prompt_is_dynamic("{a} ${b|c} a__b"));
}

static void test_wildcards(void **state)
{
    (void)state;
    check("a __color__ slime", "a red slime|a green slime|a blue slime", 1.0 / 3);
    check("__animals/cat__", "tabby|tom cat|tom kitten", 1.0 / 3);
    check("__animals/*__", "tabby|tom cat|tom kitten", 1.0 / 3);
    check("__animals/**__", "tabby|tom cat|tom kitten|red mouse|green mouse|blue mouse", 0.25);
    check("__c?lor__", "red|green|blue", 1.0 / 3);
    check("{2$$ & $$__color__}",
          "red & green|red & blue|green & red|green & blue|blue & red|blue & green", 1.0 / 6);
    check("{__color__|x}", "x|red|green|blue", 0.5);
    check("__@noted__", "x|y|z", 0.5);
}

static void refuses(const char *template, const char *why)
{
    struct notes notes = {0};
    struct err e = {""};
    double began = clock_ms();
    char *got = prompt_expand(template, folder, 1, &notes, &e);
    double took = clock_ms() - began;
    if (got || !strstr(e.text, why))
        fail_msg("'%.40s': %s", template, got ? "was expanded" : e.text);
    printf("  %-60s %.1f ms\n", e.text, took);
    assert_true(took < 2000);
    notes_free(&notes);
}

static char *repeat(const char *piece, size_t times, const char *end)
{
    size_t n = strlen(piece);
    char *text = malloc(n * times + strlen(end) + 1);
    for (size_t i = 0; i < times; i++)
        memcpy(text + i * n, piece, n);
    strcpy(text + n * times, end);
    return text;
}

static void test_hostile(void **state)
{
    (void)state;
    refuses("__loop__", "64 deep");
    refuses("__two__", "deep");
    char *text = repeat("{a|", 20000, "");
    char *closed = repeat("}", 20000, ""), *both = malloc(80001);
    snprintf(both, 80001, "%.40000s%.20000s", text, closed);
    struct err e = {""};
    free(prompt_expand(text, folder, 1, NULL, &e)); /* nothing closes: text */
    free(prompt_expand(both, folder, 1, NULL, &e)); /* "a" is taken early: no depth */
    free(both);
    free(closed);
    free(text);
    text = repeat("{a|b}", 13000, "");
    refuses(text, "choices");
    free(text);
    text = repeat("a|", 15000, "}");
    both = malloc(strlen(text) + 2);
    sprintf(both, "{%s", text);
    refuses(both, "alternatives");
    free(both);
    free(text);
    text = repeat("x{a|b}", 20000, "");
    refuses(text, "KiB long");
    free(text);
    text = repeat("w", 9000, "");
    put("long.txt", text);
    free(text);
    refuses("__long____long____long____long____long____long____long____long__", "64 KiB");
    text = repeat("{", 60000, "");
    char *got = prompt_expand(text, folder, 1, NULL, &e);
    assert_string_equal(got, text);
    free(got);
    free(text);
}

/* ---- styles ---- */

static const char SHEET[] = "\xef\xbb\xbfname, prompt,negative_prompt\r\n"
                            "glow,\"{prompt}, \"\"golden\"\" light\nand dust\",\"dull, grey\"\r\n"
                            "# old,x,y\n"
                            "flat,flat colours,\n"
                            "\n"
                            "pair,\"{prompt} and {prompt}\",no {prompt}\n"
                            "only,,blurry\n"
                            "flat,flat shading,hatching";

static void apply(const struct styles *s, const char *list, const char *prompt,
                  const char *negative, const char *want, const char *want_negative)
{
    char *p = strdup(prompt), *n = strdup(negative);
    struct err e = {""};
    if (styles_apply(s, list, &p, &n, &e) < 0)
        fail_msg("%s", e.text);
    assert_string_equal(p, want);
    assert_string_equal(n, want_negative);
    free(p);
    free(n);
}

static void test_styles(void **state)
{
    struct styles s;
    struct err e = {""};
    (void)state;
    assert_int_equal(styles_parse(&s, SHEET, sizeof SHEET - 1, "s.csv", &e), 0);
    assert_int_equal(s.count, 5);
    apply(&s, "glow", "a slime", "", "a slime, \"golden\" light\nand dust", "dull, grey");
    apply(&s, "flat", " a slime ", "bad", "a slime, flat shading", "bad, hatching");
    apply(&s, "flat", "", "", "flat shading", "hatching");
    apply(&s, "pair", "a", "b", "a and a", "no b");
    apply(&s, "only", "a", "b", "a", "b, blurry");
    apply(&s, " only , glow,", "a", "", "a, \"golden\" light\nand dust", "blurry, dull, grey");
    apply(&s, "", "a", "b", "a", "b");
    char *p = strdup("a"), *n = strdup("");
    assert_int_equal(styles_apply(&s, "glw", &p, &n, &e), -1);
    assert_string_equal(e.text, "there is no style 'glw' in styles.csv; did you mean 'glow'?");
    free(p);
    free(n);
    styles_free(&s);
}

static void test_odd_styles(void **state)
{
    static const struct {
        const char *text;
        int count;
    } cases[] = {{"", -1},
                 {"a,b\n", -1},
                 {"name,text\nx,y\n", 1},
                 {"negative_prompt,prompt,name\nn,p,x", 1},
                 {"name,prompt\nx", 1},
                 {"name,prompt\n\"x", 1},
                 {"name,prompt\nx,\"a\"b\"c\",d\n", 1},
                 {"name,prompt\rx,y\rz,w", 2},
                 {"name,prompt\n,,,,,,,,,,,,,,,,,,,,,,,\nx,y", 1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct styles s;
        struct err e = {""};
        int rc = styles_parse(&s, cases[i].text, strlen(cases[i].text), "s.csv", &e);
        if (rc == 0 ? s.count != cases[i].count : cases[i].count != -1)
            fail_msg("case %zu: %d styles, %s", i, s.count, e.text);
        styles_free(&s);
    }
    /* A million slots times a long prompt is refused before it is written. */
    char *style = repeat("{prompt}", 1000, ""), *prompt = repeat("p", 100000, "");
    assert_null(style_apply(style, prompt));
    free(style);
    free(prompt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choices),   cmocka_unit_test(test_stays),
        cmocka_unit_test(test_wildcards), cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_styles),    cmocka_unit_test(test_odd_styles),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
