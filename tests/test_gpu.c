/*
 * The CUDA backend on the CPU: the same .cu sources, compiled for the host through tests/gpu_shim.
 * The whole table of op cases, in f32, fp16 and bf16; memory; and the shim itself, on kernels with
 * the mistakes that it is there to find. test_gpu_kernels.c has the kernels that no op reaches,
 * test_gpu_turns.c what is recorded and what is queued beside.
 */
/* Not under qemu: many minutes; test_gpu_kernels and test_gpu_turns run the same there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_help.h"

#ifndef NO_SHIM

#include "gpu_shim/broken.h"

/* -- the table ----------------------------------------------------------------------------------
 */

/* Inputs that fp16 cannot hold. */
static bool beyond_fp16(const struct op_case *c)
{
    return c->gain > 1e4f;
}

static void run_table(enum dtype act)
{
    static const char *const names[] = {"f32", "fp16", "bf16"};
    struct err err = {""};
    struct ops *ref = must(ops_ref_open(DT_F32, &err), &err);
    struct ops *tested = must(gpu_open(act, 0, NULL, &err), &err);
    double worst[OP_KINDS] = {0}, closest[OP_KINDS] = {0};
    int failed = 0, runs = getenv("SPRITTY_QUICK") ? 1 : 2; /* these kernels keep nothing */
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        if (act == DT_F16 && beyond_fp16(c))
            continue;
        struct rig want;
        rig_run(&want, ref, c, act, false);
        struct op_result r = op_case_compare(&want, tested, op_case_bound(c, act), runs);
        free(want.out);
        if (!r.why[0])
            snprintf(r.why, sizeof r.why, "%s", op_case_check_broken(tested, c).why);
        if (r.why[0] || getenv("SPRITTY_VERBOSE"))
            printf("%-12s %-34s %9.2g %9.2g %s%s\n", op_bounds[c->op].name, c->name, r.error,
                   r.bound, r.why[0] ? "FAILED: " : "", r.why);
        worst[c->op] = fmax(worst[c->op], r.error);
        closest[c->op] = fmax(closest[c->op], r.bound > 0 ? r.error / r.bound : 0);
        failed += r.why[0] != '\0';
    }
    for (int k = 0; k < OP_KINDS; k++)
        printf("%s: worst of %-12s %9.2g, %2.0f%% of the bound\n", names[act], op_bounds[k].name,
               worst[k], 100 * closest[k]);
    ref->close(ref);
    tested->close(tested);
    if (failed)
        fail_msg("%d of %d cases failed", failed, (int)OP_CASES);
}

static void test_table_f32(void **state)
{
    (void)state;
    run_table(DT_F32);
}

static void test_table_fp16(void **state)
{
    (void)state;
    run_table(DT_F16);
}

static void test_table_bf16(void **state)
{
    (void)state;
    if (getenv("SPRITTY_QUICK")) {
        print_message("skipped: SPRITTY_QUICK is set, and bf16 takes the ways of fp16\n");
        skip();
    }
    run_table(DT_BF16);
}

/* -- memory -------------------------------------------------------------------------------------
 */

/* Tensors lie in the slab as far as it reaches, beyond it they have memory of their own. */
static void test_slab(void **state)
{
    (void)state;
    struct err err = {""};
    struct ops *o = must(gpu_open(DT_F32, 0, NULL, &err), &err);
    assert_int_equal(o->reserve(o, 4096, &err), 0);
    struct tensor a = o->alloc_as(o, DT_F32, 1, 1, 1, 512),
                  b = o->alloc_as(o, DT_F32, 1, 1, 1, 512);
    struct tensor c = o->alloc_as(o, DT_F32, 1, 1, 1, 512);
    assert_ptr_equal(b.data, (char *)a.data + 2048);
    assert_ptr_not_equal(c.data, (char *)a.data + 4096);
    o->release(o, &a);
    struct tensor d = o->alloc_as(o, DT_F32, 1, 1, 1, 512);
    assert_ptr_equal((char *)d.data + 2048, b.data); /* a's place again */
    o->release(o, &c);
    o->release(o, &b);
    o->release(o, &d);
    struct ops_stats s;
    o->stats(o, &s);
    assert_int_equal(s.arena_now, 0);
    assert_int_equal(s.arena_peak, 6144);
    assert_int_equal(o->reserve(o, 1024, &err), 0);
    assert_int_equal(o->reserve(o, 8192, &err), 0);
    assert_int_equal(o->sync(o, &err), 0);
    o->close(o);
}

static void test_no_device(void **state)
{
    (void)state;
    struct err err = {""};
    assert_null(gpu_open(DT_F16, 7, NULL, &err));
    assert_non_null(strstr(err.text, "7"));
}

/* -- the shim -----------------------------------------------------------------------------------
 */

static void expect_error(enum broken which, const char *text)
{
    int out[3 * 128];
    assert_int_equal(run_broken(which, out), SHIM_FAILED);
    if (!strstr(shim_error(), text))
        fail_msg("\"%s\" does not say \"%s\"", shim_error(), text);
}

static void test_misuse_is_found(void **state)
{
    (void)state;
    for (int twice = 0; twice < 2; twice++) { /* two orders of threads */
        expect_error(HALF_AT_BARRIER, "barrier");
        expect_error(TWO_BARRIERS, "others at that of line");
        expect_error(ENDED_LANE, "at a shuffle");
        expect_error(BARRIER_AND_SHUFFLE, "16 threads wait at the barrier");
        expect_error(NOT_IN_MASK, "mask ffff");
        expect_error(TOO_MUCH_SHARED, "shared memory");
        expect_error(TOO_MANY_THREADS, "64 x 32");
        expect_error(TOO_LARGE_GRID, "65536");
        expect_error(MISALIGNED, "vector of 16 bytes");
#if !defined(__SANITIZE_ADDRESS__) /* which ends the program there and then */
        expect_error(BEYOND_SHARED, "beyond the shared memory");
#endif
    }
}

static void test_missing_barrier_shows(void **state)
{
    (void)state;
    int one[32], two[32];
    assert_int_equal(run_broken(NO_BARRIER, one), 0);
    assert_int_equal(run_broken(NO_BARRIER, two), 0);
    assert_true(memcmp(one, two, sizeof one) != 0);
}

/* A kernel that a capture launches first is not kept: a device would load its code there. */
static void test_first_launch(void **state)
{
    (void)state;
    int out[128];
    void *graph;
    for (int known = 0; known < 2; known++) {
        ran(graph_begin(NULL));
        assert_int_equal(run_broken(LAUNCHED_LATE, out), known ? 0 : SHIM_FAILED);
        assert_int_equal(graph_end(NULL, &graph), known ? 0 : SHIM_FAILED);
        graph_close(graph);
        ran(run_broken(LAUNCHED_LATE, out));
    }
}

/* The shim is none the worse for what failed before. */
static void test_right_kernel(void **state)
{
    (void)state;
    int out[3 * 128];
    unsigned before = shim_launches();
    assert_int_equal(run_broken(NOTHING_BROKEN, out), 0);
    assert_int_equal(shim_launches(), before + 1);
    for (int i = 0; i < 3 * 128; i++)
        assert_int_equal(out[i], 127 * 128 / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_misuse_is_found),
        cmocka_unit_test(test_missing_barrier_shows),
        cmocka_unit_test(test_first_launch),
        cmocka_unit_test(test_right_kernel),
        cmocka_unit_test(test_slab),
        cmocka_unit_test(test_no_device),
        cmocka_unit_test(test_table_f32),
        cmocka_unit_test(test_table_fp16),
        cmocka_unit_test(test_table_bf16),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
