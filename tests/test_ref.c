/* The reference backend against values worked out by hand, so that what the other backends are
 * measured with stands on something other than itself. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "ops/half.h"
#include "ops/ops.h"

static struct ops *open_ref(enum dtype act)
{
    struct err err;
    struct ops *o = ops_ref_open(act, &err);
    if (!o)
        fail_msg("%s", err.text);
    return o;
}

static struct tensor make(struct ops *o, int n, int h, int w, int c, const float *values)
{
    struct tensor t = ops_alloc(o, n, h, w, c);
    if (values)
        o->upload(o, &t, values);
    return t;
}

static struct param matrix(const float *data, int64_t out, int64_t in)
{
    return (struct param){.data = data, .dtype = DT_F32, .rank = 2, .dim = {out, in}};
}

static struct param vector(const float *data, int64_t c)
{
    return (struct param){.data = data, .dtype = DT_F32, .rank = 1, .dim = {c}};
}

static struct param kernel(const float *data, int64_t out, int64_t in, int64_t k)
{
    return (struct param){.data = data, .dtype = DT_F32, .rank = 4, .dim = {out, in, k, k}};
}

/* Downloads t, compares each value, and releases it. */
static void expect(struct ops *o, struct tensor *t, const float *want, float tolerance)
{
    int64_t count = tensor_count(t);
    float *got = malloc((size_t)count * sizeof *got), most = 0;
    assert_non_null(got);
    o->download(o, got, t);
    struct err err;
    if (o->sync(o, &err) != 0)
        fail_msg("%s", err.text);
    for (int64_t i = 0; i < count; i++) {
        float off = fabsf(got[i] - want[i]);
        most = off > most ? off : most;
        if (!(off <= tolerance))
            fail_msg("value %d is %.9g, expected %.9g", (int)i, got[i], want[i]);
    }
    printf("%d values, off by at most %.2g\n", (int)count, most);
    free(got);
    o->release(o, t);
}

static void test_linear(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    const float wv[] = {1, 2, 3, 4, 5, 6}, bv[] = {10, -2000}, xv[] = {1, -1, 2};
    struct param w = matrix(wv, 2, 3), b = vector(bv, 2), none = {0};
    struct weight *p = o->pack_linear(o, &w, &b, 1), *bare = o->pack_linear(o, &w, &none, 1);
    struct tensor x = make(o, 1, 1, 1, 3, xv), y = make(o, 1, 1, 1, 2, NULL);
    o->linear(o, &y, &x, p, ACT_NONE, NULL); /* 1 - 2 + 6, 4 - 5 + 12 */
    expect(o, &y, (float[]){15, -1989}, 0);

    y = make(o, 1, 1, 1, 2, (float[]){100, 200});
    o->linear(o, &y, &x, bare, ACT_SILU, &y); /* the residual comes after the activation */
    expect(o, &y, (float[]){5 / (1 + expf(-5)) + 100, 11 / (1 + expf(-11)) + 200}, 1e-5f);

    /* The same matrix stored as [in, out], stacked over itself. */
    const float tv[] = {1, 4, 2, 5, 3, 6};
    const struct param turned = {
        .data = tv, .dtype = DT_F32, .rank = 2, .dim = {3, 2}, .transposed = true};
    struct param stack[2] = {w, turned}, biases[2] = {b, b};
    struct weight *two = o->pack_linear(o, stack, biases, 2);
    y = make(o, 1, 1, 1, 4, NULL);
    o->linear(o, &y, &x, two, ACT_NONE, NULL);
    expect(o, &y, (float[]){15, -1989, 15, -1989}, 0);
    o->free_weight(o, p);
    o->free_weight(o, bare);
    o->free_weight(o, two);
    o->close(o);
}

