/* ControlNets by their files: a folder, a file of it, that file alone, and one in the original
 * names have the same sizes and the same tensors; what is another kind, or of another shape, is
 * refused by name; so for a union, whose tensors say how many kinds it knows. (test_control.c has
 * what they compute.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sdxl/checkpoint.h"
#include "sdxl/config.h"
#include "sdxl/safetensors.h"
#include "st_writer.h"

#define FOLDER  "tests/golden/small_a_control"
#define UNION   "tests/golden/small_a_union"
#define WEIGHTS "/diffusion_pytorch_model.fp16.safetensors"
#define FILE_A  FOLDER WEIGHTS
#define FILE_B  "tests/golden/small_b_control/diffusion_pytorch_model.safetensors"

static char scratch[] = "/tmp/control-files-XXXXXX", alone[64];

static int make_scratch(void **state)
{
    (void)state;
    if (!mkdtemp(scratch))
        return -1;
    snprintf(alone, sizeof alone, "%s/c.safetensors", scratch);
    return 0;
}

static int drop_scratch(void **state)
{
    (void)state;
    unlink(alone);
    return rmdir(scratch);
}

static struct checkpoint *open_it(const char *path)
{
    struct err e = {""};
    struct checkpoint *c = checkpoint_open_control(path, &e);
    if (!c)
        fail_msg("%s", e.text);
    return c;
}

static void refused(const char *path, const char *want)
{
    struct err e = {""};
    struct checkpoint *c = checkpoint_open_control(path, &e);
    if (c || !strstr(e.text, want))
        fail_msg("'%s' instead of '%s'", c ? "opened" : e.text, want);
}

/* ---- a file made of the tensors of small_a_control or small_a_union ---- */

enum { NAMES_MAX = 256 };
static struct names {
    const char *folder;
    int count;
    char own[NAMES_MAX][128], original[NAMES_MAX][128];
} names;

