/* Tiny VAEs by their files: sizes read off the tensors are those of config.json, and what is of
 * another shape is refused by name. (test_networks.c has what they compute.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdxl/checkpoint.h"
#include "sdxl/config.h"
#include "st_writer.h"

#define FOLDER "tests/golden/small_tiny_vae"

static void sizes_are_read_off_the_file(void **state)
{
    (void)state;
    struct err e = {""};
    struct checkpoint *folder = checkpoint_open_vae(FOLDER, &e);
    struct checkpoint *file = checkpoint_open_vae(FOLDER "/diffusion_pytorch_model.safetensors",
                                                  &e);
    if (!folder || !file)
        fail_msg("%s", e.text);
    const struct vae_config *a = &checkpoint_config(folder)->vae,
                            *b = &checkpoint_config(file)->vae;
    assert_true(a->tiny && b->tiny);
    assert_int_equal(a->levels, 4);
    assert_int_equal(a->channels[3], 12);
    assert_int_equal(a->tiny_blocks[0][0], 2);
    assert_int_equal(a->tiny_blocks[1][3], 2);
    assert_int_equal(a->levels, b->levels);
    assert_memory_equal(a->channels, b->channels, sizeof a->channels);
    assert_memory_equal(a->tiny_blocks, b->tiny_blocks, sizeof a->tiny_blocks);
    assert_int_equal(a->latent_channels, b->latent_channels);
    assert_true(a->scaling_factor == b->scaling_factor);
    checkpoint_close(folder);
    checkpoint_close(file);
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
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(other_shapes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
