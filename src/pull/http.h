/*
 * One HTTP request over libcurl, and the redirects behind it.
 *
 * Redirects are followed here, so that each is checked (https, how many) and the token stays with
 * the hub. Where they end, the body goes to the caller's sink, piece by piece; that of any other
 * answer is dropped.
 */
#ifndef SPRITTY_PULL_HTTP_H
#define SPRITTY_PULL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pull/url.h"

enum { HTTP_REDIRECTS = 8, TAG_MAX = 200 };

struct http_answer {
    long status;
    int64_t length;           /* Content-Length, -1: not said */
    int64_t range_from, full; /* Content-Range: first byte, and of how many; -1: not said */
    char etag[TAG_MAX];       /* as it was sent, with its quotes */
    char type[100];
    char file[NAME_MAX_BYTES + 1]; /* Content-Disposition; "" */
    int retry_after;               /* seconds; -1: not said */
    bool packed;                   /* gzip and the like, though that was not asked for */
    /* From any answer on the way, as the hub sends them before it redirects; "" and -1 when not. */
    char linked_etag[TAG_MAX];
    int64_t linked_size;
    char url[URL_MAX]; /* where it ended */
};

struct http_request {
    const char *url;
    bool head;
    uint64_t from;      /* of a part: the first byte that is wanted; 0: all */
    const char *if_tag; /* If-Range, or NULL */
    const char *token;  /* for `origin` alone; NULL: none */
    const char *origin; /* a URL on the hub */
    int stall_s;
    /* Before the first byte: may this answer (200 or 206) be taken? false ends the request. */
    bool (*begin)(void *user, const struct http_answer *);
    bool (*body)(void *user, const void *data, size_t size);
    bool (*tick)(void *user); /* several times a second; false ends the request */
    void *user;
};

enum http_end {
    HTTP_OK,      /* an answer came and all of it was taken; look at its status */
    HTTP_STOPPED, /* begin, body or tick said so */
    HTTP_BROKEN,  /* the line: worth another try */
    HTTP_REFUSED, /* what no other try would change (a redirect to http, no such host) */
};

enum http_end http_run(const struct http_request *, struct http_answer *, struct err *);

#endif
