/*
 * What `make gpu-bench` measures of spritty: SDXL base's full shapes with drawn weights, and the
 * embedded model. Each part prints one line of JSON as soon as it is done, so that a run that ends
 * early has told what it measured.
 *
 *   gpu_bench base1024|batch8|base512|profile|tiny32|tiny1|plan|check
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cuda.h"
#include "sdxl/pipeline_priv.h"

enum { MAX_TIMES = 64, MAX_ROWS = 40 };

struct bench {
    const char *name;
    int side, batch, steps, runs; /* runs: timed, after one that is not */
    bool tiny, profile;
};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v, int n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return n ? v[n / 2] : 0;
}

static int stop(const struct bench *part, const char *why)
{
    printf("{\"part\": \"%s\", \"error\": \"%s\"}\n", part->name, why);
    return 1;
}

static struct pipeline *open_part(const struct bench *part, struct err *e)
{
    const char *device = getenv("BENCH_DEVICE");
    const char *other = getenv("BENCH_MODEL"), *model = other ? other : "tests/full/sdxl";
    struct pipeline_options opt = {.device = device ? device : "cuda",
                                   .drawn = !part->tiny && !other,
                                   .tokenizer = part->tiny || other ? NULL
                                                                    : "models/tiny/tokenizer"};
    return pipeline_open(part->tiny ? "models/tiny" : model, &opt, e);
}

static void print_profile(const struct pipeline *p)
{
    struct op_profile row[MAX_ROWS];
    int n = pipeline_profile(p, row, MAX_ROWS);
    printf(", \"profile\": [");
    for (int i = 0; i < n; i++)
        printf("%s{\"op\": \"%s\", \"calls\": %d, \"ms\": %.3f, \"tflops\": %.1f}", i ? ", " : "",
               row[i].name, row[i].calls, row[i].ms,
               row[i].ms > 0 ? row[i].flops / row[i].ms / 1e9 : 0);
    printf("]");
}

/* Enough was seen: not decoded, as nothing that comes of bare calls is a picture. */
static bool until_sampled(void *user, const struct gen_progress *p)
{
    (void)user;
    return p->steps == 0 || p->step < p->steps || strcmp(p->stage, "sample") != 0;
}

/* Of a pipeline that has run: the steps of as many runs again with our own
 * kernels left out. What is left, in graphs as before, over the same memory and with the same
 * algorithms, is the bare chain of cuBLASLt's and cuDNN's calls. */
static int print_bare(const char *name, struct pipeline *p, const struct gen_params *g, int runs,
                      double ours)
{
    static double step[MAX_TIMES * 64];
    const struct gen_hooks hooks = {.step = until_sampled};
    struct err e = {""};
    int steps = 0, rc = 0;
    printf("{\"part\": \"%s bare\"", name);
    ops_cuda_bare(p->ops, true);
    for (int i = -2; i < runs && rc == 0; i++) { /* two that make and keep the graphs */
        struct gen_result r;
        if (pipeline_run(p, g, &hooks, &r, &e) != 0 && !r.cancelled)
            rc = printf(", \"bare_error\": \"%s\"", e.text);
        for (int k = 1; i >= 0 && k < r.ms.nsteps && steps < MAX_TIMES * 64; k++)
            step[steps++] = r.ms.steps[k];
        gen_result_free(&r);
    }
    ops_cuda_bare(p->ops, false);
    double bare = median(step, steps);
    printf(", \"bare_step_ms\": %.3f, \"step_over_bare\": %.3f}\n", bare,
           bare > 0 ? ours / bare : 0);
    return rc;
}

/* What is taken of the GPU's memory now, by the driver's word: all that CUDA and the libraries have
 * as well, and whatever else runs there. */
static size_t device_bytes(void)
{
    size_t rest = 0, total = 0;
    return ops_cuda_memory(0, &rest, &total) == 0 ? total - rest : 0;
}

