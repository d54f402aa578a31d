/*
 * What cuBLASLt and cuDNN are asked (gpu/library.h) gives the right values: the whole table of op
 * cases, and every way of cutting a call into parts, in front of stand-ins for both, which hold
 * calls to the libraries' rules and compute what they are asked. Which way is chosen, kept and
 * captured: test_gpu_choices.c. What the real cuDNN would take: test_cudnn.c. Speed, and what real
 * libraries refuse, only a GPU shows.
 */
/* Not under qemu: many minutes; test_gpu_kernels and test_gpu_turns run the same there. */
/* Not under sanitizers: a minute and more, over code that test_gpu has there too. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_library_help.h"

#ifndef NO_LIBRARY

static bool by_a_library(const struct op_case *c)
{
    return c->op == OP_LINEAR || c->op == OP_GEGLU || c->op == OP_CONV || c->op == OP_ATTENTION;
}

static void run_table(enum dtype act, const struct gpu_library_options *options)
{
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    struct opened x = open_with(act, options);
    double worst[OP_KINDS] = {0};
    int failed = 0;
    assert_non_null(ref);
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        if (!by_a_library(c) || (act == DT_F16 && c->gain > 1e4f))
            continue;
        if (act == DT_BF16 && !c->f32_out && c->op != OP_ATTENTION)
            continue;
        if (act == DT_F32 && c->op == OP_GEGLU)
            continue;
        struct gpu_library_stats before = stats_of(&x);
        struct op_result r = op_case_check(ref, x.o, c);
        struct gpu_library_stats after = stats_of(&x);
        bool taken = memcmp(before.taken, after.taken, sizeof after.taken) != 0;
        if (r.why[0] || getenv("SPRITTY_VERBOSE"))
            printf("%-10s %-34s %-7s %9.2g %9.2g %s%s\n", op_bounds[c->op].name, c->name,
                   taken ? "library" : "ours", r.error, r.bound, r.why[0] ? "FAILED: " : "", r.why);
        worst[c->op] = fmax(worst[c->op], r.error / r.bound);
        failed += r.why[0] != '\0';
    }
    struct gpu_library_stats s = stats_of(&x);
    static const char *const names[] = {"products", "convolutions", "attentions"};
    for (int i = 0; i < LIBRARY_CALLS; i++)
        printf("%s: %lld of %lld by a library\n", names[i], (long long)s.taken[i],
               (long long)(s.taken[i] + s.refused[i]));
    printf("closest to its bound: linear %.0f%%, conv2d %.0f%%, attention %.0f%%; %s\n",
           100 * worst[OP_LINEAR], 100 * worst[OP_CONV], 100 * worst[OP_ATTENTION], s.refusal);
    ref->close(ref);
    x.o->close(x.o);
    if (failed)
        fail_msg("%d cases failed", failed);
    /* all but causal attention with odd heads */
    assert_int_equal(s.refused[LIBRARY_LINEAR], 0);
    assert_int_equal(s.refused[LIBRARY_CONV], 0);
    assert_true(s.taken[LIBRARY_ATTENTION] > 4 * s.refused[LIBRARY_ATTENTION]);
}

static void test_table_f32(void **state)
{
    (void)state;
    run_table(DT_F32, &(struct gpu_library_options){.workspace = 8 << 20});
}

static void test_table_fp16(void **state)
{
    (void)state;
    run_table(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20});
}

/* bf16 takes the ways of fp16, but that its residual stream is f32. */
static void test_table_bf16(void **state)
{
    (void)state;
    run_table(DT_BF16, &(struct gpu_library_options){.workspace = 8 << 20});
}

/* Without cuDNN's flash attention the products do it, in slices where the workspace is small. */
static void test_attention_by_products(void **state)
{
    (void)state;
    fake.no_flash = true;
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 40 << 10});
    int seen = 0;
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        if (c->op != OP_ATTENTION || c->causal || c->gain > 10)
            continue;
        struct op_result r = op_case_check(ref, x.o, c);
        if (r.why[0])
            fail_msg("%s: %s", c->name, r.why);
        seen++;
    }
    assert_true(seen > 10);
    struct gpu_library_stats s = stats_of(&x);
    assert_true(s.taken[LIBRARY_ATTENTION] > 3 * s.refused[LIBRARY_ATTENTION]);
    ref->close(ref);
    x.o->close(x.o);
}

