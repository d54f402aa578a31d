/*
 * The results of a batch: a file of JSON lines, one a job, written so that a run which was ended by
 * anything goes on where it stopped.
 *
 *     {"id": "hero-1", "status": "done", "files": ["out/hero-1.png"], "sha256": ["..."], "seed": 7,
 *      "ms": 84.2, "line": 3, "job": "..."}
 *     {"id": "hero-2", "status": "failed", "error": "...", "line": 4, "job": "..."}
 *
 * A line is written after its files are on the disk. Lines are appended whole; one that was cut by
 * the end of a process is dropped at the next start, and so are failures (they are tried again) and
 * lines whose files are gone. `job` is the job's identity (job_text.h): a job that was changed is
 * another one, and takes the line of its id. One process at a time has the file.
 */
#ifndef SPRITTY_RESULTS_H
#define SPRITTY_RESULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/notes.h"

struct results;

struct result {
    const char *id, *job; /* job: 64 hex digits, or NULL where the line was no job */
    long line;            /* in the file of jobs */
    const char *error;    /* NULL: done */
    char *const *files, (*const sha256)[65];
    int count;
    uint64_t seed;
    const struct notes *notes[2]; /* what was not honoured; NULL: nothing */
    double ms; /* of computing, finishing and writing; a share of what was made together */
};

/* Makes the file if it is not there, locks it, reads what is done. folder: where files that are not
 * at their path are looked for. NULL with err: it cannot be written, another process has it, or it
 * is no file of results. */
struct results *results_open(const char *path, const char *folder, struct err *);
/* Syncs and closes. */
void results_close(struct results *);

/* Whether the job is done, by us, when its files are kept for it, or by another part of the batch
 * (results_others.h). */
bool results_has(struct results *, const char job[65]);
/* Whether the file is one of a job's that results_has was asked for and that is done. */
bool results_owns(const struct results *, const char *file);
/* Before results_start: the job of this id is to be made, whatever was said of it. */
void results_forget(struct results *, const char *id);
/* Once, before the first line: what is not true any more leaves the file, in one move. */
int results_start(struct results *, struct err *);

/* Appends a line, whole or not at all; it survives this process from then on, and a power failure
 * from the next results_sync on. -1: not written. */
int results_add(struct results *, const struct result *, struct err *);
/* force: now; else when a second has passed since the last. */
int results_sync(struct results *, bool force, struct err *);

#endif
