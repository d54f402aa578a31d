/* See comfy_walk.h. */
#include "import/comfy_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_known.h"
#include "import/json_tame.h"

/* Is `word` one of "a|b|c"? */
static bool listed(const char *list, const char *word)
{
    size_t n = strlen(word);
    while (*list) {
        size_t m = strcspn(list, "|");
        if (m == n && !memcmp(list, word, n))
            return true;
        list += m + (list[m] == '|');
    }
    return false;
}

bool comfy_is(const struct comfy_walk *w, int node, const char *classes)
{
    static const char pack[] = "Loader|pysssss"; /* as those without, with a picture in the list */
    const char *type = comfy_class(w->g, node), *end = strchr(type, '|');
    char plain[32];
    size_t n = end ? (size_t)(end - type) : 0;
    if (n < 6 || n >= sizeof plain || strcmp(end - 6, pack) != 0)
        return listed(classes, type);
    memcpy(plain, type, n);
    plain[n] = '\0';
    return listed(classes, plain);
}

const char *comfy_name(const struct comfy_walk *w, int node)
{
    static _Thread_local char names[4][160];
    static _Thread_local int turn;
    char *out = names[turn++ & 3];
    snprintf(out, sizeof names[0], "node %.40s (%.100s)", comfy_id(w->g, node),
             comfy_class(w->g, node));
    return out;
}

static bool is_reroute(const struct comfy_walk *w, int node)
{
    return strncmp(comfy_class(w->g, node), "Reroute", 7) == 0;
}

int comfy_follow(struct comfy_walk *w, struct comfy_input in, int *slot)
{
    while (in.kind == COMFY_LINK) {
        int node = in.node;
        if (--w->budget < 0) {
            recipe_note(w->r, "links run in a circle, or there are too many, at %s",
                        comfy_name(w, node));
            return -1;
        }
        w->seen[node] = true;
        *slot = in.slot;
        if (comfy_muted(w->g, node)) {
            recipe_note(w->r, "%s is muted: what comes from it is missing", comfy_name(w, node));
            return -1;
        }
        if (comfy_bypassed(w->g, node))
            in = comfy_bypass(w->g, node, in.slot);
        else if (is_reroute(w, node))
            in = comfy_link(w->g, node);
        else
            return node;
    }
    if (in.kind == COMFY_BROKEN)
        recipe_note(w->r, "the link of an input '%.60s' leads to no node", in.name ? in.name : "");
    return -1;
}

int comfy_source(struct comfy_walk *w, int node, const char *input, int *slot)
{
    return comfy_follow(w, comfy_input(w->g, node, input), slot);
}

struct comfy_input comfy_pass(struct comfy_walk *w, int node, const char *names)
{
    comfy_note_ignored(w, node);
    int at = 0;
    struct comfy_input first = comfy_next_link(w->g, node, &at), in = first;
    while (in.kind != COMFY_MISSING) {
        if (in.kind == COMFY_LINK && in.name && listed(names, in.name))
            return in;
        in = comfy_next_link(w->g, node, &at);
    }
    return first;
}

/* ---- values ---- */

struct json comfy_member(struct json object, const char *key)
{
    struct json v = {.node = NULL};
    if (json_kind(object) == JSON_OBJECT)
        v = json_first(object);
    for (int left = 16; v.node && left > 0; left--, v = json_next(v))
        if (json_key(v) && !strcmp(json_key(v), key))
            return v;
    return (struct json){.node = NULL};
}

static bool write_value(struct comfy_walk *w, struct comfy_input in, int depth, FILE *f);

/* The text that a primitive or string node gives. */
static bool write_node(struct comfy_walk *w, int node, int depth, FILE *f)
{
    static const char *const names[] = {"value",  "text",  "string",  "String", "Text",
                                        "prompt", "int",   "float",   "INT",    "seed",
                                        "number", "Value", "string_1"};
    if (comfy_is(w, node, "StringConcatenate")) {
        bool any = write_value(w, comfy_input(w->g, node, "string_a"), depth + 1, f);
        write_value(w, comfy_input(w->g, node, "delimiter"), depth + 1, f);
        return write_value(w, comfy_input(w->g, node, "string_b"), depth + 1, f) || any;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct comfy_input in = comfy_input(w->g, node, names[i]);
        if (in.kind != COMFY_MISSING && write_value(w, in, depth + 1, f))
            return true;
    }
    struct comfy_input in = comfy_widget(w->g, node, 0);
    if (in.kind == COMFY_MISSING)
        in = comfy_link(w->g, node);
    return in.kind != COMFY_MISSING && write_value(w, in, depth + 1, f);
}

static bool write_value(struct comfy_walk *w, struct comfy_input in, int depth, FILE *f)
{
    char room[40];
    int slot;
    if (depth > 8 || ftell(f) > RECIPE_MAX_TEXT)
        return false;
    if (in.kind == COMFY_VALUE) {
        struct json content = comfy_member(in.value, "content"); /* pictured */
        const char *text = json_text(json_is_set(content) ? content : in.value, room);
        if (text)
            fwrite(text, 1, strnlen(text, RECIPE_MAX_TEXT + 1), f);
        return text != NULL;
    }
    int node = comfy_follow(w, in, &slot);
    return node >= 0 && write_node(w, node, depth, f);
}

char *comfy_get_text(struct comfy_walk *w, int node, const char *input)
{
    char *text = NULL;
    size_t size;
    struct comfy_input in = comfy_input(w->g, node, input);
    if (in.kind == COMFY_MISSING)
        return NULL;
    FILE *f = open_memstream(&text, &size);
    if (!f) {
        w->r->failed = true;
        return NULL;
    }
    bool any = write_value(w, in, 0, f);
    if (fclose(f))
        w->r->failed = true;
    else if (any)
        return text;
    else
        recipe_note(w->r, "%s: its %s could not be followed", comfy_name(w, node), input);
    free(text);
    return NULL;
}

bool comfy_get_number(struct comfy_walk *w, int node, const char *input, double *out)
{
    char *text = comfy_get_text(w, node, input), *end = NULL;
    double x = text ? strtod(text, &end) : 0;
    bool good = text && end != text && x > -1e9 && x < 1e9;
    free(text);
    if (good)
        *out = x;
    return good;
}

double comfy_number(struct comfy_walk *w, int node, const char *input, double fallback)
{
    double x;
    return comfy_get_number(w, node, input, &x) ? x : fallback;
}

void comfy_word(struct comfy_walk *w, int node, const char *input, char *out, size_t size)
{
    char *text = comfy_get_text(w, node, input);
    snprintf(out, size, "%s", text ? text : "");
    free(text);
}