/* erf(1 / sqrt 2) = 0.6826894921, the share of a normal within one sigma. */
static void test_activations(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    const float one = 1, xv[] = {1, -1, 0};
    struct param w = matrix(&one, 1, 1), none = {0};
    struct weight *p = o->pack_linear(o, &w, &none, 1);
    struct tensor x = make(o, 3, 1, 1, 1, xv), y = make(o, 3, 1, 1, 1, NULL);
    o->linear(o, &y, &x, p, ACT_GELU, NULL);
    expect(o, &y, (float[]){0.84134475f, -0.15865525f, 0}, 1e-7f);
    y = make(o, 3, 1, 1, 1, NULL);
    o->linear(o, &y, &x, p, ACT_QUICK_GELU, NULL);
    expect(o, &y, (float[]){0.84579577f, -0.15420423f, 0}, 1e-7f);
    y = make(o, 3, 1, 1, 1, NULL);
    o->linear(o, &y, &x, p, ACT_SILU, NULL);
    expect(o, &y, (float[]){0.73105858f, -0.26894142f, 0}, 1e-7f);

    const float wg[] = {3, 1}, bg[] = {1, 0};
    struct param gw = matrix(wg, 2, 1), gb = vector(bg, 2);
    struct weight *g = o->pack_linear(o, &gw, &gb, 1);
    y = make(o, 3, 1, 1, 1, NULL);
    o->geglu(o, &y, &x, g); /* (3 x + 1) gelu(x) */
    expect(o, &y, (float[]){4 * 0.84134475f, -2 * -0.15865525f, 0}, 1e-6f);
    o->free_weight(o, p);
    o->free_weight(o, g);
    o->close(o);
}

static void run_conv(struct ops *o, const struct weight *p, struct tensor *x, int h, int w,
                     struct conv_args a, const float *want)
{
    struct tensor y = make(o, 1, h, w, 1, NULL);
    o->conv2d(o, &y, x, p, &a);
    expect(o, &y, want, 1e-5f);
}

/* The image is 1 2 3 / 4 5 6 and the kernel's values say which tap they are, so that a flipped or
 * shifted kernel is seen. */
static void test_conv(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    const float wv[] = {1, 10, 100, 1000, 1e4f, 1e5f, 0, 0, 0.5f}, xv[] = {1, 2, 3, 4, 5, 6};
    struct param w = kernel(wv, 1, 1, 3), none = {0};
    struct weight *p = o->pack_conv(o, &w, &none);
    struct tensor x = make(o, 1, 2, 3, 1, xv);
    run_conv(o, p, &x, 2, 3, (struct conv_args){.stride = 1, .pad_before = 1, .pad_after = 1},
             (float[]){210002.5f, 321003, 32000, 540210, 654321, 65032});
    run_conv(o, p, &x, 1, 2, (struct conv_args){.stride = 2, .pad_before = 1, .pad_after = 1},
             (float[]){210002.5f, 32000});
    run_conv(o, p, &x, 1, 1, (struct conv_args){.stride = 2, .pad_before = 0, .pad_after = 1},
             (float[]){1 + 20 + 300 + 4000 + 50000 + 600000});
    /* Wrapped in x the row 1 2 3 reads as 3 1 2 3 1, in y below 4 5 6 comes 1 2 3 again. */
    run_conv(
        o, p, &x, 2, 3,
        (struct conv_args){.stride = 1, .pad_before = 1, .pad_after = 1, .pad = PAD_CIRCULAR_X},
        (float[]){213002.5f, 321003, 132002, 546213, 654321, 465132});
    run_conv(
        o, p, &x, 2, 3,
        (struct conv_args){.stride = 1, .pad_before = 1, .pad_after = 1, .pad = PAD_CIRCULAR_Y},
        (float[]){210542.5f, 321657, 32065, 540211, 654322.5f, 65032});
    o->free_weight(o, p);
    o->close(o);
}

/* Doubling, then a kernel that looks up and left: output (y, x) is doubled (y - 1, x - 1). */
static void test_conv_upsample(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    const float wv[9] = {1}, xv[] = {1, 2};
    struct param w = kernel(wv, 1, 1, 3), none = {0};
    struct weight *p = o->pack_conv(o, &w, &none);
    struct tensor x = make(o, 1, 1, 2, 1, xv);
    struct conv_args a = {.stride = 1, .pad_before = 1, .pad_after = 1, .upsample = true};
    run_conv(o, p, &x, 2, 4, a, (float[]){0, 0, 0, 0, 0, 1, 1, 2});
    a.pad = PAD_CIRCULAR_X | PAD_CIRCULAR_Y;
    run_conv(o, p, &x, 2, 4, a, (float[]){2, 1, 1, 2, 2, 1, 1, 2});
    o->free_weight(o, p);
    o->close(o);
}

