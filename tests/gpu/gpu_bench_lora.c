/*
 * What `make gpu-bench` measures of LoRAs: exchanging them on the open model, SDXL base's full
 * shapes with drawn weights. Two files, of rank 64 for all attention layers of the UNet and of both
 * text encoders, are written for it (200 MB each, in $TMPDIR). Prints one line of JSON.
 *
 *   gpu_bench_lora
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdxl/pipeline_priv.h"
#include "st_writer.h"

enum { RANK = 64, RUNS = 5 };

static int stop(const char *why)
{
    printf("{\"part\": \"lora\", \"error\": \"%s\"}\n", why);
    return 1;
}

static struct pipeline *open_model(struct err *e)
{
    const char *device = getenv("BENCH_DEVICE");
    const char *other = getenv("BENCH_MODEL");
    struct pipeline_options opt = {.device = device ? device : "cuda",
                                   .drawn = !other,
                                   .tokenizer = other ? NULL : "models/tiny/tokenizer"};
    return pipeline_open(other ? other : "tests/full/sdxl", &opt, e);
}

/* FP16 values below 2^-6, as good as random. */
static void add_matrix(struct st_writer *w, const char *name, int64_t rows, int64_t cols)
{
    static uint64_t state = 1;
    size_t count = (size_t)(rows * cols);
    uint16_t *values = malloc(count * sizeof *values);
    for (size_t i = 0; values && i < count; i++) {
        state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        values[i] = (uint16_t)(state >> 48) & 0xa3ff;
    }
    st_add(w, name, "F16", 2, (int64_t[]){rows, cols}, values, count * sizeof *values);
    free(values);
}

/* One for each attention layer, in peft's names. Returns how many. */
static int write_lora(const struct slots *slots, const char *path)
{
    static const char *const prefix[PART_COUNT] = {
        [PART_UNET] = "unet", [PART_TEXT1] = "text_encoder", [PART_TEXT2] = "text_encoder_2"};
    struct st_writer w = {0};
    int modules = 0;
    for (int i = 0; i < slots->count; i++) {
        const struct slot *s = &slots->at[i];
        for (int k = 0; k < s->count; k++) {
            char name[256];
            if (s->kind != SLOT_LINEAR || !strstr(s->name[k], "attn") || !prefix[s->part])
                continue;
            snprintf(name, sizeof name, "%s.%s.lora_A.weight", prefix[s->part], s->name[k]);
            add_matrix(&w, name, RANK, s->in);
            snprintf(name, sizeof name, "%s.%s.lora_B.weight", prefix[s->part], s->name[k]);
            add_matrix(&w, name, s->out, RANK);
            modules++;
        }
    }
    struct bytes file = st_finish(&w, -1);
    bytes_save(&file, path);
    free(file.data);
    return modules;
}

/* Milliseconds until the model has the choice; below 0: why in err. */
static double use(struct pipeline *p, const struct lora_use *list, int count, struct err *e)
{
    const struct gen_params g = {.loras = list, .lora_count = count};
    struct gen_result r = {0};
    int rc = pipeline_use_loras(p, &g, NULL, &r, e);
    double ms = r.ms.lora;
    if (r.notes.count > 0)
        rc = err_set(e, "%s", r.notes.line[0]);
    gen_result_free(&r);
    return rc < 0 ? -1 : ms;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *v)
{
    qsort(v, RUNS, sizeof *v, by_value);
    return v[RUNS / 2];
}

/* One in, another in its place, none: each RUNS times, after a first that reads the files. */
static int measure(struct pipeline *p, const struct lora_use *lora, int modules, struct err *e)
{
    double first = 0, in[RUNS], other[RUNS], out[RUNS];
    for (int i = -1; i < RUNS; i++) {
        double a = use(p, &lora[0], 1, e), b = a < 0 ? -1 : use(p, &lora[1], 1, e);
        double c = b < 0 ? -1 : use(p, NULL, 0, e);
        if (c < 0)
            return -1;
        if (i < 0)
            first = a;
        else
            in[i] = a, other[i] = b, out[i] = c;
    }
    struct ops_stats s;
    p->ops->stats(p->ops, &s);
    printf("{\"part\": \"lora\", \"device\": \"%s\", \"precision\": \"%s\", \"rank\": %d, "
           "\"modules\": %d, \"runs\": %d, \"first_ms\": %.1f, \"merge_ms\": %.1f, "
           "\"switch_ms\": %.1f, \"out_ms\": %.1f, \"bytes_peak\": %zu}\n",
           pipeline_device(p), pipeline_precision(p), RANK, modules, RUNS, first, median(in),
           median(other), median(out), s.device_peak);
    return 0;
}

int main(void)
{
    const char *folder = getenv("TMPDIR");
    struct err e = {""};
    char path[2][200];
    struct pipeline *p = open_model(&e);
    if (!p)
        return stop(e.text);
    int modules = 0;
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/spritty-%d-%d.safetensors", folder ? folder : "/tmp",
                 (int)getpid(), i);
        modules = write_lora(&p->slots, path[i]);
    }
    const struct lora_use lora[2] = {{"one", path[0], 0.8, 0.8}, {"two", path[1], 0.8, 0.8}};
    int rc = measure(p, lora, modules, &e);
    unlink(path[0]), unlink(path[1]);
    pipeline_close(p);
    return rc < 0 ? stop(e.text) : 0;
}
