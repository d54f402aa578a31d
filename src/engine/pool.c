/*
 * The pool: its devices, who gets a task, what the caller sees of it. See pool.h.
 */
#include "engine/pool_priv.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/parallel.h"
#include "ops/cuda.h"

static const double LOAD_WINDOW_MS = 4000;

const struct device_ops *(*pool_open_other)(const struct pool_options *, const char *name,
                                            void **self, struct err *);

/* ---- devices ---- */

int pool_spell_out(const char *list, char names[DEVICES_MAX][DEVICE_NAME], struct err *e)
{
    struct device_item item[DEVICES_MAX];
    struct cuda_info info = {.devices = 1};
    int items = devices_parse(list, item, e), n = 0;
    for (int i = 0; i < items; i++) {
        bool all = !strcmp(item[i].name, "cuda:all");
        struct err ignored;
        if (all && ops_cuda_look(0, &info, &ignored) < 0)
            info.devices = 1; /* which will say what is missing */
        int count = all ? info.devices : item[i].count;
        for (int k = 0; k < count && n < DEVICES_MAX; k++, n++)
            if (all)
                snprintf(names[n], DEVICE_NAME, "cuda:%d", k);
            else
                memcpy(names[n], item[i].name, DEVICE_NAME);
    }
    return items < 0 ? -1 : n;
}

static bool on_cpu(const char *name)
{
    return !strcmp(name, "cpu") || !strcmp(name, "ref");
}

static int watch(struct pool *p, int fd, struct err *e)
{
    struct epoll_event want = {.events = EPOLLIN};
    return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &want)
               ? err_set(e, "the pool cannot watch a device: %s", strerror(errno))
               : 0;
}

int pool_watch_clerk(struct pool *p)
{
    struct err e;
    if (!p->clerk_is_watched)
        p->clerk_is_watched = watch(p, engine_fd(p->clerk), &e) == 0;
    return p->clerk_is_watched ? 0 : -1;
}

static int open_member(struct pool *p, struct pool_member *m, const char *name, int threads,
                       struct err *e)
{
    e->text[0] = '\0';
    if (p->o.open)
        m->ops = p->o.open(p->o.user, name, &m->self, e);
    else if (pool_open_other)
        m->ops = pool_open_other(&p->o, name, &m->self, e);
    if (!m->ops && !*e->text)
        m->ops = pool_open_engine(p, name, threads, &m->self, e);
    if (!m->ops || watch(p, m->ops->fd(m->self), e))
        return -1;
    if (m->ops->finish_previews)
        m->ops->finish_previews(m->self, p->finish_previews);
    return 0;
}

static void close_members(struct pool *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->member[i].ops)
            p->member[i].ops->quit(p->member[i].self);
    for (int i = 0; i < p->count; i++) {
        struct pool_member *m = &p->member[i];
        for (struct pool_task *t; (t = m->tasks);) {
            m->tasks = t->next;
            pool_task_free(t);
        }
        if (m->ops) /* which closes its descriptor and so ends the watch over it */
            m->ops->stop(m->self);
        *m = (struct pool_member){0};
    }
    p->count = 0;
}

/* "cpu 1", "cpu 2" where a name is there more than once. */
static void name_member(struct pool *p, int i, char names[DEVICES_MAX][DEVICE_NAME])
{
    int same = 0, before = 0;
    for (int k = 0; k < p->count; k++) {
        same += !strcmp(names[k], names[i]);
        before += k < i && !strcmp(names[k], names[i]);
    }
    char *name = p->member[i].now.name;
    if (same > 1)
        snprintf(name, DEVICE_NAME, "%.50s %d", names[i], before + 1);
    else
        memcpy(name, names[i], DEVICE_NAME);
}

