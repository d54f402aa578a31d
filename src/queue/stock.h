/* The models that a worker has, by the hash of their content. */
#ifndef SPRITTY_QUEUE_STOCK_H
#define SPRITTY_QUEUE_STOCK_H

#include <limits.h>

#include "base/err.h"

enum { STOCK_MAX = 100 };

struct stock {
    int n;
    struct {
        char path[PATH_MAX], hash[65], stamp[65];
    } at[STOCK_MAX];
};

/* A model as -m names it; hashing one of gigabytes takes a while, the first time. -1 with err. */
int stock_add(struct stock *, const char *name, struct err *);
/* All that are there: shipped and the user's. `say` hears of each, and of those that cannot be
 * read. -1: there is none. */
int stock_add_all(struct stock *, void (*say)(void *user, const char *line), void *user,
                  struct err *);
/* Its path, or NULL: there is none, or it was replaced since it was added. */
const char *stock_find(const struct stock *, const char *hash);

#endif
