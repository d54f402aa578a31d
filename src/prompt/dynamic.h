/*
 * Dynamic prompts: a template that stands for many prompts, of which a seed picks one.
 *
 *   {a|b|c}            one of them; {0.5::a|2::b}: with weights, 1 where none is said
 *   {2$$a|b|c}         two different ones, joined with ","; {1-3$$..}, {2-$$..}, {-2$$..}: so many
 *   {2$$ and $$a|b}    joined with " and "
 *   __name__           a line of name.txt in the folder of wildcards, __sub/name__ in a subfolder;
 *                      stars in the name stand for anything; {2$$__name__}: two different lines
 *   \{ \} \|           the characters
 *
 * All of it nests, and lines of wildcard files are templates too (# begins a comment, blank lines
 * are not counted; "2::line" has a weight, which is ours). Blanks before an alternative are left
 * out. Braces without a bar or $$ are text, and so is the name of a wildcard that has no file, with
 * a note. Syntax: the A1111 extension "Dynamic Prompts" (its library dynamicprompts 0.31,
 * parser/parse.py); which alternative a seed picks is our own, so its marks for how to pick, ~ ! @
 * at the begin, say nothing here. Not known, and left as text: variables (${a=b}), YAML
 * collections, # in a prompt, which is a comment there and text in ComfyUI.
 *
 * Time and memory are bounded, whatever the template: see the limits.
 */
#ifndef SPRITTY_PROMPT_DYNAMIC_H
#define SPRITTY_PROMPT_DYNAMIC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/notes.h"

enum {
    DYNAMIC_BYTES = 64 << 10, /* of a template, and of what it becomes */
    DYNAMIC_CHOICES = 10000,  /* that are made in all, and alternatives of one */
    DYNAMIC_DEPTH = 64,       /* braces and wildcards within each other */
};

/* Whether the text has anything to expand. */
bool prompt_is_dynamic(const char *text);

/* What the seed makes of the template: malloc'd. folder: of wildcards, or NULL. NULL and err when a
 * limit is passed or a wildcard file cannot be read. */
char *prompt_expand(const char *template, const char *folder, uint64_t seed, struct notes *,
                    struct err *);

#endif
