/* Jobs on their way to the queue, and what is heard of them; see remote_priv.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "queue/remote_priv.h"

enum { AGAIN_MS = 500, MEMORY_MS = 1000, ATTEMPTS = 3, QUIET_SYNCS = 2 };

/* ---- flights ---- */

void remote_free_flight(struct remote *r, struct flight *f)
{
    packed_free(&f->packed);
    command_free(f->command);
    *f = (struct flight){0};
    r->flights--;
}

static int need_store(struct remote *r, struct err *e)
{
    if (r->store_path && !r->store)
        r->store = store_open(r->store_path, e);
    return r->store || !r->store_path ? 0 : -1;
}

static int set_row(struct remote *r, int64_t job, enum job_state state, const char *why,
                   struct err *e)
{
    return r->store ? store_set_job_state(r->store, job, state, why, e) : 0;
}

static void tell_end(struct remote *r, int64_t job, const char *why, enum err_kind kind,
                     struct command *again)
{
    struct event *v = remote_event(why ? EVENT_FAILED : EVENT_CANCELLED, job);
    if (v && why && (v->text = strdup(why)))
        text_sanitize(v->text);
    if (v) {
        v->kind_of_failure = kind;
        v->again = again;
    } else {
        command_free(again);
    }
    remote_emit(r, v);
}

void remote_fail(struct remote *r, struct flight *f, const char *why)
{
    struct err e;
    int64_t job = f->command->job;
    set_row(r, job, why ? JOB_FAILED : JOB_CANCELLED, why, &e);
    remote_free_flight(r, f);
    tell_end(r, job, why, ERR_PLAIN, NULL);
}

void remote_refused(struct remote *r, struct flight *f, const char *why)
{
    struct err e;
    struct command *c = f->command;
    int64_t job = c->job;
    set_row(r, job, r->gives_back ? JOB_QUEUED : JOB_FAILED, r->gives_back ? NULL : why, &e);
    if (r->gives_back)
        f->command = NULL;
    else
        c = NULL;
    remote_free_flight(r, f);
    tell_end(r, job, why, ERR_DEVICE, c);
}

void remote_waits(struct remote *r, struct flight *f, const char *why)
{
    struct event *v = f->told ? NULL : remote_event(EVENT_STAGE, f->command->job);
    f->told = true;
    if (v) {
        strcpy(v->stage, "queue");
        v->text = why ? strdup(why) : NULL;
    }
    remote_emit(r, v);
}

static struct flight *find(struct remote *r, const char *id)
{
    for (int i = 0; i < REMOTE_JOBS; i++)
        if (r->flight[i].state != FLIGHT_FREE && !strcmp(r->flight[i].id, id))
            return &r->flight[i];
    return NULL;
}

/* Only RUN means something: models are opened where the jobs are made. */
void remote_take(struct remote *r, struct command *c)
{
    struct err e = {""};
    int i = 0;
    if (c->kind != COMMAND_RUN) {
        command_free(c);
        return;
    }
    if (r->flights == 0)
        link_hurry(r->talk);
    while (r->flight[i].state != FLIGHT_FREE)
        i++;
    struct flight *f = &r->flight[i];
    *f = (struct flight){.state = FLIGHT_NEW, .command = c};
    r->flights++;
    int rc = need_store(r, &e) || set_row(r, c->job, JOB_RUNNING, NULL, &e);
    if (!rc && c->profile)
        rc = err_set(&e, "jobs in a queue are not profiled; choose a device of this machine");
    if (!rc)
        rc = job_pack(&r->packer, c, &f->packed, &e);
    if (rc) {
        remote_fail(r, f, e.text);
        return;
    }
    f->has_files = true;
    memcpy(f->id, f->packed.message.id, sizeof f->id);
    struct flight *twin = NULL;
    for (int k = 0; k < REMOTE_JOBS && !twin; k++)
        if (k != i && r->flight[k].state != FLIGHT_FREE && !strcmp(r->flight[k].id, f->id))
            twin = &r->flight[k];
    if (twin)
        remote_fail(r, f, "the same job is under way already");
}

