/*
 * ControlNets of ComfyUI workflows: which of them becomes the settings control and its like, what
 * is made of its picture, and what is named because it works otherwise here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "comfy_help.h"

#define NODE(id, type, inputs) ",\"" id "\":{\"class_type\":\"" type "\",\"inputs\":{" inputs "}}"
#define SAMPLER(id, latent, positive, negative)                                                    \
    NODE(id, "KSampler",                                                                           \
         "\"model\":[\"1\",0],\"positive\":" positive ",\"negative\":" negative                    \
         ",\"latent_image\":[\"" latent "\",0],\"seed\":7,\"steps\":8,\"cfg\":4,"                  \
         "\"sampler_name\":\"euler\",\"scheduler\":\"karras\",\"denoise\":1")
/* Checkpoint 1, texts 2 and 3, latent 4, the last sampler `last`, decoder 6, saver 7. */
#define GRAPH(last, more)                                                                          \
    "{\"1\":{\"class_type\":\"CheckpointLoaderSimple\",\"inputs\":{\"ckpt_name\":"                 \
    "\"b.safetensors\"}}" NODE("2", "CLIPTextEncode", "\"text\":\"a cat\",\"clip\":[\"1\",1]")     \
        NODE("3", "CLIPTextEncode", "\"text\":\"bad\",\"clip\":[\"1\",1]")                         \
            NODE("4", "EmptyLatentImage", "\"width\":64,\"height\":64,\"batch_size\":1")           \
                NODE("6", "VAEDecode", "\"samples\":[\"" last "\",0],\"vae\":[\"1\",2]")           \
                    NODE("7", "SaveImage", "\"images\":[\"6\",0]") more "}"
#define NET  NODE("n", "ControlNetLoader", "\"control_net_name\":\"xl\\\\canny.safetensors\"")
#define LOAD NODE("p", "LoadImage", "\"image\":\"pose.png\"")
#define APPLY(id, positive, negative, image, more)                                                 \
    NODE(id, "ControlNetApplyAdvanced",                                                            \
         "\"positive\":" positive ",\"negative\":" negative                                        \
         ",\"control_net\":[\"n\",0],\"image\":[\"" image "\",0]" more)
#define SINGLE(id, from, more)                                                                     \
    NODE(id, "ControlNetApply",                                                                    \
         "\"conditioning\":[\"" from "\",0],\"control_net\":[\"n\",0],\"image\":[\"p\",0]" more)
#define USUAL(image) /* one ControlNet for both texts, its picture from that node */               \
    SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]")                                                    \
    NET LOAD APPLY("c", "[\"2\",0]", "[\"3\",0]", image, ",\"strength\":1")

static void expect_notes(const struct recipe *r, int count)
{
    if (r->notes != count)
        fail_msg("%d notes, not %d; the first: %s", r->notes, count, r->notes ? r->note[0] : "");
}

static void expect_control(const struct recipe *r)
{
    expect(r, "control", "canny");
    expect(r, "control-image", "pose.png");
    expect(r, "prompt", "a cat");
    expect(r, "negative", "bad");
}

static void for_both_texts(void **state)
{
    (void)state;
    static const char *const graphs[] = {
        GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]") NET LOAD APPLY(
                       "c", "[\"2\",0]", "[\"3\",0]", "p",
                       ",\"strength\":0.8,\"start_percent\":0.1,\"end_percent\":0.625")),
        GRAPH("5", SAMPLER("5", "4", "[\"s\",0]", "[\"s\",1]")
                       NET LOAD NODE("s", "Apply ControlNet Stack",
                                     "\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"cnet_stack\":"
                                     "[\"c\",0]")
                           NODE("c", "Control Net Stacker",
                                "\"control_net\":[\"n\",0],\"image\":[\"p\",0],\"strength\":0.8,"
                                "\"start_percent\":0.1,\"end_percent\":0.625")),
    };
    for (int i = 0; i < 2; i++) {
        struct recipe r;
        import(graphs[i], &r);
        expect_control(&r);
        expect(&r, "control-strength", "0.8");
        expect(&r, "control-start", "0.1");
        expect(&r, "control-end", "0.625");
        expect(&r, "control-prepare", NULL);
        expect_notes(&r, 0);
        recipe_free(&r);
    }
}

