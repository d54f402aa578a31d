/*
 * What can be seen while a picture is made: previews of the latent and the profile of the
 * operations. Neither changes the picture.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/pipeline.h"
#include "sdxl/preview.h"

static const char *const MODEL = "tests/golden/small_a";

/* ---- the projection ---- */

static void own_factors(void **state)
{
    (void)state;
    struct model_config m = {.has_preview = true,
                             .vae = {.latent_channels = 2},
                             .latent_rgb = {{1, 0, 0.5f}, {0, 1, -0.5f}},
                             .latent_rgb_bias = {0, 0, 1}};
    float latent[] = {0, 0, 1, -1, 2, -2, NAN, 0.2f};
    static const uint8_t expected[] = {128, 128, 255, 255, 0, 255, 255, 0, 255, 0, 0, 0};
    uint8_t rgb[12];
    assert_true(preview_possible(&m));
    preview_project(&m, latent, 4, rgb);
    assert_memory_equal(rgb, expected, sizeof expected);
}

/* (x + 1) / 2 of ComfyUI's factors. */
static void default_factors(void **state)
{
    (void)state;
    struct model_config m = {.vae = {.latent_channels = 4}};
    float latent[] = {0, 0, 0, 0, 1, 0, 0, 1};
    static const double expected[] = {0.1084, -0.0175, -0.0011, 0.157, 0.1565, 0.2142};
    uint8_t rgb[6];
    assert_true(preview_possible(&m));
    preview_project(&m, latent, 2, rgb);
    for (int i = 0; i < 6; i++)
        assert_int_equal(rgb[i], lround((expected[i] + 1) / 2 * 255));
    m.vae.latent_channels = 16;
    assert_false(preview_possible(&m));
}

/* ---- in a run ---- */

struct seen {
    int previews, width, height, last;
};

static void on_preview(void *user, int step, const uint8_t *rgb, int width, int height)
{
    struct seen *s = user;
    (void)rgb;
    s->width = width;
    s->height = height;
    s->last = step;
    s->previews++;
}

static struct gen_result run(struct pipeline *p, struct gen_hooks *hooks, bool profile)
{
    struct gen_params g = {.prompt = "a slime",
                           .seed = 3,
                           .steps = 3,
                           .cfg = 5,
                           .width = 64,
                           .height = 80,
                           .batch = 2,
                           .profile = profile};
    struct gen_result r;
    struct err e = {""};
    if (pipeline_run(p, &g, hooks, &r, &e))
        fail_msg("%s", e.text);
    return r;
}

static void watching_changes_nothing(void **state)
{
    (void)state;
    struct err e = {""};
    struct pipeline *p = pipeline_open(MODEL, NULL, &e);
    struct seen seen = {0};
    struct gen_hooks hooks = {.user = &seen, .preview = on_preview};
    struct op_profile row[400];
    if (!p)
        fail_msg("%s", e.text);
    struct gen_result plain = run(p, NULL, false);
    assert_int_equal(pipeline_profile(p, row, 400), 0);
    struct gen_result watched = run(p, &hooks, true);
    assert_int_equal(seen.previews, 3);
    assert_int_equal(seen.last, 3);
    assert_int_equal(seen.width * pipeline_config(p)->vae_factor, 64);
    assert_int_equal(seen.height * pipeline_config(p)->vae_factor, 80);
    assert_memory_equal(watched.rgb, plain.rgb, (size_t)2 * 64 * 80 * 3);
    int rows = pipeline_profile(p, row, 400);
    assert_in_range(rows, 10, 399);
    double ms = 0;
    bool conv = false;
    for (int i = 0; i < rows; i++) {
        assert_true(row[i].calls > 0 && row[i].ms >= 0 && (i == 0 || row[i].ms <= row[i - 1].ms));
        ms += row[i].ms;
        conv |= !strncmp(row[i].name, "conv2d 3x3 ", 11) && row[i].flops > 0;
        for (int j = 0; j < i; j++)
            assert_string_not_equal(row[i].name, row[j].name);
    }
    assert_true(conv);
    assert_true(ms <= watched.ms.text + watched.ms.sample + watched.ms.decode);
    assert_int_equal(pipeline_profile(p, row, 2), 2);
    gen_result_free(&watched);
    gen_result_free(&plain);
    pipeline_close(p);
}

/* ---- a backend that returns before the work is done ---- */

static int waits;

static void fake_copy(struct ops *o, struct tensor *y, const struct tensor *x)
{
    (void)o, (void)y, (void)x;
}

static int fake_sync(struct ops *o, struct err *e)
{
    (void)o;
    return ++waits == 2 ? err_set(e, "the device fell off") : 0;
}

static void fake_stats(struct ops *o, struct ops_stats *s)
{
    (void)o;
    *s = (struct ops_stats){0};
}

/* Each call is waited for, and an error that such a wait brings to light is not lost. */
static void waits_for_slow_backends(void **state)
{
    (void)state;
    struct ops fake = {.name = "cuda", .copy = fake_copy, .sync = fake_sync, .stats = fake_stats};
    struct err e = {""};
    struct ops *p = ops_profile_open(&fake, &e);
    assert_non_null(p);
    struct tensor t = {NULL, DT_F32, 1, 4, 4, 8, 8};
    for (int i = 0; i < 3; i++)
        p->copy(p, &t, &t);
    assert_int_equal(waits, 3);
    assert_int_equal(p->sync(p, &e), -1);
    assert_string_equal(e.text, "the device fell off");
    assert_int_equal(p->sync(p, &e), 0);
    struct op_profile row[2];
    assert_int_equal(ops_profile_rows(p, row, 2), 1);
    assert_string_equal(row[0].name, "copy 8 4x4");
    assert_int_equal(row[0].calls, 3);
    ops_profile_reset(p);
    assert_int_equal(ops_profile_rows(p, row, 2), 0);
    /* More kinds of calls than there are rows: one row takes what is left. */
    for (t.c = t.ld = 1; t.c <= 1000; t.c = (int)++t.ld)
        p->copy(p, &t, &t);
    static struct op_profile many[1000];
    int calls = 0, n = ops_profile_rows(p, many, 1000);
    bool other = false;
    for (int i = 0; i < n; i++) {
        calls += many[i].calls;
        other |= !strcmp(many[i].name, "other calls");
    }
    assert_true(other && n < 512);
    assert_int_equal(calls, 1000);
    p->close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_factors),
        cmocka_unit_test(default_factors),
        cmocka_unit_test(watching_changes_nothing),
        cmocka_unit_test(waits_for_slow_backends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
