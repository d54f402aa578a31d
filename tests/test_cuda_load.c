/*
 * The CUDA backend as a shared object: found, refused with a reason, opened, and run as the program
 * runs it. The object is the shim's (tests/gpu_shim), which needs neither GPU nor driver.
 */
/* Not under qemu: many minutes; test_gpu_kernels and test_gpu_turns run the same there. */
/* Not under sanitizers: a minute and more, over code that test_gpu has there too. */
#include <dlfcn.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/cuda.h"
#include "sdxl/pipeline_priv.h"

#ifdef NO_SHIM
#define SHIM_SO ""
#else
#define NO_SHIM ""
#endif

static const struct cuda_options F32 = {.act = DT_F32};

static void needs_shim(void)
{
    if (*NO_SHIM) {
        print_message("skipped: %s\n", NO_SHIM);
        skip();
    }
}

/* In this order: what was opened once stays open. */
static void test_reasons(void **state)
{
    (void)state;
    struct err e = {""};
    struct cuda_info info;
    size_t bytes_free, bytes_total;
    if (!dlopen("libcuda.so.1", RTLD_LAZY)) {
        unsetenv("SPRITTY_CUDA");
        assert_int_equal(ops_cuda_look(0, &info, &e), -1);
        assert_non_null(strstr(e.text, "no NVIDIA driver"));
    }
    setenv("SPRITTY_CUDA", "/nowhere/libspritty_cuda.so", 1);
    assert_null(ops_cuda_open(&F32, &e));
    assert_non_null(strstr(e.text, "/nowhere/libspritty_cuda.so"));
    setenv("SPRITTY_CUDA", "libm.so.6", 1);
    assert_null(ops_cuda_open(&F32, &e));
    assert_non_null(strstr(e.text, "of another build"));
    assert_int_equal(ops_cuda_memory(0, &bytes_free, &bytes_total), -1);
}

/* `auto` falls back without a word, a device that was asked for is refused with one. */
static void test_fallback(void **state)
{
    (void)state;
    struct err e = {""};
    setenv("SPRITTY_CUDA", "/nowhere/libspritty_cuda.so", 1);
    struct pipeline *p = pipeline_open("tests/golden/small_a", NULL, &e);
    assert_non_null(p);
    assert_string_equal(pipeline_device(p), "cpu");
    pipeline_close(p);
    struct pipeline_options asked = {.device = "cuda"};
    assert_null(pipeline_open("tests/golden/small_a", &asked, &e));
    assert_non_null(strstr(e.text, "/nowhere/libspritty_cuda.so"));
}

static void test_other_build(void **state)
{
    (void)state;
    needs_shim();
    void *object = dlopen(SHIM_SO, RTLD_NOW | RTLD_LOCAL);
    if (!object)
        fail_msg("%s", dlerror());
    cuda_face_fn *ask;
    void *symbol = dlsym(object, CUDA_FACE_SYMBOL);
    assert_non_null(symbol);
    memcpy(&ask, &symbol, sizeof ask);
    struct cuda_abi abi = CUDA_ABI;
    assert_non_null(ask(&abi));
    abi.ops += 8;
    assert_null(ask(&abi));
    abi = CUDA_ABI;
    abi.face++;
    assert_null(ask(&abi));
    dlclose(object);
}

static void test_opens(void **state)
{
    (void)state;
    needs_shim();
    struct err e = {""};
    struct cuda_info info;
    size_t bytes_free = 0, bytes_total = 0;
    setenv("SPRITTY_CUDA", SHIM_SO, 1);
    assert_int_equal(ops_cuda_look(0, &info, &e), 0);
    assert_string_equal(info.name, "the host, through the shim");
    assert_int_equal(ops_cuda_memory(0, &bytes_free, &bytes_total), 0);
    assert_true(bytes_free > 0 && bytes_free <= bytes_total);
    struct cuda_options far = {.index = 7}, half = {.act = DT_F16};
    assert_null(ops_cuda_open(&far, &e));
    assert_non_null(strstr(e.text, "no device 7"));
    struct ops *o = ops_cuda_open(&half, &e);
    assert_non_null(o);
    float in[3] = {1, -2, 0.5f}, out[3];
    struct tensor t = ops_alloc(o, 1, 1, 1, 3);
    o->upload(o, &t, in);
    o->download(o, out, &t);
    assert_int_equal(o->sync(o, &e), 0);
    assert_memory_equal(in, out, sizeof in);
    o->release(o, &t);
    o->close(o);
}

