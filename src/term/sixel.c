/*
 * Sixel through libsixel, whose only home this is.
 *
 * The picture comes opaque and before enlarging. Its own palette becomes the registers; only when
 * it has more colours than registers is it reduced, and that too before enlarging, so that a sprite
 * pixel stays one colour. What libsixel gets is the enlarged indexes with a fixed palette: it
 * chooses nothing, it only writes.
 *
 * The head is ours: P1 = 9 (square pixels where raster attributes are not known) and P2 = 1 (what
 * is not painted stays: below the picture in its last band of six rows), then libsixel's raster
 * attributes.
 */
#include "term/encoders.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sixel.h>

/* -- reducing -----------------------------------------------------------------------------------
 */

static int nearest(const uint8_t rgb[3], uint8_t (*palette)[4], int colors)
{
    int best = 0, least = 1 << 30;
    for (int i = 0; i < colors; i++) {
        int r = rgb[0] - palette[i][0], g = rgb[1] - palette[i][1], b = rgb[2] - palette[i][2];
        int d = 3 * r * r + 6 * g * g + b * b; /* about what the eye weighs */
        if (d < least)
            best = i, least = d;
    }
    return best;
}

/* Each pixel's nearest palette entry. Colours that are the same in six bits a channel share the one
 * of the first: that is finer than the palette, and asks for few of them. False without memory. */
static bool map_pixels(const struct image *m, uint8_t (*palette)[4], int colors, uint8_t *indexes)
{
    uint16_t *known = calloc(1 << 18, sizeof *known); /* an index + 1 */
    for (size_t i = 0, n = (size_t)m->width * (size_t)m->height; known && i < n; i++) {
        const uint8_t *p = m->rgba + 4 * i;
        uint16_t *k = &known[(p[0] >> 2) << 12 | (p[1] >> 2) << 6 | p[2] >> 2];
        if (!*k)
            *k = (uint16_t)(nearest(p, palette, colors) + 1);
        indexes[i] = (uint8_t)(*k - 1);
    }
    bool good = known;
    free(known);
    return good;
}

/* At most `room` colours for a picture that has more, by libsixel's median cut. Returns their
 * number, or -1. */
static int reduce(const struct image *m, int room, uint8_t (*palette)[4], uint8_t *indexes)
{
    size_t n = (size_t)m->width * (size_t)m->height;
    sixel_dither_t *dither = NULL;
    uint8_t *rgb = malloc(n * 3);
    int colors = -1;
    for (size_t i = 0; rgb && i < n; i++)
        memcpy(rgb + 3 * i, m->rgba + 4 * i, 3);
    if (rgb && !SIXEL_FAILED(sixel_dither_new(&dither, room, NULL)) &&
        !SIXEL_FAILED(sixel_dither_initialize(dither, rgb, m->width, m->height,
                                              SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_LUM,
                                              SIXEL_REP_AVERAGE_PIXELS, SIXEL_QUALITY_HIGH))) {
        const uint8_t *from = sixel_dither_get_palette(dither);
        colors = sixel_dither_get_num_of_palette_colors(dither);
        for (int i = 0; i < colors; i++)
            memcpy(palette[i], from + 3 * i, 3);
        if (!map_pixels(m, palette, colors, indexes))
            colors = -1;
    }
    if (dither)
        sixel_dither_unref(dither);
    free(rgb);
    return colors;
}

/* -- writing ------------------------------------------------------------------------------------
 */

static int on_write(char *data, int size, void *priv)
{
    struct bytes *out = priv;
    bytes_put(out, data, (size_t)size);
    return size;
}

static uint8_t *enlarge_indexes(const uint8_t *in, int w, int h, int scale)
{
    size_t stride = (size_t)w * (size_t)scale;
    uint8_t *big = malloc(stride * (size_t)h * (size_t)scale), *out = big;
    for (int y = 0; big && y < h; y++, in += w) {
        for (int x = 0; x < w; x++)
            memset(out + (size_t)x * (size_t)scale, in[x], (size_t)scale);
        for (int k = 1; k < scale; k++)
            memcpy(out + (size_t)k * stride, out, stride);
        out += stride * (size_t)scale;
    }
    return big;
}

