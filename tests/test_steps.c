/*
 * Which steps each pass takes: of schedules that have as many as they were asked for and of others,
 * with an image, in a second pass, and where a refiner takes over. Counted as each tool does; no
 * step is made.
 */
#include "golden.h"

#include "sdxl/pipeline_priv.h"

static struct pipeline *model;
static uint8_t image[64 * 64 * 3];

static int setup(void **state)
{
    struct err e = {""};
    struct pipeline_options opt = {.device = "cpu",
                                   .precision = "fp32",
                                   .refiner = "tests/golden/small_refiner",
                                   .tokenizer = "tests/golden/small_a"};
    (void)state;
    model = pipeline_open("tests/golden/small_a", &opt, &e);
    if (!model)
        print_error("%s\n", e.text);
    return model ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    pipeline_close(model);
    return 0;
}

/* The refiner has nothing to do unless a test says when it begins. */
static struct gen_params params(int compat)
{
    return (struct gen_params){.prompt = "a red slime",
                               .steps = 10,
                               .cfg = 5,
                               .width = 64,
                               .height = 64,
                               .batch = 1,
                               .compat = compat,
                               .refiner_switch = 1};
}

static void test_steps_of_each_tool(void **state)
{
    (void)state;
    static const struct {
        int compat, steps;
        double denoise;
        int taken, whole;
    } cases[] = {
        {COMPAT_COMFYUI, 20, 0.5, 20, 40},   {COMPAT_COMFYUI, 20, 1, 20, 20},
        {COMPAT_COMFYUI, 20, 0.75, 20, 26},  {COMPAT_COMFYUI, 20, 0, 0, 20},
        {COMPAT_A1111, 20, 0.5, 11, 20},     {COMPAT_A1111, 20, 1, 20, 20},
        {COMPAT_A1111, 20, 0, 1, 20},        {COMPAT_DIFFUSERS, 20, 0, 0, 20},
        {COMPAT_DIFFUSERS, 20, 0.5, 10, 20}, {COMPAT_DIFFUSERS, 20, 0.04, 0, 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct run r;
        struct err e;
        struct gen_params g = params(cases[i].compat);
        g.steps = cases[i].steps;
        g.denoise = cases[i].denoise;
        g.image = image;
        r = (struct run){.p = model, .params = &g, .err = &e};
        assert_int_equal(passes_plan(&r), 0);
        assert_int_equal(r.pass[PASS_BASE].steps, cases[i].taken);
        assert_int_equal(r.pass[PASS_BASE].all, cases[i].whole);
    }
}

/* ddim_uniform has 31 levels for 30 steps, beta 199 for 200. */
static void test_schedules_of_another_length(void **state)
{
    (void)state;
    static const struct {
        const char *scheduler;
        int compat, steps;
        double denoise; /* 0: from noise */
        int taken, whole;
        double at; /* switch of the refiner; 1: none */
        int first; /* the base model's */
    } cases[] = {
        {"ddim_uniform", COMPAT_COMFYUI, 30, 0, 31, 31, 1, 31},
        {"ddim_uniform", COMPAT_COMFYUI, 30, 1, 31, 31, 0.8, 24},
        {"ddim_uniform", COMPAT_COMFYUI, 15, 0.5, 15, 31, 1, 15},
        {"ddim_uniform", COMPAT_A1111, 30, 0, 31, 31, 1, 31},
        {"ddim_uniform", COMPAT_A1111, 30, 0.5, 17, 31, 1, 17},
        {"ddim_uniform", COMPAT_DIFFUSERS, 30, 0, 30, 31, 1, 30},
        {"ddim_uniform", COMPAT_DIFFUSERS, 30, 0.5, 15, 31, 1, 15},
        {"beta", COMPAT_COMFYUI, 200, 0, 199, 199, 0.8, 160},
        {"beta", COMPAT_COMFYUI, 100, 0.5, 100, 199, 1, 100},
    };
    static struct run r;
    struct err e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gen_params g = params(cases[i].compat);
        g.steps = cases[i].steps;
        g.scheduler = schedule_by_name(cases[i].scheduler);
        g.image = cases[i].denoise > 0 ? image : NULL;
        g.denoise = cases[i].denoise;
        g.refiner_switch = cases[i].at;
        r = (struct run){.p = model, .params = &g, .err = &e};
        assert_int_equal(passes_plan(&r), 0);
        const struct pass *base = &r.pass[PASS_BASE];
        int taken = base->steps + r.pass[PASS_REFINER].steps;
        if (taken != cases[i].taken || base->all != cases[i].whole || base->steps != cases[i].first)
            fail_msg("case %d: %d of %d steps, %d the base model's", (int)i, taken, base->all,
                     base->steps);
    }
}

/* Image to image, Hires. fix and refiner over A1111's own functions, which gave these numbers
 * (tests/golden/golden_a1111_steps.py). */
