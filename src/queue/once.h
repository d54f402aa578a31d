/* One job through a queue, waited for: `spritty gen --device redis://...`. */
#ifndef SPRITTY_QUEUE_ONCE_H
#define SPRITTY_QUEUE_ONCE_H

#include "config.h"
#include "sdxl/pipeline.h"

struct once {
    const char *url;
    const struct settings *settings; /* as they were said */
    const char *preset, *words;
    char *const *files; /* where the pictures go, `count` of the job's batch */
    int count;
    bool (*step)(void *user, const struct gen_progress *); /* false gives the job up */
    void (*note)(void *user, const char *text);            /* why it waits; what the worker notes */
    void *user;
};

/* -1 with err: it failed, or was given up. finish, save: milliseconds that the worker took to. */
int queue_once(const struct once *, double *finish, double *save, struct err *);

#endif
