/*
 * For tests of the engine from outside: a folder and a database of its own, jobs, waiting for
 * events.
 */
#ifndef SPRITTY_ENGINE_HELP_H
#define SPRITTY_ENGINE_HELP_H

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

#include "job_help.h"

enum { PATIENCE_MS = 120000 }; /* for one event; only a hanging engine needs it */

static char folder[] = "/tmp/spritty-test-engine-XXXXXX";

/* ---- surroundings ---- */

static inline int start(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(database, sizeof database, "%s/spritty.db", folder);
    setenv("HOME", folder, 1);
    unsetenv("XDG_CONFIG_HOME");
    unsetenv("XDG_DATA_HOME");
    setenv("SPRITTY_MEASURE", "never", 1); /* nor is the machine measured, which takes seconds */
    return 0;
}

static inline int count_files(const char *ending, bool remove_them)
{
    int n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *f; d && (f = readdir(d));) {
        size_t len = strlen(f->d_name), end = strlen(ending);
        char path[600];
        if (f->d_name[0] == '.' || len < end || strcmp(f->d_name + len - end, ending) != 0)
            continue;
        n++;
        snprintf(path, sizeof path, "%s/%s", folder, f->d_name);
        if (remove_them)
            unlink(path);
    }
    if (d)
        closedir(d);
    return n;
}

static inline int clean_up(void **state)
{
    (void)state;
    count_files("", true);
    return 0;
}

static inline int drop_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static inline struct engine *start_engine(void)
{
    struct err e = {""};
    struct engine *x = engine_start(
        &(struct engine_options){.store = database, .folder = folder, .threads = 1}, &e);
    if (!x)
        fail_msg("%s", e.text);
    return x;
}

static inline struct command *job_command(int64_t id, const char *steps)
{
    return job_with_seed(id, "7", steps);
}

static inline int64_t send_job(struct engine *x, struct store *s, const char *steps)
{
    int64_t id = add_job(s);
    assert_true(engine_send(x, job_command(id, steps)));
    return id;
}

static inline struct event *next(struct engine *x)
{
    struct pollfd p = {.fd = engine_fd(x), .events = POLLIN};
    for (;;) {
        struct event *v = engine_next(x);
        if (v)
            return v;
        if (poll(&p, 1, PATIENCE_MS) != 1)
            fail_msg("no event within %d ms", PATIENCE_MS);
    }
}

/* The next event of that kind; others on the way are freed. A job's end that was not expected is a
 * failure. */
static inline struct event *await(struct engine *x, enum event_kind kind)
{
    for (;;) {
        struct event *v = next(x);
        if (v->kind == kind)
            return v;
        if (v->kind >= EVENT_DONE)
            fail_msg("event %d instead of %d: %s", v->kind, kind, v->text ? v->text : "");
        event_free(v);
    }
}

static inline void await_end(struct engine *x, enum event_kind kind, int64_t job)
{
    struct event *v = await(x, kind);
    assert_int_equal(v->job, job);
    event_free(v);
}

static inline enum job_state state_of(struct store *s, int64_t id)
{
    struct store_job *list;
    struct err e = {""};
    for (int past = 0; past < 2; past++) {
        int n = past ? store_past_jobs(s, 100, &list, &e) : store_queue(s, &list, &e), state = -1;
        if (n < 0)
            fail_msg("%s", e.text);
        for (int i = 0; i < n; i++)
            if (list[i].id == id)
                state = (int)list[i].state;
        store_jobs_free(list, n);
        if (state >= 0)
            return (enum job_state)state;
    }
    fail_msg("no such job");
    return JOB_QUEUED;
}

#endif