static void test_steps_of_a1111(void **state)
{
    (void)state;
    static const struct {
        int steps;
        double denoise;
        bool second;
        int whole, taken;
    } cases[] = {
        {20, 0, false, 20, 1},     {20, 0, true, 20, 0},      {1, 0.05, false, 1, 1},
        {1, 0.05, true, 20, 1},    {1, 0.3, false, 1, 1},     {1, 0.3, true, 3, 1},
        {1, 0.5, false, 1, 1},     {1, 0.5, true, 2, 1},      {1, 0.75, false, 1, 1},
        {1, 0.75, true, 1, 1},     {1, 1.0, false, 1, 1},     {1, 1.0, true, 1, 1},
        {4, 0.05, false, 4, 1},    {4, 0.05, true, 80, 4},    {4, 0.3, false, 4, 2},
        {4, 0.3, true, 13, 4},     {4, 0.5, false, 4, 3},     {4, 0.5, true, 8, 4},
        {4, 0.75, false, 4, 4},    {4, 0.75, true, 5, 4},     {4, 1.0, false, 4, 4},
        {4, 1.0, true, 4, 4},      {15, 0.05, false, 15, 1},  {15, 0.05, true, 300, 15},
        {15, 0.3, false, 15, 5},   {15, 0.3, true, 50, 15},   {15, 0.5, false, 15, 8},
        {15, 0.5, true, 30, 15},   {15, 0.75, false, 15, 12}, {15, 0.75, true, 20, 15},
        {15, 1.0, false, 15, 15},  {15, 1.0, true, 15, 15},   {20, 0.05, false, 20, 2},
        {20, 0.05, true, 400, 20}, {20, 0.3, false, 20, 7},   {20, 0.3, true, 66, 20},
        {20, 0.5, false, 20, 11},  {20, 0.5, true, 40, 20},   {20, 0.75, false, 20, 16},
        {20, 0.75, true, 26, 20},  {20, 1.0, false, 20, 20},  {20, 1.0, true, 20, 20},
        {33, 0.05, false, 33, 2},  {33, 0.05, true, 660, 33}, {33, 0.3, false, 33, 10},
        {33, 0.3, true, 110, 33},  {33, 0.5, false, 33, 17},  {33, 0.5, true, 66, 33},
        {33, 0.75, false, 33, 25}, {33, 0.75, true, 44, 33},  {33, 1.0, false, 33, 33},
        {33, 1.0, true, 33, 33},
    };
    static const struct {
        const char *scheduler;
        int steps;
        double at;
        int first;
    } refined[] = {
        {"normal", 8, 0.2, 2},        {"normal", 8, 0.5, 4},         {"normal", 8, 0.8, 6},
        {"normal", 8, 0.95, 7},       {"normal", 20, 0.2, 4},        {"normal", 20, 0.5, 10},
        {"normal", 20, 0.8, 16},      {"normal", 20, 0.95, 19},      {"normal", 30, 0.2, 6},
        {"normal", 30, 0.5, 15},      {"normal", 30, 0.8, 24},       {"normal", 30, 0.95, 28},
        {"karras", 8, 0.2, 2},        {"karras", 8, 0.5, 4},         {"karras", 8, 0.8, 5},
        {"karras", 8, 0.95, 6},       {"karras", 20, 0.2, 5},        {"karras", 20, 0.5, 9},
        {"karras", 20, 0.8, 12},      {"karras", 20, 0.95, 15},      {"karras", 30, 0.2, 7},
        {"karras", 30, 0.5, 14},      {"karras", 30, 0.8, 19},       {"karras", 30, 0.95, 23},
        {"exponential", 8, 0.2, 2},   {"exponential", 8, 0.5, 3},    {"exponential", 8, 0.8, 4},
        {"exponential", 8, 0.95, 5},  {"exponential", 20, 0.2, 4},   {"exponential", 20, 0.5, 7},
        {"exponential", 20, 0.8, 10}, {"exponential", 20, 0.95, 13}, {"exponential", 30, 0.2, 5},
        {"exponential", 30, 0.5, 11}, {"exponential", 30, 0.8, 16},  {"exponential", 30, 0.95, 20},
    };
    static struct run r;
    struct err e;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct gen_params g = params(COMPAT_A1111);
        g.steps = cases[i].steps;
        if (cases[i].second)
            g.hires_width = g.hires_height = 128, g.hires_denoise = cases[i].denoise;
        else
            g.image = image, g.denoise = cases[i].denoise;
        r = (struct run){.p = model, .params = &g, .err = &e};
        assert_int_equal(passes_plan(&r), 0);
        const struct pass *pass = &r.pass[cases[i].second ? PASS_HIRES : PASS_BASE];
        if (pass->all != cases[i].whole || pass->steps != cases[i].taken)
            fail_msg("%d steps, denoise %g, %s pass: %d of %d, not %d of %d", cases[i].steps,
                     cases[i].denoise, cases[i].second ? "second" : "only", pass->steps, pass->all,
                     cases[i].taken, cases[i].whole);
    }
    for (size_t i = 0; i < sizeof refined / sizeof *refined; i++) {
        struct gen_params g = params(COMPAT_A1111);
        g.steps = refined[i].steps;
        g.scheduler = schedule_by_name(refined[i].scheduler);
        g.refiner_switch = refined[i].at;
        r = (struct run){.p = model, .params = &g, .err = &e};
        assert_int_equal(passes_plan(&r), 0);
        if (r.pass[PASS_BASE].steps != refined[i].first)
            fail_msg("%s, %d steps, switch at %g: step %d, not %d", refined[i].scheduler,
                     refined[i].steps, refined[i].at, r.pass[PASS_BASE].steps, refined[i].first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_steps_of_each_tool),
                                       cmocka_unit_test(test_schedules_of_another_length),
                                       cmocka_unit_test(test_steps_of_a1111)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
