/*
 * Files of jobs, read as they come; see job_text.h.
 *
 * Both kinds are cut into records first: a line, or for CSV a row, whose quotes may hold line
 * breaks. What is longer than a job may be is skipped to its end without being kept, so that one
 * broken line does not cost the rest.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "engine/job_text.h"

enum { COLUMNS_MAX = 200 };

struct job_reader {
    FILE *file;
    char *name; /* as errors call it */
    bool csv, started, seekable;
    char *record; /* JOB_TEXT_MAX + 2 bytes */
    size_t size;
    long line, next_line;  /* of the record, of what follows */
    long long at, next_at; /* the same in bytes */
    char *column[COLUMNS_MAX];
    int columns;
};

void job_reader_close(struct job_reader *r)
{
    if (!r)
        return;
    if (r->file && r->file != stdin)
        fclose(r->file);
    for (int i = 0; i < r->columns; i++)
        free(r->column[i]);
    free(r->record);
    free(r->name);
    free(r);
}

struct job_reader *job_reader_from(FILE *file, const char *name, struct err *e)
{
    struct job_reader *r = calloc(1, sizeof *r);
    size_t n = strlen(name);
    if (r)
        r->file = file;
    if (!r || !(r->record = malloc(JOB_TEXT_MAX + 2)) || !(r->name = strdup(name))) {
        job_reader_close(r);
        err_set(e, "out of memory");
        return NULL;
    }
    r->csv = n > 4 && !strcasecmp(name + n - 4, ".csv");
    r->next_line = 1;
    r->seekable = file != stdin && fseeko(file, 0, SEEK_CUR) == 0;
    return r;
}

struct job_reader *job_reader_open(const char *path, struct err *e)
{
    if (!strcmp(path, "-"))
        return job_reader_from(stdin, "stdin", e);
    FILE *f = fopen(path, "rbe");
    if (!f) {
        err_set(e, "cannot read %s: %s", path, strerror(errno));
        return NULL;
    }
    return job_reader_from(f, path, e);
}

long job_reader_line(const struct job_reader *r)
{
    return r->line;
}

long long job_reader_at(const struct job_reader *r)
{
    return r->seekable ? r->at : -1;
}

bool job_reader_goes_back(const struct job_reader *r)
{
    return r->seekable;
}

int job_reader_seek(struct job_reader *r, long long at, long line, struct err *e)
{
    if (!r->seekable || fseeko(r->file, at, SEEK_SET))
        return err_set(e, "%s: cannot go back in it", r->name);
    r->next_at = at;
    r->next_line = line;
    return 0;
}

/* ---- records ---- */

enum cell_part { CELL_START, CELL_BARE, CELL_QUOTED, CELL_CLOSED };

/* Quotes count where a cell begins with one. */
static enum cell_part follow(enum cell_part p, int c)
{
    if (c == '"')
        return p == CELL_START || p == CELL_CLOSED ? CELL_QUOTED
               : p == CELL_QUOTED                  ? CELL_CLOSED
                                                   : CELL_BARE;
    if (p == CELL_QUOTED)
        return p;
    return c == ',' ? CELL_START : CELL_BARE;
}

/* Up to the end of a line outside of quotes, without it. 1, 0 at the end, -1: too long. */
static int next_record(struct job_reader *r)
{
    enum cell_part part = CELL_START;
    bool over = false;
    int c;
    r->line = r->next_line;
    r->at = r->next_at;
    r->size = 0;
    while ((c = getc_unlocked(r->file)) != EOF) {
        r->next_at++;
        r->next_line += c == '\n';
        if (c == '\n' && (part != CELL_QUOTED || over))
            break;
        part = r->csv ? follow(part, c) : part;
        if (r->size < JOB_TEXT_MAX + 1)
            r->record[r->size++] = (char)c;
        else
            over = true; /* also where a quote is never closed */
    }
    if (c == EOF && (r->size == 0 || ferror(r->file))) /* what is there of it may be a part */
        return 0;
    if (r->size > 0 && r->record[r->size - 1] == '\r')
        r->size--;
    r->record[r->size] = '\0';
    return over || r->size > JOB_TEXT_MAX ? -1 : 1;
}

static bool is_blank(const struct job_reader *r)
{
    return strspn(r->record, " \t\r") == r->size;
}

/* The next one that is not blank. */
static int next_full(struct job_reader *r)
{
    int rc;
    do
        rc = next_record(r);
    while (rc == 1 && is_blank(r));
    return rc;
}

/* ---- CSV ---- */

