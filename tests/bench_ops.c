/*
 * Times the calls that SDXL at 1024x1024 is made of, one by one, on the CPU backend.
 *
 *     bench_ops [--f32] [--threads N] [--seconds S] [WORD]
 *
 * WORD: only cases whose name has it. A case runs in turn with a yardstick, a large matrix product,
 * for S seconds (0.5), and the best time of each counts: on a machine with neighbours the rate by
 * itself says little, but the share of what a product reached in the same moments says whether a
 * call is as good as it could be. `count` is how often a UNet step (one image, no guidance) or a
 * VAE decode makes the call; the sums at the end are the parts' times by these counts.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ops/ops.h"

enum kind { LINEAR, GEGLU, CONV, UP, ATTENTION, GROUP_NORM, LAYER_NORM, CONCAT };

struct bench_case {
    const char *part; /* "unet" or "vae" */
    enum kind kind;
    int count;
    int n, h, w, c; /* input; attention: h queries, w keys, c channels */
    int out;        /* outputs; attention: heads */
    int stride;
    bool residual;
};

static const struct bench_case cases[] = {
    {"unet", GEGLU, 60, 1, 1024, 1, 1280, 5120, 1, false},
    {"unet", LINEAR, 192, 1, 1024, 1, 1280, 1280, 1, false},
    {"unet", LINEAR, 180, 1, 1024, 1, 1280, 1280, 1, true},
    {"unet", LINEAR, 60, 1, 1024, 1, 5120, 1280, 1, true},
    {"unet", GEGLU, 10, 1, 4096, 1, 640, 2560, 1, false},
    {"unet", LINEAR, 70, 1, 4096, 1, 640, 640, 1, false},
    {"unet", LINEAR, 10, 1, 4096, 1, 2560, 640, 1, true},
    {"unet", LINEAR, 0, 2, 77, 1, 2048, 1280, 1, false},
    {"unet", LINEAR, 17, 1, 1, 1, 1280, 1280, 1, false},
    {"unet", ATTENTION, 10, 1, 4096, 4096, 640, 10, 1, false},
    {"unet", ATTENTION, 60, 1, 1024, 1024, 1280, 20, 1, false},
    {"unet", ATTENTION, 10, 1, 4096, 77, 640, 10, 1, false},
    {"unet", ATTENTION, 60, 1, 1024, 77, 1280, 20, 1, false},
    {"unet", CONV, 10, 1, 32, 32, 1280, 1280, 1, true},
    {"unet", CONV, 7, 1, 128, 128, 320, 320, 1, false},
    {"unet", CONV, 6, 1, 64, 64, 640, 640, 1, false},
    {"unet", CONV, 2, 1, 32, 32, 2560, 1280, 1, false},
    {"unet", CONV, 1, 1, 32, 32, 1920, 1280, 1, false},
    {"unet", UP, 1, 1, 32, 32, 1280, 1280, 1, false},
    {"unet", UP, 1, 1, 64, 64, 640, 640, 1, false},
    {"unet", CONV, 1, 1, 128, 128, 640, 320, 1, false},
    {"unet", CONV, 1, 1, 128, 128, 320, 320, 2, false},
    {"unet", CONV, 1, 1, 64, 64, 640, 640, 2, false},
    {"unet", CONV, 1, 1, 128, 128, 4, 320, 1, false},
    {"unet", CONV, 1, 1, 128, 128, 320, 4, 1, false},
    {"unet", GROUP_NORM, 14, 1, 128, 128, 320, 0, 1, false},
    {"unet", GROUP_NORM, 12, 1, 64, 64, 640, 0, 1, false},
    {"unet", GROUP_NORM, 20, 1, 32, 32, 1280, 0, 1, false},
    {"unet", LAYER_NORM, 180, 1, 1024, 1, 1280, 0, 1, false},
    {"unet", LAYER_NORM, 30, 1, 4096, 1, 640, 0, 1, false},
    {"unet", CONCAT, 3, 1, 128, 128, 320, 0, 1, false},
    {"vae", CONV, 7, 1, 256, 256, 512, 512, 1, false},
    {"vae", CONV, 10, 1, 128, 128, 512, 512, 1, true},
    {"vae", CONV, 5, 1, 512, 512, 256, 256, 1, true},
    {"vae", CONV, 5, 1, 1024, 1024, 128, 128, 1, true},
    {"vae", CONV, 1, 1, 512, 512, 512, 256, 1, false},
    {"vae", CONV, 1, 1, 1024, 1024, 256, 128, 1, false},
    {"vae", CONV, 1, 1, 1024, 1024, 128, 3, 1, false},
    {"vae", UP, 1, 1, 128, 128, 512, 512, 1, false},
    {"vae", UP, 1, 1, 256, 256, 512, 512, 1, false},
    {"vae", UP, 1, 1, 512, 512, 256, 256, 1, false},
    {"vae", ATTENTION, 1, 1, 16384, 16384, 512, 1, 1, false},
    {"vae", GROUP_NORM, 6, 1, 512, 512, 256, 0, 1, false},
    {"vae", GROUP_NORM, 7, 1, 1024, 1024, 128, 0, 1, false},
};

