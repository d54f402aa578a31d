/*
 * A profile as tables: by stage, by layer, by kind of operation, by operation and sizes, each
 * beside what the machine could have done at best.
 *
 * The roofline (Williams, Waterman, Patterson: "Roofline: an insightful visual performance model",
 * 2009): a call takes at least its FLOPs at the machine's highest rate for its kind, and at least
 * its bytes at the memory's, each value moved once. What it took beyond the larger of both is lost.
 * Calls of one cell (profile.h) are alike, so the bound of a line is the sum of its cells' bounds.
 * Values that stay in caches move faster than memory, so a line may be over 100%.
 */
#ifndef SPRITTY_PROFILE_REPORT_H
#define SPRITTY_PROFILE_REPORT_H

#include "ops/profile.h"

/* What the machine reaches at most: FLOPs and bytes a second; 0: not known. */
struct ceilings {
    double gemm, conv, attention, memory;
};

/* The least milliseconds that the work takes; 0 where no ceiling is known. */
double roofline_ms(const struct ceilings *, enum op_kind, double flops, double bytes);

struct profile_line {
    char name[96];
    int calls; /* of operations */
    double ms, flops, bytes;
    double least; /* ms by the roofline; 0: not known */
    size_t held;  /* most bytes in use in the arena meanwhile, scratch included */
};

/* Of the ceiling, 0 to 1 and over; NAN where it is not known or no time was taken. */
double profile_share_of_ceiling(const struct profile_line *);
double profile_lost(const struct profile_line *); /* ms */

struct profile_table {
    struct profile_line *line;
    int count;
};

struct profile_report {
    struct profile_line all; /* calls of operations alone */
    double wall;             /* ms of all stages, the host's own work included */
    struct profile_table stage, layer, kind, shape;
    struct profile_table worst; /* shapes by the time lost; empty without ceilings */
};

/* shape: PROFILE_SHAPES + 1 rows, for the cells' numbers. Tables but stage are in order of time.
 * -1 without memory. profile_report_free after either. */
int profile_report_make(const struct profile_book *, const struct op_profile *shape,
                        const struct ceilings *, struct profile_report *);
void profile_report_free(struct profile_report *);

/* The module that a scope is: "unet.down.1.attn.0.ff", without stage and turns and with the blocks
 * of a stack as one; the stage's name where nothing is left. */
void profile_layer(const struct profile_book *, int scope, char *out, size_t size);

/* The trace of a run as Chrome's trace event JSON, which Perfetto opens: modules as nested slices,
 * operations in them, memory as a counter. NULL without memory. The caller frees. */
char *profile_trace_json(const struct profile_book *, const struct op_profile *shape,
                         const char *title, size_t weights);

#endif
