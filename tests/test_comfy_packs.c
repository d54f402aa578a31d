/*
 * ComfyUI workflows with nodes of packs that many use: LoRA loaders of rgthree-comfy, Comfyroll and
 * efficiency-nodes-comfyui, and the latter's loader and samplers. Each in the API's form as those
 * packs' own code names its inputs; the lists of values as their editor's files have them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "comfy_help.h"

static void expect_notes(const struct recipe *r, int count, const char *part)
{
    bool found = !part;
    for (int i = 0; i < r->notes; i++)
        found |= part && strstr(r->note[i], part);
    if (!found || r->notes != count)
        fail_msg("%d notes, not %d; '%s' %s; the first: %s", r->notes, count, part ? part : "",
                 found ? "is there" : "is not", r->notes ? r->note[0] : "");
}

#define NODE(id, type, inputs) ",\"" id "\":{\"class_type\":\"" type "\",\"inputs\":{" inputs "}}"
/* Checkpoint 1, texts 2 and 3 by the CLIP of node `lora`, latent 4, sampler 5, decoder 6, saver 7.
 */
#define GRAPH(lora, more)                                                                          \
    "{\"1\":{\"class_type\":\"CheckpointLoaderSimple\",\"inputs\":{\"ckpt_name\":\"b."             \
    "safetensors\""                                                                                \
    "}}" NODE("2", "CLIPTextEncode", "\"text\":\"a cat\",\"clip\":[\"" lora "\",1]")               \
        NODE("3", "CLIPTextEncode", "\"text\":\"bad\",\"clip\":[\"" lora "\",1]")                  \
            NODE("4", "EmptyLatentImage", "\"width\":64,\"height\":64,\"batch_size\":1")           \
                NODE("5", "KSampler",                                                              \
                     "\"model\":[\"" lora "\",0],\"positive\":[\"2\",0],\"negative\":[\"3\",0],"   \
                     "\"latent_image\":[\"4\",0],\"seed\":7,\"steps\":8,\"cfg\":4,"                \
                     "\"sampler_name\":\"euler\",\"scheduler\":\"karras\",\"denoise\":1")          \
                    NODE("6", "VAEDecode", "\"samples\":[\"5\",0],\"vae\":[\"1\",2]")              \
                        NODE("7", "SaveImage", "\"images\":[\"6\",0]") more "}"
#define BOTH "\"model\":[\"1\",0],\"clip\":[\"1\",1]"

