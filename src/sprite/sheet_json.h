/* What a game engine has to know of a sheet, as Aseprite's JSON. */
#ifndef SPRITTY_SHEET_JSON_H
#define SPRITTY_SHEET_JSON_H

#include "sprite/sheet.h"

struct sheet_text {
    const struct sheet_frame *frames; /* as sheet_pack filled them in */
    const char *const *names;         /* of their files, without folders */
    int n, duration;                  /* milliseconds of each */
    bool array;                       /* frames as an array, else as a hash */
    const char *picture;              /* the sheet's file, without its folder */
};

/* malloc'd; NULL without memory. */
char *sheet_json(const struct sheet_text *, const struct image *sheet);

#endif
