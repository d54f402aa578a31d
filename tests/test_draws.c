/*
 * Noise drawn ahead (draws.c): for every sampler that adds noise, all of it beforehand, in pieces
 * and one by one give the same latent to the bit, and what is there before the loop is all that the
 * loop needs. Over ref, which is told that it works by itself; the model is a factor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdxl/pipeline_priv.h"

enum { SIDE = 4, CHANNELS = 4, IMAGES = 2, COUNT = IMAGES * SIDE * SIDE * CHANNELS, STEPS = 5 };

static void (*upload_was)(struct ops *, struct tensor *, const float *);
static int uploads;

static void upload(struct ops *o, struct tensor *to, const float *from)
{
    uploads++;
    upload_was(o, to, from);
}

static void by_itself(struct ops *o)
{
    (void)o;
}

static int denoise(void *user, int call, double sigma, const struct tensor *x,
                   struct tensor *denoised, struct tensor *uncond)
{
    struct ops *o = ((struct pass *)user)->r->p->ops;
    const float k = 0.9f, u = 0.8f;
    (void)call, (void)sigma;
    o->combine(o, denoised, 1, &k, (const struct tensor *const[]){x});
    if (uncond)
        o->combine(o, uncond, 1, &u, (const struct tensor *const[]){x});
    return 0;
}

static void noise(void *user, double from, double to, struct tensor *to_tensor)
{
    draws_next(user, from, to, to_tensor);
}

/* What a run's loop leaves; `room` noises at once, 0: one by one, when asked for. Returns how many
 * uploads the loop made. */
static int run(struct ops *o, int sampler, int room, float out[COUNT])
{
    struct err e = {""};
    static struct noise_levels levels;
    const struct schedule_config c = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    float host[COUNT], sigma[] = {14, 6, 3, 1, 0.3f, 0};
    noise_levels_init(&levels, &c);
    struct pipeline p = {.ops = o, .draws_most = (size_t)room * COUNT * sizeof(float)};
    struct gen_params g = {.sampler = sampler};
    struct noise_setup setup = {.seed = 3,
                                .n = IMAGES,
                                .c = CHANNELS,
                                .h = SIDE,
                                .w = SIDE,
                                .brownian = sampler_noise(sampler) == NOISE_BROWNIAN,
                                .sigma_low = (double)sigma[STEPS - 1],
                                .sigma_high = (double)sigma[0]};
    struct run r = {.p = &p, .params = &g, .err = &e, .host = host};
    r.noise = noise_open(&setup, &e);
    assert_non_null(r.noise);
    struct pass pass = {.r = &r, .steps = STEPS};
    struct sampler_run s = {.ops = o,
                            .sampler = sampler,
                            .steps = STEPS,
                            .sigma = sigma,
                            .levels = &levels,
                            .denoise = denoise,
                            .noise = noise,
                            .user = &pass};
    struct tensor x = o->alloc_as(o, DT_F32, IMAGES, SIDE, SIDE, CHANNELS);
    noise_first(r.noise, host);
    o->upload(o, &x, host);
    o->turn_begin = room ? by_itself : NULL;
    assert_int_equal(draws_begin(&pass, &s, &x), 0);
    o->turn_begin = NULL; /* as sampler_run would use it */
    uploads = 0;
    assert_int_equal(sampler_run(&s, &x), 0);
    o->download(o, out, &x);
    draws_end(&pass);
    o->release(o, &x);
    noise_close(r.noise);
    return uploads;
}

static void test_ahead(void **state)
{
    (void)state;
    struct err e = {""};
    struct ops *o = ops_ref_open(DT_F32, &e);
    int samplers = 0;
    assert_non_null(o);
    upload_was = o->upload;
    o->upload = upload;
    for (int i = 0; sampler_name(i); i++) {
        float each[COUNT], ahead[COUNT];
        if (sampler_noise(i) == NOISE_NONE)
            continue;
        int drawn = run(o, i, 0, each);
        assert_int_equal(run(o, i, 100, ahead), 0);
        assert_memory_equal(each, ahead, sizeof each);
        assert_int_equal(run(o, i, 3, ahead), drawn > 3 ? drawn - 3 : 0);
        assert_memory_equal(each, ahead, sizeof each);
        samplers += drawn > 3;
    }
    print_message("%d samplers that draw noise\n", samplers);
    assert_true(samplers > 8);
    o->close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_ahead)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