/* One image or batch, timed from the prompt to the pixels. */
static int measure(const struct bench *part)
{
    struct err e = {""};
    static double total[MAX_TIMES], decode[MAX_TIMES], text[MAX_TIMES], step[MAX_TIMES * 64];
    double first = 0;
    int steps = 0, done = 0, rc = 0;
    size_t peak = 0;
    struct ops_stats s;
    struct pipeline *p = open_part(part, &e);
    if (!p)
        return stop(part, e.text);
    struct gen_params g = {.prompt = "a knight in silver armour",
                           .negative = "blurry",
                           .seed = 1,
                           .steps = part->steps,
                           .cfg = 7,
                           .width = part->side,
                           .height = part->side,
                           .batch = part->batch,
                           .sampler = sampler_by_name("euler"),
                           .scheduler = schedule_by_name("normal"),
                           .profile = part->profile};
    for (int i = -1; i < part->runs; i++) {
        struct gen_result r;
        double began = clock_ms();
        if (pipeline_run(p, &g, NULL, &r, &e) != 0) {
            pipeline_close(p);
            return stop(part, e.text);
        }
        if (i < 0)
            first = clock_ms() - began;
        if (i >= 0 && done < MAX_TIMES) {
            total[done] = clock_ms() - began;
            decode[done] = r.ms.decode;
            text[done++] = r.ms.text;
            for (int k = 0; k < r.ms.nsteps && steps < MAX_TIMES * 64; k++)
                step[steps++] = r.ms.steps[k];
        }
        peak = r.bytes_peak > peak ? r.bytes_peak : peak;
        gen_result_free(&r);
    }
    p->ops->stats(p->ops, &s);
    printf("{\"part\": \"%s\", \"device\": \"%s\", \"precision\": \"%s\", \"side\": %d, "
           "\"batch\": %d, \"steps\": %d, \"runs\": %d, \"load_ms\": %.1f, \"first_ms\": %.1f, "
           "\"text_ms\": %.2f, "
           "\"step_ms\": %.3f, \"decode_ms\": %.2f, \"total_ms\": %.2f, \"per_second\": %.3f, "
           "\"bytes_peak\": %zu, \"bytes_device\": %zu, \"bytes_weights\": %zu, "
           "\"bytes_activations\": %zu, \"replays\": %d",
           part->name, pipeline_device(p), pipeline_precision(p), part->side, part->batch,
           part->steps, done, p->load_ms, first, median(text, done), median(step, steps),
           median(decode, done), median(total, done), 1e3 * part->batch / median(total, done), peak,
           device_bytes(), s.weight_bytes, s.arena_peak, s.replays);
    if (part->profile)
        print_profile(p);
    bool cuda = !strcmp(p->ops->name, "cuda");
    if (cuda) {
        char text[1024];
        ops_cuda_account(p->ops, text, sizeof text);
        printf(", %s", text);
    }
    printf("}\n"); /* whatever becomes of the rest */
    if (cuda && !part->profile)
        rc = print_bare(part->name, p, &g, part->runs, median(step, steps));
    pipeline_close(p);
    return rc != 0;
}

/* What the forecast says of the same run, without a GPU. */
static int forecast(const struct bench *b)
{
    struct err e = {""};
    struct plan_result r;
    struct pipeline_options opt = {.device = "cuda", .precision = "fp16", .drawn = true};
    struct gen_params g = {.prompt = "",
                           .steps = b->steps,
                           .cfg = 7,
                           .width = b->side,
                           .height = b->side,
                           .batch = b->batch,
                           .sampler = sampler_by_name("euler"),
                           .scheduler = schedule_by_name("normal")};
    if (pipeline_plan("tests/full/sdxl", &opt, &g, &r, &e) != 0)
        return stop(b, e.text);
    printf("{\"part\": \"plan\", \"side\": %d, \"batch\": %d, \"steps\": %d, \"tflop\": %.2f, "
           "\"bytes_weights\": %zu, \"bytes_activations\": %zu, \"bytes_forecast\": %zu}\n",
           b->side, b->batch, b->steps, r.flops / 1e12, r.bytes_weights, r.bytes_activations,
           r.bytes_peak);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct bench parts[] = {
        {"base1024", 1024, 1, 20, 3, false, false}, {"batch8", 1024, 8, 20, 1, false, false},
        {"base512", 512, 1, 4, 5, false, false},    {"profile", 1024, 1, 2, 1, false, true},
        {"tiny32", 128, 32, 20, 3, true, false},    {"tiny1", 128, 1, 20, 5, true, false},
        {"check", 64, 1, 2, 1, false, false},
    };
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 2 && !strcmp(argv[1], "plan"))
        return forecast(&parts[0]) || forecast(&parts[1]);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (argc == 2 && !strcmp(argv[1], parts[i].name))
            return measure(&parts[i]);
    fprintf(stderr, "gpu_bench base1024|batch8|base512|profile|tiny32|tiny1|plan|check\n");
    return 2;
}
