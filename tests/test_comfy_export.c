/*
 * ComfyUI workflows that are written: each reads back as the settings that it was made from, and
 * what it cannot say is named.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "comfy_help.h"
#include "import/comfy_export.h"
#include "import/comfy_graph.h"

static void set_all(struct settings *s, const char *const (*pairs)[2])
{
    struct err e = {""};
    for (; (*pairs)[0]; pairs++)
        if (settings_key_index((*pairs)[0]) >= 0 && settings_set(s, (*pairs)[0], (*pairs)[1], &e))
            fail_msg("%s: %s", (*pairs)[0], e.text);
}

/* Every link leads to a node. */
static void check_links(const char *text)
{
    struct err e = {""};
    struct comfy_graph *g = comfy_graph_parse(text, strlen(text), "export", &e);
    int links = 0;
    assert_non_null(g);
    for (int i = 0; i < comfy_count(g); i++)
        for (int at = 0;;) {
            struct comfy_input in = comfy_next_link(g, i, &at);
            if (in.kind == COMFY_MISSING)
                break;
            assert_int_equal(in.kind, COMFY_LINK);
            links++;
        }
    assert_true(links >= 8);
    comfy_graph_free(g);
}

/* To look at it, or for check_comfy.py. */
static void keep(const char *text, const char *name, int i)
{
    char path[300];
    struct err e = {""};
    const char *folder = getenv("SPRITTY_EXPORTS");
    snprintf(path, sizeof path, "%s/%s-%d.json", folder ? folder : "", name, i);
    if (folder && file_write_atomic(path, text, strlen(text), &e))
        fail_msg("%s", e.text);
}

#define UNTIMED                                                                                    \
    {"seed", "18446744073709551615"}, {"cfg", "5.5"}, {"size", "1024x768"}, {"compat", "comfyui"}, \
        {"sampler", "euler_ancestral"}, {"model", "sd_xl_base_1.0"},                               \
        {"negative", "bad, \"worse\""},                                                            \
    {                                                                                              \
        "prompt", "a (cat:1.2)\nred; blue"                                                         \
    }
#define ALIGNED                                                                                    \
    UNTIMED, {"steps", "12"},                                                                      \
    {                                                                                              \
        "scheduler", "align_your_steps"                                                            \
    }
#define BASIC                                                                                      \
    UNTIMED, {"steps", "12"},                                                                      \
    {                                                                                              \
        "scheduler", "karras"                                                                      \
    }
#define PLAIN                                                                                      \
    BASIC,                                                                                         \
    {                                                                                              \
        "sampler", "euler"                                                                         \
    }
#define REFINED                                                                                    \
    {"refiner", "refiner"}, {"refiner-switch", "0.75"}, {"aesthetic", "6.5"},                      \
    {                                                                                              \
        "negative-aesthetic", "2"                                                                  \
    }
#define CONTROL                                                                                    \
    {"control", "canny-sdxl"}, {"control-image", "pose.png"}, {"control-strength", "0.75"},        \
        {"control-start", "0.125"},                                                                \
    {                                                                                              \
        "control-end", "0.6"                                                                       \
    }
#define LARGER                                                                                     \
    {"hires", "1.5"}, {"hires-upscale", "latent_bicubic"}, {"hires-denoise", "0.5"},               \
    {                                                                                              \
        "hires-steps", "9"                                                                         \
    }

