/* A queue as a device of a pool or a batch: the opener that pool_options and batch_options take. */
#ifndef SPRITTY_QUEUE_DEVICE_H
#define SPRITTY_QUEUE_DEVICE_H

#include "base/err.h"

struct device_ops;

/* For jobs whose commands say their files (batch). user: anything. Of a name that is no queue's URL
 * NULL and err->text as it was. */
const struct device_ops *queue_device_open(void *user, const char *name, void **self, struct err *);

/* From now on every pool that brings no opener of its own opens queues as well. */
void queue_device_register(void);

#endif
