/*
 * Where settings come from and go to: our own pictures, files of every kind, and presets in
 * config.ini that hold whatever was imported.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fileio.h"
#include "import/source.h"
#include "import/write_preset.h"

static char folder[] = "/tmp/spritty-import-XXXXXX";

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void put_file(const char *name, const void *data, size_t size, char path[200])
{
    struct err e;
    snprintf(path, 200, "%s/%s", folder, name);
    assert_int_equal(file_write_atomic(path, data, size, &e), 0);
}

static void save_png(const char *name, const struct png_text *text, int texts, char path[200])
{
    static const uint8_t pixel[3] = {1, 2, 3};
    struct picture p = {.kind = PICTURE_RGB, .width = 1, .height = 1, .pixels = pixel};
    struct err e = {""};
    snprintf(path, 200, "%s/%s", folder, name);
    if (png_save(path, &p, text, texts, &e))
        fail_msg("%s", e.text);
}

static const char chunk[] =
    "{\"version\":\"0.1.0\",\"index\":0,\"seed\":18446744073709551615,\"params\":{\"prompt\":\"a "
    "cat\",\"negative\":\"\",\"steps\":4,\"cfg\":3.5,\"size\":\"128x64\",\"batch\":1,\"sampler\":"
    "\"euler\",\"scheduler\":\"normal\",\"compat\":\"comfyui\",\"rng\":\"auto\",\"model\":\"tiny\","
    "\"device\":\"cpu\",\"precision\":\"fp32\"},\"finish\":{\"cell\":\"4\"}}";
static const char workflow[] =
    "{\"1\":{\"class_type\":\"SaveImage\",\"inputs\":{\"images\":[\"2\",0]}},\"2\":{\"class_type\":"
    "\"VAEDecode\",\"inputs\":{\"samples\":[\"3\",0]}},\"3\":{\"class_type\":\"KSampler\","
    "\"inputs\":"
    "{\"seed\":5,\"steps\":6},\"is_changed\":[NaN]}}";
static const char parameters[] = "a dog\nSteps: 7, Sampler: Euler, CFG scale: 3, Seed: 8";

static void expect(const char *path, const char *key, const char *value)
{
    struct recipe r = {.count = 0};
    struct err e = {""};
    if (import_file(path, &r, &e))
        fail_msg("%s", e.text);
    const char *have = recipe_get(&r, key);
    if (!have || strcmp(have, value) != 0)
        fail_msg("%s: %s is '%s', not '%s'", path, key, have ? have : "(unsaid)", value);
    recipe_free(&r);
}

static void every_kind_of_file(void **state)
{
    (void)state;
    char path[200];
    save_png("ours.png", (struct png_text[]){{"parameters", parameters}, {"spritty", chunk}}, 2,
             path);
    expect(path, "seed", "18446744073709551615");
    expect(path, "cell", "4");
    save_png("comfy.png", (struct png_text[]){{"prompt", workflow}, {"workflow", "{"}}, 2, path);
    expect(path, "steps", "6");
    save_png("a1111.png", &(struct png_text){"parameters", parameters}, 1, path);
    expect(path, "steps", "7");
    save_png("second.png", (struct png_text[]){{"prompt", "broken"}, {"parameters", parameters}}, 2,
             path);
    expect(path, "steps", "7"); /* and the broken one is noted */
    put_file("w.json", workflow, strlen(workflow), path);
    expect(path, "steps", "6");
    put_file("p.txt", parameters, strlen(parameters), path);
    expect(path, "steps", "7");
    put_file("bom.txt", "\xef\xbb\xbf{a|b} cat\r\nSteps: 7, Seed: 1, CFG scale: 3", 45, path);
    expect(path, "prompt", "{a|b} cat");
}

/* A list where an object has to be: its entries have no names. */
static void lists_have_no_settings(void **state)
{
    (void)state;
    static const char list[] = "{\"seed\": 5, \"params\": {\"steps\": 4}, \"finish\": [8, \"x\"]}";
    char path[200];
    save_png("list.png", (struct png_text[]){{"spritty", list}}, 1, path);
    expect(path, "steps", "4");
}

static void files_that_say_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name, *data;
        size_t size;
        const char *says;
    } cases[] = {
        {"empty.txt", "", 0, "the file is empty"},
        {"zero.txt", "a\0b", 3, "zero byte"},
        {"broken.json", "{\"a\": ", 6, "broken JSON"},
        {"cut.png", "\x89PNG\r\n\x1a\nxxxx", 12, "broken PNG"},
    };
    char path[200];
    struct recipe r = {.count = 0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {""};
        put_file(cases[i].name, cases[i].data, cases[i].size, path);
        assert_int_equal(import_file(path, &r, &e), -1);
        if (!strstr(e.text, cases[i].says))
            fail_msg("%s: %s", cases[i].name, e.text);
        recipe_free(&r);
    }
    struct err e;
    save_png("silent.png", NULL, 0, path);
    assert_int_equal(import_file(path, &r, &e), -1);
    assert_non_null(strstr(e.text, "does not tell how it was made"));
    assert_int_equal(import_file("/nonexistent", &r, &e), -1);
    recipe_free(&r);
}

