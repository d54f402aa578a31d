/*
 * PNG files: pictures with their story in text chunks.
 *
 * Writing goes through memory, so that a file appears whole or not at all (base/fileio.h). Reading
 * trusts nothing: sizes, chunk counts and text are bounded before anything is allocated, and
 * whatever the file holds comes out as 8-bit RGBA. This is libpng's only home.
 */
#ifndef SPRITTY_PNG_H
#define SPRITTY_PNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
    PNG_MAX_SIDE = 16384,
    PNG_MAX_PIXELS = 1 << 26, /* 256 MiB as RGBA */
    PNG_MAX_TEXT = 16 << 20,  /* bytes of all text chunks, unpacked */
    PNG_MAX_FILE = 1 << 29,
};

enum picture_kind { PICTURE_RGB = 3, PICTURE_RGBA = 4, PICTURE_INDEXED = 1 }; /* bytes a pixel */

/* Rows top to bottom without padding, sRGB, alpha not premultiplied. */
struct picture {
    enum picture_kind kind;
    int width, height;
    const uint8_t *pixels;
    const uint8_t (*palette)[4]; /* RGBA, for PICTURE_INDEXED */
    int colors;                  /* 1 to 256 */
};

struct png_text {
    const char *key;   /* 1 to 79 printable ASCII characters */
    const char *value; /* UTF-8; written as tEXt when Latin-1 holds it, else as iTXt */
};

/* The file as bytes (malloc'd). Deterministic: no time stamp. */
int png_encode(const struct picture *, const struct png_text *, int texts, uint8_t **data,
               size_t *size, struct err *);

/* png_encode and file_write_atomic. */
int png_save(const char *path, const struct picture *, const struct png_text *, int texts,
             struct err *);

/* What a file holds. Owns its memory: png_file_free. */
struct png_file {
    int width, height;
    uint8_t *rgba; /* NULL when only the texts were asked for */
    struct {
        char *key, *value; /* UTF-8 (tEXt and zTXt are Latin-1 and converted) */
    } * text;
    int texts;
};

int png_decode(const uint8_t *data, size_t size, bool want_pixels, struct png_file *, struct err *);
int png_load(const char *path, bool want_pixels, struct png_file *, struct err *);
const char *png_find_text(const struct png_file *, const char *key); /* or NULL */
void png_file_free(struct png_file *);

const char *png_library(void); /* "libpng 1.6.39", for people */

/* Do these bytes begin like a PNG? */
bool png_is(const void *data, size_t size);

#endif