/* Device and precision as the pipeline settles them. */
static void test_pipeline(void **state)
{
    (void)state;
    needs_shim();
    static const char *const want[][2] = {{"auto", "fp16"}, {"bf16", "bf16"}, {"fp32", "fp32"}};
    struct err e = {""};
    for (int i = 0; i < 3; i++) {
        struct pipeline_options opt = {.device = i ? "cuda:0" : "auto", .precision = want[i][0]};
        struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
        if (!p)
            fail_msg("%s", e.text);
        assert_string_equal(pipeline_device(p), "cuda");
        assert_string_equal(pipeline_precision(p), want[i][1]);
        pipeline_close(p);
    }
    struct pipeline_options bad = {.device = "cuda", .precision = "fp8"};
    assert_null(pipeline_open("tests/golden/small_a", &bad, &e));
    assert_non_null(strstr(e.text, "precision fp8 does not run on the GPU"));
    bad = (struct pipeline_options){.device = "cpu", .precision = "fp16"};
    assert_null(pipeline_open("tests/golden/small_a", &bad, &e));
    assert_non_null(strstr(e.text, "precision fp16 does not run on the CPU"));
}

static struct gen_params params_of(int steps, bool profile)
{
    return (struct gen_params){.prompt = "a red potion",
                               .seed = 5,
                               .steps = steps,
                               .cfg = 1,
                               .width = 64,
                               .height = 64,
                               .batch = 1,
                               .sampler = sampler_by_name("dpmpp_2m"),
                               .scheduler = schedule_by_name("normal"),
                               .profile = profile};
}

static struct gen_result make(struct pipeline *p, int steps, bool profile)
{
    struct err e = {""};
    struct gen_result r;
    struct gen_params g = params_of(steps, profile);
    if (pipeline_run(p, &g, NULL, &r, &e) != 0)
        fail_msg("%s", e.text);
    return r;
}

/* Turns of a kind are replayed but for the first: of the first run's steps (the first, those
 * between, the last) that is one, of the second run's all. Nothing else changes: a profile, which
 * sees each call, makes the same picture. */
static void test_replays(void **state)
{
    (void)state;
    needs_shim();
    struct err e = {""};
    struct ops_stats s;
    struct pipeline_options opt = {.device = "cuda"};
    struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
    struct gen_result plain = make(p, 4, true), first = make(p, 4, false), again;
    p->ops->stats(p->ops, &s);
    assert_int_equal(s.recordings, 1);
    assert_int_equal(s.replays, 1);
    again = make(p, 4, false);
    p->ops->stats(p->ops, &s);
    assert_int_equal(s.recordings, 3);
    assert_int_equal(s.replays, 5);
    size_t bytes = (size_t)plain.width * (size_t)plain.height * 3;
    assert_memory_equal(plain.rgb, first.rgb, bytes);
    assert_memory_equal(plain.rgb, again.rgb, bytes);
    gen_result_free(&plain);
    gen_result_free(&first);
    gen_result_free(&again);
    pipeline_close(p);
}

/* Weights that come weight by weight, from the file and then from pinned memory, and previews,
 * change no pixel; each preview is that of its step. */
static void test_streams(void **state)
{
    (void)state;
    needs_shim();
    struct err e = {""};
    struct pipeline_options opt = {.device = "cuda"};
    struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
    struct gen_result plain = make(p, 3, false), streamed;
    size_t bytes = (size_t)plain.width * (size_t)plain.height * 3;
    struct gen_params g = params_of(3, false);
    g.tuning.stream = TUNE_ON;
    for (int i = 0; i < 2; i++) {
        if (pipeline_run(p, &g, NULL, &streamed, &e) != 0)
            fail_msg("%s", e.text);
        assert_memory_equal(plain.rgb, streamed.rgb, bytes);
        gen_result_free(&streamed);
    }
    struct ops_stats s;
    p->ops->stats(p->ops, &s);
    assert_true(s.weight_bytes < plain.bytes_weights / 2); /* the rest is on the host */
    gen_result_free(&plain);
    pipeline_close(p);
}

static void (*real_watch)(struct ops *, int, const struct tensor *);
static int watched;

/* From the second step on three of the answer's values are none. */
static void watch_bad(struct ops *o, int slot, const struct tensor *x)
{
    float *v = malloc((size_t)tensor_count(x) * sizeof *v);
    o->download(o, v, x);
    if (++watched >= OPS_SLOTS + 2) { /* each slot was looked at before the first */
        v[0] = NAN, v[1] = INFINITY, v[tensor_count(x) - 1] = -INFINITY;
        struct tensor t = *x;
        o->upload(o, &t, v);
    }
    real_watch(o, slot, x);
    free(v);
}