/* ---- sending ---- */

static long long info_number(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? atoll(at + strlen(name)) : 0;
}

/* A fifth of the server's memory is left to results: a server that is full of jobs could not take
 * what comes of them. */
static void look_at_memory(struct remote *r)
{
    struct args a = {0};
    struct reply *reply;
    struct err e;
    if (clock_ms() < r->memory_at)
        return;
    r->memory_at = clock_ms() + MEMORY_MS;
    args_text(&a, "INFO");
    args_text(&a, "memory");
    if (link_call(r->talk, &a, 0, &reply, &e) == LINK_OK) {
        const char *text = reply_text(reply, NULL);
        long long used = info_number(text, "\nused_memory:"),
                  max = info_number(text, "\nmaxmemory:");
        r->is_full = max > 0 && used > max / 5 * 4;
    }
    reply_free(reply);
}

static enum link_result submit(struct remote *r, struct flight *f, struct reply **reply,
                               struct err *e)
{
    struct args a = {0};
    char sha[QUEUE_INPUTS][65], stream[200], job[160];
    snprintf(stream, sizeof stream, "%sjobs:%s:%d", link_prefix(r->talk), f->packed.message.model,
             f->packed.class);
    snprintf(job, sizeof job, "%sjob:%s", link_prefix(r->talk), f->id);
    args_text(&a, stream);
    args_text(&a, job);
    args_text(&a, link_prefix(r->talk));
    args_text(&a, f->id);
    args_text(&a, r->events_key);
    args_number(&a, QUEUE_ROOM);
    if (message_write(&f->packed.message, sha, &a, e))
        return LINK_REFUSED;
    return link_script(r->talk, SCRIPT_SUBMIT, 2, &a, reply, e);
}

/* Its files are not kept: where it has to be sent again they are read again. */
static void drop_files(struct flight *f)
{
    for (int i = 0; i < QUEUE_INPUTS; i++) {
        free(f->packed.data[i]);
        f->packed.data[i] = NULL;
    }
    f->has_files = f->packed.message.files == 0;
}

static int need_files(struct remote *r, struct flight *f, struct err *e)
{
    if (f->has_files)
        return 0;
    packed_free(&f->packed);
    f->has_files = job_pack(&r->packer, f->command, &f->packed, e) == 0;
    memcpy(f->packed.message.id, f->id, sizeof f->id); /* it is this job, whatever its files are */
    return f->has_files ? 0 : -1;
}

static void wait_a_while(struct remote *r, struct flight *f, const char *why)
{
    f->again_at = clock_ms() + AGAIN_MS;
    remote_waits(r, f, why);
}

/* False: the server is away or full, so that the others need not be tried now. */
static bool push_one(struct remote *r, struct flight *f)
{
    struct err e = {""};
    struct reply *reply = NULL;
    char why[200];
    if (need_files(r, f, &e)) {
        remote_fail(r, f, e.text);
        return true;
    }
    look_at_memory(r);
    enum link_result rc = r->is_full ? LINK_FULL : submit(r, f, &reply, &e);
    const struct reply *word = reply_at(reply, 0);
    bool go_on = true;
    if (rc == LINK_OK && reply_is(word, "full")) {
        snprintf(why, sizeof why, "%.80s has %lld jobs waiting: this one waits here", r->url.show,
                 reply_number(reply_at(reply, 1)));
        wait_a_while(r, f, why);
        go_on = false;
    } else if (rc == LINK_OK) {
        bool done = reply_is(word, "known") && reply_is(reply_at(reply, 1), "done");
        f->state = done ? FLIGHT_READY : FLIGHT_WAITING;
        f->again_at = 0;
        f->sent_at = clock_ms();
        f->heard = false;
        drop_files(f);
        f->told = false;
        remote_waits(r, f, NULL);
    } else if (rc == LINK_REFUSED) {
        remote_fail(r, f, e.text);
    } else {
        if (r->is_full)
            err_set(&e, "%s: four fifths of the server's memory are in use: the job waits here",
                    r->url.show);
        wait_a_while(r, f, e.text);
        go_on = false;
    }
    reply_free(reply);
    return go_on;
}

