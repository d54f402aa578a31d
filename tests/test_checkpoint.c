/*
 * Whole models: a folder and a single file of one model are the same numbers under the same names,
 * and a model that is broken, foreign or hostile is refused in one line.
 *
 * Needs tests/golden/small_a (fp16 variant, sharded UNet), small_a_single.safetensors (mixed types,
 * original names) and small_b (plain F32 files); see tests/golden/README.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <unistd.h>

#include "ops/half.h"
#include "sdxl/checkpoint.h"
#include "sdxl/keymap.h"
#include "sdxl/weight_files.h"
#include "st_writer.h"

#define A      "tests/golden/small_a"
#define B      "tests/golden/small_b"
#define SINGLE "tests/golden/small_a_single.safetensors"

static char scratch[] = "/tmp/spritty_checkpoint_XXXXXX";

static int make_scratch(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void shell(const char *fmt, ...)
{
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    assert_int_equal(system(command), 0);
}

static int drop_scratch(void **state)
{
    (void)state;
    shell("rm -rf %s", scratch);
    return 0;
}

static struct checkpoint *open_good(const char *path, const char *variant)
{
    struct err e = {0};
    struct checkpoint *c = checkpoint_open(path, variant, &e);
    if (!c)
        fail_msg("%s", e.text);
    return c;
}

static void open_bad(const char *path, const char *want)
{
    struct err e = {0};
    struct checkpoint *c = checkpoint_open(path, NULL, &e);
    checkpoint_close(c);
    if (c || !strstr(e.text, want) || strchr(e.text, '\n'))
        fail_msg("%s: \"%s\" should say \"%s\"", path, e.text, want);
}

/* -- values -- */

static float value_at(const struct param *p, int64_t i)
{
    const uint16_t *h = p->data;
    if (p->dtype == DT_F32)
        return ((const float *)p->data)[i];
    return p->dtype == DT_F16 ? f32_from_f16(h[i]) : f32_from_bf16(h[i]);
}

static int64_t count_of(const struct param *p)
{
    int64_t n = 1;
    for (int i = 0; i < p->rank; i++)
        n *= p->dim[i];
    return n;
}

/* The same numbers; a transposed matrix is read across, trailing sizes of 1 do not count. */
static void check_same(const char *name, const struct param *a, const struct param *b)
{
    int64_t n = count_of(a);
    if (count_of(b) != n)
        fail_msg("%s: %" PRId64 " and %" PRId64 " elements", name, n, count_of(b));
    for (int i = 0; !b->transposed && i < 4; i++) {
        int64_t da = i < a->rank ? a->dim[i] : 1, db = i < b->rank ? b->dim[i] : 1;
        if (da != db)
            fail_msg("%s: size %d is %" PRId64 " and %" PRId64, name, i, da, db);
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t j = b->transposed ? i % a->dim[1] * b->dim[1] + i / a->dim[1] : i;
        if (f32_bits(value_at(a, i)) != f32_bits(value_at(b, j)))
            fail_msg("%s: element %" PRId64 " is %g and %g", name, i, value_at(a, i),
                     value_at(b, j));
    }
}

/* Every tensor of every part of the folder `dir`, found in `a` by its name and compared with what
 * `b` has under that name. Returns how many. */
static int compare_all(const char *dir, const struct checkpoint *a, const struct checkpoint *b)
{
    static const char *const folder[] = {"text_encoder", "text_encoder_2", "unet", "vae"};
    int compared = 0;
    for (int part = 0; part <= PART_VAE; part++) {
        struct weight_files w;
        struct err e = {0};
        char path[256];
        snprintf(path, sizeof path, "%s/%s", dir, folder[part]);
        const char *stem = part < PART_UNET ? "model" : "diffusion_pytorch_model";
        if (weight_files_open_folder(&w, path, stem, NULL, &e) != 0)
            fail_msg("%s", e.text);
        for (int i = 0; i < w.count; i++) {
            struct param p, q;
            if (!w.tensor[i]->is_weight)
                continue;
            if (checkpoint_find(a, part, w.tensor[i]->name, &p, &e) != 0 ||
                checkpoint_find(b, part, w.tensor[i]->name, &q, &e) != 0)
                fail_msg("%s", e.text);
            check_same(w.tensor[i]->name, &p, &q);
            compared++;
        }
        weight_files_close(&w);
    }
    return compared;
}

