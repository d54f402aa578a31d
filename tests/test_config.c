/* config.json files: SDXL's own are read right, and what spritty cannot compute is refused by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdxl/config.h"

/* SDXL base's values, key by key (its config.json files as diffusers writes them). */
static const char unet_json[] =
    "{\"_class_name\":\"UNet2DConditionModel\",\"act_fn\":\"silu\",\"addition_embed_type\":"
    "\"text_time\",\"addition_embed_type_num_heads\":64,\"addition_time_embed_dim\":256,"
    "\"attention_head_dim\":[5,10,20],\"block_out_channels\":[320,640,1280],"
    "\"center_input_sample\":false,\"class_embed_type\":null,\"class_embeddings_concat\":false,"
    "\"conv_in_kernel\":3,\"conv_out_kernel\":3,\"cross_attention_dim\":2048,"
    "\"cross_attention_norm\":null,\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\","
    "\"CrossAttnDownBlock2D\"],\"downsample_padding\":1,\"dual_cross_attention\":false,"
    "\"encoder_hid_dim\":null,\"encoder_hid_dim_type\":null,\"flip_sin_to_cos\":true,"
    "\"freq_shift\":0,\"in_channels\":4,\"layers_per_block\":2,\"mid_block_only_cross_attention\":"
    "null,\"mid_block_scale_factor\":1,\"mid_block_type\":\"UNetMidBlock2DCrossAttn\",\"norm_eps\":"
    "1e-05,\"norm_num_groups\":32,\"num_attention_heads\":null,\"num_class_embeds\":null,"
    "\"only_cross_attention\":false,\"out_channels\":4,\"projection_class_embeddings_input_dim\":"
    "2816,\"resnet_out_scale_factor\":1.0,\"resnet_skip_time_act\":false,"
    "\"resnet_time_scale_shift\":\"default\",\"sample_size\":128,\"time_cond_proj_dim\":null,"
    "\"time_embedding_act_fn\":null,\"time_embedding_dim\":null,\"time_embedding_type\":"
    "\"positional\",\"timestep_post_act\":null,\"transformer_layers_per_block\":[1,2,10],"
    "\"up_block_types\":[\"CrossAttnUpBlock2D\",\"CrossAttnUpBlock2D\",\"UpBlock2D\"],"
    "\"upcast_attention\":null,\"use_linear_projection\":true}";
static const char vae_json[] =
    "{\"_class_name\":\"AutoencoderKL\",\"act_fn\":\"silu\",\"block_out_channels\":[128,256,512,"
    "512]"
    ",\"down_block_types\":[\"DownEncoderBlock2D\",\"DownEncoderBlock2D\",\"DownEncoderBlock2D\","
    "\"DownEncoderBlock2D\"],\"force_upcast\":true,\"in_channels\":3,\"latent_channels\":4,"
    "\"layers_per_block\":2,\"norm_num_groups\":32,\"out_channels\":3,\"sample_size\":1024,"
    "\"scaling_factor\":0.13025,\"up_block_types\":[\"UpDecoderBlock2D\",\"UpDecoderBlock2D\","
    "\"UpDecoderBlock2D\",\"UpDecoderBlock2D\"]}";
static const char clip1_json[] =
    "{\"architectures\":[\"CLIPTextModel\"],\"bos_token_id\":0,\"eos_token_id\":2,\"hidden_act\":"
    "\"quick_gelu\",\"hidden_size\":768,\"intermediate_size\":3072,\"layer_norm_eps\":1e-05,"
    "\"max_position_embeddings\":77,\"num_attention_heads\":12,\"num_hidden_layers\":12,"
    "\"pad_token_id\":1,\"projection_dim\":768,\"vocab_size\":49408}";
static const char clip2_json[] =
    "{\"architectures\":[\"CLIPTextModelWithProjection\"],\"bos_token_id\":0,\"eos_token_id\":2,"
    "\"hidden_act\":\"gelu\",\"hidden_size\":1280,\"intermediate_size\":5120,\"layer_norm_eps\":"
    "1e-05,\"max_position_embeddings\":77,\"num_attention_heads\":20,\"num_hidden_layers\":32,"
    "\"pad_token_id\":1,\"projection_dim\":1280,\"vocab_size\":49408}";
static const char schedule_json[] =
    "{\"_class_name\":\"EulerDiscreteScheduler\",\"beta_end\":0.012,\"beta_schedule\":"
    "\"scaled_linear\",\"beta_start\":0.00085,\"num_train_timesteps\":1000,\"prediction_type\":"
    "\"epsilon\",\"timestep_spacing\":\"leading\",\"trained_betas\":null}";

