/*
 * ComfyUI's custom samplers: what SamplerCustom, SamplerCustomAdvanced and the nodes that feed them
 * say, as settings; what cannot be honoured, by name; and that it comes back from an export.
 *
 * Lists of noise levels are what ComfyUI's own nodes give (0.3.68; tests/golden/golden_sigmas.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_export.h"
#include "import/comfy_nodes.h"

/* Checkpoint 1, texts 2 and 3, latent 4, decoder 6 over sampler 5, saver 7. */
#define COMMON                                                                                     \
    "\"1\":{\"class_type\":\"CheckpointLoaderSimple\",\"inputs\":{\"ckpt_name\":"                  \
    "\"base.safetensors\"}},"                                                                      \
    "\"2\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{\"text\":\"a cat\",\"clip\":[\"1\",1]}}" \
    ",\"3\":{\"class_type\":\"CLIPTextEncode\",\"inputs\":{\"text\":\"bad\",\"clip\":[\"1\",1]}}," \
    "\"4\":{\"class_type\":\"EmptyLatentImage\",\"inputs\":{\"width\":832,\"height\":1216,"        \
    "\"batch_size\":1}},"                                                                          \
    "\"6\":{\"class_type\":\"VAEDecode\",\"inputs\":{\"samples\":[\"5\",0],\"vae\":[\"1\",2]}},"   \
    "\"7\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"6\",0]}},"

#define ADVANCED(id, noise, guider, sampler, sigmas, latent)                                       \
    "\"" id "\":{\"class_type\":\"SamplerCustomAdvanced\",\"inputs\":{\"noise\":[\"" noise         \
    "\",0],\"guider\":[\"" guider "\",0],\"sampler\":[\"" sampler "\",0],\"sigmas\":" sigmas       \
    ",\"latent_image\":[\"" latent "\",0]}},"
#define NODE(id, type, inputs) "\"" id "\":{\"class_type\":\"" type "\",\"inputs\":{" inputs "}},"
#define PARTS                                                                                      \
    NODE("n", "RandomNoise", "\"noise_seed\":18446744073709551615")                                \
    NODE("g", "CFGGuider",                                                                         \
         "\"cfg\":6.5,\"model\":[\"1\",0],\"positive\":[\"2\",0],\"negative\":[\"3\",0]")          \
    NODE("k", "KSamplerSelect", "\"sampler_name\":\"dpmpp_2m\"")
#define BASIC(id, name, steps, denoise)                                                            \
    NODE(id, "BasicScheduler",                                                                     \
         "\"scheduler\":\"" name "\",\"steps\":" steps ",\"denoise\":" denoise                     \
         ",\"model\":[\"1\",0]")
#define END "\"zz\":{\"class_type\":\"Note\",\"inputs\":{}}}"

static void import(const char *text, struct recipe *r)
{
    struct err e = {""};
    *r = (struct recipe){.count = 0};
    if (comfy_import(text, strlen(text), "test.json", r, &e))
        fail_msg("%s", e.text);
}

/* Pairs of key and value, NULL: unsaid. The end is a NULL key. */
static void expect(const struct recipe *r, const char *const (*want)[2])
{
    for (; (*want)[0]; want++) {
        const char *have = recipe_get(r, (*want)[0]);
        if (!(*want)[1] ? have != NULL : !have || strcmp(have, (*want)[1]) != 0)
            fail_msg("%s is '%s', not '%s'", (*want)[0], have ? have : "(unsaid)",
                     (*want)[1] ? (*want)[1] : "(unsaid)");
    }
}

static void expect_note(const struct recipe *r, const char *part)
{
    for (int i = 0; i < r->notes; i++)
        if (strstr(r->note[i], part))
            return;
    fail_msg("no note says '%s' (%d notes; the first: %s)", part, r->notes,
             r->notes ? r->note[0] : "");
}

static void expect_no_notes(const struct recipe *r)
{
    if (r->notes)
        fail_msg("%s", r->note[0]);
}

#define WANT(...) ((const char *const[][2]){__VA_ARGS__, {NULL, NULL}})

