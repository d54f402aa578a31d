/*
 * The queue as a whole: a Redis server of the test's own, workers in threads of this process, and
 * the remote device that sends them jobs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "engine/batch.h"
#include "engine/pool.h"
#include "queue/device.h"
#include "queue/queue.h"
#include "queue/remote.h"
#include "queue/worker.h"
#include "redis.h"
#include "sprite/png.h"
#include "store/store.h"

/* As docs/scale.md has them. */
#define WORKER_RIGHTS                                                                              \
    "+ping +select +info +script|load +evalsha +xgroup|create +xreadgroup +xautoclaim +xclaim "    \
    "+xpending +xrange +xread +xadd +xlen +xack +xdel +xtrim +hset +hget +hmget +hdel +hgetall "   \
    "+exists +expire +del +set +zadd +zcard +zremrangebyscore +time"

#define MODEL "tests/golden/small_a"
enum { PATIENCE_MS = 120000, LEASE_MS = 1000 };

static struct redis server;
static char folder[64], database[100];
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

static void say(void *user, const char *line)
{
    (void)user;
    print_message("worker: %s\n", line);
}

static void *work(void *user)
{
    struct thread_worker *w = user;
    w->rc = queue_work(&w->o, &w->count, &w->e);
    return NULL;
}

/* Not on the stack: a test that fails leaves them to its teardown. */
static struct thread_worker workers[4];

static struct thread_worker *hire_at(int i, const char *url, const char *user)
{
    struct thread_worker *w = &workers[i];
    memset(w, 0, sizeof *w);
    w->o = (struct worker_options){.stock = &stock,
                                   .device = "cpu",
                                   .threads = 1,
                                   .memory = 8ull << 30,
                                   .lease_ms = LEASE_MS,
                                   .say = say};
    w->o.stop = &w->stop;
    if (queue_url_parse(&w->o.url, url, &w->e))
        fail_msg("%s", w->e.text);
    snprintf(w->o.url.user, sizeof w->o.url.user, "%s", user);
    assert_int_equal(pthread_create(&w->thread, NULL, work, w), 0);
    w->hired = true;
    return w;
}

static struct thread_worker *hire(int i)
{
    return hire_at(i, server.url, "");
}

static void dismiss(struct thread_worker *w)
{
    atomic_store(&w->stop, 2);
    if (w->hired)
        pthread_join(w->thread, NULL);
    w->hired = false;
    if (w->rc)
        print_message("worker ended: %s\n", w->e.text);
}

/* ---- jobs ---- */

