/*
 * What can be seen while a picture is made: previews of the latent and the profile of the
 * operations. Neither changes the picture.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/config.h"
#include "sdxl/pipeline.h"
#include "sdxl/preview.h"

static const char *const MODEL = "tests/golden/small_a", *const TINY = "models/tiny";

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

/* Without a network of its own, a model's latents are a pixel each, as ever. */
static void one_pixel_a_latent(void **state)
{
    (void)state;
    static struct model_config m = {.vae = {.latent_channels = 4}};
    struct preview *p = preview_new(&m, 19, 3);
    uint8_t expected[19 * 3 * 3];
    assert_non_null(p);
    assert_int_equal(p->width, 19);
    assert_int_equal(p->height, 3);
    for (int i = 0; i < 19 * 3 * 4; i++)
        p->latent[i] = (float)(i % 23 - 11) / 8;
    preview_project(&m, p->latent, 19 * 3, expected);
    preview_show(p);
    assert_memory_equal(p->rgb, expected, sizeof expected);
    preview_free(p);
}

/* ---- the network ---- */

enum { LAYERS = PREVIEW_LAYERS, WIDE = PREVIEW_CHANNELS, W = 37, H = 34, ROOM = 56 };

struct plain_net {
    int channels, scale, layers;
    struct {
        int kernel, out;
        bool has_mean;
        double bias[WIDE], weight[WIDE][16 * 9]; /* [out][in][y][x] */
        double mean[WIDE][WIDE];                 /* [out][in] */
    } layer[LAYERS];
};

static double some_number(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return ((int)(*seed >> 24) - 128) / 512.0;
}

static void print_row(FILE *f, const double *row, int count)
{
    for (int i = 0; i < count; i++)
        fprintf(f, "%s%.17g", i ? "," : "[", row[i]);
    fputc(']', f);
}

static void make_rows(FILE *f, const char *key, unsigned *seed, double *rows, int ld, int out,
                      int count)
{
    assert_true(count <= ld);
    fprintf(f, ",\"%s\":", key);
    for (int o = 0; o < out; o++) {
        for (int i = 0; i < count; i++)
            rows[o * ld + i] = some_number(seed);
        fputc(o ? ',' : '[', f);
        print_row(f, rows + o * ld, count);
    }
    fputc(']', f);
}

/* Random weights, and the same as a spritty.json would have them. */
static void make_net(struct plain_net *n, char **text)
{
    size_t size;
    unsigned seed = 5;
    FILE *f = open_memstream(text, &size);
    fprintf(f, "{\"latent_preview\":{\"scale\":%d,\"layers\":[", n->scale);
    for (int k = 0, in = n->channels; k < n->layers; in = n->layer[k++].out) {
        int taps = n->layer[k].kernel * n->layer[k].kernel, out = n->layer[k].out;
        for (int o = 0; o < out; o++)
            n->layer[k].bias[o] = some_number(&seed);
        fprintf(f, "%s{\"kernel\":%d,\"bias\":", k ? "," : "", n->layer[k].kernel);
        print_row(f, n->layer[k].bias, out);
        make_rows(f, "weight", &seed, n->layer[k].weight[0], 16 * 9, out, in * taps);
        if (n->layer[k].has_mean)
            make_rows(f, "mean", &seed, n->layer[k].mean[0], WIDE, out, in);
        fputc('}', f);
    }
    fputs("]}}", f);
    fclose(f);
}

static void parse_net(const char *text, struct model_config *m)
{
    struct err e = {""};
    struct json_doc *doc = json_parse(text, strlen(text), "spritty.json", &e);
    if (!doc || config_parse_preview(json_root(doc), m, &e))
        fail_msg("%s", e.text);
    json_free(doc);
}

static int clamp(int x, int count)
{
    return x < 0 ? 0 : x < count ? x : count - 1;
}

static double plain_value(const struct plain_net *n, int k, const float *latent, int c, int y,
                          int x);

