/*
 * The ring; see ring.h.
 *
 * `tail` counts what was ever pushed, `head` what was ever popped; both run over all values of
 * unsigned and their difference is what lies between. They begin just below the largest value, so
 * that the step to zero is taken in every run and not after four billion items.
 *
 * `told` keeps the eventfd quiet while its reader has not yet cleared it: a burst of pushes is one
 * write. The reader empties the descriptor first and takes `told` back second. A push that comes
 * between the two writes nothing, but the exchange that takes `told` back makes that item visible,
 * and popping follows.
 */
#include "engine/ring.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"

enum { CACHE_LINE = 64 }; /* the sides' counters do not share one */

struct ring {
    unsigned mask;
    int fd;
    void **slot;
    alignas(CACHE_LINE) atomic_uint tail; /* the producer's */
    alignas(CACHE_LINE) atomic_uint head; /* the consumer's */
    alignas(CACHE_LINE) atomic_bool told;
};

struct ring *ring_new(unsigned capacity, struct err *e)
{
    assert(capacity > 0 && (capacity & (capacity - 1)) == 0);
    struct ring *r = aligned_alloc(CACHE_LINE, sizeof *r);
    void **slot = calloc(capacity, sizeof *slot);
    int fd = r && slot ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (fd < 0) {
        err_set(e, "no room for a queue of %u: %s", capacity,
                r && slot ? strerror(errno) : "out of memory");
        free(slot);
        free(r);
        return NULL;
    }
    *r = (struct ring){.mask = capacity - 1, .fd = fd, .slot = slot};
    atomic_init(&r->tail, 0u - 2 * capacity);
    atomic_init(&r->head, 0u - 2 * capacity);
    return r;
}

void ring_free(struct ring *r, void (*drop)(void *))
{
    if (!r)
        return;
    for (void *item; drop && (item = ring_pop(r));)
        drop(item);
    close(r->fd);
    free(r->slot);
    free(r);
}

/* ---- the producer's side ---- */

unsigned ring_room(struct ring *r)
{
    unsigned tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    return r->mask + 1 - (tail - atomic_load_explicit(&r->head, memory_order_acquire));
}

bool ring_push(struct ring *r, void *item)
{
    assert(item);
    unsigned tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (ring_room(r) == 0)
        return false;
    r->slot[tail & r->mask] = item;
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    if (!atomic_exchange(&r->told, true))
        while (write(r->fd, &(uint64_t){1}, sizeof(uint64_t)) < 0 && errno == EINTR)
            continue;
    return true;
}

/* ---- the consumer's side ---- */

static bool is_empty(struct ring *r)
{
    return atomic_load_explicit(&r->head, memory_order_relaxed) ==
           atomic_load_explicit(&r->tail, memory_order_acquire);
}

void *ring_pop(struct ring *r)
{
    if (is_empty(r))
        return NULL;
    unsigned head = atomic_load_explicit(&r->head, memory_order_relaxed);
    void *item = r->slot[head & r->mask];
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return item;
}

bool ring_waits(struct ring *r)
{
    return !is_empty(r);
}

int ring_fd(const struct ring *r)
{
    return r->fd;
}

void ring_clear(struct ring *r)
{
    uint64_t count;
    while (read(r->fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    atomic_exchange(&r->told, false);
}

void ring_wait(struct ring *r, int ms)
{
    struct pollfd p = {.fd = r->fd, .events = POLLIN};
    double end = clock_ms() + ms;
    for (;;) {
        ring_clear(r);
        double left = end - clock_ms();
        if (!is_empty(r) || (ms >= 0 && left <= 0))
            return;
        poll(&p, 1, ms < 0 ? -1 : (int)left + 1);
    }
}
