/*
 * Samplers, schedules and noise against k-diffusion, diffusers, ComfyUI, A1111, torchsde and numpy
 * (tests/golden/golden_samplers.py, which says which of them made what).
 */
#include "golden.h"

#include "sdxl/noise_brownian.h"
#include "sdxl/rng_philox.h"
#include "sdxl/sampler.h"

enum { N = 2, C = 4, H = 5, W = 3, COUNT = N * C * H * W, SEED = 20 };

static struct safetensors *golden;
static struct noise_levels levels;

static int setup(void **state)
{
    (void)state;
    struct err e = {0};
    struct schedule_config c = {
        .beta_start = 0.00085, .beta_end = 0.012, .train_steps = 1000, .scaled_linear = true};
    noise_levels_init(&levels, &c);
    golden = safetensors_open("tests/golden/samplers.safetensors", &e);
    if (!golden)
        print_error("%s\n", e.text);
    return golden ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    safetensors_close(golden);
    return 0;
}

/* ---- the analytic model: pixels are mixtures of Gaussians ---- */

struct mixture {
    int n;
    double mean[3], deviation;
};

static const struct mixture COND = {3, {-1.0, 0.4, 1.3}, 0.5}, UNCOND = {2, {-0.6, 0.9}, 0.7};

static double denoised_of(const struct mixture *m, double x, double sigma)
{
    double own = m->deviation * m->deviation, variance = own + sigma * sigma, sum = 0, mean = 0;
    double kept = own / variance, nearest = INFINITY;
    for (int i = 0; i < m->n; i++)
        nearest = fmin(nearest, fabs(x - m->mean[i]));
    for (int i = 0; i < m->n; i++) {
        double d = x - m->mean[i];
        double weight = exp((nearest * nearest - d * d) / (2 * variance));
        sum += weight;
        mean += weight * (m->mean[i] + kept * d);
    }
    return mean / sum;
}

struct analytic {
    struct ops *ops;
    struct noise *noise;
    enum sampler_noise kind;
};

static int denoise(void *user, int call, double sigma, const struct tensor *x,
                   struct tensor *denoised, struct tensor *uncond)
{
    struct analytic *a = user;
    float v[COUNT], plain[COUNT];
    const double cfg = 3;
    (void)call;
    a->ops->download(a->ops, v, x);
    for (int i = 0; i < COUNT; i++) {
        double u = denoised_of(&UNCOND, v[i], sigma), c = denoised_of(&COND, v[i], sigma);
        plain[i] = (float)u;
        v[i] = (float)(u + cfg * (c - u));
    }
    a->ops->upload(a->ops, denoised, v);
    if (uncond)
        a->ops->upload(a->ops, uncond, plain);
    return 0;
}

static void noise(void *user, double from, double to, struct tensor *out)
{
    struct analytic *a = user;
    float v[COUNT];
    if (a->kind == NOISE_BROWNIAN)
        noise_between(a->noise, from, to, v);
    else
        noise_next(a->noise, v);
    a->ops->upload(a->ops, out, v);
}

/* The tree and its seed are ComfyUI's, all other noise comes from one generator, as in diffusers.
 */
static struct noise *noise_of(int sampler, const float *sigma, int steps)
{
    struct err e;
    bool brownian = sampler_noise(sampler) == NOISE_BROWNIAN;
    struct noise_setup s = {.compat = brownian ? COMPAT_COMFYUI : COMPAT_DIFFUSERS,
                            .rng = RNG_CPU,
                            .seed = SEED,
                            .n = N,
                            .c = C,
                            .h = H,
                            .w = W,
                            .brownian = brownian,
                            .sigma_low = sigma[steps - 1],
                            .sigma_high = sigma[0]};
    struct noise *z = noise_open(&s, &e);
    assert_non_null(z);
    return z;
}

