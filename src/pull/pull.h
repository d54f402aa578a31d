/*
 * Downloads models: by a short name, an owner/repo/file of the Hugging Face hub, or a URL.
 *
 * A file is made under NAME.part beside where it will stand, and gets its name only when its length
 * and its hash are right and it is what it should be (safetensors of the right kind, JSON, text),
 * so nothing half-written is ever taken for a model. A download that was cut goes on where it was
 * (Range with If-Range, the server's tag kept in NAME.part.tag). Two at once: the second one is
 * told.
 *
 * HTTPS only, but for 127.0.0.1, localhost and ::1. $HF_TOKEN goes to the hub's own host alone:
 * redirects are followed here, not by libcurl, each looked at first. $SPRITTY_HUB or $HF_ENDPOINT
 * name another hub.
 *
 * One thread a download: pull_start makes it, for programs that must not wait; pull_run works in
 * the caller's.
 */
#ifndef SPRITTY_PULL_H
#define SPRITTY_PULL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum pull_stage { PULL_ASKING, PULL_LOADING, PULL_WAITING, PULL_CHECKING, PULL_DONE };

struct pull_progress {
    enum pull_stage stage;
    char file[160];        /* where it will stand, from the data folder on: safe to print */
    int index, count;      /* of the files of this pull, from 0 */
    uint64_t bytes, total; /* of this file; total 0: the server does not say */
    double rate;           /* bytes a second, of the last seconds */
    char why[160];         /* PULL_WAITING: what went wrong before this try */
};

struct pull_options {
    /* Called a few times a second; false cancels. May be NULL. */
    bool (*progress)(void *user, const struct pull_progress *);
    void *user;
    int stall_s;    /* give a connection up that is slower than 1 KiB/s for so long; 0: 30 */
    int backoff_ms; /* before the first new try, then twice as long each time; 0: 1000 */
    int tries;      /* in a row without a new byte; 0: 6 */
    uint64_t spare; /* bytes that are to stay free on the disk; 0: 16 MiB */
};

struct pull_result {
    int files, fetched;  /* of them, those that were not there already */
    char path[PATH_MAX]; /* of the last one */
    bool unverified;     /* no hash was given for one of them: length and form alone were checked */
};

/* -1 with err: what, where and what to do; what was loaded so far stays for the next try. */
int pull_run(const char *what, const struct pull_options *, struct pull_result *, struct err *);

/* The same in a thread of its own. `what` is copied. pull_state: the latest progress, from any
 * thread; true while it runs. pull_end waits for it, frees it, and gives pull_run's answer. */
struct pull;
struct pull *pull_start(const char *what, const struct pull_options *, struct err *);
bool pull_state(struct pull *, struct pull_progress *);
void pull_cancel(struct pull *);
int pull_end(struct pull *, struct pull_result *, struct err *);

/* The short names. */
struct pull_entry {
    const char *name, *what, *licence;
    uint64_t bytes; /* about */
};
const struct pull_entry *pull_entry(int i); /* NULL past the end */
/* Is all of it there? The path of the file that it is about goes to path, when that is not NULL. */
bool pull_is_here(int i, char path[PATH_MAX]);
/* The same by name: 1 or 0, or -1 for what is no short name. */
int pull_here(const char *name, char path[PATH_MAX]);
/* The short name of a file that other tools call so ("sd_xl_base_1.0"), or NULL. */
const char *pull_name_for(const char *model);

const char *pull_library(void); /* "libcurl 7.88.1 (OpenSSL/3.0.17)", for people */

#endif
