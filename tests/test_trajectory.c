/*
 * Whole trajectories with the small UNets under guidance: four samplers on five schedules, each
 * step's x and denoised, against the reference's, and the last x of all samplers. The start, the
 * text states and the noise of ancestral steps come from the dump, so what is compared is schedule,
 * timestep, scaling, guidance, prediction type and step rule.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include "golden.h"

#include "sdxl/noise.h"
#include "sdxl/sampler.h"
#include "sdxl/unet.h"

static const char *const SAMPLERS[] = {"euler", "euler_ancestral", "dpmpp_2m", "ddim"};
static const char *const SCHEDULES[] = {"normal", "karras", "exponential", "simple", "sgm_uniform"};

enum { SIDE = 8, CHANNELS = 4, FINAL = SIDE * SIDE * CHANNELS };

/* $SPRITTY_FEW: each sampler and schedule once or never, every fourth of the finals. For `make
 * gpu-test VIA=shim`, whose fibers would take many minutes for all. */
static bool few(void)
{
    return getenv("SPRITTY_FEW") != NULL;
}

struct trajectory {
    const struct golden_backend *backend;
    struct ops *ops;
    const struct unet *unet;
    const struct schedule_config *schedule;
    struct unet_run run;
    float cfg;
    float sigma[MAX_STEPS + 1];
    float *noise;         /* [steps, h w c] */
    struct noise *source; /* in its place, when set */
    enum sampler_noise kind;
    int64_t size; /* of one latent */
    int drawn;
    float *x, *denoised; /* got: [steps, size] */
};

static void before(void *user, int step)
{
    struct trajectory *t = user;
    unet_before_step(t->ops, &t->run, step);
}

static int denoise(void *user, int step, double s, const struct tensor *x, struct tensor *denoised,
                   struct tensor *uncond)
{
    struct trajectory *t = user;
    struct ops *o = t->ops;
    double s2 = s * s;
    float scale = (float)(1 / sqrt(s2 + 1));
    struct tensor in = o->alloc_as(o, o->act, 2, x->h, x->w, x->c);
    struct tensor scaled = o->alloc_as(o, DT_F32, 1, x->h, x->w, x->c);
    struct tensor y = o->alloc_as(o, DT_F32, 2, x->h, x->w, x->c);
    o->combine(o, &scaled, 1, &scale, (const struct tensor *const[]){x});
    for (int i = 0; i < 2; i++) {
        struct tensor part = tensor_images(in, i, 1);
        o->copy(o, &part, &scaled);
    }
    unet_step(t->unet, o, &t->run, step, &in, &y, NULL);
    struct tensor u = tensor_images(y, 0, 1), c = tensor_images(y, 1, 1);
    bool v = t->schedule->prediction == PREDICT_V;
    double kx = v ? 1 / (s2 + 1) : 1, ky = v ? -s / sqrt(s2 + 1) : -s;
    float k[3] = {(float)kx, (float)(ky * (1 - t->cfg)), (float)(ky * t->cfg)};
    o->combine(o, denoised, 3, k, (const struct tensor *const[]){x, &u, &c});
    float plain[2] = {(float)kx, (float)ky};
    if (uncond)
        o->combine(o, uncond, 2, plain, (const struct tensor *const[]){x, &u});
    o->release(o, &y);
    o->release(o, &scaled);
    o->release(o, &in);
    return 0;
}

static void noise(void *user, double from, double to, struct tensor *out)
{
    struct trajectory *t = user;
    float v[FINAL];
    if (t->source) {
        if (t->kind == NOISE_BROWNIAN)
            noise_between(t->source, from, to, v);
        else
            noise_next(t->source, v);
        t->ops->upload(t->ops, out, v);
        return;
    }
    t->ops->upload(t->ops, out, t->noise + t->size * t->drawn++);
}

static int stepped(void *user, int step, const struct tensor *x, const struct tensor *denoised)
{
    struct trajectory *t = user;
    t->ops->download(t->ops, t->x + t->size * step, x);
    t->ops->download(t->ops, t->denoised + t->size * step, denoised);
    return 0;
}

