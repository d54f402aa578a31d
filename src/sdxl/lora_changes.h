/*
 * Merging left to the backend: plain LoRA modules as changes of a param (struct low_rank).
 *
 * Where weights live on a device, a merge on the host would send four bytes a value over the bus,
 * after the host's cores had made them. The thin matrices are a twentieth of that, and their
 * product is nothing to a GPU. So modules that are a product of two matrices go as they lie in the
 * mapped file; all other forms are merged on the host (lora_merge.h), as is a weight with one of
 * them in it.
 */
#ifndef SPRITTY_LORA_CHANGES_H
#define SPRITTY_LORA_CHANGES_H

#include "sdxl/lora_merge.h"

struct lora_changes {
    struct low_rank *at; /* free() in the end */
    int count, room;
};

/* Is all that the module does to the weight up times down? Its biases are another matter. */
bool lora_is_change(const struct lora_module *);

/* One more, behind the others. The module fits the target; the file stays mapped while the change
 * is in use. `file` is what errors call it: values that are not finite, no memory. */
int lora_changes_add(struct lora_changes *, const struct lora_module *, const struct lora_target *,
                     double strength, int threads, const char *file, struct err *);

/* The most bytes that a backend takes besides for one weight of this target with this change. */
size_t lora_change_bytes(const struct lora_module *, const struct lora_target *);

#endif