/* Cuts the record at its commas, in place; quotes go. Returns how many cells; -1 with err. */
static int cut_cells(char *s, size_t size, char *cell[COLUMNS_MAX], struct err *e)
{
    char *end = s + size, *to;
    int n = 0;
    if (memchr(s, '\0', size))
        return err_set(e, "holds a zero byte");
    for (;; s++) {
        if (n == COLUMNS_MAX)
            return err_set(e, "has more than %d columns", COLUMNS_MAX);
        cell[n++] = to = s;
        bool quoted = *s == '"';
        if (quoted) {
            for (s++; s < end && (*s != '"' || s[1] == '"'); s++) {
                s += *s == '"';
                *to++ = *s;
            }
            if (s >= end)
                return err_set(e, "a quote is not closed");
            if (*++s && *s != ',')
                return err_set(e, "text behind a closing quote; quotes in a cell are doubled");
        } else {
            to = s += strcspn(s, ",");
            if (memchr(cell[n - 1], '"', (size_t)(s - cell[n - 1])))
                return err_set(e, "a quote in a cell without quotes around it");
        }
        bool last = s >= end;
        *to = '\0';
        if (last)
            return n;
    }
}

static char *trimmed(const char *s)
{
    s += strspn(s, " \t");
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t", s[n - 1]))
        n--;
    return strndup(s, n);
}

static int place(const struct job_reader *r, struct err *e)
{
    return err_prefix(e, "%s:%ld", r->name, r->line);
}

/* Keys are tried on a job of no use: each must take a value or refuse it for its own sake. */
static int check_column(struct job_reader *r, const char *key, struct err *e)
{
    struct job_text probe = {0};
    struct err why = {""};
    int rc = job_text_set(&probe, key, "\001", &why);
    bool known = !strstr(why.text, "there is no key");
    job_text_free(&probe);
    for (int i = 0; i < r->columns && rc; i++)
        if (!strcmp(r->column[i], key))
            return err_set(e, "column %s stands there twice", key);
    return known ? 0 : err_set(e, "%s", why.text);
}

static int read_header(struct job_reader *r, struct err *e)
{
    char *cell[COLUMNS_MAX];
    int rc = next_full(r);
    if (rc < 1)
        return err_set(e, "%s: %s", r->name,
                       rc ? "its first row is too long" : "the file is empty");
    int n = cut_cells(r->record, r->size, cell, e);
    for (int i = 0; i < n; i++) {
        char *key = trimmed(cell[i]);
        if (!key)
            return err_set(e, "out of memory");
        if (check_column(r, key, e)) {
            free(key);
            return err_prefix(e, "%s:%ld: the row of keys", r->name, r->line);
        }
        r->column[r->columns++] = key;
    }
    return n < 0 ? place(r, e) : 0;
}

static int take_row(struct job_reader *r, struct job_text *j, struct err *e)
{
    char *cell[COLUMNS_MAX];
    int n = cut_cells(r->record, r->size, cell, e);
    if (n < 0)
        return -1;
    if (n != r->columns)
        return err_set(e, "%d cells, but the first row names %d columns", n, r->columns);
    for (int i = 0; i < n; i++)
        if ((*cell[i] || !strcmp(r->column[i], "prompt")) &&
            job_text_set(j, r->column[i], cell[i], e))
            return -1;
    return j->prompt ? 0 : err_set(e, "there is no column prompt");
}

/* ---- jobs ---- */

/* What kind of text it is, and past a byte order mark. */
static int start(struct job_reader *r, struct err *e)
{
    int c[3], n = 0;
    r->started = true;
    while (n < 3 && (c[n] = getc(r->file)) == (unsigned char)"\xef\xbb\xbf"[n])
        n++;
    if (n == 3) {
        r->next_at = 3;
        c[0] = getc(r->file);
    } else if (n > 0) {
        return err_set(e, "%s: no text in UTF-8", r->name);
    }
    if (c[0] == '[')
        return err_set(e, "%s: a list; write one job a line: {\"prompt\": \"a cat\"}", r->name);
    if (c[0] != EOF)
        ungetc(c[0], r->file);
    r->csv = r->csv || (c[0] != EOF && !strchr("{ \t\r\n", c[0]));
    return r->csv ? read_header(r, e) : 0;
}

int job_reader_next(struct job_reader *r, struct job_text *j, struct err *e)
{
    char where[PATH_MAX + 32];
    *j = (struct job_text){0};
    if (!r->started && start(r, e))
        return -2;
    int rc = next_full(r);
    if (rc == 0 && ferror(r->file)) {
        err_set(e, "cannot read %s: %s", r->name, strerror(errno));
        return -2;
    }
    if (rc == 0)
        return 0;
    snprintf(where, sizeof where, "%s:%ld", r->name, r->line);
    if (rc < 0)
        return err_set(e, "%s: longer than %d bytes, which a job may have", where, JOB_TEXT_MAX);
    if (!r->csv)
        return job_text_parse(r->record, r->size, where, j, e) ? -1 : 1;
    if (take_row(r, j, e) == 0)
        return 1;
    job_text_free(j);
    return err_prefix(e, "%s", where);
}
