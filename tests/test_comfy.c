/*
 * ComfyUI's workflows as they are read: both forms, the classes that sprite workflows use, what is
 * broken or hostile in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "comfy_help.h"
#include "import/comfy_graph.h"

/* The nodes that most graphs share: checkpoint 1, texts 2 and 3, latent 4, decoder 6, saver 7. */
#define COMMON                                                                                     \
    "\"1\":{\"class_type\":\"CheckpointLoaderSimple\",\"inputs\":{\"ckpt_name\":"                  \
    "\"sdxl/base.safetensors\"}},"                                                                 \
    "\"2\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{\"text\":\"a "                           \
    "cat\",\"clip\":[\"1\",1]}},"                                                                  \
    "\"3\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{\"text\":\"bad\",\"clip\":[\"1\",1]}},"  \
    "\"4\":{\"class_type\":\"EmptyLatentImage\",\"inputs\":{\"width\":832,\"height\":1216,"        \
    "\"batch_size\":1}},"                                                                          \
    "\"7\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"6\",0],"                        \
    "\"filename_prefix\":\"x\"}}"
#define DECODE(node)                                                                               \
    ",\"6\":{\"class_type\":\"VAEDecode\",\"inputs\":{\"samples\":[\"" node                        \
    "\",0],\"vae\":[\"1\",2]}}"
#define KSAMPLER(id, model, latent, more)                                                          \
    ",\"" id "\":{\"class_type\":\"KSampler\",\"inputs\":{\"seed\":18446744073709551615,"          \
    "\"steps\":20,\"cfg\":6.5,\"sampler_name\":\"dpmpp_2m\",\"scheduler\":\"karras\","             \
    "\"denoise\":" more ",\"model\":[\"" model "\",0],\"positive\":[\"2\",0],"                     \
    "\"negative\":[\"3\",0],\"latent_image\":[\"" latent "\",0]}}"

static void simple_api(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON DECODE("5") KSAMPLER("5", "1", "4", "1.0") "}", &r);
    static const char *const want[][2] = {
        {"prompt", "a cat"},     {"negative", "bad"},  {"seed", "18446744073709551615"},
        {"steps", "20"},         {"cfg", "6.5"},       {"sampler", "dpmpp_2m"},
        {"scheduler", "karras"}, {"size", "832x1216"}, {"model", "base"},
        {"compat", "comfyui"},   {"denoise", NULL},    {"batch", NULL},
        {"lora", NULL},          {"clip-skip", NULL},  {"vae", NULL},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        expect(&r, want[i][0], want[i][1]);
    assert_int_equal(r.notes, 0);
    recipe_free(&r);
}

/* The workflows that this project was given. */
static void shared_workflows(void **state)
{
    (void)state;
    static const char *const cases[][4] = {
        {"pixel_art_workflow", "25", "9", NULL},
        {"sprite_optimized", "20", "8", NULL},
        {"batch_optimized", "20", "8", "8"},
    };
    for (int i = 0; i < 3; i++) {
        char path[200];
        struct recipe r;
        struct settings s = {.width = 0};
        struct err e = {""};
        size_t size;
        snprintf(path, sizeof path, "../shared/data/workflows/%s.json", cases[i][0]);
        if (access(path, R_OK)) {
            print_message("skipped: %s is not here\n", path);
            skip();
        }
        char *text = file_read(path, 1 << 20, &size, &e);
        assert_non_null(text);
        import(text, &r);
        free(text);
        expect(&r, "steps", cases[i][1]);
        expect(&r, "cfg", cases[i][2]);
        expect(&r, "batch", cases[i][3]);
        expect(&r, "sampler", "euler_ancestral");
        expect(&r, "scheduler", "karras");
        expect(&r, "size", "1024x1024");
        expect(&r, "seed", "42");
        expect(&r, "model", "sd_xl_base_1.0");
        assert_non_null(strstr(recipe_get(&r, "prompt"), "pixel art"));
        assert_int_equal(recipe_settle(&r, &s, &e), 0);
        if (r.notes)
            fail_msg("%s: %s", path, r.note[0]);
        settings_free(&s);
        recipe_free(&r);
    }
}

