/* See source.h. */
#include "import/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "import/a1111.h"
#include "import/comfy_graph.h"
#include "import/comfy_nodes.h"
#include "import/json_tame.h"
#include "import/swarm.h"

enum { MAX_FILE = COMFY_MAX_TEXT };

/* ---- our own chunk ---- */

/* What belongs to the machine that made it, not to the picture; and what the prompt was made from.
 */
static bool is_local(const char *key)
{
    static const char *const keys[] = {
        "device",   "precision",         "memory",       "threads", "output",
        "template", "negative_template", "wildcard-seed"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

/* What is no object has no members: those of a list have no names. */
static void take_members(struct recipe *r, struct json object)
{
    char room[40];
    struct json v = {.node = NULL};
    if (json_kind(object) == JSON_OBJECT)
        v = json_first(object);
    for (; v.node; v = json_next(v)) {
        const char *value = json_text(v, room);
        if (value && !is_local(json_key(v)))
            recipe_set(r, json_key(v), value);
        else if (!value)
            recipe_note(r, "%s of the spritty text is no single value", json_key(v));
    }
}

int spritty_import(const char *text, size_t size, const char *name, struct recipe *r, struct err *e)
{
    char room[40];
    struct json_doc *doc = json_parse_tame(text, size, name, e);
    if (!doc)
        return -1;
    r->source = "spritty";
    struct json params = json_get(json_root(doc), "params");
    const char *seed = json_text(json_get(json_root(doc), "seed"), room);
    int rc = 0;
    if (json_kind(params) != JSON_OBJECT || !seed)
        rc = err_set(e, "%s: its spritty text has no parameters", name);
    else
        recipe_set(r, "seed", seed);
    if (!rc) {
        take_members(r, params);
        take_members(r, json_get(json_root(doc), "finish"));
        recipe_literal(r);
    }
    json_free(doc);
    return rc || r->failed ? -1 : 0;
}

/* ---- PNG ---- */

typedef int (*reader)(const char *, size_t, const char *, struct recipe *, struct err *);

static int read_parameters(const char *text, size_t size, const char *name, struct recipe *r,
                           struct err *e)
{
    int swarm = text[strspn(text, " \t\r\n")] == '{' ? swarm_import(text, size, name, r, e) : 1;
    if (swarm <= 0)
        return swarm;
    return a1111_import(text, r, e) ? err_prefix(e, "%s", name) : 0;
}

int import_png(const struct png_file *f, const char *name, struct recipe *r, struct err *e)
{
    static const struct {
        const char *key;
        reader read;
    } kinds[] = {{"spritty", spritty_import},
                 {"prompt", comfy_import},
                 {"workflow", comfy_import},
                 {"parameters", read_parameters}};
    struct err first = {""};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const char *text = png_find_text(f, kinds[i].key);
        struct err why = {""};
        if (!text)
            continue;
        if (!kinds[i].read(text, strlen(text), name, r, &why)) {
            if (*first.text)
                recipe_note(r, "%s", first.text);
            return 0;
        }
        recipe_free(r);
        if (!*first.text)
            first = why;
    }
    if (*first.text)
        return err_set(e, "%s", first.text);
    return err_set(e,
                   "%s: this PNG does not tell how it was made: no text of spritty, ComfyUI or "
                   "A1111 is in it (chat programs and image sites take it out)",
                   name);
}

/* ---- text ---- */

/* A dynamic prompt may begin with a brace as well. */
static bool looks_like_parameters(const char *text)
{
    return strstr(text, "Steps: ") || strstr(text, "\nNegative prompt:");
}

int import_text(const char *text, size_t size, const char *name, struct recipe *r, struct err *e)
{
    const char *s = text + (strncmp(text, "\xef\xbb\xbf", 3) ? 0 : 3);
    s += strspn(s, " \t\r\n");
    if (memchr(text, '\0', size))
        return err_set(e, "%s: no text: there is a zero byte in it", name);
    bool json = *s == '{' || *s == '[';
    if (json && !comfy_import(s, strlen(s), name, r, e))
        return 0;
    if (json && strstr(s, "\"sui_image_params\"")) {
        struct err why = {""};
        recipe_free(r);
        if (!swarm_import(s, strlen(s), name, r, &why))
            return 0;
    }
    if (json && !looks_like_parameters(s))
        return -1;
    recipe_free(r);
    if (!*s)
        return err_set(e, "%s: the file is empty", name);
    return read_parameters(s, strlen(s), name, r, e);
}

int import_file(const char *path, struct recipe *r, struct err *e)
{
    size_t size;
    char *data = file_read(path, PNG_MAX_FILE, &size, e);
    struct png_file png;
    int rc = -1;
    if (!data)
        return -1;
    if (png_is(data, size)) {
        /* With the pixels: texts may stand behind them. */
        rc = png_decode((uint8_t *)data, size, true, &png, e) ? err_prefix(e, "%s", path)
                                                              : import_png(&png, path, r, e);
        if (rc == 0 || png.width)
            png_file_free(&png);
    } else if (size > MAX_FILE) {
        err_set(e, "%s: %zu bytes: neither a PNG nor a workflow nor parameters", path, size);
    } else {
        rc = import_text(data, size, path, r, e);
    }
    free(data);
    return rc;
}
