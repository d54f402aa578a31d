/*
 * How well the grid of enlarged sprites is found, and how fast.
 *
 *     bench_grid [--write DIR]
 *
 * Drawn sprites on known grids, by kinds of damage. A grid is found exactly when between the
 * sprite's outermost edges it has the lines that were drawn, each less than a pixel off (most are
 * drawn between two pixels), and no other; wandering lines: less than a quarter of a cell. Wrong
 * pixels: those of the sprite whose colour is nearer to another of its colours than to the right
 * one. --write also leaves each picture and its sprite as PNG, for other programs.
 */
#include <stdio.h>
#include <time.h>

#include "grid_score.h"
#include "sprite/png.h"

/* Of this thread: neighbours on the machine count less so. */
static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

enum { SPRITES = 9 };

static void save(const char *dir, const char *what, int kind, int size, int sprite,
                 const struct image *m)
{
    char path[400];
    struct err e;
    struct picture p = {PICTURE_RGBA, m->width, m->height, m->rgba, NULL, 0};
    snprintf(path, sizeof path, "%s/%02d-%d-%d-%s.png", dir, kind, size, sprite, what);
    if (png_save(path, &p, NULL, 0, &e))
        fprintf(stderr, "bench_grid: %s\n", e.text);
}

struct sums {
    int count, exact, nothing, per_size[GRID_SIZES];
    double wrong, ms;
};

static void run_picture(int kind, int size, int sprite, const char *dir, struct sums *s)
{
    struct grid_case g = grid_case_of(kind, size, sprite);
    struct image *truth = grid_sprite(sprite), *m = grid_picture(truth, &g, 9u + (unsigned)sprite);
    struct grid found;
    struct err e;
    double start = now_ms();
    if (grid_find(m, 0, &found, &e)) {
        fprintf(stderr, "bench_grid: %s\n", e.text);
        exit(1);
    }
    s->ms += now_ms() - start;
    bool exact = score_is_exact(&found, &g, truth);
    s->count++, s->exact += exact, s->per_size[size] += exact, s->nothing += !found.found;
    s->wrong += score_wrong_pixels(m, &found, &g, truth);
    if (dir) {
        save(dir, "picture", kind, size, sprite, m);
        save(dir, "sprite", kind, size, sprite, truth);
    }
    grid_free(&found);
    image_free(truth);
    image_free(m);
}

static void run_kind(int kind, const char *dir, struct sums *all)
{
    struct sums s = {0};
    for (int size = 0; size < GRID_SIZES; size++)
        for (int i = 0; i < SPRITES; i++)
            run_picture(kind, size, i, dir, &s);
    printf("%-20s exact %5.1f%%  none %2d of %d  wrong pixels %.4f  %.2f ms  exact by size",
           grid_kinds[kind].name, 100.0 * s.exact / s.count, s.nothing, s.count, s.wrong / s.count,
           s.ms / s.count);
    for (int size = 0; size < GRID_SIZES; size++)
        printf(" %d", s.per_size[size]);
    printf("\n");
    all->count += s.count, all->exact += s.exact, all->wrong += s.wrong;
}

/* 1024x1024, tiled with sprites. */
static void time_large(int cell)
{
    int side = 1024 / cell;
    struct image *tiles = image_new(side, side);
    for (int i = 0; i < side * side; i++) {
        int x = i % side, y = i / side;
        sprite_paint(sprite_art[(x / 16 + y / 16) % SPRITE_ARTS][y % 16][x % 16],
                     (const uint8_t[]){255, 255, 255}, tiles->rgba + 4 * i);
    }
    struct image *m = sprite_damage(tiles, (struct damage){cell, cell / 4, 30, 6, 0, 0}, 1);
    double best = 1e9;
    struct grid g;
    struct err e;
    for (int i = 0; i < 9; i++) {
        double start = now_ms();
        if (grid_find(m, 0, &g, &e))
            exit(1);
        double ms = now_ms() - start;
        best = ms < best ? ms : best;
        grid_free(&g);
    }
    printf("%dx%d, cells of %d: %.2f ms, best of 9\n", m->width, m->height, cell, best);
    image_free(tiles);
    image_free(m);
}

int main(int argc, char **argv)
{
    struct sums all = {0};
    bool write = argc == 3 && !strcmp(argv[1], "--write");
    if (argc > 1 && !write) {
        fprintf(stderr, "usage: bench_grid [--write DIR]\n");
        return 2;
    }
    for (int k = 0; k < GRID_KINDS; k++)
        run_kind(k, write ? argv[2] : NULL, &all);
    printf("all: %d pictures, exact %.1f%%, wrong pixels %.4f\n", all.count,
           100.0 * all.exact / all.count, all.wrong / all.count);
    for (int cell = 4; cell <= 16; cell *= 2)
        time_large(cell);
    return 0;
}
