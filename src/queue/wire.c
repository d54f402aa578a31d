/* See wire.h. */
#include "queue/wire.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/libcurl.h"

enum { BLOCK = 64 << 10 };

struct wire {
    CURL *curl;
    redisReader *reader;
    int fd, timeout_ms;
    size_t come; /* bytes since the last reply was complete */
    void (*meanwhile)(void *user);
    void *meanwhile_user;
    int meanwhile_ms;
    char show[400];
    char why[CURL_ERROR_SIZE];
    char block[BLOCK];
};

/* ---- bytes ---- */

static int broken(struct wire *w, const char *what, struct err *e)
{
    return err_set(e, "%s: %s", w->show, what);
}

/* Waits for the descriptor; 1: ready, 0: not within ms. */
static int wait_for(struct wire *w, short events, int ms)
{
    struct pollfd p = {.fd = w->fd, .events = events};
    int n = poll(&p, 1, ms);
    return n > 0;
}

static void set_up(struct wire *w, const struct queue_url *u, int timeout_ms)
{
    char url[300];
    bool v6 = strchr(u->host, ':') != NULL;
    snprintf(url, sizeof url, "%s://%s%s%s:%d/", u->tls ? "https" : "http", v6 ? "[" : "",
             *u->socket ? "localhost" : u->host, v6 ? "]" : "", *u->socket ? 6379 : u->port);
    libcurl.easy_setopt(w->curl, CURLOPT_URL, url);
    libcurl.easy_setopt(w->curl, CURLOPT_CONNECT_ONLY, 1L);
    libcurl.easy_setopt(w->curl, CURLOPT_NOSIGNAL, 1L);
    libcurl.easy_setopt(w->curl, CURLOPT_PROXY, "");
    libcurl.easy_setopt(w->curl, CURLOPT_ERRORBUFFER, w->why);
    libcurl.easy_setopt(w->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
    libcurl.easy_setopt(w->curl, CURLOPT_TCP_NODELAY, 1L);
    libcurl.easy_setopt(w->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    libcurl.easy_setopt(w->curl, CURLOPT_TCP_KEEPIDLE, 30L);
    libcurl.easy_setopt(w->curl, CURLOPT_TCP_KEEPINTVL, 10L);
    libcurl.easy_setopt(w->curl, CURLOPT_SSL_ENABLE_ALPN, 0L);
    libcurl.easy_setopt(w->curl, CURLOPT_SSL_VERIFYPEER, 1L);
    libcurl.easy_setopt(w->curl, CURLOPT_SSL_VERIFYHOST, 2L);
    if (*u->socket)
        libcurl.easy_setopt(w->curl, CURLOPT_UNIX_SOCKET_PATH, u->socket);
    if (*u->ca)
        libcurl.easy_setopt(w->curl, CURLOPT_CAINFO, u->ca);
    if (*u->cert)
        libcurl.easy_setopt(w->curl, CURLOPT_SSLCERT, u->cert);
    if (*u->key)
        libcurl.easy_setopt(w->curl, CURLOPT_SSLKEY, u->key);
}

static int connect_to(struct wire *w, const struct queue_url *u, int timeout_ms, struct err *e)
{
    curl_socket_t s = CURL_SOCKET_BAD;
    set_up(w, u, timeout_ms);
    CURLcode rc = libcurl.easy_perform(w->curl);
    if (rc == CURLE_OK)
        rc = libcurl.easy_getinfo(w->curl, CURLINFO_ACTIVESOCKET, &s);
    if (rc != CURLE_OK || s == CURL_SOCKET_BAD)
        return broken(w, *w->why ? w->why : libcurl.easy_strerror(rc), e);
    w->fd = s;
    return 0;
}

static int write_all(struct wire *w, const char *data, size_t size, struct err *e)
{
    double until = clock_ms() + w->timeout_ms;
    while (size > 0) {
        size_t sent = 0;
        CURLcode rc = libcurl.easy_send(w->curl, data, size, &sent);
        if (rc != CURLE_OK && rc != CURLE_AGAIN)
            return broken(w, "the connection broke", e);
        data += sent;
        size -= sent;
        if (sent > 0)
            until = clock_ms() + w->timeout_ms;
        else if (clock_ms() > until)
            return broken(w, "it takes nothing any more", e);
        else
            wait_for(w, POLLOUT, 100);
    }
    return 0;
}

int wire_send(struct wire *w, int n, const char *const *text, const size_t *size, struct err *e)
{
    char *command = NULL;
    const char **argv = (const char **)(uintptr_t)text; /* older versions' type; it only reads */
    long long bytes = redisFormatCommandArgv(&command, n, argv, size);
    if (bytes < 0)
        return err_set(e, "out of memory");
    int rc = write_all(w, command, (size_t)bytes, e);
    redisFreeCommand(command);
    return rc;
}

/* What has come, into the parser. 1: something, 0: nothing, -1, -2. */
static int feed(struct wire *w, struct err *e)
{
    size_t n = 0;
    CURLcode rc = libcurl.easy_recv(w->curl, w->block, sizeof w->block, &n);
    if (rc == CURLE_AGAIN)
        return 0;
    if (rc != CURLE_OK || n == 0)
        return broken(w, "the server closed the connection", e);
    w->come += n;
    if (w->come > WIRE_MAX)
        return broken(w, "a reply is over 96 MiB", e), -2;
    if (redisReaderFeed(w->reader, w->block, n) != REDIS_OK)
        return broken(w, w->reader->errstr, e);
    return 1;
}

void wire_meanwhile(struct wire *w, int every_ms, void (*meanwhile)(void *), void *user)
{
    w->meanwhile = meanwhile;
    w->meanwhile_user = user;
    w->meanwhile_ms = every_ms;
}

int wire_receive(struct wire *w, int ms, struct reply **reply, struct err *e)
{
    double until = clock_ms() + ms, next = clock_ms() + w->meanwhile_ms;
    bool begun = false; /* some of it has come */
    for (;;) {
        void *r = NULL;
        if (redisReaderGetReply(w->reader, &r) != REDIS_OK)
            return broken(w, w->reader->errstr, e);
        *reply = r;
        if (r) {
            w->come = w->reader->len - w->reader->pos;
            return 1;
        }
        bool calls = begun && w->meanwhile;
        if (calls && clock_ms() >= next) {
            w->meanwhile(w->meanwhile_user);
            next = clock_ms() + w->meanwhile_ms;
        }
        int fed = feed(w, e);
        if (fed < 0)
            return fed;
        begun |= fed;
        if (fed && ms > 0) /* a large reply may take its time, as long as it goes on */
            until = clock_ms() + ms;
        double left = until - clock_ms();
        if (!fed && left <= 0)
            return 0;
        if (calls && left > next - clock_ms())
            left = next - clock_ms();
        if (!fed)
            wait_for(w, POLLIN, left < 1 ? 1 : (int)left);
    }
}

/* ---- beginning and end ---- */

/* A command whose answer has to be OK. */
static int say(struct wire *w, int n, const char *const *text, enum wire_answer *answer,
               struct err *e)
{
    size_t size[4];
    struct reply *r = NULL;
    for (int i = 0; i < n; i++)
        size[i] = strlen(text[i]);
    if (wire_send(w, n, text, size, e))
        return -1;
    int got = wire_receive(w, w->timeout_ms, &r, e);
    if (got == 0)
        return broken(w, "it does not answer", e);
    int rc = got < 0 ? -1 : 0;
    if (!rc && reply_kind(r) == REPLY_ERROR) {
        const char *why = reply_text(r, NULL);
        bool passing = !strncmp(why, "LOADING", 7) || !strncmp(why, "MASTERDOWN", 10);
        *answer = passing ? WIRE_NOT_YET : WIRE_DENIED;
        rc = broken(w, why, e);
        if (!strncmp(why, "NOAUTH", 6) || !strncmp(why, "WRONGPASS", 9))
            err_set(e, "%s: %s The password is taken from SPRITTY_REDIS_PASSWORD", w->show, why);
    }
    reply_free(r);
    return rc;
}

static int greet(struct wire *w, const struct queue_url *u, enum wire_answer *answer, struct err *e)
{
    char db[16];
    const char *user[] = {"AUTH", u->user, u->password}, *plain[] = {"AUTH", u->password};
    snprintf(db, sizeof db, "%d", u->db);
    const char *choose[] = {"SELECT", db}, *ping[] = {"PING"};
    if (*u->user && say(w, 3, user, answer, e))
        return -1;
    if (!*u->user && *u->password && say(w, 2, plain, answer, e))
        return -1;
    /* The greeting ends with a command that needs all rights granted. */
    return u->db ? say(w, 2, choose, answer, e) : say(w, 1, ping, answer, e);
}

struct wire *wire_open(const struct queue_url *u, int timeout_ms, enum wire_answer *answer,
                       struct err *e)
{
    struct wire *w = calloc(1, sizeof *w);
    enum wire_answer ignored;
    answer = answer ? answer : &ignored;
    *answer = WIRE_SILENT;
    if (libcurl_open(e)) {
        *answer = WIRE_DENIED;
        free(w);
        return NULL;
    }
    if (!w || !(w->curl = libcurl.easy_init()) || !(w->reader = redisReaderCreate())) {
        err_set(e, "out of memory");
        wire_close(w);
        return NULL;
    }
    snprintf(w->show, sizeof w->show, "%s", u->show);
    w->timeout_ms = timeout_ms;
    if (connect_to(w, u, timeout_ms, e) || greet(w, u, answer, e)) {
        wire_close(w);
        return NULL;
    }
    *answer = WIRE_LET_IN;
    return w;
}

void wire_close(struct wire *w)
{
    if (!w)
        return;
    if (w->reader)
        redisReaderFree(w->reader);
    if (w->curl)
        libcurl.easy_cleanup(w->curl);
    free(w);
}

int wire_fd(const struct wire *w)
{
    return w->fd;
}

/* ---- replies ---- */

static const redisReply *of(const struct reply *r)
{
    return (const redisReply *)r;
}

enum reply_kind reply_kind(const struct reply *r)
{
    switch (r ? of(r)->type : REDIS_REPLY_NIL) {
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
        return REPLY_TEXT;
    case REDIS_REPLY_INTEGER:
        return REPLY_NUMBER;
    case REDIS_REPLY_ARRAY:
        return REPLY_LIST;
    case REDIS_REPLY_ERROR:
        return REPLY_ERROR;
    default:
        return REPLY_NIL;
    }
}

const char *reply_text(const struct reply *r, size_t *size)
{
    static const char mute[] = "the server refuses that and gives no reason";
    enum reply_kind k = reply_kind(r);
    bool has = (k == REPLY_TEXT || k == REPLY_ERROR) && of(r)->str;
    if (k == REPLY_ERROR && (!has || !*of(r)->str)) {
        if (size)
            *size = sizeof mute - 1;
        return mute;
    }
    if (size)
        *size = has ? (size_t)of(r)->len : 0;
    return has ? of(r)->str : "";
}

long long reply_number(const struct reply *r)
{
    if (reply_kind(r) == REPLY_NUMBER)
        return of(r)->integer;
    return strtoll(reply_text(r, NULL), NULL, 10);
}

int reply_count(const struct reply *r)
{
    return reply_kind(r) == REPLY_LIST ? (int)of(r)->elements : 0;
}

const struct reply *reply_at(const struct reply *r, int i)
{
    return i >= 0 && i < reply_count(r) ? (const struct reply *)of(r)->element[i] : NULL;
}

bool reply_is(const struct reply *r, const char *text)
{
    size_t n;
    const char *own = reply_text(r, &n);
    return reply_kind(r) == REPLY_TEXT && n == strlen(text) && !memcmp(own, text, n);
}

void reply_free(struct reply *r)
{
    if (r)
        freeReplyObject((redisReply *)r);
}
