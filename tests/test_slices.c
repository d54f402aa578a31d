/*
 * A batch in slices: each image is, bit for bit, what it is in the whole batch, wherever the batch
 * is cut and whoever computes the slice. That is what lets several devices share one.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdxl/pipeline.h"

enum { BATCH = 5 };

static struct pipeline *open_model(const char *model, const char *precision, int threads)
{
    struct err e = {0};
    struct pipeline_options opt = {.device = "cpu", .precision = precision, .threads = threads};
    struct pipeline *p = pipeline_open(model, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

/* What the sampler had at the end, before it is rounded to bytes. */
struct latents {
    float *at;
    size_t each;
};

static void keep(void *user, const float *x, int count, int h, int w, int c)
{
    struct latents *l = user;
    l->each = (size_t)h * (size_t)w * (size_t)c;
    l->at = malloc((size_t)count * l->each * sizeof *l->at);
    memcpy(l->at, x, (size_t)count * l->each * sizeof *l->at);
}

static void run(struct pipeline *p, const struct gen_params *g, struct gen_result *r,
                struct latents *l)
{
    struct err e = {0};
    struct gen_hooks hooks = {.user = l, .latents = keep};
    if (pipeline_run(p, g, &hooks, r, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(r->count, gen_images(g));
}

static void check_slice(struct pipeline *p, struct gen_params g, int first, int count,
                        const struct gen_result *whole, const struct latents *all)
{
    struct gen_result r;
    struct latents l;
    size_t pixels = (size_t)whole->width * (size_t)whole->height * 3;
    g.first = first;
    g.count = count;
    run(p, &g, &r, &l);
    assert_memory_equal(l.at, all->at + (size_t)first * all->each,
                        (size_t)count * all->each * sizeof(float));
    assert_memory_equal(r.rgb, whole->rgb + (size_t)first * pixels, (size_t)count * pixels);
    gen_result_free(&r);
    free(l.at);
}

/* The whole by one pipeline, the slices by another one. (Threads change nothing: test_pipeline.) */
static void check(struct pipeline *a, struct pipeline *b, const struct gen_params *g)
{
    static const int slices[][2] = {{0, 3}, {3, 2}};
    struct gen_result whole;
    struct latents all;
    run(a, g, &whole, &all);
    for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
        check_slice(b, *g, slices[i][0], slices[i][1], &whole, &all);
    gen_result_free(&whole);
    free(all.at);
}

static void every_tools_noise(void **state)
{
    (void)state;
    static const char *const samplers[] = {"euler", "euler_ancestral", "dpmpp_2m_sde"};
    static const char *const prompts[BATCH] = {"a slime", "a red knight", "a slime", "a potion, a",
                                               "(a) sword"};
    static const char *const negatives[BATCH] = {"", "", "blue", "", ""};
    struct pipeline *a = open_model("tests/golden/small_a", "auto", 1);
    struct pipeline *b = open_model("tests/golden/small_a", "auto", 1);
    struct gen_params g = {.prompt = "a red slime, pixel art",
                           .seed = 7,
                           .steps = 2,
                           .cfg = 5,
                           .width = 64,
                           .height = 64,
                           .batch = BATCH};
    for (g.compat = 0; compat_name(g.compat); g.compat++)
        for (size_t s = 0; s < sizeof samplers / sizeof *samplers; s++) {
            g.sampler = sampler_by_name(samplers[s]);
            g.prompts = s == 1 ? prompts : NULL;
            g.negatives = s == 1 ? negatives : NULL;
            check(a, b, &g);
        }
    g.compat = 0;
    g.hires_width = g.hires_height = 96;
    g.hires_denoise = 0.5;
    check(a, b, &g);
    pipeline_close(a);
    pipeline_close(b);
}

static void the_shipped_model(void **state)
{
    (void)state;
    static const char *const precisions[] = {"auto"};
    for (int i = 0; i < 1; i++) {
        struct pipeline *a = open_model("models/tiny", precisions[i], 1);
        struct pipeline *b = open_model("models/tiny", precisions[i], 1);
        check(a, b,
              &(struct gen_params){.prompt = "a green slime with a crown",
                                   .seed = 7,
                                   .steps = 2,
                                   .cfg = 3,
                                   .width = 128,
                                   .height = 128,
                                   .batch = BATCH});
        pipeline_close(a);
        pipeline_close(b);
    }
}

static void slices_that_are_not_there(void **state)
{
    (void)state;
    static const int wrong[][2] = {{-1, 1}, {0, BATCH + 1}, {BATCH, 1}, {3, 3}, {1, 0}, {0, -1}};
    struct pipeline *p = open_model("tests/golden/small_a", "auto", 1);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct gen_params g = {.prompt = "x",
                               .steps = 1,
                               .cfg = 1,
                               .width = 64,
                               .height = 64,
                               .batch = BATCH,
                               .first = wrong[i][0],
                               .count = wrong[i][1]};
        struct gen_result r;
        struct err e = {""};
        assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), -1);
        assert_non_null(strstr(e.text, "images"));
        gen_result_free(&r);
    }
    pipeline_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tools_noise),
        cmocka_unit_test(the_shipped_model),
        cmocka_unit_test(slices_that_are_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
