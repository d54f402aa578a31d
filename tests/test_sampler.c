/*
 * Schedules and samplers by what is known of them in closed form: the training sigmas that
 * everybody publishes, end points, monotony, and a denoiser whose exact trajectory is known. The
 * references' results are in test_samplers_golden.c and, with a UNet, test_trajectory.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdxl/sampler.h"

static struct noise_levels levels;

static int setup(void **state)
{
    (void)state;
    struct schedule_config c = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    noise_levels_init(&levels, &c);
    return 0;
}

static void test_training_sigmas(void **state)
{
    (void)state;
    assert_true(fabs(levels.sigma[0] - 0.029167) < 5e-7);
    assert_true(fabs(levels.sigma[999] - 14.614641) < 2e-5);
    for (int i = 1; i < levels.count; i++)
        assert_true(levels.sigma[i] > levels.sigma[i - 1]);
}

/* Zero terminal SNR: the first level stays, the last goes (nearly) to infinity. ComfyUI's sigma_max
 * is 4518.8. */
static void test_zero_terminal_snr(void **state)
{
    (void)state;
    static struct noise_levels z;
    struct schedule_config c = {.beta_start = 0.00085,
                                .beta_end = 0.012,
                                .train_steps = 1000,
                                .scaled_linear = true,
                                .zero_terminal_snr = true};
    noise_levels_init(&z, &c);
    assert_true(fabs(z.sigma[0] - levels.sigma[0]) < 1e-9);
    assert_true(fabs(z.sigma[999] - 4518.7637) < 1e-3);
    for (int i = 1; i < z.count; i++)
        assert_true(z.sigma[i] > z.sigma[i - 1]);
}

static void test_timestep_inverts_sigma(void **state)
{
    (void)state;
    double t[] = {0, 0.25, 1, 17.75, 500.5, 998.999, 999};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        double s = sigma_at(&levels, t[i]);
        assert_true(fabs(timestep_at(&levels, s, TIMESTEP_INTERPOLATED) - t[i]) < 1e-6);
        assert_true(fabs(timestep_at(&levels, s, TIMESTEP_NEAREST) - t[i]) <= 0.5);
    }
    assert_true(timestep_at(&levels, 1e9, TIMESTEP_INTERPOLATED) == 999);
    assert_true(timestep_at(&levels, 1e-9, TIMESTEP_NEAREST) == 0);
}

/* For every tool. A1111's kl_optimal ends on the lowest level, and A1111's Align Your Steps begins
 * at a rounded one; ComfyUI's ddim_uniform begins below the top. */
static void test_schedules_fall_to_zero(void **state)
{
    (void)state;
    static float s[MAX_STEPS + 1];
    static const int steps[] = {1, 2, 3, 20, 50, 501, 999, MAX_STEPS};
    int uniform = schedule_by_name("ddim_uniform"), kl = schedule_by_name("kl_optimal");
    int ays = schedule_by_name("align_your_steps");
    for (int k = 0; schedule_name(k); k++) {
        assert_int_equal(schedule_by_name(schedule_name(k)), k);
        assert_int_equal(schedule_by_name(schedule_label(k)), k);
        for (size_t i = 0; i < 3 * sizeof steps / sizeof *steps; i++) {
            enum compat compat = (enum compat)(i % 3);
            int n = schedule_sigmas(&levels, k, steps[i / 3], compat, s);
            assert_in_range(n, 1, MAX_STEPS);
            assert_true(s[0] < (float)levels.sigma[999] * 1.0001f);
            bool low = k == uniform || (k == ays && n == 1 && compat == COMPAT_A1111);
            assert_true(low || s[0] > (float)levels.sigma[999] * 0.9999f);
            assert_true((s[n] == 0) == !(k == kl && compat == COMPAT_A1111));
            for (int j = 0; j < n; j++)
                assert_true(s[j + 1] < s[j]);
        }
    }
    assert_int_equal(schedule_sigmas(&levels, ays, 1, COMPAT_A1111, s), 1);
    assert_true(s[0] == 0.029f); /* A1111's interpolation of one point */
    assert_int_equal(schedule_by_name("no such"), -1);
}

