/*
 * A whole run over the CUDA backend without a device (none.h): every product, convolution and
 * attention that it asks the libraries for, at full size. One line of JSON says who took what;
 * $PLANS_LOG has each graph and plan.
 *
 *   gpu_plans MODEL PRECISION SIDE BATCH [drawn|image|tiling|refiner=MODEL|off|heuristic|tf32]...
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/cuda.h"
#include "sdxl/pipeline_priv.h"

static int stop(const char *why)
{
    printf("{\"error\": \"%s\"}\n", why);
    return 1;
}

/* What the run is besides its size. false: no such word. */
static bool settle(const char *word, struct pipeline_options *opt, struct gen_params *g)
{
    if (!strcmp(word, "drawn")) {
        opt->drawn = true;
        opt->tokenizer = "models/tiny/tokenizer";
    } else if (!strcmp(word, "image")) {
        g->image = calloc((size_t)g->width * (size_t)g->height, 3);
        g->denoise = 0.75;
    } else if (!strcmp(word, "tiling")) {
        g->tiling = PAD_CIRCULAR_X | PAD_CIRCULAR_Y;
    } else if (!strncmp(word, "refiner=", 8)) {
        opt->refiner = word + 8;
        g->refiner_switch = 0.5;
    } else if (!strcmp(word, "off")) {
        opt->tuning.autotune = TUNE_NOTHING;
    } else if (!strcmp(word, "heuristic")) {
        opt->tuning.autotune = TUNE_HEURISTIC;
    } else if (!strcmp(word, "tf32")) {
        opt->tuning.tf32 = true;
    } else {
        return false;
    }
    return true;
}

static int run(const char *model, const struct pipeline_options *opt, const struct gen_params *g)
{
    struct err e = {""};
    struct gen_result r = {0};
    struct ops_stats s;
    char who[1024];
    struct pipeline *p = pipeline_open(model, opt, &e);
    if (!p)
        return stop(e.text);
    int rc = pipeline_run(p, g, NULL, &r, &e);
    p->ops->stats(p->ops, &s);
    ops_cuda_account(p->ops, who, sizeof who);
    printf(
        "{\"model\": \"%s\", \"precision\": \"%s\", \"side\": %d, \"batch\": %d, \"tflop\": %.2f, "
        "\"recordings\": %d, \"replays\": %d, \"bytes_device\": %zu, %s, \"error\": \"%s\"}\n",
        model, pipeline_precision(p), g->width, g->batch, s.flops / 1e12, s.recordings, s.replays,
        s.device_peak, who, rc ? e.text : "");
    gen_result_free(&r);
    pipeline_close(p);
    return rc != 0;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "gpu_plans MODEL PRECISION SIDE BATCH [WHAT]...\n");
        return 2;
    }
    struct pipeline_options opt = {.device = "cuda", .precision = argv[2]};
    struct gen_params g = {.prompt = "a knight in silver armour",
                           .negative = "blurry",
                           .seed = 1,
                           .steps = 4,
                           .cfg = 7,
                           .width = atoi(argv[3]),
                           .height = atoi(argv[3]),
                           .batch = atoi(argv[4]),
                           .sampler = sampler_by_name("euler"),
                           .scheduler = schedule_by_name("normal")};
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 5; i < argc; i++)
        if (!settle(argv[i], &opt, &g)) {
            fprintf(stderr, "gpu_plans: %s is not known\n", argv[i]);
            return 2;
        }
    return run(argv[1], &opt, &g);
}
