/*
 * Downloads in the app: one at a time, in a thread of src/pull's own; the terminal's thread looks
 * at it a few times a second. It goes on while other things are done.
 */
#ifndef SPRITTY_PULLS_H
#define SPRITTY_PULLS_H

#include "pull/pull.h"
#include "ui/ui.h"

void pulls_open(struct ui *); /* the dialog */
void pulls_tick(struct ui *); /* the loop's, each turn */
bool pulls_running(const struct ui *);
void pulls_cancel(struct ui *);
void pulls_look(struct ui *); /* what is here now? */
/* "sdxl-base  42% of 6.5 GB, 12 MB/s"; *share 0 to 1. False when nothing is loaded. */
bool pulls_text(const struct ui *, char *out, size_t size, double *share);
/* For a program that leaves: what was loaded stays for the next time. */
void pulls_free(struct ui *);

#endif