static void test_single_is_folder(void **state)
{
    (void)state;
    struct checkpoint *folder = open_good(A, NULL), *single = open_good(SINGLE, NULL);
    int n = compare_all(A, folder, single);
    printf("%d tensors are the same in folder and single file\n", n);
    assert_int_equal(n, 52 + 69 + 250 + 180); /* as many as small_a has */

    /* Inferred is as configured, but for what a single file does not say. */
    struct model_config a = *checkpoint_config(folder), b = *checkpoint_config(single);
    b.default_size = a.default_size;
    assert_memory_equal(a.text, b.text, sizeof a.text);
    assert_memory_equal(&a.unet, &b.unet, sizeof a.unet);
    assert_memory_equal(&a.vae, &b.vae, sizeof a.vae);
    assert_true(a.schedule.beta_start == b.schedule.beta_start &&
                a.schedule.prediction == b.schedule.prediction);

    assert_false(checkpoint_is_single_file(folder));
    assert_true(checkpoint_is_single_file(single));
    assert_string_equal(checkpoint_tokenizer(folder, 1), A "/tokenizer_2");
    assert_null(checkpoint_tokenizer(single, 0));
    struct part_summary sa[PART_COUNT], sb[PART_COUNT];
    checkpoint_summary(folder, sa);
    checkpoint_summary(single, sb);
    assert_int_equal(sa[PART_UNET].parameters, sb[PART_UNET].parameters);
    assert_int_equal(sa[PART_UNET].dtypes, 1 << DT_F16);
    assert_int_equal(sb[PART_VAE].dtypes, 1 << DT_BF16);
    const char *extra[2];
    assert_int_equal(checkpoint_unused(folder, extra, 2), 0);
    assert_int_equal(checkpoint_unused(single, extra, 2), 3);
    assert_string_equal(extra[0], "alphas_cumprod");
    checkpoint_close(folder);
    checkpoint_close(single);
}

static void test_missing_and_foreign(void **state)
{
    (void)state;
    struct checkpoint *c = open_good(SINGLE, NULL);
    struct err e = {0};
    struct param p;
    assert_int_equal(checkpoint_find(c, PART_UNET, "conv_in.wait", &p, &e), -1);
    assert_non_null(strstr(e.text, "missing tensor model.diffusion_model.input_blocks.0.0.wait"));
    assert_null(p.data);
    assert_int_equal(checkpoint_find(c, PART_UNET, "down_blocks.9.resnets.0.conv1.weight", &p, &e),
                     -1);
    assert_false(checkpoint_has(c, PART_UNET, "down_blocks.99999999999.resnets.0.conv1.weight"));
    assert_false(checkpoint_has(c, PART_VAE, "conv_in.weight"));
    assert_true(checkpoint_has(c, PART_TEXT2, "text_model.encoder.layers.0.self_attn.k_proj.bias"));
    /* in the file, but no weight */
    const char *ids = "text_model.embeddings.position_ids";
    assert_true(checkpoint_has(c, PART_TEXT1, ids));
    assert_int_equal(checkpoint_find(c, PART_TEXT1, ids, &p, &e), -1);
    assert_non_null(strstr(e.text, "I64"));
    char longest[400];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (int part = 0; part < PART_COUNT; part++)
        assert_false(checkpoint_has(c, part, longest));
    checkpoint_close(c);
}

/* small_b has no "text_model." in front, as transformers 5 saves it. */
static void test_new_text_names(void **state)
{
    (void)state;
    struct checkpoint *c = open_good(B, NULL);
    assert_true(checkpoint_has(c, PART_TEXT1, "text_model.final_layer_norm.weight"));
    assert_true(checkpoint_has(c, PART_TEXT2, "text_model.final_layer_norm.weight"));
    assert_true(checkpoint_has(c, PART_TEXT2, "text_projection.weight"));
    assert_int_equal(compare_all(B, c, c), 68 + 53 + 530 + 152);
    checkpoint_close(c);
}