/* Conditions of the dump, negative first, as one tensor and host rows. */
static struct tensor conditions(struct ops *o, struct safetensors *st, float **pooled,
                                float **sizes)
{
    const struct st_tensor *c = golden_find(st, "cond.states"), *p = golden_find(st, "cond.pooled");
    int tokens = (int)c->dim[1];
    struct tensor text = o->alloc_as(o, o->act, 1, 2 * tokens, 1, (int)c->dim[2]);
    *pooled = malloc(2 * (size_t)p->count * sizeof **pooled);
    *sizes = malloc(12 * sizeof **sizes);
    float *ids = golden_floats(golden_find(st, "time_ids"));
    for (int i = 0; i < 2; i++) {
        const char *which = i ? "cond" : "uncond";
        float *states = golden_floats(golden_find(st, "%s.states", which));
        float *pool = golden_floats(golden_find(st, "%s.pooled", which));
        struct tensor part = tensor_images(tensor_as(text, 2, tokens, 1), i, 1);
        o->upload(o, &part, states);
        memcpy(*pooled + i * p->count, pool, (size_t)p->count * sizeof *pool);
        memcpy(*sizes + i * 6, ids, 6 * sizeof *ids);
        free(states);
        free(pool);
    }
    free(ids);
    return text;
}

static void check_sigmas(const struct noise_levels *l, const struct trajectory *t,
                         struct safetensors *st, const char *key, int steps, float *timesteps)
{
    float *want = golden_floats(golden_find(st, "%s.sigmas", key));
    float *want_t = golden_floats(golden_find(st, "%s.timesteps", key));
    for (int i = 0; i < steps; i++) {
        timesteps[i] = (float)timestep_at(l, t->sigma[i], TIMESTEP_NEAREST);
        assert_true(fabsf(t->sigma[i] - want[i]) <= 1e-5f * want[i]);
        if (timesteps[i] != want_t[i])
            fail_msg("%s: step %d has timestep %g, want %g", key, i, (double)timesteps[i],
                     (double)want_t[i]);
    }
    assert_true(t->sigma[steps] == 0 && want[steps] == 0);
    free(want);
    free(want_t);
}

static void run_one(struct trajectory *t, struct safetensors *st, const struct unet_inputs *base,
                    const struct noise_levels *l, const char *sampler, const char *schedule)
{
    char key[64];
    struct err e = {0};
    snprintf(key, sizeof key, "%s.%s", sampler, schedule);
    const struct st_tensor *want_x = golden_find(st, "%s.x", key);
    float *x = golden_floats(want_x), timesteps[64];
    float *want_d = golden_floats(golden_find(st, "%s.denoised", key));
    int steps = (int)want_x->dim[0] - 1, h = (int)want_x->dim[2], w = (int)want_x->dim[3];
    assert_in_range(steps, 4, 8);
    schedule_sigmas(l, schedule_by_name(schedule), steps, COMPAT_COMFYUI, t->sigma);
    check_sigmas(l, t, st, key, steps, timesteps);
    t->size = want_x->count / want_x->dim[0];
    t->drawn = 0;
    t->x = malloc((size_t)(t->size * steps) * sizeof *t->x);
    t->denoised = malloc((size_t)(t->size * steps) * sizeof *t->denoised);
    struct unet_inputs in = *base;
    in.timesteps = timesteps, in.steps = steps;
    assert_int_equal(unet_prepare(t->unet, t->ops, &in, &t->run, &e), 0);
    struct tensor latent = t->ops->alloc_as(t->ops, DT_F32, 1, h, w, (int)want_x->dim[1]);
    t->ops->upload(t->ops, &latent, x);
    struct sampler_run r = {.ops = t->ops,
                            .sampler = sampler_by_name(sampler),
                            .steps = steps,
                            .sigma = t->sigma,
                            .before = before,
                            .denoise = denoise,
                            .noise = noise,
                            .stepped = stepped,
                            .user = t};
    assert_int_equal(sampler_run(&r, &latent), 0);
    if (t->ops->sync(t->ops, &e) != 0)
        fail_msg("%s", e.text);
    /* The trajectory as a whole has the backend's bound. In bf16 single latents have a wider one:
     * guidance of 5 multiplies what rounding the two answers cost, and at the last steps nothing
     * averages it away. */
    double bound = t->backend->bound, single = t->backend->act == DT_F32 ? bound : 2.5 * bound;
    const char *name = t->backend->name;
    golden_check_host(name, key, t->x, x + t->size, t->size * steps, bound);
    golden_check_host(name, "  denoised", t->denoised, want_d, t->size * steps, single);
    golden_check_host(name, "  last x", t->x + t->size * (steps - 1), x + t->size * steps, t->size,
                      single);
    t->ops->release(t->ops, &latent);
    unet_finish(t->ops, &t->run);
    free(x);
    free(want_d);
    free(t->x);
    free(t->denoised);
}

