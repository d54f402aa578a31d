/*
 * What a sprite carries in its text chunks, and what `--json` says.
 */
#ifndef SPRITTY_META_H
#define SPRITTY_META_H

#include "base/jsonw.h"
#include "engine/job.h"

/* Milliseconds besides the pipeline's. */
struct job_times {
    double total, finish, save;
};

/* A1111's "parameters" for image `index` of the batch (malloc'd, NULL without memory). hash: of the
 * model, or "" to leave it out. */
char *meta_parameters(const struct job *, const char *hash, int index);

/* The "spritty" chunk: version, params, ms by stage and step, bytes (malloc'd). */
char *meta_chunk(const struct job *, const struct pipeline *, const struct gen_result *, int index);

/* Members "seed", "params", "ms", "bytes" of an open object, and "notes" where there are some. */
void meta_json(struct jsonw *, const struct job *, const struct pipeline *,
               const struct gen_result *, const struct job_times *);

/* The same of a job that several devices shared: what they are is the caller's to say. */
void meta_json_on(struct jsonw *, const struct job *, const char *device, const char *precision,
                  const struct gen_result *, const struct job_times *);

/* First ten digits of the SHA-256 of the single file, or of a folder's UNet, as A1111 has it: as
 * NAME.sha256 beside it has it, else read; "" when that file is over 64 MiB (it would take longer
 * than the picture) or cannot be read. */
void meta_model_hash(const char *model, char out[11]);

#endif
