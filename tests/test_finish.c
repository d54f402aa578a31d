/*
 * From damaged pictures of drawn sprites back to the sprites: cells, palette, matte, and all of
 * them together. The truth is what was drawn.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>

#include "sprite/cells.h"
#include "sprite/finish.h"
#include "sprite/matte.h"
#include "sprite/oklab.h"
#include "sprite/quantize.h"
#include "sprites.h"

static const uint8_t white[3] = {255, 255, 255}, black[3] = {0, 0, 0};
static const uint8_t teal[3] = {24, 140, 150};

static struct image *filled(int w, int h, const uint8_t rgb[3])
{
    struct image *m = image_new(w, h);
    assert_non_null(m);
    for (int i = 0; i < w * h; i++) {
        memcpy(m->rgba + 4 * i, rgb, 3);
        m->rgba[4 * i + 3] = 255;
    }
    return m;
}

static uint8_t *at(struct image *m, int x, int y)
{
    return m->rgba + 4 * (y * m->width + x);
}

static struct image *finish(const struct image *m, struct finish_options o, struct finish_report *r)
{
    struct image *out;
    struct err e;
    assert_int_equal(finish_run(m, &o, &out, r, &e), 0);
    return out;
}

/* Share of pixels whose colour is nearer to another colour of the truth than to the right one. */
static double error_rate(const struct image *m, const struct image *truth)
{
    uint8_t palette[256][4], index[SPRITE_SIDE * SPRITE_SIDE];
    int n = image_palette(truth, 256, palette, index), wrong = 0, size = m->width * m->height;
    assert_true(n > 0 && m->width == truth->width && m->height == truth->height);
    for (int i = 0; i < size; i++) {
        float least = FLT_MAX;
        int best = -1;
        for (int k = 0; k < n; k++) {
            float d = oklab_distance2(oklab_from_srgb(m->rgba + 4 * i),
                                      oklab_from_srgb(palette[k]));
            if (m->rgba[4 * i + 3] == palette[k][3] && d < least)
                least = d, best = k;
        }
        wrong += best != index[i];
    }
    return (double)wrong / size;
}

/* ---- cells ---- */

static double cells_error(enum cell_method method, struct damage d)
{
    double sum = 0;
    for (int k = 0; k < SPRITE_ARTS; k++) {
        struct image *truth = sprite_draw(k, teal), *raw = sprite_damage(truth, d, 5);
        struct image *m = cells_reduce(raw, (struct cell_grid){.cell = d.cell}, method, NULL);
        sum += error_rate(m, truth) / SPRITE_ARTS;
        image_free(truth);
        image_free(raw);
        image_free(m);
    }
    return sum;
}

