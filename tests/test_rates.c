/* The machine's rates: what is interpolated, what a file of them may say, what the forecast makes
 * of them, and that measuring fills a table that can be used. No time is compared with another. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "ops/dry.h"
#include "ops/ops.h"
#include "ops/rates_file.h"

static void near(double a, double b, double within)
{
    if (!(a >= b * (1 - within) && a <= b * (1 + within)))
        fail_msg("%.9g is not %.9g within %g", a, b, within);
}

static void add(struct rates *r, enum rate_kind kind, double a, double b, double c, double work,
                double ms)
{
    bool flops = kind <= RATE_ATTENTION;
    r->point[r->count++] = (struct rate_point){
        {kind, {a, b, c}, flops ? work : 0, flops ? 4096 : work, 0}, ms};
}

/* A machine that does 1e6 FLOP and moves 1e5 bytes in a millisecond, whatever the call. */
static struct rates even(void)
{
    struct rates r = {.key = "a machine",
                      .first_ms = 3,
                      .start_ms = 10,
                      .pack_bytes_ms = 1000,
                      .touch_bytes_ms = 1e12,
                      .times = 1};
    for (int k = 0; k < RATE_KINDS; k++) {
        bool flops = k <= RATE_ATTENTION;
        add(&r, (enum rate_kind)k, 64, flops ? 32 : 1, flops ? 32 : 1, flops ? 1e6 : 1e5, 1);
        add(&r, (enum rate_kind)k, 4096, flops ? 64 : 1, flops ? 64 : 1, flops ? 1e8 : 1e7, 100);
    }
    return r;
}

static void test_interpolation(void **state)
{
    (void)state;
    struct rates r = {.overhead_ms = 0.5};
    struct rate_call c = {RATE_LINEAR, {64, 128, 128}, 8e6, 4096, 0};
    near(rates_ms(&r, &c), 0.5, 0); /* nothing is known */
    add(&r, RATE_LINEAR, 64, 128, 128, 8e6, 1.5);
    near(rates_ms(&r, &c), 1.5, 1e-9);
    c.flops *= 4; /* the rate of the only point, the overhead once */
    near(rates_ms(&r, &c), 4.5, 1e-9);
    c.kind = RATE_CONV3;
    near(rates_ms(&r, &c), 0.5, 1e-9);
    c.kind = RATE_LINEAR;

    /* Half way between two in the logarithm: the geometric mean of their rates. */
    add(&r, RATE_LINEAR, 256, 128, 128, 32e6, 1.5);
    c = (struct rate_call){RATE_LINEAR, {128, 128, 128}, 16e6, 4096, 0};
    near(rates_ms(&r, &c), 0.5 + 16e6 / 16e6, 1e-6);
    /* At a point its own, though the other pulls; far beyond both, between them. */
    c = (struct rate_call){RATE_LINEAR, {256, 128, 128}, 32e6, 4096, 0};
    near(rates_ms(&r, &c), 1.5, 1e-6);
    c = (struct rate_call){RATE_LINEAR, {1 << 20, 128, 128}, 32e6, 4096, 0};
    assert_true(rates_ms(&r, &c) > 0.5 + 1 && rates_ms(&r, &c) < 0.5 + 2);

    /* Weights come from memory besides. */
    add(&r, RATE_MOVE, 1e6, 1, 1, 1e6, 10.5); /* 1e5 bytes a millisecond */
    c = (struct rate_call){RATE_LINEAR, {256, 128, 128}, 32e6, 4096, 2e5};
    near(rates_ms(&r, &c), 1.5 + 2, 1e-6);
}

