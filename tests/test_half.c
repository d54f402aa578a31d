/* Sixteen-bit floats: every value survives the way up and back, and coming down always takes the
 * nearest, ties to even, which is checked against the two neighbours in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "ops/half.h"

struct format {
    const char *name;
    float (*up)(uint16_t);
    uint16_t (*down)(float);
    uint16_t inf;
    double beyond; /* where infinity stands in line: one step after the largest */
};

static const struct format formats[] = {
    {"f16", f32_from_f16, f16_from_f32, 0x7c00, 65536},
    {"bf16", f32_from_bf16, bf16_from_f32, 0x7f80, 0x1p128},
};

static double value(const struct format *f, uint16_t h)
{
    uint16_t magnitude = h & 0x7fff;
    double v = magnitude == f->inf ? f->beyond : fabs((double)f->up(magnitude));
    return h & 0x8000 ? -v : v;
}

static void test_round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        for (uint32_t h = 0; h < 0x10000; h++) {
            const struct format *f = &formats[i];
            float x = f->up((uint16_t)h);
            if ((h & 0x7fff) > f->inf) { /* NaN stays NaN */
                assert_true(isnan(x));
                assert_true((f->down(x) & 0x7fff) > f->inf);
                assert_int_equal(f->down(x) & 0x8000, h & 0x8000);
            } else {
                assert_int_equal(f->down(x), h);
            }
        }
}

static void test_known(void **state)
{
    (void)state;
    assert_true(f32_from_f16(0x3c00) == 1 && f32_from_f16(0xc000) == -2);
    assert_true(f32_from_f16(0x0001) == 0x1p-24f && f32_from_f16(0x7bff) == 65504);
    assert_true(isinf(f32_from_f16(0x7c00)) && f32_from_bf16(0x3f80) == 1);
    assert_true(f32_from_bf16(0x0001) == 0x1p-133f);
    assert_int_equal(f16_from_f32(65519.99f), 0x7bff);
    assert_int_equal(f16_from_f32(65520), 0x7c00);
    assert_int_equal(f16_from_f32(-1e30f), 0xfc00);
    assert_int_equal(f16_from_f32(0x1p-25f), 0); /* a tie, to even */
    assert_int_equal(f16_from_f32(0x1.8p-24f), 2);
    assert_int_equal(f16_from_f32(-0.0f), 0x8000);
    assert_int_equal(bf16_from_f32(1.00390625f), 0x3f80); /* a tie */
    assert_int_equal(bf16_from_f32(1.01171875f), 0x3f82);
    assert_int_equal(bf16_from_f32(3.4e38f), 0x7f80);
    assert_true(isnan(f32_from_bf16(bf16_from_f32(f32_from_bits(0x7f800001)))));
    assert_true(isnan(f32_from_f16(f16_from_f32(f32_from_bits(0xff800001)))));
}

static void test_nearest(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (int n = 0; n < 2000000; n++) {
        seed = seed * 1664525u + 1013904223u;
        const struct format *f = &formats[n & 1];
        /* f16: exponents around its range; both: a third of the values close to a tie */
        uint32_t bits = seed;
        if (n & 1)
            bits = seed;
        else
            bits = (seed & 0x807fffff) | (96 + (seed >> 23) % 52) << 23;
        if (n % 3 == 0)
            bits = (n & 1) ? (bits & 0xffff0000) + 0x7fff + seed % 3
                           : (bits & 0xffffe000) + 0xfff + seed % 3;
        float x = f32_from_bits(bits);
        if (!isfinite(x))
            continue;
        uint16_t h = f->down(x);
        double v = value(f, h), error = fabs(x - v);
        for (int step = -1; step <= 1; step += 2) {
            uint16_t near = (uint16_t)(h + step);
            if ((near & 0x7fff) > f->inf || ((near ^ h) & 0x8000))
                continue;
            double other = fabs(x - value(f, near));
            if (error > other || (error == other && (h & 1)))
                fail_msg("%s: %a became %a, %a is nearer", f->name, x, v, value(f, near));
        }
    }
}

static void test_unaligned(void **state)
{
    (void)state;
    char raw[16];
    store_f32(raw + 1, DT_F32, 1, 2.5f);
    store_f32(raw + 1, DT_BF16, 0, -3);
    assert_true(load_f32(raw + 1, DT_F32, 1) == 2.5f);
    assert_true(load_f32(raw + 1, DT_BF16, 0) == -3);
    store_f32(raw + 3, DT_F16, 2, 0.1f);
    assert_true(fabsf(load_f32(raw + 3, DT_F16, 2) - 0.1f) < 3e-5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_unaligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
