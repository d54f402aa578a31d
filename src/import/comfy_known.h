/*
 * Classes of ComfyUI's nodes that have nothing here: what they would have done, for the note that
 * says so. An artist who reads it knows whether the picture will be missed by it.
 */
#ifndef SPRITTY_COMFY_KNOWN_H
#define SPRITTY_COMFY_KNOWN_H

#include "import/comfy_walk.h"

void comfy_note_ignored(struct comfy_walk *, int node);

#endif
