/*
 * A1111's "parameters": the text under its pictures, and in their PNGs.
 *
 * Cut as A1111 itself cuts it (modules/infotext_utils.py, parse_generation_parameters): the last
 * line counts as settings when it has at least three of them; a prompt's lines are trimmed.
 * tests/golden/golden_infotext.py runs A1111's own parser over the same texts.
 */
#ifndef SPRITTY_A1111_H
#define SPRITTY_A1111_H

#include "import/recipe.h"

enum { A1111_MAX_TEXT = 1 << 20, A1111_MAX_PAIRS = 500 };

struct a1111 {
    char *prompt, *negative;
    struct a1111_pair {
        char *key, *value; /* value unquoted; the last of a key that comes twice is kept */
    } * pair;
    int pairs;
};

/* -1: too long, or no memory. Any other text is fine. a1111_free after either. */
int a1111_parse(const char *text, struct a1111 *, struct err *);
const char *a1111_get(const struct a1111 *, const char *key); /* or NULL */
void a1111_free(struct a1111 *);

/* As settings. What has no setting is noted by name. */
int a1111_import(const char *text, struct recipe *, struct err *);

#endif
