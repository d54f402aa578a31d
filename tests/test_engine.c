/*
 * The engine thread from outside: what a job sends and in which order, what is on disk and in the
 * database by then, cancelling, failing, stopping, and a reader that does not read.
 */
/* Not under qemu: whole sprites, many minutes, and time limits that an emulator does not keep. */
/* Under the thread sanitizer: the engine's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/job.h"
#include "engine/memory_map.h"
#include "engine_help.h"
#include "sprite/png.h"

/* ---- tests ---- */

/* One letter an event, without repetitions: the order that engine.h promises. */
/* What came of a job, event by event. */
struct seen {
    char order[100], stages[200]; /* kinds as letters, runs of one as one; names of stages */
    int steps, previews, images;
    int64_t sprites[2];
};

/* The file is the event's picture, and tells how it was made. */
static void see_sprite(struct seen *n, const struct event *v)
{
    struct png_file png;
    struct err e = {""};
    assert_int_equal(v->index, n->images);
    if (png_load(v->text, true, &png, &e))
        fail_msg("%s", e.text);
    assert_memory_equal(png.rgba, v->image->rgba, 64 * 64 * 4);
    assert_non_null(strstr(png_find_text(&png, "parameters"), "Seed: 7,"));
    assert_non_null(png_find_text(&png, "spritty"));
    png_file_free(&png);
    n->sprites[n->images++] = v->sprite;
}

/* While the job is loaded and sampled. */
static void see_work(struct seen *n, const struct event *v)
{
    switch (v->kind) {
    case EVENT_READY:
        assert_string_equal(v->text, "small_a");
        assert_string_equal(v->device, "cpu");
        assert_non_null(v->tokens);
        assert_true(v->bytes_weights > 0);
        break;
    case EVENT_STARTED:
        assert_int_equal(v->steps, 4);
        assert_int_equal(v->batch, 2);
        assert_int_equal(v->width, 64);
        assert_int_equal(v->seed, 7);
        break;
    case EVENT_STAGE:
        strcat(strcat(n->stages, v->stage), " ");
        break;
    case EVENT_STEP:
        assert_int_equal(v->step, ++n->steps);
        assert_int_equal(v->steps, 4);
        assert_true(v->ms > 0 && v->bytes_now > 0 && v->bytes_activations > 0);
        assert_true(v->later > 0); /* decoding */
        break;
    case EVENT_PREVIEW:
        assert_int_equal(v->step, ++n->previews);
        assert_true(v->image->width > 0 && v->image->width < 64);
        break;
    default:
        break;
    }
}

/* What is told of it in the end. */
static void see_result(struct seen *n, const struct event *v)
{
    switch (v->kind) {
    case EVENT_FAILED:
        fail_msg("%s", v->text);
        break;
    case EVENT_SPRITE:
        see_sprite(n, v);
        break;
    case EVENT_PROFILE:
        assert_in_range(v->profile_rows, 1, PROFILE_ROWS);
        assert_true(v->profile[0].ms >= v->profile[v->profile_rows - 1].ms);
        assert_true(v->profile[0].calls > 0);
        break;
    case EVENT_MEMORY:
        assert_true(memory_of(v->memory, MEMORY_WEIGHTS, "unet") > 0);
        assert_true(memory_sum(v->memory, MEMORY_PEAK) > 0);
        break;
    case EVENT_DONE:
        assert_int_equal(v->steps, 4);
        for (int i = 0; i < 4; i++)
            assert_true(v->step_ms[i] > 0);
        assert_true(v->times.total >= v->times.load + v->times.sample && v->times.load > 0);
        break;
    default:
        break;
    }
}

/* The row says what the job said, and nothing else. */
static void check_row(const struct store_sprite *s)
{
    static const char *const said[] = {"model = tests/golden/small_a\n", "steps = 4\n",
                                       "size = 64x64\n", "batch = 2\n", "seed = 7\n"};
    size_t length = 0;
    assert_int_equal(access(s->path, F_OK), 0);
    assert_string_equal(s->words, "a slime");
    assert_string_equal(s->model, "small_a");
    for (int k = 0; k < 5; k++) {
        assert_non_null(strstr(s->settings, said[k]));
        length += strlen(said[k]);
    }
    assert_int_equal(strlen(s->settings), length);
    assert_int_equal(s->width, 64);
    assert_true(s->colors > 0 && s->ms_step > 0);
}

