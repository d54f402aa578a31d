/* Sprites that are marked in the gallery; see marks.h. */
#include "ui/marks.h"

#include <stdlib.h>
#include <string.h>

int marks_at(const struct marks *m, int64_t sprite)
{
    for (int i = 0; i < m->count; i++)
        if (m->id[i] == sprite)
            return i + 1;
    return 0;
}

void marks_drop(struct marks *m, int64_t sprite)
{
    int at = marks_at(m, sprite);
    if (!at)
        return;
    memmove(m->id + at - 1, m->id + at, (size_t)(m->count - at) * sizeof *m->id);
    m->count--;
}

bool marks_toggle(struct marks *m, int64_t sprite)
{
    if (marks_at(m, sprite)) {
        marks_drop(m, sprite);
        return true;
    }
    if (m->count == MARKS_MAX)
        return false;
    m->id[m->count++] = sprite;
    return true;
}

int marks_sprites(const struct marks *m, struct store *store, struct store_sprite **list,
                  struct err *e)
{
    int n = 0;
    *list = calloc((size_t)m->count + 1, sizeof **list);
    if (!*list)
        return err_set(e, "out of memory");
    for (int i = 0; i < m->count; i++) {
        struct store_sprite *one = NULL;
        int found = store_sprite(store, m->id[i], &one, e);
        if (found < 0) {
            store_sprites_free(*list, n);
            *list = NULL;
            return -1;
        }
        if (found == 1) {
            (*list)[n++] = *one; /* with all that it points to */
            free(one);
        } else {
            store_sprites_free(one, found);
        }
    }
    return n;
}
