/* Words that are typed to find a row of a list. */
#ifndef SPRITTY_WORDS_H
#define SPRITTY_WORDS_H

#include <stdbool.h>

/* Are all words (with spaces between them) in the text, in any order? Case does not count in ASCII.
 * No words: yes. */
bool words_match(const char *text, const char *words);

#endif
