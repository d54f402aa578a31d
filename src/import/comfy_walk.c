/* See comfy_walk.h. */
#include "import/comfy_walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "import/comfy_known.h"

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
