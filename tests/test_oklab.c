/*
 * Oklab against the values its author published, against the formula in double, and there and back
 * for every sRGB colour on a fine grid.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <string.h>

#include "sprite/oklab.h"

static double curve(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static void the_curve_is_srgb(void **state)
{
    (void)state;
    for (int i = 0; i < 256; i++) {
        assert_true(fabs(srgb_to_linear((uint8_t)i) - curve(i / 255.0)) < 1e-7);
        assert_int_equal(linear_to_srgb(srgb_to_linear((uint8_t)i)), i);
    }
    for (int i = 0; i < 255; i++) { /* rounding turns half way */
        assert_int_equal(linear_to_srgb((float)curve((i + 0.499) / 255)), i);
        assert_int_equal(linear_to_srgb((float)curve((i + 0.501) / 255)), i + 1);
    }
    assert_int_equal(linear_to_srgb(-3), 0);
    assert_int_equal(linear_to_srgb(7), 255);
    assert_int_equal(linear_to_srgb(NAN), 0);
}

/* XYZ (D65) to linear sRGB, IEC 61966-2-1 with more digits. */
static void xyz_to_linear(const double v[3], float rgb[3])
{
    static const double m[3][3] = {
        {3.2404541621, -1.5371385128, -0.4985314096},
        {-0.9692660305, 1.8760108454, 0.0415560175},
        {0.0556434310, -0.2040259135, 1.0572251882},
    };
    for (int i = 0; i < 3; i++)
        rgb[i] = (float)(m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2]);
}

/* The table "XYZ and Oklab coordinates" of https://bottosson.github.io/posts/oklab/, which has
 * three decimals. Three of its colours are no sRGB colours. */
static void published_values_come_out(void **state)
{
    (void)state;
    static const struct {
        double xyz[3];
        struct oklab lab;
    } rows[] = {
        {{0.950, 1.000, 1.089}, {1.000f, 0.000f, 0.000f}},
        {{1.000, 0.000, 0.000}, {0.450f, 1.236f, -0.019f}},
        {{0.000, 1.000, 0.000}, {0.922f, -0.671f, 0.263f}},
        {{0.000, 0.000, 1.000}, {0.153f, -1.415f, -0.449f}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        float rgb[3];
        xyz_to_linear(rows[i].xyz, rgb);
        struct oklab c = oklab_from_linear(rgb);
        assert_true(fabsf(c.l - rows[i].lab.l) < 0.0012f);
        assert_true(fabsf(c.a - rows[i].lab.a) < 0.0012f);
        assert_true(fabsf(c.b - rows[i].lab.b) < 0.0012f);
    }
}

/* The published formula with the library's cube root and doubles. */
static void in_double(const uint8_t rgb[3], double lab[3])
{
    static const double lms[3][3] = {
        {0.4122214708, 0.5363325363, 0.0514459929},
        {0.2119034982, 0.6806995451, 0.1073969566},
        {0.0883024619, 0.2817188376, 0.6299787005},
    };
    static const double out[3][3] = {
        {0.2104542553, 0.7936177850, -0.0040720468},
        {1.9779984951, -2.4285922050, 0.4505937099},
        {0.0259040371, 0.7827717662, -0.8086757660},
    };
    double root[3];
    for (int i = 0; i < 3; i++)
        root[i] = cbrt(lms[i][0] * curve(rgb[0] / 255.0) + lms[i][1] * curve(rgb[1] / 255.0) +
                       lms[i][2] * curve(rgb[2] / 255.0));
    for (int i = 0; i < 3; i++)
        lab[i] = out[i][0] * root[0] + out[i][1] * root[1] + out[i][2] * root[2];
}

static void bytes_convert_and_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 52 * 52 * 52; i++) {
        const uint8_t rgb[3] = {(uint8_t)(i % 52 * 5), (uint8_t)(i / 52 % 52 * 5),
                                (uint8_t)(i / 52 / 52 * 5)};
        uint8_t back[3];
        double lab[3];
        struct oklab c = oklab_from_srgb(rgb);
        in_double(rgb, lab);
        assert_true(fabs(c.l - lab[0]) < 1e-6); /* seen: 8e-7 over all colours */
        assert_true(fabs(c.a - lab[1]) < 1e-6);
        assert_true(fabs(c.b - lab[2]) < 1e-6);
        oklab_to_srgb(c, back);
        assert_memory_equal(back, rgb, 3);
    }
}

/* Bit by bit: a picture must not look different because of how many pixels were done at once. */
static void many_are_as_one(void **state)
{
    (void)state;
    uint8_t rgb[203][3];
    struct oklab many[203];
    for (int n = 0; n <= 203; n += 29) {
        for (int i = 0; i < n * 3; i++)
            rgb[i / 3][i % 3] = (uint8_t)(i * i * 31 + i * 7);
        oklab_from_srgb_many(rgb, n, many);
        for (int i = 0; i < n; i++) {
            struct oklab one = oklab_from_srgb(rgb[i]);
            assert_memory_equal(&many[i], &one, sizeof one);
        }
    }
}

static void dark_is_squeezed_and_white_stays(void **state)
{
    (void)state;
    struct oklab white = oklab_squeeze_dark((struct oklab){1, 0, 0});
    struct oklab black = oklab_squeeze_dark((struct oklab){0, 0, 0});
    assert_true(fabsf(white.l - 1) < 1e-6f);
    assert_true(black.l == 0 && black.a == 0 && black.b == 0);
    /* A middle grey of CIELab's L* = 50 is 119 in sRGB; the toe makes Oklab's lightness like it. */
    struct oklab grey = oklab_squeeze_dark(oklab_from_srgb((const uint8_t[]){119, 119, 119}));
    assert_true(fabsf(grey.l - 0.5f) < 0.01f);
    /* Two of the darkest greys look about the same. */
    struct oklab c1 = oklab_from_srgb((const uint8_t[]){4, 4, 4});
    struct oklab c2 = oklab_from_srgb((const uint8_t[]){14, 14, 14});
    assert_true(sqrtf(oklab_distance2(c1, c2)) > 0.05f);
    assert_true(sqrtf(oklab_distance2(oklab_squeeze_dark(c1), oklab_squeeze_dark(c2))) < 0.05f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_curve_is_srgb),
        cmocka_unit_test(published_values_come_out),
        cmocka_unit_test(bytes_convert_and_come_back),
        cmocka_unit_test(many_are_as_one),
        cmocka_unit_test(dark_is_squeezed_and_white_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
