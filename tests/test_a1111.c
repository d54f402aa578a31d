/*
 * A1111's parameters: cut as A1111's own parser cuts them (golden/infotext.json), understood, and
 * written by us so that it reads them back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/version.h"
#include "engine/meta.h"
#include "import/a1111.h"

static const char *value_text(struct json v, char room[32])
{
    double x;
    if (json_as_string(v))
        return json_as_string(v);
    if (json_as_double(v, &x))
        snprintf(room, 32, "%g", x);
    return room;
}

/* A1111 cuts 64x32 into "Size-1" and "Size-2". */
static const char *golden_value(const struct a1111 *a, const char *key, char out[64])
{
    size_t n = strlen(key);
    const char *value = a1111_get(a, key);
    if (value || n < 3 || key[n - 2] != '-')
        return value;
    char name[100];
    int side[2];
    snprintf(name, sizeof name, "%.*s", (int)(n - 2), key);
    value = a1111_get(a, name);
    if (!value || sscanf(value, "%dx%d", &side[0], &side[1]) != 2)
        return NULL;
    snprintf(out, 64, "%d", side[key[n - 1] == '2']);
    return out;
}

static void compare(const char *text, struct json want)
{
    struct a1111 a;
    struct err e;
    int pairs = 0;
    assert_int_equal(a1111_parse(text, &a, &e), 0);
    for (struct json v = json_first(want); v.node; v = json_next(v)) {
        char room[64] = "", number[32] = "";
        const char *key = json_key(v), *expected = value_text(v, number);
        const char *have = !strcmp(key, "Prompt")            ? a.prompt
                           : !strcmp(key, "Negative prompt") ? a.negative
                                                             : golden_value(&a, key, room);
        if (!have || strcmp(have, expected) != 0)
            fail_msg("of '%s':\n%s is '%s', not '%s'", text, key, have ? have : "(nothing)",
                     expected);
        size_t n = strlen(key);
        pairs += have != a.prompt && have != a.negative && !(n > 2 && !strcmp(key + n - 2, "-2"));
    }
    /* And nothing besides. */
    if (a.pairs != pairs)
        fail_msg("of '%s': %d settings, not %d", text, a.pairs, pairs);
    a1111_free(&a);
}

static struct json_doc *golden(void)
{
    struct err e;
    struct json_doc *doc = json_load("tests/golden/infotext.json", 1 << 20, &e);
    if (!doc)
        fail_msg("%s", e.text);
    return doc;
}

static void cut_as_a1111_cuts(void **state)
{
    (void)state;
    struct json_doc *doc = golden();
    int count = 0;
    struct json texts = json_get(json_root(doc), "texts");
    for (struct json v = json_first(texts); v.node; v = json_next(v), count++)
        compare(json_as_string(json_get(v, "text")), json_get(v, "result"));
    print_message("%d texts\n", count);
    assert_true(count > 25);
    json_free(doc);
}

/* ---- our writer ---- */

static void point(struct job *j, const struct settings *s, const char *prompt)
{
    static char *prompts[1], *negatives[1];
    memset(j, 0, sizeof *j);
    static struct job_loras no_loras;
    j->loras = &no_loras;
    prompts[0] = (char *)(uintptr_t)prompt;
    negatives[0] = s->negative ? s->negative : (char *)(uintptr_t) "";
    j->prompt = prompt;
    j->prompts.count = 1;
    j->prompts.prompt = prompts;
    j->prompts.negative = negatives;
    snprintf(j->model_name, sizeof j->model_name, "%s", s->model);
    j->settings = *s;
    j->params = (struct gen_params){.prompt = prompt,
                                    .negative = s->negative,
                                    .seed = s->seed,
                                    .steps = s->steps,
                                    .cfg = (float)s->cfg,
                                    .width = s->width,
                                    .height = s->height,
                                    .batch = 1,
                                    .sampler = sampler_by_name(s->sampler),
                                    .scheduler = schedule_by_name(s->scheduler),
                                    .compat = compat_by_name(s->compat),
                                    .rng = rng_by_name(s->rng ? s->rng : "auto")};
}

