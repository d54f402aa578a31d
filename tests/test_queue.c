/*
 * The queue as a whole: a Redis server of the test's own, workers in threads of this process, and
 * the remote device that sends them jobs.
 */
/* Not under qemu: a Redis server, and time limits that an emulator misses. */
/* Under the thread sanitizer: workers in threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/batch.h"
#include "engine/pool.h"
#include "queue/device.h"
#include "queue_help.h"
#include "sprite/png.h"

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

static long server_says(const char *section, const char *name)
{
    struct reply *r = SAY(eye, "INFO", section);
    const char *at = strstr(reply_text(r, NULL), name);
    long n = at ? strtol(at + strlen(name), NULL, 10) : -1;
    reply_free(r);
    return n;
}

/* To a worker that sleeps until something comes, too. */
static void a_message_comes_once(void **state)
{
    (void)state;
    enum { SIZE = 4 << 20 };
    char *large = malloc(SIZE + 1);
    memset(large, 'x', SIZE);
    large[SIZE] = '\0';
    hire(0);
    while (server_says("clients", "blocked_clients:") != 1)
        clock_nap(1000);
    long before = server_says("stats", "total_net_output_bytes:");
    reply_free(SAY(eye, "XADD", stream(), "*", "v", "0", "id", "x", "large", large));
    for (long dead = 0; dead == 0; clock_nap(1000)) {
        struct reply *r = SAY(eye, "XLEN", "{spritty}:dead");
        dead = (long)reply_number(r);
        reply_free(r);
    }
    long bytes = server_says("stats", "total_net_output_bytes:") - before;
    print_message("a message of %d bytes took %ld\n", SIZE, bytes);
    assert_true(bytes > SIZE && bytes < SIZE + SIZE / 4);
    free(large);
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

/* A worker with much memory and as many models as it may have waits on all their streams. */
static void many_models(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct remote *r = start_remote();
    stock.n = 20;
    for (int i = 1; i < stock.n; i++) {
        stock.at[i] = stock.at[0];
        snprintf(stock.at[i].hash, sizeof stock.at[i].hash, "%064d", i);
    }
    memory = 192ull << 30;
    struct thread_worker *w = hire(0);
    memory = 8ull << 30;
    while (redis_number(SAY(eye, "EXISTS", "{spritty}:workers")) == 0)
        usleep(10000);
    usleep(100000); /* nothing came, and it sleeps on them */
    finishes(r, s, post(r, s, "1"));
    dismiss(w);
    assert_int_equal(w->rc, 0);
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
    for (int i = 0; i < 12000 && w->count.failed == 0; i++)
        usleep(10000);
    assert_int_equal(w->count.failed, 1);
    finishes(r, s, post(r, s, "1")); /* and it works on */
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

struct until_sent {
    atomic_bool stop;
    char names[200];
};

static void stop_when_sent(void *user, const struct batch_state *state)
{
    struct until_sent *u = user;
    struct reply *r = SAY(eye, "KEYS", "{spritty}:job:*");
    (void)state;
    if (reply_count(r) > 0) {
        snprintf(u->names, sizeof u->names, "%s", reply_text(reply_at(r, 0), NULL));
        atomic_store(&u->stop, true);
    }
    reply_free(r);
}

/* A batch that was stopped and begins again asks for the job that the queue has, though another
 * seed is drawn for it then; what the results say is the picture's own. */
static void a_drawn_seed_is_no_other_job(void **state)
{
    (void)state;
    static const char text[] = "{\"id\": \"a\", \"prompt\": \"a\", \"steps\": 1}\n";
    char path[120], results[100], out[100], name[200];
    struct err e = {""};
    struct until_sent until = {false, ""};
    struct batch_state now;
    struct settings flags = {0};
    struct png_file png;
    snprintf(path, sizeof path, "%s/jobs.jsonl", folder);
    snprintf(results, sizeof results, "%s/results.jsonl", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    assert_int_equal(file_write_atomic(path, text, sizeof text - 1, &e), 0);
    assert_int_equal(mkdir(out, 0700), 0);
    set(&flags, "model", MODEL);
    set(&flags, "size", "64x64");
    struct batch_options b = {.path = path,
                              .folder = out,
                              .results = results,
                              .flags = &flags,
                              .devices = server.url,
                              .open = queue_device_open,
                              .stop = &until.stop,
                              .progress = stop_when_sent,
                              .user = &until};
    assert_int_equal(batch_run(&b, &now, &e), 0);
    assert_int_equal(now.done, 0);
    strcpy(name, until.names);
    until.names[0] = '\0';
    atomic_store(&until.stop, false);
    assert_int_equal(batch_run(&b, &now, &e), 0);
    assert_string_equal(until.names, name);
    assert_int_equal(redis_number(SAY(eye, "XLEN", stream())), 1);
    hire(0);
    b.stop = NULL;
    b.progress = NULL;
    if (batch_run(&b, &now, &e))
        fail_msg("%s", e.text);
    assert_int_equal(now.done, 1);
    size_t size;
    char *line = file_read(results, 4096, &size, &e), seed[40] = "", want[60];
    assert_int_equal(sscanf(strstr(line, "\"seed\": "), "\"seed\": %30[0-9]", seed), 1);
    snprintf(path, sizeof path, "%s/a.png", out);
    assert_int_equal(png_load(path, false, &png, &e), 0);
    snprintf(want, sizeof want, "Seed: %s,", seed);
    assert_non_null(strstr(png_find_text(&png, "parameters"), want));
    png_file_free(&png);
    free(line);
    settings_free(&flags);
}

/* A worker whose model was replaced makes no job of the old one's: others may. */
static void a_replaced_model(void **state)
{
    (void)state;
    char command[500];
    struct err e = {""};
    struct store *s = open_store();
    struct remote *r = start_remote();
    snprintf(command, sizeof command, "cp -r %s %s/model && chmod -R u+w %s/model", MODEL, folder,
             folder);
    assert_int_equal(system(command), 0);
    snprintf(command, sizeof command, "%s/model", folder);
    stock.n = 0;
    assert_int_equal(stock_add(&stock, command, &e), 0);
    struct thread_worker *w = hire(0);
    finishes(r, s, post(r, s, "1"));
    snprintf(command, sizeof command,
             "cd %s/model/vae && for f in *.safetensors; do head -c -100 $f >new && "
             "head -c 100 /dev/zero >>new && mv new $f; done",
             folder);
    assert_int_equal(system(command), 0);
    int64_t id = post(r, s, "1");
    pthread_join(w->thread, NULL);
    w->hired = false;
    print_message("%s\n", w->e.text);
    assert_int_equal(w->rc, -1);
    assert_non_null(strstr(w->e.text, "was replaced since this worker began"));
    stock.n = 0;
    assert_int_equal(stock_add(&stock, MODEL, &e), 0);
    hire(0);
    finishes(r, s, id);
    remote_stop(r);
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
        cmocka_unit_test_setup_teardown(wrong_messages, begin, end),
        cmocka_unit_test_setup_teardown(a_message_comes_once, begin, end),
        cmocka_unit_test_setup_teardown(too_large, begin, end),
        cmocka_unit_test_setup_teardown(cancelled, begin, end),
        cmocka_unit_test_setup_teardown(sent_again_after_a_restart, begin, end),
        cmocka_unit_test_setup_teardown(a_device_like_others, begin, end),
        cmocka_unit_test_setup_teardown(a_drawn_seed_is_no_other_job, begin, end),
        cmocka_unit_test_setup_teardown(a_replaced_model, begin, end),
    };
    const struct CMUnitTest patient[] = {
        cmocka_unit_test_setup_teardown(many_models, begin, end),
        cmocka_unit_test_setup_teardown(left_to_others, begin, end),
    };
    if (argc > 1) /* one of them, or a pattern */
        cmocka_set_test_filter(argv[1]);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return failed + (getenv("SPRITTY_QUICK") ? 0 : cmocka_run_group_tests(patient, NULL, NULL));
}
