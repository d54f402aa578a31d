/*
 * The CUDA backend and its kernels on the CPU: the same .cu sources, compiled for the host through
 * tests/gpu_shim. The whole table of op cases, in f32, fp16 and bf16; the kernels that no op
 * reaches; and the shim itself, on kernels with the mistakes that it is there to find.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef NO_SHIM

static void test_skipped(void **state)
{
    (void)state;
    print_message("skipped: %s\n", NO_SHIM);
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_skipped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

#include "../gpu/backend.h"
#include "gpu_shim/broken.h"
#include "gpu_shim/shim_run.h"
#include "op_run.h"

static struct ops *must(struct ops *o, const struct err *err)
{
    if (!o)
        fail_msg("%s", err->text);
    return o;
}

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
    int failed = 0;
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        if (act == DT_F16 && beyond_fp16(c))
            continue;
        struct op_result r = op_case_check(ref, tested, c);
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

/* -- turns ----------------------------------------------------------------------------------
 */

enum { WIDE = 24, LONG = 6 };

struct chain { /* y = norm(x) w + b + x, twice, with something taken from the arena in between */
    struct ops *ops;
    struct weight *norm, *linear;
    struct tensor x, y, sum; /* sum: y in f32, times both factors */
    float factor[2];
    int calls; /* what it must not: 1 upload, 2 download, 3 wait; else 0 */
};

static void chain_run(struct ops *o, struct chain *c)
{
    float host[LONG * WIDE] = {0};
    struct err err;
    struct tensor a = ops_alloc_like(o, &c->x, WIDE), *x = &c->x;
    for (int i = 0; i < 2; i++, x = &c->y) {
        o->group_norm(o, &a, x, c->norm, 4, 1e-5f, true);
        o->linear(o, &c->y, &a, c->linear, ACT_GELU, x);
    }
    if (c->calls == 1)
        o->upload(o, &a, host);
    else if (c->calls == 2)
        o->download(o, host, &a);
    else if (c->calls == 3)
        o->sync(o, &err);
    o->release(o, &a);
    o->copy(o, &c->sum, &c->y);
    o->combine(o, &c->sum, 2, c->factor, (const struct tensor *const[]){&c->sum, &c->sum});
    o->copy(o, &c->y, &c->sum);
}

static void chain_weights(struct ops *o, struct chain *c, int seed)
{
    static float w[WIDE * WIDE], b[WIDE], gamma[WIDE];
    for (int i = 0; i < WIDE * WIDE; i++)
        w[i] = 0.1f * (float)((i + seed) * 37 % 19 - 9);
    for (int i = 0; i < WIDE; i++)
        b[i] = 0.3f * (float)(i % 5), gamma[i] = 1 + 0.1f * (float)(i % 3);
    struct param pw = {.data = w, .dtype = DT_F32, .rank = 2, .dim = {WIDE, WIDE}},
                 pb = {.data = b, .dtype = DT_F32, .rank = 1, .dim = {WIDE}};
    struct param pg = {.data = gamma, .dtype = DT_F32, .rank = 1, .dim = {WIDE}};
    c->linear = o->pack_linear(o, &pw, &pb, 1);
    c->norm = o->pack_norm(o, &pg, &pb);
}

static void chain_open(struct ops *o, struct chain *c)
{
    chain_weights(o, c, 0);
    c->x = ops_alloc(o, 1, LONG, 1, WIDE);
    c->sum = o->alloc_as(o, DT_F32, 1, LONG, 1, WIDE);
    c->y = ops_alloc(o, 1, LONG, 1, WIDE);
}

static void chain_close(struct ops *o, struct chain *c)
{
    o->release(o, &c->y);
    o->release(o, &c->sum);
    o->release(o, &c->x);
    o->free_weight(o, c->norm);
    o->free_weight(o, c->linear);
}

static void chain_input(struct ops *o, struct chain *c, int seed)
{
    float host[LONG * WIDE];
    for (int i = 0; i < LONG * WIDE; i++)
        host[i] = 0.1f * (float)((i * 31 + seed * 17) % 23 - 11);
    o->upload(o, &c->x, host);
}

static void chain_output(struct ops *o, struct chain *c, float out[LONG * WIDE])
{
    struct err err = {""};
    o->download(o, out, &c->y);
    if (o->sync(o, &err) != 0)
        fail_msg("%s", err.text);
}

static void chain_calls(void *user)
{
    struct chain *c = user;
    chain_run(c->ops, c);
}

static struct ops_stats stats_of(struct ops *o)
{
    struct ops_stats s;
    o->stats(o, &s);
    return s;
}

/* Made plainly at first, kept the second time and replayed from then on, from what lies in the
 * inputs and with the turn's own factors: what the plain calls do, to the bit. */
