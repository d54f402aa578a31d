/* The PNG reader on any bytes; and what it reads, written and read again, is the same picture. */
#include <stdlib.h>
#include <string.h>

#include "sprite/png.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct png_file f, again;
    struct err e;
    uint8_t *out;
    size_t n;
    if (png_decode(data, size, size % 2, &f, &e))
        return 0;
    if (f.rgba && (int64_t)f.width * f.height < 4096) {
        struct picture p = {
            .kind = PICTURE_RGBA, .width = f.width, .height = f.height, .pixels = f.rgba};
        if (png_encode(&p, NULL, 0, &out, &n, &e) || png_decode(out, n, true, &again, &e) ||
            memcmp(f.rgba, again.rgba, (size_t)f.width * (size_t)f.height * 4))
            abort();
        png_file_free(&again);
        free(out);
    }
    png_file_free(&f);
    return 0;
}