/* In the order in which they came; a place that is free again may break it by little. */
void remote_push(struct remote *r)
{
    if (link_pause(r->talk) > 0)
        return;
    for (int i = 0; i < REMOTE_JOBS; i++) {
        struct flight *f = &r->flight[i];
        if (f->state == FLIGHT_NEW && clock_ms() >= f->again_at && !push_one(r, f))
            return;
    }
}

/* ---- results ---- */

static void acknowledge(struct remote *r, const char *id)
{
    struct args a = {0};
    struct err e;
    char job[160], result[160];
    snprintf(job, sizeof job, "%sjob:%s", link_prefix(r->talk), id);
    snprintf(result, sizeof result, "%sresult:%s", link_prefix(r->talk), id);
    args_text(&a, "DEL");
    args_text(&a, result);
    args_text(&a, job);
    link_post(r->talk, &a, &e); /* where it is not heard, time takes them away */
}

static enum link_result get(struct remote *r, const char *id, struct reply **reply, struct err *e)
{
    struct args a = {0};
    char result[160];
    snprintf(result, sizeof result, "%sresult:%s", link_prefix(r->talk), id);
    args_text(&a, "HGETALL");
    args_text(&a, result);
    return link_call(r->talk, &a, 0, reply, e);
}

/* Makes it anew, a few times. */
static void send_again(struct remote *r, struct flight *f, const char *why)
{
    acknowledge(r, f->id);
    if (++f->attempts >= ATTEMPTS) {
        remote_fail(r, f, why);
        return;
    }
    f->state = FLIGHT_NEW;
    f->again_at = 0;
    f->told = false;
    remote_waits(r, f, why);
}

/* Written down where jobs are that were given up, and thrown away, so that it is not fetched once
 * more; the job is made anew. */
static void refuse(struct remote *r, struct flight *f, const char *worker, const char *why)
{
    static const char *const limit[] = {"MAXLEN", "~"};
    struct args a = {0};
    struct err e, reason;
    char dead[60];
    snprintf(dead, sizeof dead, "%sdead", link_prefix(r->talk));
    err_set(&reason, "the result that %s sent is refused: %s", *worker ? worker : "a worker", why);
    args_text(&a, "XADD");
    args_text(&a, dead);
    args_text(&a, limit[0]);
    args_text(&a, limit[1]);
    args_number(&a, QUEUE_DEAD_KEPT);
    const char *const word[] = {"*", "reason", reason.text, "id", f->id, "worker", worker};
    for (size_t i = 0; i < sizeof word / sizeof *word; i++)
        args_text(&a, word[i]);
    link_post(r->talk, &a, &e);
    send_again(r, f, reason.text);
}

/* There is none: lost by the server, it took too long to fetch, or whoever said so was wrong. */
static void look_again(struct remote *r, struct flight *f)
{
    struct args a = {0};
    struct reply *reply;
    struct err e;
    char job[160];
    snprintf(job, sizeof job, "%sjob:%s", link_prefix(r->talk), f->id);
    args_text(&a, job);
    args_text(&a, link_prefix(r->talk));
    enum link_result rc = link_script(r->talk, SCRIPT_STATES, 1, &a, &reply, &e);
    if (rc != LINK_OK)
        f->again_at = clock_ms() + AGAIN_MS;
    else if (reply_is(reply_at(reply, 0), "queued"))
        f->state = FLIGHT_WAITING;
    else
        send_again(r, f, "its result is gone from the queue");
    reply_free(reply);
}