int pool_open_members(struct pool *p, const char *list, int threads, struct err *e)
{
    char names[DEVICES_MAX][DEVICE_NAME];
    char *copy = strdup(list);
    int on_cpus = 0, n = copy ? pool_spell_out(list, names, e) : err_set(e, "out of memory");
    close_members(p);
    free(p->list);
    p->list = copy;
    p->threads_said = threads;
    if (n < 0)
        return -1;
    p->count = p->o.count = n;
    for (int i = 0; i < n; i++)
        on_cpus += on_cpu(names[i]);
    /* One that takes what it finds keeps all cores for itself: there is no other. */
    int each = threads > 0 ? threads : on_cpus > 1 ? parallel_cores() / on_cpus : 0;
    for (int i = 0; i < n; i++) {
        name_member(p, i, names);
        p->member[i].seen = clock_ms();
        if (open_member(p, &p->member[i], names[i], on_cpus > 1 && each < 1 ? 1 : each, e)) {
            close_members(p); /* all or none: the next job tries again */
            return -1;
        }
    }
    return 0;
}

bool pool_is_busy(const struct pool *p)
{
    for (int i = 0; i < p->count; i++)
        if (p->member[i].tasks)
            return true;
    return false;
}

/* ---- what a task would take ---- */

/* The mean of a measure over the devices where it is known; 0: nowhere. */
static double mean(const struct pool *p, size_t field)
{
    double sum = 0;
    int known = 0;
    for (int i = 0; i < p->count; i++) {
        double v = *(const double *)((const char *)&p->member[i] + field);
        if (v > 0)
            sum += v, known++;
    }
    return known ? sum / known : 0;
}

static double known_or(double own, double else_)
{
    return own > 0 ? own : else_;
}

/* Units of all that a device has. */
static double units_left(const struct pool_member *m)
{
    double units = 0;
    for (const struct pool_task *t = m->tasks; t; t = t->next) {
        double share = t == m->tasks ? 1 - m->progress.now : 1;
        units += share * t->units * t->count;
    }
    int lanes = m->ops && m->ops->lanes ? m->ops->lanes(m->self) : 1;
    return units / (lanes > 1 ? lanes : 1);
}

/* How each device stands towards a task of `images`. Where no rate is known, a unit counts as a
 * millisecond. */
static void loads_for(const struct pool *p, const struct pool_task *t, int images,
                      struct pool_load *l)
{
    double rate = known_or(mean(p, offsetof(struct pool_member, ms_per_unit)), 1);
    double load = mean(p, offsetof(struct pool_member, load_ms));
    for (int i = 0; i < p->count; i++) {
        const struct pool_member *m = &p->member[i];
        double own = known_or(m->ms_per_unit, rate);
        l[i].usable = !m->now.aside && !(t->tried >> i & 1) && !(t->part && m->ops->whole);
        l[i].left_ms = units_left(m) * own;
        l[i].left_ms += m->model != t->model ? known_or(m->load_ms, load) : 0;
        l[i].job_ms = t->units * images * own;
    }
}

/* ---- giving tasks ---- */

static void append(struct pool_member *m, struct pool_task *t)
{
    struct pool_task **at = &m->tasks;
    while (*at)
        at = &(*at)->next;
    t->next = NULL;
    *at = t;
}

bool pool_place(struct pool *p, struct pool_task *t)
{
    struct pool_load l[DEVICES_MAX];
    loads_for(p, t, t->count, l);
    int i = pool_choose(p->o.policy, l, p->count, &p->turn, &p->random);
    if (i < 0)
        return false;
    append(&p->member[i], t);
    return true;
}

int pool_split(struct pool *p, const struct pool_task *t, int *share)
{
    struct pool_load l[DEVICES_MAX];
    loads_for(p, t, 1, l);
    for (int i = 0; i < p->count; i++)
        l[i].usable = l[i].usable && !p->member[i].tasks && !p->member[i].ops->whole;
    return pool_shares(l, p->count, t->count, share);
}

void pool_place_at(struct pool *p, int i, struct pool_task *t)
{
    append(&p->member[i], t);
}

/* The device's load up to now: a mean over the last seconds, recent ones counting more. */
static void count_time(struct pool_member *m, double now)
{
    double share = exp(-(now - m->seen) / LOAD_WINDOW_MS);
    m->now.load = m->now.load * share + (m->sent > 0 ? 1 - share : 0);
    m->seen = now;
}

static struct pool_task *first_unsent(const struct pool_member *m)
{
    struct pool_task *t = m->tasks;
    for (int i = 0; i < m->sent && t; i++)
        t = t->next;
    return t;
}

