/* An engine as one of a pool's devices. */
#include "engine/pool_priv.h"

static bool send(void *self, struct command *c)
{
    return engine_send(self, c);
}

static struct event *next(void *self)
{
    return engine_next(self);
}

static int fd(const void *self)
{
    return engine_fd(self);
}

static void cancel(void *self, int64_t job)
{
    engine_cancel(self, job);
}

static void finish_previews(void *self, bool on)
{
    engine_finish_previews(self, on);
}

static void quit(void *self)
{
    struct command *c = command_new(COMMAND_QUIT);
    if (c) /* else engine_stop tells it */
        engine_send(self, c);
}

static void stop(void *self)
{
    engine_stop(self);
}

static const struct device_ops engine_device = {.send = send,
                                                .next = next,
                                                .fd = fd,
                                                .cancel = cancel,
                                                .finish_previews = finish_previews,
                                                .quit = quit,
                                                .stop = stop};

const struct device_ops *pool_open_engine(const struct pool *p, const char *name, int threads,
                                          void **self, struct err *e)
{
    struct engine_options o = {.store = p->o.store,
                               .folder = p->o.folder,
                               .device = name,
                               .gives_back = p->count > 1,
                               .fault = p->o.fault,
                               .fault_user = p->o.user,
                               .threads = threads,
                               .nice = p->o.nice};
    *self = engine_start(&o, e);
    return *self ? &engine_device : NULL;
}