static void read_names_of(const char *folder)
{
    char path[128];
    snprintf(path, sizeof path, "%s/original_names.txt", folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    names.folder = folder;
    for (names.count = 0; names.count < NAMES_MAX; names.count++)
        if (fscanf(f, "%127s %127s", names.own[names.count], names.original[names.count]) != 2)
            break;
    fclose(f);
    assert_in_range(names.count, 100, NAMES_MAX - 1);
}

static void read_names(void)
{
    read_names_of(FOLDER);
}

struct edit {
    bool original, layered;        /* layered: a union's in_proj_weight is in_proj.weight */
    const char *prefix;            /* before original names */
    const char *without, *only_if; /* names that begin with it are left out, or all but those */
    const char *mark[2];           /* tensors more */
    const char *reshape;           /* this tensor of diffusers' name has one row more */
};

static bool begins(const char *name, const char *with)
{
    return strncmp(name, with, strlen(with)) == 0;
}

/* To `alone`. */
static void write_edited(const struct edit *edit)
{
    struct err e = {""};
    struct st_writer w = {0};
    char name[160], file_a[128];
    snprintf(file_a, sizeof file_a, "%s" WEIGHTS, names.folder);
    struct safetensors *st = safetensors_open(file_a, &e);
    if (!st)
        fail_msg("%s", e.text);
    for (int i = 0; i < names.count; i++) {
        const struct st_tensor *t = safetensors_find(st, names.own[i]);
        const char *called = edit->original ? names.original[i] : names.own[i];
        assert_non_null(t);
        if ((edit->without && begins(names.own[i], edit->without)) ||
            (edit->only_if && !begins(names.own[i], edit->only_if)))
            continue;
        snprintf(name, sizeof name, "%s%s", edit->prefix ? edit->prefix : "", called);
        char *stacked = edit->layered ? strstr(name, "in_proj_") : NULL;
        if (stacked)
            stacked[strlen("in_proj")] = '.';
        bool reshaped = edit->reshape && !strcmp(names.own[i], edit->reshape);
        int64_t dim[4] = {t->dim[0] + reshaped, t->dim[1], t->dim[2], t->dim[3]};
        size_t bytes = (size_t)t->bytes / (size_t)t->dim[0] * (size_t)dim[0];
        st_add(&w, name, "F16", t->rank, dim, reshaped ? NULL : t->data, bytes);
    }
    for (int i = 0; i < 2; i++)
        if (edit->mark[i])
            st_mark(&w, edit->mark[i]);
    struct bytes file = st_finish(&w, -1);
    bytes_save(&file, alone);
    free(file.data);
    safetensors_close(st);
}

/* ---- what is opened ---- */

static void assert_same_config(const struct control_config *a, const struct control_config *b)
{
    const struct unet_config *u = &a->unet, *v = &b->unet;
    assert_int_equal(a->types, b->types);
    assert_int_equal(a->type_layers, b->type_layers);
    assert_int_equal(a->type_heads, b->type_heads);
    assert_int_equal(a->hint_channels, b->hint_channels);
    assert_int_equal(a->hint_levels, b->hint_levels);
    assert_memory_equal(a->hint_width, b->hint_width, sizeof a->hint_width);
    assert_int_equal(u->in_channels, v->in_channels);
    assert_int_equal(u->levels, v->levels);
    assert_memory_equal(u->channels, v->channels, sizeof u->channels);
    assert_memory_equal(u->depth, v->depth, sizeof u->depth);
    assert_memory_equal(u->heads, v->heads, sizeof u->heads);
    assert_int_equal(u->mid_depth, v->mid_depth);
    assert_int_equal(u->layers, v->layers);
    assert_int_equal(u->context, v->context);
    assert_int_equal(u->norm_groups, v->norm_groups);
    assert_true(u->norm_eps == v->norm_eps && u->freq_shift == v->freq_shift);
    assert_int_equal(u->time_dim, v->time_dim);
    assert_int_equal(u->flip_sin_to_cos, v->flip_sin_to_cos);
    assert_int_equal(u->added_time_dim, v->added_time_dim);
    assert_int_equal(u->added_inputs, v->added_inputs);
    assert_int_equal(u->linear_projection, v->linear_projection);
}

/* What the loader asks for, where it stands in the file by another name in diffusers. */
static void asked(char out[160], const char *own)
{
    snprintf(out, 160, "%s%s", own, strcmp(own, "task_embedding") ? "" : ".weight");
    char *stacked = strstr(out, "in_proj_");
    if (stacked)
        stacked[strlen("in_proj")] = '.';
}

static void assert_same_tensors(const struct checkpoint *a, const struct checkpoint *b)
{
    struct err e = {""};
    for (int i = 0; i < names.count; i++) {
        struct param p, q;
        char name[160];
        asked(name, names.own[i]);
        if (checkpoint_find(a, PART_CONTROL, name, &p, &e) != 0 ||
            checkpoint_find(b, PART_CONTROL, name, &q, &e) != 0)
            fail_msg("%s", e.text);
        size_t count = 1;
        assert_int_equal(p.rank, q.rank);
        for (int d = 0; d < p.rank; d++) {
            assert_int_equal(p.dim[d], q.dim[d]);
            count *= (size_t)p.dim[d];
        }
        assert_int_equal(p.dtype, DT_F16);
        assert_int_equal(q.dtype, DT_F16);
        assert_memory_equal(p.data, q.data, 2 * count);
    }
}

/* As `wanted` in sizes and tensors; its listing knows that they are a ControlNet's. */
static void assert_opens_as(const struct checkpoint *wanted, const char *path)
{
    struct checkpoint *c = open_it(path);
    struct part_summary parts[PART_COUNT];
    assert_same_config(&checkpoint_config(c)->control, &checkpoint_config(wanted)->control);
    assert_same_tensors(c, wanted);
    checkpoint_summary(c, parts);
    assert_int_equal(parts[PART_CONTROL].tensors, names.count);
    assert_int_equal(parts[PART_CONTROL].dtypes, 1 << DT_F16);
    assert_int_equal(checkpoint_unused(c, NULL, 0), 0);
    checkpoint_close(c);
}

static void every_form_is_the_same(void **state)
{
    (void)state;
    char target[PATH_MAX];
    struct checkpoint *folder = open_it(FOLDER);
    read_names();
    assert_opens_as(folder, FILE_A);
    assert_non_null(realpath(FILE_A, target));
    assert_int_equal(symlink(target, alone), 0);
    assert_opens_as(folder, alone);
    unlink(alone);
    static const struct edit originals[] = {{.original = true},
                                            {.original = true, .prefix = "control_model."}};
    for (int i = 0; i < 2; i++) {
        write_edited(&originals[i]);
        assert_opens_as(folder, alone);
    }
    checkpoint_close(folder);
}

/* Also with the names that ComfyUI has for the layers of its attention. */
static void every_form_of_a_union_is_the_same(void **state)
{
    (void)state;
    static const struct edit forms[] = {
        {.layered = false},
        {.layered = true},
        {.original = true},
        {.original = true, .prefix = "control_model."},
        {.original = true, .layered = true},
        {.original = true, .layered = true, .prefix = "control_model."}};
    struct checkpoint *folder = open_it(UNION);
    const struct control_config *c = &checkpoint_config(folder)->control;
    assert_int_equal(c->types, 8);
    assert_int_equal(c->type_layers, 1);
    assert_int_equal(c->type_heads, 8);
    read_names_of(UNION);
    assert_opens_as(folder, UNION WEIGHTS);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        write_edited(&forms[i]);
        assert_opens_as(folder, alone);
    }
    checkpoint_close(folder);
}

