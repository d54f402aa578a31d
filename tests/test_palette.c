/*
 * Palettes as other programs write them, broken ones, and images brought to them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <math.h>
#include <stdio.h>

#include "sprite/oklab.h"
#include "sprite/palette.h"
#include "sprite/png.h"
#include "sprites.h"

static const uint8_t three[3][3] = {{255, 0, 16}, {0, 128, 255}, {7, 7, 7}};

static void assert_three(const char *text, size_t size, const char *name)
{
    struct palette p;
    struct err e = {""};
    if (palette_parse((const uint8_t *)text, size, name, &p, &e))
        fail_msg("%s: %s", name, e.text);
    assert_int_equal(p.n, 3);
    assert_memory_equal(p.rgb, three, sizeof three);
}

#define TEXT(S) S, sizeof(S) - 1

static void files_of_other_programs_are_read(void **state)
{
    (void)state;
    assert_three(
        TEXT("GIMP Palette\nName: Three\nColumns: 4\n#\n255   0  16\tred\n  0 128 255 blue\n"
             "7 7 7\n255 0 16\n"),
        "a.gpl");
    assert_three(TEXT("GIMP Palette\r\n255 0 16\r\n0 128 255\r\n7 7 7"), "a.GPL");
    assert_three(TEXT("ff0010\n0080FF\n\n070707\n"), "a.hex");
    assert_three(TEXT("; a comment\r\n#ff0010 \r\n#0080ff\r\n#070707"), "a.txt");
    assert_three(TEXT("JASC-PAL\r\n0100\r\n3\r\n255 0 16\r\n0 128 255\r\n7 7 7\r\n"), "a.pal");
    assert_three(TEXT("RIFF\x1c\0\0\0PAL data\x10\0\0\0\0\3\3\0\xff\0\x10\0\0\x80\xff\0\7\7\7\0"),
                 "a.pal");
    char act[772];
    memset(act, 7, sizeof act);
    memcpy(act, three, sizeof three);
    assert_three(act, 768, "a.act"); /* the rest is the third colour */
    memset(act + 9, 99, sizeof act - 9);
    memcpy(act + 768, "\0\3\xff\xff", 4);
    assert_three(act, 772, "a.ACT");
}

static void images_are_palettes(void **state)
{
    (void)state;
    const uint8_t pixels[] = {255, 0, 16, 255, 0,   128, 255, 255, 255, 0, 16, 255,
                              1,   2, 3,  0,   255, 0,   16,  255, 7,   7, 7,  255};
    struct picture picture = {PICTURE_RGBA, 3, 2, pixels, NULL, 0};
    uint8_t *data;
    size_t size;
    struct err e;
    assert_int_equal(png_encode(&picture, NULL, 0, &data, &size, &e), 0);
    assert_three((char *)data, size, "a.png");
    free(data);
}

static void broken_files_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *said;
        size_t size;
    } bad[] = {
        {"", "a.hex", "no colour", 0},
        {"\n\n", "a.hex", "no colour", 2},
        {"12345", "a.hex", "line 1", 5},
        {"1234567", "a.hex", "line 1", 7},
        {"ff0000\ngreen\n", "a.hex", "line 2", 13},
        {"GIMP Palette\n", "a.gpl", "no colour", 13},
        {"GIMP Palette\n1 2\n", "a.gpl", "line 2", 17},
        {"GIMP Palette\n1 2 256\n", "a.gpl", "line 2", 21},
        {"GIMP Palette\n1 -2 6\n", "a.gpl", "line 2", 20},
        {"1 2 3\n", "a.gpl", "does not begin", 6},
        {"JASC-PAL\n0100\n1\nx\n", "a.pal", "line 4", 18},
        {"RIFF", "a.pal", "no palette", 4},
        {"RIFF\x1c\0\0\0PAL data\x10\0\0\0\0\3\xff\xff\1\2\3\4", "a.pal", "cut off", 28},
        {"123", "a.act", "768", 3},
        {"\x89PNG\r\n\x1a\n", "a.png", "a.png", 8},
        {"\0\1\2\3", "a", "line 1", 4},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct palette p;
        struct err e = {""};
        int rc = palette_parse((const uint8_t *)bad[i].text, bad[i].size, bad[i].name, &p, &e);
        if (rc != -1 || !strstr(e.text, bad[i].said))
            fail_msg("row %zu: %d '%s'", i, rc, e.text);
    }
}

static void more_colours_than_a_palette_holds_are_refused(void **state)
{
    (void)state;
    char text[7 * 257 + 1];
    struct palette p;
    struct err e;
    for (int i = 0; i < 257; i++)
        snprintf(text + 7 * i, 8, "%06x\n", i);
    assert_int_equal(palette_parse((uint8_t *)text, 7 * 256, "a.hex", &p, &e), 0);
    assert_int_equal(p.n, 256);
    assert_int_equal(palette_parse((uint8_t *)text, 7 * 257, "a.hex", &p, &e), -1);
}

