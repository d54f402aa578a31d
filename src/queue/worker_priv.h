/* What the files of the worker share. worker.c: taking jobs. worker_job.c: one job, from the
 * message to its delivery. renew.c: the lease during that. scratch.c: the folder for all. */
#ifndef SPRITTY_QUEUE_WORKER_PRIV_H
#define SPRITTY_QUEUE_WORKER_PRIV_H

#include "queue/pack.h"
#include "queue/worker.h"
#include "store/store.h"

enum { STREAMS_MAX = 300, NAME_MAX_BYTES = 64 };

struct scratch {
    char folder[PATH_MAX], store[PATH_MAX];
    int lock;
};
/* A new folder; those of dead workers go. -1 with err. */
int scratch_open(struct scratch *, struct err *);
void scratch_close(struct scratch *);

struct queue_worker {
    const struct worker_options *o;
    struct worker_count *count;
    struct link *link, *side; /* side: renew.c's, NULL until it is needed */
    struct engine *engine;
    struct store *store; /* the engine's, opened here too */
    struct scratch scratch;
    struct workplace place;
    char name[NAME_MAX_BYTES + 1];
    int lease_ms;
    char *stream[STREAMS_MAX];
    int streams, next_stream;
    int generation;
    double beat_at, claim_at, idle_since;
    double asked_at; /* for a job whose message may be on its way; 0: none is */
    int failures;    /* of this machine's engine, in a row */
    bool offline;    /* as last told */
};

bool worker_stops(const struct queue_worker *, int how); /* was it told so `how` times? */
void worker_say(const struct queue_worker *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Tells once that the server is away, and once that it is back. */
void worker_tell_link(struct queue_worker *, enum link_result, const struct err *);
/* Tells the queue that we are there. */
void worker_beat(struct queue_worker *, const char *job);
/* Waits, but not longer than until it is stopped. */
void worker_pause(const struct queue_worker *, int ms);

/* How often a lease is renewed. */
int worker_renew_ms(const struct queue_worker *);

/* Renews the lease of a message, by its stream and its job's key, which stay the caller's, until
 * renewer_end; one at a time. NULL: without memory or threads it is not renewed. */
struct renewer;
struct renewer *renewer_start(struct queue_worker *, const char *stream, const char *job,
                              const char *msg);
void renewer_end(struct renewer *); /* NULL: nothing */

/* Renews the lease of messages that are on their way, for link_meanwhile: which they are is known
 * only when they are here. */
void worker_hold(void *worker);

/* A message that is ours. */
struct taken {
    struct reply *about;        /* as SCRIPT_NEXT, _CLAIM and _TAKE give it; NULL: there is none */
    struct reply *read;         /* where its fields came before that, or NULL */
    const struct reply *fields; /* in one of the two */
};

/* One job. -1 with err: the worker is to end. */
int worker_job(struct queue_worker *, const struct taken *, struct err *);

#endif
