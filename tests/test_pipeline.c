/* The whole way on the small models: same seed same bytes, sizes, batches, cancelling, and the
 * forecast against the run. */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdxl/pipeline.h"

static const char *const MODEL = "tests/golden/small_a";

static struct gen_params params(void)
{
    return (struct gen_params){.prompt = "a red slime, pixel art",
                               .negative = "",
                               .seed = 7,
                               .steps = 3,
                               .cfg = 5,
                               .width = 64,
                               .height = 64,
                               .batch = 1};
}

static struct pipeline *open_at(const char *model, const char *precision, int threads)
{
    struct err e = {0};
    struct pipeline_options opt = {.device = "cpu", .precision = precision, .threads = threads};
    struct pipeline *p = pipeline_open(model, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static struct gen_result run(struct pipeline *p, const struct gen_params *g)
{
    struct err e = {0};
    struct gen_result r;
    if (pipeline_run(p, g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(r.count, g->batch);
    assert_int_equal(r.ms.nsteps, g->steps);
    return r;
}

static size_t bytes_of(const struct gen_result *r)
{
    return (size_t)r->count * (size_t)r->width * (size_t)r->height * 3;
}

static void assert_same(const struct gen_result *a, const struct gen_result *b)
{
    assert_int_equal(bytes_of(a), bytes_of(b));
    assert_memory_equal(a->rgb, b->rgb, bytes_of(a));
}

/* In one process twice, in a fresh pipeline, on one thread and on two; with every sampler. */
static void test_same_seed_same_bytes(void **state)
{
    (void)state;
    const char *precision[] = {"fp32", "auto"};
    for (int i = 0; i < 2; i++) {
        struct pipeline *p = open_at(MODEL, precision[i], 1);
        struct gen_params g = params();
        if (i && strcmp(pipeline_precision(p), precision[0]) == 0) {
            printf("  auto is %s here: seen\n", precision[0]);
            pipeline_close(p);
            break;
        }
        struct pipeline *other = open_at(MODEL, precision[i], 2);
        for (g.sampler = 0; sampler_name(g.sampler); g.sampler++) {
            struct gen_result a = run(p, &g), b = run(p, &g), c = run(other, &g);
            assert_same(&a, &b);
            assert_same(&a, &c);
            gen_result_free(&b);
            g.seed++;
            b = run(p, &g);
            assert_memory_not_equal(a.rgb, b.rgb, bytes_of(&a));
            g.seed--;
            gen_result_free(&a);
            gen_result_free(&b);
            gen_result_free(&c);
        }
        pipeline_close(other);
        pipeline_close(p);
    }
}

/* Every multiple of the VAE's factor is a size, odd latents too; prompts of several chunks; no
 * guidance. */
static void test_odd_sizes_and_long_prompts(void **state)
{
    (void)state;
    struct pipeline *p = open_at("tests/golden/small_a", "auto", 0);
    char prompt[4000] = "";
    for (int i = 0; i < 120; i++)
        strcat(prompt, "red slime, ");
    int size[][2] = {{72, 104}, {88, 64}, {200, 72}};
    struct gen_params g = params();
    g.prompt = prompt;
    for (size_t i = 0; i < sizeof size / sizeof *size; i++) {
        g.width = size[i][0], g.height = size[i][1], g.cfg = i ? 1 : 5;
        struct gen_result r = run(p, &g);
        assert_int_equal(r.width, g.width);
        assert_int_equal(r.height, g.height);
        assert_true(r.tokens[0] > 2 * 75);
        gen_result_free(&r);
    }
    pipeline_close(p);
}

/* One generator draws the whole batch, so the first image of a batch is the single one of that
 * seed. */
static void test_batch_begins_with_the_single_image(void **state)
{
    (void)state;
    struct pipeline *p = open_at(MODEL, "fp32", 0);
    struct gen_params g = params();
    struct gen_result one = run(p, &g);
    g.batch = 3;
    struct gen_result three = run(p, &g);
    size_t n = bytes_of(&one);
    int worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = abs(one.rgb[i] - three.rgb[i]) > worst ? abs(one.rgb[i] - three.rgb[i]) : worst;
    printf("  largest difference of a byte %d (bound 1)\n", worst);
    assert_true(worst <= 1);
    assert_memory_not_equal(three.rgb, three.rgb + n, n);
    gen_result_free(&one);
    gen_result_free(&three);
    pipeline_close(p);
}

/* A1111 has a generator an image: each of a batch is the single one of its own seed, with fresh
 * noise and with Brownian trees. */
static void test_a1111_batch_is_its_single_images(void **state)
{
    (void)state;
    static const char *const names[] = {"euler_ancestral", "dpmpp_2m_sde"};
    struct pipeline *p = open_at(MODEL, "fp32", 0);
    for (int k = 0; k < 2; k++) {
        struct gen_params g = params();
        g.compat = COMPAT_A1111;
        g.sampler = sampler_by_name(names[k]);
        g.batch = 2;
        struct gen_result two = run(p, &g);
        g.batch = 1;
        g.seed++;
        struct gen_result one = run(p, &g);
        size_t n = bytes_of(&one);
        for (size_t i = 0; i < n; i++)
            assert_true(abs(one.rgb[i] - two.rgb[n + i]) <= 1);
        gen_result_free(&one);
        gen_result_free(&two);
    }
    pipeline_close(p);
}

static bool stop_at_two(void *user, const struct gen_progress *g)
{
    int *seen = user;
    if (!strcmp(g->stage, "sample") && g->step == 2)
        return false;
    *seen += 1;
    return true;
}

static void test_cancel_leaves_a_usable_pipeline(void **state)
{
    (void)state;
    struct err e = {0};
    int seen = 0;
    struct gen_hooks hooks = {.user = &seen, .step = stop_at_two};
    struct pipeline *p = open_at(MODEL, "fp32", 0);
    struct gen_params g = params();
    struct gen_result r;
    assert_int_equal(pipeline_run(p, &g, &hooks, &r, &e), -1);
    assert_true(r.cancelled && r.count == 0 && seen > 0);
    gen_result_free(&r);
    r = run(p, &g);
    gen_result_free(&r);
    pipeline_close(p);
}

/* What each stage was told to have behind it; -1: it was not run. */
struct behind {
    double sample, hires, decode;
};

static bool note_behind(void *user, const struct gen_progress *g)
{
    struct behind *b = user;
    double *at = !strcmp(g->stage, "sample")   ? &b->sample
                 : !strcmp(g->stage, "hires")  ? &b->hires
                 : !strcmp(g->stage, "decode") ? &b->decode
                                               : NULL;
    if (at && g->step > 0)
        assert_true(*at == g->later); /* the same all through a stage */
    if (at)
        *at = g->later;
    return true;
}

static void test_stages_know_what_comes_after_them(void **state)
{
    (void)state;
    struct pipeline *p = open_at(MODEL, "fp32", 0);
    struct gen_params g = params();
    double first[2];
    for (int i = 0; i < 4; i++) { /* by turns: a forecast counts its own run alone */
        struct err e = {0};
        struct behind b = {-1, -1, -1};
        struct gen_hooks hooks = {.user = &b, .step = note_behind};
        struct gen_result r;
        g.hires_width = g.hires_height = i % 2 ? 0 : 128;
        g.hires_denoise = 0.999;
        g.hires_steps = 3;
        if (pipeline_run(p, &g, &hooks, &r, &e) < 0)
            fail_msg("%s", e.text);
        gen_result_free(&r);
        printf("  hires %d: behind sample %.2f, hires %.2f, decode %.2f\n", g.hires_width, b.sample,
               b.hires, b.decode);
        assert_true(b.decode == 0);
        assert_true(g.hires_width ? b.hires > 0 && b.hires < b.sample : b.hires == -1);
        first[i % 2] = i < 2 ? b.sample : first[i % 2];
        assert_true(b.sample > 0 && fabs(b.sample / first[i % 2] - 1) < 0.1);
    }
    assert_true(first[0] > first[1] + 3); /* four times the pixels, and their decoding */
    pipeline_close(p);
}

struct counted {
    int steps, done, last, all;
};

static bool count_work(void *user, const struct gen_progress *g)
{
    struct counted *c = user;
    if (strcmp(g->stage, "sample") != 0) {
        assert_int_equal(g->work.all, 0);
        return true;
    }
    c->steps = g->step;
    assert_int_equal(g->work.done, c->done + g->work.step);
    c->done = g->work.done;
    c->last = g->work.step;
    c->all = g->work.all;
    return true;
}

static void counts(struct pipeline *p, const struct gen_params *g, int last, int all)
{
    struct err e = {0};
    struct counted c = {0};
    struct gen_hooks hooks = {.user = &c, .step = count_work};
    struct gen_result r;
    if (pipeline_run(p, g, &hooks, &r, &e) < 0)
        fail_msg("%s", e.text);
    gen_result_free(&r);
    assert_int_equal(c.steps, g->steps);
    assert_int_equal(c.done, c.all);
    assert_int_equal(c.last, last);
    assert_int_equal(c.all, all);
}

/* Of two pictures: guided steps ask for four answers, and Heun's but the last ask twice. */
static void test_steps_know_their_work(void **state)
{
    (void)state;
    struct pipeline *p = open_at(MODEL, "fp32", 0);
    struct gen_params g = params();
    g.batch = 2;
    g.steps = 4;
    counts(p, &g, 4, 16);
    g.cfg_end = 0.5;
    counts(p, &g, 2, 12);
    g.sampler = sampler_by_name("heun");
    counts(p, &g, 2, 4 + 4 + 4 + 4 + 2 + 2 + 2);
    g.cfg_end = 0;
    counts(p, &g, 4, 28);
    pipeline_close(p);
}

static void check_forecast(const char *model, const char *precision, struct gen_params g)
{
    struct err e = {0};
    struct plan_result plan;
    struct pipeline_options opt = {.device = "cpu", .precision = precision};
    if (pipeline_plan(model, &opt, &g, &plan, &e) < 0)
        fail_msg("%s", e.text);
    struct pipeline *p = open_at(model, precision, 0);
    struct gen_result r = run(p, &g);
    double weights = (double)plan.bytes_weights / (double)r.bytes_weights - 1;
    double activations = (double)plan.bytes_activations / (double)r.bytes_activations - 1;
    printf("  %s %dx%d %s: weights %+.1f%%, activations %+.1f%% (bound 10%%)\n", model, g.width,
           g.height, precision, 100 * weights, 100 * activations);
    assert_true(weights > -0.1 && weights < 0.1);
    assert_true(activations > -0.1 && activations < 0.1);
    gen_result_free(&r);
    pipeline_close(p);
}

static double sampling_flops(const struct gen_params *g)
{
    struct err e = {0};
    struct plan_result plan;
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32"};
    if (pipeline_plan("models/tiny", &opt, g, &plan, &e) < 0)
        fail_msg("%s", e.text);
    for (int i = 0; i < plan.nstages; i++)
        if (!strcmp(plan.stage[i].name, "sample"))
            return plan.stage[i].flops;
    fail_msg("no stage of that name");
    return 0;
}

static void test_forecast_is_what_a_run_takes(void **state)
{
    (void)state;
    struct gen_params g = params();
    g.width = g.height = 128;
    check_forecast("models/tiny", "fp32", g);
    check_forecast("models/tiny", "auto", g);
    g.batch = 3;
    check_forecast("models/tiny", "auto", g);
    /* texts of several lengths, of which one changes on the way and one is two */
    static const char *const prompts[] = {"a red slime", "[a|b] BREAK (ghost:1.3) BREAK c",
                                          "a AND b"};
    g.prompts = prompts, g.compat = COMPAT_A1111;
    check_forecast("models/tiny", "fp32", g);
    g.prompts = NULL, g.compat = COMPAT_COMFYUI;
    static const char *const names[] = {"heun", "lms", "dpmpp_3m_sde", "euler_ancestral_cfg_pp"};
    for (int i = 0; i < 4; i++) {
        g.sampler = sampler_by_name(names[i]);
        check_forecast("models/tiny", "fp32", g);
    }
}

/* Two calls of the model in all steps but the last; CFG++ has both answers without guidance too. */
static void test_forecast_counts_the_calls(void **state)
{
    (void)state;
    struct gen_params g = params();
    g.cfg = 1;
    double euler = sampling_flops(&g);
    g.sampler = sampler_by_name("heun");
    double heun = sampling_flops(&g) / euler;
    g.sampler = sampler_by_name("euler_cfg_pp");
    double pp = sampling_flops(&g) / euler;
    g.sampler = 0, g.sigmas = "14 6 3 1 0.5 0.1 0";
    double list = sampling_flops(&g) / euler;
    printf("  over euler: heun %.3f, CFG++ %.3f, twice the steps %.3f\n", heun, pp, list);
    assert_true(fabs((heun - 1) / (list - 1) - 2 / 3.0) < 1e-3); /* 5, 6 and 3 calls */
    assert_true(pp > 1.99 && pp < 2.01);
}

static void refuse(struct pipeline *p, struct gen_params g, const char *text)
{
    struct err e = {0};
    struct gen_result r;
    assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), -1);
    if (!strstr(e.text, text))
        fail_msg("'%s' does not say '%s'", e.text, text);
    gen_result_free(&r);
}

static void test_params_are_refused_by_name(void **state)
{
    (void)state;
    struct pipeline *p = open_at(MODEL, "fp32", 0);
    struct gen_params g = params();
    g.width = 101;
    refuse(p, g, "multiples of");
    g = params(), g.width = 1 << 20;
    refuse(p, g, "between 64 and 8192");
    g = params(), g.steps = 0;
    refuse(p, g, "steps 0");
    g = params(), g.batch = 1000;
    refuse(p, g, "batch 1000");
    g = params(), g.cfg = 0.0f / 0.0f;
    refuse(p, g, "cfg");
    g = params(), g.sampler = 99;
    refuse(p, g, "sampler");
    pipeline_close(p);
}

static void test_odd_devices_are_refused(void **state)
{
    (void)state;
    struct err e = {0};
    struct pipeline_options opt = {.device = "abacus"};
    assert_null(pipeline_open(MODEL, &opt, &e));
    assert_non_null(strstr(e.text, "abacus"));
    opt = (struct pipeline_options){.precision = "fp16"};
    assert_null(pipeline_open(MODEL, &opt, &e));
    assert_non_null(strstr(e.text, "fp16"));
    assert_null(pipeline_open("tests/golden/no such model", NULL, &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_bytes),
        cmocka_unit_test(test_odd_sizes_and_long_prompts),
        cmocka_unit_test(test_batch_begins_with_the_single_image),
        cmocka_unit_test(test_a1111_batch_is_its_single_images),
        cmocka_unit_test(test_cancel_leaves_a_usable_pipeline),
        cmocka_unit_test(test_stages_know_what_comes_after_them),
        cmocka_unit_test(test_steps_know_their_work),
        cmocka_unit_test(test_forecast_is_what_a_run_takes),
        cmocka_unit_test(test_forecast_counts_the_calls),
        cmocka_unit_test(test_params_are_refused_by_name),
        cmocka_unit_test(test_odd_devices_are_refused),
    };
    /* The machine's rates, where somebody measured them, would be in what comes after a stage. */
    setenv("XDG_CACHE_HOME", "/nonexistent", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
