/* Sheets hold every frame as it was, nothing lies over another, and animations are PNGs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "sprite/png.h"
#include "sprite/sheet.h"
#include "sprites.h"

enum { FRAMES = 23 };

/* Sprites with transparent borders, of many sizes; one is empty, one a single pixel. */
static struct image *frame(int i)
{
    if (i == 5)
        return image_new(7, 9);
    if (i == 6)
        return sprite_draw(0, (const uint8_t[]){9, 9, 9});
    struct image *m = image_new(1 + i * 5 % 37, 1 + i * 11 % 29);
    for (int y = 0; y < m->height; y++)
        for (int x = 0; x < m->width; x++)
            if (x >= i % 4 && y >= i % 3 && (x + y * 3 + i) % 5)
                memcpy(m->rgba + 4 * (y * m->width + x),
                       (uint8_t[]){(uint8_t)(10 * i), (uint8_t)x, (uint8_t)y, 255}, 4);
    return m;
}

static struct image *pack(struct sheet_frame *f, int n, struct sheet_options o)
{
    struct err e;
    memset(f, 0, (size_t)n * sizeof *f);
    for (int i = 0; i < n; i++)
        f[i].image = frame(i);
    struct image *m = sheet_pack(f, n, &o, &e);
    assert_non_null(m);
    return m;
}

static void drop(struct sheet_frame *f, int n, struct image *sheet)
{
    for (int i = 0; i < n; i++)
        image_free((struct image *)f[i].image);
    image_free(sheet);
}

static uint32_t at(const struct image *m, int x, int y)
{
    uint32_t v = 0;
    if (x >= 0 && y >= 0 && x < m->width && y < m->height)
        memcpy(&v, m->rgba + 4 * (y * m->width + x), 4);
    return v;
}

/* Is what the sheet has at a frame's place the frame? (dx, dy): where the frame stands in it. */
static void assert_holds(const struct image *sheet, const struct sheet_frame *f, int dx, int dy)
{
    for (int y = 0; y < f->full_height; y++)
        for (int x = 0; x < f->full_width; x++) {
            bool in = x >= f->left && y >= f->top && x < f->left + f->width &&
                      y < f->top + f->height;
            uint32_t got = in ? at(sheet, f->x + x - f->left, f->y + y - f->top) : 0;
            assert_true(got == at(f->image, x - dx, y - dy));
        }
}

static void assert_apart(const struct sheet_frame *f, int n, const struct image *sheet, int spacing)
{
    for (int i = 0; i < n; i++) {
        assert_true(f[i].x >= 0 && f[i].x + f[i].width <= sheet->width);
        assert_true(f[i].y >= 0 && f[i].y + f[i].height <= sheet->height);
        for (int j = 0; j < i; j++)
            assert_true(f[i].x + f[i].width + spacing <= f[j].x ||
                        f[j].x + f[j].width + spacing <= f[i].x ||
                        f[i].y + f[i].height + spacing <= f[j].y ||
                        f[j].y + f[j].height + spacing <= f[i].y);
    }
}

static void grids_have_cells_of_one_size(void **state)
{
    (void)state;
    struct sheet_frame f[FRAMES];
    for (int n = 1; n <= FRAMES; n += 2)
        for (int columns = 0; columns < 30; columns += 7) {
            struct image *m = pack(f, n, (struct sheet_options){SHEET_GRID, columns, 2});
            assert_apart(f, n, m, 2);
            for (int i = 0; i < n; i++) {
                assert_int_equal(f[i].width, f[0].width);
                assert_int_equal(f[i].height, f[0].height);
                assert_holds(m, &f[i], (f[i].width - f[i].image->width) / 2,
                             f[i].height - f[i].image->height);
            }
            drop(f, n, m);
        }
}

static void tight_sheets_are_tight(void **state)
{
    (void)state;
    struct sheet_frame f[FRAMES];
    for (int n = 1; n <= FRAMES; n += 2)
        for (int spacing = 0; spacing < 4; spacing += 3) {
            int used = 0;
            struct image *m = pack(f, n, (struct sheet_options){SHEET_TIGHT, 0, spacing});
            assert_apart(f, n, m, spacing);
            for (int i = 0; i < n; i++) {
                assert_holds(m, &f[i], 0, 0);
                used += f[i].width * f[i].height;
            }
            if (n == FRAMES && spacing == 0) {
                printf("    %d frames of %d pixels in %dx%d\n", n, used, m->width, m->height);
                assert_true(used * 4 > m->width * m->height * 3); /* seen: 0.797 */
            }
            drop(f, n, m);
        }
}

static void sheets_that_are_too_large_are_refused(void **state)
{
    (void)state;
    struct sheet_frame f[3] = {{0}};
    struct image *m = image_new(IMAGE_MAX_SIDE / 2 + 1, 1);
    struct err e;
    for (int i = 0; i < 3; i++)
        f[i].image = m;
    assert_null(sheet_pack(f, 3, &(struct sheet_options){SHEET_GRID, 3, 0}, &e));
    image_free(m);
}

