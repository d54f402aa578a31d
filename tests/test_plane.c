/* A bit a pixel: floods over runs reach what a flood from pixel to pixel does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "sprite/plane.h"
#include "sprites.h"

static void set(struct plane *p, int x, int y)
{
    plane_set(p, (struct run){y, x, x + 1});
}

/* Takes what is connected to (x, y) out of `from` and puts it into `to`, pixel by pixel. */
static void naive(struct plane *from, struct plane *to, int x, int y, bool corners)
{
    if (x < 0 || y < 0 || x >= from->width || y >= from->height || !plane_get(from, x, y))
        return;
    from->at[(size_t)y * from->row + (size_t)x / 64] &= ~(UINT64_C(1) << (x & 63));
    set(to, x, y);
    for (int k = 0; k < 9; k++)
        if (corners || k % 2)
            naive(from, to, x + k % 3 - 1, y + k / 3 - 1, corners);
}

static void check(int width, int height, unsigned share, bool corners, uint32_t *seed)
{
    struct plane a, b, got, want;
    struct runs runs = {0};
    assert_int_equal(plane_new(&a, width, height) | plane_new(&b, width, height) |
                         plane_new(&got, width, height) | plane_new(&want, width, height),
                     0);
    size_t there = 0;
    for (int i = 0; i < width * height; i++)
        if (sprite_random(seed) % 100 < share)
            set(&a, i % width, i / width), set(&b, i % width, i / width), there++;
    assert_int_equal(plane_count(&a), there);
    int x = (int)(sprite_random(seed) % (unsigned)width);
    int y = (int)(sprite_random(seed) % (unsigned)height);
    plane_take(&a, y, x, x + 1, &runs);
    plane_flood(&a, &runs, 0, corners);
    for (size_t i = 0; i < runs.n; i++)
        plane_set(&got, runs.at[i]);
    naive(&b, &want, x, y, corners);
    assert_memory_equal(got.at, want.at, got.row * (size_t)height * sizeof *got.at);
    assert_memory_equal(a.at, b.at, a.row * (size_t)height * sizeof *a.at); /* what is left */
    assert_false(runs.failed);
    runs_free(&runs);
    plane_free(&a);
    plane_free(&b);
    plane_free(&got);
    plane_free(&want);
}

static void floods_reach_what_is_connected(void **state)
{
    (void)state;
    static const int widths[] = {1, 2, 63, 64, 65, 100, 128, 130};
    uint32_t seed = 1;
    for (int i = 0; i < 400; i++)
        check(widths[i % 8], 1 + i % 17, 40 + (unsigned)i % 61, i & 1, &seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floods_reach_what_is_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
