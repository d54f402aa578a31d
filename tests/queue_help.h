/*
 * What the tests of the queue share: a Redis server of the test's own, workers in threads of this
 * process, the remote device that sends them jobs, and "puppets": the server's scripts, called by
 * hand. Include after cmocka.
 */
#ifndef SPRITTY_TESTS_QUEUE_HELP_H
#define SPRITTY_TESTS_QUEUE_HELP_H

#include <poll.h>
#include <pthread.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "job_help.h"
#include "queue/queue.h"
#include "queue/remote.h"
#include "queue/worker.h"
#include "redis.h"

enum { PATIENCE_MS = 120000, LEASE_MS = 1000 };

static struct redis server;
static char folder[64];
static struct link *eye; /* a look at the server */
static struct stock stock;

/* ---- workers: threads ---- */

struct thread_worker {
    pthread_t thread;
    bool hired;
    atomic_int stop;
    struct worker_options o;
    struct worker_count count;
    struct err e;
    int rc;
};

static inline void say(void *user, const char *line)
{
    (void)user;
    print_message("worker: %s\n", line);
}

static inline void *work(void *user)
{
    struct thread_worker *w = user;
    w->rc = queue_work(&w->o, &w->count, &w->e);
    return NULL;
}

static int lease_ms = LEASE_MS;                /* of those hired from now on, */
static unsigned long long memory = 8ull << 30; /* and their device's memory */

/* Not on the stack: a test that fails leaves them to its teardown. */
static struct thread_worker workers[4];

static inline struct thread_worker *hire_at(int i, const char *url, const char *user)
{
    struct thread_worker *w = &workers[i];
    memset(w, 0, sizeof *w);
    w->o = (struct worker_options){.stock = &stock,
                                   .device = "cpu",
                                   .threads = 1,
                                   .memory = memory,
                                   .lease_ms = lease_ms,
                                   .say = say};
    w->o.stop = &w->stop;
    if (queue_url_parse(&w->o.url, url, &w->e))
        fail_msg("%s", w->e.text);
    snprintf(w->o.url.user, sizeof w->o.url.user, "%s", user);
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    w->hired = true;
    return w;
}

static inline struct thread_worker *hire(int i)
{
    return hire_at(i, server.url, "");
}

static inline void dismiss(struct thread_worker *w)
{
    atomic_store(&w->stop, 2);
    if (w->hired)
        pthread_join(w->thread, NULL);
    w->hired = false;
    if (w->rc)
        print_message("worker ended: %s\n", w->e.text);
}

/* ---- jobs ---- */

static inline struct command *job(struct store *s, const char *steps)
{
    return job_with_seed(add_job(s), "18446744073709551615", steps);
}

static inline struct remote *start_remote(void)
{
    struct err e = {""};
    struct remote *r = remote_start(
        &(struct remote_options){
            .url = server.url, .store = database, .folder = folder, .sync_ms = 500},
        &e);
    if (!r)
        fail_msg("%s", e.text);
    return r;
}

static inline struct event *next(struct remote *r)
{
    struct pollfd p = {.fd = remote_fd(r), .events = POLLIN};
    for (;;) {
        struct event *v = remote_next(r);
        if (v)
            return v;
        if (poll(&p, 1, PATIENCE_MS) != 1)
            fail_msg("no event within %d ms", PATIENCE_MS);
    }
}

/* The next end of a job: its event. Counts sprites on the way. */
static inline struct event *await_end(struct remote *r, int *sprites)
{
    for (;;) {
        struct event *v = next(r);
        if (v->kind >= EVENT_DONE)
            return v;
        if (sprites)
            *sprites += v->kind == EVENT_SPRITE;
        event_free(v);
    }
}

/* ---- fixtures ---- */

static inline int begin(void **state)
{
    struct err e = {""};
    struct queue_url u;
    (void)state;
    strcpy(folder, "/tmp/spritty-test-queue-XXXXXX");
    if (!mkdtemp(folder) || !redis_start(&server))
        return -1;
    snprintf(database, sizeof database, "%s/jobs.db", folder);
    setenv("XDG_DATA_HOME", folder, 1);
    setenv("XDG_CACHE_HOME", folder, 1);
    setenv("XDG_CONFIG_HOME", folder, 1);
    stock.n = 0;
    if (stock_add(&stock, MODEL, &e) || queue_url_parse(&u, server.url, &e)) {
        print_error("%s\n", e.text);
        return -1;
    }
    eye = link_new(&u, PATIENCE_MS);
    return 0;
}