static uint32_t number(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Readers that know no animation see the first frame; its chunks are as the standard says. */
static void animations_are_pngs(void **state)
{
    (void)state;
    struct sheet_frame f[4];
    struct image *sheet = pack(f, 4, (struct sheet_options){0});
    uint8_t *data;
    size_t size, n;
    struct png_file png;
    struct err e;
    assert_int_equal(sheet_animate(f, 4, 120, &data, &size, &e), 0);
    assert_int_equal(png_decode(data, size, true, &png, &e), 0);
    assert_int_equal(png.width, f[0].width);
    assert_int_equal(png.height, f[0].height);
    png_file_free(&png);
    uint32_t order = 0;
    int controls = 0;
    for (size_t at = 8; at < size; at += n + 12) {
        n = number(data + at);
        assert_true(at + n + 12 <= size);
        const uint8_t *body = data + at + 8;
        if (!memcmp(data + at + 4, "acTL", 4))
            assert_int_equal(number(body), 4);
        if (!memcmp(data + at + 4, "fcTL", 4)) {
            assert_int_equal(body[20] << 8 | body[21], 120);
            assert_int_equal(body[22] << 8 | body[23], 1000);
            controls++;
        }
        if (!memcmp(data + at + 4, "fcTL", 4) || !memcmp(data + at + 4, "fdAT", 4))
            assert_int_equal(number(body), order++);
    }
    assert_int_equal(controls, 4);
    free(data);
    drop(f, 4, sheet);
}

/* ---- GIF, read by a decoder that knows the format only ---- */

struct bits {
    const uint8_t *p;
    int left, bit; /* bytes of this block that are left; bit of this byte */
};

static int get_code(struct bits *b, int width)
{
    int v = 0;
    for (int i = 0; i < width; i++) {
        if (b->bit == 8) {
            b->bit = 0, b->p++;
            if (--b->left == 0)
                b->left = *b->p++;
            assert_true(b->left > 0);
        }
        v |= (*b->p >> b->bit++ & 1) << i;
    }
    return v;
}

/* The indexes of one image, whose data begins at p; returns where it ends. Each code's string is
 * where it was first written. */
static const uint8_t *unpack(const uint8_t *p, uint8_t *index, int pixels)
{
    static int from[4097], length[4097];
    int least = *p++, clear = 1 << least, next = clear + 2, width = least + 1, n = 0;
    struct bits b = {p + 1, *p, 0};
    for (int code; (code = get_code(&b, width)) != clear + 1;) {
        if (code == clear) {
            next = clear + 2, width = least + 1;
            continue;
        }
        assert_true(code < clear || (code > clear + 1 && code < next));
        int size = code < clear ? 1 : length[code], start = n;
        assert_true(n + size <= pixels);
        for (int i = 0; i < size; i++, n++)
            index[n] = code < clear ? (uint8_t)code : index[from[code] + i];
        if (next < 4096) { /* this string and the next index, once that is known */
            from[next] = start, length[next] = size + 1;
            next++;
        }
        width += next > 1 << width && width < 12;
    }
    assert_int_equal(n, pixels);
    for (p = b.p + b.left; *p; p += *p + 1)
        ;
    return p + 1;
}

static void animations_are_gifs(void **state)
{
    (void)state;
    struct sheet_frame f[FRAMES];
    struct image *sheet = pack(f, FRAMES, (struct sheet_options){.packing = SHEET_TIGHT});
    uint8_t *data, *index;
    size_t size;
    struct err e;
    assert_int_equal(sheet_animate_gif(f, FRAMES, 120, &data, &size, &e), 0);
    assert_memory_equal(data, "GIF89a", 6);
    int w = data[6] | data[7] << 8, h = data[8] | data[9] << 8, bits = (data[10] & 7) + 1;
    const uint8_t *table = data + 13, *p = table + (3 << bits) + 19;
    index = malloc((size_t)w * (size_t)h);
    for (int i = 0; i < FRAMES; i++) {
        assert_memory_equal(p, "\x21\xf9\x04\x09\x0c\0\0\0\x2c", 9);
        p = unpack(p + 18, index, w * h);
        int left = (w - f[i].image->width) / 2, top = h - f[i].image->height, wrong = 0;
        for (int k = 0; k < w * h; k++) {
            uint32_t want = at(f[i].image, k % w - left, k / w - top), got = 0;
            uint8_t rgba[4] = {0, 0, 0, 255};
            if (index[k]) {
                memcpy(rgba, table + 3 * index[k], 3);
                memcpy(&got, rgba, 4);
            }
            wrong += !got != !want; /* 23 frames of so many colours are brought to 255 */
        }
        assert_int_equal(wrong, 0);
    }
    assert_int_equal(*p, 0x3b);
    assert_int_equal(p + 1 - data, size);
    free(index);
    free(data);
    drop(f, FRAMES, sheet);
}

/* Few colours come back exactly, also where the table of strings is full again and again. */
static void few_colours_stay_in_gifs(void **state)
{
    (void)state;
    struct image *m = image_new(300, 200);
    uint8_t *data, *index = malloc(300 * 200);
    uint32_t seed = 3;
    size_t size;
    struct err e;
    for (int i = 0; i < 300 * 200; i++) {
        uint8_t v = (uint8_t)(sprite_random(&seed) % 200);
        memcpy(m->rgba + 4 * i, (uint8_t[]){v, (uint8_t)(255 - v), 7, v ? 255 : 0}, 4);
    }
    struct sheet_frame f = {.image = m};
    assert_int_equal(sheet_animate_gif(&f, 1, 5, &data, &size, &e), 0);
    const uint8_t *table = data + 13, *p = table + (3 << 8) + 19;
    unpack(p + 18, index, 300 * 200);
    for (int i = 0; i < 300 * 200; i++) {
        assert_int_equal(index[i] > 0, m->rgba[4 * i + 3] > 0);
        if (index[i])
            assert_memory_equal(table + 3 * index[i], m->rgba + 4 * i, 3);
    }
    free(index);
    free(data);
    image_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grids_have_cells_of_one_size),
        cmocka_unit_test(tight_sheets_are_tight),
        cmocka_unit_test(sheets_that_are_too_large_are_refused),
        cmocka_unit_test(animations_are_pngs),
        cmocka_unit_test(animations_are_gifs),
        cmocka_unit_test(few_colours_stay_in_gifs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