static void one_job_from_end_to_end(void **state)
{
    (void)state;
    static const char letters[] = "LRWBSKPIXMADFC"; /* by kind */
    struct engine *x = start_engine();
    struct store *s = open_store();
    struct seen seen = {.steps = 0};
    int64_t id = add_job(s);
    struct command *c = job_command(id, "4");
    set(&c->settings, "batch", "2");
    c->profile = true;
    assert_true(engine_send(x, c));
    for (bool done = false; !done;) {
        struct event *v = next(x);
        size_t n = strlen(seen.order);
        if (n == 0 || seen.order[n - 1] != letters[v->kind])
            seen.order[n] = letters[v->kind];
        assert_int_equal(v->job, id);
        assert_true(v->at_ms > 0);
        see_work(&seen, v);
        see_result(&seen, v);
        done = v->kind == EVENT_DONE;
        event_free(v);
    }
    assert_string_equal(seen.order, "BSLRSMSPKPKPKPKSIXD");
    assert_string_equal(seen.stages, "load text sample decode finish save ");
    assert_int_equal(seen.steps, 4);
    assert_int_equal(seen.previews, 4);
    assert_int_equal(seen.images, 2);
    assert_int_equal(state_of(s, id), JOB_DONE);
    struct store_sprite *list;
    struct err e = {""};
    assert_int_equal(store_job_sprites(s, id, &list, &e), 2);
    for (int i = 0; i < 2; i++) {
        assert_true(list[i].id == seen.sprites[0] || list[i].id == seen.sprites[1]);
        check_row(&list[i]);
    }
    store_sprites_free(list, 2);
    store_close(s);
    engine_stop(x);
}

/* The second job finds the model open; another precision opens it anew. */
static void the_model_stays_open(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    struct command *c = command_new(COMMAND_OPEN);
    set(&c->settings, "model", MODEL);
    assert_true(engine_send(x, c));
    for (int job = 0; job < 3; job++) {
        int loads = 0;
        c = job_command(add_job(s), "1");
        if (job == 2)
            set(&c->settings, "precision", "fp32");
        assert_true(engine_send(x, c));
        for (bool done = false; !done;) {
            struct event *v = next(x);
            loads += v->kind == EVENT_LOADING && v->job != 0;
            done = v->kind == EVENT_DONE;
            assert_true(v->kind != EVENT_FAILED);
            if (done)
                assert_true((v->times.load > 0) == (job == 2));
            event_free(v);
        }
        assert_int_equal(loads, job == 2);
    }
    store_close(s);
    engine_stop(x);
}

/* A shell command, in the folder. */
static void shell(const char *text)
{
    char command[1400];
    snprintf(command, sizeof command, "cd %s && %s", folder, text);
    assert_int_equal(system(command), 0);
}

/* A model whose files are replaced under its name is another one. */
static void a_replaced_model_is_opened_anew(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    char path[600];
    snprintf(path, sizeof path, "%s/model", folder);
    char *from = realpath(MODEL, NULL), copy[1200];
    assert_non_null(from);
    snprintf(copy, sizeof copy, "cp -r '%s' model && chmod -R u+w model", from);
    free(from);
    shell(copy);
    for (int job = 0; job < 3; job++) {
        int loads = 0;
        if (job == 2)
            shell("cd model/vae && for f in *.safetensors; do cp $f new && mv new $f; done");
        struct command *c = job_command(add_job(s), "1");
        set(&c->settings, "model", path);
        assert_true(engine_send(x, c));
        for (bool done = false; !done;) {
            struct event *v = next(x);
            loads += v->kind == EVENT_LOADING;
            done = v->kind == EVENT_DONE;
            assert_true(v->kind != EVENT_FAILED);
            event_free(v);
        }
        assert_int_equal(loads, job != 1);
    }
    store_close(s);
    engine_stop(x);
    shell("rm -r model");
}