/* The old node is for one text; ComfyUI has it work for the negative one too, but not the other
 * way round. */
static void for_one_text(void **state)
{
    (void)state;
    struct recipe r;
    import(GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"3\",0]")
                          NET LOAD SINGLE("c", "2", ",\"strength\":1")),
           &r);
    expect_control(&r);
    expect(&r, "control-strength", NULL);
    expect_notes(&r, 0);
    recipe_free(&r);
    /* One for each text, alike. */
    import(GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"d\",0]") NET LOAD SINGLE(
                          "c", "2", ",\"strength\":0.5") SINGLE("d", "3", ",\"strength\":0.5")),
           &r);
    expect_control(&r);
    expect_notes(&r, 0);
    recipe_free(&r);
    /* One for each text, which differ. */
    import(GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"d\",0]") NET LOAD SINGLE(
                          "c", "2", ",\"strength\":0.5") SINGLE("d", "3", ",\"strength\":0.25")),
           &r);
    expect(&r, "control-strength", "0.5");
    expect_note(&r, "node d (ControlNetApply) is ignored: it works for the negative prompt alone");
    expect_note(&r, "node c (ControlNetApply): it works for the prompt alone; here for the");
    expect_notes(&r, 2);
    recipe_free(&r);
    import(GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"3\",0]")
                          NET LOAD APPLY("c", "[\"2\",0]", "[\"3\",0]", "p", ",\"strength\":1")),
           &r);
    expect_control(&r);
    expect_note(&r, "node c (ControlNetApplyAdvanced): it works for the prompt alone; here for");
    expect_notes(&r, 1);
    recipe_free(&r);
    import(GRAPH("5", SAMPLER("5", "4", "[\"2\",0]", "[\"c\",0]")
                          NET LOAD SINGLE("c", "3", ",\"strength\":1")),
           &r);
    expect(&r, "control", NULL);
    expect_note(&r, "node c (ControlNetApply) is ignored: it works for the negative prompt alone");
    recipe_free(&r);
}

/* What is done to the picture on its way. */
static void pictures(void **state)
{
    (void)state;
    static const struct {
        const char *graph, *prepare, *low, *high, *note;
        int notes;
    } all[] = {
        {GRAPH("5", USUAL("x") NODE("x", "ImageInvert", "\"image\":[\"p\",0]")), "invert", NULL,
         NULL, NULL, 0},
        {GRAPH("5", USUAL("x") NODE("x", "ImageInvert", "\"image\":[\"y\",0]")
                        NODE("y", "ImageInvert", "\"image\":[\"p\",0]")),
         NULL, NULL, NULL, NULL, 0},
        {GRAPH("5", USUAL("x") NODE("x", "Canny",
                                    "\"image\":[\"y\",0],\"low_threshold\":0.2,"
                                    "\"high_threshold\":0.5")
                        NODE("y", "ImageInvert", "\"image\":[\"p\",0]")),
         "canny", "110", "275",
         "node x (Canny): it measures edges otherwise: low_threshold 0.2 and high_threshold 0.5 "
         "are "
         "about control_low = 110 and control_high = 275",
         1},
        {GRAPH("5", USUAL("x") NODE("x", "ImageInvert", "\"image\":[\"y\",0]")
                        NODE("y", "CannyEdgePreprocessor",
                             "\"image\":[\"p\",0],\"low_threshold\":80,\"high_threshold\":200,"
                             "\"resolution\":768")),
         "canny", "80", "200", "its edges are made black on white; here they are white on black",
         2},
        {GRAPH("5", USUAL("x") NODE("x", "AIO_Preprocessor",
                                    "\"image\":[\"p\",0],\"preprocessor\":"
                                    "\"CannyEdgePreprocessor\",\"resolution\":512")),
         "canny", NULL, NULL, "of which the shorter side is 512 pixels; here in the picture as it",
         1},
        {GRAPH("5", USUAL("x") NODE("x", "AIO_Preprocessor",
                                    "\"image\":[\"p\",0],\"preprocessor\":\"none\"")),
         NULL, NULL, NULL, NULL, 0},
        {GRAPH("5", USUAL("x") NODE("x", "DWPreprocessor", "\"image\":[\"p\",0]")), NULL, NULL,
         NULL, "node x (DWPreprocessor): it would make a pose of the picture, which is taken", 1},
        {GRAPH("5", USUAL("x") NODE("x", "Zoe-DepthMapPreprocessor", "\"image\":[\"p\",0]")), NULL,
         NULL, NULL, "it would make depths of the picture, which is taken as it is", 1},
        {GRAPH("5", USUAL("x") NODE("x", "ImageScale",
                                    "\"image\":[\"p\",0],\"upscale_method\":\"area\",\"width\":64,"
                                    "\"height\":64,\"crop\":\"center\"")),
         NULL, NULL, NULL, "node x (ImageScale) is ignored: the ControlNet's picture is fitted", 1},
        {GRAPH("5", USUAL("x") NODE("x", "MaskToImage", "\"mask\":[\"y\",0]")
                        NODE("y", "LoadImageMask", "\"image\":\"pose.png\",\"channel\":\"red\"")),
         NULL, NULL, NULL, "of 'pose.png' it takes the channel red; here the picture is read", 2},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect_control(&r);
        expect(&r, "control-prepare", all[i].prepare);
        expect(&r, "control-low", all[i].low);
        expect(&r, "control-high", all[i].high);
        if (all[i].note)
            expect_note(&r, all[i].note);
        expect_notes(&r, all[i].notes);
        recipe_free(&r);
    }
}