/* Models may have been trained in more steps: no schedule writes past its room. */
static void test_many_training_steps(void **state)
{
    (void)state;
    static struct noise_levels many;
    static float s[MAX_STEPS + 1];
    struct schedule_config c = {
        .beta_start = 1e-5, .beta_end = 0.001, .train_steps = MAX_TRAIN_STEPS};
    noise_levels_init(&many, &c);
    for (int k = 0; schedule_name(k); k++)
        for (int steps = 1; steps <= MAX_STEPS; steps += steps < 900 ? 99 : 1)
            assert_in_range(schedule_sigmas(&many, k, steps, COMPAT_COMFYUI, s), 1, MAX_STEPS);
}

static void test_lists_of_sigmas(void **state)
{
    (void)state;
    static float s[MAX_STEPS + 1];
    static char many[8 * MAX_STEPS];
    static const char *const bad[] = {"",    "  , ",  "0",          "3 2 x", "2 3",
                                      "1 1", "-1",    "nan",        "1e9",   "5 0x1",
                                      "inf", "1 0 0", "3 2 1 0 -1", "5;;a"};
    struct err e;
    assert_int_equal(sigmas_parse("14.6, 3.5;1e-1\t0", s, &e), 3);
    assert_true(s[0] == 14.6f && s[1] == 3.5f && s[2] == 0.1f && s[3] == 0);
    assert_int_equal(sigmas_parse(" 2 ", s, &e), 1);
    assert_true(s[0] == 2 && s[1] == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        e.text[0] = '\0';
        assert_int_equal(sigmas_parse(bad[i], s, &e), -1);
        assert_non_null(strstr(e.text, "sigmas"));
    }
    for (int steps = MAX_STEPS; steps <= MAX_STEPS + 1; steps++) {
        size_t n = 0;
        for (int i = 0; i < steps; i++)
            n += (size_t)snprintf(many + n, sizeof many - n, "%d ", steps - i);
        assert_int_equal(sigmas_parse(many, s, &e), steps == MAX_STEPS ? steps : -1);
    }
}

/* dpm_2 is spared the last sigma over 0: by ComfyUI and A1111, and the number of steps stays; so is
 * DPM++ 3M SDE by A1111. */
static void test_dropped_sigma(void **state)
{
    (void)state;
    float all[MAX_STEPS + 1], got[MAX_STEPS + 1];
    int karras = schedule_by_name("karras");
    assert_int_equal(schedule_sigmas(&levels, karras, 9, COMPAT_COMFYUI, all), 9);
    int n = sampler_sigmas(&levels, sampler_by_name("dpm_2"), karras, 8, COMPAT_A1111, got);
    assert_int_equal(n, 8);
    assert_memory_equal(got, all, 8 * sizeof *got);
    assert_true(got[8] == 0);
    n = sampler_sigmas(&levels, sampler_by_name("dpm_2"), karras, 9, COMPAT_DIFFUSERS, got);
    assert_int_equal(n, 9);
    assert_memory_equal(got, all, 10 * sizeof *got);
    n = sampler_sigmas(&levels, sampler_by_name("uni_pc"), karras, 9, COMPAT_A1111, got);
    assert_memory_equal(got, all, 10 * sizeof *got);
    n = sampler_sigmas(&levels, sampler_by_name("dpmpp_3m_sde"), karras, 8, COMPAT_A1111, got);
    assert_int_equal(n, 8);
    assert_memory_equal(got, all, 8 * sizeof *got);
    n = sampler_sigmas(&levels, sampler_by_name("dpmpp_3m_sde"), karras, 9, COMPAT_COMFYUI, got);
    assert_memory_equal(got, all, 10 * sizeof *got);
    for (int k = 0; sampler_name(k); k++)
        assert_int_equal(sampler_sigmas(&levels, k, karras, MAX_STEPS, COMPAT_COMFYUI, got),
                         MAX_STEPS);
}

/* A model that has seen one image, `target`: everything is that image under noise. Any consistent
 * sampler ends on it, and on the way x = target + sigma * the noise it began with (for the samplers
 * that add none). */
struct one_image {
    struct ops *ops;
    const float *calls; /* sigmas, as sampler_calls has them */
    float target, start;
    int seen;
    double worst;
};

static int denoise_to_target(void *user, int call, double sigma, const struct tensor *x,
                             struct tensor *denoised, struct tensor *uncond)
{
    struct one_image *m = user;
    float v[64], want = m->target + (float)sigma * m->start;
    assert_int_equal(call, m->seen);
    assert_true((float)sigma == m->calls[call]);
    m->ops->download(m->ops, v, x);
    m->worst = fmax(m->worst, fabs(v[0] - want) / (1 + fabs(want)));
    for (int i = 0; i < 64; i++)
        v[i] = m->target;
    m->ops->upload(m->ops, denoised, v);
    if (uncond)
        m->ops->upload(m->ops, uncond, v);
    m->seen++;
    return 0;
}

