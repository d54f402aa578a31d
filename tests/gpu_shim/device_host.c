/*
 * gpu/device.h over the host's memory, for kernels that run through the shim. All is done at once,
 * so streams and events are nothing. Memory is allocated to the byte and full of NaNs: the address
 * sanitizer sees what is read or written beyond it, tests what was read before it was written.
 */
#include "../../gpu/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim_run.h"

enum { OUT_OF_MEMORY = 2 }; /* cudaErrorMemoryAllocation */

static int anything;

int device_open(int index, struct device_info *info, struct err *err)
{
    if (index != 0)
        return err_set(err, "there is no device %d; the shim has one", index);
    *info = (struct device_info){
        .bytes_total = 1 << 30, .bytes_free = 1 << 30, .processors = 1, .count = 1};
    snprintf(info->name, sizeof info->name, "the host, through the shim");
    return 0;
}

int device_memory(int index, size_t *bytes_free, size_t *bytes_total)
{
    *bytes_free = *bytes_total = 1 << 30;
    return index == 0 ? 0 : -1;
}

bool device_is_full(int code)
{
    return code == OUT_OF_MEMORY;
}

const char *device_error(int code)
{
    return code == SHIM_FAILED ? shim_error() : code == OUT_OF_MEMORY ? "out of memory" : "invalid";
}

int stream_open(void **stream)
{
    *stream = &anything;
    return 0;
}

void stream_close(void *stream)
{
    (void)stream;
}

int stream_wait(void *stream)
{
    (void)stream;
    return shim_capturing() ? shim_spoil("waiting for the stream") : 0;
}

int event_open(void **event)
{
    *event = &anything;
    return 0;
}

void event_close(void *event)
{
    (void)event;
}

int event_record(void *event, void *stream)
{
    (void)event, (void)stream;
    return shim_capturing() ? shim_spoil("an event that the host waits for") : 0;
}

int event_wait(void *event)
{
    (void)event;
    return shim_capturing() ? shim_spoil("waiting for an event") : 0;
}

int event_passed(void *event)
{
    (void)event;
    return 0;
}

int stream_after(void *stream, void *event)
{
    (void)stream, (void)event;
    return shim_capturing() ? shim_spoil("waiting for another stream") : 0;
}

int device_alloc(void **p, size_t bytes, void *stream)
{
    (void)stream;
    *p = NULL;
    if (shim_capturing())
        return shim_spoil("allocating");
    if (posix_memalign(p, 256, bytes) != 0)
        return OUT_OF_MEMORY;
    memset(*p, 0xff, bytes);
    return 0;
}

void device_free(void *p, void *stream)
{
    (void)stream;
    if (p && shim_capturing())
        shim_spoil("freeing");
    free(p);
}

int pinned_alloc(void **p, size_t bytes)
{
    return device_alloc(p, bytes, NULL);
}

void pinned_free(void *p)
{
    free(p);
}

struct zeros {
    void *p;
    size_t bytes;
};

static int zero_kept(void *context)
{
    const struct zeros *z = context;
    memset(z->p, 0, z->bytes);
    return 0;
}

int device_zero(void *p, size_t bytes, void *stream)
{
    (void)stream;
    struct zeros z = {p, bytes};
    return shim_capturing() ? shim_keep(zero_kept, &z, sizeof z) : zero_kept(&z);
}

int device_put(void *to, const void *from, size_t bytes, void *stream)
{
    (void)stream;
    if (shim_capturing())
        return shim_spoil("a copy from or to the host");
    memcpy(to, from, bytes);
    return 0;
}

int device_get(void *to, const void *from, size_t bytes, void *stream)
{
    return device_put(to, from, bytes, stream);
}

int graph_begin(void *stream)
{
    (void)stream;
    shim_capture();
    return 0;
}

int graph_end(void *stream, void **graph)
{
    (void)stream;
    struct shim_graph *g = NULL;
    int rc = shim_captured(&g);
    *graph = g;
    return rc;
}

int graph_launch(void *graph, void *stream)
{
    (void)stream;
    return shim_capturing() ? shim_spoil("a graph's launch") : shim_replay(graph);
}

void graph_close(void *graph)
{
    shim_forget(graph);
}
