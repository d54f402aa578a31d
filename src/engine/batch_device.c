/*
 * A device's thread: takes what goes together, runs it as one batch, and gives the pictures on; see
 * batch_priv.h.
 *
 * How many at once: as many as memory has room for by the forecast, at most eight; of those, the
 * size that was fastest by measurement, a picture. Four come first, then eight, then the better of
 * them.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/batch_priv.h"
#include "engine/machine.h"
#include "engine/meta.h"

enum { FIRST_SIZE = 2 /* 4 */, LAST_SIZE = 3 /* 8 */, OUTSTANDING = 64 };

/* ---- how many at once ---- */

/* Bytes of activations of so many of these jobs. 0: not known. */
static double forecast(const struct device *d, const struct job *j, int units)
{
    struct plan_result plan;
    struct gen_params g = j->params;
    struct pipeline_options o = j->options;
    struct err e;
    o.device = d->name;
    g.batch *= units;
    g.prompts = g.negatives = NULL;
    int rc = g.batch <= MAX_BATCH ? pipeline_plan(j->model, &o, &g, &plan, &e) : -1;
    if (rc == 0 || g.batch <= MAX_BATCH)
        notes_free(&plan.notes);
    return rc == 0 ? (double)plan.bytes_activations : 0;
}

/* Half of what is free may be taken; a GPU says itself when it is full (run_units). */
static int room_for(const struct device *d, const struct job *j)
{
    int most = MAX_BATCH / j->params.batch;
    if (strncmp(d->name, "cuda", 4) == 0 || most < 2)
        return most;
    struct machine m = {.cores = 0};
    machine_read(&m);
    double one = forecast(d, j, 1), two = forecast(d, j, 2), each = two - one;
    double budget = (double)m.memory_free / 2 / d->batch->devices;
    if (one <= 0 || two <= 0 || m.memory_free == 0)
        return 1;
    if (each <= 0)
        return most;
    double n = 1 + floor((budget - one) / each);
    return n < 1 ? 1 : n < most ? (int)n : most;
}

static void new_kind(struct device *d, const struct unit *u)
{
    d->kind = u->kind;
    d->most = 0;
    memset(d->seen, 0, sizeof d->seen);
    memset(d->ms, 0, sizeof d->ms);
}

static bool same(const struct idset_entry *a, const struct idset_entry *b)
{
    return a->a == b->a && a->b == b->b;
}

/* Units of the kind for the next batch; its memory has been asked for. */
static int choose_size(const struct device *d, int pictures)
{
    int limit = d->batch->o->at_once ? d->batch->o->at_once / pictures : 1 << LAST_SIZE;
    int best = 0;
    limit = limit < d->most ? limit : d->most;
    for (int i = FIRST_SIZE; i <= LAST_SIZE && 1 << i <= limit; i++) {
        if (d->seen[i] < 2)
            return 1 << i;
        if (best == 0 || d->ms[i] < d->ms[best])
            best = i;
    }
    if (best)
        return 1 << best;
    return limit < 1 ? 1 : limit;
}

static void learn(struct device *d, int units, double ms)
{
    for (int i = 0; i < BATCH_SIZES; i++)
        if (1 << i == units && d->seen[i]++ > 0)
            d->ms[i] = d->seen[i] == 2 ? ms : 0.8 * d->ms[i] + 0.2 * ms;
}

/* ---- taking ---- */

static int count_kind(const struct queue *q, const struct unit *like)
{
    int n = 0;
    for (const struct unit *u = q->first; u; u = u->next)
        n += same(&u->kind, &like->kind) && !u->alone;
    return like->alone ? 1 : n;
}

/* Up to `want` of the first one's kind, out of the queue. */
static int take_kind(struct queue *q, int want, struct unit **out)
{
    struct queue rest = {0};
    struct unit *u, *head = NULL;
    int n = 0;
    while ((u = queue_get(q))) {
        bool goes = !head || (!head->alone && !u->alone && same(&u->kind, &head->kind));
        if (n < want && goes)
            out[n++] = u;
        else
            queue_put(&rest, u);
        head = head ? head : u;
    }
    *q = rest;
    return n;
}

