/*
 * What the pool itself costs: 10,000 jobs of one step over devices that are done at once, so that
 * nothing but settling a job, choosing a device, and the way there and back is left.
 *
 *     make build/bench_pool && build/bench_pool [JOBS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/pool.h"

enum { ROOM = 4 };

/* Answers each command with STARTED, SPRITE and DONE. */
struct null_device {
    struct event *event[3 * ROOM];
    int first, count, fd;
};
static struct null_device devices[DEVICES_MAX];
static int opened;

static void tell(struct null_device *d, enum event_kind kind, int64_t job)
{
    struct event *v = calloc(1, sizeof *v);
    *v = (struct event){.kind = kind, .job = job, .at_ms = clock_ms()};
    v->times.total = 1;
    d->event[(d->first + d->count++) % (3 * ROOM)] = v;
}

static bool null_send(void *self, struct command *c)
{
    struct null_device *d = self;
    if (d->count + 3 > 3 * ROOM)
        return false;
    tell(d, EVENT_STARTED, c->job);
    tell(d, EVENT_SPRITE, c->job);
    tell(d, EVENT_DONE, c->job);
    command_free(c);
    return true;
}

static struct event *null_next(void *self)
{
    struct null_device *d = self;
    if (d->count == 0)
        return NULL;
    struct event *v = d->event[d->first];
    d->first = (d->first + 1) % (3 * ROOM);
    d->count--;
    return v;
}

static int null_fd(const void *self)
{
    return ((const struct null_device *)self)->fd;
}

static void null_cancel(void *self, int64_t job)
{
    (void)self, (void)job;
}

static void null_quit(void *self)
{
    (void)self;
}

static void null_stop(void *self)
{
    close(((struct null_device *)self)->fd);
}

static const struct device_ops *open_null(void *user, const char *name, void **self, struct err *e)
{
    static const struct device_ops ops = {.send = null_send,
                                          .next = null_next,
                                          .fd = null_fd,
                                          .cancel = null_cancel,
                                          .quit = null_quit,
                                          .stop = null_stop};
    struct null_device *d = &devices[opened++];
    (void)user, (void)name, (void)e;
    *d = (struct null_device){.fd = eventfd(0, EFD_NONBLOCK)};
    *self = d;
    return &ops;
}

static int run(const char *list, int jobs)
{
    struct err e = {""};
    opened = 0;
    struct pool *p = pool_start(&(struct pool_options){.devices = list, .open = open_null}, &e);
    if (!p) {
        fprintf(stderr, "%s\n", e.text);
        return 1;
    }
    int sent = 0, done = 0;
    double began = clock_ms();
    while (done < jobs) {
        while (sent < jobs && sent - done < 64) {
            struct command *c = command_new(COMMAND_RUN);
            c->job = ++sent;
            c->words = strdup("a slime");
            settings_set(&c->settings, "steps", "1", &e);
            if (!pool_send(p, c))
                return 1;
        }
        for (struct event *v; (v = pool_next(p)); event_free(v))
            done += v->kind == EVENT_DONE;
    }
    double ms = clock_ms() - began;
    printf("%-8s %d jobs in %.0f ms: %.3f ms a job\n", list, jobs, ms, ms / jobs);
    pool_stop(p);
    return 0;
}

int main(int argc, char **argv)
{
    int jobs = argc > 1 ? atoi(argv[1]) : 10000;
    return run("cpu", jobs) || run("cpu*2", jobs) || run("cpu*4", jobs);
}
