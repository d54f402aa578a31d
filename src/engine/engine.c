/*
 * The engine's outside: its thread, its rings, its messages; see engine.h.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/thread.h"
#include "engine/engine_priv.h"

/* Places that progress and previews leave to sprites and errors, so that a reader who looks away
 * for some jobs does not stop the work. */
enum { KEPT_FOR_OTHERS = 64, STACK_BYTES = 8 << 20 };

/* ---- messages ---- */

struct command *command_new(enum command_kind kind)
{
    struct command *c = calloc(1, sizeof *c);
    if (c)
        c->kind = kind;
    return c;
}

void command_free(struct command *c)
{
    if (!c)
        return;
    free(c->words);
    free(c->preset);
    for (int i = 0; i < c->file_count; i++)
        free(c->files[i]);
    free(c->files);
    event_free(c->end);
    settings_free(&c->settings);
    free(c);
}

struct event *event_new(enum event_kind kind, int64_t job)
{
    struct event *v = calloc(1, sizeof *v);
    if (v)
        *v = (struct event){.kind = kind, .job = job, .at_ms = clock_ms()};
    return v;
}

void event_free(struct event *v)
{
    if (!v)
        return;
    image_free(v->image);
    image_free(v->raw);
    free(v->keep);
    token_counter_release(v->tokens);
    command_free(v->again);
    free(v->step_ms);
    free(v->profile);
    free(v->memory);
    free(v->text);
    free(v);
}

char *safe_text(const char *text)
{
    char *copy = strdup(text);
    if (copy)
        text_sanitize(copy);
    return copy;
}

bool can_drop_in(struct engine *x)
{
    return ring_room(x->events) > KEPT_FOR_OTHERS;
}

static bool may_be_dropped(enum event_kind k)
{
    return k == EVENT_STEP || k == EVENT_PREVIEW || k == EVENT_STAGE;
}

void emit(struct engine *x, struct event *v)
{
    if (!v)
        return;
    bool given = (!may_be_dropped(v->kind) || can_drop_in(x)) && ring_push(x->events, v);
    while (!given && !may_be_dropped(v->kind) && !atomic_load(&x->quit)) {
        usleep(2000);
        given = ring_push(x->events, v);
    }
    if (!given)
        event_free(v);
}

/* ---- cancelling: a table of jobs that any thread may write to ---- */

bool is_cancelled(struct engine *x, int64_t job)
{
    for (int i = 0; i < MAX_CANCELLED && job; i++)
        if (atomic_load_explicit(&x->cancelled[i], memory_order_relaxed) == job)
            return true;
    return false;
}

/* The table forgets the oldest: it holds twice the jobs that can be waiting. */
void engine_cancel(struct engine *x, int64_t job)
{
    assert(job != 0);
    if (is_cancelled(x, job))
        return;
    unsigned at = atomic_fetch_add(&x->next_cancelled, 1) % MAX_CANCELLED;
    atomic_store(&x->cancelled[at], job);
}

static void forget_cancelled(struct engine *x, int64_t job)
{
    for (int i = 0; i < MAX_CANCELLED; i++) {
        int64_t expected = job;
        atomic_compare_exchange_strong(&x->cancelled[i], &expected, 0);
    }
}

/* ---- the thread ---- */

static void obey(struct engine *x, struct command *c)
{
    bool given = false;
    if (c->kind == COMMAND_OPEN)
        work_open(x, c);
    else if (c->kind == COMMAND_RUN)
        given = work_run(x, c);
    else if (c->kind == COMMAND_END)
        work_end(x, c);
    if (!given)
        command_free(c);
}

/* What ended is not made again at the next start. */
static void write_ends(struct engine *x)
{
    for (struct command *c; (c = ring_pop(x->commands)); command_free(c))
        if (c->kind == COMMAND_END)
            work_end(x, c);
}

static void *engine_main(void *user)
{
    struct engine *x = user;
    if (x->nice) /* before OpenMP starts its threads, which inherit it */
        setpriority(PRIO_PROCESS, (id_t)gettid(), getpriority(PRIO_PROCESS, 0) + x->nice);
    while (!atomic_load(&x->quit)) {
        struct command *c = ring_pop(x->commands);
        if (!c) {
            ring_wait(x->commands, -1);
            continue;
        }
        obey(x, c);
    }
    write_ends(x);
    model_close(x);
    store_close(x->store);
    x->store = NULL;
    return NULL;
}

static void drop_command(void *p)
{
    command_free(p);
}

static void drop_event(void *p)
{
    event_free(p);
}

static void engine_free(struct engine *x)
{
    ring_free(x->commands, drop_command);
    ring_free(x->events, drop_event);
    free(x->store_path);
    free(x->folder);
    free(x->device);
    free(x);
}

static bool copy(char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text;
}

struct engine *engine_start(const struct engine_options *o, struct err *e)
{
    struct engine *x = calloc(1, sizeof *x);
    if (!x) {
        err_set(e, "out of memory");
        return NULL;
    }
    x->threads = o->threads;
    x->nice = o->nice;
    x->gives_back = o->gives_back;
    x->fault = o->fault;
    x->fault_user = o->fault_user;
    x->farewell = command_new(COMMAND_QUIT);
    if (!copy(&x->store_path, o->store) || !copy(&x->folder, o->folder) ||
        !copy(&x->device, o->device) || !x->farewell)
        err_set(e, "out of memory");
    else if ((x->commands = ring_new(COMMANDS, e)) && (x->events = ring_new(EVENTS, e))) {
        int rc = thread_start(&x->thread, STACK_BYTES, engine_main, x);
        if (rc == 0)
            return x;
        err_set(e, "the engine's thread does not start: %s", strerror(rc));
    }
    command_free(x->farewell);
    engine_free(x);
    return NULL;
}

void engine_stop(struct engine *x)
{
    if (!x)
        return;
    engine_send(x, x->farewell);
    pthread_join(x->thread, NULL);
    engine_free(x);
}

bool engine_send(struct engine *x, struct command *c)
{
    bool quits = c->kind == COMMAND_QUIT;
    if (quits)
        atomic_store(&x->quit, true);
    if (c->kind == COMMAND_RUN)
        forget_cancelled(x, c->job); /* what was said of an earlier run */
    bool sent = ring_push(x->commands, c);
    if (!sent && quits) /* the ring is full, so the thread is awake and looks at the flag */
        command_free(c);
    return sent || quits;
}

struct event *engine_next(struct engine *x)
{
    struct event *v = ring_pop(x->events);
    if (v)
        return v;
    ring_clear(x->events);
    return ring_pop(x->events);
}

int engine_fd(const struct engine *x)
{
    return ring_fd(x->events);
}

void engine_finish_previews(struct engine *x, bool on)
{
    atomic_store(&x->finish_previews, on);
}
