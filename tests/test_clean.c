/* Faults of pixel art: mended where asked for, and only those. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "letters.h"
#include "sprite/clean.h"
#include "sprite/labels.h"

static int clean_image(struct image *m, unsigned what, struct clean_report *r, struct err *e)
{
    struct labels v;
    if (labels_take(&v, m, e))
        return -1;
    int rc = clean_labels(&v, what, r, e);
    if (!rc)
        labels_put(&v, 0, 0, m);
    labels_free(&v);
    return rc;
}

static void assert_cleaned(unsigned what, int width, const char *before, const char *after,
                           int changed)
{
    char room[1000];
    struct clean_report r;
    struct err e;
    struct image *m = letters_image(width, before);
    assert_int_equal(clean_image(m, what, &r, &e), 0);
    const char *got = letters_differ(m, width, after, room);
    if (*got)
        fail_msg("'%s', not '%s'", got, after);
    assert_int_equal(r.near + r.lone + r.doubled + r.jagged, changed);
    image_free(m);
}

static void lone_pixels_go(void **state)
{
    (void)state;
    assert_cleaned(CLEAN_LONE, 5,
                   "ggggg"
                   "ggrgg"
                   "ggggg",
                   "ggggg"
                   "ggggg"
                   "ggggg",
                   1);
    assert_cleaned(CLEAN_LONE, 5,
                   "     "
                   "  r  "
                   "     ",
                   "     "
                   "     "
                   "     ",
                   1);
    assert_cleaned(CLEAN_LONE, 3,
                   "ggg"
                   "g g"
                   "ggg",
                   "ggg"
                   "ggg"
                   "ggg",
                   1);
    /* Two belong together, also over a corner; and a pixel between two colours is a detail. */
    assert_cleaned(CLEAN_LONE, 5,
                   "ggggg"
                   "grrgg"
                   "ggggg",
                   "ggggg"
                   "grrgg"
                   "ggggg",
                   0);
    assert_cleaned(CLEAN_LONE, 5,
                   "grggg"
                   "ggrgg"
                   "ggggg",
                   "grggg"
                   "ggrgg"
                   "ggggg",
                   0);
    assert_cleaned(CLEAN_LONE, 3,
                   "ggg"
                   "gry"
                   "yyy",
                   "ggg"
                   "gry"
                   "yyy",
                   0);
}

static void double_outlines_get_thin(void **state)
{
    (void)state;
    assert_cleaned(CLEAN_DOUBLE, 7,
                   "kkkkkkk"
                   "kkkkkkk"
                   "kkgggkk"
                   "kkgggkk"
                   "kkkkkkk"
                   "kkkkkkk",
                   "       "
                   " kkkkk "
                   " kgggk "
                   " kgggk "
                   " kkkkk "
                   "       ",
                   22);
    /* A thin outline, a thin line, and a black shape stay. */
    assert_cleaned(CLEAN_DOUBLE, 5,
                   " kkk "
                   "kgggk"
                   "kgggk"
                   " kkk ",
                   " kkk "
                   "kgggk"
                   "kgggk"
                   " kkk ",
                   0);
    assert_cleaned(CLEAN_DOUBLE, 5,
                   "  k  "
                   "  k  "
                   " kgk "
                   "  k  ",
                   "  k  "
                   "  k  "
                   " kgk "
                   "  k  ",
                   0);
    assert_cleaned(CLEAN_DOUBLE, 4,
                   "kkkk"
                   "kkkk"
                   "kkkk",
                   "kkkk"
                   "kkkk"
                   "kkkk",
                   0);
}

static void steps_get_smooth(void **state)
{
    (void)state;
    assert_cleaned(CLEAN_JAGGED, 4,
                   "kk  "
                   " kk "
                   "  kk",
                   "k   "
                   " k  "
                   "  kk",
                   2);
    /* Straight lines, corners and even slopes stay. */
    static const char *const stay[] = {"kkkk"
                                       "   k"
                                       "   k"
                                       "   k",
                                       "kk  "
                                       "  kk"
                                       "    ",
                                       "kkkk"
                                       "k  k"
                                       "kkkk",
                                       "k   "
                                       " k  "
                                       "  k ",
                                       "kkkk"
                                       "kkkk"
                                       "kkkk"};
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++)
        assert_cleaned(CLEAN_JAGGED, 4, stay[i], stay[i], 0);
}