static void lora_chain(void **state)
{
    (void)state;
    struct recipe r;
    /* Two that change model and texts, one the model only; the prompt hangs on the second. */
    import("{" COMMON DECODE("5")
               KSAMPLER("5", "12", "4", "1") ","
                                             "\"10\":{\"class_type\":\"LoraLoader\",\"inputs\":{"
                                             "\"lora_name\":\"pixel.safetensors\","
                                             "\"strength_model\":1.2,\"strength_clip\":1.2,"
                                             "\"model\":[\"1\",0],\"clip\":[\"1\",1]}},"
                                             "\"11\":{\"class_type\":\"LoraLoader\",\"inputs\":{"
                                             "\"lora_name\":\"art\\\\lcm.pt\","
                                             "\"strength_model\":0.5,\"strength_clip\":0.25,"
                                             "\"model\":[\"10\",0],\"clip\":[\"10\",1]}},"
                                             "\"12\":{\"class_type\":\"LoraLoaderModelOnly\","
                                             "\"inputs\":{\"lora_name\":\"m.safetensors\","
                                             "\"strength_model\":-0.3,\"model\":[\"11\",0]}},"
                                             "\"13\":{\"class_type\":\"CLIPSetLastLayer\","
                                             "\"inputs\":{\"stop_at_clip_layer\":-3,"
                                             "\"clip\":[\"11\",1]}},"
                                             "\"2\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{"
                                             "\"text\":\"b\",\"clip\":[\"13\",0]}}}",
           &r);
    expect_note(&r, "art\\lcm.pt is a pickle");
    recipe_free(&r);
    import("{" COMMON DECODE("5") KSAMPLER(
               "5", "12", "4",
               "1") ",\"2\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{\"text\":\"b\",\"clip\":"
                    "[\"13\",0]}}"
                    ","
                    "\"10\":{\"class_type\":\"LoraLoader\",\"inputs\":{\"lora_name\":\"pixel."
                    "safetensors\","
                    "\"strength_model\":1.2,\"strength_clip\":1.2,\"model\":[\"1\",0],\"clip\":["
                    "\"1\",1]}},"
                    "\"11\":{\"class_type\":\"LoraLoader\",\"inputs\":{\"lora_name\":\"lcm."
                    "safetensors\","
                    "\"strength_model\":0.5,\"strength_clip\":0.25,\"model\":[\"10\",0],\"clip\":["
                    "\"10\",1]}},"
                    "\"12\":{\"class_type\":\"LoraLoaderModelOnly\",\"inputs\":{\"lora_name\":\"m."
                    "safetensors\","
                    "\"strength_model\":-0.3,\"model\":[\"11\",0]}},"
                    "\"13\":{\"class_type\":\"CLIPSetLastLayer\",\"inputs\":{\"stop_at_clip_"
                    "layer\":-3,"
                    "\"clip\":[\"11\",1]}}"
                    "}",
           &r);
    expect(&r, "lora", "pixel:1.2, lcm:te=0.25:unet=0.5, m:te=0:unet=-0.3");
    expect(&r, "clip-skip", "3");
    recipe_free(&r);
}

