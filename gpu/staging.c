/*
 * Between the host's memory and the device's, through pinned buffers that take turns.
 *
 * What is copied is mostly a checkpoint's pages, seen for the first time: one core may well read
 * them slower than the bus takes them. So a buffer is filled by several, while the ones before are
 * on their way.
 */
#include <string.h>

#include "backend.h"
#include "base/parallel.h"

enum { PIECE = 512 << 10, COPIERS = 6 };

int gpu_staging_open(struct gpu *g)
{
    int rc = 0;
    for (int i = 0; i < STAGING && rc == 0; i++) {
        rc = pinned_alloc(&g->staging[i], STAGING_BYTES);
        rc = rc ? rc : event_open(&g->staged[i]);
    }
    return rc;
}

void gpu_staging_close(struct gpu *g)
{
    for (int i = 0; i < STAGING; i++) {
        event_close(g->staged[i]);
        pinned_free(g->staging[i]);
    }
}

/* The next buffer, once what was in it has been copied. */
static void *next_buffer(struct gpu *g)
{
    g->staged_last = (g->staged_last + 1) % STAGING;
    return gpu_ok(g, event_wait(g->staged[g->staged_last]), "copying") ? g->staging[g->staged_last]
                                                                       : NULL;
}

struct filling {
    char *to;
    const char *from;
    size_t bytes;
};

static void fill_piece(void *context, int64_t index, int thread)
{
    const struct filling *f = context;
    size_t at = (size_t)index * PIECE, some = f->bytes - at < PIECE ? f->bytes - at : PIECE;
    (void)thread;
    memcpy(f->to + at, f->from + at, some);
}

static void fill(void *to, const char *from, size_t bytes)
{
    struct filling f = {to, from, bytes};
    int cores = parallel_cores();
    parallel_for(cores < COPIERS ? cores : COPIERS, (int64_t)((bytes + PIECE - 1) / PIECE),
                 fill_piece, &f);
}

void gpu_put(struct gpu *g, void *to, const void *from, size_t bytes)
{
    for (size_t at = 0, now; at < bytes && !g->failed; at += now) {
        now = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        void *buffer = next_buffer(g);
        if (!buffer)
            return;
        fill(buffer, (const char *)from + at, now);
        if (gpu_ok(g, device_put((char *)to + at, buffer, now, g->stream), "copying"))
            gpu_ok(g, event_record(g->staged[g->staged_last], g->stream), "copying");
    }
}

void gpu_get(struct gpu *g, void *to, const void *from, size_t bytes)
{
    for (size_t at = 0, now; at < bytes && !g->failed; at += now) {
        now = bytes - at < STAGING_BYTES ? bytes - at : STAGING_BYTES;
        void *buffer = next_buffer(g);
        if (!buffer)
            return;
        gpu_ok(g, device_get(buffer, (const char *)from + at, now, g->stream), "copying");
        if (gpu_ok(g, stream_wait(g->stream), "computing"))
            memcpy((char *)to + at, buffer, now);
    }
}