/* The most wrong pixels that may be, beside what was seen. */
static void cells_come_back(void **state)
{
    (void)state;
    static const struct {
        struct damage d; /* cell, blur, ring, noise, shift, salt */
        double most;
    } rows[] = {
        {{4, 0, 0, 0, 0, 0}, 0},       {{8, 0, 0, 0, 0, 0}, 0},   {{4, 1, 30, 8, 0, 0}, 0},
        {{8, 2, 60, 10, 0, 0}, 0},     {{4, 2, 30, 12, 0, 0}, 0}, {{8, 6, 60, 16, 0, 0}, 0},
        {{16, 12, 0, 16, 0, 0}, 0},    {{5, 2, 30, 10, 0, 0}, 0}, {{3, 1, 0, 6, 0, 0}, 0},
        {{8, 2, 60, 10, 2, 0}, 0},     {{8, 2, 60, 10, 0, 6}, 0}, {{4, 1, 30, 8, 0, 6}, 0},
        {{4, 1, 30, 8, 1, 0}, 0.006},  /* seen: 0.0052; by the centre 0.0091 */
        {{4, 4, 30, 12, 0, 0}, 0.037}, /* 0.0352; 0.0365 */
        {{2, 1, 0, 6, 0, 0}, 0.15},    /* 0.1380; 0.1380 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct damage d = rows[i].d;
        double dominant = cells_error(CELL_CENTROID, d);
        printf("    cell %2d blur %2d ring %2d%% noise %2d shift %d salt %d%%: wrong pixels: "
               "dominant %.4f, centre %.4f, mean %.4f\n",
               d.cell, d.blur, d.ring, d.noise, d.shift, d.salt, dominant,
               cells_error(CELL_CENTRE, d), cells_error(CELL_MEAN, d));
        assert_true(dominant <= rows[i].most);
    }
}

static void grids_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    static const struct cell_grid bad[] = {{0, 0, 0},       {-4, 0, 0},     {5, 0, 0}, {13, 0, 0},
                                           {4, 4, 0},       {4, 0, -1},     {4, 0, 7}, {12, 3, 0},
                                           {INT_MAX, 0, 0}, {INT_MIN, 0, 0}};
    struct image *m = filled(12, 12, teal);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err e = {""};
        assert_null(cells_reduce(m, bad[i], CELL_CENTROID, &e));
        assert_true(strlen(e.text) > 10);
    }
    /* With an offset the leftovers are dropped. */
    struct image *out = cells_reduce(m, (struct cell_grid){5, 1, 2}, CELL_CENTROID, NULL);
    assert_int_equal(out->width, 2);
    assert_int_equal(out->height, 2);
    image_free(out);
    image_free(m);
}

/* Half hidden or more is hidden, and hidden pixels lend no colour. */
static void cells_are_there_or_not(void **state)
{
    (void)state;
    struct image *m = image_new(8, 4), *out;
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 8; x++) {
            bool there = x < 3 || x == 7;
            memcpy(at(m, x, y), there ? teal : white, 3);
            at(m, x, y)[3] = there ? 200 : 60;
        }
    out = cells_reduce(m, (struct cell_grid){.cell = 4}, CELL_CENTROID, NULL);
    assert_memory_equal(at(out, 0, 0), ((uint8_t[]){teal[0], teal[1], teal[2], 255}), 4);
    assert_memory_equal(at(out, 1, 0), ((uint8_t[4]){0}), 4);
    image_free(out);
    image_free(m);
}

/* ---- palette ---- */

/* A sprite whose flat colours have noise gets them back, as many as were drawn. */
static void noise_merges_to_flat_colours(void **state)
{
    (void)state;
    for (int k = 0; k < SPRITE_ARTS; k++) {
        struct image *truth = sprite_draw(k, teal);
        struct image *m = sprite_damage(truth, (struct damage){.cell = 1, .noise = 6}, 3);
        struct quantize_report r;
        assert_int_equal(quantize_image(m, 0, &r, NULL), 0);
        assert_true(r.before > 100);
        assert_int_equal(r.after, image_colors(truth));
        assert_int_equal(r.after, image_colors(m));
        assert_true(error_rate(m, truth) == 0);
        image_free(m);
        image_free(truth);
    }
}

static struct image *rainbow(int w, int h)
{
    struct image *m = filled(w, h, black);
    uint32_t seed = 9;
    for (int i = 0; i < w * h; i++)
        for (int c = 0; c < 3; c++)
            m->rgba[4 * i + c] = (uint8_t)sprite_random(&seed);
    return m;
}

static double rms(const struct image *m, const struct image *from)
{
    double sum = 0;
    int n = m->width * m->height;
    for (int i = 0; i < n; i++)
        sum += oklab_distance2(oklab_from_srgb(m->rgba + 4 * i),
                               oklab_from_srgb(from->rgba + 4 * i));
    return sqrt(sum / n);
}

/* At most as many as asked for, doing it again changes nothing, and more colours are nearer. */
static void counts_are_kept(void **state)
{
    (void)state;
    static const int counts[] = {1, 2, 3, 4, 8, 16, 31, 32, 33, 64, 200, 255, 256};
    for (int side = 16; side <= 100; side += 84) { /* 256 colours, and some that need bins */
        struct image *from = rainbow(side, side);
        double last = 1;
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            struct image *m = image_copy(from), *again;
            struct quantize_report r;
            assert_int_equal(quantize_image(m, counts[i], &r, NULL), 0);
            assert_int_equal(r.before, image_colors(from));
            assert_int_equal(r.after, image_colors(m));
            assert_true(r.after <= counts[i] && r.after > counts[i] * 9 / 10);
            double error = rms(m, from);
            assert_true(error <= last);
            last = error;
            again = image_copy(m);
            assert_int_equal(quantize_image(again, counts[i], &r, NULL), 0);
            assert_true(image_equal(m, again));
            image_free(again);
            image_free(m);
        }
        image_free(from);
    }
}