static void base_and_refiner(void **state)
{
    (void)state;
    struct recipe r;
#define ADVANCED(id, model, latent, noise, from, to, positive, negative)                           \
    ",\"" id "\":{\"class_type\":\"KSamplerAdvanced\",\"inputs\":{\"add_noise\":\"" noise "\","    \
    "\"noise_seed\":7,\"steps\":25,\"cfg\":8,\"sampler_name\":\"euler\",\"scheduler\":\"normal\"," \
    "\"start_at_step\":" from ",\"end_at_step\":" to ",\"return_with_leftover_noise\":\"enable\"," \
    "\"model\":[\"" model "\",0],\"positive\":[\"" positive "\",0],\"negative\":[\"" negative      \
    "\","                                                                                          \
    "0],\"latent_image\":[\"" latent "\",0]}}"
#define REFINER                                                                                    \
    ",\"20\":{\"class_type\":\"CheckpointLoaderSimple\",\"inputs\":{\"ckpt_name\":"                \
    "\"refiner.safetensors\"}},\"21\":{\"class_type\":\"CLIPTextEncodeSDXLRefiner\",\"inputs\":{"  \
    "\"ascore\":6.5,\"width\":1024,\"height\":1024,\"text\":\"a cat\",\"clip\":[\"20\",1]}},"      \
    "\"22\":{\"class_type\":\"CLIPTextEncodeSDXLRefiner\",\"inputs\":{\"ascore\":2,"               \
    "\"width\":1024,\"height\":1024,\"text\":\"other\",\"clip\":[\"20\",1]}}"
    import("{" COMMON DECODE("31") ADVANCED("30", "1", "4", "enable", "0", "20", "2", "3")
               ADVANCED("31", "20", "30", "disable", "20", "10000", "21", "22") REFINER "}",
           &r);
    expect(&r, "steps", "25");
    expect(&r, "seed", "7");
    expect(&r, "refiner", "refiner");
    expect(&r, "refiner-switch", "0.8");
    expect(&r, "aesthetic", "6.5");
    expect(&r, "negative-aesthetic", "2");
    expect_note(&r, "the refiner reads the base's text, not its own: 'other'");
    assert_int_equal(r.notes, 1);
    recipe_free(&r);
    /* One model, cut in two: nothing is refined. */
    import("{" COMMON DECODE("31") ADVANCED("30", "1", "4", "enable", "0", "10", "2", "3")
               ADVANCED("31", "1", "30", "disable", "10", "25", "2", "3") "}",
           &r);
    expect(&r, "refiner", NULL);
    expect(&r, "steps", "25");
    assert_int_equal(r.notes, 0);
    recipe_free(&r);
    /* Begins in the middle of an image: a denoise that gives the same sigmas. */
    import("{" COMMON DECODE("30") ADVANCED(
               "30", "1", "40", "enable", "10", "20", "2",
               "3") ",\"40\":{\"class_type\":\"VAEEncode\",\"inputs\":{\"pixels\":[\"41\",0],"
                    "\"vae\":[\"1\","
                    "2]}},\"41\":{\"class_type\":\"LoadImage\",\"inputs\":{\"image\":\"in.png\"}}}",
           &r);
    expect(&r, "image", "in.png");
    expect(&r, "steps", "15");
    expect(&r, "denoise", "0.6");
    assert_int_equal((int)(15 / 0.6), 25);
    expect_note(&r, "ends at step 20 of 25, which leaves noise");
    recipe_free(&r);
    /* ddim_uniform has 31 levels for 30 steps: counted from the front, three are left behind 28. */
#define CUT(steps, scheduler, from, to, leftover)                                                  \
    "{" COMMON DECODE("30") ",\"30\":{\"class_type\":\"KSamplerAdvanced\",\"inputs\":{"            \
                            "\"add_noise\":\"enable\",\"noise_seed\":7,\"steps\":" steps ","       \
                            "\"cfg\":8,\"sampler_name\":\"euler\",\"scheduler\":\"" scheduler      \
                            "\","                                                                  \
                            "\"start_at_step\":" from ",\"end_at_step\":" to ","                   \
                            "\"return_with_leftover_noise\":\"" leftover "\",\"model\":[\"1\","    \
                            "0],\"positive\":[\"2\",0],\"negative\":[\"3\",0],"                    \
                            "\"latent_image\":[\"4\",0]}}}"
    import(CUT("30", "ddim_uniform", "28", "10000", "disable"), &r);
    expect(&r, "scheduler", NULL);
    expect(&r, "sigmas", "0.26765236 0.18216598 0.041314412 0");
    recipe_free(&r);
    /* A last step of 30 is the last but one there. */
    import(CUT("30", "ddim_uniform", "28", "30", "disable"), &r);
    expect(&r, "sigmas", "0.26765236 0.18216598 0");
    assert_int_equal(r.notes, 0);
    recipe_free(&r);
    import(CUT("30", "ddim_uniform", "28", "30", "enable"), &r);
    expect(&r, "sigmas", "0.26765236 0.18216598 0.041314412");
    expect_note(&r, "ends at step 30 of 31, which leaves noise; one more is made");
    recipe_free(&r);
    /* Ended early without leaving noise: the last step goes to 0. */
    import(CUT("4", "karras", "0", "2", "disable"), &r);
    expect(&r, "sigmas", "14.614641 3.1686032 0");
    assert_int_equal(r.notes, 0);
    recipe_free(&r);
}

