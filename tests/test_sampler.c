/*
 * Schedules and samplers by what is known of them in closed form: the training sigmas that
 * everybody publishes, end points, monotony, and a denoiser whose exact trajectory is known. The
 * reference's trajectories are in test_trajectory.c.
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

static void test_schedules_fall_to_zero(void **state)
{
    (void)state;
    static float s[MAX_STEPS + 1];
    int steps[] = {1, 2, 3, 20, 50, 999, MAX_STEPS};
    for (int k = 0; schedule_name(k); k++) {
        assert_int_equal(schedule_by_name(schedule_name(k)), k);
        assert_int_equal(schedule_by_name(schedule_label(k)), k);
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            int n = steps[i];
            schedule_sigmas(&levels, k, n, s);
            assert_true(fabsf(s[0] - (float)levels.sigma[999]) < 1e-4f);
            assert_true(s[n] == 0 && s[n - 1] > 0);
            for (int j = 0; j < n; j++)
                assert_true(s[j + 1] < s[j]);
        }
    }
    assert_int_equal(schedule_by_name("no such"), -1);
}

/* A model that has seen one image, `target`: everything is that image under noise. Any consistent
 * sampler ends on it, and on the way x = target + sigma * the noise it began with (for the samplers
 * that add none). */
struct one_image {
    struct ops *ops;
    const float *sigma;
    float target, start;
    int seen;
    double worst;
};

static int denoise_to_target(void *user, int step, const struct tensor *x, struct tensor *denoised)
{
    struct one_image *m = user;
    float v[64], want = m->target + m->sigma[step] * m->start;
    m->ops->download(m->ops, v, x);
    m->worst = fmax(m->worst, fabs(v[0] - want) / (1 + fabs(want)));
    for (int i = 0; i < 64; i++)
        v[i] = m->target;
    m->ops->upload(m->ops, denoised, v);
    m->seen++;
    return 0;
}

static void one_noise(void *user, struct tensor *noise)
{
    struct one_image *m = user;
    float v[64];
    for (int i = 0; i < 64; i++)
        v[i] = 1;
    m->ops->upload(m->ops, noise, v);
}

static void test_known_image_is_reached(void **state)
{
    (void)state;
    struct err e;
    struct ops *o = ops_ref_open(DT_F32, &e);
    assert_non_null(o);
    float sigma[21], v[64];
    schedule_sigmas(&levels, schedule_by_name("karras"), 20, sigma);
    for (int k = 0; sampler_name(k); k++) {
        struct one_image m = {.ops = o, .sigma = sigma, .target = -0.7f, .start = 1.3f};
        struct tensor x = o->alloc_as(o, DT_F32, 1, 4, 4, 4);
        for (int i = 0; i < 64; i++)
            v[i] = m.target + sigma[0] * m.start;
        o->upload(o, &x, v);
        struct sampler_run r = {.ops = o,
                                .sampler = k,
                                .steps = 20,
                                .sigma = sigma,
                                .denoise = denoise_to_target,
                                .noise = one_noise,
                                .user = &m};
        assert_int_equal(sampler_run(&r, &x), 0);
        o->download(o, v, &x);
        printf("  %-16s end %.7f, worst on the way %.1e\n", sampler_name(k), (double)v[63],
               m.worst);
        assert_int_equal(m.seen, 20);
        assert_true(fabsf(v[63] - m.target) < 1e-6f);
        if (!sampler_needs_noise(k))
            assert_true(m.worst < 1e-5);
        o->release(o, &x);
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
    float sigma[21], zeros[64] = {0};
    schedule_sigmas(&levels, 0, 20, sigma);
    struct one_image m = {.ops = o, .sigma = sigma};
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
        cmocka_unit_test(test_known_image_is_reached),
        cmocka_unit_test(test_a_callback_stops_the_loop),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
