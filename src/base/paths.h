/*
 * Where things lie: what ships with the program, and the user's folders (XDG base directories).
 *
 * The shipped folder is found from the program itself, so that a checkout and an installed copy
 * both work without a compiled-in path: the nearest folder above it that holds config.ini, or
 * share/spritty beside its bin. $SPRITTY_SHARE says otherwise.
 */
#ifndef SPRITTY_PATHS_H
#define SPRITTY_PATHS_H

#include <limits.h>
#include <stdbool.h>

enum home {
    PLACE_SHARE,  /* config.ini and models/ as they ship */
    PLACE_CONFIG, /* ~/.config/spritty */
    PLACE_DATA,   /* ~/.local/share/spritty */
    PLACE_CACHE,  /* ~/.cache/spritty: may be deleted at any time */
};

/* The path of `name` in that place; it need not exist. False when there is no such place (no
 * $HOME, not found) or the path would be too long. */
bool place_path(enum home, const char *name, char out[PATH_MAX]);
/* The path of "NAME" or else "NAME.safetensors" in a folder there, if it is one; a name has no
 * slash and leads nowhere else. */
bool place_weights(enum home, const char *folder, const char *name, char out[PATH_MAX]);
/* What to do where there is none, as the end of an error. */
const char *place_advice(enum home);

#endif
