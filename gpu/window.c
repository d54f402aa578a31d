/*
 * Weights that live in pinned host memory and come to the device when they are used.
 *
 * Values that leave (gpu_park) are copied once, packed as they are, into pinned memory of their
 * own. They come back over a second stream into one window of device memory, a ring in which the
 * newest take the place of the oldest. Two sorts of events keep the streams apart, both waited for
 * on the device alone: a call waits for its weight's arrival; a copy waits until the calls that
 * used what it overwrites are done. So the bus works on the weights of the next calls while these
 * compute, as far ahead as the window reaches.
 */
#include <stdlib.h>

#include "backend.h"
#include "ops/gpu_sizes.h"

static bool start(struct gpu *g)
{
    struct window *n = &g->window;
    n->room = n->room ? n->room : GPU_WINDOW;
    int rc = n->stream ? 0 : stream_open_beside(&n->stream);
    rc = rc || n->left ? rc : event_open(&n->left);
    rc = rc || n->data ? rc : device_alloc(&n->data, n->room, g->stream);
    /* its first use may be on the other stream */
    rc = rc ? rc : event_record(n->left, g->stream);
    return gpu_ok(g, rc, "the window of weights");
}

static size_t values_of(const struct weight *w, enum dtype type)
{
    return (size_t)weight_count(&w->s) * dtype_size(type);
}

bool gpu_park(struct ops *o, struct weight *w)
{
    struct gpu *g = gpu_of(o);
    size_t bytes = values_of(w, o->act);
    if (g->failed || g->info.shares_memory || w->s.kind == WEIGHT_NORM || !w->w || w->berth ||
        bytes > (g->window.room ? g->window.room : GPU_WINDOW) / 2)
        return false;
    if (!w->host && pinned_alloc(&w->host, bytes) != 0)
        w->host = NULL;
    if (!w->host || (!g->window.data && !start(g)))
        return false;
    int rc = device_get(w->host, w->w, bytes, g->stream);
    rc = rc ? rc : event_record(g->window.left, g->stream);
    if (!gpu_ok(g, rc, "weights that leave"))
        return false;
    device_free(w->w, g->stream);
    w->w = NULL;
    w->away = bytes;
    g->weight_bytes -= bytes;
    return true;
}

/* -- the ring: berths from `first` on, `count` of them, oldest first ------------------------------
 */

static struct berth *berth_at(struct window *n, int i)
{
    return &n->berth[(n->first + i) % BERTHS];
}

/* The oldest goes. False: it is used by the call that is being made, or it came for one that is
 * still to be made, and not `must`. */
static bool clear_oldest(struct gpu *g, bool must)
{
    struct window *n = &g->window;
    struct berth *b = berth_at(n, 0);
    if (b->w && ((!b->used && !must) || b->w == n->current))
        return false;
    if (b->w)
        b->w->w = NULL, b->w->berth = 0;
    n->first = (n->first + 1) % BERTHS;
    n->count--;
    /* what overwrites it waits for the calls that read it */
    return !b->is_done || gpu_ok(g, stream_after(n->stream, b->done), "the window of weights");
}

static bool overlaps(const struct berth *b, size_t at, size_t bytes)
{
    return b->at < at + bytes && at < b->at + b->bytes;
}

/* Room for so many bytes at the head. NULL: not now. */
static struct berth *moor(struct gpu *g, size_t bytes, bool must)
{
    struct window *n = &g->window;
    size_t at = n->head + bytes <= n->room ? n->head : 0;
    for (int i = 0; i < n->count;) { /* all that lies there, and what is older */
        if (!overlaps(berth_at(n, i), at, bytes)) {
            i++;
            continue;
        }
        for (; i >= 0; i--)
            if (!clear_oldest(g, must))
                return NULL;
        i = 0;
    }
    if (n->count == BERTHS && !clear_oldest(g, must))
        return NULL;
    struct berth *b = berth_at(n, n->count);
    if (!b->arrived && !gpu_ok(g, event_open(&b->arrived), "the window of weights"))
        return NULL;
    if (!b->done && !gpu_ok(g, event_open(&b->done), "the window of weights"))
        return NULL;
    b->at = at, b->bytes = bytes;
    b->used = b->is_done = false;
    n->head = at + bytes;
    n->count++;
    return b;
}

static bool fetch(struct gpu *g, struct weight *w, bool must)
{
    struct window *n = &g->window;
    size_t bytes = (w->away + 255) / 256 * 256;
    struct berth *b = moor(g, bytes, must);
    if (!b)
        return false;
    b->w = w;
    w->w = (char *)n->data + b->at;
    w->berth = (int)(b - n->berth) + 1;
    int rc = stream_after(n->stream, n->left);
    rc = rc ? rc : device_put(w->w, w->host, w->away, n->stream);
    rc = rc ? rc : event_record(b->arrived, n->stream);
    return gpu_ok(g, rc, "weights that come back");
}

/* The calls that used the one before are queued by now. */
static void leave_current(struct gpu *g)
{
    struct window *n = &g->window;
    if (n->current && n->current->berth) {
        struct berth *b = &n->berth[n->current->berth - 1];
        b->is_done = gpu_ok(g, event_record(b->done, g->stream), "the window of weights");
    }
    n->current = NULL;
}

bool gpu_unpark(struct ops *o, struct weight *w, bool soon)
{
    struct gpu *g = gpu_of(o);
    if (g->failed || !w->away)
        return false;
    if (!soon)
        leave_current(g);
    if (!w->berth && !fetch(g, w, !soon))
        return false;
    if (soon)
        return true;
    struct berth *b = &g->window.berth[w->berth - 1];
    b->used = true;
    g->window.current = w;
    return gpu_ok(g, stream_after(g->stream, b->arrived), "weights that come back");
}

void gpu_window_forget(struct gpu *g, struct weight *w)
{
    struct window *n = &g->window;
    if (!w->away && !w->host)
        return;
    if (n->stream) /* it may be on its way */
        stream_wait(n->stream);
    stream_wait(g->stream);
    if (n->current == w)
        n->current = NULL;
    if (w->berth) {
        n->berth[w->berth - 1].w = NULL;
        w->w = NULL;
    }
    pinned_free(w->host);
}

void gpu_window_swapped(struct gpu *g, struct weight *a, struct weight *b)
{
    struct window *n = &g->window;
    n->current = n->current == a ? b : n->current == b ? a : n->current;
    if (a->berth)
        n->berth[a->berth - 1].w = a;
    if (b->berth)
        n->berth[b->berth - 1].w = b;
}

void gpu_window_close(struct gpu *g)
{
    struct window *n = &g->window;
    if (n->stream)
        stream_wait(n->stream);
    for (int i = 0; i < BERTHS; i++) {
        event_close(n->berth[i].arrived);
        event_close(n->berth[i].done);
    }
    event_close(n->left);
    device_free(n->data, g->stream);
    stream_close(n->stream);
}
