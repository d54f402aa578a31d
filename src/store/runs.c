/*
 * Comparisons and their votes; see store.h.
 *
 * The CSV is for spreadsheets: a text that would be taken for a formula gets an apostrophe in
 * front, and SQLite writes the numbers, whose point does not depend on the locale.
 */
#include "store/store_priv.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUN_FIELDS(X)                                                                              \
    X(created, REAL)                                                                               \
    X(words, TEXT)                                                                                 \
    X(negative, TEXT)                                                                              \
    X(seed, SEED)                                                                                  \
    X(rows, INT)                                                                                   \
    X(cols, INT)                                                                                   \
    X(title, TEXT)                                                                                 \
    X(winner, ROW)

#define COLUMN(field, kind) {COL_##kind, offsetof(struct store_run, field)},

static const struct column columns[] = {COLUMN(id, BIG) RUN_FIELDS(COLUMN)};
static const struct row_type run_type = {columns, sizeof columns / sizeof *columns,
                                         sizeof(struct store_run)};

int store_add_run(struct store *s, struct store_run *run, struct err *e)
{
    run->created = now_seconds();
    int64_t id = sql_insert(
        s, &run_type, run,
        "INSERT INTO runs (id" RUN_FIELDS(COLUMN_NAME) ")"
                                                       " VALUES (NULL" RUN_FIELDS(COLUMN_MARK) ")",
        e);
    if (id < 0)
        return -1;
    run->id = id;
    return 0;
}

int store_runs(struct store *s, int limit, struct store_run **list, struct err *e)
{
    int n;
    assert(limit >= 0);
    /* None of a damaged row that has no cells. */
    *list = sql_rows(
        s, &run_type, &n, e,
        "SELECT id" RUN_FIELDS(COLUMN_NAME) " FROM runs WHERE [rows] BETWEEN 1 AND 64"
                                            " AND cols BETWEEN 1 AND 64 ORDER BY id DESC LIMIT ?1",
        "i", limit);
    return n;
}

void store_runs_free(struct store_run *list, int count)
{
    rows_free(&run_type, list, count);
}

int store_vote(struct store *s, int64_t run, int64_t job, struct err *e)
{
    int64_t there;
    int found = sql_int(s, e, &there, "SELECT 1 FROM jobs WHERE id = ?1 AND run = ?2", "II", job,
                        run);
    if (found < 0 || (job && !found))
        return found < 0 ? -1
                         : err_set(e, "job %lld is not part of comparison %lld", (long long)job,
                                   (long long)run);
    return row_changed(sql_run(s, e,
                               "UPDATE runs SET winner = nullif(?2, 0),"
                               " voted = CASE WHEN ?2 THEN ?3 END WHERE id = ?1",
                               "IId", run, job, now_seconds()),
                       "comparison", run, e);
}

/* -- CSV ----------------------------------------------------------------------------------------
 */

#define MS(name) ", printf('%.1f', j." name ")"

static const char votes[] =
    "SELECT strftime('%Y-%m-%dT%H:%M:%SZ', r.voted, 'unixepoch'), r.words, r.negative,"
    " printf('%u', r.seed), r.title, j.label, j.preset" MS("ms_total") MS("ms_load") MS("ms_text")
        MS("ms_sample") MS("ms_decode") MS("ms_finish") MS("ms_save") MS(
            "ms_step") ", j.bytes_peak,"
                       " (SELECT path FROM sprites WHERE job = j.id ORDER BY [index], id LIMIT 1),"
                       " (SELECT group_concat(label, ' | ') FROM (SELECT label FROM jobs"
                       "  WHERE run = r.id AND id <> j.id ORDER BY [row], col, id))"
                       " FROM runs r JOIN jobs j ON j.id = r.winner ORDER BY r.voted, r.id";

static const char heads[] =
    "date,prompt,negative,seed,title,winner,preset,ms_total,ms_load,ms_text,"
    "ms_sample,ms_decode,ms_finish,ms_save,ms_step,bytes_peak,path,losers";

/* RFC 4180. */
static void put_field(FILE *f, const char *text)
{
    bool formula = *text && strchr("=+-@\t\r", *text);
    bool quoted = strpbrk(text, ",\"\r\n") != NULL;
    if (quoted)
        putc('"', f);
    if (formula)
        putc('\'', f);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', f);
        putc(*text, f);
    }
    if (quoted)
        putc('"', f);
}

static int put_votes(struct store *s, FILE *f, struct err *e)
{
    sqlite3_stmt *stmt = sql_query(s, e, votes, "");
    int rc = stmt ? 1 : -1;
    fprintf(f, "%s\r\n", heads);
    while (rc > 0 && (rc = sql_step(s, stmt, e)) > 0) {
        for (int i = 0, n = sqlite3_column_count(stmt); i < n; i++) {
            const unsigned char *text = sqlite3_column_text(stmt, i);
            put_field(f, text ? (const char *)text : "");
            fputs(i + 1 < n ? "," : "\r\n", f);
        }
    }
    return rc;
}

char *store_votes_csv(struct store *s, struct err *e)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    int rc = f ? put_votes(s, f, e) : -1;
    if (!f || (ferror(f) | fclose(f)) != 0)
        rc = err_set(e, "out of memory");
    if (!rc)
        return text;
    free(text);
    return NULL;
}
