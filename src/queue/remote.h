/*
 * A queue's workers as one device of this program: commands in, events out, as the engine's
 * (engine.h), but made by whoever takes them from the queue.
 *
 * A thread of its own speaks to the server; the caller never waits. Many jobs are under way at a
 * time (REMOTE_JOBS); their events come as they happen. A finished sprite is a file and a row here,
 * then it is acknowledged there, then its event is told. A server that is away, slow or full is
 * waited for, with a note; only one that refuses us, or that was never there, fails the jobs. When
 * this ends, what is under way stays in the queue and its rows are queued again: sent anew, they
 * find what was made.
 */
#ifndef SPRITTY_QUEUE_REMOTE_H
#define SPRITTY_QUEUE_REMOTE_H

#include "engine/engine.h"

enum { REMOTE_JOBS = 256 };

struct remote;

struct remote_options {
    const char *url;    /* of the queue */
    const char *store;  /* as the engine's; NULL: jobs have no rows */
    const char *folder; /* where sprites go; NULL: commands say files */
    int sync_ms;        /* how often the queue is asked what is done, beside its events; 0: 5000 */
    int hello_tries;    /* how often nothing may answer at first; 0: QUEUE_HELLO_TRIES */
    bool gives_back;    /* the engine's: a job that the queue cannot take comes back */
};

/* Starts the thread; strings are copied. NULL and err: the URL is wrong, no memory. That the server
 * is there is not waited for. */
struct remote *remote_start(const struct remote_options *, struct err *);
/* Waits for at most what one answer of the server takes. NULL: nothing. */
void remote_stop(struct remote *);

/* The engine's calls, from one thread; see engine.h. */
bool remote_send(struct remote *, struct command *);
struct event *remote_next(struct remote *);
int remote_fd(const struct remote *);
void remote_cancel(struct remote *, int64_t job);
/* How many workers the queue has, as last heard; at least 1. */
int remote_workers(const struct remote *);
void remote_quit(struct remote *); /* asks for the end, does not wait */

#endif
