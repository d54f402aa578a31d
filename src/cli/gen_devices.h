/*
 * spritty gen on several devices: one job, a pool, until it ends.
 *
 * The batch is shared among the devices; each writes its pictures as soon as it has them. One
 * device's progress is shown, for all.
 */
#ifndef SPRITTY_GEN_DEVICES_H
#define SPRITTY_GEN_DEVICES_H

#include "cli/progress.h"
#include "engine/meta.h"

struct gen_devices {
    const struct job *job; /* prepared: its seed is every part's */
    const struct settings *flags;
    const char *words, *preset; /* preset: or NULL */
    char *const *files;         /* one a picture */
    struct progress *progress;
    bool (*is_interrupted)(void);

    /* What comes of it. */
    struct image **sprites;    /* as many, NULL before; the caller's */
    struct gen_result *result; /* without pictures */
    struct job_times *times;   /* without the total */
    char precision[8];         /* of one of the devices */
    int shown;                 /* its own: whose progress is shown */
};

/* -1 with err; pictures that were finished before stay. */
int gen_on_devices(struct gen_devices *, struct err *);

#endif
