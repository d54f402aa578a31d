/* What the files of the forecast share: ops_dry.c, the calls; dry_stages.c, what it says of them.
 */
#ifndef SPRITTY_DRY_PRIV_H
#define SPRITTY_DRY_PRIV_H

#include "ops/arena.h"
#include "ops/cost.h"
#include "ops/cpu_attention.h"
#include "ops/dry.h"
#include "ops/rates.h"

enum { SEEN = 4096 }; /* a power of 2: sizes of calls that are told apart */

struct weight {
    struct weight_shape s;
    size_t bytes;
    size_t read_bytes;  /* that a call reads, and writes before where it is widened */
    size_t parts_bytes; /* of what the backend makes besides, at first need or at once */
    bool in_parts, in_filters;
};

struct dry {
    struct ops ops; /* first: a struct ops * of ours is a struct dry * */
    bool like_cpu, like_cuda;
    struct cpu cpu;                           /* like_cpu: this machine, */
    enum attention_kernel attention;          /* and what it multiplies by */
    size_t scratch;                           /* the largest call's so far */
    size_t call_scratch, reach, staged, most; /* since ops_dry_begin */
    size_t wide[2];                           /* of the largest weights that are widened */
    struct tuning tuning;
    struct err err;
    bool failed;
    struct cost cost;
    size_t weight_bytes;
    double ms, times;          /* times: how often each call counts */
    const struct rates *rates; /* NULL: calls have no price */
    size_t touched;            /* bytes of the arena that were paid for */
    int stages, stage;         /* in use; the one that runs */
    struct dry_stage table[DRY_STAGES];
    int seen_count;
    uint64_t seen[SEEN]; /* marks of calls that had their first time; 0: free */
    struct arena arena;
};

static inline struct dry *dry_of(struct ops *o)
{
    return (struct dry *)o;
}

/* Milliseconds of the stage that runs, as often as its calls count; or once. */
static inline void spend(struct dry *d, double ms)
{
    ms *= d->times;
    d->ms += ms;
    d->table[d->stage].ms += ms;
}

static inline void spend_once(struct dry *d, double ms)
{
    spend(d, ms / d->times);
}

void dry_name_stage(struct dry_stage *, const char *name);
void dry_close(struct ops *); /* the backend's, by which it is known */

#endif