/* Pages go, contents stay. */
static void test_drop(void **state)
{
    (void)state;
    struct checkpoint *c = open_good(A, NULL), *other = open_good(A, NULL);
    struct err e;
    struct param p, q;
    const char *name = "mid_block.resnets.0.conv1.weight";
    assert_int_equal(checkpoint_find(c, PART_UNET, name, &p, &e), 0);
    assert_int_equal(checkpoint_find(other, PART_UNET, name, &q, &e), 0);
    checkpoint_drop(c, &p);
    check_same(name, &q, &p);
    checkpoint_drop(c, &(struct param){0});
    checkpoint_close(c);
    checkpoint_close(other);
}

/* -- rewriting the single file -- */

struct edit {
    const char *remove;   /* prefix of names to leave out, or NULL */
    const char *rename;   /* prefix to change ... */
    const char *to;       /* ... into this */
    const char *marks[3]; /* keys to add */
    int pad;              /* of the header; -1: to 8 bytes */
};

static const char *rewrite(const struct edit *edit)
{
    static char path[128];
    struct err e = {0};
    struct safetensors *st = safetensors_open(SINGLE, &e);
    assert_non_null(st);
    struct st_writer w = {0};
    for (int i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        char name[256];
        snprintf(name, sizeof name, "%s", t->name);
        if (edit->remove && strncmp(name, edit->remove, strlen(edit->remove)) == 0)
            continue;
        if (edit->rename && strncmp(name, edit->rename, strlen(edit->rename)) == 0)
            snprintf(name, sizeof name, "%s%s", edit->to, t->name + strlen(edit->rename));
        st_add(&w, name, t->type, t->rank, t->dim, t->data, (size_t)t->bytes);
    }
    for (int i = 0; i < 3 && edit->marks[i]; i++)
        st_mark(&w, edit->marks[i]);
    struct bytes b = st_finish(&w, edit->pad);
    snprintf(path, sizeof path, "%s/single.safetensors", scratch);
    bytes_save(&b, path);
    free(b.data);
    safetensors_close(st);
    return path;
}

/* A header of odd length: every weight at an odd address. Params are aligned copies then. */
static void test_odd_header(void **state)
{
    (void)state;
    struct checkpoint *folder = open_good(A, NULL);
    struct edit edit = {0};
    for (edit.pad = 0; edit.pad < 2; edit.pad++) { /* one of the two makes it odd */
        struct checkpoint *single = open_good(rewrite(&edit), NULL);
        assert_int_equal(compare_all(A, folder, single), 551);
        struct param p, again;
        struct err e;
        const char *name = "text_model.encoder.layers.1.self_attn.v_proj.weight";
        assert_int_equal(checkpoint_find(single, PART_TEXT2, name, &p, &e), 0);
        assert_int_equal((uintptr_t)p.data % dtype_size(p.dtype), 0);
        checkpoint_drop(single, &p);
        assert_int_equal(checkpoint_find(single, PART_TEXT2, name, &again, &e), 0);
        assert_ptr_equal(p.data, again.data);
        checkpoint_close(single);
    }
    checkpoint_close(folder);
}

static void test_objective(void **state)
{
    (void)state;
    struct checkpoint *c = open_good(rewrite(&(struct edit){.pad = -1, .marks = {"v_pred"}}), NULL);
    assert_int_equal(checkpoint_config(c)->schedule.prediction, PREDICT_V);
    assert_false(checkpoint_config(c)->schedule.zero_terminal_snr);
    checkpoint_close(c);
    c = open_good(rewrite(&(struct edit){.pad = -1, .marks = {"v_pred", "ztsnr"}}), NULL);
    assert_int_equal(checkpoint_config(c)->schedule.prediction, PREDICT_V);
    assert_true(checkpoint_config(c)->schedule.zero_terminal_snr);
    checkpoint_close(c);
    open_bad(
        rewrite(&(struct edit){.pad = -1, .marks = {"edm_vpred.sigma_max", "edm_vpred.sigma_min"}}),
        "EDM preconditioning, which is not supported yet");
}