enum file { UNET, VAE, CLIP1, CLIP2, SCHEDULE };
static const char *const good[] = {unet_json, vae_json, clip1_json, clip2_json, schedule_json};

static const struct token_ids clip_ids = {
    .bos = 49406, .eos = 49407, .pad = 49407, .largest = 49407};

static int parse(enum file file, const char *text, struct model_config *c, struct err *e)
{
    struct json_doc *doc = json_parse(text, strlen(text), "config.json", e);
    if (!doc)
        return -1;
    struct json root = json_root(doc);
    int rc = -1, sample = 0;
    if (file == UNET)
        rc = config_parse_unet(root, &c->unet, &sample, e);
    else if (file == VAE)
        rc = config_parse_vae(root, &c->vae, e);
    else if (file == SCHEDULE)
        rc = config_parse_schedule(root, &c->schedule, e);
    else
        rc = config_parse_clip(root, file == CLIP2, &clip_ids, &c->text[file == CLIP2], e);
    if (file == UNET)
        c->default_size = sample * 8;
    json_free(doc);
    return rc;
}

static void parse_good(struct model_config *c)
{
    *c = (struct model_config){0};
    struct err e = {0};
    for (int i = UNET; i <= SCHEDULE; i++)
        if (parse(i, good[i], c, &e) != 0)
            fail_msg("%s", e.text);
}

static void test_sdxl_base(void **state)
{
    (void)state;
    struct model_config c;
    struct err e = {0};
    parse_good(&c);
    assert_int_equal(config_check(&c, "base", &e), 0);
    assert_int_equal(c.unet.levels, 3);
    const int channels[] = {320, 640, 1280}, depth[] = {0, 2, 10}, heads[] = {5, 10, 20};
    assert_memory_equal(c.unet.channels, channels, sizeof channels);
    assert_memory_equal(c.unet.depth, depth, sizeof depth); /* not the 1 of the DownBlock2D */
    assert_memory_equal(c.unet.heads, heads, sizeof heads);
    assert_int_equal(c.unet.mid_depth, 10);
    assert_int_equal(c.unet.time_dim, 1280);
    assert_int_equal(c.unet.added_inputs, 2816);
    assert_true(c.unet.linear_projection && c.unet.flip_sin_to_cos);
    assert_true(c.unet.norm_eps == 1e-5f);
    assert_true(c.vae.scaling_factor == 0.13025f && c.vae.mid_attention && c.vae.quant_conv);
    assert_int_equal(c.vae_factor, 8);
    assert_int_equal(c.size_conditions, 6);
    assert_int_equal(c.default_size, 1024);
    assert_int_equal(c.text[0].projection, 0);
    assert_int_equal(c.text[1].projection, 1280);
    assert_int_equal(c.text[0].act, ACT_QUICK_GELU);
    assert_int_equal(c.text[1].act, ACT_GELU);
    assert_int_equal(c.text[1].eos, 49407);
    assert_int_equal(c.schedule.prediction, PREDICT_EPSILON);
    assert_true(c.schedule.scaled_linear && !c.schedule.zero_terminal_snr);
}