static void shipped_palettes_are_whole(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int n;
        uint8_t last[3];
    } rows[] = {{"pico-8", 16, {255, 204, 170}},
                {"gameboy", 4, {155, 188, 15}},
                {"nes", 54, {184, 184, 184}},
                {"c64", 16, {149, 149, 149}},
                {"endesga-32", 32, {194, 133, 105}}};
    struct palette p;
    struct err e;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_string_equal(palette_shipped_name((int)i), rows[i].name);
        assert_int_equal(palette_load(rows[i].name, &p, &e), 0);
        assert_int_equal(p.n, rows[i].n);
        assert_memory_equal(p.rgb[p.n - 1], rows[i].last, 3);
        for (int k = 0; k < p.n; k++)
            for (int j = 0; j < k; j++)
                assert_memory_not_equal(p.rgb[k], p.rgb[j], 3);
    }
    assert_null(palette_shipped_name((int)(sizeof rows / sizeof *rows)));
    assert_int_equal(palette_load("pico8", &p, &e), -1);
    assert_non_null(strstr(e.text, "pico-8"));
    assert_int_equal(palette_load("/nowhere/a.hex", &p, &e), -1);
}

/* ---- images ---- */

static const struct palette grey = {2, {{0, 0, 0}, {255, 255, 255}}};

static struct image *ramp(int w, int h)
{
    struct image *m = image_new(w, h);
    for (int i = 0; i < w * h; i++) {
        memset(m->rgba + 4 * i, 255 * (i % w) / (w - 1), 3);
        m->rgba[4 * i + 3] = 255;
    }
    return m;
}

static double white_share(const struct image *m, int from, int to)
{
    int n = 0, white = 0;
    for (int y = 0; y < m->height; y++)
        for (int x = from; x < to; x++, n++)
            white += m->rgba[4 * (y * m->width + x)] == 255;
    return (double)white / n;
}

static void images_come_to_the_palette(void **state)
{
    (void)state;
    struct palette p;
    struct err e;
    for (int row = 0; palette_shipped_name(row); row++)
        for (int d = 0; dither_name(d); d++) {
            struct image *m = sprite_draw(row % SPRITE_ARTS, NULL), *before = image_copy(m);
            assert_int_equal(palette_load(palette_shipped_name(row), &p, &e), 0);
            assert_int_equal(palette_apply(m, &p, (enum dither)d, &e), 0);
            for (int i = 0; i < m->width * m->height; i++) {
                bool in = !m->rgba[4 * i + 3];
                for (int k = 0; k < p.n && !in; k++)
                    in = !memcmp(m->rgba + 4 * i, p.rgb[k], 3);
                assert_true(in);
                assert_int_equal(m->rgba[4 * i + 3], before->rgba[4 * i + 3]);
            }
            image_free(m);
            image_free(before);
        }
}

/* What has the palette's colours already is left as it is, by every kind of dithering. */
static void what_fits_is_not_changed(void **state)
{
    (void)state;
    struct image *m = sprite_draw(0, NULL), *before = image_copy(m);
    const struct image *images[] = {m};
    struct palette p;
    struct err e;
    assert_int_equal(palette_of_images(images, 1, 256, &p, &e), 0);
    for (int d = 0; dither_name(d); d++) {
        assert_int_equal(palette_apply(m, &p, (enum dither)d, &e), 0);
        assert_true(image_equal(m, before));
    }
    image_free(m);
    image_free(before);
}

static void dithering_keeps_the_mean(void **state)
{
    (void)state;
    struct err e;
    for (int d = DITHER_NONE; d <= DITHER_FLOYD; d++) {
        struct image *m = ramp(256, 64);
        assert_int_equal(palette_apply(m, &grey, (enum dither)d, &e), 0);
        for (int part = 0; part < 8 && d != DITHER_NONE; part++) {
            /* A grey's lightness is its share of white. */
            double want = 0, got = white_share(m, part * 32, part * 32 + 32);
            for (int x = part * 32; x < part * 32 + 32; x++)
                want += (double)oklab_from_srgb((uint8_t[]){(uint8_t)x, (uint8_t)x, (uint8_t)x}).l;
            want /= 32;
            double most = d == DITHER_FLOYD ? 0.04 : d == DITHER_BAYER2 ? 0.2 : 0.12;
            if (got < want - most || got > want + most)
                fail_msg("%s, part %d: %.3f, not %.3f", dither_name(d), part, got, want);
        }
        if (d == DITHER_NONE)
            assert_true(white_share(m, 0, 64) == 0 && white_share(m, 192, 256) == 1);
        image_free(m);
    }
}

