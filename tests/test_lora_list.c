/* LoRAs as text: the setting's list and the prompt's tags. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "prompt/lora_list.h"

static void expect(const struct lora_item *i, const char *name, double text, double unet)
{
    assert_string_equal(i->name, name);
    assert_true(i->text == text);
    assert_true(i->unet == unet);
}

static void lists(void **state)
{
    (void)state;
    static struct lora_item a[LORA_ITEMS];
    struct err e = {""};
    const char
        *text = "pixel:0.8, other:0.5:1.0 ,plain,\"a, b: c\":te=0.25:unet=-1, C:/x y.safetensors"
                ", sub/lcm: 1.5 , te only:te=0.5, two: two:unet=0";
    assert_int_equal(lora_list_parse(text, a, &e), 8);
    expect(&a[0], "pixel", 0.8, 0.8);
    expect(&a[1], "other", 0.5, 1); /* text encoders first, as in A1111's tags */
    expect(&a[2], "plain", 1, 1);
    expect(&a[3], "a, b: c", 0.25, -1);
    expect(&a[4], "C:/x y.safetensors", 1, 1); /* a colon that is the path's */
    expect(&a[5], "sub/lcm", 1.5, 1.5);
    expect(&a[6], "te only", 0.5, 0.5);
    expect(&a[7], "two: two", 1, 0);
    assert_int_equal(lora_list_parse("", a, &e), 0);
    assert_int_equal(lora_list_parse(" , ,\n", a, &e), 0);
}

/* What is printed is read back as it was. */
static void round_trip(void **state)
{
    (void)state;
    static struct lora_item a[LORA_ITEMS], b[LORA_ITEMS];
    struct err e = {""};
    char text[4096] = "", one[LORA_ITEM_NAME + 64];
    int n = lora_list_parse("x:0.00001, \"y,:z\":0.2:0.3, w:te=0:unet=1", a, &e);
    assert_int_equal(n, 3);
    for (int i = 0; i < n; i++) {
        lora_item_print(&a[i], one, sizeof one);
        strcat(strcat(text, i ? ", " : ""), one);
    }
    assert_string_equal(text, "x:1e-05, \"y,:z\":te=0.2:unet=0.3, w:te=0:unet=1");
    assert_int_equal(lora_list_parse(text, b, &e), n);
    for (int i = 0; i < n; i++)
        expect(&b[i], a[i].name, a[i].text, a[i].unet);
}

static void mistakes(void **state)
{
    (void)state;
    static struct lora_item a[LORA_ITEMS];
    static const char *const bad[][2] = {
        {"x:nan", "strength"}, {"x:inf", "strength"},      {"x:1e9", "strength"},
        {"x:101", "strength"}, {"x:te=a", "strength"},     {"x:1:2:3", "strength"},
        {"\"x:1", "quote"},    {":0.5", "without a name"}, {"x:unet=", "strength"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {""};
        if (lora_list_parse(bad[i][0], a, &e) != -1 || !strstr(e.text, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], e.text);
    }
    struct err e = {""};
    char many[LORA_ITEMS * 3 + 8] = "", name[2000];
    for (int i = 0; i <= LORA_ITEMS; i++)
        strcat(many, "a, ");
    assert_int_equal(lora_list_parse(many, a, &e), -1);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(lora_list_parse(name, a, &e), -1);
}

static int from_prompt(const char *prompt, struct lora_item *a, struct err *e)
{
    struct prompt_tags t;
    assert_int_equal(prompt_tags_cut(prompt, false, &t, e), 0);
    int n = lora_list_tags(&t, a, 0, e);
    prompt_tags_free(&t);
    return n;
}

/* A1111's rules for what is left out. */
static void tags(void **state)
{
    (void)state;
    static struct lora_item a[LORA_ITEMS];
    struct err e = {""};
    assert_int_equal(from_prompt("a <lora:x> b <lyco:y:0.5> <lora:z:0.5:0.25><lora:u:unet=2>"
                                 "<lora:t:te=0.5>",
                                 a, &e),
                     5);
    expect(&a[0], "x", 1, 1);
    expect(&a[1], "y", 0.5, 0.5);
    expect(&a[2], "z", 0.5, 0.25);
    expect(&a[3], "u", 1, 2);
    expect(&a[4], "t", 0.5, 0.5);
    assert_int_equal(from_prompt("<hypernet:h:1>", a, &e), -1);
    assert_non_null(strstr(e.text, "hypernetworks are not supported"));
    assert_int_equal(from_prompt("<lora:x:dyn=4>", a, &e), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(tags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
