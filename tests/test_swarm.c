/*
 * SwarmUI's parameters, which stand where A1111's do: all of that JSON was taken for the prompt.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "comfy_help.h"
#include "import/source.h"
#include "import/swarm.h"

static const char WHOLE[] =
    "{\"sui_image_params\": {\"prompt\": \"a {slime|cat}\", \"negativeprompt\": \"bad\", "
    "\"model\": "
    "\"SDXL/base.safetensors\", \"seed\": 18446744073709551615, \"steps\": 20, \"cfgscale\": 7.5, "
    "\"aspectratio\": \"1:1\", \"width\": 832, \"height\": 1216, \"sampler\": "
    "\"dpmpp_2m_sde_gpu\", "
    "\"scheduler\": \"karras\", \"vae\": \"Automatic\", \"loras\": [\"xl/pixel\", \"lcm\"], "
    "\"loraweights\": [\"0.8\", 0.5], \"refinerupscale\": 2.0, \"swarm_version\": \"0.9.5\"}, "
    "\"sui_extra_data\": {\"date\": \"2025-01-25\"}}";

static void whole(void **state)
{
    (void)state;
    struct recipe r = {.count = 0};
    struct err e = {""};
    assert_int_equal(import_text(WHOLE, strlen(WHOLE), "x.json", &r, &e), 0);
    assert_string_equal(r.source, "SwarmUI parameters");
    static const char *const want[][2] = {{"prompt", "a {slime|cat}"},
                                          {"dynamic", "no"},
                                          {"negative", "bad"},
                                          {"model", "base"},
                                          {"steps", "20"},
                                          {"seed", "18446744073709551615"},
                                          {"cfg", "7.5"},
                                          {"size", "832x1216"},
                                          {"rng", "gpu"},
                                          {"sampler", "dpmpp_2m_sde"},
                                          {"scheduler", "karras"},
                                          {"lora", "pixel:0.8, lcm:0.5"},
                                          {"vae", NULL},
                                          {"compat", "comfyui"}};
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        expect(&r, want[i][0], want[i][1]);
    assert_int_equal(r.notes, 1);
    expect_note(&r, "refinerupscale: 2 has no setting here");
    recipe_free(&r);
}

/* JSON of another tool is refused by name; what is no JSON is left to A1111's rules. */
static void others(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
    } all[] = {
        {"{\"prompt\": \"x\", \"base_model\": \"y\"}", -1},
        {"{\"sui_image_params\": [1, 2]}", -1},
        {"{\"sui_image_params\": {\"loras\": [null, {}, 7], \"loraweights\": 3}}", 0},
        {"{red|blue} slime\nSteps: 20, Sampler: Euler a, Seed: 1", 1},
        {"{", 1},
        {"", 1},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct recipe r = {.count = 0};
        struct err e = {""};
        assert_int_equal(swarm_import(all[i].text, strlen(all[i].text), "x.png", &r, &e),
                         all[i].rc);
        if (all[i].rc < 0)
            assert_non_null(strstr(e.text, "of another tool"));
        if (all[i].rc == 0)
            expect_note(&r, "does not say which sampler");
        recipe_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole), cmocka_unit_test(others)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
