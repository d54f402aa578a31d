/*
 * A server that is away, slow, full, forgetful or does not let us in, and workers that are cut off.
 */
/* Not under qemu: a Redis server, and time limits that an emulator misses. */
/* Under the thread sanitizer: workers that are cut off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "engine/pool.h"
#include "queue/device.h"
#include "queue_help.h"
#include "sprite/image_file.h"

/* As docs/scale.md has them. */
#define WORKER_RIGHTS                                                                              \
    "+ping +select +info +script|load +evalsha +xgroup|create +xreadgroup +xautoclaim +xclaim "    \
    "+xpending +xrange +xread +xadd +xlen +xack +xdel +xtrim +hset +hget +hmget +hdel +hgetall "   \
    "+exists +expire +del +set +zadd +zcard +zremrangebyscore +time"

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

/* A line on which the second half of what is large takes longer than a lease: between a socket of
 * the test's and the server's. */
enum { LARGE = 8 << 10, SHORT_LEASE_MS = 400, LONG_LEASE_MS = 25600 };

static atomic_int held, held_ms;

static int unix_socket(const char *path, bool listens)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int rc = listens ? bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 8)
                     : connect(fd, (struct sockaddr *)&at, sizeof at);
    return rc ? -1 : fd;
}

/* Both ways until either side ends. */
static void *carry(void *user)
{
    static const size_t room = 256 << 10;
    char path[200], *block = malloc(room);
    snprintf(path, sizeof path, "%s/socket", server.folder);
    struct pollfd p[2] = {{.fd = (int)(intptr_t)user, .events = POLLIN},
                          {.fd = unix_socket(path, false), .events = POLLIN}};
    for (bool good = block != NULL; good && poll(p, 2, -1) > 0;)
        for (int i = 0; i < 2 && good; i++) {
            if (!p[i].revents)
                continue;
            ssize_t n = read(p[i].fd, block, room), first = n >= LARGE ? n / 2 : 0;
            if (first > 0) {
                good = write(p[!i].fd, block, (size_t)first) == first;
                atomic_fetch_add(&held, 1);
                usleep((unsigned)atomic_load(&held_ms) * 1000);
            }
            n -= first;
            good = good && n > 0 && write(p[!i].fd, block + first, (size_t)n) == n;
        }
    close(p[0].fd);
    close(p[1].fd);
    free(block);
    return NULL;
}

struct line {
    int fd, n;
    pthread_t at[8];
};

static void *run_line(void *user)
{
    struct line *l = user;
    for (int fd; l->n < 8 && (fd = accept(l->fd, NULL, NULL)) >= 0;)
        assert_int_equal(pthread_create(&l->at[l->n++], NULL, carry, (void *)(intptr_t)fd), 0);
    return NULL;
}

/* Whether the lease held while that was on its way: nobody else made the job. */
static bool holds_on(int ms, struct store *s, struct command *c)
{
    char path[100], url[120];
    struct remote *r = start_remote();
    struct line l = {0};
    pthread_t thread;
    int64_t id = c->job;
    atomic_store(&held, 0);
    atomic_store(&held_ms, ms * 9 / 4);
    snprintf(path, sizeof path, "%s/line%d", folder, ms);
    assert_true((l.fd = unix_socket(path, true)) >= 0);
    assert_int_equal(pthread_create(&thread, NULL, run_line, &l), 0);
    snprintf(url, sizeof url, "unix://%s", path);
    lease_ms = ms;
    struct thread_worker *far = hire_at(0, url, "");
    while (redis_number(SAY(eye, "ZCARD", "{spritty}:workers")) == 0) /* it waits for a job */
        usleep(1000);
    assert_true(remote_send(r, c));
    for (int i = 0; i < PATIENCE_MS && atomic_load(&held) == 0; i++)
        usleep(1000);
    struct thread_worker *near = hire(1);
    lease_ms = LEASE_MS;
    finishes(r, s, id);
    dismiss(near);
    dismiss(far);
    print_message("lease of %d ms, %d held; far: %ld done, %ld lost; near: %ld done, %ld lost\n",
                  ms, atomic_load(&held), far->count.done, far->count.lost, near->count.done,
                  near->count.lost);
    assert_true(atomic_load(&held) > 0);
    assert_int_equal(far->count.done + near->count.done, 1);
    shutdown(l.fd, SHUT_RDWR);
    pthread_join(thread, NULL);
    for (int i = 0; i < l.n; i++)
        pthread_join(l.at[i], NULL);
    close(l.fd);
    remote_stop(r);
    return far->count.done == 1 && far->count.lost + near->count.lost == 0;
}

/* A machine that is too busy to renew in time is not what this is about: it may have a longer
 * lease. Who does not renew loses one of any length. */
static void expect_to_hold_on(const char *key, const char *value)
{
    struct store *s = open_store();
    bool held_on = false;
    for (int ms = SHORT_LEASE_MS; !held_on && ms <= LONG_LEASE_MS; ms *= 4) {
        struct command *c = job(s, "1");
        set(&c->settings, key, value);
        reply_free(SAY(eye, "DEL", "{spritty}:workers"));
        held_on = holds_on(ms, s, c);
    }
    assert_true(held_on);
    store_close(s);
}

