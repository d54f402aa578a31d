/*
 * What the other parts of a batch have done (`--shard`), by the files of results beside ours:
 * jobs-results-2of4.jsonl for jobs-results-1of4.jsonl, of any number of parts, and the file of all.
 *
 * A job's part follows from its place in the file of jobs, so a line that is put before others, or
 * another number of parts, gives jobs that are done to parts that did not do them. Those files are
 * read once, at the start, and may be written meanwhile: what is kept is where a line was.
 */
#ifndef SPRITTY_RESULTS_OTHERS_H
#define SPRITTY_RESULTS_OTHERS_H

#include <stddef.h>

struct results_others;

/* Those beside the results at `path`. What cannot be read says nothing. NULL: there are none, or no
 * memory. */
struct results_others *results_others_open(const char *path);
/* A line that says "done" and may be of this job (64 hex digits), to be freed; its files were not
 * looked for. NULL: there is none. others NULL: none. */
char *results_others_line(const struct results_others *, const char *job, size_t *size);
void results_others_close(struct results_others *);

#endif