static void test_ceilings(void **state)
{
    (void)state;
    struct rates r = {0};
    assert_true(rates_gemm_flops(&r) == 0 && rates_memory_bytes(&r) == 0);
    add(&r, RATE_LINEAR, 1, 1, 1, 1e6, 1);
    add(&r, RATE_LINEAR, 2, 1, 1, 5e6, 1);
    add(&r, RATE_CONV3, 2, 1, 1, 7e6, 1);
    add(&r, RATE_CONV1, 2, 1, 1, 9e9, 1);
    add(&r, RATE_ATTENTION, 2, 1, 1, 3e6, 2);
    add(&r, RATE_MOVE, 1e3, 1, 1, 1e3, 1e-6); /* a cache's rate is not the memory's */
    add(&r, RATE_MOVE, 1e8, 1, 1, 1e8, 10);
    near(rates_gemm_flops(&r), 5e9, 1e-9);
    near(rates_conv_flops(&r), 7e9, 1e-9);
    near(rates_attention_flops(&r), 1.5e9, 1e-9);
    near(rates_memory_bytes(&r), 1e10, 1e-9);
}

static void test_plausible(void **state)
{
    (void)state;
    struct rates r = even();
    assert_true(rates_plausible(&r));
    struct rates bad[12];
    for (int i = 0; i < 12; i++)
        bad[i] = r;
    bad[0].count = 0;
    bad[1].count--, bad[1].count--; /* a kind without points */
    bad[2].point[3].ms = 0;
    bad[3].point[3].ms = 0.0 / 0.0;
    bad[4].point[0].call.size[1] = 0;
    bad[5].point[0].call.flops = 0;
    bad[6].point[0].call.flops = 1e300;
    bad[7].pack_bytes_ms = 0;
    bad[8].overhead_ms = -1;
    bad[9].touch_bytes_ms = 1.0 / 0.0;
    bad[10].others = 2;
    bad[11].times = 0;
    for (int i = 0; i < 12; i++)
        if (rates_plausible(&bad[i]))
            fail_msg("table %d is believed", i);
}

static void test_merge(void **state)
{
    (void)state;
    struct rates a = even(), b = even();
    a.others = 0.6, b.others = 0.3;
    a.point[0].ms = 2, b.point[1].ms = 200;
    b.pack_bytes_ms = 3000;
    assert_true(rates_doubtful(&a));
    rates_merge(&a, &b);
    assert_true(a.point[0].ms == 1 && a.point[1].ms == 100 && a.pack_bytes_ms == 3000);
    assert_true(a.others == 0.3 && a.times == 2 && rates_doubtful(&a));
    rates_merge(&a, &a); /* tried often enough, whatever others do */
    assert_true(a.times == 4 && !rates_doubtful(&a));
    b.others = 0.05;
    assert_false(rates_doubtful(&b));
}

/* After a slow first load, warm ones are learnt, whatever part of the file happens to be cold. */
static void test_loads(void **state)
{
    (void)state;
    const double bytes = 7e9;
    struct rates r = even();
    r.load_bytes_ms = bytes / 17600; /* 17.6 s */
    assert_true(rates_learn_load(&r, bytes, 150e6, 5000));
    assert_float_equal(bytes / r.load_bytes_ms, sqrt(17600. * 5000), 1);
    assert_true(rates_learn_load(&r, bytes, 3e9, 5000)); /* faster though it waited for the disk */
    assert_true(bytes / r.load_bytes_ms < 7000 && r.disk_bytes_ms == 0);
    double warm = bytes / r.load_bytes_ms;
    assert_true(rates_learn_load(&r, bytes, 3e9, warm + 3000)); /* a gigabyte a second */
    assert_float_equal(r.disk_bytes_ms, 1e6, 1);
    assert_float_equal(bytes / r.load_bytes_ms, warm, 1e-6);
    assert_false(rates_learn_load(&r, bytes, 3e9, warm * 1.05));
    r.pack_bytes_ms = 1e6; /* what packs, where files are small */
    assert_false(rates_learn_load(&r, 20e6, 0, 21));
    assert_true(rates_learn_load(&r, 20e6, 0, 40));
    assert_float_equal(r.pack_bytes_ms, sqrt(1e6 * 20e6 / 40), 1);
}