/* libsixel 1.10 writes a "new line" before every band but the one that ends in row 5, so a picture
 * of fewer than six rows would begin one band too low. It is the only '-' then: take it out. */
static void mend_low_picture(struct bytes *out, size_t from)
{
    uint8_t *minus = out->failed ? NULL : memchr(out->data + from, '-', out->size - from);
    if (minus) {
        memmove(minus, minus + 1, (size_t)(out->data + out->size - minus - 1));
        out->size--;
    }
}

/* Enlarged indexes and their palette, as sixel. */
static int write_sixel(uint8_t *indexes, int w, int h, uint8_t (*palette)[4], int colors,
                       struct bytes *out)
{
    sixel_output_t *output = NULL;
    sixel_dither_t *dither = NULL;
    uint8_t rgb[256 * 3];
    size_t from = out->size;
    int rc = -1;
    for (int i = 0; i < colors; i++)
        memcpy(rgb + 3 * i, palette[i], 3);
    if (!SIXEL_FAILED(sixel_output_new(&output, on_write, out, NULL)) &&
        !SIXEL_FAILED(sixel_dither_new(&dither, colors, NULL))) {
        sixel_dither_set_palette(dither, rgb);
        sixel_dither_set_pixelformat(dither, SIXEL_PIXELFORMAT_PAL8);
        sixel_output_set_skip_dcs_envelope(output, 1);
        sixel_output_set_gri_arg_limit(output, 0);
        sixel_output_set_encode_policy(output, SIXEL_ENCODEPOLICY_SIZE);
        bytes_text(out, "\033P9;1");
        rc = SIXEL_FAILED(sixel_encode(indexes, w, h, 8, dither, output)) ? -1 : 0;
        bytes_text(out, "\033\\");
    }
    if (h < 6)
        mend_low_picture(out, from);
    if (dither)
        sixel_dither_unref(dither);
    if (output)
        sixel_output_unref(output);
    return rc;
}

/* What libsixel will do for these indexes, in steps of a few nanoseconds: in each band of six rows
 * it sorts the pieces of all colours (parted by ten columns or more) by insertion. */
static double writing_cost(const uint8_t *indexes, int w, int h, int scale)
{
    double cost = 0;
    for (int band = 0; band < h * scale; band += 6) {
        int end[256], first = band / scale, last = (band + 5) / scale;
        double pieces = 0;
        for (int c = 0; c < 256; c++)
            end[c] = -10;
        for (int x = 0; x < w; x++)
            for (int y = first; y <= last && y < h; y++) {
                int c = indexes[(size_t)y * (size_t)w + (size_t)x];
                pieces += x * scale - end[c] >= 10;
                end[c] = (x + 1) * scale;
            }
        cost += pieces * pieces / 4;
    }
    return cost;
}

/* The palette and indexes of a picture: its own or a reduced one. Noise all over a large picture
 * would take libsixel seconds; that gets fewer colours. Returns their number, or -1. */
static int choose_palette(const struct image *flat, int scale, int room, uint8_t (*palette)[4],
                          uint8_t *indexes)
{
    static const double most = 1e8;
    for (;; room /= 4) {
        int colors = image_palette(flat, room, palette, indexes);
        if (colors < 0)
            colors = reduce(flat, room, palette, indexes);
        if (colors < 0 || room < 64 ||
            writing_cost(indexes, flat->width, flat->height, scale) < most)
            return colors;
    }
}

int sixel_encode_image(const struct image *flat, int scale, int registers, struct bytes *out,
                       struct err *e)
{
    int room = registers < 2 ? 2 : registers > 256 ? 256 : registers;
    uint8_t palette[256][4];
    uint8_t *indexes = malloc((size_t)flat->width * (size_t)flat->height), *big = NULL;
    int colors = indexes ? choose_palette(flat, scale, room, palette, indexes) : -1;
    if (colors > 0)
        big = enlarge_indexes(indexes, flat->width, flat->height, scale);
    int rc = big ? write_sixel(big, flat->width * scale, flat->height * scale, palette, colors, out)
                 : -1;
    free(indexes);
    free(big);
    return rc ? err_set(e, "cannot make a sixel picture: out of memory") : 0;
}
