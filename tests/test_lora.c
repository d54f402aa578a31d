/*
 * LoRA files as such (names, scales, broken and hostile ones), the product's arithmetic, and LoRAs
 * on an open pipeline. Whether the forms mean what others mean by them: test_lora_golden.c.
 */
/* Not under qemu: whole networks, many minutes; test_cpu_kernels and test_ops run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ops/half.h"
#include "sdxl/lora_changes.h"
#include "sdxl/lora_merge.h"
#include "sdxl/lora_names.h"
#include "sdxl/lora_product.h"
#include "sdxl/pipeline.h"
#include "st_writer.h"

/* ---- names ---- */

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum part part;
        enum lora_role role;
        const char *module;
    } all[] = {
        {"lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.lora_down.weight", PART_UNET,
         LORA_DOWN, "input_blocks_4_1_transformer_blocks_0_attn1_to_q"},
        {"lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha", PART_TEXT1, LORA_ALPHA,
         "encoder_layers_0_mlp_fc1"},
        {"lora_te2_text_projection.lora_up.weight", PART_TEXT2, LORA_UP, "text_projection"},
        {"lora_te_text_model_encoder_layers_0_self_attn_q_proj.dora_scale", PART_TEXT1, LORA_DORA,
         "encoder_layers_0_self_attn_q_proj"},
        {"unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_out.0.lora_A.weight", PART_UNET,
         LORA_DOWN, "mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0"},
        {"unet.mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_lora.up.weight",
         PART_UNET, LORA_UP, "mid_block_attentions_0_transformer_blocks_0_attn1_to_out_0"},
        {"text_encoder.text_model.encoder.layers.1.self_attn.to_out_lora.down.weight", PART_TEXT1,
         LORA_DOWN, "encoder_layers_1_self_attn_out_proj"},
        {"text_encoder_2.encoder.layers.1.self_attn.k_proj.lora_linear_layer.up.weight", PART_TEXT2,
         LORA_UP, "encoder_layers_1_self_attn_k_proj"},
        {"base_model.model.down_blocks.0.resnets.0.conv1.lora_B.default.weight", PART_UNET, LORA_UP,
         "down_blocks_0_resnets_0_conv1"},
        {"base_model.model.conv_in.hada_w1_a", PART_UNET, HADA_W1A, "conv_in"},
        {"unet.conv_in.lora_magnitude_vector", PART_UNET, LORA_MAGNITUDE, "conv_in"},
        {"diffusion_model.time_embed.0.lora_up.weight", PART_UNET, LORA_UP, "time_embed_0"},
        {"model.diffusion_model.out.2.diff_b", PART_UNET, LORA_DIFF_B, "out_2"},
        {"lora_unet_mid_block_resnets_0_norm1.w_norm", PART_UNET, LORA_DIFF,
         "mid_block_resnets_0_norm1"},
        {"lycoris_unet_conv_in.lokr_w2_b", PART_UNET, LOKR_W2B, "conv_in"},
        {"lycoris_mid_block_resnets_0_conv1.lokr_w1", PART_UNET, LOKR_W1,
         "mid_block_resnets_0_conv1"},
        {"clip_l.text_model.encoder.layers.0.mlp.fc1.lora_down.weight", PART_TEXT1, LORA_DOWN,
         "encoder_layers_0_mlp_fc1"},
        {"clip_g.text_projection.alpha", PART_TEXT2, LORA_ALPHA, "text_projection"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct lora_key k = {0};
        if (!lora_key_read(all[i].name, &k) || k.part != all[i].part || k.role != all[i].role ||
            strcmp(k.name, all[i].module) != 0)
            fail_msg("%s: part %d role %d module %s", all[i].name, k.part, k.role, k.name);
    }
    struct lora_key k;
    assert_false(lora_key_read("lora_unet_x.oft_blocks", &k));
    assert_false(lora_key_read("lora_unet_.alpha", &k));
    assert_false(lora_key_read(".alpha", &k));
    char longest[501];
    memset(longest, '.', 500);
    strcpy(longest + 500 - 6, ".alpha");
    lora_key_read(longest, &k);
}

/* ---- files ---- */

static void add(struct st_writer *w, const char *name, int rank, const int64_t *dim, float value)
{
    int64_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= dim[i];
    float *data = malloc((size_t)n * sizeof *data + 1);
    for (int64_t i = 0; i < n; i++)
        data[i] = value;
    st_add(w, name, "F32", rank, dim, data, (size_t)n * sizeof *data);
    free(data);
}

