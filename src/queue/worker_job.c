/*
 * One job: its message read, made, delivered.
 *
 * The turn (`attend`) waits for the engine, tells the client what it says, and renews the lease.
 * What ends it is the engine's last event of the job; whether the result counts is the server's to
 * say.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fileio.h"
#include "base/jsonw.h"
#include "queue/worker_priv.h"

enum { TELL_MS = 100, PREVIEW_MS = 300, FAILURES_MAX = 3 };

/* LEFT: this machine could not, another may; the message stays under way until its lease is over.
 */
enum verdict { RUNNING, DONE, FAILED, CANCELLED, LOST, GIVEN_BACK, LEFT };

struct one {
    struct queue_worker *w;
    const char *stream, *msg, *id; /* of what was taken */
    char events[160];              /* where the client listens */
    char job[160], result[160];    /* keys */
    struct queue_message m;
    int64_t row;
    long long tries; /* this one included */
    enum verdict verdict;
    bool began;
    double renewed_at, told_at, staged_at, preview_at;
    struct queue_result out;
    struct event *done; /* the engine's last word */
    char why[512];
};

/* ---- scripts about this job ---- */

static void begin_args(const struct one *o, struct args *a, bool result)
{
    args_text(a, o->stream);
    args_text(a, o->job);
    if (result)
        args_text(a, o->result);
    args_text(a, link_prefix(o->w->link));
    args_text(a, o->w->name);
    args_text(a, o->msg);
}

/* Ours still? Tells what the client wants, too. */
static void renew(struct one *o)
{
    struct args a = {0};
    struct reply *r;
    struct err e;
    begin_args(o, &a, false);
    o->renewed_at = clock_ms();
    enum link_result rc = link_script(o->w->link, SCRIPT_TOUCH, 2, &a, &r, &e);
    worker_tell_link(o->w, rc, &e);
    if (rc == LINK_OK && reply_number(reply_at(r, 0)) == 0)
        o->verdict = LOST;
    else if (rc == LINK_OK && reply_number(reply_at(r, 1)))
        o->verdict = CANCELLED;
    if (rc == LINK_OK && *reply_text(reply_at(r, 2), NULL))
        snprintf(o->events, sizeof o->events, "%.150s", reply_text(reply_at(r, 2), NULL));
    reply_free(r);
}

/* Until the server has answered, or we are to end at once. "stored", "lost", or "". */
static void insist(struct one *o, enum script s, int keys, const struct args *a, char answer[16],
                   struct err *e)
{
    bool told = false;
    *answer = '\0';
    while (!worker_stops(o->w, 2)) {
        struct reply *r;
        enum link_result rc = link_script(o->w->link, s, keys, a, &r, e);
        snprintf(answer, 16, "%.15s", reply_text(r, NULL));
        reply_free(r);
        worker_tell_link(o->w, rc, e);
        if (rc == LINK_OK || rc == LINK_REFUSED)
            return;
        if (rc == LINK_FULL && !told) {
            worker_say(o->w, "%s; the result waits here", e->text);
            told = true;
        }
        int ms = rc == LINK_FULL ? 500 : link_pause(o->w->link);
        poll(NULL, 0, ms < 20 ? 20 : ms > 500 ? 500 : ms);
        if (rc == LINK_FULL && clock_ms() - o->renewed_at > worker_renew_ms(o->w))
            renew(o);
    }
}

static void fail(struct one *o, const char *state, const char *text, bool bury)
{
    struct args a = {0};
    struct err e = {""};
    char answer[16];
    begin_args(o, &a, false);
    args_text(&a, o->id);
    args_text(&a, state);
    args_text(&a, text);
    args_text(&a, bury ? "1" : "0");
    insist(o, SCRIPT_FAIL, 2, &a, answer, &e);
    struct worker_count *c = o->w->count;
    if (strcmp(answer, "stored") != 0)
        c->lost++;
    else if (bury)
        c->buried++;
    else if (!strcmp(state, "failed"))
        c->failed++;
    else
        c->cancelled++;
}

