/* Kernels of the CUDA backend that no op reaches, on the host; see test_gpu.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_help.h"

#ifndef NO_SHIM

/* -- kernels that no op reaches -----------------------------------------------------------------
 */

enum { TYPES = 3 };
static const enum dtype types[TYPES] = {DT_F32, DT_F16, DT_BF16};
/* Half an ulp at 1, and what f32 loses in a sum of some hundred. */
static const double rounding[TYPES] = {1e-6, 0x1p-11, 0x1p-8};

static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed * 0x1p-31f;
}

/* A tensor of its own memory, to the byte, random between -1 and 1; with ld > c between the rows
 * are NaNs. */
static struct tensor random_tensor(enum dtype type, int n, int h, int w, int c, int ld,
                                   uint32_t seed)
{
    struct tensor t = {NULL, type, n, h, w, c, ld};
    size_t bytes = (size_t)((tensor_rows(&t) - 1) * ld + c) * dtype_size(type);
    assert_int_equal(device_alloc(&t.data, bytes, NULL), 0);
    for (int64_t r = 0; r < tensor_rows(&t); r++)
        for (int i = 0; i < c; i++)
            store_f32(t.data, type, r * ld + i, 4 * noise(&seed));
    return t;
}

static float at(const struct tensor *t, int64_t row, int c)
{
    return load_f32(t->data, t->dtype, row * t->ld + c);
}

static void assert_close(double got, double want, double allowed, const char *what)
{
    if (!(fabs(got - want) <= allowed * fmax(1, fabs(want))))
        fail_msg("%s: %.9g, not %.9g", what, got, want);
}

static void test_softmax(void **state)
{
    (void)state;
    static const int sizes[] = {1, 8, 77, 128, 1000, 2056, 16392};
    for (int k = 0; k < TYPES; k++)
        for (int s = 0; s < (int)(sizeof sizes / sizeof *sizes); s++) {
            int c = sizes[s], rows = c > 4000 ? 1 : 3;
            struct tensor x = random_tensor(types[k], 1, rows, 1, c, c + (s % 2) * 8, 3u + s);
            struct tensor y = random_tensor(types[k], 1, rows, 1, c, c, 4);
            ran(gpu_softmax(&y, &x, 1.5f, NULL));
            for (int r = 0; r < rows; r++) {
                double sum = 0;
                for (int i = 0; i < c; i++)
                    sum += exp(1.5 * at(&x, r, i));
                for (int i = 0; i < c; i++)
                    assert_close(at(&y, r, i) * c, c * exp(1.5 * at(&x, r, i)) / sum,
                                 2 * rounding[k], "softmax");
            }
            device_free(x.data, NULL);
            device_free(y.data, NULL);
        }
}

/* More channels than a block has threads for, groups across its passes, a first pixel far out. */
static void check_group_norm(enum dtype type, int n, int tokens, int c, int groups, double allowed)
{
    struct tensor x = random_tensor(type, n, tokens, 1, c, c, 17);
    struct tensor y = random_tensor(type, n, tokens, 1, c, c, 18);
    struct tensor gamma = random_tensor(DT_F32, 1, 1, 1, c, c, 19);
    struct tensor beta = random_tensor(DT_F32, 1, 1, 1, c, c, 20);
    void *scratch;
    int per = c / groups;
    store_f32(x.data, type, 0, 5000);
    ran(device_alloc(&scratch, gpu_group_norm_scratch(&x, groups), NULL));
    ran(device_zero(scratch, GROUP_NORM_COUNTERS, NULL));
    for (int twice = 0; twice < 2; twice++) /* with the counters that the first has left */
        ran(gpu_group_norm(&y, &x, gamma.data, beta.data, groups, 1e-5f, false, scratch, NULL));
    for (int g = 0; g < n * groups; g++) {
        int image = g / groups, first = g % groups * per;
        double mean = 0, variance = 0;
        for (int i = 0; i < tokens * per; i++)
            mean += at(&x, image * tokens + i / per, first + i % per) / (double)(tokens * per);
        for (int i = 0; i < tokens * per; i++)
            variance += pow(at(&x, image * tokens + i / per, first + i % per) - mean, 2);
        variance /= tokens * per;
        for (int i = 0; i < tokens * per; i++) {
            int64_t row = image * tokens + i / per;
            int ch = first + i % per;
            double want = (at(&x, row, ch) - mean) / sqrt(variance + 1e-5) * at(&gamma, 0, ch);
            assert_close(at(&y, row, ch), want + at(&beta, 0, ch), allowed, "group_norm");
        }
    }
    struct tensor *all[] = {&x, &y, &gamma, &beta};
    for (int i = 0; i < 4; i++)
        device_free(all[i]->data, NULL);
    device_free(scratch, NULL);
}