/* The text that A1111 would have written, and that its parser reads as what we meant. */
static void written_as_a1111_writes(void **state)
{
    (void)state;
    struct json_doc *doc = golden();
    struct json list = json_get(json_root(doc), "written");
    int count = 0;
    for (struct json v = json_first(list); v.node; v = json_next(v), count++) {
        struct settings s = {.seed = UINT64_MAX, .steps = 12, .cfg = 5.5, .width = 128};
        struct job j;
        s.height = 96;
        s.model = "a, b: c", s.sampler = "dpmpp_2m", s.scheduler = "karras", s.compat = "a1111";
        s.negative = (char *)(uintptr_t)json_as_string(json_get(v, "negative"));
        point(&j, &s, json_as_string(json_get(v, "prompt")));
        char *text = meta_parameters(&j, "0123456789", 0);
        assert_non_null(text);
        char *at = strstr(text, SPRITTY_VERSION), *same;
        assert_non_null(at);
        /* A1111 strips the whole; a text of ours may begin with an empty line. */
        assert_true(asprintf(&same, "%.*sVERSION", (int)(at - text), text) > 0);
        assert_string_equal(same + strspn(same, "\n"), json_as_string(json_get(v, "text")));
        compare(same, json_get(v, "result"));
        free(same);
        free(text);
    }
    assert_true(count >= 10);
    json_free(doc);
}

/* ---- what it means ---- */

#define CANNY(more) "ControlNet 0: \"Module: canny, Model: canny_xl [2b69fca4], " more "\""