/* Pixels that a model enlarges, by what its name says, and a scale behind it: the scale alone was
 * taken, which shrinks. */
static void enlarged_by_models(void **state)
{
    (void)state;
    static const struct {
        const char *model, *scale, *hires, *size;
    } all[] = {
        {"4x-UltraSharp.pth", "\"ImageScaleBy\",\"inputs\":{\"scale_by\":0.5,", "2", NULL},
        {"RealESRGAN_x2plus.pth", "\"ImageScaleBy\",\"inputs\":{\"scale_by\":0.75,", "1.5", NULL},
        {"nameless.pth", "\"ImageScale\",\"inputs\":{\"width\":1664,\"height\":2432,", NULL,
         "1664x2432"},
        {"4x.pth", "\"Reroute\",\"inputs\":{", "4", NULL},
        {"model_16x4.pth", "\"Reroute\",\"inputs\":{", "4", NULL},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[6000];
        struct recipe r;
        snprintf(
            text, sizeof text,
            "{" COMMON DECODE("9") KSAMPLER("5", "1", "4", "1") KSAMPLER(
                "9", "1", "13",
                "0.4") ",\"8\":{\"class_type\":\"UpscaleModelLoader\","
                       "\"inputs\":{\"model_name\":\"%s\"}},"
                       "\"10\":{\"class_type\":\"VAEDecode\",\"inputs\":{\"samples\":[\"5\",0],"
                       "\"vae\":[\"1\",2]}},\"11\":{\"class_type\":\"ImageUpscaleWithModel\","
                       "\"inputs\":{\"upscale_model\":[\"8\",0],\"image\":[\"10\",0]}},"
                       "\"12\":{\"class_type\":%s\"image\":[\"11\",0],\"upscale_method\":"
                       "\"lanczos\"}},\"13\":{\"class_type\":\"VAEEncode\",\"inputs\":{"
                       "\"pixels\":[\"12\",0],\"vae\":[\"1\",2]}}}",
            all[i].model, all[i].scale);
        import(text, &r);
        expect(&r, "hires", all[i].hires);
        expect(&r, "hires-size", all[i].size);
        expect(&r, "hires-upscale", "lanczos");
        expect(&r, "hires-denoise", "0.4");
        expect_note(&r,
                    "node 11 (ImageUpscaleWithModel): a model enlarges the picture; here lanczos");
        assert_int_equal(r.notes, 1);
        recipe_free(&r);
    }
}