/* ---- files ---- */

static char home[] = "/tmp/spritty-rates-XXXXXX";

static int make_home(void **state)
{
    (void)state;
    return mkdtemp(home) && !setenv("XDG_CACHE_HOME", home, 1) ? 0 : -1;
}

static int remove_home(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

static void test_file(void **state)
{
    (void)state;
    struct err e = {""};
    struct rates r = even(), back, other = even();
    assert_false(rates_load(r.key, &back));
    snprintf(other.key, sizeof other.key, "another, fp32");
    other.point[2].ms = 42;
    if (rates_save(&r, &e) || rates_save(&other, &e))
        fail_msg("%s", e.text);
    assert_true(rates_load(r.key, &back));
    assert_string_equal(back.key, r.key);
    assert_int_equal(back.count, r.count);
    for (int i = 0; i < r.count; i++) {
        assert_int_equal(back.point[i].call.kind, r.point[i].call.kind);
        near(back.point[i].ms, r.point[i].ms, 1e-9);
        near(back.point[i].call.flops, r.point[i].call.flops, 1e-9);
    }
    assert_true(back.first_ms == 3 && back.start_ms == 10 && back.times == 1);
    assert_true(rates_load("another, fp32", &back) && back.point[2].ms == 42);
    assert_false(rates_load("a third", &back));
}

/* What must be measured again: everything that is not what rates_write writes. */
static void test_hostile(void **state)
{
    (void)state;
    static const char *const swaps[][2] = {
        {"\"version\": 5", "\"version\": 0"},
        {"\"version\": 5", "\"version\": \"1\""},
        {"\"key\": \"a machine\"", "\"key\": 7"},
        {"\"kind\": \"linear\"", "\"kind\": \"\\u0007\""},
        {"\"kind\": \"move\"", "\"kind\": \"linear\""}, /* one kind has none then, twice */
        {"\"size\": [64, 32, 32]", "\"size\": [64, 32]"},
        {"\"size\": [64, 32, 32]", "\"size\": [64, 32, \"32\"]"},
        {"\"size\": [64, 32, 32]", "\"size\": [64, 32, 1e999]"},
        {"\"ms\": 1}", "\"ms\": -1}"},
        {"\"ms\": 1}", "\"ms\": 1e-300}"},
        {"\"pack_bytes_ms\": 1000", "\"pack_bytes_ms\": null"},
        {"\"points\": [", "\"points\": [7, "},
        {"\"points\": [", "\"points\": {}, \"others\": ["},
        {"}]}", "}]"},
    };
    struct rates r = even(), back;
    struct err e = {""};
    char *good = rates_write(&r);
    assert_non_null(good);
    assert_int_equal(rates_parse(good, strlen(good), "file", &back, &e), 0);
    for (size_t i = 0; i < sizeof swaps / sizeof *swaps; i++) {
        char bad[16384], *at = strstr(good, swaps[i][0]);
        assert_non_null(at);
        int times = 0;
        size_t n = 0;
        for (const char *s = good; *s;) { /* each of them, the first alone of sizes and times */
            bool here = !strncmp(s, swaps[i][0], strlen(swaps[i][0])) && (times++ == 0 || i == 4);
            n += (size_t)snprintf(bad + n, sizeof bad - n, "%.*s",
                                  here ? (int)strlen(swaps[i][1]) : 1, here ? swaps[i][1] : s);
            s += here ? strlen(swaps[i][0]) : 1;
        }
        if (rates_parse(bad, n, "file", &back, &e) == 0)
            fail_msg("%s is taken", swaps[i][1]);
    }
    free(good);
}

/* ---- the forecast ---- */

static void test_dry(void **state)
{
    (void)state;
    struct err e = {""};
    struct rates r = even();
    struct ops *o = ops_dry_open("ref", DT_F32, &e);
    struct dry_stage s[DRY_STAGES];
    const void *nowhere = (const void *)(uintptr_t)64;
    struct param w = {.data = nowhere, .dtype = DT_F32, .rank = 2, .dim = {32, 32}}, none = {0};
    assert_non_null(o);
    ops_dry_price(o, &r);
    struct weight *packed = o->pack_linear(o, &w, &none, 1);
    ops_dry_wait(o, 7); /* for the file */
    struct tensor x = ops_alloc(o, 1, 64, 1, 32), y = ops_alloc_like(o, &x, 32);
    ops_dry_stage(o, "first");
    o->linear(o, &y, &x, packed, ACT_NONE, NULL);
    ops_dry_stage(o, "second");
    for (int i = 0; i < 3; i++)
        o->linear(o, &y, &x, packed, ACT_NONE, NULL);
    o->copy(o, &y, &x);
    ops_dry_stage(o, "third");
    struct tensor half = tensor_images(tensor_as(x, 2, 32, 1), 0, 1), to = half;
    to.data = y.data;
    o->linear(o, &to, &half, packed, ACT_NONE, NULL);
    assert_int_equal(ops_dry_stages(o, s, DRY_STAGES), 4);
    double flops = 2 * 64 * 32 * 32, weights = 32 * 32 * 4, moved = 2 * 64 * 32 * 4;
    double one = flops / 1e6 + weights / 1e5;
    near(s[0].ms, weights / 1000 + 7, 1e-6);    /* packing */
    near(s[1].ms, one + 10 + 3, 1e-6);          /* the start, and the first of its sizes */
    near(s[2].ms, 3 * one + moved / 1e5, 1e-6); /* neither again */
    near(s[3].ms, flops / 2 / 1e6 + weights / 1e5 + 3, 1e-6); /* other sizes */
    r.pace = 1.5, r.stream_pace = 2;                          /* runs took more */
    double before = ops_dry_ms(o);
    o->linear(o, &to, &half, packed, ACT_NONE, NULL);
    near(ops_dry_ms(o) - before, 1.5 * (flops / 2 / 1e6 + weights / 1e5), 1e-6);
    o->tune(o, &(struct tuning){.stream = TUNE_ON});
    before = ops_dry_ms(o);
    o->linear(o, &to, &half, packed, ACT_NONE, NULL);
    near(ops_dry_ms(o) - before, 2 * (flops / 2 / 1e6 + weights / 1e5), 1e-6);
    o->free_weight(o, packed);
    o->release(o, &x);
    o->release(o, &y);
    o->close(o);
}

static bool twice(void *user)
{
    return --*(int *)user >= 0;
}

/* On the CPU, all of it in one go: the table can be used, nothing stays in the arena. */
static void test_measure(void **state)
{
    (void)state;
    struct err e = {""};
    struct rates r = {.key = "here"};
    struct ops_stats s;
    struct ops *o = ops_cpu_open(DT_F32, 0, &e);
    int go_on = 2;
    assert_non_null(o);
    assert_int_equal(rates_measure(o, &r, twice, &go_on, &e), -1);
    assert_string_equal(e.text, "cancelled");
    if (!getenv("SPRITTY_QUICK")) {
        if (rates_measure(o, &r, NULL, NULL, &e))
            fail_msg("%s", e.text);
        assert_true(rates_plausible(&r) && r.times == 1);
        printf("here: %.0f GFLOP/s of products, %.0f of convolutions, %.1f GB/s\n",
               rates_gemm_flops(&r) / 1e9, rates_conv_flops(&r) / 1e9,
               rates_memory_bytes(&r) / 1e9);
        o->stats(o, &s);
        assert_int_equal(s.arena_now, 0);
    }
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpolation),
        cmocka_unit_test(test_ceilings),
        cmocka_unit_test(test_plausible),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_loads),
        cmocka_unit_test_setup_teardown(test_file, make_home, remove_home),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_dry),
        cmocka_unit_test(test_measure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