static void meanings(void **state)
{
    (void)state;
    static const struct {
        const char *line, *key, *value;
    } cases[] = {
        {"Sampler: Euler a, Schedule type: Automatic", "sampler", "euler_ancestral"},
        {"Sampler: Euler a, Schedule type: Automatic", "scheduler", "normal"},
        {"Sampler: DPM++ 2M, Schedule type: Automatic", "scheduler", "karras"},
        {"Sampler: DPM++ 2M SDE, Schedule type: Automatic", "scheduler", "exponential"},
        {"Sampler: DPM++ 2M", "scheduler", "normal"},
        {"Sampler: DPM++ 2M Karras", "sampler", "dpmpp_2m"},
        {"Sampler: DPM++ 2M Karras", "scheduler", "karras"},
        {"Sampler: DPM++ 2M SDE Exponential", "scheduler", "exponential"},
        {"Sampler: DPM++ 2M Karras, Schedule type: SGM Uniform", "scheduler", "karras"},
        {"Sampler: DDIM", "scheduler", "ddim_uniform"},
        {"Sampler: k_euler_a", "sampler", "euler_ancestral"},
        {"Sampler: dpmpp_2m_sde_gpu, Version: ComfyUI", "sampler", "dpmpp_2m_sde"},
        {"Sampler: dpmpp_2m_sde_gpu, Version: ComfyUI", "rng", "gpu"},
        {"Sampler: dpmpp_2m_sgm_uniform, Version: ComfyUI", "sampler", "dpmpp_2m"},
        {"Sampler: dpmpp_2m_sgm_uniform, Version: ComfyUI", "scheduler", "sgm_uniform"},
        {"Sampler: euler_ancestral_karras, Version: ComfyUI", "sampler", "euler_ancestral"},
        {"Sampler: euler_ancestral, Version: ComfyUI", "scheduler", "normal"},
        {"Sampler: no_such_karras", "sampler", NULL},
        {"Sampler: DPM fast", "sampler", NULL},
        {"Sampler: Euler, Schedule type: SGMUniform", "scheduler", "sgm_uniform"},
        {"Sampler: Euler, Schedule type: Uniform", "scheduler", "normal"},
        {"Sampler: Euler, Schedule type: Polyexponential", "scheduler", "exponential"},
        {"Size: 512x768", "size", "512x768"},
        {"Model: sdxl/base.safetensors", "model", "base"},
        {"RNG: CPU", "rng", "cpu"},
        {"RNG: NV", "rng", NULL},
        {"RNG: NV", "compat", "a1111"},
        {"Version: ComfyUI", "compat", "comfyui"},
        {"Compat: diffusers", "compat", "diffusers"},
        {"Refiner: sd_xl_refiner_1.0 [7440042bbd]", "refiner", "sd_xl_refiner_1.0"},
        {"Refiner switch at: 0.8", "refiner-switch", "0.8"},
        {"VAE: sdxl_vae.safetensors", "vae", "sdxl_vae"},
        {"VAE: Automatic", "vae", NULL},
        {"Module 1: sdxl_vae_fp16_fix", "vae", "sdxl_vae_fp16_fix"}, /* Forge */
        {"Module 1: clip_l", "vae", NULL},
        {"VAE Encoder: TAESD, VAE Decoder: TAESD", "vae", "taesdxl"},
        {"VAE Encoder: TAESD, VAE Decoder: Full", "vae", NULL},
        {"Tiling: True", "tiling", "xy"},
        {"Denoising strength: 0.6", "denoise", "0.6"},
        {"Denoising strength: 0.6, Hires upscale: 2", "hires-denoise", "0.6"},
        {"Denoising strength: 0.6, Hires upscale: 2", "denoise", NULL},
        {"Hires upscaler: Latent (nearest-exact)", "hires-upscale", "latent_nearest_exact"},
        {"Hires upscaler: Latent (antialiased)", "hires-upscale", "latent_bilinear"},
        {"Hires upscaler: 4x-UltraSharp", "hires-upscale", "lanczos"}, /* pixels, as it does */
        {"Hires resize: 640x960", "hires-size", "640x960"},
        {"Clip skip: 2", "clip-skip", NULL},
        {CANNY("Guidance End: 0.6, Control Mode: Balanced"), "control", "canny_xl"},
        {CANNY("Guidance End: 0.6, Control Mode: Balanced"), "control-prepare", "canny"},
        {CANNY("Guidance End: 0.6, Control Mode: Balanced"), "control-end", "0.6"},
        {CANNY("Guidance Start: 0.0, Weight: 1.0"), "control-start", NULL},
        {CANNY("Guidance Start: 0.25, Weight: 0.8"), "control-start", "0.25"},
        {CANNY("Guidance Start: 0.25, Weight: 0.8"), "control-strength", "0.8"},
        {CANNY("Threshold A: 100, Threshold B: 200"), "control-low", NULL},
        {CANNY("Threshold A: 60.0, Threshold B: -1"), "control-low", "60"},
        {CANNY("Threshold A: 60.0, Threshold B: -1"), "control-high", "200"},
        {CANNY("starting/ending: (0.1, 0.9), x: (1, 2)"), "control-start", "0.1"},
        {CANNY("starting/ending: (0.1, 0.9), x: (1, 2)"), "control-end", "0.9"},
        {CANNY("preprocessor params: (512, 50, 150)"), "control-high", "150"},
        {CANNY("a") ", ControlNet 1: \"Module: none, Model: b\"", "control", "canny_xl"},
        {"ControlNet 0: \"Module: reference_only, Model: None\", "
         "ControlNet 1: \"Module: invert (from white bg & black line), Model: b\"",
         "control", "b"},
        {"Controlnet: \"preprocessor: invert, model: xl/b\"", "control", "b"},
        {"Controlnet: \"preprocessor: invert, model: xl/b\"", "control-prepare", "invert"},
        {"ControlNet 0: \"Module: none, Model: b\"", "control-prepare", NULL},
        {"ControlNet 0: \"Module: none, Model: ip-adapter_xl [1]\"", "control", NULL},
        {CANNY("Union Control Type: Hard Edge"), "control-type", "canny"},
        {CANNY("Union Control Type: Soft Edge"), "control-type", "scribble"},
        {CANNY("Union Control Type: Inpaint"), "control-type", "repaint"},
        {CANNY("Union Control Type: Unknown"), "control-type", NULL},
        {"Batch size: 4, Batch pos: 1, Compat: comfyui", "batch", "4"},
        {"Batch size: 4, Batch pos: 1", "batch", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe r = {.count = 0};
        struct err e;
        char text[300];
        snprintf(text, sizeof text, "x\nSteps: 9, Seed: 3, CFG scale: 4, %s", cases[i].line);
        assert_int_equal(a1111_import(text, &r, &e), 0);
        const char *have = recipe_get(&r, cases[i].key), *want = cases[i].value;
        if (!want ? have != NULL : !have || strcmp(have, want) != 0)
            fail_msg("%s: %s is '%s', not '%s'", cases[i].line, cases[i].key, have ? have : "",
                     want ? want : "");
        recipe_free(&r);
    }
}

static void unhonoured_is_named(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"ENSD: 31337", "ENSD: 31337 has no setting here"},
        {"Sampler: DPM adaptive", "Sampler: DPM adaptive: there is none of that name here"},
        {"Schedule type: Turbo", "Schedule type: Turbo: there is none"},
        {"Hires upscaler: R-ESRGAN 4x+", "Hires upscaler: R-ESRGAN 4x+ is a model or unknown here"},
        {"Variation seed: 5", "Variation seed: 5 has no setting"},
        {"Denoising strength: 0.5", "it was made from a picture"},
        {"Model: old.ckpt", "old.ckpt is a pickle"},
        {"Refiner: r, Hires upscale: 2", "Refiner: A1111 refined the second pass; here it is the"},
        {"Refiner: r, Hires upscale: 2, Hires refiner: both passes", "A1111 refined both passes;"},
        {"ControlNet 0: \"a, b\"", "ControlNet 0: a, b has no setting here"},
        {CANNY("a"), "ControlNet 0: its picture is not in the text; name it with --control-image"},
        {CANNY("a"), "ControlNet 0: its edges were found at its Processor Res"},
        {CANNY("Control Mode: My prompt is more important"),
         "Control Mode: My prompt is more important; here it is as with Balanced"},
        {CANNY("Resize Mode: Just Resize"), "Just Resize; here it is as with Crop and Resize"},
        {CANNY("Hr Option: Low res only"), "Low res only; here it is as with Both"},
        {CANNY("Union Control Type: Fog"),
         "Union Control Type: Fog: there is none of that name here"},
        {"ControlNet 0: \"Module: none, Model: xinsir-union\"",
         "what it was told of its picture is not in the text; name it with --control-type"},
        {CANNY("Effective Region Mask: yes"), "Effective Region Mask: yes has no setting here"},
        {CANNY("a") ", ControlNet 1: \"Module: none, Model: b\"",
         "ControlNet 1: Module: none, Model: b: one ControlNet works at a time here"},
        {"ControlNet 0: \"Module: openpose_full, Model: b\"", "was prepared by openpose_full"},
        {"ControlNet 0: \"Module: reference_only, Model: None\"",
         "reference_only works without a ControlNet"},
        {"ControlNet 0: \"Module: x, Model: ip-adapter_xl\"", "is an adapter and no ControlNet"},
        {"ControlNet 0x: 3", "ControlNet 0x: 3 has no setting here"},
        {"Odd: \x1b[31mred", "Odd: ?[31mred has no setting"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct recipe r = {.count = 0};
        struct err e;
        char text[300];
        snprintf(text, sizeof text, "x\nSteps: 9, Seed: 3, CFG scale: 4, %s", cases[i][0]);
        assert_int_equal(a1111_import(text, &r, &e), 0);
        bool found = false;
        for (int k = 0; k < r.notes; k++)
            found |= strstr(r.note[k], cases[i][1]) != NULL;
        if (!found)
            fail_msg("%s: no such note (%s)", cases[i][0], r.notes ? r.note[0] : "none");
        recipe_free(&r);
    }
    struct recipe r = {.count = 0};
    struct err e;
    const char
        *same = "x\nSteps: 9, Seed: 3, CFG scale: 4, RNG: CPU, Refiner: r, Hires upscale: 2, "
                "Hires refiner: first pass, Sampler: Euler, Schedule type: Karras";
    assert_int_equal(a1111_import(same, &r, &e), 0); /* as it is here */
    if (r.notes)
        fail_msg("%s", r.note[0]);
    recipe_free(&r);
    const char *ours = "x\nSteps: 9, Seed: 3, CFG scale: 4, Version: spritty 1, " CANNY("x: y");
    assert_int_equal(a1111_import(ours, &r, &e), 0); /* its edges were found as here */
    assert_int_equal(r.notes, 2);
    assert_non_null(strstr(r.note[0], "x: y has no setting here"));
    assert_non_null(strstr(r.note[1], "its picture is not in the text"));
    recipe_free(&r);
    assert_int_equal(a1111_import("just words", &r, &e), 0);
    assert_string_equal(recipe_get(&r, "prompt"), "just words");
    assert_non_null(strstr(r.note[0], "there is no line of settings"));
    recipe_free(&r);
}

