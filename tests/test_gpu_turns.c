/*
 * Turns of the CUDA backend: calls that are recorded once and made again, and what is queued beside
 * them; on the host, see test_gpu.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gpu_help.h"

#ifndef NO_SHIM

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
        ops_run_turn(o, chain_calls, &c);
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
            ops_run_turn(o, chain_calls, &c);
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
        ops_run_turn(o, chain_calls, &c);
    assert_int_equal(stats_of(o).replays, 2);
    struct tensor more = ops_alloc(o, 1, 1, 1, 64);
    ops_run_turn(o, chain_calls, &c); /* `more` lies where the graph has its own */
    assert_int_equal(stats_of(o).replays, 2);
    o->release(o, &more);
    ops_run_turn(o, chain_calls, &c);
    assert_int_equal(stats_of(o).replays, 3);
    o->free_weight(o, c.linear); /* the next one may lie at the same address */
    o->free_weight(o, c.norm);
    chain_weights(o, &c, 3);
    chain_input(o, &c, 1);
    chain_run(o, &c);
    chain_output(o, &c, plain);
    for (int i = 0; i < 3; i++) {
        chain_input(o, &c, 1);
        ops_run_turn(o, chain_calls, &c);
        chain_output(o, &c, again);
        assert_memory_equal(plain, again, sizeof plain);
        assert_int_equal(stats_of(o).replays, 3 + i);
    }
    struct tuning off = {.graph = TUNE_OFF};
    o->tune(o, &off);
    ops_run_turn(o, chain_calls, &c);
    assert_int_equal(stats_of(o).replays, 5);
    chain_close(o, &c);
    o->close(o);
}

/* -- streams beside: the shim does what is queued there as late as it may ------------------------
 */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_turns),       cmocka_unit_test(test_unrecordable),
        cmocka_unit_test(test_other_turns), cmocka_unit_test(test_looking_on),
        cmocka_unit_test(test_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
