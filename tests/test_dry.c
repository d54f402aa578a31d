/* The forecast against the backends it foretells: peak, FLOPs, bytes and weights of every op case
 * and of a block with releases out of order, exactly; and known layers against numbers by hand. */
/* Not under qemu: holds the forecast against every op case; test_ops has the ops there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "op_run.h"
#include "ops/dry.h"

static struct ops *must(struct ops *o, const struct err *err)
{
    if (!o)
        fail_msg("%s", err->text);
    return o;
}

static struct ops *open_dry(const char *like, enum dtype act)
{
    struct err err = {""};
    return must(ops_dry_open(like, act, &err), &err);
}

static void expect_same(struct ops *real, struct ops *dry, const char *what)
{
    struct ops_stats a, b;
    real->stats(real, &a);
    dry->stats(dry, &b);
    if (a.flops != b.flops || a.bytes_moved != b.bytes_moved || a.weight_bytes != b.weight_bytes ||
        a.arena_peak != b.arena_peak || a.arena_now != b.arena_now)
        fail_msg("%s: %s has %.0f FLOP, %.0f bytes, weights %zu, peak %zu, now %zu, the forecast "
                 "%.0f, %.0f, %zu, %zu, %zu",
                 what, real->name, a.flops, a.bytes_moved, a.weight_bytes, a.arena_peak,
                 a.arena_now, b.flops, b.bytes_moved, b.weight_bytes, b.arena_peak, b.arena_now);
}

/* Every case of the table on a fresh pair, so that each peak counts. */
static void compare_cases(struct ops *(*open_real)(enum dtype, struct err *), const char *like,
                          enum dtype act)
{
    struct err err = {""};
    for (int i = 0; i < OP_CASES; i++) {
        struct ops *real = must(open_real(act, &err), &err), *dry = open_dry(like, act);
        struct rig g;
        char what[96];
        snprintf(what, sizeof what, "%s, %s", op_bounds[op_cases[i].op].name, op_cases[i].name);
        rig_run(&g, real, &op_cases[i], act, false);
        free(g.out);
        rig_run(&g, dry, &op_cases[i], act, false);
        free(g.out);
        expect_same(real, dry, what);
        real->close(real);
        dry->close(dry);
    }
    printf("%d cases like %s in %s: the same\n", (int)OP_CASES, like,
           act == DT_F32 ? "f32" : "bf16");
}

static void test_cases_ref(void **state)
{
    (void)state;
    compare_cases(ops_ref_open, "ref", DT_F32);
    compare_cases(ops_ref_open, "ref", DT_BF16);
}

/* Like the CPU backend, which has besides what the forecast knows: oneDNN's scratchpad, and what
 * its layouts pad weights with. Both are printed where they are largest. */
static void compare_cpu(enum dtype act)
{
    struct err err = {""};
    size_t most = 0, weights = 0, foretold = 0;
    const char *which = "";
    for (int i = 0; i < OP_CASES; i++) {
        const struct op_case *c = &op_cases[i];
        struct ops *real = must(ops_cpu_open(act, 0, &err), &err), *dry = open_dry("cpu", act);
        struct ops_stats a, b;
        struct rig g;
        rig_run(&g, real, c, act, false);
        free(g.out);
        weights += g.weight_bytes;
        rig_run(&g, dry, c, act, false);
        free(g.out);
        foretold += g.weight_bytes;
        real->stats(real, &a);
        dry->stats(dry, &b);
        if (a.flops != b.flops || a.bytes_moved != b.bytes_moved)
            fail_msg("%s, %s: %.0f FLOP, %.0f bytes; the forecast has %.0f, %.0f",
                     op_bounds[c->op].name, c->name, a.flops, a.bytes_moved, b.flops,
                     b.bytes_moved);
        bool dnn = c->op == OP_LINEAR || c->op == OP_GEGLU || c->op == OP_CONV;
        if (a.arena_peak < b.arena_peak || (!dnn && a.arena_peak != b.arena_peak))
            fail_msg("%s, %s: peak %zu, the forecast has %zu", op_bounds[c->op].name, c->name,
                     a.arena_peak, b.arena_peak);
        if (a.arena_peak - b.arena_peak > most) {
            most = a.arena_peak - b.arena_peak;
            which = c->name;
        }
        real->close(real);
        dry->close(dry);
    }
    printf(
        "%d cases like cpu in %s: the same, but for oneDNN's scratchpad (at most %zu bytes, %s)\n",
        (int)OP_CASES, act == DT_F32 ? "f32" : "bf16", most, which);
    printf("their weights: %zu bytes, %.3f of the forecast\n", weights,
           (double)weights / (double)foretold);
}