static void run(struct ops *o, const char *backend, const char *key, int sampler, int steps,
                enum compat compat)
{
    char what[64];
    bool tcd = !strcmp(key, "tcd");
    float *sigma = golden_floats(golden_find(golden, "%s.%d", tcd ? "tcd" : "karras", steps));
    float *want = golden_floats(golden_find(golden, "sampler.%s.%d", key, steps)), got[COUNT];
    struct analytic a = {o, noise_of(sampler, sigma, steps), sampler_noise(sampler)};
    struct sampler_run r = {.ops = o,
                            .sampler = sampler,
                            .steps = steps,
                            .compat = compat,
                            .sigma = sigma,
                            .levels = &levels,
                            .denoise = denoise,
                            .noise = noise,
                            .user = &a};
    struct tensor x = o->alloc_as(o, DT_F32, N, H, W, C);
    noise_first(a.noise, got);
    for (int i = 0; i < COUNT; i++)
        got[i] *= sqrtf(sigma[0] * sigma[0] + 1);
    o->upload(o, &x, got);
    assert_int_equal(sampler_run(&r, &x), 0);
    o->download(o, got, &x);
    snprintf(what, sizeof what, "%s, %d steps", key, steps);
    golden_check_host(backend, what, got, want, COUNT, 1e-4);
    o->release(o, &x);
    noise_close(a.noise);
    free(sigma);
    free(want);
}

static void test_samplers(void **state)
{
    (void)state;
    static const int STEPS[] = {3, 8, 20};
    struct err e;
    struct ops *backend[] = {ops_ref_open(DT_F32, &e), ops_cpu_open(DT_F32, 0, &e)};
    for (int b = 0; b < 2; b++) {
        assert_non_null(backend[b]);
        for (int i = 0; i < 3; i++) {
            for (int k = 0; sampler_name(k); k++)
                run(backend[b], backend[b]->name, sampler_name(k), k, STEPS[i], COMPAT_COMFYUI);
            for (int k = 0; k < 2; k++)
                run(backend[b], backend[b]->name, k ? "lms.a1111" : "dpmpp_sde.a1111",
                    sampler_by_name(k ? "lms" : "dpmpp_sde"), STEPS[i], COMPAT_A1111);
        }
        golden_no_leak(backend[b]);
        backend[b]->close(backend[b]);
    }
}

/* ---- schedules ---- */

static void test_schedules(void **state)
{
    (void)state;
    static float sigma[MAX_STEPS + 1];
    double worst = 0;
    int seen = 0;
    for (int i = 0; i < safetensors_count(golden); i++) {
        const struct st_tensor *t = safetensors_at(golden, i);
        char tool[16], name[32];
        int steps;
        if (sscanf(t->name, "schedule.%15[a-z0-9].%31[a-z_].%d", tool, name, &steps) != 3)
            continue;
        float *want = golden_floats(t);
        int n = schedule_sigmas(&levels, schedule_by_name(name), steps,
                                (enum compat)compat_by_name(tool), sigma);
        if (n != t->count - 1)
            fail_msg("%s has %d steps, want %d", t->name, n, (int)t->count - 1);
        for (int j = 0; j <= n; j++) {
            double error = fabs((double)sigma[j] - want[j]) / (want[j] > 0 ? want[j] : 1);
            worst = fmax(worst, error);
            if (error > 1e-5)
                fail_msg("%s: sigma %d is %g, want %g", t->name, j, (double)sigma[j],
                         (double)want[j]);
        }
        free(want);
        seen++;
    }
    printf("  %d schedules, worst relative error of a sigma %.1e (bound 1e-05)\n", seen, worst);
    assert_true(seen >= 40);
}

/* ---- noise ---- */

/* Values with other bits. */
static int differ(const char *name, const float *got, const struct st_tensor *want)
{
    int bad = 0;
    for (int64_t i = 0; i < want->count; i++) {
        float x;
        memcpy(&x, want->data + 4 * i, sizeof x);
        if (memcmp(&x, &got[i], sizeof x) != 0 && bad++ == 0)
            print_error("%s: value %d is %a, expected %a\n", name, (int)i, (double)got[i],
                        (double)x);
    }
    return bad;
}

/* Random123's known answers for philox4x32-10: zeros, ones, and digits of pi. */
static void test_philox_words(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4];
        uint64_t key;
        uint32_t want[4];
    } known[] = {
        {{0, 0, 0, 0}, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{~0u, ~0u, ~0u, ~0u}, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         0x299f31d0a4093822,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t c[4];
        memcpy(c, known[i].counter, sizeof c);
        philox(c, known[i].key);
        assert_memory_equal(c, known[i].want, sizeof c);
    }
}

/* A1111's normals, and the twelve values that its documentation gives for torch on CUDA (which
 * A1111's own code meets to 3e-7). */
