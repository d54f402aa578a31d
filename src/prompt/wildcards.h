/*
 * Files of alternatives, one a line, for __name__ in prompts (dynamic.h).
 *
 * A name is the path of a .txt file below the folder, without the ending; never one outside of it.
 * * stands for any characters but /, ** for any at all, ? for one: then the lines of all files that
 * fit, in the order of their names.
 */
#ifndef SPRITTY_PROMPT_WILDCARDS_H
#define SPRITTY_PROMPT_WILDCARDS_H

#include "base/err.h"

enum { WILDCARD_NAME = 200, MAX_WILDCARDS = 256 };

struct wildcard {
    char *name, *text;
    char **line; /* into text; neither blank nor a comment, without blanks around it */
    int count;
};

struct wildcards {
    const char *folder; /* or NULL: there are none */
    struct wildcard *at[MAX_WILDCARDS];
    int count;
};

/* *w: the lines of that name, read once; NULL when no file fits. -1 with err: a file that cannot be
 * read, too many. */
int wildcards_find(struct wildcards *, const char *name, const struct wildcard **w, struct err *);
void wildcards_free(struct wildcards *);

#endif
