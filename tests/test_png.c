/*
 * PNG writing and reading: what comes back is what went in, files appear whole or not at all, and
 * broken files are refused without harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <png.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/digest.h"
#include "sprite/png.h"

enum { W = 13, H = 7 };

static char folder[] = "/tmp/spritty-test-png-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails when a test left a file behind */
}

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void)
{
    int n = 0;
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));)
        n += strcmp(f->d_name, ".") && strcmp(f->d_name, "..");
    closedir(d);
    return n;
}

static void fill(uint8_t *p, size_t n)
{
    uint32_t x = 1;
    for (size_t i = 0; i < n; i++) {
        x = x * 1664525 + 1013904223;
        p[i] = (uint8_t)(x >> 24);
    }
}

static void rgb_and_rgba_round_trip(void **state)
{
    (void)state;
    uint8_t in[W * H * 4], *data;
    size_t size;
    fill(in, sizeof in);
    for (int kind = PICTURE_RGB; kind <= PICTURE_RGBA; kind++) {
        struct picture p = {.kind = kind, .width = W, .height = H, .pixels = in};
        struct png_file f;
        struct err e;
        assert_int_equal(png_encode(&p, NULL, 0, &data, &size, &e), 0);
        assert_int_equal(png_decode(data, size, true, &f, &e), 0);
        assert_int_equal(f.width, W);
        assert_int_equal(f.height, H);
        for (int i = 0; i < W * H; i++) {
            assert_memory_equal(f.rgba + 4 * i, in + kind * i, 3);
            assert_int_equal(f.rgba[4 * i + 3], kind == PICTURE_RGBA ? in[4 * i + 3] : 255);
        }
        png_file_free(&f);
        free(data);
    }
}

/* Every bit depth that a palette can have; transparent entries keep their alpha. */
static void palettes_round_trip(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 3, 4, 5, 16, 17, 256};
    uint8_t palette[256][4], in[W * H];
    fill(&palette[0][0], sizeof palette);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        fill(in, sizeof in);
        for (int i = 0; i < W * H; i++)
            in[i] = (uint8_t)(in[i] % sizes[s]);
        struct picture p = {PICTURE_INDEXED, W, H, in, palette, sizes[s]};
        struct png_file f;
        struct err e;
        uint8_t *data;
        size_t size;
        assert_int_equal(png_encode(&p, NULL, 0, &data, &size, &e), 0);
        assert_int_equal(data[25], 3); /* IHDR: colour type palette */
        assert_int_equal(png_decode(data, size, true, &f, &e), 0);
        for (int i = 0; i < W * H; i++)
            assert_memory_equal(f.rgba + 4 * i, palette[in[i]], 4);
        png_file_free(&f);
        free(data);
    }
}

static void texts_round_trip(void **state)
{
    (void)state;
    static const struct png_text in[] = {
        {"parameters", "a slime\nNegative prompt: blurry\nSteps: 20, Sampler: Euler a"},
        {"Title", "ch\xc3\xa2teau \xc3\xbc\xc3\x9f"},             /* Latin-1 holds it: tEXt */
        {"Comment", "\xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\xb1"}, /* it does not: iTXt */
        {"spritty", "{}"},
        {"Empty", ""},
    };
    uint8_t pixel[3] = {1, 2, 3}, *data;
    size_t size;
    struct picture p = {.kind = PICTURE_RGB, .width = 1, .height = 1, .pixels = pixel};
    struct png_file f;
    struct err e;
    assert_int_equal(png_encode(&p, in, 5, &data, &size, &e), 0);
    assert_non_null(memmem(data, size, "tEXtTitle\0ch\xe2teau", 16));
    assert_non_null(memmem(data, size, "iTXtComment", 11));
    for (int pixels = 0; pixels < 2; pixels++) {
        assert_int_equal(png_decode(data, size, pixels, &f, &e), 0);
        assert_int_equal(f.texts, 5);
        for (int i = 0; i < 5; i++)
            assert_string_equal(png_find_text(&f, in[i].key), in[i].value);
        assert_null(png_find_text(&f, "workflow"));
        png_file_free(&f);
    }
    free(data);
}

