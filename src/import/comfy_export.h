/*
 * Settings as a ComfyUI workflow in the API's form, which ComfyUI opens by drag and drop, or runs
 * as it is when it is posted.
 *
 * Classes and input names are those of ComfyUI's nodes.py; tests/golden/check_comfy.py holds a
 * workflow against a checkout of it.
 */
#ifndef SPRITTY_COMFY_EXPORT_H
#define SPRITTY_COMFY_EXPORT_H

#include "import/recipe.h"

/* s: a job's settings with its prompt. What ComfyUI's own nodes cannot do is noted in r; -1 when
 * that is the sampler or the schedule. Malloc'd. */
char *comfy_export(const struct settings *s, const char *prefix, struct recipe *r, struct err *);

#endif