static void test_philox_normals(void **state)
{
    (void)state;
    int rows = 0, bad = 0;
    float row[128];
    for (int i = 0; i < safetensors_count(golden); i++) {
        const struct st_tensor *t = safetensors_at(golden, i);
        unsigned long long seed;
        unsigned call;
        if (sscanf(t->name, "philox.%llu.%u", &seed, &call) != 2)
            continue;
        philox_normal(seed, call, 0, 37, row);
        philox_normal(seed, call, 37, (size_t)t->count - 37, row + 37);
        bad += differ(t->name, row, t);
        rows++;
    }
    float *known = golden_floats(golden_find(golden, "philox.documented"));
    philox_normal(0, 0, 0, 12, row);
    for (int i = 0; i < 12; i++)
        assert_true(fabsf(row[i] - known[i]) < 1e-6f);
    free(known);
    printf("  %d rows, %d values with other bits\n", rows, bad);
    assert_int_equal(rows, 8);
    assert_int_equal(bad, 0);
}

static void test_seed_sequence(void **state)
{
    (void)state;
    int seen = 0;
    for (int i = 0; i < safetensors_count(golden); i++) {
        const struct st_tensor *t = safetensors_at(golden, i);
        unsigned long long seed, a = 0, b = 0;
        uint32_t got[4];
        int n = sscanf(t->name, "sequence.%llu.%llu.%llu", &seed, &a, &b);
        if (n < 1)
            continue;
        seed_sequence(seed, (uint64_t[]){a, b}, n - 1, got, 4);
        for (int k = 0; k < 4; k++) {
            int64_t want;
            memcpy(&want, t->data + 8 * k, 8);
            assert_int_equal(got[k], want);
        }
        seen++;
    }
    assert_int_equal(seen, 3);
}

/* k-diffusion's noise over torchsde's trees, bit for bit: of fewer values than a block, of some,
 * and of more than are made at a time with a tail. Names: SEED.COUNT.FROM.TO. */
static void test_brownian_trees(void **state)
{
    (void)state;
    enum { MOST = 4 * 33 * 47 };
    float *sigma = golden_floats(golden_find(golden, "brownian.sigmas")), *w;
    struct err e;
    int trees = 0, bad = 0;
    assert_non_null(w = malloc(MOST * sizeof *w));
    for (int i = 0; i < safetensors_count(golden); i++) {
        const struct st_tensor *t = safetensors_at(golden, i);
        unsigned long long seed;
        int count, from, to;
        char part[8];
        if (sscanf(t->name, "brownian.%llu.%d.%d.%d.%7s", &seed, &count, &from, &to, part) != 5)
            continue;
        assert_in_range(count, 1, MOST);
        struct noise_setup s = {.compat = COMPAT_COMFYUI,
                                .seed = seed,
                                .n = 1,
                                .c = 1,
                                .h = count,
                                .w = 1,
                                .brownian = true,
                                .sigma_low = sigma[5],
                                .sigma_high = sigma[0]};
        struct noise *z = noise_open(&s, &e);
        assert_non_null(z);
        noise_between(z, sigma[from], sigma[to], w);
        bad += differ(t->name, !strcmp(part, "tail") ? w + count - t->count : w, t);
        noise_close(z);
        trees++;
    }
    printf("  %d pieces of trees, %d values with other bits\n", trees, bad);
    assert_int_equal(trees, 90);
    assert_int_equal(bad, 0);
    free(sigma);
    free(w);
}

/* Layout, generators and seeds, against rows of the generators themselves. */
static struct noise *open_noise(enum compat compat, enum rng_kind rng, int n, bool brownian)
{
    struct err e;
    struct noise_setup s = {.compat = compat,
                            .rng = rng,
                            .seed = 77,
                            .n = n,
                            .c = C,
                            .h = H,
                            .w = W,
                            .brownian = brownian,
                            .sigma_low = 0.03,
                            .sigma_high = 14.6};
    struct noise *z = noise_open(&s, &e);
    assert_non_null(z);
    return z;
}

/* rows * each values in torch's order are `got` in ours. */
static void check_row(const float *nchw, const float *nhwc, int n)
{
    for (int p = 0; p < n * C * H * W; p++) {
        int x = p % W, y = p / W % H, k = p / (W * H) % C, image = p / (W * H * C);
        float v = nhwc[((image * H + y) * W + x) * C + k];
        assert_memory_equal(&v, &nchw[p], sizeof v);
    }
}

static void test_comfyui_noise(void **state)
{
    (void)state;
    float row[COUNT], got[COUNT];
    for (int gpu = 0; gpu < 2; gpu++) {
        struct noise *z = open_noise(COMPAT_COMFYUI, gpu ? RNG_AUTO : RNG_CPU, N, false);
        struct normals first, later;
        normals_seed(&first, 77, false);
        normals_seed(&later, gpu ? 77 : 78, gpu);
        for (int i = 0; i < 3; i++) {
            struct normals *g = i == 0 ? &first : &later;
            normals_part(g, row, COUNT);
            normals_end(g);
            (i == 0 ? noise_first : noise_next)(z, got);
            check_row(row, got, N);
        }
        noise_close(z);
    }
}