/* Two of the published unions lie in one folder, and the config.json there is the smaller one's; or
 * it is a ControlNet's, which knows of no kinds. */
static void a_union_beside_the_config_of_another(void **state)
{
    (void)state;
    static const char *const edits[] = {"s/\"num_control_type\": 8/\"num_control_type\": 6/",
                                        "/num_control_type/d; s/UnionModel/Model/"};
    char command[512];
    struct checkpoint *folder = open_it(UNION);
    read_names_of(UNION);
    write_edited(&(struct edit){0});
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "sed '%s' " UNION "/config.json >%s/config.json",
                 edits[i], scratch);
        assert_int_equal(system(command), 0);
        assert_opens_as(folder, alone);
    }
    snprintf(command, sizeof command, "%s/config.json", scratch);
    unlink(command);
    checkpoint_close(folder);
}

static void sizes_are_those_of_config_json(void **state)
{
    (void)state;
    struct checkpoint *c = open_it("tests/golden/small_b_control");
    const struct control_config *b = &checkpoint_config(c)->control;
    assert_int_equal(b->hint_levels, 2);
    assert_int_equal(b->hint_width[0], 5);
    assert_int_equal(b->hint_width[1], 12);
    assert_int_equal(b->unet.mid_depth, 0);
    assert_int_equal(b->unet.depth[0], 1);
    assert_int_equal(b->unet.depth[1], 0);
    assert_int_equal(b->unet.depth[2], 3);
    assert_int_equal(b->unet.heads[1], 3);
    assert_int_equal(b->unet.norm_groups, 8);
    assert_int_equal(b->unet.added_time_dim, 32);
    assert_false(checkpoint_has(c, PART_CONTROL, "mid_block.resnets.1.conv1.weight"));
    checkpoint_close(c);
}

/* A plain middle, as a file alone says it: no attention, no second res block. */
static void a_plain_middle_is_seen(void **state)
{
    (void)state;
    static const struct edit half = {.without = "mid_block.attentions."};
    char command[256];
    write_edited(&half);
    refused(alone, "blocks differ");
    snprintf(command, sizeof command, "ln -sf \"$PWD/" FILE_B "\" %s", alone);
    assert_int_equal(system(command), 0);
    refused(alone, "no multiple of 32"); /* which is asked last: all else could be told */
    unlink(alone);
}

/* ---- what is not ---- */

static void broken_files_are_refused(void **state)
{
    (void)state;
#define HINT "controlnet_cond_embedding."
    static const struct {
        struct edit edit;
        const char *want;
    } cases[] = {
        {{.without = "down_blocks.0.resnets.0"}, "no or too many blocks"},
        {{.without = "down_blocks.2."}, "missing tensor down_blocks.2.resnets.0.conv1.weight"},
        {{.without = "down_blocks.2.", .original = true},
         "missing tensor input_blocks.5.0.in_layers.2.weight"},
        {{.without = "mid_block.resnets.0"}, "missing tensor mid_block.resnets.0.conv1.weight"},
        {{.without = "mid_block.attentions.0.transformer_blocks."}, "transformers without blocks"},
        {{.without = HINT "conv_in."}, "missing tensor " HINT "conv_in.weight"},
        {{.without = HINT "blocks.5"}, "layers that read the ControlNet's picture"},
        {{.without = HINT "blocks.3", .original = true},
         "layers that read the ControlNet's picture"},
        {{.without = "conv_in."}, "missing tensor conv_in.weight"},
        {{.reshape = "time_embedding.linear_1.weight"}, "not 4 times as wide"},
        {{.mark = {"down_blocks.0.resnets.1.conv1.weight"}}, "that it cannot have in SDXL"},
        {{.mark = {"down_blocks.1.resnets.1.conv1.weight"}}, "blocks differ"},
        {{.mark = {"mid_block.attentions.0.transformer_blocks.1.norm1.weight"}}, NULL},
    };
    read_names();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_edited(&cases[i].edit);
        if (cases[i].want)
            refused(alone, cases[i].want);
        else
            checkpoint_close(open_it(alone)); /* one deeper, and the loader finds what is missing */
    }
}

