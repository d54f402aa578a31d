/*
 * <kind:name:args> in a prompt: what is meant for somebody else than the text encoders.
 *
 * A1111's extra networks, of which <lora:name:0.8> is the one that all know. They are cut out
 * before weights are parsed, so ":0.8" in them is nobody's emphasis. To use it:
 *
 *     struct prompt_tags t;
 *     if (prompt_tags_cut(text, false, &t, e) < 0)
 *         return -1;
 *     for (int i = 0; i < t.count; i++)
 *         if (!strcmp(t.at[i].kind, "lora"))
 *             ... t.at[i].name, t.at[i].args: "0.8", "0.8:te=0.5", or "" (lora_list.h) ...
 *     encode(t.text);
 *     prompt_tags_free(&t);
 *
 * Reference: AUTOMATIC1111's modules/extra_networks.py, <(\w+):([^>]+)>, arguments cut at colons.
 * Time and memory are linear in the text.
 */
#ifndef SPRITTY_PROMPT_TAGS_H
#define SPRITTY_PROMPT_TAGS_H

#include <stdbool.h>

#include "base/err.h"

enum { MAX_PROMPT_TAGS = 64 };

struct prompt_tag {
    const char *kind; /* "lora", "lyco", "hypernet", or what was written */
    const char *name; /* up to the first colon, as written */
    const char *args; /* what follows it, "" when there is nothing */
};

struct prompt_tags {
    char *text; /* without the tags; nothing else is changed, blanks around them stay */
    int count;
    struct prompt_tag at[MAX_PROMPT_TAGS]; /* in the order of the text */
    char *own;                             /* what they point into */
};

/* any_kind: cut out tags of every kind, as A1111 does; else those of lora, lyco and hypernet alone,
 * and the rest stays text. -1 with err: more than MAX_PROMPT_TAGS, no memory. prompt_tags_free
 * after either. */
int prompt_tags_cut(const char *text, bool any_kind, struct prompt_tags *, struct err *);
void prompt_tags_free(struct prompt_tags *);

#endif
