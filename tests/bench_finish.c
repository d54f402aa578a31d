/*
 * Times the finishing of 1024x1024 pictures on one core.
 *
 *     bench_finish [--runs N] [--case N]
 *
 * Pictures: drawn sprites as a decoder shows them (blurred, rung, noisy), a smooth one of many
 * colours, the same as a camera would see it (noisy), and noise, through which no step has a short
 * way. "all": every step of clean, an outline and the sprite's place as well. Processor time, best
 * and median of N runs (15), and a checksum of the result, which changes of speed must not change.
 * --case: only the row of that number, from 0.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sprite/cells.h"
#include "sprite/finish.h"
#include "sprite/matte.h"
#include "sprite/quantize.h"
#include "sprites.h"

enum { SIDE = 1024, RUNS_MAX = 1000 };

/* Of this thread: neighbours on the machine count less so. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_value(const void *p, const void *q)
{
    double a = *(const double *)p, b = *(const double *)q;
    return a < b ? -1 : a > b;
}

/* 16x16 sprites side by side on white. */
static struct image *sprites(int cell)
{
    int side = SIDE / cell;
    struct image *m = image_new(side, side);
    for (int i = 0; i < side * side; i++) {
        int x = i % side, y = i / side;
        char letter = sprite_art[(x / 16 + y / 16) % SPRITE_ARTS][y % 16][x % 16];
        bool margin = x < 4 || y < 4 || x >= side - 4 || y >= side - 4;
        sprite_paint(margin ? ' ' : letter, (const uint8_t[]){255, 255, 255}, m->rgba + 4 * i);
    }
    struct image *raw = sprite_damage(m, (struct damage){cell, cell / 4, 30, 6, 0, 0}, 1);
    image_free(m);
    return raw;
}

static uint64_t xorshift(uint64_t state) /* Marsaglia's */
{
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

/* Each byte off by up to `grain`. */
static struct image *smooth(int grain)
{
    struct image *m = image_new(SIDE, SIDE);
    uint64_t state = 88172645463325252;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE, y = i / SIDE;
        const uint8_t p[4] = {(uint8_t)(x / 4), (uint8_t)(y / 4), (uint8_t)((x + y) / 2), 255};
        state = xorshift(state);
        for (int c = 0; c < 4; c++) {
            int v = p[c] + (int)((state >> 16 * c & 0xffff) % (unsigned)(2 * grain + 1)) - grain;
            m->rgba[4 * i + c] = (uint8_t)(c == 3 || v > 255 ? 255 : v < 0 ? 0 : v);
        }
    }
    return m;
}

/* Nearly as many colours as pixels, on a ground of one colour with so wide a border. */
static struct image *noise(int border)
{
    struct image *m = image_new(SIDE, SIDE);
    uint64_t state = 88172645463325252;
    for (int i = 0; i < SIDE * SIDE; i++) {
        int x = i % SIDE, y = i / SIDE;
        bool ground = x < border || y < border || x >= SIDE - border || y >= SIDE - border;
        state = xorshift(state);
        for (int c = 0; c < 4; c++)
            m->rgba[4 * i + c] = c == 3 ? 255 : ground ? 240 : (uint8_t)(state >> (16 + 8 * c));
    }
    return m;
}

static uint32_t checksum(const struct image *m) /* Fowler, Noll and Vo's */
{
    uint32_t sum = 2166136261u;
    for (int i = 0; i < m->width * m->height * 4; i++)
        sum = (sum ^ m->rgba[i]) * 16777619u;
    return sum;
}