/* What a union is told of its picture; of several nodes, the one nearest to its use counts. */
static void unions(void **state)
{
    (void)state;
#define TOLD(last, more)                                                                           \
    GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]")                                         \
                   NET LOAD NODE("c", "ControlNetApplyAdvanced",                                   \
                                 "\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"strength\":1,"   \
                                 "\"control_net\":[\"" last "\",0],\"image\":[\"p\",0]") more)
#define TYPE(id, from, type)                                                                       \
    NODE(id, "SetUnionControlNetType", "\"control_net\":[\"" from "\",0],\"type\":\"" type "\"")
    static const struct {
        const char *graph, *type, *note;
    } all[] = {
        {TOLD("u", TYPE("u", "n", "auto")), NULL, NULL},
        {TOLD("u", TYPE("u", "n", "tile")), "tile", NULL},
        {TOLD("u", TYPE("u", "n", "hed/pidi/scribble/ted")), "scribble", NULL},
        {TOLD("u", TYPE("u", "v", "depth") TYPE("v", "n", "normal")), "depth", NULL},
        {TOLD("u", TYPE("u", "v", "auto") TYPE("v", "n", "normal")), NULL, NULL},
        {TOLD("u", TYPE("u", "n", "canny")), NULL,
         "node u (SetUnionControlNetType): type: canny: there is none of that name here"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect_control(&r);
        expect(&r, "control-type", all[i].type);
        if (all[i].note)
            expect_note(&r, all[i].note);
        expect_notes(&r, all[i].note != NULL);
        recipe_free(&r);
    }
}

