/* Names of the settings compat and rng. */
#include "sdxl/compat.h"

#include <stddef.h>
#include <strings.h>

static const char *const TOOLS[] = {"comfyui", "a1111", "diffusers", NULL};
static const char *const KINDS[] = {"auto", "cpu", "gpu", NULL};

static const char *name_at(const char *const *list, int count, int i)
{
    return i >= 0 && i < count ? list[i] : NULL;
}

static int find(const char *const *list, const char *name)
{
    for (int i = 0; list[i]; i++)
        if (!strcasecmp(list[i], name))
            return i;
    return -1;
}

const char *compat_name(int i)
{
    return name_at(TOOLS, COMPAT_DIFFUSERS + 1, i);
}

int compat_by_name(const char *name)
{
    return find(TOOLS, name);
}

const char *rng_name(int i)
{
    return name_at(KINDS, RNG_GPU + 1, i);
}

int rng_by_name(const char *name)
{
    return find(KINDS, name);
}
