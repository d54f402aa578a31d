/* See url.h. */
#include "pull/url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct parts {
    size_t scheme, host_at, host_end, end; /* end: of the origin, with its port */
};

static bool split(const char *url, struct parts *p)
{
    const char *colon = strstr(url, "://");
    if (!colon || strlen(url) >= URL_MAX)
        return false;
    p->scheme = (size_t)(colon - url);
    p->host_at = p->scheme + 3;
    p->end = p->host_at + strcspn(url + p->host_at, "/?#");
    p->host_end = p->host_at;
    if (url[p->host_at] == '[') {
        const char *close = memchr(url + p->host_at, ']', p->end - p->host_at);
        if (!close)
            return false;
        p->host_end = (size_t)(close - url) + 1;
    } else {
        while (p->host_end < p->end && url[p->host_end] != ':')
            p->host_end++;
    }
    return p->host_end > p->host_at;
}

static bool is_local(const char *host, size_t n)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};
    for (int i = 0; i < 3; i++)
        if (strlen(names[i]) == n && !strncasecmp(names[i], host, n))
            return true;
    return false;
}

int url_check(const char *url, struct err *e)
{
    struct parts p;
    char shown[160];
    url_show(url, shown);
    for (const char *s = url; *s; s++)
        if ((unsigned char)*s <= ' ' || *s == 0x7f || *s == '\\')
            return err_set(e, "'%s' is no URL: there is a space or control character in it", shown);
    if (!split(url, &p))
        return err_set(e, "'%s' is no URL", shown);
    if (memchr(url + p.host_at, '@', p.end - p.host_at))
        return err_set(e, "'%s': a user or password in a URL is refused", shown);
    bool https = p.scheme == 5 && !strncasecmp(url, "https", 5);
    bool http = p.scheme == 4 && !strncasecmp(url, "http", 4);
    if (https || (http && is_local(url + p.host_at, p.host_end - p.host_at)))
        return 0;
    return err_set(e, "'%s': only https is loaded from", shown);
}

/* The port, as it is when it is not said. */
static long port_of(const char *url, const struct parts *p)
{
    if (p->host_end < p->end)
        return strtol(url + p->host_end + 1, NULL, 10);
    return p->scheme == 5 ? 443 : 80;
}

bool url_same_origin(const char *a, const char *b)
{
    struct parts p, q;
    if (!split(a, &p) || !split(b, &q))
        return false;
    size_t n = p.host_end - p.host_at;
    return p.scheme == q.scheme && !strncasecmp(a, b, p.scheme) && n == q.host_end - q.host_at &&
           !strncasecmp(a + p.host_at, b + q.host_at, n) && port_of(a, &p) == port_of(b, &q);
}

int url_resolve(const char *base, const char *location, char out[URL_MAX])
{
    struct parts p;
    int n;
    if (!split(base, &p))
        return -1;
    size_t path = p.end + strcspn(base + p.end, "?#");
    while (path > p.end && base[path - 1] != '/')
        path--;
    if (strstr(location, "://") && strcspn(location, ":/?#") == strcspn(location, ":"))
        n = snprintf(out, URL_MAX, "%s", location);
    else if (location[0] == '/' && location[1] == '/')
        n = snprintf(out, URL_MAX, "%.*s:%s", (int)p.scheme, base, location);
    else if (location[0] == '/')
        n = snprintf(out, URL_MAX, "%.*s%s", (int)p.end, base, location);
    else
        n = snprintf(out, URL_MAX, "%.*s%s%s", (int)path, base, path == p.end ? "/" : "", location);
    return n > 0 && n < URL_MAX && *location ? 0 : -1;
}

void url_show(const char *url, char out[160])
{
    size_t n = strcspn(url, "?#");
    snprintf(out, 160, "%.*s", (int)(n < 150 ? n : 150), url);
    /* Nor a user and password. */
    char *host = strstr(out, "://"), *at = host ? strchr(host, '@') : NULL;
    if (at && at < host + 3 + strcspn(host + 3, "/"))
        memmove(host + 3, at + 1, strlen(at));
    text_sanitize(out);
}

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? (c | 32) - 'a' + 10
                                        : -1;
}

bool url_file_name(const char *text, char out[NAME_MAX_BYTES + 1])
{
    char plain[1024];
    size_t n = 0;
    for (const char *s = text; *s && *s != '?' && *s != '#' && n + 1 < sizeof plain; s++) {
        bool coded = *s == '%' && hex(s[1]) >= 0 && hex(s[2]) >= 0;
        plain[n++] = coded ? (char)(hex(s[1]) * 16 + hex(s[2])) : *s;
        s += coded ? 2 : 0;
        if (plain[n - 1] == '\0')
            return false;
    }
    plain[n] = '\0';
    char *start = plain;
    for (char *s = plain; *s; s++)
        if (*s == '/' || *s == '\\')
            start = s + 1;
    text_sanitize(start);
    for (char *s = start; *s; s++)
        if (strchr("?*:\"<>|", *s))
            *s = '_';
    size_t length = strlen(start);
    if (length == 0 || length > NAME_MAX_BYTES || *start == '.' || *start == ' ' || *start == '-')
        return false;
    memcpy(out, start, length + 1);
    return true;
}

bool url_is_plain_path(const char *path)
{
    size_t part = 0;
    if (strlen(path) > 300)
        return false;
    for (const char *s = path;; s++) {
        if (*s == '/' || !*s) {
            if (part == 0 || s[-(long)part] == '.')
                return false;
            part = 0;
            if (!*s)
                return true;
        } else if (isalnum((unsigned char)*s) || strchr("-_.", *s)) {
            part++;
        } else {
            return false;
        }
    }
}
