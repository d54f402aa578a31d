/* Where a job's LoRAs are found, and what of them stands in the prompt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "engine/loras.h"
#include "st_writer.h"

static char root[64];

static void put(const char *relative, const char *output_name)
{
    char path[PATH_MAX], header[200];
    snprintf(path, sizeof path, "%s/%s", root, relative);
    for (char *slash = strchr(path + strlen(root) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    snprintf(header, sizeof header, "{\"__metadata__\":{\"ss_output_name\":\"%s\"}}", output_name);
    struct bytes b = st_file(header, 0, NULL, 0);
    bytes_save(&b, path);
    free(b.data);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/spritty-loras-XXXXXX");
    if (!mkdtemp(root))
        return -1;
    setenv("XDG_DATA_HOME", root, 1);
    put("spritty/loras/pixel.safetensors", "");
    put("spritty/loras/sub/deep/Outline.safetensors", "golden outline");
    put("spritty/loras/lcm/pytorch_lora_weights.safetensors", "");
    put("spritty/loras/sdxl_lightning_4step_lora.safetensors", "");
    put("models/model.safetensors", "");
    put("models/beside.safetensors", "");
    put("models/loras/x/own.safetensors", "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

/* name -> the path's end, or a part of the error. */
static void expect(const char *name, const char *end, const char *error)
{
    char model[PATH_MAX], path[PATH_MAX] = "";
    struct err e = {""};
    snprintf(model, sizeof model, "%s/models/model.safetensors", root);
    int rc = find_lora(name, model, path, &e);
    if (end && (rc < 0 || strlen(path) < strlen(end) ||
                strcmp(path + strlen(path) - strlen(end), end) != 0))
        fail_msg("%s: %s%s", name, path, e.text);
    if (error && (rc == 0 || !strstr(e.text, error)))
        fail_msg("%s: %s%s", name, path, e.text);
}

static void found(void **state)
{
    (void)state;
    expect("pixel", "/loras/pixel.safetensors", NULL);
    expect("pixel.safetensors", "/loras/pixel.safetensors", NULL);
    expect("Outline", "/sub/deep/Outline.safetensors", NULL);
    expect("outline", "/sub/deep/Outline.safetensors", NULL);
    expect("sub/deep/Outline", "/sub/deep/Outline.safetensors", NULL);
    expect("golden outline", "/sub/deep/Outline.safetensors", NULL);
    expect("lcm", "/lcm/pytorch_lora_weights.safetensors", NULL);
    expect("beside", "/models/beside.safetensors", NULL);
    expect("own", "/models/loras/x/own.safetensors", NULL);
    expect("tests/golden/lora/peft_dora", "/peft_dora/adapter_model.safetensors", NULL);
    expect("tests/golden/lora/kohya.safetensors", "lora/kohya.safetensors", NULL);
    expect("sdxl-lightning-4step", "/sdxl_lightning_4step_lora.safetensors", NULL);
    expect("sdxl-lightning-8step", NULL, "'spritty pull sdxl-lightning-8step' downloads it");
    expect("pixle", NULL, "there is no LoRA 'pixle'; did you mean 'pixel'?");
    expect("sub/deep/Outlin", NULL, "did you mean 'sub/deep/Outline'?");
    expect("nothing like it", NULL, "there is no LoRA 'nothing like it' among the 7");
    expect("bad\033name", NULL, "bad?name");
    expect("", NULL, "0 bytes long");
}

static void listed(void **state)
{
    (void)state;
    char **names;
    int n = engine_loras(&names);
    bool lcm = false, deep = false;
    for (int i = 0; i < n; i++) {
        lcm = lcm || !strcmp(names[i], "lcm");
        deep = deep || !strcmp(names[i], "sub/deep/Outline");
        free(names[i]);
    }
    free(names);
    assert_true(lcm && deep && n >= 3);
}

static void hashed(void **state)
{
    (void)state;
    char hash[13];
    lora_hash("tests/golden/lora/kohya.safetensors", hash);
    assert_string_equal(hash, "0123456789ab"); /* the header's */
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/spritty/loras/pixel.safetensors", root);
    lora_hash(path, hash);
    assert_string_equal(hash, "e3b0c44298fc"); /* SHA-256 of no data */
}

/* The setting's come first; all images of a batch name the same. */
static void of_a_job(void **state)
{
    (void)state;
    struct err e = {""};
    char *prompts[] = {"a <lora:pixel:0.5>", "b <lora:pixel:0.5>", "c <lora:pixel:0.6>"};
    struct job_loras *j = job_loras_find("Outline:0.25:1", prompts, 2, "", &e);
    if (!j)
        fail_msg("%s", e.text);
    assert_int_equal(j->count, 2);
    assert_int_equal(j->from_setting, 1);
    assert_string_equal(j->use[0].name, "Outline");
    assert_true(j->use[0].text == 0.25 && j->use[0].unet == 1 && j->use[1].unet == 0.5);
    free(j);
    assert_null(job_loras_find(NULL, prompts, 3, "", &e));
    assert_non_null(strstr(e.text, "the prompt of image 3 names others"));
    assert_null(job_loras_find("pixel:x", prompts, 1, "", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found),
        cmocka_unit_test(listed),
        cmocka_unit_test(hashed),
        cmocka_unit_test(of_a_job),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
