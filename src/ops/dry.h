/*
 * What the forecast (ops_dry_open) knows besides ops_stats: cost by named stage.
 *
 * Everything that the pipeline does between two calls of ops_dry_stage belongs to the first's name.
 * A name that comes again adds to its stage, so a loop may announce the same stage every time
 * round. Work before the first call belongs to a stage named "setup", which is dropped where it is
 * empty.
 */
#ifndef SPRITTY_DRY_H
#define SPRITTY_DRY_H

#include <string.h>

#include "ops/ops.h"

/* Whether calls read and make values: not here, nor through a profile of this backend. */
static inline bool ops_computes(const struct ops *o)
{
    return strcmp(o->name, "dry") != 0;
}

enum { DRY_STAGES = 16 };
/* So many values at most a dry download writes, zeros: who makes room for more makes it for none.
 */
enum { DRY_DOWNLOAD = 1 << 20 };

struct dry_stage {
    char name[16];
    double flops, bytes; /* as in ops_stats */
    double ms;           /* predicted; 0 without rates */
    size_t peak;         /* highest reach of the arena within the stage, and scratch */
    size_t weights;      /* most bytes of packed weights held within the stage */
};

struct rates;

/* Gives calls their times from now on: what is packed, each call, the first one of its sizes, and
 * memory that is touched for the first time. The table must stay. Dry backends only. */
void ops_dry_price(struct ops *, const struct rates *);

/* Milliseconds of all calls so far, where they have a price. */
double ops_dry_ms(struct ops *);

/* Time that passes besides, once, in the stage that it is at: files that are read. */
void ops_dry_wait(struct ops *, double ms);

/* Whether what it is like has memory of its own. */
bool ops_dry_on_gpu(const struct ops *);

/* What is called from now on counts `times` times more: one turn of a loop stands for all. Returns
 * what to end it with. Nothing on other backends. */
double ops_dry_repeat(struct ops *, double times);
void ops_dry_resume(struct ops *, double was);

/* What follows is a run of its own: how far its activations and scratch reach, and the most that
 * they and the weights held at that time, with one on its way, took together. unloaded: weights
 * come within it, so that what they took before is not counted. Dry backends only. */
void ops_dry_begin(struct ops *, bool unloaded);
size_t ops_dry_reach(struct ops *);
size_t ops_dry_most(struct ops *);

/* Starts the stage. Nothing on other backends, so a caller need not know which one it has. */
void ops_dry_stage(struct ops *, const char *name);

/* The stages so far, in the order of their first call, up to `max` of them; returns how many. 0 on
 * other backends. */
int ops_dry_stages(struct ops *, struct dry_stage *stages, int max);

#endif