/* What the mean over the picture adds to an output of layer k. */
static double plain_mean(const struct plain_net *n, int k, const float *latent, int in, int c)
{
    double sum = 0;
    for (int i = 0; i < in && n->layer[k].has_mean; i++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                sum += n->layer[k].mean[c][i] * plain_value(n, k, latent, i, y, x);
    return sum / (W * H);
}

static double known[LAYERS][WIDE][ROOM][ROOM], known_mean[LAYERS][WIDE]; /* 0: not yet */

/* Channel c of what goes into layer k: the latent, continued beyond its edges, or what the layer
 * below gives. */
static double plain_value(const struct plain_net *n, int k, const float *latent, int c, int y,
                          int x)
{
    if (k-- == 0)
        return latent[(clamp(y, H) * W + clamp(x, W)) * n->channels + c];
    double *at = &known[k][c][y + 8][x + 8], *mean = &known_mean[k][c];
    if (*at != 0)
        return *at;
    int kernel = n->layer[k].kernel, in = k > 0 ? n->layer[k - 1].out : n->channels;
    const double *weight = n->layer[k].weight[c];
    if (*mean == 0)
        *mean = plain_mean(n, k, latent, in, c) + 1e-300;
    double sum = n->layer[k].bias[c] + *mean;
    for (int i = 0; i < in; i++)
        for (int dy = 0; dy < kernel; dy++)
            for (int dx = 0; dx < kernel; dx++)
                sum += *weight++ *
                       plain_value(n, k, latent, i, y + dy - kernel / 2, x + dx - kernel / 2);
    return *at = k + 1 < n->layers && sum < 0 ? 1e-300 : sum;
}

static int byte_of(double v)
{
    return (int)lround(fmin(fmax((v + 1) / 2 * 255, 0), 255));
}

static void check_net(struct plain_net *n)
{
    static struct model_config m;
    char *text = NULL;
    make_net(n, &text);
    m = (struct model_config){.vae = {.latent_channels = n->channels}};
    parse_net(text, &m);
    free(text);
    struct preview *p = preview_new(&m, W, H);
    assert_non_null(p);
    assert_int_equal(p->width, W * n->scale);
    assert_int_equal(p->height, H * n->scale);
    unsigned seed = 9;
    for (int i = 0; i < W * H * n->channels; i++)
        p->latent[i] = (float)some_number(&seed) * 4;
    preview_show(p);
    int s = n->scale, off = 0;
    memset(known, 0, sizeof known);
    memset(known_mean, 0, sizeof known_mean);
    for (int y = 0; y < H * s; y++)
        for (int x = 0; x < W * s; x++)
            for (int c = 0; c < 3; c++) {
                int out = (y % s * s + x % s) * 3 + c;
                int want = byte_of(plain_value(n, n->layers, p->latent, out, y / s, x / s));
                int got = p->rgb[(y * p->width + x) * 3 + c];
                if (abs(got - want) > 1)
                    fail_msg("%d,%d,%d: %d, not %d", x, y, c, got, want);
                off += got != want;
            }
    assert_true(off <= W * H / 50); /* halves that rounding may turn either way */
    preview_free(p);
}

/* Sizes that are no multiples of anything: tiles, edges and padding all have a part. */
static void network_as_written(void **state)
{
    (void)state;
    static struct plain_net one = {3, 1, 1, {{.kernel = 3, .out = 3, .has_mean = true}}};
    static struct plain_net two = {4, 2, 2, {{.kernel = 3, .out = 14}, {.kernel = 3, .out = 12}}};
    static struct plain_net three = {5,
                                     3,
                                     3,
                                     {{.kernel = 5, .out = 7},
                                      {.kernel = 1, .out = 16, .has_mean = true},
                                      {.kernel = 3, .out = 27, .has_mean = true}}};
    check_net(&one);
    check_net(&two);
    check_net(&three);
}

/* What is no number is black around it, and nowhere else. */
static void network_without_numbers(void **state)
{
    (void)state;
    static struct model_config m = {.vae = {.latent_channels = 1}};
    parse_net("{\"latent_preview\":{\"layers\":[{\"kernel\":3,\"bias\":[1],\"weight\":"
              "[[0,0,0,0,1,0,0,0,0]]},{\"kernel\":1,\"bias\":[0,0,0],\"weight\":[[1],[1],[1]]}]}}",
              &m);
    struct preview *p = preview_new(&m, 5, 5);
    assert_non_null(p);
    p->latent[12] = NAN;
    preview_show(p);
    for (int y = 0; y < 5; y++)
        for (int x = 0; x < 5; x++)
            assert_int_equal(p->rgb[(y * 5 + x) * 3], abs(y - 2) <= 1 && abs(x - 2) <= 1 ? 0 : 255);
    preview_free(p);
}

#define ROW3     "[1],[1],[1]"
#define NET(...) "{\"latent_preview\":{" __VA_ARGS__ "}}"
#define ONE(...) NET("\"layers\":[{" __VA_ARGS__ "}]")

static void refuses_broken_networks(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {ONE("\"kernel\":1,\"bias\":[0,0,0],\"weight\":[" ROW3 "]"), NULL},
        {"{\"latent_preview\":null}", NULL},
        {"{\"latent_preview\":[]}", "must be an object"},
        {NET("\"layers\":3"), "must be an object"},
        {NET("\"layers\":[]"), "has 0 layers"},
        {NET("\"layers\":[{},{},{},{}]"), "has 4 layers"},
        {NET("\"layers\":[7]"), "layer 1"},
        {NET("\"activation\":\"silu\",\"layers\":[{}]"), "only relu"},
        {NET("\"activation\":7,\"layers\":[{}]"), "activation"},
        {NET("\"scale\":0,\"layers\":[{}]"), "scale"},
        {NET("\"scale\":5,\"layers\":[{}]"), "scale"},
        {NET("\"scale\":1e99,\"layers\":[{}]"), "scale"},
        {ONE("\"kernel\":2,\"bias\":[0,0,0]"), "odd"},
        {ONE("\"kernel\":7,\"bias\":[0,0,0]"), "kernel"},
        {ONE("\"kernel\":-1,\"bias\":[0,0,0]"), "kernel"},
        {ONE("\"kernel\":1,\"weight\":[" ROW3 "]"), "1 to 64"},
        {ONE("\"kernel\":1,\"bias\":[0,0],\"weight\":[" ROW3 "]"), "must have a row"},
        {ONE("\"kernel\":1,\"bias\":[0,0,0],\"mean\":[],\"weight\":[" ROW3 "]"), "must have a row"},
        {ONE("\"kernel\":1,\"bias\":[0,0,0],\"mean\":[[1],[1],[]],\"weight\":[" ROW3 "]"),
         "row of \"mean\" must hold 1"},
        {ONE("\"kernel\":1,\"bias\":[0,0],\"weight\":[[1],[1]]"), "ends with 2 outputs"},
        {ONE("\"kernel\":3,\"bias\":[0,0,0],\"weight\":[" ROW3 "]"), "each row"},
        {ONE("\"kernel\":1,\"bias\":[0,0,0],\"weight\":[[1],[1],[1,2]]"), "each row"},
        {ONE("\"kernel\":1,\"bias\":[0,0,0],\"weight\":[[1],[1],[1e300]]"), "each row"},
        {ONE("\"kernel\":1,\"bias\":[0,0,0],\"weight\":[[1],[1],[null]]"), "each row"},
        {ONE("\"kernel\":1,\"bias\":[0,0,\"x\"],\"weight\":[" ROW3 "]"), "\"bias\" must hold"},
    };
    static struct model_config m = {.vae = {.latent_channels = 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        struct json_doc *doc = json_parse(cases[i].text, strlen(cases[i].text), "spritty.json", &e);
        int rc = doc ? config_parse_preview(json_root(doc), &m, &e) : -1;
        if ((rc == 0) != !cases[i].want || (rc && !strstr(e.text, cases[i].want)))
            fail_msg("%s: \"%s\"", cases[i].text, e.text);
        assert_true(m.preview.layers == (i == 0));
        json_free(doc);
    }
}

/* Layers that are allowed one by one and too many numbers together. */
static void refuses_large_networks(void **state)
{
    (void)state;
    static struct model_config m = {.vae = {.latent_channels = 16}};
    struct err e = {""};
    char *text;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    fputs("{\"latent_preview\":{\"layers\":[{\"kernel\":5,\"bias\":[", f);
    for (int i = 0; i < 64; i++)
        fputs(i ? ",0" : "0", f);
    fputs("],\"weight\":[", f);
    for (int i = 0; i < 64; i++)
        fputs(i ? ",[]" : "[]", f);
    fputs("]}]}}", f);
    fclose(f);
    struct json_doc *doc = json_parse(text, size, "spritty.json", &e);
    assert_non_null(doc);
    assert_int_equal(config_parse_preview(json_root(doc), &m, &e), -1);
    assert_non_null(strstr(e.text, "more weights than fit"));
    json_free(doc);
    free(text);
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

/* models/tiny brings a network: at the last step its preview is nearly the sprite, hue and all. */

struct kept {
    int width, height;
    uint8_t rgb[32 * 32 * 3];
};

static void keep_preview(void *user, int step, const uint8_t *rgb, int width, int height)
{
    struct kept *k = user;
    (void)step;
    k->width = width;
    k->height = height;
    if (width == 32 && height == 32)
        memcpy(k->rgb, rgb, sizeof k->rgb);
}

/* The mean of a cell of the 128x128 image. */
static double cell(const uint8_t *rgb, int x, int y, int c)
{
    double sum = 0;
    for (int i = 0; i < 16; i++)
        sum += rgb[((y * 4 + i / 4) * 128 + x * 4 + i % 4) * 3 + c];
    return sum / 16;
}

static void the_last_is_like_the_sprite(void **state)
{
    (void)state;
    struct err e = {""};
    struct pipeline *p = pipeline_open(TINY, NULL, &e);
    struct kept kept = {0};
    struct gen_hooks hooks = {.user = &kept, .preview = keep_preview};
    struct gen_params g = {.prompt = "a green slime",
                           .seed = 7,
                           .steps = 8,
                           .cfg = 3.5f,
                           .width = 128,
                           .height = 128,
                           .batch = 1};
    struct gen_result r;
    if (!p || pipeline_run(p, &g, &hooks, &r, &e))
        fail_msg("%s", e.text);
    assert_int_equal(kept.width, 32);
    assert_int_equal(kept.height, 32);
    double off = 0, green = 0, shown = 0;
    for (int i = 0; i < 32 * 32; i++) {
        double v[3];
        for (int c = 0; c < 3; c++) {
            v[c] = cell(r.rgb, i % 32, i / 32, c);
            off += fabs(v[c] - kept.rgb[i * 3 + c]) / (32 * 32 * 3);
        }
        green += v[1] - v[0];
        shown += kept.rgb[i * 3 + 1] - kept.rgb[i * 3];
    }
    if (off > 16 || green <= 0 || shown < green / 2)
        fail_msg("off by %.2f, green %.0f of %.0f", off, shown, green);
    gen_result_free(&r);
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
    struct ops *p = ops_profile_open(&fake, PROFILE_CALLS, &e);
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
    ops_profile_reset(p, PROFILE_CALLS);
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
        cmocka_unit_test(one_pixel_a_latent),
        cmocka_unit_test(network_as_written),
        cmocka_unit_test(network_without_numbers),
        cmocka_unit_test(refuses_broken_networks),
        cmocka_unit_test(refuses_large_networks),
        cmocka_unit_test(watching_changes_nothing),
        cmocka_unit_test(the_last_is_like_the_sprite),
        cmocka_unit_test(waits_for_slow_backends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
