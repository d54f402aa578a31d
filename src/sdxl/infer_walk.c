/* See infer_walk.h. */
#include "sdxl/infer_walk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SIZE_MAX_DIM = 1 << 20 };

/* The tensor, and in *key what the file calls it. */
static const struct st_tensor *find(const struct walk *w, const char *name, struct key *key)
{
    *key = (struct key){.third = -1};
    if (!w->control) {
        snprintf(key->name, sizeof key->name, "%s", name);
        return safetensors_find(w->st, name);
    }
    struct key full;
    if (!keymap_single(w->control, PART_CONTROL, name, &full))
        return NULL;
    size_t prefix = w->bare ? strlen(keymap_prefix(w->control, PART_CONTROL)) : 0;
    snprintf(key->name, sizeof key->name, "%s", full.name + prefix);
    return safetensors_find(w->st, key->name);
}

const struct st_tensor *walk_get(const struct walk *w, const char *fmt, ...)
{
    char name[KEY_MAX];
    struct key key;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(name, sizeof name, fmt, ap);
    va_end(ap);
    return find(w, name, &key);
}

int walk_fail(const struct walk *w, const char *what)
{
    return err_set(w->e, "%s: %s", safetensors_path(w->st), what);
}

int walk_size(const struct walk *w, const char *name, int rank, int at, int *out)
{
    struct key key;
    const struct st_tensor *t = find(w, name, &key);
    if (!t)
        return err_set(w->e, "%s: missing tensor %s", safetensors_path(w->st),
                       key.name[0] ? key.name : name);
    if (t->rank != rank || t->dim[at] < 1 || t->dim[at] > SIZE_MAX_DIM)
        return err_set(w->e, "%s: tensor %s has a shape that it cannot have in SDXL",
                       safetensors_path(w->st), key.name);
    *out = (int)t->dim[at];
    return 0;
}

int walk_run(const struct walk *w, const char *prefix, const char *suffix, int max)
{
    int n = 0;
    while (n <= max && walk_get(w, "%s%d%s", prefix, n, suffix))
        n++;
    return n;
}

int walk_heads(const struct walk *w, int channels, const char *what, int *heads)
{
    if (channels > HEAD_SIZE && channels % HEAD_SIZE != 0)
        return err_set(w->e,
                       "%s: %s has %d channels, no multiple of 64, so its number of heads cannot "
                       "be told; use the diffusers folder of this model",
                       safetensors_path(w->st), what, channels);
    *heads = channels < HEAD_SIZE ? 1 : channels / HEAD_SIZE;
    return 0;
}

int walk_groups(const struct walk *w, const char *what, const int *channels, int levels)
{
    for (int i = 0; i < levels; i++)
        if (channels[i] % NORM_GROUPS != 0)
            return err_set(w->e,
                           "%s: the %s has %d channels, no multiple of 32, so its norm groups "
                           "cannot be told; use the diffusers folder of this model",
                           safetensors_path(w->st), what, channels[i]);
    return 0;
}

bool walk_has(const struct walk *w, const char *prefix)
{
    return safetensors_prefix(w->st, prefix, NULL) > 0;
}
