/* See stop.h. Calls come from the thread that armed it, so what they need is the thread's own. */
#include "ops/stop.h"

#include <assert.h>

static _Thread_local struct {
    struct ops plain; /* the backend's own calls */
    bool (*ask)(void *user);
    void *user;
    bool armed, stopped;
} own;

static bool goes_on(void)
{
    own.stopped = own.stopped || own.ask(own.user);
    return !own.stopped;
}

static void stop_linear(struct ops *o, struct tensor *y, const struct tensor *x,
                        const struct weight *w, enum act act, const struct tensor *residual)
{
    if (goes_on())
        own.plain.linear(o, y, x, w, act, residual);
}

static void stop_geglu(struct ops *o, struct tensor *y, const struct tensor *x,
                       const struct weight *w)
{
    if (goes_on())
        own.plain.geglu(o, y, x, w);
}

static void stop_conv2d(struct ops *o, struct tensor *y, const struct tensor *x,
                        const struct weight *w, const struct conv_args *a)
{
    if (goes_on())
        own.plain.conv2d(o, y, x, w, a);
}

static void stop_group_norm(struct ops *o, struct tensor *y, const struct tensor *x,
                            const struct weight *w, int groups, float eps, bool silu)
{
    if (goes_on())
        own.plain.group_norm(o, y, x, w, groups, eps, silu);
}

static void stop_attention(struct ops *o, struct tensor *y, const struct tensor *q,
                           const struct tensor *k, const struct tensor *v, int heads, float scale,
                           bool causal)
{
    if (goes_on())
        own.plain.attention(o, y, q, k, v, heads, scale, causal);
}

static int stop_sync(struct ops *o, struct err *e)
{
    int rc = own.plain.sync(o, e);
    return own.stopped ? err_set(e, "stopped") : rc;
}

void ops_stop_arm(struct ops *o, bool (*ask)(void *user), void *user)
{
    assert(!own.armed && !o->turn_begin);
    own.plain = *o;
    own.ask = ask;
    own.user = user;
    own.stopped = false;
    own.armed = true;
    o->linear = stop_linear;
    o->geglu = stop_geglu;
    o->conv2d = stop_conv2d;
    o->group_norm = stop_group_norm;
    o->attention = stop_attention;
    o->sync = stop_sync;
}

bool ops_stop_disarm(struct ops *o)
{
    assert(own.armed);
    o->linear = own.plain.linear;
    o->geglu = own.plain.geglu;
    o->conv2d = own.plain.conv2d;
    o->group_norm = own.plain.group_norm;
    o->attention = own.plain.attention;
    o->sync = own.plain.sync;
    own.armed = false;
    return own.stopped;
}
