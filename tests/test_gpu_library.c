/*
 * The calls of cuBLASLt and cuDNN (gpu/library.h) in front of stand-ins for both, which hold them
 * to the libraries' rules and compute what they are asked: the whole table of op cases, choosing
 * and its cache, what is refused, graphs being captured. Speed, and what real libraries refuse,
 * only a GPU shows; test_cudnn.c asks the real cuDNN what it would take.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef NO_LIBRARY

#define SKIPPED NO_LIBRARY
#include "skipped.h"

#else

#include "../gpu/choices.h"
#include "../gpu/library.h"
#include "gpu_shim/fake/fake.h"
#include "gpu_shim/shim_run.h"
#include "op_run.h"

struct opened {
    struct ops *o;
    struct gpu_library library; /* a copy, for its state */
};

static struct opened open_with(enum dtype act, const struct gpu_library_options *options)
{
    struct opened x;
    struct err err = {""};
    if (gpu_library_open(&x.library, options, &err) != 0)
        fail_msg("%s", err.text);
    x.o = gpu_open(act, 0, &x.library, &err);
    if (!x.o)
        fail_msg("%s", err.text);
    return x;
}

static struct gpu_library_stats stats_of(const struct opened *x)
{
    struct gpu_library_stats s;
    gpu_library_stats(&x->library, &s);
    return s;
}

static int setup(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    return 0;
}

/* After every test: no call was against the rules, nothing was left behind. */
static int teardown(void **state)
{
    (void)state;
    if (fake.complaints || fake.live)
        print_message("%d complaints, %d descriptors left\n", fake.complaints, fake.live);
    return fake.complaints || fake.live ? -1 : 0;
}

/* -- the table ----------------------------------------------------------------------------------
 */

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

static const struct op_case *find_case(enum op_kind op, const char *name);
static void run_once(struct ops *o, const struct op_case *c);

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