static void fetch_one(struct remote *r, struct flight *f)
{
    static _Thread_local struct fields fields;
    static _Thread_local struct queue_result result;
    struct reply *reply = NULL;
    struct event *last = NULL;
    struct err e = {""};
    enum link_result rc = get(r, f->id, &reply, &e);
    enum saved saved = RESULT_REFUSED;
    result.worker[0] = '\0';
    if (rc == LINK_OK && fields_of(&fields, reply, &e) == 0 &&
        result_read(&result, &fields, &e) == 0)
        saved = remote_save(r, f, &result, &last, &e);
    bool wrong = rc == LINK_TOO_LARGE || (rc == LINK_REFUSED && strstr(e.text, "WRONGTYPE"));
    if (rc == LINK_DOWN || rc == LINK_FULL) {
        f->again_at = clock_ms() + AGAIN_MS;
    } else if (rc != LINK_OK && !wrong) {
        remote_fail(r, f, e.text);
    } else if (rc == LINK_OK && reply_count(reply) == 0) {
        look_again(r, f);
    } else if (saved == RESULT_REFUSED) {
        refuse(r, f, result.worker, e.text);
    } else if (saved == NOT_SAVED) {
        remote_fail(r, f, e.text);
    } else {
        acknowledge(r, f->id);
        remote_free_flight(r, f);
        remote_emit(r, last);
    }
    reply_free(reply);
}

void remote_fetch(struct remote *r)
{
    for (int i = 0; i < REMOTE_JOBS && link_pause(r->talk) == 0; i++) {
        struct flight *f = &r->flight[i];
        if (f->state == FLIGHT_READY && clock_ms() >= f->again_at)
            fetch_one(r, f);
    }
}

/* ---- hearing ---- */

void remote_hear(struct remote *r, const struct reply *list)
{
    static _Thread_local struct fields fields;
    char id[QUEUE_ID_MAX + 1] = "";
    bool result = false;
    struct err e;
    struct event *v = fields_of(&fields, list, &e) ? NULL : event_read(&fields, id, &result, &e);
    struct flight *f = v ? find(r, id) : NULL;
    if (!v && *id && (f = find(r, id))) /* a worker of another version */
        remote_fail(r, f, e.text);
    if (!v || !f || f->state == FLIGHT_NEW) {
        event_free(v);
        return;
    }
    v->job = f->command->job;
    f->heard = true;
    r->heard_at = clock_ms();
    r->told_lonely = false;
    if (result) {
        f->state = FLIGHT_READY;
        f->again_at = 0;
        event_free(v);
    } else if (v->kind == EVENT_FAILED || v->kind == EVENT_CANCELLED) {
        bool failed = v->kind == EVENT_FAILED;
        char *why = v->text;
        v->text = NULL;
        event_free(v);
        remote_fail(r, f, failed ? why ? why : "it failed" : NULL);
        free(why);
    } else {
        remote_emit(r, v);
    }
}

/* ---- cancelling ---- */

static void cancel_one(struct remote *r, struct flight *f)
{
    struct args a = {0};
    struct reply *reply;
    struct err e;
    char job[160];
    if (f->state != FLIGHT_NEW) {
        snprintf(job, sizeof job, "%sjob:%s", link_prefix(r->talk), f->id);
        args_text(&a, job);
        args_text(&a, link_prefix(r->talk));
        args_text(&a, f->id);
        link_script(r->talk, SCRIPT_CANCEL, 1, &a, &reply, &e);
        reply_free(reply);
    }
    remote_fail(r, f, NULL); /* whatever comes of it now, no one looks at it */
}

void remote_cancels(struct remote *r)
{
    for (int i = 0; i < CANCELS; i++) {
        int64_t job = atomic_load(&r->cancelled[i]);
        struct flight *f = NULL;
        for (int k = 0; k < REMOTE_JOBS && job && !f; k++)
            if (r->flight[k].state != FLIGHT_FREE && r->flight[k].command->job == job)
                f = &r->flight[k];
        if (!f)
            continue;
        atomic_compare_exchange_strong(&r->cancelled[i], &job, 0);
        cancel_one(r, f);
    }
}

