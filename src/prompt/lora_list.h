/*
 * LoRAs as text: the setting `lora`, and the arguments of <lora:...> in a prompt.
 *
 *     name:0.8, other:te=0.5:unet=1, "a name, with a comma":0.6
 *
 * What follows a name is A1111's (extensions-builtin/Lora/extra_networks_lora.py): one number is
 * the strength of both; two are text encoders, then UNet; te= and unet= name them; unet is what te
 * is unless it is said. So an item of the list is the inside of a tag.
 */
#ifndef SPRITTY_PROMPT_LORA_LIST_H
#define SPRITTY_PROMPT_LORA_LIST_H

#include "base/err.h"
#include "prompt/tags.h"

enum { LORA_ITEM_NAME = 1024, LORA_ITEMS = 32 };

struct lora_item {
    char name[LORA_ITEM_NAME]; /* or a path */
    double unet, text;
};

/* Items of the list, up to LORA_ITEMS. Returns how many; -1 with err. */
int lora_list_parse(const char *text, struct lora_item out[LORA_ITEMS], struct err *);
/* Those among the tags, appended to the `count` that are in `out`; kinds lora and lyco. A hypernet
 * is refused by name. Returns the new count. */
int lora_list_tags(const struct prompt_tags *, struct lora_item out[LORA_ITEMS], int count,
                   struct err *);
/* The list's text of an item: as short as it may be ("name:0.8", "name:te=0:unet=1"). */
void lora_item_print(const struct lora_item *, char *out, int size);

#endif