static const struct op_case *find_case(enum op_kind op, const char *name)
{
    for (int i = 0; i < OP_CASES; i++)
        if (op_cases[i].op == op && strcmp(op_cases[i].name, name) == 0)
            return &op_cases[i];
    fail_msg("there is no case \"%s\"", name);
    return NULL;
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

static void run_once(struct ops *o, const struct op_case *c)
{
    struct rig r;
    rig_run(&r, o, c, o->act, false);
    if (r.why[0])
        fail_msg("%s: %s", c->name, r.why);
    free(r.out);
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

#define ONTO_ITSELF(high)                                                                          \
    &(const struct op_case)                                                                        \
    {                                                                                              \
        OP_CONV, "tall, onto itself", .n = 2, .h = high, .w = 5, .c = 16, .out = 16, .k = 3,       \
                                      .stride = 1, .before = 1, .after = 1, .residual = RES_SELF,  \
                                      .seed = 1                                                    \
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

/* What is tried needs no memory of its own: none is forecast. It writes to the call's own output,
 * or aside (behind the half of the workspace that is scratch, or behind what the plan wants of it)
 * where that is the residual as well; without room for that it is the call, made once. */
static void test_trials(void **state)
{
    (void)state;
    const struct {
        const struct op_case *c;
        size_t room;
        int measured;
    } cases[] = {{find_case(OP_CONV, "stride 2"), 8 << 20, 1},
                 {find_case(OP_CONV, "upsample"), 8 << 20, 4},
                 {find_case(OP_CONV, "onto itself"), 8 << 20, 1},
                 {ONTO_ITSELF(24), 12 << 10, 1},
                 {ONTO_ITSELF(24), 8 << 10, 0},
                 {ONTO_ITSELF(48), 8 << 10, 0},
                 {find_case(OP_LINEAR, "wide"), 8 << 20, 1},
                 {find_case(OP_LINEAR, "onto itself"), 8 << 20, 1},
                 {find_case(OP_LINEAR, "onto itself"), 8 << 10, 0}};
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct opened x = open_with(DT_F16,
                                    &(struct gpu_library_options){.workspace = cases[i].room,
                                                                  .autotune = AUTOTUNE_MEASURE});
        struct ops *plain = gpu_open(DT_F16, 0, NULL, &err);
        assert_non_null(plain);
        long made = shim_memory.made, ours;
        op_case_check(ref, plain, cases[i].c);
        ours = shim_memory.made - made;
        plain->close(plain);
        made = shim_memory.made;
        struct op_result r = op_case_check(ref, x.o, cases[i].c);
        made = shim_memory.made - made;
        struct gpu_library_stats s = stats_of(&x);
        x.o->close(x.o);
        if (r.why[0])
            fail_msg("case %zu, %s: %s", i, cases[i].c->name, r.why);
        assert_int_equal(s.refused[LIBRARY_CONV] + s.refused[LIBRARY_LINEAR], 0);
        if (s.measured != cases[i].measured)
            fail_msg("case %zu: measured %d", i, s.measured);
        /* the workspace; and twice a weight with its folded taps */
        if (made != ours + (cases[i].measured == 4 ? 3 : 1))
            fail_msg("case %zu: %ld allocations, %ld without libraries", i, made, ours);
    }
    ref->close(ref);
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

/* -- choosing -----------------------------------------------------------------------------------
 */

/* Measured once, the fastest that works is taken; from the cache file, it is the only one tried,
 * also by those who do not measure. */
static void test_choice(void **state)
{
    (void)state;
    char path[] = "/tmp/spritty-choices-XXXXXX";
    const struct op_case *product = find_case(OP_LINEAR, "wide");
    const struct op_case *conv = find_case(OP_CONV, "stride 2");
    close(mkstemp(path));
    struct gpu_library_options options = {.autotune = AUTOTUNE_MEASURE,
                                          .workspace = 8 << 20,
                                          .cache = path,
                                          .device = "a GPU\twith a tab"};
    for (int again = 0; again < 3; again++) {
        if (again == 2)
            options.autotune = AUTOTUNE_HEURISTIC;
        struct opened x = open_with(DT_F16, &options);
        int64_t runs = fake.runs;
        run_once(x.o, product);
        assert_int_equal(fake.last_algorithm, 3);
        run_once(x.o, conv);
        assert_int_equal(fake.last_algorithm, 5);
        struct gpu_library_stats s = stats_of(&x);
        assert_int_equal(s.measured, again ? 0 : 2);
        assert_int_equal(s.cached, again ? 2 : 0);
        assert_true(again ? fake.runs - runs == 4 : fake.runs - runs > 20);
        x.o->close(x.o);
    }
    unlink(path);
}

/* Without measuring, the first that works. */
static void test_first(void **state)
{
    (void)state;
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20});
    run_once(x.o, find_case(OP_LINEAR, "wide"));
    assert_int_equal(fake.last_algorithm, 2);
    run_once(x.o, find_case(OP_CONV, "stride 2"));
    assert_int_equal(fake.last_algorithm, 4);
    int64_t runs = fake.runs;
    run_once(x.o, find_case(OP_CONV, "stride 2"));
    assert_int_equal(fake.runs - runs, 1);
    assert_int_equal(stats_of(&x).plans, 2);
    x.o->close(x.o);
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

/* -- what does not work -------------------------------------------------------------------------
 */

static void test_without(void **state)
{
    (void)state;
    struct err err = {""};
    struct ops *ref = ops_ref_open(DT_F32, &err);
    const struct op_case *cases[] = {find_case(OP_LINEAR, "residual"),
                                     find_case(OP_CONV, "channel add"),
                                     find_case(OP_ATTENTION, "size 64")};
    fake.no_dnn = fake.no_blas = true;
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 1 << 20});
    assert_non_null(strstr(stats_of(&x).refusal, "cuDNN"));
    assert_non_null(strstr(stats_of(&x).versions, "no cuDNN"));
    for (int i = 0; i < 3; i++) {
        struct op_result r = op_case_check(ref, x.o, cases[i]);
        if (r.why[0])
            fail_msg("%s: %s", cases[i]->name, r.why);
        assert_int_equal(stats_of(&x).taken[i], 0);
        assert_int_equal(stats_of(&x).refused[i], 2);
    }
    print_message("%s\n", stats_of(&x).refusal);
    assert_non_null(strstr(stats_of(&x).refusal, "not supported"));
    ref->close(ref);
    x.o->close(x.o);
}

/* While a graph is captured a new shape is an error; a known one goes to the library without
 * anything that a capture forbids, which would spoil it. */
