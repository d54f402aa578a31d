/*
 * The kitty graphics protocol: a PNG in base64, in pieces of 4096 bytes.
 *
 * libchafa speaks it too, but sends every pixel as four bytes and lets the terminal stretch the
 * picture over whole cells; a PNG of the enlarged sprite is small, exact, and shown one to one.
 */
#include "term/encoders.h"

#include <stdlib.h>

int kitty_encode(const struct image *flat, int scale, unsigned id, struct bytes *out, struct err *e)
{
    enum { PIECE = 4096 / 4 * 3 };
    uint8_t *png;
    size_t size;
    if (encode_png(flat, scale, &png, &size, e))
        return -1;
    for (size_t at = 0; at < size; at += PIECE) {
        size_t n = size - at < PIECE ? size - at : PIECE;
        int more = at + n < size;
        if (at == 0) /* shown at once, no answers, the cursor stays */
            bytes_printf(out, "\033_Ga=T,f=100,i=%u,p=1,q=2,C=1,m=%d;", id, more);
        else
            bytes_printf(out, "\033_Gq=2,m=%d;", more);
        bytes_base64(out, png + at, n);
        bytes_text(out, "\033\\");
    }
    free(png);
    return 0;
}