static void test_turns(void **state)
{
    (void)state;
    struct err err = {""};
    float plain[LONG * WIDE], again[LONG * WIDE];
    struct ops *o = must(gpu_open(DT_F16, 0, NULL, &err), &err);
    struct chain c = {.ops = o};
    assert_int_equal(o->reserve(o, 1 << 16, &err), 0);
    chain_open(o, &c);
    for (int turn = 0; turn < 5; turn++) {
        c.factor[0] = 0.5f + (float)turn, c.factor[1] = 1.0f / (float)(turn + 1);
        chain_input(o, &c, turn);
        chain_run(o, &c);
        chain_output(o, &c, plain);
        chain_input(o, &c, turn);
        struct ops_stats before = stats_of(o);
        ops_turn_of(o, chain_calls, &c);
        struct ops_stats after = stats_of(o);
        assert_true(after.flops - before.flops == 2.0 * 2 * LONG * WIDE * WIDE);
        assert_int_equal(after.recordings, turn >= 1);
        assert_int_equal(after.replays, turn);
        chain_output(o, &c, again);
        assert_memory_equal(plain, again, sizeof plain);
    }
    chain_close(o, &c);
    o->close(o);
}

/* Waiting, allocating and copies to or from the host are kept by no graph, and are no error. */
static void test_unrecordable(void **state)
{
    (void)state;
    struct err err = {""};
    float plain[LONG * WIDE], again[LONG * WIDE];
    for (int what = 0; what < 4; what++) {
        struct ops *o = must(gpu_open(DT_F16, 0, NULL, &err), &err);
        struct chain c = {.ops = o, .factor = {1, 1}, .calls = what};
        if (what > 0) /* without memory of the arena's own, `a` is a stray */
            assert_int_equal(o->reserve(o, 1 << 16, &err), 0);
        chain_open(o, &c);
        chain_input(o, &c, 5);
        chain_run(o, &c);
        chain_output(o, &c, plain);
        for (int turn = 0; turn < 4; turn++) {
            chain_input(o, &c, 5);
            ops_turn_of(o, chain_calls, &c);
            chain_output(o, &c, again);
            assert_memory_equal(plain, again, sizeof plain);
        }
        assert_int_equal(stats_of(o).replays, 0);
        chain_close(o, &c);
        o->close(o);
    }
}

/* A graph holds addresses: where weights or memory are others, it is another turn. */
static void test_other_turns(void **state)
{
    (void)state;
    struct err err = {""};
    struct ops *o = must(gpu_open(DT_F32, 0, NULL, &err), &err);
    struct chain c = {.ops = o, .factor = {1, 1}};
    float plain[LONG * WIDE], again[LONG * WIDE];
    assert_int_equal(o->reserve(o, 1 << 16, &err), 0);
    chain_open(o, &c);
    chain_run(o, &c); /* and scratch is there */
    for (int i = 0; i < 3; i++)
        ops_turn_of(o, chain_calls, &c);
    assert_int_equal(stats_of(o).replays, 2);
    struct tensor more = ops_alloc(o, 1, 1, 1, 64);
    ops_turn_of(o, chain_calls, &c); /* `more` lies where the graph has its own */
    assert_int_equal(stats_of(o).replays, 2);
    o->release(o, &more);
    ops_turn_of(o, chain_calls, &c);
    assert_int_equal(stats_of(o).replays, 3);
    o->free_weight(o, c.linear); /* the next one may lie at the same address */
    o->free_weight(o, c.norm);
    chain_weights(o, &c, 3);
    chain_input(o, &c, 1);
    chain_run(o, &c);
    chain_output(o, &c, plain);
    for (int i = 0; i < 3; i++) {
        chain_input(o, &c, 1);
        ops_turn_of(o, chain_calls, &c);
        chain_output(o, &c, again);
        assert_memory_equal(plain, again, sizeof plain);
        assert_int_equal(stats_of(o).replays, 3 + i);
    }
    struct tuning off = {.graph = TUNE_OFF};
    o->tune(o, &off);
    ops_turn_of(o, chain_calls, &c);
    assert_int_equal(stats_of(o).replays, 5);
    chain_close(o, &c);
    o->close(o);
}

/* -- streams beside: the shim does what is queued there as late as it may ------------------------
 */

static uint8_t want_byte(float x)
{
    float v = x * 127.5f + 127.5f;
    return v >= 255 ? 255 : v > 0 ? (uint8_t)(v + 0.5f) : 0;
}

