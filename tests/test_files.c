/*
 * Files for the pickers: what a folder offers, what Tab makes of a path, and which pastes are one.
 */
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
#include <utime.h>

#include "ui/files.h"

static char dir[64];

static const char *at(const char *name)
{
    static char path[2][200];
    static int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
    return path[turn];
}

/* Files, oldest first; a slash at the end makes a folder. */
static const char *const names[] = {"slime-1.png",   "slime-2.PNG",    "sword.png",
                                    ".hidden.png",   "slots/",         "note.txt",
                                    "x.safetensors", "bad\033[1m.png", ".git/"};

static int make_folder(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/spritty-files-XXXXXX");
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[200];
        snprintf(path, sizeof path, "%s", at(names[i]));
        size_t n = strlen(path);
        if (path[n - 1] == '/') {
            path[n - 1] = '\0';
            assert_int_equal(mkdir(path, 0700), 0);
            continue;
        }
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fclose(f);
        struct utimbuf t = {1000 + (time_t)i, 1000 + (time_t)i};
        utime(path, &t);
    }
    setenv("HOME", dir, 1);
    return 0;
}

static int drop_folder(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(at(names[i]));
    return rmdir(dir);
}

/* The names in the list, with commas between. */
static const char *listed(const struct file_list *l)
{
    static char text[400];
    *text = '\0';
    for (int i = 0; i < l->count; i++) {
        size_t n = strlen(text);
        snprintf(text + n, sizeof text - n, "%s%s%s", i ? "," : "",
                 strrchr(l->row[i].path, '/') + 1, l->row[i].folder ? "/" : "");
    }
    return text;
}

static void what_a_folder_offers(void **state)
{
    (void)state;
    static const struct {
        enum file_kind kind;
        bool folders;
        const char *prefix, *time, *name;
    } cases[] = {
        {FILE_IMAGE, false, "", "sword.png,slime-2.PNG,slime-1.png",
         "slime-1.png,slime-2.PNG,sword.png"},
        {FILE_IMAGE, true, "sl", NULL, "slots/,slime-1.png,slime-2.PNG"},
        {FILE_IMAGE, true, "SLI", NULL, "slime-1.png,slime-2.PNG"},
        {FILE_IMAGE, true, ".", NULL, ".git/"},
        {FILE_WEIGHTS, false, "", NULL, "x.safetensors"},
        {FILE_FOLDER, true, "", NULL, "slots/"},
        {FILE_RECIPE, false, "n", NULL, "note.txt"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file_list l = {0};
        files_add(&l, dir, cases[i].kind, cases[i].folders, cases[i].prefix);
        files_by_name(&l);
        assert_string_equal(listed(&l), cases[i].name);
        files_by_time(&l);
        if (cases[i].time)
            assert_string_equal(listed(&l), cases[i].time);
        files_free(&l);
    }
    struct file_list none = {0};
    files_add(&none, "/nowhere/at/all", FILE_IMAGE, true, "");
    assert_int_equal(none.count, 0);
}

static void tab_completes(void **state)
{
    (void)state;
    static const struct {
        const char *prefix, *typed, *then; /* NULL: no more than that */
    } cases[] = {{"sli", "~/sli", "~/slime-"},
                 {"slime-", "~/slime-", NULL},
                 {"slo", "/a b/slo", "/a b/slots/"},
                 {"sw", "sw", "sword.png"},
                 {"zzz", "zzz", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct file_list l = {0};
        char out[PATH_MAX] = "";
        files_add(&l, dir, FILE_IMAGE, true, cases[i].prefix);
        assert_int_equal(file_complete(&l, cases[i].typed, out), cases[i].then != NULL);
        if (cases[i].then)
            assert_string_equal(out, cases[i].then);
        files_free(&l);
    }
}

static void home_is_a_tilde(void **state)
{
    (void)state;
    char out[PATH_MAX], back[PATH_MAX];
    assert_true(file_expand("~/a.png", out));
    assert_string_equal(out, at("a.png"));
    file_shorten(out, back, sizeof back);
    assert_string_equal(back, "~/a.png");
    assert_true(file_expand("~user/a", out)); /* none of ours */
    assert_string_equal(out, "~user/a");
    file_shorten("/elsewhere", back, sizeof back);
    assert_string_equal(back, "/elsewhere");
    assert_true(file_is_path("~") && file_is_path("a/b") && file_is_path("./a"));
    assert_false(file_is_path("green slime") || file_is_path(""));
}

static void pastes_of_paths(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path; /* NULL: no path */
    } cases[] = {
        {"/a/b.png", "/a/b.png"},
        {"  /a/b.png \n", "/a/b.png"},
        {"'/a b/c.png'", "/a b/c.png"},
        {"\"/a \\\"b/c.png\"", "/a \"b/c.png"},
        {"/a\\ b/c.png", "/a b/c.png"},
        {"file:///a%20b/c.png", "/a b/c.png"},
        {"file://host/a.png", "/a.png"},
        {"~/a.json", NULL},
        {"a green slime", NULL},
        {"and/or", NULL},
        {"/", NULL},
        {"", NULL},
        {"/a\n/b", NULL},
        {"'/a", NULL},
        {"'/a' b", NULL},
        {"file:///a%00b", NULL},
        {"file:///a%2", NULL},
        {"file:///a%1bb", NULL},
        {"http://a/b.png", NULL},
    };
    char out[PATH_MAX], want[PATH_MAX], text[PATH_MAX + 100];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool tilde = *cases[i].text == '~';
        snprintf(want, sizeof want, "%s",
                 tilde           ? at("a.json")
                 : cases[i].path ? cases[i].path
                                 : "");
        if (file_pasted(cases[i].text, out) != (*want != '\0'))
            fail_msg("'%s' was taken for something else", cases[i].text);
        if (*want)
            assert_string_equal(out, want);
    }
    memset(text, 'x', sizeof text - 1);
    text[0] = '/', text[sizeof text - 1] = '\0';
    assert_false(file_pasted(text, out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_folder_offers),
        cmocka_unit_test(tab_completes),
        cmocka_unit_test(home_is_a_tilde),
        cmocka_unit_test(pastes_of_paths),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
