/*
 * The little of CUDA's runtime that the backend needs, for C: memory, copies, a stream, events.
 *
 * Behind it is CUDA (device.c), or the host's memory (tests/gpu_shim), so that the backend itself
 * runs in tests on machines without a GPU. All functions return 0 or an error code for
 * device_error. What takes a stream is queued on it and does not wait.
 */
#ifndef SPRITTY_DEVICE_H
#define SPRITTY_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct device_info {
    char name[256];
    size_t bytes_total, bytes_free;
    int major, minor; /* compute capability */
    int processors;
    bool shares_memory;  /* with the host (GB10) */
    int count;           /* devices that can be seen */
    int driver, runtime; /* CUDA's versions: 13000 is 13.0 */
};

/* Makes `index` the calling thread's device. -1 with the reason in err: no driver, no such device,
 * a driver older than the toolkit. */
int device_open(int index, struct device_info *, struct err *);

/* The calling thread works with this device: whoever else looks at others from it comes back. */
void device_settle(int index);
void device_return(void); /* to the device of device_settle, if there was one */

/* Of a device that was opened before, from any thread. 0 or -1. */
int device_memory(int index, size_t *bytes_free, size_t *bytes_total);

/* Never NULL. */
const char *device_error(int code);
/* What is not allowed while a graph is captured: cudaErrorStreamCaptureUnsupported. */
enum { DEVICE_CAPTURED = 900 };
bool device_is_full(int code); /* the error says that there is no memory */
/* What a library's call that failed left behind is forgotten, or the next launch would take it for
 * its own. */
void device_forget(void);
/* CUDA keeps an error that it has returned, and the next launch, which asks for the last one, would
 * take it for its own: memory that ended would end the run that goes on with less. So each is
 * forgotten when it is returned. (What the device itself has failed at is returned by every call.)
 */
static inline int device_told(int code)
{
    if (code != 0)
        device_forget();
    return code;
}

int stream_open(void **stream);
int stream_open_beside(void **stream); /* for copies alone, beside another's calls */
void stream_close(void *stream);       /* NULL: nothing */
/* Waits until all that was queued is done; says what of it went wrong. */
int stream_wait(void *stream);

/* An event is a place in a stream. */
int event_open(void **event);
void event_close(void *event); /* NULL: nothing */
int event_record(void *event, void *stream);
int event_wait(void *event); /* the host waits; at once if it was never recorded */
/* 0 if the stream is past it, or it was never recorded; EVENT_AHEAD if not yet. Never waits. */
enum { EVENT_AHEAD = -1 };
int event_passed(void *event);
/* What is queued on the stream from now on waits, on the device, for what came before the event. */
int stream_after(void *stream, void *event);

/* From the stream-ordered allocator, 256-byte aligned, not zeroed; freeing is queued too. */
int device_alloc(void **p, size_t bytes, void *stream);
void device_free(void *p, void *stream); /* NULL: nothing */
/* Page-locked host memory: what copies run from and to without waiting. */
int pinned_alloc(void **p, size_t bytes);
void pinned_free(void *p); /* NULL: nothing */

int device_zero(void *p, size_t bytes, void *stream);
/* `from` must be pinned for this not to wait. */
int device_put(void *to, const void *from, size_t bytes, void *stream);
int device_get(void *to, const void *from, size_t bytes, void *stream);

/* -- graphs: what is queued on a stream between begin and end is not done but kept, and done by
 * each launch. In between, what waits, allocates or copies from or to the host is refused: CUDA
 * would keep some of these too, and each launch would allocate, or read what no longer is there. --
 */

int graph_begin(void *stream);
int graph_end(void *stream, void **graph); /* *graph NULL after an error */
int graph_launch(void *graph, void *stream);
void graph_close(void *graph); /* NULL: nothing */

#endif
