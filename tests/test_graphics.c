/*
 * Pictures for terminals: what is decoded at the other end is the image, pixel by pixel.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vterm.h>

#include "sixel_decode.h"
#include "sprite/png.h"
#include "term/graphics.h"

static const uint8_t ground[3] = {20, 30, 40}, ground2[3] = {60, 70, 80};

static struct caps caps_of(enum graphics g)
{
    return (struct caps){.graphics = g,
                         .colors = COLORS_TRUE,
                         .utf8 = true,
                         .cell_w = 10,
                         .cell_h = 20,
                         .sixel_registers = 256};
}

static struct graphics_job job_of(const struct image *m, int scale)
{
    struct graphics_job j = {.image = m, .rows = 100, .cols = 200, .scale = scale, .id = 77};
    memcpy(j.ground, ground, 3);
    memcpy(j.ground2, ground2, 3);
    return j;
}

static uint8_t *at(const struct image *m, int x, int y)
{
    return m->rgba + ((size_t)y * (size_t)m->width + (size_t)x) * 4;
}

/* `colors` different opaque colours in an order that repeats little. */
static struct image *noise(int w, int h, int colors)
{
    struct image *m = image_new(w, h);
    unsigned state = (unsigned)(w * 31 + h * 17 + colors);
    assert_non_null(m);
    for (int i = 0; i < w * h; i++) {
        state = state * 1664525u + 1013904223u;
        int k = i < colors ? i : (int)((state >> 9) % (unsigned)colors);
        uint8_t p[4] = {(uint8_t)(k * 97), (uint8_t)(k * 41 + (k >> 8) * 3), (uint8_t)k, 255};
        memcpy(m->rgba + 4 * i, p, 4);
    }
    return m;
}

/* What ground a clear pixel must show. */
static const uint8_t *under(int x, int y, int scale)
{
    int square = (8 + scale - 1) / scale;
    return (x / square + y / square) % 2 ? ground2 : ground;
}

static void decoded_equals(const struct image *m, int scale)
{
    struct caps caps = caps_of(GRAPHICS_SIXEL);
    struct graphics_job job = job_of(m, scale);
    struct err e = {""};
    size_t len = 0;
    struct sixel_picture p;
    char *bytes = graphics_encode(&caps, &job, &len, &e);
    assert_string_equal(e.text, "");
    assert_non_null(bytes);
    assert_int_equal(sixel_decode(bytes, len, &p), len); /* one sequence and nothing else */
    assert_int_equal(p.w, m->width * scale);
    assert_int_equal(p.h, m->height * scale);
    assert_int_equal(p.p2, 1);
    assert_false(p.outside);
    for (int y = 0; y < p.h; y++)
        for (int x = 0; x < p.w; x++) {
            const uint8_t *want = at(m, x / scale, y / scale);
            const uint8_t *got = p.rgba + ((size_t)y * (size_t)p.w + (size_t)x) * 4;
            if (want[3] == 0)
                want = under(x / scale, y / scale, scale);
            const uint8_t level[4] = {sixel_level(want[0]), sixel_level(want[1]),
                                      sixel_level(want[2]), 255};
            if (memcmp(got, level, 4))
                fail_msg("%dx%d at %d: pixel %d, %d differs", m->width, m->height, scale, x, y);
        }
    free(p.rgba);
    free(bytes);
}

static void sixel_shows_the_image_at_every_scale(void **state)
{
    (void)state;
    static const struct {
        int w, h, colors;
    } cases[] = {{1, 1, 1},   {1, 7, 2},   {13, 1, 5},    {3, 5, 15},    {16, 16, 1},  {17, 11, 2},
                 {12, 6, 16}, {31, 7, 64}, {20, 13, 255}, {16, 16, 256}, {33, 40, 256}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int scale = 1; scale <= 16; scale++) {
            struct image *m = noise(cases[i].w, cases[i].h, cases[i].colors);
            decoded_equals(m, scale);
            image_free(m);
        }
}