/* Four pixels of red in a thousand of greens: the kind of thing that an eye or a jewel is. */
static void small_spots_survive(void **state)
{
    (void)state;
    struct image *m = filled(32, 32, black);
    for (int i = 0; i < 32 * 32; i++)
        memcpy(m->rgba + 4 * i, (uint8_t[]){20, (uint8_t)(80 + i % 32 * 4), 60}, 3);
    memcpy(at(m, 7, 7), (uint8_t[]){220, 30, 40}, 3);
    memcpy(at(m, 8, 7), (uint8_t[]){222, 30, 40}, 3);
    struct quantize_report r;
    assert_int_equal(quantize_image(m, 8, &r, NULL), 0);
    assert_int_equal(at(m, 7, 7)[0], 221);
    assert_int_equal(at(m, 8, 7)[0], 221);
    image_free(m);
}

/* Colours that an artist put there on purpose stay: few, and different to the eye. */
static void clean_sprites_stay(void **state)
{
    (void)state;
    for (int k = 0; k < SPRITE_ARTS; k++) {
        struct image *truth = sprite_draw(k, NULL), *m = image_copy(truth);
        struct quantize_report r;
        assert_int_equal(quantize_image(m, 0, &r, NULL), 0);
        assert_true(image_equal(m, truth));
        assert_int_equal(r.before, r.after);
        assert_int_equal(r.after, image_colors(truth));
        image_free(m);
        image_free(truth);
    }
}

/* ---- matte ---- */

static struct matte_report cut(struct image *m, bool holes)
{
    struct matte_report r;
    assert_int_equal(matte_cut(m, &(struct matte_options){.holes = holes}, &r, NULL), 0);
    return r;
}

static void grounds_of_any_colour_go(void **state)
{
    (void)state;
    static const uint8_t grounds[][3] = {{255, 255, 255}, {160, 160, 164}, {0, 0, 0},
                                         {0, 255, 0},     {250, 0, 250},   {24, 140, 150}};
    for (size_t g = 0; g < sizeof grounds / sizeof *grounds; g++)
        for (int k = 0; k < SPRITE_ARTS; k++) {
            struct image *truth = sprite_draw(k, NULL), *m = sprite_draw(k, grounds[g]);
            struct matte_report r = cut(m, false);
            /* The sword's and the ghost's grounds reach the border everywhere; black ground takes
             * nothing of the dark outlines. */
            assert_true(r.found);
            assert_memory_equal(r.rgb, grounds[g], 3);
            assert_true(image_equal(m, truth));
            image_free(m);
            image_free(truth);
        }
}

static void noise_of_the_ground_goes_too(void **state)
{
    (void)state;
    static const uint8_t grounds[][3] = {{4, 4, 4}, {255, 255, 255}, {160, 160, 164}};
    for (size_t g = 0; g < sizeof grounds / sizeof *grounds; g++)
        for (int noise = 1; noise <= (g ? 10 : 4); noise += 3) { /* dark outlines on dark ground */
            struct image *truth = sprite_draw(0, NULL), *drawn = sprite_draw(0, grounds[g]);
            struct image *m = sprite_damage(drawn, (struct damage){.cell = 1, .noise = noise}, 1);
            assert_true(cut(m, false).found);
            for (int i = 0; i < SPRITE_SIDE * SPRITE_SIDE; i++)
                assert_int_equal(m->rgba[4 * i + 3], truth->rgba[4 * i + 3]);
            image_free(m);
            image_free(drawn);
            image_free(truth);
        }
}

/* A ring: its hole is of the ground's colour and goes only on demand. */
static void holes_go_on_demand(void **state)
{
    (void)state;
    for (int holes = 0; holes < 2; holes++) {
        struct image *m = filled(12, 12, white);
        for (int i = 3; i < 9; i++)
            for (int j = 3; j < 9; j++)
                if (i == 3 || i == 8 || j == 3 || j == 8)
                    memcpy(at(m, i, j), black, 3);
        cut(m, holes);
        assert_int_equal(at(m, 0, 0)[3], 0);
        assert_int_equal(at(m, 3, 3)[3], 255);
        assert_int_equal(at(m, 5, 5)[3], holes ? 0 : 255);
        image_free(m);
    }
}

