/*
 * Where panels stand, over every size that the app takes: inside, apart, large enough, and what an
 * artist cannot do without is always there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>

#include "ui/layout.h"

enum { MAX_ROWS = 90, MAX_COLS = 300, PANELS = 9 };

static bool inside(struct rect in, struct rect out)
{
    return in.h == 0 || (in.y >= out.y && in.x >= out.x && in.h >= 0 && in.w >= 0 &&
                         in.y + in.h <= out.y + out.h && in.x + in.w <= out.x + out.w);
}

static bool overlap(struct rect a, struct rect b)
{
    return a.h > 0 && b.h > 0 && a.y < b.y + b.h && b.y < a.y + a.h && a.x < b.x + b.w &&
           b.x < a.x + a.w;
}

static int area(struct rect r)
{
    return r.h * r.w;
}

static void test_frame(void **state)
{
    (void)state;
    for (int rows = 1; rows <= MAX_ROWS; rows++)
        for (int cols = 1; cols <= MAX_COLS; cols++) {
            struct layout l = layout_frame(rows, cols);
            bool small = rows < 20 || cols < 60;
            assert_int_equal(l.too_small, small);
            if (small)
                continue;
            assert_true(l.top.y == 0 && l.top.h == 1 && l.top.w == cols);
            assert_true(l.main.y == 1 && l.main.h == rows - 2 && l.main.w == cols);
            assert_true(l.bottom.y == rows - 1 && l.bottom.h == 1 && l.bottom.w == cols);
        }
}

static void check_studio(struct rect main)
{
    struct studio_layout l = layout_studio(main, LAYOUT_EVEN);
    struct rect p[PANELS] = {l.prompt, l.preview, l.progress, l.negative, l.settings,
                             l.queue,  l.presets, l.timing,   l.memory};
    int covered = 0;
    for (int i = 0; i < PANELS; i++) {
        if (i < 6 || p[i].h)
            assert_true(p[i].h >= 3 && p[i].w >= 12);
        assert_true(inside(p[i], main));
        covered += p[i].h ? area(p[i]) : 0;
        for (int j = 0; j < i; j++)
            assert_false(overlap(p[i], p[j]));
    }
    assert_int_equal(covered, area(main)); /* no hole either */
    assert_true(l.settings.h >= 7 && l.settings.w >= 30);
    assert_true(l.prompt.h >= 4 && l.prompt.h <= 8);
    assert_true(l.preview.h >= 8 && l.preview.w >= 24);
    if (l.presets.h)
        assert_true(l.presets.w >= 18);
    if (l.timing.h)
        assert_true(l.timing.h >= 5 && l.timing.w >= 20);
    if (l.memory.h)
        assert_true(l.timing.h && l.memory.h >= 5 && l.memory.w >= 20);
    assert_true(!l.timing.h || l.presets.h);
    if (main.w >= 100)
        assert_true(l.presets.h && l.timing.h && l.memory.h);
    if (main.h >= 30)
        assert_true(l.settings.h >= 12 && l.presets.h >= 5 && l.timing.h);
}

/* Settings with the keys take room from presets and queue alone. */
static void check_settings(struct rect main)
{
    struct studio_layout l = layout_studio(main, LAYOUT_EVEN),
                         s = layout_studio(main, LAYOUT_SETTINGS);
    assert_memory_equal(&l.prompt, &s.prompt, sizeof l.prompt);
    assert_memory_equal(&l.negative, &s.negative, sizeof l.negative);
    assert_memory_equal(&l.preview, &s.preview, sizeof l.preview);
    assert_true(s.presets.h == 0 && s.queue.h == 3);
    assert_int_equal(area(s.settings) + area(s.queue),
                     area(l.settings) + area(l.queue) + (l.presets.h ? area(l.presets) : 0));
    assert_true(inside(s.settings, main) && inside(s.queue, main));
    assert_false(overlap(s.settings, s.queue));
    assert_false(overlap(s.settings, s.negative) || overlap(s.settings, s.preview));
    struct studio_layout p = layout_studio(main, LAYOUT_PRESETS); /* the same for presets */
    assert_memory_equal(&p.presets, &s.settings, sizeof p.presets);
    assert_true(p.settings.h == 0 && p.queue.h == 3);
}

static void test_studio_at_every_size(void **state)
{
    (void)state;
    for (int rows = LAYOUT_MIN_ROWS; rows <= MAX_ROWS; rows++)
        for (int cols = LAYOUT_MIN_COLS; cols <= MAX_COLS; cols++)
            check_studio(layout_frame(rows, cols).main),
                check_settings(layout_frame(rows, cols).main);
    struct studio_layout none = layout_studio((struct rect){0, 0, 17, 200}, LAYOUT_EVEN);
    assert_int_equal(none.prompt.h, 0);
}

/* A larger terminal never shows less of what is looked at. */
static void test_more_room_is_no_loss(void **state)
{
    (void)state;
    for (int cols = LAYOUT_MIN_COLS; cols <= MAX_COLS; cols++) {
        struct rect main = {1, 0, 18, cols};
        struct studio_layout before = layout_studio(main, LAYOUT_EVEN);
        for (main.h = 19; main.h <= MAX_ROWS; main.h++) {
            struct studio_layout now = layout_studio(main, LAYOUT_EVEN);
            assert_true(now.settings.h >= before.settings.h);
            assert_true(now.queue.h + now.presets.h >= before.queue.h + before.presets.h);
            assert_true(!before.timing.h || now.timing.h);
            assert_true(!before.presets.h || now.presets.h);
            before = now;
        }
    }
}

static void test_grid(void **state)
{
    (void)state;
    struct rect cells[12], all = {3, 5, 20, 83};
    layout_grid(all, 3, 4, cells, 12);
    for (int i = 0; i < 12; i++) {
        assert_true(inside(cells[i], all));
        assert_true(cells[i].h == 6 && cells[i].w == 20);
        for (int j = 0; j < i; j++)
            assert_false(overlap(cells[i], cells[j]));
    }
    assert_int_equal(cells[1].x - cells[0].x, 21); /* a column between */
    assert_int_equal(cells[4].y - cells[0].y, 6);
    layout_grid((struct rect){0, 0, 2, 3}, 3, 4, cells, 12); /* no room: empty, not negative */
    for (int i = 0; i < 12; i++)
        assert_int_equal(area(cells[i]), 0);
    cells[10].h = cells[11]
                      .h = -1; /* ten in three rows of four: what is left over is not touched */
    layout_grid(all, 3, 4, cells, 10);
    assert_int_equal(cells[9].h, 6);
    assert_true(cells[10].h == -1 && cells[11].h == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),
        cmocka_unit_test(test_studio_at_every_size),
        cmocka_unit_test(test_more_room_is_no_loss),
        cmocka_unit_test(test_grid),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