static void exports_read_back(void **state)
{
    (void)state;
    static const char *const cases[][24][2] = {
        {BASIC},
        {BASIC, {"batch", "4"}, {"clip-skip", "3"}},
        {BASIC, {"sampler", "dpmpp_2m_sde"}, {"rng", "gpu"}},
        {BASIC, {"negative", ""}, {"empty-negative", "zeros"}},
        {BASIC, {"vae", "taesdxl"}},
        {BASIC, {"vae", "fixed"}, {"cfg-rescale", "0.7"}, {"lora", "a:0.5, b:te=0:unet=1"}},
        {BASIC, {"image", "in.png"}, {"denoise", "0.6"}, {"mask", "m.png"}, {"batch", "2"}},
        {BASIC, {"original-size", "2048x1024"}, {"crop", "8x16"}, {"target-size", "512x256"}},
        {BASIC,
         {"original-size", "1024x768"}, /* the size, when only one of the others is said */
         {"crop", "8x16"},
         {"target-size", "1024x768"}},
        {BASIC, LARGER},
        {BASIC,
         {"hires-size", "1536x1152"},
         {"hires-upscale", "latent_bilinear"},
         {"hires-denoise", "0.5"},
         {"hires-steps", "9"}},
        {BASIC, REFINED},
        {BASIC, REFINED, LARGER},
        {BASIC, REFINED, {"negative", ""}, {"empty-negative", "zeros"}},
        {BASIC, REFINED, {"image", "in.png"}, {"denoise", "0.6"}},
        /* A ControlNet, in each pass of the base model. */
        {BASIC, CONTROL},
        {BASIC,
         CONTROL,
         {"control-prepare", "invert"},
         {"negative", ""},
         {"empty-negative", "zeros"}},
        {BASIC, CONTROL, REFINED, LARGER},
        {BASIC, CONTROL, {"control-type", "scribble"}},
        {BASIC, CONTROL, {"control-type", "repaint"}, {"control-prepare", "invert"}},
        {BASIC, CONTROL, {"control-type", "canny"}, LARGER},
        {PLAIN, CONTROL, {"cfg-end", "0.4"}},
        {UNTIMED, CONTROL, {"sigmas", "14.6146 7.3 3.5 0.8999 0"}, REFINED},
        /* What KSampler does not say: levels as values, whole and in parts. */
        {ALIGNED},
        {ALIGNED, {"image", "in.png"}, {"denoise", "0.6"}},
        {ALIGNED, REFINED},
        {ALIGNED, REFINED, {"image", "in.png"}, {"denoise", "0.6"}},
        {ALIGNED, LARGER},
        {UNTIMED, {"sigmas", "14.6146 7.3 3.5 0.8999 3e-05 0"}},
        {UNTIMED, {"sigmas", "14.6146 7.3 3.5 0.8999 0"}, REFINED},
        {UNTIMED, {"sigmas", "14.6146 7.3 3.5 0.8999 0"}, LARGER, {"scheduler", "beta"}},
        {UNTIMED, {"sigmas", "10 5 1 0"}, LARGER, {"scheduler", "align_your_steps"}},
        /* Guidance in a part of the steps: a sampler for each part, in each pass. */
        {PLAIN, {"cfg-end", "0.4"}},
        {PLAIN, {"cfg-start", "0.25"}},
        {PLAIN, {"cfg-start", "0.08"}, {"cfg-end", "0.8"}},
        {PLAIN, {"cfg-end", "0.6"}, {"image", "in.png"}, {"denoise", "0.6"}},
        {PLAIN, {"cfg-end", "0.6"}, LARGER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s = {.width = 0}, back = {.width = 0};
        struct recipe r = {.count = 0}, again;
        struct err e = {""};
        set_all(&s, cases[i]);
        char *text = comfy_export(&s, "sprite", &r, &e);
        if (!text)
            fail_msg("%s", e.text);
        keep(text, "export", (int)i);
        check_links(text);
        import(text, &again);
        assert_int_equal(recipe_settle(&again, &back, &e), 0);
        if (r.notes + again.notes)
            fail_msg("case %zu: %s", i, r.notes ? r.note[0] : again.note[0]);
        char *one = settings_to_text(&s), *two = settings_to_text(&back);
        assert_string_equal(one, two);
        free(one);
        free(two);
        free(text);
        settings_free(&s);
        settings_free(&back);
        recipe_free(&r);
        recipe_free(&again);
    }
}

/* The names are ComfyUI's (comfy/cldm/control_types.py); to a network that is told nothing there
 * leads no such node. */
static void unions_are_told(void **state)
{
    (void)state;
    static const char *const types[][2] = {
        {"auto", NULL},
        {"openpose", "\"openpose\""},
        {"depth", "\"depth\""},
        {"scribble", "\"hed/pidi/scribble/ted\""},
        {"canny", "\"canny/lineart/anime_lineart/mlsd\""},
        {"normal", "\"normal\""},
        {"segment", "\"segment\""},
        {"tile", "\"tile\""},
        {"repaint", "\"repaint\""},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        const char *const all[][2] = {BASIC, CONTROL, {"control-type", types[i][0]}, {NULL, NULL}};
        struct settings s = {.width = 0};
        struct recipe r = {.count = 0}, back;
        struct err e = {""};
        set_all(&s, all);
        char *text = comfy_export(&s, "x", &r, &e);
        assert_non_null(text);
        check_links(text);
        const char *node = strstr(text, "SetUnionControlNetType");
        if (!types[i][1])
            assert_null(node);
        else
            assert_true(node && strstr(node, types[i][1]));
        import(text, &back);
        expect(&back, "control-type", i ? types[i][0] : NULL);
        assert_int_equal(r.notes + back.notes, 0);
        free(text);
        settings_free(&s);
        recipe_free(&r);
        recipe_free(&back);
    }
}

/* ComfyUI's Canny is another one, which is said on the way there and back; the thresholds are the
 * same after both. */
static void edges_read_back(void **state)
{
    (void)state;
    static const char *const thresholds[][2] = {
        {"100", "200"}, {"37", "41"}, {"544", "544"}, {"6", "301"}};
    for (int i = 0; i < 4; i++) {
        const char *const all[][2] = {BASIC,
                                      CONTROL,
                                      {"control", "nets/canny-sdxl"},
                                      {"control-prepare", "canny"},
                                      {"control-low", thresholds[i][0]},
                                      {"control-high", thresholds[i][1]},
                                      {NULL, NULL}};
        struct settings s = {.width = 0};
        struct recipe r = {.count = 0}, back;
        struct err e = {""};
        set_all(&s, all);
        char *text = comfy_export(&s, "x", &r, &e);
        assert_non_null(text);
        keep(text, "canny", i);
        check_links(text);
        assert_non_null(strstr(text, "\"canny-sdxl.safetensors\""));
        import(text, &back);
        expect(&back, "control-prepare", "canny");
        expect(&back, "control-low", i ? thresholds[i][0] : NULL);
        expect(&back, "control-high", i ? thresholds[i][1] : NULL);
        expect_note(&r, "ComfyUI's Canny blurs the picture first");
        expect_note(&back, "(Canny): it measures edges otherwise");
        assert_int_equal(r.notes + back.notes, 2);
        free(text);
        settings_free(&s);
        recipe_free(&r);
        recipe_free(&back);
    }
}

static void export_names_what_it_cannot(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"sampler", "tcd", "ComfyUI's own nodes have no sampler of that kind"},
        {"sigmas", "3 14", "does not fall"},
    };
    static const char *const basic[][2] = {BASIC, {NULL, NULL}};
    for (int i = 0; i < 2; i++) {
        struct settings s = {.width = 0};
        struct recipe r = {.count = 0};
        struct err e = {""};
        set_all(&s, basic);
        assert_int_equal(settings_set(&s, cases[i][0], cases[i][1], &e), 0);
        assert_null(comfy_export(&s, "x", &r, &e));
        assert_non_null(strstr(e.text, cases[i][2]));
        settings_free(&s);
    }
    struct settings s = {.width = 0};
    struct recipe r = {.count = 0};
    struct err e = {""};
    set_all(&s, basic);
    settings_set(&s, "compat", "a1111", &e);
    settings_set(&s, "tiling", "x", &e);
    settings_set(&s, "control", "c", &e);
    settings_set(&s, "control-image", "p.png", &e);
    settings_set(&s, "control-prepare", "canny", &e);
    settings_set(&s, "control-high", "1000", &e);
    char *text = comfy_export(&s, "x", &r, &e);
    assert_non_null(text);
    expect_note(&r, "compat = a1111: ComfyUI draws its noise in another way");
    expect_note(&r, "tiling = x: not exported");
    expect_note(&r, "control_high = 1000: exported as 0.99, for ComfyUI's Canny goes no further");
    free(text);
    settings_free(&s);
    recipe_free(&r);
}

