/*
 * See fetch.h. One GET after another goes on where the last one ended, until the length is reached;
 * what a server says about the parts (Content-Range, ETag) is held against what it said before, and
 * when they do not fit the file is begun anew. The hash at the end decides.
 */
#include "pull/fetch_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "pull/check.h"

enum { TICK_MS = 200 };

static int stall_s(const struct fetch *f)
{
    return f->options && f->options->stall_s ? f->options->stall_s : 30;
}

/* ---- progress ---- */

static bool tell(struct load *l, bool now)
{
    struct fetch *f = l->f;
    double at = clock_ms();
    if (!now && at - l->told_at < TICK_MS)
        return !l->cancelled;
    if (at - l->marked_at > 1000) {
        double rate = (double)(l->have - l->marked) / (at - l->marked_at) * 1e3;
        f->progress.rate = f->progress.rate > 0 ? (f->progress.rate + rate) / 2 : rate;
        l->marked = l->have;
        l->marked_at = at;
    }
    l->told_at = at;
    f->progress.bytes = l->have;
    f->progress.total = l->size > 0 ? (uint64_t)l->size : 0;
    if (f->options && f->options->progress && !f->options->progress(f->options->user, &f->progress))
        l->cancelled = true;
    return !l->cancelled;
}

static bool on_tick(void *user)
{
    return tell(user, false);
}

static bool on_hash(void *user, uint64_t bytes)
{
    struct load *l = user;
    l->have = bytes;
    return tell(l, false);
}

static int cancelled(struct err *e)
{
    return err_set(e, "cancelled; what was loaded stays for the next time");
}

/* Waits before the next try. False: cancelled. */
static bool pause_for(struct load *l, int try, int retry_after, const struct err *why)
{
    const struct pull_options *o = l->f->options;
    double ms = o && o->backoff_ms ? o->backoff_ms : 1000;
    for (int i = 1; i < try && ms < 60000; i++)
        ms *= 2;
    if (retry_after > 0 && retry_after * 1e3 > ms)
        ms = (retry_after < 120 ? retry_after : 120) * 1e3;
    double until = clock_ms() + ms;
    l->f->progress.stage = PULL_WAITING;
    snprintf(l->f->progress.why, sizeof l->f->progress.why, "%.159s", why->text);
    while (tell(l, true) && clock_ms() < until)
        nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
    return !l->cancelled;
}

static int tries_of(const struct fetch *f)
{
    return f->options && f->options->tries ? f->options->tries : 6;
}

/* ---- what a status means ---- */

static bool worth_another_try(long status)
{
    return status == 408 || status == 429 || (status >= 500 && status < 600);
}

static int refused(const struct http_answer *a, const struct fetch *f, struct err *e)
{
    char shown[160];
    url_show(f->url, shown);
    if (a->status == 401 || a->status == 403)
        return err_set(e,
                       "%s: the server wants to know who you are (%ld); accept the licence on its "
                       "page and set HF_TOKEN%s",
                       shown, a->status, f->token ? ", or another one: this was refused" : "");
    if (a->status == 404 || a->status == 410)
        return err_set(e, "%s: there is no such file (%ld)", shown, a->status);
    return err_set(e, "%s: the server answers %ld", shown, a->status);
}

/* One request with as many tries as it takes. 0: an answer that may be used, or of a status that
 * the caller knows. */
static int ask(struct load *l, struct http_request *r, struct http_answer *a, struct err *e)
{
    for (int try = 1;; try++) {
        enum http_end end = http_run(r, a, e);
        char shown[160];
        url_show(r->url, shown);
        if (l->cancelled)
            return cancelled(e);
        if (end == HTTP_REFUSED)
            return -1;
        if (end == HTTP_STOPPED)
            return err_set(e, "%s", l->why.text);
        if (end == HTTP_OK && !worth_another_try(a->status))
            return 0;
        if (end == HTTP_OK)
            err_set(e, "%s: the server is busy (%ld)", shown, a->status);
        if (try >= tries_of(l->f))
            return err_prefix(e, "after %d tries", try);
        if (!pause_for(l, try, a->retry_after, e))
            return cancelled(e);
        l->f->progress.stage = PULL_ASKING;
    }
}

/* ---- the transfer ---- */

static bool stop(struct load *l, bool fatal, const char *fmt, const char *text)
{
    err_set(&l->why, fmt, text);
    l->fatal |= fatal;
    return false;
}

