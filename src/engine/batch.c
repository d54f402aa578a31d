/* The threads of a batch, and the loop that writes down what is done; see batch.h. */
#include "engine/batch.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/batch_priv.h"
#include "engine/machine.h"
#include "engine/pool.h"

/* ---- units and queues ---- */

void queue_put(struct queue *q, struct unit *u)
{
    u->next = NULL;
    if (q->last)
        q->last->next = u;
    else
        q->first = u;
    q->last = u;
    q->count++;
}

struct unit *queue_get(struct queue *q)
{
    struct unit *u = q->first;
    if (u && !(q->first = u->next))
        q->last = NULL;
    q->count -= u != NULL;
    return u;
}

void unit_free(struct unit *u)
{
    older_settle(u, false);
    for (int i = 0; u->files && i < u->job.params.batch; i++)
        free(u->files[i]);
    free(u->files);
    free(u->sha256);
    gen_result_free(&u->result);
    job_text_free(&u->in.text);
    job_free(&u->job);
    free(u);
}

void unit_fail(struct unit *u, const struct err *e)
{
    if (!u->has_error)
        u->error = *e;
    u->has_error = true;
}

static void drop_all(struct queue *q)
{
    for (struct unit *u; (u = queue_get(q));)
        unit_free(u);
}

/* ---- stopping ---- */

void batch_stop(struct batch *b, const struct err *e)
{
    if (!b->stop && e)
        b->fatal = *e;
    b->stop = true;
    pthread_cond_broadcast(&b->changed);
}

bool batch_stops(struct batch *b)
{
    pthread_mutex_lock(&b->lock);
    bool stop = b->stop || (b->o->stop && atomic_load(b->o->stop));
    pthread_mutex_unlock(&b->lock);
    return stop;
}

int batch_room(const struct batch *b)
{
    return 32 + 16 * b->devices;
}

/* ---- what is done ---- */

struct ledger { /* the caller's thread's own */
    struct batch *batch;
    struct results *results;
    struct batch_state state;
    double began, told, spent[64]; /* spent: when the last sprites were done, in a ring */
    int rings, noted;
    long older; /* pictures that are in the trash now */
};

static int write_down(struct ledger *l, const struct unit *u, struct err *e)
{
    const struct batch_options *o = l->batch->o;
    const struct notes *notes[2] = {&u->job.prompts.notes, &u->result.notes};
    struct result r = {.id = *u->in.id ? u->in.id : NULL,
                       .job = *u->in.identity ? u->in.identity : NULL,
                       .line = u->in.line,
                       .error = u->has_error ? u->error.text : NULL,
                       .files = u->files,
                       .sha256 = u->sha256,
                       .count = u->has_error ? 0 : u->job.params.batch,
                       .seed = u->job.params.seed,
                       .ms = u->ms,
                       .notes = {notes[0], notes[1]}};
    if (results_add(l->results, &r, e))
        return -1;
    l->state.done += !u->has_error;
    l->state.failed += u->has_error;
    if (!u->has_error)
        l->spent[l->rings++ % 64] = clock_ms();
    else if (o->failed)
        o->failed(o->user, u->in.id, u->in.line, u->error.text);
    return 0;
}

static void take_down(struct ledger *l, struct unit *u)
{
    struct batch *b = l->batch;
    struct err e = {""};
    bool lost = u->dropped || u->fatal;
    if (u->fatal)
        e = u->error;
    if (lost ? u->fatal : write_down(l, u, &e) != 0) {
        pthread_mutex_lock(&b->lock);
        batch_stop(b, &e);
        pthread_mutex_unlock(&b->lock);
    }
    l->older += older_settle(u, !lost && !u->has_error);
    unit_free(u);
}

static void tell_older(const struct ledger *l)
{
    const struct batch_options *o = l->batch->o;
    char text[200];
    snprintf(text, sizeof text,
             "%ld older picture%s under names that were written anew: kept in the folder trash "
             "beside them",
             l->older, l->older == 1 ? "" : "s");
    if (l->older > 0 && o->tell)
        o->tell(o->user, text);
}

