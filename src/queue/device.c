/* See device.h. */
#include "queue/device.h"

#include "devices.h"
#include "engine/pool.h"
#include "queue/remote.h"

static bool send(void *self, struct command *c)
{
    return remote_send(self, c);
}

static struct event *next(void *self)
{
    return remote_next(self);
}

static int fd(const void *self)
{
    return remote_fd(self);
}

static void cancel(void *self, int64_t job)
{
    remote_cancel(self, job);
}

static int lanes(void *self)
{
    return remote_workers(self);
}

static void quit(void *self)
{
    remote_quit(self);
}

static void stop(void *self)
{
    remote_stop(self);
}

static const struct device_ops queue_device = {.send = send,
                                               .next = next,
                                               .fd = fd,
                                               .cancel = cancel,
                                               .quit = quit,
                                               .stop = stop,
                                               .lanes = lanes,
                                               .whole = true};

static const struct device_ops *start(const struct remote_options *o, void **self, struct err *e)
{
    if (!device_is_queue(o->url))
        return NULL;
    *self = remote_start(o, e);
    return *self ? &queue_device : NULL;
}

const struct device_ops *queue_device_open(void *user, const char *name, void **self, struct err *e)
{
    (void)user;
    return start(&(struct remote_options){.url = name}, self, e);
}

static const struct device_ops *open_for_pool(const struct pool_options *o, const char *name,
                                              void **self, struct err *e)
{
    return start(
        &(struct remote_options){
            .url = name, .store = o->store, .folder = o->folder, .gives_back = o->count > 1},
        self, e);
}

void queue_device_register(void)
{
    pool_open_other = open_for_pool;
}
