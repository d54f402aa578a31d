/* See residency.h. */
#include "sdxl/residency.h"

#include <malloc.h>
#include <stdlib.h>

#include "base/meminfo.h"
#include "ops/dry.h"

enum {
    AHEAD = 4,        /* slots whose file pages are asked for beforehand */
    PARKED_AHEAD = 32 /* and which come from pinned memory beforehand, where there is room */
};

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
    bool parks; /* what streams has a copy in pinned memory, and comes from there */
    int last;   /* the slot that came from the file and is there; -1: none */
    int before; /* the streamed slot that was wanted last; -1: none */
    int *next;  /* of each slot: which one was wanted after it, the last time; -1: not known */
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
    return parts & (s->part == PART_UNET || s->part == PART_CONTROL ? KEEP_UNET : KEEP_TEXT);
}

/* The slot that came from the file goes: to pinned memory where that is to be had. */
static int leave_last(struct residency *r, struct err *e)
{
    struct slot *s = r->last >= 0 ? &r->loader.slots->at[r->last] : NULL;
    struct ops *o = r->loader.ops;
    r->last = -1;
    if (s && r->parks && !s->gone && o->park(o, s->weight))
        s->gone = s->parked = true;
    return s && slot_drop(s, o) < 0 ? err_set(e, "out of memory") : 0;
}

static void note_order(struct residency *r, int index)
{
    if (r->before >= 0)
        r->next[r->before] = index;
    r->before = index;
}

/* Those that will be wanted next, as the order was the last time, until there is no more room. */
static void come_next(struct residency *r, int index)
{
    const struct slot *all = r->loader.slots->at;
    struct ops *o = r->loader.ops;
    for (int i = r->next[index], n = 0; i >= 0 && i != index && n < PARKED_AHEAD; n++) {
        if (!all[i].parked || !o->unpark(o, all[i].weight, true))
            return;
        i = r->next[i];
    }
}

/* A slot that gets a value may have to go again at once. */
static int fetch(struct residency *r, int index, struct err *e)
{
    struct slot *all = r->loader.slots->at;
    struct loader l = r->loader;
    l.err = e;
    l.part = all[index].part;
    l.failed = false;
    if (!r->streams || !is_of(&all[index], KEEP_UNET))
        return loader_repack(&l, index);
    if (leave_last(r, e) < 0)
        return -1;
    note_order(r, index);
    if (all[index].parked && l.ops->unpark(l.ops, all[index].weight, false)) {
        come_next(r, index);
        return 0;
    }
    if (loader_repack(&l, index) < 0)
        return -1;
    r->last = index;
    for (int i = index + 1, n = 0; i < l.slots->count && n < AHEAD; i++, n++)
        if (all[i].gone && ops_computes(l.ops))
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
    if (r) {
        r->table = calloc(room, sizeof *r->table);
        r->next = calloc((size_t)l->slots->count + 1, sizeof *r->next);
    }
    if (!r || !r->table || !r->next) {
        if (r)
            free(r->table), free(r->next);
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
    r->last = r->before = -1;
    for (int i = 0; i < l->slots->count; i++) {
        r->next[i] = -1;
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
        free(r->table), free(r->next);
    free(r);
}

/* Has pinned memory been taken already? */
static bool parks(const struct residency *r)
{
    const struct slots *all = r->loader.slots;
    for (int i = 0; i < all->count; i++)
        if (all->at[i].parked)
            return true;
    return false;
}

void residency_stream(struct residency *r, bool on)
{
    struct meminfo m;
    meminfo_read(&m, "");
    r->streams = on;
    r->parks = on && r->loader.ops->park &&
               (parks(r) || m.available == 0 ||
                residency_bytes(r, KEEP_UNET) < m.available / 5 * 4);
    r->last = r->before = -1;
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

int residency_bring(struct residency *r, int parts, bool (*packed)(void *), void *user,
                    struct err *e)
{
    struct slots *all = r->loader.slots;
    int rc = 0;
    r->loader.packed = packed;
    r->loader.user = user;
    for (int i = 0; i < all->count && rc == 0; i++)
        if (is_of(&all->at[i], parts) && all->at[i].gone)
            rc = fetch(r, i, e);
    r->loader.packed = NULL;
    return rc;
}

size_t residency_bytes(const struct residency *r, int parts)
{
    const struct slots *all = r->loader.slots;
    enum dtype act = r->loader.ops->act;
    size_t bytes = 0;
    for (int i = 0; i < all->count; i++)
        bytes += is_of(&all->at[i], parts) ? slot_bytes(&all->at[i], act, r->loader.halves) : 0;
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
