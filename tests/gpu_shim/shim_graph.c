/*
 * Captured graphs for the shim: the calls between begin and end, kept with copies of their
 * arguments, and made again by each replay. What CUDA forbids in a capture spoils it, so that a
 * test on a machine without a GPU sees it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shim_run.h"

struct node {
    int (*call)(void *);
    void *context;
};

struct shim_graph {
    struct node *node;
    int count, room;
};

static struct shim_graph *now; /* being captured */
static bool spoilt;

void shim_capture(void)
{
    now = calloc(1, sizeof *now);
    spoilt = !now;
}

bool shim_capturing(void)
{
    return now != NULL;
}

int shim_spoil(const char *what)
{
    shim_fail("%s while a graph is captured", what);
    spoilt = true;
    return SHIM_FAILED;
}

int shim_keep(int (*call)(void *), const void *context, size_t bytes)
{
    struct shim_graph *g = now;
    if (g->count == g->room) {
        int room = g->room ? 2 * g->room : 64;
        struct node *more = realloc(g->node, (size_t)room * sizeof *more);
        if (!more)
            return shim_spoil("no memory");
        g->node = more;
        g->room = room;
    }
    void *copy = malloc(bytes);
    if (!copy)
        return shim_spoil("no memory");
    memcpy(copy, context, bytes);
    g->node[g->count++] = (struct node){call, copy};
    return 0;
}

int shim_captured(struct shim_graph **out)
{
    *out = now;
    now = NULL;
    if (!spoilt)
        return 0;
    shim_forget(*out);
    *out = NULL;
    return SHIM_FAILED;
}

int shim_replay(struct shim_graph *g)
{
    int rc = 0;
    for (int i = 0; i < g->count && rc == 0; i++)
        rc = g->node[i].call(g->node[i].context);
    return rc;
}

void shim_forget(struct shim_graph *g)
{
    for (int i = 0; g && i < g->count; i++)
        free(g->node[i].context);
    if (g)
        free(g->node);
    free(g);
}
