/* Sprites that are marked in the gallery, in the order in which they were. */
#ifndef SPRITTY_MARKS_H
#define SPRITTY_MARKS_H

#include "store/store.h"

enum { MARKS_MAX = 256 };

struct marks {
    int64_t id[MARKS_MAX];
    int count;
};

/* Its place among the marked, from 1 on; 0: it is not. */
int marks_at(const struct marks *, int64_t sprite);
/* Marks it behind the others, or takes its mark away. False: there is no room for more. */
bool marks_toggle(struct marks *, int64_t sprite);
void marks_drop(struct marks *, int64_t sprite);

/* Their rows in that order, without those that are gone. The count, or -1. */
int marks_sprites(const struct marks *, struct store *, struct store_sprite **list, struct err *);

#endif