static void test_cases_cpu(void **state)
{
    (void)state;
    compare_cpu(DT_F32);
    if (cpu_has_bf16())
        compare_cpu(DT_BF16);
}

static const float zeros[64 * 64 * 9];

static struct param zero_param(int rank, int64_t a, int64_t b, int64_t k)
{
    return (struct param){.data = zeros, .dtype = DT_F32, .rank = rank, .dim = {a, b, k, k}};
}

/* A res block and an attention, with what a network does to an arena: tensors that live across,
 * releases out of order, a skip that stays until the end. */
static void run_block(struct ops *o)
{
    struct param gw = zero_param(1, 32, 0, 0), cw = zero_param(4, 32, 32, 3);
    struct param qw = zero_param(2, 96, 32, 0), qb = zero_param(1, 96, 0, 0), none = {0};
    struct weight *norm = o->pack_norm(o, &gw, &gw), *conv = o->pack_conv(o, &cw, &gw);
    struct weight *qkv = o->pack_linear(o, &qw, &qb, 1), *bare = o->pack_linear(o, &qw, &none, 1);
    struct conv_args a = {.stride = 1, .pad_before = 1, .pad_after = 1};
    struct tensor x = ops_alloc(o, 2, 9, 7, 32), skip = ops_alloc_like(o, &x, 32);
    ops_dry_stage(o, "block");
    o->group_norm(o, &skip, &x, norm, 8, 1e-5f, true);
    struct tensor h = ops_alloc_like(o, &x, 32);
    o->conv2d(o, &h, &skip, conv, &a);
    o->release(o, &x);
    struct tensor fused = ops_alloc_like(o, &h, 96), y = ops_alloc_like(o, &h, 32);
    o->linear(o, &fused, &h, qkv, ACT_NONE, NULL);
    struct tensor q = tensor_channels(fused, 0, 32), k = tensor_channels(fused, 32, 32),
                  v = tensor_channels(fused, 64, 32);
    ops_dry_stage(o, "attention");
    o->attention(o, &y, &q, &k, &v, 2, 0.25f, false);
    o->release(o, &fused);
    struct tensor both = ops_alloc_like(o, &h, 64), latent = o->alloc_as(o, DT_F32, 2, 9, 7, 4);
    o->concat(o, &both, &y, &skip);
    o->release(o, &h);
    struct tensor *held[] = {&skip, &latent, &y, &both};
    for (int i = 0; i < 4; i++)
        o->release(o, held[i]);
    struct weight *weights[] = {norm, conv, qkv, bare};
    for (int i = 0; i < 4; i++)
        o->free_weight(o, weights[i]);
}

static void test_block(void **state)
{
    (void)state;
    struct err err = {""};
    for (int half = 0; half < 2; half++) {
        enum dtype act = half ? DT_BF16 : DT_F32;
        struct ops *ref = must(ops_ref_open(act, &err), &err), *dry = open_dry("ref", act);
        run_block(ref);
        run_block(dry);
        expect_same(ref, dry, "block");
        struct dry_stage s[DRY_STAGES];
        struct ops_stats all;
        dry->stats(dry, &all);
        assert_int_equal(ops_dry_stages(ref, s, DRY_STAGES), 0);
        assert_int_equal(ops_dry_stages(dry, s, DRY_STAGES), 3);
        assert_string_equal(s[0].name, "setup");
        assert_string_equal(s[1].name, "block");
        assert_string_equal(s[2].name, "attention");
        assert_true(s[0].flops == 0);
        assert_true(s[1].flops == 2.0 * 126 * 32 * (32 * 9 + 96));
        assert_true(s[2].flops == 4.0 * 2 * 63 * 63 * 32);
        assert_true(s[0].bytes + s[1].bytes + s[2].bytes == all.bytes_moved);
        assert_int_equal(s[0].weights, 4 * (64 + 32 * 32 * 9 + 32 + 96 * 32 + 96 + 96 * 32));
        assert_int_equal(s[2].weights, s[0].weights);
        size_t one = 126 * 32 * (half ? 2 : 4); /* x; skip, h, and the fused three and y on top */
        assert_int_equal(s[0].peak, 2 * one);
        assert_int_equal(s[1].peak, 6 * one); /* y went where x was */
        assert_int_equal(s[2].peak, all.arena_peak);
        ref->close(ref);
        dry->close(dry);
    }
}

