/*
 * What exchanging LoRAs on an open model costs.
 *
 *     build/bench_lora [MODEL TOKENIZER PRECISION LORA [LORA...]]
 *
 * Without arguments: a small random model of the tests with two of its LoRAs, which shows that all
 * of it runs, and next to nothing of what it costs with SDXL (tests/full/make_lora.py makes one).
 *
 * Opens the model, then merges each LoRA alone, all of them together, and takes them out, three
 * times; prints milliseconds, the cores' seconds, and the memory that the merge takes by its own
 * forecast. Opens it once more with the first LoRA from the start, for what that adds to loading
 * (not with BENCH_SHORT set).
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "sdxl/pipeline_priv.h"

/* Seconds of all cores so far. */
static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static void exchange(struct pipeline *p, const char *what, const struct lora_use *list, int count)
{
    struct gen_params g = {.loras = list, .lora_count = count};
    struct gen_result r = {0};
    struct err e = {""};
    size_t now, peak;
    double began = cpu();
    if (pipeline_use_loras(p, &g, NULL, &r, &e) < 0) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    for (int i = 0; i < r.notes.count; i++)
        printf("  note: %s\n", r.notes.line[i]);
    pipeline_bytes(p, &now, &peak);
    printf("%-24s %8.0f ms, %5.1f s of CPU   merging takes %.0f MB   process %.0f MB, at most %.0f "
           "MB\n",
           what, r.ms.lora, cpu() - began, (double)lora_set_bytes(p->loras, &p->slots) / 1e6,
           (double)now / 1e6, (double)peak / 1e6);
    fflush(stdout);
    gen_result_free(&r);
}

static struct pipeline *open_model(char **argv, const struct lora_use *list, int count)
{
    struct err e = {""};
    struct pipeline_options o = {.tokenizer = argv[2],
                                 .precision = argv[3],
                                 .device = "cpu",
                                 .loras = list,
                                 .lora_count = count};
    struct pipeline *p = pipeline_open(argv[1], &o, &e);
    if (!p) {
        fprintf(stderr, "%s\n", e.text);
        exit(1);
    }
    printf("%-24s %8.0f ms, %5.1f s of CPU\n", count ? "loading with the first" : "loading",
           p->load_ms, cpu());
    fflush(stdout);
    return p;
}

int main(int argc, char **argv)
{
    static char *small[] = {"bench_lora",
                            "tests/golden/small_b",
                            "tests/golden/small_b",
                            "fp32",
                            "tests/golden/lora/kohya.safetensors",
                            "tests/golden/lora/diffusers.safetensors"};
    struct lora_use list[MAX_LORAS];
    if (argc > 1 && argc < 5) {
        fprintf(stderr, "usage: %s [MODEL TOKENIZER PRECISION LORA...]\n", argv[0]);
        return 2;
    }
    if (argc == 1) {
        printf("a small random model: name SDXL, its tokenizer, fp32 or bf16 and LoRAs to see what "
               "those take\n");
        argv = small;
        argc = sizeof small / sizeof *small;
    }
    int count = argc - 4 < MAX_LORAS ? argc - 4 : MAX_LORAS;
    for (int i = 0; i < count; i++)
        list[i] = (struct lora_use){argv[4 + i], argv[4 + i], 0.8, 0.8};
    struct pipeline *p = open_model(argv, NULL, 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < count; i++)
            exchange(p, list[i].name, &list[i], 1);
        if (count > 1)
            exchange(p, "all of them", list, count);
        exchange(p, "none", NULL, 0);
    }
    pipeline_close(p);
    if (!getenv("BENCH_SHORT"))
        pipeline_close(open_model(argv, list, 1));
    return 0;
}