static void time_one(int number, const char *name, const struct image *m, struct finish_options o,
                     int runs)
{
    double ms[RUNS_MAX];
    struct finish_report r = {0};
    uint32_t sum = 0;
    for (int i = 0; i < runs; i++) {
        struct image *out;
        struct err e;
        double start = now_ms();
        if (finish_run(m, &o, &out, &r, &e)) {
            fprintf(stderr, "bench_finish: %s\n", e.text);
            exit(1);
        }
        ms[i] = now_ms() - start;
        sum = checksum(out);
        image_free(out);
    }
    qsort(ms, (size_t)runs, sizeof *ms, by_value);
    printf("%2d  %-13s cell %2d  colours %3d%s %-6s matte %d %s: %7d -> %3d colours  best %6.2f  "
           "median %6.2f ms  %08" PRIx32 "\n",
           number, name, o.cell, o.palette ? o.palette->n : o.colors, o.palette ? "p" : " ",
           dither_name((int)o.dither), o.matte, o.clean ? "all" : "   ", r.colors_before,
           r.colors_after, ms[0], ms[runs / 2], sum);
}

struct picture_case {
    const char *name;
    struct image *m;
};

static int usage(void)
{
    fprintf(stderr, "usage: bench_finish [--runs N] [--case N]\n");
    return 2;
}

int main(int argc, char **argv)
{
    int runs = 15, only = -1, number = 0;
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || (strcmp(argv[i], "--runs") && strcmp(argv[i], "--case")))
            return usage();
        *(strcmp(argv[i], "--runs") ? &only : &runs) = atoi(argv[i + 1]);
    }
    if (runs < 1 || runs > RUNS_MAX)
        return usage();
    struct picture_case pictures[] = {{"sprites of 4", sprites(4)}, {"sprites of 8", sprites(8)},
                                      {"smooth", smooth(0)},        {"smooth, grain", smooth(6)},
                                      {"noise", noise(0)},          {"noise on grey", noise(16)}};
    struct palette nes, many = {.n = PALETTE_MAX};
    struct err e;
    if (palette_load("nes", &nes, &e))
        return 1;
    for (int i = 0; i < PALETTE_MAX; i++) { /* 8 x 8 x 4 levels */
        const uint8_t rgb[3] = {(uint8_t)((i & 7) * 36), (uint8_t)((i >> 3 & 7) * 36),
                                (uint8_t)((i >> 6) * 85)};
        memcpy(many.rgb[i], rgb, 3);
    }
    const struct finish_options everything = {
        .cell = FINISH_FIND,
        .matte = true,
        .palette = &nes,
        .dither = DITHER_BAYER8,
        .clean = CLEAN_ALL,
        .outline = OUTLINE_OUTER,
        .place = true,
        .frame = {.trim = true, .power_of_two = true, .anchor = ANCHOR_FEET}};
    struct finish_options pixels = everything, diffused = everything, chosen = everything;
    pixels.cell = diffused.cell = chosen.cell = 1;
    diffused.dither = DITHER_FLOYD;
    chosen.palette = NULL;
    const struct finish_options options[] = {
        {.cell = 4, .colors = 0, .matte = true},
        {.cell = 8, .colors = 0, .matte = true},
        {.cell = 16, .colors = 0, .matte = true},
        {.cell = 8, .colors = 16, .matte = true},
        {.cell = 8, .colors = -1, .matte = false},
        {.cell = 1, .colors = 0, .matte = true},
        {.cell = 1, .colors = 16, .matte = true},
        {.cell = 1, .colors = 256, .matte = false},
        {.cell = 1, .colors = -1, .matte = true},
        {.cell = 1, .colors = 16, .matte = false},
        {.cell = FINISH_FIND, .matte = true},
        everything,
        pixels,
        diffused,
        chosen,
        {.cell = 1, .palette = &nes},
        {.cell = 1, .palette = &nes, .dither = DITHER_BAYER4},
        {.cell = 1, .palette = &many, .dither = DITHER_BAYER4},
        {.cell = 1, .palette = &many, .dither = DITHER_FLOYD},
        {.cell = 1, .colors = 16, .dither = DITHER_FLOYD, .matte = true},
    };
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        for (size_t k = 0; k < sizeof options / sizeof *options; k++)
            if (number++ == only || only < 0)
                time_one(number - 1, pictures[i].name, pictures[i].m, options[k], runs);
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++)
        image_free(pictures[i].m);
    return 0;
}
