/* Outlines, and sprites in their place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "letters.h"
#include "sprite/frame.h"

static void assert_is(const struct image *m, int width, const char *text)
{
    char room[2000];
    const char *got = letters_differ(m, width, text, room);
    if (*got)
        fail_msg("%dx%d '%s', not '%s'", m->width, m->height, got, text);
}

static void assert_outlined(enum outline o, int width, const char *before, int width_after,
                            const char *after)
{
    uint8_t black[4];
    struct err e;
    struct image *m = letters_image(width, before);
    sprite_paint('k', black, black);
    assert_int_equal(frame_outline(&m, o, black, &e), 0);
    assert_is(m, width_after, after);
    image_free(m);
}

static void outlines_are_one_pixel(void **state)
{
    (void)state;
    assert_outlined(OUTLINE_INNER, 4,
                    "gggg"
                    "gggg"
                    "gggg",
                    4,
                    "kkkk"
                    "kggk"
                    "kkkk");
    assert_outlined(OUTLINE_INNER, 5,
                    "     "
                    " ggg "
                    " ggg "
                    " ggg ",
                    5,
                    "     "
                    " kkk "
                    " kgk "
                    " kkk ");
    assert_outlined(OUTLINE_OUTER, 5,
                    "     "
                    "  g  "
                    "     ",
                    5,
                    "  k  "
                    " kgk "
                    "  k  ");
    assert_outlined(OUTLINE_OUTER, 2, "gg", 4,
                    " kk "
                    "kggk"
                    " kk ");
    assert_outlined(OUTLINE_OUTER, 2, "    ", 2, "    ");
    assert_outlined(OUTLINE_NONE, 2, "gg", 2, "gg");
}

static void assert_placed(struct frame_options o, int width, const char *before, int width_after,
                          const char *after, int pivot_x, int pivot_y)
{
    struct err e;
    int pivot[2];
    struct image *m = letters_image(width, before), *out = frame_place(m, &o, pivot, &e);
    assert_non_null(out);
    assert_is(out, width_after, after);
    assert_int_equal(pivot[0], pivot_x);
    assert_int_equal(pivot[1], pivot_y);
    image_free(m);
    image_free(out);
}

static void sprites_are_placed(void **state)
{
    (void)state;
    static const char spot[] = "     "
                               " gg  "
                               "     "
                               "     ";
    assert_placed((struct frame_options){0}, 5, spot, 5, spot, 2, 2);
    assert_placed((struct frame_options){.trim = true}, 5, spot, 2, "gg", 1, 1);
    assert_placed((struct frame_options){.trim = true, .pad = 1}, 5, spot, 4,
                  "    "
                  " gg "
                  "    ",
                  2, 2);
    assert_placed((struct frame_options){.anchor = ANCHOR_CENTRE}, 5, spot, 5,
                  "     "
                  " gg  "
                  "     "
                  "     ",
                  2, 2);
    assert_placed((struct frame_options){.anchor = ANCHOR_FEET}, 5, spot, 5,
                  "     "
                  "     "
                  "     "
                  " gg  ",
                  2, 4);
    assert_placed((struct frame_options){.trim = true, .power_of_two = true}, 3, "ggg", 4, "ggg ",
                  1, 1);
    assert_placed(
        (struct frame_options){.trim = true, .width = 4, .height = 3, .anchor = ANCHOR_FEET}, 5,
        spot, 4,
        "    "
        "    "
        " gg ",
        2, 3);
    /* Feet under one side: they stand in the middle, not the body, and nothing is cut off. */
    assert_placed((struct frame_options){.anchor = ANCHOR_FEET}, 6,
                  "gggg  "
                  " gggg "
                  "   gg ",
                  8,
                  "gggg    "
                  " gggg   "
                  "   gg   ",
                  4, 3);
    /* Too small a frame cuts off. */
    assert_placed((struct frame_options){.width = 2, .height = 1}, 5, spot, 2, "  ", 2, 2);
}

static void empty_images_keep_their_size(void **state)
{
    (void)state;
    assert_placed((struct frame_options){.trim = true, .anchor = ANCHOR_FEET}, 3, "   ", 3, "   ",
                  1, 1);
}

static void frames_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct frame_options bad[] = {
        {.pad = -1}, {.pad = IMAGE_MAX_SIDE}, {.width = IMAGE_MAX_SIDE + 1}, {.height = -1}};
    struct image *m = letters_image(2, "gg");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int pivot[2];
        struct err e;
        assert_null(frame_place(m, &bad[i], pivot, &e));
    }
    image_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outlines_are_one_pixel),
        cmocka_unit_test(sprites_are_placed),
        cmocka_unit_test(empty_images_keep_their_size),
        cmocka_unit_test(frames_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
