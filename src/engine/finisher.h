/*
 * Finishing beside the terminal: a thread that finishes one picture again and again as settings
 * change, so that no key waits for it.
 *
 * What is asked last is what counts: a question that no one began on is forgotten when the next
 * comes. Answers are taken by asking for them; there is no signal, so whoever waits looks again.
 */
#ifndef SPRITTY_FINISHER_H
#define SPRITTY_FINISHER_H

#include "config.h"
#include "sprite/finish.h"

struct finisher;

/* What comes of a question. On failure `after` and `before` are NULL and `text` says why. */
struct finished {
    uint64_t question;
    struct image *after, *before; /* the caller's; before: without the step, or the cells alone */
    struct finish_report report;
    char text[200];
};

struct finisher *finisher_new(struct err *);
void finisher_free(struct finisher *); /* waits for what runs; NULL: nothing */

/* The picture, copied; cell: of the model that made it, or 0; keep: what stays of it, copied, or
 * NULL. -1: no memory. */
int finisher_picture(struct finisher *, const struct image *, int cell, const struct keep *);
/* Finish it as the settings say; `without`: the key of a step that `before` leaves out, or NULL for
 * the cells alone. Returns the question's number; 0 without memory. */
uint64_t finisher_ask(struct finisher *, const struct settings *, const char *without);
/* False: nothing new. */
bool finisher_take(struct finisher *, struct finished *);
bool finisher_busy(struct finisher *); /* is there an answer to come, or one to take? */

/* The setting as if that step were not done; no error for keys that are no step. */
void finisher_leave_out(struct settings *, const char *key);

#endif