/* The forecast for a kind that this device has not had, without the lock. */
static void ask_room(struct device *d)
{
    struct batch *b = d->batch;
    struct unit *u = queue_get(&b->pending); /* nobody else's while it is asked about */
    new_kind(d, u);
    b->computing++;
    pthread_mutex_unlock(&b->lock);
    int most = u->alone ? 0 : room_for(d, &u->job); /* 0: others of its kind are asked about */
    pthread_mutex_lock(&b->lock);
    b->computing--;
    d->most = most;
    u->next = b->pending.first;
    b->pending.first = u;
    b->pending.last = b->pending.last ? b->pending.last : u;
    b->pending.count++;
}

/* The next batch; 0 at the end. Lock held. */
static int take(struct device *d, struct unit *out[MAX_BATCH])
{
    struct batch *b = d->batch;
    bool waited = false;
    while (!b->stop) {
        struct unit *head = b->pending.first;
        if (!head && b->fed && b->computing == 0)
            return 0;
        if (!head || b->computed.count + b->finishing > OUTSTANDING) {
            pthread_cond_wait(&b->changed, &b->lock);
            continue;
        }
        if (!same(&d->kind, &head->kind) || (d->most == 0 && !head->alone)) {
            ask_room(d);
            continue;
        }
        int want = head->alone ? 1 : choose_size(d, head->job.params.batch);
        bool all = b->fed || b->pending.count >= batch_room(b);
        if (count_kind(&b->pending, head) < want && !all && !(b->piped && waited)) {
            batch_wait(b, 20); /* more may come; what comes through a pipe is not waited for long */
            waited = b->reading;
            continue;
        }
        int n = take_kind(&b->pending, want, out);
        b->computing += n;
        b->at_once = n;
        pthread_cond_broadcast(&b->changed);
        return n;
    }
    return 0;
}

/* ---- the model ---- */

/* What is still finished says which pipeline it came from. */
static void close_model(struct device *d)
{
    struct batch *b = d->batch;
    pthread_mutex_lock(&b->lock);
    while (d->outstanding > 0)
        pthread_cond_wait(&b->changed, &b->lock);
    pthread_mutex_unlock(&b->lock);
    if (d->pipeline)
        pipeline_close(d->pipeline);
    free(d->key);
    d->pipeline = NULL;
    d->key = NULL;
}

static int need_model(struct device *d, const struct job *j, const struct gen_hooks *hooks,
                      struct err *e)
{
    char *key = job_model_key(j, d->name, d->threads);
    struct pipeline_options o = j->options;
    if (!key)
        return err_set(e, "out of memory");
    if (d->key && !strcmp(d->key, key) && !pipeline_changed(d->pipeline)) {
        free(key);
        return 0;
    }
    close_model(d);
    o.device = d->name;
    o.threads = d->threads;
    o.hooks = hooks;
    if (!(d->pipeline = pipeline_open(j->model, &o, e))) {
        free(key);
        return -1;
    }
    d->key = key;
    pthread_mutex_lock(&d->batch->hashing);
    meta_model_hash(j->model, d->hash);
    pthread_mutex_unlock(&d->batch->hashing);
    return 0;
}

/* ---- running ---- */

static bool on_step(void *user, const struct gen_progress *p)
{
    struct device *d = user;
    (void)p;
    return !batch_stops(d->batch);
}

/* All as one run. */
static int run_once(struct device *d, struct unit *const *u, int n, struct gen_result *out,
                    struct err *e)
{
    const char *prompts[MAX_BATCH], *negatives[MAX_BATCH];
    uint64_t seeds[MAX_BATCH];
    struct gen_hooks hooks = {.user = d, .step = on_step};
    struct gen_params g = u[0]->job.params;
    int each = g.batch;
    for (int i = 0; i < n; i++) {
        seeds[i] = u[i]->job.params.seed;
        for (int k = 0; k < each; k++) {
            prompts[i * each + k] = u[i]->job.params.prompts[k];
            negatives[i * each + k] = u[i]->job.params.negatives[k];
        }
    }
    g.prompts = prompts;
    g.negatives = negatives;
    g.batch = n * each;
    if (n > 1)
        g.seeds = seeds, g.seed_count = n;
    double began = clock_ms();
    int rc = need_model(d, &u[0]->job, &hooks, e);
    double opened = clock_ms();
    if (rc == 0)
        rc = pipeline_run(d->pipeline, &g, &hooks, out, e);
    pthread_mutex_lock(&d->batch->lock);
    d->batch->load_ms += opened - began;
    d->batch->run_ms += clock_ms() - opened;
    pthread_mutex_unlock(&d->batch->lock);
    return rc;
}

