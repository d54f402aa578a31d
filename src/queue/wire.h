/*
 * One connection to a Redis server: bytes by libcurl (TCP, TLS or a socket), the protocol by
 * hiredis.
 *
 * libcurl connects, shakes hands and checks certificates, and then is a pipe; so TLS does not
 * depend on which hiredis there is, and proxies, names and IPv6 are as for downloads. What is
 * received is bounded (WIRE_MAX), and every wait has an end. After an error the connection is done
 * for: close it and open another. A wire belongs to one thread at a time.
 */
#ifndef SPRITTY_QUEUE_WIRE_H
#define SPRITTY_QUEUE_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "queue/url.h"

enum { WIRE_MAX = 96 << 20 };

struct wire;
struct reply;

enum reply_kind { REPLY_NIL, REPLY_TEXT, REPLY_NUMBER, REPLY_LIST, REPLY_ERROR };

/* What came of asking to be let in. */
enum wire_answer {
    WIRE_SILENT,  /* no server answers there */
    WIRE_NOT_YET, /* one does, and cannot serve at the moment */
    WIRE_DENIED,  /* one does and says no: trying again as it is will not help */
    WIRE_LET_IN,
};

/* Connects, says who we are, chooses the database; each step within timeout_ms. NULL and err: why,
 * with the place. *answer may be NULL. */
struct wire *wire_open(const struct queue_url *, int timeout_ms, enum wire_answer *answer,
                       struct err *);
void wire_close(struct wire *); /* NULL: nothing */
/* For poll: readable when a reply may have come. Ask wire_receive first: it may hold one. */
int wire_fd(const struct wire *);

/* Sends a command of n texts with their sizes, all of it. -1: the connection is broken. */
int wire_send(struct wire *, int n, const char *const *text, const size_t *size, struct err *);
/* The next reply, in the order of commands. 1: in *reply (reply_free); 0: nothing of it for ms; -1:
 * broken; -2: it is over WIRE_MAX, and asking for it again will not make it smaller. A command that
 * failed is a reply as well, of REPLY_ERROR. */
int wire_receive(struct wire *, int ms, struct reply **, struct err *);
/* From now on wire_receive calls this about every so many milliseconds, while it waits for the rest
 * of a reply that has begun to come. It may use other wires, not this one. */
void wire_meanwhile(struct wire *, int every_ms, void (*)(void *user), void *user);

/* ---- replies ---- */

enum reply_kind reply_kind(const struct reply *);           /* NULL is nil */
const char *reply_text(const struct reply *, size_t *size); /* of a text or error; else "" */
long long reply_number(const struct reply *); /* of a number, or a text that is one; else 0 */
int reply_count(const struct reply *);        /* of a list, else 0 */
const struct reply *reply_at(const struct reply *, int i); /* of a list; past the end NULL */
bool reply_is(const struct reply *, const char *text);
void reply_free(struct reply *);

#endif