static int unsent(const struct pool *p)
{
    int n = 0;
    for (int i = 0; i < p->count; i++)
        for (const struct pool_task *t = first_unsent(&p->member[i]); t; t = t->next)
            n++;
    return n;
}

static void give(struct pool_member *m, int depth)
{
    for (struct pool_task *t; m->sent < depth && (t = first_unsent(m));) {
        if (!m->ops->send(m->self, t->command))
            return; /* full; the next event comes by here again */
        count_time(m, clock_ms());
        t->command = NULL;
        m->sent++;
        m->model = t->model;
    }
}

/* The last task of the device that has most left and that this one may try as well. */
static void take_over(struct pool *p, int idle)
{
    struct pool_task **best = NULL;
    double most = 0;
    for (int i = 0; i < p->count; i++) {
        double left = units_left(&p->member[i]);
        struct pool_task *t = first_unsent(&p->member[i]), **at = &p->member[i].tasks;
        bool may = t && left > most;
        while (t && *at != t)
            at = &(*at)->next;
        for (; may && t->next; t = t->next)
            at = &t->next;
        if (may && !(t->tried >> idle & 1) && !(t->part && p->member[idle].ops->whole))
            best = at, most = left;
    }
    if (!best)
        return;
    struct pool_task *t = *best;
    *best = t->next;
    append(&p->member[idle], t);
}

void pool_feed(struct pool *p)
{
    for (int i = 0; i < p->count; i++) {
        struct pool_member *m = &p->member[i];
        if (!m->tasks && !m->now.aside && p->o.policy == POLICY_LEAST_BUSY)
            take_over(p, i);
        give(m, m->ops ? device_depth(m->ops, m->self) : 1);
    }
    int depth = unsent(p) >= PLENTY * p->count ? POOL_DEPTH : 1;
    for (int i = 0; i < p->count && depth > 1; i++)
        give(&p->member[i], depth);
}

void pool_set_aside(struct pool *p, int device, const char *why)
{
    struct pool_member *m = &p->member[device];
    struct pool_task *t = first_unsent(m), **at = &m->tasks;
    m->now.aside = true;
    snprintf(m->now.why, sizeof m->now.why, "%.190s", why);
    while (*at && *at != t)
        at = &(*at)->next;
    *at = NULL;
    for (struct pool_task *next; t; t = next) {
        next = t->next;
        if (!pool_place(p, t))
            pool_fail_task(p, t, why);
    }
}

/* ---- leaving off ---- */

void pool_cut(struct pool *p, struct pool_job *j)
{
    struct pool_task *dropped = NULL;
    for (int i = 0; i < p->count; i++) {
        struct pool_member *m = &p->member[i];
        struct pool_task **at = &m->tasks;
        for (int n = 0; *at; n++) {
            struct pool_task *t = *at;
            if (t->job == j && n < m->sent)
                m->ops->cancel(m->self, j->id);
            if (t->job != j || n < m->sent) {
                at = &t->next;
                continue;
            }
            *at = t->next;
            t->next = dropped;
            dropped = t;
        }
    }
    while (dropped) { /* the last of them may end the job */
        struct pool_task *t = dropped;
        dropped = t->next;
        pool_drop_task(p, t);
    }
}

void pool_finish_previews(struct pool *p, bool on)
{
    p->finish_previews = on;
    for (int i = 0; i < p->count; i++)
        if (p->member[i].ops->finish_previews)
            p->member[i].ops->finish_previews(p->member[i].self, on);
}

/* ---- events ---- */

void pool_tell(struct pool *p, struct event *v)
{
    if (!v)
        return;
    if (p->own.count == p->own.room) {
        int room = p->own.room ? 2 * p->own.room : 16;
        struct event **more = realloc(p->own.at, (size_t)room * sizeof(*more));
        if (!more) {
            event_free(v);
            return;
        }
        p->own.at = more;
        p->own.room = room;
    }
    p->own.at[p->own.count++] = v;
    while (write(p->wake, &(uint64_t){1}, sizeof(uint64_t)) < 0 && errno == EINTR)
        continue;
}

