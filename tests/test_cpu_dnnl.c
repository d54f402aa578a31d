/*
 * Packed filters as calls of several sizes want them: values stay, and a weight is in memory once.
 * oneDNN 3 wants several layouts for these sizes with AVX2; oneDNN 2 one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/cpu_dnnl.h"

enum { IN = 64, OUT = 64, MOST = 32 };

struct fixture {
    struct dnn *dnn;
    struct dnn_weight *w;
    float *filter, *x, *y;
};

static float value(size_t i)
{
    return (float)((i * 2654435761u >> 8) % 17) - 8;
}

static void open_held(struct fixture *f, int k, enum dtype held)
{
    size_t count = (size_t)OUT * IN * (size_t)(k * k), pixels = (size_t)MOST * MOST;
    struct err e;
    f->filter = malloc(count * sizeof(float));
    f->x = malloc(pixels * IN * sizeof(float));
    f->y = malloc(pixels * OUT * sizeof(float));
    for (size_t i = 0; i < count; i++)
        f->filter[i] = value(i);
    for (size_t i = 0; i < pixels * IN; i++)
        f->x[i] = value(i + 5);
    f->dnn = dnn_open(DT_F32, &(struct cpu){cpu_features(), 2}, &e);
    assert_non_null(f->dnn);
    f->w = dnn_pack_conv(f->dnn, f->filter, OUT, IN, k, k, held, &e);
    assert_non_null(f->w);
}

static void open_filter(struct fixture *f, int k)
{
    open_held(f, k, DT_F32);
}

static void close_filter(struct fixture *f)
{
    dnn_free_weight(f->dnn, f->w);
    assert_int_equal(dnn_weight_bytes(f->dnn), 0);
    dnn_close(f->dnn);
    free(f->filter);
    free(f->x);
    free(f->y);
}

/* Small whole numbers, so sums are exact in any order. */
static float expected(const struct fixture *f, int k, int side, int at_y, int at_x, int o)
{
    float sum = 0;
    for (int ky = 0; ky < k; ky++)
        for (int kx = 0; kx < k; kx++) {
            int y = at_y + ky - k / 2, x = at_x + kx - k / 2;
            if (y < 0 || x < 0 || y >= side || x >= side)
                continue;
            for (int i = 0; i < IN; i++)
                sum += f->x[(y * side + x) * IN + i] * f->filter[((o * IN + i) * k + ky) * k + kx];
        }
    return sum;
}

static void call(struct fixture *f, int k, int side, bool bands)
{
    struct err e;
    struct dnn_conv c = {.w = f->w,
                         .x = f->x,
                         .y = f->y,
                         .y_type = DT_F32,
                         .n = 1,
                         .h = side,
                         .w_in = side,
                         .stride = 1,
                         .top = k / 2,
                         .left = k / 2,
                         .bottom = (k - 1) / 2,
                         .right = (k - 1) / 2,
                         .bands = bands};
    assert_int_equal(dnn_conv(f->dnn, &c, &e), 0);
    for (int y = 0; y < side; y += side / 4)
        for (int x = 0; x < side; x += side / 4)
            for (int o = 0; o < OUT; o += 7)
                assert_true(f->y[(y * side + x) * OUT + o] == expected(f, k, side, y, x, o));
}

/* The filters once; blocks of outputs may be filled up. */
static void is_kept(const struct fixture *f, int k, int times)
{
    size_t bytes = (size_t)OUT * IN * (size_t)(k * k) * sizeof(float);
    assert_in_range(dnn_weight_bytes(f->dnn), bytes, (size_t)times * bytes * 3 / 2);
}

static void a_weight_is_kept_once(void **state)
{
    static const int sides[] = {MOST, 4, 16, 8, 4, MOST, 8, 16};
    struct fixture f;
    (void)state;
    for (int k = 1; k <= 3; k++) {
        open_filter(&f, k);
        is_kept(&f, k, 1);
        for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
            call(&f, k, sides[i], false);
            is_kept(&f, k, 1);
        }
        close_filter(&f);
    }
}

static void bands_keep_two_at_most(void **state)
{
    static const int sides[] = {MOST, 4, MOST, 4, 16, 8};
    struct fixture f;
    (void)state;
    open_filter(&f, 2);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        call(&f, 2, sides[i], true);
    is_kept(&f, 2, 2);
    call(&f, 2, 16, false);
    close_filter(&f);
}

static void weights_come_back_as_they_were(void **state)
{
    static const int sides[] = {MOST, 4, 16};
    struct fixture f;
    struct err e;
    (void)state;
    open_filter(&f, 3);
    size_t bytes = (size_t)OUT * IN * 9 * sizeof(float);
    float *back = malloc(bytes);
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        call(&f, 3, sides[i], false);
        memset(back, 0, bytes);
        assert_int_equal(dnn_unpack_conv(f.dnn, f.w, back, &e), 0);
        assert_memory_equal(back, f.filter, bytes);
    }
    free(back);
    close_filter(&f);
}

/* Beside another weight, whose values take the place of the widened ones; whether layouts change or
 * not. */
static void held_in_half_they_count_as_much(void **state)
{
    static const int sides[] = {MOST, 4, 16, 8, 4, MOST};
    static const enum dtype types[] = {DT_F16, DT_BF16};
    struct fixture f;
    struct err e;
    (void)state;
    for (int t = 0; t < 2; t++)
        for (int k = 2; k <= 3; k++) {
            open_held(&f, k, types[t]);
            size_t bytes = (size_t)OUT * IN * (size_t)(k * k) * sizeof(float);
            float *back = malloc(bytes);
            struct fixture other = f;
            other.w = dnn_pack_conv(f.dnn, f.filter, OUT, IN, k, k, types[t], &e);
            assert_in_range(dnn_weight_bytes(f.dnn), bytes, bytes * 3 / 2); /* two in half */
            for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
                call(&f, k, sides[i], k == 2);
                call(&f, k, sides[i], k == 2);
                call(&other, k, sides[i], k == 2);
                assert_int_equal(dnn_unpack_conv(f.dnn, f.w, back, &e), 0);
                assert_memory_equal(back, f.filter, bytes);
            }
            dnn_free_weight(f.dnn, other.w);
            free(back);
            close_filter(&f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weight_is_kept_once),
        cmocka_unit_test(bands_keep_two_at_most),
        cmocka_unit_test(weights_come_back_as_they_were),
        cmocka_unit_test(held_in_half_they_count_as_much),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