static void clear_pixels_show_the_ground(void **state)
{
    (void)state;
    for (int scale = 1; scale <= 16; scale += 3) {
        struct image *m = noise(23, 19, 12);
        for (int i = 0; i < 23 * 19; i += 1 + i % 3)
            m->rgba[4 * i + 3] = 0;
        decoded_equals(m, scale);
        image_free(m);
        m = image_new(9, 10); /* nothing at all */
        decoded_equals(m, scale);
        image_free(m);
    }
    struct image *m = noise(1, 1, 1); /* half clear: half the ground */
    memcpy(m->rgba, ((uint8_t[]){200, 200, 200, 128}), 4);
    struct caps caps = caps_of(GRAPHICS_SIXEL);
    struct graphics_job job = job_of(m, 1);
    struct sixel_picture p;
    size_t len;
    char *bytes = graphics_encode(&caps, &job, &len, NULL);
    assert_int_equal(sixel_decode(bytes, len, &p), len);
    assert_int_equal(p.rgba[0], sixel_level(110)); /* (200 * 128 + 20 * 127) / 255 */
    free(p.rgba);
    free(bytes);
    image_free(m);
}

static void too_many_colors_are_reduced_to_the_registers(void **state)
{
    (void)state;
    static const int registers[] = {2, 16, 100, 256, 0, 100000};
    struct image *m = image_new(64, 48);
    for (int i = 0; i < 64 * 48; i++) {
        uint8_t p[4] = {(uint8_t)(i % 64 * 4), (uint8_t)(i / 64 * 5), (uint8_t)(i / 16), 255};
        memcpy(m->rgba + 4 * i, p, 4);
    }
    for (size_t k = 0; k < sizeof registers / sizeof *registers; k++) {
        struct caps caps = caps_of(GRAPHICS_SIXEL);
        struct graphics_job job = job_of(m, 2);
        struct sixel_picture p;
        double error = 0;
        size_t len;
        int room = registers[k] > 0 && registers[k] < 256 ? registers[k] : 256;
        caps.sixel_registers = registers[k];
        char *bytes = graphics_encode(&caps, &job, &len, NULL);
        assert_int_equal(sixel_decode(bytes, len, &p), len);
        assert_in_range(p.registers, room / 2, room);
        for (int i = 0; i < p.w * p.h; i++) {
            const uint8_t *want = at(m, i % p.w / 2, i / p.w / 2);
            assert_int_equal(p.rgba[4 * i + 3], 255);
            for (int c = 0; c < 3; c++)
                error += abs(p.rgba[4 * i + c] - want[c]);
        }
        error /= 3.0 * p.w * p.h; /* 48 with 2 registers, 16 with 16, 3 with 256 */
        assert_true(error < (room < 16 ? 60 : room < 100 ? 25 : 8));
        free(p.rgba);
        free(bytes);
    }
    image_free(m);
}

static void tmux_gets_no_sequence_that_it_would_drop(void **state)
{
    (void)state;
    struct image *m = noise(1000, 1000, 40);
    struct caps caps = caps_of(GRAPHICS_SIXEL);
    struct graphics_job job = job_of(m, 1);
    struct sixel_picture p;
    size_t len;
    char *bytes = graphics_encode(&caps, &job, &len, NULL);
    assert_true(len > 1 << 20); /* else this shows nothing */
    free(bytes);
    caps.tmux = true;
    bytes = graphics_encode(&caps, &job, &len, NULL);
    assert_true(len < 1 << 20);
    assert_int_equal(sixel_decode(bytes, len, &p), len);
    free(p.rgba);
    free(bytes);
    image_free(m);
}

/* -- PNG in base64 ------------------------------------------------------------------------------
 */

static size_t unbase64(const char *s, size_t len, uint8_t *out)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    assert_int_equal(len % 4, 0);
    for (size_t i = 0; i < len; i += 4) {
        unsigned v = 0, pad = (s[i + 2] == '=') + (s[i + 3] == '=');
        for (size_t k = 0; k < 4; k++) {
            const char *d = s[i + k] == '=' ? digit : memchr(digit, s[i + k], 64);
            assert_non_null(d);
            v = v << 6 | (unsigned)(d - digit);
        }
        for (unsigned k = 0; k < 3 - pad; k++)
            out[n++] = (uint8_t)(v >> (16 - 8 * k));
    }
    return n;
}

