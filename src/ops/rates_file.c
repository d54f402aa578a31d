/* See rates_file.h. */
#include "ops/rates_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "base/paths.h"

/* Of what is measured and how: an older file is measured again. */
enum { VERSION = 5, MOST_BYTES = 1 << 18 };

/* ---- to text ---- */

static void put_point(struct jsonw *w, const struct rate_point *p)
{
    jsonw_open(w, NULL, '{');
    jsonw_string(w, "kind", rate_kind_name(p->call.kind));
    jsonw_open(w, "size", '[');
    for (int i = 0; i < RATE_SIZES; i++)
        jsonw_real(w, NULL, p->call.size[i], 0);
    jsonw_close(w, ']');
    jsonw_real(w, "flops", p->call.flops, 0);
    jsonw_real(w, "bytes", p->call.bytes, 0);
    jsonw_real(w, "ms", p->ms, 7);
    jsonw_close(w, '}');
}

char *rates_write(const struct rates *r)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    jsonw_u64(&w, "version", VERSION);
    jsonw_string(&w, "key", r->key);
    jsonw_real(&w, "overhead_ms", r->overhead_ms, 7);
    jsonw_real(&w, "start_ms", r->start_ms, 4);
    jsonw_real(&w, "first_ms", r->first_ms, 4);
    jsonw_real(&w, "pack_bytes_ms", r->pack_bytes_ms, 0);
    jsonw_real(&w, "touch_bytes_ms", r->touch_bytes_ms, 0);
    jsonw_real(&w, "load_bytes_ms", r->load_bytes_ms, 0);
    jsonw_real(&w, "disk_bytes_ms", r->disk_bytes_ms, 0);
    jsonw_real(&w, "pace", r->pace, 3);
    jsonw_real(&w, "stream_pace", r->stream_pace, 3);
    jsonw_real(&w, "others", r->others, 3);
    jsonw_u64(&w, "times", (uint64_t)r->times);
    jsonw_open(&w, "points", '[');
    for (int i = 0; i < r->count; i++)
        put_point(&w, &r->point[i]);
    jsonw_close(&w, ']');
    jsonw_close(&w, '}');
    return jsonw_take(&w);
}

/* ---- and back ---- */

static int read_point(struct json v, struct rate_point *p, struct err *e)
{
    const char *kind;
    if (json_string(v, "kind", &kind, e))
        return -1;
    int k = rate_kind_by_name(kind);
    if (k < 0)
        return err_set(e, "%s: no kind of call is named '%.40s'", json_name(v), kind);
    p->call.kind = (enum rate_kind)k;
    struct json sizes = json_get(v, "size");
    if (json_kind(sizes) != JSON_ARRAY || json_count(sizes) != RATE_SIZES)
        return err_set(e, "%s: a point needs %d sizes", json_name(v), RATE_SIZES);
    int i = 0;
    for (struct json s = json_first(sizes); s.node; s = json_next(s))
        if (!json_as_double(s, &p->call.size[i++]))
            return err_set(e, "%s: a size is no number", json_name(v));
    return json_double(v, "flops", 0, 1e18, &p->call.flops, e) ||
                   json_double(v, "bytes", 0, 1e18, &p->call.bytes, e) ||
                   json_double(v, "ms", 0, 1e9, &p->ms, e)
               ? -1
               : 0;
}

static int read_all(struct json root, struct rates *r, struct err *e)
{
    const char *key;
    int version;
    if (json_int(root, "version", VERSION, VERSION, &version, e) ||
        json_string(root, "key", &key, e) ||
        json_double(root, "overhead_ms", 0, 1e3, &r->overhead_ms, e) ||
        json_double(root, "start_ms", 0, 1e5, &r->start_ms, e) ||
        json_double(root, "first_ms", 0, 1e4, &r->first_ms, e) ||
        json_double(root, "load_bytes_ms", 0, 1e12, &r->load_bytes_ms, e) ||
        json_double(root, "disk_bytes_ms", 0, 1e12, &r->disk_bytes_ms, e) ||
        json_double(root, "pace", 0, 10, &r->pace, e) ||
        json_double(root, "stream_pace", 0, 10, &r->stream_pace, e) ||
        json_double(root, "others", 0, 1, &r->others, e) ||
        json_int(root, "times", 1, 1000, &r->times, e) ||
        json_double(root, "pack_bytes_ms", 1, 1e12, &r->pack_bytes_ms, e) ||
        json_double(root, "touch_bytes_ms", 1, 1e12, &r->touch_bytes_ms, e))
        return -1;
    snprintf(r->key, sizeof r->key, "%s", key);
    struct json points = json_get(root, "points");
    if (json_kind(points) != JSON_ARRAY || json_count(points) > RATE_POINTS)
        return err_set(e, "%s: points must be an array of at most %d", json_name(root),
                       RATE_POINTS);
    for (struct json v = json_first(points); v.node; v = json_next(v))
        if (read_point(v, &r->point[r->count++], e) < 0)
            return -1;
    return rates_plausible(r) ? 0
                              : err_set(e, "%s: has numbers that no machine has", json_name(root));
}

int rates_parse(const char *text, size_t size, const char *name, struct rates *r, struct err *e)
{
    struct json_doc *doc = json_parse(text, size, name, e);
    *r = (struct rates){0};
    int rc = doc ? read_all(json_root(doc), r, e) : -1;
    json_free(doc);
    return rc;
}

/* ---- files ---- */

static bool path_of(const char *key, char out[PATH_MAX])
{
    char name[64];
    uint64_t h = 1469598103934665603u;
    for (const char *c = key; *c; c++)
        h = (h ^ (unsigned char)*c) * 1099511628211u;
    snprintf(name, sizeof name, "rates/%016llx.json", (unsigned long long)h);
    return place_path(PLACE_CACHE, name, out);
}

bool rates_load(const char *key, struct rates *r)
{
    char path[PATH_MAX];
    struct err ignored;
    size_t size;
    char *text = path_of(key, path) ? file_read(path, MOST_BYTES, &size, &ignored) : NULL;
    bool ok = text && rates_parse(text, size, path, r, &ignored) == 0 && !strcmp(r->key, key);
    free(text);
    return ok;
}

int rates_save(const struct rates *r, struct err *e)
{
    char path[PATH_MAX], folder[PATH_MAX];
    if (!path_of(r->key, path))
        return err_set(e, "no folder for the measured rates: %s", place_advice(PLACE_CACHE));
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    if (file_make_folders(folder, e) < 0)
        return -1;
    char *text = rates_write(r);
    int rc = text ? file_write_atomic(path, text, strlen(text), e) : err_set(e, "out of memory");
    free(text);
    return rc;
}
