/* Memory over time; see measure_priv.h. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/meminfo.h"
#include "bench/measure_priv.h"

struct bench_watch {
    pthread_t thread;
    pthread_mutex_t lock; /* over all below */
    pthread_cond_t wake;
    bool end;
    double began, pace_ms, next;
    size_t device; /* the caller's word, once it gave one */
    struct bench_curve curve;
};

/* Every other point stays. */
static void thin(struct bench_watch *w)
{
    struct bench_curve *c = &w->curve;
    for (int i = 0; i < c->count / 2; i++) {
        c->at_ms[i] = c->at_ms[2 * i];
        c->bytes[i] = c->bytes[2 * i];
    }
    c->count /= 2;
    w->pace_ms *= 2;
}

static void note(struct bench_watch *w)
{
    struct bench_curve *c = &w->curve;
    if (c->count == BENCH_MAX_POINTS)
        thin(w);
    c->at_ms[c->count] = clock_ms() - w->began;
    c->bytes[c->count++] = (double)(w->device ? w->device : meminfo_own(""));
}

static void *watch_run(void *user)
{
    struct bench_watch *w = user;
    pthread_mutex_lock(&w->lock);
    while (!w->end) {
        struct timespec until;
        note(w);
        clock_gettime(CLOCK_REALTIME, &until);
        long long ns = until.tv_nsec + (long long)(w->pace_ms * 1e6);
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        pthread_cond_timedwait(&w->wake, &w->lock, &until);
    }
    note(w);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct bench_watch *bench_watch_start(void)
{
    struct bench_watch *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->began = clock_ms();
    w->pace_ms = 2;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, NULL);
    if (pthread_create(&w->thread, NULL, watch_run, w) == 0)
        return w;
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return NULL;
}

void bench_watch_stage(struct bench_watch *w, const char *stage)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    struct bench_curve *c = &w->curve;
    if (c->marks < BENCH_MAX_MARKS &&
        (c->marks == 0 || strcmp(c->mark[c->marks - 1].stage, stage) != 0)) {
        snprintf(c->mark[c->marks].stage, sizeof c->mark[0].stage, "%s", stage);
        c->mark[c->marks++].at_ms = clock_ms() - w->began;
    }
    pthread_mutex_unlock(&w->lock);
}

void bench_watch_device(struct bench_watch *w, size_t bytes)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->device = bytes;
    pthread_mutex_unlock(&w->lock);
}

void bench_watch_end(struct bench_watch *w, struct bench_curve *out)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->end = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    *out = w->curve;
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