static void png_equals(const uint8_t *png, size_t size, const struct image *m, int scale)
{
    struct png_file f;
    struct image *big = image_enlarge(m, scale);
    assert_int_equal(png_decode(png, size, true, &f, NULL), 0);
    assert_int_equal(f.width, big->width);
    assert_int_equal(f.height, big->height);
    assert_memory_equal(f.rgba, big->rgba, (size_t)big->width * (size_t)big->height * 4);
    png_file_free(&f);
    image_free(big);
}

static void kitty_gets_a_png_in_pieces(void **state)
{
    (void)state;
    struct image *images[] = {noise(64, 64, 16), noise(70, 65, 2000), noise(1, 1, 1)};
    for (int k = 0; k < 3; k++) {
        struct caps caps = caps_of(GRAPHICS_KITTY);
        struct graphics_job job = job_of(images[k], 5);
        size_t len, n = 0;
        int pieces = 0, more = 1;
        char *bytes = graphics_encode(&caps, &job, &len, NULL), *p = bytes;
        uint8_t *png = malloc(len);
        for (; p < bytes + len; pieces++) {
            static const char first[] = "\033_Ga=T,f=100,i=77,p=1,q=2,C=1,m=",
                              rest[] = "\033_Gq=2,m=";
            const char *head = pieces ? rest : first;
            assert_int_equal(more, 1);
            assert_memory_equal(p, head, strlen(head));
            p += strlen(head);
            more = *p - '0';
            assert_int_equal(p[1], ';');
            char *end = memchr(p, '\033', (size_t)(bytes + len - p));
            assert_true(end - (p + 2) <= 4096);
            n += unbase64(p + 2, (size_t)(end - (p + 2)), png + n);
            assert_int_equal(end[1], '\\');
            p = end + 2;
        }
        assert_int_equal(more, 0);
        assert_true(k != 1 || pieces > 1);
        png_equals(png, n, images[k], 5);
        free(png);
        free(bytes);
        image_free(images[k]);
    }
    struct caps caps = caps_of(GRAPHICS_KITTY);
    char out[64];
    graphics_remove(&caps, 77, out, sizeof out);
    assert_string_equal(out, "\033_Ga=d,d=I,i=77,q=2\033\\");
    caps.graphics = GRAPHICS_SIXEL;
    graphics_remove(&caps, 77, out, sizeof out);
    assert_string_equal(out, "");
}

static void iterm_gets_a_png(void **state)
{
    (void)state;
    struct image *m = noise(20, 10, 30);
    struct caps caps = caps_of(GRAPHICS_ITERM);
    struct graphics_job job = job_of(m, 3);
    size_t len, size = 0;
    int w = 0, h = 0;
    char *bytes = graphics_encode(&caps, &job, &len, NULL);
    uint8_t *png = malloc(len);
    assert_int_equal(bytes[len - 1], '\a');
    bytes[len - 1] = '\0';
    assert_int_equal(
        sscanf(bytes, "\033]1337;File=inline=1;size=%zu;width=%dpx;height=%dpx;", &size, &w, &h),
        3);
    assert_int_equal(w, 60);
    assert_int_equal(h, 30);
    char *data = strchr(bytes, ':') + 1;
    assert_int_equal(unbase64(data, strlen(data), png), size);
    png_equals(png, size, m, 3);
    free(png);
    free(bytes);
    image_free(m);
}

/* -- characters ---------------------------------------------------------------------------------
 */

enum { ROWS = 40, COLS = 100 };

static VTerm *screen_with(const char *bytes, size_t len, VTermScreen **screen)
{
    VTerm *vt = vterm_new(ROWS, COLS);
    vterm_set_utf8(vt, 1);
    *screen = vterm_obtain_screen(vt);
    vterm_screen_reset(*screen, 1);
    vterm_input_write(vt, bytes, len);
    return vt;
}

static void is_near(VTermScreen *s, VTermColor c, const uint8_t want[3], int within)
{
    vterm_screen_convert_color_to_rgb(s, &c);
    const uint8_t got[3] = {c.rgb.red, c.rgb.green, c.rgb.blue};
    for (int i = 0; i < 3; i++)
        assert_in_range(got[i] + within, want[i], want[i] + 2 * within);
}

