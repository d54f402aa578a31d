/* See link.h. */
#include "queue/link.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"

enum { PAUSE_MIN = 100, PAUSE_MAX = 10000, SHA_DIGITS = 40, OWED_MAX = 100 };

struct link {
    struct queue_url url;
    int timeout_ms;
    char prefix[40];
    struct wire *wire;
    int owed; /* replies that no one waits for */
    double retry_at;
    int failures, generation;
    bool answered; /* ever, whatever it was */
    void (*meanwhile)(void *user);
    void *meanwhile_user;
    int meanwhile_ms;
    char sha[SCRIPTS][SHA_DIGITS + 1];
    char why[300];
};

/* ---- parts of a command ---- */

void args_bytes(struct args *a, const void *data, size_t size)
{
    assert(a->n < ARGS_MAX);
    a->text[a->n] = data;
    a->size[a->n++] = size;
}

void args_text(struct args *a, const char *text)
{
    args_bytes(a, text, strlen(text));
}

static char *small(struct args *a)
{
    assert(a->smalls < ARGS_SMALL);
    return a->small[a->smalls++];
}

void args_number(struct args *a, long long x)
{
    char *to = small(a);
    snprintf(to, sizeof a->small[0], "%lld", x);
    args_text(a, to);
}

void args_unsigned(struct args *a, unsigned long long x)
{
    char *to = small(a);
    snprintf(to, sizeof a->small[0], "%llu", x);
    args_text(a, to);
}

void args_name(struct args *a, const char *fmt, int i)
{
    char *to = small(a);
    snprintf(to, sizeof a->small[0], fmt, i);
    args_text(a, to);
}

/* ---- connection ---- */

struct link *link_new(const struct queue_url *u, int timeout_ms)
{
    struct link *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->url = *u;
    l->timeout_ms = timeout_ms;
    snprintf(l->prefix, sizeof l->prefix, "{%s}:", u->name);
    return l;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    wire_close(l->wire);
    explicit_bzero(l->url.password, sizeof l->url.password);
    free(l);
}

const char *link_prefix(const struct link *l)
{
    return l->prefix;
}

int link_generation(const struct link *l)
{
    return l->generation;
}

int link_fd(const struct link *l)
{
    return l->wire ? wire_fd(l->wire) : -1;
}

int link_unanswered(const struct link *l)
{
    return l->answered ? 0 : l->failures;
}

void link_hurry(struct link *l)
{
    if (!l->answered) {
        l->failures = 0;
        l->retry_at = 0;
    }
}

void link_meanwhile(struct link *l, int every_ms, void (*meanwhile)(void *), void *user)
{
    l->meanwhile = meanwhile;
    l->meanwhile_user = user;
    l->meanwhile_ms = every_ms;
    if (l->wire)
        wire_meanwhile(l->wire, every_ms, meanwhile, user);
}

void link_close(struct link *l)
{
    wire_close(l->wire);
    l->wire = NULL;
    l->owed = 0;
}

/* From half of it to all. */
static double with_chance(double ms)
{
    unsigned r = 0;
    if (getrandom(&r, sizeof r, 0) != sizeof r)
        r = (unsigned)clock_ms();
    return ms * (0.5 + 0.5 * (double)(r % 1024) / 1024);
}

static enum link_result down(struct link *l, struct err *e)
{
    double pause = PAUSE_MIN;
    for (int i = 0; i < l->failures && pause < PAUSE_MAX; i++)
        pause *= 2;
    l->failures++;
    l->retry_at = clock_ms() + with_chance(pause < PAUSE_MAX ? pause : PAUSE_MAX);
    link_close(l);
    if (e)
        snprintf(l->why, sizeof l->why, "%.290s", e->text);
    return LINK_DOWN;
}

int link_pause(const struct link *l)
{
    double left = l->wire ? 0 : l->retry_at - clock_ms();
    return left > 0 ? (int)left + 1 : 0;
}

/* "LOADING ...", "OOM ..." */
static bool begins(const struct reply *r, const char *word)
{
    const char *text = reply_text(r, NULL);
    size_t n = strlen(word);
    return !strncmp(text, word, n) && (text[n] == ' ' || text[n] == '\0' || text[n] == ':');
}