static struct event *next_own(struct pool *p)
{
    uint64_t count;
    if (p->own.count > 0) {
        struct event *v = p->own.at[0];
        memmove(p->own.at, p->own.at + 1, (size_t)--p->own.count * sizeof(*p->own.at));
        return v;
    }
    while (read(p->wake, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    return NULL;
}

static struct event *next_of_devices(struct pool *p)
{
    for (int k = 0; k < p->count; k++) {
        int i = (p->from + k) % p->count;
        struct event *v;
        while ((v = p->member[i].ops->next(p->member[i].self))) {
            v->device_index = i;
            count_time(&p->member[i], clock_ms());
            if ((v = pool_took(p, i, v))) {
                p->from = i + 1; /* the others' turn */
                return v;
            }
        }
    }
    return NULL;
}

struct event *pool_next(struct pool *p)
{
    struct event *v = next_of_devices(p);
    if (p->held && !pool_is_busy(p))
        pool_release_held(p);
    if (!v && p->clerk && (v = engine_next(p->clerk)))
        v->device_index = -1;
    return v ? v : next_own(p);
}

int pool_fd(const struct pool *p)
{
    return p->epoll;
}

/* ---- what the devices do ---- */

int pool_devices(struct pool *p, struct pool_device *list, int max)
{
    double rate = mean(p, offsetof(struct pool_member, ms_per_unit)), now = clock_ms();
    for (int i = 0; i < p->count && i < max; i++) {
        struct pool_member *m = &p->member[i];
        int tasks = 0;
        count_time(m, now);
        for (const struct pool_task *t = m->tasks; t; t = t->next)
            tasks++;
        list[i] = m->now;
        list[i].waiting = tasks > 0 ? tasks - 1 : 0;
        if (tasks > 0 && !list[i].job) /* it has not begun on it yet */
            list[i].job = m->tasks->job->id;
        double own = known_or(m->ms_per_unit, rate);
        list[i].left_ms = own > 0 || tasks == 0 ? units_left(m) * own : (double)NAN;
    }
    return p->count;
}

int pool_idle(const struct pool *p)
{
    int n = 0;
    for (int i = 0; i < p->count && !p->held; i++)
        n += !p->member[i].tasks && !p->member[i].now.aside;
    return n;
}

/* ---- start and end ---- */

static bool copy_text(const char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text;
}

struct pool *pool_start(const struct pool_options *o, struct err *e)
{
    struct pool *p = calloc(1, sizeof *p);
    if (!p) {
        err_set(e, "out of memory");
        return NULL;
    }
    p->o = *o;
    p->turn = -1;
    p->random = (uint64_t)clock_ms() | 1;
    p->epoll = epoll_create1(EPOLL_CLOEXEC);
    p->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    bool copied = copy_text(&p->o.store, o->store); /* all of them: what is the caller's goes */
    copied = copy_text(&p->o.folder, o->folder) && copied;
    copied = copy_text(&p->o.devices, o->devices) && copied;
    if (!copied)
        err_set(e, "out of memory");
    else if (p->epoll < 0 || p->wake < 0)
        err_set(e, "no descriptors for the devices: %s", strerror(errno));
    else if (watch(p, p->wake, e) == 0 &&
             (!o->devices || pool_open_members(p, o->devices, o->threads, e) == 0))
        return p;
    pool_stop(p);
    return NULL;
}

void pool_stop(struct pool *p)
{
    if (!p)
        return;
    close_members(p);
    engine_stop(p->clerk);
    for (struct held *h; (h = p->held); free(h)) {
        p->held = h->next;
        command_free(h->command);
    }
    for (struct pool_job *j; (j = p->jobs); free(j)) {
        p->jobs = j->next;
        event_free(j->done);
        event_free(j->ended);
    }
    for (int i = 0; i < p->own.count; i++)
        event_free(p->own.at[i]);
    free(p->own.at);
    if (p->epoll >= 0)
        close(p->epoll);
    if (p->wake >= 0)
        close(p->wake);
    free(p->list);
    free((void *)(uintptr_t)p->o.store);
    free((void *)(uintptr_t)p->o.folder);
    free((void *)(uintptr_t)p->o.devices);
    free(p);
}