/* The colour of the upper and lower half of a cell must be these, or differ by so much. */
static void halves_are_near(VTermScreen *s, int y, int x, const uint8_t upper[3],
                            const uint8_t lower[3], int within)
{
    VTermScreenCell c;
    vterm_screen_get_cell(s, (VTermPos){y, x}, &c);
    assert_true(c.chars[0] == 0x2580 || c.chars[0] == 0x2584 || c.chars[0] == ' ');
    is_near(s, c.chars[0] == 0x2580 ? c.fg : c.bg, upper, within);
    is_near(s, c.chars[0] == 0x2584 ? c.fg : c.bg, lower, within);
}

static void halves_are(VTermScreen *s, int y, int x, const uint8_t upper[3], const uint8_t lower[3])
{
    halves_are_near(s, y, x, upper, lower, 0);
}

static void nothing_outside(VTermScreen *s, int y, int x, int rows, int cols)
{
    for (int r = 0; r < ROWS; r++)
        for (int c = 0; c < COLS; c++) {
            VTermScreenCell cell;
            vterm_screen_get_cell(s, (VTermPos){r, c}, &cell);
            if (r < y || r >= y + rows || c < x || c >= x + cols)
                assert_int_equal(cell.chars[0], 0);
            else
                assert_int_not_equal(cell.chars[0], 0);
        }
}

static void half_blocks_show_the_image(void **state)
{
    (void)state;
    for (int scale = 1; scale <= 4; scale++)
        for (int odd = 0; odd < 2; odd++) {
            struct image *m = noise(11, 8 + odd, 40);
            struct caps caps = caps_of(GRAPHICS_BLOCKS);
            struct graphics_job job = job_of(m, scale);
            VTermScreen *s;
            size_t len;
            int h = m->height * scale, rows = (h + 1) / 2;
            job.y = ROWS - rows; /* the last cell of the screen too: nothing may scroll */
            job.x = COLS - 11 * scale;
            char *bytes = graphics_encode(&caps, &job, &len, NULL);
            VTerm *vt = screen_with(bytes, len, &s);
            nothing_outside(s, job.y, job.x, rows, 11 * scale);
            for (int r = 0; r < rows; r++)
                for (int x = 0; x < 11 * scale; x++)
                    halves_are(s, job.y + r, job.x + x, at(m, x / scale, 2 * r / scale),
                               2 * r + 1 < h ? at(m, x / scale, (2 * r + 1) / scale) : ground);
            vterm_free(vt);
            free(bytes);
            image_free(m);
        }
}

/* Parameters of every SGR: true colours, indexes, or the 16. */
static void colors_written_as(const char *bytes, size_t len, enum color_depth depth)
{
    int seen = 0;
    for (size_t i = 0; i + 1 < len; i++) {
        if (bytes[i] != '\033')
            continue;
        size_t end = i + 1 + strcspn(bytes + i + 1, "mHABCDJKP\\");
        if (bytes[end] != 'm' || !memcmp(bytes + i, "\033[0m", 4))
            continue;
        bool true_color = strstr(bytes + i, "8;2;") && strstr(bytes + i, "8;2;") < bytes + end;
        bool indexed = strstr(bytes + i, "8;5;") && strstr(bytes + i, "8;5;") < bytes + end;
        assert_int_equal(true_color, depth == COLORS_TRUE);
        assert_int_equal(indexed, depth == COLORS_256);
        seen++;
    }
    assert_true(seen > 0);
}

static void color_depths_are_kept(void **state)
{
    (void)state;
    for (int shrunk = 0; shrunk < 2; shrunk++)
        for (enum color_depth d = COLORS_16; d <= COLORS_TRUE; d++) {
            struct image *m = noise(24, 24, 200);
            struct caps caps = caps_of(GRAPHICS_BLOCKS);
            struct graphics_job job = job_of(m, 1 - shrunk);
            size_t len;
            if (shrunk)
                job.rows = 6, job.cols = 12;
            caps.colors = d;
            char *bytes = graphics_encode(&caps, &job, &len, NULL);
            bytes[len - 1] = '\0'; /* the last byte of a glyph: strstr may run */
            colors_written_as(bytes, len - 1, d);
            free(bytes);
            image_free(m);
        }
}

