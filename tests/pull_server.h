/*
 * A server for tests of downloads: two of them on 127.0.0.1, the hub and the one it redirects to,
 * which cut, stall, redirect and lie as a test wants. A thread a connection; each request is
 * written down.
 */
#ifndef SPRITTY_PULL_SERVER_H
#define SPRITTY_PULL_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum trick {
    PLAIN,
    CUTS,         /* sends a part and hangs up, some times */
    IGNORES,      /* the same, and knows no Range */
    STALLS,       /* sends a part and then nothing, once */
    SAYS_416,     /* cuts, and then has no such part */
    CHANGES,      /* cuts, and then has another file; keeps to If-Range */
    CHANGES_LIES, /* the same, but sends the part anyway */
    OTHER_PART,   /* cuts, and then sends a part from elsewhere */
    LIES_LENGTH,  /* HEAD says another length than GET */
    SENDS_MORE,   /* more bytes than it said */
    WEB_PAGE,
    BUSY, /* 503, some times */
    GONE, /* 404 */
    SECRET,
    REDIRECTS, /* the hub: to a path of its own, then to the other server */
    LOOPS,
    TO_HTTP,
    TO_FILE,
    PACKED,  /* gzip, as it says */
    ENDLESS, /* no length, no end */
    NO_HEAD,
    SLOW, /* until it is let go */
};

struct server {
    int listener[2], port[2]; /* the hub, the other one */
    pthread_t thread;
    atomic_bool ends, let_go;
    atomic_int open; /* connections */
    /* Set by the test before a pull. */
    enum trick trick;
    atomic_int times; /* how often it still does it */
    const unsigned char *data, *other;
    size_t size, other_size;
    const char *tag, *other_tag; /* with quotes */
    const char *linked;          /* X-Linked-Etag; NULL: none */
    const char *disposition;
    bool no_head_there; /* the other one refuses HEAD */
    pthread_mutex_t lock;
    char log[1 << 14];
    atomic_int gets[2], tokens[2];
};

struct connection {
    struct server *server;
    int fd, which;
};

static inline bool send_all(int fd, const void *data, size_t size)
{
    const char *p = data;
    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        p += n;
        size -= (size_t)n;
    }
    return true;
}