/* The vocabulary that was pulled is for models that have none: others would read other ids. */
static void whose_vocabulary(void **state)
{
    static const char *const steps[] = {
        "touch single.safetensors", "mkdir -p .local/share/spritty/tokenizer/tokenizer",
        "echo {} >.local/share/spritty/tokenizer/tokenizer/vocab.json"};
    char file[600];
    bool right = true; /* what lies there is taken away before anything is asserted */
    (void)state;
    snprintf(file, sizeof file, "%s/single.safetensors", folder);
    for (int i = 0; i < 3; i++) {
        shell(steps[i]);
        for (int own = 0; own < 2; own++) {
            struct settings flags = {0};
            struct job j;
            struct err e = {""};
            set(&flags, "model", own ? MODEL : file);
            set(&flags, "size", "64");
            if (job_settle(&j, &flags, NULL, &e))
                fail_msg("%s", e.text);
            print_message("%s, %s: '%s'\n", steps[i], own ? "own" : "none", j.tokenizer);
            right &= (*j.tokenizer != '\0') == (i == 2 && !own);
            settings_free(&flags);
            job_free(&j);
        }
    }
    shell("rm -r .local single.safetensors");
    assert_true(right);
}

static void cancelled_between_steps(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    int64_t id = send_job(x, s, "1000"), after = send_job(x, s, "1");
    event_free(await(x, EVENT_STEP));
    engine_cancel(x, id);
    await_end(x, EVENT_CANCELLED, id);
    assert_int_equal(state_of(s, id), JOB_CANCELLED);
    await_end(x, EVENT_DONE, after);
    assert_int_equal(count_files(".png", false), 1);
    store_close(s);
    engine_stop(x);
}

static void cancelled_while_waiting(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    int64_t first = send_job(x, s, "1000"), second = send_job(x, s, "2");
    event_free(await(x, EVENT_STEP));
    engine_cancel(x, second);
    engine_cancel(x, first);
    await_end(x, EVENT_CANCELLED, first);
    struct event *v = next(x);
    assert_int_equal(v->kind, EVENT_CANCELLED); /* and it never began */
    assert_int_equal(v->job, second);
    event_free(v);
    assert_int_equal(state_of(s, second), JOB_CANCELLED);
    /* Sent again it runs: the cancelling was of the earlier run. */
    assert_true(engine_send(x, job_command(second, "1")));
    await_end(x, EVENT_DONE, second);
    store_close(s);
    engine_stop(x);
}

static void a_failure_is_told(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    int64_t bad = add_job(s), wrong = add_job(s), good;
    struct command *c = job_command(bad, "1");
    set(&c->settings, "model", "./no\033such");
    assert_true(engine_send(x, c));
    c = job_command(wrong, "1");
    set(&c->settings, "size", "65x64");
    assert_true(engine_send(x, c));
    good = send_job(x, s, "1");
    struct event *v = await(x, EVENT_FAILED);
    assert_int_equal(v->job, bad);
    assert_non_null(strstr(v->text, "no model at './no?such'"));
    event_free(v);
    v = await(x, EVENT_FAILED);
    assert_int_equal(v->job, wrong);
    assert_non_null(strstr(v->text, "multiples of"));
    event_free(v);
    await_end(x, EVENT_DONE, good);
    assert_int_equal(state_of(s, bad), JOB_FAILED);
    assert_int_equal(state_of(s, good), JOB_DONE);
    store_close(s);
    engine_stop(x);
}

/* A thousand steps and previews for a ring of 256: they are dropped, the rest arrives. */
static struct command *open_command(bool warm)
{
    struct command *c = command_new(COMMAND_OPEN);
    c->warm = warm;
    set(&c->settings, "model", MODEL);
    set(&c->settings, "size", "64x64");
    set(&c->settings, "steps", "4");
    return c;
}