/* What lies over a mask's kept part is the CPU's of seed + 1 and takes nothing from the steps'; a
 * refiner's steps have the first ones' once more. */
static void test_comfyui_other_noise(void **state)
{
    (void)state;
    float row[COUNT], got[COUNT], first[COUNT];
    for (int gpu = 0; gpu < 2; gpu++) {
        struct noise *z = open_noise(COMPAT_COMFYUI, gpu ? RNG_AUTO : RNG_CPU, N, false);
        struct normals g;
        noise_first(z, got);
        noise_masked(z, got);
        normals_seed(&g, 78, false);
        normals_part(&g, row, COUNT);
        check_row(row, got, N);
        noise_next(z, first);
        normals_seed(&g, gpu ? 77 : 78, gpu);
        normals_part(&g, row, COUNT);
        check_row(row, first, N);
        noise_next(z, got);
        noise_restart(z, 0.03, 2);
        noise_next(z, got);
        assert_memory_equal(got, first, sizeof got);
        noise_close(z);
    }
}

/* An image of a batch is the one that its own seed makes alone: fresh noise and trees. */
static void test_a1111_noise(void **state)
{
    (void)state;
    float row[COUNT], got[COUNT];
    for (int gpu = 0; gpu < 2; gpu++) {
        struct noise *z = open_noise(COMPAT_A1111, gpu ? RNG_AUTO : RNG_CPU, N, true);
        struct normals g[N];
        for (int i = 0; i < N; i++)
            normals_seed(&g[i], 77 + (uint64_t)i, gpu);
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < N; i++) {
                normals_part(&g[i], row + i * COUNT / N, COUNT / N);
                normals_end(&g[i]);
            }
            (round == 0 ? noise_first : noise_next)(z, got);
            check_row(row, got, N);
        }
        struct err e;
        struct brownian *b = brownian_open(1, &e);
        assert_non_null(b);
        noise_between(z, 9.5, 4.25, got);
        for (int i = 0; i < N; i++) {
            struct brownian_tree t = {.low = 0.03f,
                                      .high = 14.6f,
                                      .seed = 77 + (uint64_t)i,
                                      .gpu = gpu,
                                      .count = COUNT / N};
            brownian_increment(b, &t, 4.25, 9.5, row + i * COUNT / N);
        }
        for (int i = 0; i < COUNT; i++)
            row[i] = row[i] * -1.0f / sqrtf(9.5f - 4.25f);
        check_row(row, got, N);
        brownian_close(b);
        noise_close(z);
    }
}

static void test_diffusers_noise(void **state)
{
    (void)state;
    float row[COUNT], got[COUNT];
    struct noise *z = open_noise(COMPAT_DIFFUSERS, RNG_AUTO, N, true);
    struct normals g;
    normals_seed(&g, 77, false);
    for (int i = 0; i < 3; i++) {
        normals_part(&g, row, COUNT);
        normals_end(&g);
        if (i == 0)
            noise_first(z, got);
        else
            noise_between(z, 3, 2, got); /* no tree: the generator goes on */
        check_row(row, got, N);
    }
    noise_close(z);
}

static void test_first_scale(void **state)
{
    (void)state;
    double top = levels.sigma[999];
    assert_true(noise_scale(COMPAT_A1111, top, top) == top);
    assert_true(noise_scale(COMPAT_DIFFUSERS, 3, top) == sqrt(10));
    assert_true(noise_scale(COMPAT_COMFYUI, (float)top, top) > top);
    assert_true(noise_scale(COMPAT_COMFYUI, 14.615, top) > 14.615);
    assert_true(noise_scale(COMPAT_COMFYUI, 14, top) == 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samplers),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_philox_words),
        cmocka_unit_test(test_philox_normals),
        cmocka_unit_test(test_seed_sequence),
        cmocka_unit_test(test_brownian_trees),
        cmocka_unit_test(test_comfyui_noise),
        cmocka_unit_test(test_a1111_noise),
        cmocka_unit_test(test_diffusers_noise),
        cmocka_unit_test(test_first_scale),
        cmocka_unit_test(test_comfyui_other_noise),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
