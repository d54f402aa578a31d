/*
 * What the caller asks of the pool. A job that names other devices than those that are open waits
 * until all is idle; then the pool is made of those.
 */
#include "engine/pool_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Commands that came while others' devices were busy. */
static bool hold(struct pool *p, struct command *c)
{
    struct held **at = &p->held, *h = calloc(1, sizeof *h);
    if (!h)
        return false;
    while (*at)
        at = &(*at)->next;
    h->command = c;
    *at = h;
    return true;
}

static void fail_command(struct pool *p, struct command *c, const struct err *e)
{
    struct event *v = event_new(EVENT_FAILED, c->job);
    if (v)
        v->text = safe_text(e->text), v->device_index = -1;
    if (v && c->kind == COMMAND_RUN)
        pool_end(p, v);
    else
        pool_tell(p, v);
    command_free(c);
}

/* The command goes to these devices: 1. They have to be others, but are busy: 0. -1: none. */
static int suit(struct pool *p, const struct command *c, struct err *e)
{
    struct settings s = {0};
    int rc = 1;
    if (p->o.devices || engine_settle(&c->settings, c->preset, &s, e)) {
        settings_free(&s); /* what is wrong with the job, its device tells */
        return p->count > 0 ? 1 : pool_open_members(p, "auto", 0, e) ? -1 : 1;
    }
    int policy = pool_policy_by_name(s.policy);
    p->o.policy = policy < 0 ? POLICY_LEAST_BUSY : (enum pool_policy)policy;
    if (p->count == 0 || strcmp(p->list, s.device) != 0 || p->threads_said != s.threads) {
        if (pool_is_busy(p))
            rc = 0;
        else
            rc = pool_open_members(p, s.device, s.threads, e) ? -1 : 1;
    }
    settings_free(&s);
    return rc;
}

static void open_everywhere(struct pool *p, struct command *c)
{
    for (int i = 0; i < p->count; i++) {
        struct command *copy = i + 1 < p->count ? command_new(COMMAND_OPEN) : c;
        struct err e;
        if (copy != c && copy) {
            copy->preset = c->preset ? strdup(c->preset) : NULL;
            copy->warm = c->warm;
            if (settings_fill(&copy->settings, &c->settings, &e)) {
                command_free(copy);
                copy = NULL;
            }
        }
        if (copy && (p->member[i].now.aside || !p->member[i].ops->send(p->member[i].self, copy)))
            command_free(copy);
    }
}

/* False: no memory. */
static bool accept(struct pool *p, struct command *c)
{
    if (c->kind == COMMAND_OPEN) {
        open_everywhere(p, c);
        return true;
    }
    if (!pool_add(p, c))
        return false;
    pool_feed(p);
    return true;
}

void pool_release_held(struct pool *p)
{
    while (p->held) {
        struct held *h = p->held;
        struct err e = {""};
        int rc = suit(p, h->command, &e);
        if (rc == 0)
            return;
        p->held = h->next;
        if (rc < 0)
            fail_command(p, h->command, &e);
        else if (!accept(p, h->command)) {
            err_set(&e, "out of memory");
            fail_command(p, h->command, &e);
        }
        free(h);
    }
}

bool pool_send(struct pool *p, struct command *c)
{
    assert(c->kind == COMMAND_OPEN || c->kind == COMMAND_RUN);
    struct err e = {""};
    int rc = p->held ? 0 : suit(p, c, &e);
    if (rc == 0)
        return hold(p, c);
    if (rc < 0) {
        fail_command(p, c, &e);
        return true;
    }
    return accept(p, c);
}

void pool_cancel(struct pool *p, int64_t id)
{
    for (struct held **at = &p->held, *h; (h = *at);) {
        if (h->command->job != id) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        pool_end(p, event_new(EVENT_CANCELLED, id));
        command_free(h->command);
        free(h);
    }
    struct pool_job *j = pool_find(p, id);
    if (!j)
        return;
    j->cancelled = true;
    pool_cut(p, j);
}
