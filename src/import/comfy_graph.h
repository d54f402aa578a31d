/*
 * A ComfyUI workflow as a graph: nodes, their inputs, and what each input is linked to.
 *
 * Both forms are read: the API's ({"id": {"class_type", "inputs"}}), which ComfyUI writes into PNGs
 * as `prompt`, and the editor's (`nodes`, `links`, `widgets_values`), which artists save. In the
 * editor's form a node's own values stand in a list without names; the names come from a table of
 * the classes that comfy_nodes.c knows (order: ComfyUI's nodes.py, INPUT_TYPES).
 *
 * Subgraphs (`definitions.subgraphs`) and group nodes (`extra.groupNodes`) are opened: their nodes
 * are nodes here, with the path to them as their ids ("12:5"), as in the API's form.
 *
 * Sizes are bounded: 16 MiB of text, what base/json.h allows of values and depth, 256 inputs a
 * node; 16 groups in each other, 1000 of them, 20,000 nodes in them. Links are resolved when they
 * are asked for, so a broken one costs nothing. One thread at a time: it counts what that took.
 */
#ifndef SPRITTY_COMFY_GRAPH_H
#define SPRITTY_COMFY_GRAPH_H

#include "base/json.h"

enum { COMFY_MAX_TEXT = 16 << 20, COMFY_MAX_INPUTS = 256 };

struct comfy_graph;

/* NULL and err when it is no workflow of either form. Immutable. */
struct comfy_graph *comfy_graph_parse(const char *text, size_t size, const char *name,
                                      struct err *);
void comfy_graph_free(struct comfy_graph *);

bool comfy_is_editors(const struct comfy_graph *); /* which of the two forms it is */
int comfy_count(const struct comfy_graph *);
const char *comfy_id(const struct comfy_graph *, int node);
const char *comfy_class(const struct comfy_graph *, int node); /* never NULL */
/* Switched off in the editor: it does nothing (muted), or hands on what comes in (bypassed). */
bool comfy_muted(const struct comfy_graph *, int node);
bool comfy_bypassed(const struct comfy_graph *, int node);

/* Nodes of one graph, or of one use of a subgraph or group, have the same. */
int comfy_scope_of(const struct comfy_graph *, int node);

/* It stands for others, which are here as well. */
bool comfy_is_opened(const struct comfy_graph *, int node);
/* Why a group could not be opened ("that holds itself"); or what is amiss with one that was ("has
 * values ..."). Else NULL. */
const char *comfy_closed(const struct comfy_graph *, int node);

enum comfy_kind { COMFY_MISSING, COMFY_VALUE, COMFY_LINK, COMFY_BROKEN };

struct comfy_input {
    enum comfy_kind kind;
    struct json value; /* COMFY_VALUE */
    int node, slot;    /* COMFY_LINK: the node that it comes from, and which of its outputs */
    const char *name;
};

struct comfy_input comfy_input(const struct comfy_graph *, int node, const char *name);
/* The next linked input of a node (COMFY_LINK or COMFY_BROKEN), or COMFY_MISSING past the end. *at:
 * 0 at first. */
struct comfy_input comfy_next_link(const struct comfy_graph *, int node, int *at);
struct comfy_input comfy_link(const struct comfy_graph *, int node); /* the first */
/* How many inputs and values of its own a node has, but for what the editor puts behind a seed. */
int comfy_inputs(const struct comfy_graph *, int node);
/* Of a bypassed node: the input that its output `slot` hands on. */
struct comfy_input comfy_bypass(const struct comfy_graph *, int node, int slot);
/* The i-th value of a node of the editor's form, whose name need not be known. */
struct comfy_input comfy_widget(const struct comfy_graph *, int node, int i);

#endif