static void test_guiders_and_schedulers(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON ADVANCED("5", "n", "g", "k", "[\"s\",0]", "4")
               PARTS BASIC("s", "karras", "20", "1") END,
           &r);
    expect(&r,
           WANT({"prompt", "a cat"}, {"negative", "bad"}, {"seed", "18446744073709551615"},
                {"cfg", "6.5"}, {"sampler", "dpmpp_2m"}, {"scheduler", "karras"}, {"steps", "20"},
                {"size", "832x1216"}, {"model", "base"}, {"denoise", NULL}, {"sigmas", NULL}));
    expect_no_notes(&r);
    recipe_free(&r);
    /* One prompt and no guidance; the sampler of a node of its own; a scheduler's own node. */
    import("{" COMMON ADVANCED("5", "n", "b", "e", "[\"s\",0]", "4")
               PARTS NODE("b", "BasicGuider", "\"model\":[\"1\",0],\"conditioning\":[\"2\",0]")
                   NODE("e", "SamplerEulerAncestral", "\"eta\":0.5,\"s_noise\":1.0")
                       NODE("s", "KarrasScheduler",
                            "\"steps\":9,\"sigma_max\":14.614642,\"sigma_min\":0.0291675,"
                            "\"rho\":7") END,
           &r);
    expect(&r,
           WANT({"prompt", "a cat"}, {"negative", ""}, {"cfg", "1"}, {"sampler", "euler_ancestral"},
                {"scheduler", "karras"}, {"steps", "9"}, {"sigmas", NULL}));
    expect_note(&r, "node e (SamplerEulerAncestral): eta 0.5; here it is 1");
    recipe_free(&r);
    /* SamplerCustom says for itself what guider and noise say; a seed and a switch from primitives;
     * a denoise of an image. */
    import("{" COMMON NODE("5", "SamplerCustom",
                           "\"model\":[\"1\",0],\"add_noise\":[\"pb\",0],\"noise_seed\":[\"p\",0],"
                           "\"cfg\":3,\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"sampler\":"
                           "[\"k\",0],\"sigmas\":[\"s\",0],\"latent_image\":[\"v\",0]")
               NODE("p", "PrimitiveInt", "\"value\":77")
                   NODE("pb", "PrimitiveBoolean", "\"value\":true")
                       NODE("v", "VAEEncode", "\"pixels\":[\"i\",0],\"vae\":[\"1\",2]")
                           NODE("i", "LoadImage", "\"image\":\"in.png\"")
                               NODE("k", "KSamplerSelect", "\"sampler_name\":\"dpmpp_2m_sde_gpu\"")
                                   BASIC("s", "beta", "12", "0.6") END,
           &r);
    expect(&r,
           WANT({"seed", "77"}, {"cfg", "3"}, {"sampler", "dpmpp_2m_sde"}, {"scheduler", "beta"},
                {"steps", "12"}, {"denoise", "0.6"}, {"image", "in.png"}, {"rng", "gpu"}));
    recipe_free(&r);
}

