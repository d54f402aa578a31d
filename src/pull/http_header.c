/* See http_header.h. */
#include "pull/http_header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool named(const char *line, const char *name, const char **value)
{
    size_t n = strlen(name);
    if (strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    *value = line + n + 1 + strspn(line + n + 1, " \t");
    return true;
}

static int64_t number(const char *s)
{
    char *end;
    long long x = strtoll(s, &end, 10);
    return end != s && x >= 0 ? x : -1;
}

/* attachment; filename="a b.safetensors"; filename*=UTF-8''a%20b.safetensors */
static void take_disposition(struct http_answer *a, const char *value)
{
    char name[512];
    const char *at = strcasestr(value, "filename=");
    const char *star = strcasestr(value, "filename*=UTF-8''");
    if (star)
        snprintf(name, sizeof name, "%.*s", (int)strcspn(star + 17, ";"), star + 17);
    else if (at && at[9] == '"')
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    else if (at)
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 9, "; "), at + 9);
    else
        return;
    if (!url_file_name(name, a->file))
        a->file[0] = '\0';
}

static void take_range(struct http_answer *a, const char *value)
{
    const char *slash = strchr(value, '/');
    if (!strncasecmp(value, "bytes ", 6) && slash) {
        a->range_from = number(value + 6);
        a->full = number(slash + 1);
    }
}

void http_forget(struct http_answer *a)
{
    a->status = 0;
    a->length = a->range_from = a->full = -1;
    a->retry_after = -1;
    a->etag[0] = a->type[0] = '\0';
    a->packed = false;
}

/* Of those that count: all but the two that only the hub may say. */
static void take(struct http_answer *a, char *location, const char *line)
{
    const char *v;
    if (named(line, "Content-Length", &v))
        a->length = number(v);
    else if (named(line, "Content-Range", &v))
        take_range(a, v);
    else if (named(line, "ETag", &v))
        snprintf(a->etag, sizeof a->etag, "%s", v);
    else if (named(line, "Content-Type", &v))
        snprintf(a->type, sizeof a->type, "%s", v);
    else if (named(line, "Content-Disposition", &v))
        take_disposition(a, v);
    else if (named(line, "Retry-After", &v))
        a->retry_after = number(v) < RETRY_MOST ? (int)number(v) : RETRY_MOST;
    else if (named(line, "Content-Encoding", &v))
        a->packed = *v && strcasecmp(v, "identity") != 0;
    else if (named(line, "Location", &v))
        snprintf(location, URL_MAX, "%s", v);
}

void http_header(struct http_answer *a, char location[URL_MAX], bool hub, const char *data,
                 size_t size)
{
    char line[URL_MAX + 64];
    const char *v;
    size_t end = size;
    while (end > 0 && (data[end - 1] == '\n' || data[end - 1] == '\r' || data[end - 1] == ' '))
        end--;
    if (end >= sizeof line || memchr(data, '\0', end))
        return; /* too long for any of those that count */
    bool plain = true;
    for (size_t i = 0; i < end; i++)
        plain &= (unsigned char)data[i] >= ' ' || data[i] == '\t';
    memcpy(line, data, end);
    line[end] = '\0';
    if (!plain && !named(line, "Content-Disposition", &v))
        return; /* tags go into files and requests; a file's name is cleaned where it is taken */
    if (hub && named(line, "X-Linked-Etag", &v))
        snprintf(a->linked_etag, sizeof a->linked_etag, "%s", v);
    else if (hub && named(line, "X-Linked-Size", &v))
        a->linked_size = number(v);
    else
        take(a, location, line);
}