/* ---- against plain loops ---- */

/* Every kind of picture that the searches tell apart: smooth parts, noise, hidden pixels. */
static struct image *mixed(int w, int h)
{
    struct image *m = image_new(w, h);
    uint64_t state = 88172645463325252;
    for (int i = 0; i < w * h; i++) {
        int x = i % w, y = i / w;
        state ^= state << 13, state ^= state >> 7, state ^= state << 17; /* Marsaglia's xorshift */
        const uint8_t flat[3] = {(uint8_t)(255 * x / w), (uint8_t)(255 * y / h), (uint8_t)(x + y)};
        for (int c = 0; c < 3; c++)
            m->rgba[4 * i + c] = x < w / 2 ? flat[c] : (uint8_t)(state >> (16 + 8 * c));
        m->rgba[4 * i + 3] = state % 11 ? 255 : 0;
    }
    return m;
}

static struct palette many_colours(int n)
{
    struct palette p = {.n = n};
    for (int i = 0; i < n; i++) {
        const uint8_t rgb[3] = {(uint8_t)(i * 97 % 251), (uint8_t)(i * 61 % 253), (uint8_t)i};
        memcpy(p.rgb[i], rgb, 3);
    }
    return p;
}

static int plain_nearest(const struct palette *p, struct oklab c)
{
    int best = 0;
    float least = FLT_MAX;
    for (int i = 0; i < p->n; i++) {
        float d = oklab_distance2(c, oklab_from_srgb(p->rgb[i]));
        if (d < least)
            least = d, best = i;
    }
    return best;
}

/* Floyd and Steinberg's weights pixel by pixel; rows in turns of eight from both sides, and what is
 * wanted kept near sRGB. */
static void plain_floyd(struct image *m, const struct palette *p)
{
    int w = m->width;
    float(*error)[3] = calloc(2 * ((size_t)w + 2), sizeof *error);
    for (int y = 0; y < m->height; y++) {
        int step = y / 8 % 2 ? -1 : 1;
        float(*here)[3] = error + (y & 1) * (w + 2) + 1,
        (*below)[3] = error + !(y & 1) * (w + 2) + 1;
        float ahead[3] = {0};
        memset(below - 1, 0, ((size_t)w + 2) * sizeof *below);
        for (int i = 0, x = step < 0 ? w - 1 : 0; i < w; i++, x += step) {
            uint8_t *at = m->rgba + 4 * (y * w + x);
            struct oklab c = oklab_from_srgb(at);
            float *v[3] = {&c.l, &c.a, &c.b}, e[3] = {0};
            for (int k = 0; k < 3; k++) {
                float least = k ? -0.45f : -0.2f, most = k ? 0.45f : 1.2f;
                *v[k] += here[x][k] + ahead[k];
                *v[k] = *v[k] < least ? least : *v[k] > most ? most : *v[k];
            }
            if (at[3]) {
                int to = plain_nearest(p, c);
                struct oklab q = oklab_from_srgb(p->rgb[to]);
                e[0] = c.l - q.l, e[1] = c.a - q.a, e[2] = c.b - q.b;
                memcpy(at, p->rgb[to], 3);
            }
            for (int k = 0; k < 3; k++) {
                ahead[k] = 7.0f / 16 * e[k];
                below[x - step][k] += 3.0f / 16 * e[k];
                below[x][k] += 5.0f / 16 * e[k];
                below[x + step][k] += 1.0f / 16 * e[k];
            }
        }
    }
    free(error);
}

static void eight_rows_at_once_are_as_one_after_the_other(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 20}, {2, 9}, {61, 37}, {130, 16}};
    struct palette palettes[3] = {grey, many_colours(56), many_colours(256)};
    struct err e;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int k = 0; k < 3; k++) {
            struct image *m = mixed(sizes[i][0], sizes[i][1]), *want = image_copy(m);
            plain_floyd(want, &palettes[k]);
            assert_int_equal(palette_apply(m, &palettes[k], DITHER_FLOYD, &e), 0);
            assert_true(image_equal(m, want));
            image_free(m);
            image_free(want);
        }
}

/* What ordered dithering makes of a pixel of a large image: of the colour in the middle of its bin,
 * or of its own where the palette has one of the bin's. */
