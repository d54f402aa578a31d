/*
 * What the store's tests share: a folder a test, a store in it, a look at its file past the store.
 * Include after cmocka.
 */
#ifndef SPRITTY_STORE_HELP_H
#define SPRITTY_STORE_HELP_H

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/fileio.h"
#include "store/store.h"

#define OK(call) ok((call), #call, &e, __LINE__)

static struct err e;

static inline int ok(int rc, const char *call, const struct err *why, int line)
{
    if (rc < 0)
        fail_msg("line %d: %s: %s", line, call, why->text);
    return rc;
}

/* -- a folder a test, gone after it -------------------------------------------------------------
 */

static char folder[64];

static inline const char *in_folder(const char *name)
{
    static _Thread_local char path[4][PATH_MAX];
    static _Thread_local int next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", folder, name);
    return p;
}

static inline int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/spritty-test-store-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int drop(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static inline int drop_folder(void **state)
{
    (void)state;
    return nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static inline struct store *open_store(void)
{
    struct store *s = store_open(in_folder("store.db"), &e);
    if (!s)
        fail_msg("store_open: %s", e.text);
    return s;
}

static inline struct store *reopen(struct store *s)
{
    store_close(s);
    s = open_store();
    assert_string_equal(e.text, "");
    return s;
}

/* The files of the folder whose names begin so. */
static inline int count_files(const char *dir, const char *prefix)
{
    int n = 0;
    DIR *d = opendir(dir);
    assert_non_null(d);
    for (struct dirent *f; (f = readdir(d));)
        n += !strncmp(f->d_name, prefix, strlen(prefix)) && f->d_name[0] != '.';
    closedir(d);
    return n;
}

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

/* Only while no store has the file open: closing this one would drop its locks. */
static inline void assert_file(const char *path, const char *text)
{
    size_t size;
    char *data = file_read(path, 1 << 20, &size, &e);
    if (!data)
        fail_msg("%s", e.text);
    assert_string_equal(data, text);
    free(data);
}

static inline bool is_there(const char *path)
{
    struct stat st;
    return !lstat(path, &st);
}

/* SQL past the store, in a connection of its own. */
static inline char *raw(const char *sql)
{
    static char out[4096];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(in_folder("store.db"), &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    out[0] = '\0';
    for (const char *rest = sql; *rest;) {
        if (sqlite3_prepare_v2(db, rest, -1, &stmt, &rest) != SQLITE_OK)
            fail_msg("%s: %s", sql, sqlite3_errmsg(db));
        if (sqlite3_step(stmt) == SQLITE_ROW)
            snprintf(out, sizeof out, "%s", (const char *)sqlite3_column_text(stmt, 0));
        assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
    }
    sqlite3_close(db);
    return out;
}

/* -- makers -------------------------------------------------------------------------------------
 */

static inline int64_t add_job(struct store *s, const char *words)
{
    struct store_job job = {.words = (char *)words, .preset = "fine", .settings = "steps = 4\n"};
    OK(store_add_job(s, &job, &e));
    assert_true(job.id > 0);
    return job.id;
}

static inline int64_t add_sprite(struct store *s, const char *path, const char *prompt,
                                 const char *tags)
{
    struct store_sprite sprite = {
        .path = (char *)path, .prompt = (char *)prompt, .tags = (char *)tags};
    OK(store_add_sprite(s, &sprite, &e));
    assert_true(sprite.id > 0 && sprite.created > 1e9);
    return sprite.id;
}

/* The queue's words, joined: "a b*" with a star behind what runs. */
static inline const char *queue(struct store *s)
{
    static char out[512];
    struct store_job *list;
    int n = OK(store_queue(s, &list, &e));
    out[0] = '\0';
    for (int i = 0; i < n; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s%s", i ? " " : "", list[i].words,
                 list[i].state == JOB_RUNNING ? "*" : "");
    store_jobs_free(list, n);
    return out;
}

static inline struct store_sprite *one_sprite(struct store *s, int64_t id)
{
    struct store_sprite *one;
    assert_int_equal(OK(store_sprite(s, id, &one, &e)), 1);
    return one;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)

#endif