static struct store *open_store(void)
{
    struct err e = {""};
    struct store *s = store_open(database, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static void set(struct settings *s, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(s, key, value, &e))
        fail_msg("%s", e.text);
}

static struct command *job(struct store *s, const char *steps)
{
    struct err e = {""};
    struct store_job row = {.words = "a slime", .settings = "", .label = ""};
    if (store_add_job(s, &row, &e))
        fail_msg("%s", e.text);
    struct command *c = command_new(COMMAND_RUN);
    c->job = row.id;
    c->words = strdup("a slime");
    set(&c->settings, "model", MODEL);
    set(&c->settings, "size", "64x64");
    set(&c->settings, "seed", "18446744073709551615");
    set(&c->settings, "steps", steps);
    return c;
}

static struct remote *start_remote(void)
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

static struct event *next(struct remote *r)
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
static struct event *await_end(struct remote *r, int *sprites)
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

static int begin(void **state)
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
    eye = link_new(&u, 5000);
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        dismiss(&workers[i]);
    link_free(eye);
    redis_end(&server);
    return nftw(folder, redis_drop, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- tests ---- */

static void from_end_to_end(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct thread_worker *w = hire(0);
    struct command *c = job(s, "4");
    set(&c->settings, "batch", "2");
    int64_t id = c->job;
    char order[64] = "";
    assert_true(remote_send(r, c));
    for (bool over = false; !over;) {
        struct event *v = next(r);
        static const char letters[] = "LRBSKPIXADFC";
        size_t n = strlen(order);
        if (n < 60 && (n == 0 || order[n - 1] != letters[v->kind]))
            order[n] = letters[v->kind], order[n + 1] = '\0';
        assert_int_equal(v->job, id);
        if (v->kind == EVENT_FAILED)
            fail_msg("%s", v->text);
        if (v->kind == EVENT_SPRITE) {
            struct png_file png;
            struct err e = {""};
            if (png_load(v->text, true, &png, &e))
                fail_msg("%s", e.text);
            assert_memory_equal(png.rgba, v->image->rgba, 64 * 64 * 4);
            assert_non_null(strstr(png_find_text(&png, "parameters"), "18446744073709551615"));
            png_file_free(&png);
            assert_true(v->seed == UINT64_MAX && v->sprite > 0);
        }
        over = v->kind == EVENT_DONE;
        if (over) {
            assert_int_equal(v->steps, 4);
            assert_true(v->times.total > 0 && v->step_ms[3] > 0);
        }
        event_free(v);
    }
    print_message("events: %s\n", order);
    struct store_sprite *list;
    struct err e = {""};
    assert_int_equal(store_job_sprites(s, id, &list, &e), 2);
    assert_string_equal(list[0].prompt, "a slime");
    assert_string_equal(list[0].model, "small_a");
    store_sprites_free(list, 2);
    /* Acknowledged: nothing of it is left there. */
    struct reply *keys = SAY(eye, "KEYS", "{spritty}:result:*");
    assert_int_equal(reply_count(keys), 0);
    reply_free(keys);
    remote_stop(r);
    dismiss(w);
    store_close(s);
}

/* ---- puppets: workers of the test's hand ---- */

#define JOBS       "{spritty}:jobs:%s:1"
#define ID         "0123456789abcdef0123456789abcdef"
#define KEY_JOB    "{spritty}:job:" ID
#define KEY_RESULT "{spritty}:result:" ID
#define KEY_EVENTS "{spritty}:events:test"
#define PREFIX     "{spritty}:"

static const char *stream(void)
{
    static char name[120];
    snprintf(name, sizeof name, JOBS, stock.at[0].hash);
    return name;
}

static struct reply *script(enum script s, int keys, int n, const char *const *word,
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

static void expect(struct reply *r, const char *text)
{
    if (!reply_is(r, text))
        fail_msg("'%s' instead of '%s'", reply_text(r, NULL), text);
    reply_free(r);
}

static void submit(const char *room, const char *answer)
{
    struct reply *r = SCRIPT(SCRIPT_SUBMIT, 2, stream(), KEY_JOB, PREFIX, ID, KEY_EVENTS, room, "v",
                             "1", "id", ID);
    assert_true(reply_is(reply_at(r, 0), answer));
    reply_free(r);
}

/* The message's id, or "" when there is nothing to take. */
static const char *take(enum script s, const char *who, const char *idle)
{
    static char msg[4][64];
    static int at;
    char *to = msg[at++ % 4];
    struct reply *r = SCRIPT(s, 1, stream(), PREFIX, who, "3", idle);
    snprintf(to, 64, "%s", reply_text(reply_at(r, 1), NULL));
    reply_free(r);
    return to;
}

static const char *deliver(const char *who, const char *msg)
{
    static char answer[16];
    struct reply *r = SCRIPT(SCRIPT_DELIVER, 3, stream(), KEY_JOB, KEY_RESULT, PREFIX, who, msg, ID,
                             "v", "1", "worker", who);
    snprintf(answer, sizeof answer, "%s", reply_text(r, NULL));
    reply_free(r);
    return answer;
}

/* Whoever was too slow delivers nothing, and the same words twice store nothing twice. */
static void one_of_two_delivers(void **state)
{
    (void)state;
    submit("10", "queued");
    submit("10", "known");
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 1);
    const char *a = take(SCRIPT_NEXT, "ann", "0");
    assert_string_not_equal(a, "");
    assert_string_equal(take(SCRIPT_NEXT, "bob", "0"), "");
    assert_string_equal(take(SCRIPT_CLAIM, "bob", "600000"), ""); /* it is renewed */
    usleep(20000);
    const char *b = take(SCRIPT_CLAIM, "bob", "10");
    assert_string_equal(a, b);
    struct reply *r = SCRIPT(SCRIPT_TOUCH, 2, stream(), KEY_JOB, PREFIX, "ann", a);
    assert_int_equal(reply_number(reply_at(r, 0)), 0);
    reply_free(r);
    assert_string_equal(deliver("ann", a), "lost");
    assert_int_equal(redis_number(SAY(eye, "EXISTS", KEY_RESULT)), 0);
    assert_string_equal(deliver("bob", b), "stored");
    assert_string_equal(deliver("bob", b), "stored"); /* the answer was not heard */
    assert_string_equal(deliver("ann", a), "lost");
    expect(SAY(eye, "HGET", KEY_RESULT, "worker"), "bob");
    assert_int_equal(redis_number(SAY(eye, "XLEN", KEY_EVENTS)), 1);
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 0);
    expect(SCRIPT(SCRIPT_FAIL, 2, stream(), KEY_JOB, PREFIX, "ann", a, ID, "failed", "x", "1"),
           "lost");
    submit("10", "known"); /* done, and not yet fetched */
}

/* What three took and none brought back is given up, with its reason; a released one is not. */
static void tries_have_an_end(void **state)
{
    (void)state;
    submit("10", "queued");
    const char *msg = take(SCRIPT_NEXT, "a", "0");
    expect(SCRIPT(SCRIPT_RELEASE, 2, stream(), KEY_JOB, PREFIX, "a", msg), "stored");
    msg = take(SCRIPT_NEXT, "a", "0");
    assert_string_not_equal(msg, "");
    usleep(20000);
    assert_string_equal(take(SCRIPT_CLAIM, "b", "10"), msg);
    usleep(20000);
    assert_string_equal(take(SCRIPT_CLAIM, "c", "10"), msg);
    usleep(20000);
    assert_string_equal(take(SCRIPT_CLAIM, "d", "10"), "");
    expect(SAY(eye, "HGET", KEY_JOB, "state"), "failed");
    struct reply *r = SAY(eye, "XRANGE", "{spritty}:dead", "-", "+");
    const struct reply *fields = reply_at(reply_at(r, 0), 1);
    assert_true(reply_is(reply_at(fields, 1), "given up: 3 workers took it, and none came back "
                                              "with a result"));
    reply_free(r);
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 0);
    submit("10", "queued"); /* sent again it is tried again */
}

