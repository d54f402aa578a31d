/* What the files of a batch share. batch.c: threads, queues, the caller's loop. batch_feed.c: jobs
 * to what can run. batch_device.c: batches. batch_far.c: devices of other
 * kinds. batch_finish.c: pictures to files. batch_older.c: those that are there already. */
#ifndef SPRITTY_BATCH_PRIV_H
#define SPRITTY_BATCH_PRIV_H

#include <pthread.h>

#include "devices.h"
#include "engine/batch.h"
#include "engine/idset.h"
#include "engine/job.h"

enum { BATCH_DEVICES = 32, BATCH_FINISHERS = 4, BATCH_SIZES = 5 /* 1, 2, 4, 8, 16 */ };

struct device;

/* A job on its way. */
struct unit {
    struct unit *next;
    struct batch_job in;
    struct job job;
    struct idset_entry kind; /* of all with the same, many are run at once */
    bool alone;              /* not this one */
    char **files;            /* job.params.batch names */
    char (*sha256)[65];
    char **older; /* where what was there is now, or NULL; NULL: nothing was moved yet */

    /* computed */
    struct gen_result result; /* its own pictures */
    struct device *device;
    double ms;
    bool has_error, fatal, dropped; /* fatal: others would fail as well; dropped: was interrupted */
    struct err error;
};

struct queue {
    struct unit *first, *last;
    int count;
};

struct device {
    struct batch *batch;
    pthread_t thread;
    bool started;
    bool aside; /* it does not work; under the lock */
    char name[DEVICE_NAME];
    const struct device_ops *ops; /* of a device of another kind, and its self; else NULL */
    void *self;
    int threads;
    char *key; /* of the open model */
    struct pipeline *pipeline;
    char hash[11];
    int outstanding; /* units that name its pipeline; under the batch's lock */

    /* of the kind that it runs now */
    struct idset_entry kind;
    int most;               /* units at once that memory has room for; 0: not asked yet */
    int seen[BATCH_SIZES];  /* batches of each size so far; the first of a size warms up */
    double ms[BATCH_SIZES]; /* a unit, in batches of each size */
};

struct batch {
    const struct batch_options *o;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* anything below */
    struct queue pending, computed, done;
    bool fed;     /* nothing more comes into pending */
    bool reading; /* the feeder waits for input */
    bool stop;
    bool ended; /* nothing more comes into computed */
    int computing, finishing, at_once;
    struct err fatal;                           /* text: why it stops */
    double load_ms, run_ms, finish_ms, feed_ms; /* batch.h */

    struct batch_jobs *jobs; /* the feeder's, once it runs */
    struct results *results; /* what was done before is the feeder's to ask for */
    struct config config;
    struct idset names; /* of files */
    struct notes notes; /* for the caller; under the lock */
    bool piped;
    pthread_mutex_t hashing;
    struct device device[BATCH_DEVICES];
    int devices;
    pthread_t feeder, finisher[BATCH_FINISHERS];
    int finishers;
    bool feeding;
};

/* ---- batch.c ---- */

void queue_put(struct queue *, struct unit *);
struct unit *queue_get(struct queue *);
void unit_free(struct unit *);
/* The job has failed; the first reason counts. */
void unit_fail(struct unit *, const struct err *);
/* Stops everything: it cannot go on. Lock held. */
void batch_stop(struct batch *, const struct err *);
bool batch_stops(struct batch *);
/* A device that does not work gives its jobs back, where there are others. False: there are none,
 * and the jobs stay the caller's. */
bool device_set_aside(struct device *, struct unit *const *, int n, const struct err *);
/* Whether no other file could be written either. */
bool batch_disk_is_gone(const struct err *);
/* How many units may wait for a device. */
int batch_room(const struct batch *);

/* Until something changes, or so long. Lock held. */
void batch_wait(struct batch *, int ms);

/* ---- batch_older.c ---- */

/* Before the unit's files are written, by whoever does. Once is enough, twice is no error. */
int older_aside(struct unit *, struct err *);
/* Afterwards, made or not: how many pictures lie in the trash now. */
int older_settle(struct unit *, bool made);

/* ---- the threads ---- */

void *batch_feed(void *batch);
void *batch_compute(void *device);
void *batch_far(void *device);
void *batch_finish(void *batch);

#endif
