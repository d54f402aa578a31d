/* <kind:name:args> cut out of prompts, as A1111's extra networks are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/tags.h"

/* "text|kind,name,args|..." */
static void check(const char *prompt, bool any_kind, const char *expected)
{
    struct prompt_tags t;
    struct err e = {""};
    char got[512];
    assert_int_equal(prompt_tags_cut(prompt, any_kind, &t, &e), 0);
    size_t n = (size_t)snprintf(got, sizeof got, "%s", t.text);
    for (int i = 0; i < t.count; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, "|%s,%s,%s", t.at[i].kind, t.at[i].name,
                              t.at[i].args);
    assert_string_equal(got, expected);
    prompt_tags_free(&t);
}

static void test_cut(void **state)
{
    (void)state;
    check("", false, "");
    check("a slime", false, "a slime");
    check("a <lora:pixel-art-xl:0.8>slime", false, "a slime|lora,pixel-art-xl,0.8");
    check("<lora:a> b <lyco:c:1:te=0.5>", false, " b |lora,a,|lyco,c,1:te=0.5");
    check("<lora:a:0.5:0.7:unet=1>", false, "|lora,a,0.5:0.7:unet=1");
    check("(x:1.2) <lora:a b/c:1>, y", false, "(x:1.2) , y|lora,a b/c,1");
    check("<lora:one<lora:two:1>", false, "|lora,one<lora,two:1"); /* as A1111's pattern has it */
}

static void test_not_tags(void **state)
{
    (void)state;
    check("<3 > <> <lora> <lora:> <:a> < lora:a>", true, "<3 > <> <lora> <lora:> <:a> < lora:a>");
    check("<lora:open", false, "<lora:open");
    check("a > b <lora:open", false, "a > b <lora:open");
    check("<smile:x>", false, "<smile:x>");
    check("<smile:x>", true, "|smile,x,");
    check("<<lora:a>>", true, "<>|lora,a,");
}

/* A megabyte of beginnings without an end takes no more time than reading it. */
static void test_hostile(void **state)
{
    enum { N = 1 << 20 };
    static const char *const pieces[] = {"<lora:", "<", "<a", "<lora:x>"};
    char *text = malloc(N + 16);
    struct prompt_tags t;
    struct err e = {""};
    (void)state;
    for (int p = 0; p < 4; p++) {
        size_t len = strlen(pieces[p]);
        for (size_t i = 0; i < N; i += len)
            memcpy(text + i, pieces[p], len + 1);
        assert_int_equal(prompt_tags_cut(text, true, &t, &e), p == 3 ? -1 : 0);
        prompt_tags_free(&t);
    }
    assert_string_equal(e.text, "the prompt has more than 64 <...:...> in it");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_not_tags),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