/* A stream with as much in it as may wait, and a server without memory: refused, nothing done. */
static void full(void **state)
{
    (void)state;
    submit("1", "queued");
    struct reply *r = SCRIPT(SCRIPT_SUBMIT, 2, stream(), "{spritty}:job:x", PREFIX, "x", KEY_EVENTS,
                             "1", "v", "1");
    assert_true(reply_is(reply_at(r, 0), "full"));
    assert_int_equal(reply_number(reply_at(r, 1)), 1);
    reply_free(r);
    reply_free(SAY(eye, "CONFIG", "SET", "maxmemory", "1"));
    const char *submitting[] = {stream(), "{spritty}:job:y", PREFIX, "y", KEY_EVENTS, "9", "v",
                                "1"};
    script(SCRIPT_SUBMIT, 2, 8, submitting, LINK_FULL);
    const char *msg = take(SCRIPT_NEXT, "ann", "0"); /* taking needs no memory */
    assert_string_not_equal(msg, "");
    const char *delivering[] = {stream(), KEY_JOB, KEY_RESULT, PREFIX, "ann", msg, ID, "v", "1"};
    script(SCRIPT_DELIVER, 3, 9, delivering, LINK_FULL);
    assert_int_equal(redis_number(SAY(eye, "EXISTS", KEY_RESULT)), 0);
    r = SCRIPT(SCRIPT_TOUCH, 2, stream(), KEY_JOB, PREFIX, "ann", msg);
    assert_int_equal(reply_number(reply_at(r, 0)), 1);
    reply_free(r);
    reply_free(SAY(eye, "CONFIG", "SET", "maxmemory", "0"));
    assert_int_equal(redis_number(SAY(eye, "EXISTS", "{spritty}:job:y")), 0);
    assert_string_equal(deliver("ann", msg), "stored");
}

/* ---- with real workers ---- */

/* One job, made once: its event, its picture, its row. */
static void finishes(struct remote *r, struct store *s, int64_t id)
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

