/* See url.h. */
#include "queue/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/secret.h"

enum { PASSWORD_FILE_MAX = 4096, URL_LENGTH = 8192 };

bool queue_url_is(const char *text)
{
    return !strncmp(text, "redis://", 8) || !strncmp(text, "rediss://", 9) ||
           !strncmp(text, "unix://", 7);
}

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

/* Percent signs decoded. -1: too long, a broken one, or a NUL. */
static int decode(const char *from, size_t n, char *out, size_t room)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        int c = (unsigned char)from[i];
        if (c == '%') {
            int high = i + 2 < n + 0 ? hex(from[i + 1]) : -1,
                low = i + 2 < n ? hex(from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || k + 1 >= room)
            return -1;
        out[k++] = (char)c;
    }
    out[k] = '\0';
    return 0;
}

static int whole_number(const char *text, size_t n, int max, int *out)
{
    long v = 0;
    if (n < 1 || n > 5)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)text[i]))
            return -1;
        v = v * 10 + (text[i] - '0');
    }
    *out = (int)v;
    return v <= max ? 0 : -1;
}

static int take_name(struct queue_url *u, struct err *e)
{
    const char *c = u->name;
    while (isalnum((unsigned char)*c) || (*c && strchr("-_.", *c)))
        c++;
    return *u->name && !*c ? 0
                           : err_set(e, "the queue's name may have up to 32 letters, digits, "
                                        "\"-\", \"_\" and \".\"");
}

static int take_pair(struct queue_url *u, const char *pair, size_t n, struct err *e)
{
    const struct {
        const char *key;
        char *to;
        size_t room;
    } texts[] = {{"name", u->name, sizeof u->name},
                 {"ca", u->ca, sizeof u->ca},
                 {"cert", u->cert, sizeof u->cert},
                 {"key", u->key, sizeof u->key}};
    const char *eq = memchr(pair, '=', n);
    size_t k = eq ? (size_t)(eq - pair) : n, v = eq ? n - k - 1 : 0;
    if (eq && k == 2 && !strncmp(pair, "db", 2))
        return whole_number(eq + 1, v, 99999, &u->db) ? err_set(e, "db is a number") : 0;
    for (size_t i = 0; eq && i < sizeof texts / sizeof *texts; i++)
        if (strlen(texts[i].key) == k && !strncmp(pair, texts[i].key, k))
            return decode(eq + 1, v, texts[i].to, texts[i].room)
                       ? err_set(e, "%s is too long, or its percent signs are broken", texts[i].key)
                       : 0;
    return err_set(e,
                   "after \"?\" there may be name=, db=, ca=, cert= and key=, with \"&\" between");
}

static int take_query(struct queue_url *u, const char *query, struct err *e)
{
    while (*query) {
        size_t n = strcspn(query, "&");
        if (n && take_pair(u, query, n, e))
            return -1;
        query += n + (query[n] == '&');
    }
    return take_name(u, e);
}

static int take_user(struct queue_url *u, const char *text, size_t n, struct err *e)
{
    const char *colon = memchr(text, ':', n);
    size_t name = colon ? (size_t)(colon - text) : n;
    if (decode(text, name, u->user, sizeof u->user) ||
        (colon && decode(colon + 1, n - name - 1, u->password, sizeof u->password)))
        return err_set(e, "user or password are too long, or their percent signs are broken");
    return 0;
}

static int take_host(struct queue_url *u, const char *text, size_t n, struct err *e)
{
    const char *end = n && *text == '[' ? memchr(text, ']', n) : NULL;
    size_t skip = end ? 1 : 0, name;
    const char *colon = end ? (end[1] == ':' && end + 1 < text + n ? end + 1 : NULL)
                            : memchr(text, ':', n);
    name = end ? (size_t)(end - text) - 1 : colon ? (size_t)(colon - text) : n;
    u->port = 6379;
    if (end && !colon && end + 1 < text + n)
        return err_set(e, "behind the \"]\" of its host there may be \":\" and a port");
    if (name == 0 || name >= sizeof u->host)
        return err_set(e, "there is no host in it");
    for (size_t i = 0; i < name; i++) {
        char c = text[skip + i];
        if (!isalnum((unsigned char)c) && !strchr(end ? ":." : "-._", c))
            return err_set(e, "a host has letters, digits, \"-\" and \".\"");
    }
    memcpy(u->host, text + skip, name);
    u->host[name] = '\0';
    size_t after = colon ? (size_t)(text + n - colon) - 1 : 0;
    if (colon && (whole_number(colon + 1, after, 65535, &u->port) || u->port == 0))
        return err_set(e, "its port is no number from 1 to 65535");
    return 0;
}

