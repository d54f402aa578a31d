/* See http.h. */
#include "pull/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/libcurl.h"
#include "base/version.h"
#include "pull/http_header.h"
#include "pull/pull.h"

struct transfer {
    const struct http_request *request;
    struct http_answer *answer;
    CURL *curl;
    char location[URL_MAX];
    bool began, stopped, stalled;
    curl_off_t came; /* bytes, the last time that there were more */
    double since;    /* milliseconds */
    bool hub;        /* this answer is the hub's own: its word on hashes counts */
};

/* ---- headers ---- */

static size_t on_header(char *data, size_t size, size_t count, void *user)
{
    struct transfer *t = user;
    http_header(t->answer, t->location, t->hub, data, size * count);
    return size * count;
}

/* ---- body ---- */

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct transfer *t = user;
    const struct http_request *r = t->request;
    size_t n = size * count;
    libcurl.easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->answer->status);
    bool wanted = t->answer->status == 200 || t->answer->status == 206;
    if (!wanted || r->head)
        return n;
    if (!t->began && r->begin && !r->begin(r->user, t->answer))
        t->stopped = true;
    t->began = true;
    if (!t->stopped && r->body && !r->body(r->user, data, n))
        t->stopped = true;
    return t->stopped ? 0 : n;
}

/* libcurl's own limit looks at the mean of some seconds; silence is told from the clock. */
static int on_tick(void *user, curl_off_t total, curl_off_t came, curl_off_t a, curl_off_t b)
{
    struct transfer *t = user;
    double now = clock_ms();
    (void)total, (void)a, (void)b;
    if (came != t->came || t->since == 0) {
        t->came = came;
        t->since = now;
    }
    t->stalled = now - t->since > t->request->stall_s * 1e3;
    if (t->request->tick && !t->request->tick(t->request->user))
        t->stopped = true;
    return t->stopped || t->stalled;
}

/* ---- one request ---- */

static struct curl_slist *headers(const struct http_request *r, const char *url)
{
    char line[600];
    struct curl_slist *list = libcurl.slist_append(NULL, "Accept-Encoding: identity");
    if (r->token && url_same_origin(url, r->origin)) {
        snprintf(line, sizeof line, "Authorization: Bearer %.500s", r->token);
        list = libcurl.slist_append(list, line);
        memset(line, 0, sizeof line);
    }
    if (r->from > 0) {
        snprintf(line, sizeof line, "Range: bytes=%llu-", (unsigned long long)r->from);
        list = libcurl.slist_append(list, line);
        if (r->if_tag && *r->if_tag) {
            snprintf(line, sizeof line, "If-Range: %.*s", TAG_MAX, r->if_tag);
            list = libcurl.slist_append(list, line);
        }
    }
    return list;
}

/* Never for this machine; beside that as the user says, which an option of ours would hide. */
static void set_no_proxy(CURL *c)
{
    const char *said = getenv("no_proxy");
    char *hosts = NULL;
    if (!said)
        said = getenv("NO_PROXY");
    if (said && !strcmp(said, "*"))
        libcurl.easy_setopt(c, CURLOPT_NOPROXY, "*");
    else if (asprintf(&hosts, "localhost,127.0.0.1,::1,%s", said ? said : "") >= 0)
        libcurl.easy_setopt(c, CURLOPT_NOPROXY, hosts);
    free(hosts);
}

