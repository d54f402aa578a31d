/*
 * One thread that does small pieces of work for another that must not wait: files read, pictures
 * encoded. First in, first out; what is done is told through a descriptor for poll.
 */
#ifndef SPRITTY_WORKER_H
#define SPRITTY_WORKER_H

#include "base/err.h"

/* The head of a piece of work: what follows it is the giver's, and the thread's while it runs. */
struct work {
    void (*run)(struct work *); /* in the thread */
    struct work *next;          /* the worker's */
};

struct worker;

/* nice: added to the thread's priority value. NULL and err without memory, threads or descriptors.
 */
struct worker *worker_new(int nice, struct err *);
/* Waits for the piece that runs, if any; all others, done or not, go to `drop`. NULL: nothing. */
void worker_free(struct worker *, void (*drop)(struct work *));

/* Gives a piece away. Any thread. */
void worker_give(struct worker *, struct work *);
/* The next piece that is done, or NULL. Any thread. */
struct work *worker_take(struct worker *);
/* Readable while something was done since worker_take last gave NULL. */
int worker_fd(const struct worker *);

#endif
