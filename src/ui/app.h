/* The terminal app, for the command line: everything else of it is in ui.h. */
#ifndef SPRITTY_APP_H
#define SPRITTY_APP_H

#include "config.h"

/* Runs until the user quits. Needs a terminal on stdin and stdout. `said`: options of the command
 * line, which go over the drafts of last time; preset: a name or NULL. Returns the exit status. */
int ui_run(const struct settings *said, const char *preset);

#endif
