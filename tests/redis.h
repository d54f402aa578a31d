/*
 * A Redis server of a test's own: in a temporary folder, behind a socket there (and a port where it
 * is asked for), with a password, and with an append-only file, so that it can be killed and
 * started again. Debian's redis-tools has the program as redis-check-rdb, which is the server when
 * it is called so. Include after cmocka; needs <unistd.h> and so on from below.
 */
#ifndef SPRITTY_TESTS_REDIS_H
#define SPRITTY_TESTS_REDIS_H

#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "queue/link.h"

#define REDIS_PASSWORD "not%20a secret" /* as it is; in a URL the percent sign is coded */

extern char **environ;

struct redis {
    char folder[64], url[300];
    pid_t pid;
};

static inline const char *redis_program(void)
{
    static const char *const at[] = {"/usr/bin/redis-server", "/usr/local/bin/redis-server",
                                     "/usr/bin/valkey-server", "/usr/bin/redis-check-rdb"};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++)
        if (access(at[i], X_OK) == 0)
            return at[i];
    return NULL;
}

/* more: lines of its configuration. Waits until it answers. */
static inline bool redis_start_with(struct redis *r, const char *more)
{
    char path[100], log[100];
    const char *program = redis_program();
    if (!program)
        return false;
    if (!*r->folder) {
        strcpy(r->folder, "/tmp/spritty-redis-XXXXXX");
        if (!mkdtemp(r->folder))
            return false;
    }
    snprintf(path, sizeof path, "%s/conf", r->folder);
    snprintf(log, sizeof log, "%s/log", r->folder);
    FILE *f = fopen(path, "w");
    if (!f)
        return false;
    fprintf(f,
            "port 0\nunixsocket %s/socket\nunixsocketperm 700\ndir %s\nrequirepass \"%s\"\n"
            "appendonly yes\nappendfsync always\nsave \"\"\nlogfile %s\ndaemonize no\n%s\n",
            r->folder, r->folder, REDIS_PASSWORD, log, more ? more : "");
    fclose(f);
    char *argv[] = {(char *)"redis-server", path, NULL};
    if (posix_spawn(&r->pid, program, NULL, NULL, argv, environ))
        return false;
    setenv("SPRITTY_REDIS_PASSWORD", REDIS_PASSWORD, 1);
    snprintf(r->url, sizeof r->url, "unix://%s/socket", r->folder);
    struct queue_url u;
    struct err e;
    for (int i = 0; i < 6000; i++) {
        struct wire *w = queue_url_parse(&u, r->url, &e) ? NULL : wire_open(&u, 2000, NULL, &e);
        if (w) {
            wire_close(w);
            return true;
        }
        usleep(20000);
    }
    return false;
}

static inline bool redis_start(struct redis *r)
{
    return redis_start_with(r, NULL);
}

/* As a crash would. */
static inline void redis_kill(struct redis *r)
{
    if (r->pid > 0) {
        kill(r->pid, SIGKILL);
        waitpid(r->pid, NULL, 0);
    }
    r->pid = 0;
}

static inline int redis_drop(const char *path, const struct stat *st, int flag, struct FTW *f)
{
    (void)st, (void)flag, (void)f;
    return remove(path);
}

static inline void redis_end(struct redis *r)
{
    redis_kill(r);
    if (*r->folder)
        nftw(r->folder, redis_drop, 16, FTW_DEPTH | FTW_PHYS);
    *r->folder = '\0';
}

/* A command in words, answered: the reply is the caller's. */
static inline struct reply *redis_say(struct link *l, int n, const char *const *word)
{
    struct args a = {0};
    struct reply *r;
    struct err e = {""};
    for (int i = 0; i < n; i++)
        args_text(&a, word[i]);
    if (link_call(l, &a, 0, &r, &e) != LINK_OK)
        fail_msg("%s: %s", word[0], e.text);
    return r;
}
#define SAY(l, ...)                                                                                \
    redis_say(l, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                    \
              (const char *[]){__VA_ARGS__})

static inline long long redis_number(struct reply *r)
{
    long long x = reply_number(r);
    reply_free(r);
    return x;
}

#endif
