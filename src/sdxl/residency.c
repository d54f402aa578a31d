/* See residency.h. */
#include "sdxl/residency.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 4 }; /* slots whose file pages are asked for beforehand */

struct place { /* a weight's slot, in an open table by the weight's address */
    const struct weight *weight;
    int slot;
};

struct residency {
    struct loader loader;
    struct residency *with;
    struct place *table;
    size_t mask;
    bool streams;
    int last; /* the streamed slot that is there; -1: none */
};

static size_t place_of(const struct residency *r, const struct weight *w)
{
    size_t i = ((uintptr_t)w >> 4) * 0x9e3779b97f4a7c15u >> 20;
    while (r->table[i & r->mask].weight && r->table[i & r->mask].weight != w)
        i++;
    return i & r->mask;
}

static bool is_of(const struct slot *s, int parts)
{
    return parts & (s->part == PART_UNET ? KEEP_UNET : KEEP_TEXT);
}

/* A slot that gets a value may have to go again at once. */
static int fetch(struct residency *r, int index, struct err *e)
{
    struct slot *all = r->loader.slots->at;
    struct loader l = r->loader;
    l.err = e;
    l.part = all[index].part;
    l.failed = false;
    if (!r->streams || all[index].part != PART_UNET)
        return loader_repack(&l, index);
    if (r->last >= 0 && slot_drop(&all[r->last], l.ops) < 0)
        return err_set(e, "out of memory");
    r->last = -1;
    if (loader_repack(&l, index) < 0)
        return -1;
    r->last = index;
    for (int i = index + 1, n = 0; i < l.slots->count && n < AHEAD; i++, n++)
        if (all[i].gone && strcmp(l.ops->name, "dry") != 0)
            loader_soon(&l, i);
    return 0;
}

static int want(void *user, const struct weight *w, struct err *e)
{
    struct residency *r = user;
    const struct place *p = &r->table[place_of(r, w)];
    if (!p->weight)
        return r->with ? want(r->with, w, e) : 0;
    return r->loader.slots->at[p->slot].gone ? fetch(r, p->slot, e) : 0;
}

struct residency *residency_new(const struct loader *l, struct residency *with, struct err *e)
{
    struct residency *r = calloc(1, sizeof *r);
    size_t room = 64;
    while (room < 2 * (size_t)l->slots->count)
        room *= 2;
    if (r)
        r->table = calloc(room, sizeof *r->table);
    if (!r || !r->table) {
        free(r);
        err_set(e, "out of memory");
        return NULL;
    }
    r->loader = *l;
    r->loader.packed = NULL;
    r->loader.later = false;
    r->loader.err = NULL;
    r->with = with;
    r->mask = room - 1;
    r->last = -1;
    for (int i = 0; i < l->slots->count; i++) {
        struct place *p = &r->table[place_of(r, l->slots->at[i].weight)];
        *p = (struct place){l->slots->at[i].weight, i};
    }
    l->ops->want = want;
    l->ops->want_user = r;
    return r;
}

void residency_free(struct residency *r)
{
    if (r && r->loader.ops->want_user == r) {
        r->loader.ops->want = r->with ? want : NULL;
        r->loader.ops->want_user = r->with;
    }
    if (r)
        free(r->table);
    free(r);
}

void residency_stream(struct residency *r, bool on)
{
    r->streams = on;
    r->last = -1;
}

int residency_drop(struct residency *r, int parts, struct err *e)
{
    struct slots *all = r->loader.slots;
    for (int i = 0; i < all->count; i++)
        if (is_of(&all->at[i], parts) && slot_drop(&all->at[i], r->loader.ops) < 0)
            return err_set(e, "out of memory");
    if (parts & KEEP_UNET)
        r->last = -1;
#ifdef __GLIBC__
    malloc_trim(0); /* small pieces between larger ones would keep their pages */
#endif
    return 0;
}

int residency_bring(struct residency *r, int parts, struct err *e)
{
    struct slots *all = r->loader.slots;
    for (int i = 0; i < all->count; i++)
        if (is_of(&all->at[i], parts) && all->at[i].gone && fetch(r, i, e) < 0)
            return -1;
    return 0;
}

size_t residency_bytes(const struct residency *r, int parts)
{
    const struct slots *all = r->loader.slots;
    size_t bytes = 0;
    for (int i = 0; i < all->count; i++)
        bytes += is_of(&all->at[i], parts) ? slot_bytes(&all->at[i], r->loader.ops->act) : 0;
    return bytes;
}

bool residency_has(const struct residency *r, int parts)
{
    const struct slots *all = r->loader.slots;
    for (int i = 0; i < all->count; i++)
        if (is_of(&all->at[i], parts) && all->at[i].gone)
            return false;
    return true;
}
