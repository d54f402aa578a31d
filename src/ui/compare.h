/* Comparisons: what a run is made of, and the view over it; between runs.c and compare.c. */
#ifndef SPRITTY_COMPARE_H
#define SPRITTY_COMPARE_H

#include "ui/ui.h"

enum { COMPARE_RUNS = 200, COMPARE_SIDE = 6, COMPARE_CELLS = COMPARE_SIDE * COMPARE_SIDE };

/* One cell of a run, as it will be queued. */
struct variant {
    char preset[64], label[100];
    struct settings settings; /* said over the preset */
};

/* A run of rows x cols variants on one prompt and seed, into store and queue. Returns its id or
 * -1, with a message. */
int64_t run_start(struct ui *, const char *words, uint64_t seed, int rows, int cols,
                  const char *title, struct variant *cells);
/* The same jobs again with other words (or NULL) or another seed (or NULL). */
int64_t run_again(struct ui *, const struct store_run *, const struct store_job *jobs, int count,
                  const char *words, const uint64_t *seed);
/* Variants for presets: `marked` has a flag for none and each preset of the config. Returns how
 * many, at most `room`. */
int variants_of_presets(struct ui *, const bool *marked, struct variant *, int room);
/* Variants for a text like "cfg=2,4,8 steps=10,20": the second setting goes across, the first down;
 * with one setting, it goes across. "preset=balanced,none" is one as well. Returns their count, -1
 * with err. */
int variants_of_grid(struct ui *, const char *text, struct variant *, int *rows, int *cols,
                     char *title, size_t title_size, struct err *);
void variants_free(struct variant *, int count);

/* The seed that the studio would use: locked, or that of the last sprite, or a new one. */
uint64_t run_seed(struct ui *);
uint64_t draw_seed(struct ui *);

#endif