/* The answer to a wish for the rest: is it the rest? */
static bool fits(struct load *l, const struct http_answer *a)
{
    bool same_tag = !*l->tag || !*a->etag || !strcmp(l->tag, a->etag);
    return a->range_from == (int64_t)l->have && same_tag &&
           (a->full < 0 || l->size < 0 || a->full == l->size);
}

static bool on_begin(void *user, const struct http_answer *a)
{
    struct load *l = user;
    bool page = !strncasecmp(a->type, "text/html", 9);
    if (page)
        return stop(l, true, "%s: the server sends a web page instead of the file", l->f->to);
    if (a->packed)
        return stop(l, true,
                    "%s: the server sends it packed (gzip or the like), which was not asked "
                    "for",
                    l->f->to);
    if (a->status == 206 && !fits(l, a)) {
        l->anew = true;
        return stop(l, false, "%s: the file has changed on the server, or it sends another part",
                    l->f->to);
    }
    if (a->status == 200 && l->have > 0 && part_begin_anew(l, &l->why)) {
        l->fatal = true;
        return false;
    }
    int64_t whole = a->status == 206 ? a->full : a->length;
    if (l->size >= 0 && whole >= 0 && whole != l->size)
        return stop(l, false, "%s: the server sends another length than it said", l->f->to);
    if (l->size < 0)
        l->size = whole;
    if (*a->etag)
        snprintf(l->tag, sizeof l->tag, "%s", a->etag);
    l->looked_at = 0;
    l->fatal |= part_keep_tag(l) != 0 || part_has_room(l, &l->why) != 0;
    l->f->progress.stage = PULL_LOADING;
    return !l->fatal;
}

static bool on_body(void *user, const void *data, size_t size)
{
    struct load *l = user;
    const char *p = data;
    if (l->size >= 0 && l->have + size > (uint64_t)l->size) {
        l->anew = true;
        return stop(l, false, "%s: the server sends more than it said", l->f->to);
    }
    while (size > 0) {
        ssize_t n = pwrite(l->fd, p, size, (off_t)l->have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_set(&l->why, "cannot write %s: %s", l->part, file_reason(errno));
            l->fatal = true;
            return false;
        }
        p += n;
        size -= (size_t)n;
        l->have += (uint64_t)n;
    }
    l->fatal |= part_has_room(l, &l->why) != 0;
    return !l->fatal;
}

/* What the end of one request means. 1: all is there; 0: another try; -1. */
static int judge(struct load *l, enum http_end end, const struct http_answer *a, struct err *e)
{
    if (l->cancelled)
        return cancelled(e);
    if (end == HTTP_STOPPED) {
        *e = l->why;
        return l->fatal ? -1 : 0;
    }
    if (end == HTTP_REFUSED)
        return -1;
    if (end == HTTP_BROKEN)
        return 0;
    if (a->status == 416) {
        if (l->size >= 0 && (int64_t)l->have == l->size)
            return 1;
        l->anew = true;
        err_set(e, "%s: the server has no such part of it", l->f->to);
        return 0;
    }
    if (worth_another_try(a->status)) {
        err_set(e, "%s: the server is busy (%ld)", l->f->to, a->status);
        return 0;
    }
    if (a->status != 200 && a->status != 206)
        return refused(a, l->f, e);
    if (l->size >= 0 && (int64_t)l->have < l->size) {
        err_set(e, "%s: the line was cut at %llu of %lld bytes", l->f->to,
                (unsigned long long)l->have, (long long)l->size);
        return 0;
    }
    return 1;
}

/* A weak tag may not be used to ask for a part (RFC 9110, 13.1.5). */
static const char *strong(const char *tag)
{
    return strncmp(tag, "W/", 2) ? tag : "";
}

static int transfer(struct load *l, struct err *e)
{
    int restarts = 0;
    for (int try = 1; l->size < 0 || (int64_t)l->have < l->size;) {
        struct http_answer a;
        uint64_t before = l->have;
        struct http_request r = {.url = l->f->url,
                                 .from = l->have,
                                 .if_tag = strong(l->tag),
                                 .token = l->f->token,
                                 .origin = l->f->origin,
                                 .stall_s = stall_s(l->f),
                                 .begin = on_begin,
                                 .body = on_body,
                                 .tick = on_tick,
                                 .user = l};
        l->f->progress.stage = PULL_ASKING;
        l->anew = false;
        int done = judge(l, http_run(&r, &a, e), &a, e);
        if (done)
            return done > 0 ? 0 : -1;
        if (l->anew && (++restarts > tries_of(l->f) || part_begin_anew(l, e)))
            return -1;
        try = l->have > before ? 1 : try + 1; /* as long as it goes on, it goes on */
        if (try > tries_of(l->f))
            return err_prefix(e, "after %d tries", try - 1);
        if (!pause_for(l, try, a.retry_after, e))
            return cancelled(e);
    }
    return 0;
}

