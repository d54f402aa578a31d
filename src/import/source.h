/*
 * Where settings are brought from: a PNG of ours, ComfyUI's or A1111's, a workflow as JSON, or
 * A1111's parameters as a text file.
 */
#ifndef SPRITTY_SOURCE_H
#define SPRITTY_SOURCE_H

#include "import/recipe.h"
#include "sprite/png.h"

/* Of a PNG, the first that is there: our own chunk (it has all), ComfyUI's `prompt`, its
 * `workflow`, A1111's `parameters`. -1: none of them, or all broken (err tells of the first). */
int import_png(const struct png_file *, const char *name, struct recipe *, struct err *);
/* JSON or parameters. `text` has a NUL at text[size]. */
int import_text(const char *text, size_t size, const char *name, struct recipe *, struct err *);
/* Either, by what the file begins with. */
int import_file(const char *path, struct recipe *, struct err *);

/* The "spritty" chunk of a sprite (engine/meta.h). */
int spritty_import(const char *text, size_t size, const char *name, struct recipe *, struct err *);

#endif
