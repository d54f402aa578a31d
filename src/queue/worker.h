/*
 * A worker: takes jobs from a queue, makes them on this machine's engine, delivers what came of
 * them. See queue.h for what is promised.
 *
 * One thread talks to the server; the engine's makes the pictures. So the lease is renewed while a
 * step is computed, and a server that is slow holds up no step. What is made lies in a folder in
 * memory (/dev/shm) until it is delivered: a worker keeps nothing.
 */
#ifndef SPRITTY_QUEUE_WORKER_H
#define SPRITTY_QUEUE_WORKER_H

#include <stdatomic.h>

#include "queue/stock.h"
#include "queue/url.h"

struct worker_options {
    struct queue_url url;
    const struct stock *stock; /* models to work with */
    const char *device;        /* as the setting; the engine's */
    int threads;               /* 0: all */
    unsigned long long memory; /* bytes of the device: which classes to read */
    int lease_ms;              /* 0: QUEUE_LEASE_MS */
    int max_jobs;              /* ends after so many; 0: never */
    int max_idle_ms;           /* ends when there was nothing to do for so long; 0: never */
    /* 1: end after the job that runs; more: now, and give it back. */
    atomic_int *stop;
    void (*say)(void *user, const char *line); /* what happens, a line each; may be NULL */
    void *user;
};

struct worker_count {
    atomic_long done, failed, lost, cancelled, buried; /* any thread may look */
};

/* Works until it is stopped; the caller zeroes the counts. -1 with err: the server refuses us, or
 * this machine fails job after job. A server that is away is waited for, but for the first time. */
int queue_work(const struct worker_options *, struct worker_count *, struct err *);

#endif