static int64_t post(struct remote *r, struct store *s, const char *steps)
{
    struct command *c = job(s, steps);
    int64_t id = c->job;
    assert_true(remote_send(r, c));
    return id;
}

static void await_kind(struct remote *r, enum event_kind kind)
{
    for (bool found = false; !found;) {
        struct event *v = next(r);
        found = v->kind == kind;
        if (v->kind >= EVENT_DONE)
            fail_msg("event %d: %s", v->kind, v->text ? v->text : "");
        event_free(v);
    }
}

/* Whatever lies in the stream, the next good job is made, and the bad ones lie where they can be
 * looked at. */
static void wrong_messages(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    static const char *const why[] = {"it has no version of the protocol",
                                      "it is of version 0 of the protocol and this spritty speaks "
                                      "1: update who sent it",
                                      "its id is missing or no id", "no one waits for it"};
    char hash[65];
    strcpy(hash, stock.at[0].hash);
    reply_free(SAY(eye, "XADD", stream(), "*", "rubbish", "\033[2J"));
    reply_free(SAY(eye, "XADD", stream(), "*", "v", "0", "id", "x"));
    reply_free(SAY(eye, "XADD", stream(), "*", "v", "1", "id", "../x"));
    reply_free(SAY(eye, "XADD", stream(), "*", "v", "1", "id", "x", "model", hash, "job", "{}",
                   "needs", "{}"));
    int64_t id = post(r, s, "1");
    hire(0);
    finishes(r, s, id);
    struct reply *dead = SAY(eye, "XRANGE", "{spritty}:dead", "-", "+");
    assert_int_equal(reply_count(dead), 4);
    for (int i = 0; i < 4; i++) {
        const char *text = reply_text(reply_at(reply_at(reply_at(dead, i), 1), 1), NULL);
        if (!strstr(text, why[i]))
            fail_msg("%s", text);
    }
    reply_free(dead);
    remote_stop(r);
    store_close(s);
}

/* Over what a message may be on the way of a large prompt and a large picture: told before it is
 * sent. */
static void too_large(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    char path[100], *prompt = malloc((64 << 10) + 10);
    memset(prompt, 'a', (64 << 10) + 9);
    prompt[(64 << 10) + 9] = '\0';
    struct command *c = job(s, "1");
    free(c->words);
    c->words = prompt;
    assert_true(remote_send(r, c));
    struct event *v = await_end(r, NULL);
    assert_int_equal(v->kind, EVENT_FAILED);
    print_message("%s\n", v->text);
    event_free(v);
    snprintf(path, sizeof path, "%s/large.png", folder);
    static const uint8_t rgb[64 * 64 * 3];
    const struct picture black = {.kind = PICTURE_RGB, .width = 64, .height = 64, .pixels = rgb};
    struct err e = {""};
    assert_int_equal(png_save(path, &black, NULL, 0, &e), 0);
    assert_int_equal(truncate(path, QUEUE_INPUT_MAX + 1), 0); /* behind its end, which is allowed */
    c = job(s, "1");
    set(&c->settings, "image", path);
    assert_true(remote_send(r, c));
    v = await_end(r, NULL);
    assert_int_equal(v->kind, EVENT_FAILED);
    print_message("%s\n", v->text);
    event_free(v);
    remote_stop(r);
    store_close(s);
}

/* Killed while a job is made, and begun again from its file. */
static void server_restarted(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    hire(0);
    int64_t id = post(r, s, "150");
    await_kind(r, EVENT_STARTED);
    redis_kill(&server);
    usleep(300000);
    assert_true(redis_start(&server));
    finishes(r, s, id);
    id = post(r, s, "1");
    finishes(r, s, id);
    remote_stop(r);
    store_close(s);
}

/* ... and without it: what the server forgot is sent again. */
static void server_forgets(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    int64_t id = post(r, s, "1");
    for (int i = 0; i < 500 && redis_number(SAY(eye, "XLEN", stream())) == 0; i++)
        usleep(10000);
    reply_free(SAY(eye, "FLUSHALL"));
    hire(0);
    finishes(r, s, id);
    remote_stop(r);
    store_close(s);
}

/* A worker that is cut off for longer than its lease: another makes the job, and what the first one
 * has made meanwhile is not delivered. */
