/*
 * ControlNets by name, and the picture that one follows: as it is, inverted, its edges; a small
 * picture's at the sprite's size, a larger one's only as A1111 does it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"
#include "engine/controls.h"
#include "engine/engine.h"
#include "engine/job.h"
#include "engine/missing.h"
#include "sprite/png.h"

#define MODEL "tests/golden/small_a"

static char folder[] = "/tmp/spritty-controls-XXXXXX", picture[100];

/* 32x16: a grey box over columns 8 to 15 of white, its first row transparent red. */
static int setup(void **state)
{
    (void)state;
    static uint8_t rgba[32 * 16 * 4];
    struct err e;
    char path[200];
    if (!mkdtemp(folder))
        return -1;
    setenv("XDG_DATA_HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("SPRITTY_SHARE", folder, 1);
    memset(rgba, 255, sizeof rgba);
    for (int y = 4; y < 12; y++)
        for (int x = 8; x < 16; x++)
            memset(rgba + 4 * (32 * y + x), 100, 3);
    for (int x = 0; x < 32; x++)
        memcpy(rgba + 4 * x, (uint8_t[]){255, 0, 0, 0}, 4);
    snprintf(picture, sizeof picture, "%s/p.png", folder);
    snprintf(path, sizeof path, "%s/spritty/controlnets", folder);
    return png_save(picture, &(struct picture){PICTURE_RGBA, 32, 16, rgba, NULL, 0}, NULL, 0, &e) ||
           file_make_folders(path, &e) ||
           file_write_atomic(strcat(path, "/lines.safetensors"), "x", 1, &e);
}

static int teardown(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static void by_name(void **state)
{
    (void)state;
    char path[PATH_MAX], **names;
    struct err e = {""};
    assert_int_equal(find_control("lines", path, &e), 0);
    assert_non_null(strstr(path, "/controlnets/lines.safetensors"));
    assert_int_equal(find_control("tests/golden/small_a_control", path, &e), 0);
    assert_string_equal(path, "tests/golden/small_a_control");
    assert_false(control_listed("tests", path)); /* which is here, but not there */
    assert_false(control_listed("../controlnets/lines", path));
    assert_false(control_listed("..", path));
    assert_int_equal(find_control("lnies", path, &e), -1);
    assert_string_equal(e.text, "there is no ControlNet 'lnies'; did you mean 'lines'?");
    assert_int_equal(find_control("canny-sdxl", path, &e), -1);
    assert_non_null(strstr(e.text, "'spritty pull canny-sdxl' downloads it"));
    assert_int_equal(engine_controls(&names), 1);
    assert_string_equal(names[0], "lines");
    free(names[0]);
    free(names);
}

/* A job with the picture; others: pairs of a key and a value, then NULL. */
static int prepare(struct job *j, struct err *e, const char *const *others)
{
    struct settings s = {0};
    int rc = settings_set(&s, "model", MODEL, e) || settings_set(&s, "control", "lines", e) ||
             settings_set(&s, "control-image", picture, e) || settings_set(&s, "size", "64x64", e);
    for (; !rc && *others; others += 2)
        rc = settings_set(&s, others[0], others[1], e);
    rc = rc || job_prepare(j, &s, NULL, "x", e) ? -1 : 0;
    settings_free(&s);
    return rc;
}

#define PREPARE(j, e, ...) prepare(j, e, (const char *const[]){__VA_ARGS__, NULL})

static const uint8_t *pixel(const struct job *j, int x, int y)
{
    return j->params.control_picture + 3 * (y * j->params.control_width + x);
}

static void ship(const char *path, size_t size)
{
    char full[200];
    struct err e;
    snprintf(full, sizeof full, "%s/models/%s", folder, path);
    *strrchr(full, '/') = '\0';
    assert_int_equal(file_make_folders(full, &e), 0);
    full[strlen(full)] = '/';
    assert_int_equal(file_write_atomic(full, "{}", size, &e), 0);
}

/* Those that ship lie beside the model; the user's of the same name go first. */
static void shipped(void **state)
{
    (void)state;
    char path[PATH_MAX], **names;
    struct err e = {""};
    ship("base/model_index.json", 2);
    ship("shipped/config.json", 2);
    ship("lines/config.json", 2);
    ship("single.safetensors", 2);
    assert_int_equal(find_control("shipped", path, &e), 0);
    assert_non_null(strstr(path, "/models/shipped"));
    assert_true(control_listed("lines", path));
    assert_non_null(strstr(path, "/controlnets/lines.safetensors"));
    assert_false(control_listed("base", path) || control_listed("single", path));
    assert_int_equal(engine_controls(&names), 2);
    assert_string_equal(names[0], "lines");
    assert_string_equal(names[1], "shipped");
    for (int i = 0; i < 2; i++)
        free(names[i]);
    free(names);
    assert_int_equal(find_control("something", path, &e), -1);
    assert_non_null(strstr(e.text, "(there are: lines, shipped)"));
}

static void as_it_is(void **state)
{
    (void)state;
    struct job j;
    struct err e = {""};
    if (PREPARE(&j, &e, "control-strength", "0.5", "control-start", "0.25", "control-end", "0.75",
                "control-type", "tile"))
        fail_msg("%s", e.text);
    const struct gen_params *g = &j.params;
    assert_non_null(strstr(g->control, "lines.safetensors"));
    assert_true(g->control_strength == 0.5 && g->control_start == 0.25 && g->control_end == 0.75);
    assert_string_equal(control_type_name(g->control_type), "tile");
    assert_true(g->control_width == 32 && g->control_height == 16);
    assert_memory_equal(pixel(&j, 0, 0), ((uint8_t[]){255, 255, 255}),
                        3); /* over the model's own */
    assert_memory_equal(pixel(&j, 8, 4), ((uint8_t[]){100, 100, 100}), 3);
    job_free(&j);
    assert_int_equal(PREPARE(&j, &e, "control-prepare", "invert", "backdrop", "102030"), 0);
    assert_int_equal(j.params.control_type, 0); /* auto */
    assert_memory_equal(pixel(&j, 0, 0), ((uint8_t[]){0xef, 0xdf, 0xcf}), 3);
    assert_memory_equal(pixel(&j, 8, 4), ((uint8_t[]){155, 155, 155}), 3);
    job_free(&j);
}

static int lit(const struct job *j)
{
    int n = 0;
    for (int i = 0; i < j->params.control_width * j->params.control_height; i++) {
        const uint8_t *p = j->params.control_picture + 3 * i;
        assert_true((p[0] == 0 || p[0] == 255) && p[0] == p[1] && p[1] == p[2]);
        n += p[0] == 255;
    }
    return n;
}

/* 32x16 in 64x64: its middle, 16x16, four times as large; the box is 32x32 there, at the left
 * border, so three of its sides are edges. In 16x16: as it is, but for A1111. */
static void its_edges(void **state)
{
    (void)state;
    struct job j;
    struct err e = {""};
    if (PREPARE(&j, &e, "control-prepare", "canny"))
        fail_msg("%s", e.text);
    assert_true(j.params.control_width == 64 && j.params.control_height == 64);
    print_message("%d pixels of edges\n", lit(&j));
    assert_in_range(lit(&j), 88, 100);
    job_free(&j);
    assert_int_equal(
        PREPARE(&j, &e, "control-prepare", "canny", "control-low", "1500", "control-high", "1500"),
        0);
    assert_int_equal(lit(&j), 0);
    job_free(&j);
    assert_int_equal(PREPARE(&j, &e, "control-prepare", "canny", "size", "16x16"), 0);
    assert_true(j.params.control_width == 32 && j.params.control_height == 16);
    job_free(&j);
    assert_int_equal(PREPARE(&j, &e, "control-prepare", "canny", "size", "16x8", "compat", "a1111"),
                     0);
    assert_true(j.params.control_width == 16 && j.params.control_height == 8);
    job_free(&j);
}

static void what_is_missing(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value, *why;
    } cases[] = {
        {"control", "",
         "a picture to follow needs a ControlNet: name one with --control (there are: "},
        {"control-image", "", "needs a picture to follow: name it with --control-image"},
        {"control-image", "nothere.png", "nothere.png"},
        {"control", "nothere", "there is no ControlNet 'nothere'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct settings s = {0};
        struct job j;
        struct err e = {""};
        assert_int_equal(PREPARE(&j, &e, cases[i].key, cases[i].value), -1);
        if (!strstr(e.text, cases[i].why))
            fail_msg("%s", e.text);
        job_free(&j);
        assert_int_equal(settings_set(&s, cases[i].key, cases[i].value, &e), 0);
        assert_int_equal(engine_missing_part(&s, cases[i].key, &e), *cases[i].value ? -1 : 0);
        settings_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name),   cmocka_unit_test(shipped),         cmocka_unit_test(as_it_is),
        cmocka_unit_test(its_edges), cmocka_unit_test(what_is_missing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