static void one_noise(void *user, double from, double to, struct tensor *noise)
{
    struct one_image *m = user;
    float v[64];
    assert_true(from > to && to > 0);
    for (int i = 0; i < 64; i++)
        v[i] = 1;
    m->ops->upload(m->ops, noise, v);
}

/* Of one step and of many. uni_pc stops at 0.001 and tcd at the lowest level, on purpose. */
static void reach(struct ops *o, int k, const float *sigma, int steps)
{
    static float calls[MAX_CALLS];
    float v[64];
    struct one_image m = {.ops = o, .calls = calls, .target = -0.7f, .start = 1.3f};
    struct sampler_run r = {.ops = o,
                            .sampler = k,
                            .steps = steps,
                            .sigma = sigma,
                            .levels = &levels,
                            .denoise = denoise_to_target,
                            .noise = one_noise,
                            .user = &m};
    int n = sampler_calls(&r, calls, NULL);
    struct tensor x = o->alloc_as(o, DT_F32, 1, 4, 4, 4);
    for (int i = 0; i < 64; i++)
        v[i] = m.target + sigma[0] * m.start;
    o->upload(o, &x, v);
    assert_int_equal(sampler_run(&r, &x), 0);
    o->download(o, v, &x);
    printf("  %-23s %2d steps, %2d calls, end %.7f, worst on the way %.1e\n", sampler_name(k),
           steps, n, (double)v[63], m.worst);
    assert_int_equal(m.seen, n);
    double left = !strcmp(sampler_name(k), "tcd")          ? levels.sigma[0] * 4
                  : !strncmp(sampler_name(k), "uni_pc", 6) ? 0.0014
                                                           : 1e-6;
    assert_true(fabs(v[63] - m.target) < left);
    if (sampler_noise(k) == NOISE_NONE)
        assert_true(m.worst < 2e-5);
    o->release(o, &x);
}

static void test_known_image_is_reached(void **state)
{
    (void)state;
    struct err e;
    struct ops *o = ops_ref_open(DT_F32, &e);
    assert_non_null(o);
    float one[] = {14.6f, 0}, many[MAX_STEPS + 1];
    schedule_sigmas(&levels, schedule_by_name("karras"), 20, COMPAT_COMFYUI, many);
    for (int k = 0; sampler_name(k); k++) {
        assert_int_equal(sampler_by_name(sampler_name(k)), k);
        assert_int_equal(sampler_by_name(sampler_label(k)), k);
        reach(o, k, one, 1);
        reach(o, k, many, 20);
    }
    struct ops_stats s;
    o->stats(o, &s);
    assert_int_equal(s.arena_now, 0);
    o->close(o);
}

static int stop_at_three(void *user, int step, const struct tensor *x,
                         const struct tensor *denoised)
{
    (void)user, (void)x, (void)denoised;
    return step == 2 ? 7 : 0;
}

static void test_a_callback_stops_the_loop(void **state)
{
    (void)state;
    struct err e;
    struct ops *o = ops_ref_open(DT_F32, &e);
    float sigma[MAX_STEPS + 1], zeros[64] = {0};
    schedule_sigmas(&levels, 0, 20, COMPAT_COMFYUI, sigma);
    struct one_image m = {.ops = o, .calls = sigma};
    struct tensor x = o->alloc_as(o, DT_F32, 1, 4, 4, 4);
    o->upload(o, &x, zeros);
    struct sampler_run r = {.ops = o,
                            .sampler = 0,
                            .steps = 20,
                            .sigma = sigma,
                            .denoise = denoise_to_target,
                            .noise = one_noise,
                            .stepped = stop_at_three,
                            .user = &m};
    assert_int_equal(sampler_run(&r, &x), 7);
    assert_int_equal(m.seen, 3);
    o->release(o, &x);
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training_sigmas),
        cmocka_unit_test(test_zero_terminal_snr),
        cmocka_unit_test(test_timestep_inverts_sigma),
        cmocka_unit_test(test_schedules_fall_to_zero),
        cmocka_unit_test(test_many_training_steps),
        cmocka_unit_test(test_lists_of_sigmas),
        cmocka_unit_test(test_dropped_sigma),
        cmocka_unit_test(test_known_image_is_reached),
        cmocka_unit_test(test_a_callback_stops_the_loop),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
