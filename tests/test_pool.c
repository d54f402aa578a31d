/*
 * The pool over devices that only pretend: who gets what, how batches are shared, and that whatever
 * fails, each image is made once and each job ends once. Real engines are in test_pool_engines.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/pool.h"

/* ---- devices that do what the test says ---- */

enum { FAKES = 3, QUEUE = 256 };

struct fake {
    int fd;
    struct command *have[QUEUE];
    int count;
    struct event *event[QUEUE];
    int events, taken;
    int64_t cancelled;
    bool stopped;
    bool broken; /* gives everything back */
};
static struct fake fakes[FAKES];
static int opened, refused = -1; /* refused: the one that is not opened */

static bool fake_send(void *self, struct command *c)
{
    struct fake *f = self;
    assert_int_equal(c->kind, COMMAND_RUN);
    f->have[f->count++] = c;
    return true;
}

static struct event *fake_next(void *self)
{
    struct fake *f = self;
    return f->taken < f->events ? f->event[f->taken++] : NULL;
}

static int fake_fd(const void *self)
{
    return ((const struct fake *)self)->fd;
}

static void fake_cancel(void *self, int64_t job)
{
    ((struct fake *)self)->cancelled = job;
}

static void fake_quit(void *self)
{
    (void)self;
}

static void fake_stop(void *self)
{
    struct fake *f = self;
    f->stopped = true;
    close(f->fd);
    for (int i = 0; i < f->count; i++)
        command_free(f->have[i]);
    while (f->taken < f->events)
        event_free(f->event[f->taken++]);
}

static const struct device_ops fake_ops = {.send = fake_send,
                                           .next = fake_next,
                                           .fd = fake_fd,
                                           .cancel = fake_cancel,
                                           .quit = fake_quit,
                                           .stop = fake_stop};

static const struct device_ops *open_fake(void *user, const char *name, void **self, struct err *e)
{
    (void)user, (void)name;
    if (opened == refused) {
        err_set(e, "no descriptors are left");
        return NULL;
    }
    struct fake *f = &fakes[opened++];
    *f = (struct fake){.fd = eventfd(0, EFD_NONBLOCK)};
    *self = f;
    return &fake_ops;
}

static struct event *say(struct fake *f, enum event_kind kind, int64_t job)
{
    struct event *v = calloc(1, sizeof *v);
    *v = (struct event){.kind = kind, .job = job, .at_ms = clock_ms()};
    f->event[f->events++] = v;
    return v;
}

static struct command *take(struct fake *f)
{
    assert_true(f->count > 0);
    struct command *c = f->have[0];
    memmove(f->have, f->have + 1, (size_t)--f->count * sizeof(*f->have));
    return c;
}

static void say_sprites(struct fake *f, const struct command *c, int count)
{
    say(f, EVENT_STARTED, c->job);
    for (int i = 0; i < count; i++)
        say(f, EVENT_SPRITE, c->job)->index = c->first + i;
}

/* The device does what it has first; `ms`: it took so long. */
static void done(struct fake *f, double ms)
{
    struct command *c = take(f);
    say_sprites(f, c, c->count ? c->count : c->settings.batch > 1 ? c->settings.batch : 1);
    struct event *v = say(f, EVENT_DONE, c->job);
    v->times.total = v->times.sample = ms;
    command_free(c);
}

/* After so many sprites it fails: by its own fault, with the command back, or by the job's. */
static void fails(struct fake *f, enum err_kind kind, int sprites, const char *why)
{
    struct command *c = take(f);
    say_sprites(f, c, sprites);
    struct event *v = say(f, EVENT_FAILED, c->job);
    v->text = strdup(why);
    v->kind_of_failure = kind;
    if (kind == ERR_PLAIN)
        command_free(c);
    else
        v->again = c;
}

static void obeys_cancel(struct fake *f)
{
    struct command *c = take(f);
    assert_int_equal(f->cancelled, c->job);
    say(f, EVENT_CANCELLED, c->job);
    command_free(c);
}

