/*
 * What the files of the engine share. engine.c: rings, thread, messages. model.c: the open model.
 * work.c: a job from its command to its last event.
 */
#ifndef SPRITTY_ENGINE_PRIV_H
#define SPRITTY_ENGINE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "engine/engine.h"
#include "engine/job.h"
#include "engine/promise.h"
#include "engine/ring.h"
#include "store/store.h"

enum { COMMANDS = 64, EVENTS = 256, MAX_CANCELLED = 128 };

/* The model of the last job; pipeline NULL: none. */
struct open_model {
    char *key; /* what it was opened with */
    struct pipeline *pipeline;
    struct token_counter *tokens;
    char hash[11];
};

struct engine {
    struct ring *commands, *events;
    pthread_t thread;
    char *store_path, *folder, *device; /* or NULL */
    bool gives_back;
    int (*fault)(void *user, const struct command *, const char *stage, int step, struct err *);
    void *fault_user;
    int threads, nice;
    struct command *farewell; /* made at the start, so that stopping needs no memory */
    atomic_bool quit, finish_previews;
    _Atomic int64_t cancelled[MAX_CANCELLED]; /* jobs; 0: a free place */
    atomic_uint next_cancelled;

    /* the thread's own */
    struct store *store; /* NULL: not open (yet) */
    struct open_model model;
    struct promise promise; /* of memory, for the job that runs */
};

/* ---- engine.c ---- */

/* Zeros but kind, job and time. NULL without memory: then there is no event. */
struct event *event_new(enum event_kind, int64_t job);
/* Gives the event away (NULL: nothing). One that may be dropped is, when the ring fills up; any
 * other waits for room, until the engine is told to quit. */
void emit(struct engine *, struct event *);
/* Is there room for events that may be dropped? */
bool can_drop_in(struct engine *);
/* A copy for event.text, safe to print. */
char *safe_text(const char *);

bool is_cancelled(struct engine *, int64_t job);

/* ---- model.c ---- */

bool model_is_open(const struct engine *, const struct job *);
/* Makes the job's model the open one and tells so. hooks are asked while it loads. */
int model_open(struct engine *, const struct job *, const struct gen_hooks *, int64_t id,
               struct err *);
void model_close(struct engine *);

/* ---- warmup.c ---- */

/* A short run of the job over the open model, which is its own. */
void engine_warm_up(struct engine *, const struct job *);

/* ---- work.c ---- */

void work_open(struct engine *, struct command *);
/* True: the command has gone back with an event, and is not to be freed. */
bool work_run(struct engine *, struct command *);
void work_end(struct engine *, struct command *);

#endif
