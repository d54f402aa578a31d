/*
 * What an input of a node comes from, through the borders of subgraphs and groups: for
 * comfy_graph.h.
 *
 * A link inside of a group that comes from its border goes on at the input of the node that stands
 * for it; a link from such a node goes on at what leads to that output inside. ComfyUI's editor
 * does the same when it writes the API's form (ComfyUI_frontend, ExecutableNodeDTO.ts,
 * groupNode.ts). A circle of borders ends after COMFY_MAX_HOPS.
 */
#include <stdlib.h>
#include <string.h>

#include "import/comfy_graph_priv.h"
#include "import/json_tame.h"

/* Where following a link stands. */
struct at {
    enum { ROW, BORDER, OUTPUT, DONE } kind;
    int node, slot;  /* ROW: the input's number; OUTPUT */
    struct json row; /* ROW */
    int scope;       /* BORDER: `slot`th input of its host */
    struct comfy_input found;
};

static const struct comfy_definition *definition_of(const struct comfy_graph *g, int scope)
{
    return &g->definition[g->scope[scope].definition];
}

static struct at done(enum comfy_kind kind, struct json value)
{
    return (struct at){.kind = DONE, .found = {.kind = kind, .value = value}};
}

/* What a link of a scope comes from. */
static struct at origin(const struct comfy_graph *g, int scope, const struct comfy_link *l)
{
    char room[40];
    const char *id = l ? json_text(l->from, room) : NULL;
    if (id && definition_of(g, scope)->form == COMFY_SUBGRAPH && !strcmp(id, "-10"))
        return (struct at){.kind = BORDER, .scope = scope, .slot = l->slot};
    int node = l ? comfy_find(g, scope, l->from) : -1;
    if (node < 0)
        return done(COMFY_BROKEN, (struct json){.node = NULL});
    return (struct at){.kind = OUTPUT, .node = node, .slot = l->slot};
}

static int by_key(const void *a, const void *b)
{
    const struct comfy_border *x = a, *y = b;
    return x->key < y->key ? -1 : x->key > y->key;
}

/* In a group links lead to an input's number, or the input is one of its host's. */
static struct at group_row(const struct comfy_graph *g, const struct at *at)
{
    int scope = g->node[at->node].scope;
    const struct comfy_scope *s = &g->scope[scope];
    struct comfy_border want = {
        .key = comfy_slot_key((uint64_t)(at->node - s->first), (uint64_t)at->slot)};
    const struct comfy_link *l = comfy_find_link(definition_of(g, scope), want.key);
    if (l)
        return origin(g, scope, l);
    const struct comfy_border *b = s->borders ? bsearch(&want, s->border, (size_t)s->borders,
                                                        sizeof want, by_key)
                                              : NULL;
    if (b && json_is_set(comfy_get(b->row, "link")))
        return (struct at){.kind = ROW, .node = s->host, .row = b->row, .slot = -1};
    bool says = b && json_is_set(b->value);
    return done(says ? COMFY_VALUE : COMFY_MISSING, b ? b->value : (struct json){.node = NULL});
}

static struct at follow_row(const struct comfy_graph *g, const struct at *at)
{
    int scope = g->node[at->node].scope;
    struct json link = comfy_get(at->row, "link");
    uint64_t id;
    if (definition_of(g, scope)->form == COMFY_GROUP)
        return group_row(g, at);
    if (!json_is_set(link))
        return done(COMFY_MISSING, link);
    return origin(g, scope,
                  json_as_u64(link, &id) ? comfy_find_link(definition_of(g, scope), id) : NULL);
}

/* The input of a subgraph's host that is its definition's `slot`th; files leave out those that are
 * not linked, so its name counts, and its number only if there is none. */
static struct json host_row(const struct comfy_graph *g, int scope, int slot)
{
    struct json want = json_first(definition_of(g, scope)->inputs), none = {.node = NULL};
    for (int i = 0; i < slot && want.node; i++)
        want = json_next(want);
    const char *name = json_as_string(comfy_get(want, "name"));
    int left = COMFY_MAX_INPUTS, i = 0;
    struct json v = json_first(g->node[g->scope[scope].host].read->inputs);
    for (; v.node && left-- > 0; v = json_next(v), i++) {
        const char *s = json_as_string(comfy_get(v, "name"));
        if (name && s ? !strcmp(s, name) : !name && i == slot)
            return v;
    }
    return none;
}

