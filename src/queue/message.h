/*
 * What goes through the queue, as fields: jobs, events, results; written and read.
 *
 * Reading trusts nothing: counts, sizes, names, checksums and the version are checked before
 * anything is used, unknown fields are refused by name. What was read points into the fields, and
 * they into a reply.
 */
#ifndef SPRITTY_QUEUE_MESSAGE_H
#define SPRITTY_QUEUE_MESSAGE_H

#include "engine/engine.h"
#include "queue/link.h"
#include "queue/queue.h"

struct field {
    const char *name, *data; /* not ended by a NUL */
    size_t name_size, size;
};

enum { FIELDS_MAX = 200, QUEUE_ID_MAX = 64 };

struct fields {
    int n;
    struct field at[FIELDS_MAX];
};

/* A list of names and values. -1: it is none, or too long. */
int fields_of(struct fields *, const struct reply *list, struct err *);
/* By name, or NULL. */
const struct field *fields_get(const struct fields *, const char *name);
/* Copies a text: 0, or -1 where it is missing, has a NUL in it or does not fit. */
int fields_text(const struct fields *, const char *name, char *out, size_t room);

/* Is this a version that we speak? The error says which of both is older. */
int fields_version(const struct fields *, struct err *);

/* ---- jobs ---- */

struct queue_file {
    char name[65]; /* the file's own: letters, digits, "-", "_", "." */
    const void *data;
    size_t size;
};

struct queue_message {
    char id[QUEUE_ID_MAX + 1]; /* letters, digits, "-" */
    char model[65];            /* SHA-256 of the model */
    const char *job, *needs;   /* JSON, with their sizes */
    size_t job_size, needs_size;
    int files;
    struct queue_file file[QUEUE_INPUTS];
};

/* Appends the fields. `sha` keeps the checksums that they point to. -1: it is over a limit. */
int message_write(const struct queue_message *, char sha[QUEUE_INPUTS][65], struct args *,
                  struct err *);
int message_read(struct queue_message *, const struct fields *, struct err *);

/* ---- events ---- */

/* "step" and so on; -1: an event that does not travel. Texts stay the event's. */
int event_write(const struct event *, struct args *);
/* A new event, job 0 (event_free), and the id of its job; *result: a result is there to be had, or
 * the job's end in *out. NULL and err: it is wrong. */
struct event *event_read(const struct fields *, char id[QUEUE_ID_MAX + 1], bool *result,
                         struct err *);

/* ---- results ---- */

struct queue_result {
    char worker[65];
    const char *about; /* JSON */
    size_t about_size;
    int pictures;
    struct queue_file picture[QUEUE_PICTURES]; /* PNG files; no names */
};

int result_write(const struct queue_result *, char sha[QUEUE_PICTURES][65], struct args *,
                 struct err *);
int result_read(struct queue_result *, const struct fields *, struct err *);

#endif