static void second_passes(void **state)
{
    (void)state;
    struct recipe r;
    import(
        "{" COMMON DECODE("9") KSAMPLER("5", "1", "4", "1") KSAMPLER(
            "9", "1", "8",
            "0.55") ",\"8\":{\"class_type\":\"LatentUpscaleBy\",\"inputs\":{\"samples\":[\"5\",0],"
                    "\"upscale_method\":\"nearest-exact\",\"scale_by\":1.5}}}",
        &r);
    expect(&r, "hires", "1.5");
    expect(&r, "hires-upscale", "latent_nearest_exact");
    expect(&r, "hires-denoise", "0.55");
    expect(&r, "hires-steps", "20");
    expect(&r, "size", "832x1216");
    assert_int_equal(r.notes, 0);
    recipe_free(&r);
    /* Over pixels, to a size, by a method that has no name here. */
    import("{" COMMON DECODE("9") KSAMPLER("5", "1", "4", "1") KSAMPLER(
               "9", "1", "12",
               "0.4") ",\"10\":{\"class_type\":\"VAEDecodeTiled\",\"inputs\":{\"samples\":[\"5\",0]"
                      ",\"vae\":["
                      "\"1\",2],\"tile_size\":512}},"
                      "\"11\":{\"class_type\":\"ImageScale\",\"inputs\":{\"image\":[\"10\",0],"
                      "\"upscale_method\":\"area\",\"width\":1664,\"height\":2432,\"crop\":"
                      "\"disabled\"}},"
                      "\"12\":{\"class_type\":\"VAEEncode\",\"inputs\":{\"pixels\":[\"11\",0],"
                      "\"vae\":[\"1\","
                      "2]}}}",
           &r);
    expect(&r, "hires-size", "1664x2432");
    expect(&r, "hires-upscale", "lanczos"); /* pixels as well */
    expect_note(&r, "node 11 (ImageScale): upscale_method area has no setting here; lanczos is");
    recipe_free(&r);
    /* A third pass, and an enlarged result. */
    import("{" COMMON KSAMPLER("5", "1", "4", "1") KSAMPLER(
               "9", "1", "5",
               "0.4") ",\"6\":{\"class_type\":\"ImageScaleBy\",\"inputs\":{\"image\":[\"8\",0],"
                      "\"upscale_method\":\"lanczos\",\"scale_by\":2}},"
                      "\"8\":{\"class_type\":\"VAEDecode\",\"inputs\":{\"samples\":[\"9\",0],"
                      "\"vae\":[\"1\",2]"
                      "}}}",
           &r);
    expect_note(&r, "node 6 (ImageScaleBy): the finished image is not scaled here");
    expect_note(&r, "node 9 (KSampler): a further pass of this kind has no setting here");
    recipe_free(&r);
}

static void images_and_masks(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON DECODE("5") KSAMPLER(
               "5", "1", "12",
               "0.7") ",\"10\":{\"class_type\":\"LoadImage\",\"inputs\":{\"image\":\"in.png\"}},"
                      "\"11\":{\"class_type\":\"LoadImageMask\",\"inputs\":{\"image\":\"mask.png\","
                      "\"channel\":\"red\"}},"
                      "\"13\":{\"class_type\":\"RepeatLatentBatch\",\"inputs\":{\"amount\":3,"
                      "\"samples\":[\"14\","
                      "0]}},"
                      "\"14\":{\"class_type\":\"VAEEncode\",\"inputs\":{\"pixels\":[\"10\",0],"
                      "\"vae\":[\"15\",0]}"
                      "},\"15\":{\"class_type\":\"VAELoader\",\"inputs\":{\"vae_name\":\"f16."
                      "safetensors\"}},"
                      "\"12\":{\"class_type\":\"SetLatentNoiseMask\",\"inputs\":{\"mask\":[\"11\","
                      "0],\"samples\":"
                      "[\"13\",0]}}}",
           &r);
    expect(&r, "image", "in.png");
    expect(&r, "mask", "mask.png");
    expect(&r, "denoise", "0.7");
    expect(&r, "batch", "3");
    recipe_free(&r);
    import(
        "{" COMMON DECODE("5") KSAMPLER(
            "5", "1", "12",
            "1") ",\"10\":{\"class_type\":\"LoadImage\",\"inputs\":{\"image\":\"in.png\"}},"
                 "\"12\":{\"class_type\":\"VAEEncodeForInpaint\",\"inputs\":{\"mask\":[\"10\",1],"
                 "\"pixels\":[\"10\",0],\"vae\":[\"1\",2],\"grow_mask_by\":8}}}",
        &r);
    expect(&r, "mask-grow", "4");
    expect(&r, "mask-content", "grey");
    expect_note(&r, "the mask is what is transparent in 'in.png'");
    recipe_free(&r);
    import(
        "{" COMMON DECODE("5") KSAMPLER(
            "5", "1", "12",
            "1") ",\"10\":{\"class_type\":"
                 "\"LoadImage\",\"inputs\":{\"image\":\"in.png\"}},\"11\":{\"class_type\":"
                 "\"GrowMask\","
                 "\"inputs\":{\"mask\":[\"10\",1],\"expand\":3}},"
                 "\"12\":{\"class_type\":\"VAEEncodeForInpaint\",\"inputs\":{\"mask\":[\"11\",0],"
                 "\"pixels\":[\"10\",0],\"vae\":[\"1\",2],\"grow_mask_by\":8}}}",
        &r);
    expect(&r, "mask-grow", "7");
    expect_note(&r, "(GrowMask): what is grey is the mask before it grows");
    recipe_free(&r);
    import("{" COMMON DECODE("5") KSAMPLER("5", "1", "4", "0.5") "}", &r);
    expect(&r, "denoise", NULL);
    expect_note(&r, "denoises an empty image only in part");
    recipe_free(&r);
}