static void give_back(struct one *o)
{
    struct args a = {0};
    struct reply *r;
    struct err e;
    begin_args(o, &a, false);
    link_script(o->w->link, SCRIPT_RELEASE, 2, &a, &r, &e);
    reply_free(r);
}

/* ---- what the engine says ---- */

/* To the client's stream; one that cannot be told now is not told. */
static void tell(struct one *o, const struct event *v)
{
    struct args a = {0};
    struct err e;
    static const char *const head[] = {"MAXLEN", "~"};
    if (!*o->events || link_pause(o->w->link) > 0)
        return;
    args_text(&a, "XADD");
    args_text(&a, o->events);
    args_text(&a, head[0]);
    args_text(&a, head[1]);
    args_number(&a, QUEUE_EVENTS_KEPT);
    args_text(&a, "*");
    args_text(&a, "v");
    args_number(&a, QUEUE_PROTOCOL);
    args_text(&a, "id");
    args_text(&a, o->id);
    if (event_write(v, &a))
        return;
    o->told_at = clock_ms();
    enum link_result rc = link_post(o->w->link, &a, &e);
    worker_tell_link(o->w, rc, &e);
}

static bool is_worth_telling(struct one *o, const struct event *v)
{
    double now = clock_ms();
    switch (v->kind) {
    case EVENT_STARTED:
    case EVENT_LOADING:
    case EVENT_READY:
        return true;
    case EVENT_STAGE: /* which comes right behind the last step of the one before */
        if (now - o->staged_at < TELL_MS)
            return false;
        o->staged_at = now;
        return true;
    case EVENT_STEP:
        return now - o->told_at >= TELL_MS;
    case EVENT_PREVIEW:
        if (now - o->preview_at < PREVIEW_MS || !v->image ||
            (size_t)v->image->width * (size_t)v->image->height * 4 > QUEUE_PREVIEW_MAX)
            return false;
        o->preview_at = now;
        return true;
    default:
        return false;
    }
}

static void take_sprite(struct one *o, const struct event *v)
{
    struct err e = {""};
    if (o->out.pictures == QUEUE_PICTURES || v->index != o->out.pictures)
        return;
    struct queue_file *f = &o->out.picture[o->out.pictures];
    f->data = file_read(v->text ? v->text : "", QUEUE_PICTURE_MAX, &f->size, &e);
    if (f->data)
        o->out.pictures++;
    else
        snprintf(o->why, sizeof o->why, "%s", e.text);
    if (v->text)
        unlink(v->text);
}

/* No memory for it at the moment, or a broken device: another machine's try, or a later one. */
static enum verdict failure(const struct one *o, const struct event *v)
{
    return v->kind_of_failure != ERR_PLAIN && o->tries < QUEUE_TRIES ? LEFT : FAILED;
}

/* False: it was the last of the job. The event goes. */
static bool hear(struct one *o, struct event *v)
{
    if (v->job != o->row) {
        event_free(v);
        return true;
    }
    if (v->kind == EVENT_SPRITE)
        take_sprite(o, v);
    o->began |= v->kind == EVENT_STARTED;
    if (v->kind == EVENT_PREVIEW && v->image)
        v->width = v->image->width, v->height = v->image->height;
    if (v->kind < EVENT_DONE) {
        if (is_worth_telling(o, v))
            tell(o, v);
        event_free(v);
        return true;
    }
    if (v->kind == EVENT_FAILED)
        snprintf(o->why, sizeof o->why, "%s", v->text ? v->text : "out of memory");
    if (o->verdict == RUNNING)
        o->verdict = v->kind == EVENT_DONE     ? DONE
                     : v->kind == EVENT_FAILED ? failure(o, v)
                                               : CANCELLED;
    o->done = v;
    return false;
}

static void attend(struct one *o)
{
    struct pollfd p = {.fd = engine_fd(o->w->engine), .events = POLLIN};
    int every = worker_renew_ms(o->w);
    bool told = false;
    for (;;) {
        struct event *v;
        poll(&p, 1, every / 2);
        while ((v = engine_next(o->w->engine)))
            if (!hear(o, v))
                return;
        if (o->verdict == RUNNING && worker_stops(o->w, 2))
            o->verdict = GIVEN_BACK;
        if (o->verdict == RUNNING && clock_ms() - o->renewed_at >= every)
            renew(o);
        if (o->verdict != RUNNING && !told) {
            engine_cancel(o->w->engine, o->row);
            told = true;
        }
        worker_beat(o->w, o->id);
    }
}

