/*
 * A refiner as a single file, and LoRAs beside one.
 *
 * The model has sd_xl_refiner_1.0's shape, small, with heads of 64; its tensors' names in a folder
 * and in a single file come from tests/golden/refiner_shape, which diffusers' own converters have
 * checked (golden_refiner_names.py). Both are written here with the same random weights, and must
 * be the same model: config, tensors, and what they make of a latent.
 */
/* Not under qemu: whole networks, many minutes; test_ops has what they compute there. */
#include "golden.h"

#include <unistd.h>

#include "base/notes.h"
#include "sdxl/checkpoint.h"
#include "sdxl/lora.h"
#include "sdxl/pipeline.h"
#include "st_writer.h"

#define SHAPE "tests/golden/refiner_shape"
#define BASE  "tests/golden/small_a"
#define SMALL "tests/golden/small_refiner"

enum { LINE = 512 };

static char scratch[] = "/tmp/spritty_refiner_XXXXXX";

/* ---- the two forms ---- */

struct row {
    char part[40], name[160], how[4], single[200];
    int64_t dim[4], count;
    int rank;
};

static bool next_row(FILE *f, struct row *r)
{
    char line[LINE], shape[64];
    if (!fgets(line, sizeof line, f))
        return false;
    assert_int_equal(
        sscanf(line, "%39s %159s %63s %3s %199s", r->part, r->name, shape, r->how, r->single), 5);
    r->rank = sscanf(shape, "%" SCNd64 "x%" SCNd64 "x%" SCNd64 "x%" SCNd64, &r->dim[0], &r->dim[1],
                     &r->dim[2], &r->dim[3]);
    assert_true(r->rank > 0);
    r->count = 1;
    for (int i = 0; i < r->rank; i++)
        r->count *= r->dim[i];
    return true;
}

/* Numbers that keep activations of order 1: about 1 in norms, small in biases. */
static float *weights_of(const struct row *r)
{
    static uint32_t state = 1;
    float *x = malloc((size_t)r->count * sizeof *x);
    bool norm = r->rank == 1 && strstr(r->name, "norm") && strstr(r->name, "weight");
    float scale = r->rank == 1 ? 0.1f : sqrtf(3 / (float)(r->count / r->dim[0]));
    for (int64_t i = 0; i < r->count; i++) {
        state = state * 1664525 + 1013904223;
        x[i] = scale * ((float)(state >> 8) / 8388608.0f - 1) + (norm ? 1.0f : 0.0f);
    }
    return x;
}

static void add(struct st_writer *w, const char *name, int rank, const int64_t *dim, const float *x,
                int64_t count)
{
    st_add(w, name, "F32", rank, dim, x, (size_t)count * sizeof *x);
}

/* A part of three that are one in the single file; written when all have come. */
static void add_third(struct st_writer *w, const struct row *r, const float *x)
{
    static float *all[2]; /* biases, weights */
    static int have[2];
    int kind = r->rank - 1, which = r->how[0] == 'q' ? 0 : r->how[0] == 'k' ? 1 : 2;
    int64_t dim[2] = {3 * r->dim[0], r->dim[1]};
    if (!all[kind])
        all[kind] = malloc(3 * (size_t)r->count * sizeof *x);
    memcpy(all[kind] + which * r->count, x, (size_t)r->count * sizeof *x);
    if (++have[kind] < 3)
        return;
    add(w, r->single, r->rank, dim, all[kind], 3 * r->count);
    free(all[kind]);
    all[kind] = NULL;
    have[kind] = 0;
}

static void add_turned(struct st_writer *w, const struct row *r, const float *x)
{
    float *turned = malloc((size_t)r->count * sizeof *turned);
    for (int64_t i = 0; i < r->count; i++)
        turned[i % r->dim[1] * r->dim[0] + i / r->dim[1]] = x[i];
    add(w, r->single, 2, (int64_t[]){r->dim[1], r->dim[0]}, turned, r->count);
    free(turned);
}

