/* What a profile writes down: shapes, scopes, cells, tensors. Between ops_profile.c, which sees the
 * calls, and profile_book.c. */
#ifndef SPRITTY_PROFILE_BOOK_H
#define SPRITTY_PROFILE_BOOK_H

#include <stdlib.h>
#include <string.h>

#include "ops/profile.h"

enum { SHAPE_SIZES = 7, DEPTH = 64 };

struct shape { /* a place of the table, searched by open addressing */
    int op, size[SHAPE_SIZES];
};

struct keeper {
    struct profile_book book;
    enum profile_what what;
    struct shape shape[PROFILE_SHAPES + 1]; /* the last is OP_OTHER's */
    int place[2 * PROFILE_CELLS];           /* of the cells, by hash; -1: free */
    int stack[DEPTH], depth, deeper;        /* deeper: scopes that found no room */
    struct profile_tensor live[PROFILE_LIVE];
    int lives;
    size_t told; /* the last BOOKED_BYTES */
};

struct keeper *keeper_new(void);
void keeper_free(struct keeper *);
void keeper_reset(struct keeper *, enum profile_what);

void keeper_enter(struct keeper *, const char *name, int index, bool turn);
void keeper_leave(struct keeper *);

void keeper_alloc(struct keeper *, const struct tensor *);
void keeper_release(struct keeper *, const void *data);
/* op wrote into y, for which the inner backend needed what it has now. */
void keeper_wrote(struct keeper *, const struct tensor *y, enum op_kind op);
/* What is in use now, compared with the peaks so far. */
void keeper_look(struct keeper *, const struct ops_stats *);

/* A call in the scope that is open. */
struct keeper_call {
    struct shape shape;
    double at, ms, flops, bytes;
};
void keeper_call(struct keeper *, const struct keeper_call *, const struct ops_stats *after);

int keeper_rows(const struct keeper *, struct op_profile *rows, int max);
/* Place `at` of the shapes as a row without calls. */
struct op_profile keeper_shape(const struct keeper *, int at);

#endif
