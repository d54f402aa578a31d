/*
 * Random numbers against torch's, bit for bit (tests/golden/rng.safetensors, made on a machine with
 * AVX2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/rng.h"
#include "sdxl/safetensors.h"

enum { LARGE = 4 * 128 * 128, MAX_CALLS = 64 };

static struct safetensors *golden(void)
{
    struct err e = {""};
    struct safetensors *f = safetensors_open("tests/golden/rng.safetensors", &e);
    if (f == NULL)
        print_error("%s\n", e.text);
    assert_non_null(f);
    return f;
}

/* How many of these floats have other bits; the first one is printed. */
static int64_t differ(const char *name, const float *got, const struct st_tensor *want)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < want->count; i++) {
        float x;
        memcpy(&x, want->data + 4 * i, sizeof x);
        if (memcmp(&x, &got[i], sizeof x) != 0 && bad++ == 0)
            print_error("%s: value %lld is %a, expected %a\n", name, (long long)i, got[i], x);
    }
    return bad;
}

/* Every row that one call makes: "SEED.SIZE", "SEED.1x4x16x16", and both ends of 65,536 values. */
static void test_rows(void **state)
{
    (void)state;
    struct safetensors *f = golden();
    float *row = malloc(LARGE * sizeof *row);
    int rows = 0;
    int64_t values = 0, bad = 0;
    assert_non_null(row);
    for (int i = 0; i < safetensors_count(f); i++) {
        const struct st_tensor *t = safetensors_at(f, i);
        struct rng r;
        if (strstr(t->name, ".call.") != NULL)
            continue;
        bool end = strstr(t->name, ".65536.") != NULL, tail = strstr(t->name, ".tail") != NULL;
        size_t count = end ? LARGE : (size_t)t->count;
        rng_seed(&r, strtoull(t->name, NULL, 10));
        assert_true(count <= LARGE);
        rng_normal(&r, row, count);
        bad += differ(t->name, tail ? row + count - t->count : row, t);
        values += t->count;
        rows++;
    }
    printf("%d rows, %lld values, %lld with other bits\n", rows, (long long)values, (long long)bad);
    assert_true(rows > 50);
    assert_int_equal(bad, 0);
    free(row);
    safetensors_close(f);
}

/* Calls after one another on one generator: short rows leave a spare behind, which long ones pass.
 */
static void test_calls(void **state)
{
    (void)state;
    struct safetensors *f = golden();
    int calls = 0;
    int64_t bad = 0;
    for (int i = 0; i < safetensors_count(f); i++) {
        const char *first = safetensors_at(f, i)->name, *dot = strstr(first, ".call.0");
        struct rng r;
        if (dot == NULL || dot[7] != '\0')
            continue;
        rng_seed(&r, strtoull(first, NULL, 10));
        for (int k = 0; k < MAX_CALLS; k++) {
            char name[64];
            float row[256];
            snprintf(name, sizeof name, "%.*s.call.%d", (int)(dot - first), first, k);
            const struct st_tensor *t = safetensors_find(f, name);
            if (t == NULL)
                break;
            assert_true(t->count <= 256);
            rng_normal(&r, row, (size_t)t->count);
            bad += differ(name, row, t);
            calls++;
        }
    }
    printf("%d calls, %lld values with other bits\n", calls, (long long)bad);
    assert_true(calls > 50);
    assert_int_equal(bad, 0);
    safetensors_close(f);
}

/* The 10,000th number of mt19937 from its default seed, as the C++ standard demands
 * ([rand.predef]). */
static void test_twister(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 5489);
    for (int i = 1; i < 10000; i++)
        rng_u32(&r);
    assert_int_equal(rng_u32(&r), 4123659995u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_twister),
    };
    return cmocka_run_group_tests_name("rng", tests, NULL, NULL);
}