/* ---- the end ---- */

/* NAME.sha256, as sha256sum -c reads it, so that `spritty doctor` can tell later whether the file
 * is still what was loaded; before the file has its name, so that no kill leaves it with what was
 * recorded of an older one. It is no failure when that cannot be written. */
static void record_hash(const struct load *l)
{
    char digits[72], path[PATH_MAX], text[400];
    struct err ignored;
    const char *slash = strrchr(l->f->path, '/');
    if (snprintf(path, sizeof path, "%s.sha256", l->f->path) >= (int)sizeof path)
        return;
    unlink(path);
    if (l->f->unverified || pull_hash_of(l->hash, digits) != 64)
        return;
    int n = snprintf(text, sizeof text, "%s  %.300s\n", digits, slash + 1);
    file_write_atomic(path, text, (size_t)n, &ignored);
}

static int place(struct load *l, const char *folder, struct err *e)
{
    struct fetch *f = l->f;
    char dir[PATH_MAX], name[300];
    if (f->kind == KIND_ANY) {
        snprintf(name, sizeof name, "%s/%.*s", folder, NAME_MAX_BYTES, file_name_of(f->to));
        snprintf(f->to, sizeof f->to, "%s", name);
        snprintf(f->path, sizeof f->path, "%.3700s/%s", f->data, f->to);
    }
    snprintf(dir, sizeof dir, "%s", f->path);
    *strrchr(dir, '/') = '\0';
    if (file_make_folders(dir, e))
        return -1;
    if (access(f->path, F_OK) == 0)
        return err_set(e, "%s is there already; move it away first", f->path);
    record_hash(l);
    if (fsync(l->fd) || rename(l->part, f->path))
        return err_set(e, "cannot write %s: %s", f->path, file_reason(errno));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    unlink(l->tag_file);
    return 0;
}

/* What is wrong is thrown away: no further try would mend it. */
static int discard(struct load *l, struct err *e)
{
    unlink(l->part);
    unlink(l->tag_file);
    return err_prefix(e, "%s was loaded and thrown away", l->f->to);
}

static int verify(struct load *l, struct err *e)
{
    const char *folder, *slash = strrchr(l->f->to, '/');
    bool stopped = false;
    l->f->progress.stage = PULL_CHECKING;
    uint64_t size = l->have;
    int rc = pull_check_hash(l->part, l->hash, on_hash, l, &stopped, e);
    l->have = size;
    if (stopped)
        return cancelled(e);
    l->f->unverified = rc == 1;
    if (rc < 0 || pull_check(l->part, slash ? slash + 1 : l->f->to, l->f->kind, &folder, e))
        return discard(l, e);
    return place(l, folder, e);
}

/* ---- the beginning ---- */

/* Servers that know no HEAD, and addresses that are signed for GET alone: where the hub sends us,
 * or what a user was given. */
static bool no_head(const struct load *l, const struct http_answer *a)
{
    bool hub = l->f->origin && url_same_origin(a->url, l->f->origin);
    return a->status == 400 || a->status == 405 || a->status == 501 ||
           (!hub && (a->status == 401 || a->status == 403));
}

/* Length, hash and name, before anything is loaded. */
static int inquire(struct load *l, struct http_answer *a, struct err *e)
{
    struct http_request r = {.url = l->f->url,
                             .head = true,
                             .token = l->f->token,
                             .origin = l->f->origin,
                             .stall_s = stall_s(l->f),
                             .tick = on_tick,
                             .user = l};
    l->f->progress.stage = PULL_ASKING;
    if (ask(l, &r, a, e))
        return -1;
    bool ours = l->f->origin && url_same_origin(l->f->url, l->f->origin);
    if (a->status != 200 && !no_head(l, a))
        return refused(a, l->f, e);
    l->size = a->linked_size >= 0 ? a->linked_size : a->status == 200 ? a->length : -1;
    /* Only the hub's tags are hashes; a small file's own is git's. */
    if (ours && (a->status == 200 || *a->linked_etag))
        snprintf(l->hash, sizeof l->hash, "%s", *a->linked_etag ? a->linked_etag : a->etag);
    return 0;
}

