/*
 * Pictures that a job begins with, and the files beside its model: settings to what the pipeline
 * takes.
 *
 * An image is put on the background that the model expects where it is transparent, and fitted to
 * the job's size: cut ("crop"), warped ("stretch") or surrounded by the background ("pad"). What is
 * enlarged twice or more is taken for pixel art and keeps its hard edges; all else goes through
 * Lanczos' filter. A mask is fitted in the same way. Without --size, a picture of about as many
 * pixels as the model's own size keeps its size.
 */
#ifndef SPRITTY_INPUTS_H
#define SPRITTY_INPUTS_H

#include <limits.h>

#include "config.h"
#include "engine/controls.h"
#include "sdxl/pipeline.h"

struct inputs {
    uint8_t *image, *mask; /* width x height x 3, width x height; NULL: none */
    uint8_t *alpha;        /* the image's, if a mask keeps a part of it; NULL: opaque */
    uint8_t *grey;         /* the mask before it grew, which mask_content greys */
    struct hint hint;      /* a ControlNet's */
    char vae[PATH_MAX], refiner[PATH_MAX], control[PATH_MAX]; /* "": none */
    uint8_t background[3]; /* the model's own (spritty.json), else white */
};

/* Whether the setting is said and not empty. */
bool setting_says(const struct settings *, const char *key);

/* The size that a job without one takes from its image, near `side` squared pixels; false: it has
 * no image that can be read, or of another magnitude. */
bool inputs_size(const struct settings *, int width, int height, int size[2]);
/* That of a settled job's second pass; 0, 0: it has none. */
void inputs_hires_size(const struct settings *, int size[2]);
/* Reads the pictures, finds the files, checks that nothing is said in vain. -1 with err;
 * inputs_free after either. */
int inputs_prepare(struct inputs *, const struct settings *, struct err *);
/* Of that the mask alone, of settings that are settled. */
int inputs_mask(struct inputs *, const struct settings *, struct err *);
void inputs_point(const struct inputs *, const struct settings *, struct gen_params *,
                  struct pipeline_options *);
void inputs_free(struct inputs *);

#endif