static char *exported(const char *const (*pairs)[2], struct recipe *r)
{
    struct settings s = {.width = 0};
    struct err e = {""};
    *r = (struct recipe){.count = 0};
    set_all(&s, pairs);
    char *text = comfy_export(&s, "x", r, &e);
    settings_free(&s);
    assert_non_null(text);
    return text;
}

/* A crop or target alone was left out without a word, and the negative text was told none of it;
 * paths to our files went where ComfyUI has names. */
static void sizes_and_names(void **state)
{
    (void)state;
    static const char *const crop[][2] = {BASIC, {"crop", "8x16"}, {NULL, NULL}};
    static const char *const target[][2] = {BASIC, {"target-size", "64x32"}, {NULL, NULL}};
    static const char *const paths[][2] = {BASIC,
                                           {"model", "/home/me/m.safetensors"},
                                           {"vae", "~/v"},
                                           {"lora", "./l.safetensors:0.5, sub/k:1"},
                                           {"control", "c"},
                                           {"rng", "cpu"},
                                           {NULL, NULL}};
    struct recipe r, back;
    char *text = exported(crop, &r);
    import(text, &back);
    expect(&back, "crop", "8x16");
    expect(&back, "original-size", "1024x768");
    assert_int_equal(r.notes + back.notes, 0);
    free(text);
    recipe_free(&back);
    text = exported(target, &r);
    import(text, &back);
    expect(&back, "target-size", "64x32");
    const char *first = strstr(text, "\"target_width\"");
    assert_non_null(first);
    assert_non_null(strstr(first + 1, "\"target_width\""));
    free(text);
    recipe_free(&back);
    text = exported(paths, &r);
    assert_non_null(strstr(text, "\"m.safetensors\""));
    assert_non_null(strstr(text, "\"v.safetensors\""));
    assert_non_null(strstr(text, "\"l.safetensors\""));
    assert_non_null(strstr(text, "\"sub/k.safetensors\""));
    assert_null(strstr(text, "/home"));
    expect_note(&r, "control = c: not exported");
    expect_note(&r, "rng = cpu: not exported");
    free(text);
    recipe_free(&r);
}