/* ---- the pool ---- */

static char folder[] = "/tmp/spritty-test-pool-XXXXXX";

static int start(void **state)
{
    (void)state;
    setenv("HOME", mkdtemp(folder), 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    return 0;
}

static int end(void **state)
{
    (void)state;
    return rmdir(folder);
}

static struct pool *start_pool(const char *devices, enum pool_policy policy)
{
    struct err e = {""};
    opened = 0;
    memset(fakes, 0, sizeof fakes);
    struct pool *p = pool_start(
        &(struct pool_options){.devices = devices, .policy = policy, .open = open_fake}, &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static void set(struct settings *s, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(s, key, value, &e))
        fail_msg("%s", e.text);
}

static void send_with(struct pool *p, int64_t job, const char *batch, const char *key,
                      const char *value)
{
    struct command *c = command_new(COMMAND_RUN);
    c->job = job;
    c->words = strdup("a slime");
    set(&c->settings, "batch", batch);
    if (key)
        set(&c->settings, key, value);
    assert_true(pool_send(p, c));
}

static void send(struct pool *p, int64_t job)
{
    send_with(p, job, "1", NULL, NULL);
}

/* All events there are. How each ended is kept by job; images are counted. */
enum { JOBS = 64 };
static struct seen {
    int ends;
    enum event_kind how;
    int sprites, asides;
    int image[64];
    double total;
    char text[400];
} seen[JOBS];

static void pump(struct pool *p)
{
    for (struct event *v; (v = pool_next(p)); event_free(v)) {
        struct seen *s = &seen[v->job];
        bool ends = v->kind == EVENT_DONE || v->kind == EVENT_FAILED || v->kind == EVENT_CANCELLED;
        s->asides += v->kind == EVENT_ASIDE;
        if (v->kind == EVENT_SPRITE)
            s->sprites++, s->image[v->index]++;
        if (v->text && (ends || v->kind == EVENT_ASIDE))
            snprintf(s->text, sizeof s->text, "%s", v->text);
        if (!ends)
            continue;
        s->ends++;
        s->how = v->kind;
        s->total = v->times.total;
        assert_null(v->again);
    }
}

static void assert_ended(int64_t job, enum event_kind how, int sprites)
{
    assert_int_equal(seen[job].ends, 1);
    assert_int_equal(seen[job].how, how);
    assert_int_equal(seen[job].sprites, sprites);
    for (int i = 0; i < 64; i++)
        assert_in_range(seen[job].image[i], 0, 1);
}

static int clear(void **state)
{
    (void)state;
    memset(seen, 0, sizeof seen);
    return 0;
}

/* ---- decisions ---- */

static void policies(void **state)
{
    (void)state;
    struct pool_load l[4] = {{true, 100, 10}, {true, 0, 50}, {false, 0, 1}, {true, 0, 60}};
    int turn = -1, hits[4] = {0};
    uint64_t random = 7;
    assert_int_equal(pool_choose(POLICY_LEAST_BUSY, l, 4, &turn, &random), 1);
    l[1].left_ms = 20; /* 70 against 60 */
    assert_int_equal(pool_choose(POLICY_LEAST_BUSY, l, 4, &turn, &random), 3);
    l[0].left_ms = 0; /* a faster device is worth a little waiting */
    assert_int_equal(pool_choose(POLICY_LEAST_BUSY, l, 4, &turn, &random), 0);
    static const int order[] = {1, 3, 0, 1, 3};
    for (int i = 0; i < 5; i++)
        assert_int_equal(pool_choose(POLICY_ROUND_ROBIN, l, 4, &turn, &random), order[i]);
    for (int i = 0; i < 3000; i++)
        hits[pool_choose(POLICY_RANDOM, l, 4, &turn, &random)]++;
    print_message("random over three: %d %d %d\n", hits[0], hits[1], hits[3]);
    assert_int_equal(hits[2], 0);
    for (int i = 0; i < 4; i++)
        assert_true(i == 2 || (hits[i] > 850 && hits[i] < 1150));
    for (int i = 0; i < 4; i++)
        l[i].usable = false;
    for (int i = 0; i <= POLICY_RANDOM; i++)
        assert_int_equal(pool_choose((enum pool_policy)i, l, 4, &turn, &random), -1);
    assert_int_equal(pool_policy_by_name("least_busy"), POLICY_LEAST_BUSY);
    assert_int_equal(pool_policy_by_name("round_robin"), POLICY_ROUND_ROBIN);
    assert_int_equal(pool_policy_by_name("random"), POLICY_RANDOM);
    assert_int_equal(pool_policy_by_name("fastest"), -1);
}

static void shares(void **state)
{
    (void)state;
    int share[3];
    struct pool_load l[3] = {{true, 0, 1}, {true, 0, 1}, {true, 0, 1}};
    assert_int_equal(pool_shares(l, 3, 8, share), 3);
    assert_int_equal(share[0] + share[1] + share[2], 8);
    for (int i = 0; i < 3; i++)
        assert_in_range(share[i], 2, 3);
    l[1].job_ms = 3; /* a third as fast: 6 and 2 */
    l[2].usable = false;
    assert_int_equal(pool_shares(l, 3, 8, share), 2);
    assert_int_equal(share[0], 6);
    assert_int_equal(share[1], 2);
    l[1].job_ms = 100; /* more than all of them take on the other */
    assert_int_equal(pool_shares(l, 3, 8, share), 1);
    assert_int_equal(share[0], 8);
    l[0].usable = l[1].usable = false;
    assert_int_equal(pool_shares(l, 3, 8, share), 0);
}

static void lists_of_devices(void **state)
{
    (void)state;
    struct device_item item[DEVICES_MAX];
    struct err e = {""};
    static const char *const wrong[] = {"",       "gpu",     "cpu,",    "cpu*0",        "cpu*x",
                                        "cuda:x", "cuda*2",  "cpu*33",  "cuda:1234",    "cpu*",
                                        ",",      "cpu*2*2", "cpu cpu", "cpu*16,cpu*17"};
    char first[DEVICE_NAME];
    assert_true(devices_first("redis://host,cuda:all,cpu", first));
    assert_string_equal(first, "cuda");
    assert_true(devices_first("cpu*2", first));
    assert_string_equal(first, "cpu");
    assert_false(devices_first("cpu", first) || devices_first("redis://a,redis://b", first));
    assert_false(devices_first("cpu,nothing", first));
    assert_int_equal(devices_parse("cuda:0,cpu*2,cuda:all", item, &e), 3);
    assert_string_equal(item[0].name, "cuda:0");
    assert_string_equal(item[1].name, "cpu");
    assert_int_equal(item[1].count, 2);
    assert_string_equal(item[2].name, "cuda:all");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        *e.text = '\0';
        assert_int_equal(devices_parse(wrong[i], item, &e), -1);
        assert_true(strlen(e.text) > 0);
    }
    print_message("%s\n", e.text);
}

/* ---- giving ---- */

static void each_gets_its_own(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*3", POLICY_LEAST_BUSY);
    for (int64_t job = 1; job <= 6; job++)
        send(p, job);
    assert_int_equal(pool_idle(p), 0);
    for (int i = 0; i < 3; i++) {
        struct pool_device d[3];
        assert_int_equal(pool_devices(p, d, 3), 3);
        assert_int_equal(d[i].waiting, 1);
        assert_true(isnan(d[i].left_ms));
        assert_in_range(fakes[i].count, 1, 2);
    }
    /* Device 0 is quick: it does its own and takes over what the others have not begun. */
    for (int n = 0; n < 4; n++) {
        while (fakes[0].count > 0)
            done(&fakes[0], 10);
        pump(p);
    }
    assert_int_equal(fakes[1].count, 1);
    assert_int_equal(fakes[2].count, 1);
    struct pool_device d[3];
    pool_devices(p, d, 3);
    assert_int_equal(d[0].done, 4);
    assert_true(d[1].left_ms > 0);
    assert_string_equal(d[0].name, "cpu 1");
    done(&fakes[1], 10);
    done(&fakes[2], 10);
    pump(p);
    for (int64_t job = 1; job <= 6; job++)
        assert_ended(job, EVENT_DONE, 1);
    assert_int_equal(pool_idle(p), 3);
    pool_stop(p);
}

static void in_turn(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*3", POLICY_ROUND_ROBIN);
    for (int64_t job = 1; job <= 6; job++)
        send(p, job);
    struct pool_device d[3];
    pool_devices(p, d, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(d[i].waiting, 1);
    while (fakes[0].count > 0) {
        done(&fakes[0], 10);
        pump(p);
    }
    pool_devices(p, d, 3);
    assert_int_equal(d[1].waiting, 1); /* they keep what was theirs */
    pool_stop(p);
}

/* ---- batches ---- */

static void a_batch_is_shared(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_LEAST_BUSY);
    send_with(p, 1, "5", NULL, NULL);
    struct command *a = fakes[0].have[0], *b = fakes[1].have[0];
    assert_true(a->part && b->part);
    assert_int_equal(a->first, 0);
    assert_int_equal(b->first, a->count);
    assert_int_equal(a->count + b->count, 5);
    assert_true(settings_has(&a->settings, "seed") && a->settings.seed == b->settings.seed);
    done(&fakes[1], 30);
    pump(p);
    assert_int_equal(seen[1].ends, 0);
    send_with(p, 2, "4", NULL, NULL); /* only one is idle: it stays whole */
    assert_int_equal(fakes[1].have[0]->count, 0);
    done(&fakes[0], 20);
    pump(p);
    assert_ended(1, EVENT_DONE, 5);
    assert_true(seen[1].total >= 30);
    done(&fakes[1], 20);
    pump(p);
    assert_ended(2, EVENT_DONE, 4);
    send_with(p, 3, "4", "lock", "yes"); /* one palette over all */
    assert_int_equal(fakes[0].count + fakes[1].count, 1);
    pool_stop(p);
}

static void shared_by_speed(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    send(p, 1);
    send(p, 2);
    done(&fakes[0], 300);
    done(&fakes[1], 100);
    pump(p);
    send_with(p, 3, "8", NULL, NULL);
    assert_int_equal(fakes[0].have[0]->count, 2);
    assert_int_equal(fakes[1].have[0]->count, 6);
    pool_stop(p);
}

/* ---- failing ---- */

static void a_broken_device(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    for (int64_t job = 1; job <= 6; job++)
        send(p, job);
    fails(&fakes[0], ERR_DEVICE, 0, "CUDA: an illegal address");
    pump(p);
    assert_int_equal(seen[1].asides, 1);
    print_message("%s\n", seen[1].text);
    assert_non_null(strstr(seen[1].text, "cpu 1 is set aside: CUDA: an illegal address; another"));
    while (fakes[0].count > 0) { /* what it had at the same time comes back as well */
        fails(&fakes[0], ERR_DEVICE, 0, "CUDA: an illegal address");
        pump(p);
    }
    while (fakes[1].count > 0) {
        done(&fakes[1], 10);
        pump(p);
    }
    for (int64_t job = 1; job <= 6; job++)
        assert_ended(job, EVENT_DONE, 1);
    struct pool_device d[2];
    pool_devices(p, d, 2);
    assert_true(d[0].aside && !d[1].aside);
    assert_string_equal(d[0].why, "CUDA: an illegal address");
    send(p, 7);
    assert_int_equal(fakes[0].count, 0);
    assert_int_equal(fakes[1].count, 1);
    fails(&fakes[1], ERR_DEVICE, 0, "gone as well");
    pump(p);
    assert_ended(7, EVENT_FAILED, 0);
    send(p, 8);
    pump(p);
    assert_ended(8, EVENT_FAILED, 0);
    print_message("%s\n", seen[8].text);
    assert_non_null(strstr(seen[8].text, "cpu 1: CUDA: an illegal address; cpu 2: gone as well"));
    pool_stop(p);
}

static void only_what_is_missing(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*3", POLICY_LEAST_BUSY);
    send_with(p, 1, "9", NULL, NULL);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fakes[i].have[0]->count, 3);
    fails(&fakes[1], ERR_DEVICE, 2, "gone");
    pump(p);
    done(&fakes[0], 10);
    pump(p);
    struct command *rest = fakes[0].count ? fakes[0].have[0] : fakes[2].have[1];
    assert_int_equal(rest->first, 5);
    assert_int_equal(rest->count, 1);
    for (int n = 0; n < 3; n++)
        for (int i = 0; i < 3; i += 2)
            if (fakes[i].count) {
                done(&fakes[i], 10);
                pump(p);
            }
    assert_ended(1, EVENT_DONE, 9);
    pool_stop(p);
}

