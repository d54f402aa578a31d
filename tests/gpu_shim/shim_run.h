/* The scheduler under gpu_shim.h: runs a block's threads as fibers. C, called from C++. */
#ifndef SPRITTY_SHIM_RUN_H
#define SPRITTY_SHIM_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uint3 {
    unsigned x, y, z;
};

/* Of the thread that runs now. */
extern struct uint3 threadIdx, blockIdx, shim_grid, shim_block;

enum { SHIM_FAILED = 9999 }; /* a launch's error that is the shim's own */

/* Runs `run(context)` as every thread of every block. 0, or SHIM_FAILED with the reason in
 * shim_error(). While a graph is captured nothing runs: `bytes` of context are kept. `kernel` tells
 * kernels apart. */
int shim_launch(void (*kernel)(void), struct uint3 grid, struct uint3 block, void (*run)(void *),
                void *context, size_t bytes);

/* A captured graph: launches and what else is queued, as calls that can be made again. Only one at
 * a time is captured (device_host.c calls these). */
struct shim_graph;
void shim_capture(void);
bool shim_capturing(void);
/* Something that no capture allows was called: the capture is spoilt. Returns SHIM_FAILED. */
int shim_spoil(const char *what);
/* Keeps a call with a copy of its context. */
int shim_keep(int (*call)(void *), const void *context, size_t bytes);
int shim_captured(struct shim_graph **); /* NULL and SHIM_FAILED when it was spoilt */
int shim_replay(struct shim_graph *);
void shim_forget(struct shim_graph *);

/* The device's memory and pinned memory, for tests in which they end: allocation number `refuse`
 * from now on is refused (0: none), with `all` each after it as well. */
struct shim_memory {
    long refuse, refused; /* refused: how many were */
    bool all;
    long live;    /* allocations that were not freed */
    long made;    /* so far */
    size_t taken; /* bytes that somebody has, where it is asked how many are free */
};
extern struct shim_memory shim_memory;

/* The reason of the last launch that failed; sets it. */
const char *shim_error(void);
void shim_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Launches so far: tests see by it that a kernel ran at all. */
unsigned shim_launches(void);

/* For the threads. */
void shim_misaligned(uintptr_t p, unsigned bytes);
static inline void shim_aligned(uintptr_t p, unsigned bytes)
{
    if (p & (bytes - 1))
        shim_misaligned(p, bytes);
}
void shim_barrier(int line);
/* Leaves `value` for the lanes of `mask`, waits for all of them, returns that of lane `from`. */
uint64_t shim_exchange(unsigned mask, uint64_t value, int from, int line);
/* The block's memory for the declaration at `line`: the same for all its threads. */
void *shim_shared(size_t bytes, int line);

#ifdef __cplusplus
}
#endif

#endif