static void lora_loaders(void **state)
{
    (void)state;
    static const struct {
        const char *graph, *lora;
    } all[] = {
        {GRAPH("8", NODE("8", "Power Lora Loader (rgthree)",
                         "\"PowerLoraLoaderHeaderWidget\":{\"type\":\"x\"},\"lora_1\":{\"on\":true,"
                         "\"lora\":\"xl/pixel.safetensors\",\"strength\":0.8},\"lora_2\":{\"on\":"
                         "false,\"lora\":\"off.safetensors\",\"strength\":1},\"lora_4\":{\"on\":"
                         "true,\"lora\":\"lcm.safetensors\",\"strength\":0.5,\"strengthTwo\":0.25},"
                         "\"lora_5\":{\"on\":true,\"lora\":\"None\"},\"more\":\"\"," BOTH)),
         "pixel:0.8, lcm:te=0.25:unet=0.5"},
        {GRAPH("8", NODE("8", "Lora Loader Stack (rgthree)",
                         "\"lora_01\":\"a.safetensors\",\"strength_01\":0.4,\"lora_02\":\"None\","
                         "\"strength_02\":1,\"lora_03\":\"c.safetensors\",\"strength_03\":-0.9,"
                         "\"lora_04\":\"None\",\"strength_04\":1," BOTH)),
         "a:0.4, c:-0.9"},
        {GRAPH("8", NODE("8", "CR Apply LoRA Stack", "\"lora_stack\":[\"9\",0]," BOTH)
                        NODE("9", "CR LoRA Stack",
                             "\"switch_1\":\"On\",\"lora_name_1\":\"a.safetensors\",\"model_weight_"
                             "1\":0.9,\"clip_weight_1\":0.7,\"switch_2\":\"Off\",\"lora_name_2\":"
                             "\"b.safetensors\",\"model_weight_2\":1,\"clip_weight_2\":1,\"switch_"
                             "3\":\"On\",\"lora_name_3\":\"None\",\"lora_stack\":[\"10\",0]")
                            NODE("10", "LoRA Stacker",
                                 "\"input_mode\":\"simple\",\"lora_count\":2,\"lora_name_1\":"
                                 "\"x.safetensors\",\"lora_wt_1\":0.3,\"lora_name_2\":"
                                 "\"y.safetensors\",\"lora_wt_2\":0.2,\"lora_name_3\":"
                                 "\"z.safetensors\",\"lora_wt_3\":1")),
         "x:0.3, y:0.2, a:te=0.7:unet=0.9"},
        {GRAPH("8", NODE("8", "CR Load LoRA",
                         "\"switch\":\"On\",\"lora_name\":\"a.safetensors\",\"strength_model\":0.5,"
                         "\"strength_clip\":0.5," BOTH)),
         "a:0.5"},
        {GRAPH("8", NODE("8", "CR Load LoRA",
                         "\"switch\":\"Off\",\"lora_name\":\"a.safetensors\",\"strength_model\":1,"
                         "\"strength_clip\":1," BOTH)),
         NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect(&r, "lora", all[i].lora);
        expect(&r, "model", "b");
        expect_notes(&r, 0, NULL);
        recipe_free(&r);
    }
}

/* Lists with pictures beside their names; a size by name. */
static void pictured(void **state)
{
    (void)state;
    struct recipe r;
    import(GRAPH("8", NODE("8", "LoraLoader|pysssss",
                           "\"lora_name\":{\"content\":\"xl/a.safetensors\",\"image\":null},"
                           "\"strength_model\":0.8,\"strength_clip\":1,\"example\":\"[none]\","
                           "\"model\":[\"9\",0],\"clip\":[\"9\",1]")
                          NODE("9", "CheckpointLoader|pysssss",
                               "\"ckpt_name\":{\"content\":\"m.safetensors\",\"image\":null}")
                              NODE("4", "SDXL Empty Latent Image (rgthree)",
                                   "\"dimensions\":\" 832 x 1216  (portrait)\",\"clip_scale\":2,"
                                   "\"batch_size\":3")),
           &r);
    expect(&r, "model", "m");
    expect(&r, "lora", "a:te=1:unet=0.8");
    expect(&r, "size", "832x1216");
    expect(&r, "batch", "3");
    recipe_free(&r);
}

/* Its size was left out. */
static void picked_size(void **state)
{
    (void)state;
    static const char *const all[][2] = {{"0", "832x1216"}, {"640", "640x1216"}};
    for (size_t i = 0; i < 2; i++) {
        char graph[4000];
        struct recipe r;
        snprintf(graph, sizeof graph,
                 GRAPH("1", NODE("4", "SDXLEmptyLatentSizePicker+",
                                 "\"resolution\":\"832x1216 (0.68)\",\"batch_size\":2,"
                                 "\"width_override\":%s,\"height_override\":0")),
                 all[i][0]);
        import(graph, &r);
        expect(&r, "size", all[i][1]);
        expect(&r, "batch", "2");
        recipe_free(&r);
    }
}

/* A circle of stacks ends. */
static void circle(void **state)
{
    (void)state;
    struct recipe r;
    import(GRAPH("8", NODE("8", "CR Apply LoRA Stack", "\"lora_stack\":[\"9\",0]," BOTH)
                          NODE("9", "CR LoRA Stack", "\"lora_stack\":[\"9\",0]")),
           &r);
    expect(&r, "lora", NULL);
    recipe_free(&r);
}

#define EFFICIENT(more)                                                                            \
    "{\"1\":{\"class_type\":\"Efficient "                                                          \
    "Loader\",\"inputs\":{\"ckpt_name\":\"xl\\\\b.safetensors\","                                  \
    "\"vae_name\":\"v.safetensors\",\"clip_skip\":-3,\"lora_name\":\"l.safetensors\","             \
    "\"lora_model_strength\":0.7,\"lora_clip_strength\":0.5,\"positive\":\"a cat\",\"negative\":"  \
    "\"bad\",\"token_normalization\":\"none\",\"weight_interpretation\":\"comfy\","                \
    "\"empty_latent_width\":512,\"empty_latent_height\":768,\"batch_size\":2}}"                    \
    ",\"2\":{\"class_type\":\"KSampler (Efficient)\",\"inputs\":{\"seed\":7,\"steps\":12,"         \
    "\"cfg\":2,\"sampler_name\":\"dpmpp_sde\",\"scheduler\":\"karras\",\"denoise\":1,"             \
    "\"preview_method\":\"auto\",\"vae_decode\":\"true\",\"model\":[\"1\",0],\"positive\":"        \
    "[\"1\",1],\"negative\":[\"1\",2],\"latent_image\":[\"1\",3],\"optional_vae\":[\"1\",4]}"      \
    "}" more "}"

static void efficient(void **state)
{
    (void)state;
    struct recipe r;
    import(EFFICIENT(NODE("3", "SaveImage", "\"images\":[\"2\",5]")), &r);
    expect(&r, "model", "b");
    expect(&r, "vae", "v");
    expect(&r, "clip-skip", "3");
    expect(&r, "lora", "l:te=0.5:unet=0.7");
    expect(&r, "prompt", "a cat");
    expect(&r, "negative", "bad");
    expect(&r, "size", "512x768");
    expect(&r, "batch", "2");
    expect(&r, "steps", "12");
    expect(&r, "sampler", "dpmpp_sde");
    expect_notes(&r, 0, NULL);
    recipe_free(&r);
    /* A second sampler that is fed by the first alone. */
    import(EFFICIENT(NODE("3", "LatentUpscaleBy",
                          "\"samples\":[\"2\",3],\"upscale_method\":\"bilinear\",\"scale_by\":2")
                         NODE("4", "KSampler (Efficient)",
                              "\"seed\":7,\"steps\":12,\"cfg\":2,\"sampler_name\":\"dpmpp_sde\","
                              "\"scheduler\":\"karras\",\"denoise\":0.5,\"model\":[\"2\",0],"
                              "\"positive\":[\"2\",1],\"negative\":[\"2\",2],\"latent_image\":"
                              "[\"3\",0],\"optional_vae\":[\"2\",4],\"script\":[\"9\",0]")
                             NODE("5", "SaveImage", "\"images\":[\"4\",5]")
                                 NODE("9", "XY Plot", "\"x\":1")),
           &r);
    expect(&r, "hires", "2");
    expect(&r, "hires-denoise", "0.5");
    expect(&r, "vae", "v");
    expect(&r, "lora", "l:te=0.5:unet=0.7");
    expect_notes(&r, 2, "node 4 (KSampler (Efficient)): its script is ignored");
    recipe_free(&r);
}

/* The editor's form: a null behind the seed; LoRAs as objects between a divider and a button. */
static void editors_form(void **state)
{
    (void)state;
    struct recipe r;
    import(
        "{\"nodes\":[{\"id\":1,\"type\":\"Efficient Loader\",\"inputs\":[],\"widgets_values\":["
        "\"b.safetensors\",\"Baked VAE\",-2,\"None\",1,1,\"a cat\",\"bad\",\"none\",\"A1111\","
        "512,640,1]},{\"id\":8,\"type\":\"Power Lora Loader (rgthree)\",\"inputs\":[{\"name\":"
        "\"model\",\"link\":1},{\"name\":\"clip\",\"link\":2}],\"widgets_values\":[null,{\"type\":"
        "\"PowerLoraLoaderHeaderWidget\"},{\"on\":true,\"lora\":\"p.safetensors\",\"strength\":"
        "0.8,\"strengthTwo\":null},{},\"\"]},{\"id\":2,\"type\":\"KSampler (Efficient)\","
        "\"inputs\":[{\"name\":\"model\",\"link\":3},{\"name\":\"positive\",\"link\":4},{\"name\":"
        "\"negative\",\"link\":5},{\"name\":\"latent_image\",\"link\":6},{\"name\":"
        "\"optional_vae\",\"link\":7}],\"widgets_values\":[863389622127326,null,7,1.5,\"dpmpp_2m\","
        "\"karras\",1,\"auto\",\"true\"]},{\"id\":3,\"type\":\"SaveImage\",\"inputs\":[{\"name\":"
        "\"images\",\"link\":8}],\"widgets_values\":[\"x\"]}],\"links\":[[1,1,0,8,0,\"MODEL\"],"
        "[2,1,5,8,1,\"CLIP\"],[3,8,0,2,0,\"MODEL\"],[4,1,1,2,1,\"C\"],[5,1,2,2,2,\"C\"],"
        "[6,1,3,2,3,\"LATENT\"],[7,1,4,2,4,\"VAE\"],[8,2,5,3,0,\"IMAGE\"]]}",
        &r);
    expect(&r, "seed", "863389622127326");
    expect(&r, "steps", "7");
    expect(&r, "cfg", "1.5");
    expect(&r, "sampler", "dpmpp_2m");
    expect(&r, "size", "512x640");
    expect(&r, "vae", NULL);
    expect(&r, "clip-skip", NULL);
    expect(&r, "lora", "p:te=0:unet=0.8"); /* the texts do not come through it */
    expect_notes(&r, 1, "weight_interpretation A1111; here prompts are read as with comfy");
    recipe_free(&r);
}

#define TEXT(more)                                                                                 \
    GRAPH("1", NODE("2", "CLIPTextEncode", "\"text\":[\"8\",0],\"clip\":[\"1\",1]") more)

/* Texts that nodes put together, or have one of for each output. What is not known so well that it
 * is sure is named: a prompt was a seed's digits, or lost its second half, without a word. */
static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *graph, *prompt, *negative, *note;
    } all[] = {
        {TEXT(NODE("8", "Text Concatenate",
                   "\"delimiter\":\", \",\"clean_whitespace\":\"true\",\"text_a\":[\"9\",0],"
                   "\"text_b\":\" \",\"text_c\":\"pixel art\"")
                  NODE("9", "Text Multiline", "\"text\":\" red knight\\n\"")),
         "red knight, pixel art", "bad", NULL},
        {TEXT(NODE("8", "Text Concatenate",
                   "\"delimiter\":\"\\\\n\",\"clean_whitespace\":\"false\",\"text_a\":\"a \","
                   "\"text_d\":\"b\"")),
         "a \nb", "bad", NULL},
        {TEXT(NODE("8", "CR Text Concatenate",
                   "\"text1\":\"red\",\"text2\":\" knight\",\"separator\":\"\"")),
         "red knight", "bad", NULL},
        {TEXT(NODE("8", "JoinStrings",
                   "\"string1\":\"red\",\"string2\":[\"9\",0],\"delimiter\":\" \"")
                  NODE("9", "ShowText|pysssss", "\"text\":\"knight\",\"text_0\":\"old\"")),
         "red knight", "bad", NULL},
        {TEXT(NODE("8", "StringConcatenate",
                   "\"string_a\":\"red\",\"string_b\":[\"77\",0],\"delimiter\":\", \"")),
         "red, ", "bad", "node 8 (StringConcatenate): its string_b could not be followed"},
        {TEXT(NODE("8", "ImpactWildcardProcessor",
                   "\"wildcard_text\":\"{red|blue} knight\",\"populated_text\":\"red "
                   "knight\",\"mode\":\"fixed\",\"seed\":5")),
         "red knight", "bad", NULL},
        {TEXT(NODE("3", "CLIPTextEncode", "\"text\":[\"8\",1],\"clip\":[\"1\",1]")
                  NODE("8", "SDXLPromptStyler",
                       "\"text_positive\":\"knight\",\"text_negative\":\"blur\",\"style\":"
                       "\"sai-pixel art\",\"log_prompt\":\"No\"")),
         "knight", "blur", "what its style 'sai-pixel art' adds is not in this file"},
        {TEXT(NODE("8", "StringReplace",
                   "\"string\":\"a cat\",\"find\":\"cat\",\"replace\":\"dog\"")),
         "a cat", "bad", "node 8 (StringReplace) is unknown here: its string is taken as it is"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect(&r, "prompt", all[i].prompt);
        expect(&r, "negative", all[i].negative);
        if (all[i].note)
            expect_note(&r, all[i].note);
        else
            expect_notes(&r, 1, "node 2 (CLIPTextEncode) was not used"); /* the one replaced */
        recipe_free(&r);
    }
}

