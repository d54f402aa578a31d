/* See comfy_graph.h. */
#include "import/comfy_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_graph_priv.h"
#include "import/json_tame.h"

/* ---- a definition's tables ---- */

/* By id; of two that have the same, which JSON should not have, the later counts, as in Python. */
static int by_id(const void *a, const void *b, void *definition)
{
    const struct comfy_definition *d = definition;
    int x = *(const int *)a, y = *(const int *)b, order = strcmp(d->node[x].id, d->node[y].id);
    return order ? order : (x > y) - (x < y);
}

static int by_link(const void *a, const void *b)
{
    const struct comfy_link *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* The index of the node with this id in a definition that was read, or -1. */
static int find_read(const struct comfy_definition *d, struct json id)
{
    char room[40];
    const char *text = json_text(id, room);
    int low = 0, high = text ? d->count : 0; /* the first that comes behind id */
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (strcmp(d->node[d->by_id[mid]].id, text) > 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low > 0 && !strcmp(d->node[d->by_id[low - 1]].id, text) ? d->by_id[low - 1] : -1;
}

int comfy_find(const struct comfy_graph *g, int scope, struct json id)
{
    int at = find_read(&g->definition[g->scope[scope].definition], id);
    return at < 0 ? -1 : g->scope[scope].first + at;
}

const struct comfy_link *comfy_find_link(const struct comfy_definition *d, uint64_t id)
{
    struct comfy_link want = {.id = id};
    return d->links ? bsearch(&want, d->link, (size_t)d->links, sizeof want, by_link) : NULL;
}

static int add_node(struct comfy_definition *d, const char *id, struct json v, const char *type)
{
    struct comfy_read *n = &d->node[d->count];
    struct json values = json_get(v, "widgets_values");
    uint64_t mode = 0;
    json_as_u64(json_get(v, "mode"), &mode);
    *n = (struct comfy_read){.id = strdup(id),
                             .type = type ? type : "",
                             .inputs = json_get(v, "inputs"),
                             .outputs = json_get(v, "outputs"),
                             .value = json_kind(values) == JSON_OBJECT ? values
                                                                       : json_first(values),
                             .proxies = json_get(json_get(v, "properties"), "proxyWidgets"),
                             .mode = (int)(mode & 7)};
    if (!n->id)
        return -1;
    d->by_id[d->count] = d->count;
    d->count++;
    return 0;
}

static int read_nodes(struct comfy_definition *d, struct json nodes)
{
    char room[40];
    int index = 0;
    for (struct json v = json_first(nodes); v.node; v = json_next(v), index++) {
        const char *id = json_text(json_get(v, "id"), room);
        const char *type = json_as_string(json_get(v, "type"));
        if (d->form == COMFY_API) {
            id = json_key(v);
            type = json_as_string(json_get(v, "class_type"));
            if (json_kind(json_get(v, "inputs")) != JSON_OBJECT)
                continue;
        } else if (d->form == COMFY_GROUP) { /* links name its nodes by where they stand */
            snprintf(room, sizeof room, "%d", index);
            id = room;
            type = type ? type : "";
        }
        if (id && type && add_node(d, id, v, type))
            return -1;
    }
    return 0;
}

/* [id, from, slot, to, slot, ...], the same by names, or of a group's [from, slot, to, slot, ...].
 */
static void read_link(struct comfy_definition *d, struct json v)
{
    static const char *const names[] = {"id", "origin_id", "origin_slot", "target_id",
                                        "target_slot"};
    struct json part[5], item = json_first(v);
    bool list = json_kind(v) == JSON_ARRAY, group = d->form == COMFY_GROUP;
    uint64_t id = 0, slot, to = 0, to_slot = 0;
    for (int i = 0; i < 5; i++) {
        bool first = group && i == 0;
        part[i] = list ? item : json_get(v, names[i]);
        if (list && !first && item.node)
            item = json_next(item);
        if (first)
            part[i].node = NULL;
    }
    if (!json_is_set(part[1]) || !json_as_u64(part[2], &slot) || slot >= 1000)
        return;
    bool leads = json_as_u64(part[4], &to_slot) && to_slot < 1000;
    if (group ? !leads || !json_as_u64(part[3], &to) || to > COMFY_MAX_INNER
              : !json_as_u64(part[0], &id))
        return;
    d->link[d->links++] = (struct comfy_link){.id = group ? comfy_slot_key(to, to_slot) : id,
                                              .from = part[1],
                                              .to = part[3],
                                              .slot = (int)slot,
                                              .to_slot = leads ? (int)to_slot : -1};
}

/* The border of a subgraph is a node of its own at each side, whose id is below zero. */
static bool is_border(struct json id, const char *border)
{
    char room[40];
    const char *text = json_text(id, room);
    return text && !strcmp(text, border);
}

/* Where the input of a subgraph that a link comes from leads to, and whether it is a value there:
 * an input with a widget. */
static void read_input(struct comfy_definition *d, const struct comfy_link *l, int *values)
{
    struct comfy_side *side = &d->side[l->slot];
    uint64_t id;
    int left = COMFY_MAX_INPUTS, node = find_read(d, l->to);
    side->node = node;
    struct json v = json_first(node >= 0 ? d->node[node].inputs : (struct json){.node = NULL});
    for (; v.node && left-- > 0; v = json_next(v))
        if (json_as_u64(json_get(v, "link"), &id) && id == l->id) {
            side->name = json_get(v, "name");
            if (json_kind(json_get(v, "widget")) == JSON_OBJECT)
                side->value = (*values)++;
            return;
        }
}

static int read_borders(struct comfy_definition *d)
{
    int in[COMFY_MAX_INPUTS], values = 0;
    d->side = calloc(COMFY_MAX_INPUTS, sizeof *d->side);
    if (!d->side)
        return -1;
    for (int i = 0; i < COMFY_MAX_INPUTS; i++) {
        d->side[i] = (struct comfy_side){.out = -1, .node = -1, .value = -1};
        in[i] = -1;
    }
    for (int i = d->links - 1; i >= 0; i--) {
        const struct comfy_link *l = &d->link[i];
        if (is_border(l->from, "-10") && l->slot < COMFY_MAX_INPUTS)
            in[l->slot] = i;
        if (is_border(l->to, "-20") && l->to_slot >= 0 && l->to_slot < COMFY_MAX_INPUTS)
            d->side[l->to_slot].out = i;
    }
    for (int i = 0; i < COMFY_MAX_INPUTS; i++)
        if (in[i] >= 0)
            read_input(d, &d->link[in[i]], &values);
    return 0;
}

int comfy_read_definition(struct comfy_definition *d)
{
    struct json nodes = d->form == COMFY_API ? d->json : json_get(d->json, "nodes");
    struct json links = json_get(d->json, "links");
    size_t most = (size_t)json_count(nodes) + 1;
    if (d->is_read)
        return 0;
    d->is_read = true;
    d->inputs = json_get(d->json, "inputs");
    d->node = calloc(most, sizeof *d->node);
    d->by_id = calloc(most, sizeof *d->by_id);
    d->link = calloc((size_t)json_count(links) + 1, sizeof *d->link);
    if (!d->node || !d->by_id || !d->link || read_nodes(d, nodes))
        return -1;
    qsort_r(d->by_id, (size_t)d->count, sizeof *d->by_id, by_id, d);
    for (struct json v = json_first(links); d->form != COMFY_API && v.node; v = json_next(v))
        read_link(d, v);
    qsort(d->link, (size_t)d->links, sizeof *d->link, by_link);
    return d->form == COMFY_SUBGRAPH ? read_borders(d) : 0;
}

int comfy_open_scope(struct comfy_graph *g, int definition, int host)
{
    const struct comfy_definition *d = &g->definition[definition];
    char path[100];
    if (g->count + d->count > g->room) {
        int room = g->count + d->count + g->room / 2;
        struct comfy_node *more = realloc(g->node, ((size_t)room + 1) * sizeof *more);
        if (!more)
            return -1;
        g->node = more;
        g->room = room;
    }
    struct comfy_scope *s = &g->scope[g->scopes];
    *s = (struct comfy_scope){.definition = definition, .host = host, .first = g->count};
    if (host >= 0)
        s->depth = g->scope[g->node[host].scope].depth + 1;
    for (int i = 0; i < d->count; i++) {
        struct comfy_node *n = &g->node[g->count];
        snprintf(path, sizeof path, "%.60s:%.30s", host >= 0 ? g->node[host].id : "",
                 d->node[i].id);
        *n = (struct comfy_node){.id = strdup(host >= 0 ? path : d->node[i].id),
                                 .read = &d->node[i],
                                 .scope = g->scopes,
                                 .inner = -1,
                                 .value = d->node[i].value};
        if (!n->id)
            return -1;
        g->count++;
    }
    if (host >= 0)
        g->node[host].inner = g->scopes;
    g->scopes++;
    return 0;
}

/* ---- the workflow ---- */

static int read_graph(struct comfy_graph *g, struct err *e)
{
    struct json root = json_root(g->doc), inner = json_get(root, "prompt");
    /* As it is posted to the server, {"prompt": {...}, "extra_data": ...}. */
    if (json_kind(inner) == JSON_OBJECT && !json_get(inner, "class_type").node)
        root = inner;
    bool editor = json_kind(json_get(root, "nodes")) == JSON_ARRAY;
    g->scope = calloc(COMFY_MAX_SCOPES + 1, sizeof *g->scope);
    g->hops = malloc(sizeof *g->hops);
    if (!g->scope || !g->hops || comfy_find_groups(g, root))
        return err_set(e, "out of memory");
    *g->hops = COMFY_ALL_HOPS;
    g->definition[0].form = editor ? COMFY_EDITOR : COMFY_API;
    g->definition[0].json = root;
    if (comfy_read_definition(&g->definition[0]) || comfy_open_scope(g, 0, -1) ||
        (editor && comfy_open_groups(g)))
        return err_set(e, "out of memory for %d nodes", g->definition[0].count);
    if (g->count == 0)
        return err_set(e, "%s: no ComfyUI workflow: there is no node in it", json_name(root));
    return 0;
}

struct comfy_graph *comfy_graph_parse(const char *text, size_t size, const char *name,
                                      struct err *e)
{
    struct comfy_graph *g = calloc(1, sizeof *g);
    if (size > COMFY_MAX_TEXT)
        err_set(e, "%s: %zu bytes are too many for a workflow", name, size);
    else if (!g)
        err_set(e, "out of memory");
    else
        g->doc = json_parse_tame(text, size, name, e);
    if (g && g->doc && !read_graph(g, e))
        return g;
    comfy_graph_free(g);
    return NULL;
}

static void free_definition(struct comfy_definition *d)
{
    for (int i = 0; i < d->count; i++)
        free(d->node[i].id);
    free(d->node);
    free(d->by_id);
    free(d->link);
    free(d->side);
}

void comfy_graph_free(struct comfy_graph *g)
{
    if (!g)
        return;
    for (int i = 0; i < g->count; i++)
        free(g->node[i].id);
    for (int i = 0; i < g->scopes; i++) {
        free(g->scope[i].border);
        free(g->scope[i].output);
    }
    for (int i = 0; i < g->definitions; i++)
        free_definition(&g->definition[i]);
    free(g->hops);
    free(g->node);
    free(g->scope);
    free(g->definition);
    json_free(g->doc);
    free(g);
}

bool comfy_is_editors(const struct comfy_graph *g)
{
    return g->definition[0].form == COMFY_EDITOR;
}

int comfy_count(const struct comfy_graph *g)
{
    return g->count;
}

const char *comfy_id(const struct comfy_graph *g, int node)
{
    return g->node[node].id;
}

const char *comfy_class(const struct comfy_graph *g, int node)
{
    return g->node[node].read->type;
}

bool comfy_muted(const struct comfy_graph *g, int node)
{
    return g->node[node].read->mode == 2;
}

bool comfy_bypassed(const struct comfy_graph *g, int node)
{
    return g->node[node].read->mode == 4;
}

int comfy_scope_of(const struct comfy_graph *g, int node)
{
    return g->node[node].scope;
}

bool comfy_is_opened(const struct comfy_graph *g, int node)
{
    return g->node[node].inner >= 0;
}

const char *comfy_closed(const struct comfy_graph *g, int node)
{
    return g->node[node].closed;
}