/* Order: bias, channel add, activation, residual. 1x1, two inputs, two outputs, two images. */
static void test_conv_order(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    const float wv[] = {1, 2, -3, 4}, bv[] = {0.5f, -0.5f};
    struct param w = kernel(wv, 2, 2, 1), b = vector(bv, 2);
    struct weight *p = o->pack_conv(o, &w, &b);
    struct tensor x = make(o, 2, 1, 1, 2, (float[]){1, 1, 2, 0});
    struct tensor add = make(o, 2, 1, 1, 2, (float[]){1, 2, 3, 4});
    struct tensor y = make(o, 2, 1, 1, 2, (float[]){100, 200, 300, 400});
    struct conv_args a = {.stride = 1, .act = ACT_SILU, .chan_add = &add, .residual = &y};
    o->conv2d(o, &y, &x, p, &a); /* sums 3 1 / 2 -6, with bias and add 4.5 2.5 / 5.5 -2.5 */
    expect(o, &y,
           (float[]){100 + 4.5f / (1 + expf(-4.5f)), 200 + 2.5f / (1 + expf(-2.5f)),
                     300 + 5.5f / (1 + expf(-5.5f)), 400 - 2.5f / (1 + expf(2.5f))},
           1e-4f);
    o->free_weight(o, p);
    o->close(o);
}

static void test_norms(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    const float gv[] = {1, 2, 3, 4}, bv[] = {0, 1, 0, 1};
    struct param g = vector(gv, 4), b = vector(bv, 4), none = {0};
    struct weight *p = o->pack_norm(o, &g, &b), *bare = o->pack_norm(o, &g, &none);
    /* Group 0 holds 1 3 1 3 (mean 2, variance 1), group 1 holds 0 0 4 4 (mean 2, variance 4). */
    struct tensor x = make(o, 1, 2, 1, 4, (float[]){1, 3, 0, 0, 1, 3, 4, 4});
    struct tensor y = make(o, 1, 2, 1, 4, NULL);
    o->group_norm(o, &y, &x, p, 2, 0, false);
    expect(o, &y, (float[]){-1, 3, -3, -3, -1, 3, 3, 5}, 1e-6f);
    y = make(o, 1, 2, 1, 4, NULL);
    o->group_norm(o, &y, &x, p, 2, 3, true); /* roots 2 and sqrt 7 */
    float a = 6 / sqrtf(7), c = 8 / sqrtf(7);
    float v[] = {-0.5f, 2, -a, 1 - c, -0.5f, 2, a, 1 + c};
    for (int i = 0; i < 8; i++)
        v[i] /= 1 + expf(-v[i]);
    expect(o, &y, v, 1e-6f);
    /* Rows 1 3 0 0 (mean 1, variance 1.5) and 1 3 4 4 (mean 3, variance 1.5). */
    y = make(o, 1, 2, 1, 4, NULL);
    o->layer_norm(o, &y, &x, bare, 2.5f);
    expect(o, &y, (float[]){0, 2, -1.5f, -2, -1, 0, 1.5f, 2}, 1e-6f);
    o->free_weight(o, p);
    o->free_weight(o, bare);
    o->close(o);
}

/* Keys of log 1, log 3: the softmax is 1/4, 3/4. The second head has the queries negated. q, k and
 * v are views of one fused row of six. */
static void test_attention(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    float l3 = logf(3);
    struct tensor qkv = make(o, 1, 2, 1, 6, (float[]){2, -2, 0, 0, 10, 20, 2, -2, l3, l3, 30, 40});
    struct tensor q = tensor_channels(qkv, 0, 2), k = tensor_channels(qkv, 2, 2),
                  v = tensor_channels(qkv, 4, 2), y = make(o, 1, 2, 1, 2, NULL);
    o->attention(o, &y, &q, &k, &v, 2, 0.5f, false);
    expect(o, &y, (float[]){25, 25, 25, 25}, 1e-5f);
    y = make(o, 1, 2, 1, 2, NULL);
    o->attention(o, &y, &q, &k, &v, 2, 0.5f, true);
    expect(o, &y, (float[]){10, 20, 25, 25}, 1e-5f);
    y = make(o, 1, 2, 1, 2, NULL);
    o->attention(o, &y, &q, &k, &v, 1, 0.5f, false); /* one head: q.k = 0 */
    expect(o, &y, (float[]){20, 30, 20, 30}, 1e-5f);
    o->close(o);
}

