/*
 * What --device may say: a list of devices, each with an engine of its own.
 *
 *     auto            a GPU if one opens, else the CPU
 *     cpu   cuda   cuda:1   ref
 *     cpu*2           two engines on the CPU, each with half of the cores
 *     cuda:all        every GPU that can be seen
 *     redis://host    the workers of a queue (queue/url.h has all that may be said; rediss://,
 *                     unix:///path)
 *     cuda:0,cpu      any of them, with commas
 *
 * This is the syntax alone; which GPUs there are is asked by the engine's pool.
 */
#ifndef SPRITTY_DEVICES_H
#define SPRITTY_DEVICES_H

#include <stdbool.h>

#include "base/err.h"

enum { DEVICES_MAX = 32, DEVICE_NAME = 400 };

struct device_item {
    char name[DEVICE_NAME]; /* as a job says it: "cpu", "cuda:1", "cuda:all" */
    int count;              /* engines on it */
};

/* Parses a list; returns how many items, -1 with err. No more than DEVICES_MAX engines. */
int devices_parse(const char *text, struct device_item item[DEVICES_MAX], struct err *);
/* Is it more than one name? */
bool devices_many(const char *text);
/* Of such a list the first that is in this machine, "cuda" for all GPUs. False: it is one name, or
 * none is here. */
bool devices_first(const char *text, char name[DEVICE_NAME]);
/* Does the name begin as a queue's URL does? */
bool device_is_queue(const char *name);

#endif
