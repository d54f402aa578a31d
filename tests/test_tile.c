/* Seams: what goes on is told from what does not, whatever the picture's size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "sprite/oklab.h"
#include "sprite/palette.h"
#include "sprite/tile.h"

/* Waves with whole periods in x (and y), or broken ones. */
static struct image *waves(int w, int h, double across, double down)
{
    struct image *m = image_new(w, h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double u = across * x / w, v = down * y / h;
            uint8_t *p = m->rgba + 4 * (y * w + x);
            p[0] = (uint8_t)(255 * (u - (int)u)), p[1] = (uint8_t)(255 * (v - (int)v));
            p[0] = p[0] < 128 ? 2 * p[0] : 2 * (255 - p[0]);
            p[1] = p[1] < 128 ? 2 * p[1] : 2 * (255 - p[1]);
            p[3] = 255;
        }
    return m;
}

static struct tile_score score_of(struct image *m)
{
    struct tile_score s;
    struct err e;
    assert_int_equal(tile_measure(m, &s, &e), 0);
    image_free(m);
    return s;
}

static void seams_are_told(void **state)
{
    (void)state;
    static const struct {
        double across, down;
        bool x, y;
    } rows[] = {{1, 1, true, true},    {2, 3, true, true},       {1.5, 1, false, true},
                {2, 2.5, true, false}, {0.5, 0.5, false, false}, {3, 1.4, true, false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct tile_score s = score_of(waves(64, 48, rows[i].across, rows[i].down));
        printf("    %g x %g waves: seam across %.2f, down %.2f\n", rows[i].across, rows[i].down,
               s.x, s.y);
        assert_int_equal(s.good_x, rows[i].x);
        assert_int_equal(s.good_y, rows[i].y);
    }
}

/* In cells of 4: most lines have no step at all, and one between cells is still a line like others.
 */
static void cells_are_pixels(void **state)
{
    (void)state;
    struct image *m = waves(32, 24, 2, 3), *large = image_new(128, 96);
    for (int y = 0; y < 96; y++)
        for (int x = 0; x < 128; x++)
            memcpy(large->rgba + 4 * (y * 128 + x), m->rgba + 4 * (y / 4 * 32 + x / 4), 4);
    struct tile_score one = score_of(m), four = score_of(large);
    printf("    seams %.3f and %.3f, in cells %.3f and %.3f\n", one.x, one.y, four.x, four.y);
    assert_int_equal(one.cell, 1);
    assert_int_equal(four.cell, 4);
    assert_true(four.x == one.x && four.y == one.y && four.good_x && four.good_y);
}

static void odd_pictures_have_scores(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 9}, {9, 1}, {2, 2}};
    for (size_t i = 0; i < 4; i++) {
        struct tile_score s = score_of(image_new(sizes[i][0], sizes[i][1]));
        assert_true(s.x == 1 && s.y == 1 && s.good_x && s.good_y);
    }
}

static void repeating_repeats(void **state)
{
    (void)state;
    struct image *m = waves(5, 4, 1, 1);
    struct err e;
    struct image *all = tile_repeat(m, 3, 2, &e);
    assert_int_equal(all->width, 15);
    assert_int_equal(all->height, 8);
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 15; x++)
            assert_memory_equal(all->rgba + 4 * (y * 15 + x), m->rgba + 4 * (y % 4 * 5 + x % 5), 4);
    image_free(all);
    assert_null(tile_repeat(m, IMAGE_MAX_SIDE, 1, &e));
    assert_null(tile_repeat(m, 0, 1, &e));
    image_free(m);
}

/* Hues turn, lightness stays, greys and hidden pixels as well; six sixths are a circle. */
static void hues_turn(void **state)
{
    (void)state;
    static const uint8_t colors[][4] = {
        {40, 120, 60, 255}, {90, 90, 90, 255}, {200, 30, 40, 0}, {30, 40, 110, 255}};
    struct image *m = image_new(4, 1), *before;
    for (int k = 1; k < 6; k++) {
        memcpy(m->rgba, colors, sizeof colors);
        before = image_copy(m);
        palette_turn(m, k);
        for (int i = 0; i < 4; i++) {
            float l = oklab_from_srgb(before->rgba + 4 * i).l;
            float d = l - oklab_from_srgb(m->rgba + 4 * i).l;
            assert_true(d < 0.02f && d > -0.02f);
            bool same = !memcmp(m->rgba + 4 * i, before->rgba + 4 * i, 4);
            assert_int_equal(same, i == 1 || i == 2);
        }
        palette_turn(m, 6 - k);
        for (int i = 0; i < 16; i++) /* what was paler on the way comes back paler */
            assert_in_range(m->rgba[i] + 128, before->rgba[i] + 128 - 60, before->rgba[i] + 188);
        image_free(before);
    }
    image_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seams_are_told),
        cmocka_unit_test(cells_are_pixels),
        cmocka_unit_test(odd_pictures_have_scores),
        cmocka_unit_test(repeating_repeats),
        cmocka_unit_test(hues_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
