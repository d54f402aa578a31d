/*
 * Where a queue is: redis://[user[:password]@]host[:port][/db][?name=N], rediss:// the same by TLS,
 * unix:///path/of/socket[?db=N&name=N].
 *
 * After the question mark: name (of the queue: several fit on one server; "spritty"), db, and for
 * TLS ca, cert and key, files in PEM. User and password may be percent-encoded.
 *
 * A password is better not in the URL, which others may see in a list of processes: where the URL
 * has none it is $SPRITTY_REDIS_PASSWORD, or the first line of $SPRITTY_REDIS_PASSWORD_FILE. No
 * text that comes from here, errors included, ever has a password in it.
 */
#ifndef SPRITTY_QUEUE_URL_H
#define SPRITTY_QUEUE_URL_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct queue_url {
    bool tls;
    char host[254], socket[104]; /* one of both */
    int port, db;
    char user[128], password[512]; /* "": none */
    char name[33];                 /* letters, digits, "-", "_", "." */
    char ca[PATH_MAX], cert[PATH_MAX], key[PATH_MAX];
    char show[400]; /* what may be shown of it: "rediss://host:6379/0" */
};

/* Does the text begin like one? */
bool queue_url_is(const char *text);
/* Reads it, and the password where it lies elsewhere. -1 and err, in which only that of the URL is
 * told that is no secret. */
int queue_url_parse(struct queue_url *, const char *text, struct err *);

#endif
