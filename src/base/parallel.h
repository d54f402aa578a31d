/*
 * A loop over independent pieces of work, on all threads of the caller's pool.
 *
 * The pool is OpenMP's, because oneDNN's is: one pool means that the cores are never asked for
 * twice. Built without OpenMP (as under the thread sanitizer, which cannot see into libgomp), it is
 * a plain loop.
 *
 * Pieces are handed out as threads get free, so that a core that is busy elsewhere takes fewer; a
 * result must therefore not depend on which thread computed it.
 */
#ifndef SPRITTY_PARALLEL_H
#define SPRITTY_PARALLEL_H

#include <stdint.h>

/* index: 0 to count-1, each once. thread: 0 to threads-1, for scratch of its own. */
typedef void parallel_fn(void *context, int64_t index, int thread);

/* Runs fn for every index and returns when all are done. threads <= 1, or a single piece: in the
 * calling thread. Not to be nested. */
void parallel_for(int threads, int64_t count, parallel_fn *fn, void *context);

/* Cores that this process may run on (its affinity mask), at least 1. */
int parallel_cores(void);

/* Threads that OpenMP regions started by the calling thread will have: oneDNN's too. */
void parallel_set_threads(int threads);

#endif