static void near_colours_are_merged(void **state)
{
    (void)state;
    struct image *m = letters_image(4, "gggg"
                                       "rrrr"
                                       "gggg"),
                 *want = image_copy(m);
    struct clean_report r;
    struct err e;
    m->rgba[0] += 3, m->rgba[4 + 1] -= 3;
    assert_int_equal(clean_image(m, CLEAN_LONE, &r, &e), 0);
    assert_false(image_equal(m, want));
    assert_int_equal(clean_image(m, CLEAN_NEAR, &r, &e), 0);
    assert_true(image_equal(m, want));
    assert_int_equal(r.near, 2);
    image_free(m);
    image_free(want);
    m = image_new(300, 1);
    for (int i = 0; i < 300; i++)
        memcpy(m->rgba + 4 * i, (uint8_t[]){(uint8_t)i, (uint8_t)(i >> 8), 0, 255}, 4);
    assert_int_equal(clean_image(m, CLEAN_NEAR, &r, &e), -1);
    image_free(m);
}

/* Few colours are looked at as numbers, more as they are: with a strip of 300 colours beside it,
 * the same picture comes out the same. */
static void many_colours_change_nothing(void **state)
{
    (void)state;
    enum { SIDE = 77, GAP = 3, STRIP = 4 };
    static const unsigned what[] = {CLEAN_LONE, CLEAN_DOUBLE, CLEAN_JAGGED,
                                    CLEAN_LONE | CLEAN_DOUBLE | CLEAN_JAGGED};
    uint32_t seed = 3;
    for (int i = 0; i < 24; i++) {
        struct image *few = image_new(SIDE, SIDE), *many = image_new(SIDE + GAP + STRIP, SIDE);
        struct clean_report r[2];
        struct err e;
        unsigned colors = 2 + (unsigned)i % 3;
        for (int y = 0; y < SIDE; y++) {
            uint8_t *p = few->rgba + 4 * SIDE * y, *q = many->rgba + 4 * many->width * y;
            for (int x = 0; x < SIDE; x++) {
                unsigned k = sprite_random(&seed) % colors;
                bool again = x > 0 && sprite_random(&seed) % 4 > 1; /* runs, so that lines come */
                const uint8_t fresh[4] = {(uint8_t)(80 * k), 7, 9, k ? 255 : 0};
                memcpy(p + 4 * x, again ? p + 4 * (x - 1) : fresh, 4);
            }
            memcpy(q, p, 4 * SIDE);
            for (int x = 0; x < STRIP; x++) {
                const uint8_t own[4] = {(uint8_t)y, (uint8_t)(50 * x), 200, 255};
                memcpy(q + 4 * (SIDE + GAP + x), own, 4);
            }
        }
        assert_int_equal(clean_image(few, what[i % 4], &r[0], &e), 0);
        assert_int_equal(clean_image(many, what[i % 4], &r[1], &e), 0);
        int changed = r[0].lone + r[0].doubled + r[0].jagged;
        assert_true(changed > 0 || what[i % 4] == CLEAN_DOUBLE);
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                const uint8_t *p = few->rgba + 4 * (SIDE * y + x),
                              *q = many->rgba + 4 * (many->width * y + x);
                assert_true(p[3] == q[3] && (!p[3] || !memcmp(p, q, 4)));
            }
        image_free(few);
        image_free(many);
    }
}

static void nothing_asked_nothing_done(void **state)
{
    (void)state;
    for (int k = 0; k < SPRITE_ARTS; k++) {
        struct image *m = sprite_draw(k, NULL), *before = image_copy(m);
        struct clean_report r;
        struct err e;
        assert_int_equal(clean_image(m, 0, &r, &e), 0);
        assert_true(image_equal(m, before));
        image_free(m);
        image_free(before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lone_pixels_go),
        cmocka_unit_test(double_outlines_get_thin),
        cmocka_unit_test(steps_get_smooth),
        cmocka_unit_test(near_colours_are_merged),
        cmocka_unit_test(many_colours_change_nothing),
        cmocka_unit_test(nothing_asked_nothing_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
