/*
 * Opening: schema, versions, broken files; and the small values. See store.h.
 *
 * Opening is done by one at a time (a lock on the folder), so that two threads do not both make
 * the schema or both move a broken file aside. What is not this program's, or newer than it, is
 * refused untouched.
 */
#include "store/store_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { ALWAYS_CHECKED = 32 << 20 };

/* Entry i brings a database from version i to i + 1. Released ones are never changed. */
static const char *const steps[] = {
    "CREATE TABLE vals (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, created REAL, words TEXT,"
    " negative TEXT, seed INTEGER, [rows] INTEGER, cols INTEGER, title TEXT,"
    " winner INTEGER REFERENCES jobs(id), voted REAL);"

    /* position: the place in the queue, of no meaning once a job has ended. */
    "CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, position INTEGER NOT NULL,"
    " run INTEGER REFERENCES runs(id), [row] INTEGER, col INTEGER, state INTEGER NOT NULL,"
    " created REAL, ended REAL, words TEXT, preset TEXT, settings TEXT, label TEXT, error TEXT,"
    " ms_total REAL, ms_load REAL, ms_text REAL, ms_sample REAL, ms_decode REAL, ms_finish REAL,"
    " ms_save REAL, ms_step REAL, bytes_peak INTEGER);"
    "CREATE INDEX jobs_queue ON jobs(state DESC, position) WHERE state < 2;"
    "CREATE INDEX jobs_run ON jobs(run, [row], col) WHERE run IS NOT NULL;"
    "CREATE INDEX jobs_past ON jobs(ended) WHERE state > 1;"

    /* moving: where the file was, while it is being moved to `path`. */
    "CREATE TABLE sprites (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " job INTEGER REFERENCES jobs(id), [index] INTEGER, path TEXT, created REAL, prompt TEXT,"
    " negative TEXT, words TEXT, preset TEXT, settings TEXT, model TEXT, seed INTEGER,"
    " width INTEGER, height INTEGER, colors INTEGER, steps INTEGER, cfg REAL, sampler TEXT,"
    " scheduler TEXT, ms_total REAL, ms_step REAL, bytes_peak INTEGER, rating INTEGER, tags TEXT,"
    " trashed REAL NOT NULL, moving TEXT);"
    "CREATE INDEX sprites_job ON sprites(job, [index]);"
    "CREATE INDEX sprites_path ON sprites(path);"
    "CREATE INDEX sprites_trash ON sprites((trashed > 0));"
    "CREATE INDEX sprites_moving ON sprites(id) WHERE moving IS NOT NULL;"

    /* Holds only the index; the texts are those of sprites. */
    "CREATE VIRTUAL TABLE sprite_text USING fts5(prompt, negative, tags, content='sprites',"
    " content_rowid='id', tokenize='unicode61 remove_diacritics 2');"
    "CREATE TRIGGER sprites_insert AFTER INSERT ON sprites BEGIN"
    " INSERT INTO sprite_text(rowid, prompt, negative, tags)"
    " VALUES (new.id, new.prompt, new.negative, new.tags); END;"
    "CREATE TRIGGER sprites_delete AFTER DELETE ON sprites BEGIN"
    " INSERT INTO sprite_text(sprite_text, rowid, prompt, negative, tags)"
    " VALUES ('delete', old.id, old.prompt, old.negative, old.tags); END;"
    "CREATE TRIGGER sprites_update AFTER UPDATE OF prompt, negative, tags ON sprites BEGIN"
    " INSERT INTO sprite_text(sprite_text, rowid, prompt, negative, tags)"
    " VALUES ('delete', old.id, old.prompt, old.negative, old.tags);"
    " INSERT INTO sprite_text(rowid, prompt, negative, tags)"
    " VALUES (new.id, new.prompt, new.negative, new.tags); END;"

    "CREATE TABLE prompts (id INTEGER PRIMARY KEY AUTOINCREMENT, words TEXT NOT NULL,"
    " negative TEXT NOT NULL, used REAL, UNIQUE (words, negative));"

    "PRAGMA application_id = 0x53505254; PRAGMA user_version = 1;",
};
_Static_assert(sizeof steps / sizeof *steps == STORE_VERSION, "a step a version");

/* -- opening ------------------------------------------------------------------------------------
 */

static int exec(struct store *s, const char *sql, struct err *e)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) ? sql_failed(s, e) : 0;
}

static int migrate(struct store *s, struct err *e)
{
    int64_t version;
    if (sql_begin(s, e))
        return -1;
    int rc = sql_int(s, e, &version, "PRAGMA user_version", "") == 1 ? 0 : -1;
    for (; !rc && version < STORE_VERSION; version++)
        rc = exec(s, steps[version], e);
    if (rc && e && sqlite3_errcode(s->db) == SQLITE_ERROR) { /* such a table is there, whosever */
        struct err why = *e;
        err_set(e, "%s; move that file away to begin anew", why.text);
    }
    return sql_end(s, rc, e);
}

/* Is it ours, and no newer than this program? */
static int check_version(struct store *s, struct err *e)
{
    int64_t version, application;
    if (sql_int(s, e, &version, "PRAGMA user_version", "") != 1 ||
        sql_int(s, e, &application, "PRAGMA application_id", "") != 1)
        return -1;
    if (version > STORE_VERSION)
        return err_set(e,
                       "the database %s was made by a newer spritty (its format is %lld, this one "
                       "knows %d); update spritty, or move that file away to begin anew",
                       s->path, (long long)version, STORE_VERSION);
    if (version < 0 || application != (version ? STORE_APPLICATION : 0))
        return err_set(e, "the database %s is not spritty's; move that file away", s->path);
    return 0;
}

