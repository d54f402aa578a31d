/*
 * The pool over real engines: one batch on two of them, byte for byte as on one; a device that
 * fails in the middle; the rows of the store through all of it; the end with work in flight.
 */
/* Not under qemu: whole sprites, many minutes, and time limits that an emulator does not keep. */
/* Under the thread sanitizer: two engines over one store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/pool.h"
#include "sprite/png.h"
#include "store/store.h"

enum { PATIENCE_MS = 240000, BATCH = 3 };

static const char *const MODEL = "tests/golden/small_a";
static char folder[] = "/tmp/spritty-test-pools-XXXXXX";
static char database[300];
static struct store *store;
static atomic_int faults; /* so many are still to come */

static int start(void **state)
{
    (void)state;
    struct err e = {""};
    setenv("HOME", mkdtemp(folder), 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    snprintf(database, sizeof database, "%s/spritty.db", folder);
    store = store_open(database, &e);
    return store ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    store_close(store);
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
    return rmdir(folder);
}

/* The device breaks in the middle of sampling. */
static int fault(void *user, const struct command *c, const char *stage, int step, struct err *e)
{
    (void)user, (void)c;
    if (strcmp(stage, "sample") != 0 || step != 1 || atomic_fetch_sub(&faults, 1) <= 0)
        return 0;
    err_set(e, "it fell off the bus");
    return err_blame(e, ERR_DEVICE);
}

static struct pool *start_pool(const char *devices)
{
    struct err e = {""};
    struct pool *p = pool_start(
        &(struct pool_options){
            .store = database, .folder = folder, .devices = devices, .threads = 1, .fault = fault},
        &e);
    if (!p)
        fail_msg("%s", e.text);
    return p;
}

static void say(struct settings *s, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(s, key, value, &e))
        fail_msg("%s", e.text);
}

static int64_t send(struct pool *p, const char *batch, const char *steps, const char *device)
{
    struct err e = {""};
    struct store_job job = {.words = "a slime", .settings = "", .label = ""};
    if (store_add_job(store, &job, &e))
        fail_msg("%s", e.text);
    struct command *c = command_new(COMMAND_RUN);
    c->job = job.id;
    c->words = strdup("a slime");
    say(&c->settings, "model", MODEL);
    say(&c->settings, "size", "64x64");
    say(&c->settings, "seed", "7");
    say(&c->settings, "sampler", "euler_ancestral");
    say(&c->settings, "steps", steps);
    say(&c->settings, "batch", batch);
    if (device)
        say(&c->settings, "device", device);
    assert_true(pool_send(p, c));
    return job.id;
}

struct outcome {
    enum event_kind how;
    int asides, sprites, devices; /* devices: bits of those that sent sprites */
    char text[300];
    char *path[BATCH];
};

/* Until the job ends. */
static struct outcome await(struct pool *p, int64_t job)
{
    struct outcome o = {0};
    struct pollfd fd = {.fd = pool_fd(p), .events = POLLIN};
    for (bool ended = false; !ended;) {
        struct event *v = pool_next(p);
        if (!v && poll(&fd, 1, PATIENCE_MS) != 1)
            fail_msg("no event within %d ms", PATIENCE_MS);
        if (v && v->kind == EVENT_ASIDE)
            o.asides++, snprintf(o.text, sizeof o.text, "%s", v->text);
        if (v && v->kind == EVENT_SPRITE && v->job == job) {
            assert_null(o.path[v->index]);
            o.path[v->index] = strdup(v->text);
            o.sprites++;
            o.devices |= 1 << v->device_index;
        }
        if (v && v->job == job && v->kind >= EVENT_DONE) {
            ended = true;
            o.how = v->kind;
            if (v->text)
                snprintf(o.text, sizeof o.text, "%s", v->text);
        }
        event_free(v);
    }
    return o;
}

static enum job_state state_of(int64_t id)
{
    struct store_job *list;
    struct err e = {""};
    int state = -1;
    for (int past = 0; past < 2 && state < 0; past++) {
        int n = past ? store_past_jobs(store, 100, &list, &e) : store_queue(store, &list, &e);
        for (int i = 0; i < n; i++)
            if (list[i].id == id)
                state = (int)list[i].state;
        store_jobs_free(list, n);
    }
    return (enum job_state)state;
}

static void forget(struct outcome *o)
{
    for (int i = 0; i < BATCH; i++)
        free(o->path[i]);
}