static void texts(void **state)
{
    (void)state;
    struct recipe r;
    import(
        "{" COMMON DECODE("5") KSAMPLER(
            "5", "1", "4",
            "1") ",\"2\":{\"class_type\":\"CLIPTextEncodeSDXL\",\"inputs\":{\"text_g\":[\"50\",0],"
                 "\"text_l\":\"other\",\"clip\":[\"1\",1],\"width\":2048,\"height\":1024,\"crop_"
                 "w\":8,"
                 "\"crop_h\":16,\"target_width\":1024,\"target_height\":512}},"
                 "\"50\":{\"class_type\":\"StringConcatenate\",\"inputs\":{\"string_a\":[\"51\",0],"
                 "\"string_b\":\"cat\",\"delimiter\":\", \"}},"
                 "\"51\":{\"class_type\":\"PrimitiveStringMultiline\",\"inputs\":{\"value\":"
                 "\"a\\nred\"}},"
                 "\"3\":{\"class_type\":\"ConditioningZeroOut\",\"inputs\":{\"conditioning\":["
                 "\"2\",0]}},"
                 "\"4\":{\"class_type\":\"EmptyLatentImage\",\"inputs\":{\"width\":[\"52\",0],"
                 "\"height\":[\"53\",0],\"batch_size\":1}},"
                 "\"52\":{\"class_type\":\"PrimitiveInt\",\"inputs\":{\"value\":640}},"
                 "\"53\":{\"class_type\":\"Reroute\",\"inputs\":{\"\":[\"52\",0]}}"
                 "}",
        &r);
    expect(&r, "prompt", "a\nred, cat");
    expect(&r, "negative", "");
    expect(&r, "empty-negative", "zeros");
    expect(&r, "original-size", "2048x1024");
    expect(&r, "crop", "8x16");
    expect(&r, "target-size", "1024x512");
    expect(&r, "size", "640x640");
    expect_note(&r, "text_l differs from text_g");
    recipe_free(&r);
}

static void unknown_nodes_are_named(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON DECODE("5") KSAMPLER(
               "5", "60", "4",
               "1") ",\"60\":{\"class_type\":\"FreeU_V2\",\"inputs\":{\"b1\":1.3,\"model\":[\"1\","
                    "0]}},"
                    "\"61\":{\"class_type\":\"UpscaleModelLoader\",\"inputs\":{\"model_name\":\"x4."
                    "pth\"}},"
                    "\"62\":{\"class_type\":\"PreviewImage\",\"inputs\":{\"images\":[\"6\",0]}},"
                    "\"63\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"6\",0]}}}",
           &r);
    expect(&r, "model", "base");
    expect_note(&r, "node 60 (FreeU_V2) is ignored: it weighs the UNet's skips");
    expect_note(&r, "node 61 (UpscaleModelLoader) was not used");
    expect_note(&r, "node 63 (SaveImage): another image, which is not followed");
    recipe_free(&r);
}

