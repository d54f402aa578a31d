/*
 * The CPU backend's kernels by themselves: every version of each that this machine can run, not
 * only the one that it would choose. (Whole calls: test_ops.c.)
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/parallel.h"
#include "ops/cpu_attention.h"
#include "ops/cpu_norm.h"
#include "ops/cpu_sizes.h"
#include "ops/half.h"

static const char *const isa_names[ISA_COUNT] = {"portable", "avx2", "avx512"};

static float noise(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (float)(int32_t)*seed * 0x1p-31f;
}

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(p);
    return p;
}

/* count values of the type, rounded; *exact gets them as floats. */
static void *random_values(enum dtype type, int64_t count, uint32_t seed, float *exact)
{
    void *p = aligned((size_t)count * dtype_size(type));
    for (int64_t i = 0; i < count; i++) {
        store_f32(p, type, i, 2 * noise(&seed));
        exact[i] = load_f32(p, type, i);
    }
    return p;
}

struct shape {
    int n, heads, d, queries, keys;
    bool causal;
    float scale;
};

/* One query of one head in double. */
static void attend(const struct shape *s, const float *q, const float *k, const float *v, int image,
                   int head, int at, double *out)
{
    int c = s->heads * s->d, seen = s->causal ? at + 1 : s->keys;
    double *score = malloc(sizeof *score * (size_t)seen), most = -INFINITY, sum = 0;
    const float *qr = q + ((int64_t)image * s->queries + at) * c + head * s->d;
    assert_non_null(score);
    for (int j = 0; j < seen; j++) {
        const float *kr = k + ((int64_t)image * s->keys + j) * c + head * s->d;
        score[j] = 0;
        for (int i = 0; i < s->d; i++)
            score[j] += (double)qr[i] * kr[i];
        score[j] *= s->scale;
        most = fmax(most, score[j]);
    }
    memset(out, 0, sizeof *out * (size_t)s->d);
    for (int j = 0; j < seen; j++) {
        const float *vr = v + ((int64_t)image * s->keys + j) * c + head * s->d;
        double p = exp(score[j] - most);
        sum += p;
        for (int i = 0; i < s->d; i++)
            out[i] += p * vr[i];
    }
    for (int i = 0; i < s->d; i++)
        out[i] /= sum;
    free(score);
}

static double attention_error(enum attention_kernel kernel, enum dtype type, int way,
                              const struct shape *s)
{
    int c = s->heads * s->d;
    int64_t nq = (int64_t)s->n * s->queries * c, nk = (int64_t)s->n * s->keys * c;
    float *q = aligned((size_t)nq * 4), *k = aligned((size_t)nk * 4), *v = aligned((size_t)nk * 4);
    struct cpu cpu = {cpu_features(), 2};
    struct cpu_attention a = {.kernel = kernel,
                              .way = way,
                              .type = type,
                              .n = s->n,
                              .heads = s->heads,
                              .d = s->d,
                              .queries = s->queries,
                              .keys = s->keys,
                              .q = random_values(type, nq, 1, q),
                              .k = random_values(type, nk, 2, k),
                              .v = random_values(type, nk, 3, v),
                              .y = aligned((size_t)nq * dtype_size(type)),
                              .q_ld = c,
                              .k_ld = c,
                              .v_ld = c,
                              .y_ld = c,
                              .scale = s->scale,
                              .causal = s->causal};
    void *scratch = aligned(cpu_attention_scratch(&cpu, &a));
    memset(scratch, 0xff, cpu_attention_scratch(&cpu, &a)); /* NaN: what is not set is seen */
    cpu_attention(&cpu, &a, scratch);
    double off = 0, all = 0, *want = malloc(sizeof *want * (size_t)s->d);
    assert_non_null(want);
    for (int64_t row = 0; row < (int64_t)s->n * s->heads * s->queries; row++) {
        int at = (int)(row % s->queries), head = (int)(row / s->queries % s->heads);
        int image = (int)(row / s->queries / s->heads);
        attend(s, q, k, v, image, head, at, want);
        for (int i = 0; i < s->d; i++) {
            int64_t index = ((int64_t)image * s->queries + at) * c + head * s->d + i;
            double got = load_f32(a.y, type, index);
            off += (got - want[i]) * (got - want[i]);
            all += want[i] * want[i];
        }
    }
    void *owned[] = {q, k, v, (void *)a.q, (void *)a.k, (void *)a.v, a.y, scratch, want};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        free(owned[i]);
    return sqrt(off / all);
}

