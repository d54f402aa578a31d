/*
 * A connection that comes back: the queue's commands and scripts over a wire.
 *
 * A call that fails because the connection broke closes it; the next call opens another one, but
 * not before a pause that doubles with every failure (100 ms to 10 s) and is shortened by chance,
 * so that a thousand clients of a server that comes back do not come all at once. All scripts may
 * be called again when it is not known whether they ran.
 */
#ifndef SPRITTY_QUEUE_LINK_H
#define SPRITTY_QUEUE_LINK_H

#include "queue/scripts.h"
#include "queue/wire.h"

struct link;

/* The parts of a command. Texts stay the caller's and must live until the call. */
enum { ARGS_MAX = 640, ARGS_SMALL = 200 };
struct args {
    int n, smalls;
    const char *text[ARGS_MAX];
    size_t size[ARGS_MAX];
    char small[ARGS_SMALL][24];
};
void args_bytes(struct args *, const void *, size_t); /* asserts that there is room */
void args_text(struct args *, const char *);
void args_number(struct args *, long long);
void args_unsigned(struct args *, unsigned long long);
void args_name(struct args *, const char *fmt, int i); /* up to 23 characters */

enum link_result {
    LINK_OK,
    LINK_DOWN,      /* no connection; err says why, link_pause how long to wait */
    LINK_REFUSED,   /* the server says no: err has its words, with what to do */
    LINK_FULL,      /* the server has no memory left; the command did nothing */
    LINK_TOO_LARGE, /* the reply is over WIRE_MAX, and would be again */
};

/* Connects at the first call. url is copied. NULL: no memory. */
struct link *link_new(const struct queue_url *, int timeout_ms);
void link_free(struct link *); /* NULL: nothing */

/* Connected, or connects now if the pause is over. *denied (may be NULL) becomes true where it is
 * the server that says no, so that trying again as it is will not help. */
enum link_result link_open(struct link *, bool *denied, struct err *);
/* Milliseconds until the next attempt makes sense; 0: now. */
int link_pause(const struct link *);
/* How many times it has connected: whoever remembers what the server knows compares. */
int link_generation(const struct link *);
/* How often nothing answered, as long as nothing ever has; 0 from the first answer on. */
int link_unanswered(const struct link *);
/* Begins to count and to pause anew, where nothing ever answered: the next call tries at once. */
void link_hurry(struct link *);

/* A command and its reply (reply_free), within the timeout and `more_ms` that the command itself
 * may take. *reply is NULL unless LINK_OK. */
enum link_result link_call(struct link *, const struct args *, int more_ms, struct reply **,
                           struct err *);
/* The same without waiting for the reply, which is thrown away when it comes. */
enum link_result link_post(struct link *, const struct args *, struct err *);
/* A script: `a` begins with nothing before its keys; `keys` of its parts are keys. */
enum link_result link_script(struct link *, enum script, int keys, const struct args *,
                             struct reply **, struct err *);

/* While a call waits for the rest of a large reply: wire_meanwhile. Of this link and all its
 * connections to come. */
void link_meanwhile(struct link *, int every_ms, void (*)(void *user), void *user);

/* "{NAME}:" */
const char *link_prefix(const struct link *);

/* A call whose reply comes later, for readers that poll: send, then ask link_reply until it has
 * come (LINK_OK with *reply NULL: not yet). One at a time, nothing else in between. */
enum link_result link_send(struct link *, const struct args *, struct err *);
enum link_result link_reply(struct link *, struct reply **, struct err *);
int link_fd(const struct link *); /* -1: not connected */
void link_close(struct link *);   /* drops the connection; the next call opens another at once */

#endif
