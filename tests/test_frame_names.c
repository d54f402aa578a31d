/* What the frames of a sheet are called. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ui/frame_names.h"

static void one(const char *words, const char *want)
{
    char name[1][FRAME_NAME];
    frame_names(&words, 1, name);
    assert_string_equal(name[0], want);
}

static void after_their_words(void **state)
{
    (void)state;
    one("a green slime", "green-slime.png");
    one("An Orange cat, facing left", "orange-cat-facing-left.png");
    one("(a crown:1.3) of <lora:pixel:0.8>gold/", "crown-of-gold.png");
    one("the", "sprite.png");
    one("", "sprite.png");
    one("../../etc", "etc.png");
    one("a knight with a very long sword and a shield that is longer still",
        "knight-with-very-long-sword-and-shield-that.png");
    one("\u6771\u4eac \u30b9\u30e9\u30a4\u30e0", "\u6771\u4eac-\u30b9\u30e9\u30a4\u30e0.png");
    /* 20 characters of 3 bytes: whole ones only */
    one("\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771"
        "\u6771\u6771\u6771\u6771\u6771",
        "\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771\u6771.png");
}

static void none_comes_twice(void **state)
{
    (void)state;
    static const char *const words[] = {"a slime", "a key", "slime", "slime 2", "the slime"};
    static const char *const want[] = {"slime-1.png", "key.png", "slime-2.png", "slime-2-6.png",
                                       "slime-3.png"};
    char name[5][FRAME_NAME];
    frame_names(words, 5, name);
    for (int i = 0; i < 5; i++)
        assert_string_equal(name[i], want[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_their_words),
        cmocka_unit_test(none_comes_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
