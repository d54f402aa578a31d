/*
 * The engine: a thread that makes sprites, behind two rings.
 *
 *   struct command --> command ring --> engine thread --> event ring --> struct event
 *
 * The other side (the terminal app) never waits for it and it never waits for the other side. A
 * command is given away, an event is taken: whoever pops a message frees it. When the event ring is
 * full, progress and previews are dropped; finished sprites and errors wait for room.
 *
 * The engine keeps the model of the last job open and opens another when a job names one. A
 * finished sprite is a file and a row in the store before its event is sent, so an app that dies
 * loses nothing. Cancelling is a flag that is read between two steps, and between two weights
 * that are read.
 *
 * This header knows nothing of networks or curses; the UI includes it, and of the engine's others
 * those of which the same is true: none of a job's inside (job.h, meta.h) and no rings.
 */
#ifndef SPRITTY_ENGINE_H
#define SPRITTY_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/workload.h"
#include "config.h"
#include "engine/missing.h"
#include "engine/tokens.h"
#include "sprite/keep.h"

struct engine;
struct memory_map;

enum command_kind {
    COMMAND_OPEN, /* open the model of `settings`, so that the first job need not wait */
    COMMAND_RUN,  /* make job `job` */
    COMMAND_END,  /* the pool's: the job ended as `end` says; write its row, then send that event */
    COMMAND_QUIT, /* ends the thread at once, whatever waits, but ends are written; what runs is
                   * queued again */
};

struct event;

struct command {
    enum command_kind kind;
    int64_t job;              /* the row in the store; without a store, a number of the caller's */
    char *words, *preset;     /* the prompt as typed; a preset's name or NULL */
    struct settings settings; /* what the user said: goes over the preset's values */
    bool profile;             /* time every operation (EVENT_PROFILE follows) */
    char **files;             /* where sprite i of the batch goes; NULL: to the engine's folder */
    int file_count;
    int first, count;  /* images of the batch that are to be made; count 0: all */
    bool part;         /* of a job that others share: its end is not the row's */
    struct event *end; /* COMMAND_END */
    bool warm; /* COMMAND_OPEN: then run the settings once, briefly (EVENT_WARM follow), so that the
                * first job is as fast as the tenth; gives way to any other command at once */
};

/* All fields zero but kind; texts and `files` are the caller's malloc'd copies, given away. */
struct command *command_new(enum command_kind);
void command_free(struct command *);

enum event_kind {
    EVENT_LOADING,   /* a model is being opened; text: its name */
    EVENT_READY,     /* it is open: text is its name; device, precision, tokens, bytes_weights */
    EVENT_WARM,      /* the open model warms up: part step of steps begins, stage; step == steps: it
                      * has ended, stage is "warm", or "" when it gave way */
    EVENT_STARTED,   /* job begins: steps, seed, width, height, batch as they were settled */
    EVENT_STAGE,     /* stage begins: "load", "text", "encode", "sample", "refine", "hires",
                      * "decode", "finish", "save" */
    EVENT_STEP,      /* step k of steps of a stage that samples is done: ms, bytes */
    EVENT_PREVIEW,   /* what step k sees: image */
    EVENT_SPRITE,    /* one finished sprite is on disk and in the store: sprite, text is its path */
    EVENT_PROFILE,   /* the slowest operations: profile */
    EVENT_MEMORY,    /* what the job will have in memory at its peak, by the forecast: memory */
    EVENT_ASIDE,     /* the pool's: a device does not work or could not do the job, which goes to
                      * another one; text says which and why */
    EVENT_DONE,      /* times and bytes of the whole job */
    EVENT_FAILED,    /* text says why */
    EVENT_CANCELLED, /* nothing of the job was kept but finished sprites */
};

/* Stages of steps: "sample", "refine", "hires". */
bool stage_samples(const char *stage);

/* A job sends STARTED once it is settled, LOADING and READY around the stage "load" where its model
 * is not the open one, and ends with exactly one of DONE, FAILED and CANCELLED, with which it may
 * also begin. STAGE, STEP and PREVIEW are those that a full ring drops. COMMAND_OPEN sends the same
 * as a job's loading, with job 0; of its failure, FAILED. */

enum { PROFILE_ROWS = 24, ENGINE_MAX_STEPS = 1000 };

struct profile_row {
    char name[64]; /* "conv2d 3x3 320>320 64x64" */
    int calls;
    double ms, gflops; /* of all calls together; floating point operations a second / 1e9 */
};

