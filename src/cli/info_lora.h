/* spritty info on a LoRA; for cmd_info.c. */
#ifndef SPRITTY_INFO_LORA_H
#define SPRITTY_INFO_LORA_H

#include <stdbool.h>

#include "base/err.h"

/* model: a path to match it against, or NULL. Prints; -1 with err. */
int info_lora(const char *path, const char *model, bool json, struct err *);

#endif