/* The text with its first `from` replaced by `to`. malloc'd. */
static char *edited(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    if (!at)
        fail_msg("%s is not in the config", from);
    char *out = malloc(strlen(text) + strlen(to) + 1);
    sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return out;
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        enum file file;
        const char *from, *to, *want;
    } cases[] = {
        {UNET, "\"silu\"", "\"mish\"", "act_fn"},
        {UNET, "\"text_time\"", "\"text\"", "addition_embed_type"},
        {UNET, "\"text_time\"", "null", "no SDXL model"},
        {UNET, "\"time_cond_proj_dim\":null", "\"time_cond_proj_dim\":256", "time_cond_proj_dim"},
        {UNET, "\"only_cross_attention\":false", "\"only_cross_attention\":[false,true]",
         "only_cross_attention"},
        {UNET, "\"class_embed_type\":null", "\"class_embed_type\":\"timestep\"",
         "class_embed_type"},
        {UNET, "\"conv_in_kernel\":3", "\"conv_in_kernel\":1", "conv_in_kernel"},
        {UNET, "\"mid_block_type\":\"UNetMidBlock2DCrossAttn\"", "\"mid_block_type\":null",
         "no middle block"},
        {UNET, "UNetMidBlock2DCrossAttn", "UNetMidBlock2DSimpleCrossAttn", "mid_block_type"},
        {UNET, "\"DownBlock2D\"", "\"AttnDownBlock2D\"", "AttnDownBlock2D"},
        {UNET, "\"CrossAttnUpBlock2D\"", "\"UpBlock2D\"", "does not mirror"},
        {UNET, "[1,2,10]", "[1,2]", "2 entries for 3 levels"},
        {UNET, "[1,2,10]", "[1,[1,2],10]", "differs within a level"},
        {UNET, "[1,2,10]", "[1,0,10]", "is 0 at a level with attention"},
        {UNET, "[320,640,1280]", "[]", "empty list"},
        {UNET, "[320,640,1280]", "[320,640,1300]", "no multiple"},
        {UNET, "[320,640,1280]", "[320,640,1e99]", "block_out_channels"},
        {UNET, "[320,640,1280]", "[1,1,1,1,1,1,1,1,1]", "more than 8"},
        {UNET, "[5,10,20]", "[5,7,20]", "do not divide into 7 heads"},
        {UNET, "[5,10,20]", "0", "attention_head_dim"},
        {UNET, "\"layers_per_block\":2", "\"layers_per_block\":[2,1,2]", "layers_per_block"},
        {UNET, "\"layers_per_block\":2", "\"layers_per_block\":2000000000", "layers_per_block"},
        {UNET, "\"cross_attention_dim\":2048,", "", "\"cross_attention_dim\" is missing"},
        {UNET, "\"cross_attention_dim\":2048", "\"cross_attention_dim\":\"2048\"",
         "cross_attention_dim"},
        {UNET, "\"norm_num_groups\":32", "\"norm_num_groups\":0", "norm_num_groups"},
        {UNET, "\"time_embedding_dim\":null", "\"time_embedding_dim\":7", "time_embedding_dim"},
        {UNET, "UNet2DConditionModel", "UNet2DModel", "UNet2DModel"},
        {VAE, "\"scaling_factor\":0.13025", "\"scaling_factor\":0", "scaling_factor"},
        {VAE, "\"latent_channels\":4", "\"latent_channels\":4,\"latents_mean\":[1,2,3,4]",
         "latents_mean"},
        {VAE, "\"latent_channels\":4", "\"latent_channels\":17", "latent_channels"},
        {VAE, "AutoencoderKL", "AutoencoderDC", "AutoencoderDC"},
        {VAE, "[128,256,512,512]", "[128,256,512]", "list of 3 block types"},
        {CLIP1, "\"quick_gelu\"", "\"relu\"", "hidden_act"},
        {CLIP1, "\"num_attention_heads\":12", "\"num_attention_heads\":11", "11 heads"},
        {CLIP1, "\"vocab_size\":49408", "\"vocab_size\":1000", "only 1000"},
        {CLIP1, "\"eos_token_id\":2", "\"eos_token_id\":3", "eos_token_id"},
        {CLIP1, "\"max_position_embeddings\":77", "\"max_position_embeddings\":32",
         "max_position_embeddings"},
        {CLIP2, "\"projection_dim\":1280,", "", "projection_dim"},
        {SCHEDULE, "\"scaled_linear\"", "\"squaredcos_cap_v2\"", "squaredcos_cap_v2"},
        {SCHEDULE, "\"epsilon\"", "\"sample\"", "sample"},
        {SCHEDULE, "\"beta_end\":0.012", "\"beta_end\":0.0001", "beta_end"},
        {SCHEDULE, "\"beta_end\":0.012,", "", "\"beta_end\" is missing"},
        {SCHEDULE, "\"trained_betas\":null", "\"trained_betas\":[0.1]", "trained_betas"},
        {SCHEDULE, "{", "[", "broken JSON"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = edited(good[cases[i].file], cases[i].from, cases[i].to);
        struct model_config c = {0};
        struct err e = {0};
        int rc = parse(cases[i].file, text, &c, &e);
        if (rc == 0 || !strstr(e.text, cases[i].want) || !strstr(e.text, "config.json"))
            fail_msg("%s -> %s: \"%s\" should say \"%s\"", cases[i].from, cases[i].to, e.text,
                     cases[i].want);
        free(text);
    }
}

