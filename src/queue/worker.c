/* Taking jobs; see worker.h. */
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/jsonw.h"
#include "base/version.h"
#include "queue/worker_priv.h"

enum { TIMEOUT_MS = 5000, RENEW_MS = 1000, BLOCK_MS = 1000, BEAT_MS = 5000, BEAT_SECONDS = 30 };

/* wait_for_one names each stream, and where it is in it. */
_Static_assert(2 * STREAMS_MAX + 20 <= ARGS_MAX, "all streams go into one command");

/* ---- small things ---- */

bool worker_stops(const struct queue_worker *w, int how)
{
    return w->o->stop && atomic_load(w->o->stop) >= how;
}

void worker_say(const struct queue_worker *w, const char *fmt, ...)
{
    struct err line;
    char text[500];
    va_list ap;
    if (!w->o->say)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    err_set(&line, "%s", text); /* which makes it safe to print */
    w->o->say(w->o->user, line.text);
}

void worker_tell_link(struct queue_worker *w, enum link_result rc, const struct err *e)
{
    bool offline = rc == LINK_DOWN;
    if (offline && !w->offline)
        worker_say(w, "%s; trying again", e->text);
    if (rc == LINK_OK && w->offline)
        worker_say(w, "%s is back", w->o->url.show);
    if (rc == LINK_OK || offline)
        w->offline = offline;
}

void worker_pause(const struct queue_worker *w, int ms)
{
    double until = clock_ms() + ms;
    while (!worker_stops(w, 1) && clock_ms() < until)
        poll(NULL, 0, ms < 50 ? ms : 50);
}

int worker_renew_ms(const struct queue_worker *w)
{
    return w->lease_ms / 4 < RENEW_MS ? w->lease_ms / 4 : RENEW_MS;
}