static void test_moves(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    struct tensor a = make(o, 1, 2, 1, 1, (float[]){1, 2});
    struct tensor b = make(o, 1, 2, 1, 2, (float[]){3, 4, 5, 6.01f});
    struct tensor y = make(o, 1, 2, 1, 3, NULL);
    o->concat(o, &y, &a, &b);
    struct tensor part = tensor_channels(y, 1, 2), h = o->alloc_as(o, DT_F16, 1, 2, 1, 2);
    o->copy(o, &h, &part);
    expect(o, &h, (float[]){3, 4, 5, 6.01171875f}, 0);
    expect(o, &y, (float[]){1, 3, 4, 2, 5, 6.01f}, 0);

    const float tv[] = {1, 2, 3, 4, 5, 6}, pv[] = {10, 20, 30, 40};
    struct param tp = matrix(tv, 3, 2), pp = matrix(pv, 2, 2);
    struct weight *table = o->pack_table(o, &tp), *positions = o->pack_table(o, &pp);
    y = make(o, 2, 2, 1, 2, NULL);
    o->embedding(o, &y, (int32_t[]){2, 0, 1, 1}, table, positions);
    expect(o, &y, (float[]){15, 26, 31, 42, 13, 24, 33, 44}, 0);

    const struct tensor *x[] = {&a, &b, &a, &b};
    struct tensor c = make(o, 1, 2, 1, 1, (float[]){10, 20});
    x[1] = x[3] = &c;
    o->combine(o, &c, 3, (float[]){1, 0.5f, -3}, x); /* c = a + c / 2 - 3 a */
    expect(o, &c, (float[]){3, 6}, 0);
    o->free_weight(o, table);
    o->free_weight(o, positions);
    o->close(o);
}

/* With bf16 activations weights and results are rounded to bf16, biases are not: 257 is no bf16. */
static void test_bf16(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_BF16);
    const float wv[] = {257, 1}, bv[] = {0, 257}, xv[] = {1};
    struct param w = matrix(wv, 2, 1), b = vector(bv, 2);
    struct weight *p = o->pack_linear(o, &w, &b, 1);
    struct tensor x = make(o, 1, 1, 1, 1, xv), y = make(o, 1, 1, 1, 2, NULL);
    assert_int_equal(y.dtype, DT_BF16);
    o->linear(o, &y, &x, p, ACT_NONE, NULL);
    expect(o, &y, (float[]){256, 258}, 0);
    o->free_weight(o, p);
    o->close(o);
}

static void test_errors(void **state)
{
    (void)state;
    struct ops *o = open_ref(DT_F32);
    struct err err;
    struct tensor a = make(o, 1, 1, 1, 1, (float[]){1}), b = make(o, 1, 1, 1, 1, (float[]){2});
    struct tensor big = ops_alloc(o, INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX);
    assert_null(big.data);
    big = ops_alloc(o, 1 << 10, 1 << 10, 1 << 10, 1 << 10);
    assert_null(big.data);
    o->copy(o, &a, &b); /* after an error nothing happens, */
    o->release(o, &big);
    assert_int_equal(o->sync(o, &err), -1);
    printf("%s\n", err.text);
    expect(o, &a, (float[]){1}, 0); /* after sync all is well again */
    struct ops_stats s;
    o->stats(o, &s);
    assert_int_equal(s.arena_now, 64);
    assert_int_equal(s.arena_peak, 128);
    assert_int_equal(s.weight_bytes, 0);
    assert_null(ops_ref_open(DT_F16, &err));
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),     cmocka_unit_test(test_activations),
        cmocka_unit_test(test_conv),       cmocka_unit_test(test_conv_upsample),
        cmocka_unit_test(test_conv_order), cmocka_unit_test(test_norms),
        cmocka_unit_test(test_attention),  cmocka_unit_test(test_moves),
        cmocka_unit_test(test_bf16),       cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
