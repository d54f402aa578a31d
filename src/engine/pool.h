/*
 * Several devices behind the engine's face: who gets which job, and what happens when one fails.
 *
 *     command --> pool --> tasks of device 0 --> its rings, its engine thread --\
 *                      \-> tasks of device 1 --> ...                            --> pool --> event
 *
 * The pool is no thread: it is what its caller's thread does in pool_send and pool_next, so it
 * needs no locks, and its caller never waits. All calls come from that one thread.
 *
 * Tasks wait here and not in the rings, so that they can still be moved: a device that runs dry
 * takes one from the device that has most left. A batch that finds several devices idle is split:
 * each makes some of its images, bit for bit those that one device would have made
 * (gen_params.first).
 *
 * A device that fails by its own fault is set aside and gets nothing any more; what it had goes to
 * others, without the sprites that are done. EVENT_ASIDE says so. A job that a device has no room
 * for goes to another one as well, but the device stays. A job's own mistakes (a file that is not
 * there) fail the job alone. With one device nothing of this happens: its jobs fail with their
 * reason, and the next is tried.
 *
 * The rows of the store are right at any time: a job is queued, running on at least one device, or
 * has ended, and what a kill interrupts is running or queued, never lost and never done twice.
 */
#ifndef SPRITTY_POOL_H
#define SPRITTY_POOL_H

#include "devices.h"
#include "engine/engine.h"

struct pool;

/* What a device brings: the engine's face (engine.h has the rules). The pool's thread calls. */
struct device_ops {
    bool (*send)(void *self, struct command *);
    struct event *(*next)(void *self);
    int (*fd)(const void *self);
    void (*cancel)(void *self, int64_t job);
    void (*finish_previews)(void *self, bool); /* may be NULL */
    void (*quit)(void *self);                  /* asks it to end what it does; does not wait */
    void (*stop)(void *self);                  /* waits, and frees it */
    /* How many jobs it makes at a time, as far as it knows now; NULL: one. Such a device gets more
     * than that (device_depth), and ends them in any order. */
    int (*lanes)(void *self);
    bool whole; /* takes no parts of batches */
};

/* How many jobs one that makes several at a time should have. */
static inline int device_depth(const struct device_ops *o, void *self)
{
    return o->lanes ? 8 + 4 * o->lanes(self) : 1;
}

/* Who gets a job. */
enum pool_policy {
    POLICY_LEAST_BUSY,  /* who is predicted to have it done first */
    POLICY_ROUND_ROBIN, /* each in turn */
    POLICY_RANDOM,      /* in the order of the setting's choices (settings.c) */
};
/* By the setting's value; -1: there is none of that name. */
int pool_policy_by_name(const char *name);

struct pool_options {
    const char *store, *folder; /* as the engine has them */
    const char *devices;     /* a list (devices.h) for all jobs; NULL: each job's setting `device`
                              * says it, and the pool changes its devices when it is idle */
    enum pool_policy policy; /* where `devices` is; else each job's setting `policy` says it */
    int threads;             /* of each engine on the CPU; 0: the cores shared out among them */
    int nice;
    int count; /* of devices, for who opens others: the pool sets it */
    /* Devices of other kinds, asked before the pool's own: NULL and err->text "" for a name that it
     * does not know. May be NULL. */
    const struct device_ops *(*open)(void *user, const char *name, void **self, struct err *);
    int (*fault)(void *user, const struct command *, const char *stage, int step, struct err *);
    void *user; /* of open and fault (engine.h) */
};

/* Opens devices of other kinds where pool_options has no `open`; NULL: there are none. Set once,
 * before the first pool. */
extern const struct device_ops *(*pool_open_other)(const struct pool_options *, const char *name,
                                                   void **self, struct err *);

/* Strings are copied. NULL and err on failure: a list that is wrong, no memory, no threads. A
 * device that does not work is no failure: it is set aside when its first job fails. */
struct pool *pool_start(const struct pool_options *, struct err *);
/* As engine_stop, for all at once. */
void pool_stop(struct pool *);

/* Takes the command: there is always room. COMMAND_OPEN goes to all devices, COMMAND_RUN to one or
 * more; others are not for pools. False only without memory: it stays the caller's. */
bool pool_send(struct pool *, struct command *);
/* The next event, the caller's to free, or NULL. device_index says whose. Of a job that several
 * devices share each sends what it does (STARTED, steps, ...), but it ends with one event. */
struct event *pool_next(struct pool *);
int pool_fd(const struct pool *); /* as engine_fd */
void pool_cancel(struct pool *, int64_t job);
void pool_finish_previews(struct pool *, bool);

/* ---- what the devices do, for drawing ---- */

struct pool_device {
    char name[DEVICE_NAME];       /* "cuda:0"; "cpu 1", "cpu 2" where there are several */
    char model[64], precision[8]; /* open on it, or "" */
    bool aside;
    char why[200]; /* it is set aside, or what it could not do last; "" */
    int waiting;   /* tasks behind the running one */
    int64_t job;   /* the running one, or 0 */
    char stage[12];
    int step, steps;
    double left_ms; /* predicted, of all that it has; NAN: nothing to go by */
    double load;    /* the share of the last seconds in which it worked, 0 to 1 */
    size_t bytes_weights, bytes_activations; /* of the open model */
    int done;                                /* tasks so far */
};

/* Their number, and the first `max` of them. */
int pool_devices(struct pool *, struct pool_device *list, int max);
/* Devices that have nothing to do: as many jobs can be sent without one waiting for another. */
int pool_idle(const struct pool *);

/* Every device's name of a list, cpu*2 twice and cuda:all one by one. Returns how many; -1 with
 * err.
 */
int pool_spell_out(const char *list, char names[DEVICES_MAX][DEVICE_NAME], struct err *);

/* ---- decisions alone (pool_policy.c), for tests ---- */

struct pool_load {
    bool usable;
    double left_ms; /* of what it has */
    double job_ms;  /* what the job would take there; for pool_shares: one image */
};

/* Which device, or -1 when none is usable. turn: of the last one chosen; random: any state. */
int pool_choose(enum pool_policy, const struct pool_load *, int count, int *turn, uint64_t *random);
/* Images for each device such that the last is done soonest; returns how many devices get some. */
int pool_shares(const struct pool_load *, int count, int images, int *share);

#endif