static void broken_unions_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct edit edit;
        const char *want;
    } cases[] = {
        {{.without = "task_embedding"}, "missing tensor task_embedding"},
        {{.without = "task_embedding", .original = true}, "missing tensor task_embedding"},
        {{.without = "transformer_layes."}, "no or too many layers"},
        {{.without = "spatial_ch_projs."}, "missing tensor spatial_ch_projs.weight"},
        {{.without = "control_add_embedding."},
         "missing tensor control_add_embedding.linear_1.weight"},
        {{.reshape = "task_embedding"}, "not for as many kinds"},
        {{.reshape = "spatial_ch_projs.weight"}, "not as wide as"},
        {{.without = "task_embedding", .mark = {"task_embedding"}}, "that it cannot have in SDXL"},
    };
    read_names_of(UNION);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_edited(&cases[i].edit);
        refused(alone, cases[i].want);
    }
}

static void other_kinds_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct edit edit;
        const char *want;
    } cases[] = {
        {{.mark = {"lora_controlnet"}}, "is a control-LoRA"},
        {{.mark = {"encoder_hid_proj.weight"}}, "of Kolors"},
        {{.mark = {"difference"}}, "is the difference"},
        {{.without = "add_embedding."}, "of Stable Diffusion 1 or 2"},
        {{.without = "add_embedding.", .original = true}, "of Stable Diffusion 1 or 2"},
        {{.without = "add_embedding.", .original = true, .prefix = "control_model."},
         "of Stable Diffusion 1 or 2"},
        {{.without = "controlnet_"}, "is a UNet, not a ControlNet"},
        {{.only_if = "none", .mark = {"controlnet_x_embedder.weight"}}, "of Flux"},
        {{.only_if = "none", .mark = {"controlnet_blocks.0.weight"}}, "Flux, SD3"},
        {{.only_if = "none", .mark = {"lllite_unet_x.down.0.weight"}}, "is a ControlNet-LLLite"},
        {{.only_if = "none", .mark = {"adapter.body.0.resnets.0.block1.weight"}}, "T2I adapter"},
        {{.only_if = "none", .mark = {"body.0.in_conv.weight"}}, "T2I adapter"},
        {{.only_if = "none", .mark = {"ip_adapter.1.to_k_ip.weight"}}, "IP adapter"},
        {{.only_if = "none", .mark = {"image_proj.proj.weight"}}, "IP adapter"},
        {{.only_if = "none", .mark = {"a.weight"}}, "is no ControlNet: it has no zero_convs"},
        {{.only_if = "none", .mark = {"a.lora_up.weight"}}, "is a LoRA, not a ControlNet"},
    };
    read_names();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_edited(&cases[i].edit);
        refused(alone, cases[i].want);
    }
    refused("tests/golden/small_a_single.safetensors", "is a model, not a ControlNet");
    refused("tests/golden/small_a/unet", "describes a UNet2DConditionModel");
    refused("tests/golden/small_tiny_vae/diffusion_pytorch_model.safetensors", "is a tiny VAE");
    refused("/tmp/control_v11p_sd15_canny.pth", ".pth files are pickles");
    refused("/tmp/none.safetensors", "/tmp/none.safetensors");
}

/* A ControlNet where another kind is wanted. */
static void it_is_no_model_and_no_vae(void **state)
{
    (void)state;
    static const struct edit forms[] = {
        {.original = false}, {.original = true}, {.original = true, .prefix = "control_model."}};
    struct err e;
    read_names();
    for (int i = 0; i < 3; i++) {
        write_edited(&forms[i]);
        assert_null(checkpoint_open(alone, NULL, &e));
        if (!strstr(e.text, "is a ControlNet, not a model; give it with --control"))
            fail_msg("%s", e.text);
        assert_null(checkpoint_open_vae(alone, &e));
        if (!strstr(e.text, "is a ControlNet, not a VAE"))
            fail_msg("%s", e.text);
    }
    assert_null(checkpoint_open(FOLDER, NULL, &e));
    if (!strstr(e.text, "is a ControlNet, not a model; give it with --control"))
        fail_msg("%s", e.text);
}

