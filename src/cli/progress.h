/*
 * Progress on stderr: one line that is redrawn on a terminal, one line a stage anywhere else.
 */
#ifndef SPRITTY_PROGRESS_H
#define SPRITTY_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/notes.h"
#include "sdxl/pipeline.h"
#include "sprite/sheet.h"

struct progress {
    FILE *to;
    bool quiet, terminal, utf8;
    int columns;
    char stage[16];  /* now, or "" */
    double began;    /* milliseconds, of the stage */
    double stepping; /* milliseconds of the steps so far, */
    int worked;      /* and the units of work in them (base/workload.h) */
    struct workload work;
    double later; /* of gen_progress, as the stage began */
    int step, steps;
    size_t bytes;
    struct notes told; /* by progress_note */
};

void progress_init(struct progress *, FILE *to, bool quiet);
void progress_event(struct progress *, const struct gen_progress *);
void progress_finish(struct progress *); /* ends the line of the last stage */
/* Notes for the user, a line each, behind what is shown; one that was told before is not told
 * again. */
void progress_note(struct progress *, const char *lines);
void progress_notes(struct progress *, const struct notes *);
void progress_free(struct progress *); /* what notes took */

/* The bar's line without its control characters: "sampling  12/20 ━━━━━╸───  41 ms/step  ...". */
void progress_line(const struct progress *, double now, char *out, size_t size);

/* The sprite with half blocks in true colour, when `to` is a terminal that can be trusted with it;
 * at most 64 columns and 32 rows. */
void progress_picture(const struct progress *, const struct image *);

/* Frames one after the other, each for `ms`, all of them so many times; on a terminal only. */
void progress_play(const struct progress *, const struct sheet_frame *, int n, int ms, int times);

#endif