/* Other ways of writing the same, all seen in published configs. */
static void test_accepted(void **state)
{
    (void)state;
    static const struct {
        enum file file;
        const char *from, *to;
    } cases[] = {
        {UNET, "\"only_cross_attention\":false", "\"only_cross_attention\":[false,false,false]"},
        {UNET, "\"cross_attention_dim\":2048", "\"cross_attention_dim\":[2048,2048,2048]"},
        {UNET, "\"layers_per_block\":2", "\"layers_per_block\":[2,2,2]"},
        {UNET, "\"sample_size\":128", "\"sample_size\":[128,96]"},
        {UNET, "\"attention_head_dim\":[5,10,20]", "\"attention_head_dim\":5"},
        {UNET, "\"num_attention_heads\":null", "\"num_attention_heads\":[5,10,20]"},
        {UNET, "\"time_cond_proj_dim\":null,", ""},
        {UNET, "{", "{\"_name_or_path\":\"somewhere\",\"unknown_key\":{\"a\":[1]},"},
        {VAE, "\"scaling_factor\":0.13025", "\"scaling_factor\":0.13025,\"latents_std\":null"},
        {CLIP1, "\"eos_token_id\":2", "\"eos_token_id\":49407"},
        {SCHEDULE, "\"prediction_type\":\"epsilon\",", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = edited(good[cases[i].file], cases[i].from, cases[i].to);
        struct model_config c;
        struct err e = {0};
        parse_good(&c);
        if (parse(cases[i].file, text, &c, &e) != 0 || config_check(&c, "model", &e) != 0)
            fail_msg("%s: %s", cases[i].to, e.text);
        assert_int_equal(c.default_size, 1024);
        free(text);
    }
}

static void test_v_prediction(void **state)
{
    (void)state;
    struct model_config c;
    struct err e = {0};
    char *text = edited(schedule_json, "\"epsilon\"",
                        "\"v_prediction\",\"rescale_betas_zero_snr\":true");
    assert_int_equal(parse(SCHEDULE, text, &c, &e), 0);
    assert_int_equal(c.schedule.prediction, PREDICT_V);
    assert_true(c.schedule.zero_terminal_snr);
    free(text);
}

/* What no single file can tell: the parts must fit each other. */
static void test_between_parts(void **state)
{
    (void)state;
    struct model_config c;
    struct err e = {0};
    parse_good(&c);
    c.unet.in_channels = 9; /* an inpainting model reads mask and picture as well */
    assert_int_equal(config_check(&c, "m", &e), 0);
    c.unet.in_channels = 8;
    assert_int_equal(config_check(&c, "m", &e), -1);
    assert_non_null(strstr(e.text, "8 input"));
    parse_good(&c);
    c.unet.context = 1280;
    assert_int_equal(config_check(&c, "m", &e), -1);
    assert_non_null(strstr(e.text, "768 + 1280"));
    parse_good(&c);
    c.unet.added_inputs = 2560; /* the refiner: 1280 + 5 * 256 */
    assert_int_equal(config_check(&c, "m", &e), -1);
    assert_non_null(strstr(e.text, "2560"));
    c.refiner = true;
    c.unet.context = 1280;
    c.text[0] = (struct clip_config){0};
    assert_int_equal(config_check(&c, "m", &e), 0);
    assert_int_equal(c.size_conditions, 5);
    parse_good(&c);
    c.unet.added_inputs = 2817;
    assert_int_equal(config_check(&c, "m", &e), -1);
    assert_non_null(strstr(e.text, "2816"));
}

static int tokens(const char *vocab, const char *special, const char *tokenizer, int encoder,
                  struct token_ids *ids, struct err *e)
{
    struct json_doc *v = json_parse(vocab, strlen(vocab), "vocab.json", e);
    struct json_doc *s = special ? json_parse(special, strlen(special), "special", e) : NULL;
    struct json_doc *t = tokenizer ? json_parse(tokenizer, strlen(tokenizer), "tok", e) : NULL;
    struct json none = {0};
    assert_non_null(v);
    int rc = config_parse_tokens(json_root(v), s ? json_root(s) : none, t ? json_root(t) : none,
                                 encoder, ids, e);
    json_free(v);
    json_free(s);
    json_free(t);
    return rc;
}

static void test_tokens(void **state)
{
    (void)state;
    static const char vocab[] = "{\"!\":0,\"a\":1,\"<|startoftext|>\":2,\"<|endoftext|>\":3}";
    struct token_ids ids;
    struct err e = {0};
    /* nothing said: CLIP's own, SDXL's padding */
    assert_int_equal(tokens(vocab, NULL, NULL, 0, &ids, &e), 0);
    assert_true(ids.bos == 2 && ids.eos == 3 && ids.pad == 3 && ids.largest == 3);
    assert_int_equal(tokens(vocab, NULL, NULL, 1, &ids, &e), 0);
    assert_int_equal(ids.pad, 0);
    /* a string or an object, in either file */
    assert_int_equal(tokens(vocab, "{\"pad_token\":\"a\"}", NULL, 1, &ids, &e), 0);
    assert_int_equal(ids.pad, 1);
    assert_int_equal(tokens(vocab, NULL, "{\"pad_token\":{\"content\":\"!\"}}", 0, &ids, &e), 0);
    assert_int_equal(ids.pad, 0);
    assert_int_equal(tokens(vocab, "{\"pad_token\":\"?\"}", NULL, 1, &ids, &e), -1);
    assert_non_null(strstr(e.text, "padding token ? is not in the vocabulary"));
    assert_int_equal(tokens("{\"a\":-1}", NULL, NULL, 0, &ids, &e), -1);
    assert_non_null(strstr(e.text, "token a has no valid id"));
    assert_int_equal(tokens("{\"a\":0}", NULL, NULL, 0, &ids, &e), -1);
    assert_non_null(strstr(e.text, "begin token"));
    assert_int_equal(tokens("[]", NULL, NULL, 0, &ids, &e), -1);
}

/* eos_token_id 2 means "the largest id": fine while end-of-text is that, wrong otherwise. */
static void test_eos_quirk(void **state)
{
    (void)state;
    struct clip_config c;
    struct err e = {0};
    struct json_doc *doc = json_parse(clip1_json, strlen(clip1_json), "config.json", &e);
    struct token_ids ids = {.bos = 5, .eos = 6, .pad = 0, .largest = 6};
    assert_int_equal(config_parse_clip(json_root(doc), 0, &ids, &c, &e), 0);
    assert_true(c.bos == 5 && c.eos == 6 && c.pad == 0);
    ids.largest = 7;
    assert_int_equal(config_parse_clip(json_root(doc), 0, &ids, &c, &e), -1);
    assert_non_null(strstr(e.text, "largest id"));
    /* no tokenizer at hand */
    assert_int_equal(config_parse_clip(json_root(doc), 0, NULL, &c, &e), 0);
    assert_true(c.bos == 49406 && c.eos == 49407 && c.pad == 49407);
    json_free(doc);
}

static void test_preview(void **state)
{
    (void)state;
    struct model_config c;
    struct err e = {0};
    parse_good(&c);
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"{\"latent_rgb_factors\":[[1,2,3],[4,5,6],[7,8,9],[10,11,12]],\"latent_rgb_bias\":[.5,0,1]"
         "}",
         "broken JSON"},
        {"{\"latent_rgb_factors\":[[1,2,3]]}", "1 rows for 4"},
        {"{\"latent_rgb_factors\":[[1,2,3],[4,5],[7,8,9],[1,1,1]]}", "three numbers"},
        {"{\"latent_rgb_factors\":[[1,2,3],[4,5,1e99],[7,8,9],[1,1,1]]}", "three numbers"},
        {"{}", NULL},
        {"{\"latent_rgb_factors\":[[1,2,3],[4,5,6],[7,8,9],[1,1,1.5]],"
         "\"latent_rgb_bias\":[0.5,0,-1]}",
         NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        e.text[0] = '\0';
        struct json_doc *doc = json_parse(cases[i].text, strlen(cases[i].text), "spritty.json", &e);
        int rc = doc ? config_parse_preview(json_root(doc), &c, &e) : -1;
        if ((rc == 0) != !cases[i].want || (rc && !strstr(e.text, cases[i].want)))
            fail_msg("%s: \"%s\"", cases[i].text, e.text);
        json_free(doc);
    }
    assert_true(c.has_preview && c.latent_rgb[3][2] == 1.5f && c.latent_rgb_bias[0] == 0.5f);
}

