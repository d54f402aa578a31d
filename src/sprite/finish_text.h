/*
 * Finishing options as people write them: what config files, presets and the command line say.
 *
 * finish_check is asked when a value is set, so that a mistake is told with its file and line;
 * finish_take puts the same text into the options when they are used.
 */
#ifndef SPRITTY_FINISH_TEXT_H
#define SPRITTY_FINISH_TEXT_H

#include "sprite/finish.h"

/* key is the setting's name: "cell" (auto, none, or pixels), "colors" (auto, all, or a number),
 * "clean" (none, all, or names with commas between them), "outline-color" (RRGGBB, or auto),
 * "swap" (none, or FROM=TO). Other keys are not looked at: 0. -1 and what may be said otherwise. */
int finish_check(const char *key, const char *value, struct err *);

/* Of "cell", "colors" and "clean", what finish_check let through. */
void finish_take(struct finish_options *, const char *key, const char *value);
/* False: auto, the sprite's darkest. */
bool finish_take_rgb(const char *value, uint8_t rgb[3]);

#endif