/* What waited for a device whose model does not open begins elsewhere at once. */
static void a_model_is_not_opened(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    for (int64_t job = 1; job <= 3; job++)
        send(p, job);
    done(&fakes[1], 1);
    pump(p);
    assert_int_equal(fakes[1].count, 0);
    say(&fakes[0], EVENT_FAILED, 0)->kind_of_failure = ERR_DEVICE;
    pump(p);
    assert_int_equal(fakes[1].count, 1);
    assert_int_equal(fakes[1].have[0]->job, 3);
    pool_stop(p);
}

/* Nothing was left to make: the job is done all the same, and says so. */
static void failed_after_the_last(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    send(p, 1);
    fails(&fakes[0], ERR_DEVICE, 1, "gone");
    pump(p);
    assert_int_equal(fakes[1].count, 0);
    assert_ended(1, EVENT_DONE, 1);
    pool_stop(p);
}

/* What is made elsewhere is made with the seed that the first images have, which was drawn there.
 */
static void one_seed(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    send_with(p, 1, "2", "lock", "yes"); /* which is not shared out */
    struct command *c = take(&fakes[0]);
    say(&fakes[0], EVENT_SPRITE, 1)->seed = UINT64_MAX;
    struct event *v = say(&fakes[0], EVENT_FAILED, 1);
    v->kind_of_failure = ERR_DEVICE;
    v->again = c;
    pump(p);
    assert_int_equal(fakes[1].count, 1);
    const struct settings *s = &fakes[1].have[0]->settings;
    assert_true(settings_has(s, "seed") && !s->random_seed);
    assert_true(s->seed == UINT64_MAX);
    assert_int_equal(fakes[1].have[0]->first, 1);
    pool_stop(p);
}

