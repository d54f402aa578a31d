/*
 * A lease that is renewed while its worker's connection is busy: a large result, or a large job,
 * takes longer over a slow line than a lease may last, and nothing else goes through meanwhile.
 * There is a second connection for that, which is opened when the first renewal is due: most are
 * over by then. While a result is sent a thread renews; a job's message is renewed in between its
 * parts.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/thread.h"
#include "queue/worker_priv.h"

enum { TIMEOUT_MS = 5000 };

struct renewer {
    struct queue_worker *w;
    const char *stream, *job, *msg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ends;
    bool end;
};

static bool need_side(struct queue_worker *w)
{
    return w->side || (w->side = link_new(&w->o->url, TIMEOUT_MS));
}

/* ---- a job that is received ---- */

/* What was taken before we asked is not meant: some of it is left to others. The connection comes
 * first, as it may take long. */
void worker_hold(void *worker)
{
    struct queue_worker *w = worker;
    struct args a = {0};
    struct reply *reply;
    struct err e;
    if (w->asked_at <= 0 || !need_side(w) || link_open(w->side, NULL, &e) != LINK_OK)
        return;
    for (int i = 0; i < w->streams; i++)
        args_text(&a, w->stream[i]);
    args_text(&a, link_prefix(w->side));
    args_text(&a, w->name);
    args_number(&a, (long long)(clock_ms() - w->asked_at) + worker_renew_ms(w));
    link_script(w->side, SCRIPT_HOLD, w->streams, &a, &reply, &e);
    reply_free(reply);
}

/* ---- a result that is sent ---- */

/* False: it is over. */
static bool pause_for(struct renewer *r, int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += ms % 1000 * 1000000L;
    if (t.tv_nsec >= 1000000000L)
        t.tv_sec++, t.tv_nsec -= 1000000000L;
    pthread_mutex_lock(&r->lock);
    while (!r->end && pthread_cond_timedwait(&r->ends, &r->lock, &t) == 0)
        ;
    bool end = r->end;
    pthread_mutex_unlock(&r->lock);
    return !end;
}

/* What the server says is the delivery's to hear. */
static void touch(struct renewer *r)
{
    struct args a = {0};
    struct reply *reply;
    struct err e;
    args_text(&a, r->stream);
    args_text(&a, r->job);
    args_text(&a, link_prefix(r->w->side));
    args_text(&a, r->w->name);
    args_text(&a, r->msg);
    link_script(r->w->side, SCRIPT_TOUCH, 2, &a, &reply, &e);
    reply_free(reply);
}

static void *run(void *user)
{
    struct renewer *r = user;
    while (pause_for(r, worker_renew_ms(r->w)))
        touch(r);
    return NULL;
}

struct renewer *renewer_start(struct queue_worker *w, const char *stream, const char *job,
                              const char *msg)
{
    pthread_condattr_t monotonic;
    if (!need_side(w))
        return NULL;
    struct renewer *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct renewer){.w = w, .stream = stream, .job = job, .msg = msg};
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->ends, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&r->lock, NULL);
    if (thread_start(&r->thread, 0, run, r) == 0)
        return r;
    pthread_cond_destroy(&r->ends);
    pthread_mutex_destroy(&r->lock);
    free(r);
    return NULL;
}

void renewer_end(struct renewer *r)
{
    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->end = true;
    pthread_cond_signal(&r->ends);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->ends);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