static void name_worker(struct queue_worker *w)
{
    char host[40] = "";
    unsigned r = 0;
    if (gethostname(host, sizeof host - 1) || getrandom(&r, sizeof r, 0) != sizeof r)
        r ^= (unsigned)clock_ms();
    for (char *c = host; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", *c))
            *c = '-';
    snprintf(w->name, sizeof w->name, "%.30s-%d-%08x", *host ? host : "worker", (int)getpid(), r);
}

/* ---- streams ---- */

static int list_streams(struct queue_worker *w, struct err *e)
{
    const struct stock *s = w->o->stock;
    for (int i = 0; i < s->n; i++)
        for (int k = 0; queue_class(k); k++) {
            if ((unsigned long long)queue_class(k) << 30 > w->o->memory && k > 0)
                break;
            if (w->streams == STREAMS_MAX)
                return err_set(e, "too many models for one worker: name them with -m");
            if (asprintf(&w->stream[w->streams], "%sjobs:%s:%d", link_prefix(w->link),
                         s->at[i].hash, queue_class(k)) < 0)
                return err_set(e, "out of memory");
            w->streams++;
        }
    return w->streams ? 0 : err_set(e, "there is no model to work with");
}

/* Groups begin at the stream's beginning: what waited before the first worker came is theirs. */
static enum link_result make_groups(struct queue_worker *w, struct err *e)
{
    for (int i = 0; i < w->streams; i++) {
        struct args a = {0};
        struct reply *r;
        args_text(&a, "XGROUP");
        args_text(&a, "CREATE");
        args_text(&a, w->stream[i]);
        args_text(&a, QUEUE_GROUP);
        args_text(&a, "0");
        args_text(&a, "MKSTREAM");
        enum link_result rc = link_call(w->link, &a, 0, &r, e);
        reply_free(r);
        if (rc != LINK_OK && !(rc == LINK_REFUSED && strstr(e->text, "BUSYGROUP")))
            return rc;
    }
    return LINK_OK;
}

/* All streams as keys, beginning with another one each time, so that none is always last. */
static void put_streams(struct queue_worker *w, struct args *a)
{
    for (int i = 0; i < w->streams; i++)
        args_text(a, w->stream[(w->next_stream + i) % w->streams]);
}

void worker_beat(struct queue_worker *w, const char *job)
{
    struct jsonw j = {0};
    struct args a = {0};
    struct reply *r;
    struct err e;
    char *set = NULL, *key = NULL;
    if (clock_ms() < w->beat_at)
        return;
    w->beat_at = clock_ms() + BEAT_MS;
    jsonw_open(&j, NULL, '{');
    jsonw_string(&j, "version", SPRITTY_VERSION);
    jsonw_string(&j, "device", w->o->device);
    jsonw_u64(&j, "memory", w->o->memory);
    jsonw_string(&j, "job", job);
    jsonw_u64(&j, "done", (uint64_t)w->count->done);
    jsonw_u64(&j, "failed", (uint64_t)w->count->failed);
    jsonw_open(&j, "models", '[');
    for (int i = 0; i < w->o->stock->n; i++)
        jsonw_string(&j, NULL, w->o->stock->at[i].hash);
    jsonw_close(&j, ']');
    jsonw_close(&j, '}');
    char *text = jsonw_take(&j);
    if (text && asprintf(&set, "%sworkers", link_prefix(w->link)) > 0 &&
        asprintf(&key, "%sworker:%s", link_prefix(w->link), w->name) > 0) {
        args_text(&a, set);
        args_text(&a, key);
        args_text(&a, link_prefix(w->link));
        args_text(&a, w->name);
        args_text(&a, text);
        args_number(&a, BEAT_SECONDS);
        link_script(w->link, SCRIPT_BEAT, 2, &a, &r, &e); /* for information only */
        reply_free(r);
    }
    free(set);
    free(key);
    free(text);
}

/* ---- taking ---- */

static void drop(struct taken *t)
{
    reply_free(t->about);
    reply_free(t->read);
    *t = (struct taken){0};
}

static enum link_result call_taking(struct queue_worker *w, enum script s, int keys,
                                    const struct args *a, struct taken *taken, struct err *e)
{
    struct reply *r;
    enum link_result rc = link_script(w->link, s, keys, a, &r, e);
    if (rc == LINK_OK && reply_count(r) == 6)
        *taken = (struct taken){.about = r, .fields = reply_at(r, 3)};
    else
        reply_free(r);
    return rc;
}

/* NEXT or CLAIM. */
static enum link_result ask(struct queue_worker *w, enum script s, struct taken *taken,
                            struct err *e)
{
    struct args a = {0};
    put_streams(w, &a);
    args_text(&a, link_prefix(w->link));
    args_text(&a, w->name);
    args_number(&a, QUEUE_TRIES);
    args_number(&a, w->lease_ms);
    return call_taking(w, s, w->streams, &a, taken, e);
}

/* A message that was read. */
static enum link_result take(struct queue_worker *w, const char *stream, const struct reply *msg,
                             struct taken *taken, struct err *e)
{
    struct args a = {0};
    args_text(&a, stream);
    args_text(&a, link_prefix(w->link));
    args_text(&a, w->name);
    args_number(&a, QUEUE_TRIES);
    args_text(&a, reply_text(reply_at(msg, 0), NULL));
    enum link_result rc = call_taking(w, SCRIPT_TAKE, 1, &a, taken, e);
    taken->fields = reply_at(msg, 1);
    return rc;
}

static void release(struct queue_worker *w, const char *stream, const char *msg, const char *id)
{
    struct args a = {0};
    struct reply *r;
    struct err e;
    char *job = NULL;
    if (asprintf(&job, "%sjob:%s", link_prefix(w->link), id) < 0)
        return;
    args_text(&a, stream);
    args_text(&a, job);
    args_text(&a, link_prefix(w->link));
    args_text(&a, w->name);
    args_text(&a, msg);
    link_script(w->link, SCRIPT_RELEASE, 2, &a, &r, &e);
    reply_free(r);
    free(job);
}

static void id_of(const struct reply *fields, char out[QUEUE_ID_MAX + 1])
{
    struct fields f;
    if (fields_of(&f, fields, NULL) || fields_text(&f, "id", out, QUEUE_ID_MAX + 1))
        *out = '\0';
}

/* The first is ours and the others go back: they may be another's at once. */
static enum link_result take_first(struct queue_worker *w, struct reply *read, struct taken *taken,
                                   struct err *e)
{
    char id[QUEUE_ID_MAX + 1];
    enum link_result rc = LINK_OK;
    for (int i = 0; rc == LINK_OK && i < reply_count(read); i++) {
        const struct reply *of = reply_at(read, i), *first = reply_at(reply_at(of, 1), 0);
        const char *stream = reply_text(reply_at(of, 0), NULL);
        if (!taken->about) {
            rc = take(w, stream, first, taken, e);
        } else {
            id_of(reply_at(first, 1), id);
            release(w, stream, reply_text(reply_at(first, 0), NULL), id);
        }
    }
    taken->read = read;
    return rc;
}

/* Sleeps on all streams. What comes, comes once: taking it brings no more than what is known of the
 * job beside its message, which may be large. */
static enum link_result wait_for_one(struct queue_worker *w, struct taken *taken, struct err *e)
{
    static const char *const words[] = {"XREADGROUP", "GROUP", QUEUE_GROUP};
    struct args a = {0};
    struct reply *r;
    int block = w->lease_ms / 4 < BLOCK_MS ? w->lease_ms / 4 : BLOCK_MS;
    for (int i = 0; i < 3; i++)
        args_text(&a, words[i]);
    args_text(&a, w->name);
    args_text(&a, "COUNT");
    args_number(&a, 1);
    args_text(&a, "BLOCK");
    args_number(&a, block);
    args_text(&a, "STREAMS");
    put_streams(w, &a);
    for (int i = 0; i < w->streams; i++)
        args_text(&a, ">");
    enum link_result rc = link_call(w->link, &a, block, &r, e);
    return rc == LINK_OK ? take_first(w, r, taken, e) : rc;
}

static enum link_result take_one(struct queue_worker *w, struct taken *taken, struct err *e)
{
    enum link_result rc = LINK_OK;
    w->asked_at = clock_ms();
    if (clock_ms() >= w->claim_at) {
        w->claim_at = clock_ms() + w->lease_ms / 3.0;
        rc = ask(w, SCRIPT_CLAIM, taken, e);
        if (taken->about)
            worker_say(w, "takes over a job whose worker is gone");
    }
    if (rc == LINK_OK && !taken->about)
        rc = ask(w, SCRIPT_NEXT, taken, e);
    if (rc == LINK_OK && !taken->about)
        rc = wait_for_one(w, taken, e);
    w->asked_at = 0;
    w->next_stream = (w->next_stream + 1) % w->streams;
    return rc;
}

/* ---- the loop ---- */

static bool has_enough(const struct queue_worker *w)
{
    const struct worker_count *c = w->count;
    return (w->o->max_jobs && c->done + c->failed + c->buried >= w->o->max_jobs) ||
           (w->o->max_idle_ms && clock_ms() - w->idle_since > w->o->max_idle_ms);
}

/* One turn: connected, in the groups, perhaps a job. -1: the end. */
static int turn(struct queue_worker *w, struct err *e)
{
    struct taken taken = {0};
    enum link_result rc = link_open(w->link, NULL, e);
    if (rc == LINK_OK && w->generation != link_generation(w->link)) {
        rc = make_groups(w, e);
        if (rc == LINK_OK)
            w->generation = link_generation(w->link);
    }
    if (rc == LINK_OK) {
        worker_beat(w, NULL);
        rc = take_one(w, &taken, e);
    }
    worker_tell_link(w, rc, e);
    int result = 0;
    if (taken.about) {
        result = worker_job(w, &taken, e);
        w->idle_since = clock_ms();
    } else if (rc == LINK_REFUSED && strstr(e->text, "NOGROUP")) {
        w->generation = -1; /* the server lost its streams: make them again */
    } else if (rc == LINK_REFUSED) {
        result = -1;
    } else if (rc != LINK_OK) {
        worker_pause(w, link_pause(w->link) + 1);
    }
    drop(&taken);
    return result;
}

/* As the one who sends: a server that answers late is waited for, one that never does is told. */
static int say_hello(struct queue_worker *w, struct err *e)
{
    bool denied = false;
    enum link_result rc;
    while ((rc = link_open(w->link, &denied, e)) == LINK_DOWN && !denied && !worker_stops(w, 1)) {
        int tries = link_unanswered(w->link);
        if (tries >= QUEUE_HELLO_TRIES)
            return err_prefix(e, "no server answers, in %d attempts", tries);
        worker_tell_link(w, rc, e);
        worker_pause(w, link_pause(w->link) + 1);
    }
    worker_tell_link(w, rc, e);
    if (rc == LINK_OK)
        return 0;
    return denied ? err_prefix(e, "the server does not let this worker in") : -1;
}

static int start(struct queue_worker *w, struct err *e)
{
    struct engine_options engine = {.threads = w->o->threads};
    if (!(w->link = link_new(&w->o->url, TIMEOUT_MS)))
        return err_set(e, "out of memory");
    link_meanwhile(w->link, worker_renew_ms(w), worker_hold, w);
    if (say_hello(w, e))
        return -1;
    if (list_streams(w, e) || scratch_open(&w->scratch, e))
        return -1;
    engine.store = w->scratch.store;
    engine.folder = w->scratch.folder;
    if (!(w->store = store_open(w->scratch.store, e)) || !(w->engine = engine_start(&engine, e)))
        return -1;
    w->place = (struct workplace){.stock = w->o->stock,
                                  .device = w->o->device,
                                  .threads = w->o->threads,
                                  .folder = w->scratch.folder};
    return 0;
}

static void end(struct queue_worker *w)
{
    engine_stop(w->engine);
    store_close(w->store);
    scratch_close(&w->scratch);
    for (int i = 0; i < w->streams; i++)
        free(w->stream[i]);
    link_free(w->link);
    link_free(w->side);
}

int queue_work(const struct worker_options *o, struct worker_count *count, struct err *e)
{
    struct queue_worker *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(e, "out of memory");
    w->o = o;
    w->count = count;
    w->lease_ms = o->lease_ms ? o->lease_ms : QUEUE_LEASE_MS;
    w->generation = -1;
    w->scratch.lock = -1;
    name_worker(w);
    int rc = start(w, e);
    if (!rc)
        worker_say(w, "%s takes jobs from %s", w->name, o->url.show);
    w->idle_since = clock_ms();
    while (!rc && !worker_stops(w, 1) && !has_enough(w))
        rc = turn(w, e);
    end(w);
    free(w);
    return rc;
}
