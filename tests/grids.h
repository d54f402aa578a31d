/*
 * Sprites on grids of any size and place, and what happens to them on the way: for the tests and
 * the bench of src/sprite/grid.h. The truth is known: the sprite, and where its lines are.
 */
#ifndef SPRITTY_TESTS_GRIDS_H
#define SPRITTY_TESTS_GRIDS_H

#include <math.h>

#include "sprites.h"

/* -- drawing ------------------------------------------------------------------------------------
 */

/* A creature that nobody drew: half a random body, mirrored, with an outline, light from above,
 * eyes and spots. side: 8 to 64. */
static inline struct image *grid_creature(int side, uint32_t seed)
{
    static const uint8_t ground[3] = {232, 236, 228};
    struct image *m = image_new(side, side);
    uint8_t body[64][64] = {{0}};
    uint8_t base[3];
    for (int c = 0; c < 3; c++)
        base[c] = (uint8_t)(48 + sprite_random(&seed) % 176);
    int half = side / 2, bumps = 3 + (int)(sprite_random(&seed) % 4);
    for (int k = 0; k < bumps; k++) {
        int size = side / 8 + (int)(sprite_random(&seed) % (unsigned)(side / 6 + 1));
        int cx = half - (int)(sprite_random(&seed) % (unsigned)(half / 2 + 1));
        int cy = size + 1 + (int)(sprite_random(&seed) % (unsigned)(side - 2 * size - 2));
        for (int y = 1; y < side - 1; y++)
            for (int x = 1; x < half; x++)
                body[y][x] |= (x - cx) * (x - cx) + (y - cy) * (y - cy) <= size * size;
    }
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int sx = x < half ? x : side - 1 - x;
            sx = sx < 0 ? 0 : sx;
            bool in = body[y][sx], edge = false;
            for (int k = 0; k < 4 && in; k++) {
                int nx = sx + (k == 0) - (k == 1), ny = y + (k == 2) - (k == 3);
                edge |= nx < half && !body[ny][nx];
            }
            uint8_t *p = m->rgba + 4 * (y * side + x);
            int shade = in && !body[y > 2 ? y - 3 : 0][sx]   ? 44
                        : body[y + 3 < side ? y + 3 : y][sx] ? 0
                                                             : -40;
            for (int c = 0; c < 3; c++)
                p[c] = !in    ? ground[c]
                       : edge ? (uint8_t)(base[c] / 5)
                              : sprite_byte(base[c] + shade);
            p[3] = 255;
        }
    for (int k = 0; k < side / 2; k++) { /* spots, two a place */
        int x = (int)(sprite_random(&seed) % (unsigned)half),
            y = (int)(sprite_random(&seed) % (unsigned)side);
        for (int at = x; body[y][x]; at = side - 1 - x) {
            uint8_t *p = m->rgba + 4 * (y * side + at);
            for (int c = 0; c < 3; c++)
                p[c] = k < 2 ? 20 : (uint8_t)(255 - base[c] / 2);
            if (at != x || at == side - 1 - x)
                break;
        }
    }
    return m;
}

/* The drawn sprites first, then creatures of 16 to 48 pixels. */
static inline struct image *grid_sprite(int which)
{
    static const int sides[] = {16, 24, 32, 48};
    if (which < SPRITE_ARTS)
        return sprite_draw(which, (const uint8_t[]){236, 232, 240});
    return grid_creature(sides[which % 4], (uint32_t)which * 77u + 5);
}

/* -- enlarging ----------------------------------------------------------------------------------
 */

struct grid_case {
    double cell_x, cell_y; /* pixels */
    double left, top;      /* where the first cell begins */
    double wander;         /* lines leave their places by up to so many cells, slowly */
    bool nearest;          /* each pixel has one cell's colour; else a mix by area */
    int blur, ring, noise; /* as in struct damage */
    int quality;           /* of JPEG; 0: none */
};

static inline double grid_line(double cell, double first, double wander, int i)
{
    return first + cell * (i + wander * sin(i * 0.37));
}