/* The emulated tiles run the AMX code's own source, so this is AMX's test on any machine. */
static void test_attention(void **state)
{
    static const struct shape shapes[] = {
        {1, 1, 64, 1, 1, false, 0.125f},  {2, 3, 64, 70, 77, false, 0.125f},
        {1, 2, 64, 77, 77, true, 0.125f}, {1, 1, 40, 300, 530, false, 0.16f},
        {1, 2, 7, 50, 33, false, 0.4f},   {1, 1, 512, 49, 300, false, 0.05f},
        {1, 1, 32, 600, 600, true, 0.2f}, {1, 1, 64, 40, 700, false, 1.0f},
    };
    (void)state;
    struct cpu_features f = cpu_features();
    for (int kernel = 0; kernel < ATTENTION_KERNELS; kernel++) {
        if (!cpu_attention_usable(kernel, &f)) {
            printf("skipped: this CPU has no %s\n", cpu_attention_name(kernel));
            continue;
        }
        bool bf16 = kernel >= ATTENTION_AVX512_BF16;
        double bound = bf16 ? 4e-3 : 2e-6;
        for (int way = ATTENTION_FLASH; way <= ATTENTION_SLICED; way++) {
            double worst = 0;
            for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
                worst = fmax(worst,
                             attention_error(kernel, bf16 ? DT_BF16 : DT_F32, way, &shapes[i]));
            printf("attention, %-14s %-6s %.2g (bound %.2g)\n", cpu_attention_name(kernel),
                   attention_name(way), worst, bound);
            assert_true(worst <= bound);
        }
        /* f32 arithmetic on bf16 activations is what a CPU without bf16 would do. */
        if (!bf16)
            assert_true(attention_error(kernel, DT_BF16, ATTENTION_AUTO, &shapes[1]) <= 2.5e-3);
    }
}