static void cut_off(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    char url[200];
    reply_free(SAY(eye, "ACL", "SETUSER", "far", "on", ">pass", "~*", "&*", "+@all"));
    snprintf(url, sizeof url, "unix://%s/socket", server.folder);
    setenv("SPRITTY_REDIS_PASSWORD", "pass", 1);
    struct thread_worker *far = hire_at(0, url, "far");
    setenv("SPRITTY_REDIS_PASSWORD", REDIS_PASSWORD, 1);
    int64_t id = post(r, s, "250");
    await_kind(r, EVENT_STARTED);
    reply_free(SAY(eye, "ACL", "SETUSER", "far", "off"));
    reply_free(SAY(eye, "CLIENT", "KILL", "USER", "far"));
    struct thread_worker *near = hire(1);
    finishes(r, s, id);
    reply_free(SAY(eye, "ACL", "SETUSER", "far", "on"));
    for (int i = 0; i < 3000 && far->count.lost == 0; i++)
        usleep(10000);
    assert_int_equal(near->count.done + far->count.done, 1);
    assert_in_range(far->count.lost + near->count.lost, 1, 2);
    assert_null(remote_next(r));
    remote_stop(r);
    store_close(s);
}

/* No worker has room for it now: it is left for three tries, and fails with the reason. */
static void left_to_others(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct thread_worker *w = hire(0);
    struct command *c = job(s, "1");
    set(&c->settings, "memory-limit", "1MB");
    assert_true(remote_send(r, c));
    struct event *v = await_end(r, &(int){0});
    print_message("%s\n", v->text);
    assert_int_equal(v->kind, EVENT_FAILED);
    assert_non_null(strstr(v->text, "are free"));
    event_free(v);
    for (int i = 0; i < 3000 && w->count.failed == 0; i++)
        usleep(10000);
    assert_int_equal(w->count.failed, 1);
    finishes(r, s, post(r, s, "1")); /* and it works on */
    remote_stop(r);
    store_close(s);
}

static void slow(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    hire(0);
    int64_t id = post(r, s, "20");
    await_kind(r, EVENT_STARTED);
    reply_free(SAY(eye, "CLIENT", "PAUSE", "700", "ALL"));
    finishes(r, s, id);
    remote_stop(r);
    store_close(s);
}

/* Little memory: the job waits here and says so; then there is some, and it is made. */
static void waits_for_memory(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    hire(0);
    reply_free(SAY(eye, "CONFIG", "SET", "maxmemory", "1"));
    int64_t id = post(r, s, "1");
    struct event *v = next(r);
    assert_int_equal(v->kind, EVENT_STAGE);
    assert_string_equal(v->stage, "queue");
    assert_non_null(strstr(v->text, "memory"));
    print_message("%s\n", v->text);
    event_free(v);
    reply_free(SAY(eye, "CONFIG", "SET", "maxmemory", "0"));
    finishes(r, s, id);
    remote_stop(r);
    store_close(s);
}

static void cancelled(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct event *v;
    int64_t id = post(r, s, "1"); /* no worker yet */
    await_kind(r, EVENT_STAGE);
    remote_cancel(r, id);
    v = await_end(r, NULL);
    assert_true(v->kind == EVENT_CANCELLED && v->job == id);
    event_free(v);
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 0);
    struct thread_worker *w = hire(0);
    id = post(r, s, "1000");
    await_kind(r, EVENT_STARTED);
    remote_cancel(r, id);
    v = await_end(r, NULL);
    assert_true(v->kind == EVENT_CANCELLED && v->job == id);
    event_free(v);
    id = post(r, s, "1"); /* which the worker only gets to when it has given up the other */
    finishes(r, s, id);
    assert_int_equal(w->count.cancelled, 1);
    remote_stop(r);
    store_close(s);
}

/* A program that ended and begins again asks for the same job and gets what was made meanwhile. */
static void sent_again_after_a_restart(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    struct command *c = job(s, "2"), *again = command_new(COMMAND_RUN);
    struct err e = {""};
    int64_t id = again->job = c->job;
    again->words = strdup(c->words);
    settings_fill(&again->settings, &c->settings, &e);
    assert_true(remote_send(r, c));
    await_kind(r, EVENT_STAGE);
    remote_stop(r);
    struct thread_worker *w = hire(0);
    while (w->count.done == 0)
        usleep(10000);
    r = start_remote();
    assert_true(remote_send(r, again));
    finishes(r, s, id);
    assert_int_equal(w->count.done, 1);
    remote_stop(r);
    store_close(s);
}

