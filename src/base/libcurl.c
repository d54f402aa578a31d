/* See libcurl.h. */
#include "base/libcurl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

struct libcurl libcurl;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_open;
static char why[200];

/* The second is the name of a build over GnuTLS, whose functions are the same. */
static void *open_any(void)
{
    void *object = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!object)
        snprintf(why, sizeof why, "%.190s", dlerror());
    return object ? object : dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
}

static void open_once(void)
{
    void *object = open_any();
    bool all = object != NULL;
#define LIBCURL_FIND(name)                                                                         \
    if (object)                                                                                    \
        *(void **)&libcurl.name = dlsym(object, "curl_" #name);                                    \
    if (object && !libcurl.name) {                                                                 \
        snprintf(why, sizeof why, "it has no curl_" #name);                                        \
        all = false;                                                                               \
    }
    LIBCURL_CALLS(LIBCURL_FIND)
#undef LIBCURL_FIND
    is_open = all && libcurl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

int libcurl_open(struct err *e)
{
    pthread_once(&once, open_once);
    return is_open ? 0
                   : err_set(e, "libcurl does not open (%s): install libcurl4",
                             *why ? why : "it does not start");
}
