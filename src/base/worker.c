/* A thread for small work; see worker.h. */
#include "base/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/thread.h"

struct queue {
    struct work *first, *last;
};

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t given;
    struct queue todo, done;
    bool quit;
    int fd, nice;
};

static void put(struct queue *q, struct work *w)
{
    w->next = NULL;
    if (q->last)
        q->last->next = w;
    else
        q->first = w;
    q->last = w;
}

static struct work *get(struct queue *q)
{
    struct work *w = q->first;
    if (w && !(q->first = w->next))
        q->last = NULL;
    return w;
}

static void tell(struct worker *wk)
{
    uint64_t one = 1;
    if (write(wk->fd, &one, sizeof one) < 0)
        return; /* the counter is full: it is readable */
}

static void *work_loop(void *arg)
{
    struct worker *wk = arg;
    if (wk->nice)
        setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + wk->nice);
    pthread_mutex_lock(&wk->lock);
    while (!wk->quit) {
        struct work *w = get(&wk->todo);
        if (!w) {
            pthread_cond_wait(&wk->given, &wk->lock);
            continue;
        }
        pthread_mutex_unlock(&wk->lock);
        w->run(w);
        pthread_mutex_lock(&wk->lock);
        put(&wk->done, w);
        tell(wk);
    }
    pthread_mutex_unlock(&wk->lock);
    return NULL;
}

/* Signals are for the thread that has the terminal. */
struct worker *worker_new(int nice, struct err *e)
{
    struct worker *wk = calloc(1, sizeof *wk);
    if (!wk) {
        err_set(e, "out of memory");
        return NULL;
    }
    wk->nice = nice;
    wk->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    pthread_mutex_init(&wk->lock, NULL);
    pthread_cond_init(&wk->given, NULL);
    int rc = wk->fd < 0 ? errno : thread_start(&wk->thread, 0, work_loop, wk);
    if (rc == 0)
        return wk;
    err_set(e, "cannot start a thread: %s", strerror(rc));
    if (wk->fd >= 0)
        close(wk->fd);
    pthread_mutex_destroy(&wk->lock);
    pthread_cond_destroy(&wk->given);
    free(wk);
    return NULL;
}

void worker_free(struct worker *wk, void (*drop)(struct work *))
{
    if (!wk)
        return;
    pthread_mutex_lock(&wk->lock);
    wk->quit = true;
    pthread_cond_signal(&wk->given);
    pthread_mutex_unlock(&wk->lock);
    pthread_join(wk->thread, NULL);
    for (struct work *w; (w = get(&wk->todo)) || (w = get(&wk->done));)
        drop(w);
    close(wk->fd);
    pthread_mutex_destroy(&wk->lock);
    pthread_cond_destroy(&wk->given);
    free(wk);
}

void worker_give(struct worker *wk, struct work *w)
{
    pthread_mutex_lock(&wk->lock);
    put(&wk->todo, w);
    pthread_cond_signal(&wk->given);
    pthread_mutex_unlock(&wk->lock);
}

struct work *worker_take(struct worker *wk)
{
    uint64_t n;
    pthread_mutex_lock(&wk->lock);
    struct work *w = get(&wk->done);
    if (!w && read(wk->fd, &n, sizeof n) < 0)
        w = NULL; /* it was clear */
    pthread_mutex_unlock(&wk->lock);
    return w;
}

int worker_fd(const struct worker *wk)
{
    return wk->fd;
}