/* The flood does not pass where two outline pixels touch by their corners. */
static void corners_close_an_outline(void **state)
{
    (void)state;
    struct image *m = filled(13, 13, white);
    for (int y = 1; y < 12; y++)
        for (int x = 1; x < 12; x++)
            if (abs(x - 6) + abs(y - 6) == 5)
                memcpy(at(m, x, y), black, 3);
    assert_true(cut(m, false).found);
    assert_int_equal(at(m, 0, 0)[3], 0);
    assert_int_equal(at(m, 6, 6)[3], 255);
    assert_int_equal(at(m, 6, 2)[3], 255);
    image_free(m);
}

static void assert_left_alone(struct image *m)
{
    struct image *before = image_copy(m);
    assert_false(cut(m, false).found);
    assert_true(image_equal(m, before));
    image_free(before);
    image_free(m);
}

static void what_has_no_ground_is_left_alone(void **state)
{
    (void)state;
    assert_left_alone(rainbow(32, 32));
    assert_left_alone(filled(32, 32, white)); /* nothing would be left */
    assert_left_alone(filled(1, 1, teal));
    struct image *m = filled(30, 30, teal); /* three stripes */
    for (int y = 0; y < 30; y++)
        for (int x = 0; x < 20; x++)
            memcpy(at(m, x, y), x < 10 ? white : black, 3);
    assert_left_alone(m);
    m = filled(30, 30, white); /* a speck of dust in a white image: 99.9% would go */
    memcpy(at(m, 15, 15), black, 3);
    assert_left_alone(m);
    m = filled(8, 8, white); /* cut already */
    memcpy(at(m, 4, 4), black, 3);
    at(m, 0, 0)[3] = 0;
    assert_left_alone(m);
}

/* A few nearly white pixels outside of an outline go, a pale part as large as a wing stays. */
static void specks_go_and_pale_parts_stay(void **state)
{
    (void)state;
    static const uint8_t pale[3] = {226, 226, 236};
    struct image *m = filled(32, 32, white);
    for (int y = 8; y < 20; y++)
        for (int x = 8; x < 20; x++)
            memcpy(at(m, x, y), teal, 3);
    memcpy(at(m, 7, 10), pale, 3);
    memcpy(at(m, 7, 11), pale, 3);
    for (int y = 10; y < 16; y++)
        for (int x = 20; x < 26; x++)
            memcpy(at(m, x, y), pale, 3);
    assert_true(cut(m, false).found);
    assert_int_equal(at(m, 7, 10)[3], 0);
    assert_int_equal(at(m, 7, 11)[3], 0);
    assert_int_equal(at(m, 8, 10)[3], 255);
    assert_int_equal(at(m, 25, 15)[3], 255);
    image_free(m);
}

/* Single pixels between outline and ground that are mixed of both go, unless they are wanted. */
static void a_fringe_goes(void **state)
{
    (void)state;
    static const uint8_t dark[3] = {30, 24, 50};
    for (int keep = 0; keep < 2; keep++) {
        struct image *m = filled(24, 24, white);
        struct matte_report r;
        for (int y = 6; y < 18; y++)
            for (int x = 6; x < 18; x++)
                memcpy(at(m, x, y), x == 6 || y == 6 || x == 17 || y == 17 ? dark : teal, 3);
        for (int i = 0; i < 4; i++) /* 30 to 45% of the outline's colour */
            for (int c = 0; c < 3; c++)
                at(m, 5, 7 + 3 * i)[c] = (uint8_t)(255 - (255 - dark[c]) * (30 + 5 * i) / 100);
        memcpy(at(m, 18, 9), teal, 3); /* no mix of the two: a hand */
        assert_int_equal(matte_cut(m, &(struct matte_options){.keep_fringe = keep}, &r, NULL), 0);
        for (int i = 0; i < 4; i++)
            assert_int_equal(at(m, 5, 7 + 3 * i)[3], keep ? 255 : 0);
        assert_int_equal(r.fringe, keep ? 0 : 4);
        assert_int_equal(at(m, 18, 9)[3], 255);
        assert_int_equal(at(m, 6, 6)[3], 255);
        image_free(m);
    }
}

