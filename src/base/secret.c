/* See secret.h. */
#include "base/secret.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SECRETS = 16 };

/* Few, and for as long as the process lives. */
static struct {
    char *url, *password;
} known[SECRETS];
static int count;
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void enter(void)
{
    while (atomic_flag_test_and_set_explicit(&busy, memory_order_acquire))
        ;
}

static void leave(void)
{
    atomic_flag_clear_explicit(&busy, memory_order_release);
}

/* The password in the first `n` bytes of a URL: from, to; false: there is none. The last "@" of all
 * ends it, so that of one with bare slashes or "@" in it nothing stays behind. */
static bool find(const char *url, size_t n, size_t *from, size_t *to)
{
    const char *scheme = memmem(url, n, "://", 3), *at = memrchr(url, '@', n);
    const char *colon = scheme && at > scheme + 2
                            ? memchr(scheme + 3, ':', (size_t)(at - scheme) - 3)
                            : NULL;
    if (!colon)
        return false;
    *from = (size_t)(colon - url) + 1;
    *to = (size_t)(at - url);
    return true;
}

static bool remember(const char *url, const char *password, size_t n)
{
    bool done = false;
    enter();
    int i = 0;
    while (i < count && strcmp(known[i].url, url) != 0)
        i++;
    char *copy = i < SECRETS && n < SECRET_MAX ? strndup(password, n) : NULL;
    char *name = copy && i == count ? strdup(url) : NULL;
    if (copy && i < count) {
        free(known[i].password);
        known[i].password = copy;
        done = true;
    } else if (name) {
        known[count].url = name;
        known[count++].password = copy;
        done = true;
    } else {
        free(copy);
    }
    leave();
    return done;
}

/* One of the list, without its password, to the end of `out`. */
static bool strip_one(const char *item, size_t n, char *out)
{
    size_t from, to;
    if (!find(item, n, &from, &to)) {
        strncat(out, item, n);
        return true;
    }
    char *here = out + strlen(out);
    strncat(out, item, from - 1);
    strncat(out, item + to, n - to);
    return to == from || remember(here, item + from, to - from);
}

char *secret_strip(const char *text)
{
    char *out = calloc(1, strlen(text) + 1);
    for (const char *at = text; out;) {
        size_t n = strcspn(at, ",");
        if (!strip_one(at, n, out)) {
            free(out);
            return NULL;
        }
        if (!at[n])
            break;
        strcat(out, ",");
        at += n + 1;
    }
    return out;
}

void secret_of(const char *url, char out[SECRET_MAX])
{
    *out = '\0';
    enter();
    for (int i = 0; i < count; i++)
        if (!strcmp(known[i].url, url))
            snprintf(out, SECRET_MAX, "%s", known[i].password);
    leave();
}

void secret_blot(char *text)
{
    size_t from, to;
    for (char *at = text; *at;) {
        size_t n = strcspn(at, ","), all = strlen(at);
        bool goes_on = memmem(at, n, "://", 3) && !memchr(at, '@', n);
        if (find(at, n, &from, &to) || (goes_on && find(at, all, &from, &to))) {
            memset(at + from, 'x', to - from);
            n = to > n ? to : n; /* it had commas in it */
        }
        at += n + (at[n] == ',');
    }
}
