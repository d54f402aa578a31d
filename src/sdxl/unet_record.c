/* See unet_record.h. */
#include "sdxl/unet_record.h"

#include <stdlib.h>
#include <string.h>

struct entry {
    struct unet_step_key key;
    struct recording *recording; /* NULL: seen once, or refused */
    bool refused;
    unsigned used; /* when: the oldest makes room */
};

struct unet_recordings {
    struct entry entry[UNET_RECORDINGS];
    int count;
    unsigned clock;
};

struct unet_recordings *unet_recordings_new(const struct ops *o)
{
    return o->record_begin ? calloc(1, sizeof(struct unet_recordings)) : NULL;
}

void unet_recordings_free(struct unet_recordings *r, struct ops *o)
{
    for (int i = 0; r && i < r->count; i++)
        o->free_recording(o, r->entry[i].recording);
    free(r);
}

static bool same(const struct unet_step_key *a, const struct unet_step_key *b)
{
    return a->n == b->n && a->h == b->h && a->w == b->w && a->spans == b->spans &&
           a->addresses == b->addresses;
}

static struct entry *find(struct unet_recordings *r, const struct unet_step_key *k)
{
    for (int i = 0; i < r->count; i++)
        if (same(&r->entry[i].key, k))
            return &r->entry[i];
    return NULL;
}

static struct entry *oldest(struct unet_recordings *r)
{
    if (r->count < UNET_RECORDINGS)
        return &r->entry[r->count++];
    struct entry *e = &r->entry[0];
    for (int i = 1; i < r->count; i++)
        if (r->entry[i].used < e->used)
            e = &r->entry[i];
    return e;
}

enum unet_way unet_replay(struct unet_recordings *r, struct ops *o, const struct unet_step_key *k)
{
    struct entry *e = find(r, k);
    if (!e) { /* seen for the first time */
        e = oldest(r);
        o->free_recording(o, e->recording);
        *e = (struct entry){.key = *k, .used = ++r->clock};
        return UNET_PLAIN;
    }
    e->used = ++r->clock;
    if (e->recording && o->replay(o, e->recording))
        return UNET_DONE;
    if (e->recording) { /* void: weights or memory have moved, so ways may be other ones too */
        o->free_recording(o, e->recording);
        e->recording = NULL;
        return UNET_PLAIN;
    }
    return e->refused ? UNET_PLAIN : UNET_RECORD;
}

bool unet_recorded(struct unet_recordings *r, struct ops *o, const struct unet_step_key *k)
{
    struct entry *e = find(r, k);
    assert(e && !e->recording);
    e->recording = o->record_end(o);
    if (e->recording && o->replay(o, e->recording))
        return true;
    o->free_recording(o, e->recording);
    e->recording = NULL;
    e->refused = true;
    return false;
}