/* What stands behind "redis://". */
static int take_rest(struct queue_url *u, const char *rest, struct err *e)
{
    size_t authority = strcspn(rest, "/?");
    const char *at = memrchr(rest, '@', authority);
    size_t user = at ? (size_t)(at - rest) + 1 : 0;
    if (at && take_user(u, rest, user - 1, e))
        return -1;
    if (take_host(u, rest + user, authority - user, e))
        return -1;
    rest += authority;
    size_t db = *rest == '/' ? strcspn(rest + 1, "?") : 0;
    if (db && whole_number(rest + 1, db, 99999, &u->db))
        return err_set(e, "behind the host there may be the number of a database");
    rest += strcspn(rest, "?");
    return take_query(u, *rest ? rest + 1 : rest, e);
}

static int take_socket(struct queue_url *u, const char *rest, struct err *e)
{
    size_t n = strcspn(rest, "?");
    if (*rest != '/' || decode(rest, n, u->socket, sizeof u->socket))
        return err_set(e, "a socket's path begins with \"/\" and has at most %zu characters",
                       sizeof u->socket - 1);
    return take_query(u, rest[n] ? rest + n + 1 : rest + n, e);
}

static int read_password_file(struct queue_url *u, const char *path, struct err *e)
{
    size_t size;
    char *text = file_read(path, PASSWORD_FILE_MAX, &size, e);
    if (!text)
        return err_prefix(e, "SPRITTY_REDIS_PASSWORD_FILE");
    size_t n = strcspn(text, "\r\n");
    int rc = n < sizeof u->password ? 0 : err_set(e, "the password in %s is too long", path);
    if (!rc)
        memcpy(u->password, text, n), u->password[n] = '\0';
    free(text);
    return rc;
}

static int find_password(struct queue_url *u, const char *text, struct err *e)
{
    char kept[SECRET_MAX];
    const char *said = getenv("SPRITTY_REDIS_PASSWORD");
    const char *file = getenv("SPRITTY_REDIS_PASSWORD_FILE");
    if (*u->password)
        return 0;
    secret_of(text, kept);
    if (*kept)
        return decode(kept, strlen(kept), u->password, sizeof u->password)
                   ? err_set(e, "the password is too long, or its percent signs are broken")
                   : 0;
    if (said && *said) {
        if (strlen(said) >= sizeof u->password)
            return err_set(e, "SPRITTY_REDIS_PASSWORD is too long");
        strcpy(u->password, said);
        return 0;
    }
    return file && *file ? read_password_file(u, file, e) : 0;
}

int queue_url_parse(struct queue_url *u, const char *text, struct err *e)
{
    *u = (struct queue_url){.name = "spritty"};
    int rc;
    if (!queue_url_is(text) || strlen(text) >= URL_LENGTH)
        return err_set(e, "a queue is redis://[user@]host[:port][/db], rediss:// for TLS, or "
                          "unix:///path");
    u->tls = text[5] == 's';
    if (*text == 'u')
        rc = take_socket(u, text + 7, e);
    else
        rc = take_rest(u, text + (u->tls ? 9 : 8), e);
    if (rc)
        return err_prefix(e, "the queue's URL");
    snprintf(u->show, sizeof u->show, "%s://%s%.253s",
             *u->socket ? "unix"
             : u->tls   ? "rediss"
                        : "redis",
             u->socket, u->host);
    if (!*u->socket)
        snprintf(u->show + strlen(u->show), 16, ":%d", u->port);
    if (strcmp(u->name, "spritty") != 0)
        snprintf(u->show + strlen(u->show), 48, " (%s)", u->name);
    return find_password(u, text, e);
}