/* Two samplers over the two parts of one schedule: a refiner, or one run. */
static void test_split_schedules(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON ADVANCED("5", "d", "g2", "k", "[\"cut\",1]", "5a")
               ADVANCED("5a", "n", "g", "k", "[\"cut\",0]", "4") PARTS NODE("d", "DisableNoise", "")
                   NODE("g2", "CFGGuider",
                        "\"cfg\":6.5,\"model\":[\"8\",0],\"positive\":[\"2\",0],"
                        "\"negative\":[\"3\",0]")
                       NODE("8", "CheckpointLoaderSimple", "\"ckpt_name\":\"refiner.safetensors\"")
                           NODE("cut", "SplitSigmas", "\"sigmas\":[\"s\",0],\"step\":20")
                               BASIC("s", "normal", "25", "1") END,
           &r);
    expect(&r, WANT({"steps", "25"}, {"scheduler", "normal"}, {"refiner", "refiner"},
                    {"refiner-switch", "0.8"}, {"seed", "18446744073709551615"}));
    expect_no_notes(&r);
    recipe_free(&r);
    /* The low half over an image is a denoise with the same levels. */
    import("{" COMMON ADVANCED("5", "n", "g", "k", "[\"cut\",1]", "v")
               PARTS NODE("v", "VAEEncode", "\"pixels\":[\"i\",0],\"vae\":[\"1\",2]")
                   NODE("i", "LoadImage", "\"image\":\"in.png\"")
                       NODE("cut", "SplitSigmasDenoise", "\"sigmas\":[\"s\",0],\"denoise\":0.6")
                           BASIC("s", "karras", "25", "1") END,
           &r);
    expect(&r, WANT({"steps", "15"}, {"denoise", "0.6"}, {"image", "in.png"}));
    expect_note(&r, "node 4 (EmptyLatentImage) was not used");
    assert_int_equal(r.notes, 1);
    recipe_free(&r);
    /* The high half alone leaves noise, which is said. */
    import("{" COMMON ADVANCED("5", "n", "g", "k", "[\"cut\",0]", "4")
               PARTS NODE("cut", "SplitSigmas", "\"sigmas\":[\"s\",0],\"step\":5")
                   BASIC("s", "karras", "25", "1") END,
           &r);
    expect(&r, WANT({"steps", "25"}));
    expect_note(&r, "node 5 (SamplerCustomAdvanced): it ends at step 5 of 25, which leaves noise");
    recipe_free(&r);
    /* A second, larger pass. */
    import("{" COMMON ADVANCED("5", "n", "g", "k", "[\"t\",0]", "u") ADVANCED("5a", "n", "g", "k",
                                                                              "[\"s\",0]", "4")
               PARTS NODE("u", "LatentUpscaleBy",
                          "\"samples\":[\"5a\",0],\"upscale_method\":\"bicubic\",\"scale_by\":1.5")
                   BASIC("s", "karras", "25", "1") BASIC("t", "karras", "12", "0.5") END,
           &r);
    expect(&r, WANT({"steps", "25"}, {"hires", "1.5"}, {"hires-upscale", "latent_bicubic"},
                    {"hires-steps", "12"}, {"hires-denoise", "0.5"}));
    expect_no_notes(&r);
    recipe_free(&r);
}

/* The setting `sigmas` beside what ComfyUI's nodes give, relative. */
static void expect_list(const struct recipe *r, const double *want, int n)
{
    const char *s = recipe_get(r, "sigmas");
    char *end;
    assert_non_null(s);
    for (int i = 0; i < n; i++, s = end) {
        double x = strtod(s, &end);
        if (end == s || fabs(x - want[i]) > 2e-6 * fmax(want[i], 0.03))
            fail_msg("level %d is %.9g, not %.9g", i, x, want[i]);
    }
    assert_int_equal(*s, '\0');
}

static void check_list(const char *nodes, const char *sampler, const double *want, int n)
{
    struct recipe r;
    struct settings s = {.width = 0};
    struct err e;
    char *text;
    assert_true(asprintf(&text,
                         "{" COMMON ADVANCED("5", "n", "g", "x", "[\"s\",0]", "4")
                             PARTS NODE("x", "KSamplerSelect", "\"sampler_name\":\"%s\"") "%s" END,
                         sampler, nodes) > 0);
    import(text, &r);
    expect_list(&r, want, n);
    expect(&r, WANT({"steps", NULL}, {"scheduler", NULL}, {"sampler", sampler}));
    assert_int_equal(recipe_settle(&r, &s, &e), 0);
    expect_note(&r, "node k (KSamplerSelect) was not used"); /* the only one */
    assert_int_equal(r.notes, 1);
    settings_free(&s);
    recipe_free(&r);
    free(text);
}

#define LIST(...)                                                                                  \
    (const double[]){__VA_ARGS__}, (int)(sizeof(const double[]){__VA_ARGS__} / sizeof(double))