/* ---- presets ---- */

/* Texts that INI files cannot say plainly. */
static const char *const hostile[] = {
    "a cat",
    "a; b ;c \"d\" \\e\\n",
    "\"quoted\"",
    "\"a\" and \"b\"",
    " spaces at both ends ",
    "two\nlines\n\nand an empty one\n",
    "[section]\nkey = value",
    "# no comment",
    "",
    "double  and   triple    spaces, again and again, until the line is too long for an INI file "
    "to hold,  with two spaces  at  every  place  where  it  could  be  broken  ,   or  nearly  so",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e \xf0\x9f\x90\xb1",
    "\\",
    "\\ ",
    "ends with a backslash\\",
    "{prompt}: =:=",
    "##########################################################################################"
    "##########################################################################################"
    "##########################################################################################",
    "many spaces:                                                                                 "
    "                                                                                             "
    "                                                                                             "
    ".",
};

static void hostile_texts_survive(void **state)
{
    (void)state;
    enum { CASES = sizeof hostile / sizeof *hostile };
    char *long_word = malloc(5001), *wide = malloc(6001);
    memset(long_word, 'x', 5000);
    long_word[5000] = '\0';
    for (int i = 0; i < 2000; i++)
        memcpy(wide + 3 * i, "\xe6\x97\xa5", 3);
    wide[6000] = '\0';
    for (int i = 0; i < CASES + 2; i++) {
        const char *text = i < CASES ? hostile[i] : i == CASES ? long_word : wide;
        struct settings s = {.width = 0}, back = {.width = 0};
        struct config c = {.count = 0};
        struct err e = {""};
        assert_int_equal(settings_set(&s, "prompt", text, &e), 0);
        assert_int_equal(settings_set(&s, "negative", text, &e), 0);
        assert_int_equal(settings_set(&s, "cfg", "2.25", &e), 0);
        char *ini = preset_ini(&s, NULL, "my preset", NULL);
        if (config_parse(&c, ini, strlen(ini), "x.ini", &e))
            fail_msg("%s\n%s", e.text, ini);
        assert_int_equal(config_preset(&c, "my preset", &back, &e), 0);
        if (strcmp(back.prompt, text) != 0 || strcmp(back.negative, text) != 0)
            fail_msg("'%s' came back as '%s'\n%s", text, back.prompt, ini);
        assert_true(back.cfg == 2.25);
        free(ini);
        settings_free(&s);
        settings_free(&back);
        config_free(&c);
    }
    free(long_word);
    free(wide);
}

static void presets_are_appended(void **state)
{
    (void)state;
    static const char old[] = "# mine\n[preset a]\n; a comment\nsteps = 3";
    char path[200];
    struct err e = {""};
    size_t size;
    put_file("config.ini", old, strlen(old), path);
    assert_int_equal(preset_append(path, "b", "[preset b]\nsteps = 4\n", &e), 0);
    char *text = file_read(path, 1 << 20, &size, &e);
    assert_string_equal(text,
                        "# mine\n[preset a]\n; a comment\nsteps = 3\n\n[preset b]\nsteps = 4\n");
    free(text);
    assert_int_equal(preset_append(path, "b", "[preset b]\nsteps = 5\n", &e), -1);
    assert_non_null(strstr(e.text, "has a preset 'b' already"));
    assert_int_equal(preset_append(path, "c", "[preset c]\nsteps = x\n", &e), -1);
    assert_int_equal(preset_append(path, "d", "# all left out\n[preset d]\n", &e), -1);
    assert_string_equal(e.text, "the preset 'd' would have no settings, so it was not saved");
    text = file_read(path, 1 << 20, &size, &e);
    assert_int_equal(size, strlen(old) + strlen("\n\n[preset b]\nsteps = 4\n"));
    free(text);
    /* A file with a mistake is not touched, and a folder that is not there is made. */
    put_file("bad.ini", "[default]\nx = 1\n", 16, path);
    assert_int_equal(preset_append(path, "b", "[preset b]\nsteps = 4\n", &e), -1);
    assert_non_null(strstr(e.text, "bad.ini:2"));
    snprintf(path, sizeof path, "%s/new/folder/config.ini", folder);
    assert_int_equal(preset_append(path, "b", "[preset b]\nsteps = 4\n", &e), 0);
    assert_int_equal(access(path, R_OK), 0);
}

