/*
 * How much memory this process may take: what the machine has and has free, and what a container
 * allows.
 */
#ifndef SPRITTY_MEMINFO_H
#define SPRITTY_MEMINFO_H

#include <stddef.h>

#include "base/err.h"

struct meminfo { /* bytes; 0: not known */
    size_t total, available;
    size_t group_limit, group_used; /* of the tightest cgroup with a limit */
    size_t own;                     /* resident in this process */
};

/* root: "" for this machine; another folder in tests. */
void meminfo_read(struct meminfo *, const char *root);
/* The `own` of that alone, for who asks often. */
size_t meminfo_own(const char *root);

/* The most that the process may hold: for good (the machine, the container, `limit` bytes, 0 being
 * none), and while others hold what they do now. */
size_t meminfo_hard(const struct meminfo *, size_t limit);
size_t meminfo_soft(const struct meminfo *, size_t limit);

/* "6GB", "800MB", bytes, or "75%" of what there is; "" and "0" are none. One of the two is 0. -1
 * with the reason. */
int memory_limit_read(const char *text, size_t *bytes, double *percent, struct err *);

#endif