/* ---- the result ---- */

static void put_times(struct jsonw *j, const struct event *v)
{
    jsonw_open(j, "ms", '{');
    jsonw_real(j, "load", v->times.load, 3);
    jsonw_real(j, "text", v->times.text, 3);
    jsonw_real(j, "sample", v->times.sample, 3);
    jsonw_real(j, "decode", v->times.decode, 3);
    jsonw_real(j, "finish", v->times.finish, 3);
    jsonw_real(j, "save", v->times.save, 3);
    jsonw_real(j, "total", v->times.total, 3);
    jsonw_open(j, "steps", '[');
    for (int i = 0; v->step_ms && i < v->steps; i++)
        jsonw_real(j, NULL, v->step_ms[i], 3);
    jsonw_close(j, ']');
    jsonw_close(j, '}');
    jsonw_u64(j, "peak", v->bytes_peak);
    jsonw_u64(j, "weights", v->bytes_weights);
    jsonw_u64(j, "activations", v->bytes_activations);
}

static void put_picture(struct jsonw *j, const struct store_sprite *s)
{
    jsonw_open(j, NULL, '{');
    jsonw_string(j, "prompt", s->prompt);
    jsonw_string(j, "negative", s->negative);
    jsonw_u64(j, "colors", s->colors > 0 ? (uint64_t)s->colors : 0);
    jsonw_close(j, '}');
}

/* What the client's database wants to know; NULL and err on failure. */
static char *about(struct one *o, struct err *e)
{
    struct store_sprite *list = NULL;
    struct jsonw j = {0};
    const struct event *v = o->done;
    char seed[24];
    int n = store_job_sprites(o->w->store, o->row, &list, e);
    if (n < 0)
        return NULL;
    jsonw_open(&j, NULL, '{');
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)v->seed);
    jsonw_string(&j, "seed", seed); /* 64 bits are more than a number of JSON's holds */
    jsonw_u64(&j, "steps", (uint64_t)v->steps);
    jsonw_u64(&j, "width", (uint64_t)v->width);
    jsonw_u64(&j, "height", (uint64_t)v->height);
    put_times(&j, v);
    jsonw_string(&j, "notes", v->text);
    if (n > 0) {
        jsonw_real(&j, "cfg", list[0].cfg, 6);
        jsonw_string(&j, "sampler", list[0].sampler);
        jsonw_string(&j, "scheduler", list[0].scheduler);
    }
    jsonw_open(&j, "pictures", '[');
    for (int i = 0; i < o->out.pictures; i++)
        for (int k = 0; k < n; k++)
            if (list[k].index == i)
                put_picture(&j, &list[k]);
    jsonw_close(&j, ']');
    jsonw_close(&j, '}');
    store_sprites_free(list, n);
    char *text = jsonw_take(&j);
    if (!text)
        err_set(e, "out of memory");
    return text;
}

static void deliver(struct one *o)
{
    struct err e = {""};
    struct args *a = calloc(1, sizeof *a);
    char sha[QUEUE_PICTURES][65], answer[16] = "", *text = a ? about(o, &e) : NULL;
    int rc = text ? 0 : -1;
    if (!rc) {
        snprintf(o->out.worker, sizeof o->out.worker, "%s", o->w->name);
        o->out.about = text;
        o->out.about_size = strlen(text);
        begin_args(o, a, true);
        args_text(a, o->id);
        rc = *o->why ? err_set(&e, "%s", o->why) : result_write(&o->out, sha, a, &e);
    }
    if (rc) {
        fail(o, "failed", *e.text ? e.text : "out of memory", false);
    } else {
        struct renewer *r = renewer_start(o->w, o->stream, o->job, o->msg);
        insist(o, SCRIPT_DELIVER, 3, a, answer, &e);
        renewer_end(r);
        if (!strcmp(answer, "stored"))
            o->w->count->done++;
        else
            o->verdict = LOST;
        if (!*answer)
            worker_say(o->w, "a result was not taken: %s", e.text);
    }
    free(text);
    free(a);
}