/* The name, when only the server knows it or the address that it sends us to, and the paths. */
static int name_it(struct load *l, const struct http_answer *a, struct err *e)
{
    struct fetch *f = l->f;
    char dir[PATH_MAX], name[NAME_MAX_BYTES + 1];
    if (!*f->to) {
        struct err ignored;
        if (!url_file_name(f->url, name) || pull_check_name(name, &ignored))
            snprintf(name, sizeof name, "%s", a->file);
        /* Where HEAD is refused behind a redirect, no header says it. */
        if (!*name && (!url_file_name(a->url, name) || !strchr(name, '.')))
            name[0] = '\0';
        if (!*name || pull_check_name(name, e))
            return *name ? -1 : err_set(e, "the server does not say what the file is called");
        snprintf(f->to, sizeof f->to, "models/%s", name);
    }
    int n = snprintf(f->path, sizeof f->path, "%.3700s/%s", f->data, f->to);
    snprintf(f->progress.file, sizeof f->progress.file, "%.159s", f->to);
    text_sanitize(f->progress.file);
    snprintf(l->part, sizeof l->part, "%.4000s.part", f->path);
    snprintf(l->tag_file, sizeof l->tag_file, "%.4000s.part.tag", f->path);
    if (n > 3990)
        return err_set(e, "the path of the data folder is too long");
    snprintf(dir, sizeof dir, "%s", f->path);
    *strrchr(dir, '/') = '\0';
    return file_make_folders(dir, e);
}

/* A file without a folder of its own may lie in any of them by now. */
static bool is_here(struct fetch *f)
{
    static const char *const folders[] = {"models", "loras", "vae", "controlnets", "embeddings"};
    char path[PATH_MAX];
    if (f->kind != KIND_ANY)
        return access(f->path, F_OK) == 0;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%.3700s/%s/%s", f->data, folders[i], file_name_of(f->to));
        if (access(path, F_OK) == 0) {
            memcpy(f->path, path, sizeof path);
            return true;
        }
    }
    return false;
}

static int load(struct load *l, struct err *e)
{
    if (part_open(l, e))
        return -1;
    if (is_here(l->f)) { /* the other one was faster */
        unlink(l->part);
        return 0;
    }
    if (l->have > 0 && !part_goes_on(l) && part_begin_anew(l, e))
        return -1;
    l->marked = l->have;
    l->marked_at = clock_ms();
    l->f->fetched = true;
    return part_has_room(l, e) || transfer(l, e) || verify(l, e) ? -1 : 0;
}

int fetch_file(struct fetch *f, struct err *e)
{
    struct load l = {.f = f, .fd = -1, .size = -1};
    struct http_answer a = {.status = 0};
    if (*f->to) {
        if (name_it(&l, &a, e))
            return -1;
        if (is_here(f))
            return 0;
    }
    int rc = inquire(&l, &a, e);
    if (!rc && !*f->to)
        rc = name_it(&l, &a, e) ? -1 : is_here(f) ? 1 : 0;
    if (!rc)
        rc = load(&l, e);
    if (l.fd >= 0)
        close(l.fd);
    f->progress.stage = PULL_DONE;
    return rc < 0 ? -1 : 0;
}

/* ---- short answers ---- */

struct text {
    struct load *l;
    char *data;
    size_t size, limit;
};

static bool text_begin(void *user, const struct http_answer *a)
{
    struct text *t = user;
    (void)a;
    t->size = 0; /* of an earlier try */
    return true;
}

static bool text_body(void *user, const void *data, size_t size)
{
    struct text *t = user;
    char *grown = t->size + size < t->limit ? realloc(t->data, t->size + size + 1) : NULL;
    if (!grown)
        return stop(t->l, true, "%s", "the answer is too long");
    t->data = grown;
    memcpy(grown + t->size, data, size);
    t->size += size;
    grown[t->size] = '\0';
    return true;
}

static bool text_tick(void *user)
{
    return tell(((struct text *)user)->l, false);
}

char *fetch_text(const char *url, const struct fetch *like, size_t limit, struct err *e)
{
    struct fetch f = *like;
    f.url = url;
    struct load l = {.f = &f, .fd = -1, .size = -1};
    struct text t = {.l = &l, .limit = limit};
    struct http_answer a;
    struct http_request r = {.url = url,
                             .token = f.token,
                             .origin = f.origin,
                             .stall_s = stall_s(&f),
                             .begin = text_begin,
                             .body = text_body,
                             .tick = text_tick,
                             .user = &t};
    int rc = ask(&l, &r, &a, e);
    if (!rc && a.status != 200)
        rc = refused(&a, &f, e);
    if (!rc && !t.data)
        rc = err_set(e, "the server sends nothing");
    if (!rc)
        return t.data;
    free(t.data);
    return NULL;
}
