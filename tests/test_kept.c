/* gpu/kept.c: files of plans. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../gpu/kept.h"
#include "base/fileio.h"

enum { BYTES = 3000 };

static char dir[] = "/tmp/spritty-kept-XXXXXX", data[BYTES];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (char)(i * 7);
    return mkdtemp(dir) ? 0 : -1;
}

/* Empties the folder; how many files there were. */
static size_t clear(void)
{
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*.plan", dir);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    size_t count = found.gl_pathc;
    for (size_t i = 0; i < count; i++)
        unlink(found.gl_pathv[i]);
    globfree(&found);
    return count;
}

static int teardown(void **state)
{
    (void)state;
    clear();
    return rmdir(dir);
}

static bool is_there(const char *name)
{
    int number;
    size_t size;
    char *text = kept_read(dir, name, &number, &size);
    free(text);
    return text != NULL;
}

/* What is kept comes back as it was, under its own name alone. */
static void test_back(void **state)
{
    (void)state;
    struct err err = {""};
    int number = -1;
    size_t size = 0;
    assert_null(kept_read(NULL, "a", &number, &size));
    assert_false(is_there("a"));
    assert_int_equal(kept_write(dir, "a\tplan", 3, data, sizeof data, &err), 0);
    char *back = kept_read(dir, "a\tplan", &number, &size);
    assert_non_null(back);
    assert_int_equal(number, 3);
    assert_int_equal(size, sizeof data);
    assert_memory_equal(back, data, sizeof data);
    assert_int_equal(back[size], 0);
    free(back);
    assert_false(is_there("a\tplan "));
    assert_int_equal(kept_write(dir, "two\nlines", 0, data, 10, &err), -1);
    assert_int_equal(kept_write("/proc/none", "a", 0, data, 10, &err), -1);
    assert_int_equal(kept_write(NULL, "a", 0, data, 10, &err), -1);
    assert_int_equal(clear(), 1);
}

/* What was cut or changed counts as none. */
static void test_broken(void **state)
{
    (void)state;
    struct err err = {""};
    char pattern[64];
    glob_t found;
    size_t size = 0;
    assert_int_equal(kept_write(dir, "a\tplan", 3, data, sizeof data, &err), 0);
    snprintf(pattern, sizeof pattern, "%s/*.plan", dir);
    assert_int_equal(glob(pattern, 0, NULL, &found), 0);
    assert_int_equal(found.gl_pathc, 1);
    const char *file = found.gl_pathv[0];
    char *all = file_read(file, 1 << 20, &size, &err);
    assert_non_null(all);
    const size_t cuts[] = {0, 5, 15, 20, 22, 30, size - 1};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_int_equal(file_write_atomic(file, all, cuts[i], &err), 0);
        assert_false(is_there("a\tplan"));
    }
    for (size_t i = 0; i < size; i += i < 60 ? 1 : 97) {
        all[i] ^= 1;
        assert_int_equal(file_write_atomic(file, all, size, &err), 0);
        assert_false(is_there("a\tplan"));
        all[i] ^= 1;
    }
    assert_int_equal(file_write_atomic(file, all, size, &err), 0);
    assert_true(is_there("a\tplan"));
    free(all);
    globfree(&found);
    clear();
}

/* The oldest go, so that there never are more. */
static void test_many(void **state)
{
    (void)state;
    struct err err = {""};
    char name[32];
    for (int i = 0; i < KEPT_FILES + 20; i++) {
        snprintf(name, sizeof name, "plan %d", i);
        assert_int_equal(kept_write(dir, name, i, data, 10, &err), 0);
    }
    assert_true(is_there(name));
    assert_int_equal(clear(), KEPT_FILES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
