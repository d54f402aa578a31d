/* Names of what can be switched; see tuning.h. */
#include "ops/tuning.h"

#include <strings.h>

static const char *const MEMORIES[] = {"auto", "speed", "balanced", "constrained", NULL};
static const char *const WEIGHTS[] = {"auto", "full", "half", NULL};
static const char *const SWITCHES[] = {"auto", "on", "off", NULL};
static const char *const ATTENTIONS[] = {"auto", "flash", "tiled", "sliced", NULL};
static const char *const AUTOTUNES[] = {"measure", "heuristic", "off", NULL};

static const char *name_at(const char *const *list, int i)
{
    for (int k = 0; list[k]; k++)
        if (k == i)
            return list[k];
    return NULL;
}

static int find(const char *const *list, const char *name)
{
    for (int i = 0; list[i]; i++)
        if (!strcasecmp(list[i], name))
            return i;
    return -1;
}

#define NAMES(what, list)                                                                          \
    const char *what##_name(int i)                                                                 \
    {                                                                                              \
        return name_at(list, i);                                                                   \
    }                                                                                              \
    int what##_by_name(const char *name)                                                           \
    {                                                                                              \
        return find(list, name);                                                                   \
    }

NAMES(memory, MEMORIES)
NAMES(weights, WEIGHTS)
NAMES(switch, SWITCHES)
NAMES(attention, ATTENTIONS)
NAMES(autotune, AUTOTUNES)
