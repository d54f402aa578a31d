/*
 * A device of another kind (pool.h: struct device_ops) as one of a batch's: the thread that sends
 * it jobs, several at a time, and takes what comes of them; see batch_priv.h.
 *
 * Such a device finishes and writes by itself, so a job goes from pending to done at once. A job's
 * number follows from what it is, so that a batch that begins again asks for the same jobs by the
 * same numbers.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "engine/batch_priv.h"
#include "engine/pool.h"

enum { FLIGHTS = 256, LOOK_MS = 100 };

struct far {
    struct device *device;
    struct unit *unit[FLIGHTS]; /* what is under way */
    int64_t number[FLIGHTS];
    double sent[FLIGHTS];
    int count;
};

static int64_t number_of(const struct unit *u)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    const char *const parts[] = {u->in.identity, u->in.id, u->files[0]};
    for (int i = 0; i < 3; i++)
        for (const char *c = parts[i]; *c; c++)
            h = (h ^ (uint8_t)*c) * 1099511628211u;
    return (int64_t)(h >> 2) + 1;
}

static struct command *command_of(const struct unit *u)
{
    struct command *c = command_new(COMMAND_RUN);
    struct err e;
    size_t n = (size_t)u->job.params.batch;
    if (!c)
        return NULL;
    c->job = number_of(u);
    c->words = strdup(u->in.text.prompt);
    c->files = calloc(n, sizeof *c->files);
    for (size_t i = 0; c->files && i < n; i++)
        c->file_count += (c->files[i] = strdup(u->files[i])) != NULL;
    /* All layers in one: no preset any more. */
    if (!c->words || c->file_count != (int)n || settings_fill(&c->settings, &u->job.settings, &e)) {
        command_free(c);
        return NULL;
    }
    if (u->job.drawn_seed) /* the same job when it is sent again, whatever is drawn then */
        settings_unset(&c->settings, "seed");
    return c;
}

static void hand_over(struct batch *b, struct unit *u)
{
    pthread_mutex_lock(&b->lock);
    b->computing--;
    queue_put(&b->done, u);
    pthread_cond_broadcast(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

/* False: the device has no room. The unit is ours until then. */
static bool send(struct far *f, struct unit *u)
{
    struct device *d = f->device;
    struct err e = {"out of memory"};
    struct command *c = older_aside(u, &e) ? NULL : command_of(u);
    if (!c) {
        unit_fail(u, &e);
        hand_over(d->batch, u);
        return true;
    }
    int64_t number = c->job;
    if (!d->ops->send(d->self, c)) {
        command_free(c);
        return false;
    }
    f->unit[f->count] = u;
    f->sent[f->count] = clock_ms();
    f->number[f->count++] = number;
    return true;
}

/* Gives the device what it has room for. False: there is nothing to do any more. */
static bool feed(struct far *f)
{
    struct device *d = f->device;
    struct batch *b = d->batch;
    int depth = device_depth(d->ops, d->self);
    bool room = true;
    pthread_mutex_lock(&b->lock);
    while (room && !b->stop && !d->aside && f->count < FLIGHTS && f->count < depth &&
           b->pending.first) {
        struct unit *u = queue_get(&b->pending);
        b->computing++;
        b->at_once = f->count + 1;
        pthread_cond_broadcast(&b->changed);
        pthread_mutex_unlock(&b->lock);
        room = send(f, u);
        pthread_mutex_lock(&b->lock);
        if (!room) {
            b->computing--;
            u->next = b->pending.first;
            b->pending.first = u;
            b->pending.last = b->pending.last ? b->pending.last : u;
            b->pending.count++;
        }
    }
    bool over = b->stop || (d->aside && f->count == 0) ||
                (b->fed && !b->pending.first && f->count == 0 && b->computing == 0);
    pthread_mutex_unlock(&b->lock);
    return !over;
}

static void note(struct batch *b, const char *text)
{
    if (!text || !*text)
        return;
    pthread_mutex_lock(&b->lock);
    notes_add(&b->notes, "%s", text);
    pthread_mutex_unlock(&b->lock);
}

static void take_notes(struct unit *u, char *text)
{
    for (char *line = text, *end; line && *line; line = end ? end + 1 : NULL) {
        if ((end = strchr(line, '\n')))
            *end = '\0';
        notes_add(&u->result.notes, "%s", line);
    }
}

/* Did this machine fail to write one of its pictures, for want of a disk? A worker's disk is
 * another matter. */
static bool has_no_disk(const struct unit *u, const struct err *e)
{
    bool ours = false;
    for (int i = 0; i < u->job.params.batch && !ours; i++)
        ours = strstr(e->text, u->files[i]) != NULL;
    return ours && batch_disk_is_gone(e);
}

/* A device that does not work stops the batch where it is the only one: the jobs are not to blame.
 */
static void end_unit(struct device *d, struct unit *u, const struct event *v)
{
    struct batch *b = d->batch;
    struct err e = {""};
    if (v->kind == EVENT_DONE) {
        take_notes(u, v->text);
        u->job.params.seed = v->seed; /* which may have been drawn there */
        for (int i = 0; i < u->job.params.batch && !u->has_error; i++)
            if (digest_file(u->files[i], u->sha256[i], &e))
                unit_fail(u, &e);
    } else {
        err_set(&e, "%s", v->text ? v->text : "it was cancelled");
        if (v->kind_of_failure == ERR_DEVICE && device_set_aside(d, &u, 1, &e))
            return;
        u->dropped = v->kind == EVENT_CANCELLED || v->kind_of_failure == ERR_DEVICE;
        if (!u->dropped)
            unit_fail(u, &e);
        u->fatal = !u->dropped && has_no_disk(u, &e);
        if (v->kind_of_failure == ERR_DEVICE) {
            pthread_mutex_lock(&b->lock);
            batch_stop(b, &e);
            pthread_mutex_unlock(&b->lock);
        }
    }
    hand_over(b, u);
}

static void hear(struct far *f)
{
    struct device *d = f->device;
    for (struct event *v; (v = d->ops->next(d->self)); event_free(v)) {
        if (v->kind == EVENT_STAGE || v->kind == EVENT_ASIDE)
            note(d->batch, v->text);
        if (v->kind != EVENT_DONE && v->kind != EVENT_FAILED && v->kind != EVENT_CANCELLED)
            continue;
        int i = 0;
        while (i < f->count && f->number[i] != v->job)
            i++;
        if (i == f->count)
            continue;
        struct unit *u = f->unit[i];
        u->ms = v->times.total > 0 ? v->times.total : clock_ms() - f->sent[i];
        f->count--;
        f->unit[i] = f->unit[f->count];
        f->sent[i] = f->sent[f->count];
        f->number[i] = f->number[f->count];
        end_unit(d, u, v);
    }
}

void *batch_far(void *arg)
{
    struct far f = {.device = arg};
    struct device *d = arg;
    while (feed(&f)) {
        struct pollfd p = {.fd = d->ops->fd(d->self), .events = POLLIN};
        poll(&p, 1, f.count ? LOOK_MS : LOOK_MS / 4);
        hear(&f);
    }
    d->ops->stop(d->self);
    d->self = NULL;
    for (int i = 0; i < f.count; i++) {
        f.unit[i]->dropped = true;
        hand_over(d->batch, f.unit[i]);
    }
    return NULL;
}
