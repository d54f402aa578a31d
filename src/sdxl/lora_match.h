/* Which modules of a LoRA file belong to which source of which slot; for lora.c. */
#ifndef SPRITTY_LORA_MATCH_H
#define SPRITTY_LORA_MATCH_H

#include "sdxl/lora.h"
#include "sdxl/lora_merge.h"

struct lora_hit {
    int slot, source, module;
};

/* Sorted by slot and source. */
struct lora_hits {
    struct lora_hit *at;
    int count;
};

struct lora_target lora_target_of(const struct checkpoint *, const struct slot *, int source);

/* -1: no memory. Free hits->at. */
int lora_find_hits(const struct lora_file *, const struct checkpoint *, const struct slots *,
                   struct lora_hits *, struct lora_report *);

#endif
