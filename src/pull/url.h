/* URLs as pull needs them: what is allowed, whose host it is, which file it names. */
#ifndef SPRITTY_PULL_URL_H
#define SPRITTY_PULL_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum { URL_MAX = 4096, NAME_MAX_BYTES = 120 };

/* https anywhere, http on this machine alone (127.0.0.1, localhost, ::1); no user or password in
 * it. -1 and err. */
int url_check(const char *url, struct err *);
/* The same scheme, host and port? A token for one may go to the other then. */
bool url_same_origin(const char *a, const char *b);
/* The URL that a Location header means, seen from `base`. -1: too long or no URL. */
int url_resolve(const char *base, const char *location, char out[URL_MAX]);
/* Scheme, host and path, without query (which may hold a key), safe to print. out[160]. */
void url_show(const char *url, char out[160]);

/* A file name that is safe to make, from what a server or a URL calls it: the last part of a path,
 * without control characters, percent signs decoded. False when nothing of it is left (or it is
 * "..", or begins with a dot). */
bool url_file_name(const char *text, char out[NAME_MAX_BYTES + 1]);
/* Is it a name of a repository's file that may go into a URL and be a path: parts of letters,
 * digits,
 * "-", "_", "." and no ".."? */
bool url_is_plain_path(const char *path);

#endif