/* In the editor's form the first of a node's values was taken: what stands between the texts. */
static void editors_texts(void **state)
{
    (void)state;
    struct recipe r;
    import(
        "{\"nodes\":[{\"id\":1,\"type\":\"CheckpointLoaderSimple\",\"widgets_values\":[\"b\"]},"
        "{\"id\":2,\"type\":\"CLIPTextEncode\",\"inputs\":[{\"name\":\"clip\",\"link\":1},"
        "{\"name\":\"text\",\"link\":2,\"widget\":{\"name\":\"text\"}}],\"widgets_values\":[\"\"]},"
        "{\"id\":3,\"type\":\"Text Concatenate\",\"inputs\":[{\"name\":\"text_a\",\"link\":3},"
        "{\"name\":\"text_b\",\"link\":4}],\"widgets_values\":[\", \",\"true\"]},"
        "{\"id\":4,\"type\":\"Text Multiline\",\"widgets_values\":[\"red knight\"]},"
        "{\"id\":5,\"type\":\"ImpactWildcardProcessor\",\"widgets_values\":[\"{a|b}\",\"b\","
        "\"populate\",9,\"fixed\",\"Select\"]},"
        "{\"id\":6,\"type\":\"KSampler\",\"inputs\":[{\"name\":\"model\",\"link\":5},{\"name\":"
        "\"positive\",\"link\":6},{\"name\":\"negative\",\"link\":6},{\"name\":\"latent_image\","
        "\"link\":7}],\"widgets_values\":[7,\"fixed\",8,4,\"euler\",\"karras\",1]},"
        "{\"id\":7,\"type\":\"EmptyLatentImage\",\"inputs\":[{\"name\":\"width\",\"link\":9,"
        "\"widget\":{\"name\":\"width\"}}],\"widgets_values\":[64,64,1]},"
        "{\"id\":8,\"type\":\"SaveImage\",\"inputs\":[{\"name\":\"images\",\"link\":8}]},"
        "{\"id\":9,\"type\":\"VAEDecode\",\"inputs\":[{\"name\":\"samples\",\"link\":10}]},"
        "{\"id\":10,\"type\":\"SomeMath\",\"inputs\":[],\"widgets_values\":[512,2,\"times\"]}],"
        "\"links\":[[1,1,1,2,0,\"C\"],[2,3,0,2,1,\"S\"],[3,4,0,3,0,\"S\"],[4,5,0,3,1,\"S\"],"
        "[5,1,0,6,0,\"M\"],[6,2,0,6,1,\"C\"],[7,7,0,6,3,\"L\"],[8,9,0,8,0,\"I\"],"
        "[9,10,0,7,0,\"INT\"],[10,6,0,9,0,\"L\"]]}",
        &r);
    expect(&r, "prompt", "red knight, b");
    expect(&r, "size", "512x64");
    expect_notes(&r, 1, "node 10 (SomeMath) is unknown here: its first value is taken as it is");
    recipe_free(&r);
}

