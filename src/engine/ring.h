/*
 * A ring of pointers between two threads: one pushes, one pops (single producer, single consumer).
 *
 * Pushing gives the pointer away, popping takes it. The order is kept and nothing is lost: a full
 * ring refuses, and the producer decides what that means. No locks: two counters, released by the
 * side that advances them and acquired by the other. An eventfd tells a sleeping reader, so that it
 * can poll the ring beside a terminal.
 */
#ifndef SPRITTY_RING_H
#define SPRITTY_RING_H

#include <stdbool.h>

#include "base/err.h"

struct ring;

/* capacity: a power of two, how many pointers fit. NULL and err without memory or descriptors. */
struct ring *ring_new(unsigned capacity, struct err *);
/* Both threads are done with it. `drop` gets what was never popped; may be NULL. */
void ring_free(struct ring *, void (*drop)(void *));

/* The producer's: false when the ring is full, and `item` (not NULL) stays the caller's. */
bool ring_push(struct ring *, void *item);
/* How many more fit right now; the consumer can only make it more. */
unsigned ring_room(struct ring *);

/* The consumer's: the oldest item, or NULL when there is none. */
void *ring_pop(struct ring *);
/* Readable (poll) when something was pushed since the last ring_clear. Clear first, then pop until
 * NULL: nothing is missed. */
int ring_fd(const struct ring *);
void ring_clear(struct ring *);
/* The consumer's: is there anything to pop? */
bool ring_waits(struct ring *);
/* Clears and sleeps until something is there, at most `ms` milliseconds (-1: forever). */
void ring_wait(struct ring *, int ms);

#endif