static bool is_passing(const struct reply *r)
{
    static const char *const words[] = {"LOADING",     "MASTERDOWN", "TRYAGAIN",
                                        "CLUSTERDOWN", "READONLY",   "BUSY",
                                        "UNBLOCKED",   "MISCONF",    "NOREPLICAS"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (begins(r, words[i]))
            return true;
    return false;
}

/* What an error that is a reply means. */
static enum link_result judge(struct link *l, const struct reply *r, struct err *e)
{
    const char *text = reply_text(r, NULL);
    const char *at = l->url.show;
    if (begins(r, "OOM") || strstr(text, "OOM command not allowed")) {
        err_set(e, "%s: the server's memory is full (maxmemory)", at);
        return LINK_FULL;
    }
    if (begins(r, "NOPERM") || strstr(text, "NOPERM"))
        return err_set(e,
                       "%s: this user may not do that: %.200s (docs/scale.md lists the rights "
                       "that it needs)",
                       at, text),
               LINK_REFUSED;
    err_set(e, "%s: %.300s", at, text);
    return is_passing(r) ? down(l, e) : LINK_REFUSED;
}

/* The rest of the reply is on the line; the server is well, so the next call connects at once. */
static enum link_result too_large(struct link *l)
{
    link_close(l);
    return LINK_TOO_LARGE;
}

static enum link_result exchange(struct link *l, const struct args *a, int more_ms,
                                 struct reply **reply, struct err *e)
{
    *reply = NULL;
    if (wire_send(l->wire, a->n, a->text, a->size, e))
        return down(l, e);
    int got = 1;
    for (; l->owed >= 0 && got == 1; l->owed--) {
        reply_free(*reply);
        got = wire_receive(l->wire, l->timeout_ms + more_ms, reply, e);
    }
    l->owed = 0;
    if (got == 0)
        err_set(e, "%s: it does not answer", l->url.show);
    return got == 1 ? LINK_OK : got == -2 ? too_large(l) : down(l, e);
}

static enum link_result load_scripts(struct link *l, struct err *e)
{
    for (int i = 0; i < SCRIPTS; i++) {
        struct args a = {0};
        struct reply *r;
        char *text = NULL;
        if (asprintf(&text, "%s%s", script_shared(), script_text((enum script)i)) < 0)
            return err_set(e, "out of memory"), LINK_REFUSED;
        args_text(&a, "SCRIPT");
        args_text(&a, "LOAD");
        args_text(&a, text);
        enum link_result rc = exchange(l, &a, 0, &r, e);
        free(text);
        if (rc == LINK_OK && reply_kind(r) != REPLY_TEXT)
            rc = judge(l, r, e);
        if (rc == LINK_OK)
            snprintf(l->sha[i], sizeof l->sha[i], "%s", reply_text(r, NULL));
        reply_free(r);
        if (rc != LINK_OK)
            return rc;
    }
    return LINK_OK;
}

enum link_result link_open(struct link *l, bool *denied, struct err *e)
{
    if (l->wire)
        return LINK_OK;
    if (link_pause(l) > 0)
        return err_set(e, "%s", l->why), LINK_DOWN;
    enum wire_answer answer;
    l->wire = wire_open(&l->url, l->timeout_ms, &answer, e);
    l->answered |= answer != WIRE_SILENT;
    if (denied && answer == WIRE_DENIED)
        *denied = true;
    if (!l->wire)
        return down(l, e);
    wire_meanwhile(l->wire, l->meanwhile_ms, l->meanwhile, l->meanwhile_user);
    enum link_result rc = load_scripts(l, e);
    if (rc == LINK_OK) {
        l->failures = 0;
        l->generation++;
    } else if (l->wire) {
        if (denied && rc == LINK_REFUSED)
            *denied = true;
        down(l, e);
    }
    return rc;
}

/* ---- calls ---- */

/* An error becomes a result; *reply is NULL then. */
static enum link_result sort_out(struct link *l, enum link_result rc, struct reply **reply,
                                 struct err *e)
{
    if (rc == LINK_OK && reply_kind(*reply) == REPLY_ERROR)
        rc = judge(l, *reply, e);
    if (rc != LINK_OK) {
        reply_free(*reply);
        *reply = NULL;
    }
    return rc;
}

enum link_result link_call(struct link *l, const struct args *a, int more_ms, struct reply **reply,
                           struct err *e)
{
    *reply = NULL;
    enum link_result rc = link_open(l, NULL, e);
    if (rc != LINK_OK)
        return rc;
    return sort_out(l, exchange(l, a, more_ms, reply, e), reply, e);
}

enum link_result link_script(struct link *l, enum script s, int keys, const struct args *a,
                             struct reply **reply, struct err *e)
{
    *reply = NULL;
    enum link_result rc = link_open(l, NULL, e);
    for (int again = 0; rc == LINK_OK && again < 2; again++) {
        struct args all = {0};
        args_text(&all, "EVALSHA");
        args_text(&all, l->sha[s]);
        args_number(&all, keys);
        for (int i = 0; i < a->n; i++)
            args_bytes(&all, a->text[i], a->size[i]);
        rc = exchange(l, &all, 0, reply, e);
        if (rc != LINK_OK || reply_kind(*reply) != REPLY_ERROR || !begins(*reply, "NOSCRIPT"))
            break;
        reply_free(*reply); /* someone flushed them */
        *reply = NULL;
        rc = load_scripts(l, e);
    }
    return sort_out(l, rc, reply, e);
}

enum link_result link_post(struct link *l, const struct args *a, struct err *e)
{
    enum link_result rc = link_open(l, NULL, e);
    struct reply *reply;
    if (rc == LINK_OK && l->owed >= OWED_MAX) {
        rc = exchange(l, a, 0, &reply, e);
        reply_free(reply);
        return rc;
    }
    if (rc == LINK_OK && wire_send(l->wire, a->n, a->text, a->size, e))
        return down(l, e);
    l->owed += rc == LINK_OK;
    return rc;
}

enum link_result link_send(struct link *l, const struct args *a, struct err *e)
{
    enum link_result rc = link_open(l, NULL, e);
    if (rc == LINK_OK && wire_send(l->wire, a->n, a->text, a->size, e))
        rc = down(l, e);
    return rc;
}

enum link_result link_reply(struct link *l, struct reply **reply, struct err *e)
{
    *reply = NULL;
    if (!l->wire)
        return err_set(e, "%s", l->why), LINK_DOWN;
    int got = wire_receive(l->wire, 0, reply, e);
    if (got < 0)
        return got == -2 ? too_large(l) : down(l, e);
    return sort_out(l, LINK_OK, reply, e);
}