/* What the settings cannot say is named. */
static void named(void **state)
{
    (void)state;
    static const struct {
        const char *graph, *control, *note;
    } all[] = {
        {GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]")
                        NET LOAD APPLY("c", "[\"d\",0]", "[\"d\",1]", "p", ",\"strength\":1")
                            APPLY("d", "[\"2\",0]", "[\"3\",0]", "p", ",\"strength\":0.3")),
         "canny", "node d (ControlNetApplyAdvanced) is ignored: one ControlNet works at a time"},
        {GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]") NET LOAD APPLY(
                        "c", "[\"2\",0]", "[\"3\",0]", "p", ",\"strength\":1,\"vae\":[\"1\",2]")),
         "canny", "node c (ControlNetApplyAdvanced): its vae is ignored"},
        {GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]")
                        LOAD APPLY("c", "[\"2\",0]", "[\"3\",0]", "p", ",\"strength\":1")
                            NODE("n", "DiffControlNetLoader",
                                 "\"model\":[\"1\",0],\"control_net_name\":\"canny-1.0/"
                                 "diffusion_pytorch_model.fp16.safetensors\"")),
         "canny-1.0", "a file that holds a ControlNet less the model is not read here"},
        {GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]")
                        NET APPLY("c", "[\"2\",0]", "[\"3\",0]", "6", ",\"strength\":1")),
         "canny", "its picture is no file; name one with --control-image"},
        {GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]")
                        NET LOAD APPLY("c", "[\"2\",0]", "[\"3\",0]", "p", ",\"strength\":0")),
         NULL, "node n (ControlNetLoader) was not used"},
        {GRAPH("5", SAMPLER("5", "4", "[\"c\",0]", "[\"c\",1]") NET LOAD NODE(
                        "c", "ControlNetInpaintingAliMamaApply",
                        "\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"control_net\":"
                        "[\"n\",0],\"vae\":[\"1\",2],\"image\":[\"p\",0],\"strength\":1")),
         NULL, "is ignored: it holds what is not masked to a picture, by a ControlNet"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect(&r, "prompt", "a cat");
        expect(&r, "negative", "bad");
        expect(&r, "control", all[i].control);
        expect_note(&r, all[i].note);
        recipe_free(&r);
    }
}