/* Attention is not asked of a cuDNN whose attention is known to be wrong. */
static void test_broken_attention(void **state)
{
    (void)state;
    static const struct {
        size_t version;
        int algorithm; /* the first that works: cuBLASLt's is 2, cuDNN's 4 */
    } cases[] = {{0, 4}, {91000, 2}, {91001, 2}, {91002, 4}};
    for (int i = 0; i < 4; i++) {
        fake.dnn_version = cases[i].version;
        struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20});
        run_once(x.o, find_case(OP_ATTENTION, "size 64"));
        assert_int_equal(fake.last_algorithm, cases[i].algorithm);
        x.o->close(x.o);
    }
}

/* Everything in one graph, as measuring may choose, gives the same. The stand-in's proposals for it
 * come behind those of the convolution alone; only those are refused here. */
static void test_whole(void **state)
{
    (void)state;
    static const char *const names[] = {"channel add", "residual", "onto itself",
                                        "channel add, onto itself", "everything"};
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    fake.no_plain_conv = true;
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20});
    for (int i = 0; i < 5; i++) {
        struct op_result r = op_case_check(ref, x.o, find_case(OP_CONV, names[i]));
        if (r.why[0])
            fail_msg("%s: %s", names[i], r.why);
    }
    struct gpu_library_stats s = stats_of(&x);
    assert_int_equal(s.taken[LIBRARY_CONV], 10);
    assert_int_equal(s.refused[LIBRARY_CONV], 0);
    ref->close(ref);
    x.o->close(x.o);
}

/* Doubled images: a few at once where the scratch is small, and written out where four
 * convolutions are refused. */
static void test_doubled(void **state)
{
    (void)state;
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    for (int refused = 0; refused < 2; refused++) {
        fake.no_spread = refused;
        struct opened x = open_with(
            DT_F16, &(struct gpu_library_options){.workspace = refused ? 40 << 10 : 16 << 10});
        struct op_result r = op_case_check(ref, x.o, find_case(OP_CONV, "upsample"));
        if (r.why[0])
            fail_msg("%s", r.why);
        struct gpu_library_stats s = stats_of(&x);
        assert_int_equal(s.refused[LIBRARY_CONV], 0);
        assert_int_equal(s.plans, refused ? 2 : 4);
        x.o->close(x.o);
    }
    ref->close(ref);
}

/* A tiled picture that has no room whole, with its borders, goes in bands of rows. */
static void test_bands(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int runs;
    } cases[] = {{"circular, tall, everything", 6},
                 {"circular, tall, upsample", 6},
                 {"circular, tall, stride 2", 2}};
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 10});
    for (int i = 0; i < 3; i++) {
        const struct op_case *c = find_case(OP_CONV, cases[i].name);
        struct op_result r = op_case_check(ref, x.o, c);
        if (r.why[0])
            fail_msg("%s: %s", c->name, r.why);
        int64_t before = fake.runs;
        run_once(x.o, c);
        assert_int_equal(fake.runs - before, cases[i].runs);
    }
    assert_int_equal(stats_of(&x).refused[LIBRARY_CONV], 0);
    ref->close(ref);
    x.o->close(x.o);
}

/* A band that is refused when others are made already: what they added to themselves is not added
 * once more. */