static void test_lists(void **state)
{
    (void)state;
    check_list(
        NODE("s", "KarrasScheduler", "\"steps\":4,\"sigma_max\":10,\"sigma_min\":0.1,\"rho\":5"),
        "euler", LIST(10, 3.263899, 0.7694576, 0.1, 0));
    check_list(NODE("s", "ExponentialScheduler", "\"steps\":4,\"sigma_max\":10,\"sigma_min\":0.1"),
               "euler", LIST(10, 2.154435, 0.4641589, 0.09999999, 0));
    check_list(NODE("s", "PolyexponentialScheduler",
                    "\"steps\":4,\"sigma_max\":14.614642,\"sigma_min\":0.0291675,\"rho\":2"),
               "euler", LIST(14.61464, 0.462221, 0.05819516, 0.0291675, 0));
    check_list(
        NODE("s", "VPScheduler", "\"steps\":4,\"beta_d\":19.9,\"beta_min\":0.1,\"eps_s\":0.001"),
        "euler", LIST(152.167, 9.403197, 1.461972, 0.01048599, 0));
    check_list(NODE("s", "SDTurboScheduler", "\"model\":[\"1\",0],\"steps\":3,\"denoise\":0.8"),
               "euler", LIST(5.087763, 3.321083, 2.276463, 0));
    /* A schedule with a name of ours, for a sampler that KSampler would spare the last but one. */
    check_list(BASIC("s", "normal", "5", "1"), "dpm_2",
               LIST(14.61464, 4.086081, 1.61558, 0.6951495, 0.02916716, 0));
    check_list(NODE("s", "SetFirstSigma", "\"sigmas\":[\"c\",1],\"sigma\":6")
                   NODE("c", "SplitSigmas", "\"sigmas\":[\"b\",0],\"step\":2")
                       BASIC("b", "normal", "5", "1"),
               "euler", LIST(6, 0.6951495, 0.02916716, 0));
    check_list(
        NODE("s", "ExtendIntermediateSigmas",
             "\"sigmas\":[\"b\",0],\"steps\":2,\"start_at_sigma\":-1,\"end_at_sigma\":1,"
             "\"spacing\":\"cosine\"") BASIC("b", "normal", "5", "1"),
        "euler",
        LIST(14.61464, 7.169825, 4.086081, 2.339173, 1.61558, 0.9647375, 0.6951495, 0.02916716, 0));
    /* It gives more steps than were asked for, of which ComfyUI takes the last. */
    check_list(BASIC("s", "ddim_uniform", "15", "1"), "euler",
               LIST(9.543583, 6.768383, 4.95104, 3.72159, 2.862931, 2.244121, 1.784131, 1.43156,
                    1.152988, 0.9260792, 0.7353427, 0.5692849, 0.4178792, 0.2676524, 0.04131441,
                    0));
    check_list(NODE("s", "ManualSigmas", "\"sigmas\":\"14.6, 3.5; 0.5 0\""), "euler",
               LIST(14.6, 3.5, 0.5, 0));
    /* One that does not end at 0. */
    struct recipe r;
    import("{" COMMON ADVANCED("5", "n", "g", "k", "[\"s\",0]", "4")
               PARTS NODE("s", "LaplaceScheduler",
                          "\"steps\":5,\"sigma_max\":14.614642,\"sigma_min\":0.0291675,\"mu\":0,"
                          "\"beta\":0.5") END,
           &r);
    static const double laplace[] = {14.61464, 1.414199, 1, 0.7071139, 0.0291675};
    expect_list(&r, laplace, 5);
    expect_note(&r, "which leaves noise; one more is made here");
    recipe_free(&r);
}

