/*
 * Pictures in memory: sizes, colours and comparison, where a slip would show as a wrong pixel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sprite/image.h"

static const uint8_t red[4] = {255, 0, 0, 255}, blue[4] = {0, 0, 255, 255};

static uint8_t *at(const struct image *m, int x, int y)
{
    return m->rgba + ((size_t)y * (size_t)m->width + (size_t)x) * 4;
}

static struct image *plain(int w, int h, const uint8_t color[4])
{
    struct image *m = image_new(w, h);
    assert_non_null(m);
    for (int i = 0; i < w * h; i++)
        memcpy(m->rgba + 4 * i, color, 4);
    return m;
}

/* `n` colours, each at least once where there is room. */
static struct image *many(int w, int h, int n)
{
    struct image *m = image_new(w, h);
    assert_non_null(m);
    for (int i = 0; i < w * h; i++) {
        unsigned c = (unsigned)(i % n);
        uint8_t p[4] = {(uint8_t)c, (uint8_t)(c >> 8), (uint8_t)(c >> 16), 255};
        memcpy(m->rgba + 4 * i, p, 4);
    }
    return m;
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    assert_null(image_new(0, 5));
    assert_null(image_new(5, -1));
    assert_null(image_new(IMAGE_MAX_SIDE + 1, 1));
    struct image *m = plain(IMAGE_MAX_SIDE, 1, red);
    assert_null(image_enlarge(m, 2));
    image_free(m);
    image_free(NULL);
}

static void rgb_becomes_opaque(void **state)
{
    (void)state;
    const uint8_t rgb[] = {1, 2, 3, 4, 5, 6};
    struct image *m = image_from_rgb(rgb, 1, 2);
    assert_memory_equal(m->rgba, ((uint8_t[]){1, 2, 3, 255, 4, 5, 6, 255}), 8);
    struct image *copy = image_copy(m);
    assert_true(image_equal(m, copy));
    image_free(m);
    image_free(copy);
}

static void enlarging_repeats_each_pixel(void **state)
{
    (void)state;
    struct image *m = many(5, 3, 15);
    for (int f = 1; f <= 4; f++) {
        struct image *big = image_enlarge(m, f);
        assert_int_equal(big->width, 5 * f);
        assert_int_equal(big->height, 3 * f);
        for (int y = 0; y < big->height; y++)
            for (int x = 0; x < big->width; x++)
                assert_memory_equal(at(big, x, y), at(m, x / f, y / f), 4);
        struct image *back = image_shrink(big, 5, 3);
        assert_true(image_equal(back, m)); /* areas of one colour average to it */
        image_free(back);
        image_free(big);
    }
    image_free(m);
}

static void shrinking_averages_areas_and_keeps_the_shape(void **state)
{
    (void)state;
    struct image *m = plain(4, 2, red);
    memcpy(at(m, 1, 0), blue, 4);
    struct image *s = image_shrink(m, 2, 50);
    assert_int_equal(s->width, 2);
    assert_int_equal(s->height, 1);
    assert_memory_equal(at(s, 0, 0), ((uint8_t[]){191, 0, 64, 255}), 4);
    assert_memory_equal(at(s, 1, 0), red, 4);
    image_free(s);
    s = image_shrink(m, 3, 2); /* a third of a pixel and two thirds */
    assert_int_equal(s->width, 3);
    assert_int_equal(s->height, 2); /* 1.5 */
    assert_memory_equal(at(s, 2, 0), red, 4);
    assert_memory_equal(at(s, 0, 0), ((uint8_t[]){191, 0, 64, 255}), 4);
    image_free(s);
    s = image_shrink(m, 400, 300); /* never enlarged */
    assert_true(image_equal(s, m));
    image_free(s);
    image_free(m);
    m = plain(1000, 1, red);
    s = image_shrink(m, 10, 10);
    assert_int_equal(s->width, 10);
    assert_int_equal(s->height, 1); /* never nothing */
    image_free(s);
    image_free(m);
}

static void what_is_clear_does_not_bleed_into_the_average(void **state)
{
    (void)state;
    struct image *m = plain(2, 1, red);
    memcpy(at(m, 0, 0), (uint8_t[]){0, 255, 0, 0}, 4);
    struct image *s = image_shrink(m, 1, 1);
    assert_memory_equal(at(s, 0, 0), ((uint8_t[]){255, 0, 0, 128}), 4);
    image_free(s);
    image_free(m);
}

static void colors_are_counted(void **state)
{
    (void)state;
    for (int n = 1; n <= 5000; n = n * 3 + 1) {
        struct image *m = many(75, 70, n);
        assert_int_equal(image_colors(m), n);
        image_free(m);
    }
    struct image *m = plain(3, 1, red);
    memcpy(at(m, 0, 0), (uint8_t[]){1, 2, 3, 0}, 4); /* both clear: none */
    memcpy(at(m, 1, 0), (uint8_t[]){9, 9, 9, 0}, 4);
    assert_int_equal(image_colors(m), 1);
    image_free(m);
}

static void the_palette_rebuilds_the_image(void **state)
{
    (void)state;
    uint8_t palette[256][4], indexes[32 * 32];
    for (int n = 1; n <= 256; n += 51) {
        struct image *m = many(32, 32, n);
        memset(at(m, 31, 31), 0, 4);
        int room = n < 256 ? n + 1 : 256;
        int got = image_palette(m, room, palette, indexes);
        if (n == 256) {
            assert_int_equal(got, -1); /* 256 and the clear one */
        } else {
            assert_int_equal(got, n + 1);
            for (int i = 0; i < 32 * 32; i++)
                assert_memory_equal(palette[indexes[i]], m->rgba + 4 * i, 4);
            assert_memory_equal(palette[0], m->rgba, 4); /* in order of appearance */
            assert_int_equal(image_palette(m, n, palette, indexes), -1);
        }
        image_free(m);
    }
}

static void differences_are_counted_and_marked(void **state)
{
    (void)state;
    const uint8_t mark[4] = {255, 0, 255, 255};
    struct image *a = plain(4, 5, red), *b = image_copy(a), *picture;
    assert_true(image_difference(a, b, mark, NULL) == 0);
    memcpy(at(b, 2, 3), blue, 4);
    assert_true(image_difference(a, b, mark, &picture) == 1.0 / 20);
    assert_memory_equal(at(picture, 2, 3), mark, 4);
    assert_memory_not_equal(at(picture, 0, 0), mark, 4);
    assert_false(image_equal(a, b));
    image_free(picture);
    memset(at(a, 2, 3), 0, 4);
    memcpy(at(b, 2, 3), (uint8_t[]){7, 7, 7, 0}, 4); /* both clear: the same */
    assert_true(image_difference(a, b, mark, NULL) == 0);
    assert_true(image_equal(a, b));
    image_free(b);
    b = plain(5, 4, red);
    assert_true(image_difference(a, b, mark, &picture) == 1);
    assert_false(image_equal(a, b));
    image_free(picture);
    image_free(a);
    image_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(rgb_becomes_opaque),
        cmocka_unit_test(enlarging_repeats_each_pixel),
        cmocka_unit_test(shrinking_averages_areas_and_keeps_the_shape),
        cmocka_unit_test(what_is_clear_does_not_bleed_into_the_average),
        cmocka_unit_test(colors_are_counted),
        cmocka_unit_test(the_palette_rebuilds_the_image),
        cmocka_unit_test(differences_are_counted_and_marked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