static void assert_same_pictures(const struct outcome *a, const struct outcome *b)
{
    struct err e = {""};
    for (int i = 0; i < BATCH; i++) {
        struct png_file x, y;
        if (png_load(a->path[i], true, &x, &e) || png_load(b->path[i], true, &y, &e))
            fail_msg("%s", e.text);
        assert_memory_equal(x.rgba, y.rgba, 64 * 64 * 4);
        char place[40];
        snprintf(place, sizeof place, "Batch size: %d, Batch pos: %d", BATCH, i);
        assert_non_null(strstr(png_find_text(&y, "parameters"), place));
        png_file_free(&x);
        png_file_free(&y);
    }
}

static int count_rows(int64_t job)
{
    struct store_sprite *list;
    struct err e = {""};
    int n = store_job_sprites(store, job, &list, &e);
    store_sprites_free(list, n);
    return n;
}

static void one_batch_on_two(void **state)
{
    (void)state;
    struct pool *one = start_pool("cpu"), *two = start_pool("cpu,cpu");
    int64_t a = send(one, "3", "3", NULL), b = send(two, "3", "3", NULL);
    struct outcome alone = await(one, a), shared = await(two, b);
    assert_int_equal(alone.how, EVENT_DONE);
    assert_int_equal(shared.how, EVENT_DONE);
    assert_int_equal(shared.devices, 3);
    assert_same_pictures(&alone, &shared);
    assert_int_equal(state_of(b), JOB_DONE);
    assert_int_equal(count_rows(b), BATCH);
    forget(&shared);
    /* One device breaks: the other makes what is missing, and no more. */
    atomic_store(&faults, 1);
    int64_t c = send(two, "3", "3", NULL);
    struct outcome broken = await(two, c);
    print_message("%s\n", broken.text);
    assert_int_equal(broken.how, EVENT_DONE);
    assert_int_equal(broken.sprites, BATCH);
    assert_int_equal(broken.asides, 1);
    assert_same_pictures(&alone, &broken);
    assert_int_equal(state_of(c), JOB_DONE);
    assert_int_equal(count_rows(c), BATCH);
    forget(&broken);
    /* Then the other as well: there is nobody left. */
    atomic_store(&faults, 1);
    int64_t d = send(two, "1", "3", NULL);
    struct outcome none = await(two, d);
    assert_int_equal(none.how, EVENT_FAILED);
    assert_int_equal(state_of(d), JOB_FAILED);
    assert_non_null(strstr(none.text, "it fell off the bus"));
    atomic_store(&faults, 0);
    forget(&alone);
    pool_stop(one);
    pool_stop(two);
}

/* Where jobs say their devices the pool follows, when it is idle. */
static void devices_by_job(void **state)
{
    (void)state;
    struct pool *p = start_pool(NULL);
    struct pool_device d[4];
    int64_t a = send(p, "1", "2", "cpu"), b = send(p, "2", "2", "cpu*2");
    assert_int_equal(pool_devices(p, d, 4), 1);
    assert_int_equal(pool_idle(p), 0);
    struct outcome first = await(p, a), second = await(p, b);
    assert_int_equal(first.how, EVENT_DONE);
    assert_int_equal(second.how, EVENT_DONE);
    assert_int_equal(pool_devices(p, d, 4), 2);
    assert_int_equal(second.devices, 3);
    forget(&first);
    forget(&second);
    pool_stop(p);
}

/* What is running when the pool stops is queued again, once; what waits stays. */
static void stopped_in_flight(void **state)
{
    (void)state;
    struct pool *p = start_pool("cpu,cpu");
    int64_t a = send(p, "1", "900", NULL), b = send(p, "1", "900", NULL),
            c = send(p, "1", "1", NULL);
    int steps = 0;
    while (steps < 3) {
        struct event *v = pool_next(p);
        steps += v && v->kind == EVENT_STEP;
        if (!v)
            poll(&(struct pollfd){.fd = pool_fd(p), .events = POLLIN}, 1, PATIENCE_MS);
        event_free(v);
    }
    pool_stop(p);
    assert_int_equal(state_of(a), JOB_QUEUED);
    assert_int_equal(state_of(b), JOB_QUEUED);
    assert_int_equal(state_of(c), JOB_QUEUED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_batch_on_two),
        cmocka_unit_test(devices_by_job),
        cmocka_unit_test(stopped_in_flight),
    };
    return cmocka_run_group_tests(tests, start, end);
}