static void test_what_has_no_setting(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON ADVANCED("5", "n", "g", "k", "[\"s\",0]", "4")
               NODE("n", "RandomNoise", "\"noise_seed\":1")
                   NODE("k", "KSamplerSelect", "\"sampler_name\":\"euler\"")
                       NODE("g", "CFGGuider",
                            "\"cfg\":6,\"model\":[\"f\",0],\"positive\":[\"c\",0],"
                            "\"negative\":[\"c\",1]")
                           NODE("f", "PerturbedAttentionGuidance", "\"model\":[\"sub\",0]") NODE(
                               "sub", "958f4d94-38a9-4ed2-9e09-2de399857e0c", "\"model\":[\"1\",0]")
                               NODE("c", "ControlNetApplyAdvanced",
                                    "\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"control_net\":"
                                    "[\"u\",0],\"image\":[\"i\",0],\"strength\":0.8,"
                                    "\"start_percent\":0,\"end_percent\":0.5")
                                   NODE("u", "SetUnionControlNetType",
                                        "\"control_net\":[\"l\",0],\"type\":\"openpose\"")
                                       NODE("l", "ControlNetLoader",
                                            "\"control_net_name\":\"union.safetensors\"")
                                           NODE("i", "LoadImage", "\"image\":\"pose.png\"")
                                               BASIC("s", "normal", "20", "1") END,
           &r);
    expect(&r, WANT({"prompt", "a cat"}, {"negative", "bad"}, {"image", NULL}, {"model", "base"}));
    expect(&r,
           WANT({"control", "union"}, {"control-image", "pose.png"}, {"control-type", "openpose"},
                {"control-strength", "0.8"}, {"control-end", "0.5"}));
    expect_note(&r, "node f (PerturbedAttentionGuidance) is ignored: it guides away");
    expect_note(&r, "is ignored: it is a subgraph whose nodes are not in this file: in ComfyUI's");
    assert_int_equal(r.notes, 2);
    recipe_free(&r);
    /* An inpainting model's conditioning: its image, its mask, both texts through it. */
    import("{" COMMON NODE("5", "KSampler",
                           "\"seed\":1,\"steps\":20,\"cfg\":6,\"sampler_name\":\"euler\","
                           "\"scheduler\":\"normal\",\"denoise\":1,\"model\":[\"1\",0],"
                           "\"positive\":[\"c\",0],\"negative\":[\"c\",1],"
                           "\"latent_image\":[\"c\",2]")
               NODE("c", "InpaintModelConditioning",
                    "\"positive\":[\"2\",0],\"negative\":[\"3\",0],\"vae\":[\"1\",2],"
                    "\"pixels\":[\"i\",0],\"mask\":[\"m\",0],\"noise_mask\":false")
                   NODE("i", "LoadImage", "\"image\":\"in.png\"")
                       NODE("m", "LoadImageMask", "\"image\":\"mask.png\",\"channel\":\"red\"") END,
           &r);
    expect(&r, WANT({"prompt", "a cat"}, {"negative", "bad"}, {"image", "in.png"},
                    {"mask", "mask.png"}));
    expect_note(&r, "without noise_mask all of the picture would change");
    recipe_free(&r);
    /* Noise put in, and a sampler that is not here. */
    struct err e = {""};
    const char *flip = "{" COMMON ADVANCED("5", "n", "g", "k", "[\"f\",0]", "4")
        PARTS NODE("f", "FlipSigmas", "\"sigmas\":[\"s\",0]") BASIC("s", "normal", "20", "1") END;
    r = (struct recipe){.count = 0};
    assert_int_equal(comfy_import(flip, strlen(flip), "t.json", &r, &e), -1);
    assert_non_null(strstr(e.text, "node f (FlipSigmas): noise is put in instead of taken out"));
    recipe_free(&r);
    /* A circle of sigmas. */
    const char *round = "{" COMMON ADVANCED("5", "n", "g", "k", "[\"a\",0]", "4")
        PARTS NODE("a", "SplitSigmas", "\"sigmas\":[\"a\",0],\"step\":1") END;
    assert_int_equal(comfy_import(round, strlen(round), "t.json", &r, &e), -1);
    recipe_free(&r);
}

/* A flattened subgraph or group: ids with the path to each node. */
static void test_flattened_subgraphs(void **state)
{
    (void)state;
    struct recipe r;
    import("{" COMMON ADVANCED("5", "20:11", "20:12:3", "20:13", "[\"20:12:4\",0]", "4")
               NODE("20:11", "RandomNoise", "\"noise_seed\":[\"20:9\",0]")
                   NODE("20:9", "PrimitiveInt", "\"value\":5")
                       NODE("20:12:3", "CFGGuider",
                            "\"cfg\":6,\"model\":[\"1\",0],\"positive\":[\"2\",0],"
                            "\"negative\":[\"3\",0]")
                           NODE("20:13", "KSamplerSelect", "\"sampler_name\":\"euler\"")
                               BASIC("20:12:4", "simple", "7", "1") END,
           &r);
    expect(&r, WANT({"seed", "5"}, {"steps", "7"}, {"cfg", "6"}, {"scheduler", "simple"}));
    expect_no_notes(&r);
    recipe_free(&r);
}

