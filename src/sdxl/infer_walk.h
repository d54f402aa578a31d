/*
 * A table of tensors as what reads an architecture off it sees it: names that are put together,
 * sizes that are checked, the first error.
 */
#ifndef SPRITTY_INFER_WALK_H
#define SPRITTY_INFER_WALK_H

#include "sdxl/keymap.h"
#include "sdxl/safetensors.h"

enum { HEAD_SIZE = 64, NORM_GROUPS = 32 };

struct walk {
    const struct safetensors *st;
    struct err *e;
    /* Names are those of a ControlNet in diffusers, and the file has the original ones; NULL: they
     * are the file's own. */
    const struct model_config *control;
    bool bare;       /* with `control`: without the prefix */
    const char *vae; /* the prefix of its tensors */
    const struct vae_names *names;
};

const struct st_tensor *walk_get(const struct walk *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool walk_has(const struct walk *, const char *prefix); /* of the file's own names */
/* Fails with "FILE: what". */
int walk_fail(const struct walk *, const char *what);
/* Size `at` of a tensor that must be there with that rank. */
int walk_size(const struct walk *, const char *name, int rank, int at, int *out);
/* PREFIX0SUFFIX, PREFIX1SUFFIX, ... : how many there are from 0 on, at most `max` + 1. */
int walk_run(const struct walk *, const char *prefix, const char *suffix, int max);
/* Heads of 64 channels; what is smaller than one has one. */
int walk_heads(const struct walk *, int channels, const char *what, int *heads);
/* Levels whose channels are no multiple of 32 are refused: their groups cannot be told. */
int walk_groups(const struct walk *, const char *what, const int *channels, int levels);

#endif