/* What a bundle has comes from the node that put it in; a prompt was read for the negative one. */
static void bundles(void **state)
{
    (void)state;
    static const char *const more[] = {
        NODE("8", "Context (rgthree)", "\"base_ctx\":[\"9\",0],\"positive\":[\"2\",0]")
            NODE("9", "Context Big (rgthree)",
                 "\"model\":[\"1\",0],\"negative\":[\"3\",0],\"positive\":[\"3\",0],\"latent\":"
                 "[\"4\",0]"),
        NODE("8", "Context Switch (rgthree)", "\"ctx_02\":[\"9\",0]")
            NODE("9", "Context (rgthree)",
                 "\"model\":[\"1\",0],\"negative\":[\"3\",0],\"positive\":[\"2\",0],\"latent\":"
                 "[\"4\",0]"),
        NODE("8", "FromBasicPipe_v2", "\"basic_pipe\":[\"9\",0]")
            NODE("9", "EditBasicPipe", "\"basic_pipe\":[\"10\",0],\"positive\":[\"2\",0]")
                NODE("10", "ToBasicPipe",
                     "\"model\":[\"1\",0],\"clip\":[\"1\",1],\"vae\":[\"1\",2],\"positive\":"
                     "[\"3\",0],\"negative\":[\"3\",0]"),
    };
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char graph[4000];
        struct recipe r;
        snprintf(graph, sizeof graph,
                 GRAPH("1", "%s" NODE("5", "KSampler",
                                      "\"model\":[\"8\",1],\"positive\":[\"8\",4],\"negative\":"
                                      "[\"8\",5],\"latent_image\":[\"%s\",%d],\"seed\":7,"
                                      "\"steps\":8,\"cfg\":4,\"sampler_name\":\"euler\","
                                      "\"scheduler\":\"karras\",\"denoise\":1")),
                 more[i], i < 2 ? "8" : "4", i < 2 ? 6 : 0);
        import(graph, &r);
        expect(&r, "model", "b");
        expect(&r, "prompt", "a cat");
        expect(&r, "negative", "bad");
        expect(&r, "size", "64x64");
        expect_notes(&r, 1, "node 5 (KSampler) was not used"); /* the one replaced */
        recipe_free(&r);
    }
}