static void test_group_norm(void **state)
{
    (void)state;
    for (int k = 0; k < TYPES; k++) {
        /* the mean is kept relative to that first pixel: f32 loses what 5000 has before the point
         */
        double allowed = types[k] == DT_F32 ? 1e-4 : rounding[k];
        check_group_norm(types[k], 2, 9, 1030, 2, allowed);     /* single values, three passes */
        check_group_norm(types[k], 1, 7, 4160, 32, allowed);    /* vectors, two or three */
        check_group_norm(types[k], 1, 3000, 8, 4, 4 * allowed); /* many chunks */
    }
}

/* Heads of more channels than a block sums up. */
static void test_wide_heads(void **state)
{
    (void)state;
    enum { QUERIES = 35, KEYS = 40, D = 520 };
    struct tensor q = random_tensor(DT_F32, 1, QUERIES, 1, 2 * D, 2 * D, 21);
    struct tensor k = random_tensor(DT_F32, 1, KEYS, 1, 2 * D, 2 * D + 1, 22);
    struct tensor v = random_tensor(DT_F32, 1, KEYS, 1, 2 * D, 2 * D, 23);
    struct tensor y = random_tensor(DT_F32, 1, QUERIES, 1, 2 * D, 2 * D, 24);
    ran(gpu_attention(&y, &q, &k, &v, 2, 0.01f, false, NULL));
    for (int i = 0; i < QUERIES * 2; i++) {
        int row = i / 2, head = i % 2 * D;
        double p[KEYS], sum = 0, out[D] = {0};
        for (int j = 0; j < KEYS; j++) {
            double dot = 0;
            for (int c = 0; c < D; c++)
                dot += (double)at(&q, row, head + c) * at(&k, j, head + c);
            sum += p[j] = exp(0.01 * dot);
        }
        for (int j = 0; j < KEYS; j++)
            for (int c = 0; c < D; c++)
                out[c] += p[j] / sum * at(&v, j, head + c);
        for (int c = 0; c < D; c++)
            assert_close(at(&y, row, head + c), out[c], 1e-5, "attention");
    }
    struct tensor *all[] = {&q, &k, &v, &y};
    for (int i = 0; i < 4; i++)
        device_free(all[i]->data, NULL);
}

static void test_upsample(void **state)
{
    (void)state;
    static const int sizes[][4] = {{1, 1, 1, 8}, {2, 3, 5, 16}, {3, 2, 1, 7}};
    for (int k = 0; k < TYPES; k++)
        for (int s = 0; s < 3; s++)
            for (int odd = 0; odd < 2; odd++) {
                const int *z = sizes[s];
                struct tensor x = random_tensor(types[k], z[0], z[1], z[2], z[3], z[3] + 8, 5u + s);
                struct tensor y = random_tensor(types[k], z[0], 2 * z[1] - odd, 2 * z[2] - odd,
                                                z[3], z[3], 6);
                ran(gpu_upsample(&y, &x, NULL));
                for (int64_t r = 0; r < tensor_rows(&y); r++)
                    for (int c = 0; c < y.c; c++) {
                        int64_t n = r / tensor_tokens(&y), oy = r / y.w % y.h, ox = r % y.w;
                        float want = at(&x, (n * x.h + oy / 2) * x.w + ox / 2, c);
                        assert_true(at(&y, r, c) == want);
                    }
                device_free(x.data, NULL);
                device_free(y.data, NULL);
            }
}

/* Every type to every other but fp16 and bf16; with and without each part. */
static void test_epilogue(void **state)
{
    (void)state;
    for (int k = 0; k < TYPES * TYPES * 16; k++) {
        int from = k % TYPES, to = k / TYPES % TYPES, parts = k / TYPES / TYPES;
        int c = parts % 2 ? 24 : 13, ld = parts % 4 ? c : c + 8;
        struct tensor x = random_tensor(types[from], 2, 3, 2, c, ld, 7u + (uint32_t)k);
        struct tensor y = random_tensor(types[to], 2, 3, 2, c, c, 8);
        struct tensor add = random_tensor(types[from], 2, 1, 1, c, c, 9);
        struct tensor bias = random_tensor(DT_F32, 1, 1, 1, c, c, 10);
        struct tensor before = random_tensor(types[to], 2, 3, 2, c, c, 8); /* y's values */
        enum act act = (enum act)(k % 4);
        bool residual = parts & 4, biased = parts & 8, added = parts & 2;
        int rc = gpu_epilogue(&y, &x, biased ? bias.data : NULL, added ? &add : NULL, act,
                              residual ? &y : NULL, NULL);
        if (from != to && types[from] != DT_F32 && types[to] != DT_F32) {
            assert_int_not_equal(rc, 0);
        } else {
            ran(rc);
            for (int64_t r = 0; r < tensor_rows(&y); r++)
                for (int i = 0; i < c; i++) {
                    double v = at(&x, r, i) + (biased ? at(&bias, 0, i) : 0.0) +
                               (added ? at(&add, r / 6, i) : 0.0);
                    double s = act == ACT_GELU         ? 0.5 * (1 + erf(v * sqrt(0.5)))
                               : act == ACT_SILU       ? 1 / (1 + exp(-v))
                               : act == ACT_QUICK_GELU ? 1 / (1 + exp(-1.702 * v))
                                                       : 1;
                    assert_close(at(&y, r, i), v * s + (residual ? at(&before, r, i) : 0.0),
                                 rounding[to], "epilogue");
                }
        }
        struct tensor *all[] = {&x, &y, &add, &bias, &before};
        for (int i = 0; i < 5; i++)
            device_free(all[i]->data, NULL);
    }
}

