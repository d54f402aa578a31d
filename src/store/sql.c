/* The thin layer over SQLite; see store_priv.h. */
#include "store/store_priv.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/fileio.h"

double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* -- errors -------------------------------------------------------------------------------------
 */

static const char *reason(struct store *s)
{
    int error = s->db ? sqlite3_system_errno(s->db) : 0;
    switch (s->db ? sqlite3_errcode(s->db) & 0xff : SQLITE_NOMEM) {
    case SQLITE_FULL:
        return file_reason(ENOSPC);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return "it cannot be written; make the file and its folder writable";
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
        return error ? file_reason(error)
                     : "it cannot be read or written; is the disk full or gone?";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another program keeps it locked; close that one";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "it is damaged; start spritty again, which mends it or moves it aside";
    case SQLITE_NOMEM:
        return "out of memory";
    default:
        return sqlite3_errmsg(s->db);
    }
}

int sql_failed(struct store *s, struct err *e)
{
    err_set(e, "the database %s: %s", s->path, reason(s));
    if (s->db && (sqlite3_errcode(s->db) & 0xff) == SQLITE_CORRUPT)
        mark_damaged(s->path);
    return -1;
}

int row_changed(int changed, const char *what, int64_t id, struct err *e)
{
    if (changed == 0)
        return err_set(e, "there is no %s %lld", what, (long long)id);
    return changed < 0 ? -1 : 0;
}

/* -- statements ---------------------------------------------------------------------------------
 */

static sqlite3_stmt *prepared(struct store *s, const char *sql, struct err *e)
{
    for (int i = 0; i < s->cached; i++)
        if (s->cache[i].sql == sql)
            return s->cache[i].stmt;
    sqlite3_stmt *stmt;
    assert(s->cached < CACHED);
    if (sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL)) {
        sql_failed(s, e);
        return NULL;
    }
    s->cache[s->cached].sql = sql;
    s->cache[s->cached++].stmt = stmt;
    return stmt;
}

static void reset(sqlite3_stmt *stmt)
{
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt); /* they point to the caller's texts */
}

static int bind_text(sqlite3_stmt *stmt, int i, const char *s)
{
    return sqlite3_bind_text64(stmt, i, s, s ? strlen(s) : 0, SQLITE_STATIC, SQLITE_UTF8);
}

static int bind_args(sqlite3_stmt *stmt, const char *format, va_list ap)
{
    int rc = SQLITE_OK;
    for (int i = 1; format[i - 1] && !rc; i++) {
        switch (format[i - 1]) {
        case 'i':
            rc = sqlite3_bind_int(stmt, i, va_arg(ap, int));
            break;
        case 'I':
            rc = sqlite3_bind_int64(stmt, i, va_arg(ap, int64_t));
            break;
        case 'd':
            rc = sqlite3_bind_double(stmt, i, va_arg(ap, double));
            break;
        default:
            assert(format[i - 1] == 's');
            rc = bind_text(stmt, i, va_arg(ap, const char *));
        }
    }
    assert(rc != SQLITE_RANGE && rc != SQLITE_MISUSE);
    return rc;
}

static sqlite3_stmt *query(struct store *s, struct err *e, const char *sql, const char *format,
                           va_list ap)
{
    sqlite3_stmt *stmt = prepared(s, sql, e);
    if (!stmt || !bind_args(stmt, format, ap))
        return stmt;
    sql_failed(s, e);
    reset(stmt);
    return NULL;
}

sqlite3_stmt *sql_query(struct store *s, struct err *e, const char *sql, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *stmt = query(s, e, sql, format, ap);
    va_end(ap);
    return stmt;
}

int sql_step(struct store *s, sqlite3_stmt *stmt, struct err *e)
{
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        sql_failed(s, e);
    reset(stmt);
    return rc == SQLITE_DONE ? 0 : -1;
}

/* Runs to the end; rows are of no interest. */
static int run(struct store *s, sqlite3_stmt *stmt, struct err *e)
{
    int rc = 1;
    while (rc > 0)
        rc = sql_step(s, stmt, e);
    return rc ? -1 : sqlite3_changes(s->db);
}

int sql_run(struct store *s, struct err *e, const char *sql, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *stmt = query(s, e, sql, format, ap);
    va_end(ap);
    return stmt ? run(s, stmt, e) : -1;
}

int sql_int(struct store *s, struct err *e, int64_t *out, const char *sql, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *stmt = query(s, e, sql, format, ap);
    va_end(ap);
    int rc = stmt ? sql_step(s, stmt, e) : -1;
    if (rc == 1) {
        *out = sqlite3_column_int64(stmt, 0);
        reset(stmt);
    }
    return rc;
}

int sql_begin(struct store *s, struct err *e)
{
    return sql_run(s, e, "BEGIN IMMEDIATE", "") < 0 ? -1 : 0;
}

int sql_end(struct store *s, int rc, struct err *e)
{
    if (!rc && sql_run(s, e, "COMMIT", "") >= 0)
        return 0;
    if (!sqlite3_get_autocommit(s->db)) /* after a full disk SQLite has done it itself */
        sql_run(s, NULL, "ROLLBACK", "");
    return -1;
}

