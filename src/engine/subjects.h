/*
 * What a model says that it draws: in its spritty.json "kinds", "colours" and "example_prompts",
 * lists of texts, and "kind_words" and "colour_words", objects of lists: what else these are called
 * in prompts.
 *
 * A model that learnt a few things draws one of them whatever it is asked for, in any colour where
 * it does not know the word; so people are told which, and that a prompt names none. The file is
 * somebody else's: texts that are too long or would not be safe to show are left out, and lists are
 * cut. Where that happens to kinds or their words, nothing is said against a prompt, nor where it
 * may name one after all: no word is better than a wrong one.
 */
#ifndef SPRITTY_SUBJECTS_H
#define SPRITTY_SUBJECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"

enum { SUBJECTS_MAX = 256, SUBJECT_BYTES = 64 };

struct subject_list {
    int count;
    char text[SUBJECTS_MAX][SUBJECT_BYTES]; /* safe to print */
};

struct subjects {
    struct subject_list kinds, words, colours, colour_words, examples;
    bool cut; /* there are more kinds or words than these */
};

/* Of a spritty.json, malloc'd; NULL: it lists no kinds, or no memory. */
struct subjects *subjects_read(struct json root);
/* The same by a model's name or path, as settings have it; NULL also when it is not here. */
struct subjects *engine_subjects(const char *model);

/* "slime, knight, potion and 29 more": the first `most` of a list, as far as they have room in
 * `size` bytes. Returns how many were named. */
int subjects_join(const struct subject_list *, int most, char *out, size_t size);

/* Whether a prompt names none of the kinds: neither as a word or its plural, nor as part of a
 * longer word. False also where it has no words or the kinds are not all known. */
bool subjects_missed(const struct subjects *, const char *prompt);

/* A word for a colour that such a model does not list, and the nearest of those that it does. */
struct other_colour {
    const char *word, *near;
};
/* The first from `from` on, of a table of common ones, that stands in the prompt; NULL: none.
 * Words that the model has for its kinds and colours are none. */
const struct other_colour *subjects_other_colour(const struct subjects *, const char *prompt,
                                                 const struct other_colour *from);
extern const struct other_colour subjects_other_colours[]; /* `from` for the first */

#endif
