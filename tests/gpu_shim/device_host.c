/*
 * gpu/device.h over the host's memory, for kernels that run through the shim. All is done at once,
 * but for what is queued on a stream beside: that is done as late as it may be, when somebody waits
 * for it (the host, or another stream for an event). So values are not there, or are other ones,
 * where a wait was forgotten. Memory is allocated to the byte and full of NaNs, but for pieces that
 * are so large that it would take long: the address sanitizer sees what is read or written beyond
 * it, tests what was read before it was written.
 */
#include "../../gpu/device.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim_run.h"

enum { OUT_OF_MEMORY = 2 }; /* cudaErrorMemoryAllocation */

enum { LATE = 64, LARGE = 64 << 20 };

/* A stream, and what is still to be done on it: copies number first to count - 1. */
struct stream {
    bool beside;
    struct copy {
        void *to;
        const void *from;
        size_t bytes;
    } late[LATE];
    unsigned first, count;
};

/* A place in a stream: behind its copies up to `count`. */
struct event {
    struct stream *stream; /* NULL: never recorded */
    unsigned count;
    bool looked; /* the host has asked once, and was told to wait */
};

static void catch_up(struct stream *s, unsigned count)
{
    for (; s->first != count && s->first != s->count; s->first++) {
        const struct copy *c = &s->late[s->first % LATE];
        memcpy(c->to, c->from, c->bytes);
    }
}

int device_open(int index, struct device_info *info, struct err *err)
{
    if (index != 0)
        return err_set(err, "there is no device %d; the shim has one", index);
    *info = (struct device_info){
        .bytes_total = 1 << 30, .bytes_free = 1 << 30, .processors = 1, .count = 1};
    snprintf(info->name, sizeof info->name, "the host, through the shim");
    return 0;
}

void device_settle(int index)
{
    (void)index;
}

void device_return(void)
{
}

int device_memory(int index, size_t *bytes_free, size_t *bytes_total)
{
    *bytes_total = 1 << 30;
    *bytes_free = *bytes_total - shim_memory.taken;
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

void device_forget(void)
{
}

int stream_open(void **stream)
{
    *stream = calloc(1, sizeof(struct stream));
    return *stream ? 0 : OUT_OF_MEMORY;
}

int stream_open_beside(void **stream)
{
    int rc = stream_open(stream);
    if (rc == 0)
        ((struct stream *)*stream)->beside = true;
    return rc;
}

void stream_close(void *stream)
{
    free(stream);
}

int stream_wait(void *stream)
{
    struct stream *s = stream;
    if (shim_capturing())
        return shim_spoil("waiting for the stream");
    catch_up(s, s->count);
    return 0;
}

int event_open(void **event)
{
    *event = calloc(1, sizeof(struct event));
    return *event ? 0 : OUT_OF_MEMORY;
}

void event_close(void *event)
{
    free(event);
}

int event_record(void *event, void *stream)
{
    struct stream *s = stream;
    if (shim_capturing())
        return shim_spoil("an event that the host waits for");
    *(struct event *)event = (struct event){s, s->count, false};
    return 0;
}

static void wait_for(struct event *e)
{
    if (e->stream && (int)(e->count - e->stream->first) > 0)
        catch_up(e->stream, e->count);
}

int event_wait(void *event)
{
    if (shim_capturing())
        return shim_spoil("waiting for an event");
    wait_for(event);
    return 0;
}

int event_passed(void *event)
{
    struct event *e = event;
    if (shim_capturing())
        return shim_spoil("asking for an event");
    bool ahead = e->stream && !e->looked;
    e->looked = true;
    if (ahead)
        return EVENT_AHEAD;
    wait_for(e);
    return 0;
}

int stream_after(void *stream, void *event)
{
    (void)stream;
    if (shim_capturing())
        return shim_spoil("waiting for another stream");
    wait_for(event);
    return 0;
}

struct shim_memory shim_memory;

static bool is_refused(void)
{
    struct shim_memory *m = &shim_memory;
    if (m->refuse == 0 || --m->refuse > 0)
        return false;
    m->refuse = m->all;
    m->refused++;
    return true;
}

int device_alloc(void **p, size_t bytes, void *stream)
{
    (void)stream;
    *p = NULL;
    if (shim_capturing())
        return shim_spoil("allocating");
    if (is_refused() || posix_memalign(p, 256, bytes) != 0)
        return OUT_OF_MEMORY;
    if (bytes <= LARGE)
        memset(*p, 0xff, bytes);
    shim_memory.live++;
    shim_memory.made++;
    return 0;
}

void device_free(void *p, void *stream)
{
    (void)stream;
    if (p && shim_capturing())
        shim_spoil("freeing");
    shim_memory.live -= p != NULL;
    free(p);
}

int pinned_alloc(void **p, size_t bytes)
{
    return device_alloc(p, bytes, NULL);
}

void pinned_free(void *p)
{
    if (p && shim_capturing())
        shim_spoil("freeing pinned memory");
    shim_memory.live -= p != NULL;
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
    struct stream *s = stream;
    if (shim_capturing())
        return shim_spoil("a copy from or to the host");
    if (!s->beside) {
        memcpy(to, from, bytes);
        return 0;
    }
    if (s->count - s->first == LATE)
        catch_up(s, s->first + 1);
    s->late[s->count++ % LATE] = (struct copy){to, from, bytes};
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
    if (graph && shim_capturing())
        shim_spoil("closing a graph");
    shim_forget(graph);
}
