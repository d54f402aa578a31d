/*
 * Time and bytes of a picture for the terminal: typical cases, each protocol.
 *
 *     build/bench_graphics
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "term/graphics.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static unsigned next(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Like a sprite: mirrored, blobs of few colours with an outline of noise, clear around. */
static struct image *sprite(int side, int colors)
{
    unsigned state = 7;
    struct image *m = image_new(side, side);
    for (int y = 0; m && y < side; y++)
        for (int x = 0; x < (side + 1) / 2; x++) {
            int dx = 2 * x - side, dy = 2 * y - side, d = dx * dx + dy * dy;
            int band = d * colors / (side * side) + (int)(next(&state) % 8 == 0);
            uint8_t p[4] = {(uint8_t)(40 + 180 * (band % colors) / colors),
                            (uint8_t)(200 - 11 * (band % colors)), (uint8_t)(37 * band), 255};
            if (d > side * side)
                memset(p, 0, 4);
            memcpy(m->rgba + ((size_t)y * (size_t)side + (size_t)x) * 4, p, 4);
            memcpy(m->rgba + ((size_t)y * (size_t)side + (size_t)(side - 1 - x)) * 4, p, 4);
        }
    return m;
}

/* Like a photo: soft gradients and noise, thousands of colours. */
static struct image *photo(int side)
{
    unsigned state = 3;
    struct image *m = image_new(side, side);
    for (int y = 0; m && y < side; y++)
        for (int x = 0; x < side; x++) {
            int noise = (int)(next(&state) % 9);
            uint8_t *p = m->rgba + ((size_t)y * (size_t)side + (size_t)x) * 4;
            p[0] = (uint8_t)(x * 240 / side + noise);
            p[1] = (uint8_t)(y * 240 / side + noise);
            p[2] = (uint8_t)((x + y) * 120 / side + noise);
            p[3] = 255;
        }
    return m;
}

static const char *const names[] = {"none", "blocks", "iterm", "kitty", "sixel"};

static void bench(const char *name, struct image *m, int rows, int cols)
{
    struct caps caps = {.colors = COLORS_TRUE, .cell_w = 8, .cell_h = 16, .sixel_registers = 256};
    for (int g = GRAPHICS_BLOCKS; m && g <= GRAPHICS_SIXEL; g++) {
        caps.graphics = (enum graphics)g;
        struct graphics_fit f = graphics_fit(&caps, m->width, m->height, rows, cols);
        struct graphics_job job = {.image = m,
                                   .rows = rows,
                                   .cols = cols,
                                   .scale = f.scale,
                                   .ground = {16, 16, 20},
                                   .ground2 = {24, 24, 28},
                                   .id = 1};
        size_t len = 0;
        int times = 0;
        double start = now_ms(), took;
        do {
            free(graphics_encode(&caps, &job, &len, NULL));
            times++;
        } while ((took = now_ms() - start) < 300);
        printf("%-28s %-6s %4dx%-4d %8.2f ms %9zu bytes\n", name, names[g], f.w, f.h, took / times,
               len);
    }
    image_free(m);
}

int main(void)
{
    bench("sprite 64x64, 16 colours", sprite(64, 15), 32, 64);
    bench("sprite 128x128, 32 colours", sprite(128, 31), 32, 64);
    bench("preview 16x16", photo(16), 16, 32);
    bench("preview 128x128", photo(128), 32, 64);
    bench("photo 1024x1024", photo(1024), 64, 128);
    bench("photo 1024x1024, shrunk", photo(1024), 32, 64);
    return 0;
}