/* Which two cells pixel i shows, and how much of the second. */
static inline void grid_pixel(double cell, double first, double wander, int cells, int i,
                              bool nearest, int *at, double *share)
{
    int k = 0;
    while (k + 1 < cells && grid_line(cell, first, wander, k + 1) <= i)
        k++;
    double over = i + 1 - grid_line(cell, first, wander, k + 1);
    *at = k;
    *share = k + 1 < cells && over > 0 ? over : 0;
    if (nearest)
        *share = *share > 0.5;
}

static inline struct image *grid_enlarge(const struct image *s, const struct grid_case *g)
{
    int w = (int)ceil(grid_line(g->cell_x, g->left, g->wander, s->width) - 1e-9);
    int h = (int)ceil(grid_line(g->cell_y, g->top, g->wander, s->height) - 1e-9);
    struct image *m = image_new(w, h);
    for (int y = 0; y < h; y++) {
        int sy, sx;
        double fy, fx;
        grid_pixel(g->cell_y, g->top, g->wander, s->height, y, g->nearest, &sy, &fy);
        for (int x = 0; x < w; x++) {
            grid_pixel(g->cell_x, g->left, g->wander, s->width, x, g->nearest, &sx, &fx);
            uint8_t *out = m->rgba + 4 * (y * w + x);
            for (int c = 0; c < 4; c++) {
                double v = 0;
                for (int k = 0; k < 4; k++) {
                    double share = (k & 1 ? fx : 1 - fx) * (k & 2 ? fy : 1 - fy);
                    int at = (sy + (k >> 1)) * s->width + sx + (k & 1);
                    v += share > 0 ? share * s->rgba[4 * at + c] : 0;
                }
                out[c] = sprite_byte((int)(v + 0.5));
            }
        }
    }
    return m;
}

/* -- JPEG ---------------------------------------------------------------------------------------
 */

/* The example tables of ITU-T T.81, annex K.1. */
static const uint8_t jpeg_luma[64] = {16,  11,  10,  16,  24, 40, 51,  61,  12,  12,  14,  19,  26,
                                      58,  60,  55,  14,  13, 16, 24,  40,  57,  69,  56,  14,  17,
                                      22,  29,  51,  87,  80, 62, 18,  22,  37,  56,  68,  109, 103,
                                      77,  24,  35,  55,  64, 81, 104, 113, 92,  49,  64,  78,  87,
                                      103, 121, 120, 101, 72, 92, 95,  98,  112, 100, 103, 99};
static const uint8_t jpeg_chroma[64] = {
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99,
    99, 99, 47, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
    99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99};

/* Rows of eight, transformed into or (inverse) out of cosines, and turned into columns. */
static inline void jpeg_lines(const float in[64], float out[64], bool inverse)
{
    static float t[64];
    if (t[0] == 0)
        for (int u = 0; u < 8; u++)
            for (int x = 0; x < 8; x++)
                t[8 * u + x] = (float)((u ? 0.5 : sqrt(0.125)) *
                                       cos((2 * x + 1) * u * 3.14159265358979 / 16));
    for (int y = 0; y < 8; y++)
        for (int u = 0; u < 8; u++) {
            float sum = 0;
            for (int x = 0; x < 8; x++)
                sum += in[8 * y + x] * (inverse ? t[8 * x + u] : t[8 * u + x]);
            out[8 * u + y] = sum;
        }
}

static inline void jpeg_block(float b[64], const uint8_t table[64], int quality)
{
    float turned[64];
    int scale = quality < 50 ? 5000 / quality : 200 - 2 * quality; /* as libjpeg reads quality */
    jpeg_lines(b, turned, false);
    jpeg_lines(turned, b, false);
    for (int i = 0; i < 64; i++) {
        int q = (table[i] * scale + 50) / 100;
        q = q < 1 ? 1 : q > 255 ? 255 : q;
        b[i] = roundf(b[i] / (float)q) * (float)q;
    }
    jpeg_lines(b, turned, true);
    jpeg_lines(turned, b, true);
}

