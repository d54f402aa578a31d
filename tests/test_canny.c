/*
 * Canny's edges against OpenCV's own, to the bit: pictures by formulas (golden_canny.py has the
 * same), each map by its hash. And what an edge is, on a picture that can be seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "sprite/canny.h"

static unsigned noise(unsigned index)
{
    uint32_t x = (uint32_t)index * 2654435761u;
    x ^= x >> 15;
    x *= 2246822519u;
    return (x ^ x >> 13) & 255;
}

static unsigned value_at(const char *kind, int w, int h, int x, int y, int k)
{
    unsigned pixel = (unsigned)(y * w + x), channel = (unsigned)k;
    int across = 2 * x - w, down = 2 * y - h;
    if (!strcmp(kind, "noise"))
        return noise(pixel * 3 + channel);
    if (!strcmp(kind, "grey noise"))
        return noise(pixel);
    if (!strcmp(kind, "few levels"))
        return (noise(pixel * 3 + channel) & 3) * 60;
    if (!strcmp(kind, "slopes"))
        return (unsigned)(x * (3 + k) + y * (5 - k));
    if (!strcmp(kind, "blocks"))
        return noise((unsigned)(y / 8 * 64 + x / 8) * 3 + channel);
    if (!strcmp(kind, "rings"))
        return (unsigned)((across * across + down * down) / (16 + 3 * k));
    assert_string_equal(kind, "flat");
    return 77;
}

static uint8_t *make_picture(const char *kind, int w, int h)
{
    uint8_t *rgb = malloc((size_t)w * (size_t)h * 3), *to = rgb;
    assert_non_null(rgb);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int k = 0; k < 3; k++)
                *to++ = (uint8_t)value_at(kind, w, h, x, y, k);
    return rgb;
}

static void check_row(struct json row, int number)
{
    struct err e = {""};
    const char *kind, *hash;
    int size[2], low, high, edges, found = 0;
    char have[65];
    assert_int_equal(json_string(row, "kind", &kind, &e), 0);
    assert_int_equal(json_string(row, "sha256", &hash, &e), 0);
    assert_int_equal(json_ints(row, "size", 1, 1000, size, 2, &e), 2);
    assert_int_equal(json_int_or(row, "low", -1, 0, 2000, &low, &e), 0);
    assert_int_equal(json_int_or(row, "high", -1, 0, 2000, &high, &e), 0);
    assert_int_equal(json_int_or(row, "edges", -1, 0, 1000000, &edges, &e), 0);
    size_t count = (size_t)size[0] * (size_t)size[1];
    uint8_t *rgb = make_picture(kind, size[0], size[1]), *out = malloc(count);
    assert_non_null(out);
    assert_int_equal(canny_edges(rgb, size[0], size[1], low, high, out, &e), 0);
    for (size_t i = 0; i < count; i++)
        found += out[i] == 255;
    digest_of(out, count, have);
    if (found != edges || strcmp(have, hash) != 0)
        fail_msg("row %d: %s of %dx%d from %d and %d: %d edges, OpenCV has %d", number, kind,
                 size[0], size[1], low, high, found, edges);
    free(rgb);
    free(out);
}

static void as_opencv(void **state)
{
    (void)state;
    struct err e = {""};
    struct json_doc *doc = json_load("tests/golden/canny.json", 1 << 20, &e);
    int rows = 0;
    assert_non_null(doc);
    for (struct json v = json_first(json_root(doc)); v.node; v = json_next(v))
        check_row(v, ++rows);
    assert_true(rows > 50);
    print_message("%d maps are OpenCV's\n", rows);
    json_free(doc);
}

/* A light box on black: a closed line one pixel wide, as OpenCV draws it; a faint one: nothing. */
static void a_square(void **state)
{
    (void)state;
    static const char expected[] = ".........."
                                   ".........."
                                   "...####..."
                                   "..#....#.."
                                   ".#.....#.."
                                   ".#.....#.."
                                   ".#.....#.."
                                   "..######.."
                                   ".........."
                                   "..........";
    uint8_t rgb[300] = {0}, out[100];
    struct err e = {""};
    for (int y = 3; y < 8; y++)
        memset(rgb + (10 * y + 2) * 3, 255, 18);
    assert_int_equal(canny_edges(rgb, 10, 10, 100, 200, out, &e), 0);
    for (int i = 0; i < 100; i++)
        if ((out[i] == 255) != (expected[i] == '#'))
            fail_msg("pixel %d, %d is %d", i % 10, i / 10, out[i]);
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] /= 16;
    assert_int_equal(canny_edges(rgb, 10, 10, 100, 200, out, &e), 0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(out[i], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_opencv),
        cmocka_unit_test(a_square),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
