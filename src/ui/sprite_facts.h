/* What is known about a sprite; see sprite_facts.c. */
#ifndef SPRITTY_SPRITE_FACTS_H
#define SPRITTY_SPRITE_FACTS_H

#include "ui/ui.h"

/* In a box of its own: prompt, seed, how it was made, its file. */
void sprite_facts(struct ui *, const struct store_sprite *, struct rect);
/* What it is called: the words that were typed, or where they were a template ({a|b}, __name__),
 * which says less, what came of it. */
const char *sprite_words(const struct store_sprite *);
/* As many stars as the rating has; "" for none. */
void rating_text(int rating, char *out, size_t size);

#endif
