/* Masks drawn by hand: rectangles at the edges, growing against a count of its own, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sprite/image_file.h"
#include "sprite/mask.h"

/* '#' is on. */
static void expect(const struct mask *m, const char *rows)
{
    for (int i = 0; i < m->width * m->height; i++)
        if ((rows[i] == '#') != (m->at[i] == 255))
            fail_msg("pixel %d, %d is %d", i % m->width, i / m->width, m->at[i]);
}

static void test_boxes(void **state)
{
    (void)state;
    struct mask m;
    assert_int_equal(mask_init(&m, 5, 3), 0);
    mask_box(&m, 3, 1, 1, 0, true); /* corners in any order */
    expect(&m, ".###."
               ".###."
               ".....");
    mask_box(&m, 2, 0, 2, 0, false);
    mask_box(&m, 4, 2, 900, 900, true); /* cut to the mask */
    mask_box(&m, -9, 2, -1, 2, true);
    expect(&m, ".#.#."
               ".###."
               "#...#");
    assert_int_equal(mask_count(&m), 7);
    mask_invert(&m);
    expect(&m, "#.#.#"
               "#...#"
               ".###.");
    mask_free(&m);
    assert_int_equal(mask_init(&m, 0, 5), -1);
    assert_int_equal(mask_init(&m, IMAGE_MAX_SIDE + 1, 5), -1);
}

static void test_edges(void **state)
{
    (void)state;
    struct mask m;
    assert_int_equal(mask_init(&m, 5, 5), 0);
    mask_box(&m, 2, 2, 2, 2, true);
    assert_int_equal(mask_spread(&m, true), 0);
    expect(&m, "....."
               "..#.."
               ".###."
               "..#.."
               ".....");
    assert_int_equal(mask_spread(&m, true), 0);
    assert_int_equal(mask_count(&m), 13); /* 1, 5, 13: a diamond */
    assert_int_equal(mask_spread(&m, false), 0);
    assert_int_equal(mask_count(&m), 5);
    mask_free(&m);
}

/* Written and read back, at its size and another; by transparency where there is some. */
static void test_files(void **state)
{
    (void)state;
    char path[] = "/tmp/spritty-mask-XXXXXX";
    struct mask m, back, large;
    struct image image;
    struct png_file file;
    struct err e = {""};
    close(mkstemp(path));
    assert_int_equal(mask_init(&m, 7, 4), 0);
    mask_box(&m, 1, 1, 4, 2, true);
    assert_int_equal(mask_save(&m, path, &e), 0);
    assert_int_equal(image_load(path, &image, &file, &e), 0);
    assert_int_equal(mask_init(&back, 7, 4), 0);
    mask_from_image(&back, &image);
    assert_memory_equal(back.at, m.at, 28);
    assert_int_equal(mask_init(&large, 14, 8), 0);
    mask_from_image(&large, &image);
    assert_int_equal(mask_count(&large), 4 * mask_count(&m));
    image.rgba[3] = 0; /* one transparent pixel, and only it is made anew */
    mask_from_image(&back, &image);
    assert_int_equal(mask_count(&back), 1);
    png_file_free(&file);
    mask_free(&m);
    mask_free(&back);
    mask_free(&large);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_boxes), cmocka_unit_test(test_edges),
                                       cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
