/*
 * Memory that jobs were let in with and have not taken yet.
 *
 * An engine takes what its job needs over seconds: a model is packed while the first step runs.
 * Another that asks meanwhile how much is free would count the same bytes. So each engine holds a
 * promise while its job runs, which shrinks with what it has taken.
 *
 * Any thread; a promise is its engine's.
 */
#ifndef SPRITTY_PROMISE_H
#define SPRITTY_PROMISE_H

#include <stdbool.h>
#include <stddef.h>

enum { PROMISE_OF_SYSTEM = -1 }; /* else the number of a GPU */

struct promise { /* zeros: none is made */
    struct promise *next;
    bool made;
    int of;
    size_t bytes;        /* granted */
    _Atomic size_t left; /* of them, not taken yet */
};

/* Between the two nobody else makes one: what is free is looked up and granted at once. */
void promises_lock(void);
void promises_unlock(void);

/* With the lock: what others than `mine` have of it and did not take yet; and making one. */
size_t promises_left(int of, const struct promise *mine);
void promise_make(struct promise *mine, int of, size_t bytes);

/* Without it: that so much of it is taken (never unlearnt; does not wait, it is told every step),
 * and that the job has ended. */
void promise_take(struct promise *mine, size_t taken);
void promise_end(struct promise *mine);

#endif
