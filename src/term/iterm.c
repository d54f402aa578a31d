/*
 * iTerm2's inline images: one sequence with a PNG in base64, its size told in pixels so that it is
 * shown one to one. (libchafa would send an uncompressed TIFF, stretched over whole cells.)
 */
#include "term/encoders.h"

#include <stdlib.h>

int iterm_encode(const struct image *flat, int scale, struct bytes *out, struct err *e)
{
    uint8_t *png;
    size_t size;
    if (encode_png(flat, scale, &png, &size, e))
        return -1;
    bytes_printf(out, "\033]1337;File=inline=1;size=%zu;width=%dpx;height=%dpx;", size,
                 flat->width * scale, flat->height * scale);
    bytes_text(out, "preserveAspectRatio=0;doNotMoveCursor=1:");
    bytes_base64(out, png, size);
    bytes_text(out, "\a");
    free(png);
    return 0;
}