/* Cut anywhere, and with any one byte changed: refused or read, but never a crash or a leak. */
static void broken_files_are_refused(void **state)
{
    (void)state;
    uint8_t in[W * H * 4], *data;
    size_t size;
    fill(in, sizeof in);
    struct picture p = {.kind = PICTURE_RGBA, .width = W, .height = H, .pixels = in};
    struct png_text text = {"parameters", "Steps: 20"};
    struct png_file f;
    struct err e;
    assert_int_equal(png_encode(&p, &text, 1, &data, &size, &e), 0);
    for (size_t n = 0; n < size; n++)
        assert_int_equal(png_decode(data, n, true, &f, &e), -1);
    int refused = 0;
    for (size_t i = 0; i < size; i++) {
        data[i] ^= 0x55;
        if (png_decode(data, size, true, &f, &e))
            refused++;
        else
            png_file_free(&f);
        data[i] ^= 0x55;
    }
    print_message("one byte changed: %d of %zu refused\n", refused, size);
    assert_true(refused > (int)size / 2);
    free(data);
}

static void put32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24), p[1] = (uint8_t)(v >> 16), p[2] = (uint8_t)(v >> 8),
    p[3] = (uint8_t)v;
}

/* ---- every kind of PNG there is ---- */

struct kind {
    int type, depth;
    bool key; /* one colour, or palette entry, is transparent */
};

/* The picture: a box on a ground. */
static bool in_box(int x, int y)
{
    return x >= 3 && x < 9 && y >= 2 && y < 6;
}

/* What a channel of a pixel is written as. */
static int sample(const struct kind *k, bool box, int channel)
{
    static const uint8_t colors[2][3] = {{1, 2, 3}, {200, 50, 20}};
    bool alpha = k->type & PNG_COLOR_MASK_ALPHA;
    int channels = k->type & PNG_COLOR_MASK_COLOR ? 3 : 1, v = colors[box][channel % 3];
    if (k->type == PNG_COLOR_TYPE_PALETTE)
        return box;
    if (alpha && channel == channels)
        v = box ? 255 : 0;
    if (k->depth < 8)
        return box ? (1 << k->depth) - 1 : 0;
    return k->depth == 16 ? v * 257 : v;
}

static void expect(const struct kind *k, bool box, uint8_t rgba[4])
{
    bool color = k->type & PNG_COLOR_MASK_COLOR, alpha = k->type & PNG_COLOR_MASK_ALPHA;
    struct kind bytes = {color ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, 8, false};
    for (int c = 0; c < 3; c++)
        rgba[c] = (uint8_t)(k->depth < 8 && !color ? 255 * box
                                                   : sample(&bytes, box, color ? c : 0));
    rgba[3] = !box && (alpha || k->key) ? 0 : 255;
}

static void say_key(png_structp png, png_infop info, const struct kind *k)
{
    png_color palette[2] = {{1, 2, 3}, {200, 50, 20}};
    uint8_t clear = 0;
    png_color_16 key = {.red = (png_uint_16)sample(k, false, 0),
                        .green = (png_uint_16)sample(k, false, 1),
                        .blue = (png_uint_16)sample(k, false, 2),
                        .gray = (png_uint_16)sample(k, false, 0)};
    bool indexed = k->type == PNG_COLOR_TYPE_PALETTE;
    if (indexed)
        png_set_PLTE(png, info, palette, 2);
    if (k->key)
        png_set_tRNS(png, info, &clear, 1, indexed ? NULL : &key);
}

