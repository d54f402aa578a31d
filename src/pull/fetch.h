/* One file: asked for, loaded into NAME.part, checked, renamed. */
#ifndef SPRITTY_PULL_FETCH_H
#define SPRITTY_PULL_FETCH_H

#include "pull/http.h"
#include "pull/names.h"

struct fetch {
    const char *url;
    const char *token;  /* or NULL */
    const char *origin; /* the hub's address: whose hashes count, and who gets the token; or NULL */
    const char *data;   /* the data folder */
    char to[300]; /* from there on; for KIND_ANY without a folder, which is found at the end */
    enum pull_kind kind;
    const struct pull_options *options;
    struct pull_progress progress; /* index and count set by the caller */

    /* Out. */
    char path[PATH_MAX];
    bool fetched, unverified;
};

int fetch_file(struct fetch *, struct err *);

/* A short answer into memory (malloc'd, with a NUL behind): the hub's lists. */
char *fetch_text(const char *url, const struct fetch *like, size_t limit, struct err *);

#endif
