/*
 * Many jobs from a file, made as fast as the devices go.
 *
 *     feeder: reads, settles, expands --> pending --> a thread a device: takes jobs that agree in
 *     model, shape and all that is sampling, runs them as one batch --> computed --> finishers:
 *     pixels to sprites to files on the disk --> done --> caller: a line of results, progress
 *
 * Each stage works while the others do. Queues between them are short, so memory does not grow with
 * the number of jobs. A picture is what `spritty gen` makes of the same job: each job's noise is
 * drawn from its own seed as if it was alone (gen_params.seeds), and on the CPU the last bits do
 * not depend on the company either (ops_cpu.c).
 *
 * Nothing is lost and nothing done twice, whatever ends the process: a job is done when its line is
 * in the file of results, and the line comes after the files.
 */
#ifndef SPRITTY_BATCH_H
#define SPRITTY_BATCH_H

#include <stdatomic.h>

#include "engine/batch_jobs.h"

struct batch_state {
    long total; /* -1: not known, jobs come through a pipe */
    long already, done, failed;
    int at_once;                /* jobs of the last batch */
    double seconds, per_minute; /* jobs; over the last 64 of them */
    double left;                /* seconds, or a negative number: not known */
    size_t bytes;               /* of the process */
    int devices;
    /* Milliseconds in all: opening models and running batches, all devices together; making and
     * writing sprites, reading and settling jobs, beside them. */
    double load_ms, run_ms, finish_ms, feed_ms;
};

struct device_ops;

struct batch_options {
    const char *path, *folder, *results; /* the folder exists */
    const struct settings *flags;        /* for what jobs do not say; without batch and device */
    const char *preset;
    const char *devices; /* "cpu,cpu"; NULL: as config files say, else auto */
    int threads;         /* of each CPU device; 0: the cores shared out among them */
    int at_once;         /* pictures of a batch at most; 0: as memory and speed have it */
    int shard, shards;   /* 0: all */
    atomic_bool *stop;   /* between two steps; what is done is written. May be NULL */

    /* Devices of other kinds, as pool_options has them (pool.h). May be NULL. */
    const struct device_ops *(*open)(void *user, const char *name, void **self, struct err *);

    void *user; /* of what follows, all called from batch_run's thread, may be NULL */
    void (*tell)(void *user, const char *note);
    void (*failed)(void *user, const char *id, long line, const char *why);
    void (*progress)(void *user, const struct batch_state *); /* some times a second */
};

/* Until all jobs are done or failed, or stop. -1 with err when it could not go on: nothing can be
 * read or written. out: as far as it came, in either case. */
int batch_run(const struct batch_options *, struct batch_state *out, struct err *);

#endif
