/* See sheet_save.h. */
#include "sprite/sheet_save.h"

#include <stdlib.h>
#include <string.h>

#include "base/fileio.h"
#include "sprite/image_file.h"

int sheet_save(struct sheet_text *words, const struct image *sheet, const char *png,
               const char *json, struct err *e)
{
    words->picture = file_name_of(png);
    char *text = sheet_json(words, sheet);
    int rc = text ? 0 : err_set(e, "out of memory");
    rc = rc || image_save(png, sheet, NULL, 0, e) || file_write_atomic(json, text, strlen(text), e)
             ? -1
             : 0;
    free(text);
    return rc;
}