/* One 8x8 block of all three planes, borders repeated. */
static inline void jpeg_wear_block(struct image *m, int left, int top, int quality)
{
    float plane[3][64];
    uint8_t *p[64];
    for (int i = 0; i < 64; i++) {
        int x = left + i % 8, y = top + i / 8;
        x = x < m->width ? x : m->width - 1;
        y = y < m->height ? y : m->height - 1;
        p[i] = m->rgba + 4 * (y * m->width + x);
        float r = p[i][0], g = p[i][1], b = p[i][2];
        plane[0][i] = 0.299f * r + 0.587f * g + 0.114f * b - 128;
        plane[1][i] = -0.168736f * r - 0.331264f * g + 0.5f * b;
        plane[2][i] = 0.5f * r - 0.418688f * g - 0.081312f * b;
    }
    for (int c = 0; c < 3; c++)
        jpeg_block(plane[c], c ? jpeg_chroma : jpeg_luma, quality);
    for (int i = 0; i < 64; i++) {
        float l = plane[0][i] + 128, cb = plane[1][i], cr = plane[2][i];
        p[i][0] = sprite_byte((int)lroundf(l + 1.402f * cr));
        p[i][1] = sprite_byte((int)lroundf(l - 0.344136f * cb - 0.714136f * cr));
        p[i][2] = sprite_byte((int)lroundf(l + 1.772f * cb));
    }
}

static inline void jpeg_wear(struct image *m, int quality)
{
    for (int y = 0; y < m->height; y += 8)
        for (int x = 0; x < m->width; x += 8)
            jpeg_wear_block(m, x, y, quality);
}

/* -- both ---------------------------------------------------------------------------------------
 */

static inline struct image *grid_picture(const struct image *sprite, const struct grid_case *g,
                                         uint32_t seed)
{
    struct image *m = grid_enlarge(sprite, g);
    sprite_wear(m, (struct damage){1, g->blur, g->ring, g->noise, 0, 0}, &seed);
    if (g->quality)
        jpeg_wear(m, g->quality);
    return m;
}

/* -- a set ----------------------------------------------------------------------------------------
 */

/* What happens to the pictures of a set. Blur is for cells of 8 pixels, more for larger ones. */
static const struct grid_kind {
    const char *name;
    bool fractions; /* cells of so many pixels and a part of one */
    double shift;   /* the first cell begins anywhere in so much of a cell */
    struct grid_case worn;
} grid_kinds[] = {
    {"clean", false, 0, {.nearest = true}},
    {"clean, shifted", false, 1, {.nearest = true}},
    {"blurred", false, 1, {.blur = 2, .ring = 30, .noise = 4}},
    {"blurred more", false, 1, {.blur = 4, .ring = 30, .noise = 8}},
    {"noisy", false, 1, {.noise = 24}},
    {"JPEG 90", false, 1, {.quality = 90}},
    {"JPEG 75", false, 1, {.quality = 75}},
    {"JPEG 50, blurred", false, 1, {.blur = 1, .noise = 4, .quality = 50}},
    {"fractions, nearest", true, 1, {.nearest = true}},
    {"fractions, mixed", true, 1, {.nearest = false}},
    {"fractions, blurred", true, 1, {.blur = 2, .ring = 30, .noise = 6}},
    {"fractions, JPEG 75", true, 1, {.blur = 1, .quality = 75}},
    {"wandering", false, 0, {.wander = 0.25, .nearest = true}},
    {"wandering, blurred", false, 1, {.wander = 0.25, .blur = 2, .ring = 30, .noise = 6}},
};

static const double grid_whole[] = {4, 5, 6, 7, 8, 10, 12, 16};
static const double grid_broken[] = {4.27, 5.33, 6.4, 7.5, 8.53, 10.67, 12.8, 15.06};

enum {
    GRID_KINDS = sizeof grid_kinds / sizeof *grid_kinds,
    GRID_SIZES = sizeof grid_whole / sizeof *grid_whole
};

static inline struct grid_case grid_case_of(int kind, int size, int sprite)
{
    const struct grid_kind *k = &grid_kinds[kind];
    struct grid_case g = k->worn;
    double part = fmod(0.37 * sprite + 0.13 * size, 1), cell;
    cell = k->fractions ? grid_broken[size] : grid_whole[size];
    g.cell_x = g.cell_y = cell;
    g.blur = (int)(cell * g.blur / 8);
    g.left = k->shift * part * cell, g.top = k->shift * (1 - part) * cell;
    if (g.nearest)
        g.left = floor(g.left), g.top = floor(g.top);
    return g;
}

#endif
