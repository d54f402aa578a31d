/*
 * The memory that activations live in: blocks handed out of one contiguous region.
 *
 * The decision that matters: where a block lands depends on the sequence of calls alone, never on
 * addresses, sizes of the machine or what was reserved. So an arena without memory behind it (the
 * forecast) replays what the real one will do, and its peak is the real one's peak to the byte.
 *
 * A block goes into the smallest hole that holds it (the lowest of equals), and only when there is
 * none on top of everything. Freed neighbours join; a hole at the top lowers the top. The list of
 * blocks has a fixed size: nothing is allocated after arena_init.
 *
 * The region is address space, taken once and never moved; pages get access as the top first
 * reaches them and memory when they are first written, so a generous region costs nothing.
 *
 * One thread at a time. Sizes are bytes.
 */
#ifndef SPRITTY_ARENA_H
#define SPRITTY_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    ARENA_ALIGN = 64,   /* offset and size of every block are multiples: a cache line */
    ARENA_BLOCKS = 4096 /* most blocks and holes at once */
};

struct arena_block {
    size_t offset, bytes;
    bool used; /* else a hole */
};

struct arena {
    char *base;
    size_t region; /* address space taken; 0 for a virtual arena */
    size_t open;   /* bytes from base that may be touched */
    size_t limit;  /* bytes that may be handed out */
    size_t top;    /* end of the highest used block */
    size_t peak, lap_peak;
    size_t now, most; /* bytes in used blocks: now, and at most */
    int count;
    struct arena_block block[ARENA_BLOCKS]; /* by offset, without gaps, the last one used */
};

/* Takes `bytes` of address space, or with 0 as much as is to be had up to 64 GiB. -1 with the
 * reason in err. arena_exit gives it back. */
int arena_init(struct arena *, size_t bytes, struct err *);

/* No memory behind it: the pointers fault when looked through. Needs no arena_exit. */
void arena_init_virtual(struct arena *);

/* Makes sure that the first `bytes` can be had, before work starts that needs them, and returns
 * pages that lie above both them and the top to the system. -1: the machine has not that much. */
int arena_reserve(struct arena *, size_t bytes, struct err *);

void arena_exit(struct arena *);

/* `bytes` at a multiple of ARENA_ALIGN, not zeroed. NULL when the region or the system's memory is
 * used up. Zero bytes are a block too. */
void *arena_alloc(struct arena *, size_t bytes);

/* The pointer must be one that arena_alloc returned and that is not free yet: an assert. */
void arena_free(struct arena *, void *);

/* The highest top so far: what the arena needs, holes included. */
static inline size_t arena_peak(const struct arena *a)
{
    return a->peak;
}

/* In used blocks now, rounded up to ARENA_ALIGN each. */
static inline size_t arena_now(const struct arena *a)
{
    return a->now;
}

/* The most that used blocks ever held; arena_peak less this is what holes cost. */
static inline size_t arena_most(const struct arena *a)
{
    return a->most;
}

/* The highest top since the last call of this function; starts the next lap. */
size_t arena_lap(struct arena *);

#endif
