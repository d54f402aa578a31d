/*
 * Subgraphs and group nodes of the editor's form: what is in them, and how it meets the rest.
 *
 * A subgraph's definition says its inputs and outputs. A group's (older) says only its nodes and
 * links: its inputs are those of its nodes that nothing inside leads to, its outputs those that
 * lead to nothing inside, its values those of its nodes, each in the order in which the nodes stand
 * there; inputs that were made of values come last (ComfyUI_frontend, groupNode.ts; SubgraphNode.ts
 * and proxyWidgetMigration.ts for values of subgraphs).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_graph_priv.h"
#include "import/json_tame.h"

/* ---- definitions ---- */

static int by_definition(const void *a, const void *b)
{
    const struct comfy_definition *x = a, *y = b;
    int order = (x->form > y->form) - (x->form < y->form);
    return order ? order : strcmp(x->key, y->key);
}

static void add_definition(struct comfy_graph *g, enum comfy_form form, const char *key,
                           struct json v)
{
    if (key)
        g->definition[g->definitions++] = (struct comfy_definition){
            .form = form,
            .key = key,
            .json = v,
            .size = json_count(json_get(v, "nodes")) +
                    (form == COMFY_GROUP ? json_count(json_get(v, "links")) / 8 : 0)};
}

int comfy_find_groups(struct comfy_graph *g, struct json root)
{
    struct json subgraphs = json_get(json_get(root, "definitions"), "subgraphs");
    struct json groups = json_get(json_get(root, "extra"), "groupNodes");
    size_t most = 1 + (size_t)json_count(subgraphs) + (size_t)json_count(groups);
    g->definition = calloc(most, sizeof *g->definition);
    if (!g->definition)
        return -1;
    g->definitions = 1;
    for (struct json v = json_first(subgraphs); v.node; v = json_next(v))
        add_definition(g, COMFY_SUBGRAPH, json_as_string(json_get(v, "id")), v);
    for (struct json v = json_first(groups); v.node; v = json_next(v))
        add_definition(g, COMFY_GROUP, json_key(v), v);
    qsort(g->definition + 1, (size_t)g->definitions - 1, sizeof *g->definition, by_definition);
    return 0;
}

/* The index of what a node of this class stands for, or -1. */
static int definition_of(const struct comfy_graph *g, const char *type)
{
    struct comfy_definition want = {.form = COMFY_SUBGRAPH, .key = type}, *found;
    if (!strncmp(type, "workflow>", 9) || !strncmp(type, "workflow/", 9))
        want = (struct comfy_definition){.form = COMFY_GROUP, .key = type + 9};
    found = bsearch(&want, g->definition + 1, (size_t)g->definitions - 1, sizeof want,
                    by_definition);
    return found ? (int)(found - g->definition) : -1;
}

/* ---- values of a subgraph's host ---- */

static struct json nth(struct json first, int n)
{
    if (n > 4 * COMFY_MAX_INPUTS)
        return (struct json){.node = NULL};
    while (n-- > 0 && first.node)
        first = json_next(first);
    return first;
}

static bool is_text(struct json v, const char *text)
{
    char room[40];
    const char *s = json_text(v, room);
    return s && !strcmp(s, text);
}

/* What a host says for `name` of the node `id` inside; id "-1": for its own input of that name. */
static struct json by_proxy(const struct comfy_node *host, const char *id, const char *name)
{
    int i = 0;
    struct json v = json_first(host->read->proxies), none = {.node = NULL};
    for (; v.node && i < COMFY_MAX_INPUTS; v = json_next(v), i++) {
        struct json of = json_first(v), what = nth(of, 1);
        if (is_text(of, id) && is_text(what, name))
            return nth(host->value, i);
    }
    return none;
}

