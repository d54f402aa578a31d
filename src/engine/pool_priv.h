/*
 * What the files of the pool share. pool.c: the pool and its devices. pool_commands.c: what is
 * asked of it. pool_jobs.c: jobs, their parts, their ends. pool_device.c: an engine as a device.
 * pool_policy.c: decisions.
 */
#ifndef SPRITTY_POOL_PRIV_H
#define SPRITTY_POOL_PRIV_H

#include "engine/engine_priv.h"
#include "engine/pool.h"

/* A job that was sent and has not ended. */
struct pool_job {
    struct pool_job *next;
    int64_t id;
    int open;            /* tasks */
    bool split;          /* its end is the pool's to tell */
    bool cancelled;      /* by the caller */
    uint64_t sprites;    /* bit i: image i is done */
    int faults;          /* devices that were set aside over it */
    double began;        /* the first that a device told of it, or 0 */
    uint64_t seed;       /* of the images that are done */
    struct event *done;  /* of its parts so far, merged; NULL: none yet */
    struct event *ended; /* how it failed; NULL: it did not */
};

/* What one device is to do: a job, or images of one. */
struct pool_task {
    struct pool_task *next;
    struct pool_job *job;
    struct command *command; /* NULL: the device has it */
    int first, count;        /* images; of a whole job 0 and all */
    bool part;               /* of a job that is split */
    double units;            /* of work for one image (pipeline_units) */
    uint64_t model;          /* a mark of what has to be open */
    uint32_t tried;          /* bit i: device i could not do it */
};

/* How much of a task's time is over, all its stages of steps taken together: when the stage began,
 * when it will end, now. */
struct pool_progress {
    char stage[12];
    double before, after, now;
};

struct pool_member {
    struct pool_device now; /* what is told */
    const struct device_ops *ops;
    void *self;
    struct pool_task *tasks; /* in their order; the first `sent` of them are the device's */
    int sent;
    struct pool_progress progress; /* of the first of them */
    uint64_t model;                /* that the last task given to it needs */
    double ms_per_unit;            /* 0: not known yet */
    double load_ms;                /* of the last model that it opened; 0: not known yet */
    double seen;                   /* until when now.load is right */
};

/* Tasks that a device has at a time, so that it need not wait for the caller, while so many wait
 * for each that none will lack one: what a device has cannot be moved any more. */
enum { POOL_DEPTH = 2, PLENTY = 4 };

/* What a job is made of, as far as the pool needs it. */
struct sketch {
    int batch;
    double units; /* of one image */
    uint64_t model;
    bool splits;
};

struct pool {
    struct pool_options o; /* strings are the pool's */
    char *list;            /* the devices as they were said; "" none yet */
    int threads_said;
    struct pool_member member[DEVICES_MAX];
    int count;
    struct engine
        *clerk; /* writes how jobs ended that several had a part in; NULL: not needed yet */
    bool clerk_is_watched;
    struct pool_job *jobs;
    struct { /* a queue of events of its own */
        struct event **at;
        int count, room;
    } own;
    struct held { /* commands for other devices than these, which wait until all is idle */
        struct held *next;
        struct command *command;
    } * held;
    int epoll, wake; /* wake: an eventfd for `own` */
    int turn, from;  /* of the policy; of pool_next */
    uint64_t random;
    struct { /* the last job that was settled: the next is often like it */
        uint64_t key;
        double at; /* when; 0: none */
        struct sketch sketch;
    } last;
    bool finish_previews;
};

/* ---- pool.c ---- */

/* Makes `list` the devices; whoever was there is idle. */
int pool_open_members(struct pool *, const char *list, int threads, struct err *);
/* Has any device something to do? */
bool pool_is_busy(const struct pool *);
/* Sends what can be sent. */
void pool_feed(struct pool *);
/* Sets one aside; what it was not yet given is moved. */
void pool_set_aside(struct pool *, int device, const char *why);
/* To the policy's choice among the devices that may still try it; false: there is none. */
bool pool_place(struct pool *, struct pool_task *);
void pool_place_at(struct pool *, int device, struct pool_task *);
/* How many of a batch's images each idle device would make; returns how many make some. */
int pool_split(struct pool *, const struct pool_task *, int *share);
/* Nothing more of this job is to be done: drops what waits, cancels what runs. */
void pool_cut(struct pool *, struct pool_job *);
/* Its events wake the caller. */
int pool_watch_clerk(struct pool *);
/* An event of the pool's own. */
void pool_tell(struct pool *, struct event *);

/* ---- pool_commands.c ---- */

/* All is idle: the commands that waited for this. */
void pool_release_held(struct pool *);

/* ---- pool_jobs.c ---- */

/* A job and its tasks, placed. False without memory. */
bool pool_add(struct pool *, struct command *);
/* What a device told. Returns what the caller gets to see, or NULL. */
struct event *pool_took(struct pool *, int device, struct event *);
struct pool_job *pool_find(struct pool *, int64_t id);
/* The job gets no more of it. */
void pool_drop_task(struct pool *, struct pool_task *);
void pool_fail_task(struct pool *, struct pool_task *, const char *why);
void pool_task_free(struct pool_task *);
/* The row and the event of a job's end. */
void pool_end(struct pool *, struct event *);

/* ---- pool_device.c ---- */

/* The engine behind a name of a list. NULL and err on failure. */
const struct device_ops *pool_open_engine(const struct pool *, const char *name, int threads,
                                          void **self, struct err *);

#endif