static void test_foreign_single_files(void **state)
{
    (void)state;
    static const struct {
        struct edit edit;
        const char *want;
    } cases[] = {
        {{.remove = "first_stage_model."}, "no VAE"},
        {{.remove = "conditioner."}, "no text encoders"},
        {{.remove = "model.diffusion_model."}, "no SDXL checkpoint"},
        {{.remove = "model.diffusion_model.label_emb"}, "no size conditions"},
        {{.remove = "model.diffusion_model.out.2"}, "missing tensor model.diffusion_model.out.2"},
        {{.remove = "model.diffusion_model.middle_block.1"}, "no attention"},
        {{.remove = "model.diffusion_model.output_blocks.1."}, "differ within a level"},
        {{.remove = "model.diffusion_model.input_blocks.1."}, "differ within a level"},
        {{.remove = "first_stage_model.decoder.up.2.block.1."}, "differ in their blocks"},
        {{.remove = "first_stage_model.encoder.down.0"}, "no levels"},
        {{.remove = "conditioner.embedders.1.model.text_projection"}, "text_projection"},
        {{.remove = "conditioner.embedders.1.model.transformer.resblocks.1"}, "few"},
        {{.rename = "conditioner.embedders.1.model.", .to = "conditioner.embedders.0.model."},
         "expects text states"},
        {{.rename = "conditioner.embedders.0.", .to = "cond_stage_model."}, "Stable Diffusion 1"},
        {{.marks = {"lora_unet_down_blocks_0.lora_down.weight"}}, "is a LoRA"},
        {{.marks = {"model.diffusion_model.double_blocks.0.x"}}, "transformer model"},
        {{.rename = "model.diffusion_model.", .to = "double_blocks.0."}, "Flux, SD3"},
        {{.rename = "model.diffusion_model.", .to = "control_model."},
         "is a ControlNet, not a model"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct edit edit = cases[i].edit;
        edit.pad = -1;
        open_bad(rewrite(&edit), cases[i].want);
    }
    open_bad(B "/vae/diffusion_pytorch_model.safetensors", "is a VAE, not a model; give it with");
    open_bad(B "/unet/diffusion_pytorch_model.safetensors", "one part of a diffusers folder");
    open_bad(B "/text_encoder/model.safetensors", "one part of a diffusers folder");
    open_bad(B "/vae", "is one part of a model; give the folder above it");
    open_bad("tests/golden/lora/bare.safetensors", "is a LoRA, not a model");
    open_bad("tests/golden/embeddings", "has no model_index.json; give a diffusers folder");
    open_bad(A "/model_index.json", "JSON file");
    open_bad("/nowhere/model.safetensors", "No such file");
    open_bad("/nowhere/model.ckpt", "pickle");
    open_bad("/nowhere/MODEL.PT", "pickle");
}

/* -- folders -- */

/* A fresh copy of small_a or small_b. */
static const char *copy_of(const char *model)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/model", scratch);
    shell("rm -rf %s && cp -r %s %s && chmod -R u+w %s", path, model, path, path);
    return path;
}