struct bench {
    struct ops *o;
    double seconds;
    struct tensor x, k, y, add;
    struct weight *w;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct tensor filled(struct ops *o, int n, int h, int w, int c)
{
    struct tensor t = ops_alloc(o, n, h, w, c);
    float *values = malloc((size_t)tensor_count(&t) * sizeof *values);
    uint32_t seed = 1;
    if (!values || !t.data) {
        fprintf(stderr, "bench_ops: no memory\n");
        exit(1);
    }
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        seed = seed * 1664525u + 1013904223u;
        values[i] = (float)(int32_t)seed * 0x1p-31f;
    }
    o->upload(o, &t, values);
    free(values);
    return t;
}

static struct weight *matrix(struct ops *o, int out, int in, int k)
{
    int64_t count = (int64_t)out * in * k * k;
    uint16_t *values = malloc((size_t)count * sizeof *values);
    float *bias = calloc((size_t)out, sizeof *bias);
    if (!values || !bias) {
        fprintf(stderr, "bench_ops: no memory\n");
        exit(1);
    }
    for (int64_t i = 0; i < count; i++)
        values[i] = (uint16_t)(0x3c00 | (i * 7919 % 127) | (i % 3 == 0) << 15); /* bf16, small */
    struct param w = {
        .data = values, .dtype = DT_BF16, .rank = k > 1 ? 4 : 2, .dim = {out, in, k, k}};
    struct param b = {.data = bias, .dtype = DT_F32, .rank = 1, .dim = {out}};
    struct weight *packed = k > 1 ? o->pack_conv(o, &w, &b) : o->pack_linear(o, &w, &b, 1);
    free(values);
    free(bias);
    return packed;
}

static struct weight *norm(struct ops *o, int c)
{
    float *values = malloc((size_t)c * sizeof *values);
    for (int i = 0; values && i < c; i++)
        values[i] = 1;
    struct param p = {.data = values, .dtype = DT_F32, .rank = 1, .dim = {c}};
    struct weight *packed = o->pack_norm(o, &p, &p);
    free(values);
    return packed;
}

static void prepare(struct bench *b, const struct bench_case *c)
{
    struct ops *o = b->o;
    int times = c->kind == UP ? 2 : 1;
    memset(&b->k, 0, sizeof b->k);
    b->w = NULL;
    b->x = filled(o, c->n, c->h, c->kind == ATTENTION ? 1 : c->w, c->c);
    int out = c->kind == CONCAT ? 2 * c->c : c->out && c->kind != ATTENTION ? c->out : c->c;
    b->y = c->kind == ATTENTION
               ? ops_alloc_like(o, &b->x, c->c)
               : ops_alloc(o, c->n, c->h * times / c->stride, c->w * times / c->stride, out);
    switch (c->kind) {
    case ATTENTION:
        b->k = filled(o, c->n, c->w, 1, c->c);
        break;
    case GROUP_NORM:
    case LAYER_NORM:
        b->w = norm(o, c->c);
        break;
    case CONCAT:
        break;
    default:
        b->w = matrix(o, c->kind == GEGLU ? 2 * c->out : c->out, c->c,
                      c->kind == CONV || c->kind == UP ? 3 : 1);
    }
}

static void call(struct bench *b, const struct bench_case *c)
{
    struct ops *o = b->o;
    struct conv_args a = {.stride = c->stride,
                          .pad_before = 1,
                          .pad_after = 1,
                          .upsample = c->kind == UP,
                          .residual = c->residual ? &b->y : NULL};
    switch (c->kind) {
    case LINEAR:
        o->linear(o, &b->y, &b->x, b->w, ACT_NONE, c->residual ? &b->y : NULL);
        break;
    case GEGLU:
        o->geglu(o, &b->y, &b->x, b->w);
        break;
    case CONV:
    case UP:
        o->conv2d(o, &b->y, &b->x, b->w, &a);
        break;
    case ATTENTION:
        o->attention(o, &b->y, &b->x, &b->k, &b->k, c->out, 0.125f, false);
        break;
    case GROUP_NORM:
        o->group_norm(o, &b->y, &b->x, b->w, 32, 1e-5f, true);
        break;
    case LAYER_NORM:
        o->layer_norm(o, &b->y, &b->x, b->w, 1e-5f);
        break;
    case CONCAT:
        o->concat(o, &b->y, &b->x, &b->x);
        break;
    }
}