static struct at follow_border(const struct comfy_graph *g, const struct at *at)
{
    struct json row = host_row(g, at->scope, at->slot);
    if (json_is_set(comfy_get(row, "link")))
        return (struct at){.kind = ROW, .node = g->scope[at->scope].host, .row = row, .slot = -1};
    struct json value = comfy_host_value(g, at->scope, at->slot);
    if (json_is_set(value))
        return done(COMFY_VALUE, value);
    /* The host may itself lie in a subgraph that says it. */
    const char *name = json_as_string(comfy_get(row, "name"));
    value = comfy_promoted(g, g->scope[at->scope].host, name ? name : "");
    return done(json_is_set(value) ? COMFY_VALUE : COMFY_MISSING, value);
}

static struct at follow_output(const struct comfy_graph *g, const struct at *at)
{
    int scope = g->node[at->node].inner;
    if (scope < 0)
        return (struct at){.kind = DONE,
                           .found = {.kind = COMFY_LINK, .node = at->node, .slot = at->slot}};
    const struct comfy_scope *s = &g->scope[scope];
    const struct comfy_definition *d = definition_of(g, scope);
    if (d->form == COMFY_GROUP && at->slot < s->outputs)
        return (struct at){.kind = OUTPUT,
                           .node = s->first + s->output[at->slot].node,
                           .slot = s->output[at->slot].slot};
    if (d->form == COMFY_GROUP || at->slot >= COMFY_MAX_INPUTS || d->side[at->slot].out < 0)
        return done(COMFY_BROKEN, (struct json){.node = NULL});
    return origin(g, scope, &d->link[d->side[at->slot].out]);
}

static struct comfy_input follow(const struct comfy_graph *g, struct at at, const char *name)
{
    for (int i = 0; i < COMFY_MAX_HOPS && at.kind != DONE && --*g->hops > 0; i++)
        at = at.kind == ROW      ? follow_row(g, &at)
             : at.kind == BORDER ? follow_border(g, &at)
                                 : follow_output(g, &at);
    if (at.kind != DONE)
        at = done(COMFY_BROKEN, (struct json){.node = NULL});
    at.found.name = name;
    return at.found;
}

/* ---- inputs ---- */

/* An input of the API's form: ["id", slot] is a link. */
static struct comfy_input api_input(const struct comfy_graph *g, struct json v)
{
    uint64_t slot;
    struct json id = json_first(v), at = id.node ? json_next(id) : id;
    if (json_kind(v) != JSON_ARRAY || !at.node || json_next(at).node || !json_as_u64(at, &slot) ||
        slot >= 1000)
        return (struct comfy_input){.kind = COMFY_VALUE, .value = v, .name = json_key(v)};
    int node = comfy_find(g, 0, id);
    return (struct comfy_input){.kind = node < 0 ? COMFY_BROKEN : COMFY_LINK,
                                .node = node,
                                .slot = (int)slot,
                                .name = json_key(v)};
}

/* The i-th row of `inputs`. */
static struct comfy_input row_input(const struct comfy_graph *g, int node, struct json row, int i)
{
    if (!comfy_is_editors(g))
        return api_input(g, row);
    const char *name = json_as_string(comfy_get(row, "name"));
    return follow(g, (struct at){.kind = ROW, .node = node, .row = row, .slot = i}, name);
}

/* One of a node's own values. Of a part of its host's, those that can be linked are left out. */
static struct json own_value(const struct comfy_graph *g, int node, const char *name)
{
    const struct comfy_node *n = &g->node[node];
    const char *names = comfy_widget_names(n->read->type);
    struct json v = n->value, none = {.node = NULL};
    size_t length = strlen(name);
    if (json_kind(v) == JSON_OBJECT && json_key(v))
        return json_get(v, name);
    bool left_out = false;
    while (names && *names && v.node) {
        size_t k = strcspn(names, " ");
        bool control = *names == '*';
        if (!control)
            left_out = n->part && comfy_is_row(n->read, names, k);
        if (!left_out && k == length && !memcmp(names, name, k))
            return v;
        if (!left_out && (!control || comfy_is_control(v)))
            v = json_next(v);
        names += k + (names[k] == ' ');
    }
    return none;
}