/* Each case: a shell command run inside a copy of the model, and what opening it then says. */
static void test_broken_folders(void **state)
{
    (void)state;
    static const struct {
        const char *model, *command, *want;
    } cases[] = {
        {B, "rm model_index.json", "no model_index.json"},
        {B, "echo '{' > model_index.json", "broken JSON in line"},
        {B, "sed -i s/StableDiffusionXLPipeline/FluxPipeline/ model_index.json", "FluxPipeline"},
        {B, "rm unet/config.json", "unet/config.json: cannot open"},
        {B, "rm -r vae", "vae/config.json: cannot open"},
        {B, "rm scheduler/*", "scheduler_config.json: cannot open"},
        {B, ": > vae/config.json", "is empty"},
        {B, "head -c 2000000 /dev/zero > vae/config.json", "too long"},
        {B, "rm unet/*.safetensors", "has no diffusion_pytorch_model.safetensors"},
        {B, "mv vae/diffusion_pytorch_model.safetensors vae/diffusion_pytorch_model.bin",
         "pickled weights"},
        {B, "mv text_encoder/model.safetensors text_encoder/pytorch_model.bin", "pickled weights"},
        {B, "truncate -s -1 unet/*.safetensors", "cut short"},
        {B, "truncate -s 100 unet/*.safetensors", "cut short"},
        {B, "echo '{}' > tokenizer/vocab.json", "begin token"},
        {B, "sed -i 's/\"vocab_size\": 564/\"vocab_size\": 563/' text_encoder/config.json",
         "ids up to 563"},
        {B, "sed -i 's/\"layers_per_block\": [0-9]*/\"layers_per_block\": 8/' unet/config.json",
         "\"layers_per_block\" must be a whole number from 1 to 7"},
        {B, "sed -i 's/\"layers_per_block\": [0-9]*/\"layers_per_block\": 8/' vae/config.json",
         "\"layers_per_block\" must be a whole number from 1 to 7"},
        {B, "sed -i 's/\"out_channels\": 3/\"out_channels\": 4/' vae/config.json",
         "\"out_channels\" must be 3"},
        {B, "sed -i 's/\"num_train_timesteps\": 1000/\"num_train_timesteps\": 5000/' scheduler/*",
         "\"num_train_timesteps\" must be a whole number from 2 to 4096"},
        {B, "sed -i 's/DDIMScheduler/EDMEulerScheduler/' scheduler/*", "another kind of noise"},
        {B, "sed -i '1a\"timestep_type\": \"continuous\",' scheduler/*",
         "\"timestep_type\" is set"},
        {B, "mkdir snapshots; rm model_index.json", "one of the folders in its folder snapshots"},
        {B, "echo '[' > tokenizer_2/tokenizer_config.json", "tokenizer_config.json: broken JSON"},
        {B, "echo '{\"latent_rgb_factors\": 3}' > spritty.json", "latent_rgb_factors"},
        {A, "rm unet/*-00002-of-*", "00002-of-00003.safetensors: is missing; it is part"},
        {A, "cp unet/*-00001-of-* `echo unet/*-00002-of-*`", "is in another shard too"},
        {A, "cp vae/*.safetensors `echo unet/*-00002-of-*`", "is in no shard"},
        {A, "echo '{}' > `echo unet/*.index.fp16.json`", "weight_map"},
        {A, "sed -i s,diffusion_pytorch_model.fp16-00001,../../x, unet/*.index.fp16.json",
         "no .safetensors file in the same folder"},
        {A, "sed -i s,diffusion_pytorch_model.fp16-00001,/etc/x, unet/*.index.fp16.json",
         "no .safetensors file in the same folder"},
        {A, "sed -i 's,diffusion_pytorch_model.fp16-00001,x\\\\n,' unet/*.index.fp16.json",
         "no .safetensors file in the same folder"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = copy_of(cases[i].model);
        shell("cd %s && %s", path, cases[i].command);
        open_bad(path, cases[i].want);
    }
}

/* A file that is cut short, or written anew, under an open model: told, and no crash. */
static void test_changed(void **state)
{
    (void)state;
    const char *path = copy_of(A), *name = "decoder.conv_out.weight";
    struct checkpoint *c = open_good(path, NULL), *whole = open_good(A, NULL);
    struct param p, q;
    struct err e = {""};
    assert_int_equal(checkpoint_find(c, PART_VAE, name, &p, &e), 0);
    assert_int_equal(checkpoint_find(whole, PART_VAE, name, &q, &e), 0);
    check_same(name, &p, &q);
    assert_int_equal(checkpoint_was_read(c, &e), 0);
    assert_false(checkpoint_changed(c));
    shell("cd %s/vae && cp *.safetensors new && mv new *.safetensors", path);
    assert_true(checkpoint_changed(c)); /* what is open is the old file, which is whole */
    check_same(name, &p, &q);
    assert_int_equal(checkpoint_was_read(c, &e), 0);
    checkpoint_close(c);

    c = open_good(path, NULL); /* in place: the map has the new bytes */
    shell("cd %s/vae && cp *.safetensors new && cat new > $(ls *.safetensors) && rm new", path);
    assert_true(checkpoint_changed(c));
    assert_int_equal(checkpoint_was_read(c, &e), -1);
    assert_non_null(strstr(e.text, "was written over while it was read"));
    checkpoint_close(c);

    c = open_good(path, NULL);
    assert_false(checkpoint_changed(c));
    assert_int_equal(checkpoint_find(c, PART_VAE, name, &p, &e), 0);
    shell("truncate -s 20000 %s/vae/*.safetensors", path);
    assert_int_equal(((const uint16_t *)p.data)[p.dim[1] * 4], 0);
    assert_int_equal(checkpoint_was_read(c, &e), -1);
    assert_non_null(strstr(e.text, "was cut short while it was read"));
    assert_true(checkpoint_changed(c));
    assert_int_equal(checkpoint_was_read(whole, &e), 0);
    assert_false(checkpoint_changed(whole));
    checkpoint_close(c);
    checkpoint_close(whole);
}

/* The element type that a folder's VAE was opened with tells which file was taken. */
static enum dtype vae_type(const char *path, const char *variant)
{
    struct checkpoint *c = open_good(path, variant);
    struct param p;
    struct err e = {0};
    assert_int_equal(checkpoint_find(c, PART_VAE, "decoder.conv_in.weight", &p, &e), 0);
    checkpoint_close(c);
    return p.dtype;
}

static void test_variants(void **state)
{
    (void)state;
    const char *path = copy_of(A); /* only fp16 there: taken whatever is asked for */
    assert_int_equal(vae_type(path, NULL), DT_F16);
    assert_int_equal(vae_type(path, "bf16"), DT_F16);
    shell("cd %s/vae && cp diffusion_pytorch_model.fp16.safetensors "
          "diffusion_pytorch_model.aaa.safetensors && truncate -s 9 *.aaa.safetensors",
          path);
    assert_int_equal(vae_type(path, NULL), DT_F16); /* not the first by name, which is broken */
    assert_int_equal(vae_type(path, "fp16"), DT_F16);
    struct err e = {0};
    assert_null(checkpoint_open(path, "aaa", &e));
    assert_non_null(strstr(e.text, "aaa.safetensors"));

    path = copy_of(B); /* plain F32 and a made-up fp16 beside it */
    struct st_writer w = {0};
    st_add(&w, "decoder.conv_in.weight", "F16", 1, (int64_t[]){1}, NULL, 2);
    struct bytes b = st_finish(&w, -1);
    char file[256];
    snprintf(file, sizeof file, "%s/vae/diffusion_pytorch_model.fp16.safetensors", path);
    bytes_save(&b, file);
    free(b.data);
    assert_int_equal(vae_type(path, NULL), DT_F32);
    assert_int_equal(vae_type(path, "fp16"), DT_F16);
    assert_int_equal(vae_type(path, "no/../such"), DT_F32);
}

/* A folder may lack tokenizers; its encoders then use CLIP's own order of ids. */
static void test_no_tokenizer(void **state)
{
    (void)state;
    const char *path = copy_of(B);
    shell("rm -r %s/tokenizer %s/tokenizer_2/merges.txt", path, path);
    struct checkpoint *c = open_good(path, NULL);
    assert_null(checkpoint_tokenizer(c, 0));
    assert_null(checkpoint_tokenizer(c, 1));
    assert_int_equal(checkpoint_config(c)->text[0].eos, 563);
    checkpoint_close(c);
}

/* Names of the VAE's attention before diffusers 0.15. */
static void test_old_vae_names(void **state)
{
    (void)state;
    const char *path = copy_of(B);
    struct checkpoint *before = open_good(B, NULL);
    struct err e = {0};
    char file[256];
    snprintf(file, sizeof file, "%s/vae/diffusion_pytorch_model.safetensors", path);
    struct safetensors *st = safetensors_open(file, &e);
    assert_non_null(st);
    struct st_writer w = {0};
    static const char *const names[4][2] = {{".to_q.", ".query."},
                                            {".to_k.", ".key."},
                                            {".to_v.", ".value."},
                                            {".to_out.0.", ".proj_attn."}};
    for (int i = 0; i < safetensors_count(st); i++) {
        const struct st_tensor *t = safetensors_at(st, i);
        char name[256];
        snprintf(name, sizeof name, "%s", t->name);
        for (int k = 0; k < 4; k++) {
            const char *at = strstr(t->name, names[k][0]);
            if (at)
                snprintf(name, sizeof name, "%.*s%s%s", (int)(at - t->name), t->name, names[k][1],
                         at + strlen(names[k][0]));
        }
        st_add(&w, name, t->type, t->rank, t->dim, t->data, (size_t)t->bytes);
    }
    struct bytes b = st_finish(&w, -1);
    safetensors_close(st);
    bytes_save(&b, file);
    free(b.data);
    struct checkpoint *after = open_good(path, NULL);
    assert_int_equal(compare_all(B, before, after), 68 + 53 + 530 + 152);
    checkpoint_close(after);
    checkpoint_close(before);
}

/* SDXL base's numbering, which small_a is too small to show: pairs as diffusers'
 * convert_ldm_unet_checkpoint and convert_ldm_vae_checkpoint match them. */
static void test_base_names(void **state)
{
    (void)state;
    static const struct model_config base = {
        .unet = {.levels = 3, .layers = 2, .depth = {0, 2, 10}},
        .vae = {.levels = 4, .layers = 2},
    };
    static const struct {
        enum part part;
        const char *name, *original;
        int third;
        bool transposed;
    } cases[] = {
        {PART_UNET, "down_blocks.1.downsamplers.0.conv.weight", "input_blocks.6.0.op.weight", -1,
         0},
        {PART_UNET, "down_blocks.2.resnets.0.conv_shortcut.weight",
         "input_blocks.7.0.skip_connection.weight", -1, 0},
        {PART_UNET, "mid_block.resnets.1.time_emb_proj.bias", "middle_block.2.emb_layers.1.bias",
         -1, 0},
        {PART_UNET, "up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.2.conv.weight", -1, 0},
        {PART_UNET, "up_blocks.1.attentions.2.transformer_blocks.1.ff.net.0.proj.weight",
         "output_blocks.5.1.transformer_blocks.1.ff.net.0.proj.weight", -1, 0},
        {PART_UNET, "up_blocks.2.resnets.1.norm2.weight", "output_blocks.7.0.out_layers.0.weight",
         -1, 0},
        {PART_VAE, "encoder.mid_block.attentions.0.to_out.0.bias",
         "encoder.mid.attn_1.proj_out.bias", -1, 0},
        {PART_VAE, "decoder.up_blocks.2.resnets.0.conv_shortcut.bias",
         "decoder.up.1.block.0.nin_shortcut.bias", -1, 0},
        {PART_VAE, "decoder.up_blocks.0.upsamplers.0.conv.weight",
         "decoder.up.3.upsample.conv.weight", -1, 0},
        {PART_VAE, "decoder.conv_norm_out.bias", "decoder.norm_out.bias", -1, 0},
        {PART_TEXT1, "text_model.final_layer_norm.bias", "text_model.final_layer_norm.bias", -1, 0},
        {PART_TEXT2, "text_model.encoder.layers.31.self_attn.v_proj.bias",
         "transformer.resblocks.31.attn.in_proj_bias", 2, 0},
        {PART_TEXT2, "text_model.embeddings.position_embedding.weight", "positional_embedding", -1,
         0},
        {PART_TEXT2, "text_projection.weight", "text_projection", -1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct key key;
        assert_true(keymap_single(&base, cases[i].part, cases[i].name, &key));
        size_t prefix = strlen(keymap_prefix(&base, cases[i].part));
        assert_memory_equal(key.name, keymap_prefix(&base, cases[i].part), prefix);
        assert_string_equal(key.name + prefix, cases[i].original);
        assert_int_equal(key.third, cases[i].third);
        assert_int_equal(key.transposed, cases[i].transposed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_is_folder),
        cmocka_unit_test(test_missing_and_foreign),
        cmocka_unit_test(test_new_text_names),
        cmocka_unit_test(test_drop),
        cmocka_unit_test(test_odd_header),
        cmocka_unit_test(test_objective),
        cmocka_unit_test(test_foreign_single_files),
        cmocka_unit_test(test_broken_folders),
        cmocka_unit_test(test_changed),
        cmocka_unit_test(test_variants),
        cmocka_unit_test(test_no_tokenizer),
        cmocka_unit_test(test_old_vae_names),
        cmocka_unit_test(test_base_names),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
