/*
 * libcurl, opened when it is first needed: it brings half of all libraries with it (TLS, Kerberos,
 * LDAP), and most runs download nothing and have no queue. This is its header's only home.
 *
 *     if (libcurl_open(e))
 *         return -1;
 *     CURL *c = libcurl.easy_init();
 */
#ifndef SPRITTY_LIBCURL_H
#define SPRITTY_LIBCURL_H

#include <curl/curl.h>

#include "base/err.h"

#define LIBCURL_CALLS(X)                                                                           \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_cleanup)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_perform)                                                                                \
    X(easy_send)                                                                                   \
    X(easy_recv)                                                                                   \
    X(easy_strerror)                                                                               \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(version_info)

#define LIBCURL_POINTER(name) __typeof__(curl_##name) *name;
struct libcurl {
    LIBCURL_CALLS(LIBCURL_POINTER)
};
#undef LIBCURL_POINTER

/* curl_easy_init and so on, once libcurl_open has said yes. */
extern struct libcurl libcurl;

/* Any thread, any number of times; also initialises it. -1 and err: it is not here. */
int libcurl_open(struct err *);

#endif