static void test_index(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        bool zeros;
    } cases[] = {
        {"{\"_class_name\":\"StableDiffusionXLPipeline\"}", NULL, true},
        {"{\"_class_name\":\"StableDiffusionXLPipeline\",\"force_zeros_for_empty_prompt\":false}",
         NULL, false},
        {"{\"_class_name\":\"StableDiffusionPipeline\"}", "StableDiffusionPipeline", false},
        {"{\"_class_name\":\"StableDiffusionXLImg2ImgPipeline\",\"text_encoder\":[null,null]}",
         NULL, true},
        {"{\"_class_name\":7}", "_class_name", false},
        {"[]", "_class_name", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct model_config c = {0};
        struct err e = {0};
        struct json_doc *doc = json_parse(cases[i].text, strlen(cases[i].text), "index", &e);
        int rc = config_parse_index(json_root(doc), &c, &e);
        if ((rc == 0) != !cases[i].want || (rc && !strstr(e.text, cases[i].want)))
            fail_msg("%s: \"%s\"", cases[i].text, e.text);
        assert_int_equal(c.zeros_for_empty_prompt, cases[i].zeros);
        json_free(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sdxl_base),     cmocka_unit_test(test_refused),
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_v_prediction),
        cmocka_unit_test(test_between_parts), cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_eos_quirk),     cmocka_unit_test(test_preview),
        cmocka_unit_test(test_index),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