/* A ControlNet, as the extension's ControlNetUnit.serialize has it; the hash is A1111's model_hash:
 * head -c 1114112 FILE | tail -c 65536 | sha256sum. */
static void a_control_is_written(void **state)
{
    (void)state;
    static const char *const said[][2] = {
        {"prompt", "x"},
        {"model", "m"},
        {"sampler", "euler"},
        {"scheduler", "normal"},
        {"compat", "a1111"},
        {"control", "/my/nets/canny.safetensors"},
        {"control-image", "/my/a.png"},
        {"control-start", "0"},
        {"control-prepare", "canny"},
        {"control-low", "50"},
        {"control-high", "200"},
        {"control-strength", "0.75"},
        {"control-end", "0.5"},
        {"control-type", "segment"},
    };
    struct settings s = {.steps = 0};
    struct recipe r = {.count = 0};
    struct err e = {""};
    struct job j;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        assert_int_equal(settings_set(&s, said[i][0], said[i][1], &e), 0);
    point(&j, &s, "x");
    strcpy(j.inputs.control,
           "tests/golden/small_a_control/diffusion_pytorch_model.fp16.safetensors");
    char *text = meta_parameters(&j, "0123456789", 0);
    const char *unit = text ? strstr(text, "ControlNet") : NULL;
    const char *end = unit ? strstr(unit, ", RNG") : NULL;
    assert_non_null(end);
    char *own = strndup(unit, (size_t)(end - unit));
    assert_string_equal(
        own, "ControlNet 0: \"Module: canny, Model: canny [cca45596], Weight: 0.75, Resize Mode: "
             "Crop and Resize, Processor Res: 512, Threshold A: 50.0, Threshold B: 200.0, Guidance "
             "Start: 0.0, Guidance End: 0.5, Pixel Perfect: True, Control Mode: Balanced, Union "
             "Control Type: Segmentation\"");
    assert_int_equal(a1111_import(text, &r, &e), 0);
    assert_string_equal(recipe_get(&r, "control"), "canny");
    for (size_t i = 8; i < sizeof said / sizeof *said; i++) {
        const char *got = recipe_get(&r, said[i][0]);
        assert_string_equal(got ? got : "none", said[i][1]);
    }
    recipe_free(&r);
    free(own);
    free(text);
    settings_free(&s);
}