/* The editor's form of the same graph, with links as lists and as objects. */
static void editor_form(void **state)
{
    (void)state;
    static const char text[] =
        "{\"last_node_id\":9,\"nodes\":["
        "{\"id\":1,\"type\":\"CheckpointLoaderSimple\",\"mode\":0,\"outputs\":[{\"name\":\"MODEL\","
        "\"type\":\"MODEL\"}],\"widgets_values\":[\"base.safetensors\"]},"
        "{\"id\":2,\"type\":\"CLIPTextEncode\",\"inputs\":[{\"name\":\"clip\",\"type\":\"CLIP\","
        "\"link\":11}],\"widgets_values\":[\"a cat\"]},"
        "{\"id\":3,\"type\":\"CLIPTextEncode\",\"inputs\":[{\"name\":\"clip\",\"type\":\"CLIP\","
        "\"link\":11},{\"name\":\"text\",\"type\":\"STRING\",\"link\":20,\"widget\":{\"name\":"
        "\"text\"}}],\"widgets_values\":[\"unused\"]},"
        "{\"id\":8,\"type\":\"PrimitiveNode\",\"widgets_values\":[\"bad\",\"fixed\"]},"
        "{\"id\":4,\"type\":\"EmptyLatentImage\",\"widgets_values\":[512,768,2]},"
        "{\"id\":9,\"type\":\"LoraLoader\",\"mode\":4,\"inputs\":[{\"name\":\"model\",\"type\":"
        "\"MODEL\",\"link\":10},{\"name\":\"clip\",\"type\":\"CLIP\",\"link\":11}],\"outputs\":[{"
        "\"type\":\"MODEL\"},{\"type\":\"CLIP\"}],\"widgets_values\":[\"l.safetensors\",1,1]},"
        "{\"id\":5,\"type\":\"KSampler\",\"inputs\":[{\"name\":\"model\",\"type\":\"MODEL\","
        "\"link\":"
        "19},{\"name\":\"positive\",\"link\":12},{\"name\":\"negative\",\"link\":13},{\"name\":"
        "\"latent_image\",\"link\":14}],\"widgets_values\":[1125899906842624,%s30,5,\"euler\","
        "\"simple\",1]},"
        "{\"id\":6,\"type\":\"VAEDecode\",\"inputs\":[{\"name\":\"samples\",\"link\":15},{\"name\":"
        "\"vae\",\"link\":16}]},"
        "{\"id\":7,\"type\":\"SaveImage\",\"inputs\":[{\"name\":\"images\",\"link\":17}],"
        "\"widgets_values\":[\"x\"]},"
        "{\"id\":70,\"type\":\"Note\",\"widgets_values\":[\"hello\"]}],"
        "\"links\":[[10,1,0,9,0,\"MODEL\"],[11,1,1,2,0,\"CLIP\"],[12,2,0,5,1,\"CONDITIONING\"],"
        "[13,3,0,5,2,\"CONDITIONING\"],[14,4,0,5,3,\"LATENT\"],[15,5,0,6,0,\"LATENT\"],"
        "{\"id\":16,\"origin_id\":1,\"origin_slot\":2,\"target_id\":6,\"target_slot\":1},"
        "{\"id\":17,\"origin_id\":6,\"origin_slot\":0,\"target_id\":7,\"target_slot\":0},"
        "[19,9,0,5,0,\"MODEL\"],[20,8,0,3,1,\"STRING\"]],\"version\":0.4}";
    static const char *const controls[] = {"\"randomize\",", "true,", ""};
    for (int i = 0; i < 3; i++) {
        struct recipe r;
        char full[4000];
        assert_true(snprintf(full, sizeof full, text, controls[i]) < (int)sizeof full);
        import(full, &r);
        static const char *const want[][2] = {
            {"prompt", "a cat"},     {"negative", "bad"}, {"seed", "1125899906842624"},
            {"steps", "30"},         {"cfg", "5"},        {"sampler", "euler"},
            {"scheduler", "simple"}, {"size", "512x768"}, {"batch", "2"},
            {"model", "base"},       {"lora", NULL},      {"denoise", NULL},
        };
        for (size_t k = 0; k < sizeof want / sizeof *want; k++)
            expect(&r, want[k][0], want[k][1]);
        if (r.notes)
            fail_msg("%s", r.note[0]);
        recipe_free(&r);
    }
}