/* The unit's own of what a run made. */
static int share_out(struct unit *u, const struct gen_result *all, int at, struct err *e)
{
    struct gen_result *r = &u->result;
    int count = u->job.params.batch;
    size_t picture = (size_t)all->width * (size_t)all->height * 3;
    *r = *all;
    r->notes = (struct notes){0};
    r->count = count;
    r->rgb = malloc(picture * (size_t)count);
    r->ms.steps = malloc(((size_t)all->ms.nsteps + 1) * sizeof *r->ms.steps);
    if (!r->rgb || !r->ms.steps)
        return err_set(e, "out of memory for a picture of %dx%d", all->width, all->height);
    memcpy(r->rgb, all->rgb + picture * (size_t)(at * count), picture * (size_t)count);
    if (all->ms.nsteps > 0)
        memcpy(r->ms.steps, all->ms.steps, (size_t)all->ms.nsteps * sizeof *r->ms.steps);
    for (int i = 0; i < all->notes.count; i++)
        notes_add(&r->notes, "%s", all->notes.line[i]);
    return 0;
}

/* On to the finishers, or to those that are done. */
static void hand_over(struct device *d, struct unit *u)
{
    struct batch *b = d->batch;
    pthread_mutex_lock(&b->lock);
    b->computing--;
    if (u->has_error || u->dropped) {
        queue_put(&b->done, u);
    } else {
        d->outstanding++;
        queue_put(&b->computed, u);
    }
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

bool device_set_aside(struct device *d, struct unit *const *u, int n, const struct err *e)
{
    struct batch *b = d->batch;
    int others = 0;
    pthread_mutex_lock(&b->lock);
    for (int i = 0; i < b->devices; i++)
        others += &b->device[i] != d && !b->device[i].aside;
    if (others > 0) {
        for (int i = 0; i < n; i++)
            queue_put(&b->pending, u[i]);
        b->computing -= n;
        if (!d->aside)
            notes_add(&b->notes, "%s is set aside: %s; its jobs go to the others", d->name,
                      e->text);
        d->aside = true;
        pthread_cond_broadcast(&b->changed);
    }
    pthread_mutex_unlock(&b->lock);
    return others > 0;
}

/* What fails together is tried apart, so that no job pays for another, and more memory than there
 * is takes fewer at once from then on. */
static void run_units(struct device *d, struct unit **u, int n)
{
    struct gen_result all = {0};
    struct err e = {""};
    double began = clock_ms();
    int rc = run_once(d, u, n, &all, &e);
    double ms = (clock_ms() - began) / n;
    bool stopped = rc != 0 && batch_stops(d->batch);
    if (rc != 0 && !stopped && err_kind(&e) == ERR_DEVICE && device_set_aside(d, u, n, &e)) {
        gen_result_free(&all);
        return;
    }
    if (rc != 0 && n > 1 && !stopped) {
        gen_result_free(&all);
        d->most = strstr(e.text, "memory") ? n / 2 : d->most;
        run_units(d, u, n / 2);
        run_units(d, u + n / 2, n - n / 2);
        return;
    }
    if (rc == 0)
        learn(d, n, ms);
    for (int i = 0; i < n; i++) {
        u[i]->device = d;
        u[i]->ms = ms;
        u[i]->dropped = stopped;
        if ((rc || share_out(u[i], &all, i, &e)) && !stopped)
            unit_fail(u[i], &e);
        hand_over(d, u[i]);
    }
    gen_result_free(&all);
}

void *batch_compute(void *arg)
{
    struct device *d = arg;
    struct unit *u[MAX_BATCH];
    for (int n = 1; n > 0 && !d->aside;) {
        pthread_mutex_lock(&d->batch->lock);
        n = take(d, u);
        pthread_mutex_unlock(&d->batch->lock);
        if (n > 0)
            run_units(d, u, n);
    }
    close_model(d);
    return NULL;
}