/* Read, and written again: the same text. */
static void text_round_trips(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "a (cat:1.2), BREAK, <lora:x:0.8>\nsecond\nNegative prompt: bad, \"worse\"\nSteps: 20, "
        "Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7.5, Seed: 965400086, Size: 512x768, "
        "Model hash: 45dee52b, Model: some model, RNG: NV, Version: spritty " SPRITTY_VERSION,
        "x\nSteps: 4, Sampler: LCM, Schedule type: SGM Uniform, CFG scale: 1.5, Seed: 0, Size: "
        "1024x1024, Model hash: 45dee52b, Model: \"a: b\", RNG: CPU, Version: "
        "spritty " SPRITTY_VERSION,
        "x\nSteps: 4, Sampler: LCM, Schedule type: SGM Uniform, CFG scale: 1.5, Seed: 0, Size: "
        "1024x1024, Model hash: 45dee52b, Model: m, VAE: fixed, Hires upscale: 1.5, Hires steps: "
        "9, "
        "Hires upscaler: Latent (bicubic), Denoising strength: 0.55, Refiner: r, Refiner switch "
        "at: "
        "0.75, Tiling: True, RNG: NV, Version: spritty " SPRITTY_VERSION,
        "x\nSteps: 4, Sampler: LCM, Schedule type: SGM Uniform, CFG scale: 1.5, Seed: 0, Size: "
        "1024x1024, Model hash: 45dee52b, Model: m, Hires resize: 1536x1536, Tiling: x, RNG: NV, "
        "Version: spritty " SPRITTY_VERSION,
        "x\nSteps: 4, Sampler: Euler, Schedule type: Normal, CFG scale: 1, Seed: 5, Size: 64x64, "
        "Model hash: 45dee52b, Model: m, RNG: CPU, Compat: comfyui, Version: "
        "spritty " SPRITTY_VERSION,
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct recipe r = {.count = 0};
        struct settings s = {.width = 0};
        struct err e = {""};
        struct job j;
        assert_int_equal(a1111_import(texts[i], &r, &e), 0);
        assert_int_equal(recipe_settle(&r, &s, &e), 0);
        if (r.notes)
            fail_msg("%s", r.note[0]);
        point(&j, &s, s.prompt);
        char *text = meta_parameters(&j, "45dee52b", 0);
        assert_string_equal(text, texts[i]);
        free(text);
        settings_free(&s);
        recipe_free(&r);
    }
}

