/*
 * Errands: what the app has done beside it. A piece of work (base/worker.h) that knows what to do
 * with its result in the terminal's thread, where alone the ui may be touched.
 */
#ifndef SPRITTY_ERRAND_H
#define SPRITTY_ERRAND_H

#include "base/worker.h"
#include "ui/ui.h"

struct errand {
    struct work work;                           /* first; work.run sees no ui */
    void (*done)(struct ui *, struct errand *); /* in the terminal's thread */
    void (*free)(struct errand *);              /* after that, or when the app ends before */
};

/* Takes it over. Without a worker (no threads are to be had) it is run at once. */
void errand_send(struct ui *, struct errand *);
/* The same for one that writes the file `to`: asks first where that is there already. Not taken up,
 * it is freed. */
void errand_send_over(struct ui *, struct errand *, const char *to);
/* Starts the thread; large pictures go through it from then on. */
void errands_start(struct ui *, int nice);
void errands_done(struct ui *); /* the loop's: whatever has come back */
void errand_drop(struct work *);

#endif