/* All 65,536 values both ways, and rounding where it is hard, against half.h. */
static void test_conversion(void **state)
{
    (void)state;
    enum { COUNT = 65536 };
    uint16_t *half = aligned(COUNT * 2), *back = aligned(COUNT * 2);
    float *wide = aligned(COUNT * 4);
    struct cpu_features f = cpu_features();
    for (int isa = 0; isa <= (int)f.isa; isa++) {
        for (int i = 0; i < COUNT; i++)
            half[i] = (uint16_t)i;
        cpu_convert_row(isa, wide, DT_F32, half, DT_F16, COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_true(isnan(wide[i]) ? isnan(f32_from_f16(half[i]))
                                       : f32_bits(wide[i]) == f32_bits(f32_from_f16(half[i])));
        cpu_convert_row(isa, wide, DT_F32, half, DT_BF16, COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(f32_bits(wide[i]), (uint32_t)half[i] << 16);
        for (int i = 0; i < COUNT; i++) /* ties, near ties, infinities, NaNs, denormals */
            wide[i] = f32_from_bits((uint32_t)i << 16 | (i % 5 == 0   ? 0x8000u
                                                         : i % 5 == 1 ? 0x7fffu
                                                         : i % 5 == 2 ? 0x8001u
                                                         : i % 5 == 3 ? 0xffffu
                                                                      : 0u));
        cpu_convert_row(isa, back, DT_BF16, wide, DT_F32, COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(back[i], bf16_from_f32(wide[i]));
        cpu_convert_row(isa, back, DT_F16, wide, DT_F32, COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(back[i], f16_from_f32(wide[i]));
        for (int i = 0; i < COUNT; i++) /* what a half has, half way to the next, and beside it */
            wide[i] = f32_from_bits(f32_bits(f32_from_f16((uint16_t)i)) + 0xfffu + (uint32_t)i % 3);
        cpu_convert_row(isa, back, DT_F16, wide, DT_F32, COUNT);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(back[i], f16_from_f32(wide[i]));
        printf("conversion, %-9s all values\n", isa_names[isa]);
    }
    free(half);
    free(back);
    free(wide);
}

/* The gate h gelu(g) over the whole range where gelu is neither 0 nor the identity. */
static void test_gelu(void **state)
{
    (void)state;
    enum { COUNT = 8192 };
    float *h = aligned(COUNT * 4), *g = aligned(COUNT * 4), *y = aligned(COUNT * 4);
    struct cpu cpu = {cpu_features(), 1};
    for (int i = 0; i < COUNT; i++)
        h[i] = 1, g[i] = (float)(i - COUNT / 2) * (12.0f / (COUNT / 2));
    for (int isa = cpu.features.isa; isa >= 0; isa--) {
        double worst = 0;
        cpu.features.isa = isa;
        cpu_gate(&cpu, y, DT_F32, COUNT, h, g, COUNT, 1, COUNT);
        for (int i = 0; i < COUNT; i++) {
            double want = 0.5 * (double)g[i] * erfc(-(double)g[i] * sqrt(0.5));
            worst = fmax(worst, fabs((double)y[i] - want) / fmax(fabs(want), 1e-7));
        }
        printf("gelu, %-9s %.2g of the value (bound 5e-06)\n", isa_names[isa], worst);
        assert_true(worst <= 5e-6);
    }
    free(h);
    free(g);
    free(y);
}

/* Norms of every level against double, with a large mean; the same bytes for any threads. */
static void test_norms(void **state)
{
    (void)state;
    enum { ROWS = 333, C = 96, GROUPS = 8, COUNT = ROWS * C };
    float *x = aligned(COUNT * 4), *y = aligned(COUNT * 4), *other = aligned(COUNT * 4);
    float one[C], zero[C];
    uint32_t seed = 5;
    for (int i = 0; i < COUNT; i++)
        x[i] = 1000 + noise(&seed);
    for (int i = 0; i < C; i++)
        one[i] = 1, zero[i] = 0;
    struct cpu cpu = {cpu_features(), 1};
    for (int isa = cpu.features.isa; isa >= 0; isa--) {
        double off = 0, all = 0;
        cpu.features.isa = isa;
        struct cpu_group_norm g = {.n = 1,
                                   .groups = GROUPS,
                                   .rows = ROWS,
                                   .c = C,
                                   .x = x,
                                   .y = y,
                                   .x_type = DT_F32,
                                   .y_type = DT_F32,
                                   .gamma = one,
                                   .beta = zero,
                                   .eps = 1e-6f};
        for (int threads = 1; threads <= 3; threads += 2) {
            cpu.threads = threads;
            g.y = threads == 1 ? y : other;
            void *scratch = aligned(cpu_group_norm_scratch(&cpu, &g));
            cpu_group_norm(&cpu, &g, scratch);
            free(scratch);
        }
        assert_memory_equal(y, other, COUNT * 4);
        for (int group = 0; group < GROUPS; group++) {
            double mean = 0, square = 0, per = C / GROUPS;
            for (int i = 0; i < COUNT; i++)
                mean += i % C / (C / GROUPS) == group ? x[i] / (ROWS * per) : 0;
            for (int i = 0; i < COUNT; i++)
                square += i % C / (C / GROUPS) == group ? (x[i] - mean) * (x[i] - mean) : 0;
            double scale = 1 / sqrt(square / (ROWS * per) + 1e-6);
            for (int i = 0; i < COUNT; i++)
                if (i % C / (C / GROUPS) == group) {
                    double want = (x[i] - mean) * scale;
                    off += (y[i] - want) * (y[i] - want);
                    all += want * want;
                }
        }
        printf("group norm, mean 1000, %-9s %.2g (bound 1e-06)\n", isa_names[isa], sqrt(off / all));
        assert_true(sqrt(off / all) <= 1e-6);
    }
    free(x);
    free(y);
    free(other);
}

/* ---- Winograd's convolutions ---- */

/* Two images of more tiles than a block has, and of channels whose parts have gaps between them:
 * the same as the direct way up to rounding, each image as it is by itself. */
static void convolved_in_blocks(enum dtype act, double bound)
{
    enum { SIDE = 32, IN = 64, OUT = 576, IMAGE = SIDE * SIDE * OUT };
    struct err e = {""};
    struct ops *o = ops_cpu_open(act, 2, &e);
    assert_non_null(o);
    assert_true(cpu_winograd_tiles(SIDE * SIDE / 4, IN, OUT, act) < SIDE * SIDE / 4);
    float *exact = aligned(sizeof *exact * 2 * SIDE * SIDE * IN);
    float *filter = aligned(sizeof *filter * OUT * IN * 9);
    void *x_values = random_values(act, 2 * SIDE * SIDE * IN, 1, exact);
    void *values = random_values(act, OUT * IN * 9, 2, filter);
    struct param p = {.data = values, .dtype = act, .rank = 4, .dim = {OUT, IN, 3, 3}}, none = {0};
    struct weight *w = o->pack_conv(o, &p, &none);
    struct tensor x = ops_alloc(o, 2, SIDE, SIDE, IN), y = ops_alloc(o, 2, SIDE, SIDE, OUT);
    o->upload(o, &x, exact);
    float *got[3];
    for (int i = 0; i < 3; i++) { /* direct, Winograd's, and that of the second image alone */
        struct conv_args a = {.stride = 1, .pad_before = 1, .pad_after = 1};
        struct tuning t = {.winograd = i == 0 ? TUNE_OFF : TUNE_ON};
        struct tensor from = x, to = y;
        from.n = to.n = i == 2 ? 1 : 2;
        from.data = i == 2 ? (char *)x.data + tensor_bytes(&from) : x.data;
        got[i] = aligned(sizeof(float) * 2 * IMAGE);
        o->tune(o, &t);
        o->conv2d(o, &to, &from, w, &a);
        o->download(o, got[i], &to);
    }
    assert_int_equal(o->sync(o, &e), 0);
    double norm = 0, off = 0;
    for (int i = 0; i < 2 * IMAGE; i++) {
        norm += (double)got[0][i] * (double)got[0][i];
        off += pow((double)got[1][i] - (double)got[0][i], 2);
    }
    printf("%s by Winograd's and directly: %.2g apart (bound %.2g)\n",
           act == DT_F32 ? "f32" : "bf16", sqrt(off / norm), bound);
    assert_true(off > 0 && sqrt(off / norm) < bound);
    assert_memory_equal(got[2], got[1] + IMAGE, sizeof(float) * IMAGE);
    o->release(o, &x);
    o->release(o, &y);
    o->free_weight(o, w);
    o->close(o);
    for (int i = 0; i < 3; i++)
        free(got[i]);
    free(exact), free(filter), free(x_values), free(values);
}

static void test_winograd(void **state)
{
    (void)state;
    convolved_in_blocks(DT_F32, 1e-6);
    if (cpu_has_bf16())
        convolved_in_blocks(DT_BF16, 9e-3);
    else
        print_message("f32 alone: this CPU has neither AMX-BF16 nor AVX512-BF16\n");
}

/* What decides is the kind of CPU and the switches, nothing else. */
static void test_winograd_chosen(void **state)
{
    struct cpu_features plain = {.isa = ISA_AVX512, .avx512_bf16 = true}, amx = plain;
    (void)state;
    amx.amx_bf16 = true;
    assert_true(cpu_winograd_on(DT_F32, &plain, TUNE_AUTO, TUNE_AUTO));
    assert_true(cpu_winograd_on(DT_F32, &amx, TUNE_AUTO, TUNE_AUTO));
    assert_true(cpu_winograd_on(DT_BF16, &plain, TUNE_AUTO, TUNE_ON));
    assert_false(cpu_winograd_on(DT_BF16, &amx, TUNE_AUTO, TUNE_AUTO));
    assert_true(cpu_winograd_on(DT_BF16, &amx, TUNE_ON, TUNE_AUTO));
    assert_false(cpu_winograd_on(DT_BF16, &plain, TUNE_OFF, TUNE_AUTO));
    assert_false(cpu_winograd_on(DT_F32, &plain, TUNE_ON, TUNE_OFF));
}

static void mark(void *context, int64_t index, int thread)
{
    int *seen = context;
    assert_in_range(thread, 0, 2);
    seen[index]++;
}

static void test_parallel(void **state)
{
    (void)state;
    int seen[1000] = {0};
    parallel_for(3, 1000, mark, seen);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(seen[i], 1);
    parallel_for(3, 0, mark, seen);
    assert_true(parallel_cores() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_attention), cmocka_unit_test(test_conversion),
        cmocka_unit_test(test_gelu),      cmocka_unit_test(test_norms),
        cmocka_unit_test(test_winograd),  cmocka_unit_test(test_winograd_chosen),
        cmocka_unit_test(test_parallel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