static void show(struct ledger *l, bool last)
{
    const struct batch_options *o = l->batch->o;
    struct batch_state *s = &l->state;
    struct machine m = {.cores = 0};
    double now = clock_ms();
    if (!last && now - l->told < 200)
        return;
    l->told = now;
    s->seconds = (now - l->began) / 1e3;
    int n = l->rings < 64 ? l->rings : 64;
    double since = n == 64 ? l->spent[l->rings % 64] : l->began;
    s->per_minute = n > 0 && now > since ? (n - (n == 64)) * 60e3 / (now - since) : 0;
    long open = s->total < 0 ? -1 : s->total - s->already - s->done - s->failed;
    double pace = s->done > 0 ? s->seconds / (double)s->done : 0;
    s->left = open < 0 || pace <= 0 ? -1 : (double)open * pace;
    machine_read(&m);
    pthread_mutex_lock(&l->batch->lock);
    s->devices = l->batch->devices, s->at_once = l->batch->at_once;
    s->load_ms = l->batch->load_ms, s->run_ms = l->batch->run_ms;
    s->finish_ms = l->batch->finish_ms, s->feed_ms = l->batch->feed_ms;
    pthread_mutex_unlock(&l->batch->lock);
    s->bytes = m.own_bytes;
    if (o->progress)
        o->progress(o->user, s);
}

static void tell_notes(struct ledger *l)
{
    struct batch *b = l->batch;
    struct notes n;
    pthread_mutex_lock(&b->lock);
    n = b->notes;
    pthread_mutex_unlock(&b->lock);
    for (int i = l->noted; i < n.count && b->o->tell; i++)
        b->o->tell(b->o->user, n.line[i]);
    l->noted = n.count;
}

static bool all_over(const struct batch *b)
{
    bool computed = b->computing == 0 && b->computed.count == 0 && b->finishing == 0;
    return computed && b->done.count == 0 && (b->stop || (b->fed && b->pending.count == 0));
}

void batch_wait(struct batch *b, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += ms * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&b->changed, &b->lock, &until);
}

static void ledger_loop(struct ledger *l)
{
    struct batch *b = l->batch;
    pthread_mutex_lock(&b->lock);
    while (!all_over(b)) {
        if (b->o->stop && atomic_load(b->o->stop) && !b->stop)
            batch_stop(b, NULL);
        struct queue done = b->done;
        b->done = (struct queue){0};
        if (!done.first)
            batch_wait(b, 200);
        pthread_mutex_unlock(&b->lock);
        for (struct unit *u; (u = queue_get(&done));)
            take_down(l, u);
        struct err e = {""};
        int rc = results_sync(l->results, false, &e);
        tell_notes(l);
        show(l, false);
        pthread_mutex_lock(&b->lock);
        if (rc)
            batch_stop(b, &e);
    }
    pthread_mutex_unlock(&b->lock);
}

/* ---- threads ---- */

/* Signals are for the thread that has the terminal; only this one gets a feeder out of a read. */
static void nothing(int signal)
{
    (void)signal;
}

static int start_thread(pthread_t *t, void *(*run)(void *), void *arg, struct err *e)
{
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGUSR1);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(t, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? err_set(e, "cannot start a thread: %s", strerror(rc)) : 0;
}

static int start_threads(struct batch *b, struct err *e)
{
    struct sigaction a = {.sa_handler = nothing};
    sigaction(SIGUSR1, &a, NULL);
    for (int i = 0; i < b->devices; i++) {
        void *(*run)(void *) = b->device[i].ops ? batch_far : batch_compute;
        if (start_thread(&b->device[i].thread, run, &b->device[i], e))
            return -1;
        b->device[i].started = true;
    }
    for (; b->finishers < BATCH_FINISHERS; b->finishers++)
        if (start_thread(&b->finisher[b->finishers], batch_finish, b, e))
            return -1;
    if (start_thread(&b->feeder, batch_feed, b, e))
        return -1;
    b->feeding = true;
    return 0;
}

/* A feeder that waits for a pipe is called back from there. */
static void end_feeder(struct batch *b)
{
    const struct timespec moment = {.tv_nsec = 10 * 1000 * 1000};
    pthread_mutex_lock(&b->lock);
    while (b->feeding && !b->fed) {
        if (b->reading && b->stop)
            pthread_kill(b->feeder, SIGUSR1);
        pthread_mutex_unlock(&b->lock);
        nanosleep(&moment, NULL);
        pthread_mutex_lock(&b->lock);
    }
    b->fed = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    if (b->feeding)
        pthread_join(b->feeder, NULL);
}