static void broken_graphs(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"{}", "there is no node in it"},
        {"[]", "there is no node in it"},
        {"{\"nodes\":[],\"links\":[]}", "there is no node in it"},
        {"{\"1\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"9\",0]}}}",
         "the link of an input 'images' leads to no node"},
        {"{\"1\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"1\",0]}}}", "no image in"},
        {"{\"1\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"2\",0]}},"
         "\"2\":{\"class_type\":\"Foo\",\"inputs\":{\"image\":[\"3\",0]}},"
         "\"3\":{\"class_type\":\"Foo\",\"inputs\":{\"image\":[\"2\",0]}}}",
         "no image in"},
        {"{\"1\":{\"class_type\":\"LoadImage\",\"inputs\":{\"image\":\"x\"}}}", "no image in"},
        {"{\"1\":", "broken JSON"},
        {"{\"a\":NaN, \"b\": [Infinity, -Infinity]}", "there is no node in it"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe r = {.count = 0};
        struct err e = {""};
        assert_int_equal(comfy_import(cases[i][0], strlen(cases[i][0]), "t.json", &r, &e), -1);
        if (!strstr(e.text, cases[i][1]) && !(r.notes && strstr(r.note[0], cases[i][1])))
            fail_msg("%s said '%s'", cases[i][0], e.text);
        recipe_free(&r);
    }
    /* A circle behind the sampler: what is in front of it is taken. */
    struct recipe r;
    import(
        "{" COMMON DECODE("5") KSAMPLER(
            "5", "60", "61",
            "1") ",\"60\":{\"class_type\":\"Reroute\",\"inputs\":{\"\":[\"60\",0]}},"
                 "\"61\":{\"class_type\":\"LatentUpscaleBy\",\"inputs\":{\"samples\":[\"5\",0]}}}",
        &r);
    expect_note(&r, "links run in a circle");
    recipe_free(&r);
}

/* 100,000 nodes in one chain, and as many values in one node: within a second or so. */
static void large_graphs(void **state)
{
    (void)state;
    enum { NODES = 100000 };
    char *text = NULL;
    size_t size;
    struct recipe r = {.count = 0};
    struct err e = {""};
    FILE *f = open_memstream(&text, &size);
    fputs("{" COMMON DECODE("5") KSAMPLER("5", "n0", "4", "1"), f);
    for (int i = 0; i < NODES; i++)
        fprintf(f, ",\"n%d\":{\"class_type\":\"X%d\",\"inputs\":{\"model\":[\"n%d\",0]}}", i, i,
                (i + 1) % NODES);
    fputs(",\"many\":{\"class_type\":\"X\",\"inputs\":{\"\":0", f);
    for (int i = 0; i < NODES; i++)
        fprintf(f, ",\"i%d\":[\"many\",0]", i);
    fputs("}}}", f);
    fclose(f);
    clock_t began = clock(); /* of the processor: the machine may have other work */
    assert_int_equal(comfy_import(text, size, "big.json", &r, &e), 0);
    double took = 1e3 * (double)(clock() - began) / CLOCKS_PER_SEC;
    print_message("%zu bytes, %d nodes: %.0f ms, %d notes and %d untold\n", size, NODES, took,
                  r.notes, r.untold);
    assert_int_equal(r.notes, RECIPE_MAX_NOTES);
    assert_true(r.untold > 1000);
    assert_true(took < 20000);
    recipe_free(&r);
    free(text);
    /* Too deep, and too long. */
    text = malloc(COMFY_MAX_TEXT + 2);
    memset(text, '[', COMFY_MAX_TEXT + 1);
    assert_int_equal(comfy_import(text, 100000, "deep.json", &r, &e), -1);
    assert_non_null(strstr(e.text, "too deep"));
    assert_int_equal(comfy_import(text, COMFY_MAX_TEXT + 1, "long.json", &r, &e), -1);
    assert_non_null(strstr(e.text, "too many for a workflow"));
    recipe_free(&r);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(simple_api),
        cmocka_unit_test(shared_workflows),
        cmocka_unit_test(lora_chain),
        cmocka_unit_test(base_and_refiner),
        cmocka_unit_test(second_passes),
        cmocka_unit_test(enlarged_by_models),
        cmocka_unit_test(images_and_masks),
        cmocka_unit_test(texts),
        cmocka_unit_test(unknown_nodes_are_named),
        cmocka_unit_test(editor_form),
        cmocka_unit_test(broken_graphs),
        cmocka_unit_test(large_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