static void add_single(struct st_writer *w, const struct row *r, const float *x)
{
    int64_t conv[4] = {r->dim[0], r->dim[1], 1, 1};
    if (r->how[0] == 'T')
        add_turned(w, r, x);
    else if (strchr("qkv", r->how[0]))
        add_third(w, r, x);
    else if (r->how[0] == 'c')
        add(w, r->single, 4, conv, x, r->count);
    else
        add(w, r->single, r->rank, r->dim, x, r->count);
}

static void save(struct st_writer *w, const char *fmt, const char *part)
{
    char path[256];
    struct bytes b = st_finish(w, -1);
    snprintf(path, sizeof path, fmt, scratch, part);
    bytes_save(&b, path);
    free(b.data);
}

static int write_models(void **state)
{
    (void)state;
    static const char *const parts[] = {"unet", "vae", "text_encoder_2"};
    char command[512];
    struct st_writer part[3] = {{.count = 0}}, single = {.count = 0};
    struct row r;
    assert_non_null(mkdtemp(scratch));
    snprintf(command, sizeof command,
             "mkdir %s/folder && cp -r " SHAPE "/[utv]* " SMALL "/model_index.json " SMALL
             "/scheduler " SMALL "/tokenizer_2 %s/folder",
             scratch, scratch);
    assert_int_equal(system(command), 0);
    FILE *f = fopen(SHAPE "/names.txt", "r");
    assert_non_null(f);
    while (next_row(f, &r)) {
        float *x = weights_of(&r);
        for (int i = 0; i < 3; i++)
            if (!strcmp(parts[i], r.part))
                add(&part[i], r.name, r.rank, r.dim, x, r.count);
        add_single(&single, &r, x);
        free(x);
    }
    fclose(f);
    save(&part[0], "%s/folder/%s/diffusion_pytorch_model.safetensors", parts[0]);
    save(&part[1], "%s/folder/%s/diffusion_pytorch_model.safetensors", parts[1]);
    save(&part[2], "%s/folder/%s/model.safetensors", parts[2]);
    save(&single, "%s/%s.safetensors", "single");
    return 0;
}

static int remove_models(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", scratch);
    return system(command);
}

/* ---- runs ---- */