/* The editor's form, whose values have no names. */
static void test_editors_form(void **state)
{
    (void)state;
    struct recipe r;
    import("{\"nodes\":[{\"id\":1,\"type\":\"CheckpointLoaderSimple\",\"widgets_values\":"
           "[\"base.safetensors\"]},"
           "{\"id\":2,\"type\":\"CLIPTextEncode\",\"inputs\":[{\"name\":\"clip\",\"link\":1}],"
           "\"widgets_values\":[\"a cat\"]},"
           "{\"id\":4,\"type\":\"EmptyLatentImage\",\"widgets_values\":[64,64,1]},"
           "{\"id\":5,\"type\":\"SamplerCustom\",\"inputs\":[{\"name\":\"model\",\"link\":2},"
           "{\"name\":\"positive\",\"link\":3},{\"name\":\"negative\",\"link\":3},{\"name\":"
           "\"sampler\",\"link\":4},{\"name\":\"sigmas\",\"link\":5},{\"name\":\"latent_image\","
           "\"link\":6}],\"widgets_values\":[true,9,\"fixed\",3.5]},"
           "{\"id\":6,\"type\":\"KSamplerSelect\",\"widgets_values\":[\"euler\"]},"
           "{\"id\":7,\"type\":\"AlignYourStepsScheduler\",\"widgets_values\":[\"SDXL\",10,1]},"
           "{\"id\":8,\"type\":\"VAEDecode\",\"inputs\":[{\"name\":\"samples\",\"link\":7},"
           "{\"name\":\"vae\",\"link\":8}]},"
           "{\"id\":9,\"type\":\"SaveImage\",\"inputs\":[{\"name\":\"images\",\"link\":9}]}],"
           "\"links\":[[1,1,1,2,0,\"CLIP\"],[2,1,0,5,0,\"MODEL\"],[3,2,0,5,1,\"C\"],[4,6,0,5,3,"
           "\"SAMPLER\"],[5,7,0,5,4,\"SIGMAS\"],[6,4,0,5,5,\"LATENT\"],[7,5,1,8,0,\"LATENT\"],"
           "[8,1,2,8,1,\"VAE\"],[9,8,0,9,0,\"IMAGE\"]]}",
           &r);
    expect(&r, WANT({"prompt", "a cat"}, {"seed", "9"}, {"cfg", "3.5"}, {"steps", "10"},
                    {"scheduler", "align_your_steps"}, {"sampler", "euler"}, {"size", "64x64"}));
    expect_no_notes(&r);
    recipe_free(&r);
}

/* What was imported, exported and imported again, is the same settings. */
static void comes_back(const char *workflow, const char *class)
{
    struct recipe r, again, told = {.count = 0};
    struct settings s = {.width = 0}, back = {.width = 0};
    struct err e = {""};
    import(workflow, &r);
    assert_int_equal(recipe_settle(&r, &s, &e), 0);
    char *text = comfy_export(&s, "x", &told, &e);
    assert_non_null(text);
    if (!strstr(text, class))
        fail_msg("no %s in %s", class, text);
    import(text, &again);
    assert_int_equal(recipe_settle(&again, &back, &e), 0);
    char *one = settings_to_text(&s), *two = settings_to_text(&back);
    assert_string_equal(one, two);
    expect_no_notes(&again);
    free(one);
    free(two);
    free(text);
    settings_free(&s);
    settings_free(&back);
    recipe_free(&r);
    recipe_free(&again);
    recipe_free(&told);
}

static void test_round_trip(void **state)
{
    (void)state;
    comes_back("{" COMMON ADVANCED("5", "n", "g", "k", "[\"s\",0]", "4")
                   PARTS BASIC("s", "karras", "20", "1") END,
               "\"KSampler\"");
    comes_back("{" COMMON ADVANCED("5", "n", "g", "k", "[\"s\",0]", "4")
                   PARTS NODE("s", "ManualSigmas", "\"sigmas\":\"14.6146, 3.5, 0.7, 0.0001, 0\"")
                       END,
               "14.6146, 3.5, 0.7, 0.0001, 0.0\"");
    comes_back("{" COMMON ADVANCED("5", "n", "g", "k", "[\"s\",0]", "4")
                   PARTS NODE("s", "AlignYourStepsScheduler",
                              "\"model_type\":\"SDXL\",\"steps\":12,\"denoise\":1.0") END,
               "\"AlignYourStepsScheduler\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guiders_and_schedulers),
        cmocka_unit_test(test_split_schedules),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_what_has_no_setting),
        cmocka_unit_test(test_flattened_subgraphs),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_editors_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