/* A megabyte of what could be a key, or a quote, or commas: in time that grows with it. */
static void hostile_texts_take_no_time(void **state)
{
    (void)state;
    enum { SIZE = A1111_MAX_TEXT };
    static const char *const fills[] = {"a",   "a ",           "\"",    "\\", ",",
                                        "a:",  "ab: ",         "ab:\"", "\n", "Negative prompt:\n",
                                        " \t", "\xe3\x80\x80", "\xff"};
    char *text = malloc(SIZE + 2);
    double worst = 0;
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++) {
        size_t n = strlen(fills[i]), length = 0;
        struct recipe r = {.count = 0};
        struct err e;
        for (; length + n <= SIZE; length += n)
            memcpy(text + length, fills[i], n);
        text[length] = '\0';
        double began = clock_ms();
        assert_int_equal(a1111_import(text, &r, &e), 0);
        double took = clock_ms() - began;
        worst = took > worst ? took : worst;
        recipe_free(&r);
    }
    print_message("the slowest megabyte: %.0f ms\n", worst);
    assert_true(worst < 5000);
    memset(text, 'x', SIZE + 1);
    text[SIZE + 1] = '\0';
    struct recipe r = {.count = 0};
    struct err e;
    assert_int_equal(a1111_import(text, &r, &e), -1);
    assert_non_null(strstr(e.text, "too many for A1111's parameters"));
    recipe_free(&r);
    free(text);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* "Model hash": read where the file is small, recorded beside it where it was loaded down. */
static void model_hash(void **state)
{
    char folder[] = "/tmp/spritty-test-hash-XXXXXX", model[60], sum[70], out[11];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(model, sizeof model, "%s/m.safetensors", folder);
    snprintf(sum, sizeof sum, "%s.sha256", model);
    put(model, "abc");
    meta_model_hash(model, out);
    assert_string_equal(out, "ba7816bf8f");
    assert_int_equal(truncate(model, (64 << 20) + 1), 0);
    meta_model_hash(model, out);
    assert_string_equal(out, "");
    put(sum, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  m.safetensors\n");
    meta_model_hash(model, out);
    assert_string_equal(out, "0123456789");
    put(sum, "not a hash\n");
    meta_model_hash(model, out);
    assert_string_equal(out, "");
    put(sum, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef  m.safetensors\n");
    struct timespec later[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    assert_int_equal(utimensat(AT_FDCWD, model, later, 0), 0); /* the file is another by now */
    meta_model_hash(model, out);
    assert_string_equal(out, "");
    unlink(model);
    unlink(sum);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(model_hash),
        cmocka_unit_test(cut_as_a1111_cuts),
        cmocka_unit_test(written_as_a1111_writes),
        cmocka_unit_test(meanings),
        cmocka_unit_test(unhonoured_is_named),
        cmocka_unit_test(text_round_trips),
        cmocka_unit_test(a_control_is_written),
        cmocka_unit_test(hostile_texts_take_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
