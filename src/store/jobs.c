/*
 * Jobs and their queue; see store.h.
 *
 * The order is a number in each row. Running jobs come before queued ones whatever their number,
 * so that a job that starts need not move.
 */
#include "store/store_priv.h"

#include <assert.h>

#define JOB_FIELDS(X)                                                                              \
    X(run, ROW)                                                                                    \
    X(row, INT)                                                                                    \
    X(col, INT)                                                                                    \
    X(state, INT)                                                                                  \
    X(created, REAL)                                                                               \
    X(words, TEXT)                                                                                 \
    X(preset, TEXT)                                                                                \
    X(settings, TEXT)                                                                              \
    X(label, TEXT)                                                                                 \
    X(error, MAYBE)                                                                                \
    X(ms_total, REAL)                                                                              \
    X(ms_load, REAL)                                                                               \
    X(ms_text, REAL)                                                                               \
    X(ms_sample, REAL)                                                                             \
    X(ms_decode, REAL)                                                                             \
    X(ms_finish, REAL)                                                                             \
    X(ms_save, REAL)                                                                               \
    X(ms_step, REAL)                                                                               \
    X(bytes_peak, SIZE)

#define COLUMN(field, kind) {COL_##kind, offsetof(struct store_job, field)},

static const struct column columns[] = {COLUMN(id, BIG) JOB_FIELDS(COLUMN)};
static const struct row_type job_type = {columns, sizeof columns / sizeof *columns,
                                         sizeof(struct store_job)};
_Static_assert(sizeof(enum job_state) == sizeof(int), "a state is read as an int");
_Static_assert(JOB_QUEUED == 0 && JOB_RUNNING == 1 && JOB_DONE == 2, "the statements' numbers");

#define SELECT_JOBS   "SELECT id" JOB_FIELDS(COLUMN_NAME) " FROM jobs "
#define NEXT_POSITION "(SELECT coalesce(max(position), 0) + 1 FROM jobs WHERE state < 2)"

int store_add_job(struct store *s, struct store_job *job, struct err *e)
{
    job->state = JOB_QUEUED;
    job->created = now_seconds();
    int64_t id = sql_insert(
        s, &job_type, job,
        "INSERT INTO jobs (id" JOB_FIELDS(COLUMN_NAME) ", position)"
                                                       " VALUES (NULL" JOB_FIELDS(
                                                           COLUMN_MARK) ", " NEXT_POSITION ")",
        e);
    if (id < 0)
        return -1;
    job->id = id;
    return 0;
}

/* A job that is queued again after its end goes to the end of the queue. */
int store_set_job_state(struct store *s, int64_t id, enum job_state state, const char *error,
                        struct err *e)
{
    static const char sql[] =
        "UPDATE jobs SET state = ?2, error = ?3, ended = CASE WHEN ?2 > 1 THEN ?4 END,"
        " position = CASE WHEN ?2 < 2 AND state > 1 THEN " NEXT_POSITION " ELSE position END"
        " WHERE id = ?1";
    return row_changed(sql_run(s, e, sql, "Iisd", id, (int)state, error, now_seconds()), "job", id,
                       e);
}

int store_finish_job(struct store *s, const struct store_job *j, struct err *e)
{
    static const char sql[] =
        "UPDATE jobs SET state = 2, error = NULL, ended = ?2, ms_total = ?3, ms_load = ?4,"
        " ms_text = ?5, ms_sample = ?6, ms_decode = ?7, ms_finish = ?8, ms_save = ?9,"
        " ms_step = ?10, bytes_peak = ?11 WHERE id = ?1";
    int changed = sql_run(s, e, sql, "IdddddddddI", j->id, now_seconds(), j->ms_total, j->ms_load,
                          j->ms_text, j->ms_sample, j->ms_decode, j->ms_finish, j->ms_save,
                          j->ms_step, (int64_t)j->bytes_peak);
    return row_changed(changed, "job", j->id, e);
}

int store_forget_job(struct store *s, int64_t id, struct err *e)
{
    if (sql_begin(s, e))
        return -1;
    int rc = sql_run(s, e, "DELETE FROM sprites WHERE job = ?1", "I", id) < 0 ||
                     sql_run(s, e, "DELETE FROM jobs WHERE id = ?1", "I", id) < 0
                 ? -1
                 : 0;
    return sql_end(s, rc, e);
}

static int move(struct store *s, int64_t id, int64_t before, struct err *e)
{
    int64_t to;
    int found = before ? sql_int(s, e, &to, "SELECT position FROM jobs WHERE id = ?1 AND state < 2",
                                 "I", before)
                       : sql_int(s, e, &to, "SELECT " NEXT_POSITION, "");
    if (found == 0)
        return err_set(e, "job %lld has left the queue", (long long)before);
    if (found < 0 ||
        sql_run(s, e, "UPDATE jobs SET position = position + 1 WHERE state < 2 AND position >= ?1",
                "I", to) < 0)
        return -1;
    int changed = sql_run(s, e, "UPDATE jobs SET position = ?2 WHERE id = ?1 AND state = 0", "II",
                          id, to);
    return row_changed(changed, "queued job", id, e);
}

int store_move_job(struct store *s, int64_t id, int64_t before, struct err *e)
{
    if (id == before)
        return 0;
    return sql_begin(s, e) ? -1 : sql_end(s, move(s, id, before, e), e);
}

/* By how much the places of running jobs must shrink to lie before those of all queued ones. */
#define TO_THE_FRONT                                                                               \
    "SELECT coalesce(max(0, (SELECT max(position) FROM jobs WHERE state = 1) + 1"                  \
    " - (SELECT min(position) FROM jobs WHERE state = 0)), 0)"

int store_recover(struct store *s, struct err *e)
{
    int64_t by;
    int count = -1;
    if (sql_begin(s, e))
        return -1;
    if (sql_int(s, e, &by, TO_THE_FRONT, "") == 1)
        count = sql_run(s, e, "UPDATE jobs SET state = 0, position = position - ?1 WHERE state = 1",
                        "I", by);
    return sql_end(s, count < 0 ? -1 : 0, e) ? -1 : count;
}

/* -- lists --------------------------------------------------------------------------------------
 */

/* The file may hold anything; who reads a state may not. */
static int checked(struct store_job *list, int count)
{
    for (int i = 0; i < count; i++)
        if ((int)list[i].state < JOB_QUEUED || list[i].state > JOB_CANCELLED)
            list[i].state = JOB_FAILED;
    return count;
}

int store_queue(struct store *s, struct store_job **list, struct err *e)
{
    int n;
    *list = sql_rows(s, &job_type, &n, e,
                     SELECT_JOBS "WHERE state < 2 ORDER BY state DESC, position, id", "");
    return checked(*list, n);
}

int store_run_jobs(struct store *s, int64_t run, struct store_job **list, struct err *e)
{
    int n;
    *list = sql_rows(s, &job_type, &n, e, SELECT_JOBS "WHERE run = ?1 ORDER BY [row], col, id", "I",
                     run);
    return checked(*list, n);
}

int store_past_jobs(struct store *s, int limit, struct store_job **list, struct err *e)
{
    int n;
    assert(limit >= 0);
    *list = sql_rows(s, &job_type, &n, e,
                     SELECT_JOBS "WHERE state > 1 ORDER BY ended DESC, id DESC LIMIT ?1", "i",
                     limit);
    return checked(*list, n);
}

void store_jobs_free(struct store_job *list, int count)
{
    rows_free(&job_type, list, count);
}