struct event {
    enum event_kind kind;
    int64_t job;
    double at_ms;     /* monotonic clock, when it happened */
    int device_index; /* in a pool: which of its devices; -1: none, the pool itself */
    char stage[12];
    int step, steps;
    struct workload work; /* EVENT_STAGE, EVENT_STEP: of a stage that samples */
    double ms;
    double later; /* EVENT_STAGE, EVENT_STEP: what comes after the stage takes so many times as
                   * long; 0: not known, or nothing */
    size_t bytes_now, bytes_peak; /* of the process */
    size_t bytes_weights, bytes_activations;
    int width, height, batch, index;
    uint64_t seed;
    int64_t sprite;      /* row in the store (EVENT_SPRITE) */
    struct image *image; /* preview (small: few pixels a latent) or the sprite; NULL else */
    struct image *raw;   /* EVENT_SPRITE: the decoded picture that it was finished from, or NULL */
    int cell;            /* ... and how many of its pixels the model makes one of, or 0 */
    struct keep *keep;   /* ... and what stays of it in whatever finishes it anew, or NULL */
    struct {
        double load, text, sample, decode, finish, save, total;
        double lora, encode, refine, hires; /* of which text has encode, sample the others */
    } times;                                /* EVENT_DONE, milliseconds */
    double *step_ms;                        /* EVENT_DONE: `steps` of them */
    char *text; /* or NULL; safe to print. EVENT_DONE: notes for the user, a line each */
    char device[16], precision[8];
    struct token_counter *tokens; /* EVENT_READY: of the model; hold with token_counter_hold */
    struct profile_row *profile;  /* EVENT_PROFILE: `profile_rows` of them, slowest first */
    int profile_rows;
    struct memory_map *memory;     /* EVENT_MEMORY: weights, peak and stages (memory_map.h) */
    enum err_kind kind_of_failure; /* EVENT_FAILED */
    struct command *again; /* EVENT_FAILED: the command back, for another device (gives_back) */
};

void event_free(struct event *);

struct engine_options {
    const char *store;  /* path of the database; the thread opens it for itself. NULL: there is no
                         * database, jobs have no rows and EVENT_SPRITE says 0 */
    const char *folder; /* where finished sprites go; exists. NULL: commands say `files` */
    const char *device; /* what computes, whatever the jobs say; NULL: what they say */
    bool gives_back;    /* a job that failed by the device's fault is not failed: its row is queued
                         * again and its command is in the event */
    /* Tests: asked at each step of each stage; nonzero, with err, is a failure of the device. */
    int (*fault)(void *user, const struct command *, const char *stage, int step, struct err *);
    void *fault_user;
    int threads; /* 0: all cores */
    int nice;    /* added to the priority value of the engine's threads, so that the
                  * terminal's thread is served first */
};

/* Starts the thread. Strings are copied. NULL and err on failure. */
struct engine *engine_start(const struct engine_options *, struct err *);
/* Interrupts what runs (its row is queued again, so nothing is lost; engine_cancel first to give it
 * up), waits for the thread (at most one sampling step, or a decode), frees what is left in the
 * rings. NULL: nothing. */
void engine_stop(struct engine *);

/* False: the ring is full (64 commands), the command stays the caller's. */
bool engine_send(struct engine *, struct command *);
/* The next event, the caller's to free, or NULL. */
struct event *engine_next(struct engine *);
/* For poll: readable when there are events. engine_next until NULL clears it. */
int engine_fd(const struct engine *);
/* From any thread: the job ends between two steps, or weights that are read. A job that is not the
 * running one is dropped when its turn comes. */
void engine_cancel(struct engine *, int64_t job);

/* From any thread: are previews to be shown as they would be finished? */
void engine_finish_previews(struct engine *, bool);

/* ---- answers that need no thread ---- */

/* What a job would run with, in the caller's thread: `said` over preset over config files over the
 * model's recommendations. *out says every key but prompt, output, seed, wildcard_seed and sigmas
 * unless they were said.
 */
int engine_settle(const struct settings *said, const char *preset, struct settings *out,
                  struct err *);

/* Names for -m that are there: shipped and the user's models. Sorted. Caller frees each and the
 * list. Returns the count. */
int engine_models(char ***names);
/* The same of LoRAs: shipped and the user's, with their subfolders ("pixel/outline"). */
int engine_loras(char ***names);
/* And of ControlNets. */
int engine_controls(char ***names);

#endif