struct json comfy_host_value(const struct comfy_graph *g, int scope, int slot)
{
    const struct comfy_scope *s = &g->scope[scope];
    const struct comfy_definition *d = &g->definition[s->definition];
    const struct comfy_node *host = &g->node[s->host];
    const struct comfy_side *side = &d->side[slot < COMFY_MAX_INPUTS ? slot : 0];
    struct json none = {.node = NULL}, value = none, v = host->value;
    const char *name = json_as_string(comfy_get(nth(json_first(d->inputs), slot), "name"));
    if (slot >= COMFY_MAX_INPUTS || (json_kind(v) == JSON_OBJECT && json_key(v)))
        return none;
    if (name)
        value = by_proxy(host, "-1", name);
    if (!json_is_set(value) && side->node >= 0 && json_as_string(side->name))
        value = by_proxy(host, d->node[side->node].id, json_as_string(side->name));
    if (json_is_set(value) || side->value < 0)
        return value;
    if (json_count(host->read->proxies) > 0)
        return none; /* its values are theirs */
    for (int i = 0; i < side->value && v.node; i++) {
        v = json_next(v);
        if (comfy_is_control(v) && json_as_string(v)) /* as older files have it behind a seed */
            v = json_next(v);
    }
    return v;
}

struct json comfy_promoted(const struct comfy_graph *g, int node, const char *name)
{
    const struct comfy_node *n = &g->node[node];
    int host = g->scope[n->scope].host;
    if (host < 0 || json_kind(g->node[host].read->proxies) != JSON_ARRAY)
        return (struct json){.node = NULL};
    return by_proxy(&g->node[host], n->read->id, name);
}

/* ---- a group's borders ---- */

struct group {
    struct comfy_graph *g;
    struct comfy_definition *d;
    struct comfy_scope *s;
    struct json config, value; /* value: of the host, those not given out yet */
    uint64_t *from, *external; /* outputs that lead inside; and outside as well; sorted */
    int froms, externals;
    bool amiss; /* the host's values are not those of these nodes */
};

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static bool has(const uint64_t *set, int count, uint64_t key)
{
    return count && bsearch(&key, set, (size_t)count, sizeof key, by_number);
}

/* The keys [a, b] of rows [a, b, ...]; NULL: no memory. */
static uint64_t *keys_of(struct json rows, int *count)
{
    uint64_t *set = calloc((size_t)json_count(rows) + 1, sizeof *set), node, slot;
    *count = 0;
    for (struct json v = json_first(rows); set && v.node; v = json_next(v)) {
        struct json a = json_first(v);
        if (json_as_u64(a, &node) && json_as_u64(nth(a, 1), &slot) && node <= COMFY_MAX_INNER &&
            slot < 1000)
            set[(*count)++] = comfy_slot_key(node, slot);
    }
    if (set)
        qsort(set, (size_t)*count, sizeof *set, by_number);
    return set;
}

static bool leads_inside(const struct group *x, int node)
{
    for (uint64_t slot = 0; slot < 8; slot++)
        if (has(x->from, x->froms, comfy_slot_key((uint64_t)node, slot)))
            return true;
    return false;
}

static bool is_linked(const struct group *x, int node, int row)
{
    return comfy_find_link(x->d, comfy_slot_key((uint64_t)node, (uint64_t)row)) != NULL;
}

/* Nodes that the group has no inputs, outputs and values of. */
static bool is_inner(const struct group *x, int node)
{
    const char *type = x->d->node[node].type;
    if (!strcmp(type, "PrimitiveNode"))
        return !leads_inside(x, node);
    return !strcmp(type, "Reroute") && is_linked(x, node, 0) && leads_inside(x, node) &&
           !has(x->external, x->externals, comfy_slot_key((uint64_t)node, 0));
}

/* config[node][side][what].visible: 1, 0, or -1 where it is not said. */
static int visible(const struct group *x, int node, const char *side, const char *what)
{
    char index[16];
    bool yes;
    if (!x->config.node)
        return -1;
    snprintf(index, sizeof index, "%d", node);
    struct json of = comfy_get(comfy_get(comfy_get(x->config, index), side), what);
    return json_as_bool(comfy_get(of, "visible"), &yes) ? yes : -1;
}

static void next_value(struct group *x)
{
    x->amiss |= !x->value.node;
    if (x->value.node)
        x->value = json_next(x->value);
}

/* How many of a node's own values stand in its list. Past those that have names (a button's): the
 * rest. */
