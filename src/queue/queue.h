/*
 * Jobs over many machines: Redis (or Valkey) Streams, and a few scripts that are one transaction
 * each. The server keeps all state; clients and workers may die at any point.
 *
 *   client: submit --> NAME:jobs:MODEL:CLASS (stream) --> worker: next/claim, touch ... deliver
 *   client: XREAD  <-- NAME:events:CLIENT (stream)    <-- progress, previews, "result"
 *   client: HGETALL, save, ack  <-- NAME:result:ID (hash: pictures with their SHA-256)
 *
 * Keys, all behind "{NAME}:" so that a cluster keeps them in one place:
 *   jobs:MODEL:CLASS  a stream a model (SHA-256 of its files, model_hash.h) and a class of memory
 *                     (CLASS GiB are enough), read by the consumer group "workers". A worker reads
 *                     those that it can serve and never sees another job.
 *   job:ID            a hash: state (queued, done, failed, cancelled), reply (the client's event
 *                     stream), stream, msg, cancel, taker. While it is there, a second submit of
 *                     the same job is no second job.
 *   result:ID         what came of it, until the client acknowledges, or for RESULT_SECONDS
 *   events:CLIENT     a stream of at most EVENTS_KEPT, gone EVENTS_SECONDS after the last
 *   dead              jobs that were given up, with their reason, at most DEAD_KEPT
 *   workers, worker:NAME   who is there (beat)
 *
 * Exactly one delivers. A message belongs to one consumer of the group at a time (the group's
 * pending list), and `deliver` stores a result only for the consumer that owns it, in the same
 * transaction in which the message is acknowledged and deleted. A worker that was cut off for
 * longer than the lease finds the message another's, or gone, and drops its work.
 *
 * A worker renews by `touch` (XCLAIM, which sets the idle time to zero); what nobody renewed for
 * LEASE_MS is taken by another's `claim` (XAUTOCLAIM); what was taken TRIES times is given up.
 *
 * What a job is called (ID) follows from the client's own id, the row, the job's text and what is
 * in its files: a client that died and sends the same again gets what was already made.
 *
 * In every script the first command that writes is one that a full server refuses (maxmemory with
 * noeviction), so a script that fails has done nothing. Messages carry the version of the protocol;
 * any other is given up with that reason. Sizes are checked on both sides (limits below).
 *
 * A message: v, id, job (job_text.h), model, needs, and for each input file i: in:i:name,
 * in:i:sha256, in:i:data. An event: v, kind, id, and what its kind has (message.h).
 */
#ifndef SPRITTY_QUEUE_QUEUE_H
#define SPRITTY_QUEUE_QUEUE_H

enum {
    QUEUE_PROTOCOL = 1,
    QUEUE_LEASE_MS = 15000,
    QUEUE_TRIES = 3,
    QUEUE_HELLO_TRIES = 8, /* with pauses of 0.1 to 6.4 s between, if no server answers ever */
    QUEUE_ROOM = 10000,    /* jobs that may wait in a stream */

    QUEUE_JOB_MAX = 256 << 10,    /* bytes of a job's text */
    QUEUE_INPUTS = 8,             /* files a job */
    QUEUE_INPUT_MAX = 16 << 20,   /* bytes of one of them */
    QUEUE_MESSAGE_MAX = 40 << 20, /* of all fields of a message */
    QUEUE_PICTURES = 64,          /* a result */
    QUEUE_PICTURE_MAX = 32 << 20,
    QUEUE_RESULT_MAX = 64 << 20, /* of all pictures of a result */
    QUEUE_PREVIEW_MAX = 1 << 20,

    QUEUE_RESULT_SECONDS = 24 * 3600,
    QUEUE_JOB_SECONDS = 7 * 24 * 3600,
    QUEUE_EVENTS_SECONDS = 24 * 3600,
    QUEUE_EVENTS_KEPT = 20000,
    QUEUE_DEAD_KEPT = 1000,
};

#define QUEUE_GROUP "workers"

/* Classes of memory in GiB, ascending; a job's is the first that its forecast fits into. */
int queue_class(int i); /* 0 past the end */
/* For a forecast of so many bytes; 0: none is large enough. */
int queue_class_of(unsigned long long bytes);

#endif
