/*
 * Snapshots of memory as JSON, and two of them side by side.
 *
 *   {"spritty": "memory snapshot", "version": 1, "machine": ..., "device": ..., "job": ...,
 *    "bytes": {"weights": {"unet": 5135149248, ...}, "peak": {...}, ...}}
 *
 * A file that is read may come from anywhere: every name and number in it is checked.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "base/json.h"
#include "base/jsonw.h"
#include "engine/memory_map.h"

enum { VERSION = 1, FILE_MAX = 1 << 20 };

static const char KIND[] = "memory snapshot";

void memory_json(struct jsonw *w, const struct memory_map *m)
{
    jsonw_string(w, "spritty", KIND);
    jsonw_u64(w, "version", VERSION);
    jsonw_string(w, "machine", m->machine);
    jsonw_string(w, "device", m->device);
    jsonw_string(w, "job", m->job);
    jsonw_open(w, "bytes", '{');
    for (int g = 0; g < MEMORY_GROUPS; g++) {
        jsonw_open(w, memory_group_name(g), '{');
        for (int i = 0; i < m->count; i++)
            if (m->item[i].group == g)
                jsonw_u64(w, m->item[i].name, m->item[i].bytes);
        jsonw_close(w, '}');
    }
    jsonw_close(w, '}');
}

int memory_save(const char *path, const struct memory_map *m, struct err *e)
{
    struct jsonw w = {0};
    jsonw_open(&w, NULL, '{');
    memory_json(&w, m);
    jsonw_close(&w, '}');
    char *text = jsonw_take(&w);
    if (!text)
        return err_set(e, "out of memory");
    int rc = file_write_atomic(path, text, strlen(text), e);
    free(text);
    return rc;
}

static const struct memory_item *same(const struct memory_map *m, const struct memory_item *as)
{
    for (int i = 0; i < m->count; i++)
        if (m->item[i].group == as->group && !strcmp(m->item[i].name, as->name))
            return &m->item[i];
    return NULL;
}

static int read_text(struct json root, const char *key, char *out, size_t size, struct err *e)
{
    const char *text;
    if (json_string_or(root, key, "", &text, e) < 0)
        return -1;
    snprintf(out, size, "%s", text);
    text_sanitize(out);
    return 0;
}

static int read_group(struct json group, int g, const char *name, struct memory_map *m,
                      struct err *e)
{
    if (json_kind(group) != JSON_OBJECT)
        return err_set(e, "%s: bytes has no object \"%s\"", name, memory_group_name(g));
    for (struct json v = json_first(group); v.node; v = json_next(v)) {
        const char *key = json_key(v);
        struct memory_item i = {.group = g};
        if (m->count == MEMORY_ITEMS)
            return err_set(e, "%s: more than %d amounts", name, MEMORY_ITEMS);
        if (!key || strlen(key) >= sizeof i.name)
            return err_set(e, "%s: a name in %s is too long", name, memory_group_name(g));
        if (!json_as_u64(v, &i.bytes))
            return err_set(e, "%s: %s.%s is no number of bytes", name, memory_group_name(g), key);
        snprintf(i.name, sizeof i.name, "%s", key);
        text_sanitize(i.name);
        if (same(m, &i))
            return err_set(e, "%s: %s.%s stands there twice", name, memory_group_name(g), i.name);
        m->item[m->count++] = i;
    }
    return 0;
}

static int read_map(struct json root, const char *name, struct memory_map *m, struct err *e)
{
    const char *kind = json_as_string(json_get(root, "spritty"));
    struct json bytes = json_get(root, "bytes");
    int version;
    if (!kind || strcmp(kind, KIND) != 0)
        return err_set(e, "%s: is no memory snapshot; spritty profile --save writes them", name);
    if (json_int(root, "version", 1, 1 << 30, &version, e) < 0)
        return -1;
    if (version != VERSION)
        return err_set(e, "%s: is a snapshot of version %d, this spritty reads version %d", name,
                       version, VERSION);
    if (read_text(root, "machine", m->machine, sizeof m->machine, e) < 0 ||
        read_text(root, "device", m->device, sizeof m->device, e) < 0 ||
        read_text(root, "job", m->job, sizeof m->job, e) < 0)
        return -1;
    for (int g = 0; g < MEMORY_GROUPS; g++)
        if (read_group(json_get(bytes, memory_group_name(g)), g, name, m, e) < 0)
            return -1;
    return 0;
}

int memory_parse(const char *text, size_t size, const char *name, struct memory_map *m,
                 struct err *e)
{
    memset(m, 0, sizeof *m);
    struct json_doc *doc = json_parse(text, size, name, e);
    int rc = doc ? read_map(json_root(doc), name, m, e) : -1;
    json_free(doc);
    return rc;
}

int memory_load(const char *path, struct memory_map *m, struct err *e)
{
    size_t size;
    char *text = file_read(path, FILE_MAX, &size, e);
    if (!text)
        return -1;
    int rc = memory_parse(text, size, path, m, e);
    free(text);
    return rc;
}

int memory_compare(const struct memory_map *before, const struct memory_map *now,
                   struct memory_difference *out)
{
    int n = 0;
    for (int g = 0; g < MEMORY_GROUPS; g++) {
        for (int i = 0; i < now->count; i++) {
            const struct memory_item *own = &now->item[i], *was = same(before, own);
            if (own->group != g)
                continue;
            out[n] = (struct memory_difference){.group = g, .now = own->bytes};
            out[n].before = was ? was->bytes : 0;
            memcpy(out[n++].name, own->name, sizeof own->name);
        }
        for (int i = 0; i < before->count; i++) {
            const struct memory_item *was = &before->item[i];
            if (was->group != g || same(now, was))
                continue;
            out[n] = (struct memory_difference){.group = g, .before = was->bytes};
            memcpy(out[n++].name, was->name, sizeof was->name);
        }
    }
    return n;
}
