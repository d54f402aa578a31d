/*
 * Each optimisation as a switch: what it does to the picture (nothing, but by rounding), to the
 * forecast, and what the forecast makes of the memory that the run then takes.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdxl/pipeline_priv.h"

static const char *const MODEL = "models/tiny";

static struct gen_params params(struct tuning t)
{
    return (struct gen_params){.prompt = "a green slime with a crown",
                               .seed = 1,
                               .steps = 3,
                               .cfg = 5,
                               .width = 128,
                               .height = 128,
                               .batch = 2,
                               .tuning = t};
}

static struct pipeline *open_tiny(struct tuning t)
{
    struct err e = {""};
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .threads = 1, .tuning = t};
    struct pipeline *p = pipeline_open(MODEL, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static struct gen_result run_once(struct pipeline *p, struct tuning t)
{
    struct gen_params g = params(t);
    struct gen_result r;
    struct err e = {""};
    if (pipeline_run(p, &g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    return r;
}

/* The largest difference of a byte. */
static int farthest(const struct gen_result *a, const struct gen_result *b)
{
    int most = 0;
    size_t bytes = (size_t)a->count * (size_t)a->width * (size_t)a->height * 3;
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < bytes; i++) {
        int d = abs(a->rgb[i] - b->rgb[i]);
        most = d > most ? d : most;
    }
    return most;
}

static struct plan_result plan(struct tuning t)
{
    struct gen_params g = params(t);
    struct plan_result r;
    struct err e = {""};
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32", .threads = 1, .tuning = t};
    if (pipeline_plan(MODEL, &opt, &g, &r, &e) < 0)
        fail_msg("%s", e.text);
    notes_free(&r.notes);
    return r;
}

/* Every switch away from its default: the same picture up to rounding, in as much arithmetic and
 * scratch as the forecast says. */
static void switches_change_the_way_alone(void **state)
{
    static const struct {
        const char *name;
        struct tuning tuning;
        int most;  /* of a byte */
        int flops; /* against the default: -1, 0, 1 */
    } cases[] = {
        {"attention tiled", {.attention = ATTENTION_TILED}, 2, 0},
        {"attention sliced", {.attention = ATTENTION_SLICED}, 2, 0},
        {"no folding", {.fold = TUNE_OFF}, 2, 1},
        {"no hoisting", {.hoist = TUNE_OFF}, 2, 1},
        {"no slicing of the batch", {.vae_slicing = TUNE_OFF}, 2, 0},
        {"no graph", {.graph = TUNE_OFF}, 0, 0},
        {"tiles of 1024", {.vae_tiling = TUNE_ON}, 0, 0},
        {"no tiles", {.memory = MEMORY_CONSTRAINED, .vae_tiling = TUNE_OFF}, 0, 0},
    };
    (void)state;
    struct pipeline *p = open_tiny((struct tuning){0});
    struct gen_result plain = run_once(p, (struct tuning){0});
    double flops = plan((struct tuning){0}).flops;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gen_result r = run_once(p, cases[i].tuning);
        struct plan_result f = plan(cases[i].tuning);
        int most = farthest(&plain, &r);
        printf("%-24s a byte is off by %d at most, %.4f of the operations\n", cases[i].name, most,
               f.flops / flops);
        assert_true(most <= cases[i].most);
        assert_int_equal(f.flops > flops ? 1 : f.flops < flops ? -1 : 0, cases[i].flops);
        gen_result_free(&r);
    }
    gen_result_free(&plain);
    pipeline_close(p);
}

/* The forecast's share beside what was taken. Over planes oneDNN has scratch of its own, which
 * nobody forecasts: 4 MB by version 3.7 with AVX-512. */
static bool is_forecast(const struct tuning *t, double off, double library_share)
{
    return t->nhwc == TUNE_OFF ? off < 0.05 && off + library_share > -0.05 : fabs(off) < 0.02;
}

/* What a way needs of scratch is what its forecast says: a fresh backend each, whose peak is its
 * own. */
static void forecasts_follow_the_switches(void **state)
{
    static const struct tuning cases[] = {{.attention = ATTENTION_TILED},
                                          {.attention = ATTENTION_SLICED},
                                          {.fold = TUNE_OFF},
                                          {.hoist = TUNE_OFF},
                                          {.vae_slicing = TUNE_OFF},
                                          {.winograd = TUNE_OFF},
                                          {.nhwc = TUNE_OFF},
                                          {.nhwc = TUNE_OFF, .fold = TUNE_OFF}};
    (void)state;
    struct pipeline *first = open_tiny((struct tuning){0});
    struct gen_result plain = run_once(first, (struct tuning){0});
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pipeline *p = open_tiny(cases[i]);
        struct gen_result r = run_once(p, cases[i]);
        struct plan_result f = plan(cases[i]);
        struct ops_stats s;
        p->ops->stats(p->ops, &s);
        double taken = (double)r.bytes_activations, off = (double)f.bytes_activations / taken - 1;
        int most = farthest(&plain, &r);
        printf(
            "case %zu: activations %zu, forecast %+.1f%%; weights %zu, %zu; a byte is off by %d\n",
            i, r.bytes_activations, 100 * off, r.bytes_weights, f.bytes_weights, most);
        assert_true(is_forecast(&cases[i], off, (double)s.scratch_bytes / taken) && most <= 2);
        /* oneDNN fills outputs up to a multiple of 16 or 24. */
        assert_true(fabs((double)f.bytes_weights / (double)r.bytes_weights - 1) < 0.05);
        gen_result_free(&r);
        pipeline_close(p);
    }
    gen_result_free(&plain);
    pipeline_close(first);
}

static void names_are_read_and_written(void **state)
{
    (void)state;
    for (int i = 0; attention_name(i); i++)
        assert_int_equal(attention_by_name(attention_name(i)), i);
    for (int i = 0; autotune_name(i); i++)
        assert_int_equal(autotune_by_name(autotune_name(i)), i);
    assert_int_equal(switch_by_name("on"), TUNE_ON);
    assert_int_equal(switch_by_name("OFF"), TUNE_OFF);
    assert_int_equal(switch_by_name("perhaps"), -1);
    assert_int_equal(memory_by_name("constrained"), MEMORY_CONSTRAINED);
    assert_string_equal(autotune_name(TUNE_NOTHING), "off");
    assert_null(attention_name(-1));
}

static void too_small_tiles_are_refused(void **state)
{
    (void)state;
    struct err e = {""};
    struct gen_params g = params((struct tuning){.vae_tile = 64});
    struct pipeline *p = open_tiny((struct tuning){0});
    assert_int_equal(gen_params_check(pipeline_config(p), &g, &e), -1);
    assert_non_null(strstr(e.text, "vae-tile 64: a tile has 128 pixels or more"));
    pipeline_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switches_change_the_way_alone),
        cmocka_unit_test(forecasts_follow_the_switches),
        cmocka_unit_test(names_are_read_and_written),
        cmocka_unit_test(too_small_tiles_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
