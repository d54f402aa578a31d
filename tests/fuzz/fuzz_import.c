/* Any bytes as each of the texts that are imported: the first byte chooses the parser. What comes
 * out is settings that print, as presets that config files can hold. And as files of jobs, whose
 * jobs read back from their canonical text; as snapshots of memory; and as what a server sends in
 * front of a download. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/job_text.h"
#include "engine/memory_map.h"
#include "import/a1111.h"
#include "import/comfy_export.h"
#include "import/comfy_nodes.h"
#include "import/source.h"
#include "import/write_preset.h"
#include "pull/http_header.h"
#include "pull/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int holds)
{
    if (!holds)
        abort();
}

static int parse(int which, char *text, size_t size, struct recipe *r, struct err *e)
{
    switch (which % 4) {
    case 0:
        return comfy_import(text, size, "fuzz", r, e);
    case 1:
        return a1111_import(text, r, e);
    case 2:
        return spritty_import(text, size, "fuzz", r, e);
    default:
        return import_text(text, size, "fuzz", r, e);
    }
}

/* The preset reads back as the same settings; a section of no lines is none. */
static void check_preset(const struct settings *s, const struct recipe *r)
{
    struct config c = {.count = 0};
    struct settings back = {.width = 0};
    struct err e;
    char *ini = preset_ini(s, r, "fuzz", NULL), *json = preset_json(s);
    check(ini && json && !config_parse(&c, ini, strlen(ini), "fuzz.ini", &e));
    check(config_preset(&c, "fuzz", &back, &e) == (settings_any(s) ? 0 : -1));
    char *one = settings_to_text(s), *two = settings_to_text(&back);
    check(one && two && !strcmp(one, two));
    free(one);
    free(two);
    free(ini);
    free(json);
    settings_free(&back);
    config_free(&c);
}

/* An address that a server sends, and the names in it: no part of a path, no way to another host.
 */
static void check_url(const char *text)
{
    static const char base[] = "https://hub.example/a/b?c";
    char url[URL_MAX], name[NAME_MAX_BYTES + 1], shown[160];
    struct err e;
    url_show(text, shown);
    if (url_file_name(text, name))
        check(*name && *name != '.' && *name != '-' && !strpbrk(name, "/\\\n\033"));
    if (url_is_plain_path(text))
        check(*text != '.' && *text != '/' && !strstr(text, "/.") && !strchr(text, '%'));
    if (url_resolve(base, text, url) || url_check(url, &e))
        return;
    check(!strncasecmp(url, "https://", 8) || strstr(url, "://127.0.0.1") ||
          strcasestr(url, "://localhost") || strstr(url, "://[::1]"));
    if (url_same_origin(base, url))
        check(!strncasecmp(url, "https://hub.example", 19) &&
              (url[19] == '\0' || strchr("/:?#", url[19])));
}

/* Text of a server's in which nothing may hide. */
static void check_plain(const char *s, size_t room)
{
    check(memchr(s, '\0', room) != NULL);
    for (; *s; s++)
        check((unsigned char)*s >= ' ' || *s == '\t');
}

/* Lines as the headers of an answer, and of those behind its redirects. The first byte of each
 * chooses whose answer it is; an empty line ends it. */
static void check_headers(const char *text, size_t size)
{
    struct http_answer a = {.linked_size = -1, .url = "https://hub.example/a/b"};
    char location[URL_MAX] = "", next[URL_MAX];
    bool hub = true;
    struct err e;
    http_forget(&a);
    for (size_t n; size > 0; text += n, size -= n) {
        const char *line_end = memchr(text, '\n', size);
        n = line_end ? (size_t)(line_end - text) + 1 : size;
        http_header(&a, location, hub, text, n);
        check(a.length >= -1 && a.range_from >= -1 && a.full >= -1 && a.linked_size >= -1);
        check(a.retry_after >= -1 && a.retry_after <= RETRY_MOST);
        check_plain(a.etag, sizeof a.etag);
        check_plain(a.linked_etag, sizeof a.linked_etag);
        check_plain(a.type, sizeof a.type);
        check_plain(location, sizeof location);
        check(!strpbrk(a.file, "/\\\n\033") && *a.file != '.');
        if (n > 1 || !*location)
            continue;
        if (url_resolve(a.url, location, next) || url_check(next, &e))
            return;
        check_url(next);
        memcpy(a.url, next, sizeof next);
        hub = url_same_origin(a.url, "https://hub.example/");
        location[0] = '\0';
        http_forget(&a);
    }
}

static void check_job(struct job_text *j)
{
    struct job_text back;
    char one[65], two[65];
    struct err e;
    check(!job_text_resolve(j, "/data", &e) || *e.text);
    char *text = job_text_print(j);
    check(text && !job_text_parse(text, strlen(text), "again", &back, &e));
    check(!job_text_identity(j, one, &e) && !job_text_identity(&back, two, &e));
    check(!strcmp(one, two));
    free(text);
    job_text_free(&back);
    job_text_free(j);
}

static void check_jobs(const char *name, char *text, size_t size)
{
    struct job_text j;
    struct err e = {""};
    int rc, tries = 0;
    struct job_reader *r = job_reader_from(fmemopen(text, size, "r"), name, &e);
    check(r != NULL);
    while ((rc = job_reader_next(r, &j, &e)) != 0 && rc != -2 && tries++ < 1000)
        if (rc == 1)
            check_job(&j);
        else
            check(*e.text != '\0');
    job_reader_close(r);
}

/* What a snapshot of memory says prints, and differs from itself in nothing. */
static void check_snapshot(const char *text, size_t size)
{
    static struct memory_map m;
    static struct memory_difference d[2 * MEMORY_ITEMS];
    struct err e = {""};
    if (memory_parse(text, size, "fuzz", &m, &e)) {
        check(*e.text != '\0');
        return;
    }
    int n = memory_compare(&m, &m, d);
    check(n == m.count);
    for (int i = 0; i < n; i++) {
        check(d[i].before == d[i].now);
        for (const char *p = d[i].name; *p; p++)
            check((unsigned char)*p >= ' ');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recipe r = {.count = 0};
    struct settings s = {.width = 0};
    struct err e = {""};
    if (size < 1)
        return 0;
    char *text = malloc(size);
    check(text != NULL);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    if (data[0] == 'M') {
        check_snapshot(text, size - 1);
        free(text);
        return 0;
    }
    if (data[0] == 'H') {
        check_headers(text, size - 1);
        free(text);
        return 0;
    }
    if (data[0] % 8 >= 6 && size > 1) {
        check_jobs(data[0] % 8 == 6 ? "fuzz" : "fuzz.csv", text, size - 1);
        free(text);
        return 0;
    }
    check_url(text);
    if (parse(data[0], text, size - 1, &r, &e)) {
        check(*e.text != '\0');
    } else {
        check(!recipe_settle(&r, &s, &e));
        check_preset(&s, &r);
        if (settings_has(&s, "sampler") && settings_has(&s, "scheduler"))
            free(comfy_export(&s, "fuzz", &r, &e));
    }
    settings_free(&s);
    recipe_free(&r);
    free(text);
    return 0;
}