/* A second pass: silent where it has the same ControlNet and texts. */
static void second_pass(void **state)
{
    (void)state;
#define LARGER                                                                                     \
    NODE("u", "LatentUpscaleBy",                                                                   \
         "\"samples\":[\"5\",0],\"upscale_method\":\"bilinear\",\"scale_by\":2")
    static const struct {
        const char *graph, *note;
    } all[] = {
        {GRAPH("8", USUAL("p") LARGER SAMPLER("8", "u", "[\"c\",0]", "[\"c\",1]")), NULL},
        {GRAPH("8", USUAL("p") LARGER SAMPLER("8", "u", "[\"2\",0]", "[\"3\",0]")),
         "node 8 (KSampler): it has no ControlNet; here that of the first sampler works on"},
        {GRAPH("8", USUAL("p") LARGER SAMPLER("8", "u", "[\"d\",0]", "[\"d\",1]")
                        APPLY("d", "[\"2\",0]", "[\"3\",0]", "p", ",\"strength\":0.4")),
         "node d (ControlNetApplyAdvanced) is ignored: here the ControlNet of the first"},
        {GRAPH("8", USUAL("p") LARGER SAMPLER("8", "u", "[\"d\",0]", "[\"d\",1]")
                        APPLY("d", "[\"t\",0]", "[\"3\",0]", "p", ",\"strength\":1")
                            NODE("t", "CLIPTextEncode", "\"text\":\"a dog\",\"clip\":[\"1\",1]")),
         "node 8 (KSampler): it reads the first sampler's text here, not 'a dog'"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r;
        import(all[i].graph, &r);
        expect_control(&r);
        expect(&r, "hires", "2");
        if (all[i].note)
            expect_note(&r, all[i].note);
        expect_notes(&r, all[i].note != NULL);
        recipe_free(&r);
    }
}

/* The editor's form, where values have no names; a node that is bypassed does nothing. */
static void editors_form(void **state)
{
    (void)state;
    static const char form[] =
        "{\"nodes\":[{\"id\":1,\"type\":\"CheckpointLoaderSimple\",\"inputs\":[],"
        "\"widgets_values\":[\"b.safetensors\"]},{\"id\":2,\"type\":\"CLIPTextEncode\","
        "\"inputs\":[{\"name\":\"clip\",\"link\":1}],\"widgets_values\":[\"a cat\"]},"
        "{\"id\":3,\"type\":\"CLIPTextEncode\",\"inputs\":[{\"name\":\"clip\",\"link\":2}],"
        "\"widgets_values\":[\"bad\"]},{\"id\":4,\"type\":\"EmptyLatentImage\",\"inputs\":[],"
        "\"widgets_values\":[64,64,1]},{\"id\":5,\"type\":\"KSampler\",\"inputs\":["
        "{\"name\":\"model\",\"link\":3},{\"name\":\"positive\",\"link\":4},{\"name\":"
        "\"negative\",\"link\":5},{\"name\":\"latent_image\",\"link\":6}],\"widgets_values\":"
        "[7,\"fixed\",8,4,\"euler\",\"karras\",1]},{\"id\":6,\"type\":\"VAEDecode\",\"inputs\":["
        "{\"name\":\"samples\",\"link\":7},{\"name\":\"vae\",\"link\":8}]},{\"id\":7,\"type\":"
        "\"SaveImage\",\"inputs\":[{\"name\":\"images\",\"link\":9}],\"widgets_values\":[\"x\"]},"
        "{\"id\":8,\"type\":\"ControlNetApplyAdvanced\",\"mode\":%d,\"inputs\":[{\"name\":"
        "\"positive\",\"type\":\"CONDITIONING\",\"link\":10},{\"name\":\"negative\",\"type\":"
        "\"CONDITIONING\",\"link\":11},{\"name\":\"control_net\",\"type\":\"CONTROL_NET\",\"link\":"
        "12},{\"name\":\"image\",\"type\":\"IMAGE\",\"link\":13}],\"outputs\":[{\"type\":"
        "\"CONDITIONING\"},{\"type\":\"CONDITIONING\"}],\"widgets_values\":[0.7,0.1,0.9]},{\"id\":"
        "9,"
        "\"type\":\"ControlNetLoader\",\"inputs\":[],\"widgets_values\":[\"canny.safetensors\"]},"
        "{\"id\":10,\"type\":\"CannyEdgePreprocessor\",\"inputs\":[{\"name\":\"image\",\"link\":14}"
        "],\"widgets_values\":[50,150,1024]},{\"id\":11,\"type\":\"LoadImage\",\"inputs\":[],"
        "\"widgets_values\":[\"pose.png\",\"image\"]}],\"links\":[[1,1,1,2,0,\"C\"],[2,1,1,3,0,"
        "\"C\"],"
        "[3,1,0,5,0,\"M\"],[4,8,0,5,1,\"N\"],[5,8,1,5,2,\"N\"],[6,4,0,5,3,\"L\"],[7,5,0,6,0,\"L\"],"
        "[8,1,2,6,1,\"V\"],[9,6,0,7,0,\"I\"],[10,2,0,8,0,\"N\"],[11,3,0,8,1,\"N\"],[12,9,0,8,2,"
        "\"X\"],"
        "[13,10,0,8,3,\"I\"],[14,11,0,10,0,\"I\"]]}";
    char text[sizeof form];
    struct recipe r;
    snprintf(text, sizeof text, form, 0);
    import(text, &r);
    expect_control(&r);
    expect(&r, "control-strength", "0.7");
    expect(&r, "control-start", "0.1");
    expect(&r, "control-end", "0.9");
    expect(&r, "control-low", "50");
    expect(&r, "control-high", "150");
    expect_note(&r, "of which the shorter side is 1024 pixels");
    expect_notes(&r, 1);
    recipe_free(&r);
    snprintf(text, sizeof text, form, 4);
    import(text, &r);
    expect(&r, "control", NULL);
    expect(&r, "prompt", "a cat");
    expect(&r, "negative", "bad");
    recipe_free(&r);
}

/* A circle of stacks, and of pictures, ends. */
static void circles(void **state)
{
    (void)state;
    struct recipe r;
    import(GRAPH("5", SAMPLER("5", "4", "[\"s\",0]", "[\"s\",1]") NET LOAD NODE(
                          "s", "Apply ControlNet Stack",
                          "\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"cnet_stack\":"
                          "[\"c\",0]")
                          NODE("c", "Control Net Stacker",
                               "\"control_net\":[\"n\",0],\"image\":[\"x\",0],\"cnet_stack\":"
                               "[\"c\",0]") NODE("x", "ImageInvert", "\"image\":[\"x\",0]")),
           &r);
    expect_note(&r, "links run in a circle");
    recipe_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(for_both_texts), cmocka_unit_test(for_one_text),
        cmocka_unit_test(pictures),       cmocka_unit_test(unions),
        cmocka_unit_test(pictures),       cmocka_unit_test(named),
        cmocka_unit_test(second_pass),    cmocka_unit_test(editors_form),
        cmocka_unit_test(circles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
