/*
 * For tests of batches: a folder of the test's own with a file of jobs, results and pictures.
 * Include after cmocka.
 */
#ifndef SPRITTY_TESTS_BATCH_HELP_H
#define SPRITTY_TESTS_BATCH_HELP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"

static char folder[] = "/tmp/spritty-batch-XXXXXX";
static char jobs[200], results[200], out[200];

static inline int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    setenv("XDG_CONFIG_HOME", folder, 1);
    setenv("XDG_DATA_HOME", folder, 1);
    snprintf(jobs, sizeof jobs, "%s/jobs.jsonl", folder);
    snprintf(results, sizeof results, "%s/results.jsonl", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    struct err e;
    return file_make_folders(out, &e);
}

static inline int tear_down(void **state)
{
    char command[100];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

static inline int clear(void **state)
{
    char command[300];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s/* && mkdir %s", folder, out);
    return system(command);
}

static inline void put(const char *path, const char *text)
{
    struct err e = {""};
    if (file_write_atomic(path, text, strlen(text), &e))
        fail_msg("%s", e.text);
}

static inline char *get(const char *path)
{
    struct err e = {""};
    size_t size;
    char *text = file_read(path, 1 << 24, &size, &e);
    if (!text)
        fail_msg("%s", e.text);
    return text;
}

static inline int count(const char *text, const char *what)
{
    int n = 0;
    for (; (text = strstr(text, what)); text++)
        n++;
    return n;
}

#endif