/* ---- all together ---- */

/* Enlarged, blurred, rung and noisy: the same pixels, the same number of colours, no ground. */
static void sprites_come_back(void **state)
{
    (void)state;
    static const struct {
        struct damage d; /* cell, blur, ring, noise, shift, salt */
        double most;
    } rows[] = {
        {{1, 0, 0, 4, 0, 0}, 0},       {{4, 0, 0, 6, 0, 0}, 0},  {{4, 1, 30, 8, 0, 0}, 0},
        {{8, 1, 30, 8, 0, 0}, 0},      {{8, 3, 30, 8, 0, 0}, 0}, {{8, 2, 30, 8, 0, 4}, 0},
        {{4, 2, 30, 8, 0, 0}, 0.002},  /* seen: 0.0009 */
        {{8, 6, 60, 12, 0, 0}, 0.001}, /* 0.0004 */
        {{4, 3, 30, 8, 0, 0}, 0.015},  /* 0.0109 */
        {{8, 2, 30, 8, 2, 0}, 0.03},   /* 0.0265 */
        {{4, 1, 30, 8, 1, 0}, 0.065},  /* 0.0608 */
    };
    static const uint8_t *const grounds[] = {white, teal, black};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct damage d = rows[i].d;
        double sum = 0;
        int colors = 0, drawn_colors = 0;
        for (int k = 0; k < 3 * SPRITE_ARTS; k++) {
            struct image *truth = sprite_draw(k / 3, NULL);
            struct image *drawn = sprite_draw(k / 3, grounds[k % 3]);
            struct image *raw = sprite_damage(drawn, d, (uint32_t)k);
            struct finish_report r;
            struct image *m = finish(raw, (struct finish_options){.cell = d.cell, .matte = true},
                                     &r);
            assert_int_equal(r.cell, d.cell);
            assert_int_equal(r.width, SPRITE_SIDE);
            sum += error_rate(m, truth) / (3 * SPRITE_ARTS);
            colors += r.colors_after;
            drawn_colors += image_colors(truth);
            image_free(m);
            image_free(raw);
            image_free(drawn);
            image_free(truth);
        }
        printf("    cell %d blur %d ring %2d%% noise %2d shift %d salt %d%%: wrong pixels %.4f, "
               "colours %d of %d\n",
               d.cell, d.blur, d.ring, d.noise, d.shift, d.salt, sum, colors, drawn_colors);
        assert_true(sum <= rows[i].most);
        if (rows[i].most == 0)
            assert_int_equal(colors, drawn_colors);
    }
}

static void finishing_twice_changes_nothing(void **state)
{
    (void)state;
    for (int k = 0; k < SPRITE_ARTS + 1; k++)
        for (int colors = -1; colors <= 8; colors += 3) { /* -1, 2, 5, 8; and 0 below */
            struct image *drawn = k < SPRITE_ARTS ? sprite_draw(k, white) : rainbow(16, 16);
            struct image *raw = sprite_damage(drawn, (struct damage){4, 1, 30, 8, 0, 0}, 2);
            struct finish_report r;
            struct finish_options o = {
                .cell = 4, .colors = colors == 2 ? 0 : colors, .matte = true};
            struct image *once = finish(raw, o, &r), *twice;
            o.cell = 1;
            twice = finish(once, o, &r);
            assert_true(image_equal(once, twice));
            assert_int_equal(r.colors_before, r.colors_after);
            image_free(twice);
            image_free(once);
            image_free(raw);
            image_free(drawn);
        }
}