static void test_capture(void **state)
{
    (void)state;
    struct opened x = open_with(DT_F16, &(struct gpu_library_options){.workspace = 8 << 20});
    struct ops *o = x.o;
    struct tensor in = ops_alloc(o, 1, 16, 1, 64), out = ops_alloc(o, 1, 16, 1, 64);
    struct tensor few = ops_alloc(o, 1, 8, 1, 64), fewer = ops_alloc(o, 1, 8, 1, 64);
    float ones[64 * 64];
    int64_t dim[2] = {64, 64};
    for (int i = 0; i < 64 * 64; i++)
        ones[i] = 1;
    struct param p = {.data = ones, .dtype = DT_F32, .rank = 2, .dim = {dim[0], dim[1]}};
    struct weight *w = o->pack_linear(o, &p, NULL, 1);
    void *stream, *graph = NULL;
    assert_int_equal(stream_open(&stream), 0);
    o->upload(o, &in, ones);
    o->upload(o, &few, ones);
    assert_int_equal(x.library.linear(x.library.state, &out, &in, w, ACT_NONE, NULL, stream), 0);
    assert_int_equal(graph_begin(stream), 0);
    assert_int_equal(x.library.linear(x.library.state, &out, &in, w, ACT_NONE, NULL, stream), 0);
    assert_int_equal(x.library.linear(x.library.state, &fewer, &few, w, ACT_NONE, NULL, stream),
                     LIBRARY_LOST);
    assert_int_equal(graph_end(stream, &graph), 0);
    graph_close(graph);
    assert_int_equal(stats_of(&x).plans, 1);
    assert_non_null(strstr(stats_of(&x).refusal, "in a capture"));
    o->release(o, &fewer);
    o->release(o, &few);
    o->release(o, &out);
    o->release(o, &in);
    o->free_weight(o, w);
    o->close(o);
    stream_close(stream); /* which the library waits for */
}

struct chain {
    struct ops *o;
    struct tensor x, y, out;
    struct weight *q, *conv, *doubling;
};

static void make_chain(void *user)
{
    const struct chain *c = user;
    struct ops *o = c->o;
    struct tensor y = c->y, out = c->out, part[3];
    struct tensor q = ops_alloc(o, 1, 8, 8, 48), a = ops_alloc(o, 1, 8, 8, 16);
    const struct conv_args args = {.stride = 1, .pad_before = 1, .pad_after = 1};
    struct conv_args twice = args;
    twice.upsample = true;
    for (int i = 0; i < 3; i++)
        part[i] = tensor_channels(q, 16 * i, 16);
    o->conv2d(o, &y, &c->x, c->conv, &args);
    o->linear(o, &q, &y, c->q, ACT_NONE, NULL);
    o->attention(o, &a, &part[0], &part[1], &part[2], 2, 0.3f, false);
    o->conv2d(o, &out, &a, c->doubling, &twice);
    o->release(o, &a);
    o->release(o, &q);
}

static struct weight *drawn(struct ops *o, int out, int in, int k)
{
    static float value[48 * 16 * 9], bias[48];
    for (int i = 0; i < out * in * k * k; i++)
        value[i] = (float)((i * 37 + k) % 23 - 11) / 60;
    for (int i = 0; i < out; i++)
        bias[i] = (float)(i % 5) / 7;
    const struct param w = {
        .data = value, .dtype = DT_F32, .rank = k == 1 ? 2 : 4, .dim = {out, in, k, k}};
    const struct param b = {.data = bias, .dtype = DT_F32, .rank = 1, .dim = {out}};
    return k == 1 ? o->pack_linear(o, &w, &b, 1) : o->pack_conv(o, &w, &b);
}

/* A turn of the libraries' calls is captured, and replayed over what lies in memory then. */
static void test_turn(void **state)
{
    (void)state;
    enum { IN = 8 * 8 * 16, OUT = 4 * IN, RUNS = 4 };
    static float in[IN], got[RUNS][OUT];
    struct err err = {""};
    struct ops_stats s;
    struct opened x = open_with(
        DT_F16, &(struct gpu_library_options){.workspace = 8 << 20, .autotune = AUTOTUNE_MEASURE});
    struct ops *o = x.o;
    assert_int_equal(o->reserve(o, 1 << 20, &err), 0); /* or addresses are others each time */
    struct chain c = {.o = o,
                      .x = ops_alloc(o, 1, 8, 8, 16),
                      .y = ops_alloc(o, 1, 8, 8, 16),
                      .out = ops_alloc(o, 1, 16, 16, 16),
                      .q = drawn(o, 48, 16, 1),
                      .conv = drawn(o, 16, 16, 3),
                      .doubling = drawn(o, 16, 16, 3)};
    for (int i = 0; i < RUNS; i++) { /* made, captured, replayed; then over other values */
        for (int k = 0; k < IN; k++)
            in[k] = (float)((k * 13 + (i == RUNS - 1)) % 17 - 8) / 8;
        o->upload(o, &c.x, in);
        ops_turn_of(o, make_chain, &c);
        o->download(o, got[i], &c.out);
    }
    assert_int_equal(o->sync(o, &err), 0);
    o->stats(o, &s);
    assert_int_equal(s.recordings, 1);
    assert_int_equal(s.replays, RUNS - 1);
    assert_memory_equal(got[0], got[1], sizeof got[0]);
    assert_memory_equal(got[0], got[2], sizeof got[0]);
    assert_memory_not_equal(got[0], got[3], sizeof got[0]);
    struct gpu_library_stats l = stats_of(&x);
    for (int i = 0; i < LIBRARY_CALLS; i++)
        assert_int_equal(l.refused[i], 0);
    assert_string_equal(l.refusal, "");
    o->free_weight(o, c.doubling);
    o->free_weight(o, c.conv);
    o->free_weight(o, c.q);
    o->release(o, &c.out);
    o->release(o, &c.y);
    o->release(o, &c.x);
    o->close(o);
}

