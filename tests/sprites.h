/*
 * Drawn sprites of known pixels, and what a decoder makes of them: enlarged, blurred over the
 * cells' borders, rung, noisy. For the tests of src/sprite.
 */
#ifndef SPRITTY_TESTS_SPRITES_H
#define SPRITTY_TESTS_SPRITES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sprite/image.h"

/* 16x16, one letter a pixel; blank is the background. */
static const char *const sprite_art[][16] = {
    {
        "                ",
        "     y  y  y    ",
        "     yy y yy    ",
        "     yyyyyyy    ",
        "    kkkkkkkkk   ",
        "   kglllgggggk  ",
        "  kglwwlggggggk ",
        "  kglwlgggggggk ",
        "  kggggggggggdk ",
        " kgggkggggkgggdk",
        " kgggkggggkggddk",
        " kggggggggggggdk",
        " kdggggkkkggggdk",
        " kddgggggggggddk",
        "  kkdddddddddkk ",
        "    kkkkkkkkk   ",
    },
    {
        "             kkk",
        "            kwsk",
        "           kwssk",
        "          kwssk ",
        "         kwssk  ",
        "        kwssk   ",
        "       kwssk    ",
        "  kk  kwssk     ",
        "  kykkwssk      ",
        "   kykssk       ",
        "   kyyyk        ",
        "  knkyyyk       ",
        " knnkkkkyk      ",
        "krnk    kk      ",
        "krrk            ",
        " kk             ",
    },
    {
        "     kkkkkk     ",
        "   kkwwwwwwkk   ",
        "  kwwwwwwwwwwk  ",
        "  kwwwwwwwwwpk  ",
        " kwwwkwwwkwwwpk ",
        " kwwwkwwwkwwwpk ",
        " kwwwwwwwwwwwpk ",
        " kwwrwwwwwrwwpk ",
        " kwwwwkkwwwwppk ",
        " kwwwwwwwwwwppk ",
        " kwwwwwwwwwwppk ",
        " kwwwwwwwwwpppk ",
        " kwwwkwwwkwwppk ",
        " kwwkkkwkkkwwpk ",
        "  kk   k   kkk  ",
        "                ",
    },
};

enum { SPRITE_ARTS = sizeof sprite_art / sizeof *sprite_art, SPRITE_SIDE = 16 };

static inline void sprite_paint(char letter, const uint8_t ground[3], uint8_t p[4])
{
    static const struct {
        char letter;
        uint8_t rgb[3];
    } colors[] = {
        {'k', {28, 22, 40}},  {'y', {246, 192, 44}},  {'g', {56, 172, 66}},   {'l', {126, 214, 88}},
        {'d', {24, 116, 58}}, {'w', {255, 255, 255}}, {'s', {150, 160, 184}}, {'n', {142, 92, 52}},
        {'r', {216, 42, 48}}, {'p', {196, 204, 224}},
    };
    memcpy(p, ground, 3);
    p[3] = 255;
    for (size_t i = 0; i < sizeof colors / sizeof *colors; i++)
        if (colors[i].letter == letter)
            memcpy(p, colors[i].rgb, 3);
}

/* ground NULL: transparent black. */
static inline struct image *sprite_draw(int which, const uint8_t ground[3])
{
    struct image *m = image_new(SPRITE_SIDE, SPRITE_SIDE);
    for (int i = 0; m && i < SPRITE_SIDE * SPRITE_SIDE; i++) {
        char letter = sprite_art[which][i / SPRITE_SIDE][i % SPRITE_SIDE];
        if (ground || letter != ' ')
            sprite_paint(letter, ground ? ground : (const uint8_t[3]){0}, m->rgba + 4 * i);
    }
    return m;
}

static inline uint32_t sprite_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static inline uint8_t sprite_byte(int v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* One pass of 1 2 1 in one direction over the channel values; steps are in pixels. */
static inline void sprite_blur_line(int *v, int n, size_t step)
{
    int before = v[0];
    for (int i = 0; i < n; i++) {
        int here = v[i * step], after = i + 1 < n ? v[(i + 1) * step] : here;
        v[i * step] = (before + 2 * here + after + 2) / 4;
        before = here;
    }
}

static inline void sprite_blur(int *v, int w, int h, int passes)
{
    for (int k = 0; k < passes; k++) {
        for (int y = 0; y < h; y++)
            sprite_blur_line(v + (size_t)y * w, w, 1);
        for (int x = 0; x < w; x++)
            sprite_blur_line(v + x, h, (size_t)w);
    }
}

struct damage {
    int cell;  /* enlarged by this */
    int blur;  /* passes of 1 2 1; each adds half a pixel of variance */
    int ring;  /* percent of what a wider blur takes away that is added again */
    int noise; /* at most this is added to or taken from each byte */
    int shift; /* moved right and down by so many pixels, the borders repeated */
    int salt;  /* percent of pixels that become any colour */
};

static inline void sprite_shift(struct image *m, int by)
{
    for (int y = m->height - 1; y >= 0; y--)
        for (int x = m->width - 1; x >= 0; x--) {
            int from_x = x < by ? 0 : x - by, from_y = y < by ? 0 : y - by;
            memmove(m->rgba + 4 * (y * m->width + x), m->rgba + 4 * (from_y * m->width + from_x),
                    4);
        }
}

static inline void sprite_salt(struct image *m, int percent, uint32_t *seed)
{
    for (int i = 0; i < m->width * m->height; i++)
        if ((int)(sprite_random(seed) % 100) < percent)
            for (int c = 0; c < 3; c++)
                m->rgba[4 * i + c] = (uint8_t)sprite_random(seed);
}

/* Blurs, rings and adds noise; the cell's size and the shift are not looked at. */
static inline void sprite_wear(struct image *m, struct damage d, uint32_t *seed)
{
    size_t n = (size_t)m->width * m->height;
    int *v = malloc(2 * n * sizeof *v), *wide = v + n;
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++)
            v[i] = m->rgba[4 * i + c];
        sprite_blur(v, m->width, m->height, d.blur);
        memcpy(wide, v, n * sizeof *v);
        sprite_blur(wide, m->width, m->height, 2);
        for (size_t i = 0; i < n; i++) {
            int noise = (int)(sprite_random(seed) % (unsigned)(2 * d.noise + 1)) - d.noise;
            m->rgba[4 * i + c] = sprite_byte(v[i] + (v[i] - wide[i]) * d.ring / 100 + noise);
        }
    }
    free(v);
}

/* What a decoder would make of the sprite. */
static inline struct image *sprite_damage(const struct image *sprite, struct damage d,
                                          uint32_t seed)
{
    struct image *m = image_enlarge(sprite, d.cell);
    sprite_wear(m, d, &seed);
    sprite_shift(m, d.shift);
    sprite_salt(m, d.salt, &seed);
    return m;
}

#endif