/* With factors in memory the same values as with factors in the call. */
static void test_combine_at(void **state)
{
    (void)state;
    float k[] = {0.5f, -2, 3, 0.125f};
    for (int c = 4; c < 6; c++)
        for (int count = 1; count <= 4; count++) {
            struct tensor t[6];
            const struct tensor *x[4];
            for (int i = 0; i < 6; i++)
                t[i] = random_tensor(DT_F32, 1, 5, 13, c, c, (uint32_t)i);
            for (int i = 0; i < 4; i++)
                x[i] = &t[i];
            ran(gpu_combine(&t[4], count, k, x, NULL));
            ran(gpu_combine_at(&t[5], count, k, x, NULL));
            assert_memory_equal(t[4].data, t[5].data, tensor_bytes(&t[4]));
            assert_true(at(&t[4], 7, 1) != at(&t[0], 7, 1));
            for (int i = 0; i < 6; i++)
                device_free(t[i].data, NULL);
        }
}

static void test_pixels(void **state)
{
    (void)state;
    for (int w = 31; w < 34; w++) {
        struct tensor x = random_tensor(DT_F32, 2, 9, w, 3, 3, 11);
        int64_t count = tensor_count(&x);
        float *f = x.data;
        f[5] = NAN, f[6] = INFINITY, f[7] = -INFINITY, f[count - 1] = NAN;
        void *bytes, *counter;
        ran(device_alloc(&bytes, (size_t)count, NULL));
        ran(device_alloc(&counter, sizeof(unsigned), NULL));
        ran(device_zero(counter, sizeof(unsigned), NULL));
        ran(gpu_pixels(bytes, &x, counter, NULL));
        assert_int_equal(*(unsigned *)counter, 4);
        for (int64_t i = 0; i < count; i++)
            assert_int_equal(((uint8_t *)bytes)[i], want_byte(f[i]));
        device_free(bytes, NULL);
        device_free(counter, NULL);
        device_free(x.data, NULL);
    }
}

static void test_preview(void **state)
{
    (void)state;
    for (int c = 4; c < 6; c++) {
        struct tensor x = random_tensor(DT_F32, 2, 9, 17, c, c + 1, 13);
        struct tensor factor = random_tensor(DT_F32, 1, c + 1, 1, 3, 3, 14);
        int64_t pixels = tensor_rows(&x);
        uint8_t *rgb = malloc((size_t)(3 * pixels));
        assert_non_null(rgb);
        ran(gpu_preview(rgb, &x, factor.data, NULL));
        for (int64_t i = 0; i < 3 * pixels; i++) {
            float sum = at(&factor, c, (int)(i % 3));
            for (int j = 0; j < c; j++)
                sum += at(&x, i / 3, j) * at(&factor, j, (int)(i % 3));
            assert_in_range(rgb[i] + 1, want_byte(sum), want_byte(sum) + 2);
        }
        free(rgb);
        device_free(x.data, NULL);
        device_free(factor.data, NULL);
    }
}

/* A power of two is exact both ways, as the VAE's rescaling needs. */
static void test_scaled_copy(void **state)
{
    (void)state;
    for (int k = 0; k < TYPES; k++) {
        struct tensor x = random_tensor(types[k], 1, 9, 5, 16, 16, 15);
        struct tensor y = random_tensor(types[k], 1, 9, 5, 16, 24, 16);
        ran(gpu_copy(&y, &x, 0x1p-5f, NULL));
        for (int64_t r = 0; r < 45; r++)
            for (int c = 0; c < 16; c++)
                assert_true(at(&y, r, c) == at(&x, r, c) * 0x1p-5f || types[k] == DT_F16);
        ran(gpu_copy(&x, &y, 0x1p5f, NULL));
        for (int64_t r = 0; r < 45; r++)
            for (int c = 0; c < 16; c++)
                assert_true(at(&x, r, c) == at(&y, r, c) * 0x1p5f);
        device_free(x.data, NULL);
        device_free(y.data, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),     cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_wide_heads),  cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_epilogue),    cmocka_unit_test(test_combine_at),
        cmocka_unit_test(test_pixels),      cmocka_unit_test(test_preview),
        cmocka_unit_test(test_scaled_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