/* -- parts --------------------------------------------------------------------------------------
 */

/* Each tap of the 3x3 ends up in the one of the four kernels' taps that reads its pixel. */
static void test_fold(void **state)
{
    (void)state;
    enum { OUT = 3, IN = 5 };
    float from[OUT * 9 * IN], to[4][OUT][2][2][IN];
    for (int i = 0; i < OUT * 9 * IN; i++)
        from[i] = (float)(1 << i % 9) + (float)i * 1024;
    assert_int_equal(gpu_fold(to, from, DT_F32, OUT, IN, NULL), 0);
    for (int cell = 0; cell < 4; cell++)
        for (int o = 0; o < OUT; o++)
            for (int i = 0; i < IN; i++) {
                double want[2][2] = {{0}};
                for (int tap = 0; tap < 9; tap++) {
                    /* pixel 2 k + a, tap t: reads (2 k + a + t - 1) / 2, k or one beside it */
                    int y = (2 + cell / 2 + tap / 3 - 1) / 2 - 1 + !(cell / 2);
                    int x = (2 + cell % 2 + tap % 3 - 1) / 2 - 1 + !(cell % 2);
                    want[y][x] += from[(o * 9 + tap) * IN + i];
                }
                for (int k = 0; k < 4; k++)
                    assert_true(to[cell][o][k / 2][k % 2][i] == want[k / 2][k % 2]);
            }
}

/* Lines that make no sense are skipped; the rest is kept and comes back. */
static void test_choices(void **state)
{
    (void)state;
    char path[] = "/tmp/spritty-choices-XXXXXX";
    char text[] = "here\tproduct 1\t3\nhere\tproduct 2\t-1\nhere\tproduct 3\t99999999999\n\n\t\t\n"
                  "here\tproduct 4\nhere\tproduct 5\t7x\nthere\tproduct 1\t12\nhere\tproduct 1\t9\n"
                  "here\tproduct 6\t5";
    struct choices c = {0}, back;
    struct err err = {""};
    choices_parse(&c, text);
    assert_int_equal(c.count, 3);
    assert_int_equal(choices_get(&c, "here", "product 1"), 3);
    assert_int_equal(choices_get(&c, "there", "product 1"), 12);
    assert_int_equal(choices_get(&c, "here", "product 6"), 5);
    assert_int_equal(choices_get(&c, "there", "product 6"), -1);
    close(mkstemp(path));
    assert_int_equal(choices_write(&c, path, &err), 0); /* no news */
    choices_put(&c, "here", "product 1", 3);
    assert_false(c.news);
    choices_put(&c, "here", "product 1", 4);
    choices_put(&c, "here", "product 7", 0);
    assert_int_equal(choices_write(&c, path, &err), 0);
    choices_read(&back, path);
    assert_int_equal(back.count, 4);
    assert_int_equal(choices_get(&back, "here", "product 1"), 4);
    assert_int_equal(choices_get(&back, "here", "product 7"), 0);
    choices_free(&back);
    choices_free(&c);
    unlink(path);
    choices_read(&back, path);
    assert_int_equal(back.count, 0);
    choices_free(&back);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

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
        TEST(test_trials),
        TEST(test_refused_band),
        TEST(test_bands_onto_itself),
        TEST(test_large),
        TEST(test_choice),
        TEST(test_first),
        TEST(test_tf32),
        TEST(test_without),
        TEST(test_turn),
        TEST(test_capture),
        TEST(test_fold),
        TEST(test_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