/* The first step with numbers that are none is named, and the run goes no further; the next is not
 * troubled by it. */
static void test_bad_step(void **state)
{
    (void)state;
    needs_shim();
    struct err e = {""};
    struct pipeline_options opt = {.device = "cuda"};
    struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
    struct gen_params g = params_of(8, false);
    struct gen_result r;
    real_watch = p->ops->watch;
    p->ops->watch = watch_bad;
    assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), -1);
    print_message("%s\n", e.text);
    assert_non_null(
        strstr(e.text, "sample, step 2: of the model's answer 3 values are no numbers"));
    assert_int_equal(watched, OPS_SLOTS + 3); /* it is told when the one behind it is queued */
    gen_result_free(&r);
    p->ops->watch = real_watch;
    r = make(p, 1, false);
    gen_result_free(&r);
    pipeline_close(p);
}

/* A latent that FP16 makes infinities of is decoded in bf16, with a note, and so are those after.
 */
static void test_bf16_retry(void **state)
{
    (void)state;
    needs_shim();
    enum { LATENTS = 4 * 4 * 4, SIDE = 8, PIXELS = SIDE * SIDE * 3 };
    struct err e = {""};
    struct notes notes = {0};
    float latent[LATENTS], pixels[PIXELS], again[PIXELS];
    for (int i = 0; i < LATENTS; i++)
        latent[i] = 3e4f * (float)(i % 7 - 3);
    struct pipeline_options opt = {.device = "cuda"};
    struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
    int f = p->config->vae_factor, side = SIDE / f;
    struct tensor x = p->ops->alloc_as(p->ops, DT_F32, 1, side, side, 4);
    p->ops->upload(p->ops, &x, latent);
    uint8_t rgb[PIXELS];
    size_t bad = 0;
    assert_int_equal(decode_bytes(p, &x, SIDE, SIDE, rgb, &bad, &e), 0);
    assert_true(bad > 0);
    if (decode_image(p, &x, SIDE, SIDE, pixels, &notes, &e) != 0)
        fail_msg("%s", e.text);
    assert_non_null(p->wide);
    assert_int_equal(notes.count, 1);
    assert_int_equal(count_bad(pixels, PIXELS), 0);
    assert_int_equal(decode_image(p, &x, SIDE, SIDE, again, &notes, &e), 0);
    assert_memory_equal(pixels, again, sizeof pixels);
    assert_int_equal(notes.count, 1);
    notes_free(&notes);
    p->ops->release(p->ops, &x);
    pipeline_close(p);
}

/* The forecast knows the backend's memory to the byte. */
static void test_forecast(void **state)
{
    (void)state;
    needs_shim();
    struct err e = {""};
    struct plan_result plan;
    struct gen_params g = {.prompt = "a red potion",
                           .steps = 1,
                           .cfg = 3,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .sampler = sampler_by_name("euler"),
                           .scheduler = schedule_by_name("normal"),
                           .tuning = {.fold = TUNE_OFF}}; /* which is the libraries' */
    static const char *const precision[] = {"fp16", "bf16"};
    for (int i = 0; i < (getenv("SPRITTY_QUICK") ? 1 : 2); i++) {
        struct pipeline_options opt = {.device = "cuda", .precision = precision[i]};
        assert_int_equal(pipeline_plan("tests/golden/small_a", &opt, &g, &plan, &e), 0);
        struct pipeline *p = pipeline_open("tests/golden/small_a", &opt, &e);
        struct gen_result r;
        if (pipeline_run(p, &g, NULL, &r, &e) != 0)
            fail_msg("%s", e.text);
        assert_int_equal(r.bytes_activations, plan.bytes_activations);
        assert_int_equal(r.bytes_weights, plan.bytes_weights);
        gen_result_free(&r);
        pipeline_close(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reasons),     cmocka_unit_test(test_fallback),
        cmocka_unit_test(test_other_build), cmocka_unit_test(test_opens),
        cmocka_unit_test(test_pipeline),    cmocka_unit_test(test_replays),
        cmocka_unit_test(test_bad_step),    cmocka_unit_test(test_streams),
        cmocka_unit_test(test_bf16_retry),  cmocka_unit_test(test_forecast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
