/* See comfy_walk.h. */
#include "import/comfy_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_known.h"

enum { DEEPEST = 32 }; /* bundles in each other */

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

/* ---- nodes that hand on ---- */

/* SetNode and GetNode (KJNodes) are in the editor's form alone: a link by name, within a graph. */
#define SETTERS "SetNode|easy setNode"
#define GETTERS "GetNode|easy getNode"

static const char *name_of(const struct comfy_graph *g, int node)
{
    return json_as_string(comfy_widget(g, node, 0).value);
}

static int by_name(const void *a, const void *b)
{
    const struct comfy_setter *x = a, *y = b;
    int order = (x->scope > y->scope) - (x->scope < y->scope);
    return order ? order : strcmp(x->name, y->name);
}

int comfy_find_setters(struct comfy_walk *w)
{
    int count = comfy_is_editors(w->g) ? comfy_count(w->g) : 0;
    for (int i = 0; i < count; i++)
        w->setters += comfy_is(w, i, SETTERS) && name_of(w->g, i);
    w->setter = calloc((size_t)w->setters + 1, sizeof *w->setter);
    if (!w->setter)
        return -1;
    w->setters = 0;
    for (int i = 0; i < count; i++)
        if (comfy_is(w, i, SETTERS) && name_of(w->g, i))
            w->setter[w->setters++] = (struct comfy_setter){name_of(w->g, i),
                                                            comfy_scope_of(w->g, i), i};
    qsort(w->setter, (size_t)w->setters, sizeof *w->setter, by_name);
    return 0;
}

static struct comfy_input got(struct comfy_walk *w, int node)
{
    struct comfy_setter want = {name_of(w->g, node), comfy_scope_of(w->g, node), -1}, *found = NULL;
    if (want.name && w->setters)
        found = bsearch(&want, w->setter, (size_t)w->setters, sizeof want, by_name);
    if (!found) {
        recipe_note(w->r, "%s: no node sets '%.60s'", comfy_name(w, node),
                    want.name ? want.name : "");
        return (struct comfy_input){.kind = COMFY_MISSING};
    }
    w->seen[found->node] = true;
    return comfy_link(w->g, found->node);
}

/* The first that is not switched off. */
static struct comfy_input first_on(struct comfy_walk *w, int node)
{
    int at = 0;
    struct comfy_input in = comfy_next_link(w->g, node, &at);
    while (in.kind == COMFY_LINK && comfy_muted(w->g, in.node))
        in = comfy_next_link(w->g, node, &at);
    return in;
}

/* Nodes that carry many things in one link; each output is the input of its name, or comes from the
 * bundle that they were given (rgthree-comfy's context_utils.py, Impact Pack's pipe.py). */
#define CONTEXT "base_ctx model clip vae positive negative latent images seed"
static const struct bundle {
    const char *type, *from,
        *outputs; /* from: the input for a bundle; NULL: the first that is on */
} BUNDLES[] = {
    {"Context (rgthree)", "base_ctx", CONTEXT},
    {"Context Big (rgthree)", "base_ctx", CONTEXT " steps step_refiner cfg"},
    {"Context Switch (rgthree)", NULL, CONTEXT},
    {"Context Switch Big (rgthree)", NULL, CONTEXT " steps step_refiner cfg"},
    {"ToBasicPipe", "", "basic_pipe"},
    {"EditBasicPipe", "basic_pipe", "basic_pipe"},
    {"FromBasicPipe", "basic_pipe", "model clip vae positive negative"},
    {"FromBasicPipe_v2", "basic_pipe", "basic_pipe model clip vae positive negative"},
};

static const struct bundle *bundle_of(const struct comfy_walk *w, int node)
{
    for (size_t i = 0; i < sizeof BUNDLES / sizeof *BUNDLES; i++)
        if (comfy_is(w, node, BUNDLES[i].type))
            return &BUNDLES[i];
    return NULL;
}

/* What an output is called; "" of the bundle itself, and of those that are not told apart here. */
static void output_name(const struct bundle *b, int slot, char name[16])
{
    const char *s = b->outputs;
    while (slot-- > 0 && *s)
        s += strcspn(s, " ") + (s[strcspn(s, " ")] == ' ');
    snprintf(name, 16, "%.*s", (int)strcspn(s, " "), s);
    if (!strcmp(name, "base_ctx") || !strcmp(name, "basic_pipe"))
        name[0] = '\0';
}

static struct comfy_input unpack(struct comfy_walk *w, int node, const char *name)
{
    struct comfy_input in = {.kind = COMFY_MISSING};
    const struct bundle *b;
    int slot;
    if (++w->unpacking > DEEPEST)
        node = -1;
    while (node >= 0 && (b = bundle_of(w, node))) {
        in = comfy_input(w->g, node, name);
        if (in.kind != COMFY_MISSING)
            break;
        in = b->from ? comfy_input(w->g, node, b->from) : first_on(w, node);
        node = comfy_follow(w, in, &slot);
        in.kind = COMFY_MISSING;
    }
    if (node >= 0 && !b)
        comfy_note_ignored(w, node);
    w->unpacking--;
    return in;
}

/* Where a node has what comes out of it from; false: it makes it. */
static bool hands_on(struct comfy_walk *w, int node, int slot, struct comfy_input *in)
{
    char name[16];
    const struct bundle *b = bundle_of(w, node);
    if (comfy_bypassed(w->g, node)) {
        *in = comfy_bypass(w->g, node, slot);
    } else if (!strncmp(comfy_class(w->g, node), "Reroute", 7) || comfy_is(w, node, SETTERS)) {
        *in = comfy_link(w->g, node);
    } else if (comfy_is(w, node, GETTERS)) {
        *in = got(w, node);
    } else if (comfy_is(w, node, "Any Switch (rgthree)")) {
        *in = first_on(w, node);
    } else {
        if (b)
            output_name(b, slot, name);
        if (!b || !*name)
            return false;
        *in = unpack(w, node, name);
    }
    return true;
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
        if (!hands_on(w, node, in.slot, &in))
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