/* ---- asking after jobs ---- */

static void know(struct remote *r, struct flight *f, const struct reply *state)
{
    bool ended = reply_is(state, "failed") || reply_is(state, "cancelled");
    if (f->state != FLIGHT_WAITING)
        return;
    if (ended && !f->doubt)
        f->doubt = true; /* the event that says why is on its way: until the next time */
    else if (reply_is(state, "done"))
        f->state = FLIGHT_READY;
    else if (reply_is(state, "failed"))
        remote_fail(r, f, "the queue says that it failed; why was not heard");
    else if (reply_is(state, "cancelled"))
        remote_fail(r, f, NULL);
    else if (!reply_is(state, "queued"))
        f->state = FLIGHT_NEW; /* the server lost it: a restart, a flush */
}

static void count_workers(struct remote *r)
{
    struct args a = {0};
    struct reply *reply;
    struct err e;
    char key[60];
    snprintf(key, sizeof key, "%sworkers", link_prefix(r->talk));
    args_text(&a, "ZCARD");
    args_text(&a, key);
    if (link_call(r->talk, &a, 0, &reply, &e) == LINK_OK)
        atomic_store(&r->workers, (int)reply_number(reply));
    reply_free(reply);
}

/* Says so where no worker has begun with any job for a while: that none has the model, or room for
 * it, looks like one that is busy. */
static void say_what_it_takes(struct remote *r)
{
    struct flight *first = NULL;
    char why[400];
    for (int i = 0; i < REMOTE_JOBS; i++) {
        struct flight *f = &r->flight[i];
        if (f->state != FLIGHT_WAITING)
            continue;
        if (f->heard)
            return;
        if (!first || f->sent_at < first->sent_at)
            first = f;
    }
    if (!first || r->told_lonely)
        return;
    double since = first->sent_at > r->heard_at ? first->sent_at : r->heard_at;
    if (clock_ms() - since < QUIET_SYNCS * r->sync_ms)
        return;
    snprintf(why, sizeof why,
             "no worker at %.100s has begun yet: it takes one that is free, has the model %.60s "
             "(%.12s) and %d GiB of memory for it",
             r->url.show, first->packed.model, first->packed.message.model, first->packed.class);
    r->told_lonely = true;
    first->told = false;
    remote_waits(r, first, why);
}

/* Events may be lost (a stream that was trimmed, a server that lost its last second), states are
 * not. */
void remote_sync(struct remote *r)
{
    static _Thread_local char key[REMOTE_JOBS][110];
    struct flight *of[REMOTE_JOBS];
    struct args a = {0};
    struct reply *reply;
    struct err e;
    int n = 0;
    count_workers(r);
    for (int i = 0; i < REMOTE_JOBS; i++)
        if (r->flight[i].state == FLIGHT_WAITING) {
            of[n] = &r->flight[i];
            snprintf(key[n], sizeof key[n], "%sjob:%s", link_prefix(r->talk), of[n]->id);
            args_text(&a, key[n++]);
        }
    args_text(&a, link_prefix(r->talk));
    if (n == 0 || link_script(r->talk, SCRIPT_STATES, n, &a, &reply, &e) != LINK_OK)
        return;
    for (int i = 0; i < n && reply_count(reply) == n; i++)
        know(r, of[i], reply_at(reply, i));
    reply_free(reply);
    say_what_it_takes(r);
}

/* ---- the end ---- */

void remote_land(struct remote *r)
{
    struct err e;
    for (int i = 0; i < REMOTE_JOBS; i++) {
        struct flight *f = &r->flight[i];
        if (f->state == FLIGHT_FREE)
            continue;
        int64_t job = f->command->job;
        set_row(r, job, JOB_QUEUED, NULL, &e);
        remote_free_flight(r, f);
        tell_end(r, job, NULL, ERR_PLAIN, NULL);
    }
}
