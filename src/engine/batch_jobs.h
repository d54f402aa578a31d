/*
 * The jobs of a batch, in the order in which they are to be made.
 *
 * A file is read twice. The first time every job is checked, so that mistakes are told before hours
 * of work; what is kept of one is where it stands, its identity's place among the results and which
 * jobs it goes together with: some 32 bytes. Jobs that need the same model, and among them those
 * that can be made at once, come one after the other. What comes through a pipe is read once, as it
 * comes.
 */
#ifndef SPRITTY_BATCH_JOBS_H
#define SPRITTY_BATCH_JOBS_H

#include <limits.h>

#include "engine/job_text.h"
#include "engine/results.h"

struct batch_jobs;

enum { BATCH_ID_MAX = JOB_ID_MAX + 16 };

struct batch_job {
    struct job_text text;      /* with the command's settings under its own, paths resolved */
    char id[BATCH_ID_MAX + 1]; /* its own, or the first 16 digits of its identity; "": no job */
    char identity[65];
    long line;
};

struct batch_jobs_options {
    const char *path;             /* or "-" */
    const struct settings *flags; /* for what a job does not say; NULL: none */
    const char *preset;           /* the same; NULL: none */
    int shard, shards;            /* job i is shard 1 + i mod shards's; 0 of 0: all */
    struct results *results;      /* what is done; jobs that changed are forgotten in it */
};

struct batch_counts {
    long total; /* of this shard; of a pipe so far */
    long already, wrong;
    bool piped;
};

/* tell: each job that is wrong, as it is found; NULL: nobody asks. NULL with err: nothing can be
 * read. */
struct batch_jobs *batch_jobs_open(const struct batch_jobs_options *,
                                   void (*tell)(void *user, const char *why), void *user,
                                   struct err *);
void batch_jobs_close(struct batch_jobs *);

/* 1: a job that is not done, the caller's to free; -1: a job that is wrong, err says why and the
 * job's line and id (if it has one) are filled; 0: there are no more; -2: no more can be read. One
 * thread at a time. */
int batch_jobs_next(struct batch_jobs *, struct batch_job *, struct err *);
void batch_jobs_counts(const struct batch_jobs *, struct batch_counts *);

/* ---- batch_names.c ---- */

/* The file of a job's picture, in the folder of -o: its output, spelt in one way, or its id. -1
 * with err: it is none, or leaves the folder. */
int batch_output(const struct batch_job *, char full[PATH_MAX], struct err *);

/* Whether jobs may differ in this setting and be made at once all the same. */
bool batch_key_is_own(const struct settings_key *);

#endif
