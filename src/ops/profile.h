/*
 * Where the time goes: a backend around another one that times each call.
 *
 * It passes every call on and adds the time to a row for the operation and its sizes, so it can be
 * put in the place of the inner backend for one run and taken out again: weights and tensors are
 * the inner one's throughout. A backend whose calls return before the work is done is waited for
 * after each call.
 */
#ifndef SPRITTY_PROFILE_H
#define SPRITTY_PROFILE_H

#include "ops/ops.h"

struct op_profile {
    char name[64]; /* "conv2d 3x3 320>320 64x64" */
    int calls;
    double ms, flops; /* of all calls together; flops by cost.h */
};

/* NULL and err without memory. Its close frees the wrapper alone. */
struct ops *ops_profile_open(struct ops *inner, struct err *);
void ops_profile_reset(struct ops *);
/* The slowest rows first, up to `max`; returns how many. */
int ops_profile_rows(struct ops *, struct op_profile *rows, int max);

#endif
