/*
 * The embedded model from prompt to pixels on the CUDA backend against ref in f32, and what a run
 * promises: the same picture twice, steps replayed, memory as forecast. Part of `make gpu-test`.
 *
 *   gpu_model [MODEL]      all of it
 *   gpu_model -1 [MODEL]   one short run in FP16 and nothing compared: for compute-sanitizer
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "results.h"
#include "sdxl/pipeline_priv.h"

static int failed;

static void check(const char *backend, const char *what, double error, double bound)
{
    bool good = error <= bound;
    printf("%-10s %-40s %.3g (bound %.3g)%s\n", backend, what, error, bound,
           good ? "" : "  FAILED");
    result_line("model", backend, what, error, bound, good, "");
    failed += !good;
}

static struct pipeline *open_as(const char *model, const char *device, const char *precision)
{
    struct err e = {""};
    /* in fp16 the ways are measured; in bf16 that would compile some fifty kernels */
    const int way = strcmp(precision, "fp16") ? TUNE_HEURISTIC : TUNE_MEASURE;
    struct pipeline_options opt = {
        .device = device, .precision = precision, .tuning = {.autotune = way}};
    struct pipeline *p = pipeline_open(model, &opt, &e);
    if (!p) {
        printf("%s %s: %s\n", device, precision, e.text);
        result_line("model", precision, "open", NAN, 0, false, e.text);
        failed++;
    }
    return p;
}

static bool make_by(struct pipeline *p, const char *backend, const char *sampler, int steps,
                    bool profile, struct gen_result *r)
{
    struct err e = {""};
    struct gen_params g = {.prompt = "a green slime with a crown",
                           .seed = 7,
                           .steps = steps,
                           .cfg = 3,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .sampler = sampler_by_name(sampler),
                           .scheduler = schedule_by_name("karras"),
                           .profile = profile};
    if (pipeline_run(p, &g, NULL, r, &e) == 0)
        return true;
    printf("%s: %s\n", backend, e.text);
    result_line("model", backend, "run", NAN, 0, false, e.text);
    failed++;
    return false;
}

static bool make(struct pipeline *p, const char *backend, int steps, bool profile,
                 struct gen_result *r)
{
    return make_by(p, backend, "dpmpp_2m", steps, profile, r);
}

/* Root mean square of the difference, of 255. */
static double distance(const struct gen_result *a, const struct gen_result *b)
{
    size_t n = (size_t)a->width * (size_t)a->height * 3;
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow((double)a->rgb[i] - b->rgb[i], 2);
    return sqrt(sum / (double)n);
}

enum { STEPS = 4 };

static void compare(const char *model, const char *precision, const struct gen_result *want,
                    double bound)
{
    struct pipeline *p = open_as(model, "cuda", precision);
    struct gen_result first = {0}, again = {0}, profiled = {0};
    struct ops_stats s;
    if (!p)
        return;
    if (make(p, precision, STEPS, false, &first) && make(p, precision, STEPS, false, &again) &&
        make(p, precision, STEPS, true, &profiled)) {
        p->ops->stats(p->ops, &s);
        check(precision, "pixels against ref, RMS of 255", distance(want, &first), bound);
        check(precision, "the same picture twice", distance(&first, &again), 0);
        check(precision, "replayed steps as plain ones", distance(&first, &profiled), 0);
        /* of a kind (the first, those between, the last) all but the first */
        check(precision, "steps that were not replayed", 2 * STEPS - 3 - s.replays, 0);
        check(precision, "arena beyond the forecast, bytes",
              (double)s.arena_peak - (double)first.bytes_activations, 0);
    }
    gen_result_free(&first);
    gen_result_free(&profiled);
    /* noise that was drawn ahead, and the graphs with it */
    if (make_by(p, precision, "euler_ancestral", STEPS, false, &first) &&
        make_by(p, precision, "euler_ancestral", STEPS, true, &profiled))
        check(precision, "noise drawn ahead as step by step", distance(&first, &profiled), 0);
    gen_result_free(&first);
    gen_result_free(&again);
    gen_result_free(&profiled);
    pipeline_close(p);
}

int main(int argc, char **argv)
{
    bool one = argc > 1 && !strcmp(argv[1], "-1");
    const char *model = argc > 1 + one ? argv[1 + one] : "models/tiny";
    struct gen_result r = {0};
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct pipeline *p = open_as(model, one ? "cuda" : "ref", one ? "fp16" : "fp32");
    if (!p)
        return 1;
    if (make(p, one ? "fp16" : "ref", one ? 3 : STEPS, false, &r) && !one) {
        compare(model, "fp32", &r, 0.5);
        compare(model, "fp16", &r, 4);
        compare(model, "bf16", &r, 12);
    }
    gen_result_free(&r);
    pipeline_close(p);
    return failed > 0;
}
