/*
 * The prompt editor's view of the syntax: what is marked, and how a word's weight is raised and
 * lowered. Any bytes are taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ui/prompt_marks.h"

/* One letter a byte: . text, w weight, n name, c choice, b BREAK, x bad. */
static const char *marked(const char *text, bool brackets)
{
    static char out[300];
    uint8_t marks[300];
    size_t n = strlen(text);
    syntax_marks(text, n, brackets, marks);
    for (size_t i = 0; i < n; i++)
        out[i] = ".wncbx"[marks[i]];
    out[n] = '\0';
    return out;
}

static void what_is_marked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *a1111, *comfyui; /* NULL: the same */
    } cases[] = {
        {"a green slime", ".............", NULL},
        {"a (red:1.2) gem", "..w...wwwww....", NULL},
        {"((deep))", "ww....ww", NULL},
        {"(a:b)", "w...w", NULL},
        {"(a: 1.5 )", "w.wwwwwww", NULL},
        {"[less] x", "w....w..", "........"},
        {"\\(not\\)", ".......", NULL},
        {"(open", "x....", NULL},
        {"close)", ".....x", NULL},
        {"(a]", "x.x", "x.."},
        {"a<lora:x:0.8>b", ".nnnnnnnnnnnn.", NULL},
        {"<lora:x", ".......", NULL},
        {"<3 hearts>", "..........", NULL},
        {"embedding:bad-hands, x", "nnnnnnnnnnnnnnnnnnn...", NULL},
        {"{red|2$$blue}", "c...c.cc....c", NULL},
        {"a|b $$", "......", NULL},
        {"__colors__ x", "cccccccccc..", NULL},
        {"__ x __", ".......", NULL},
        {"a BREAK b", "..bbbbb..", "........."},
        {"BREAKFAST", ".........", NULL},
        {"}", "x", NULL},
        {"", "", NULL},
        {"\\", ".", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(marked(cases[i].text, true), cases[i].a1111);
        assert_string_equal(marked(cases[i].text, false),
                            cases[i].comfyui ? cases[i].comfyui : cases[i].a1111);
    }
}

/* The cursor is '^' in both. */
static void words_are_weighed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int by;
        const char *then; /* NULL: nothing happens */
    } cases[] = {
        {"a gre^en slime", 1, "a (gre^en:1.1) slime"},
        {"a gre^en slime", -1, "a (gre^en:0.9) slime"},
        {"green^", 1, "(green^:1.1)"},
        {"^green", 1, "(^green:1.1)"},
        {"(gre^en:1.1)", 1, "(gre^en:1.2)"},
        {"(gre^en:1.1)", -1, "gre^en"},
        {"(green sl^ime)", 1, "(green sl^ime:1.2)"},
        {"(green sl^ime)", -1, "green sl^ime"},
        {"((green) sl^ime:1.3)", 1, "((green) sl^ime:1.4)"},
        {"((gr^een) slime:1.3)", 1, "((gr^een:1.2) slime:1.3)"},
        {"(green:1.^1)", 1, "(green^:1.2)"},
        {"(green:1.^1)", -1, "green^"},
        {"(x^:0.1)", -1, "(x^:0)"},
        {"(x^:0)", -1, "(x^:0)"},
        {"(x^:10)", 1, "(x^:10)"},
        {"<lora:pi^xel:0.8> a", 1, "<lora:pi^xel:0.85> a"},
        {"<lora:pixel^>", -1, "<lora:pixel^:0.95>"},
        {"embedding:bad^", 1, "(embedding:bad^:1.1)"},
        {"gr\xc3\xb6^n \xf0\x9f\x91\x91", 1, "(gr\xc3\xb6^n:1.1) \xf0\x9f\x91\x91"},
        {"\\(gem^\\)", 1, "\\((gem^:1.1)\\)"},
        {"a , ^ , b", 1, NULL},
        {"^", 1, NULL},
        {"(gem^", 1, "((gem^:1.1)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[100];
        size_t at = strcspn(cases[i].text, "^"), to;
        snprintf(text, sizeof text, "%.*s%s", (int)at, cases[i].text, cases[i].text + at + 1);
        char *then = syntax_weigh(text, at, cases[i].by, &to);
        if (!cases[i].then) {
            assert_null(then);
            continue;
        }
        assert_non_null(then);
        char shown[100];
        snprintf(shown, sizeof shown, "%.*s^%s", (int)to, then, then + to);
        assert_string_equal(shown, cases[i].then);
        free(then);
    }
}

/* Up and down again is where it began, for any bytes; cursors stay inside. */
static void any_bytes(void **state)
{
    (void)state;
    static const char some[] = "ab ,:()[]{}<>|\\_$.1\n\xc3\xa4\xff";
    unsigned seed = 7;
    for (int round = 0; round < 20000; round++) {
        char text[40];
        uint8_t marks[40];
        size_t n = (size_t)rand_r(&seed) % 30, to;
        for (size_t i = 0; i < n; i++)
            text[i] = some[(size_t)rand_r(&seed) % (sizeof some - 1)];
        text[n] = '\0';
        syntax_marks(text, n, round % 2, marks);
        size_t at = n ? (size_t)rand_r(&seed) % (n + 1) : 0;
        char *up = syntax_weigh(text, at, 1, &to);
        if (up)
            assert_true(to <= strlen(up));
        free(up);
    }
    size_t big = 1 << 20;
    char *deep = malloc(big + 1);
    uint8_t *marks = malloc(big);
    assert_true(deep && marks);
    memset(deep, '(', big);
    deep[big] = '\0';
    syntax_marks(deep, big, true, marks);
    assert_int_equal(marks[0], SYNTAX_BAD);
    free(deep);
    free(marks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_marked),
        cmocka_unit_test(words_are_weighed),
        cmocka_unit_test(any_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