static void colors_of_the_palette_stay_what_they_are(void **state)
{
    (void)state;
    static const struct {
        uint8_t rgb[3];
        int index;
    } some[] = {{{0, 0, 0}, 16},       {{255, 255, 255}, 231}, {{95, 135, 175}, 67},
                {{8, 8, 8}, 232},      {{118, 118, 118}, 243}, {{255, 0, 95}, 197},
                {{238, 238, 238}, 255}};
    struct caps caps = caps_of(GRAPHICS_BLOCKS);
    caps.colors = COLORS_256;
    for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
        struct image *m = image_from_rgb(some[i].rgb, 1, 1);
        struct image *two = image_enlarge(m, 2);
        struct graphics_job job = job_of(two, 1);
        VTermScreen *s;
        VTermScreenCell c;
        size_t len;
        char *bytes = graphics_encode(&caps, &job, &len, NULL);
        VTerm *vt = screen_with(bytes, len, &s);
        vterm_screen_get_cell(s, (VTermPos){0, 1}, &c);
        assert_true(VTERM_COLOR_IS_INDEXED(&c.bg));
        assert_int_equal(c.bg.indexed.idx, some[i].index);
        vterm_free(vt);
        free(bytes);
        image_free(two);
        image_free(m);
    }
}

static void symbols_show_what_must_be_shrunk(void **state)
{
    (void)state;
    struct image *m = image_new(300, 300); /* red above, blue below */
    for (int i = 0; i < 300 * 300; i++)
        memcpy(m->rgba + 4 * i, i < 300 * 150 ? "\377\0\0\377" : "\0\0\377\377", 4);
    struct caps caps = caps_of(GRAPHICS_BLOCKS);
    struct graphics_job job = job_of(m, 0);
    VTermScreen *s;
    size_t len;
    job.rows = 10, job.cols = 60, job.y = 3, job.x = 5;
    char *bytes = graphics_encode(&caps, &job, &len, NULL);
    VTerm *vt = screen_with(bytes, len, &s);
    nothing_outside(s, 3, 5, 10, 20);
    /* libchafa 1.14 shrinks 255 to 254. */
    halves_are_near(s, 3, 5, (uint8_t[]){255, 0, 0}, (uint8_t[]){255, 0, 0}, 1);
    halves_are_near(s, 12, 24, (uint8_t[]){0, 0, 255}, (uint8_t[]){0, 0, 255}, 1);
    vterm_free(vt);
    free(bytes);
    image_free(m);
}

/* ---- a part of what is shown ---- */

/* Cells of 10 x 20 pixels; the last column and row of the image are not full. */
static const struct cells parts[] = {{0, 0, 2, 13}, {1, 6, 1, 7}, {3, 2, 1, 6}, {0, 12, 4, 1}};
enum { PARTS = sizeof parts / sizeof *parts };

static void a_part_in_sixel_is_those_pixels(void **state)
{
    (void)state;
    struct caps caps = caps_of(GRAPHICS_SIXEL);
    struct image *m = noise(43, 24, 60);
    struct sixel_picture all, p;
    size_t len;
    struct graphics_job job = job_of(m, 3); /* 129 x 72 pixels */
    m->rgba[3] = m->rgba[4 * 500 + 3] = 0;
    char *bytes = graphics_encode(&caps, &job, &len, NULL);
    sixel_decode(bytes, len, &all);
    free(bytes);
    for (int i = 0; i < PARTS; i++) {
        int x = parts[i].x * 10, y = parts[i].y * 20;
        job.part = parts[i];
        bytes = graphics_encode(&caps, &job, &len, NULL);
        assert_int_equal(sixel_decode(bytes, len, &p), len);
        assert_int_equal(p.w, x + parts[i].cols * 10 < 129 ? parts[i].cols * 10 : 129 - x);
        assert_int_equal(p.h, y + parts[i].rows * 20 < 72 ? parts[i].rows * 20 : 72 - y);
        for (int r = 0; r < p.h; r++)
            assert_memory_equal(p.rgba + (size_t)(r * p.w) * 4,
                                all.rgba + ((size_t)(y + r) * (size_t)all.w + (size_t)x) * 4,
                                (size_t)p.w * 4);
        free(p.rgba);
        free(bytes);
    }
    free(all.rgba);
    image_free(m);
}