/* A device that cannot even be opened fails the job; the next one opens all of them anew. */
static void a_device_is_not_opened(void **state)
{
    (void)state;
    struct pool *p = start_pool(NULL, POLICY_LEAST_BUSY);
    refused = 1;
    send_with(p, 1, "1", "device", "cpu*2");
    assert_true(fakes[0].stopped);
    pool_finish_previews(p, true);
    pump(p);
    assert_ended(1, EVENT_FAILED, 0);
    assert_string_equal(seen[1].text, "no descriptors are left");
    refused = -1;
    opened = 0;
    send_with(p, 2, "1", "device", "cpu*2");
    done(&fakes[0], 1);
    pump(p);
    assert_ended(2, EVENT_DONE, 1);
    pool_stop(p);
}

/* A job that does not fit is another device's; the device stays in use. */
static void no_room_for_it(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    send(p, 1);
    fails(&fakes[0], ERR_UNFIT, 0, "no memory");
    pump(p);
    assert_int_equal(seen[1].asides, 1);
    assert_int_equal(fakes[1].count, 1);
    fails(&fakes[1], ERR_UNFIT, 0, "no memory here either");
    pump(p);
    assert_ended(1, EVENT_FAILED, 0);
    assert_string_equal(seen[1].text, "no memory here either");
    struct pool_device d[2];
    pool_devices(p, d, 2);
    assert_false(d[0].aside || d[1].aside);
    assert_string_equal(d[0].why, "no memory");
    assert_int_equal(pool_idle(p), 2);
    pool_stop(p);
}