struct comfy_input comfy_input(const struct comfy_graph *g, int node, const char *name)
{
    struct comfy_input none = {.kind = COMFY_MISSING, .name = name};
    int left = COMFY_MAX_INPUTS, i = 0;
    bool editor = comfy_is_editors(g);
    struct json v = json_first(g->node[node].read->inputs);
    for (; v.node && left-- > 0; v = json_next(v), i++) {
        const char *key = editor ? json_as_string(comfy_get(v, "name")) : json_key(v);
        if (!key || strcmp(key, name) != 0)
            continue;
        struct comfy_input in = row_input(g, node, v, i);
        if (in.kind != COMFY_MISSING)
            return in;
    }
    if (!editor)
        return none;
    struct json value = comfy_promoted(g, node, name);
    if (!json_is_set(value))
        value = own_value(g, node, name);
    return json_is_set(value)
               ? (struct comfy_input){.kind = COMFY_VALUE, .value = value, .name = name}
               : none;
}

struct comfy_input comfy_next_link(const struct comfy_graph *g, int node, int *at)
{
    struct json v = json_first(g->node[node].read->inputs);
    for (int i = 0; v.node && i < COMFY_MAX_INPUTS; v = json_next(v), i++) {
        if (i < *at)
            continue;
        struct comfy_input in = row_input(g, node, v, i);
        *at = i + 1;
        if (in.kind == COMFY_LINK || in.kind == COMFY_BROKEN)
            return in;
    }
    return (struct comfy_input){.kind = COMFY_MISSING};
}

struct comfy_input comfy_link(const struct comfy_graph *g, int node)
{
    int at = 0;
    return comfy_next_link(g, node, &at);
}

int comfy_inputs(const struct comfy_graph *g, int node)
{
    const struct comfy_node *n = &g->node[node];
    struct json v = json_first(n->read->inputs);
    int count = 0, left = COMFY_MAX_INPUTS;
    for (; v.node && left-- > 0; v = json_next(v))
        count += !comfy_is_editors(g) || (json_is_set(comfy_get(v, "link")) &&
                                          json_kind(comfy_get(v, "widget")) != JSON_OBJECT);
    v = n->value;
    if (json_kind(v) == JSON_OBJECT && json_key(v)) /* by name */
        v = json_first(v);
    for (; comfy_is_editors(g) && v.node && left-- > 0; v = json_next(v))
        count += !comfy_is_control(v);
    return count;
}

struct comfy_input comfy_bypass(const struct comfy_graph *g, int node, int slot)
{
    struct json out = json_first(g->node[node].read->outputs), use = {.node = NULL};
    for (int i = 0; i < slot && out.node && i < COMFY_MAX_INPUTS; i++)
        out = json_next(out);
    const char *want = out.node ? json_as_string(comfy_get(out, "type")) : NULL;
    int left = COMFY_MAX_INPUTS, i = 0, at = -1;
    struct json v = json_first(g->node[node].read->inputs);
    for (; want && v.node && left-- > 0; v = json_next(v), i++) {
        const char *type = json_as_string(comfy_get(v, "type"));
        /* The first of that type, or rather the one at the same place. */
        if (type && !strcmp(type, want) && (at < 0 || i == slot)) {
            use = v;
            at = i;
        }
    }
    return at >= 0 ? row_input(g, node, use, at) : (struct comfy_input){.kind = COMFY_MISSING};
}

struct comfy_input comfy_widget(const struct comfy_graph *g, int node, int i)
{
    struct json v = g->node[node].value;
    if (json_kind(v) == JSON_OBJECT && json_key(v))
        v = json_first(v);
    for (int k = 0; k < i && v.node && k < COMFY_MAX_INPUTS; k++)
        v = json_next(v);
    if (!v.node || !comfy_is_editors(g))
        return (struct comfy_input){.kind = COMFY_MISSING};
    return (struct comfy_input){.kind = COMFY_VALUE, .value = v};
}
