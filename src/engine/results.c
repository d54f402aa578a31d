/*
 * See results.h.
 *
 * The lock is on the file itself. Whoever rewrites it (results_start) puts a new file in its place,
 * so after locking one looks whether the name still means the file that was locked.
 */
#include "engine/results.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/fileio.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/mapfile.h"
#include "engine/idset.h"
#include "engine/results_others.h"

enum { LINE_MAX_BYTES = 4 << 20 };

struct line { /* one that is kept */
    size_t at, size;
    bool dropped, wanted; /* wanted: by a job of the file that is made now */
};

struct results {
    char path[PATH_MAX], folder[PATH_MAX];
    int fd;
    off_t size;   /* of whole lines */
    bool rewrite; /* something in the file is not true any more */
    bool dirty;
    double synced;
    struct line *line;
    long lines, room;
    struct idset jobs, ids, files; /* to the line */
    struct results_others *others;
};

/* ---- the file ---- */

static int cannot(const struct results *r, const char *what, struct err *e)
{
    return err_set(e, "cannot %s %s: %s", what, r->path, file_reason(errno));
}

/* Opened and locked, and still the file of that name. */
static int open_locked(struct results *r, struct err *e)
{
    struct stat own, named;
    for (int tries = 0; tries < 100; tries++) {
        r->fd = open(r->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        if (r->fd < 0)
            return cannot(r, "write", e);
        if (flock(r->fd, LOCK_EX | LOCK_NB)) {
            if (errno == EWOULDBLOCK)
                return err_set(e,
                               "another spritty batch is writing %s; wait for it, or name "
                               "another file with --results",
                               r->path);
            return cannot(r, "lock", e);
        }
        if (fstat(r->fd, &own) == 0 && stat(r->path, &named) == 0 && own.st_ino == named.st_ino &&
            own.st_dev == named.st_dev)
            return S_ISREG(own.st_mode) ? 0 : err_set(e, "%s is no regular file", r->path);
        close(r->fd);
    }
    r->fd = -1;
    return err_set(e, "%s changes all the time", r->path);
}

/* ---- reading ---- */

/* At its path, or in the folder, if all was moved: there a name alone says little, as another job's
 * picture may have it in a folder of its own. */
static bool is_there(const struct results *r, const char *file, const char *sha256)
{
    char path[2 * PATH_MAX], sha[65];
    struct err ignored;
    if (access(file, F_OK) == 0)
        return true;
    for (const char *at = file; at; at = strchr(at, '/')) {
        at += *at == '/';
        snprintf(path, sizeof path, "%s/%s", r->folder, at);
        if (access(path, F_OK) == 0 && digest_file(path, sha, &ignored) == 0 &&
            !strcmp(sha, sha256))
            return true;
    }
    return false;
}

/* Whether the line says that a job is done, and its files are there. */
static bool is_done(const struct results *r, struct json root)
{
    const char *status = json_as_string(json_get(root, "status"));
    const char *job = json_as_string(json_get(root, "job"));
    struct json files = json_get(root, "files"), sha = json_first(json_get(root, "sha256"));
    bool all = status && !strcmp(status, "done") && job && strlen(job) == 64 &&
               json_kind(files) == JSON_ARRAY;
    for (struct json f = json_first(files); all && f.node; f = json_next(f)) {
        const char *name = json_as_string(f), *its = json_as_string(sha);
        all = name && is_there(r, name, its ? its : "");
        sha = sha.node ? json_next(sha) : sha;
    }
    return all;
}

/* An entry of a set for the line that is read now; it had *before, or -1. */
static int point_here(struct results *r, struct idset *set, const char *text, long *before)
{
    bool added;
    long *at = idset_put(set, idset_key(text), r->lines, &added);
    if (!at)
        return -1;
    *before = added ? -1 : *at;
    *at = r->lines;
    return 0;
}

static void drop(struct results *r, long line)
{
    if (line >= 0 && line < r->lines)
        r->line[line].dropped = r->rewrite = true;
}

/* Of two lines of a job, and of two that name a file, the later one is true: the file is that
 * job's now. */
static int keep(struct results *r, struct json root, size_t at, size_t size, struct err *e)
{
    const char *id = json_as_string(json_get(root, "id"));
    const char *job = json_as_string(json_get(root, "job"));
    long before;
    if (r->lines == r->room) {
        long room = r->room ? 2 * r->room : 256;
        struct line *more = realloc(r->line, (size_t)room * sizeof *more);
        if (!more)
            return err_set(e, "out of memory");
        r->line = more;
        r->room = room;
    }
    if (point_here(r, &r->jobs, job, &before))
        return err_set(e, "out of memory");
    drop(r, before);
    for (struct json f = json_first(json_get(root, "files")); f.node; f = json_next(f)) {
        if (point_here(r, &r->files, json_as_string(f), &before))
            return err_set(e, "out of memory");
        drop(r, before);
    }
    if (point_here(r, &r->ids, id ? id : "", &before))
        return err_set(e, "out of memory");
    r->line[r->lines++] = (struct line){.at = at, .size = size};
    return 0;
}

/* Whether what is behind the last whole line is the beginning of one of ours, and not what somebody
 * wrote into a file of another kind. Blocks that were not on the disk yet read as zeros. */
static bool is_cut_line(const char *data, size_t size)
{
    static const char begin[] = "{\"id\": ";
    size_t n = size < sizeof begin - 1 ? size : sizeof begin - 1;
    return !memcmp(data, begin, n) || (size > 0 && !data[0] && !memcmp(data, data + 1, size - 1));
}

static int read_lines(struct results *r, const char *data, size_t size, struct err *e)
{
    long number = 0;
    size_t at = 0;
    for (const char *end; at < size && (end = memchr(data + at, '\n', size - at));) {
        struct err ignored;
        size_t n = (size_t)(end - data) - at;
        number++;
        struct json_doc *doc = n < LINE_MAX_BYTES ? json_parse(data + at, n, "line", &ignored)
                                                  : NULL;
        struct json root = doc ? json_root(doc) : (struct json){0};
        if (!doc || !json_as_string(json_get(root, "status"))) {
            json_free(doc);
            return err_set(e, "%s:%ld: no line of results; name another file with --results",
                           r->path, number);
        }
        int rc = 0;
        if (is_done(r, root))
            rc = keep(r, root, at, n + 1, e);
        else
            r->rewrite = true;
        json_free(doc);
        if (rc)
            return -1;
        at += n + 1;
    }
    if (!is_cut_line(data + at, size - at))
        return err_set(e, "%s:%ld: no line of results; name another file with --results", r->path,
                       number + 1);
    r->rewrite = r->rewrite || at < size;
    r->size = (off_t)at;
    return 0;
}

static int read_file(struct results *r, struct err *e)
{
    struct mapfile m;
    struct stat st;
    if (fstat(r->fd, &st) || st.st_size == 0)
        return 0;
    if (mapfile_open(&m, r->path, e))
        return -1;
    int rc = read_lines(r, (const char *)m.data, m.size, e);
    mapfile_close(&m);
    return rc;
}

struct results *results_open(const char *path, const char *folder, struct err *e)
{
    struct results *r = calloc(1, sizeof *r);
    if (!r || strlen(path) >= PATH_MAX - 1 || strlen(folder) >= PATH_MAX) {
        free(r);
        err_set(e, r ? "the path of the results is too long" : "out of memory");
        return NULL;
    }
    strcpy(r->path, path);
    strcpy(r->folder, folder);
    r->fd = -1;
    if (file_check_target(path, e) || open_locked(r, e) || read_file(r, e)) {
        results_close(r);
        return NULL;
    }
    r->others = results_others_open(path);
    return r;
}

void results_close(struct results *r)
{
    struct err ignored;
    if (!r)
        return;
    results_sync(r, true, &ignored);
    if (r->fd >= 0)
        close(r->fd);
    idset_free(&r->jobs);
    idset_free(&r->ids);
    idset_free(&r->files);
    results_others_close(r->others);
    free(r->line);
    free(r);
}

/* By another part of the batch. */
static bool others_have(const struct results *r, const char job[65])
{
    struct err ignored;
    size_t size;
    char *line = results_others_line(r->others, job, &size);
    struct json_doc *doc = line && size < LINE_MAX_BYTES ? json_parse(line, size, "line", &ignored)
                                                         : NULL;
    struct json root = doc ? json_root(doc) : (struct json){0};
    const char *its = doc ? json_as_string(json_get(root, "job")) : NULL;
    bool done = its && !strcmp(its, job) && is_done(r, root);
    json_free(doc);
    free(line);
    return done;
}

bool results_has(struct results *r, const char job[65])
{
    const long *at = idset_find(&r->jobs, idset_key(job));
    if (!at || r->line[*at].dropped)
        return others_have(r, job);
    r->line[*at].wanted = true;
    return true;
}

bool results_owns(const struct results *r, const char *file)
{
    const long *at = idset_find(&r->files, idset_key(file));
    return at && r->line[*at].wanted && !r->line[*at].dropped;
}

void results_forget(struct results *r, const char *id)
{
    const long *at = idset_find(&r->ids, idset_key(id));
    if (!at || r->line[*at].dropped)
        return;
    r->line[*at].dropped = r->rewrite = true;
}

/* ---- what is not true any more ---- */

/* The lines that stay, copied behind each other. */
static char *kept_lines(const struct results *r, size_t *size, struct err *e)
{
    struct mapfile m;
    char *out = NULL;
    *size = 0;
    if (r->lines == 0)
        return strdup("");
    if (mapfile_open(&m, r->path, e))
        return NULL;
    out = malloc(m.size + 1);
    for (long i = 0; out && i < r->lines; i++)
        if (!r->line[i].dropped) {
            memcpy(out + *size, m.data + r->line[i].at, r->line[i].size);
            *size += r->line[i].size;
        }
    mapfile_close(&m);
    if (!out)
        err_set(e, "out of memory");
    return out;
}

int results_start(struct results *r, struct err *e)
{
    size_t size;
    if (!r->rewrite)
        return 0;
    char *text = kept_lines(r, &size, e);
    int rc = text ? file_write_atomic(r->path, text, size, e) : -1;
    free(text);
    if (rc)
        return -1;
    int old = r->fd;
    rc = open_locked(r, e);
    close(old);
    r->size = (off_t)size;
    r->rewrite = false;
    return rc;
}

/* ---- writing ---- */

static void print_notes(struct jsonw *w, const struct result *l)
{
    bool any = false;
    for (int k = 0; k < 2; k++)
        for (int i = 0; l->notes[k] && i < l->notes[k]->count; i++) {
            if (!any)
                jsonw_open(w, "notes", '[');
            any = true;
            jsonw_string(w, NULL, l->notes[k]->line[i]);
        }
    if (any)
        jsonw_close(w, ']');
}

static char *print(const struct result *l)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_string(&w, "id", l->id);
    jsonw_string(&w, "status", l->error ? "failed" : "done");
    if (l->error) {
        jsonw_string(&w, "error", l->error);
    } else {
        jsonw_open(&w, "files", '[');
        for (int i = 0; i < l->count; i++)
            jsonw_string(&w, NULL, l->files[i]);
        jsonw_close(&w, ']');
        jsonw_open(&w, "sha256", '[');
        for (int i = 0; i < l->count; i++)
            jsonw_string(&w, NULL, l->sha256[i]);
        jsonw_close(&w, ']');
        jsonw_u64(&w, "seed", l->seed);
        jsonw_real(&w, "ms", l->ms, 2);
    }
    print_notes(&w, l);
    jsonw_u64(&w, "line", (uint64_t)l->line);
    jsonw_string(&w, "job", l->job);
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}

static int append(struct results *r, const char *text, size_t size, struct err *e)
{
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(r->fd, text + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cannot(r, "write", e);
            if (done && ftruncate(r->fd, r->size)) /* the next start drops what stays */
                return -1;
            return -1;
        }
        done += (size_t)n;
    }
    r->size += (off_t)size;
    r->dirty = true;
    return 0;
}

int results_add(struct results *r, const struct result *l, struct err *e)
{
    char *line = print(l), *text = NULL;
    int n = line ? asprintf(&text, "%s\n", line) : -1;
    int rc = n < 0 ? err_set(e, "out of memory") : append(r, text, (size_t)n, e);
    free(n < 0 ? NULL : text);
    free(line);
    return rc ? -1 : results_sync(r, false, e);
}

int results_sync(struct results *r, bool force, struct err *e)
{
    enum { EVERY_MS = 1000 };
    double now = clock_ms();
    if (!r->dirty || (!force && now - r->synced < EVERY_MS))
        return 0;
    r->synced = now;
    r->dirty = false; /* a second sync of the same bytes would lie: who is told must stop */
    return fsync(r->fd) && errno != EINVAL && errno != EROFS ? cannot(r, "write", e) : 0;
}