static void give_values(struct group *x, int node)
{
    struct comfy_node *n = &x->g->node[x->s->first + node];
    const char *names = comfy_widget_names(n->read->type);
    struct json own = n->read->value;
    bool left_out = false;
    n->value = x->value;
    n->part = true;
    for (size_t k; names && *names && own.node; names += k + (names[k] == ' ')) {
        bool control = *names == '*';
        k = strcspn(names, " ");
        if (!control)
            left_out = comfy_is_row(n->read, names, k);
        if (control && !comfy_is_control(own))
            continue;
        own = json_next(own);
        if (!left_out && (!control || comfy_is_control(x->value)))
            next_value(x);
    }
    int rows = 0, left = COMFY_MAX_INPUTS;
    if (!names)
        for (struct json v = json_first(n->read->inputs); v.node && left-- > 0; v = json_next(v))
            rows += json_kind(comfy_get(v, "widget")) == JSON_OBJECT;
    for (; own.node && !x->amiss; own = json_next(own))
        if (rows-- <= 0)
            next_value(x);
}

static void add_border(struct group *x, int node, int row, struct json host_row, struct json value)
{
    x->s->border[x->s->borders++] = (struct comfy_border){
        .key = comfy_slot_key((uint64_t)node, (uint64_t)row), .row = host_row, .value = value};
}

static bool is_widget(struct json row)
{
    return json_kind(comfy_get(row, "widget")) == JSON_OBJECT;
}

/* The n-th of the host's inputs that are no values. */
static struct json host_input(const struct group *x, int n)
{
    struct json v = json_first(x->g->node[x->s->host].read->inputs);
    int left = 4 * COMFY_MAX_INPUTS;
    for (; v.node && left-- > 0; v = json_next(v))
        if (!is_widget(v) && n-- == 0)
            return v;
    return (struct json){.node = NULL};
}

/* The host's input for a value: the n-th of all, if its name is right, or one of that name. */
static struct json host_widget(const struct group *x, int n, const char *name)
{
    struct json first = json_first(x->g->node[x->s->host].read->inputs), v = nth(first, n);
    const char *s = json_as_string(comfy_get(v, "name"));
    size_t a = s ? strlen(s) : 0, b = strlen(name);
    if (a >= b && !strcmp(s + a - b, name) && (a == b || s[a - b - 1] == ' '))
        return v;
    int left = COMFY_MAX_INPUTS;
    for (v = first; v.node && left-- > 0; v = json_next(v))
        if (is_text(comfy_get(v, "name"), name))
            return v;
    return (struct json){.node = NULL};
}