/* What the samplers are to give: over 8 steps, and for small_a over others. */
struct finals {
    struct safetensors *of_8, *others;
    const char *model;
    int steps;
};

/* The last x of any sampler over some steps of karras; the noise is drawn from a seed. */
static void run_final(struct trajectory *t, const struct finals *f, const struct unet_inputs *base,
                      const struct noise_levels *l, const char *key, int sampler,
                      enum compat compat)
{
    static float calls[MAX_CALLS], timesteps[MAX_CALLS];
    struct err e = {0};
    bool tcd = !strcmp(key, "tcd");
    float *sigma = golden_floats(golden_find(f->of_8, "%s.%d", tcd ? "tcd" : "karras", f->steps));
    t->kind = sampler_noise(sampler);
    struct noise_setup s = {.compat = t->kind == NOISE_BROWNIAN ? COMPAT_COMFYUI : COMPAT_DIFFUSERS,
                            .rng = RNG_CPU,
                            .seed = 20,
                            .n = 1,
                            .c = CHANNELS,
                            .h = SIDE,
                            .w = SIDE,
                            .brownian = t->kind == NOISE_BROWNIAN,
                            .sigma_low = sigma[f->steps - 1],
                            .sigma_high = sigma[0]};
    struct sampler_run r = {.ops = t->ops,
                            .sampler = sampler,
                            .steps = f->steps,
                            .compat = compat,
                            .sigma = sigma,
                            .levels = l,
                            .before = before,
                            .denoise = denoise,
                            .noise = noise,
                            .user = t};
    struct unet_inputs in = *base;
    in.timesteps = timesteps;
    in.steps = sampler_calls(&r, calls, NULL);
    for (int i = 0; i < in.steps; i++)
        timesteps[i] = (float)timestep_at(l, calls[i], TIMESTEP_NEAREST);
    assert_int_equal(unet_prepare(t->unet, t->ops, &in, &t->run, &e), 0);
    t->source = noise_open(&s, &e);
    assert_non_null(t->source);
    float x[FINAL], k = sqrtf(sigma[0] * sigma[0] + 1);
    noise_first(t->source, x);
    for (int i = 0; i < FINAL; i++)
        x[i] *= k;
    struct tensor latent = t->ops->alloc_as(t->ops, DT_F32, 1, SIDE, SIDE, CHANNELS);
    t->ops->upload(t->ops, &latent, x);
    assert_int_equal(sampler_run(&r, &latent), 0);
    const struct st_tensor *want = f->steps == 8 ? golden_find(f->of_8, "unet_%s.%s", f->model, key)
                                                 : golden_find(f->others, "unet_%s.%s.%d", f->model,
                                                               key, f->steps);
    char label[64];
    snprintf(label, sizeof label, "%s, %d steps", key, f->steps);
    golden_check(t->backend, t->ops, label, &latent, want);
    t->ops->release(t->ops, &latent);
    unet_finish(t->ops, &t->run);
    noise_close(t->source);
    t->source = NULL;
    free(sigma);
}

/* Every sampler over small_a, on the quick backend in f32: what bf16 costs is the UNet's and seen
 * above, and both backends run all samplers in test_samplers_golden.c. Over small_b, whose model
 * says v, a few; and of the longest runs where a sanitizer slows everything. */
static void run_finals(struct trajectory *t, const struct unet_inputs *in,
                       const struct noise_levels *l, const char *model)
{
    static const int steps[] = {8, 3, 20};
    struct err e = {0};
    struct finals f = {.model = model};
    bool all = !strcmp(model, "a") && !few();
    f.of_8 = safetensors_open("tests/golden/samplers.safetensors", &e);
    f.others = safetensors_open("tests/golden/samplers_unet.safetensors", &e);
    if (!f.of_8 || !f.others)
        fail_msg("%s", e.text);
    for (int i = 0; i < (strcmp(model, "a") ? 1 : 3); i++) {
        bool each = all && (i < 2 || !getenv("SPRITTY_QUICK"));
        f.steps = steps[i];
        for (int k = each ? 0 : i; sampler_name(k); k += each ? 1 : 4)
            run_final(t, &f, in, l, sampler_name(k), k, COMPAT_COMFYUI);
        if (!each)
            continue;
        run_final(t, &f, in, l, "dpmpp_sde.a1111", sampler_by_name("dpmpp_sde"), COMPAT_A1111);
        run_final(t, &f, in, l, "lms.a1111", sampler_by_name("lms"), COMPAT_A1111);
    }
    safetensors_close(f.of_8);
    safetensors_close(f.others);
}