/* Bundles in a circle end, and those that are fed what is none. */
static void circles_of_bundles(void **state)
{
    (void)state;
    static const char *const model[] = {"\"8\",0", "\"8\",1", "\"9\",0"};
    for (size_t i = 0; i < sizeof model / sizeof *model; i++) {
        char graph[4000];
        struct recipe r;
        snprintf(graph, sizeof graph,
                 GRAPH("1",
                       NODE("5", "KSampler",
                            "\"model\":[%s],\"positive\":[\"2\",0],\"negative\":[\"3\",0],"
                            "\"latent_image\":[\"4\",0],\"seed\":7,\"steps\":8,\"cfg\":4,"
                            "\"sampler_name\":\"euler\",\"scheduler\":\"karras\",\"denoise\":1")
                           NODE("8", "Context (rgthree)", "\"base_ctx\":[\"8\",0]")
                               NODE("9", "FromBasicPipe", "\"basic_pipe\":[\"9\",0]")),
                 model[i]);
        import(graph, &r);
        expect(&r, "model", NULL);
        expect_note(&r, "node 5 (KSampler): no checkpoint leads to it");
        recipe_free(&r);
    }
}

/* A link by name, which the editor's form has alone; and the first of a switch that is on. */
static void set_and_got(void **state)
{
    (void)state;
    struct recipe r;
    import(
        "{\"nodes\":[{\"id\":1,\"type\":\"CheckpointLoaderSimple\",\"widgets_values\":[\"b\"]},"
        "{\"id\":2,\"type\":\"CLIPTextEncode\",\"inputs\":[{\"name\":\"clip\",\"link\":1}],"
        "\"widgets_values\":[\"a cat\"]},{\"id\":3,\"type\":\"CLIPTextEncode\",\"mode\":2,"
        "\"inputs\":[{\"name\":\"clip\",\"link\":1}],\"widgets_values\":[\"muted\"]},"
        "{\"id\":4,\"type\":\"SetNode\",\"inputs\":[{\"name\":\"MODEL\",\"link\":2}],"
        "\"widgets_values\":[\"the model\"]},{\"id\":5,\"type\":\"GetNode\",\"widgets_values\":"
        "[\"the model\"]},{\"id\":6,\"type\":\"GetNode\",\"widgets_values\":[\"no such\"]},"
        "{\"id\":7,\"type\":\"KSampler\",\"inputs\":[{\"name\":\"model\",\"link\":3},{\"name\":"
        "\"positive\",\"link\":4},{\"name\":\"negative\",\"link\":5},{\"name\":\"latent_image\","
        "\"link\":6}],\"widgets_values\":[7,\"fixed\",8,4,\"euler\",\"karras\",1]},"
        "{\"id\":8,\"type\":\"EmptyLatentImage\",\"widgets_values\":[64,64,1]},"
        "{\"id\":9,\"type\":\"VAEDecode\",\"inputs\":[{\"name\":\"samples\",\"link\":7}]},"
        "{\"id\":10,\"type\":\"SaveImage\",\"inputs\":[{\"name\":\"images\",\"link\":8}]},"
        "{\"id\":11,\"type\":\"Any Switch (rgthree)\",\"inputs\":[{\"name\":\"any_01\",\"link\":9},"
        "{\"name\":\"any_02\",\"link\":10}]}],"
        "\"links\":[[1,1,1,2,0,\"C\"],[2,1,0,4,0,\"M\"],[3,5,0,7,0,\"M\"],[4,11,0,7,1,\"C\"],"
        "[5,6,0,7,2,\"C\"],[6,8,0,7,3,\"L\"],[7,7,0,9,0,\"L\"],[8,9,0,10,0,\"I\"],"
        "[9,3,0,11,0,\"C\"],[10,2,0,11,1,\"C\"]]}",
        &r);
    expect(&r, "model", "b");
    expect(&r, "prompt", "a cat");
    expect(&r, "size", "64x64");
    expect_note(&r, "node 6 (GetNode): no node sets 'no such'");
    recipe_free(&r);
}