/* tmux before 3.6 makes of 40 pixels 42, which is a row of text more. */
static void whole_bands_stay_in_their_cells(void **state)
{
    (void)state;
    struct caps caps = caps_of(GRAPHICS_SIXEL);
    struct image *m = noise(43, 80, 60);
    caps.sixel_bands = true;
    for (int i = 0; i <= PARTS; i++) {
        struct graphics_job job = job_of(m, 1);
        struct sixel_picture p;
        size_t len;
        int rows = i < PARTS ? parts[i].rows : 4; /* the last: all of it */
        if (i < PARTS)
            job.part = (struct cells){parts[i].y, 0, rows, 4};
        if (parts[i % PARTS].y + rows > 4)
            continue;
        char *bytes = graphics_encode(&caps, &job, &len, NULL);
        sixel_decode(bytes, len, &p);
        assert_in_range(p.h, rows * 20 - 5, rows * 20);
        assert_true((p.h + 5) / 6 * 6 <= rows * 20);
        for (int r = 0; r < p.h; r++) /* nothing is moved */
            assert_in_range(
                abs(p.rgba[r * p.w * 4] - at(m, 0, (i < PARTS ? parts[i].y : 0) * 20 + r)[0]), 0,
                3);
        free(p.rgba);
        free(bytes);
    }
    for (int rows = 1; rows < 9; rows++) { /* and what is made to fit, does */
        struct graphics_fit f = graphics_fit(&caps, 1, 1, rows, 100);
        assert_in_range(f.h, rows * 20 - 5, rows * 20);
        assert_true((f.h + 5) / 6 * 6 <= rows * 20);
    }
    image_free(m);
}

static void a_part_in_characters_is_those_cells(void **state)
{
    (void)state;
    struct caps caps = caps_of(GRAPHICS_BLOCKS);
    for (int scale = 0; scale < 2; scale++) {
        struct image *m = noise(scale ? 13 : 39, scale ? 7 : 21, 60);
        struct graphics_job job = job_of(m, scale);
        VTermScreen *all, *some;
        size_t len;
        job.rows = 4, job.cols = 13;
        char *bytes = graphics_encode(&caps, &job, &len, NULL);
        VTerm *vt = screen_with(bytes, len, &all);
        free(bytes);
        for (int i = 0; i < PARTS; i++) {
            job.part = parts[i];
            job.y = parts[i].y, job.x = parts[i].x;
            bytes = graphics_encode(&caps, &job, &len, NULL);
            VTerm *part = screen_with(bytes, len, &some);
            nothing_outside(some, job.y, job.x, parts[i].rows, parts[i].cols);
            for (int k = 0; k < parts[i].rows * parts[i].cols; k++) {
                VTermPos at = {job.y + k / parts[i].cols, job.x + k % parts[i].cols};
                VTermScreenCell a, b;
                vterm_screen_get_cell(all, at, &a);
                vterm_screen_get_cell(some, at, &b);
                bool same = a.chars[0] == b.chars[0] && vterm_color_is_equal(&a.bg, &b.bg);
                assert_true(same && (a.chars[0] == ' ' || vterm_color_is_equal(&a.fg, &b.fg)));
            }
            vterm_free(part);
            free(bytes);
        }
        vterm_free(vt);
        image_free(m);
    }
}

static void without_graphics_there_is_an_error(void **state)
{
    (void)state;
    struct image *m = noise(2, 2, 2);
    struct caps caps = caps_of(GRAPHICS_NONE);
    struct graphics_job job = job_of(m, 1);
    struct err e = {""};
    size_t len;
    assert_null(graphics_encode(&caps, &job, &len, &e));
    assert_string_not_equal(e.text, "");
    caps = caps_of(GRAPHICS_BLOCKS);
    caps.colors = COLORS_NONE;
    assert_null(graphics_encode(&caps, &job, &len, &e));
    image_free(m);
}

/* -- where --------------------------------------------------------------------------------------
 */