/* -- rows ---------------------------------------------------------------------------------------
 */

char *column_copy(sqlite3_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt, column);
    if (!text && sqlite3_column_type(stmt, column) != SQLITE_NULL)
        return NULL;
    return strdup(text ? (const char *)text : "");
}

static int to_int(int64_t x)
{
    return x > INT_MAX ? INT_MAX : x < INT_MIN ? INT_MIN : (int)x;
}

static int read_column(sqlite3_stmt *stmt, int i, enum column_kind kind, void *to)
{
    int64_t x = kind < COL_REAL ? sqlite3_column_int64(stmt, i) : 0;
    switch (kind) {
    case COL_INT:
        *(int *)to = to_int(x);
        return 0;
    case COL_BIG:
    case COL_ROW:
        *(int64_t *)to = x;
        return 0;
    case COL_SEED:
        *(uint64_t *)to = (uint64_t)x;
        return 0;
    case COL_SIZE:
        *(size_t *)to = x < 0 ? 0 : (size_t)x;
        return 0;
    case COL_REAL:
        *(double *)to = sqlite3_column_double(stmt, i);
        return 0;
    case COL_MAYBE:
        if (sqlite3_column_type(stmt, i) == SQLITE_NULL)
            return 0;
        /* fall through */
    case COL_TEXT:
        *(char **)to = column_copy(stmt, i);
        return *(char **)to ? 0 : -1;
    }
    return -1;
}

static int bind_column(sqlite3_stmt *stmt, int i, enum column_kind kind, const void *from)
{
    switch (kind) {
    case COL_INT:
        return sqlite3_bind_int(stmt, i, *(const int *)from);
    case COL_BIG:
        return sqlite3_bind_int64(stmt, i, *(const int64_t *)from);
    case COL_ROW:
        return *(const int64_t *)from ? sqlite3_bind_int64(stmt, i, *(const int64_t *)from)
                                      : sqlite3_bind_null(stmt, i);
    case COL_SEED:
        return sqlite3_bind_int64(stmt, i, (int64_t) * (const uint64_t *)from);
    case COL_SIZE:
        return sqlite3_bind_int64(stmt, i, (int64_t) * (const size_t *)from);
    case COL_REAL:
        return sqlite3_bind_double(stmt, i, *(const double *)from);
    case COL_TEXT:
    case COL_MAYBE: {
        const char *text = *(char *const *)from;
        return bind_text(stmt, i, text || kind == COL_MAYBE ? text : "");
    }
    }
    return SQLITE_MISUSE;
}

int64_t sql_insert(struct store *s, const struct row_type *t, const void *row, const char *sql,
                   struct err *e)
{
    sqlite3_stmt *stmt = prepared(s, sql, e);
    int rc = stmt ? SQLITE_OK : SQLITE_ERROR;
    for (int i = 1; i < t->columns && !rc; i++) {
        const struct column *c = &t->column[i];
        rc = bind_column(stmt, i, c->kind, (const char *)row + c->at);
        if (rc) {
            sql_failed(s, e);
            reset(stmt);
        }
    }
    return rc || run(s, stmt, e) < 0 ? -1 : sqlite3_last_insert_rowid(s->db);
}

void rows_free(const struct row_type *t, void *rows, int count)
{
    for (int r = 0; rows && r < count; r++)
        for (int i = 0; i < t->columns; i++)
            if (t->column[i].kind >= COL_TEXT)
                free(*(char **)((char *)rows + (size_t)r * t->size + t->column[i].at));
    free(rows);
}

static int read_row(sqlite3_stmt *stmt, const struct row_type *t, char *row)
{
    memset(row, 0, t->size);
    for (int i = 0; i < t->columns; i++)
        if (read_column(stmt, i, t->column[i].kind, row + t->column[i].at))
            return -1;
    return 0;
}

/* Room for one more; NULL: out of memory, the old rows stay. */
static char *grow(char *rows, int count, size_t size)
{
    if (count < 16 ? count > 0 : (count & (count - 1)) != 0)
        return rows;
    if (count > INT_MAX / 4)
        return NULL;
    return reallocarray(rows, count ? 2 * (size_t)count : 16, size);
}

void *sql_rows(struct store *s, const struct row_type *t, int *count, struct err *e,
               const char *sql, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *stmt = query(s, e, sql, format, ap);
    va_end(ap);
    char *rows = NULL;
    int n = 0, rc = stmt ? 1 : -1;
    while (rc > 0 && (rc = sql_step(s, stmt, e)) > 0) {
        char *more = grow(rows, n, t->size);
        if (more)
            rows = more;
        if (!more || read_row(stmt, t, rows + (size_t)n++ * t->size)) {
            reset(stmt);
            rc = err_set(e, "the database %s: out of memory", s->path);
        }
    }
    *count = rc ? -1 : n;
    if (!rc)
        return rows;
    rows_free(t, rows, n);
    return NULL;
}

const char *store_library(void)
{
    static char text[48];
    snprintf(text, sizeof text, "SQLite %s", sqlite3_libversion());
    return text;
}
