/*
 * Themes: the shipped ones can be read by people, mistakes in a file are named with their line, and
 * fewer colours are the nearest ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ui/theme.h"

static char folder[] = "/tmp/spritty-test-theme-XXXXXX";

/* The shipped place is this checkout (or what SPRITTY_SHARE says); the user's is a folder here. */
static int make_folder(void **state)
{
    (void)state;
    char cwd[3000];
    if (!mkdtemp(folder) || !getcwd(cwd, sizeof cwd))
        return -1;
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("SPRITTY_SHARE", cwd, 0);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *in_folder(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_theme(const char *name, const char *text)
{
    mkdir(in_folder("spritty"), 0700);
    mkdir(in_folder("spritty/themes"), 0700);
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void drop_themes(const char *const *names)
{
    for (; *names; names++)
        unlink(in_folder(*names));
    rmdir(in_folder("spritty/themes"));
    rmdir(in_folder("spritty"));
}

static void the_shipped_ones_load(void **state)
{
    (void)state;
    static const char *const want[] = {"dark", "light", "high-contrast", "game-boy", "monochrome"};
    char **names;
    int count = theme_names(&names);
    assert_int_equal(count, 5);
    for (int i = 0; i < count; i++) {
        struct theme t;
        struct err e;
        assert_string_equal(names[i], want[i]);
        if (theme_load(&t, names[i], &e))
            fail_msg("%s", e.text);
        assert_string_equal(t.name, want[i]);
        assert_true(t.title[0]);
        free(names[i]);
    }
    free(names);
}

static void the_compiled_one_is_the_shipped_one(void **state)
{
    (void)state;
    struct theme a, b;
    struct err e;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    theme_default(&a);
    assert_int_equal(theme_load(&b, "dark", &e), 0);
    assert_string_equal(a.name, b.name);
    assert_string_equal(a.title, b.title);
    assert_memory_equal(a.role, b.role, sizeof a.role);
}

/* WCAG 2: 7 is its strictest level for text, 4.5 the common one, 3 that for lines and marks
 * (game-boy's four greens have 2.8 between the darker two). */
static void they_can_be_read(void **state)
{
    (void)state;
    static const enum role text[] = {ROLE_TEXT,   ROLE_STRONG,     ROLE_FIELD,  ROLE_FIELD_FOCUS,
                                     ROLE_SELECT, ROLE_BAR_STRONG, ROLE_OVERLAY};
    static const enum role second[] = {
        ROLE_DIM, ROLE_TITLE, ROLE_TITLE_FOCUS, ROLE_ACCENT, ROLE_KEY,  ROLE_GOOD,  ROLE_WARN,
        ROLE_BAD, ROLE_BAR,   ROLE_CHUNK,       ROLE_WEIGHT, ROLE_NAME, ROLE_CHOICE};
    static const enum role marks[] = {ROLE_BORDER_FOCUS, ROLE_GRAPH_A, ROLE_GRAPH_B, ROLE_GRAPH_C};
    static const struct {
        const enum role *roles;
        size_t count;
        double least, least_high;
    } groups[] = {
        {text, sizeof text / sizeof *text, 7, 15},
        {second, sizeof second / sizeof *second, 4.5, 7},
        {marks, sizeof marks / sizeof *marks, 2.8, 4.5},
    };
    char **names;
    int count = theme_names(&names), bad = 0;
    for (int i = 0; i < count; i++) {
        struct theme t;
        bool high = !strcmp(names[i], "high-contrast");
        assert_int_equal(theme_load(&t, names[i], NULL), 0);
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
            for (size_t k = 0; k < groups[g].count; k++) {
                const struct role_style *s = &t.role[groups[g].roles[k]];
                double c = color_contrast(s->fg, s->bg);
                if (c >= (high ? groups[g].least_high : groups[g].least))
                    continue;
                print_message("%s: role %d has %.2f\n", names[i], groups[g].roles[k], c);
                bad++;
            }
        free(names[i]);
    }
    free(names);
    assert_int_equal(bad, 0);
}

/* On a chosen row, where colours that cannot be read give way to the row's own (screen.c). */
static void they_can_be_read_on_a_chosen_row(void **state)
{
    (void)state;
    static const enum role roles[] = {ROLE_TEXT, ROLE_DIM,  ROLE_STRONG, ROLE_TITLE,
                                      ROLE_GOOD, ROLE_WARN, ROLE_BAD,    ROLE_ACCENT};
    char **names;
    int count = theme_names(&names);
    for (int i = 0; i < count; i++) {
        struct theme t;
        assert_int_equal(theme_load(&t, names[i], NULL), 0);
        const struct role_style *row = &t.role[ROLE_SELECT];
        for (size_t k = 0; k < sizeof roles / sizeof *roles; k++) {
            const struct role_style *s = &t.role[roles[k]];
            double here = color_contrast(s->fg, row->bg);
            bool gives_way = here < 3 && here < 0.6 * color_contrast(s->fg, s->bg);
            if (!gives_way && here < 4.5)
                fail_msg("%s: role %d on a chosen row has %.1f", names[i], roles[k], here);
        }
        free(names[i]);
    }
    free(names);
}

/* What is chosen differs from what is not; a checkerboard has two colours. */
static void roles_differ(void **state)
{
    (void)state;
    char **names;
    int count = theme_names(&names);
    for (int i = 0; i < count; i++) {
        struct theme t;
        assert_int_equal(theme_load(&t, names[i], NULL), 0);
        const struct role_style *r = t.role;
        assert_true(color_contrast(r[ROLE_SELECT].bg, r[ROLE_TEXT].bg) > 1.15);
        assert_true(r[ROLE_SELECT].attributes & STYLE_OPAQUE);
        assert_true(color_contrast(r[ROLE_BAR_STRONG].bg, r[ROLE_BAR].bg) > 1.15);
        assert_memory_not_equal(r[ROLE_CHECKER_A].bg, r[ROLE_CHECKER_B].bg, 3);
        assert_memory_not_equal(r[ROLE_BORDER].fg, r[ROLE_BORDER_FOCUS].fg, 3);
        assert_memory_not_equal(r[ROLE_GRAPH_A].fg, r[ROLE_GRAPH_B].fg, 3);
        assert_memory_not_equal(r[ROLE_GRAPH_B].fg, r[ROLE_GRAPH_C].fg, 3);
        free(names[i]);
    }
    free(names);
}

static void styles(void **state)
{
    (void)state;
    static const char text[] = "; a comment\n[theme]\nname = mine\ntitle = My \x1b[31m own\n"
                               "[colors]\n"
                               "text = #010203 on #A0b0C0\n"
                               "good = #ffffff\n"
                               "bad = #ff0000 on #000000 bold underline dim reverse\n"
                               "key=#00ff00 bold\r\n";
    struct theme t;
    struct err e;
    if (theme_parse(&t, text, sizeof text - 1, "x.ini", &e))
        fail_msg("%s", e.text);
    assert_string_equal(t.name, "mine");
    assert_null(strchr(t.title, '\x1b'));
    assert_memory_equal(t.role[ROLE_TEXT].fg, "\1\2\3", 3);
    assert_memory_equal(t.role[ROLE_TEXT].bg, "\xa0\xb0\xc0", 3);
    assert_int_equal(t.role[ROLE_TEXT].attributes, 0);
    assert_memory_equal(t.role[ROLE_GOOD].fg, "\xff\xff\xff", 3);
    assert_memory_equal(t.role[ROLE_GOOD].bg, "\xa0\xb0\xc0", 3);
    assert_int_equal(t.role[ROLE_GOOD].attributes, 0);
    assert_int_equal(t.role[ROLE_BAD].attributes,
                     STYLE_OPAQUE | STYLE_BOLD | STYLE_UNDERLINE | STYLE_DIM | STYLE_REVERSE);
    assert_memory_equal(t.role[ROLE_BAD].bg, "\0\0\0", 3);
    assert_memory_equal(t.role[ROLE_WARN].fg, "\1\2\3", 3); /* not said: text's */
    assert_int_equal(t.role[ROLE_KEY].attributes, STYLE_BOLD);
}

static void mistakes_are_named(void **state)
{
    (void)state;
#define TEXT "[colors]\ntext = #000000 on #ffffff\n"
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "x.ini: [colors] has no 'text"},
        {"[colors]\ntext = #000000\n", "has no 'text = #rrggbb on"},
        {TEXT "goood = #ffffff\n", "x.ini:3: there is no role 'goood'; did you mean 'good'?"},
        {TEXT "\n\ngood = white\n", "x.ini:5: 'white' is no style"},
        {TEXT "good = #fff\n", "x.ini:3: '#fff' is no style"},
        {TEXT "good = #ffffff on\n", "x.ini:3:"},
        {TEXT "good = #ffffff bold on #000000\n", "x.ini:3:"},
        {TEXT "good = #ffffff blink\n", "x.ini:3:"},
        {TEXT "good = #+fffff\n", "x.ini:3:"},
        {TEXT "good =\n", "x.ini:3:"},
        {TEXT "good = #ffffff\ngood = #ffffff\n", "x.ini:4: this role was said before"},
        {TEXT "nonsense\n", "x.ini:3: neither"},
        {TEXT "[theme]\ncolour = red\n", "x.ini:4: [theme] has name and title"},
        {TEXT "[theme]\nname = \n", "x.ini:4: this is empty"},
        {TEXT "[theme]\nname = 0123456789012345678901234567890123456789\n", "x.ini:4: this is too"},
        {"name = x\n", "x.ini:1: the sections are"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct theme t;
        struct err e = {""};
        assert_int_equal(theme_parse(&t, cases[i].text, strlen(cases[i].text), "x.ini", &e), -1);
        if (!strstr(e.text, cases[i].says))
            fail_msg("'%s' does not say '%s'", e.text, cases[i].says);
    }
    char line[1000];
    struct theme t;
    struct err e;
    memset(line, 'a', sizeof line);
    assert_int_equal(theme_parse(&t, line, sizeof line, "x.ini", &e), -1);
    assert_non_null(strstr(e.text, "x.ini:1: the line is longer than"));
    assert_int_equal(theme_parse(&t, "[colors]\n\0\n", 11, "x.ini", &e), -1);
    assert_non_null(strstr(e.text, "x.ini:2: a zero byte"));
}

static void the_users_come_first(void **state)
{
    (void)state;
    static const char *const files[] = {"spritty/themes/light.ini", "spritty/themes/zebra.ini",
                                        "spritty/themes/amber.ini", "spritty/themes/.hidden.ini",
                                        "spritty/themes/notes.txt", NULL};
    static const char *const want[] = {"dark",       "light", "high-contrast", "game-boy",
                                       "monochrome", "amber", "zebra"};
    struct theme t;
    struct err e;
    char **names;
    for (int i = 0; files[i]; i++)
        write_theme(files[i], "[colors]\ntext = #123456 on #fedcba\n");
    int count = theme_names(&names);
    assert_int_equal(count, 7);
    for (int i = 0; i < count; i++) {
        assert_string_equal(names[i], want[i]);
        free(names[i]);
    }
    free(names);
    assert_int_equal(theme_load(&t, "light", &e), 0);
    assert_memory_equal(t.role[ROLE_TEXT].fg, "\x12\x34\x56", 3);
    assert_string_equal(t.name, "light");
    assert_int_equal(theme_load(&t, "zebra", &e), 0);
    assert_string_equal(t.title, "zebra");
    write_theme("spritty/themes/zebra.ini", "[colors]\ntext = red\n");
    assert_int_equal(theme_load(&t, "zebra", &e), -1);
    assert_non_null(strstr(e.text, "zebra.ini:2:"));
    /* What is no file is no theme; a pipe would be waited for. */
    assert_int_equal(mkfifo(in_folder("spritty/themes/pipe.ini"), 0600), 0);
    assert_int_equal(theme_names(&names), 7);
    for (int i = 0; i < 7; i++)
        free(names[i]);
    free(names);
    assert_int_equal(theme_load(&t, "pipe", &e), -1);
    unlink(in_folder("spritty/themes/pipe.ini"));
    drop_themes(files);
}

static void names_lead_nowhere_else(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",    "../dark", "/etc/passwd", ".",
        "a/b", "x\n",     "nothere",     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct theme t;
        struct err e;
        assert_int_equal(theme_load(&t, names[i], &e), -1);
    }
}

/* Without any file there is still the dark one. */
static void without_files(void **state)
{
    (void)state;
    char *share = strdup(getenv("SPRITTY_SHARE")), **names;
    struct theme t;
    setenv("SPRITTY_SHARE", "/nowhere", 1);
    assert_int_equal(theme_names(&names), 1);
    assert_string_equal(names[0], "dark");
    free(names[0]);
    free(names);
    assert_int_equal(theme_load(&t, "dark", NULL), 0);
    assert_string_equal(t.title, "Dark");
    setenv("SPRITTY_SHARE", share, 1);
    free(share);
}

static void nearest_colours(void **state)
{
    (void)state;
    static const struct {
        uint8_t rgb[3];
        int of_256, of_16;
    } cases[] = {
        {{0, 0, 0}, 16, 0},          {{255, 255, 255}, 231, 15},   {{255, 0, 0}, 196, 9},
        {{0, 205, 0}, -1, 2},        {{95, 135, 175}, 67, -1},     {{18, 18, 18}, 233, 0},
        {{128, 128, 128}, 244, 8},   {{229, 229, 229}, -1, 7},     {{0x8c, 0xcf, 0x9c}, 115, 2},
        {{0xa4, 0xa9, 0xbd}, -1, 8}, {{0x9f, 0xb0, 0xff}, -1, 12}, {{0, 0, 238}, -1, 4},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].of_256 >= 0)
            assert_int_equal(color_to_256(cases[i].rgb), cases[i].of_256);
        if (cases[i].of_16 >= 0)
            assert_int_equal(color_to_16(cases[i].rgb), cases[i].of_16);
    }
    assert_true(color_contrast((uint8_t[]){0, 0, 0}, (uint8_t[]){255, 255, 255}) > 20.99);
    assert_true(color_contrast((uint8_t[]){9, 9, 9}, (uint8_t[]){9, 9, 9}) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_shipped_ones_load),
        cmocka_unit_test(the_compiled_one_is_the_shipped_one),
        cmocka_unit_test(they_can_be_read),
        cmocka_unit_test(they_can_be_read_on_a_chosen_row),
        cmocka_unit_test(roles_differ),
        cmocka_unit_test(styles),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_users_come_first),
        cmocka_unit_test(names_lead_nowhere_else),
        cmocka_unit_test(without_files),
        cmocka_unit_test(nearest_colours),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