/* What is sent is what it was when it was sent, whatever becomes of the tensor. */
static void test_looking_on(void **state)
{
    (void)state;
    enum { SENDS = 5, COUNT = 6 };
    struct err err = {""};
    struct ops *o = must(gpu_open(DT_F16, 0, NULL, &err), &err);
    struct tensor t = o->alloc_as(o, DT_F32, 1, 1, COUNT, 1);
    for (int i = 0; i <= SENDS; i++) {
        float v[COUNT];
        int slot = i % OPS_SLOTS, before = (i + OPS_SLOTS - 1) % OPS_SLOTS;
        for (int k = 0; k < COUNT; k++)
            v[k] = (float)(10 * i + k);
        if (i < SENDS) {
            o->upload(o, &t, v);
            if (i % 2) /* 3 colours of one channel: x / 100 - 1, x / 200, and -2 */
                o->send_rgb(o, slot, &t, (const float[]){0.01f, 0.005f, 0, -1, 0, -2});
            else
                o->send(o, slot, &t);
            o->mark(o, slot);
        }
        if (i == 0)
            continue;
        int looks = 1, rc;
        while ((rc = o->passed(o, before, &err)) == 0)
            looks++;
        assert_int_equal(rc, 1);
        assert_true(looks > 1); /* it is not waited for in there */
        for (int k = 0; k < COUNT; k++)
            if (i % 2)
                assert_true(((const float *)o->sent(o, before))[k] == (float)(10 * (i - 1) + k));
            else
                for (int c = 0; c < 3; c++) {
                    float x = (float)(10 * (i - 1) + k), y[] = {x / 100 - 1, x / 200, -2};
                    assert_in_range(((const uint8_t *)o->sent(o, before))[3 * k + c] + 1,
                                    want_byte(y[c]), want_byte(y[c]) + 2);
                }
    }
    o->release(o, &t);
    o->close(o);
}

/* Weights that come and go through a window with room for three of six: what the products give is
 * what they gave before, in the order that was foreseen, against it, and when two are swapped. */
static void test_window(void **state)
{
    (void)state;
    enum { WEIGHTS = 6 };
    static const int order[] = {0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 3, 3, 0, 5, 4, 1, 2, 0};
    struct err err = {""};
    float plain[WEIGHTS][LONG * WIDE], again[LONG * WIDE];
    struct ops *o = must(gpu_open(DT_F16, 0, NULL, &err), &err);
    struct chain c[WEIGHTS] = {0};
    struct tensor x = ops_alloc(o, 1, LONG, 1, WIDE);
    gpu_of(o)->window.room = 4096;
    for (int i = 0; i < WEIGHTS; i++) {
        chain_weights(o, &c[i], i);
        c[i].x = x, c[i].y = ops_alloc(o, 1, LONG, 1, WIDE);
        chain_input(o, &c[i], 2);
        o->linear(o, &c[i].y, &x, c[i].linear, ACT_NONE, NULL);
        chain_output(o, &c[i], plain[i]);
    }
    size_t held = stats_of(o).weight_bytes;
    for (int i = 0; i < WEIGHTS; i++) {
        assert_false(o->park(o, c[i].norm));
        assert_true(o->park(o, c[i].linear));
    }
    assert_int_equal(held - stats_of(o).weight_bytes, WEIGHTS * WIDE * WIDE * 2);
    int steps = sizeof order / sizeof *order;
    for (int k = 0; k < steps; k++) {
        int i = order[k];
        if (k == 8) { /* pointers stay, contents change places */
            o->swap_weights(o, c[1].linear, c[4].linear);
            struct weight *was = c[1].linear;
            c[1].linear = c[4].linear, c[4].linear = was;
        }
        assert_true(o->unpark(o, c[i].linear, false));
        for (int ahead = 1; ahead < 4 && k + ahead < 9; ahead++)
            if (!o->unpark(o, c[order[k + ahead]].linear, true))
                break;
        o->linear(o, &c[i].y, &x, c[i].linear, ACT_NONE, NULL);
        chain_output(o, &c[i], again);
        assert_memory_equal(plain[i], again, sizeof again);
    }
    for (int i = 0; i < WEIGHTS; i++) {
        o->release(o, &c[i].y);
        o->free_weight(o, c[i].norm);
        o->free_weight(o, c[i].linear);
    }
    assert_int_equal(stats_of(o).weight_bytes, 0);
    o->release(o, &x);
    o->close(o);
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

static void ran(int rc)
{
    if (rc != 0)
        fail_msg("launch: %s", device_error(rc));
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
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_upsample),
        cmocka_unit_test(test_group_norm),
        cmocka_unit_test(test_wide_heads),
        cmocka_unit_test(test_epilogue),
        cmocka_unit_test(test_combine_at),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_preview),
        cmocka_unit_test(test_scaled_copy),
        cmocka_unit_test(test_table_f32),
        cmocka_unit_test(test_table_fp16),
        cmocka_unit_test(test_table_bf16),
        cmocka_unit_test(test_turns),
        cmocka_unit_test(test_unrecordable),
        cmocka_unit_test(test_other_turns),
        cmocka_unit_test(test_looking_on),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