static void the_jobs_own_mistake(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_LEAST_BUSY);
    send_with(p, 1, "4", NULL, NULL);
    fails(&fakes[0], ERR_PLAIN, 0, "there is no such LoRA");
    pump(p);
    assert_int_equal(seen[1].ends, 0); /* the other part is still at it */
    obeys_cancel(&fakes[1]);
    pump(p);
    assert_ended(1, EVENT_FAILED, 0);
    assert_string_equal(seen[1].text, "there is no such LoRA");
    struct pool_device d[2];
    pool_devices(p, d, 2);
    assert_false(d[0].aside || d[1].aside);
    pool_stop(p);
}

/* A job that brings down whoever tries it does not get all of them. */
static void a_poisoned_job(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*3", POLICY_LEAST_BUSY);
    send(p, 1);
    for (int n = 0; n < 3; n++)
        for (int i = 0; i < 3; i++)
            if (fakes[i].count) {
                fails(&fakes[i], ERR_DEVICE, 0, "gone");
                pump(p);
                break;
            }
    assert_ended(1, EVENT_FAILED, 0);
    pool_stop(p);
}

static void one_device_is_never_set_aside(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu", POLICY_LEAST_BUSY);
    send(p, 1);
    struct command *c = take(&fakes[0]);
    struct event *v = say(&fakes[0], EVENT_FAILED, 1); /* as an engine alone tells it */
    v->text = strdup("no memory");
    v->kind_of_failure = ERR_DEVICE;
    command_free(c);
    pump(p);
    assert_ended(1, EVENT_FAILED, 0);
    send(p, 2);
    assert_int_equal(fakes[0].count, 1);
    pool_stop(p);
}