/* The events of a warm-up, up to its last; which stage that one tells. */
static void warm_until_end(struct engine *x, char stage[12], int *parts)
{
    int last = -1;
    *parts = 0;
    for (bool over = false; !over;) {
        struct event *v = next(x);
        if (v->kind == EVENT_WARM) {
            assert_true(v->job == 0 && v->step >= last && v->step <= v->steps);
            last = v->step;
            over = v->step == v->steps;
            *parts += 1;
            memcpy(stage, v->stage, 12);
        } else {
            assert_true(v->kind == EVENT_LOADING || v->kind == EVENT_READY ||
                        v->kind == EVENT_STAGE);
        }
        event_free(v);
    }
}

/* Without a job it goes through; nothing of it is kept, and a job afterwards makes what it makes
 * without. */
static void warms_up(void **state)
{
    (void)state;
    char stage[12];
    int parts;
    struct engine *x = start_engine();
    assert_true(engine_send(x, open_command(true)));
    warm_until_end(x, stage, &parts);
    assert_string_equal(stage, "warm");
    assert_int_equal(parts, 5); /* text, sample, decode, finish, its end */
    assert_int_equal(count_files(".png", false), 0);
    struct store *s = open_store();
    int64_t id = send_job(x, s, "2");
    for (bool over = false; !over;) {
        struct event *v = next(x);
        assert_true(v->kind != EVENT_FAILED && v->kind != EVENT_LOADING && v->kind != EVENT_WARM);
        over = v->kind == EVENT_DONE;
        assert_true(!over || (v->job == id && v->steps == 2));
        event_free(v);
    }
    assert_int_equal(count_files(".png", false), 1);
    store_close(s);
    engine_stop(x);
}

/* A command that waits stops it before it begins or within a call; the job is not harmed, and an
 * end of the engine does not wait for it either. */
static void warming_gives_way(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    int64_t id = add_job(s);
    assert_true(engine_send(x, open_command(true)));
    assert_true(engine_send(x, job_command(id, "2")));
    for (bool over = false; !over;) {
        struct event *v = next(x);
        assert_true(v->kind != EVENT_FAILED);
        assert_true(v->kind != EVENT_WARM || v->step < v->steps || !*v->stage);
        over = v->kind == EVENT_DONE;
        event_free(v);
    }
    struct command *large = open_command(true);
    set(&large->settings, "batch", "16"); /* long, were it not stopped */
    assert_true(engine_send(x, large));
    engine_stop(x);
    store_close(s);
}

static void a_full_ring_drops_previews(void **state)
{
    (void)state;
    struct engine *x = start_engine();
    struct store *s = open_store();
    int64_t id = send_job(x, s, "300");
    while (state_of(s, id) != JOB_DONE)
        usleep(20000);
    int steps = 0, sprites = 0;
    for (bool done = false; !done;) {
        struct event *v = next(x);
        steps += v->kind == EVENT_STEP;
        sprites += v->kind == EVENT_SPRITE;
        done = v->kind == EVENT_DONE;
        event_free(v);
    }
    assert_in_range(steps, 1, 255);
    assert_int_equal(sprites, 1);
    assert_null(engine_next(x));
    store_close(s);
    engine_stop(x);
}

/* What the engine's end interrupts is queued again; what waits is left alone. */
static void stopped_while_running(void **state)
{
    (void)state;
    struct store *s = open_store();
    for (int by_command = 0; by_command < 2; by_command++) {
        struct engine *x = start_engine();
        int64_t id = send_job(x, s, "1000"), waiting = send_job(x, s, "1");
        event_free(await(x, EVENT_STEP));
        assert_int_equal(state_of(s, id), JOB_RUNNING);
        if (by_command) {
            assert_true(engine_send(x, command_new(COMMAND_QUIT)));
            await_end(x, EVENT_CANCELLED, id);
        }
        engine_stop(x);
        assert_int_equal(state_of(s, id), JOB_QUEUED);
        assert_int_equal(state_of(s, waiting), JOB_QUEUED);
    }
    store_close(s);
}

