/*
 * SwarmUI's parameters: JSON in the PNG text that A1111 uses as well, `parameters`:
 *
 *     {"sui_image_params": {"prompt": "a slime", "steps": 20, "cfgscale": 7, ...}, ...}
 *
 * SwarmUI samples with ComfyUI and has its names. Reference: its docs/Image Metadata Format.md.
 */
#ifndef SPRITTY_SWARM_H
#define SPRITTY_SWARM_H

#include "import/recipe.h"

/* 1: the text is no JSON object, and nothing was done; -1: it is one, but not SwarmUI's. */
int swarm_import(const char *text, size_t size, const char *name, struct recipe *, struct err *);

#endif