static void test_refused_band(void **state)
{
    (void)state;
    const struct op_case *c = find_case(OP_CONV, "circular, tall, everything");
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 10});
    struct rig want, got;
    double worst = 0;
    run_once(x.o, c); /* from here on there is a plan */
    rig_run(&want, ref, c, DT_F16, false);
    for (int band = 1; band <= 6; band++) {
        int64_t ours = stats_of(&x).refused[LIBRARY_CONV];
        fake.fails_at = fake.runs + band;
        rig_run(&got, x.o, c, DT_F16, false);
        worst = fmax(worst, rig_error(got.out, want.out, want.count));
        if (worst > op_case_bound(c, DT_F16))
            fail_msg("band %d: error %.2g", band, worst);
        ours = stats_of(&x).refused[LIBRARY_CONV] - ours;
        assert_int_equal(ours, band == 1);
        assert_int_equal(fake.fails_at, 0);
        free(got.out);
    }
    print_message("error %.2g, bound %.2g\n", worst, op_case_bound(c, DT_F16));
    free(want.out);
    ref->close(ref);
    x.o->close(x.o);
}

/* In f32 also a sum onto itself that has no room in two pieces; in 16 bits that is one graph. */
static void test_bands_onto_itself(void **state)
{
    (void)state;
    static const struct {
        enum dtype type;
        size_t room;
        int runs;
    } cases[] = {{DT_F32, 16 << 10, 6}, {DT_F32, 32 << 10, 1}, {DT_F16, 8 << 10, 1}};
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    for (int i = 0; i < 3; i++) {
        struct opened x = open_with(cases[i].type,
                                    &(struct gpu_library_options){.workspace = cases[i].room});
        struct op_result r = op_case_check(ref, x.o, ONTO_ITSELF(24));
        if (r.why[0])
            fail_msg("case %d: %s", i, r.why);
        int64_t before = fake.runs;
        run_once(x.o, ONTO_ITSELF(24));
        assert_int_equal(fake.runs - before, cases[i].runs);
        assert_int_equal(stats_of(&x).refused[LIBRARY_CONV], 0);
        x.o->close(x.o);
    }
    ref->close(ref);
}

/* What a library's kernels might not count is asked for in parts, images or rows. */
static void test_large(void **state)
{
    (void)state;
    static const char *const convs[] = {"stride 2, padded after only", "upsample, everything",
                                        "upsample", "everything"};
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    for (int i = 0; i < 5; i++) {
        const struct op_case *c = i < 4 ? find_case(OP_CONV, convs[i])
                                        : find_case(OP_LINEAR, "residual");
        fake.values = 0;
        struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20});
        run_once(x.o, c);
        int64_t runs = fake.runs;
        run_once(x.o, c);
        runs = fake.runs - runs;
        assert_true(runs > 0); /* also as the first call of all */
        x.o->close(x.o);
        fake.values = 5500;
        x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20, .values = 5500});
        struct op_result r = op_case_check(ref, x.o, c);
        if (r.why[0])
            fail_msg("%s: %s", c->name, r.why);
        int64_t before = fake.runs;
        run_once(x.o, c);
        print_message("%s: %lld calls, %lld in parts\n", c->name, (long long)runs,
                      (long long)(fake.runs - before));
        x.o->close(x.o);
    }
    ref->close(ref);
}

/* f32 stays f32, unless TF32 is allowed: then it is faster and rounds. */
static void test_tf32(void **state)
{
    (void)state;
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    for (int tf32 = 0; tf32 < 2; tf32++) {
        struct opened x = open_with(DT_F32, &(struct gpu_library_options){.tf32 = tf32});
        double product = op_case_check(ref, x.o, find_case(OP_LINEAR, "wide")).error;
        double conv = op_case_check(ref, x.o, find_case(OP_CONV, "stride 2")).error;
        print_message("TF32 %s: product %.2g, convolution %.2g\n", tf32 ? "on" : "off", product,
                      conv);
        assert_true(tf32 ? product > 1e-5 && conv > 1e-5 : product < 1e-6 && conv < 1e-6);
        assert_true(product < 1e-3 && conv < 1e-3);
        x.o->close(x.o);
    }
    ref->close(ref);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_table_f32),
        TEST(test_table_fp16),
        TEST(test_table_bf16),
        TEST(test_attention_by_products),
        TEST(test_broken_attention),
        TEST(test_whole),
        TEST(test_doubled),
        TEST(test_bands),
        TEST(test_refused_band),
        TEST(test_bands_onto_itself),
        TEST(test_large),
        TEST(test_tf32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
