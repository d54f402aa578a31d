/* See remote.h. */
#include <assert.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/paths.h"
#include "base/thread.h"
#include "queue/remote_priv.h"

enum {
    COMMANDS = 64,
    EVENTS = 512,
    KEPT_FOR_OTHERS = 128,
    TIMEOUT_MS = 5000,
    BLOCK_MS = 2000,
    TURN_MS = 100,
    SYNC_MS = 5000,
    STACK_BYTES = 8 << 20
};

/* ---- messages ---- */

struct event *remote_event(enum event_kind kind, int64_t job)
{
    struct event *v = calloc(1, sizeof *v);
    if (v)
        *v = (struct event){.kind = kind, .job = job, .at_ms = clock_ms()};
    return v;
}

static bool may_be_dropped(enum event_kind k)
{
    return k == EVENT_STEP || k == EVENT_PREVIEW || k == EVENT_STAGE;
}

void remote_emit(struct remote *r, struct event *v)
{
    if (!v)
        return;
    bool drop = may_be_dropped(v->kind);
    bool given = (!drop || ring_room(r->events) > KEPT_FOR_OTHERS) && ring_push(r->events, v);
    while (!given && !drop && !atomic_load(&r->quit)) {
        usleep(2000);
        given = ring_push(r->events, v);
    }
    if (!given)
        event_free(v);
}

/* ---- who we are ---- */

static bool is_hex(const char *s)
{
    return strlen(s) == 32 && strspn(s, "0123456789abcdef") == 32;
}

static void draw(char out[33])
{
    unsigned char r[16] = {0};
    if (getrandom(r, sizeof r, 0) != sizeof r)
        memcpy(r, &(double){clock_ms()}, sizeof(double));
    for (int i = 0; i < 16; i++)
        snprintf(out + 2 * i, 3, "%02x", r[i]);
}

/* The same for all that this user's program ever sends, so that a job keeps its name over a
 * restart; where no file can be, for this process. */
static void know_client(char out[33])
{
    char path[PATH_MAX], folder[PATH_MAX];
    size_t n;
    if (!place_path(PLACE_DATA, "queue-client", path)) {
        draw(out);
        return;
    }
    char *text = file_read(path, 64, &n, NULL);
    if (text && n >= 32) {
        snprintf(out, 33, "%.32s", text);
        free(text);
        if (is_hex(out))
            return;
        text = NULL;
    }
    free(text);
    draw(out);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    if (file_make_folders(folder, NULL) == 0)
        file_write_atomic(path, out, 32, NULL);
}

/* ---- listening ---- */

static void start_listening(struct remote *r)
{
    struct args a = {0};
    struct err e;
    if (r->listening || link_fd(r->talk) < 0 || link_pause(r->listen) > 0)
        return;
    args_text(&a, "XREAD");
    args_text(&a, "COUNT");
    args_number(&a, 64);
    args_text(&a, "BLOCK");
    args_number(&a, BLOCK_MS);
    args_text(&a, "STREAMS");
    args_text(&a, r->events_key);
    args_text(&a, r->heard);
    r->listening = link_send(r->listen, &a, &e) == LINK_OK;
}

/* What no one can read would be read again and again; what is done is asked for as well. */
static void drop_events(struct remote *r)
{
    struct args a = {0};
    struct err e;
    args_text(&a, "DEL");
    args_text(&a, r->events_key);
    link_post(r->talk, &a, &e);
}

static void take_events(struct remote *r)
{
    struct reply *reply;
    struct err e;
    if (!r->listening)
        return;
    enum link_result rc = link_reply(r->listen, &reply, &e);
    if (rc == LINK_TOO_LARGE)
        drop_events(r);
    if (rc != LINK_OK) {
        r->listening = false;
        return;
    }
    if (!reply)
        return; /* not yet */
    r->listening = false;
    const struct reply *list = reply_at(reply_at(reply, 0), 1);
    for (int i = 0; i < reply_count(list); i++) {
        const struct reply *one = reply_at(list, i);
        snprintf(r->heard, sizeof r->heard, "%.60s", reply_text(reply_at(one, 0), NULL));
        remote_hear(r, reply_at(one, 1));
    }
    reply_free(reply);
}

/* The reader's own stream, up to what was read. */
static void trim(struct remote *r)
{
    struct args a = {0};
    struct err e;
    args_text(&a, "XTRIM");
    args_text(&a, r->events_key);
    args_text(&a, "MINID");
    args_text(&a, "~");
    args_text(&a, r->heard);
    link_post(r->talk, &a, &e);
}

/* ---- the thread ---- */

static void wait_a_turn(struct remote *r)
{
    struct pollfd p[2] = {{.fd = ring_fd(r->commands), .events = POLLIN},
                          {.fd = r->listening ? link_fd(r->listen) : -1, .events = POLLIN}};
    if (r->flights == REMOTE_JOBS)
        p[0].fd = -1;
    poll(p, 2, r->flights ? TURN_MS : r->listening ? BLOCK_MS : TURN_MS);
}

/* The server has not answered once since the first of these jobs came. */
static bool is_given_up(struct remote *r, struct err *e)
{
    int tries = link_unanswered(r->talk);
    if (tries < r->hello_tries)
        return false;
    err_prefix(e, "no server answers, in %d attempts (is it running, are host and port right?)",
               tries);
    return true;
}