/* Encoders of packs, which load LoRAs by their tags as we do. */
static void encoders(void **state)
{
    (void)state;
    static const struct {
        const char *graph, *prompt, *note;
        int notes;
    } all[] = {
        {GRAPH("8", NODE("2", "ImpactWildcardEncode",
                         "\"wildcard_text\":\"{a|b}\",\"populated_text\":\"b "
                         "<lora:p:0.5>\",\"mode\":\"fixed\",\"seed\":1,\"model\":[\"1\",0],"
                         "\"clip\":[\"1\",1]") NODE("8", "LoraLoader",
                                                    "\"lora_name\":\"l.safetensors\","
                                                    "\"strength_model\":1,\"strength_clip\":1,"
                                                    "\"model\":[\"2\",0],\"clip\":[\"2\",1]")),
         "b <lora:p:0.5>", "node 2 (CLIPTextEncode) was not used", 1},
        {GRAPH("8", NODE("2", "Power Prompt (rgthree)",
                         "\"prompt\":\"b\",\"opt_model\":[\"1\",0],\"opt_clip\":[\"1\",1]")
                        NODE("8", "LoraLoader",
                             "\"lora_name\":\"l.safetensors\",\"strength_model\":1,"
                             "\"strength_clip\":1,\"model\":[\"2\",1],\"clip\":[\"2\",2]")),
         "b", "node 2 (CLIPTextEncode) was not used", 1},
        {GRAPH("8", NODE("2", "smZ CLIPTextEncode",
                         "\"text\":\"b\",\"parser\":\"A1111\",\"clip\":[\"8\",1]")
                        NODE("8", "LoraLoader",
                             "\"lora_name\":\"l.safetensors\",\"strength_model\":1,"
                             "\"strength_clip\":1," BOTH)),
         "b", "node 2 (smZ CLIPTextEncode): parser A1111; here prompts are read as with comfy", 2},
        {GRAPH("8", NODE("2", "CLIPTextEncode", "\"text\":\"b <lora:p:1>\",\"clip\":[\"8\",1]")
                        NODE("8", "LoraLoader",
                             "\"lora_name\":\"l.safetensors\",\"strength_model\":1,"
                             "\"strength_clip\":1," BOTH)),
         "b <lora:p:1>", "a tag of a LoRA in its text is words to it", 2},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect(&r, "prompt", all[i].prompt);
        expect(&r, "model", "b");
        expect(&r, "lora", i < 2 ? "l:te=0:unet=1" : "l:1"); /* the texts of two are before it */
        expect_notes(&r, all[i].notes, all[i].note);
        recipe_free(&r);
    }
}

/* What ComfyUI's mask editor saves is called "clipspace/... [input]": no file is. */
static void annotated(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"clipspace/a.png [input]", "clipspace/a.png"},
                                           {"b.png [output]", "b.png"},
                                           {"c [temp]", "c"},
                                           {"d [other]", "d [other]"},
                                           {"e[input]", "e[input]"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char graph[4000];
        struct recipe r;
        snprintf(graph, sizeof graph,
                 GRAPH("1", NODE("4", "VAEEncode", "\"pixels\":[\"9\",0],\"vae\":[\"1\",2]")
                                NODE("9", "LoadImage", "\"image\":\"%s\"")),
                 names[i][0]);
        import(graph, &r);
        expect(&r, "image", names[i][1]);
        recipe_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lora_loaders), cmocka_unit_test(pictured),
        cmocka_unit_test(circle),       cmocka_unit_test(picked_size),
        cmocka_unit_test(efficient),    cmocka_unit_test(editors_form),
        cmocka_unit_test(texts),        cmocka_unit_test(editors_texts),
        cmocka_unit_test(bundles),      cmocka_unit_test(circles_of_bundles),
        cmocka_unit_test(set_and_got),  cmocka_unit_test(encoders),
        cmocka_unit_test(annotated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
