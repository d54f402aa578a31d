/*
 * Jobs as text: one JSON object a job, or one row of a CSV file, and back.
 *
 *     {"id": "hero-1", "prompt": "a knight", "seed": 7, "steps": 4, "size": "128x128"}
 *
 * Keys are the names of settings (config.h) with hyphens or underscores, as `spritty import --json`
 * prints them, and four more: `id`, which names the job's files; `prompt`, the words of `spritty
 * gen PROMPT`; `preset`; `output`, a file name. A key that is null counts as not said. What is
 * wrong is refused with its place: unknown keys, keys said twice, values that a setting does not
 * take, control characters, texts over the limits. Nothing is dropped in silence.
 *
 * A job's identity is the SHA-256 of its canonical text, without what does not change the picture:
 * where it is written, and which machine computes it. Whoever has seen it once knows it again.
 */
#ifndef SPRITTY_JOB_TEXT_H
#define SPRITTY_JOB_TEXT_H

#include <stddef.h>
#include <stdio.h>

#include "config.h"

enum {
    JOB_TEXT_MAX = 1 << 20,    /* bytes of a job's line or row */
    JOB_PROMPT_MAX = 64 << 10, /* bytes of any of its values */
    JOB_ID_MAX = 100
};

struct job_text {
    char *id;                 /* NULL: not said. No path: no slash, no dot at its beginning */
    char *prompt;             /* always there, if only "" */
    char *preset;             /* NULL: none */
    struct settings settings; /* without "prompt", which is the one above */
};

/* One JSON object of `size` bytes. `where` ("jobs.jsonl:12") stands before every error. -1 with
 * err, and nothing to free. */
int job_text_parse(const char *json, size_t size, const char *where, struct job_text *,
                   struct err *);
void job_text_free(struct job_text *);

/* Sets `id`, `prompt`, `preset` or a setting, once each; the error has no place. */
int job_text_set(struct job_text *, const char *key, const char *value, struct err *);

/* The canonical text: one line, keys in the table's order. Reads back as the same job. The caller's
 * to free; NULL without memory. */
char *job_text_print(const struct job_text *);
/* 64 lower-case digits. -1: no memory. */
int job_text_identity(const struct job_text *, char out[65], struct err *);

/* Relative paths of pictures and weights are meant from `folder` on (the jobs file's): images,
 * masks, vocabularies; of models, VAEs, palettes and LoRAs what is spelt as a path and not as a
 * name (with a slash, for LoRAs one behind a dot, or with its ending). -1: too long, or no memory.
 */
int job_text_resolve(struct job_text *, const char *folder, struct err *);

/* ---- files of jobs ---- */

struct job_reader;

/* A file, or "-" for stdin. CSV by its name (.csv), or where the text does not begin with a brace:
 * RFC 4180 with a row of keys first; CRLF and a byte order mark are taken; an empty cell is not
 * said (of `prompt` it is the empty prompt). Reads as it goes: no more than a job is in memory. */
struct job_reader *job_reader_open(const char *path, struct err *);
/* The same of an open stream, which it closes; `name` is what errors call it. */
struct job_reader *job_reader_from(FILE *, const char *name, struct err *);
void job_reader_close(struct job_reader *);

/* 1: a job; 0: there are no more; -1: this one is wrong, err says where and why, go on with the
 * next; -2: no more can be read (no header, a read error). Empty lines are no jobs. */
int job_reader_next(struct job_reader *, struct job_text *, struct err *);
/* Of the job last read: its first line, from 1 on, and where in the file it begins (-1 for what
 * cannot go back). */
long job_reader_line(const struct job_reader *);
long long job_reader_at(const struct job_reader *);
bool job_reader_goes_back(const struct job_reader *);
/* Reads the job that begins at `at` (line `line`) next. -1 with err. */
int job_reader_seek(struct job_reader *, long long at, long line, struct err *);

#endif
