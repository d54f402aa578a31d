/* Changes of a text in their order; see undo.h. */
#include "ui/undo.h"

#include <stdlib.h>
#include <string.h>

static void drop(struct undo *u, int from, int to)
{
    for (int i = from; i < to; i++) {
        u->bytes -= u->step[i].del + u->step[i].ins;
        free(u->step[i].bytes);
    }
    memmove(&u->step[from], &u->step[to], (size_t)(u->steps - to) * sizeof *u->step);
    u->steps -= to - from;
    u->done = u->steps; /* only used when nothing is left to be done again */
}

void undo_clear(struct undo *u)
{
    drop(u, 0, u->steps);
}

/* A removal before the newest goes in front of its bytes; all else goes behind. */
static bool join_newest(struct change *s, const struct change *c, const char *removed,
                        const char *inserted)
{
    char *bytes = realloc(s->bytes, s->del + s->ins + c->del + c->ins);
    if (!bytes)
        return false;
    s->bytes = bytes;
    if (c->del && c->at < s->at) {
        memmove(bytes + c->del, bytes, s->del + s->ins);
        memcpy(bytes, removed, c->del);
        s->at = c->at;
    } else {
        memcpy(bytes + s->del + s->ins, c->del ? removed : inserted, c->del + c->ins);
    }
    s->del += c->del;
    s->ins += c->ins;
    return true;
}

static bool add(struct undo *u, struct change c, const char *removed, const char *inserted)
{
    int old = 0;
    for (size_t left = u->bytes; old < u->steps; old++) {
        if (u->steps - old < UNDO_STEPS && left + c.del + c.ins <= UNDO_BYTES)
            break;
        left -= u->step[old].del + u->step[old].ins;
    }
    drop(u, 0, old);
    c.bytes = malloc(c.del + c.ins);
    if (!c.bytes)
        return false;
    memcpy(c.bytes, removed, c.del);
    memcpy(c.bytes + c.del, inserted, c.ins);
    u->step[u->steps++] = c;
    u->done = u->steps;
    return true;
}

void undo_note(struct undo *u, struct change c, const char *removed, const char *inserted,
               bool join)
{
    drop(u, u->done, u->steps);
    if (join && u->steps > 0 ? join_newest(&u->step[u->steps - 1], &c, removed, inserted)
                             : add(u, c, removed, inserted))
        u->bytes += c.del + c.ins;
    else
        undo_clear(u);
}

const struct change *undo_newest(const struct undo *u)
{
    return u->done > 0 && u->done == u->steps ? &u->step[u->done - 1] : NULL;
}

const struct change *undo_back(struct undo *u)
{
    return u->done > 0 ? &u->step[--u->done] : NULL;
}

const struct change *undo_forth(struct undo *u)
{
    return u->done < u->steps ? &u->step[u->done++] : NULL;
}
