/* What the files of the remote device share. remote.c: its face and its thread. remote_jobs.c: jobs
 * on their way there and what is heard of them. remote_save.c: results. */
#ifndef SPRITTY_QUEUE_REMOTE_PRIV_H
#define SPRITTY_QUEUE_REMOTE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/ring.h"
#include "queue/pack.h"
#include "queue/remote.h"
#include "store/store.h"

enum flight_state {
    FLIGHT_FREE,
    FLIGHT_NEW,     /* is to be sent */
    FLIGHT_WAITING, /* the queue has it */
    FLIGHT_READY,   /* its result is there */
};

/* A job under way. */
struct flight {
    enum flight_state state;
    struct command *command;
    struct packed packed; /* without its files once it was sent */
    bool has_files;
    char id[QUEUE_ID_MAX + 1];
    double again_at; /* NEW, READY: not before */
    double sent_at;  /* WAITING: since then */
    bool heard;      /* WAITING: a worker has said something of it */
    int attempts;    /* results that were broken */
    bool told;       /* that it has to wait */
    bool doubt;      /* it has ended, and its event was not heard yet */
};

enum { CANCELS = 2 * REMOTE_JOBS };

struct remote {
    struct ring *commands, *events;
    pthread_t thread;
    atomic_bool quit;
    atomic_int workers;
    _Atomic int64_t cancelled[CANCELS]; /* 0: a free place */
    atomic_uint next_cancelled;
    struct queue_url url;
    char *store_path, *folder;

    /* the thread's own */
    struct store *store;
    struct link *talk, *listen; /* listen: one XREAD after the other */
    bool listening, denied, gives_back;
    int hello_tries;
    char heard[64]; /* the last event's place in the stream */
    char events_key[120];
    struct packer packer;
    struct flight flight[REMOTE_JOBS];
    int flights, generation, sync_ms;
    double sync_at, memory_at;
    bool is_full;     /* the server has little memory left */
    double heard_at;  /* when a worker last said anything */
    bool told_lonely; /* that none does */
};

/* ---- remote.c ---- */

/* Waits for room but for what may be dropped; NULL: nothing. */
void remote_emit(struct remote *, struct event *);
struct event *remote_event(enum event_kind, int64_t job);

/* ---- remote_jobs.c ---- */

void remote_take(struct remote *, struct command *); /* the command is ours */
void remote_push(struct remote *);                   /* sends what is to be sent, once */
void remote_fetch(struct remote *);                  /* gets what is there to be had */
void remote_hear(struct remote *, const struct reply *);
void remote_cancels(struct remote *);
void remote_sync(struct remote *); /* asks after all that waits, and who is there */
void remote_land(struct remote *); /* the end: rows queued again */
/* Ends a flight: row, event. why NULL: cancelled. */
void remote_fail(struct remote *, struct flight *, const char *why);
/* The same of a queue that is not there or does not let us in: the device's failure, not the job's,
 * which is given back where another may take it. */
void remote_refused(struct remote *, struct flight *, const char *why);
void remote_free_flight(struct remote *, struct flight *);
/* Tells once that a job has to wait, and why. */
void remote_waits(struct remote *, struct flight *, const char *why);

/* ---- remote_save.c ---- */

enum saved {
    SAVED,          /* and may be acknowledged */
    NOT_SAVED,      /* it is this machine that could not: it has to stay in the queue */
    RESULT_REFUSED, /* it is not what was asked for, and nothing of it was kept */
};

/* Files, rows, events of a result; *last: the last event, to be told when it was acknowledged. Why
 * it was not saved is in err. */
enum saved remote_save(struct remote *, struct flight *, const struct queue_result *,
                       struct event **last, struct err *);

#endif
