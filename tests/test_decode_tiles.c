/* Decoding in tiles against decoding at once, with the embedded model: close, without a seam, and
 * the same bits where one tile is all; what the forecast makes of the modes. */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sdxl/pipeline_priv.h"

static const char *const MODEL = "models/tiny";

enum { WIDTH = 448, HEIGHT = 320, COUNT = 3 * WIDTH * HEIGHT };

static struct pipeline *open_tiny(void)
{
    struct err e = {0};
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32"};
    struct pipeline *p = pipeline_open(MODEL, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

/* A latent that changes slowly, so that each tile's statistics are not the picture's. */
static void decode(struct pipeline *p, int tile, unsigned pad, float *pixels)
{
    struct ops *o = p->ops;
    struct err e = {0};
    int f = p->config->vae_factor, z = p->vae_config->latent_channels;
    int w = WIDTH / f, h = HEIGHT / f;
    float *host = malloc((size_t)(w * h * z) * sizeof *host);
    for (int i = 0; i < w * h * z; i++)
        host[i] = sinf(0.11f * (float)(i / z % w) + 0.07f * (float)(i / z / w) + (float)(i % z));
    struct tensor latent = o->alloc_as(o, DT_F32, 1, h, w, z);
    o->upload(o, &latent, host);
    p->tile = tile;
    p->vae.pad = pad;
    if (decode_image(p, &latent, WIDTH, HEIGHT, pixels, NULL, &e) < 0)
        fail_msg("%s", e.text);
    o->release(o, &latent);
    free(host);
}

/* What differs, stepping from one latent's pixels to the next's, as a mean over each line between
 * them: the largest line's mean over all lines' mean. A seam is a line that stands out. The
 * picture's own border does too, and is left out. */
static double seam(const float *a, const float *b, int along, int across, int lines, int length)
{
    double most = 0, sum = 0;
    int count = 0;
    for (int l = 32; l <= lines - 32; l += 8, count++) {
        double line = 0;
        for (int k = 0; k < length; k++) {
            int i = l * across + k * along;
            double here = (double)a[i] - (double)b[i];
            line += fabs(here - ((double)a[i - across] - (double)b[i - across]));
        }
        most = fmax(most, line);
        sum += line;
    }
    return most / (sum / count);
}

/* The share of values that are far off: the decoder gives each cell a drawing's colour, and a cell
 * between two colours may get the one or the other. */
static double far_off(const float *a, const float *b, double *mean)
{
    double sum = 0;
    int far = 0;
    for (int i = 0; i < COUNT; i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        far += d > 0.5;
        sum += d;
    }
    *mean = sum / COUNT;
    return (double)far / COUNT;
}

static float whole[COUNT], tiled[COUNT];

/* 128 pixels: tiles in both directions, whose starts are uneven. */
static void test_tiles_are_close_and_seamless(void **state)
{
    (void)state;
    struct pipeline *p = open_tiny();
    double mean;
    decode(p, 0, 0, whole);
    decode(p, 128, 0, tiled);
    double far = far_off(tiled, whole, &mean);
    double right = seam(tiled, whole, 3 * WIDTH, 3, WIDTH, HEIGHT);
    double below = seam(tiled, whole, 3, 3 * WIDTH, HEIGHT, WIDTH);
    printf("  tiles of 128 in %dx%d: mean off %.4f, off by more than 0.5 %.4f; the line that "
           "stands out most is %.2f of the mean to the right, %.2f below\n",
           WIDTH, HEIGHT, mean, far, right, below);
    assert_true(mean > 0 && mean < 0.1 && far < 0.02 && right < 3 && below < 3);
    pipeline_close(p);
}

static void test_one_tile_is_the_whole(void **state)
{
    (void)state;
    struct pipeline *p = open_tiny();
    decode(p, 0, 0, whole);
    decode(p, WIDTH, 0, tiled);
    assert_memory_equal(whole, tiled, sizeof whole);
    unsigned both = PAD_CIRCULAR_X | PAD_CIRCULAR_Y; /* cut in neither direction */
    decode(p, 0, both, whole);
    decode(p, 128, both, tiled);
    assert_memory_equal(whole, tiled, sizeof whole);
    pipeline_close(p);
}

static struct plan_result plan(int memory, int side)
{
    struct err e = {0};
    struct plan_result r;
    struct pipeline_options opt = {.device = "cpu", .precision = "fp32"};
    struct gen_params g = {.prompt = "x",
                           .steps = 1,
                           .cfg = 1,
                           .width = side,
                           .height = side,
                           .batch = 1,
                           .tuning.memory = memory};
    if (pipeline_plan(MODEL, &opt, &g, &r, &e) < 0)
        fail_msg("%s", e.text);
    notes_free(&r.notes);
    return r;
}

static size_t planned_bytes(int memory, int side)
{
    struct plan_result r = plan(memory, side);
    for (int i = 0; i < r.nstages; i++)
        if (!strcmp(r.stage[i].name, "decode"))
            return r.stage[i].bytes;
    fail_msg("no decoding");
    return 0;
}

/* Each mode begins above its size and then holds. */
static void test_modes_bound_decoding(void **state)
{
    (void)state;
    assert_int_equal(planned_bytes(MEMORY_AUTO, 1536), planned_bytes(MEMORY_SPEED, 1536));
    assert_int_equal(planned_bytes(MEMORY_BALANCED, 1024), planned_bytes(MEMORY_SPEED, 1024));
    assert_int_equal(planned_bytes(MEMORY_CONSTRAINED, 512), planned_bytes(MEMORY_SPEED, 512));
    double one = (double)planned_bytes(MEMORY_SPEED, 1024);
    double two = (double)planned_bytes(MEMORY_BALANCED, 1536) / one;
    double small = (double)planned_bytes(MEMORY_CONSTRAINED, 1536) / one;
    printf("  1536x1536 takes of what 1024x1024 takes whole: balanced %.3f, constrained %.3f\n",
           two, small);
    assert_true(two < 1.1 && small < 0.35);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiles_are_close_and_seamless),
        cmocka_unit_test(test_one_tile_is_the_whole),
        cmocka_unit_test(test_modes_bound_decoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
