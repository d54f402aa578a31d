/* VAEs that are given beside a model, by their files: sizes that are read off the tensors are those
 * of config.json, and what is of another shape, or no VAE, is refused by name. (test_networks.c has
 * what they compute.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdxl/checkpoint.h"
#include "sdxl/config.h"
#include "st_writer.h"

#define FOLDER "tests/golden/small_tiny_vae"

static struct vae_config sizes_of(const char *path)
{
    struct err e = {""};
    struct checkpoint *c = checkpoint_open_vae(path, &e);
    if (!c)
        fail_msg("%s", e.text);
    struct vae_config sizes = checkpoint_config(c)->vae;
    checkpoint_close(c);
    return sizes;
}

static void assert_same(const struct vae_config *a, const struct vae_config *b)
{
    assert_memory_equal(a->channels, b->channels, sizeof a->channels);
    assert_memory_equal(a->tiny_blocks, b->tiny_blocks, sizeof a->tiny_blocks);
    assert_int_equal(a->levels, b->levels);
    assert_int_equal(a->layers, b->layers);
    assert_int_equal(a->norm_groups, b->norm_groups);
    assert_int_equal(a->latent_channels, b->latent_channels);
    assert_int_equal(a->mid_attention, b->mid_attention);
    assert_int_equal(a->quant_conv, b->quant_conv);
    assert_int_equal(a->post_quant_conv, b->post_quant_conv);
    assert_int_equal(a->tiny, b->tiny);
    assert_true(a->scaling_factor == b->scaling_factor);
}

static void sizes_are_read_off_the_file(void **state)
{
    (void)state;
    struct vae_config a = sizes_of(FOLDER);
    struct vae_config b = sizes_of(FOLDER "/diffusion_pytorch_model.safetensors");
    assert_true(a.tiny);
    assert_int_equal(a.levels, 4);
    assert_int_equal(a.channels[3], 12);
    assert_int_equal(a.tiny_blocks[0][0], 2);
    assert_int_equal(a.tiny_blocks[1][3], 2);
    assert_same(&a, &b);
}

/* One VAE in every form: the folder, a file in it, that file alone without its config.json, the
 * model's folder, the model's single file. */
static void every_form_is_the_same(void **state)
{
    (void)state;
#define FILE_NAME "diffusion_pytorch_model.fp16.safetensors"
    static const char *const forms[] = {
        "tests/golden/small_a/vae", "tests/golden/small_a/vae/" FILE_NAME, "tests/golden/small_a",
        "tests/golden/small_a_single.safetensors"};
    char dir[] = "/tmp/vae-files-XXXXXX", alone[64], target[PATH_MAX];
    struct vae_config want = sizes_of(forms[0]);
    for (int i = 1; i < 4; i++) {
        struct vae_config got = sizes_of(forms[i]);
        assert_same(&got, &want);
    }
    assert_non_null(mkdtemp(dir));
    assert_non_null(realpath(forms[1], target));
    snprintf(alone, sizeof alone, "%s/v.safetensors", dir);
    assert_int_equal(symlink(target, alone), 0);
    struct vae_config got = sizes_of(alone);
    unlink(alone);
    rmdir(dir);
    assert_same(&got, &want);
}

/* A file with these tensors, of some shape, is refused with that text. */
static void refused(const char *const *names, int count, const char *want)
{
    char path[] = "/tmp/tiny-vae-XXXXXX.safetensors";
    struct err e = {""};
    struct st_writer w = {0};
    int fd = mkstemps(path, 12);
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < count; i++) {
        bool bias = strstr(names[i], ".bias") != NULL;
        st_add(&w, names[i], "F32", bias ? 1 : 4, bias ? (int64_t[]){8} : (int64_t[]){8, 4, 3, 3},
               NULL, bias ? 32 : 4 * 8 * 4 * 9);
    }
    struct bytes file = st_finish(&w, -1);
    bytes_save(&file, path);
    free(file.data);
    struct checkpoint *c = checkpoint_open_vae(path, &e);
    unlink(path);
    if (c || !strstr(e.text, want))
        fail_msg("'%s' instead of '%s'", c ? "opened" : e.text, want);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    static const char *const half[] = {"1.weight", "3.conv.0.weight"};
    static const char *const decoder[] = {"decoder.layers.0.weight", "decoder.layers.0.bias"};
    static const char *const endless[] = {"decoder.layers.0.weight", "encoder.layers.0.weight"};
    static const char *const lora[] = {"lora_unet_a.lora_up.weight",
                                       "lora_unet_a.lora_down.weight"};
    static const char *const nothing[] = {"a.weight"};
    refused(lora, 2, "is a LoRA, not a VAE");
    refused(nothing, 1, "it has no decoder");
    refused(half, 2, "half of a tiny VAE");
    refused(decoder, 2, "missing tensor encoder.layers.0.weight");
    refused(endless, 2, "too many levels");
    char names[MAX_BLOCKS + 3][40];
    const char *many[MAX_BLOCKS + 3] = {"decoder.layers.0.weight", "encoder.layers.0.weight"};
    for (int i = 0; i < MAX_BLOCKS + 1; i++) {
        snprintf(names[i], sizeof names[i], "decoder.layers.%d.conv.0.weight", i + 2);
        many[i + 2] = names[i];
    }
    refused(many, MAX_BLOCKS + 3, "too many blocks");
}

static void parsed(const char *text, const char *want)
{
    struct err e = {""};
    struct vae_config c;
    struct json_doc *doc = json_parse(text, strlen(text), "config.json", &e);
    int rc = doc ? config_parse_vae(json_root(doc), &c, &e) : -1;
    json_free(doc);
    if (!want && rc != 0)
        fail_msg("%s", e.text);
    if (want && (rc == 0 || !strstr(e.text, want)))
        fail_msg("'%s' instead of '%s'", rc ? e.text : "read", want);
}

#define TINY(decoder, encoder, blocks, more)                                                       \
    "{\"_class_name\":\"AutoencoderTiny\",\"decoder_block_out_channels\":" decoder                 \
    ",\"encoder_block_out_channels\":" encoder ",\"num_decoder_blocks\":" blocks                   \
    ",\"num_encoder_blocks\":[1,3]" more "}"

static void other_shapes_are_refused(void **state)
{
    (void)state;
    parsed(TINY("[64,64]", "[64,64]", "[3,1]", ""), NULL);
    parsed(TINY("[64,64]", "[64,64]", "[3,1]", ",\"act_fn\":\"relu\",\"shift_factor\":0.0"), NULL);
    parsed(TINY("[64,32]", "[64,64]", "[3,1]", ""), "differs between levels");
    parsed(TINY("[64,64]", "[32,32]", "[3,1]", ""), "differs between levels");
    parsed(TINY("[64,64]", "[64]", "[3,1]", ""), "an entry for each");
    parsed(TINY("[64,64,64]", "[64,64]", "[3,1,1]", ""), "an entry for each");
    parsed(TINY("[64,64]", "[64,64]", "[3,9]", ""), "num_decoder_blocks");
    parsed(TINY("[64,64]", "[64,64]", "7", ""), "num_decoder_blocks");
    parsed(TINY("[64,64]", "[64,64]", "[3,1]", ",\"act_fn\":\"mish\""), "act_fn");
    parsed(TINY("[64,64]", "[64,64]", "[3,1]", ",\"upsampling_scaling_factor\":3"), "upsampling");
    parsed(TINY("[64,64]", "[64,64]", "[3,1]", ",\"latent_channels\":64"), "latent_channels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read_off_the_file),
        cmocka_unit_test(every_form_is_the_same),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