static struct pipeline *open_refined(const char *refiner)
{
    struct err e = {0};
    char path[256];
    snprintf(path, sizeof path, "%s/%s", scratch, refiner);
    struct pipeline_options opt = {
        .device = "cpu", .precision = "fp32", .refiner = path, .tokenizer = BASE};
    struct pipeline *p = pipeline_open(BASE, &opt, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

enum { LATENT = 8 * 8 * 4 };

static void keep(void *user, const float *values, int n, int h, int w, int c)
{
    assert_int_equal(n * h * w * c, LATENT);
    memcpy(user, values, LATENT * sizeof *values);
}

/* Three steps; at: where the refiner takes over. Returns whether a note says `says`. */
static bool run(struct pipeline *p, double at, const struct lora_use *lora, const char *says,
                float latent[LATENT])
{
    struct err e = {0};
    struct gen_result r;
    struct gen_params g = {.prompt = "a red slime",
                           .seed = 7,
                           .steps = 3,
                           .cfg = 5,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .aesthetic = 6,
                           .negative_aesthetic = 2.5f,
                           .refiner_switch = at,
                           .loras = lora,
                           .lora_count = lora ? 1 : 0};
    struct gen_hooks hooks = {.user = latent, .latents = keep};
    if (pipeline_run(p, &g, &hooks, &r, &e) < 0)
        fail_msg("%s", e.text);
    bool said = false;
    for (int i = 0; i < r.notes.count; i++)
        said |= strstr(r.notes.line[i], says) != NULL;
    gen_result_free(&r);
    return said;
}

static double difference(const float *a, const float *b)
{
    double d = 0, all = 0;
    for (int i = 0; i < LATENT; i++) {
        d += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        all += (double)b[i] * (double)b[i];
    }
    return sqrt(d / all);
}

/* The config that a single file is read to have, and every tensor. */
static void test_same_model(void **state)
{
    (void)state;
    struct err e = {0};
    char path[2][256];
    struct checkpoint *c[2];
    for (int i = 0; i < 2; i++) {
        snprintf(path[i], sizeof path[i], "%s/%s", scratch, i ? "single.safetensors" : "folder");
        c[i] = checkpoint_open(path[i], NULL, &e);
        if (!c[i])
            fail_msg("%s", e.text);
    }
    const struct model_config *a = checkpoint_config(c[0]), *b = checkpoint_config(c[1]);
    assert_true(a->refiner && b->refiner);
    assert_int_equal(b->unet.levels, 4);
    assert_int_equal(b->unet.heads[1], 1); /* of 64 channels */
    assert_int_equal(b->unet.heads[2], 2); /* of 128 */
    assert_memory_equal(&a->unet, &b->unet, sizeof a->unet);
    assert_memory_equal(&a->vae, &b->vae, sizeof a->vae);
    assert_memory_equal(&a->text[1], &b->text[1], sizeof a->text[1]);
    struct part_summary sa[PART_COUNT], sb[PART_COUNT];
    checkpoint_summary(c[0], sa);
    checkpoint_summary(c[1], sb);
    for (int i = PART_TEXT2; i < PART_COUNT; i++)
        assert_int_equal(sa[i].parameters, sb[i].parameters);
    const char *extra[1];
    assert_int_equal(checkpoint_unused(c[1], extra, 1), 0);
    checkpoint_close(c[0]);
    checkpoint_close(c[1]);
}

static void check_single_file(struct pipeline *single)
{
    struct pipeline *folder = open_refined("folder");
    float a[LATENT], b[LATENT], base[LATENT];
    run(folder, 0.4, NULL, "", a);
    run(single, 0.4, NULL, "", b);
    run(single, 1, NULL, "", base);
    printf("  folder and single file differ by %g; the refiner's part is %.2g\n", difference(a, b),
           difference(base, b));
    assert_memory_equal(a, b, sizeof a);
    assert_true(difference(base, b) > 0.05);
    pipeline_close(folder);
}

/* One that changes the queries of the base's deepest level. */
static void write_lora(void)
{
#define MODULE "lora_unet_down_blocks_2_attentions_0_transformer_blocks_0_attn1_to_q."
    struct st_writer w = {.count = 0};
    float x[2 * 64];
    for (int i = 0; i < 2 * 64; i++)
        x[i] = (float)(i * 37 % 64 - 32) / 100;
    add(&w, MODULE "lora_down.weight", 2, (int64_t[]){2, 64}, x, 2 * 64);
    add(&w, MODULE "lora_up.weight", 2, (int64_t[]){64, 2}, x, 2 * 64);
    save(&w, "%s/%s.safetensors", "lora");
}

/* They change the base model's steps, and say that they leave the refiner's. */
static void check_loras(struct pipeline *p)
{
    char path[256];
    snprintf(path, sizeof path, "%s/lora.safetensors", scratch);
    struct lora_use lora = {"lora", path, 1, 1};
    const char *says = "the LoRA changes the base model alone; the refiner works without";
    float plain[LATENT], with[LATENT];
    write_lora();
    /* All steps are the refiner's: the LoRA changes nothing, to the bit. */
    assert_false(run(p, 0, NULL, says, plain));
    assert_true(run(p, 0, &lora, says, with));
    assert_memory_equal(plain, with, sizeof plain);
    /* Some are: it changes the base's, and leaves again. */
    assert_false(run(p, 0.4, NULL, says, plain));
    assert_true(run(p, 0.4, &lora, says, with));
    printf("  with the LoRA in the base's steps: %.2g\n", difference(with, plain));
    assert_true(difference(with, plain) > 1e-3);
    assert_false(run(p, 0.4, NULL, says, with));
    assert_memory_equal(plain, with, sizeof plain);
}

static void test_runs(void **state)
{
    (void)state;
    struct pipeline *p = open_refined("single.safetensors");
    check_single_file(p);
    check_loras(p);
    pipeline_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_model),
                                       cmocka_unit_test(test_runs)};
    return cmocka_run_group_tests(tests, write_models, remove_models);
}
