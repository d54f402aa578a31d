/* What a job's settings name and this machine does not have. */
#ifndef SPRITTY_MISSING_H
#define SPRITTY_MISSING_H

#include "config.h"

/* LoRAs that settings (`lora`) and words (tags) name and that are not here, each told once, with
 * what to do about it; also beside the settings' model, where that is here. loras.c has it. */
void engine_missing_loras(const struct settings *, const char *words,
                          void (*tell)(void *user, const char *line), void *user);

/* Why the setting of that key ("vae", "refiner", "control" and pictures) would stop a job: what it
 * names is not here. -1 with err then; 0 where it is here or nothing is said. inputs.c has it. */
int engine_missing_part(const struct settings *, const char *key, struct err *);

#endif