static double flops_since(struct ops *o, double *before)
{
    struct ops_stats s;
    o->stats(o, &s);
    double d = s.flops - *before;
    *before = s.flops;
    return d;
}

/* Layers of SDXL base at 1024x1024; parameters are shapes alone. */
static void test_known_layers(void **state)
{
    (void)state;
    struct ops *o = open_dry("cpu", DT_BF16);
    const void *nowhere = (const void *)(uintptr_t)64;
    double at = 0;
    struct param w = {.data = nowhere, .dtype = DT_F16, .rank = 2, .dim = {10240, 1280}};
    struct param b = {.data = nowhere, .dtype = DT_F16, .rank = 1, .dim = {10240}};
    struct weight *geglu = o->pack_linear(o, &w, &b, 1);
    struct tensor x = ops_alloc(o, 1, 32, 32, 1280), wide = ops_alloc(o, 1, 32, 32, 5120);
    o->geglu(o, &wide, &x, geglu);
    assert_true(flops_since(o, &at) == 2.0 * 1024 * 10240 * 1280);

    struct param cw = {.data = nowhere, .dtype = DT_F16, .rank = 4, .dim = {1280, 2560, 3, 3}};
    struct param cb = {.data = nowhere, .dtype = DT_F16, .rank = 1, .dim = {1280}};
    struct weight *conv = o->pack_conv(o, &cw, &cb);
    struct ops_stats s;
    o->stats(o, &s);
    assert_int_equal(s.weight_bytes, 2 * (10240 * 1280 + 1280 * 2560 * 9) + 4 * (10240 + 1280));
    struct tensor in = ops_alloc(o, 2, 32, 32, 2560), out = ops_alloc(o, 2, 32, 32, 1280);
    struct conv_args a = {.stride = 1, .pad_before = 1, .pad_after = 1};
    o->conv2d(o, &out, &in, conv, &a);
    assert_true(flops_since(o, &at) == 2.0 * 2048 * 1280 * 2560 * 9);

    a.upsample = true; /* four 2x2 convolutions: 4 taps an output value, not 9 */
    struct tensor up = ops_alloc(o, 2, 64, 64, 1280);
    o->conv2d(o, &up, &in, conv, &a);
    assert_true(flops_since(o, &at) == 2.0 * 2 * 4096 * 1280 * 2560 * 4);

    struct tensor q = ops_alloc(o, 2, 64, 64, 640), kv = ops_alloc(o, 2, 77, 1, 1280);
    struct tensor k = tensor_channels(kv, 0, 640), v = tensor_channels(kv, 640, 640);
    struct tensor y = ops_alloc(o, 2, 64, 64, 640);
    o->attention(o, &y, &q, &q, &q, 10, 0.125f, false);
    assert_true(flops_since(o, &at) == 4.0 * 2 * 10 * 4096.0 * 4096 * 64);
    o->attention(o, &y, &q, &k, &v, 10, 0.125f, false);
    assert_true(flops_since(o, &at) == 4.0 * 2 * 10 * 4096.0 * 77 * 64);
    struct tensor t = ops_alloc(o, 1, 77, 1, 768), u = ops_alloc(o, 1, 77, 1, 768);
    o->attention(o, &u, &t, &t, &t, 12, 0.125f, true);
    assert_true(flops_since(o, &at) == 4.0 * 12 * (77 * 78 / 2) * 64);
    o->free_weight(o, geglu);
    o->free_weight(o, conv);
    o->stats(o, &s);
    assert_int_equal(s.weight_bytes, 0);
    o->close(o);
}

static void test_errors(void **state)
{
    (void)state;
    struct err err = {""};
    assert_null(ops_dry_open("toaster", DT_F32, &err));
    printf("%s\n", err.text);
    struct ops *o = open_dry("cpu", DT_F32);
    for (int i = 0; i < OP_CASES; i++) { /* after an error nothing is counted */
        struct rig g;
        rig_run(&g, o, &op_cases[i], DT_F32, true);
        free(g.before);
        free(g.out);
    }
    struct ops_stats s;
    o->stats(o, &s);
    assert_true(s.flops == 0 && s.bytes_moved == 0);
    assert_int_equal(s.arena_now, 0);
    struct tensor t = ops_alloc(o, 1 << 14, 1 << 14, 1 << 14, 1 << 14);
    assert_null(t.data);
    assert_int_equal(o->sync(o, &err), -1);
    printf("%s\n", err.text);
    assert_int_equal(o->sync(o, &err), 0);
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases_ref), cmocka_unit_test(test_cases_cpu),
        cmocka_unit_test(test_block),     cmocka_unit_test(test_known_layers),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
