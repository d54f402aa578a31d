/* "Did you mean ...?": the nearest of a list of names to a mistyped one. */
#ifndef SPRITTY_SUGGEST_H
#define SPRITTY_SUGGEST_H

/* The name with the fewest insertions, deletions, changes and swaps of neighbours between it and
 * `word` (Damerau's distance, restricted), when those are few for its length; else NULL.
 * names(user, i) gives the i-th name and NULL past the end. */
const char *suggest(const char *word, const char *(*names)(const void *user, int i),
                    const void *user);

#endif
