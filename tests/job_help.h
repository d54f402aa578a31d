/*
 * Jobs of tests that run an engine or a queue: a small slime each, in a database of the test's own.
 * Include after cmocka.
 */
#ifndef SPRITTY_TESTS_JOB_HELP_H
#define SPRITTY_TESTS_JOB_HELP_H

#include <string.h>

#include "engine/engine.h"
#include "store/store.h"

#define MODEL "tests/golden/small_a"

static char database[300]; /* its path */

static inline struct store *open_store(void)
{
    struct err e = {""};
    struct store *s = store_open(database, &e);
    if (!s)
        fail_msg("%s", e.text);
    return s;
}

static inline void set(struct settings *s, const char *key, const char *value)
{
    struct err e = {""};
    if (settings_set(s, key, value, &e))
        fail_msg("%s", e.text);
}

/* A row, as the app makes it before it sends the command. */
static inline int64_t add_job(struct store *s)
{
    struct err e = {""};
    struct store_job job = {.words = "a slime", .settings = "", .label = ""};
    if (store_add_job(s, &job, &e))
        fail_msg("%s", e.text);
    return job.id;
}

static inline struct command *job_with_seed(int64_t id, const char *seed, const char *steps)
{
    struct command *c = command_new(COMMAND_RUN);
    c->job = id;
    c->words = strdup("a slime");
    set(&c->settings, "model", MODEL);
    set(&c->settings, "size", "64x64");
    set(&c->settings, "seed", seed);
    set(&c->settings, "steps", steps);
    return c;
}

#endif
