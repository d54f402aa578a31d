/* What the files of a1111.h share: a1111.c cuts the text, a1111_settings.c says what its settings
 * mean, and a1111_control.c those of the extension for ControlNets. */
#ifndef SPRITTY_A1111_PRIV_H
#define SPRITTY_A1111_PRIV_H

#include "import/a1111.h"

/* A file as A1111 names it: without folder, ending and "[hash]". */
void a1111_set_file(struct recipe *, const char *key, const char *file);

/* Is it a unit of sd-webui-controlnet ("ControlNet 0")? */
bool a1111_is_control(const char *key);
/* ours: a file that spritty wrote. */
void a1111_set_control(struct recipe *, const char *key, const char *unit, bool ours);

#endif
