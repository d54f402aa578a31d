/* The queue to the terminal and its pace; see out.h. */
#include "term/out.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    KEEP = 1 << 20,     /* an empty queue larger than this is given back */
    PATIENCE_MS = 2000, /* for an answer, beyond what the bytes should take */
    MEASURABLE = 1024,  /* fewer bytes say nothing about the rate */
    SLOW = 12,          /* bytes a ms, while the rate is not known */
    UNHEARD = 8192,     /* bytes that may be sent before the first answer */
    REST = 2,           /* times as long as a frame took */
    REST_MS = 3000,     /* at most */
};

void out_init(struct out *o, int fd)
{
    *o = (struct out){.fd = fd};
}

void out_free(struct out *o)
{
    free(o->bytes);
    *o = (struct out){.fd = -1};
}

size_t out_waiting(const struct out *o)
{
    return o->end - o->start;
}

/* Room for `len` more bytes at the end, or NULL: then the queue has failed. */
static char *room(struct out *o, size_t len)
{
    size_t held = out_waiting(o);
    if (o->failed)
        return NULL;
    if (len <= o->cap - o->end)
        return o->bytes + o->end;
    if (o->start > 0) {
        memmove(o->bytes, o->bytes + o->start, held);
        o->start = 0, o->end = held;
    }
    if (len > o->cap - held) {
        size_t cap = len > SIZE_MAX / 4 - held ? 0 : 2 * (held + len) + 4096;
        char *grown = cap ? realloc(o->bytes, cap) : NULL;
        if (!grown) {
            o->failed = true;
            return NULL;
        }
        o->bytes = grown, o->cap = cap;
    }
    return o->bytes + o->end;
}

void out_put(struct out *o, const void *bytes, size_t len)
{
    char *to = len > 0 ? room(o, len) : NULL;
    if (!to)
        return;
    memcpy(to, bytes, len);
    o->end += len;
    o->total += len;
}

void out_text(struct out *o, const char *text)
{
    out_put(o, text, strlen(text));
}

void out_printf(struct out *o, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *to = n > 0 ? room(o, (size_t)n + 1) : NULL;
    if (!to)
        return;
    va_start(ap, fmt);
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    o->end += (size_t)n;
    o->total += (size_t)n;
}

bool out_flush(struct out *o)
{
    while (!o->failed && o->fd >= 0 && o->start < o->end) {
        ssize_t n = write(o->fd, o->bytes + o->start, out_waiting(o));
        if (n > 0)
            o->start += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else if (n == 0 || errno != EINTR)
            o->failed = true;
    }
    if (o->start == o->end) {
        o->start = o->end = 0;
        if (o->cap > KEEP) {
            free(o->bytes);
            o->bytes = NULL;
            o->cap = 0;
        }
    }
    return !o->failed;
}

/* -- pace ---------------------------------------------------------------------------------------*/

void out_ask(struct out *o, double now_ms)
{
    if (o->pace.deaf)
        o->pace.count = 0; /* only the last question counts: its answer, or none */
    o->pace.skipped = o->pace.count == OUT_QUESTIONS;
    if (o->pace.skipped)
        return;
    out_text(o, "\033[5n");
    o->pace.questions[o->pace.count++] = (struct out_question){
        now_ms, (size_t)(o->total - o->pace.asked_at)};
    o->pace.asked_ms = now_ms;
    o->pace.asked_at = o->total;
    o->pace.waiting = !o->pace.deaf;
}

/* `bytes` took `ms`, or even less when that is no more than the clock and the line can tell. */
static void measure(struct out *o, size_t bytes, double ms, double least_ms, double now_ms)
{
    double seen = (double)bytes / fmax(ms, least_ms), rate = o->pace.rate;
    if (bytes < MEASURABLE || (ms < least_ms && seen < rate))
        return;
    if (rate == 0 || seen < rate) { /* bad news is believed at once */
        o->pace.rate = seen;
        o->pace.doubt_ms = fmin(fmax(2 * o->pace.doubt_ms, PATIENCE_MS), 60e3);
        o->pace.doubt_at = now_ms + o->pace.doubt_ms;
    } else {
        o->pace.rate += 0.4 * (seen - rate);
        o->pace.doubt_ms = 0;
    }
}