/* Wrong passwords and too few rights: said once, without secrets, and not tried forever. */
static void refused(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct thread_worker *w;
    setenv("SPRITTY_REDIS_PASSWORD", "guessed", 1);
    struct remote *r = start_remote();
    post(r, s, "1");
    struct event *v = await_end(r, NULL);
    assert_int_equal(v->kind, EVENT_FAILED);
    assert_non_null(strstr(v->text, "WRONGPASS"));
    assert_null(strstr(v->text, "guessed"));
    event_free(v);
    remote_stop(r);
    w = hire(0);
    pthread_join(w->thread, NULL);
    w->hired = false;
    assert_int_equal(w->rc, -1);
    assert_non_null(strstr(w->e.text, "does not let this worker in"));
    reply_free(SAY(eye, "ACL", "SETUSER", "weak", "on", ">pass", "~*", "+ping", "+select",
                   "+script|load"));
    setenv("SPRITTY_REDIS_PASSWORD", "pass", 1);
    w = hire_at(1, server.url, "weak");
    pthread_join(w->thread, NULL);
    w->hired = false;
    setenv("SPRITTY_REDIS_PASSWORD", REDIS_PASSWORD, 1);
    print_message("%s\n", w->e.text);
    assert_int_equal(w->rc, -1);
    assert_non_null(strstr(w->e.text, "this user may not do that"));
    store_close(s);
}

static void tell_failure(void *user, const char *id, long line, const char *why)
{
    (void)user;
    print_message("line %ld, %s: %s\n", line, id, why);
}

/* As one of a pool's devices, jobs end in any order; as a batch's it makes the files that jobs
 * name, and the same batch once more has nothing to do. */
static void a_device_like_others(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct err e = {""};
    struct pool_options o = {.store = database, .folder = folder, .devices = server.url};
    queue_device_register();
    struct pool *p = pool_start(&o, &e);
    if (!p)
        fail_msg("%s", e.text);
    static const char *const steps[] = {"40", "1", "1", "2", "1"};
    for (int i = 0; i < 5; i++)
        assert_true(pool_send(p, job(s, steps[i])));
    hire(0);
    hire(1);
    for (int done = 0; done < 5;) {
        struct pollfd fd = {.fd = pool_fd(p), .events = POLLIN};
        struct event *v = pool_next(p);
        if (v && v->kind == EVENT_FAILED)
            fail_msg("%s", v->text);
        done += v && v->kind == EVENT_DONE;
        if (!v && poll(&fd, 1, PATIENCE_MS) != 1)
            fail_msg("nothing happens");
        event_free(v);
    }
    pool_stop(p);
    store_close(s);

    char path[100], results[100], out[100], file[120], text[400];
    snprintf(path, sizeof path, "%s/jobs.jsonl", folder);
    snprintf(results, sizeof results, "%s/results.jsonl", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    int n = snprintf(text, sizeof text,
                     "{\"id\": \"a\", \"prompt\": \"a\", \"steps\": 1, \"batch\": 2}\n"
                     "{\"id\": \"b\", \"prompt\": \"b\", \"steps\": 1}\n");
    assert_int_equal(file_write_atomic(path, text, (size_t)n, &e), 0);
    assert_int_equal(mkdir(out, 0700), 0);
    struct settings flags = {0};
    set(&flags, "model", MODEL);
    set(&flags, "size", "64x64");
    struct batch_options b = {.path = path,
                              .folder = out,
                              .results = results,
                              .flags = &flags,
                              .devices = server.url,
                              .open = queue_device_open,
                              .failed = tell_failure};
    for (int again = 0; again < 2; again++) {
        struct batch_state state = {0};
        if (batch_run(&b, &state, &e))
            fail_msg("%s", e.text);
        assert_int_equal(state.failed, 0);
        assert_int_equal(state.done, again ? 0 : 2);
        assert_int_equal(state.already, again ? 2 : 0);
    }
    settings_free(&flags);
    static const char *const names[] = {"a-0.png", "a-1.png", "b.png"};
    for (int i = 0; i < 3; i++) {
        snprintf(file, sizeof file, "%s/%s", out, names[i]);
        assert_int_equal(access(file, R_OK), 0);
    }
}

/* By TLS, as a user who may do what the documentation says; and not without the right CA. */
static int free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int rc = bind(fd, (struct sockaddr *)&at, n) || getsockname(fd, (struct sockaddr *)&at, &n);
    close(fd);
    return rc ? 0 : ntohs(at.sin_port);
}

