/* See idset.h. Open addressing; the keys are hashes already. */
#include "engine/idset.h"

#include <stdlib.h>
#include <string.h>

#include "base/digest.h"

struct idset_entry idset_key(const char *text)
{
    struct idset_entry k = {0};
    char hex[65], half[17];
    digest_of(text, strlen(text), hex);
    memcpy(half, hex, 16);
    half[16] = '\0';
    k.a = strtoull(half, NULL, 16);
    memcpy(half, hex + 16, 16);
    k.b = strtoull(half, NULL, 16) | 1; /* never free */
    return k;
}

static struct idset_entry *place(const struct idset *s, struct idset_entry key)
{
    for (size_t i = key.a;; i++) {
        struct idset_entry *e = &s->at[i & (s->room - 1)];
        if ((e->a == 0 && e->b == 0) || (e->a == key.a && e->b == key.b))
            return e;
    }
}

static bool grow(struct idset *s)
{
    struct idset wider = {.room = s->room ? 2 * s->room : 64, .used = s->used};
    if (!(wider.at = calloc(wider.room, sizeof *wider.at)))
        return false;
    for (size_t i = 0; i < s->room; i++)
        if (s->at[i].b)
            *place(&wider, s->at[i]) = s->at[i];
    free(s->at);
    *s = wider;
    return true;
}

long *idset_put(struct idset *s, struct idset_entry key, long value, bool *added)
{
    if (s->used * 2 >= s->room && !grow(s))
        return NULL;
    struct idset_entry *e = place(s, key);
    *added = !e->b;
    if (*added) {
        *e = key;
        e->value = value;
        s->used++;
    }
    return &e->value;
}

long *idset_find(const struct idset *s, struct idset_entry key)
{
    struct idset_entry *e = s->room ? place(s, key) : NULL;
    return e && e->b ? &e->value : NULL;
}

void idset_free(struct idset *s)
{
    free(s->at);
    *s = (struct idset){0};
}
