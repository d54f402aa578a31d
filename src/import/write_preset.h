/*
 * Settings out again: as a preset in an INI file, as JSON, or as a command line.
 */
#ifndef SPRITTY_WRITE_PRESET_H
#define SPRITTY_WRITE_PRESET_H

#include "import/recipe.h"

/* "[preset NAME]" and its settings, with the recipe's notes as comments above; long values in
 * quotes over several lines (config.h). base: the preset to start from, or NULL. Malloc'd; NULL
 * without memory. */
char *preset_ini(const struct settings *, const struct recipe *, const char *name,
                 const char *base);
/* One object, the settings' names as keys; numbers and flags as JSON has them. */
char *preset_json(const struct settings *);

/* May a preset be called that? -1 and err when config files could not hold the name. */
int preset_name_check(const char *name, struct err *);
/* A name made of a file's: "walk cycle.png" gives "walk cycle". out[64]. */
void preset_name_from(const char *path, char out[64]);

/* Puts the text at the end of the user's config.ini (path), which is made if it is not there; what
 * stands in it stays as it is, comments included. Written, synced and renamed; two at once wait for
 * each other. -1: a preset of that name is there already, the file has a mistake, or it cannot be
 * written; then it is as it was. */
int preset_append(const char *path, const char *name, const char *text, struct err *);
/* The same, after the section of the preset of that name was taken out, if it is there; an empty
 * text does only that. */
int preset_replace(const char *path, const char *name, const char *text, struct err *);

#endif
