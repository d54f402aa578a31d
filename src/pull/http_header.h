/*
 * One header line of an HTTP answer. Apart from http.c, which needs a server, so that hostile ones
 * can be tried on it (tests/fuzz/fuzz_import.c).
 */
#ifndef SPRITTY_PULL_HTTP_HEADER_H
#define SPRITTY_PULL_HTTP_HEADER_H

#include "pull/http.h"

enum { RETRY_MOST = 1 << 20 }; /* seconds; more is as good as that */

/* Nothing said yet: before each answer. What the hub said on the way stays. */
void http_forget(struct http_answer *);

/* A line as it came, with or without its end. hub: the answer is the hub's own, whose word on
 * hashes and sizes counts. What does not count, is too long or has control characters is passed
 * over. */
void http_header(struct http_answer *, char location[URL_MAX], bool hub, const char *data,
                 size_t size);

#endif
