/* What the files of a download share: fetch.c, its way; part.c, the bytes that are there so far. */
#ifndef SPRITTY_PULL_FETCH_PRIV_H
#define SPRITTY_PULL_FETCH_PRIV_H

#include "pull/fetch.h"

struct load {
    struct fetch *f;
    char part[PATH_MAX], tag_file[PATH_MAX];
    int fd;
    uint64_t have;
    int64_t size;       /* -1: not known */
    char tag[TAG_MAX];  /* of the bytes that are there */
    char hash[TAG_MAX]; /* what the hub says it is; "": nothing */
    bool cancelled, fatal, anew;
    uint64_t looked_at; /* bytes when the disk was asked for room last */
    uint64_t marked;    /* bytes at the last tick, for the rate */
    double marked_at, told_at;
    struct err why; /* what ended the transfer from within */
};

/* ---- part.c ---- */

/* Locked: whoever holds it is the only one to load this file. */
int part_open(struct load *, struct err *);
int part_begin_anew(struct load *, struct err *);
/* Writes down what the server says of the bytes, for a later run. */
int part_keep_tag(struct load *);
/* May the bytes that lie there be part of what the server has now? */
bool part_goes_on(struct load *);
/* Has the disk room for the rest, or for some more where no one knows how much that is? Asks it
 * every few MiB alone: others fill it too. */
int part_has_room(struct load *, struct err *);

#endif
