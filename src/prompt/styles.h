/*
 * A1111's styles.csv: names for pieces of prompts.
 *
 * Columns name, prompt (or text, as older files have it), negative_prompt, in any order, said by
 * the first line. Fields may be quoted, with doubled quotes and line breaks in them; a byte order
 * mark is skipped, rows whose name begins with # too. Where a style has {prompt}, the prompt goes
 * there, else the style goes behind it with a comma.
 * Reference: AUTOMATIC1111's modules/styles.py (load_from_csv, merge_prompts).
 */
#ifndef SPRITTY_PROMPT_STYLES_H
#define SPRITTY_PROMPT_STYLES_H

#include <stddef.h>

#include "base/err.h"

enum { MAX_STYLES = 4096 };

struct style {
    const char *name, *prompt, *negative; /* never NULL */
};

struct styles {
    struct style *at;
    int count;
    char *text; /* what they point into */
};

/* From a file that may be missing: no styles then. -1 with err: it cannot be read, has no column
 * "name", too many rows. styles_free after either. */
int styles_read(struct styles *, const char *path, struct err *);
int styles_parse(struct styles *, const char *text, size_t size, const char *where, struct err *);
void styles_free(struct styles *);

/* NULL: there is none; the last of one name counts. */
const struct style *styles_find(const struct styles *, const char *name);

/* The prompt with a style's text put to it: malloc'd, NULL without memory or over 1 MiB. */
char *style_apply(const char *style, const char *prompt);

/* Both prompts with a list of styles ("a, b", first to last); they are replaced. -1 with err: an
 * unknown name (with a near one suggested), no memory. */
int styles_apply(const struct styles *, const char *list, char **prompt, char **negative,
                 struct err *);

#endif
