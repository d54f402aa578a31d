/* What downloads rest on, each for itself: addresses and their origins, names of files, git's
 * hashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/digest.h"
#include "pull/url.h"

static void urls(void **state)
{
    (void)state;
    char out[URL_MAX], file_name[NAME_MAX_BYTES + 1], shown[160];
    static const char *const resolved[][3] = {
        {"https://a/b/c?x", "d", "https://a/b/d"},   {"https://a/b/c", "/d", "https://a/d"},
        {"https://a", "d", "https://a/d"},           {"https://a/b", "//e/f", "https://e/f"},
        {"https://a/b", "http://e/f", "http://e/f"}, {"https://a/b?u=x://y", "z", "https://a/z"},
    };
    for (size_t i = 0; i < sizeof resolved / sizeof *resolved; i++) {
        assert_int_equal(url_resolve(resolved[i][0], resolved[i][1], out), 0);
        assert_string_equal(out, resolved[i][2]);
    }
    assert_int_equal(url_resolve("https://a/b", "", out), -1);
    static const char *const same[][2] = {{"https://a/x", "https://A:443/y"},
                                          {"http://localhost:80", "http://localhost/"}};
    static const char *const differ[][2] = {{"https://a/", "http://a/"},
                                            {"https://a/", "https://a.b/"},
                                            {"https://a/", "https://a:444/"},
                                            {"https://hub.co/", "https://hub.co@evil/"},
                                            {"https://hub.co", "https://hub.com"}};
    for (int i = 0; i < 2; i++)
        assert_true(url_same_origin(same[i][0], same[i][1]));
    for (int i = 0; i < 5; i++)
        assert_false(url_same_origin(differ[i][0], differ[i][1]));
    static const char *const allowed[] = {"https://a/b", "http://127.0.0.1:80/x", "http://[::1]/x"};
    static const char *const refused[] = {"http://a/b",
                                          "ftp://a/b",
                                          "https://",
                                          "https://a\n/b",
                                          "https://a b",
                                          "x",
                                          "http://127.0.0.1.evil/x"};
    for (int i = 0; i < 3; i++)
        assert_int_equal(url_check(allowed[i], NULL), 0);
    for (int i = 0; i < 7; i++)
        assert_int_equal(url_check(refused[i], NULL), -1);
    static const char *const names[][2] = {{"https://a/b/c.safetensors?x=1", "c.safetensors"},
                                           {"a\\b.json", "b.json"},
                                           {"..", NULL},
                                           {"a/..", NULL},
                                           {"", NULL},
                                           {"%2e%2e", NULL},
                                           {"a%2Fb.txt", "b.txt"},
                                           {"a%00b", NULL},
                                           {"a\x1b"
                                            "b.txt",
                                            "a_b.txt"},
                                           {"-rf", NULL}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        bool good = url_file_name(names[i][0], file_name);
        assert_int_equal(good, names[i][1] != NULL);
        if (good)
            assert_string_equal(file_name, names[i][1]);
    }
    url_show("https://u:p@host/path?key=secret", shown);
    assert_string_equal(shown, "https://host/path");
}

/* FIPS 180-4's examples, and git's empty blob. */
static void hashes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"", "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "84983e441c3bd26ebaae4aa1f95129e5e54670f1"},
    };
    char out[65];
    struct digest h;
    for (int i = 0; i < 3; i++) {
        digest_start(&h, DIGEST_SHA1);
        digest_add(&h, cases[i][0], strlen(cases[i][0]));
        digest_hex(&h, out);
        assert_string_equal(out, cases[i][1]);
    }
    digest_start(&h, DIGEST_SHA1);
    digest_add(&h, "blob 0", 7);
    digest_hex(&h, out);
    assert_string_equal(out, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(urls), cmocka_unit_test(hashes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