static struct lora_file *parse(struct st_writer *w, const char *config, struct bytes *b,
                               struct err *e)
{
    *b = st_finish(w, -1);
    return lora_file_parse(b->data, b->size, "x.safetensors", config, e);
}

static void expect_scale(const struct lora_file *f, const char *module, double scale)
{
    int at = lora_file_find(f, PART_UNET, module);
    assert_true(at >= 0);
    double got = lora_file_at(f, at)->scale;
    if (fabs(got - scale) > 1e-12)
        fail_msg("%s: scale %g, not %g", module, got, scale);
}

/* Alpha as every type that is met, none, and peft's configuration. */
static void scales(void **state)
{
    (void)state;
    static const char config[] =
        "{\"unet.lora_alpha\": 6, \"unet.r\": 4, \"unet.use_rslora\": true, "
        "\"unet.alpha_pattern\": {\"attn1.to_q\": 2, \"odd\": \"x\"}, \"text_encoder.lora_alpha\": "
        "1}";
    struct st_writer w = {0};
    struct err e = {""};
    struct bytes b;
    uint16_t half = 0x3e00, bfloat = 0x3fc0; /* 1.5 */
    int64_t whole = 3;
    double twice = 0.75;
    const struct {
        const char *name, *type;
        const void *value;
        size_t size;
        int rank;
    } alpha[] = {{"a.alpha", "F16", &half, 2, 0},
                 {"b.alpha", "BF16", &bfloat, 2, 1},
                 {"c.alpha", "I64", &whole, 8, 0},
                 {"d.alpha", "F64", &twice, 8, 0}};
    for (int i = 0; i < 5; i++) {
        char name[40];
        snprintf(name, sizeof name, "%c.lora_down.weight", 'a' + i);
        add(&w, name, 2, (int64_t[]){4, 8}, 1);
        snprintf(name, sizeof name, "%c.lora_up.weight", 'a' + i);
        add(&w, name, 2, (int64_t[]){8, 4}, 1);
        if (i < 4)
            st_add(&w, alpha[i].name, alpha[i].type, alpha[i].rank, (int64_t[]){1}, alpha[i].value,
                   alpha[i].size);
    }
    add(&w, "m.attn1.to_q.lora_down.weight", 2, (int64_t[]){4, 8}, 1);
    add(&w, "m.attn1.to_q.lora_up.weight", 2, (int64_t[]){8, 4}, 1);
    struct lora_file *f = parse(&w, config, &b, &e);
    if (!f)
        fail_msg("%s", e.text);
    expect_scale(f, "a", 1.5 / 4);
    expect_scale(f, "b", 1.5 / 4);
    expect_scale(f, "c", 3.0 / 4);
    expect_scale(f, "d", 0.75 / 4);
    expect_scale(f, "e", 6 / sqrt(4));
    expect_scale(f, "m_attn1_to_q", 2 / sqrt(4));
    lora_file_close(f);
    f = lora_file_parse(b.data, b.size, "x.safetensors", "{}", &e);
    expect_scale(f, "e", 1);
    lora_file_close(f);
    assert_null(lora_file_parse(b.data, b.size, "x.safetensors", "{", &e));
    free(b.data);
}