static int plain_mix(const struct palette *p, const uint8_t *pixel, int place, int count)
{
    uint8_t rgb[3] = {pixel[0], pixel[1], pixel[2]};
    bool own = false;
    for (int i = 0; i < p->n; i++)
        own |= p->rgb[i][0] >> 2 == rgb[0] >> 2 && p->rgb[i][1] >> 2 == rgb[1] >> 2 &&
               p->rgb[i][2] >> 2 == rgb[2] >> 2;
    for (int c = 0; c < 3 && !own; c++)
        rgb[c] = (uint8_t)((rgb[c] & 0xfc) | 2);
    struct oklab c = oklab_from_srgb(rgb);
    int first = plain_nearest(p, c), second = first;
    struct oklab f = oklab_from_srgb(p->rgb[first]);
    float least = 0, share = 0;
    for (int i = 0; i < p->n; i++) {
        struct oklab q = oklab_from_srgb(p->rgb[i]), v = {q.l - f.l, q.a - f.a, q.b - f.b};
        float length = v.l * v.l + v.a * v.a + v.b * v.b, grain = 4 * 0.05f * length;
        float along = v.l * (c.l - f.l) + v.a * (c.a - f.a) + v.b * (c.b - f.b);
        float t = length > 0 ? along * (1 / length) : 0;
        t = t < 0 ? 0 : t > 0.5f ? 0.5f : t;
        float cost = t * (grain - 2 * along + t * (length - grain));
        if (cost < least)
            least = cost, share = t, second = i;
    }
    return place < (int)ceilf(share * (float)count - 0.5f) ? second : first;
}

static void bins_are_mixed_as_one_by_one(void **state)
{
    (void)state;
    static const int matrix[4][4] = {
        {0, 8, 2, 10}, {12, 4, 14, 6}, {3, 11, 1, 9}, {15, 7, 13, 5}}; /* Bayer's */
    struct palette palettes[2] = {many_colours(56), many_colours(256)};
    struct image *before = mixed(512, 512);
    struct err e;
    for (int k = 0; k < 2; k++) {
        struct image *m = image_copy(before);
        int used;
        assert_int_equal(palette_apply_count(m, &palettes[k], DITHER_BAYER4, &used, &e), 0);
        assert_in_range(used, 2, palettes[k].n);
        for (int i = 0; i < 512 * 512; i += 101) {
            const uint8_t *from = before->rgba + 4 * i, *to = m->rgba + 4 * i;
            int x = i % 512, y = i / 512;
            int want = plain_mix(&palettes[k], from, matrix[y & 3][x & 3], 16);
            assert_memory_equal(to, from[3] ? palettes[k].rgb[want] : from, 3);
            assert_int_equal(to[3], from[3]);
        }
        image_free(m);
    }
    image_free(before);
}

static void one_palette_serves_several_images(void **state)
{
    (void)state;
    struct image *a = sprite_draw(0, NULL), *b = sprite_draw(1, NULL), *empty = image_new(3, 3);
    const struct image *all[] = {a, b, empty};
    struct palette p;
    struct err e;
    assert_int_equal(palette_of_images(all, 3, 8, &p, &e), 0);
    assert_in_range(p.n, 2, 8);
    assert_int_equal(palette_of_images(all, 3, 256, &p, &e), 0);
    for (int i = 0; i < 2; i++) { /* all colours of both are in it */
        struct image *m = image_copy(all[i]);
        assert_int_equal(palette_apply(m, &p, DITHER_NONE, &e), 0);
        assert_true(image_equal(m, all[i]));
        image_free(m);
    }
    assert_int_equal(palette_of_images(all + 2, 1, 0, &p, &e), 0);
    assert_int_equal(p.n, 1);
    image_free(a);
    image_free(b);
    image_free(empty);
}

static void swapping_there_and_back_changes_nothing(void **state)
{
    (void)state;
    struct image *m = sprite_draw(0, NULL), *before = image_copy(m);
    const struct image *images[] = {m};
    struct palette own, other;
    struct err e;
    assert_int_equal(palette_of_images(images, 1, 256, &own, &e), 0);
    assert_int_equal(palette_load("endesga-32", &other, &e), 0);
    assert_int_equal(palette_swap(m, &own, &other, &e), 0);
    assert_false(image_equal(m, before));
    other.n = own.n;
    assert_int_equal(palette_swap(m, &other, &own, &e), 0);
    assert_true(image_equal(m, before));
    other.n = own.n - 1;
    assert_int_equal(palette_swap(m, &own, &other, &e), -1);
    image_free(m);
    image_free(before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_of_other_programs_are_read),
        cmocka_unit_test(images_are_palettes),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(more_colours_than_a_palette_holds_are_refused),
        cmocka_unit_test(shipped_palettes_are_whole),
        cmocka_unit_test(images_come_to_the_palette),
        cmocka_unit_test(what_fits_is_not_changed),
        cmocka_unit_test(dithering_keeps_the_mean),
        cmocka_unit_test(eight_rows_at_once_are_as_one_after_the_other),
        cmocka_unit_test(bins_are_mixed_as_one_by_one),
        cmocka_unit_test(one_palette_serves_several_images),
        cmocka_unit_test(swapping_there_and_back_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