/* ---- cancelling ---- */

static void cancelled(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_ROUND_ROBIN);
    for (int64_t job = 1; job <= 5; job++)
        send(p, job);
    pool_cancel(p, 5); /* waits here */
    pump(p);
    assert_ended(5, EVENT_CANCELLED, 0);
    pool_cancel(p, 1);
    obeys_cancel(&fakes[0]);
    pump(p);
    assert_ended(1, EVENT_CANCELLED, 0);
    pool_cancel(p, 99);
    while (fakes[0].count + fakes[1].count > 0) {
        done(fakes[0].count ? &fakes[0] : &fakes[1], 10);
        pump(p);
    }
    send_with(p, 6, "4", NULL, NULL);
    pool_cancel(p, 6);
    obeys_cancel(&fakes[0]);
    fails(&fakes[1], ERR_DEVICE, 0, "gone"); /* just then: it is not begun anew */
    pump(p);
    assert_ended(6, EVENT_CANCELLED, 0);
    pool_stop(p);
    assert_true(fakes[0].stopped && fakes[1].stopped);
}

/* Stopping with everything in flight leaks nothing (the sanitizers look). */
static void stopped_in_flight(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu*2", POLICY_LEAST_BUSY);
    for (int64_t job = 1; job <= 8; job++)
        send_with(p, job, "3", NULL, NULL);
    done(&fakes[0], 1);
    fails(&fakes[1], ERR_DEVICE, 0, "gone");
    struct event *v = pool_next(p);
    event_free(v);
    pool_stop(p);
    pool_stop(NULL);
}

static void says(struct pool *p, enum event_kind kind, const char *stage, int step, int steps,
                 double later)
{
    struct event *v = say(&fakes[0], kind, 2);
    snprintf(v->stage, sizeof v->stage, "%s", stage);
    v->step = step, v->steps = steps, v->later = later;
    v->work = workload_of_steps(step, steps);
    pump(p);
}

static double left_of(struct pool *p)
{
    struct pool_device d;
    pool_devices(p, &d, 1);
    return d.left_ms;
}