static void parsed(const char *more, const char *want)
{
    char text[1024];
    struct err e = {""};
    struct control_config c;
    int n = snprintf(
        text, sizeof text,
        "{%s,\"in_channels\":4,\"block_out_channels\":[32,64],\"layers_per_block\":1,"
        "\"attention_head_dim\":1,\"cross_attention_dim\":64,"
        "\"addition_time_embed_dim\":32,\"projection_class_embeddings_input_dim\":240,"
        "\"down_block_types\":[\"DownBlock2D\",\"CrossAttnDownBlock2D\"]%s}",
        strstr(more, "_class_name") ? "\"a\":0" : "\"_class_name\":\"ControlNetModel\"", more);
    assert_in_range(n, 1, sizeof text - 1);
    struct json_doc *doc = json_parse(text, (size_t)n, "config.json", &e);
    int rc = doc ? config_parse_control(json_root(doc), &c, &e) : -1;
    json_free(doc);
    if (!want && rc != 0)
        fail_msg("%s", e.text);
    if (want && (rc == 0 || !strstr(e.text, want)))
        fail_msg("%s: '%s' instead of '%s'", more, rc ? e.text : "read", want);
}

static void configs_that_are_not_run_are_refused(void **state)
{
    (void)state;
#define XL ",\"addition_embed_type\":\"text_time\""
    parsed(XL, NULL);
    parsed(XL ",\"mid_block_type\":\"UNetMidBlock2D\",\"conditioning_channels\":3,"
              "\"controlnet_conditioning_channel_order\":\"rgb\",\"global_pool_conditions\":false,"
              "\"conditioning_embedding_out_channels\":[16,32,96,256]",
           NULL);
    parsed(XL ",\"conditioning_embedding_out_channels\":null", NULL);
    parsed("", "ControlNet of Stable Diffusion 1 or 2");
    parsed(",\"addition_embed_type\":null", "ControlNet of Stable Diffusion 1 or 2");
#define UNION_XL ",\"_class_name\":\"ControlNetUnionModel\"" XL
#define WIDTHS   ",\"num_trans_channel\":32,\"num_proj_channel\":32"
    parsed(UNION_XL WIDTHS, NULL);
    parsed(UNION_XL WIDTHS ",\"num_control_type\":64,\"num_trans_head\":32,\"num_trans_layer\":8",
           NULL);
    parsed(XL WIDTHS ",\"num_control_type\":8", NULL); /* as published */
    parsed(UNION_XL, "\"num_trans_channel\" 320 is not the first level's 32");
    parsed(UNION_XL ",\"num_trans_channel\":32", "\"num_proj_channel\" 320");
    parsed(XL WIDTHS ",\"num_control_type\":0", "num_control_type");
    parsed(UNION_XL WIDTHS ",\"num_control_type\":65", "num_control_type");
    parsed(UNION_XL WIDTHS ",\"num_trans_layer\":0", "num_trans_layer");
    parsed(UNION_XL WIDTHS ",\"num_trans_layer\":9", "num_trans_layer");
    parsed(UNION_XL WIDTHS ",\"num_trans_head\":5", "do not divide into 5 heads");
    parsed(",\"_class_name\":\"FluxControlNetModel\"" XL, "describes a FluxControlNetModel");
    parsed(",\"_class_name\":\"T2IAdapter\"" XL, "describes a T2IAdapter");
    parsed(XL ",\"controlnet_conditioning_channel_order\":\"bgr\"", "channel_order");
    parsed(XL ",\"global_pool_conditions\":true", "global_pool_conditions");
    parsed(XL ",\"conditioning_channels\":1", "conditioning_channels");
    parsed(XL ",\"conditioning_embedding_out_channels\":[]", "conditioning_embedding_out");
    parsed(XL ",\"conditioning_embedding_out_channels\":[16,0]", "conditioning_embedding_out");
    parsed(XL ",\"conditioning_embedding_out_channels\":[1,1,1,1,1,1,1,1,1]",
           "conditioning_embedding_out");
    parsed(XL ",\"encoder_hid_dim\":4096", "encoder_hid_dim");
    parsed(XL ",\"mid_block_type\":\"UNetMidBlock2DSimpleCrossAttn\"", "mid_block_type");
    parsed(XL ",\"mid_block_type\":null", "no middle block");
    parsed(XL ",\"transformer_layers_per_block\":[0,0]", "transformer_layers_per_block");
    parsed(XL ",\"norm_num_groups\":5", "no multiple");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_the_same),
        cmocka_unit_test(every_form_of_a_union_is_the_same),
        cmocka_unit_test(a_union_beside_the_config_of_another),
        cmocka_unit_test(sizes_are_those_of_config_json),
        cmocka_unit_test(a_plain_middle_is_seen),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(broken_unions_are_refused),
        cmocka_unit_test(other_kinds_are_refused),
        cmocka_unit_test(it_is_no_model_and_no_vae),
        cmocka_unit_test(configs_that_are_not_run_are_refused),
    };
    return cmocka_run_group_tests(tests, make_scratch, drop_scratch);
}