static void is_now(const char *path, const char *want)
{
    struct err e = {""};
    size_t size;
    char *text = file_read(path, 1 << 20, &size, &e);
    assert_non_null(text);
    assert_string_equal(text, want);
    free(text);
}

/* In place of one that is there, or only away: the rest stays, comments included. */
static void presets_are_replaced(void **state)
{
    (void)state;
    static const char old[] = "# mine\n[preset a]\nsteps = 3\n# of a\nprompt = \"one\\\n  two\"\n\n"
                              "# about b\n[preset b]\nsteps = 4\n\n[defaults]\ncfg = 3\n# end\n";
    char path[200];
    struct err e = {""};
    put_file("config.ini", old, strlen(old), path);
    assert_int_equal(preset_replace(path, "a", "[preset a]\nsteps = 5\n", &e), 0);
    is_now(path, "# mine\n\n# about b\n[preset b]\nsteps = 4\n\n[defaults]\ncfg = 3\n# end\n"
                 "\n[preset a]\nsteps = 5\n");
    for (int i = 0; i < 2; i++) /* nothing grows */
        assert_int_equal(preset_replace(path, "a", "[preset a]\nsteps = 6\n", &e), 0);
    assert_int_equal(preset_replace(path, "b", "", &e), 0);
    is_now(path, "# mine\n\n# about b\n\n[defaults]\ncfg = 3\n# end\n\n[preset a]\nsteps = 6\n");
    assert_int_equal(preset_replace(path, "a", "[preset a]\nsteps = x\n", &e), -1);
    assert_int_equal(preset_replace(path, "a", "", &e), 0);
    assert_int_equal(preset_replace(path, "nobody", "", &e), 0);
    is_now(path, "# mine\n\n# about b\n\n[defaults]\ncfg = 3\n# end\n");
    put_file("config.ini", "[preset a]\nsteps = 3", 20, path);
    assert_int_equal(preset_replace(path, "a", "", &e), 0);
    is_now(path, "");
}

/* Eight at once: all are there afterwards. */
static void presets_at_once(void **state)
{
    (void)state;
    char path[200];
    struct err e = {""};
    struct config c = {.count = 0};
    snprintf(path, sizeof path, "%s/at-once.ini", folder);
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            char name[20], text[60];
            snprintf(name, sizeof name, "p%d", i);
            snprintf(text, sizeof text, "[preset p%d]\nsteps = %d\n", i, i + 1);
            _exit(preset_append(path, name, text, &e) ? 1 : 0);
        }
    }
    for (int i = 0, status; i < 8; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    assert_int_equal(config_read(&c, path, &e), 0);
    assert_int_equal(c.count, 8);
    config_free(&c);
}

static void names_of_presets(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   " a",   "a ",       "a]",   "a;b",
                                      "a#", "a\nb", "\x1b[31m", "a\"b", "/imp/own.gpl"};
    struct err e;
    char name[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(preset_name_check(bad[i], &e), -1);
    assert_int_equal(preset_name_check("walk cycle 2", &e), 0);
    preset_name_from("/a/walk cycle.png", name);
    assert_string_equal(name, "walk cycle");
    preset_name_from("x[1];\x1b.json", name);
    assert_string_equal(name, "x-1---");
    preset_name_from(".json", name);
    assert_string_equal(name, ".json");
    preset_name_from(" ", name);
    assert_string_equal(name, "imported");
}

static void settings_as_json(void **state)
{
    (void)state;
    struct settings s = {.width = 0};
    struct err e;
    static const char *const set[][2] = {{"prompt", "a \"b\"\nc"}, {"seed", "18446744073709551615"},
                                         {"size", "64x32"},        {"cfg", "2.5"},
                                         {"steps", "7"},           {"raw", "yes"}};
    for (int i = 0; i < 6; i++)
        assert_int_equal(settings_set(&s, set[i][0], set[i][1], &e), 0);
    char *text = preset_json(&s);
    assert_string_equal(text, "{\"prompt\": \"a \\\"b\\\"\\nc\", \"seed\": 18446744073709551615, "
                              "\"size\": \"64x32\", \"steps\": 7, \"cfg\": 2.5, \"raw\": true}");
    free(text);
    settings_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_file),     cmocka_unit_test(files_that_say_nothing),
        cmocka_unit_test(hostile_texts_survive),  cmocka_unit_test(presets_are_appended),
        cmocka_unit_test(presets_are_replaced),   cmocka_unit_test(presets_at_once),
        cmocka_unit_test(names_of_presets),       cmocka_unit_test(settings_as_json),
        cmocka_unit_test(lists_have_no_settings),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