/* A quarter of it samples, half is a second pass, the rest is decoding. */
static void time_left_is_of_all_passes(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu", POLICY_LEAST_BUSY);
    send(p, 1);
    send(p, 2);
    done(&fakes[0], 100);
    pump(p);
    double all = left_of(p);
    assert_true(all > 0);
    says(p, EVENT_STAGE, "sample", 0, 10, 3);
    assert_float_equal(left_of(p), all, 1e-9 * all);
    says(p, EVENT_STEP, "sample", 5, 10, 3);
    assert_float_equal(left_of(p), all * 7 / 8, 1e-9 * all);
    says(p, EVENT_STEP, "sample", 10, 10, 3);
    assert_float_equal(left_of(p), all * 3 / 4, 1e-9 * all);
    says(p, EVENT_STEP, "hires", 2, 4, 0.5); /* whose stage was dropped */
    assert_float_equal(left_of(p), all / 2, 1e-9 * all);
    says(p, EVENT_STEP, "hires", 4, 4, 0.5);
    says(p, EVENT_STAGE, "decode", 0, 1, 0);
    assert_float_equal(left_of(p), all / 4, 1e-9 * all);
    done(&fakes[0], 100);
    pump(p);
    send(p, 3);
    assert_float_equal(left_of(p), all, 1e-9 * all);
    pool_stop(p);
}

/* What a job is predicted to take follows how often it asks the model, at which size. */
static void jobs_are_weighed(void **state)
{
    static const struct {
        const char *key, *value;
        double times; /* as long as 20 guided steps with euler */
    } cases[] = {
        {"sampler", "heun", 39 / 20.0}, /* the last step asks once */
        {"sampler", "dpm_2", 39 / 20.0},
        {"sampler", "dpmpp_sde", 39 / 20.0},
        {"sampler", "dpmpp_2m", 1},
        {"cfg", "1", 0.5},
        {"cfg-end", "0.5", 0.75},
        {"cfg-start", "0.25", 0.875},
        {"steps", "5", 0.25},
        {"sigmas", "14 7 3 1 0", 0.2},
        {"size", "256x128", 2},
        {"hires", "2", 5},
        {"hires-size", "256x256", 5},
        {"refiner", "tests/golden/small_a", 1}, /* which goes on */
    };
    struct pool *p = start_pool("cpu", POLICY_LEAST_BUSY);
    (void)state;
    send(p, 1);
    done(&fakes[0], 100);
    pump(p);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_with(p, 2, "1", cases[i].key, cases[i].value);
        double left = left_of(p);
        if (fabs(left - 100 * cases[i].times) > 1e-6)
            fail_msg("%s %s: %f", cases[i].key, cases[i].value, left);
        done(&fakes[0], left);
        pump(p);
    }
    pool_stop(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies),
        cmocka_unit_test(shares),
        cmocka_unit_test(lists_of_devices),
        cmocka_unit_test_setup(each_gets_its_own, clear),
        cmocka_unit_test_setup(time_left_is_of_all_passes, clear),
        cmocka_unit_test_setup(in_turn, clear),
        cmocka_unit_test_setup(a_batch_is_shared, clear),
        cmocka_unit_test_setup(shared_by_speed, clear),
        cmocka_unit_test_setup(a_broken_device, clear),
        cmocka_unit_test_setup(only_what_is_missing, clear),
        cmocka_unit_test_setup(a_model_is_not_opened, clear),
        cmocka_unit_test_setup(failed_after_the_last, clear),
        cmocka_unit_test_setup(one_seed, clear),
        cmocka_unit_test_setup(a_device_is_not_opened, clear),
        cmocka_unit_test_setup(no_room_for_it, clear),
        cmocka_unit_test_setup(the_jobs_own_mistake, clear),
        cmocka_unit_test_setup(a_poisoned_job, clear),
        cmocka_unit_test_setup(one_device_is_never_set_aside, clear),
        cmocka_unit_test_setup(cancelled, clear),
        cmocka_unit_test_setup(stopped_in_flight, clear),
        cmocka_unit_test_setup(jobs_are_weighed, clear),
    };
    return cmocka_run_group_tests(tests, start, end);
}