/* Looking at every page takes about a millisecond a megabyte. It is done where that is not felt,
 * and where there is a reason: a log that a program left when it died, or damage seen in use. */
static bool wants_check(const char *path)
{
    char log[PATH_MAX + 8];
    struct stat st;
    snprintf(log, sizeof log, "%s-wal", path);
    return stat(path, &st) || st.st_size <= ALWAYS_CHECKED || is_there(log) || is_marked(path);
}

/* Indices are not compared with their tables. *index: the search index is damaged, which SQLite
 * sees from 3.44 on, and which can be made again. */
static int check_pages(struct store *s, bool *broken, bool *index, struct err *e)
{
    sqlite3_stmt *stmt = sql_query(s, e, "PRAGMA quick_check(2)", "");
    int rc = stmt ? 1 : -1;
    while (rc == 1 && !*broken && (rc = sql_step(s, stmt, e)) == 1) {
        const char *says = (const char *)sqlite3_column_text(stmt, 0);
        if (says && strstr(says, " FTS5 table "))
            *index = true;
        else if (!says || strcmp(says, "ok") != 0)
            *broken = true;
        if (*broken)
            err_set(e, "the database %s is damaged: %s", s->path, says ? says : "");
    }
    sqlite3_reset(stmt);
    return rc < 0 || *broken ? -1 : 0;
}

/* The file may come from anywhere: its schema cannot be written to by hand, texts have a bound.
 * (Not trusting the schema at all would forbid triggers on FTS5; SQLite loads no code of others
 * here.) */
static int set_up(struct store *s, bool check, bool *broken, struct err *e)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, LONGEST_TEXT);
    sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    bool index = false;
    if (check_version(s, e) || (check && check_pages(s, broken, &index, e)))
        return -1;
    if (exec(s,
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;"
             "PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 4194304",
             e) ||
        migrate(s, e))
        return -1;
    if (index || is_marked(s->path)) {
        /* The pages are good, so what was seen was in the search index, which can be made again. */
        if (exec(s, "INSERT INTO sprite_text (sprite_text) VALUES ('rebuild')", e))
            return -1;
        unmark(s->path);
    }
    return 0;
}

/* *broken: why there is NULL. */
static struct store *open_file(const char *path, bool *broken, struct err *e)
{
    struct store *s = calloc(1, sizeof *s);
    *broken = false;
    if (!s) {
        err_set(e, "the database %s: out of memory", path);
        return NULL;
    }
    snprintf(s->path, sizeof s->path, "%s", path);
    s->use = -1;
    bool check = wants_check(path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, &s->db, flags, NULL) ? sql_failed(s, e)
                                                        : set_up(s, check, broken, e);
    if (!rc)
        return s;
    int code = s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM;
    *broken = *broken || code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    store_close(s);
    return NULL;
}

/* Whoever has it open would write into the file that was moved. */
static int replace(const char *path, int use, char aside[PATH_MAX], struct err *e)
{
    if (!own_database(use))
        return err_set(e,
                       "the database %s is damaged, and another spritty has it open; close that "
                       "one and start this one again, which moves the damaged file aside",
                       path);
    int rc = move_aside(path, aside, e) || make_private_file(path, e) ? -1 : 0;
    share_database(use);
    return rc;
}

static struct store *open_or_replace(const char *path, struct err *e)
{
    bool broken;
    char aside[PATH_MAX];
    int use = use_database(path);
    struct store *s = open_file(path, &broken, e);
    if (!s && broken && replace(path, use, aside, e) == 0 && (s = open_file(path, &broken, e)))
        err_set(e, "the database was damaged; it is kept as %s and a new one was made", aside);
    if (s)
        s->use = use;
    else
        leave_database(path, use);
    return s;
}

struct store *store_open(const char *path, struct err *e)
{
    char real[PATH_MAX];
    struct store *s = NULL;
    if (e)
        e->text[0] = '\0';
    if (make_folders(path, 0700, e))
        return NULL;
    int lock = lock_folder(path);
    if (make_private_file(path, e) == 0) {
        if (realpath(path, real))
            s = open_or_replace(real, e);
        else
            err_set(e, "cannot open the database %s: it leads nowhere", path);
    }
    unlock_folder(lock);
    if (s)
        finish_moves(s);
    return s;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->cached; i++)
        sqlite3_finalize(s->cache[i].stmt);
    sqlite3_close(s->db);
    leave_database(s->path, s->use);
    free(s);
}

/* -- small values -------------------------------------------------------------------------------
 */

int store_put(struct store *s, const char *key, const char *value, struct err *e)
{
    static const char put[] = "INSERT INTO vals (key, value) VALUES (?1, ?2)"
                              " ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    static const char drop[] = "DELETE FROM vals WHERE key = ?1";
    int rc = value ? sql_run(s, e, put, "ss", key, value) : sql_run(s, e, drop, "s", key);
    return rc < 0 ? -1 : 0;
}

char *store_get(struct store *s, const char *key)
{
    sqlite3_stmt *stmt = sql_query(s, NULL, "SELECT value FROM vals WHERE key = ?1", "s", key);
    if (!stmt || sql_step(s, stmt, NULL) != 1)
        return NULL;
    char *value = column_copy(stmt, 0);
    sqlite3_reset(stmt);
    return value;
}
