/*
 * A workflow's parts, for comfy_graph.c (reading, following links) and comfy_groups.c (subgraphs
 * and group nodes).
 *
 * A definition is a graph as the file has it, once: the workflow itself, a subgraph, a group. A
 * scope is one use of a definition, with the node that stands for it (its host). Nodes are those
 * of all scopes; what was read of one in its definition is shared.
 */
#ifndef SPRITTY_COMFY_GRAPH_PRIV_H
#define SPRITTY_COMFY_GRAPH_PRIV_H

#include "import/comfy_graph.h"

enum {
    COMFY_MAX_DEPTH = 16,    /* groups in groups */
    COMFY_MAX_SCOPES = 1000, /* uses of groups */
    COMFY_MAX_INNER = 20000, /* nodes in them, all together */
    COMFY_MAX_HOPS = 100,    /* steps from an input through borders of groups to a node */
    COMFY_ALL_HOPS = 300000  /* of all inputs that are asked for */
};

enum comfy_form { COMFY_API, COMFY_EDITOR, COMFY_SUBGRAPH, COMFY_GROUP };

struct comfy_link {
    uint64_t id; /* of a group's, which have none: comfy_slot_key of where it leads */
    struct json from, to;
    int slot, to_slot;
};

struct comfy_read {
    char *id;
    const char *type;
    struct json inputs, outputs, value; /* value: the first of a list, or an object */
    struct json proxies; /* of a subgraph's host: whose values its own are, [[id, name], ...] */
    int mode;            /* the editor's: 2 muted, 4 bypassed */
};

struct comfy_definition {
    enum comfy_form form;
    const char *key; /* a subgraph's id, a group's name */
    struct json json, inputs;
    int size; /* nodes, and links, in the file */
    bool is_read;
    struct comfy_read *node;
    int count, *by_id; /* indexes of nodes, sorted by id */
    struct comfy_link *link;
    int links;
    struct comfy_side {
        int out;          /* the first link to its output of this number; -1 */
        int node;         /* the first node that its input of this number leads to; -1 */
        int value;        /* that input's place among those that hosts have values for; -1: none */
        struct json name; /* of the input of that node */
    } * side;             /* of a subgraph: COMFY_MAX_INPUTS */
};

/* An input of a node in a group: where it comes to the outside. */
struct comfy_border {
    uint64_t key;
    struct json row, value; /* of the host: its input; its value when nothing is linked */
};

struct comfy_scope {
    int definition, host, first; /* first: the index of its first node; host: -1 of the workflow */
    int depth;
    struct comfy_border *border; /* of a group, sorted */
    int borders;
    struct comfy_output {
        int node, slot;
    } * output; /* of a group: what its outputs are */
    int outputs;
};

struct comfy_node {
    char *id; /* in a group: the path to it */
    const struct comfy_read *read;
    int scope, inner;   /* inner: the scope that it stands for; -1: itself */
    struct json value;  /* as read, or a part of its host's */
    bool part;          /* of them: those of its inputs that can be linked are not among them */
    const char *closed; /* why it was not opened; NULL */
};

struct comfy_graph {
    struct json_doc *doc;
    struct comfy_definition *definition; /* the first is the workflow; others sorted by key */
    int definitions;
    struct comfy_scope *scope;
    int scopes;
    struct comfy_node *node;
    int count, room;
    int *hops; /* left */
};

/* Reads a definition's nodes and links, once. -1: no memory. */
int comfy_read_definition(struct comfy_definition *);
/* Adds a use of it. -1: no memory. */
int comfy_open_scope(struct comfy_graph *, int definition, int host);
/* The index of the node with this id in a scope, or -1. */
int comfy_find(const struct comfy_graph *, int scope, struct json id);
const struct comfy_link *comfy_find_link(const struct comfy_definition *, uint64_t id);

/* "seed * steps cfg": names of a class's own values in the editor's order; NULL: unknown. */
const char *comfy_widget_names(const char *type);
bool comfy_is_control(struct json value); /* what the editor puts behind a seed */
/* Is it among the inputs that can be linked (a widget that was made one)? */
bool comfy_is_row(const struct comfy_read *, const char *name, size_t length);

/* A member of an input, a link or the like, which have few: of more than 64 none is looked at, so
 * that asking often stays cheap. */
struct json comfy_get(struct json object, const char *key);

static inline uint64_t comfy_slot_key(uint64_t node, uint64_t slot)
{
    return node << 10 | slot;
}

/* comfy_groups.c */
int comfy_find_groups(struct comfy_graph *, struct json root); /* the definitions; -1: no memory */
int comfy_open_groups(struct comfy_graph *);                   /* every use; -1: no memory */
/* What a host says for its `slot`th input, which nothing is linked to; or missing. */
struct json comfy_host_value(const struct comfy_graph *, int scope, int slot);
/* What the host says for a value of one of its nodes. */
struct json comfy_promoted(const struct comfy_graph *, int node, const char *name);

#endif
