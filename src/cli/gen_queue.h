/* `spritty gen` with a queue as its device. */
#ifndef SPRITTY_GEN_QUEUE_H
#define SPRITTY_GEN_QUEUE_H

#include <stdbool.h>

#include "cli/options.h"
#include "cli/progress.h"
#include "engine/job.h"

/* Makes the job there; pictures go to `files`. stop: asked now and then, true gives it up. Prints
 * what gen prints at its end. */
int gen_through_queue(const struct cli *, const struct job *, char *const *files, struct progress *,
                      bool (*stop)(void), struct err *);

#endif
