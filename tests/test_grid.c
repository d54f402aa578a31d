/*
 * The grid of enlarged sprites: found where it is known, not found where there is none, and what
 * the user says wins. bench_grid.c runs the whole set.
 */
/* Not under qemu: five hundred pictures, many minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "grid_score.h"

/* Every third size of three sprites by each kind of damage. */
static void run_kind(int kind, int *count, int *exact, double *wrong)
{
    static const int sprites[] = {0, 1, 6};
    *count = *exact = 0, *wrong = 0;
    for (int size = kind % 3; size < GRID_SIZES; size += 3)
        for (int i = 0; i < 3; i++) {
            struct grid_case g = grid_case_of(kind, size, sprites[i]);
            struct image *truth = grid_sprite(sprites[i]), *m = grid_picture(truth, &g, 3);
            struct grid found;
            struct err e;
            assert_int_equal(grid_find(m, 0, &found, &e), 0);
            *exact += score_is_exact(&found, &g, truth);
            *wrong += score_wrong_pixels(m, &found, &g, truth);
            ++*count;
            grid_free(&found);
            image_free(truth);
            image_free(m);
        }
    *wrong /= *count;
}

static void grids_are_found(void **state)
{
    (void)state;
    int all = 0, right = 0;
    for (int kind = 0; kind < GRID_KINDS; kind++) {
        int count, exact;
        double wrong;
        run_kind(kind, &count, &exact, &wrong);
        printf("    %-20s exact %d of %d, wrong pixels %.4f\n", grid_kinds[kind].name, exact, count,
               wrong);
        if (grid_kinds[kind].worn.wander > 0) { /* lines far from edges may be anywhere */
            assert_true(3 * exact >= count && wrong < 0.01);
            continue;
        }
        assert_true(wrong < (grid_kinds[kind].worn.noise > 20 ? 0.1 : 0.01));
        all += count, right += exact;
    }
    assert_true(right * 100 >= all * 95);
}

static void cells_may_be_longer_one_way(void **state)
{
    (void)state;
    struct grid_case g = {
        .cell_x = 8, .cell_y = 10, .left = 3.4, .top = 6.5, .blur = 1, .noise = 4};
    for (int i = 0; i < 6; i++) {
        struct image *truth = grid_sprite(i), *m = grid_picture(truth, &g, 7);
        struct grid found;
        struct err e;
        assert_int_equal(grid_find(m, 0, &found, &e), 0);
        assert_true(score_is_exact(&found, &g, truth));
        assert_true(found.cell_x == 8 && found.cell_y == 10);
        grid_free(&found);
        image_free(truth);
        image_free(m);
    }
}

static void fill(struct image *m, int kind, uint32_t seed)
{
    for (int k = 0; k < m->width * m->height; k++) {
        int x = k % m->width, y = k / m->width;
        for (int c = 0; c < 3; c++)
            m->rgba[4 * k + c] = kind == 0   ? (uint8_t)sprite_random(&seed)
                                 : kind == 1 ? (uint8_t)((x * (c + 1) + y * (3 - c)) / 8)
                                             : (uint8_t)(128 + 100 * sin(0.05 * x * (c + 1)) *
                                                                   cos(0.031 * y + c));
        m->rgba[4 * k + 3] = 255;
    }
}

static void assert_no_grid(const struct image *m)
{
    struct grid g;
    struct err e;
    assert_int_equal(grid_find(m, 0, &g, &e), 0);
    assert_false(g.found);
    assert_int_equal(g.columns, m->width);
    assert_int_equal(g.rows, m->height);
    for (int i = 0; i <= g.columns; i++)
        assert_int_equal(g.x[i], i);
    grid_free(&g);
}

static void no_grid_is_found_where_there_is_none(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) { /* sprites as they are: a pixel is a cell */
        struct image *m = grid_sprite(i);
        assert_no_grid(m);
        image_free(m);
    }
    for (int kind = 0; kind < 3; kind++)
        for (int i = 0; i < 6; i++) {
            struct image *m = image_new(100 + 70 * i, 200);
            fill(m, kind, (uint32_t)i);
            assert_no_grid(m);
            image_free(m);
        }
}

static void odd_images_have_no_grid(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 300}, {300, 1}, {2, 2}, {3, 5}, {64, 64}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct image *m = image_new(sizes[i][0], sizes[i][1]);
        assert_no_grid(m); /* all of one colour, and transparent */
        fill(m, 0, 5);
        assert_no_grid(m);
        image_free(m);
    }
}

static void a_size_that_is_said_wins(void **state)
{
    (void)state;
    static const double sizes[] = {1, 4, 5.5, 8, 16, 100};
    struct grid_case g = {.cell_x = 8, .cell_y = 8, .left = 3, .top = 5, .nearest = true};
    struct image *truth = grid_sprite(0), *m = grid_picture(truth, &g, 1);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct grid found;
        struct err e;
        assert_int_equal(grid_find(m, sizes[i], &found, &e), 0);
        assert_true(found.found);
        if (sizes[i] == 8)
            assert_true(score_is_exact(&found, &g, truth));
        if (found.even)
            assert_true(found.cell_x == sizes[i] && found.cell_y == sizes[i]);
        assert_in_range(found.columns, 1, m->width);
        for (int k = 0; k < found.columns; k++)
            assert_true(found.x[k] < found.x[k + 1]);
        assert_true(found.x[0] >= 0 && found.x[found.columns] <= m->width);
        grid_free(&found);
    }
    image_free(truth);
    image_free(m);
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const double bad[] = {-1, 0.5, 65, 1e300, INFINITY, NAN};
    struct image *m = image_new(64, 64);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct grid g;
        struct err e;
        assert_int_equal(grid_find(m, bad[i], &g, &e), -1);
        assert_null(g.x);
    }
    image_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grids_are_found),
        cmocka_unit_test(cells_may_be_longer_one_way),
        cmocka_unit_test(no_grid_is_found_where_there_is_none),
        cmocka_unit_test(odd_images_have_no_grid),
        cmocka_unit_test(a_size_that_is_said_wins),
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
