/*
 * models/tiny-lines: the embedded model follows a hint whose shape and place are not its own, and
 * still paints it in the prompt's colour. The hints are outlines that are drawn here.
 */
/* Not under qemu: whole networks; test_ops has what they compute there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/controls.h"
#include "engine/job.h"
#include "sdxl/pipeline.h"
#include "sprite/png.h"

enum { SIDE = 128 };

static char folder[] = "/tmp/spritty-tiny-lines-XXXXXX", hint[100];
static bool inside[SIDE][SIDE];

static double ellipse(int x, int y, double cx, double cy, double rx, double ry)
{
    return hypot((x - cx) / rx, (y - cy) / ry);
}

/* A flat one, low and to the left. */
static double far_out(int x, int y)
{
    return ellipse(x, y, 50, 92, 40, 24);
}

/* The outline is 3 pixels wide. */
static int setup(void **state)
{
    (void)state;
    static uint8_t rgb[SIDE * SIDE * 3];
    struct err e;
    char cwd[PATH_MAX];
    if (!mkdtemp(folder) || !getcwd(cwd, sizeof cwd))
        return -1;
    setenv("XDG_DATA_HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("SPRITTY_SHARE", cwd, 0);
    snprintf(hint, sizeof hint, "%s/hint.png", folder);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            double r = far_out(x, y);
            inside[y][x] = r <= 1;
            memset(rgb + 3 * (SIDE * y + x), fabs(r - 1) < 0.05 ? 255 : 0, 3);
        }
    return png_save(hint, &(struct picture){PICTURE_RGB, SIDE, SIDE, rgb, NULL, 0}, NULL, 0, &e);
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

/* "a green slime" in 8 steps; strength "" is without a ControlNet. */
static struct gen_result run(const char *strength)
{
    struct settings s = {0};
    struct job j;
    struct err e = {""};
    struct gen_result r;
    int rc = settings_set(&s, "model", "tiny", &e) || settings_set(&s, "steps", "8", &e) ||
             settings_set(&s, "seed", "5", &e) || settings_set(&s, "device", "cpu", &e);
    if (!rc && *strength)
        rc = settings_set(&s, "control", "tiny-lines", &e) ||
             settings_set(&s, "control-image", hint, &e) ||
             settings_set(&s, "control-strength", strength, &e);
    if (rc || job_prepare(&j, &s, NULL, "a green slime", &e))
        fail_msg("%s", e.text);
    struct pipeline *p = pipeline_open(j.model, &j.options, &e);
    if (!p || pipeline_run(p, &j.params, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    pipeline_close(p);
    job_free(&j);
    settings_free(&s);
    assert_true(r.width == SIDE && r.height == SIDE);
    return r;
}

/* Of what is not white and what the hint surrounds: pixels of both over pixels of either. */
static double overlap(const struct gen_result *r)
{
    int both = 0, either = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        const uint8_t *p = r->rgb + 3 * i;
        bool drawn = p[0] < 240 || p[1] < 240 || p[2] < 240, asked = inside[i / SIDE][i % SIDE];
        both += drawn && asked;
        either += drawn || asked;
    }
    return (double)both / either;
}

static bool is_green(const struct gen_result *r)
{
    long sum[3] = {0};
    for (int i = 0; i < SIDE * SIDE; i++)
        for (int k = 0; k < 3; k++)
            sum[k] += 255 - r->rgb[3 * i + k];
    return sum[1] < sum[0] && sum[1] < sum[2];
}

static void follows_the_hint(void **state)
{
    (void)state;
    struct gen_result with = run("1"), without = run("");
    double a = overlap(&with), b = overlap(&without);
    printf("overlap with the hint's shape: %.2f, without the ControlNet %.2f\n", a, b);
    assert_true(a > 0.7);
    assert_true(b < 0.5);
    assert_true(is_green(&with) && is_green(&without));
    gen_result_free(&with);
    gen_result_free(&without);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(follows_the_hint)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