/* ---- all of it ---- */

static int read_message(struct one *o, const struct reply *fields, struct err *e)
{
    struct fields f;
    char want[100];
    if (fields_of(&f, fields, e) || message_read(&o->m, &f, e))
        return -1;
    snprintf(want, sizeof want, ":jobs:%s:", o->m.model);
    if (!strstr(o->stream, want + 1))
        return err_set(e, "it lies in another model's stream");
    return *o->events ? 0 : err_set(e, "no one waits for it: it expired, or its sender gave it up");
}

static int begin(struct one *o, struct err *e)
{
    struct command *c = NULL;
    struct store_job row = {.words = "", .settings = "", .label = ""};
    if (job_unpack(&o->m, &o->w->place, &c, e))
        return -1;
    if (store_add_job(o->w->store, &row, e)) {
        command_free(c);
        return -1;
    }
    o->row = c->job = row.id;
    if (engine_send(o->w->engine, c))
        return 0;
    command_free(c);
    return err_set(e, "the engine takes no job");
}

static int judge(struct one *o, struct err *e)
{
    struct queue_worker *w = o->w;
    if (o->verdict == DONE) {
        w->failures = 0;
        deliver(o);
    } else if (o->verdict == FAILED) {
        fail(o, "failed", o->why, false);
        w->failures += o->began;
        worker_say(w, "a job failed: %s", o->why);
    } else if (o->verdict == LEFT) {
        w->failures += o->done->kind_of_failure == ERR_DEVICE;
        worker_say(w, "a job is left to another worker, after its lease: %s", o->why);
    } else if (o->verdict == CANCELLED) {
        fail(o, "cancelled", "", false);
    } else if (o->verdict == GIVEN_BACK) {
        give_back(o);
    }
    if (o->verdict == LOST) {
        w->count->lost++;
        worker_say(w, "a job went to another worker while this one was cut off or slow");
    }
    return w->failures < FAILURES_MAX
               ? 0
               : err_set(e, "%d jobs in a row failed on this machine, the last with: %s",
                         FAILURES_MAX, o->why);
}

/* -1: the worker is to end. */
static int make(struct one *o, const struct reply *fields, struct err *e)
{
    bool is_one = read_message(o, fields, e) == 0;
    if (is_one && !stock_find(o->w->o->stock, o->m.model)) {
        give_back(o);
        return err_set(e, "the model %.12s was replaced since this worker began: start it again",
                       o->m.model);
    }
    if (is_one && begin(o, e) == 0) {
        attend(o);
        return judge(o, e);
    }
    worker_say(o->w, "a message is given up: %s", e->text);
    fail(o, "failed", e->text, true);
    return 0;
}

int worker_job(struct queue_worker *w, const struct taken *taken, struct err *e)
{
    struct one *o = calloc(1, sizeof *o);
    if (!o)
        return err_set(e, "out of memory");
    o->w = w;
    o->stream = reply_text(reply_at(taken->about, 0), NULL);
    o->msg = reply_text(reply_at(taken->about, 1), NULL);
    o->id = reply_text(reply_at(taken->about, 2), NULL);
    o->tries = reply_number(reply_at(taken->about, 4));
    o->renewed_at = o->staged_at = clock_ms();
    snprintf(o->events, sizeof o->events, "%.150s", reply_text(reply_at(taken->about, 5), NULL));
    snprintf(o->job, sizeof o->job, "%sjob:%.100s", link_prefix(w->link), o->id);
    snprintf(o->result, sizeof o->result, "%sresult:%.100s", link_prefix(w->link), o->id);
    int rc = make(o, taken->fields, e);
    if (o->row)
        store_forget_job(w->store, o->row, NULL); /* else they would fill the memory they lie in */
    job_unpack_clean(&o->m, &w->place);
    for (int i = 0; i < o->out.pictures; i++)
        free((void *)(uintptr_t)o->out.picture[i].data);
    event_free(o->done);
    free(o);
    return rc;
}
