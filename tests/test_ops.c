/* Every backend that this machine has against the reference, over the table of op cases. */
/* Started first: the slowest on an emulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "op_run.h"
#include "ops/half.h"

static struct ops *must(struct ops *o, const struct err *err)
{
    if (!o)
        fail_msg("%s", err->text);
    return o;
}

/* What the reference gives, for inputs in f32 and in bf16: made once, since it is slow. */
static struct rig wanted[2][OP_CASES];

static const struct rig *want(struct ops *ref, int at, enum dtype act)
{
    struct rig *w = &wanted[act == DT_F32][at];
    if (!w->out)
        rig_run(w, ref, &op_cases[at], act, false);
    return w;
}

/* Runs the table, each case so many times, and prints its error beside its bound. */
static void run_table(struct ops *tested, int runs)
{
    struct err err = {""};
    struct ops *ref = must(ops_ref_open(DT_F32, &err), &err);
    int failed = 0;
    double worst[OP_KINDS] = {0};
    printf("%-12s %-34s %9s %9s\n", tested->name, tested->act == DT_F32 ? "f32" : "bf16", "error",
           "bound");
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        struct op_result r = op_case_compare(want(ref, i, tested->act), tested,
                                             op_case_bound(c, tested->act), runs);
        if (!r.why[0])
            snprintf(r.why, sizeof r.why, "%s", op_case_check_broken(tested, c).why);
        printf("%-12s %-34s %9.2g %9.2g %s%s\n", op_bounds[c->op].name, c->name, r.error, r.bound,
               r.why[0] ? "FAILED: " : "", r.why);
        worst[c->op] = r.error > worst[c->op] ? r.error : worst[c->op];
        failed += r.why[0] != '\0';
    }
    for (int k = 0; k < OP_KINDS; k++)
        printf("worst of %-12s %9.2g\n", op_bounds[k].name, worst[k]);
    ref->close(ref);
    tested->close(tested);
    if (failed)
        fail_msg("%d of %d cases failed", failed, (int)OP_CASES);
}

/* Checks the table and its runner: in f32 the reference is itself to the bit, in bf16 its errors
 * are those of rounding the result once, which no bf16 backend can be below. */
static void test_ref_f32(void **state)
{
    (void)state;
    struct err err = {""};
    run_table(must(ops_ref_open(DT_F32, &err), &err), 1);
}

static void test_ref_bf16(void **state)
{
    (void)state;
    struct err err = {""};
    run_table(must(ops_ref_open(DT_BF16, &err), &err), 1);
}

/* Four threads whatever the machine has: how the work is cut must not show in the values. */
static void test_cpu_f32(void **state)
{
    (void)state;
    struct err err = {""};
    run_table(must(ops_cpu_open(DT_F32, 4, &err), &err), 2);
}

static void test_cpu_bf16(void **state)
{
    (void)state;
    struct err err = {""};
    if (!cpu_has_bf16()) {
        print_message("skipped: this CPU has neither AMX-BF16 nor AVX512-BF16\n");
        skip();
    }
    run_table(must(ops_cpu_open(DT_BF16, 4, &err), &err), 2);
}

/* One thread or three: the same bytes. (Not where oneDNN 2.6 has products in f32 whose order of
 * summing depends on the threads: on aarch64, and on x86-64 without AVX-512.) */
static void test_cpu_threads(void **state)
{
    (void)state;
    struct err err = {""};
    enum dtype act = cpu_best_dtype();
    double allowed = 0;
#if defined(__aarch64__)
    allowed = 1e-6;
#elif defined(__x86_64__)
    if (!__builtin_cpu_supports("avx512f"))
        allowed = 1e-6;
#endif
    int failed = 0;
    float *one[OP_CASES];
    int64_t count[OP_CASES];
    for (int threads = 1; threads <= 3; threads += 2) {
        struct ops *o = must(ops_cpu_open(act, threads, &err), &err);
        for (int i = 0; i < OP_CASES; i++) {
            struct rig g;
            rig_run(&g, o, &op_cases[i], act, false);
            if (threads == 1) {
                one[i] = g.out;
                count[i] = g.count;
                continue;
            }
            if (memcmp(one[i], g.out, (size_t)count[i] * sizeof *g.out) != 0) {
                double error = rig_error(g.out, one[i], count[i]);
                printf("%s, %s: differs by %.2g\n", op_bounds[op_cases[i].op].name,
                       op_cases[i].name, error);
                failed += error > allowed;
            }
            free(one[i]);
            free(g.out);
        }
        o->close(o);
    }
    assert_int_equal(failed, 0);
}

/* y of a linear over weights [OUT, IN], which are held as `way` says. */
static void multiplied(struct ops *o, int way, const struct param *p, float *y)
{
    enum { ROWS = 3, IN = 48, OUT = 32 };
    static float x[ROWS * IN];
    struct ops_stats before, after;
    for (int i = 0; i < ROWS * IN; i++)
        x[i] = (float)(i % 11) - 5;
    o->tune(o, &(struct tuning){.weights = way});
    struct tensor in = ops_alloc(o, 1, 1, ROWS, IN), out = ops_alloc(o, 1, 1, ROWS, OUT);
    o->stats(o, &before);
    struct weight *w = o->pack_linear(o, p, NULL, 1);
    o->stats(o, &after);
    size_t value = way == WEIGHTS_HALF ? 2 : 4, bytes = after.weight_bytes - before.weight_bytes;
    assert_in_range(bytes, IN * OUT * value, IN * OUT * value * 4 - 1); /* filled up */
    o->upload(o, &in, x);
    o->linear(o, &out, &in, w, ACT_NONE, NULL);
    o->download(o, y, &out);
    o->free_weight(o, w);
    o->release(o, &out);
    o->release(o, &in);
}

/* What a LoRA made of halves may be held in halves again: rounded to them, and no otherwise. */
static void test_changed_values(void **state)
{
    enum { ROWS = 3, IN = 48, OUT = 32 };
    (void)state;
    static float changed[OUT * IN], rounded[OUT * IN], got[ROWS * OUT], want[ROWS * OUT];
    struct err err = {""};
    struct ops *o = must(ops_cpu_open(DT_F32, 1, &err), &err);
    struct param p = {.dtype = DT_F32, .rank = 2, .dim = {OUT, IN}};
    for (int i = 0; i < OUT * IN; i++) {
        changed[i] = (float)(i % 97 - 48) / 31;
        rounded[i] = f32_from_f16(f16_from_f32(changed[i]));
    }
    p.data = rounded;
    multiplied(o, WEIGHTS_FULL, &p, want);
    p.data = changed, p.was = DT_F16;
    multiplied(o, WEIGHTS_HALF, &p, got);
    assert_memory_equal(got, want, sizeof want);
    multiplied(o, WEIGHTS_FULL, &p, got);
    assert_memory_not_equal(got, want, sizeof want);
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ref_f32),     cmocka_unit_test(test_ref_bf16),
        cmocka_unit_test(test_cpu_f32),     cmocka_unit_test(test_cpu_bf16),
        cmocka_unit_test(test_cpu_threads), cmocka_unit_test(test_changed_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