static int by_key(const void *a, const void *b)
{
    const struct comfy_border *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Inputs that are no values, in the order of nodes. Returns how many. */
static int plain_inputs(struct group *x)
{
    int n = 0;
    for (int i = 0; i < x->d->count; i++) {
        if (is_inner(x, i))
            continue;
        give_values(x, i);
        struct json v = json_first(x->d->node[i].inputs);
        for (int row = 0; v.node && row < COMFY_MAX_INPUTS; v = json_next(v), row++) {
            const char *name = json_as_string(comfy_get(v, "name"));
            if (!is_widget(v) && !is_linked(x, i, row) &&
                visible(x, i, "input", name ? name : "") != 0)
                add_border(x, i, row, host_input(x, n++), (struct json){.node = NULL});
        }
    }
    return n;
}

static int by_text(const void *a, const void *b)
{
    char x[16], y[16];
    snprintf(x, sizeof x, "%d", *(const int *)a);
    snprintf(y, sizeof y, "%d", *(const int *)b);
    return strcmp(x, y);
}

/* A node's rows that were made of values, sorted as JavaScript sorts numbers: as text. */
static int widget_rows(const struct comfy_read *r, int row[COMFY_MAX_INPUTS])
{
    int rows = 0, k = 0;
    for (struct json v = json_first(r->inputs); v.node && k < COMFY_MAX_INPUTS;
         v = json_next(v), k++)
        if (is_widget(v))
            row[rows++] = k;
    qsort(row, (size_t)rows, sizeof *row, by_text);
    return rows;
}

/* Inputs that were made of values: behind all others, and so are their values. */
static void widget_inputs(struct group *x, int n)
{
    for (int i = 0; i < x->d->count; i++) {
        int row[COMFY_MAX_INPUTS], rows = is_inner(x, i) ? 0 : widget_rows(&x->d->node[i], row);
        for (int k = 0; k < rows; k++) {
            struct json in = nth(json_first(x->d->node[i].inputs), row[k]);
            const char *name = json_as_string(comfy_get(in, "name"));
            if (is_linked(x, i, row[k]))
                continue;
            add_border(x, i, row[k], host_widget(x, n++, name ? name : ""), x->value);
            next_value(x);
            if (json_as_string(x->value) && comfy_is_control(x->value))
                next_value(x);
        }
    }
}

static void group_outputs(struct group *x)
{
    for (int i = 0; i < x->d->count; i++) {
        struct json v = json_first(x->d->node[i].outputs);
        for (int k = 0; v.node && k < COMFY_MAX_INPUTS && !is_inner(x, i); v = json_next(v), k++) {
            char slot[16];
            uint64_t key = comfy_slot_key((uint64_t)i, (uint64_t)k);
            snprintf(slot, sizeof slot, "%d", k);
            int shown = visible(x, i, "output", slot);
            if (shown < 0 ? !has(x->from, x->froms, key) || has(x->external, x->externals, key)
                          : shown)
                x->s->output[x->s->outputs++] = (struct comfy_output){i, k};
        }
    }
}

/* The values that the group was made with, where the host's are not told apart. */
static void forget_values(struct group *x)
{
    for (int i = 0; i < x->d->count; i++) {
        x->g->node[x->s->first + i].value = x->d->node[i].value;
        x->g->node[x->s->first + i].part = false;
    }
    for (int i = 0; i < x->s->borders; i++)
        x->s->border[i].value = (struct json){.node = NULL};
    if (x->g->node[x->s->host].value.node)
        x->g->node[x->s->host].closed = "has values that could not be told apart: those that the "
                                        "group was made with are used";
}

static size_t rows_of(struct json list)
{
    size_t n = 0;
    for (struct json v = json_first(list); v.node && n < COMFY_MAX_INPUTS; v = json_next(v))
        n++;
    return n;
}

static int open_borders(struct comfy_graph *g, struct comfy_scope *s)
{
    struct group x = {.g = g, .d = &g->definition[s->definition], .s = s};
    size_t inputs = 1, outputs = 1;
    for (int i = 0; i < x.d->count; i++) {
        inputs += rows_of(x.d->node[i].inputs);
        outputs += rows_of(x.d->node[i].outputs);
    }
    x.config = comfy_get(x.d->json, "config");
    x.value = g->node[s->host].value;
    s->border = calloc(inputs, sizeof *s->border);
    s->output = calloc(outputs, sizeof *s->output);
    x.from = keys_of(comfy_get(x.d->json, "links"), &x.froms);
    x.external = keys_of(comfy_get(x.d->json, "external"), &x.externals);
    int rc = s->border && s->output && x.from && x.external ? 0 : -1;
    if (rc == 0) {
        widget_inputs(&x, plain_inputs(&x));
        group_outputs(&x);
        if (x.amiss || x.value.node)
            forget_values(&x);
        qsort(s->border, (size_t)s->borders, sizeof *s->border, by_key);
    }
    free(x.from);
    free(x.external);
    return rc;
}

/* ---- opening ---- */

/* Why a node's group is not opened, or NULL. */
static const char *refusal(const struct comfy_graph *g, int node, int definition)
{
    const struct comfy_definition *d = &g->definition[definition];
    int scope = g->node[node].scope;
    for (int s = scope; s > 0; s = g->node[g->scope[s].host].scope)
        if (g->scope[s].definition == definition)
            return "that holds itself";
    if (g->scope[scope].depth == COMFY_MAX_DEPTH)
        return "that lies in too many others";
    int inner = g->count - g->definition[0].count;
    if (g->scopes > COMFY_MAX_SCOPES || inner > COMFY_MAX_INNER ||
        d->size > COMFY_MAX_INNER - inner)
        return "with more nodes than are followed";
    return NULL;
}

int comfy_open_groups(struct comfy_graph *g)
{
    for (int i = 0; i < g->count && g->definitions > 1; i++) {
        int at = definition_of(g, g->node[i].read->type);
        if (at < 0 || comfy_muted(g, i) || comfy_bypassed(g, i))
            continue;
        g->node[i].closed = refusal(g, i, at);
        if (g->node[i].closed)
            continue;
        if (comfy_read_definition(&g->definition[at]) || comfy_open_scope(g, at, i))
            return -1;
        if (g->definition[at].form == COMFY_GROUP && open_borders(g, &g->scope[g->scopes - 1]))
            return -1;
    }
    return 0;
}