static void set_options(CURL *c, struct transfer *t, const char *url, struct curl_slist *list)
{
    const struct http_request *r = t->request;
    libcurl.easy_setopt(c, CURLOPT_URL, url);
    libcurl.easy_setopt(c, CURLOPT_HTTPHEADER, list);
    libcurl.easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http"); /* url_check says which */
    set_no_proxy(c);
    libcurl.easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    libcurl.easy_setopt(c, CURLOPT_NOBODY, r->head ? 1L : 0L);
    libcurl.easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    libcurl.easy_setopt(c, CURLOPT_USERAGENT, "spritty/" SPRITTY_VERSION);
    libcurl.easy_setopt(c, CURLOPT_CONNECTTIMEOUT, 20L);
    libcurl.easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, 1024L);
    libcurl.easy_setopt(c, CURLOPT_LOW_SPEED_TIME, (long)r->stall_s);
    libcurl.easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
    libcurl.easy_setopt(c, CURLOPT_HEADERDATA, t);
    libcurl.easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    libcurl.easy_setopt(c, CURLOPT_WRITEDATA, t);
    libcurl.easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    libcurl.easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_tick);
    libcurl.easy_setopt(c, CURLOPT_XFERINFODATA, t);
}

static enum http_end verdict(CURLcode code, const struct transfer *t, const char *url,
                             struct err *e)
{
    char shown[160];
    url_show(url, shown);
    if (code == CURLE_OK)
        return HTTP_OK;
    if (t->stopped)
        return HTTP_STOPPED;
    if (t->stalled || code == CURLE_OPERATION_TIMEDOUT)
        err_set(e, "%s: nothing came for %d seconds", shown, t->request->stall_s);
    else
        err_set(e, "%s: %s", shown, libcurl.easy_strerror(code));
    bool hopeless = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
                    code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_URL_MALFORMAT;
    return hopeless ? HTTP_REFUSED : HTTP_BROKEN;
}

static enum http_end one(const struct http_request *r, struct transfer *t, const char *url,
                         struct err *e)
{
    struct curl_slist *list = headers(r, url);
    t->location[0] = '\0';
    t->began = t->stalled = false;
    t->since = 0;
    t->hub = r->origin && url_same_origin(url, r->origin);
    http_forget(t->answer);
    libcurl.easy_reset(t->curl);
    set_options(t->curl, t, url, list);
    CURLcode code = libcurl.easy_perform(t->curl);
    libcurl.easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &t->answer->status);
    libcurl.slist_free_all(list);
    return verdict(code, t, url, e);
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static enum http_end follow(const struct http_request *r, struct transfer *t, struct err *e)
{
    struct http_answer *a = t->answer;
    char next[URL_MAX], shown[160];
    for (int hops = 0; hops <= HTTP_REDIRECTS; hops++) {
        if (url_check(a->url, e))
            return HTTP_REFUSED;
        enum http_end end = one(r, t, a->url, e);
        if (end != HTTP_OK || !is_redirect(a->status))
            return end;
        url_show(a->url, shown);
        if (url_resolve(a->url, t->location, next)) {
            err_set(e, "%s redirects to nowhere", shown);
            return HTTP_REFUSED;
        }
        memcpy(a->url, next, sizeof next);
    }
    url_show(r->url, shown);
    err_set(e, "%s redirects more than %d times", shown, HTTP_REDIRECTS);
    return HTTP_REFUSED;
}

enum http_end http_run(const struct http_request *r, struct http_answer *a, struct err *e)
{
    *a = (struct http_answer){.linked_size = -1};
    if (libcurl_open(e))
        return HTTP_REFUSED;
    struct transfer t = {.request = r, .answer = a, .curl = libcurl.easy_init()};
    if (!t.curl || strlen(r->url) >= URL_MAX) {
        err_set(e, t.curl ? "the URL is too long" : "out of memory");
        libcurl.easy_cleanup(t.curl);
        return HTTP_REFUSED;
    }
    snprintf(a->url, sizeof a->url, "%s", r->url);
    enum http_end end = follow(r, &t, e);
    libcurl.easy_cleanup(t.curl);
    return end;
}

const char *pull_library(void)
{
    static char text[260];
    struct err e;
    if (libcurl_open(&e)) {
        snprintf(text, sizeof text, "%.250s", e.text);
        return text;
    }
    const curl_version_info_data *v = libcurl.version_info(CURLVERSION_NOW);
    snprintf(text, sizeof text, "libcurl %.20s (%.40s)", v->version,
             v->ssl_version ? v->ssl_version : "no TLS");
    return text;
}
