/*
 * Work that can be given up within a step.
 *
 * While it is armed, a backend's heavy calls ask first; from the first yes on they do nothing, and
 * sync() says so. Steps are long on a CPU (seconds for SDXL), single calls are not. It changes the
 * backend's own table for the time, so that all else (allocating, moving, packing) is as it was:
 * nothing is left half made but the values of tensors.
 *
 * Not for backends that record: a recording with calls left out would be replayed for good.
 */
#ifndef SPRITTY_OPS_STOP_H
#define SPRITTY_OPS_STOP_H

#include "ops/ops.h"

/* One at a time a thread. ask may be called some thousand times a second. */
void ops_stop_arm(struct ops *, bool (*ask)(void *user), void *user);
/* The table as it was. Was it stopped? */
bool ops_stop_disarm(struct ops *);

#endif