static void run_backend(const char *model, const struct golden_backend *b)
{
    struct err e = {0};
    char path[64];
    static struct unet u;
    static struct noise_levels levels;
    snprintf(path, sizeof path, "tests/golden/small_%s", model);
    struct checkpoint *ck = checkpoint_open(path, NULL, &e);
    if (!ck)
        fail_msg("%s", e.text);
    const struct model_config *m = checkpoint_config(ck);
    struct ops *o = golden_ops(b);
    struct loader l = {.ops = o, .checkpoint = ck, .part = PART_UNET, .err = &e};
    if (unet_load(&u, &l, &m->unet) < 0)
        fail_msg("%s", e.text);
    noise_levels_init(&levels, &m->schedule);
    struct safetensors *st = golden_open(model, "trajectory");
    struct trajectory t = {
        .backend = b, .ops = o, .unet = &u, .schedule = &m->schedule, .cfg = 5.0f};
    t.noise = golden_floats(golden_find(st, "step_noise"));
    float *pooled, *sizes;
    struct tensor text = conditions(o, st, &pooled, &sizes);
    struct unet_inputs in = {
        .texts = 2, .n = 2, .text = &text, .pooled = pooled, .sizes = sizes, .size_conditions = 6};
    for (size_t i = 0; i < sizeof SAMPLERS / sizeof *SAMPLERS; i++)
        for (size_t k = 0; k < sizeof SCHEDULES / sizeof *SCHEDULES; k++)
            if (!few() || i == k)
                run_one(&t, st, &in, &levels, SAMPLERS[i], SCHEDULES[k]);
    if (b->act == DT_F32 && strcmp(b->device, "ref") != 0)
        run_finals(&t, &in, &levels, model);
    o->release(o, &text);
    golden_no_leak(o);
    free(pooled);
    free(sizes);
    free(t.noise);
    unet_free(&u, o);
    o->close(o);
    safetensors_close(st);
    checkpoint_close(ck);
}

static void run_model(const char *model)
{
    struct golden_backend b[3];
    int n = golden_backends(b);
    for (int i = 0; i < n; i++)
        run_backend(model, &b[i]);
}

static void test_a_epsilon(void **state)
{
    (void)state;
    run_model("a");
}

static void test_b_v_prediction(void **state)
{
    (void)state;
    run_model("b");
}

/* Every schedule at many lengths against the reference's sigmas. */
static void test_schedules(void **state)
{
    (void)state;
    struct err e = {0};
    static struct noise_levels levels;
    static float sigma[MAX_STEPS + 1];
    struct schedule_config c = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    noise_levels_init(&levels, &c);
    struct safetensors *st = safetensors_open("tests/golden/schedules.safetensors", &e);
    if (!st)
        fail_msg("%s", e.text);
    static const int STEPS[] = {1, 4, 8, 20, 30, 50};
    double worst = 0;
    for (size_t k = 0; k < sizeof SCHEDULES / sizeof *SCHEDULES; k++)
        for (size_t i = 0; i < sizeof STEPS / sizeof *STEPS; i++) {
            float *want = golden_floats(golden_find(st, "%s.%d", SCHEDULES[k], STEPS[i]));
            schedule_sigmas(&levels, schedule_by_name(SCHEDULES[k]), STEPS[i], COMPAT_COMFYUI,
                            sigma);
            for (int j = 0; j < STEPS[i]; j++)
                worst = fmax(worst, fabs((double)sigma[j] - want[j]) / want[j]);
            assert_true(want[STEPS[i]] == 0 && sigma[STEPS[i]] == 0);
            free(want);
        }
    printf("  worst relative error of a sigma %.1e (bound 1e-05)\n", worst);
    assert_true(worst < 1e-5);
    safetensors_close(st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_a_epsilon),
        cmocka_unit_test(test_b_v_prediction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