static void slow_line_of_results(void **state)
{
    (void)state;
    expect_to_hold_on("raw", "yes");
}

static void slow_line_of_jobs(void **state)
{
    (void)state;
    char path[100];
    struct err e = {""};
    struct image *m = image_new(64, 64);
    for (int i = 0; i < 64 * 64; i++)
        memcpy(m->rgba + 4 * i, (uint8_t[]){(uint8_t)(i * 7919 >> 5), (uint8_t)rand(), 90, 255}, 4);
    snprintf(path, sizeof path, "%s/start.png", folder);
    if (image_save(path, m, NULL, 0, &e))
        fail_msg("%s", e.text);
    image_free(m);
    expect_to_hold_on("image", path);
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

static void *refuse_silently(void *user)
{
    char heard[200];
    int fd = accept(*(int *)user, NULL, NULL);
    if (read(fd, heard, sizeof heard) > 0)
        send(fd, "-\r\n", 3, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

/* An error without a word is told all the same. */
static void refused_without_a_word(void **state)
{
    (void)state;
    char path[100], url[120];
    struct queue_url u;
    struct err e = {""};
    pthread_t thread;
    snprintf(path, sizeof path, "%s/mute", folder);
    int fd = unix_socket(path, true);
    assert_true(fd >= 0);
    snprintf(url, sizeof url, "unix://%s", path);
    unsetenv("SPRITTY_REDIS_PASSWORD");
    assert_int_equal(queue_url_parse(&u, url, &e), 0);
    assert_int_equal(pthread_create(&thread, NULL, refuse_silently, &fd), 0);
    assert_null(wire_open(&u, PATIENCE_MS, NULL, &e));
    pthread_join(thread, NULL);
    close(fd);
    setenv("SPRITTY_REDIS_PASSWORD", REDIS_PASSWORD, 1);
    assert_non_null(strstr(e.text, "gives no reason"));
}

/* A server of two replies: one that comes at once, if late, and one of ten pieces. */
struct drip {
    int fd, gap_ms;
};

static void *drip(void *user)
{
    static const char whole[] = "$10\r\nyyyyyyyyyy\r\n";
    const struct drip *d = user;
    const ssize_t size = sizeof whole - 1;
    char heard[200];
    int fd = accept(d->fd, NULL, NULL);
    bool good = read(fd, heard, sizeof heard) > 0 && write(fd, "+PONG\r\n", 7) == 7 &&
                read(fd, heard, sizeof heard) > 0;
    usleep(10000);
    good = good && write(fd, whole, (size_t)size) == size && read(fd, heard, sizeof heard) > 0 &&
           write(fd, "$10\r\n", 5) == 5;
    for (int i = 0; i < 10 && good; i++) {
        usleep((unsigned)d->gap_ms * 1000);
        good = send(fd, "x", 1, MSG_NOSIGNAL) == 1;
    }
    if (good)
        send(fd, "\r\n", 2, MSG_NOSIGNAL);
    close(fd);
    return NULL;
}

static void count(void *user)
{
    ++*(int *)user;
}

/* Does what takes twice the timeout come, as long as it comes on? Whatever is to be done meanwhile
 * is done then, and not for a reply that is here. */
static bool comes_whole(const struct queue_url *u, int listens, int timeout_ms)
{
    static const char *const word[] = {"GET", "x"};
    static const size_t size[] = {3, 1};
    struct drip d = {listens, timeout_ms / 5};
    struct err e = {""};
    struct reply *r = NULL;
    pthread_t thread;
    int calls = 0;
    assert_int_equal(pthread_create(&thread, NULL, drip, &d), 0);
    struct wire *w = wire_open(u, PATIENCE_MS, NULL, &e);
    assert_non_null(w);
    wire_meanwhile(w, 1, count, &calls);
    assert_int_equal(wire_send(w, 2, word, size, &e), 0);
    assert_int_equal(wire_receive(w, PATIENCE_MS, &r, &e), 1);
    assert_string_equal(reply_text(r, NULL), "yyyyyyyyyy");
    assert_int_equal(calls, 0);
    reply_free(r);
    assert_int_equal(wire_send(w, 2, word, size, &e), 0);
    bool whole = wire_receive(w, timeout_ms, &r, &e) == 1;
    if (whole) {
        assert_string_equal(reply_text(r, NULL), "xxxxxxxxxx");
        assert_true(calls > 0);
    }
    reply_free(r);
    wire_close(w);
    pthread_join(thread, NULL);
    return whole;
}

/* A machine with much to do may make a piece late: then the timeout was too short for it. */
static void slow_but_steady(void **state)
{
    (void)state;
    char url[40];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    struct queue_url u;
    struct err e = {""};
    int fd = socket(AF_INET, SOCK_STREAM, 0), ms = 50;
    unsetenv("SPRITTY_REDIS_PASSWORD");
    assert_int_equal(bind(fd, (struct sockaddr *)&at, n) || listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    snprintf(url, sizeof url, "redis://127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(queue_url_parse(&u, url, &e), 0);
    while (!comes_whole(&u, fd, ms))
        assert_true((ms *= 2) < 10000);
    print_message("with a timeout of %d ms\n", ms);
    close(fd);
    setenv("SPRITTY_REDIS_PASSWORD", REDIS_PASSWORD, 1);
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

/* Nothing listens there, and never did: an end after some attempts. One that answers before that is
 * waited for; a pool's other device takes the job. */
static void never_there(void **state)
{
    (void)state;
    struct err e = {""};
    struct store *s = open_store();
    struct remote_options o = {.store = database, .folder = folder, .hello_tries = 3};
    o.url = "unix:///tmp/spritty-there-is-no-such-socket";
    for (int i = 0; i < 2; i++) {
        o.gives_back = i;
        struct remote *r = remote_start(&o, &e);
        post(r, s, "1");
        struct event *v = await_end(r, NULL);
        assert_int_equal(v->kind, EVENT_FAILED);
        assert_int_equal(v->kind_of_failure, ERR_DEVICE);
        assert_true((v->again != NULL) == (i == 1));
        print_message("%s\n", v->text);
        assert_non_null(strstr(v->text, "no server answers, in 3 attempts"));
        event_free(v);
        remote_stop(r);
    }
    store_close(s);
}

static void comes_late(void **state)
{
    (void)state;
    struct store *s = open_store();
    redis_kill(&server);
    struct remote *r = start_remote();
    int64_t id = post(r, s, "1");
    hire(0);
    await_kind(r, EVENT_STAGE); /* it says that it waits */
    usleep(200000);
    assert_true(redis_start(&server));
    finishes(r, s, id);
    remote_stop(r);
    store_close(s);
}

/* Nobody has the model: said once, and the job waits for whoever comes. */
static void no_worker_has_it(void **state)
{
    (void)state;
    struct err e = {""};
    struct store *s = open_store();
    struct remote *r = remote_start(
        &(struct remote_options){
            .url = server.url, .store = database, .folder = folder, .sync_ms = 50},
        &e);
    int64_t id = post(r, s, "1");
    int told = 0;
    for (double until = clock_ms() + PATIENCE_MS; told == 0 && clock_ms() < until;) {
        struct event *v = next(r);
        told += v->text && strstr(v->text, "has begun yet: it takes one that is free, has the "
                                           "model small_a (");
        if (v->text)
            print_message("%s\n", v->text);
        event_free(v);
    }
    usleep(300000);
    for (struct event *v; (v = remote_next(r)); event_free(v))
        assert_null(v->text);
    hire(0);
    finishes(r, s, id);
    remote_stop(r);
    store_close(s);
}

static void another_device_takes_it(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct err e = {""};
    struct pool_options o = {.store = database,
                             .folder = folder,
                             .devices = "unix:///tmp/spritty-there-is-no-such-socket,cpu",
                             .policy = POLICY_ROUND_ROBIN};
    queue_device_register();
    struct pool *p = pool_start(&o, &e);
    if (!p)
        fail_msg("%s", e.text);
    for (int i = 0; i < 2; i++)
        assert_true(pool_send(p, job(s, "1")));
    bool told = false;
    for (int done = 0; done < 2;) {
        struct pollfd fd = {.fd = pool_fd(p), .events = POLLIN};
        struct event *v = pool_next(p);
        if (v && v->kind == EVENT_FAILED)
            fail_msg("%s", v->text);
        told |= v && v->kind == EVENT_ASIDE && strstr(v->text, "no server answers");
        done += v && v->kind == EVENT_DONE;
        if (!v && poll(&fd, 1, PATIENCE_MS) != 1)
            fail_msg("nothing happens");
        event_free(v);
    }
    assert_true(told);
    pool_stop(p);
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
        cmocka_unit_test_setup_teardown(server_restarted, begin, end),
        cmocka_unit_test_setup_teardown(refused, begin, end),
        cmocka_unit_test_setup_teardown(refused_without_a_word, begin, end),
        cmocka_unit_test_setup_teardown(never_there, begin, end),
        cmocka_unit_test_setup_teardown(comes_late, begin, end),
        cmocka_unit_test_setup_teardown(no_worker_has_it, begin, end),
        cmocka_unit_test_setup_teardown(slow_but_steady, begin, end),
        cmocka_unit_test_setup_teardown(slow_line_of_results, begin, end),
        cmocka_unit_test_setup_teardown(slow_line_of_jobs, begin, end),
    };
    const struct CMUnitTest patient[] = {
        cmocka_unit_test_setup_teardown(another_device_takes_it, begin, end),
        cmocka_unit_test_setup_teardown(server_forgets, begin, end),
        cmocka_unit_test_setup_teardown(cut_off, begin, end),
        cmocka_unit_test_setup_teardown(slow, begin, end),
        cmocka_unit_test_setup_teardown(waits_for_memory, begin, end),
        cmocka_unit_test_setup_teardown(encrypted, begin, end),
    };
    if (argc > 1) /* one of them, or a pattern */
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (getenv("SPRITTY_QUICK") ? 0 : cmocka_run_group_tests(patient, NULL, NULL));
}