static void encrypted(void **state)
{
    (void)state;
    char command[700], config[500], url[400];
    struct err e = {""};
    snprintf(command, sizeof command,
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
             "-keyout key.pem -out cert.pem -days 2 -subj /CN=localhost -addext "
             "subjectAltName=IP:127.0.0.1 >openssl.log 2>&1",
             folder);
    if (system(command)) {
        print_message("skipped: there is no openssl here to make a certificate\n");
        skip();
    }
    int port = free_port();
    snprintf(config, sizeof config,
             "tls-port %d\ntls-cert-file %s/cert.pem\ntls-key-file %s/key.pem\n"
             "tls-auth-clients no\nuser sprite on >hush ~{spritty}:* " WORKER_RIGHTS "\n",
             port, folder, folder);
    redis_kill(&server);
    if (!redis_start_with(&server, config)) {
        print_message("skipped: this server knows no TLS\n");
        skip();
    }
    setenv("SPRITTY_REDIS_PASSWORD", "hush", 1);
    snprintf(url, sizeof url, "rediss://sprite@127.0.0.1:%d?ca=%s/cert.pem", port, folder);
    struct thread_worker *w = hire_at(0, url, "sprite");
    struct remote *r = remote_start(
        &(struct remote_options){.url = url, .store = database, .folder = folder}, &e);
    struct store *s = open_store();
    int64_t id = post(r, s, "1");
    finishes(r, s, id);
    remote_stop(r);
    dismiss(w);
    snprintf(url, sizeof url, "rediss://sprite@127.0.0.1:%d", port);
    struct queue_url u;
    assert_int_equal(queue_url_parse(&u, url, &e), 0);
    assert_null(wire_open(&u, 5000, NULL, &e));
    print_message("%s\n", e.text);
    assert_non_null(strstr(e.text, "certificate"));
    setenv("SPRITTY_REDIS_PASSWORD", REDIS_PASSWORD, 1);
    store_close(s);
}

int main(int argc, char **argv)
{
    if (!redis_program()) {
        print_message("skipped: there is no redis-server here (Debian: redis-tools)\n");
        return 0;
    }
    /* The first are those that SPRITTY_QUICK leaves. */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(from_end_to_end, begin, end),
        cmocka_unit_test_setup_teardown(one_of_two_delivers, begin, end),
        cmocka_unit_test_setup_teardown(tries_have_an_end, begin, end),
        cmocka_unit_test_setup_teardown(full, begin, end),
        cmocka_unit_test_setup_teardown(wrong_messages, begin, end),
        cmocka_unit_test_setup_teardown(too_large, begin, end),
        cmocka_unit_test_setup_teardown(server_restarted, begin, end),
        cmocka_unit_test_setup_teardown(cancelled, begin, end),
        cmocka_unit_test_setup_teardown(sent_again_after_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(refused, begin, end),
        cmocka_unit_test_setup_teardown(a_device_like_others, begin, end),
    };
    const struct CMUnitTest patient[] = {
        cmocka_unit_test_setup_teardown(server_forgets, begin, end),
        cmocka_unit_test_setup_teardown(cut_off, begin, end),
        cmocka_unit_test_setup_teardown(left_to_others, begin, end),
        cmocka_unit_test_setup_teardown(slow, begin, end),
        cmocka_unit_test_setup_teardown(waits_for_memory, begin, end),
        cmocka_unit_test_setup_teardown(encrypted, begin, end),
    };
    if (argc > 1) /* one of them, or a pattern */
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (getenv("SPRITTY_QUICK") ? 0 : cmocka_run_group_tests(patient, NULL, NULL));
}