static inline void sendf(int fd, const char *fmt, ...)
{
    char text[2000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    send_all(fd, text, strlen(text));
}

static inline bool once_more(struct server *s)
{
    return atomic_fetch_sub(&s->times, 1) > 0;
}

static inline void send_file(struct server *s, int fd, const char *request, bool head)
{
    const char *range = strstr(request, "Range: bytes="), *if_range = strstr(request, "If-Range: ");
    bool later = atomic_load(&s->times) <= 0;
    bool changed = later && (s->trick == CHANGES || s->trick == CHANGES_LIES);
    const unsigned char *data = changed ? s->other : s->data;
    const char *tag = changed ? s->other_tag : s->tag;
    size_t size = changed ? s->other_size : s->size, from = 0, end = size;
    while (range && range > request && range[-1] == '-') /* If-Range is no Range */
        range = strstr(range + 1, "Range: bytes=");
    if (range && s->trick != IGNORES)
        from = strtoull(range + 13, NULL, 10);
    if (if_range && strncmp(if_range + 10, tag, strlen(tag)) && s->trick != CHANGES_LIES)
        from = 0;
    if (from && s->trick == SAYS_416) {
        sendf(fd, "HTTP/1.1 416 No\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n\r\n",
              size);
        return;
    }
    size_t said = size - from + (s->trick == LIES_LENGTH && head ? 100 : 0);
    sendf(fd, "HTTP/1.1 %s\r\nConnection: close\r\nETag: %s\r\nContent-Type: %s\r\n",
          from ? "206 Part" : "200 OK", tag,
          s->trick == WEB_PAGE && !head ? "text/html; charset=utf-8" : "application/octet-stream");
    if (from)
        sendf(fd, "Content-Range: bytes %zu-%zu/%zu\r\n", s->trick == OTHER_PART ? from / 2 : from,
              size - 1, size);
    if (s->linked)
        sendf(fd, "X-Linked-Etag: %s\r\nX-Linked-Size: %zu\r\n", s->linked, size);
    if (s->trick == PACKED && !head)
        sendf(fd, "Content-Encoding: gzip\r\n");
    if (s->disposition)
        sendf(fd, "Content-Disposition: %s\r\n", s->disposition);
    if (s->trick != SENDS_MORE || head)
        sendf(fd, "Content-Length: %zu\r\n", said);
    sendf(fd, "\r\n");
    if (head)
        return;
    bool cuts = s->trick != PLAIN && s->trick != LIES_LENGTH && s->trick != SENDS_MORE &&
                s->trick != SLOW && once_more(s);
    if (cuts)
        end = from + (size - from) / 3;
    if (s->trick == SLOW)
        end = from + 1000;
    send_all(fd, data + from, end - from);
    while (cuts && s->trick == STALLS && !atomic_load(&s->ends))
        usleep(10000);
    while (s->trick == SLOW && !atomic_load(&s->let_go) && !atomic_load(&s->ends))
        usleep(10000);
    if (s->trick == SLOW)
        send_all(fd, data + end, size - end);
    if (s->trick == SENDS_MORE)
        send_all(fd, data, size);
}

static inline void send_endlessly(const struct server *s, int fd, bool head)
{
    sendf(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    while (!head && send_all(fd, s->data, s->size))
        continue;
}

static inline void answer(struct connection *c, const char *request)
{
    struct server *s = c->server;
    bool head = !strncmp(request, "HEAD", 4), file = strstr(request, ".safetensors") != NULL;
    int fd = c->fd;
    if (s->trick == BUSY && once_more(s))
        sendf(fd, "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == GONE)
        sendf(fd, "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == SECRET)
        sendf(fd, "HTTP/1.1 401 Who\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == NO_HEAD && head)
        sendf(fd, "HTTP/1.1 405 No\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == LOOPS)
        sendf(fd, "HTTP/1.1 302 On\r\nLocation: /again/x.safetensors\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == TO_HTTP)
        sendf(fd, "HTTP/1.1 302 On\r\nLocation: http://example.com/x\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == TO_FILE)
        sendf(fd, "HTTP/1.1 302 On\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == ENDLESS)
        send_endlessly(s, fd, head);
    else if (s->no_head_there && c->which == 1 && head)
        sendf(fd, "HTTP/1.1 403 No\r\nContent-Length: 243\r\nETag: \"x\"\r\n\r\n");
    else if (s->trick == REDIRECTS && c->which == 0 && !strstr(request, "/cache/"))
        sendf(fd,
              "HTTP/1.1 307 On\r\nLocation: ../cache/x.safetensors\r\nContent-Length: 0\r\n\r\n");
    else if (s->trick == REDIRECTS && c->which == 0)
        sendf(fd,
              "HTTP/1.1 302 On\r\nLocation: http://127.0.0.1:%d/blob/q.safetensors?key=1\r\n"
              "X-Linked-Etag: %s\r\nX-Linked-Size: %zu\r\nContent-Length: 0\r\n\r\n",
              s->port[1], s->linked, s->size);
    else if (!file && strstr(request, "/api/models/"))
        sendf(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", s->disposition);
    else
        send_file(s, fd, request, head);
}

static inline void *serve_one(void *user)
{
    struct connection *c = user;
    struct server *s = c->server;
    char request[8000];
    size_t n = 0;
    ssize_t got;
    while (n + 1 < sizeof request &&
           (got = recv(c->fd, request + n, sizeof request - 1 - n, 0)) > 0) {
        n += (size_t)got;
        request[n] = '\0';
        if (strstr(request, "\r\n\r\n"))
            break;
    }
    request[n] = '\0';
    pthread_mutex_lock(&s->lock);
    size_t used = strlen(s->log);
    snprintf(s->log + used, sizeof s->log - used, "%d %.*s\n", c->which,
             (int)strcspn(request, "\r"), request);
    pthread_mutex_unlock(&s->lock);
    if (!strncmp(request, "GET", 3))
        atomic_fetch_add(&s->gets[c->which], 1);
    if (strstr(request, "Authorization: Bearer secret\r\n"))
        atomic_fetch_add(&s->tokens[c->which], 1);
    if (n)
        answer(c, request);
    shutdown(c->fd, SHUT_RDWR);
    close(c->fd);
    free(c);
    atomic_fetch_sub(&s->open, 1);
    return NULL;
}

static inline void *serve(void *user)
{
    struct server *s = user;
    while (!atomic_load(&s->ends)) {
        struct pollfd p[2] = {{s->listener[0], POLLIN, 0}, {s->listener[1], POLLIN, 0}};
        if (poll(p, 2, 20) <= 0)
            continue;
        for (int i = 0; i < 2; i++) {
            pthread_t t;
            if (!(p[i].revents & POLLIN))
                continue;
            struct connection *c = malloc(sizeof *c);
            *c = (struct connection){s, accept(s->listener[i], NULL, NULL), i};
            atomic_fetch_add(&s->open, 1);
            pthread_create(&t, NULL, serve_one, c);
            pthread_detach(t);
        }
    }
    return NULL;
}

static inline bool server_start(struct server *s)
{
    memset(s, 0, sizeof *s);
    pthread_mutex_init(&s->lock, NULL);
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        s->listener[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (s->listener[i] < 0 || bind(s->listener[i], (struct sockaddr *)&at, sizeof at) ||
            listen(s->listener[i], 32) ||
            getsockname(s->listener[i], (struct sockaddr *)&at, &size))
            return false;
        s->port[i] = ntohs(at.sin_port);
    }
    return pthread_create(&s->thread, NULL, serve, s) == 0;
}

static inline void server_stop(struct server *s)
{
    atomic_store(&s->ends, true);
    pthread_join(s->thread, NULL);
    while (atomic_load(&s->open) > 0)
        usleep(1000);
    close(s->listener[0]);
    close(s->listener[1]);
    pthread_mutex_destroy(&s->lock);
}

#endif