static void write_kind(const char *path, const struct kind *k, int interlace)
{
    uint8_t data[H][W * 8 + 8] = {{0}}, *rows[H];
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_init_io(png, f);
    png_set_IHDR(png, info, W, H, k->depth, k->type, interlace, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    say_key(png, info, k);
    png_write_info(png, info);
    int channels = png_get_channels(png, info);
    for (int y = 0; y < H; y++) {
        rows[y] = data[y];
        for (int i = 0, bit = 0; i < W * channels; i++)
            for (int b = k->depth - 1; b >= 0; b--, bit++)
                data[y][bit / 8] |=
                    (uint8_t)((sample(k, in_box(i / channels, y), i % channels) >> b & 1)
                              << (7 - bit % 8));
    }
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    fclose(f);
}

static void every_kind_is_read(void **state)
{
    (void)state;
    enum { GRAY = 0, RGB = 2, INDEXED = 3, GRAY_ALPHA = 4, RGB_ALPHA = 6 };
    static const struct kind kinds[] = {
        {GRAY, 1, 0},    {GRAY, 2, 0},    {GRAY, 4, 0},    {GRAY, 8, 0},       {GRAY, 16, 0},
        {GRAY, 1, 1},    {GRAY, 8, 1},    {GRAY, 16, 1},   {GRAY_ALPHA, 8, 0}, {GRAY_ALPHA, 16, 0},
        {RGB, 8, 0},     {RGB, 16, 0},    {RGB, 8, 1},     {RGB, 16, 1},       {INDEXED, 1, 0},
        {INDEXED, 2, 1}, {INDEXED, 4, 0}, {INDEXED, 8, 1}, {RGB_ALPHA, 8, 0},  {RGB_ALPHA, 16, 0},
    };
    for (size_t i = 0; i < 2 * sizeof kinds / sizeof *kinds; i++) {
        const struct kind *k = &kinds[i / 2];
        struct png_file f;
        struct err e;
        write_kind(in_folder("kind.png"), k, i % 2 ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE);
        assert_int_equal(png_load(in_folder("kind.png"), true, &f, &e), 0);
        assert_true(f.width == W && f.height == H);
        for (int p = 0; p < W * H; p++) {
            uint8_t want[4];
            expect(k, in_box(p % W, p / W), want);
            if (memcmp(want, f.rgba + 4 * p, 4) != 0)
                fail_msg("type %d, %d bits, key %d, interlaced %zu: pixel %d is %d %d %d %d",
                         k->type, k->depth, k->key, i % 2, p, f.rgba[4 * p], f.rgba[4 * p + 1],
                         f.rgba[4 * p + 2], f.rgba[4 * p + 3]);
        }
        png_file_free(&f);
    }
    unlink(in_folder("kind.png"));
}

/* A header that promises 4 gigapixels must not make us allocate them. */
static void huge_sizes_are_refused(void **state)
{
    (void)state;
    uint8_t pixel[3] = {0}, *data;
    size_t size;
    struct picture p = {.kind = PICTURE_RGB, .width = 1, .height = 1, .pixels = pixel};
    struct png_file f;
    struct err e;
    static const uint32_t sizes[][2] = {{65535, 65535}, {0x7fffffff, 1}, {16000, 16000}, {0, 1}};
    assert_int_equal(png_encode(&p, NULL, 0, &data, &size, &e), 0);
    for (int i = 0; i < 4; i++) {
        put32(data + 16, sizes[i][0]);
        put32(data + 20, sizes[i][1]);
        uint32_t crc = 0xffffffff;
        for (int at = 12; at < 29; at++) {
            crc ^= data[at];
            for (int bit = 0; bit < 8; bit++)
                crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
        }
        put32(data + 29, ~crc);
        assert_int_equal(png_decode(data, size, true, &f, &e), -1);
        print_message("%u x %u: %s\n", sizes[i][0], sizes[i][1], e.text);
        assert_true(!sizes[i][0] || strstr(e.text, "in all are read"));
    }
    free(data);
}

static void writing_is_atomic(void **state)
{
    (void)state;
    struct err e;
    size_t size;
    const char *path = in_folder("a.bin");
    assert_int_equal(file_write_atomic(path, "one", 3, &e), 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(file_write_atomic(path, "two!", 4, &e), 0);
    struct stat rights;
    assert_int_equal(stat(path, &rights), 0);
    assert_int_equal(rights.st_mode & 0777, 0600); /* what was private stays so */
    char *back = file_read(path, 100, &size, &e);
    assert_non_null(back);
    assert_string_equal(back, "two!");
    free(back);
    assert_null(file_read(path, 3, &size, &e));
    assert_int_equal(files_in_folder(), 1);
    unlink(path);
}

/* RLIMIT_FSIZE stands in for a disk that fills up in the middle of a file. */
static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct err e = {""};
    struct rlimit old, tight;
    size_t size;
    static char big[100000];
    const char *path = in_folder("b.bin");
    assert_int_equal(file_write_atomic(path, "old", 3, &e), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    tight = (struct rlimit){4096, old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &tight);
    int rc = file_write_atomic(path, big, sizeof big, &e);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(rc, -1);
    print_message("%s\n", e.text);
    assert_int_equal(files_in_folder(), 1);
    char *back = file_read(path, 100, &size, &e);
    assert_string_equal(back, "old");
    free(back);
    unlink(path);
}

static void targets_that_cannot_be_written(void **state)
{
    (void)state;
    struct err e;
    char link_name[300], folder_name[300];
    assert_int_equal(file_write_atomic(folder, "x", 1, &e), -1);
    assert_non_null(strstr(e.text, "is a folder"));
    assert_int_equal(file_write_atomic(in_folder("no/such/file"), "x", 1, &e), -1);
    assert_non_null(strstr(e.text, "no such folder"));
    assert_int_equal(file_write_atomic("", "x", 1, &e), -1);
    snprintf(folder_name, sizeof folder_name, "%s/new/", folder);
    assert_int_equal(file_write_atomic(folder_name, "x", 1, &e), -1);
    /* A device is written to, not replaced. */
    assert_int_equal(file_write_atomic("/dev/full", "x", 1, &e), -1);
    assert_non_null(strstr(e.text, "disk is full"));
    struct stat st;
    assert_int_equal(stat("/dev/full", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    assert_int_equal(file_write_atomic("/dev/null", "x", 1, &e), 0);
    /* A symbolic link stays one; what it points to is replaced. */
    snprintf(link_name, sizeof link_name, "%s/link", folder);
    assert_int_equal(file_write_atomic(in_folder("real"), "1", 1, &e), 0);
    assert_int_equal(symlink("real", link_name), 0);
    assert_int_equal(file_write_atomic(link_name, "22", 2, &e), 0);
    assert_int_equal(lstat(link_name, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(in_folder("real"), &st), 0);
    assert_int_equal(st.st_size, 2);
    unlink(link_name);
    unlink(in_folder("real"));
}

/* FIPS 180-4's examples, and lengths around the block boundary against one-byte feeding. */
static void sha256_examples(void **state)
{
    (void)state;
    struct digest h;
    char hex[65], slow[65];
    digest_of("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_start(&h, DIGEST_SHA256);
    for (int i = 0; i < 15625; i++)
        digest_add(&h, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 64);
    digest_hex(&h, hex);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    uint8_t in[200];
    fill(in, sizeof in);
    for (size_t n = 0; n <= sizeof in; n++) {
        digest_of(in, n, hex);
        digest_start(&h, DIGEST_SHA256);
        for (size_t i = 0; i < n; i++)
            digest_add(&h, in + i, 1);
        digest_hex(&h, slow);
        assert_string_equal(hex, slow);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rgb_and_rgba_round_trip),
        cmocka_unit_test(palettes_round_trip),
        cmocka_unit_test(texts_round_trip),
        cmocka_unit_test(broken_files_are_refused),
        cmocka_unit_test(every_kind_is_read),
        cmocka_unit_test(huge_sizes_are_refused),
        cmocka_unit_test(writing_is_atomic),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(targets_that_cannot_be_written),
        cmocka_unit_test(sha256_examples),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