/* A job's end that waits to be written is written, however soon the engine is told to quit. */
static void ended_while_stopping(void **state)
{
    (void)state;
    struct store *s = open_store();
    struct engine *x = start_engine();
    struct command *c = command_new(COMMAND_END);
    c->job = add_job(s);
    c->end = calloc(1, sizeof *c->end);
    *c->end = (struct event){.kind = EVENT_DONE, .job = c->job};
    int64_t id = c->job;
    assert_true(engine_send(x, c));
    engine_stop(x);
    assert_int_equal(state_of(s, id), JOB_DONE);
    store_close(s);
}

/* A database that cannot be opened fails the job, not the engine. */
static void no_database(void **state)
{
    (void)state;
    struct err e = {""};
    struct engine *x = engine_start(
        &(struct engine_options){.store = "/dev/null/no.db", .folder = folder}, &e);
    assert_non_null(x);
    assert_true(engine_send(x, job_command(1, "1")));
    struct event *v = await(x, EVENT_FAILED);
    print_message("%s\n", v->text);
    event_free(v);
    engine_stop(x);
    assert_int_equal(count_files(".png", false), 0);
}

static void stopped_at_once(void **state)
{
    (void)state;
    engine_stop(start_engine());
    engine_stop(NULL);
    struct engine *x = start_engine();
    for (int i = 0; i < 100; i++) { /* more than fit */
        struct command *c = job_command(i + 1, "1");
        if (!engine_send(x, c))
            command_free(c);
    }
    engine_stop(x);
}

/* The nice value of a thread of this process: field 19 of its stat. */
static int niceness(const char *task)
{
    char path[300], text[1000] = "";
    int value = -100;
    snprintf(path, sizeof path, "/proc/self/task/%s/stat", task);
    FILE *f = fopen(path, "r");
    char *at = f && fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
    if (at)
        sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %d",
               &value);
    if (f)
        fclose(f);
    return value;
}

/* The engine's thread and those that OpenMP makes for it; never the caller's. */
static void threads_are_nice(void **state)
{
    (void)state;
    struct err e = {""};
    char own[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    int before = niceness(own), nicer = 0;
    struct engine *x = engine_start(
        &(struct engine_options){.store = database, .folder = folder, .threads = 2, .nice = 3}, &e);
    assert_non_null(x);
    struct store *s = open_store();
    int64_t id = send_job(x, s, "2");
    await_end(x, EVENT_DONE, id);
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *f; d && (f = readdir(d));)
        nicer += f->d_name[0] != '.' && niceness(f->d_name) == before + 3;
    if (d)
        closedir(d);
    assert_int_equal(niceness(own), before);
#ifdef _OPENMP
    assert_int_equal(nicer, 2);
#else
    assert_in_range(nicer, 1, 2); /* oneDNN's own threads are there all the same */
#endif
    store_close(s);
    engine_stop(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(one_job_from_end_to_end, clean_up),
        cmocka_unit_test_teardown(the_model_stays_open, clean_up),
        cmocka_unit_test_teardown(whose_vocabulary, clean_up),
        cmocka_unit_test_teardown(a_replaced_model_is_opened_anew, clean_up),
        cmocka_unit_test_teardown(cancelled_between_steps, clean_up),
        cmocka_unit_test_teardown(cancelled_while_waiting, clean_up),
        cmocka_unit_test_teardown(a_failure_is_told, clean_up),
        cmocka_unit_test_teardown(warms_up, clean_up),
        cmocka_unit_test_teardown(warming_gives_way, clean_up),
        cmocka_unit_test_teardown(a_full_ring_drops_previews, clean_up),
        cmocka_unit_test_teardown(stopped_while_running, clean_up),
        cmocka_unit_test_teardown(ended_while_stopping, clean_up),
        cmocka_unit_test_teardown(no_database, clean_up),
        cmocka_unit_test_teardown(stopped_at_once, clean_up),
        cmocka_unit_test_teardown(threads_are_nice, clean_up),
    };
    return cmocka_run_group_tests(tests, start, drop_folder);
}