static void refused(void **state)
{
    (void)state;
    static const char *const bad[][3] = {
        {"model.diffusion_model.out.2.weight", NULL, "is a whole model"},
        {"clip_g", NULL, "is a textual inversion"},
        {"lora_unet_conv_in.odd", NULL, "its first tensor is lora_unet_conv_in.odd"},
        {"lora_unet_conv_in.oft_blocks", "lora_unet_conv_in.alpha", "holds OFT, which"},
        {"lora_unet_conv_in.a1.weight", NULL, "holds GLoRA, which"},
        {"lora_unet_conv_in.weight", "lora_unet_conv_in.on_input", "holds IA3, which"},
        {"bundle_emb.slime.clip_l", NULL, "holds textual inversions (bundle_emb), which"},
        {"lora_unet_x_y.alpha", NULL, "is no LoRA"},
        {"lora_unet_x_y.lora_up.weight", "unet.x.y.lora_B.weight", "same tensor under two names"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct st_writer w = {0};
        struct err e = {""};
        struct bytes b;
        for (int k = 0; k < 2 && bad[i][k]; k++)
            add(&w, bad[i][k], 2, (int64_t[]){1, 1}, 1);
        assert_null(parse(&w, NULL, &b, &e));
        if (!strstr(e.text, bad[i][2]))
            fail_msg("%s: %s", bad[i][0], e.text);
        free(b.data);
    }
    struct st_writer w = {0};
    struct err e = {""};
    struct bytes b;
    add(&w, "x.lora_up.weight", 2, (int64_t[]){1, 1}, 1);
    add(&w, "x.alpha", 1, (int64_t[]){1}, INFINITY);
    assert_null(parse(&w, NULL, &b, &e));
    assert_non_null(strstr(e.text, "x.alpha is no number"));
    free(b.data);
}

/* FP8 of both kinds, and F64, as values that are merged; an alpha of FP8 too. */
static void types(void **state)
{
    (void)state;
    static const unsigned char e4m3[4] = {0x38, 0xb9, 0x01, 0x7e}; /* 1, -1.125, 2^-9, 448 */
    static const unsigned char e5m2[4] = {0x3c, 0xbd, 0x01, 0x7b}; /* 1, -1.25, 2^-16, 57344 */
    static const unsigned char nan[4] = {0x7f, 0, 0, 0}, two = 0x40;
    static const double f64[4] = {1, -1.25, 1e-300, 3};
    static const float one[2] = {1, 1};
    static const struct {
        const char *type;
        const void *data;
        size_t size;
        float want[4]; /* of w = up (1, 1)^T down, row by row: each row is down */
    } all[] = {{"F8_E4M3", e4m3, 4, {1, -1.125f, 0x1p-9f, 448}},
               {"F8_E5M2", e5m2, 4, {1, -1.25f, 0x1p-16f, 57344}},
               {"F64", f64, 32, {1, -1.25f, 0, 3}},
               {"F8_E4M3", nan, 4, {0}}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct st_writer w = {0};
        struct err e = {""};
        float weight[8] = {0};
        st_add(&w, "x.lora_down.weight", all[i].type, 2, (int64_t[]){1, 4}, all[i].data,
               all[i].size);
        st_add(&w, "x.lora_up.weight", "F32", 2, (int64_t[]){2, 1}, one, sizeof one);
        st_add(&w, "x.alpha", "F8_E4M3", 0, NULL, &two, 1);
        struct bytes b;
        struct lora_file *f = parse(&w, NULL, &b, &e);
        if (!f)
            fail_msg("%s", e.text);
        expect_scale(f, "x", 2);
        struct lora_target t = {.out = 2, .in = 4, .taps = 1};
        char why[100];
        assert_true(lora_fits(lora_file_at(f, 0), &t, why, sizeof why));
        struct lora_merger *g = lora_merger_new(1, &e);
        int rc = lora_merge(g, lora_file_at(f, 0), &t, 0.5, weight, NULL, "x", &e);
        assert_int_equal(rc, all[i].data == nan ? -1 : 0);
        for (int k = 0; k < 8 && rc == 0; k++)
            assert_true(weight[k] == all[i].want[k % 4]);
        lora_merger_free(g);
        lora_file_close(f);
        free(b.data);
    }
}

/* ---- shapes ---- */

struct given {
    const char *name;
    int64_t dim[4]; /* up to the first 0; -1 is a 0 */
};

/* Why the module of these tensors does not fit; "" when it does. */
static const char *misfit(const struct given *list, const struct lora_target *t)
{
    static char why[200];
    struct st_writer w = {0};
    struct err e = {""};
    struct bytes b;
    for (; list->name; list++) {
        char name[64];
        int rank = 0;
        int64_t dim[4];
        for (; rank < 4 && list->dim[rank]; rank++)
            dim[rank] = list->dim[rank] < 0 ? 0 : list->dim[rank];
        snprintf(name, sizeof name, "x.%s", list->name);
        add(&w, name, rank, dim, 0.5f);
    }
    struct lora_file *f = parse(&w, NULL, &b, &e);
    if (!f)
        fail_msg("%s", e.text);
    const struct lora_module *m = lora_file_at(f, 0);
    if (lora_fits(m, t, why, sizeof why)) { /* then merging it is safe: the sanitizers look on */
        int64_t n = t->out * t->in * t->taps;
        float *values = calloc((size_t)n, sizeof *values), *bias = calloc((size_t)t->out, 4);
        struct lora_merger *g = lora_merger_new(2, &e);
        assert_int_equal(lora_merge(g, m, t, 0.5, values, t->bias ? bias : NULL, "x", &e), 0);
        lora_merger_free(g);
        free(values), free(bias);
    }
    lora_file_close(f);
    free(b.data);
    return why;
}

static void shapes(void **state)
{
    (void)state;
    const struct lora_target linear = {8, 12, 1, false}, conv = {8, 4, 9, true};
    const struct {
        struct given list[8];
        const struct lora_target *target;
        const char *why;
    } all[] = {
        {{{"lora_up.weight", {8, 2}}, {"lora_down.weight", {2, 12}}}, &linear, ""},
        {{{"lora_up.weight", {8, 2, 1, 1}}, {"lora_down.weight", {2, 12, 1, 1}}}, &linear, ""},
        {{{"lora_up.weight", {8, 2}}, {"lora_down.weight", {2, 13}}},
         &linear,
         "lora_down is 2x13; the model's weight needs 2x12"},
        {{{"lora_up.weight", {8, 3}}, {"lora_down.weight", {2, 12}}},
         &linear,
         "lora_up is 8x3; the model's weight needs 8x2"},
        {{{"lora_up.weight", {8, 2}}}, &linear, "it has no lora_down"},
        {{{"lora_up.weight", {8, 2}}, {"lora_down.weight", {2, 12}}, {"diff_b", {8}}},
         &linear,
         "diff_b: the model's weight has no bias"},
        {{{"lora_up.weight", {8, 2}}, {"lora_down.weight", {2, 12}}, {"dora_scale", {5}}},
         &linear,
         "dora_scale has 5 values; the model's weight needs 8"},
        {{{"lora_up.weight", {8, 2}}, {"lora_down.weight", {2, 12}}, {"dora_scale", {1, 12}}},
         &linear,
         ""},
        {{{"lora_up.weight", {8, 3, 1, 1}},
          {"lora_mid.weight", {3, 2, 3, 3}},
          {"lora_down.weight", {2, 4, 1, 1}},
          {"diff_b", {8}}},
         &conv,
         ""},
        {{{"lora_up.weight", {8, 3, 1, 1}},
          {"lora_mid.weight", {3, 18, 1, 1}}, /* as many values */
          {"lora_down.weight", {2, 4, 1, 1}}},
         &conv,
         "lora_mid has 18 columns; 2 are needed"},
        {{{"lora_up.weight", {8, 5000}}, {"lora_down.weight", {5000, 12}}},
         &linear,
         "its rank is 5000; 4096 is the most"},
        {{{"lora_up.weight", {8, -1}}, {"lora_down.weight", {-1, 12}}},
         &linear,
         "lora_down is 0x12 and holds nothing"},
        {{{"hada_w1_a", {8, 2}},
          {"hada_w1_b", {2, 12}},
          {"hada_w2_a", {8, 3}},
          {"hada_w2_b", {3, 12}}},
         &linear,
         ""},
        {{{"hada_w1_a", {8, 2}}, {"hada_w1_b", {2, 12}}, {"hada_w2_a", {8, 3}}},
         &linear,
         "it has no hada_w2_b"},
        {{{"hada_w1_a", {8, 2}}, {"hada_w1_b", {2, 12}}, {"hada_t1", {2, 2, 1, 1}}},
         &linear,
         "it has no hada_t2"},
        {{{"lokr_w1", {2, 3}}, {"lokr_w2", {4, 4}}}, &linear, ""},
        {{{"lokr_w1", {3, 2}}, {"lokr_w2", {4, 4}}},
         &linear,
         "lokr_w1 is 3x2; it cannot divide the model's 8x12"},
        {{{"lokr_w1_a", {2, 1}}, {"lokr_w1_b", {1, 4}}, {"lokr_w2", {4, 1, 3, 3}}}, &conv, ""},
        {{{"lokr_w1", {2, 2}},
          {"lokr_w2_a", {2, 4}},
          {"lokr_w2_b", {3, 2}},
          {"lokr_t2", {2, 3, 3, 3}}},
         &conv,
         ""},
        {{{"diff", {8, 4, 3, 3}}, {"diff_b", {8}}}, &conv, ""},
        {{{"diff", {8, 4, 3}}}, &conv, "diff is 8x4x3; the model's weight needs 8x36"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const char *why = misfit(all[i].list, all[i].target);
        if (strcmp(why, all[i].why) != 0)
            fail_msg("case %zu: '%s', not '%s'", i, why, all[i].why);
    }
}

/* A value that is not finite stops the merge, by the tensor's name. */
static void not_finite(void **state)
{
    (void)state;
    struct st_writer w = {0};
    struct err e = {""};
    struct bytes b;
    float values[8 * 12] = {0};
    const struct lora_target t = {8, 12, 1, false};
    add(&w, "x.lora_up.weight", 2, (int64_t[]){8, 2}, 1);
    add(&w, "x.lora_down.weight", 2, (int64_t[]){2, 12}, NAN);
    struct lora_file *f = parse(&w, NULL, &b, &e);
    struct lora_merger *g = lora_merger_new(1, &e);
    assert_int_equal(lora_merge(g, lora_file_at(f, 0), &t, 1, values, NULL, "x", &e), -1);
    assert_non_null(strstr(e.text, "x.lora_down.weight holds values that are no finite numbers"));
    lora_merger_free(g);
    /* nor are they given to a backend */
    struct lora_changes c = {0};
    *e.text = '\0';
    assert_true(lora_is_change(lora_file_at(f, 0)));
    assert_int_equal(lora_changes_add(&c, lora_file_at(f, 0), &t, 1, 1, "x", &e), -1);
    assert_non_null(strstr(e.text, "x.lora_down.weight holds values that are no finite numbers"));
    assert_int_equal(c.count, 0);
    lora_file_close(f);
    free(b.data);
}

/* ---- the product ---- */

static void products(void **state)
{
    (void)state;
    static const int64_t size[][3] = {
        {1, 1, 1}, {7, 3, 17}, {24, 64, 32}, {13, 5, 100}, {6, 4, 16}};
    double worst = 0;
    for (size_t s = 0; s < sizeof size / sizeof *size; s++) {
        int64_t rows = size[s][0], rank = size[s][1], cols = size[s][2];
        struct product p = {rows, rank, cols, NULL, NULL};
        float *own = malloc(product_bytes(rows, rank, cols));
        float *b = malloc((size_t)(rank * cols) * 4), *c = malloc((size_t)(rows * cols) * 4);
        p.a = own, p.b = own + rows * rank;
        for (int64_t i = 0; i < rows * rank; i++)
            p.a[i] = sinf((float)i);
        for (int64_t i = 0; i < rank * cols; i++)
            b[i] = cosf((float)i * 0.7f);
        for (int64_t i = 0; i < rows * cols; i++)
            c[i] = 1;
        product_panels(&p, b);
        product_rows(&p, 0, rows, c, true);
        for (int64_t r = 0; r < rows; r++)
            for (int64_t k = 0; k < cols; k++) {
                double sum = 1;
                for (int64_t j = 0; j < rank; j++)
                    sum += (double)p.a[r * rank + j] * (double)b[j * cols + k];
                double off = fabs(sum - (double)c[r * cols + k]);
                worst = off > worst ? off : worst;
            }
        free(own), free(b), free(c);
    }
    printf("  product: largest error %.1e\n", worst);
    assert_true(worst < 2e-6);
}

/* Every f16 and bf16 value, at odd addresses. */
static void conversions(void **state)
{
    (void)state;
    unsigned char *raw = malloc(2 * 65536 + 1);
    float *out = malloc(65536 * sizeof *out);
    for (int i = 0; i < 65536; i++) {
        uint16_t h = (uint16_t)i;
        memcpy(raw + 1 + 2 * i, &h, 2);
    }
    for (int type = DT_F16; type <= DT_BF16; type++) {
        assert_false(values_to_f32(out, raw + 1, (enum dtype)type, 65536));
        for (int i = 0; i < 65536; i++) {
            uint16_t h = (uint16_t)i;
            float want = type == DT_F16 ? f32_from_f16(h) : f32_from_bf16(h);
            bool same = want != want ? out[i] != out[i] : f32_bits(want) == f32_bits(out[i]);
            if (!same)
                fail_msg("type %d, %04x: %g, not %g", type, i, (double)out[i], (double)want);
        }
        assert_true(
            values_to_f32(out, raw + 1, (enum dtype)type, 0x7c00 - 0x400 * (type == DT_BF16)));
    }
    free(raw), free(out);
}

/* ---- on a pipeline ---- */

static const struct lora_use slime = {"slime", "tests/golden/lora/kohya.safetensors", 0.8, 0.5},
                             dora = {"dora",
                                     "tests/golden/lora/peft_dora/adapter_model.safetensors", 1, 1},
                             lyco = {"lyco", "tests/golden/lora/lycoris.safetensors", 1.5, 0};

static struct pipeline *open_with(const struct lora_use *list, int count)
{
    struct err e = {""};
    struct pipeline_options o = {
        .precision = "fp32", .threads = 1, .loras = list, .lora_count = count};
    struct pipeline *p = pipeline_open("tests/golden/small_b", &o, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static uint8_t *picture_in(int memory, struct pipeline *p, const struct lora_use *list, int count)
{
    struct gen_params g = {.prompt = "a red slime",
                           .steps = 1,
                           .cfg = 1,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .seed = 7,
                           .loras = list,
                           .lora_count = count,
                           .tuning = {.memory = memory}};
    struct gen_result r;
    struct err e = {""};
    if (pipeline_run(p, &g, NULL, &r, &e) < 0)
        fail_msg("%s", e.text);
    assert_int_equal(r.notes.count, 0);
    uint8_t *rgb = r.rgb;
    r.rgb = NULL;
    gen_result_free(&r);
    return rgb;
}

static uint8_t *picture(struct pipeline *p, const struct lora_use *list, int count)
{
    return picture_in(MEMORY_SPEED, p, list, count);
}

/* Pictures do not depend on what ran before: an exchange in any direction is what a fresh load
 * gives, byte by byte; nor on the memory mode, in which weights come back merged. */
static void exchanges(void **state)
{
    (void)state;
    const struct lora_use all[3] = {slime, dora, lyco};
    const struct {
        const struct lora_use *list;
        int count;
    } choice[] = {{NULL, 0}, {&slime, 1}, {all, 3}, {&lyco, 1}};
    enum { N = 4, BYTES = 64 * 64 * 3 };
    uint8_t *fresh[N];
    for (int i = 0; i < N; i++) {
        struct pipeline *p = open_with(choice[i].list, choice[i].count);
        size_t before, after, ignored;
        pipeline_memory(p, &before, &ignored);
        fresh[i] = picture(p, choice[i].list, choice[i].count);
        pipeline_memory(p, &after, &ignored);
        pipeline_close(p);
        for (int k = 0; k < i; k++)
            assert_memory_not_equal(fresh[i], fresh[k], BYTES);
    }
    static const int walk[] = {0, 1, 0, 2, 3, 2, 1, 0};
    struct pipeline *p = open_with(NULL, 0);
    for (size_t i = 0; i < 2 * sizeof walk / sizeof *walk; i++) {
        int at = walk[i % (sizeof walk / sizeof *walk)], mode = MEMORY_SPEED + (int)(i % 3);
        uint8_t *rgb = picture_in(mode, p, choice[at].list, choice[at].count);
        if (memcmp(rgb, fresh[at], BYTES) != 0)
            fail_msg("step %zu: choice %d differs from its fresh load", i, at);
        free(rgb);
    }
    pipeline_close(p);
    for (int i = 0; i < N; i++)
        free(fresh[i]);
}

static char *copy_of(const char *path, char *out, size_t size)
{
    static unsigned char data[1 << 20];
    snprintf(out, size, "/tmp/spritty-lora-%d.safetensors", (int)getpid());
    FILE *in = fopen(path, "rb"), *to = fopen(out, "wb");
    size_t n = fread(data, 1, sizeof data, in);
    assert_true(fwrite(data, 1, n, to) == n && fclose(to) == 0);
    fclose(in);
    return out;
}

/* A file that was replaced is read again; one that is gone is an error that leaves the open model
 * usable. */
static void replaced_and_gone(void **state)
{
    (void)state;
    char path[64];
    struct pipeline *p = open_with(NULL, 0);
    struct lora_use u = {"it", copy_of(slime.path, path, sizeof path), 1, 1};
    uint8_t *first = picture(p, &u, 1);
    unlink(path);
    copy_of(lyco.path, path, sizeof path);
    uint8_t *second = picture(p, &u, 1), *plain;
    assert_memory_not_equal(first, second, 64 * 64 * 3);
    unlink(path);
    struct gen_params g = {.prompt = "x",
                           .steps = 1,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .cfg = 1,
                           .loras = &u,
                           .lora_count = 1};
    struct gen_result r;
    struct err e = {""};
    assert_int_equal(pipeline_run(p, &g, NULL, &r, &e), -1);
    assert_non_null(strstr(e.text, "there is no such file"));
    gen_result_free(&r);
    plain = picture(p, NULL, 0);
    struct pipeline *clean = open_with(NULL, 0);
    uint8_t *want = picture(clean, NULL, 0);
    assert_memory_equal(plain, want, 64 * 64 * 3);
    pipeline_close(clean);
    pipeline_close(p);
    free(first), free(second), free(plain), free(want);
}

/* Writes a LoRA of these modules of small_b's UNet, each with `in` inputs. */
static const char *write_lora(const char *const *module, int64_t in, char *path, size_t size)
{
    struct st_writer w = {0};
    snprintf(path, size, "/tmp/spritty-lora-%d.safetensors", (int)getpid());
    for (; *module; module++) {
        char name[200];
        snprintf(name, sizeof name, "lora_unet_%s.lora_up.weight", *module);
        add(&w, name, 2, (int64_t[]){32, 1}, 0.1f);
        snprintf(name, sizeof name, "lora_unet_%s.lora_down.weight", *module);
        add(&w, name, 2, (int64_t[]){1, in}, 0.1f);
    }
    struct bytes b = st_finish(&w, -1);
    bytes_save(&b, path);
    free(b.data);
    return path;
}

#define MID "mid_block_attentions_0_transformer_blocks_"
/* What does not fit is refused with the reason, before weights are read; a little is a note. */
static void fit(void **state)
{
    (void)state;
    char path[64];
    struct lora_use u = {.name = "some", .unet = 1, .text = 1};
    const char *flux[] = {"double_blocks_0_img_attn_qkv", NULL};
    const char *qwen[] = {"transformer_blocks_0_attn_to_q", NULL};
    const char *old[] = {MID "0_attn2_to_k", MID "0_attn2_to_v", NULL};
    const char *few[] = {MID "0_attn1_to_q", "nothing_at_all", "nothing_else", NULL};
    const char *most[] = {MID "0_attn1_to_q", MID "1_attn1_to_q", MID "1_attn1_to_k", "nothing",
                          NULL};
    const struct {
        const char *const *module;
        int64_t in;
        const char *error;
    } bad[] = {
        {flux, 32, "none of its 1 modules is one of this model's; it was made for Flux"},
        {qwen, 32,
         "none of its 1 modules is one of this model's; it was made for a diffusion transformer"},
        {old, 768,
         "2 of its 2 modules have other sizes than this model's; it was made for Stable "
         "Diffusion 1"},
        {few, 32, "only 1 of its 3 modules are this model's"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {""};
        u.path = write_lora(bad[i].module, bad[i].in, path, sizeof path);
        struct pipeline_options o = {.loras = &u, .lora_count = 1};
        assert_null(pipeline_open("tests/golden/small_b", &o, &e));
        if (!strstr(e.text, bad[i].error))
            fail_msg("%s", e.text);
    }
    struct err e = {""};
    u.path = write_lora(most, 32, path, sizeof path);
    struct gen_params g = {.prompt = "x",
                           .steps = 1,
                           .width = 64,
                           .height = 64,
                           .batch = 1,
                           .cfg = 1,
                           .loras = &u,
                           .lora_count = 1};
    struct pipeline_options o = {.precision = "fp32"};
    struct plan_result plan;
    assert_int_equal(pipeline_plan("tests/golden/small_b", &o, &g, &plan, &e), 0);
    assert_int_equal(plan.notes.count, 1);
    assert_string_equal(plan.notes.line[0], "LoRA some: 1 of its modules match nothing in this "
                                            "model: lora_unet_nothing.lora_down.weight");
    notes_free(&plan.notes);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),     cmocka_unit_test(scales),
        cmocka_unit_test(refused),   cmocka_unit_test(types),
        cmocka_unit_test(shapes),    cmocka_unit_test(not_finite),
        cmocka_unit_test(products),  cmocka_unit_test(conversions),
        cmocka_unit_test(exchanges), cmocka_unit_test(replaced_and_gone),
        cmocka_unit_test(fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