/* The answer to a question that found the line empty. */
static void answered_alone(struct out *o, size_t bytes, double ms, double now_ms)
{
    bool first = o->pace.round_trip == 0, nothing = bytes < MEASURABLE;
    if (first || ms < o->pace.round_trip)
        o->pace.round_trip = fmax(ms, 0.01);
    else if (nothing) /* the way has become longer */
        o->pace.round_trip += 0.5 * (ms - o->pace.round_trip);
    o->pace.tried = o->pace.tried || nothing;
    measure(o, bytes, first ? ms : ms - o->pace.round_trip, 1 + o->pace.round_trip / 8, now_ms);
}

void out_answered(struct out *o, double now_ms)
{
    double before = o->pace.answered_ms;
    bool was_deaf = o->pace.deaf;
    o->pace.deaf = false;
    if (o->pace.count == 0)
        return;
    struct out_question q = o->pace.questions[0];
    memmove(o->pace.questions, o->pace.questions + 1,
            (size_t)--o->pace.count * sizeof *o->pace.questions);
    o->pace.answered_ms = now_ms;
    o->pace.waiting = o->pace.count > 0;
    double free_from = fmax(q.ms, before);
    double took = fmin(now_ms - free_from - (before > q.ms ? 0 : o->pace.round_trip), REST_MS);
    o->pace.rest_until = now_ms + REST * fmax(took, 0);
    if (was_deaf) /* it may be the answer to an older one */
        return;
    if (before > q.ms) /* the line was busy until then: no delay in what it took */
        measure(o, q.bytes, now_ms - before, 1, now_ms);
    else
        answered_alone(o, q.bytes, now_ms - q.ms, now_ms);
    if (o->pace.skipped)
        out_ask(o, now_ms);
}

/* Ms that what is on its way should take. */
static double expected_ms(const struct out *o)
{
    double bytes = (double)(o->total - o->pace.asked_at);
    for (int i = 0; i < o->pace.count; i++)
        bytes += (double)o->pace.questions[i].bytes;
    return o->pace.round_trip + bytes / (o->pace.rate > 0 ? o->pace.rate : SLOW);
}

static bool unanswered(struct out *o, double now_ms)
{
    if (!o->pace.waiting)
        return false;
    double since = fmax(o->pace.questions[0].ms, o->pace.answered_ms);
    if (now_ms - since < PATIENCE_MS + 4 * expected_ms(o))
        return true;
    o->pace.deaf = true;
    o->pace.waiting = false;
    return false;
}

bool out_is_calm(struct out *o, double now_ms)
{
    if (!unanswered(o, now_ms))
        return now_ms >= o->pace.rest_until;
    return o->pace.answered_ms == 0 && o->total - o->pace.asked_at < UNHEARD;
}

size_t out_budget(const struct out *o, double budget_ms)
{
    double bytes = o->pace.rate * fmax(budget_ms, 0);
    return o->pace.rate <= 0 || bytes >= 1e15 ? SIZE_MAX : (size_t)bytes;
}

/* Too slow: but what was measured may no longer be true. */
static void doubt(struct out *o, double now_ms)
{
    if (now_ms < o->pace.doubt_at || out_waiting(o) > 0)
        return;
    o->pace.rate *= 2;
    o->pace.doubt_at = now_ms + 1000;
}

bool out_may_send(struct out *o, size_t bytes, double budget_ms, double now_ms)
{
    if (o->failed || unanswered(o, now_ms))
        return false;
    if (o->pace.deaf)
        return out_waiting(o) == 0;
    if (!o->pace.tried) {
        out_ask(o, now_ms);
        return false;
    }
    size_t budget = out_budget(o, budget_ms), queued = out_waiting(o);
    if (queued <= budget && bytes <= budget) /* text and picture: each may take as long */
        return true;
    doubt(o, now_ms);
    return false;
}