static void images_lie_in_the_middle(void **state)
{
    (void)state;
    static const struct {
        enum graphics graphics;
        int cell_w, cell_h, w, h, rows, cols;
        struct graphics_fit want;
    } cases[] = {
        {GRAPHICS_SIXEL, 10, 20, 64, 64, 30, 80, {9, 576, 576, 29, 58, 0, 11}},
        {GRAPHICS_SIXEL, 8, 16, 64, 64, 32, 64, {8, 512, 512, 32, 64, 0, 0}}, /* exactly */
        {GRAPHICS_SIXEL, 8, 16, 64, 64, 31, 64, {7, 448, 448, 28, 56, 1, 4}}, /* a row too few */
        {GRAPHICS_KITTY, 8, 16, 64, 32, 32, 64, {8, 512, 256, 16, 64, 8, 0}},
        {GRAPHICS_ITERM, 9, 17, 100, 50, 3, 20, {1, 100, 50, 3, 12, 0, 4}},
        {GRAPHICS_SIXEL, 8, 16, 1024, 512, 10, 80, {0, 320, 160, 10, 40, 0, 20}}, /* shrunk */
        {GRAPHICS_SIXEL, 8, 16, 1000, 1, 10, 10, {0, 80, 1, 1, 10, 4, 0}},
        {GRAPHICS_SIXEL, 8, 16, 1, 1, 1, 1, {8, 8, 8, 1, 1, 0, 0}},
        {GRAPHICS_SIXEL, 0, 0, 12, 12, 2, 4, {2, 24, 24, 2, 4, 0, 0}}, /* unknown cells: small */
        {GRAPHICS_SIXEL, -5, 99999, 12, 12, 0, 4, {0}},
        {GRAPHICS_BLOCKS, 8, 16, 16, 16, 20, 40, {2, 32, 32, 16, 32, 2, 4}},
        {GRAPHICS_BLOCKS, 0, 0, 16, 15, 8, 16, {1, 16, 15, 8, 16, 0, 0}},
        {GRAPHICS_BLOCKS, 8, 16, 64, 64, 8, 40, {0, 16, 16, 8, 16, 0, 12}},
        {GRAPHICS_NONE, 8, 16, 64, 64, 8, 40, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct caps caps = caps_of(cases[i].graphics);
        caps.cell_w = cases[i].cell_w;
        caps.cell_h = cases[i].cell_h;
        struct graphics_fit f = graphics_fit(&caps, cases[i].w, cases[i].h, cases[i].rows,
                                             cases[i].cols);
        if (memcmp(&f, &cases[i].want, sizeof f))
            fail_msg("case %zu: scale %d, %d x %d, %d rows, %d cols, top %d, left %d", i, f.scale,
                     f.w, f.h, f.rows, f.cols, f.top, f.left);
    }
    struct caps caps = caps_of(GRAPHICS_SIXEL);
    caps.sixel_w = 300, caps.sixel_h = 1000; /* the terminal's largest picture */
    assert_int_equal(graphics_fit(&caps, 64, 64, 50, 200).scale, 4);
    /* The cells of an image take all of its pixels between them, each at least one. */
    for (int side = 1; side <= 700; side += 37) {
        struct graphics_fit f = graphics_fit(&caps, side, side, 20, 50);
        int before = 0, at[4];
        for (int col = f.left; col < f.left + f.cols; col++) {
            graphics_under(&caps, &f, side, side, f.top, col, at);
            assert_true(at[0] <= before && at[2] > at[0] && at[2] >= before && at[1] == 0);
            before = at[2];
        }
        assert_int_equal(before, side);
    }
    caps.cell_w = caps.cell_h = 1 << 30; /* whatever it says, no overflow */
    caps.sixel_w = caps.sixel_h = 0;
    assert_true(graphics_fit(&caps, 1, 1, 1 << 30, 1 << 30).w <= 4096);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixel_shows_the_image_at_every_scale),
        cmocka_unit_test(clear_pixels_show_the_ground),
        cmocka_unit_test(too_many_colors_are_reduced_to_the_registers),
        cmocka_unit_test(tmux_gets_no_sequence_that_it_would_drop),
        cmocka_unit_test(kitty_gets_a_png_in_pieces),
        cmocka_unit_test(iterm_gets_a_png),
        cmocka_unit_test(half_blocks_show_the_image),
        cmocka_unit_test(color_depths_are_kept),
        cmocka_unit_test(colors_of_the_palette_stay_what_they_are),
        cmocka_unit_test(symbols_show_what_must_be_shrunk),
        cmocka_unit_test(a_part_in_sixel_is_those_pixels),
        cmocka_unit_test(whole_bands_stay_in_their_cells),
        cmocka_unit_test(a_part_in_characters_is_those_cells),
        cmocka_unit_test(without_graphics_there_is_an_error),
        cmocka_unit_test(images_lie_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
