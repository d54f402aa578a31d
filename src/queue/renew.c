/*
 * A lease that is renewed while its worker's connection is busy: sending a large result over a slow
 * line takes longer than a lease may last, and nothing else goes through meanwhile. A thread with a
 * connection of its own, which it opens when the first renewal is due: most deliveries are over by
 * then.
 */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

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
    if (!w->side && !(w->side = link_new(&w->o->url, TIMEOUT_MS)))
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
