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
    return 0;
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
    return 0;
}

int event_wait(void *event)
{
    (void)event;
    return 0;
}

int device_alloc(void **p, size_t bytes, void *stream)
{
    (void)stream;
    if (posix_memalign(p, 256, bytes) != 0)
        return OUT_OF_MEMORY;
    memset(*p, 0xff, bytes);
    return 0;
}

void device_free(void *p, void *stream)
{
    (void)stream;
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

int device_zero(void *p, size_t bytes, void *stream)
{
    (void)stream;
    memset(p, 0, bytes);
    return 0;
}

int device_put(void *to, const void *from, size_t bytes, void *stream)
{
    (void)stream;
    memcpy(to, from, bytes);
    return 0;
}

int device_get(void *to, const void *from, size_t bytes, void *stream)
{
    return device_put(to, from, bytes, stream);
}
