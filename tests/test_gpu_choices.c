/*
 * Which of the libraries' ways is taken (gpu/library.h): measured, kept in the cache file, asked
 * for without memory that is not forecast, left to our kernels where there is none, captured and
 * replayed. In front of the stand-ins of test_gpu_library.c, which looks at the values.
 */
/* Not under qemu: many minutes; test_gpu_turns records and replays there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gpu_library_help.h"

#ifndef NO_LIBRARY

#include "../gpu/choices.h"

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
        ops_run_turn(o, make_chain, &c);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_trials), TEST(test_choice),  TEST(test_first), TEST(test_without),
        TEST(test_turn),   TEST(test_capture), TEST(test_fold),  TEST(test_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
