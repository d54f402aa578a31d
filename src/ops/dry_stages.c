/* The forecast's stages and sums; see dry.h. */
#include "ops/dry_priv.h"

#include <string.h>

static bool is_dry(const struct ops *o)
{
    return o->close == dry_close;
}

/* Books the arena's reach, and the scratch, which stays, to the stage that runs. */
static void close_lap(struct dry *d)
{
    size_t peak = arena_lap(&d->arena) + d->scratch;
    struct dry_stage *s = &d->table[d->stage];
    s->peak = s->peak > peak ? s->peak : peak;
    if (d->rates && s->peak > d->touched) { /* memory that no stage before had */
        spend_once(d, (double)(s->peak - d->touched) / d->rates->touch_bytes_ms);
        d->touched = s->peak;
    }
}

void dry_name_stage(struct dry_stage *s, const char *name)
{
    memset(s, 0, sizeof *s);
    strncpy(s->name, name, sizeof s->name - 1);
}

void ops_dry_stage(struct ops *o, const char *name)
{
    if (!is_dry(o))
        return;
    struct dry *d = dry_of(o);
    struct dry_stage fresh;
    dry_name_stage(&fresh, name);
    fresh.weights = d->weight_bytes;
    close_lap(d);
    int i = 0;
    while (i < d->stages && strcmp(d->table[i].name, fresh.name) != 0)
        i++;
    assert(i < DRY_STAGES && "more stages than DRY_STAGES");
    if (i == d->stages)
        d->table[d->stages++] = fresh;
    else if (d->table[i].weights < fresh.weights)
        d->table[i].weights = fresh.weights;
    d->stage = i;
}

void ops_dry_price(struct ops *o, const struct rates *r)
{
    assert(is_dry(o));
    dry_of(o)->rates = r;
}

double ops_dry_ms(struct ops *o)
{
    assert(is_dry(o));
    close_lap(dry_of(o));
    return dry_of(o)->ms;
}

void ops_dry_wait(struct ops *o, double ms)
{
    assert(is_dry(o));
    spend_once(dry_of(o), ms);
}

double ops_dry_repeat(struct ops *o, double times)
{
    double was = is_dry(o) ? dry_of(o)->times : 1;
    if (is_dry(o))
        dry_of(o)->times *= times;
    return was;
}

void ops_dry_resume(struct ops *o, double was)
{
    if (is_dry(o))
        dry_of(o)->times = was;
}

bool ops_dry_on_gpu(const struct ops *o)
{
    return is_dry(o) && ((const struct dry *)o)->like_cuda;
}

int ops_dry_stages(struct ops *o, struct dry_stage *stages, int max)
{
    if (!is_dry(o))
        return 0;
    struct dry *d = dry_of(o);
    close_lap(d);
    int n = 0;
    for (int i = 0; i < d->stages && n < max; i++) {
        const struct dry_stage *s = &d->table[i];
        if (i > 0 || s->bytes > 0 || s->peak > 0 || s->weights > 0)
            stages[n++] = *s;
    }
    return n;
}

void ops_dry_begin(struct ops *o, bool unloaded)
{
    struct dry *d = dry_of(o);
    if (unloaded) {
        d->ms -= d->table[0].ms;
        d->table[0].ms = 0;
    }
    d->reach = d->call_scratch = d->staged = d->most = 0;
}

size_t ops_dry_reach(struct ops *o)
{
    return dry_of(o)->reach + dry_of(o)->call_scratch;
}

size_t ops_dry_most(struct ops *o)
{
    return dry_of(o)->most;
}