/* Where a part of the settings takes a sampler of its own, what that costs is said; where it cannot
 * be, that it is left out. */
static void guidance_that_is_not_exact(void **state)
{
    (void)state;
    static const struct {
        const char *more[4][2], *note;
        int samplers;
    } cases[] = {
        {{{"sampler", "dpmpp_2m"}}, "dpmpp_2m begins anew in each", 2},
        {{REFINED}, "cfg-end = 0.4: not exported", 2},
        {{{"sampler", "euler"}, {"scheduler", "beta"}}, "cfg-end = 0.4: not exported", 1},
        {{{"cfg", "1"}}, NULL, 1},
        {{{"sampler", "euler"}, {"cfg-end", "1"}}, NULL, 1},
    };
    static const char *const basic[][2] = {BASIC, {"cfg-end", "0.4"}, {NULL, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s = {.width = 0};
        struct recipe r = {.count = 0};
        struct err e = {""};
        set_all(&s, basic);
        for (int k = 0; k < 4 && cases[i].more[k][0]; k++)
            assert_int_equal(settings_set(&s, cases[i].more[k][0], cases[i].more[k][1], &e), 0);
        char *text = comfy_export(&s, "x", &r, &e);
        assert_non_null(text);
        int samplers = 0;
        for (const char *at = text; (at = strstr(at, "\"KSampler")); at++)
            samplers++;
        assert_int_equal(samplers, cases[i].samplers);
        assert_int_equal(r.notes, cases[i].note ? 1 : 0);
        if (cases[i].note)
            expect_note(&r, cases[i].note);
        free(text);
        settings_free(&s);
        recipe_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exports_read_back), cmocka_unit_test(unions_are_told),
        cmocka_unit_test(edges_read_back),   cmocka_unit_test(export_names_what_it_cannot),
        cmocka_unit_test(sizes_and_names),   cmocka_unit_test(guidance_that_is_not_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