static void connected(struct remote *r)
{
    struct err e;
    if (link_open(r->talk, &r->denied, &e) == LINK_OK) {
        if (r->generation != link_generation(r->talk)) {
            r->generation = link_generation(r->talk);
            r->sync_at = 0;
        }
        return;
    }
    bool given_up = (r->denied && r->generation == 0) || is_given_up(r, &e); /* never let us in */
    for (int i = 0; i < REMOTE_JOBS; i++) {
        struct flight *f = &r->flight[i];
        if (f->state == FLIGHT_FREE)
            continue;
        if (given_up)
            remote_refused(r, f, e.text);
        else
            remote_waits(r, f, e.text);
    }
    r->denied = false;
}

static void turn(struct remote *r)
{
    struct command *c = NULL;
    ring_clear(r->commands);
    while (r->flights < REMOTE_JOBS && !atomic_load(&r->quit) && (c = ring_pop(r->commands)))
        remote_take(r, c);
    if (r->flights)
        connected(r);
    remote_cancels(r);
    remote_push(r);
    if (r->flights && clock_ms() >= r->sync_at) {
        r->sync_at = clock_ms() + r->sync_ms;
        remote_sync(r);
        if (strcmp(r->heard, "0-0") != 0)
            trim(r);
    }
    take_events(r);
    remote_fetch(r);
    if (r->flights)
        start_listening(r); /* before we sleep */
}

static void leave(struct remote *r)
{
    struct args a = {0};
    struct reply *reply;
    struct err e;
    remote_land(r);
    if (link_fd(r->talk) >= 0) {
        args_text(&a, "DEL");
        args_text(&a, r->events_key);
        link_call(r->talk, &a, 0, &reply, &e);
        reply_free(reply);
    }
    link_free(r->talk);
    link_free(r->listen);
    packer_free(&r->packer);
    store_close(r->store);
}

static void *remote_main(void *user)
{
    struct remote *r = user;
    char session[33];
    know_client(r->packer.client);
    draw(session);
    snprintf(r->events_key, sizeof r->events_key, "%sevents:%s-%.8s", link_prefix(r->talk),
             r->packer.client, session);
    strcpy(r->heard, "0-0");
    while (!atomic_load(&r->quit)) {
        turn(r);
        wait_a_turn(r);
    }
    leave(r);
    return NULL;
}

/* ---- the face ---- */

static void drop_command(void *p)
{
    command_free(p);
}

static void drop_event(void *p)
{
    event_free(p);
}

static void free_remote(struct remote *r)
{
    ring_free(r->commands, drop_command);
    ring_free(r->events, drop_event);
    explicit_bzero(r->url.password, sizeof r->url.password);
    free(r->store_path);
    free(r->folder);
    free(r);
}

static bool copy(char **to, const char *text)
{
    *to = text ? strdup(text) : NULL;
    return *to || !text;
}

struct remote *remote_start(const struct remote_options *o, struct err *e)
{
    struct remote *r = calloc(1, sizeof *r);
    if (!r) {
        err_set(e, "out of memory");
        return NULL;
    }
    r->sync_ms = o->sync_ms > 0 ? o->sync_ms : SYNC_MS;
    r->hello_tries = o->hello_tries > 0 ? o->hello_tries : QUEUE_HELLO_TRIES;
    r->gives_back = o->gives_back;
    if (queue_url_parse(&r->url, o->url, e) == 0) {
        bool ready = copy(&r->store_path, o->store) && copy(&r->folder, o->folder) &&
                     (r->talk = link_new(&r->url, TIMEOUT_MS)) &&
                     (r->listen = link_new(&r->url, TIMEOUT_MS));
        r->packer.store = r->store_path ? r->store_path : "";
        if (!ready)
            err_set(e, "out of memory");
        else if ((r->commands = ring_new(COMMANDS, e)) && (r->events = ring_new(EVENTS, e))) {
            int rc = thread_start(&r->thread, STACK_BYTES, remote_main, r);
            if (rc == 0)
                return r;
            err_set(e, "the queue's thread does not start: %s", strerror(rc));
        }
    }
    link_free(r->talk);
    link_free(r->listen);
    free_remote(r);
    return NULL;
}

int remote_workers(const struct remote *r)
{
    int n = atomic_load(&r->workers);
    return n > 1 ? n : 1;
}

void remote_quit(struct remote *r)
{
    struct command *c = command_new(COMMAND_QUIT);
    atomic_store(&r->quit, true);
    if (c && !ring_push(r->commands, c)) /* which wakes it */
        command_free(c);
}

void remote_stop(struct remote *r)
{
    if (!r)
        return;
    remote_quit(r);
    pthread_join(r->thread, NULL);
    free_remote(r);
}

static void forget_cancelled(struct remote *r, int64_t job)
{
    for (int i = 0; i < CANCELS; i++) {
        int64_t expected = job;
        atomic_compare_exchange_strong(&r->cancelled[i], &expected, 0);
    }
}

bool remote_send(struct remote *r, struct command *c)
{
    if (c->kind == COMMAND_QUIT) {
        command_free(c);
        remote_quit(r);
        return true;
    }
    if (c->kind == COMMAND_RUN)
        forget_cancelled(r, c->job);
    return ring_push(r->commands, c);
}

struct event *remote_next(struct remote *r)
{
    struct event *v = ring_pop(r->events);
    if (v)
        return v;
    ring_clear(r->events);
    return ring_pop(r->events);
}

int remote_fd(const struct remote *r)
{
    return ring_fd(r->events);
}

void remote_cancel(struct remote *r, int64_t job)
{
    assert(job != 0);
    unsigned at = atomic_fetch_add(&r->next_cancelled, 1) % CANCELS;
    atomic_store(&r->cancelled[at], job);
}
