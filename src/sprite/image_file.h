/* Images from and to PNG files: image.h over png.h. */
#ifndef SPRITTY_IMAGE_FILE_H
#define SPRITTY_IMAGE_FILE_H

#include "sprite/image.h"
#include "sprite/png.h"

/* As small as it gets: with a palette where there are at most 256 colours (alpha included), without
 * alpha where nothing is transparent. Whole or not at all (png_save). */
int image_save(const char *path, const struct image *, const struct png_text *, int texts,
               struct err *);

/* -1 and err when it cannot be read. `file` has the texts and owns the pixels: png_file_free
 * frees both, and the image points into it. */
int image_load(const char *path, struct image *, struct png_file *file, struct err *);

#endif