static void check(struct ops *o)
{
    struct err err;
    if (o->sync(o, &err) != 0) {
        fprintf(stderr, "bench_ops: %s\n", err.text);
        exit(1);
    }
}

static double timed(struct bench *b, const struct bench_case *c)
{
    double start = now();
    call(b, c);
    check(b->o);
    return now() - start;
}

static void label(const struct bench_case *c, char *text, size_t size)
{
    static const char *const names[] = {"linear",    "geglu",      "conv",       "up+conv",
                                        "attention", "group_norm", "layer_norm", "concat"};
    if (c->kind == ATTENTION)
        snprintf(text, size, "%s %s %dx%d, %d heads of %d", c->part, names[c->kind], c->h, c->w,
                 c->out, c->c / c->out);
    else
        snprintf(text, size, "%s %s %dx%d %d->%d%s%s", c->part, names[c->kind], c->n * c->h, c->w,
                 c->c, c->out ? c->out : c->c, c->stride == 2 ? " /2" : "",
                 c->residual ? " +=" : "");
}

/* Milliseconds of the best run; prints the line. */
static double bench(struct bench *b, const struct bench_case *c, struct bench *yard,
                    const struct bench_case *stick, double stick_flops)
{
    char text[80];
    struct ops_stats before, after;
    prepare(b, c);
    b->o->stats(b->o, &before);
    timed(b, c); /* warm-up: primitives, scratch, page faults */
    b->o->stats(b->o, &after);
    double flops = after.flops - before.flops, bytes = after.bytes_moved - before.bytes_moved;
    double best = INFINITY, best_stick = INFINITY, end = now() + b->seconds;
    for (int runs = 0; runs < 3 || now() < end; runs++) {
        best_stick = fmin(best_stick, timed(yard, stick));
        best = fmin(best, timed(b, c));
    }
    label(c, text, sizeof text);
    printf("%-44s %4d %9.3f %9.1f %7.1f %6.0f%%\n", text, c->count, best * 1e3, flops / best / 1e9,
           bytes / best / 1e9, 100 * flops / best / (stick_flops / best_stick));
    fflush(stdout);
    b->o->release(b->o, &b->x);
    b->o->release(b->o, &b->k);
    b->o->release(b->o, &b->y);
    b->o->free_weight(b->o, b->w);
    return best * 1e3;
}

int main(int argc, char **argv)
{
    enum dtype act = cpu_best_dtype();
    int threads = 0;
    double seconds = 0.5, unet = 0, vae = 0;
    const char *word = "";
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--f32") == 0)
            act = DT_F32;
        else if (strcmp(argv[i], "--threads") == 0 && i + 1 < argc)
            threads = atoi(argv[++i]);
        else if (strcmp(argv[i], "--seconds") == 0 && i + 1 < argc)
            seconds = atof(argv[++i]);
        else
            word = argv[i];
    }
    struct err err;
    struct ops *o = ops_cpu_open(act, threads, &err);
    if (!o) {
        fprintf(stderr, "bench_ops: %s\n", err.text);
        return 1;
    }
    static const struct bench_case stick = {"", LINEAR, 0, 1, 1024, 1, 1280, 1280, 1, false};
    struct bench b = {.o = o, .seconds = seconds}, yard = b;
    prepare(&yard, &stick);
    timed(&yard, &stick);
    printf("%s\n%-44s %4s %9s %9s %7s %7s\n", act == DT_BF16 ? "bf16" : "f32", "call", "n", "ms",
           "GFLOP/s", "GB/s", "yard");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[80];
        label(&cases[i], text, sizeof text);
        if (strstr(text, word) == NULL)
            continue;
        double ms = bench(&b, &cases[i], &yard, &stick, 2.0 * 1024 * 1280 * 1280);
        *(cases[i].part[0] == 'u' ? &unet : &vae) += ms * cases[i].count;
    }
    printf("sums of counts x ms: unet step %.0f ms, vae decode %.0f ms\n", unet, vae);
    o->release(o, &yard.x);
    o->release(o, &yard.y);
    o->free_weight(o, yard.w);
    o->close(o);
    return 0;
}
