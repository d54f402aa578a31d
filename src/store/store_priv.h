/*
 * What the store's files share: a thin layer over SQLite, so that a query is one call.
 *
 *   sql_run(s, e, "UPDATE sprites SET rating = ?2 WHERE id = ?1", "Ii", id, rating)
 *
 * A statement is prepared once and kept for the life of the store, found again by the address of
 * its text: pass literals. Values are only ever bound. A format has a letter an argument: i int,
 * I int64_t, d double, s text (NULL stays NULL).
 *
 * A struct of store.h and the columns of its table come from one list (X(field, kind), the id
 * apart), which makes the column names, the marks of an INSERT, and the table by which rows are
 * read and freed.
 */
#ifndef SPRITTY_STORE_PRIV_H
#define SPRITTY_STORE_PRIV_H

#include "store/store.h"

#include <limits.h>
#include <sqlite3.h>

enum { STORE_VERSION = 1, STORE_APPLICATION = 0x53505254 }; /* "SPRT" */
enum { CACHED = 64, BUSY_MS = 5000, LONGEST_TEXT = 16 << 20 };

struct store {
    sqlite3 *db;
    int use;             /* use_database */
    char path[PATH_MAX]; /* absolute, links resolved: no name that SQLite reads in its own way */
    struct {
        const char *sql;
        sqlite3_stmt *stmt;
    } cache[CACHED];
    int cached;
};

/* ---- sql.c: statements ---- */

/* Bound and ready to step; NULL and err on failure. Step it to its end or reset it. */
sqlite3_stmt *sql_query(struct store *, struct err *, const char *sql, const char *format, ...);
/* 1: a row; 0: the end; -1: failed. After the last two the statement is reset. */
int sql_step(struct store *, sqlite3_stmt *, struct err *);
/* How many rows were changed, or -1. */
int sql_run(struct store *, struct err *, const char *sql, const char *format, ...);
/* The first column of the first row. 1; 0: no row; -1: failed. */
int sql_int(struct store *, struct err *, int64_t *out, const char *sql, const char *format, ...);
/* Several writes as one: `rc` is how they went; commits or takes back. Returns 0 or -1. */
int sql_begin(struct store *, struct err *);
int sql_end(struct store *, int rc, struct err *);
/* Says why the last call failed, where, and what to do about it. Returns -1. A database that shows
 * damage is marked (files.c). */
int sql_failed(struct store *, struct err *);
/* For an UPDATE of one row: 0, or -1 with "there is no WHAT ID" when nothing was changed. */
int row_changed(int changed, const char *what, int64_t id, struct err *);
/* A copy of a text column, malloc'd; "" for NULL. NULL: out of memory. */
char *column_copy(sqlite3_stmt *, int column);
double now_seconds(void);

/* ---- sql.c: rows ---- */

enum column_kind {
    COL_INT,
    COL_BIG,   /* int64_t */
    COL_ROW,   /* int64_t: the id of a row, 0 is NULL */
    COL_SEED,  /* uint64_t: its bits as a signed number */
    COL_SIZE,  /* size_t */
    COL_REAL,  /* NaN is NULL and comes back as 0 */
    COL_TEXT,  /* NULL is "" */
    COL_MAYBE, /* text or NULL */
};

struct column {
    enum column_kind kind;
    size_t at; /* in the struct */
};

struct row_type {
    const struct column *column; /* the id first */
    int columns;
    size_t size; /* of the struct */
};

#define COLUMN_NAME(field, kind) ", [" #field "]"
#define COLUMN_MARK(field, kind) ", ?"

/* All rows of a query that selects the columns of the type. *count is -1 on failure. */
void *sql_rows(struct store *, const struct row_type *, int *count, struct err *, const char *sql,
               const char *format, ...);
/* Binds all columns but the id to ?1, ?2, ... and runs an INSERT. The new id, or -1. */
int64_t sql_insert(struct store *, const struct row_type *, const void *row, const char *sql,
                   struct err *);
void rows_free(const struct row_type *, void *rows, int count);

/* ---- files.c ---- */

/* Makes what is missing of the folders above `path`, as private as `mode`. */
int make_folders(const char *path, unsigned mode, struct err *);
/* Makes an empty private file unless there is one. Never opens one that is there: closing it would
 * drop the locks that SQLite holds on it elsewhere in this process. */
int make_private_file(const char *path, struct err *);
/* Keeps others out of store_open for this folder; waits for some seconds at most. -1: goes without.
 * unlock_folder ends it. */
int lock_folder(const char *path);
void unlock_folder(int lock);
/* Says that this database is in use, until leave_database or the program's end, by a shared lock on
 * a file beside it (SQLite's own locks end when anyone in this process closes the database). -1:
 * goes without, where no file or lock can be had. */
int use_database(const char *path);
void leave_database(const char *path, int use); /* the last one takes the file away */
/* Nobody else uses it, and nobody will until share_database. */
bool own_database(int use);
void share_database(int use);
/* A file beside the database that says: look at every page when it is opened next. */
void mark_damaged(const char *path);
bool is_marked(const char *path);
void unmark(const char *path);
bool is_there(const char *path);
/* A broken database and what SQLite keeps beside it get names of their own. */
int move_aside(const char *path, char aside[PATH_MAX], struct err *);

/* ---- trash.c ---- */

/* Ends the moves of files in whose midst a program died, as far as that is possible now. */
void finish_moves(struct store *);

#endif