static void odd_images_are_finished(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {2, 2}, {3, 5}, {1, 4000}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int colors = -1; colors < 3; colors++) {
            struct image *m = filled(sizes[i][0], sizes[i][1], teal);
            struct finish_report r;
            struct image *out = finish(
                m, (struct finish_options){.cell = 0, .colors = colors, .matte = true}, &r);
            assert_true(image_equal(m, out)); /* one colour: it is no ground */
            assert_false(r.background);
            assert_int_equal(r.colors_after, 1);
            assert_int_equal(r.cell, 1);
            image_free(out);
            image_free(m);
        }
    struct image *m = image_new(16, 16), *out; /* nothing to be seen at all */
    struct finish_report r;
    out = finish(m, (struct finish_options){.cell = 4, .colors = 0, .matte = true}, &r);
    assert_int_equal(r.colors_after, 0);
    assert_int_equal(image_colors(out), 0);
    image_free(out);
    image_free(m);
}

/* With nothing asked for, soft alpha stays; with anything, it is hard. */
static void alpha_is_hard_when_asked_for(void **state)
{
    (void)state;
    struct image *m = filled(8, 8, teal), *out;
    struct finish_report r;
    at(m, 0, 0)[3] = 127;
    at(m, 1, 0)[3] = 128;
    out = finish(m, (struct finish_options){.cell = 0, .colors = -1, .matte = false}, &r);
    assert_memory_equal(out->rgba, m->rgba, 8 * 8 * 4);
    image_free(out);
    out = finish(m, (struct finish_options){.cell = 0, .colors = -1, .matte = true}, &r);
    assert_memory_equal(at(out, 0, 0), ((uint8_t[4]){0}), 4);
    assert_int_equal(at(out, 1, 0)[3], 255);
    assert_false(r.background);
    assert_int_equal(r.colors_after, 1);
    image_free(out);
    image_free(m);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    uint8_t pixel[4] = {0};
    struct image *good = filled(12, 12, teal), *out;
    const struct {
        struct image m;
        struct finish_options o;
    } bad[] = {
        {*good, {.cell = 5, .colors = 0, .matte = true}},
        {*good, {.cell = -2, .colors = 0, .matte = true}},
        {*good, {.cell = 24, .colors = 0, .matte = true}},
        {*good, {.cell = INT_MAX, .colors = 0, .matte = true}},
        {*good, {.cell = 4, .colors = -2, .matte = true}},
        {*good, {.cell = 4, .colors = 257, .matte = true}},
        {*good, {.cell = 4, .colors = INT_MAX, .matte = true}},
        {{0, 12, pixel}, {.cell = 1, .colors = 0, .matte = true}},
        {{12, 0, pixel}, {.cell = 1, .colors = 0, .matte = true}},
        {{-1, -1, pixel}, {.cell = 1, .colors = 0, .matte = true}},
        {{IMAGE_MAX_SIDE + 1, 1, pixel}, {.cell = 1, .colors = 0, .matte = true}},
        {{INT_MAX, INT_MAX, pixel}, {.cell = 1, .colors = 0, .matte = true}},
        {{1, 1, NULL}, {.cell = 1, .colors = 0, .matte = true}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct finish_report r;
        struct err e = {""};
        out = good;
        assert_int_equal(finish_run(&bad[i].m, &bad[i].o, &out, &r, &e), -1);
        assert_null(out);
        assert_true(strlen(e.text) > 10);
    }
    image_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_come_back),
        cmocka_unit_test(grids_that_do_not_fit_are_refused),
        cmocka_unit_test(cells_are_there_or_not),
        cmocka_unit_test(noise_merges_to_flat_colours),
        cmocka_unit_test(counts_are_kept),
        cmocka_unit_test(small_spots_survive),
        cmocka_unit_test(clean_sprites_stay),
        cmocka_unit_test(grounds_of_any_colour_go),
        cmocka_unit_test(noise_of_the_ground_goes_too),
        cmocka_unit_test(holes_go_on_demand),
        cmocka_unit_test(corners_close_an_outline),
        cmocka_unit_test(what_has_no_ground_is_left_alone),
        cmocka_unit_test(specks_go_and_pale_parts_stay),
        cmocka_unit_test(a_fringe_goes),
        cmocka_unit_test(sprites_come_back),
        cmocka_unit_test(finishing_twice_changes_nothing),
        cmocka_unit_test(odd_images_are_finished),
        cmocka_unit_test(alpha_is_hard_when_asked_for),
        cmocka_unit_test(nonsense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
