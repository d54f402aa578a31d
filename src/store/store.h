/*
 * What must not be lost: jobs, sprites, prompts, votes and drafts, in one SQLite database (WAL).
 *
 * A row is written before the work that it stands for. Every call is one transaction. A store
 * belongs to one thread; two threads (the terminal's, the engine's) open one each on the same
 * file. Texts that a call returns are malloc'd; lists are freed with their *_free.
 *
 * The schema has a version (PRAGMA user_version): an older database is brought up to date, a newer
 * one is refused with a text. A broken one is moved aside, never deleted. This folder is SQLite's
 * only home.
 */
#ifndef SPRITTY_STORE_H
#define SPRITTY_STORE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct store;

/* Makes the folder and the file where missing. A note about a database that had to be moved aside
 * is left in `e` though the call succeeds (else e->text is ""); none is moved that another thread
 * or program has open. NULL and err on failure. */
struct store *store_open(const char *path, struct err *e);
void store_close(struct store *); /* NULL: nothing */

/* ---- small values: drafts, settings of the app ---- */

int store_put(struct store *, const char *key, const char *value, struct err *); /* NULL drops */
char *store_get(struct store *, const char *key);                                /* NULL: none */

/* ---- jobs ---- */

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED, JOB_CANCELLED };

struct store_job {
    int64_t id;
    int64_t run;  /* the comparison that it belongs to, or 0 */
    int row, col; /* its place in that */
    enum job_state state;
    double created;                  /* seconds since 1970 */
    char *words, *preset, *settings; /* settings: "key = value" lines of what was said */
    char *label;                     /* in a comparison: "pixel-art", "cfg 7, steps 20" */
    char *error;                     /* why it failed, or NULL */
    double ms_total, ms_load, ms_text, ms_sample, ms_decode, ms_finish, ms_save, ms_step;
    size_t bytes_peak;
};

/* Adds at the end of the queue; fills in id, state and created. */
int store_add_job(struct store *, struct store_job *, struct err *);
int store_set_job_state(struct store *, int64_t id, enum job_state, const char *error,
                        struct err *);
/* The times and peak of a job that is done, and its state JOB_DONE. */
int store_finish_job(struct store *, const struct store_job *, struct err *);
/* Takes the rows of a job and of its sprites away; files stay. For who keeps nothing of a job that
 * is over: a worker makes more of them than it has memory for rows. */
int store_forget_job(struct store *, int64_t id, struct err *);
/* Puts a queued job before another one (0: at the end). */
int store_move_job(struct store *, int64_t id, int64_t before, struct err *);
/* What was running when the program died is queued again. Returns how many, -1 on failure. */
int store_recover(struct store *, struct err *);

/* Queued and running jobs in their order; or all of a comparison by row and column; or the newest
 * `limit` that are finished in whatever way. Returns the count, -1 on failure. */
int store_queue(struct store *, struct store_job **list, struct err *);
int store_run_jobs(struct store *, int64_t run, struct store_job **list, struct err *);
int store_past_jobs(struct store *, int limit, struct store_job **list, struct err *);
void store_jobs_free(struct store_job *, int count);

/* ---- sprites ---- */

struct store_sprite {
    int64_t id, job;
    int index; /* in the job's batch */
    char *path;
    double created;
    char *prompt, *negative;         /* as the model saw them */
    char *words, *preset, *settings; /* as the job had them */
    char *model;
    uint64_t seed;
    int width, height, colors;
    int steps;
    double cfg;
    char *sampler, *scheduler;
    double ms_total, ms_step;
    size_t bytes_peak;
    int rating;     /* 0: none, 1 to 5 */
    char *tags;     /* "a, b" or "" */
    double trashed; /* when, or 0 */
};

int store_add_sprite(struct store *, struct store_sprite *, struct err *); /* fills id, created */
/* Newest first. query: words that prompt, negative or tags must all hold (prefixes count; any text
 * is allowed, FTS5's syntax is not); a word of 1 to 5 stars ("***") is the least rating; "" is
 * all. `trash`: those in the trash instead of those that are not. Returns the count in *list, -1 on
 * failure; *total: how many match in all, may be NULL. */
int store_find_sprites(struct store *, const char *query, bool trash, int offset, int limit,
                       struct store_sprite **list, int *total, struct err *);
int store_job_sprites(struct store *, int64_t job, struct store_sprite **list, struct err *);
/* Where a sprite of a job goes: `wanted`, or where that is a file of somebody else's, wanted-2 and
 * so on before its ending. (After the loss of a database another one counts the same jobs.) Its own
 * is what it has a row of, or was written after it was queued. False: the names are too long, or
 * taken. */
bool store_sprite_path(struct store *, int64_t job, const char *wanted, char out[PATH_MAX]);
int store_sprite(struct store *, int64_t id, struct store_sprite **one, struct err *); /* 0 or 1 */
void store_sprites_free(struct store_sprite *, int count);
int store_rate(struct store *, int64_t sprite, int rating, struct err *);
int store_tag(struct store *, int64_t sprite, const char *tags, struct err *);
/* Moves the file into the folder `trash` beside it and marks the row, or back. A name that is taken
 * there gets a number; a file that is gone is no error. A kill in between loses nothing. */
int store_trash(struct store *, int64_t sprite, struct err *);
int store_untrash(struct store *, int64_t sprite, struct err *);

/* ---- prompt history ---- */

/* Words that were queued; saying the same again moves it to the front. */
int store_remember(struct store *, const char *words, const char *negative, struct err *);

struct store_prompt {
    int64_t id;
    char *words, *negative;
    double used;
};
/* Newest first; `query`: a part of the words, without case; "" is all. Count or -1. */
int store_history(struct store *, const char *query, int limit, struct store_prompt **list,
                  struct err *);
void store_prompts_free(struct store_prompt *, int count);

/* ---- comparisons ---- */

struct store_run {
    int64_t id;
    double created;
    char *words, *negative;
    uint64_t seed;
    int rows, cols;
    char *title;    /* "draft | fine | pixel-art", "cfg by steps" */
    int64_t winner; /* job, or 0 */
};
int store_add_run(struct store *, struct store_run *, struct err *); /* fills id, created */
/* Newest first. */
int store_runs(struct store *, int limit, struct store_run **list, struct err *);
void store_runs_free(struct store_run *, int count);
/* The winner of a run (0 takes the vote back). */
int store_vote(struct store *, int64_t run, int64_t job, struct err *);
/* All votes as CSV (RFC 4180), malloc'd: date, prompt, seed, title, winner's label, preset, times,
 * peak, path, and the labels that lost. NULL and err on failure. */
char *store_votes_csv(struct store *, struct err *);

const char *store_library(void); /* "SQLite 3.40.1", for people */

#endif