static inline int end(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        dismiss(&workers[i]);
    link_free(eye);
    redis_end(&server);
    return nftw(folder, redis_drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- puppets: workers of the test's hand ---- */

#define JOBS       "{spritty}:jobs:%s:1"
#define ID         "0123456789abcdef0123456789abcdef"
#define KEY_JOB    "{spritty}:job:" ID
#define KEY_RESULT "{spritty}:result:" ID
#define KEY_EVENTS "{spritty}:events:test"
#define PREFIX     "{spritty}:"

static inline const char *stream(void)
{
    static char name[120];
    snprintf(name, sizeof name, JOBS, stock.at[0].hash);
    return name;
}

static inline struct reply *script(enum script s, int keys, int n, const char *const *word,
                                   enum link_result want)
{
    struct args a = {0};
    struct reply *r;
    struct err e = {""};
    for (int i = 0; i < n; i++)
        args_text(&a, word[i]);
    enum link_result rc = link_script(eye, s, keys, &a, &r, &e);
    if (rc != want)
        fail_msg("script %d: %s", s, rc ? e.text : "it worked");
    return r;
}
#define SCRIPT(s, keys, ...)                                                                       \
    script(s, keys, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                 \
           (const char *[]){__VA_ARGS__}, LINK_OK)

static inline void expect(struct reply *r, const char *text)
{
    if (!reply_is(r, text))
        fail_msg("'%s' instead of '%s'", reply_text(r, NULL), text);
    reply_free(r);
}

static inline void submit(const char *room, const char *answer)
{
    struct reply *r = SCRIPT(SCRIPT_SUBMIT, 2, stream(), KEY_JOB, PREFIX, ID, KEY_EVENTS, room, "v",
                             "1", "id", ID);
    assert_true(reply_is(reply_at(r, 0), answer));
    reply_free(r);
}

/* The message's id, or "" when there is nothing to take. */
static inline const char *take(enum script s, const char *who, const char *idle)
{
    static char msg[4][64];
    static int at;
    char *to = msg[at++ % 4];
    struct reply *r = SCRIPT(s, 1, stream(), PREFIX, who, "3", idle);
    snprintf(to, 64, "%s", reply_text(reply_at(r, 1), NULL));
    reply_free(r);
    return to;
}

static inline const char *deliver(const char *who, const char *msg)
{
    static char answer[16];
    struct reply *r = SCRIPT(SCRIPT_DELIVER, 3, stream(), KEY_JOB, KEY_RESULT, PREFIX, who, msg, ID,
                             "v", "1", "worker", who);
    snprintf(answer, sizeof answer, "%s", reply_text(r, NULL));
    reply_free(r);
    return answer;
}

/* ---- with real workers ---- */

/* One job, made once: its event, its picture, its row. */
static inline void finishes(struct remote *r, struct store *s, int64_t id)
{
    int sprites = 0;
    struct err e = {""};
    struct store_sprite *list;
    struct event *v = await_end(r, &sprites);
    if (v->kind != EVENT_DONE)
        fail_msg("event %d: %s", v->kind, v->text ? v->text : "");
    assert_int_equal(v->job, id);
    event_free(v);
    assert_int_equal(sprites, 1);
    assert_int_equal(store_job_sprites(s, id, &list, &e), 1);
    store_sprites_free(list, 1);
}

static inline int64_t post(struct remote *r, struct store *s, const char *steps)
{
    struct command *c = job(s, steps);
    int64_t id = c->job;
    assert_true(remote_send(r, c));
    return id;
}

static inline void await_kind(struct remote *r, enum event_kind kind)
{
    for (bool found = false; !found;) {
        struct event *v = next(r);
        found = v->kind == kind;
        if (v->kind >= EVENT_DONE)
            fail_msg("event %d: %s", v->kind, v->text ? v->text : "");
        event_free(v);
    }
}

#endif