static void end_threads(struct batch *b)
{
    end_feeder(b);
    for (int i = 0; i < b->devices; i++)
        if (b->device[i].started)
            pthread_join(b->device[i].thread, NULL);
    pthread_mutex_lock(&b->lock);
    b->ended = true;
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
    for (int i = 0; i < b->finishers; i++)
        pthread_join(b->finisher[i], NULL);
}

/* ---- devices ---- */

/* Of another kind, where the name is of one. */
static int open_far(const struct batch *b, struct device *d, struct err *e)
{
    e->text[0] = '\0';
    if (b->o->open)
        d->ops = b->o->open(b->o->user, d->name, &d->self, e);
    return d->ops || !*e->text ? 0 : -1;
}

/* "cpu,cuda:1". Those on the CPU share the cores. */
static int name_devices(struct batch *b, struct err *e)
{
    const struct settings *d = &b->config.defaults;
    const char *said = b->o->devices ? b->o->devices : settings_text(d, "device");
    char names[DEVICES_MAX][DEVICE_NAME];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    int n = pool_spell_out(said ? said : "auto", names, e);
    for (int i = 0; i < n; i++) {
        struct device *to = &b->device[b->devices++];
        to->batch = b;
        snprintf(to->name, sizeof to->name, "%.*s", DEVICE_NAME - 1, names[i]);
        if (open_far(b, to, e))
            return -1;
    }
    if (n < 0)
        return -1;
    for (int i = 0; i < b->devices; i++) {
        b->device[i].threads = b->o->threads;
        if (!b->o->threads && b->devices > 1)
            b->device[i].threads = cores > b->devices ? (int)(cores / b->devices) : 1;
    }
    return 0;
}

/* ---- all of it ---- */

static int open_all(struct batch *b, struct ledger *l, struct err *e)
{
    const struct batch_options *o = b->o;
    struct batch_jobs_options jobs = {o->path, o->flags, o->preset, o->shard, o->shards, NULL};
    if (config_load(&b->config, e) || name_devices(b, e) ||
        !(l->results = jobs.results = results_open(o->results, o->folder, e)) ||
        !(b->jobs = batch_jobs_open(&jobs, o->tell, o->user, e)) || results_start(l->results, e))
        return -1;
    struct batch_counts c;
    b->results = l->results;
    batch_jobs_counts(b->jobs, &c);
    b->piped = c.piped;
    l->state.total = c.piped ? -1 : c.total;
    l->state.already = c.already;
    return 0;
}

static void close_all(struct batch *b, struct ledger *l)
{
    for (int i = 0; i < b->devices; i++)
        if (b->device[i].ops && b->device[i].self) /* its thread never ran */
            b->device[i].ops->stop(b->device[i].self);
    drop_all(&b->pending);
    drop_all(&b->computed);
    drop_all(&b->done);
    batch_jobs_close(b->jobs);
    results_close(l->results);
    config_free(&b->config);
    idset_free(&b->names);
    notes_free(&b->notes);
    pthread_mutex_destroy(&b->lock);
    pthread_mutex_destroy(&b->hashing);
    pthread_cond_destroy(&b->changed);
    free(b);
}

/* Waits with it end by a clock that no one sets back. */
static void init_changed(struct batch *b)
{
    pthread_condattr_t clock;
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&b->changed, &clock);
    pthread_condattr_destroy(&clock);
}

int batch_run(const struct batch_options *o, struct batch_state *out, struct err *e)
{
    struct batch *b = calloc(1, sizeof *b);
    *out = (struct batch_state){0};
    if (!b)
        return err_set(e, "out of memory");
    struct ledger l = {.batch = b, .began = clock_ms()};
    b->o = o;
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_init(&b->hashing, NULL);
    init_changed(b);
    int rc = open_all(b, &l, e);
    if (rc == 0 && (rc = start_threads(b, e)) == 0)
        ledger_loop(&l);
    pthread_mutex_lock(&b->lock);
    batch_stop(b, NULL);
    pthread_mutex_unlock(&b->lock);
    end_threads(b);
    if (l.results) {
        struct batch_counts c = {0};
        if (b->piped)
            batch_jobs_counts(b->jobs, &c), l.state.already = c.already;
        show(&l, true);
        tell_older(&l);
    }
    if (rc == 0 && *b->fatal.text)
        rc = err_set(e, "%s", b->fatal.text);
    if (l.results && rc == 0)
        rc = results_sync(l.results, true, e);
    *out = l.state;
    close_all(b, &l);
    return rc;
}
