/* A sheet and what a game has to know of it, as two files. */
#ifndef SPRITTY_SHEET_SAVE_H
#define SPRITTY_SHEET_SAVE_H

#include "base/err.h"
#include "sprite/sheet_json.h"

/* The picture to `png`, then its description to `json`; words->picture is set here. -1 with err. */
int sheet_save(struct sheet_text *words, const struct image *sheet, const char *png,
               const char *json, struct err *);

#endif
