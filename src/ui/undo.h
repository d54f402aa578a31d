/*
 * What was changed in a text, to be taken back and done again: editor.c's memory.
 *
 * A change is: at this byte stood that, now stands this. The oldest are forgotten when there are
 * too many.
 */
#ifndef SPRITTY_UNDO_H
#define SPRITTY_UNDO_H

#include <stdbool.h>
#include <stddef.h>

enum { UNDO_STEPS = 1000, UNDO_BYTES = 1 << 20 };

struct change {
    size_t at;
    size_t cursor;   /* where it was before the change */
    size_t del, ins; /* bytes that stood there, bytes that stand there now */
    char *bytes;     /* the first, then the second */
};

struct undo { /* all zero: nothing happened yet */
    struct change step[UNDO_STEPS];
    int steps, done; /* from `done` on they were taken back */
    size_t bytes;    /* of all of them */
};

/* Notes a change (its `bytes` is not read); what was taken back before is gone. join: it becomes
 * a part of the newest change, which it touches. Without memory the whole past is forgotten, since
 * it would no longer fit the text. */
void undo_note(struct undo *, struct change, const char *removed, const char *inserted, bool join);
/* The newest change, or NULL when there is none or the last thing was to take one back. */
const struct change *undo_newest(const struct undo *);
/* The change to be taken back, or done again; NULL when there is none. */
const struct change *undo_back(struct undo *);
const struct change *undo_forth(struct undo *);
void undo_clear(struct undo *);

#endif
